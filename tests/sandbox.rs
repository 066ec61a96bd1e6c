//! The sandbox as a user meets it: its modes, the doctor, and that it is up in a run.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::{Command, Output, Stdio};

fn host(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_host"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn run(more: &[&str]) -> Output {
    let job = ["--plugin", "plugins/filter/filter.wasm", "--verbose", "data/events.ndjson"];
    host(&[&job[..], more].concat())
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

#[test]
fn a_run_has_every_layer_that_the_doctor_finds() {
    let output = run(&[]);
    assert!(output.status.success());
    let told = stderr(&output);
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
    assert_eq!(output.stdout, run(&[]).stdout);
    assert!(stderr(&output).contains("sandbox: none"));
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
        return;
    }
    let job = ["--plugin", "plugins/filter/filter.wasm", "data/events.ndjson"];
    for demand in [&["--sandbox", "strict"][..], &["--sandbox-require", "namespaces"]] {
        let output = inside(&[&job[..], demand].concat());
        assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
        assert!(output.stdout.is_empty());
        assert!(stderr(&output).contains("namespaces"), "{}", stderr(&output));
    }
    let output = inside(&job);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("the sandbox runs without namespaces"));
    assert_eq!(output.stdout, run(&[]).stdout);
}

#[test]
fn workers_of_a_run_are_locked_as_the_kernel_sees_it() {
    // A run that waits for its input has its workers up.
    let mut running = Command::new(env!("CARGO_BIN_EXE_host"))
        .args(["--plugin", "plugins/longer/longer.wat", "--from", "ndjson", "--workers", "1"])
        .args(["--quiet"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = running.stdin.take().unwrap();
    let mut output = running.stdout.take().unwrap();
    let long = format!("{}\n", "x".repeat(700));
    std::io::Write::write_all(&mut input, long.as_bytes()).unwrap();
    // Its answer shows that the worker is at work.
    let mut answer = vec![0; long.len()];
    std::io::Read::read_exact(&mut output, &mut answer).unwrap();
    let children = format!("/proc/{0}/task/{0}/children", running.id());
    let children = std::fs::read_to_string(children).unwrap();
    let worker = children.split_whitespace().next().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{worker}/status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().to_owned()
    };
    assert_eq!(field("Seccomp:"), "2");
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(field("CapEff:"), "0000000000000000");
    assert_eq!(field("Threads:"), "1");
    drop(input);
    assert!(running.wait().unwrap().success());
}
