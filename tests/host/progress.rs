//! `--progress`: how far a run is, for people and for programs.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::compression::gzip;
use crate::inputs::make_fifo;
use crate::run::Scene;
use crate::wat;

/// The objects among the lines that were said.
fn objects(said: &str) -> Vec<Value> {
    let lines = said.lines().filter(|line| line.starts_with('{'));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_last_object_says_what_the_account_says() {
    let scene = Scene::new();
    let data: String = (0..500).map(|n| if n % 50 == 7 { "!\n" } else { "fine\n" }).collect();
    scene.file("data.ndjson", &data);
    let arguments = "--on-error skip --max-errors 10 --workers 2 --range-size 100 -o out.ndjson";
    let host = scene.host(&wat::traps()).args(arguments).args("--progress json data.ndjson");
    let ran = host.run();
    ran.exits(0).account().holds(&[("record read", 500)]);
    let last = objects(&ran.stderr).pop().unwrap();
    for (name, value) in [
        ("state", json!("done")),
        ("records", json!(500)),
        ("total_bytes", json!(data.len())),
        ("total_records", Value::Null),
        ("used", json!(490)),
        ("dropped", json!(0)),
        ("skipped", json!(10)),
        ("dead_lettered", json!(0)),
        ("failed", json!(0)),
        ("output_records", json!(490)),
        ("output_bytes", json!(490 * 5)),
        ("records_before_this_run", json!(0)),
        ("seconds_left", Value::Null),
        ("workers_online", json!(0)),
    ] {
        assert_eq!(last[name], value, "{name}");
    }
    assert!(last["elapsed_seconds"].as_f64().unwrap() > 0.0);
    // A newline between two stretches of a range belongs to none.
    let bytes = last["bytes"].as_u64().unwrap();
    assert!((data.len() as u64 - 20..=data.len() as u64).contains(&bytes));
}

#[test]
fn the_last_object_of_a_job_that_failed_says_so() {
    let scene = Scene::new();
    scene.file("data.ndjson", "one\n!\nthree\n");
    let host = scene.host(&wat::traps()).args("--progress json --limit 3 data.ndjson");
    let ran = host.run();
    ran.exits(1).writes("one\n");
    let last = objects(&ran.stderr).pop().unwrap();
    assert_eq!((&last["state"], &last["failed"]), (&json!("failed"), &json!(1)));
    assert_eq!((&last["records"], &last["used"]), (&json!(2), &json!(1)));
    // What the three records are long is not known.
    assert_eq!((&last["total_bytes"], &last["total_records"]), (&Value::Null, &json!(3)));
}

#[test]
fn the_result_of_a_reduce_is_counted() {
    let scene = Scene::new();
    scene.file("data.ndjson", "1\n2\n3\n");
    let host = scene.host(&wat::reduce()).args("--progress json --quiet data.ndjson");
    let ran = host.run();
    ran.exits(0).writes("1\n2\n3\n");
    // Nothing else is said.
    assert_eq!(ran.stderr.lines().count(), objects(&ran.stderr).len());
    let last = objects(&ran.stderr).pop().unwrap();
    assert_eq!((&last["output_records"], &last["output_bytes"]), (&json!(3), &json!(6)));
}

#[test]
fn a_share_is_known_of_compressed_files_too() {
    let scene = Scene::new();
    let data: String = (0..20_000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    scene.file("a.ndjson.gz", gzip(data.as_bytes())).file("b.ndjson", &data);
    scene.file("empty.ndjson", "").file("c.json", "[1, 2]\n\n");
    let host = scene.host(&wat::keeps_all()).args("--progress json --to ndjson --workers 1");
    let ran = host.args("a.ndjson.gz b.ndjson empty.ndjson c.json").run();
    let last = objects(&ran.exits(0).stderr).pop().unwrap();
    assert_eq!((&last["share"], &last["total_bytes"]), (&json!(1.0), &Value::Null));
    assert_eq!(last["records"], 40_002);
    // A record that fails ends the run in the middle of what is stored.
    scene.file("failing.ndjson", format!("{data}\"!\"\n{data}"));
    let host = scene.host(&wat::traps()).args("--progress json failing.ndjson");
    let last = objects(&host.run().exits(1).stderr).pop().unwrap();
    let share = last["share"].as_f64().unwrap();
    assert!((0.45..0.55).contains(&share), "{share}");
}

#[test]
fn a_run_that_goes_on_says_what_was_done_before() {
    let scene = Scene::new();
    scene.file("data.ndjson", "one\n!\nthree\n");
    let host = scene.host(&wat::traps()).args("-o out.ndjson data.ndjson");
    host.run().exits(1);
    let host = scene.host(&wat::keeps_all()).args("-o out.ndjson --resume --accept-plugin");
    let ran = host.args("--progress json data.ndjson").run();
    ran.exits(0);
    let last = objects(&ran.stderr).pop().unwrap();
    assert_eq!((&last["records_before_this_run"], &last["records"]), (&json!(1), &json!(2)));
    assert_eq!((&last["bytes_before_this_run"], &last["bytes"]), (&json!(4), &json!(8)));
    assert_eq!(last["total_bytes"], 12);
}

#[test]
fn a_run_that_lasts_tells_every_second_how_far_it_is() {
    let scene = Scene::new();
    let host = scene.host(&wat::keeps_all()).args("--progress json --from ndjson");
    let mut run = host.stdin_pipe().start();
    let mut input = run.stdin.take().unwrap();
    input.write_all(b"\"one\"\n").unwrap();
    let mut said = BufReader::new(run.stderr.take().unwrap()).lines();
    let running = said.find_map(|line| {
        let object = objects(&line.unwrap()).pop()?;
        (object["records"] == 1).then_some(object)
    });
    let running = running.unwrap();
    assert_eq!((&running["state"], &running["workers_online"]), (&json!("running"), &json!(1)));
    assert_eq!(running["total_bytes"], Value::Null);
    drop(input);
    let rest: Vec<String> = said.map(Result::unwrap).collect();
    assert_eq!(objects(&rest.join("\n")).pop().unwrap()["state"], "done");
    assert!(run.wait().unwrap().success());
}

#[test]
fn where_there_is_no_terminal_lines_are_told_if_they_are_asked_for() {
    let scene = Scene::new();
    let start = |arguments: &str| {
        let host = scene.host(&wat::keeps_all()).args("--from ndjson").args(arguments);
        host.stdin_pipe().start()
    };
    let mut run = start("--progress always");
    let mut said = BufReader::new(run.stderr.take().unwrap()).lines();
    let line = said.next().unwrap().unwrap();
    assert!(line.starts_with("host: 0 B  0 records  "), "{line}");
    drop(run.stdin.take());
    assert!(run.wait().unwrap().success());
    assert_eq!(said.count(), 1, "and the account");
}

/// A run on a terminal of its own.
struct OnTerminal {
    process: std::process::Child,
    screen: std::process::ChildStdout,
    seen: String,
}

impl OnTerminal {
    fn start(scene: &Scene, arguments: &str) -> OnTerminal {
        let host = env!("CARGO_BIN_EXE_host");
        let line = format!("stty cols 100 rows 30; exec {host} --plugin plugin.wat {arguments}");
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]);
        script.current_dir(scene.path("")).env("TERM", "xterm").env("LC_ALL", "C.UTF-8");
        script.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
        let mut process =
            script.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("script(1)");
        let screen = process.stdout.take().unwrap();
        OnTerminal { process, screen, seen: String::new() }
    }

    /// Reads until this was shown.
    fn until(&mut self, text: &str) {
        let mut bytes = [0; 4096];
        while !self.seen.contains(text) {
            let read = self.screen.read(&mut bytes).unwrap();
            assert!(read > 0, "{text:?} was never shown: {:?}", self.seen);
            self.seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
    }

    /// Reads all that is shown until the end.
    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = Vec::new();
        self.screen.read_to_end(&mut rest).unwrap();
        self.seen.push_str(&String::from_utf8_lossy(&rest));
        (self.process.wait().unwrap().code(), self.seen)
    }
}

/// Begins the line anew and takes away what stands there.
const ANEW: &str = "\r\u{1b}[2K";

#[test]
fn a_bar_makes_room_for_messages_and_goes_at_the_end() {
    let scene = Scene::new();
    scene.file("plugin.wat", wat::rejects());
    make_fifo(&scene.path("in.ndjson"));
    let mut run = OnTerminal::start(&scene, "--on-error skip --verbose -o out.ndjson in.ndjson");
    let mut input = File::options().write(true).open(scene.path("in.ndjson")).unwrap();
    input.write_all(b"\"one\"\n").unwrap();
    run.until("6 B  1 record  ");
    run.until("  worker 0 is at no range");
    input.write_all(b"!\n").unwrap();
    run.until("1 failed  ");
    drop(input);
    let (code, seen) = run.end();
    assert_eq!(code, Some(4));
    // Coloured, and the last line of --verbose.
    for text in ["record 2 of in.ndjson", "is gone: it ended with code 0"] {
        let at = seen.find(text).unwrap();
        let begun = seen[..at].rfind('\r').unwrap();
        let end = at + seen[at..].find("\r\n").unwrap();
        let line = &seen[begun..end];
        assert!(!line.contains(" so far"), "{text:?} stands beside the bar: {line:?}");
    }
    let account = seen.find("host: 2 records read").unwrap();
    assert!(!seen[account..].contains(" so far"), "a bar behind the account: {seen:?}");
    let last_bar = seen.rfind(" so far").unwrap();
    assert!(seen[last_bar..account].contains(ANEW), "the bar stays: {seen:?}");
}

#[test]
fn there_is_no_bar_where_the_output_goes_or_nobody_wants_one() {
    for arguments in [
        "--from ndjson in",
        "--quiet --from ndjson -o out in",
        "--progress never --from ndjson -o out in",
    ] {
        let scene = Scene::new();
        scene.file("plugin.wat", wat::keeps_all());
        make_fifo(&scene.path("in"));
        let run = OnTerminal::start(&scene, &format!("--joblog log {arguments}"));
        let mut input = File::options().write(true).open(scene.path("in")).unwrap();
        // The job log is written once a second: with its second line two have passed.
        for lines in [2, 3] {
            input.write_all(b"\"one\"\n").unwrap();
            while scene.read("log").iter().filter(|byte| **byte == b'\n').count() < lines {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }
        drop(input);
        let (code, seen) = run.end();
        assert_eq!(code, Some(0));
        assert!(!seen.contains(" so far") && !seen.contains(ANEW), "{arguments}: {seen:?}");
    }
}
