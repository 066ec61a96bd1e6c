//! Limits: time, memory and length of a record.

use crate::run::Scene;
use crate::wat;

/// A hundred records, the 60th of which is marked.
fn lines() -> (String, String) {
    let line = |number: u32| format!("{{\"n\":{number}}}\n");
    ((0..59).map(line).collect(), (60..100).map(line).collect())
}

#[test]
fn a_record_without_end_ends_the_job_and_is_named() {
    let (before, after) = lines();
    for workers in ["1", "2"] {
        let scene = Scene::new();
        scene.file("data.ndjson", format!("{before}!\n{after}"));
        let arguments = "--timeout 200ms --range-size 100 data.ndjson --workers";
        let ran = scene.host(&wat::loops()).args(arguments).arg(workers).run();
        ran.exits(1).writes(&before).says("record 60 of data.ndjson (byte 521, 1 long) ran longer");
        ran.says("--timeout").account().holds(&[("kept", 59), ("failed", 1)]);
    }
}

#[test]
fn a_record_without_end_is_skipped_and_all_others_keep_their_order() {
    let (before, after) = lines();
    let text = format!("{before}!\n{after}");
    for range_size in ["100", "1MiB"] {
        let scene = Scene::new();
        let arguments = "--timeout 200ms --on-error skip --from ndjson --range-size";
        let ran = scene.host(&wat::loops()).args(arguments).arg(range_size).stdin(&text).run();
        ran.exits(4).writes(format!("{before}{after}"));
        ran.says("record 60 of standard input (byte 521, 1 long) ran longer");
        ran.account().holds(&[("kept", 99), ("skipped", 1), ("timeout", 1)]);
    }
}

#[test]
fn several_records_without_end_cost_only_themselves() {
    let scene = Scene::new();
    scene.file("data.json", "[1,\"!\",2,\"!\",\"!\",3]");
    let ran = scene.host(&wat::loops()).args("--timeout 200ms --on-error skip data.json").run();
    ran.exits(4).writes("[\n1,\n2,\n3\n]\n").account().holds(&[("kept", 3), ("timeout", 3)]);
}

#[test]
fn a_timeout_longer_than_the_world_is_old_is_a_timeout_or_a_usage_error() {
    let scene = Scene::new();
    let slow = SLOW.replace("TIMES", "300000000");
    let ran = scene.host(&wat::filter(&slow)).args("--timeout 100000000000years").stdin("1").run();
    assert!([0, 2].contains(&ran.code), "{}", ran.stderr);
}

/// Counts for a while and keeps the record.
const SLOW: &str = "
    (local $left i32)
    (local.set $left (i32.const TIMES))
    (loop $again
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $again (local.get $left)))
    (call $yes)";

#[test]
fn many_quick_records_are_no_slow_one() {
    // Together they take far longer than the limit on one of them.
    let plugin = wat::filter(&SLOW.replace("TIMES", "2000000"));
    let text = "1\n".repeat(1000);
    let scene = Scene::new();
    scene.file("data.ndjson", &text);
    let ran = scene.host(&plugin).args("--timeout 400ms --workers 2 data.ndjson").run();
    ran.exits(0).writes(&text).account().holds(&[("kept", 1000)]);
}

#[test]
fn a_plugin_that_wants_more_memory_than_it_may_have_fails_its_record() {
    let scene = Scene::new();
    scene.file("data.ndjson", "one\n!\ntwo\n");
    let ran = scene.host(&wat::takes_all_memory()).args("--memory 1MiB data.ndjson").run();
    ran.exits(1).writes("one\n").says("record 2 of data.ndjson (byte 4, 1 long)");
    ran.says("made the plugin want more memory than --memory allows");
    let arguments = "--memory 1MiB --on-error skip data.ndjson";
    let ran = scene.host(&wat::takes_all_memory()).args(arguments).run();
    ran.exits(4).writes("one\ntwo\n").account().holds(&[("memory", 1), ("trap", 0)]);
}

#[test]
fn a_record_larger_than_the_plugins_memory_fails_for_memory() {
    let scene = Scene::new();
    scene.file("data.ndjson", format!("one\n{}\ntwo\n", "x".repeat(2 << 20)));
    let arguments = "--memory 1MiB --on-error skip data.ndjson";
    let ran = scene.host(&wat::keeps_all()).args(arguments).run();
    ran.exits(4).writes("one\ntwo\n").account().holds(&[("memory", 1)]);
}

#[test]
fn a_refused_wish_for_memory_is_no_failure_in_itself() {
    let plugin = wat::where_marked("(drop (memory.grow (i32.const 100))) (return (call $no))");
    let scene = Scene::new();
    scene.file("data.ndjson", "one\n!\ntwo\n");
    let ran = scene.host(&plugin).args("--memory 1MiB data.ndjson").run();
    ran.exits(0).writes("one\ntwo\n").account().holds(&[("dropped", 1)]);
}

#[test]
fn a_plugin_that_does_not_fit_its_memory_at_all_blames_no_record() {
    let plugin = wat::keeps_all().replace("\"memory\") 1", "\"memory\") 100");
    let ran = Scene::new().host(&plugin).args("--memory 1MiB").stdin("1").run();
    ran.exits(1).writes("").says("the plugin plugin.wat cannot be started: ").says("--memory");
    ran.never_says("record 1").account().holds(&[("record read", 0)]);
}

/// Lines, an array and a sequence with one record of 3,000 bytes among short ones.
fn with_a_long_record() -> [(&'static str, String, &'static str, u64, &'static str); 3] {
    let long = "x".repeat(2998);
    [
        ("data.ndjson", format!("1\n2\n\"{long}\"\n3\n"), "1\n2\n", 4, "1\n2\n3\n"),
        ("data.json", format!("[1, 2, \"{long}\", 3]"), "[\n1,\n2\n]\n", 7, "[\n1,\n2,\n3\n]\n"),
        ("data.json", format!("1 2\"{long}\"3"), "1\n2\n", 3, "1\n2\n3\n"),
    ]
}

#[test]
fn a_record_longer_than_the_limit_ends_the_job() {
    for (name, text, before, at, _) in with_a_long_record() {
        let from = if name == "data.json" { "--from json" } else { "--from ndjson" };
        let scene = Scene::new();
        scene.file(name, &text);
        let place = format!("(byte {at}, 3,000 long) is longer than --max-record allows");
        let ran = scene.host(&wat::keeps_all()).args("--max-record 2999").arg(name).run();
        ran.exits(1).writes(before).says(&format!("record 3 of {name} {place}"));
        let host = scene.host(&wat::keeps_all()).args("--max-record 2999").args(from);
        let ran = host.stdin(&text).run();
        ran.exits(1).writes(before).says(&format!("record 3 of standard input {place}"));
        ran.account().holds(&[("kept", 2), ("failed", 1)]);
    }
}

#[test]
fn a_record_longer_than_the_limit_is_skipped() {
    for (name, text, _, _, without) in with_a_long_record() {
        let from = if name == "data.json" { "--from json" } else { "--from ndjson" };
        let scene = Scene::new();
        scene.file(name, &text);
        for range_size in ["1", "1MiB"] {
            let arguments = format!("--max-record 2999 --on-error skip --range-size {range_size}");
            let ran = scene.host(&wat::keeps_all()).args(&arguments).arg(name).run();
            ran.exits(4).writes(without).account().holds(&[("too long", 1), ("kept", 3)]);
            let host = scene.host(&wat::keeps_all()).args(&arguments).args(from);
            let ran = host.stdin(&text).run();
            ran.exits(4).writes(without).account().holds(&[("too long", 1), ("kept", 3)]);
        }
    }
}

#[test]
fn a_record_exactly_as_long_as_the_limit_is_kept() {
    for (name, text, _, _, _) in with_a_long_record() {
        let from = if name == "data.json" { "--from json" } else { "--from ndjson" };
        let scene = Scene::new();
        scene.file(name, &text);
        let host = scene.host(&wat::keeps_all()).args("--max-record 3000");
        host.arg(name).run().exits(0).account().holds(&[("kept", 4)]);
        let host = scene.host(&wat::keeps_all()).args("--max-record 3000").args(from);
        host.stdin(&text).run().exits(0).account().holds(&[("kept", 4)]);
    }
}

#[test]
fn a_very_long_record_of_a_stream_is_passed_over() {
    // Longer than any piece in which a stream is read, at its beginning and its end.
    let long = "x\\\"".repeat(1 << 20);
    let arguments = "--max-record 1000 --on-error skip";
    let ends = |from: &str, text: String, wanted: &str| {
        let scene = Scene::new();
        let ran = scene.host(&wat::keeps_all()).args(arguments).args(from).stdin(text).run();
        ran.exits(4).writes(wanted).account().holds(&[("too long", 2), ("kept", 2)]);
    };
    ends("--from ndjson", format!("{long}\n1\n2\n{long}"), "1\n2\n");
    ends("--from json", format!("\"{long}\"1 2\"{long}\""), "1\n2\n");
    ends("--from json", format!("[\"{long}\",1,2,\"{long}\"]"), "[\n1,\n2\n]\n");
}

#[test]
fn a_fault_inside_a_very_long_record_is_still_a_fault() {
    let text = format!("1 [{}}}", "2,".repeat(1 << 20));
    let arguments = "--max-record 1000 --on-error skip";
    let scene = Scene::new();
    let ran = scene.host(&wat::keeps_all()).args(arguments).stdin(&text).run();
    ran.exits(1).writes("1\n").says("is broken at byte 2097155: a `}` stands where `]`");
    scene.file("data.json", &text);
    let ran = scene.host(&wat::keeps_all()).args(arguments).arg("data.json").run();
    ran.exits(1).writes("1\n").says("is broken at byte 2097155: a `}` stands where `]`");
}

#[test]
fn what_stands_between_records_makes_none_of_them_longer() {
    let space = " \n".repeat(300_000);
    for (from, text, wanted) in [
        ("--from json", format!("1{space}22{space}{space}3 4"), "1\n22\n3\n4\n"),
        ("--from json", format!("[1{space},{space}22{space},3]"), "[\n1,\n22,\n3\n]\n"),
        ("--from csv", format!("a\n1{0}22{0}3", "\r\n".repeat(300_000)), "a\n1\n22\n3\n"),
    ] {
        for workers in ["1", "3"] {
            let scene = Scene::new();
            let host =
                scene.host(&wat::keeps_all()).args("--max-record 100 --workers").arg(workers);
            host.args(from).stdin(&text).run().exits(0).writes(wanted);
        }
    }
}

#[test]
fn what_stands_before_a_header_does_not_cut_it() {
    // Around where a file is looked at in pieces.
    for before in (0..12).map(|more| (256 << 10) - 4 + more) {
        let text = format!("{}first,second\n1,2\n", "\n".repeat(before));
        let scene = Scene::new();
        scene.file("data.csv", &text);
        for flags in ["", "--max-record 12"] {
            let ran = scene.host(&wat::keeps_all()).args(flags).arg("data.csv").run();
            ran.exits(0).writes("first,second\n1,2\n");
        }
        let ran = scene.host(&wat::keeps_all()).args("--max-record 11 data.csv").run();
        ran.exits(1).says("the header of data.csv is longer than --max-record allows");
    }
}
