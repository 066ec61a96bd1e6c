//! `--dry-run`: what would be done, as text.

use std::fmt::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use bytesize::ByteSize;
use host::{ExplainedInput, ExplainedPlugin, Explanation, Job, OnError, Output, printable};

use super::report;
use super::settings::Setting;

/// Tells what the job would do, and which settings that were not typed are part of it. The exit code is that of a job that ends before it
/// starts, or 0.
pub fn run(job: &Job, settings: &[Setting]) -> ExitCode {
    let explanation = match host::explain(job) {
        Ok(explanation) => explanation,
        Err(error) => return report::refuse(&error),
    };
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_text(&mut text, job, &explanation);
    if !settings.is_empty() {
        text += "not typed:\n";
    }
    text.extend(settings.iter().map(|setting| format!("  {setting}\n")));
    super::show(&text);
    ExitCode::SUCCESS
}

fn write_text(text: &mut String, job: &Job, explanation: &Explanation) -> fmt::Result {
    let Explanation { plugins, data, inputs, limits, .. } = explanation;
    writeln!(text, "Nothing was run. What would be done:\n\nplugins:")?;
    for (number, plugin) in (1..).zip(plugins) {
        let ExplainedPlugin { path, bytes, operation, params, .. } = plugin;
        writeln!(text, "  {number}. {}: {operation}, {}", shown(path), ByteSize(*bytes))?;
        for (name, value) in params {
            writeln!(text, "     {} = {}", printable(name), printable(value))?;
        }
    }
    if !data.is_empty() {
        writeln!(text, "side data:")?;
    }
    for (name, (path, bytes)) in data {
        writeln!(text, "  {}: {}, {}", printable(name), shown(path), ByteSize(*bytes))?;
    }
    writeln!(text, "inputs ({}):", inputs.len())?;
    for input in inputs {
        write_input(text, input)?;
    }
    if let Some(selection) = job.selection() {
        writeln!(text, "records: {selection}")?;
    }
    let output = match &explanation.output {
        Output::Stdout => "standard output".to_owned(),
        Output::Open(open) => printable(&open.to_string()),
        Output::Path(path) => shown(path),
        Output::Directory(path) => format!("a file for each input in {}", shown(path)),
    };
    write!(text, "output: {output}, {}", explanation.output_format)?;
    match explanation.output_compression {
        Some(compression) => writeln!(text, ", {compression}")?,
        None => writeln!(text)?,
    }
    if let OnError::DeadLetter(path) = job.on_error() {
        writeln!(text, "dead letters: {}", shown(path))?;
    }
    let ranges = match explanation.ranges {
        Some(ranges) => format!("about {ranges}"),
        None => "of a number that is not known beforehand".into(),
    };
    let (workers, size) = (explanation.workers, ByteSize(explanation.range_size));
    writeln!(text, "workers: {workers} at most; ranges: {ranges}, of about {size} each")?;
    writeln!(
        text,
        "limits: memory {}, timeout {}, record {}, output {}, state {}, side data {}",
        ByteSize(limits.memory),
        humantime::format_duration(limits.timeout),
        ByteSize(limits.max_record),
        ByteSize(limits.max_output),
        ByteSize(limits.max_state),
        ByteSize(limits.max_data),
    )?;
    write!(text, "sandbox: {}", explanation.layers)?;
    if !explanation.missing.is_empty() {
        write!(text, " (this machine does not allow {})", explanation.missing)?;
    }
    writeln!(text)
}

fn write_input(text: &mut String, input: &ExplainedInput) -> fmt::Result {
    write!(text, "  {}: ", printable(&input.input.to_string()))?;
    match input.bytes {
        Some(bytes) => write!(text, "{}", ByteSize(bytes))?,
        None => write!(text, "a stream")?,
    }
    if let Some(compression) = input.compression {
        write!(text, ", {compression}")?;
    }
    write!(text, ", {}", input.format)?;
    if let Some(output) = &input.output {
        write!(text, " -> {}", shown(output))?;
    }
    writeln!(text)
}

fn shown(path: &Path) -> String {
    printable(&path.display().to_string())
}
