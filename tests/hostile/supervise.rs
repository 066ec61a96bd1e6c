//! The supervisor under attack: runs a job through the library and writes down what
//! it saw, for the driver to judge.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use host::{Event, Job, Output, Sandbox};
use rustix::io::Errno;
use rustix::process::{WaitOptions, wait};
use serde::{Deserialize, Serialize};

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
    let [plugin, input, output, summary, timeout] = arguments else { return ExitCode::from(64) };
    let Ok(timeout) = timeout.parse().map(Duration::from_millis) else {
        return ExitCode::from(64);
    };
    let job = Job::builder(*plugin)
        .file(*input)
        .output(Output::Path(PathBuf::from(output)))
        .workers(2)
        .range_size(16 << 10)
        .timeout(timeout)
        // What is attacked here is what stands if the sandbox falls.
        .sandbox(Sandbox::Off)
        .build();
    let Ok(job) = job else { return ExitCode::from(64) };
    let (seen, code) = run(&job);
    let written = serde_json::to_vec(&seen).map(|text| std::fs::write(summary, text));
    if matches!(written, Ok(Ok(()))) { code } else { ExitCode::from(65) }
}

fn run(job: &Job) -> (Summary, ExitCode) {
    let mut seen = Summary {
        descriptors_before: entries("/proc/self/fd"),
        threads_before: entries("/proc/self/task"),
        ..Summary::default()
    };
    let mut pids = BTreeSet::new();
    let ended = host::run(job, &mut |event| {
        seen.stowaways = seen.stowaways.max(stowaways());
        match event {
            Event::Online { pid, .. } => {
                pids.insert(pid);
            }
            Event::Exit { exit, violation, .. } if exit != host::Exit::Code(0) => {
                seen.ends.push(violation.unwrap_or_else(|| exit.to_string()));
            }
            _ => {}
        }
    });
    seen.online = pids.len();
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

fn entries(directory: &str) -> usize {
    std::fs::read_dir(directory).map_or(0, Iterator::count)
}

fn stowaways() -> usize {
    let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") else { return usize::MAX };
    let links = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    links.filter(|link| link.to_string_lossy().contains(crate::STOWAWAY)).count()
}
