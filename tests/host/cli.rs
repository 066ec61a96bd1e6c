//! The command line: help, usage errors, and what is shown.

use crate::run::{Ran, Scene};
use crate::wat;

fn bare(arguments: &str) -> Ran {
    Scene::new().bare().args(arguments).run()
}

/// A usage error: nothing was started.
#[track_caller]
fn wrong(arguments: &str, why: &str) {
    let scene = Scene::new();
    scene.file("data.ndjson", "1\n");
    let ran = scene.host(&wat::keeps_all()).arg("data.ndjson").args(arguments).run();
    ran.exits(2).writes("").says("error: ").says(why);
    assert_eq!(scene.names(), ["data.ndjson", "plugin.wat"]);
}

#[test]
fn help_goes_to_stdout_and_tells_every_default() {
    let ran = bare("--help");
    ran.exits(0);
    let help = String::from_utf8(ran.stdout.clone()).unwrap();
    assert_eq!(ran.stderr, "");
    for flag in [
        "--plugin",
        "--output",
        "--from",
        "--to",
        "--unordered",
        "--workers",
        "--range-size",
        "--window",
        "--on-error",
        "--max-errors",
        "--memory",
        "--timeout",
        "--max-record",
        "--plugin-log",
        "--show-records",
        "--verbose",
        "--progress",
        "--joblog",
        "--metrics",
        "--log",
        "--log-format",
        "--quiet",
    ] {
        assert!(help.contains(flag), "{flag} is not in the help");
    }
    for default in ["256MiB", "10s", "64MiB", "1MiB", "[default: fail, with", "[default: 0]"] {
        assert!(help.contains(default), "{default} is not in the help");
    }
    assert!(help.contains("Exit codes:") && help.contains("Examples:"));
}

#[test]
fn a_missing_plugin_flag_is_a_usage_error() {
    bare("").exits(2).writes("").says("--plugin <FILE>").says("--help");
}

#[test]
fn an_unknown_flag_is_a_usage_error() {
    wrong("--workerz 2", "--workerz");
}

#[test]
fn values_that_make_no_sense_are_usage_errors() {
    wrong("--memory lots", "'lots' for '--memory <SIZE>': not a size; 4096, 512KiB and 1.5GB");
    wrong("--workers 0", "the number of workers must be 1 to 1024 (--workers)");
    wrong("--workers -1", "-1");
    wrong("--workers many", "many");
    wrong("--range-size 0", "--range-size");
    wrong("--range-size 12Q", "12Q");
    wrong("--max-record 0", "--max-record");
    wrong("--max-record 3GiB", "--max-record");
    wrong("--memory 1KiB", "--memory");
    wrong("--memory 5GiB", "--memory");
    wrong("--timeout 0s", "--timeout");
    wrong("--timeout soon", "soon");
    wrong("--max-errors 101%", "--max-errors");
    wrong("--max-errors few", "a number (10) or a share (0.5%) is wanted");
    wrong("--max-errors nan%", "--max-errors");
    wrong("--from xml", "xml");
    wrong("--to xml", "xml");
    wrong("--to csv", "name them (--columns a,b,c)");
    wrong("--on-error ignore", "ignore");
    wrong("--quiet --verbose", "--verbose");
}

#[test]
fn a_usage_error_is_found_before_anything_is_read() {
    let ran = Scene::new().host_with("missing.wasm").args("--workers 0 missing.json").run();
    ran.exits(2).says("--workers").never_says("missing");
}

#[test]
fn the_account_is_one_line_on_stderr() {
    let ran = Scene::new().host(&wat::keeps_all()).args("--workers 1").stdin("1 2").run();
    let words = "host: 2 records read: 2 kept, 0 dropped; 2 records written; 1 worker; ";
    ran.exits(0).writes("1\n2\n");
    assert_eq!(ran.stderr.lines().count(), 1);
    assert!(ran.stderr.starts_with(words) && ran.stderr.ends_with(" s\n"), "{}", ran.stderr);
}

#[test]
fn quiet_shows_nothing_where_nothing_is_wrong() {
    for quiet in ["-q", "--quiet"] {
        let ran = Scene::new().host(&wat::keeps_all()).arg(quiet).stdin("1").run();
        assert_eq!(ran.exits(0).stderr, "");
    }
}

#[test]
fn quiet_does_not_hide_an_error() {
    let scene = Scene::new();
    scene.file("data.ndjson", "1\n!\n2\n");
    let ran = scene.host(&wat::traps()).args("--quiet data.ndjson").run();
    ran.exits(1).says("error: record 2 of data.ndjson").never_says("records read");
    let ran = scene.host(&wat::traps()).args("--quiet --on-error skip data.ndjson").run();
    ran.exits(4).never_says("skipped:").says("1 record").says("more than --max-errors");
    let skip = "--quiet --on-error skip --max-errors 1 data.ndjson";
    assert_eq!(scene.host(&wat::traps()).args(skip).run().exits(0).stderr, "");
}

#[test]
fn verbose_tells_each_workers_coming_and_going() {
    let scene = Scene::new();
    scene.file("data.ndjson", "1\n!\n2\n");
    let arguments = "--verbose --workers 1 data.ndjson";
    let ran = scene.host(&wat::keeps_all()).args(arguments).run();
    ran.exits(0).says("worker 0 is online (process ").says("worker 0 (process ").says(" is gone: ");
    scene.host(&wat::keeps_all()).arg("data.ndjson").run().never_says("online");
}

#[test]
fn verbose_tells_of_a_worker_that_was_replaced() {
    let arguments = "--verbose --timeout 200ms --on-error skip --workers 1";
    let ran = Scene::new().host(&wat::loops()).args(arguments).stdin("1 \"!\" 2").run();
    ran.exits(4).writes("1\n2\n");
    let online = ran.stderr.matches("worker 0 is online").count() as u64;
    assert_eq!(online, 1 + ran.account().count("restart"));
}

/// Runs a plugin that logs at two of four records.
fn logging(scene: &Scene, arguments: &str) -> Ran {
    let host = scene.host(&wat::logs()).args("--workers 2 --range-size 1").args(arguments);
    host.stdin("1 \"!\" 2 \"!!\"").run()
}

#[test]
fn lines_that_a_plugin_logs_are_counted_and_not_shown() {
    let ran = logging(&Scene::new(), "");
    ran.exits(0).writes("1\n\"!\"\n2\n\"!!\"\n").never_says("secret");
    ran.says("the plugin logged 2 line").says("--plugin-log stderr");
    logging(&Scene::new(), "--plugin-log none").says("the plugin logged 2 line");
}

#[test]
fn lines_that_a_plugin_logs_are_shown_to_those_who_ask() {
    let ran = logging(&Scene::new(), "--plugin-log stderr");
    ran.exits(0).never_says("\u{1b}").never_says("the plugin logged");
    for number in [2, 4] {
        let of = format!("record {number} of standard input");
        ran.says(&format!("plugin warn, {of}: {}\n", wat::REASON));
    }
    // Without order records have no numbers.
    let ran = logging(&Scene::new(), "--plugin-log stderr --unordered");
    ran.says(&format!("plugin warn, the record at byte 2 of standard input: {}\n", wat::REASON));
}

#[test]
fn lines_that_a_plugin_logs_are_appended_to_a_file() {
    let scene = Scene::new();
    scene.file("log", "before\n");
    logging(&scene, "--plugin-log log").exits(0).never_says("secret");
    let line = |number| format!("warn, record {number} of standard input: {}\n", wat::REASON);
    let (first, second) = (line(2), line(4));
    assert_eq!(scene.read("log"), format!("before\n{first}{second}").as_bytes());
}

#[test]
fn lines_that_a_plugin_logs_keep_the_order_of_records() {
    let itself = "(call $log (i32.const 2) (local.get $at) (local.get $length)) (call $yes)";
    let plugin = wat::filter_with(wat::LOG, "", itself);
    let numbers: Vec<String> = (0..2000).map(|number| number.to_string()).collect();
    let scene = Scene::new();
    let arguments = "--plugin-log log --from ndjson --workers 3 --range-size 100";
    let text = numbers.join("\n");
    scene.host(&plugin).args(arguments).stdin(&text).run().exits(0).writes(text + "\n");
    let line = |(number, text): (usize, &String)| {
        format!("info, record {number} of standard input: {text}\n")
    };
    let wanted: String = (1..).zip(&numbers).map(line).collect();
    crate::run::same(&scene.read("log"), wanted.as_bytes());
}

#[test]
fn what_a_plugin_logs_before_it_traps_is_shown_once() {
    let action = "(call $log (i32.const 0) (i32.const 64) (i32.const 18)) unreachable";
    let plugin = wat::where_marked_with(wat::LOG, "", action);
    let arguments = "--plugin-log stderr --on-error skip";
    let ran = Scene::new().host(&plugin).args(arguments).stdin("1 \"!\" 2").run();
    ran.exits(4).writes("1\n2\n");
    assert_eq!(
        ran.stderr.matches("plugin error, record 2 of standard input: ").count(),
        1,
        "{}",
        ran.stderr
    );
}

#[test]
fn a_log_file_that_cannot_be_opened_is_refused() {
    let ran = logging(&Scene::new(), "--plugin-log missing/log");
    ran.exits(2).writes("").says("cannot write to missing/log: ");
}

#[test]
fn a_flood_of_log_lines_is_cut_and_costs_no_record() {
    let flood = "(local.set $length (i32.const 10000))
        (loop $again
          (call $log (i32.const 4) (i32.const 64) (i32.const 18))
          (local.set $length (i32.sub (local.get $length) (i32.const 1)))
          (br_if $again (local.get $length)))";
    let plugin = wat::where_marked_with(wat::LOG, "", flood);
    let ran = Scene::new().host(&plugin).stdin("1 \"!\" 2 \"!\"").run();
    ran.exits(0).writes("1\n\"!\"\n2\n\"!\"\n").says("the plugin logged 20,000 line");
}

#[test]
fn a_long_log_line_is_cut() {
    let long = "(call $log (i32.const 2) (i32.const 64) (i32.const 60000))";
    let plugin = wat::where_marked_with(wat::LOG, "", long);
    let scene = Scene::new();
    let ran = scene.host(&plugin).args("--plugin-log log").stdin("\"!\"").run();
    ran.exits(0);
    // Escaped as they are, 4,096 bytes of zeros are ten times as long.
    assert!(scene.read("log").len() < 50_000);
}
