//! What a job would do, found out without doing it: everything that would end it before
//! it starts ends this in the same way.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::compile::Artifact;
use crate::compression::Compression;
use crate::error::Error;
use crate::input::{self, Inputs, Layout, Named};
use crate::ipc::SocketDirectory;
use crate::job::{Input, InputsAre, Job, Limits, Output, Wanted};
use crate::output::{self, table_kind};
use crate::protocol::{Abi, Framing};
use crate::records::Format;
use crate::records::csv::Delimiter;
use crate::sandbox::{self, Layers, Sandbox};
use crate::side_data::SideData;
use crate::stop::Patience;

use super::formats::framing;
use super::{Prepared, read_states};

/// What a job would do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// In the order in which records pass them.
    pub plugins: Vec<ExplainedPlugin>,
    /// Side data by its names: files and their sizes in bytes.
    pub data: BTreeMap<String, (PathBuf, u64)>,
    /// In the order in which they are read; directories and globs are opened out.
    pub inputs: Vec<ExplainedInput>,
    /// Where the output goes.
    pub output: Output,
    /// How it is laid out, as far as that is known beforehand: an input that is a stream
    /// may decide about it.
    pub output_format: &'static str,
    /// `gzip` or `zstd`, by the output's name.
    pub output_compression: Option<&'static str>,
    /// Worker processes that may be started.
    pub workers: usize,
    /// About how many bytes a range has.
    pub range_size: u64,
    /// About how many ranges there are; unknown where an input is a stream.
    pub ranges: Option<u64>,
    /// What a plugin and a record may claim.
    pub limits: Limits,
    /// Layers of the sandbox that workers would have.
    pub layers: Layers,
    /// Layers that this machine does not allow, though the job wants them.
    pub missing: Layers,
}

/// A plugin of the job.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExplainedPlugin {
    /// Its file.
    pub path: PathBuf,
    /// The size of the file in bytes.
    pub bytes: u64,
    /// `filter`, `map`, `flat-map`, `batch`, `reduce` or `command`.
    pub operation: &'static str,
    /// It is called as a component, and not as a module or a component that only wraps one.
    pub is_component: bool,
    /// What it is told.
    pub params: BTreeMap<String, String>,
}

/// An input of the job.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExplainedInput {
    /// What is read.
    pub input: Input,
    /// Its size, compressed or not, in bytes; unknown for pipes.
    pub bytes: Option<u64>,
    /// `gzip` or `zstd`, by its first bytes.
    pub compression: Option<&'static str>,
    /// How it is laid out, by the user's word, its name and its first bytes.
    pub format: &'static str,
    /// Its own output, if it has one.
    pub output: Option<PathBuf>,
}

/// Finds out what a job would do: its inputs are looked at, its plugins are compiled,
/// its output is checked. No worker starts, and nothing is written.
///
/// # Errors
/// What [`run`](crate::run) would end with before it starts.
pub fn explain(job: &Job) -> Result<Explanation, Error> {
    let named = input::expand(&job.inputs, &job.output)?;
    let looked = Inputs::look(&named, job.from)?;
    let inputs = match job.inputs_are {
        InputsAre::Records => looked,
        InputsAre::States => {
            read_states(job, &named)?;
            Inputs::look(&[], None)?
        }
    };
    inputs.check(job)?;
    let directory = SocketDirectory::new()?;
    let patience = Patience::new(&job.stop, job.limits.job_timeout);
    let Prepared { job, artifacts, plan, .. } = Prepared::new(job, &inputs, &directory, &patience)?;
    let job = &job;
    let data = SideData::sizes(job)?;
    let range_size = plan.cut_rules.range_size;
    output::check_is_not_read(job, &inputs)?;
    let outputs = output::check(&job.output, &inputs)?;
    output::check_dead_letters(job, &inputs)?;
    let (layers, missing) = layers(job.sandbox)?;
    let inputs_explained = explain_inputs(job, &named, &inputs, &outputs)?;
    Ok(Explanation {
        plugins: explain_plugins(job, &artifacts)?,
        data,
        output: job.output.clone(),
        output_format: output_format(job, &inputs),
        output_compression: match &job.output {
            Output::Path(path) => Compression::of_name(path).map(Compression::name),
            Output::Stdout | Output::Directory(_) | Output::Open(_) => None,
        },
        workers: plan.workers,
        range_size,
        ranges: inputs.total_bytes().map(|_| {
            let ranges = inputs.iter().filter_map(input::Opened::bytes);
            ranges.map(|bytes| bytes.div_ceil(range_size)).sum()
        }),
        limits: job.limits,
        layers,
        missing,
        inputs: inputs_explained,
    })
}

fn explain_plugins(job: &Job, artifacts: &[Artifact]) -> Result<Vec<ExplainedPlugin>, Error> {
    let explain = |(plugin, artifact): (&crate::job::Plugin, &Artifact)| {
        let path = plugin.path.clone();
        let metadata = path
            .metadata()
            .map_err(|error| Error::Plugin { path: path.clone(), why: error.to_string() })?;
        Ok(ExplainedPlugin {
            path,
            bytes: metadata.len(),
            operation: artifact.operation.name(),
            is_component: artifact.abi == Abi::Component,
            params: plugin.params.clone(),
        })
    };
    job.plugins.iter().zip(artifacts).map(explain).collect()
}

fn explain_inputs(
    job: &Job,
    named: &[Named],
    inputs: &Inputs,
    outputs: &[PathBuf],
) -> Result<Vec<ExplainedInput>, Error> {
    if job.inputs_are == InputsAre::States {
        let state = |Named { input, .. }: &Named| {
            let bytes = match input {
                Input::Path(path) => path.metadata().ok().map(|metadata| metadata.len()),
                Input::Stdin | Input::Open(_) => None,
            };
            let input = input.clone();
            ExplainedInput { input, bytes, compression: None, format: "state", output: None }
        };
        return Ok(named.iter().map(state).collect());
    }
    let mut outputs = outputs.iter();
    let mut explain = |(named, opened): (&Named, &input::Opened)| {
        let looks = opened.looks()?;
        Ok(ExplainedInput {
            input: named.input.clone(),
            bytes: looks.bytes,
            compression: looks.compression.map(Compression::name),
            format: name_of(opened.layout(job)),
            output: outputs.next().cloned(),
        })
    };
    named.iter().zip(inputs.iter()).map(&mut explain).collect()
}

fn name_of(layout: Layout) -> &'static str {
    match layout {
        Layout::Known(Format::Ndjson) => "JSON lines",
        Layout::Known(Format::JsonSequence) => "JSON values",
        Layout::Known(Format::JsonArray) => "a JSON array",
        Layout::Known(Format::Lines) => "lines",
        Layout::Known(Format::Csv) => "CSV",
        Layout::Known(Format::Tsv) => "TSV",
        Layout::Known(Format::DeadLetters) => "dead letters",
        Layout::Json => "JSON",
        Layout::Table(kind) => kind.name(),
    }
}

/// How the output is laid out, as far as the first input shows it.
fn output_format(job: &Job, inputs: &Inputs) -> &'static str {
    if job.wanted == Wanted::State {
        return "state";
    }
    let name = match &job.output {
        Output::Path(path) => Some(path.as_path()),
        Output::Stdout | Output::Directory(_) | Output::Open(_) => None,
    };
    if let Some(kind) = table_kind(job.to, name) {
        return kind.name();
    }
    let framing = |format| framing(job, format);
    let decides = framing(Format::JsonArray) != framing(Format::JsonSequence);
    match (&job.output, job.to) {
        (Output::Directory(_), None) => return "each as its input",
        (Output::Directory(_), Some(_)) if decides => return "JSON, each as its input",
        _ => {}
    }
    let format = match inputs.iter().next().map(|opened| opened.layout(job)) {
        Some(Layout::Known(format)) => format,
        Some(Layout::Table(_)) => Format::Ndjson,
        // An array or not: that decides unless the user does.
        Some(Layout::Json) if decides => return "JSON, as the first input",
        Some(Layout::Json) => Format::JsonSequence,
        // States have no format that the output could follow.
        None => Format::Ndjson,
    };
    match framing(format) {
        Framing::Lines => "JSON lines",
        Framing::Values => "JSON values",
        Framing::Elements => "a JSON array",
        Framing::Text => "lines",
        Framing::Rows(Delimiter::Comma) => "CSV",
        Framing::Rows(Delimiter::Tab) => "TSV",
    }
}

/// The layers that workers would have, and those that they lack.
fn layers(sandbox: Sandbox) -> Result<(Layers, Layers), Error> {
    let wanted = sandbox.plan().wanted;
    if wanted.is_empty() {
        return Ok((Layers::NONE, Layers::NONE));
    }
    let findings = sandbox::doctor()?;
    let available = findings.iter().filter(|finding| finding.trouble.is_none());
    let available = available.map(|finding| Layers::from(finding.layer));
    let layers = available.fold(Layers::NONE, Layers::with);
    Ok((layers, wanted.without(layers)))
}
