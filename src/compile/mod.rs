//! Compiling the plugins, each once for all workers, in processes of their own: the
//! supervisor never parses WebAssembly. Here is what the supervisor asks
//! ([`prepare_all`]); what a compile worker does is in [`worker`], and where its work is
//! kept for the next time in [`cache`].

mod cache;
mod checkup;
mod plugin_file;
mod worker;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use bytesize::ByteSize;
use crossbeam_channel::{RecvTimeoutError, unbounded};

use crate::description::{Described, Description};
use crate::error::Error;
use crate::fault;
use crate::ipc::{Heard, SocketDirectory, is_of_this_process};
use crate::job::Job;
use crate::protocol::{Abi, Compiled, Fatal, Layout, Operation, Request, Response};
use crate::roles::Role;
use crate::sandbox::{self, Locked};
use crate::slots;
use crate::stop::Patience;
use crate::text::printable;
use crate::worker_handle::{Exit, HANDSHAKE, WorkerHandle};

pub(crate) use cache::Cache;
use cache::Key;
#[cfg(any(test, fuzzing))]
pub(crate) use cache::fuzz as fuzz_entries;
pub use cache::{CacheUse, default_path as default_cache, look as look_into_cache};
pub use checkup::{Checkup, check};
use plugin_file::PluginFile;
pub(crate) use worker::serve;

/// How often a compile worker that was killed is started again.
const RESTARTS: usize = 5;
/// What a compile worker needs for the smallest plugin, in bytes.
const LEAST_MEMORY: u64 = 24 << 20;
/// A compile worker that used less than this part of that time was starved.
const STARVED: u32 = 10;
/// How often it is looked whether the job is to stop.
const LOOK: Duration = Duration::from_millis(50);
/// Bytes that are copied at once: memory that is touched for the first time has its price, and
/// most plugins are small.
const PIECE: usize = 64 << 10;
/// The longest report that is shown, in bytes.
const MAX_REPORT: usize = 16 << 10;
/// The longest report with a description, in bytes: beyond what the most and longest names need.
const MAX_DESCRIPTION: usize = 4 << 20;

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
    pub origin: Origin,
    /// How long it took to get it.
    pub took: Duration,
}

/// Where a compiled plugin is from.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// It was compiled just now.
    Compiled,
    /// An earlier run has compiled it.
    Cache,
}

impl Artifact {
    /// The same, for another place in the chain.
    fn again(&self) -> Result<Artifact, Error> {
        let file = self.file.try_clone();
        let file = file.map_err(|error| Error::system("hand on a compiled plugin", error))?;
        Ok(Artifact { file, hash: self.hash.clone(), ..*self })
    }
}

/// Has a job's plugins checked and compiled, side by side, each file once, except for
/// those that are in the cache.
///
/// # Errors
/// Those of [`prepare`], for the first plugin that has one.
pub(crate) fn prepare_all(
    job: &Job,
    directory: &SocketDirectory,
    cache: Option<&Cache>,
    patience: &Patience,
) -> Result<Vec<Artifact>, Error> {
    let paths: Vec<&Path> = job.plugins().collect();
    // Where the file of each is named first.
    let first = |path: &&Path| paths.iter().position(|other| other == path);
    let firsts: Vec<usize> = paths.iter().filter_map(first).collect();
    if let [path] = paths[..] {
        return Ok(vec![prepare(path, 0, job, directory, cache, patience)?]);
    }
    // A compile worker lives no longer than the thread that started it, which waits for it.
    let made = std::thread::scope(|scope| {
        let mut threads = BTreeMap::new();
        for place in &firsts {
            let (path, number) = (paths[*place], *place as u64);
            let compile = move || prepare(path, number, job, directory, cache, patience);
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

/// Finds a plugin in the cache, or has it checked and compiled; `number` is its place among
/// the job's plugins.
///
/// # Errors
/// [`Error::Plugin`] in words for its author; [`Error::Workers`] if the compile
/// worker cannot do its work.
fn prepare(
    path: &Path,
    number: u64,
    job: &Job,
    directory: &SocketDirectory,
    cache: Option<&Cache>,
    patience: &Patience,
) -> Result<Artifact, Error> {
    let unusable = |why: String| Error::Plugin { path: path.to_owned(), why };
    let began = Instant::now();
    let plugin = PluginFile::read(path).map_err(unusable)?;
    let had = |artifact| {
        let hash = plugin.hash.to_hex().to_string();
        Artifact { hash, took: began.elapsed(), ..artifact }
    };
    let key = cache.map(|_| Key::new(&plugin, job.settings())).transpose()?;
    if let (Some(cache), Some(key)) = (cache, &key)
        && let Some(found) = cache.find(key)
    {
        return Ok(had(found));
    }
    if job.limits.compile_memory < LEAST_MEMORY {
        return Err(Error::Usage(format!(
            "--memory-budget leaves {} to compile the plugin {}, which needs {} at least",
            ByteSize(job.limits.compile_memory),
            path.display(),
            ByteSize(LEAST_MEMORY)
        )));
    }
    let (made, _) = compile(&plugin, number, job, directory, patience, Report::Refusal)?;
    let artifact = had(made.map_err(unusable)?);
    if let (Some(cache), Some(key)) = (cache, &key) {
        cache.keep(key, &artifact);
    }
    Ok(artifact)
}

/// What a compile worker writes to its report.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Report {
    /// Why a plugin is refused, if it is.
    Refusal,
    /// That, and what the plugin is, as a [`Described`].
    Description,
}

/// Has a plugin compiled, or learns why it cannot be; and what it is, if that is wanted.
fn compile(
    plugin: &PluginFile,
    number: u64,
    job: &Job,
    directory: &SocketDirectory,
    patience: &Patience,
    wanted: Report,
) -> Result<(Result<Artifact, String>, Option<Description>), Error> {
    let (mut last, mut broken) = (String::new(), false);
    for attempt in 0..=RESTARTS {
        let number = number * (RESTARTS as u64 + 1) + attempt as u64;
        let report = slots::handover("report")
            .map_err(|error| Error::system("hand the plugin to its compile worker", error))?;
        let made = match compile_once(plugin, number, job, directory, patience, &report, wanted)? {
            Attempt::Compiled(artifact) => Ok(artifact),
            Attempt::Unfit if wanted == Report::Refusal => Err(read_refusal(&report)?),
            Attempt::Unfit => {
                let Described { refused, description } = read_description(&report)?;
                return Ok((Err(printable(&refused.unwrap_or_default())), description));
            }
            Attempt::Refused(why) => Err(why),
            Attempt::Broke(exit) if broken => Err(format!(
                "compiling it fails each time ({exit}): it needs more memory than \
                 --compile-memory allows ({}), or is nested too deeply",
                ByteSize(job.limits.compile_memory)
            )),
            Attempt::Broke(exit) => {
                broken = true;
                last = exit.to_string();
                continue;
            }
            Attempt::Died(how) => {
                last = how;
                continue;
            }
        };
        let description = match (&made, wanted) {
            (Ok(_), Report::Description) => read_description(&report)?.description,
            _ => None,
        };
        return Ok((made, description));
    }
    Err(Error::Workers(format!(
        "the process that compiles the plugin died {} times; the last time {last}",
        RESTARTS + 1
    )))
}

enum Attempt {
    Compiled(Artifact),
    /// It cannot be run: the report says why.
    Unfit,
    Refused(String),
    /// The process aborted, which it does where there is no memory or no stack.
    Broke(Exit),
    Died(String),
}

fn compile_once(
    plugin: &PluginFile,
    number: u64,
    job: &Job,
    directory: &SocketDirectory,
    patience: &Patience,
    report: &OwnedFd,
    wanted: Report,
) -> Result<Attempt, Error> {
    let sandbox = job.sandbox.plan();
    let system = |error| Error::system("hand the plugin to its compile worker", error);
    let length = plugin.length;
    let plugin = plugin.memory.try_clone().map_err(system)?;
    let artifact = slots::handover("artifact").map_err(system)?;
    let files =
        vec![plugin, artifact.try_clone().map_err(system)?, report.try_clone().map_err(system)?];
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
            Err(RecvTimeoutError::Timeout) if left > LOOK => {
                patience.check()?;
                continue;
            }
            Ok(Heard::Response(response)) => response,
            Ok(Heard::Closed(Some(violation))) => {
                worker.kill();
                return Ok(Attempt::Died(violation.to_string()));
            }
            Ok(Heard::Closed(None)) | Err(RecvTimeoutError::Disconnected) => {
                return Ok(match worker.end().0 {
                    exit @ Exit::Signal(libc::SIGABRT) => Attempt::Broke(exit),
                    exit => Attempt::Died(exit.to_string()),
                });
            }
            // A process that was stopped, or got no time, says nothing about the plugin.
            Err(RecvTimeoutError::Timeout)
                if worker.cpu_time().is_some_and(|used| used < limit / STARVED) =>
            {
                let how = format!("it got nothing done in {limit:?}");
                return Ok(Attempt::Died(how));
            }
            Err(RecvTimeoutError::Timeout) => {
                return Ok(Attempt::Refused(format!(
                    "compiling it takes longer than --compile-timeout allows ({limit:?})"
                )));
            }
        };
        worker.read_one();
        fault::before_response(&response);
        match response {
            Response::Hello { requests } if !worker.is_connected() => {
                limit = job.limits.compile_timeout;
                let prepare = Request::Prepare {
                    layout: Layout { input: 0, output: 0 },
                    sandbox,
                    memory: job.limits.compile_memory,
                    plugins: 0,
                    data: 0,
                    settings: job.settings(),
                };
                if let Err(error) = worker.connect(directory, &requests, prepare) {
                    if is_of_this_process(&error) {
                        return Err(Error::system("connect to a worker", error));
                    }
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
                let describe = wanted == Report::Description;
                let _ = worker.send(Request::Compile { length, describe });
            }
            Response::Fatal { what: Fatal::Sandbox, text } => {
                return Err(Error::Sandbox { why: printable(&text) });
            }
            Response::Compiled(compiled) => {
                return sealed(worker, artifact, compiled).map(Attempt::Compiled);
            }
            // It is ended, so that it changes nothing more.
            Response::Fatal { what: Fatal::Plugin, .. } => return Ok(Attempt::Unfit),
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
    let (hash, took) = (String::new(), Duration::ZERO);
    Ok(Artifact { abi, operation, length, hash, file, origin: Origin::Compiled, took })
}

/// The compile worker's words about a plugin, made fit to be shown.
fn read_refusal(report: &OwnedFd) -> Result<String, Error> {
    Ok(printable(&String::from_utf8_lossy(&read_report(report, MAX_REPORT)?)))
}

/// What the compile worker saw in a plugin. Its texts are not fit to be shown.
fn read_description(report: &OwnedFd) -> Result<Described, Error> {
    let bytes = read_report(report, MAX_DESCRIPTION)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Error::Workers(format!("the compile worker's report on the plugin makes no sense: {error}"))
    })
}

fn read_report(report: &OwnedFd, most: usize) -> Result<Vec<u8>, Error> {
    let system = |error| Error::system("read the compile worker's report", error);
    let mut report = File::from(report.try_clone().map_err(system)?);
    report.rewind().map_err(system)?;
    let mut bytes = Vec::new();
    report.take(most as u64).read_to_end(&mut bytes).map_err(system)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// A report as a compile worker leaves it.
    fn report(bytes: &[u8]) -> OwnedFd {
        let report = slots::handover("report").unwrap();
        File::from(report.try_clone().unwrap()).write_all(bytes).unwrap();
        report
    }

    #[test]
    fn a_report_that_makes_no_sense_is_an_error_and_no_description() {
        let deep = vec![b'['; 100_000];
        let long = vec![b' '; MAX_DESCRIPTION + 1];
        for nonsense in [&b""[..], b"[]", b"\xff\0", br#"{"refused":1}"#, &deep, &long] {
            let error = read_description(&report(nonsense)).unwrap_err();
            assert!(error.to_string().contains("makes no sense"), "{error}");
        }
        let described = read_description(&report(br#"{"refused":"it is red"}"#)).unwrap();
        assert_eq!(described.refused.as_deref(), Some("it is red"));
    }

    #[test]
    fn words_about_a_plugin_are_cut_and_made_fit_to_be_shown() {
        let words = [b"\x1b[31m\xff", &[b'a'; MAX_REPORT][..]].concat();
        let refusal = read_refusal(&report(&words)).unwrap();
        assert!(refusal.starts_with("\\u{1b}[31m\u{fffd}a"), "{refusal}");
        assert!(refusal.len() < 2 * MAX_REPORT);
    }
}
