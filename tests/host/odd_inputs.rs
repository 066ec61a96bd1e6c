//! Inputs and surroundings that nobody would wish for: files that are none, records without
//! an end, little that unpacks to much, names and words with anything in them, few descriptors.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::inputs::make_fifo;
use crate::run::Scene;
use crate::wat;

#[test]
fn an_input_without_end_fails_at_its_record_without_end() {
    let scene = Scene::new();
    for format in ["json", "ndjson", "lines", "tsv --no-header"] {
        let flags = format!("--max-record 1MiB --memory-budget 256MiB --from {format} /dev/zero");
        let ran = scene.host(&wat::keeps_all()).args(&flags).run();
        ran.exits(1).writes("").says("record 1 of /dev/zero (byte 0, ");
        ran.says("is longer than --max-record allows").account().holds(&[("failed", 1)]);
    }
    let flags = "--max-record 1MiB --from csv /dev/zero";
    let ran = scene.host(&wat::keeps_all()).args(flags).run();
    ran.exits(1).says("the header of /dev/zero is longer than --max-record allows");
    // Where it is to be left out, its end may come yet; but the job need not wait for it.
    let flags = "--max-record 1MiB --on-error skip --job-timeout 500ms --from lines /dev/zero";
    scene.host(&wat::keeps_all()).args(flags).run().exits(1).says("--job-timeout");
}

#[test]
fn a_record_that_is_long_without_end_keeps_what_stands_before_it() {
    let scene = Scene::new();
    let script = "(printf '1\\n2\\n'; cat /dev/zero) | \
                  \"$0\" --plugin plugin.wat --cache off --from lines --max-record 1000";
    scene.file("plugin.wat", wat::keeps_all());
    let mut command = Command::new("bash");
    command.args(["-c", script, env!("CARGO_BIN_EXE_host")]).current_dir(scene.path(""));
    let output = command.output().unwrap();
    assert_eq!(output.stdout, b"1\n2\n");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("record 3 of standard input (byte 4, "), "{said}");
}

/// Waits for its end, but not for ever.
fn ends(mut child: Child) -> i32 {
    let began = Instant::now();
    loop {
        match child.try_wait().unwrap() {
            Some(status) => return status.code().unwrap_or(-1),
            None if began.elapsed() > Duration::from_secs(60) => {
                child.kill().unwrap();
                return -2;
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Interrupts a run that waits for its input: not before it hears of it, whatever else this
/// machine does.
fn interrupt(child: &Child) {
    let bit = 1_u64 << (Signal::INT.as_raw() - 1);
    let status = format!("/proc/{}/status", child.id());
    let caught = || {
        let status = std::fs::read_to_string(&status).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(caught.trim(), 16).unwrap()
    };
    while caught() & bit == 0 {
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(Duration::from_millis(300));
    kill_process(Pid::from_child(child), Signal::INT).unwrap();
}

#[test]
fn a_pipe_that_nobody_writes_to_can_be_waited_for_no_longer() {
    let scene = Scene::new();
    make_fifo(&scene.path("pipe"));
    let ran = scene.host(&wat::keeps_all()).args("--job-timeout 200ms pipe").run();
    ran.exits(1).says("--job-timeout");
    let child = scene.host(&wat::keeps_all()).arg("pipe").heeds_signals().start();
    interrupt(&child);
    assert_eq!(ends(child), 130);
    // One that is opened late is read from its beginning.
    let child = scene.host(&wat::keeps_all()).arg("pipe").start();
    std::thread::sleep(Duration::from_millis(200));
    std::fs::write(scene.path("pipe"), "1\n2\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"1\n2\n");
}

#[test]
fn a_file_without_a_line_break_does_not_delay_an_end() {
    let scene = Scene::new();
    // A file with a hole: it has no blocks.
    std::fs::File::create(scene.path("data.txt")).unwrap().set_len(1 << 42).unwrap();
    for from in ["lines", "json", "csv"] {
        let host = scene.host(&wat::keeps_all()).args("--from").arg(from).arg("data.txt");
        let child = host.heeds_signals().start();
        interrupt(&child);
        let code = ends(child);
        // The header of rows is too long at once.
        assert!(code == 130 || (from == "csv" && code == 1), "{from}: {code}");
    }
}

#[test]
fn zstd_may_not_refer_back_further_than_there_is_memory_for() {
    let scene = Scene::new();
    let pack = |log: &str| {
        let mut zstd = Command::new("zstd");
        zstd.args(["-q", "-c", log]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = zstd.spawn().ok()?;
        let mut stdin = child.stdin.take()?;
        let text: String = (0..3_000_000).map(|n| format!("{n}\n")).collect();
        let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
        let output = child.wait_with_output().ok()?;
        writer.join().ok()?.ok()?;
        Some(output.stdout)
    };
    let Some(far) = pack("--long=30") else {
        assert!(std::env::var_os("CI").is_none(), "this test needs zstd");
        return;
    };
    scene.file("far.ndjson.zst", far).file("near.ndjson.zst", pack("--long=23").unwrap());
    let host = || scene.host(&wat::drops_all());
    let ran = host().arg("far.ndjson.zst").run();
    ran.exits(1).says("over a window that is larger than is allowed").says("decompress it before");
    host().args("--memory-budget 256MiB near.ndjson.zst").run().exits(0);
}

#[test]
fn names_and_words_may_have_anything_in_them() {
    let scene = Scene::new();
    let name = "a\n\u{1b}[31mb'\"\\ \u{202e}c.ndjson";
    scene.file(name, "1\n!\n");
    let ran = scene.host(&wat::traps()).arg(name).run();
    ran.exits(1).writes("1\n").says(r"a\n\u{1b}[31mb").never_says("\u{1b}").never_says("\u{202e}");
    let ran = scene.host(&wat::traps()).arg("--dry-run").arg(name).run();
    let told = String::from_utf8(ran.stdout).unwrap();
    assert!(!told.contains('\u{1b}') && !told.contains('\u{202e}'), "{told}");
    let flags = "--stats stats --dead-letters dead --max-errors 1 -o out";
    scene.host(&wat::traps()).args(flags).arg(name).run().exits(0);
    let letter: serde_json::Value = serde_json::from_slice(&scene.read("dead")).unwrap();
    assert_eq!(letter["file"], name);
    // What a plugin is told reaches it, whatever it is.
    let value = "line\nline\u{1b}[0m=\u{7}";
    let ran = scene.host(&wat::keeps_all()).arg("--param").arg(format!("x={value}")).arg(name);
    ran.run().exits(0);
    let ran = scene.host(&wat::keeps_all()).args("--dry-run --param").arg(format!("x={value}"));
    let told = String::from_utf8(ran.arg(name).run().stdout).unwrap();
    assert!(!told.contains('\u{1b}') && !told.contains('\u{7}'), "{told}");
}

#[test]
fn few_descriptors_are_an_error_that_says_so() {
    let scene = Scene::new();
    scene.file("data.ndjson", "1\n".repeat(100_000));
    let mut worked = 0;
    for number in 6..56 {
        let limit = format!("-n {number}");
        let flags = "--workers 3 --cache off --from ndjson data.ndjson";
        let ran = scene.limited(&limit, &wat::keeps_all()).args(flags).run();
        match ran.code {
            0 => worked += 1,
            _ => {
                ran.says("Too many open files");
                assert_eq!(worked, 0, "{number}: {}", ran.stderr);
            }
        }
    }
    assert!(worked > 3);
}

#[test]
fn few_addresses_are_an_error_that_says_so() {
    let scene = Scene::new();
    let ran = scene.limited("-v 400000", &wat::keeps_all()).args("--cache off").stdin("1\n").run();
    ran.exits(1).says("Cannot allocate memory").says("`ulimit -v`");
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error_that_says_so() {
    let scene = Scene::new();
    scene.file("data.ndjson", "1\n");
    let ran = scene.limited("-f 0", &wat::keeps_all()).args("--cache off data.ndjson").run();
    ran.exits(2).writes("").says("File too large");
    // Enough for the plugin, and not for the slots.
    let ran = scene.limited("-f 10000", &wat::keeps_all()).args("--cache off data.ndjson").run();
    ran.exits(1).writes("").says("File too large").says("`ulimit -f`");
}
