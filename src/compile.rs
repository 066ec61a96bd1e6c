//! Compiling the plugin, once for all workers, in a process of its own: the
//! supervisor never parses WebAssembly. Both sides are here: what the supervisor
//! asks ([`prepare`]) and what the compile worker does ([`serve`]).

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use crossbeam_channel::{RecvTimeoutError, unbounded};

use crate::descriptors;
use crate::error::Error;
use crate::ipc::{self, Heard, SocketDirectory};
use crate::protocol::{
    Abi, Compiled, Fatal, Layout, MAX_RESPONSE_TEXT, Request, Response, cut_text,
};
use crate::roles::Role;
use crate::runtime;
use crate::slots;
use crate::text::printable;
use crate::worker_handle::{HANDSHAKE, WorkerHandle};

/// How often a compile worker that was killed is started again.
const RESTARTS: usize = 5;
/// How long compiling may take: large components need a minute on a slow machine.
const LIMIT: Duration = Duration::from_secs(600);
/// The largest plugin, in bytes.
const MAX_PLUGIN: u64 = 256 << 20;
/// The longest report that is shown, in bytes.
const MAX_REPORT: usize = 16 << 10;

/// A compiled plugin, sealed: what workers load.
#[derive(Debug)]
pub(crate) struct Artifact {
    pub abi: Abi,
    pub file: OwnedFd,
}

/// Has the plugin checked and compiled.
///
/// # Errors
/// [`Error::Plugin`] in words for its author; [`Error::Workers`] if the compile
/// worker cannot do its work.
pub(crate) fn prepare(path: &Path, directory: &SocketDirectory) -> Result<Artifact, Error> {
    let unusable = |why: String| Error::Plugin { path: path.to_owned(), why };
    // Opening a pipe would wait for its writer.
    let metadata = std::fs::metadata(path).map_err(|error| unusable(error.to_string()))?;
    if !metadata.is_file() {
        return Err(unusable("it is not a file".into()));
    }
    let file = File::open(path).map_err(|error| unusable(error.to_string()))?;
    if metadata.len() > MAX_PLUGIN {
        return Err(unusable(format!("it is larger than {} MiB", MAX_PLUGIN >> 20)));
    }
    let mut last = String::new();
    for attempt in 0..=RESTARTS {
        match compile_once(&file, metadata.len(), attempt as u64, directory)? {
            Attempt::Compiled(artifact) => return Ok(artifact),
            Attempt::Refused(why) => return Err(unusable(why)),
            Attempt::Died(how) => last = how,
        }
    }
    Err(Error::Workers(format!(
        "the process that compiles the plugin died {} times; the last time {last}",
        RESTARTS + 1
    )))
}

enum Attempt {
    Compiled(Artifact),
    Refused(String),
    Died(String),
}

fn compile_once(
    file: &File,
    length: u64,
    number: u64,
    directory: &SocketDirectory,
) -> Result<Attempt, Error> {
    let system = |error| Error::system("hand the plugin to its compile worker", error);
    let plugin = file.try_clone().map_err(system)?;
    let artifact = slots::handover("artifact").map_err(system)?;
    let report = slots::handover("report").map_err(system)?;
    let files = vec![
        plugin.into(),
        artifact.try_clone().map_err(system)?,
        report.try_clone().map_err(system)?,
    ];
    let (events, heard) = unbounded();
    let mut worker = WorkerHandle::spawn(Role::Compile, directory, number, files, move |heard| {
        // The receiver is gone when the worker is no longer wanted.
        let _ = events.send(heard);
    })?;
    let started = Instant::now();
    let mut limit = HANDSHAKE;
    loop {
        let left = (started + limit).saturating_duration_since(Instant::now());
        let response = match heard.recv_timeout(left) {
            Ok(Heard::Response(response)) => response,
            Ok(Heard::Closed(Some(violation))) => {
                worker.kill();
                return Ok(Attempt::Died(violation.to_string()));
            }
            Ok(Heard::Closed(None)) | Err(RecvTimeoutError::Disconnected) => {
                return Ok(Attempt::Died(worker.end().to_string()));
            }
            Err(RecvTimeoutError::Timeout) => {
                return Ok(Attempt::Refused(format!(
                    "compiling it takes longer than {} s",
                    limit.as_secs()
                )));
            }
        };
        worker.read_one();
        match response {
            Response::Hello { requests } if !worker.is_connected() => {
                limit = LIMIT;
                let layout = Layout { input: 0, output: 0 };
                if worker.connect(directory, &requests, layout).is_err() {
                    // It is gone, which the guard will say, or has to go.
                    worker.kill();
                    continue;
                }
                let _ = worker.send(Request::Compile { length });
            }
            Response::Compiled(compiled) => {
                return sealed(worker, artifact, compiled).map(Attempt::Compiled);
            }
            Response::Fatal { what: Fatal::Plugin, .. } => {
                drop(worker);
                return Ok(Attempt::Refused(read_report(report)));
            }
            Response::Fatal { text, .. } => {
                return Ok(Attempt::Died(format!("it said: {}", printable(&text))));
            }
            Response::Hello { .. } | Response::Online | Response::Done(_) => {
                return Ok(Attempt::Died("it sent an answer that nobody asked for".into()));
            }
        }
    }
}

/// Ends the compile worker and makes its work unchangeable.
fn sealed(worker: WorkerHandle, file: OwnedFd, compiled: Compiled) -> Result<Artifact, Error> {
    // As long as it lives it could hold the memory mapped and change it.
    drop(worker);
    let system = |error| Error::system("seal the compiled plugin", error);
    slots::seal(&file).map_err(system)?;
    let length = rustix::fs::fstat(&file).map_err(|error| system(error.into()))?.st_size;
    if u64::try_from(length).ok() != Some(compiled.artifact) {
        return Err(Error::Workers("the compile worker left less than it said".into()));
    }
    Ok(Artifact { abi: compiled.abi, file })
}

/// The compile worker's words about a plugin, made fit to be shown.
fn read_report(report: OwnedFd) -> String {
    let mut bytes = vec![0; MAX_REPORT];
    let read = File::from(report).read_at(&mut bytes, 0).unwrap_or(0);
    printable(&String::from_utf8_lossy(&bytes[..read]))
}

/// The compile worker: greet, compile, answer, end.
pub(crate) fn serve(guard: &str) -> anyhow::Result<()> {
    let plugin = File::from(descriptors::take(descriptors::compile::PLUGIN)?);
    let mut artifact = File::from(descriptors::take(descriptors::compile::ARTIFACT)?);
    let mut report = File::from(descriptors::take(descriptors::compile::REPORT)?);
    let (ends, _prepare) = ipc::greet(guard)?;
    let Request::Compile { length } = ends.requests.recv()? else {
        anyhow::bail!("a compile worker only compiles");
    };
    let made = (|| {
        // By place: one that was killed may have left the file at its end.
        let mut bytes = vec![0; usize::try_from(length)?];
        plugin.read_exact_at(&mut bytes, 0).context("cannot read the plugin")?;
        let engine = runtime::engine().map_err(|error| anyhow::anyhow!("{error:#}"))?;
        let made = match runtime::compile(&engine, &bytes) {
            Ok((abi, code)) => {
                artifact.write_all(&code).context("no memory for the compiled plugin")?;
                Ok(Compiled { abi, artifact: code.len() as u64 })
            }
            Err(why) => {
                report.write_all(cut_text(&why, MAX_REPORT).as_bytes()).context("report")?;
                Err(Response::Fatal { what: Fatal::Plugin, text: String::new() })
            }
        };
        anyhow::Ok(made)
    })();
    ends.responses.send(match made {
        Ok(Ok(compiled)) => Response::Compiled(compiled),
        Ok(Err(refused)) => refused,
        Err(error) => {
            let text = format!("{error:#}");
            let text = cut_text(&text, MAX_RESPONSE_TEXT).to_owned();
            Response::Fatal { what: Fatal::Internal, text }
        }
    })?;
    Ok(())
}
