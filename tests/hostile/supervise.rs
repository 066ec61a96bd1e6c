//! The supervisor under attack: runs a job through the library and writes down what
//! it saw, for the driver to judge.
#![allow(unsafe_code, reason = "leaving a descriptor to children takes a number")]

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use host::{Cache, Event, From, Job, MaxErrors, OnError, Output, Sandbox};
use rustix::io::Errno;
use rustix::process::{WaitOptions, wait};
use serde::{Deserialize, Serialize};

use crate::attacks::{Attack, By};

/// Memory that a plugin may have, in bytes.
const MEMORY: u64 = 8 << 20;
/// Memory that a process may have that reads or writes a table, in bytes.
const TABLE_MEMORY: u64 = 64 << 20;
/// Memory that a supervisor holds where the machine is to run out of it, in bytes: more
/// than a worker then gets.
const BALLAST: usize = 192 << 20;

/// How often is looked whether threads have ended: a thread that was joined may be
/// visible for a moment longer.
const LOOKS: usize = 1000;

/// What a run came to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Empty if the job was done.
    pub error: String,
    pub read: u64,
    pub used: u64,
    pub skipped: u64,
    pub restarts: u64,
    /// Why each worker ended that did not end by itself with code 0.
    pub ends: Vec<String>,
    /// Why each process ended that had read or written a table, and had to be replaced.
    pub tables: Vec<String>,
    /// How each record failed that was set aside.
    pub failures: Vec<String>,
    /// What the plugin logged.
    pub log_lines: usize,
    pub log_bytes: usize,
    /// The supervisor's own memory, in KiB.
    pub memory_before: u64,
    pub memory_after: u64,
    /// Processes that came online.
    pub online: usize,
    pub descriptors_before: usize,
    pub descriptors_after: usize,
    pub threads_before: usize,
    pub threads_after: usize,
    /// There is a child process, or one that nobody has waited for.
    pub children_left: bool,
    /// Descriptors of an attacker's that were seen in this process at any time.
    pub stowaways: usize,
}

pub fn main(arguments: &[&str]) -> ExitCode {
    let [plugin, input, output, summary] = arguments else { return ExitCode::from(64) };
    // An honest run is named after no attack.
    let attack = crate::own_attack();
    let job = Job::builder(*plugin)
        .file(*input)
        .output(Output::Path(PathBuf::from(output)))
        .workers(2)
        .range_size(16 << 10)
        .memory(MEMORY)
        .table_memory(TABLE_MEMORY)
        .cache(Cache::Off)
        .param("name", "value");
    let job = match &attack {
        Some(attack) => job.timeout(Duration::from_millis(attack.timeout)),
        None => job,
    };
    let job = match &attack {
        // There is no tab in the input: each line is a row of one field.
        Some(attack) if attack.rows => job.from(From::Tsv).no_header(),
        _ => job,
    };
    let is_locked = attack.as_ref().is_some_and(|attack| attack.locked);
    let job = match attack.as_ref().map(|attack| attack.by) {
        // What is attacked here is what stands if the sandbox falls.
        Some(By::Process(..)) if !is_locked => job.sandbox(Sandbox::Off),
        Some(By::Plugin(_)) => job.on_error(OnError::Skip).max_errors(MaxErrors::Percent(100.0)),
        _ => job,
    };
    let Ok(job) = job.build() else { return ExitCode::from(64) };
    tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::WARN)
        .with_writer(|| Ear)
        .init();
    // A careless program: it leaves something open for whoever is started by it.
    // SAFETY: nobody owns that number, and standard input is open.
    unsafe { libc::dup2(0, crate::INHERITED) };
    let ballast = attack.as_ref().and_then(|attack| attack.machine).map(|_| vec![1_u8; BALLAST]);
    let (seen, code) = run(&job, attack.as_ref());
    std::hint::black_box(ballast);
    let written = serde_json::to_vec(&seen).map(|text| std::fs::write(summary, text));
    if matches!(written, Ok(Ok(()))) { code } else { ExitCode::from(65) }
}

fn run(job: &Job, attack: Option<&Attack>) -> (Summary, ExitCode) {
    let outside = match attack.map(|attack| attack.by) {
        Some(By::Outside(outside)) => Some(outside),
        _ => None,
    };
    if let Some(outside) = outside {
        (outside.before)();
    }
    let mut struck = false;
    let mut seen = Summary {
        descriptors_before: entries("/proc/self/fd"),
        threads_before: entries("/proc/self/task"),
        memory_before: memory(),
        ..Summary::default()
    };
    let mut pids = BTreeSet::new();
    let ended = host::run(job, &mut |event| {
        seen.stowaways = seen.stowaways.max(stowaways());
        match event {
            Event::Online { pid, .. } => {
                pids.insert(pid);
            }
            Event::Message { .. } if !std::mem::replace(&mut struck, true) => {
                if let Some(outside) = outside {
                    (outside.meanwhile)();
                }
            }
            Event::Exit { exit, violation, last_words, .. } if exit != host::Exit::Code(0) => {
                let how = violation.unwrap_or_else(|| exit.to_string());
                let words = last_words.map_or(String::new(), |said| format!("; it said: {said}"));
                seen.ends.push(how + &words);
            }
            Event::Skipped(failure) => seen.failures.push(failure.kind.to_string()),
            Event::Log { text, .. } => {
                seen.log_lines += 1;
                seen.log_bytes += text.len();
            }
            _ => {}
        }
    });
    seen.online = pids.len();
    seen.tables = ends_of_tables();
    let (account, code) = match ended {
        Ok(account) => (account, ExitCode::SUCCESS),
        Err(failed) => {
            seen.error = failed.error.to_string();
            (failed.account, ExitCode::from(failed.error.exit_code()))
        }
    };
    seen.read = account.read();
    seen.used = account.used;
    seen.skipped = account.skipped;
    seen.restarts = account.restarts;
    seen.memory_after = memory();
    seen.descriptors_after = entries("/proc/self/fd");
    for _ in 0..LOOKS {
        seen.threads_after = entries("/proc/self/task");
        if seen.threads_after <= seen.threads_before {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    seen.children_left = !matches!(wait(WaitOptions::NOHANG), Err(Errno::CHILD));
    (seen, code)
}

/// What the library has traced.
static TRACED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Listens to what the library traces.
struct Ear;

impl Write for Ear {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        TRACED.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The ends of processes that read or write tables, which are only traced.
fn ends_of_tables() -> Vec<String> {
    let traced = TRACED.lock().unwrap_or_else(PoisonError::into_inner);
    let lines = traced.split(|byte| *byte == b'\n');
    let ends = lines.filter_map(|line| {
        let traced: serde_json::Value = serde_json::from_slice(line).ok()?;
        let fields = traced.get("fields")?;
        let is_end = fields.get("message")?.as_str()? == "a table worker has died";
        is_end.then(|| fields.get("how")?.as_str().map(str::to_owned))?
    });
    ends.collect()
}

fn entries(directory: &str) -> usize {
    std::fs::read_dir(directory).map_or(0, Iterator::count)
}

/// Memory of this process that is its own, in KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok()).unwrap_or(0)
}

fn stowaways() -> usize {
    let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") else { return usize::MAX };
    let links = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    links.filter(|link| link.to_string_lossy().contains(crate::STOWAWAY)).count()
}
