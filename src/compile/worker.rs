//! The compile worker: what a process does that was started to compile one plugin. It
//! never runs a plugin's code.

use std::fs::File;
use std::hash::RandomState;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;

use anyhow::Context as _;

use crate::description::Described;
use crate::descriptors;
use crate::fault;
use crate::ipc;
use crate::protocol::{Compiled, Fatal, Request, Response, cut_text};
use crate::runtime::{self, Checked};
use crate::sandbox::{self, Policy};

use super::MAX_REPORT;

/// Memory that a thread should have, in bytes.
const MEMORY_OF_A_THREAD: u64 = 16 << 20;

/// The compile worker: greet, lock itself, compile, answer, end.
pub(crate) fn serve(guard: &str) -> anyhow::Result<()> {
    let plugin = File::from(descriptors::take(descriptors::compile::PLUGIN)?);
    let artifact = File::from(descriptors::take(descriptors::compile::ARTIFACT)?);
    let report = File::from(descriptors::take(descriptors::compile::REPORT)?);
    let (ends, first) = ipc::greet(guard)?;
    let Request::Prepare { sandbox, memory, settings, .. } = first else {
        anyhow::bail!("the first request was no `Prepare`");
    };
    // What these need of the system they can get only now.
    let engine = runtime::engine(settings).map_err(|error| anyhow::anyhow!("{error:#}"))?;
    std::hint::black_box(RandomState::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // Each takes a stack, and what it compiles.
    let threads = threads.min((memory / MEMORY_OF_A_THREAD).max(1) as usize);
    match sandbox::enter(sandbox, &Policy::CompileWorker, memory) {
        Ok(layers) => ends.responses.send(Response::Locked { layers })?,
        Err(missing) => {
            let refused = Response::fatal(Fatal::Sandbox, &missing.to_string());
            return Ok(ends.responses.send(refused)?);
        }
    }
    let Request::Compile { length, describe } = ends.requests.recv()? else {
        anyhow::bail!("a compile worker only compiles");
    };
    // With its number of threads known it need not ask the system for it.
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    fault::pass("before-compiling");
    let made = compile(&engine, &plugin, length, describe, artifact, report);
    fault::pass("after-compiling");
    let failed = |error| Response::fatal(Fatal::Internal, &format!("{error:#}"));
    ends.responses.send(made.unwrap_or_else(failed))?;
    Ok(())
}

/// Compiles a plugin into the artifact, or writes to the report why it cannot be.
fn compile(
    engine: &runtime::Engine,
    plugin: &File,
    length: u64,
    describe: bool,
    mut artifact: File,
    mut report: File,
) -> anyhow::Result<Response> {
    // By place: one that was killed may have left the file at its end.
    let mut bytes = vec![0; usize::try_from(length)?];
    plugin.read_exact_at(&mut bytes, 0).context("cannot read the plugin")?;
    let made = runtime::compile(engine, &bytes);
    if describe {
        let refused = made.as_ref().err().map(|why| cut_text(why, MAX_REPORT / 2).to_owned());
        let described = Described { refused, description: runtime::describe(&bytes) };
        serde_json::to_writer(&mut report, &described).context("report")?;
    }
    match made {
        Ok(Checked { abi, operation, artifact: code }) => {
            artifact.write_all(&code).context("no memory for the compiled plugin")?;
            let length = code.len() as u64;
            Ok(Response::Compiled(Compiled { abi, operation, artifact: length }))
        }
        Err(_) if describe => Ok(Response::fatal(Fatal::Plugin, "")),
        Err(why) => {
            report.write_all(cut_text(&why, MAX_REPORT).as_bytes()).context("report")?;
            Ok(Response::fatal(Fatal::Plugin, ""))
        }
    }
}
