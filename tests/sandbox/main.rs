//! The sandbox as a user meets it: its modes, the doctor, and that it is up in a run.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod container;
mod missing;
mod outer;
mod table;

use std::io::{Read as _, Write as _};
use std::process::{Command, Output, Stdio};

use outer::{Call, Outer};

/// The program, about to start where the plugins and the data lie.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_host"));
    // Without a cache: each run has a compile worker.
    command.env_remove("HOME").env_remove("XDG_CACHE_HOME");
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    command
}

fn host(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// A job with the filter as its plugin.
const JOB: [&str; 3] = ["--plugin", "plugins/filter/filter.wasm", "data/events.ndjson"];

fn run(more: &[&str]) -> Output {
    host(&[&JOB[..], &["--verbose"], more].concat())
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What `host doctor --json` says: which layers there are.
fn available() -> Vec<(String, bool)> {
    let told: serde_json::Value =
        serde_json::from_slice(&host(&["doctor", "--json"]).stdout).unwrap();
    let layers = told["layers"].as_array().unwrap().iter();
    layers
        .map(|layer| {
            (layer["layer"].as_str().unwrap().to_owned(), layer["available"].as_bool().unwrap())
        })
        .collect()
}

/// Whether this machine allows what is always demanded.
fn has_the_floor() -> bool {
    host(&["doctor"]).status.success()
}

/// Tells something in every run, past the test's capture.
fn note(text: &str) {
    let _ = std::io::stderr().write_all(format!("note: {text}\n").as_bytes());
}

#[test]
fn a_run_has_every_layer_that_the_doctor_finds() {
    let output = run(&[]);
    let told = stderr(&output);
    if !has_the_floor() {
        assert_eq!(output.status.code(), Some(3), "{told}");
        return;
    }
    assert!(output.status.success(), "{told}");
    let line = told.lines().find(|line| line.contains("sandbox: ")).unwrap();
    for (layer, available) in available() {
        assert_eq!(line.contains(&layer), available, "{layer}: {told}");
        assert_eq!(told.contains("runs without") && !available, !available, "{told}");
    }
}

#[test]
fn strict_runs_where_everything_is_there_and_refuses_elsewhere() {
    let output = run(&["--sandbox", "strict"]);
    let everything = available().iter().all(|(_, available)| *available);
    assert_eq!(output.status.code(), Some(if everything { 0 } else { 3 }), "{}", stderr(&output));
    assert_eq!(output.stdout.is_empty(), !everything);
}

#[test]
fn off_runs_the_same_job_without_walls() {
    let output = run(&["--sandbox", "off"]);
    assert!(output.status.success());
    assert!(stderr(&output).contains("sandbox: none"));
    if has_the_floor() {
        assert_eq!(output.stdout, run(&[]).stdout);
    }
}

#[test]
fn contradictions_and_unknown_layers_are_usage_errors() {
    let output = run(&["--sandbox", "off", "--sandbox-require", "landlock"]);
    assert_eq!(output.status.code(), Some(2));
    let output = run(&["--sandbox-require", "moat"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("there is no layer `moat`"));
}

#[test]
fn a_demanded_layer_that_is_missing_ends_the_run_before_the_plugin_is_read() {
    if !has_the_floor() {
        return;
    }
    // Inside a user namespace that may have no further one, `namespaces` cannot be had.
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" \"$@\"";
    let inside = |arguments: &[&str]| {
        Command::new("unshare")
            .args(["--user", "--map-root-user", "sh", "-c", script, env!("CARGO_BIN_EXE_host")])
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    let doctor = inside(&["doctor"]);
    if !String::from_utf8_lossy(&doctor.stdout).contains("namespaces    NO") {
        // This machine allows no user namespace to begin with, or no limit on them; then
        // the tests above have seen what happens.
        assert!(!doctor.status.success() || !available().iter().all(|(_, there)| *there));
        note("no user namespace that may have no further one can be had here");
        return;
    }
    for demand in [&["--sandbox", "strict"][..], &["--sandbox-require", "namespaces"]] {
        let output = inside(&[&JOB[..], demand].concat());
        assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
        assert!(output.stdout.is_empty());
        assert!(stderr(&output).contains("namespaces"), "{}", stderr(&output));
    }
    let output = inside(&JOB);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("the sandbox runs without namespaces"));
    assert_eq!(output.stdout, run(&[]).stdout);
}

#[test]
fn workers_of_a_run_are_locked_as_the_kernel_sees_it() {
    workers_are_locked(None);
}

#[test]
fn workers_are_locked_as_well_inside_of_a_filter_that_is_not_ours() {
    let harmless = Outer::refusing(&[Call::Any(libc::SYS_acct)], libc::EPERM);
    workers_are_locked(Some(&harmless));
}

fn workers_are_locked(outer: Option<&Outer>) {
    if !has_the_floor() {
        return;
    }
    // A run that waits for its input has its workers up.
    let mut waits = command(&["--plugin", "plugins/longer/longer.wat", "--from", "ndjson"]);
    waits.args(["--workers", "1", "--quiet"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    if let Some(outer) = outer {
        outer.around(&mut waits);
    }
    let mut running = waits.spawn().unwrap();
    let mut input = running.stdin.take().unwrap();
    let mut output = running.stdout.take().unwrap();
    let long = format!("{}\n", "x".repeat(700));
    input.write_all(long.as_bytes()).unwrap();
    // Its answer shows that the worker is at work.
    let mut answer = vec![0; long.len()];
    output.read_exact(&mut answer).unwrap();
    let workers = children(running.id(), "worker");
    assert_eq!(workers.len(), 1);
    assert_locked(&workers[0], running.id());
    drop(input);
    assert!(running.wait().unwrap().success());
}

/// Whatever this supervisor has started in this role, by any of its threads.
fn children(supervisor: u32, role: &str) -> Vec<String> {
    let threads = std::fs::read_dir(format!("/proc/{supervisor}/task")).unwrap();
    let of_thread = |thread: std::io::Result<std::fs::DirEntry>| {
        let all = std::fs::read_to_string(thread.unwrap().path().join("children"));
        all.unwrap_or_default().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let is_meant = |pid: &String| {
        let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline"));
        command.is_ok_and(|command| command.starts_with(&format!("host: {role}\0")))
    };
    threads.flat_map(of_thread).filter(is_meant).collect()
}

/// Asks the kernel whether a worker of any kind has locked itself for good.
#[track_caller]
fn assert_locked(worker: &str, supervisor: u32) {
    assert_eq!(status(worker, "Seccomp").unwrap(), "2");
    assert_eq!(status(worker, "NoNewPrivs").unwrap(), "1");
    assert_eq!(status(worker, "CapEff").unwrap(), "0000000000000000");
    assert_eq!(status(worker, "Threads").unwrap(), "1");
    // Kernels before 5.9 do not count filters.
    let filters = |pid: &str| status(pid, "Seccomp_filters")?.parse::<u32>().ok();
    if let (Some(all), Some(outer)) = (filters(worker), filters(&supervisor.to_string())) {
        assert_eq!(all, outer + 3, "filters of the worker, and those it has inherited");
    }
}

/// What the kernel says about a process.
fn status(pid: &str, field: &str) -> Option<String> {
    let told = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let value = told.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    value.map(|value| value.trim().to_owned())
}
