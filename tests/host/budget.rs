//! `--memory-budget`: all processes of a run together stay within it, whatever the plugin and
//! the input want. The kernel is the judge, by a control group that has no more, where one can
//! be made; and what the processes say of themselves is added up meanwhile.

#[path = "../hostile/control_group.rs"]
mod control_group;

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use control_group::ControlGroup;

use crate::compression::gzip;
use crate::run::Scene;
use crate::wat;

/// What a run under a budget took.
struct Taken {
    code: i32,
    said: String,
    stdout: Vec<u8>,
}

/// Runs in a group of this many megabytes, and looks meanwhile.
fn run(scene: &Scene, name: &str, megabytes: u64, arguments: &str, stdin: Option<&str>) -> Taken {
    // A little more, for pages of the kernel's own and for the shell that begins there.
    let group = ControlGroup::new(name, megabytes);
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_host"));
    let mut command = match &group {
        Some(group) => group.command(program),
        None => Command::new(program),
    };
    let stdin = match stdin {
        Some(name) => Stdio::from(fs::File::open(scene.path(name)).unwrap()),
        None => Stdio::null(),
    };
    command
        .args(["--memory-budget", &format!("{megabytes}MiB"), "--workers", "8"])
        .args(["--plugin", "plugin.wat"])
        .args(arguments.split_whitespace())
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .current_dir(scene.path(""))
        .stdin(stdin)
        .stdout(fs::File::create(scene.path("stdout")).unwrap())
        .stderr(fs::File::create(scene.path("stderr")).unwrap());
    let mut child = command.spawn().unwrap();
    let mut most = 0;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        most = most.max(shares(child.id()));
        std::thread::sleep(Duration::from_millis(2));
    };
    let said = String::from_utf8(scene.read("stderr")).unwrap();
    println!("{name}: {} of {megabytes} MiB; a group: {}", most >> 20, group.is_some());
    assert!(most <= megabytes << 20, "{name} took {most} bytes of {megabytes} MiB: {said}");
    Taken { code: status.code().unwrap_or(-1), said, stdout: scene.read("stdout") }
}

impl Taken {
    /// Asserts that it went well, and that the kernel took no process.
    #[track_caller]
    fn went_well(&self, stdout: &[u8]) -> &Taken {
        assert_eq!(self.code, 0, "{}", self.said);
        assert!(!self.said.contains("restart"), "{}", self.said);
        crate::run::same(&self.stdout, stdout);
        self
    }
}

/// What a process and its children have, in bytes; what several share is divided among them.
fn shares(pid: u32) -> u64 {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let mut pids = vec![pid];
    // Workers are children of threads as well.
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let of_tasks = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    for list in of_tasks.chain(children.ok()) {
        pids.extend(list.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    pids.sort_unstable();
    pids.dedup();
    pids.into_iter().map(share).sum()
}

fn share(pid: u32) -> u64 {
    let told = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = told.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) << 10
}

fn with(plugin: &str, input: &str, text: &str) -> Scene {
    let scene = Scene::new();
    scene.file("plugin.wat", plugin).file(input, text);
    scene
}

#[test]
fn ordinary_records_stay_far_within_it() {
    let text: String =
        (0..300_000).map(|n| format!("{{\"number\":{n},\"of\":\"{n:0200}\"}}\n")).collect();
    let scene = with(&wat::keeps_all(), "data.ndjson", &text);
    for megabytes in [100, 512] {
        run(&scene, "ordinary", megabytes, "data.ndjson", None).went_well(text.as_bytes());
    }
    let stdin = Some("data.ndjson");
    run(&scene, "stream", 256, "--from ndjson", stdin).went_well(text.as_bytes());
}

#[test]
fn a_plugin_that_wants_more_gets_no_more() {
    let text = "1\n!\n2\n".repeat(12);
    let plugin = wat::where_marked(
        "(loop $again
           (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
         (memory.fill (i32.const 65536) (i32.const 1)
           (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 65536)))
         unreachable",
    );
    let scene = with(&plugin, "data.ndjson", &text);
    for megabytes in [100, 256, 512] {
        let flags = "--on-error skip --max-errors 100% --range-size 30 data.ndjson";
        let taken = run(&scene, "greedy", megabytes, flags, None);
        taken.went_well("1\n2\n".repeat(12).as_bytes());
        assert!(taken.said.contains("12 memory"), "{}", taken.said);
    }
}

#[test]
fn records_as_long_as_may_be_fill_what_is_planned() {
    // 8 MiB is what a record may have with 512 MiB, at least.
    let record = |n: usize| format!("\"{n:02}{}\"\n", "x".repeat((8 << 20) - 4));
    let text: String = (0..24).map(record).collect();
    let scene = with(&wat::keeps_all(), "data.ndjson", &text);
    run(&scene, "long", 512, "data.ndjson", None).went_well(text.as_bytes());
    run(&scene, "long-stream", 512, "--from ndjson", Some("data.ndjson"))
        .went_well(text.as_bytes());
    scene.file("plugin.wat", wat::map(wat::SAME));
    run(&scene, "long-made", 512, "data.ndjson", None).went_well(text.as_bytes());
    run(&scene, "long-made-stream", 512, "--from ndjson", Some("data.ndjson"))
        .went_well(text.as_bytes());
}

#[test]
fn long_dead_letters_fit_too() {
    let record = |n: usize| format!("\"{n:02}{}!\"\n", "\\u0000".repeat(1 << 20));
    let text: String = (0..12).map(record).collect();
    let scene = with(&wat::traps(), "data.ndjson", &text);
    let flags = "--dead-letters dead --max-errors 100%";
    run(&scene, "letters", 512, &format!("{flags} data.ndjson"), None).went_well(b"");
    assert_eq!(scene.read("dead").iter().filter(|byte| **byte == b'\n').count(), 12);
    run(&scene, "letters-stream", 512, &format!("{flags} --from ndjson"), Some("data.ndjson"))
        .went_well(b"");
}

#[test]
fn a_little_that_unpacks_to_much_takes_no_more_memory() {
    // A gigabyte in one line, and one in blank lines.
    let scene = with(&wat::keeps_all(), "data.ndjson", "");
    let zeros = gzip(&vec![b'0'; 64 << 20]).repeat(16);
    let blank = gzip(&vec![b'\n'; 64 << 20]).repeat(16);
    let end = gzip(b"\n1\n");
    scene.file("zeros.ndjson.gz", [&zeros[..], &end].concat());
    scene.file("blank.ndjson.gz", [&blank[..], &end].concat());
    let flags = "--on-error skip --max-errors 1 zeros.ndjson.gz";
    let taken = run(&scene, "zeros", 256, flags, None);
    taken.went_well(b"1\n");
    assert!(taken.said.contains("1 too long"), "{}", taken.said);
    run(&scene, "blank", 256, "blank.ndjson.gz", None).went_well(b"1\n");
    let taken = run(&scene, "zeros-fail", 256, "zeros.ndjson.gz", None);
    assert_eq!(taken.code, 1, "{}", taken.said);
    assert!(taken.said.contains("record 1 of zeros.ndjson.gz (byte 0, "), "{}", taken.said);
}

#[test]
fn states_fit_too() {
    // All records are the state, which is more than half of what it may be.
    let text: String = (0..6000).map(|n| format!("\"{n:04}{}\"\n", "x".repeat(990))).collect();
    let scene = with(&wat::reduce(), "data.ndjson", &text);
    let flags = "--range-size 100KiB data.ndjson";
    run(&scene, "states", 512, flags, None).went_well(text.as_bytes());
}

#[test]
fn what_cannot_hold_a_worker_is_refused() {
    let scene = with(&wat::keeps_all(), "data.ndjson", "1\n");
    let refused = |flags: &str, why: &str| {
        let ran = scene.host_with("plugin.wat").args(flags).arg("data.ndjson").run();
        ran.exits(2).writes("").says(why);
    };
    refused("--memory-budget 70MiB", "--memory-budget 70.0 MiB cannot hold one worker");
    let why = "--memory-budget leaves 2.0 MiB to compile the plugin plugin.wat";
    refused("--memory-budget 40MiB --cache off", why);
    refused("--memory-budget 256MiB --memory 256MiB", "cannot hold one worker");
    refused("--memory-budget 256MiB --max-record 100MiB", "cannot hold one worker");
    // What the user has named stays, and is found to fit.
    let host = || scene.host_with("plugin.wat");
    let flags = "--memory-budget 1GiB --memory 256MiB --max-record 32MiB data.ndjson";
    host().args(flags).run().exits(0).writes("1\n");
    let told = host().args(flags).arg("--dry-run").run();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("memory 256.0 MiB") && told.contains("record 32.0 MiB"), "{told}");
    let told = host().args("--memory-budget 200MiB --workers 64 --dry-run data.ndjson").run();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(!told.contains("record 64.0 MiB"), "{told}");
}

#[test]
fn side_data_counts() {
    let scene = with(&wat::keeps_all(), "data.ndjson", "1\n");
    fs::File::create(scene.path("table")).unwrap().set_len(200 << 20).unwrap();
    let flags = "--data table=table data.ndjson --memory-budget";
    let ran = scene.host_with("plugin.wat").args(flags).arg("256MiB").run();
    ran.exits(2).says("cannot hold one worker");
    run(&scene, "table", 400, "--data table=table data.ndjson", None).went_well(b"1\n");
}

#[test]
#[ignore = "takes 600,000 events from HOST_TEST_EVENTS"]
fn half_a_gigabyte_is_enough_for_all_events() {
    let events = std::env::var("HOST_TEST_EVENTS").expect("HOST_TEST_EVENTS must name a file");
    let scene = Scene::new();
    let filter = fs::read(crate::run::repository("plugins/filter/filter.wasm")).unwrap();
    scene.file("plugin.wat", filter);
    let wanted = scene.host_with("plugin.wat").arg(&events).run();
    wanted.exits(0);
    let taken = run(&scene, "events", 512, &events, None);
    taken.went_well(&wanted.stdout);
    std::os::unix::fs::symlink(&events, scene.path("events")).unwrap();
    let stream = run(&scene, "events-stream", 512, "--from ndjson", Some("events"));
    stream.went_well(&wanted.stdout);
}
