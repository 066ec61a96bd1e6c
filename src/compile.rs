//! Compiling the plugin, once for all workers, in a process of its own: the
//! supervisor never parses WebAssembly. Both sides are here: what the supervisor
//! asks ([`prepare_all`]) and what the compile worker does ([`serve`]).

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::RandomState;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use crossbeam_channel::{RecvTimeoutError, unbounded};

use crate::descriptors;
use crate::error::Error;
use crate::fault;
use crate::ipc::{self, Heard, SocketDirectory};
use crate::job::Job;
use crate::protocol::{Abi, Compiled, Fatal, Layout, Operation, Request, Response, cut_text};
use crate::roles::Role;
use crate::runtime::{self, Checked};
use crate::sandbox::{self, Locked, Policy};
use crate::slots;
use crate::text::printable;
use crate::worker_handle::{HANDSHAKE, WorkerHandle};

/// How often a compile worker that was killed is started again.
const RESTARTS: usize = 5;
/// How long compiling may take: large components need a minute on a slow machine.
/// (Tests that stop a compile worker wait less long.)
const LIMIT: Duration = Duration::from_secs(if cfg!(feature = "faults") { 4 } else { 600 });
/// A compile worker that used less than this part of that time was starved.
const STARVED: u32 = 10;
/// How often it is looked whether the job is to stop.
const LOOK: Duration = Duration::from_millis(50);
/// Data that a compile worker may have, in bytes: large components take a third of it.
const MEMORY: u64 = 4 << 30;
/// The largest plugin, in bytes.
const MAX_PLUGIN: u64 = 256 << 20;
/// The longest report that is shown, in bytes.
const MAX_REPORT: usize = 16 << 10;

/// A compiled plugin, sealed: what workers load.
#[derive(Debug)]
pub(crate) struct Artifact {
    pub abi: Abi,
    pub operation: Operation,
    /// In bytes.
    pub length: u64,
    /// BLAKE3 of the plugin's file.
    pub hash: String,
    pub file: OwnedFd,
}

impl Artifact {
    /// The same, for another place in the chain.
    fn again(&self) -> Result<Artifact, Error> {
        let file = self.file.try_clone();
        let file = file.map_err(|error| Error::system("hand on a compiled plugin", error))?;
        Ok(Artifact { file, hash: self.hash.clone(), ..*self })
    }
}

/// Has a job's plugins checked and compiled, side by side, each file once.
///
/// # Errors
/// Those of [`prepare`], for the first plugin that has one.
pub(crate) fn prepare_all(job: &Job, directory: &SocketDirectory) -> Result<Vec<Artifact>, Error> {
    let paths: Vec<&Path> = job.plugins().collect();
    // Where the file of each is named first.
    let first = |path: &&Path| paths.iter().position(|other| other == path);
    let firsts: Vec<usize> = paths.iter().filter_map(first).collect();
    // A compile worker lives no longer than the thread that started it, which waits for it.
    let made = std::thread::scope(|scope| {
        let mut threads = BTreeMap::new();
        for place in &firsts {
            let (path, number) = (paths[*place], *place as u64);
            let compile = move || prepare(path, number, job, directory);
            threads.entry(*place).or_insert_with(|| scope.spawn(compile));
        }
        let panicked = |_| Err(Error::Workers("the thread of a compile worker panicked".into()));
        threads
            .into_iter()
            .map(|(place, thread)| Ok((place, thread.join().unwrap_or_else(panicked)?)))
            .collect::<Result<BTreeMap<usize, Artifact>, Error>>()
    })?;
    firsts.iter().map(|place| made[place].again()).collect()
}

/// Has a plugin checked and compiled; `number` is its place among the job's plugins.
///
/// # Errors
/// [`Error::Plugin`] in words for its author; [`Error::Workers`] if the compile
/// worker cannot do its work.
fn prepare(
    path: &Path,
    number: u64,
    job: &Job,
    directory: &SocketDirectory,
) -> Result<Artifact, Error> {
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
    let mut hasher = blake3::Hasher::new();
    let hashed = file.try_clone().and_then(|file| Ok(hasher.update_reader(file)?.finalize()));
    let hash = hashed.map_err(|error| unusable(error.to_string()))?.to_hex().to_string();
    let mut last = String::new();
    for attempt in 0..=RESTARTS {
        let number = number * (RESTARTS as u64 + 1) + attempt as u64;
        match compile_once(&file, metadata.len(), number, job, directory)? {
            Attempt::Compiled(artifact) => return Ok(Artifact { hash, ..artifact }),
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
    job: &Job,
    directory: &SocketDirectory,
) -> Result<Attempt, Error> {
    let sandbox = job.sandbox.plan();
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
    let mut locked = false;
    loop {
        let left = (started + limit).saturating_duration_since(Instant::now());
        let response = match heard.recv_timeout(left.min(LOOK)) {
            Err(RecvTimeoutError::Timeout) if job.stop.is_stopped() => {
                return Err(Error::Interrupted);
            }
            Err(RecvTimeoutError::Timeout) if left > LOOK => continue,
            Ok(Heard::Response(response)) => response,
            Ok(Heard::Closed(Some(violation))) => {
                worker.kill();
                return Ok(Attempt::Died(violation.to_string()));
            }
            Ok(Heard::Closed(None)) | Err(RecvTimeoutError::Disconnected) => {
                return Ok(Attempt::Died(worker.end().0.to_string()));
            }
            // A process that was stopped, or got no time, says nothing about the plugin.
            Err(RecvTimeoutError::Timeout)
                if worker.cpu_time().is_some_and(|used| used < limit / STARVED) =>
            {
                let how = format!("it got nothing done in {} s", limit.as_secs());
                return Ok(Attempt::Died(how));
            }
            Err(RecvTimeoutError::Timeout) => {
                return Ok(Attempt::Refused(format!(
                    "compiling it takes longer than {} s",
                    limit.as_secs()
                )));
            }
        };
        worker.read_one();
        fault::before_response(&response);
        match response {
            Response::Hello { requests } if !worker.is_connected() => {
                limit = LIMIT;
                let layout = Layout { input: 0, output: 0 };
                let prepare =
                    Request::Prepare { layout, sandbox, memory: MEMORY, plugins: 0, data: 0 };
                if worker.connect(directory, &requests, prepare).is_err() {
                    // It is gone, which the guard will say, or has to go.
                    worker.kill();
                }
            }
            Response::Locked { layers } if !locked => {
                locked = true;
                if let Err(why) = sandbox::verify(worker.pid(), sandbox, layers, Locked::Compiling)
                {
                    // If it is gone, that is why the kernel does not know it.
                    if worker.has_ended(Duration::ZERO) {
                        continue;
                    }
                    return Err(Error::Sandbox {
                        why: format!("the compile worker is not locked: {why}"),
                    });
                }
                // A failure means that it is gone, which the guard will say.
                let _ = worker.send(Request::Compile { length });
            }
            Response::Fatal { what: Fatal::Sandbox, text } => {
                return Err(Error::Sandbox { why: printable(&text) });
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
            Response::Hello { .. }
            | Response::Locked { .. }
            | Response::Online
            | Response::Done(_)
            | Response::Piece(_) => {
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
    let Compiled { abi, operation, artifact: length } = compiled;
    Ok(Artifact { abi, operation, length, hash: String::new(), file })
}

/// The compile worker's words about a plugin, made fit to be shown.
fn read_report(report: OwnedFd) -> String {
    let mut bytes = vec![0; MAX_REPORT];
    let read = File::from(report).read_at(&mut bytes, 0).unwrap_or(0);
    printable(&String::from_utf8_lossy(&bytes[..read]))
}

/// The compile worker: greet, lock itself, compile, answer, end.
pub(crate) fn serve(guard: &str) -> anyhow::Result<()> {
    let plugin = File::from(descriptors::take(descriptors::compile::PLUGIN)?);
    let artifact = File::from(descriptors::take(descriptors::compile::ARTIFACT)?);
    let report = File::from(descriptors::take(descriptors::compile::REPORT)?);
    let (ends, first) = ipc::greet(guard)?;
    let Request::Prepare { sandbox, memory, .. } = first else {
        anyhow::bail!("the first request was no `Prepare`");
    };
    // What these need of the system they can get only now.
    let engine = runtime::engine().map_err(|error| anyhow::anyhow!("{error:#}"))?;
    std::hint::black_box(RandomState::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    match sandbox::enter(sandbox, &Policy::CompileWorker, memory) {
        Ok(layers) => ends.responses.send(Response::Locked { layers })?,
        Err(missing) => {
            let refused = Response::fatal(Fatal::Sandbox, &missing.to_string());
            return Ok(ends.responses.send(refused)?);
        }
    }
    let Request::Compile { length } = ends.requests.recv()? else {
        anyhow::bail!("a compile worker only compiles");
    };
    // With its number of threads known it need not ask the system for it.
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    fault::pass("before-compiling");
    let made = compile(&engine, &plugin, length, artifact, report);
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
    mut artifact: File,
    mut report: File,
) -> anyhow::Result<Response> {
    // By place: one that was killed may have left the file at its end.
    let mut bytes = vec![0; usize::try_from(length)?];
    plugin.read_exact_at(&mut bytes, 0).context("cannot read the plugin")?;
    match runtime::compile(engine, &bytes) {
        Ok(Checked { abi, operation, artifact: code }) => {
            artifact.write_all(&code).context("no memory for the compiled plugin")?;
            let length = code.len() as u64;
            Ok(Response::Compiled(Compiled { abi, operation, artifact: length }))
        }
        Err(why) => {
            report.write_all(cut_text(&why, MAX_REPORT).as_bytes()).context("report")?;
            Ok(Response::fatal(Fatal::Plugin, ""))
        }
    }
}
