//! Every ending is clean: what is committed is whole, nothing is left over, and the message
//! says how to go on.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::account::Account;
use crate::run::{Scene, same};
use crate::wat;

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn records(count: usize, marked: usize) -> String {
    (1..=count).map(|n| if n == marked { "\"!\"\n".into() } else { format!("{n}\n") }).collect()
}

/// Waits until something is so.
fn until(child: &mut Child, mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits for the end; gives the exit code, and what it has said.
fn end(mut child: Child) -> (Option<i32>, String, Vec<u8>) {
    let (mut said, mut output) = (String::new(), Vec::new());
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_end(&mut output).unwrap();
    }
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said, output)
}

/// The processes that this one has started and that are there still.
fn children(of: u32) -> Vec<u32> {
    let is_child = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        rest.split_whitespace().nth(1) == Some(&of.to_string())
    };
    let entries = std::fs::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    pids.filter(is_child).collect()
}

/// Directories of sockets in a temporary directory of the run's own.
fn left_in(directory: &Path) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}

#[test]
fn a_signal_commits_what_is_done_and_says_how_to_go_on() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let scene = Scene::new();
        let data = records(400, 300);
        scene.file("data.ndjson", &data).file("out.ndjson", "old");
        std::fs::create_dir(scene.path("tmp")).unwrap();
        let arguments = "--timeout 1h --range-size 40 --workers 2 -o out.ndjson data.ndjson";
        let host = scene.host(&wat::loops()).args(arguments);
        let mut child = host.env("TMPDIR", scene.path("tmp")).heeds_signals().start();
        let before = data.find("\"!\"").unwrap() as u64;
        // It gets as far as the record, and no further.
        let partial = scene.path("out.ndjson.partial");
        until(&mut child, || partial.metadata().is_ok_and(|found| found.len() > before - 60));
        send(&child, signal);
        let (code, said, _) = end(child);
        assert_eq!(code, Some(130), "{said}");
        for text in ["error: interrupted", "of data.ndjson is done", "--resume"] {
            assert!(said.contains(text), "{text:?} is not in {said}");
        }
        let account = Account::of(&said);
        let lines = scene.read("out.ndjson.partial").iter().filter(|b| **b == b'\n').count();
        account.holds(&[("kept", lines as u64), ("failed", 0)]);
        assert_eq!(scene.read("out.ndjson"), b"old");
        assert_eq!(left_in(&scene.path("tmp")), 0);
        let resume =
            "--resume --timeout 50ms --on-error skip --max-errors 1 -o out.ndjson data.ndjson";
        scene.host_with("plugin.wat").args(resume).run().exits(0);
        same(&scene.read("out.ndjson"), data.replace("\"!\"\n", "").as_bytes());
    }
}

#[test]
fn a_stream_that_waits_is_left_at_once_and_an_array_is_closed() {
    let scene = Scene::new();
    let host = scene.host(&wat::keeps_all()).stdin_pipe();
    let mut child = host.heeds_signals().start();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"[1, 2,\n3,").unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut output = String::new();
    // What follows an element is written only with the next one.
    while !output.contains('3') {
        let mut byte = [0];
        stdout.read_exact(&mut byte).unwrap();
        output.push(byte[0].into());
    }
    send(&child, Signal::INT);
    stdout.read_to_string(&mut output).unwrap();
    let (code, said, _) = end(child);
    assert_eq!(code, Some(130));
    assert_eq!(output, "[\n1,\n2,\n3\n]\n");
    Account::of(&said).holds(&[("kept", 3)]);
    drop(stdin);
}

#[test]
fn a_signal_before_anything_was_read_leaves_nothing() {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("tmp")).unwrap();
    // A plugin that takes long to compile: thousands of functions.
    let functions = "(func (result i32) (local i64)".to_owned()
        + &"(local.set 0 (i64.mul (local.get 0) (i64.add (local.get 0) (i64.const 3))))"
            .repeat(400)
        + "(i32.wrap_i64 (local.get 0)))";
    let plugin = wat::filter_with("", &functions.repeat(1500), "(call $yes)");
    scene.file("data.ndjson", "1\n");
    let host = scene.host(&plugin).args("-o out.ndjson data.ndjson");
    let mut child = host.env("TMPDIR", scene.path("tmp")).heeds_signals().start();
    let pid = child.id();
    until(&mut child, || !children(pid).is_empty());
    send(&child, Signal::INT);
    let (code, said, _) = end(child);
    assert_eq!(code, Some(130), "{said}");
    assert_eq!(scene.names(), ["data.ndjson", "plugin.wat", "tmp"]);
    assert_eq!(left_in(&scene.path("tmp")), 0);
}

#[test]
fn a_signal_that_comes_twice_at_once_is_one() {
    let scene = Scene::new();
    let data = records(400, 300);
    scene.file("data.ndjson", &data);
    let arguments = "--timeout 1h --range-size 40 -o out.ndjson data.ndjson";
    let mut child = scene.host(&wat::loops()).args(arguments).heeds_signals().start();
    let partial = scene.path("out.ndjson.partial");
    until(&mut child, || partial.metadata().is_ok_and(|found| found.len() > 500));
    send(&child, Signal::INT);
    send(&child, Signal::TERM);
    let (code, said, _) = end(child);
    assert_eq!(code, Some(130));
    assert!(said.contains("error: interrupted") && said.contains("--resume"), "{said}");
}

#[test]
fn a_second_signal_ends_at_once() {
    let scene = Scene::new();
    scene.file("data.ndjson", records(10, 5));
    std::fs::create_dir(scene.path("tmp")).unwrap();
    let host = scene.host(&wat::loops()).args("--timeout 1h -o out.ndjson data.ndjson");
    let mut child = host.env("TMPDIR", scene.path("tmp")).heeds_signals().start();
    let pid = child.id();
    until(&mut child, || scene.path("out.ndjson.journal").exists() && !children(pid).is_empty());
    let workers = children(pid);
    // Whether or not it has waited for the first one: it cannot get the record back.
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        send(&child, Signal::INT);
        std::thread::sleep(Duration::from_millis(20));
        assert!(began.elapsed() < Duration::from_secs(60), "it does not end");
    }
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(left_in(&scene.path("tmp")), 0);
    // The kernel ends them; that takes as long as it takes.
    while workers.iter().any(|pid| Path::new(&format!("/proc/{pid}")).exists()) {
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(!scene.path("out.ndjson").exists());
}

#[test]
fn what_is_ignored_stays_ignored() {
    let scene = Scene::new();
    scene.file("plugin.wat", wat::keeps_all());
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_host")]);
    command.args(["--plugin", "plugin.wat", "--cache", "off"]).current_dir(scene.path(""));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"1000\n").unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    send(&child, Signal::HUP);
    stdin.write_all(b"2\n").unwrap();
    drop(stdin);
    stdout.read_to_string(&mut line).unwrap();
    assert_eq!((line.as_str(), child.wait().unwrap().code()), ("1000\n2\n", Some(0)));
}

#[test]
fn a_killed_run_leaves_no_process_and_no_half_written_file() {
    let scene = Scene::new();
    scene.file("data.ndjson", records(400, 300)).file("out.ndjson", "old");
    let arguments = "--timeout 1h --range-size 40 --workers 3 -o out.ndjson data.ndjson";
    let mut child = scene.host(&wat::loops()).args(arguments).heeds_signals().start();
    let pid = child.id();
    let partial = scene.path("out.ndjson.partial");
    until(&mut child, || partial.metadata().is_ok_and(|found| found.len() > 500));
    let workers = children(pid);
    assert!(!workers.is_empty());
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    while workers.iter().any(|pid| Path::new(&format!("/proc/{pid}")).exists()) {
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(scene.read("out.ndjson"), b"old");
}

#[test]
fn a_file_that_is_cut_off_while_it_is_read_ends_the_job_where_it_ends() {
    let scene = Scene::new();
    // A worker is at the record with a `!` when everything behind it goes.
    let data = records(20_000, 40);
    for arguments in ["--workers 1", "--workers 3"] {
        scene.file("data.ndjson", &data).file("out.ndjson.partial", "");
        let host = scene.host(&wat::loops()).args("--timeout 500ms --range-size 100 --window 1KiB");
        let skip = "--on-error skip -o out.ndjson data.ndjson";
        let mut child = host.args(arguments).args(skip).heeds_signals().start();
        let partial = scene.path("out.ndjson.partial");
        until(&mut child, || partial.metadata().is_ok_and(|found| found.len() > 50));
        let cut = data.find("\n60\n").unwrap() + 1;
        File::options()
            .write(true)
            .open(scene.path("data.ndjson"))
            .unwrap()
            .set_len(cut as u64)
            .unwrap();
        let (code, said, _) = end(child);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("cannot go on reading data.ndjson: it ends at byte"), "{said}");
        assert!(Account::of(&said).count("kept") >= 39, "{said}");
        // A whole prefix, as far as the file was there.
        let part = scene.read("out.ndjson.partial");
        let wanted = data.replace("\"!\"\n", "");
        assert!(wanted.as_bytes().starts_with(&part) && part.ends_with(b"\n"), "{said}");
    }
}

#[test]
fn workers_that_die_for_no_reason_end_the_job_with_their_cause() {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("tmp")).unwrap();
    let host = scene.host(&wat::loops()).args("--timeout 1h --workers 1 -o out.ndjson data.ndjson");
    scene.file("data.ndjson", records(10, 5));
    let mut child = host.env("TMPDIR", scene.path("tmp")).heeds_signals().start();
    let pid = child.id();
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        for worker in children(pid) {
            // Before it can have got anything done.
            let worker = Pid::from_raw(i32::try_from(worker).unwrap()).unwrap();
            let name = format!("/proc/{}/cmdline", worker.as_raw_nonzero());
            let name = std::fs::read(name).unwrap_or_default();
            if name.starts_with(b"host: worker") {
                let _ = kill_process(worker, Signal::KILL);
            }
        }
        std::thread::sleep(Duration::from_millis(1));
        assert!(began.elapsed() < Duration::from_secs(120), "it does not end");
    }
    let (code, said, _) = end(child);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("workers in a row died without finishing anything"), "{said}");
    // 18 are replaced, and the pauses between the later of them add up.
    assert!(began.elapsed() > Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(left_in(&scene.path("tmp")), 0);
}

#[test]
fn an_input_that_is_changed_while_it_is_read_fails_the_job() {
    let scene = Scene::new();
    let data = records(400, 300);
    for (change, says) in
        [("replace", "its time of modification is later"), ("cut", "data.ndjson"), ("grow", "")]
    {
        scene.file("data.ndjson", &data).file("out.ndjson.partial", "");
        let arguments =
            "--timeout 1s --range-size 1KiB --on-error skip --max-errors 1 -o out.ndjson";
        let mut child =
            scene.host(&wat::loops()).args(arguments).arg("data.ndjson").heeds_signals().start();
        let partial = scene.path("out.ndjson.partial");
        // All of it was read when a worker is at the record with a `!`.
        until(&mut child, || partial.metadata().is_ok_and(|found| found.len() > 1000));
        let mut file = File::options().write(true).open(scene.path("data.ndjson")).unwrap();
        match change {
            "replace" => file.write_all(b"9").unwrap(),
            "cut" => file.set_len(data.len() as u64 - 1).unwrap(),
            _ => {
                std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0)).unwrap();
                file.write_all(b"more\n").unwrap();
            }
        }
        let (code, said, _) = end(child);
        if change == "grow" {
            assert_eq!(code, Some(0), "{said}");
            assert!(said.contains("data.ndjson grew while it was read"), "{said}");
            same(&scene.read("out.ndjson"), data.replace("\"!\"\n", "").as_bytes());
        } else {
            assert_eq!(code, Some(1), "{said}");
            assert!(said.contains(says) && !scene.path("out.ndjson").exists(), "{said}");
            if change == "replace" {
                assert!(said.contains("data.ndjson was changed while it was read: "), "{said}");
                assert!(!said.contains("--resume"), "{said}");
                assert!(!scene.path("out.ndjson.journal").exists());
            }
        }
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_run_even_where_nothing_is_written() {
    // The first record is kept, and then nothing for as long as there is input.
    let keeps_one = wat::filter(
        "(if (call $has (local.get $at) (local.get $length) (i32.const 33)) (then (return (call $yes))))
         (call $no)",
    );
    let scene = Scene::new();
    let mut child =
        scene.host(&keeps_one).args("--from ndjson").stdin_pipe().heeds_signals().start();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"first!\n").unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "first!\n");
    drop(stdout);
    let (code, said, _) = end(child);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    drop(stdin);
}

#[test]
fn head_ends_a_run_quietly() {
    let scene = Scene::new();
    scene.file("data.ndjson", records(200_000, 0)).file("plugin.wat", wat::keeps_all());
    let script = "\"$0\" --plugin plugin.wat --cache off data.ndjson 2> said | head -n 2; echo ${PIPESTATUS[0]}";
    let mut command = std::process::Command::new("bash");
    command.args(["-c", script, env!("CARGO_BIN_EXE_host")]).current_dir(scene.path(""));
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "1\n2\n0\n");
    assert_eq!(scene.read("said"), b"");
}

#[test]
fn two_runs_cannot_write_one_output() {
    let scene = Scene::new();
    scene.file("data.ndjson", records(50, 40));
    let arguments = "--timeout 1h --range-size 40 -o out.ndjson data.ndjson";
    let mut child = scene.host(&wat::loops()).args(arguments).heeds_signals().start();
    let partial = scene.path("out.ndjson.partial");
    until(&mut child, || partial.metadata().is_ok_and(|found| found.len() > 50));
    let before = scene.read("out.ndjson.partial");
    for resume in ["", "--resume"] {
        let ran = scene.host_with("plugin.wat").args(resume).args(arguments).run();
        ran.exits(2).says("another run is writing out.ndjson.partial");
    }
    assert!(scene.read("out.ndjson.partial").starts_with(&before));
    send(&child, Signal::TERM);
    assert_eq!(end(child).0, Some(130));
}

#[test]
fn what_a_killed_run_leaves_in_the_temporary_directory_goes_with_the_next() {
    let scene = Scene::new();
    let tmp = scene.path("tmp");
    std::fs::create_dir(&tmp).unwrap();
    // Once: one run is not to find it half written by the next.
    scene.file("data.ndjson", records(50, 40)).file("plugin.wat", wat::loops());
    let host = |arguments: &str| {
        scene
            .host_with("plugin.wat")
            .env("TMPDIR", &tmp)
            .env("XDG_RUNTIME_DIR", &tmp)
            .args(arguments)
    };
    let arguments = "--timeout 1h --range-size 40 -o out.ndjson data.ndjson";
    let partial = scene.path("out.ndjson.partial");
    let mut child = host(arguments).heeds_signals().start();
    until(&mut child, || partial.metadata().is_ok_and(|found| found.len() > 50));
    child.kill().unwrap();
    child.wait().unwrap();
    // Beside what ipc-channel has there for a moment.
    let named = || {
        let entries = std::fs::read_dir(&tmp).unwrap().map(|entry| entry.unwrap());
        let ours = entries.filter(|entry| entry.file_name().as_bytes().starts_with(b"host-"));
        ours.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let dead = named().pop().unwrap();
    // Somebody else's, and one that lives.
    std::fs::create_dir(tmp.join("host-else")).unwrap();
    std::os::unix::fs::symlink(scene.path(""), tmp.join("host-link")).unwrap();
    let mut living = host(arguments).heeds_signals().start();
    until(&mut living, || named().len() == 4);
    let short = "--limit 1 data.ndjson";
    // It is too young.
    host(short).run().exits(0);
    assert_eq!(named().len(), 4);
    for path in named() {
        let mut touch = std::process::Command::new("touch");
        assert!(touch.args(["-h", "-d", "1 hour ago"]).arg(path).status().unwrap().success());
    }
    host(short).run().exits(0);
    assert!(!dead.exists());
    assert_eq!(named().len(), 3, "what lives, and what is not ours, stays");
    assert!(scene.path("data.ndjson").exists());
    send(&living, Signal::TERM);
    assert_eq!(end(living).0, Some(130));
}

/// Points for faults, which only tests of a build of their own know.
#[test]
#[cfg(not(feature = "faults"))]
fn an_ordinary_build_has_no_points_for_faults() {
    let scene = Scene::new();
    scene.file("data.ndjson", "one\ntwo\n");
    let host = scene.host(&wat::keeps_all()).args("-o out.ndjson data.ndjson");
    let faults = "supervisor/before-write:kill;worker/before-call:kill;compile/before-hello:kill";
    host.env("HOST_FAULTS", faults).run().exits(0);
    assert_eq!(scene.read("out.ndjson"), b"one\ntwo\n");
    let program = std::fs::read(env!("CARGO_BIN_EXE_host")).unwrap();
    for text in ["HOST_FAULTS", "before-write-journal", "after-fsync-output", "before-call"] {
        assert!(memchr::memmem::find(&program, text.as_bytes()).is_none(), "{text} is in it");
    }
}
