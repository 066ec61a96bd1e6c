//! Records that fail: what is said, what is written, and how the run ends.

use crate::run::{Ran, Scene};
use crate::wat;

const LINES: &str = "one\ntwo\nthree!\nfour\nfive!\nsix\n";

fn over_lines(plugin: &str, arguments: &str) -> Ran {
    let scene = Scene::new();
    scene.file("data.ndjson", LINES);
    scene.host(plugin).args(arguments).arg("data.ndjson").run()
}

#[test]
fn a_trap_ends_the_job_and_names_record_byte_and_kind() {
    let ran = over_lines(&wat::traps(), "");
    ran.exits(1).writes("one\ntwo\n");
    ran.says("error: record 3 of data.ndjson (byte 8, 6 long) made the plugin trap: ");
    ran.says("unreachable").says("plugin: plugin.wat").says("--on-error skip");
    ran.account().holds(&[("kept", 2), ("failed", 1), ("byte not read", 16)]);
}

#[test]
fn a_rejection_ends_the_job_and_names_record_byte_and_kind() {
    let ran = over_lines(&wat::rejects(), "");
    ran.exits(1).writes("one\ntwo\n");
    ran.says("error: record 3 of data.ndjson (byte 8, 6 long) was rejected by the plugin\n");
    ran.says("plugin: plugin.wat").says("--on-error skip");
    ran.account().holds(&[("record read", 3), ("kept", 2), ("failed", 1)]);
}

#[test]
fn the_plugins_words_are_shown_only_to_those_who_ask() {
    let ran = over_lines(&wat::rejects(), "");
    ran.never_says("secret").says("--show-records shows it");
    let ran = over_lines(&wat::rejects(), "--show-records");
    ran.exits(1).says(&format!("the plugin says: {}\n", wat::REASON)).never_says("\u{1b}");
    for looks in ["", "--verbose"] {
        over_lines(&wat::rejects(), &format!("--on-error skip {looks}")).never_says("secret");
    }
    let ran = over_lines(&wat::rejects(), "--on-error skip --show-records");
    ran.exits(4).says(&format!("the plugin says: {}\n", wat::REASON)).never_says("\u{1b}");
}

#[test]
fn a_record_in_a_plugins_words_does_not_reach_the_terminal() {
    let whole = "(call $answer (i32.const 1) (local.get $at) (local.get $length))";
    let rejects = wat::filter(whole);
    let logs = wat::filter_with(
        wat::LOG,
        "",
        "(call $log (i32.const 0) (local.get $at) (local.get $length)) unreachable",
    );
    for plugin in [rejects, logs] {
        for arguments in ["", "--verbose", "--on-error skip", "--on-error skip --verbose"] {
            let scene = Scene::new();
            let ran = scene.host(&plugin).args(arguments).stdin("\"private-4711\"").run();
            ran.never_says("4711").says("byte 0, 14 long");
            assert_ne!(ran.code, 0);
        }
    }
}

#[test]
fn a_real_plugins_words_name_what_is_wrong() {
    let scene = Scene::new();
    scene.file("data.ndjson", "{\"type\":\"PushEvent\"}\n{\"kind\":1}\n");
    let plugin = crate::run::repository("plugins/filter/filter.wasm");
    let ran = scene.host_with(plugin).args("--show-records data.ndjson").run();
    ran.exits(1).writes("{\"type\":\"PushEvent\"}\n").says("missing field `type`");
}

#[test]
fn failed_records_are_skipped_and_counted() {
    for (plugin, kind) in [(wat::traps(), "trap"), (wat::rejects(), "rejected")] {
        let ran = over_lines(&plugin, "--on-error skip");
        ran.exits(4).writes("one\ntwo\nfour\nsix\n");
        ran.says("skipped: record 3 of data.ndjson (byte 8, 6 long)");
        ran.says("skipped: record 5 of data.ndjson (byte 20, 5 long)");
        ran.says("more than --max-errors accepts");
        let wanted = [("record read", 6), ("kept", 4), ("skipped", 2), (kind, 2)];
        ran.account().holds(&wanted);
    }
}

#[test]
fn max_errors_says_how_many_are_acceptable() {
    for (max_errors, code) in [("0", 4), ("1", 4), ("2", 0), ("33%", 4), ("34%", 0), ("100%", 0)] {
        let ran = over_lines(&wat::traps(), &format!("--on-error skip --max-errors {max_errors}"));
        ran.exits(code).writes("one\ntwo\nfour\nsix\n");
        ran.account().holds(&[("skipped", 2)]);
    }
}

#[test]
fn max_errors_does_not_turn_fail_into_skip() {
    over_lines(&wat::traps(), "--max-errors 10").exits(1).writes("one\ntwo\n");
}

#[test]
fn an_array_is_closed_where_the_job_ends() {
    let scene = Scene::new();
    scene.file("data.json", "[\"a\", \"b\", \"c!\", \"d\"]").file("first.json", "[\"!\", 1]");
    let ran = scene.host(&wat::traps()).arg("data.json").run();
    ran.exits(1).writes("[\n\"a\",\n\"b\"\n]\n").says("record 3 of data.json (byte 11, 4 long)");
    scene.host(&wat::traps()).arg("first.json").run().exits(1).writes("[]\n");
    let ran = scene.host(&wat::traps()).args("--on-error skip data.json").run();
    ran.exits(4).writes("[\n\"a\",\n\"b\",\n\"d\"\n]\n");
    scene.host(&wat::traps()).args("--on-error skip first.json").run().writes("[\n1\n]\n");
}

#[test]
fn stdout_holds_exactly_the_records_before_whatever_the_workers_do() {
    let line = |number: u32| format!("{{\"n\":{number}}}{}\n", "x".repeat(number as usize % 50));
    let before: String = (0..3000).map(line).collect();
    let after: String = (3001..6000).map(line).collect();
    let text = format!("{before}!\n{after}");
    for workers in ["1", "2", "3", "8"] {
        let scene = Scene::new();
        let arguments = format!("--from ndjson --range-size 2000 --workers {workers}");
        let message = format!("record 3,001 of standard input (byte {}", grouped(before.len()));
        let ran = scene.host(&wat::traps()).args(&arguments).stdin(&text).run();
        ran.exits(1).writes(&before).says(&message).account().holds(&[("kept", 3000)]);
        scene.file("data.ndjson", &text);
        let ran = scene.host(&wat::rejects()).args(&arguments).arg("data.ndjson").run();
        ran.exits(1).writes(&before).account().holds(&[("kept", 3000), ("failed", 1)]);
        let skip = format!("{arguments} --on-error skip --max-errors 1 data.ndjson");
        let ran = scene.host(&wat::traps()).args(&skip).run();
        ran.exits(0).writes(format!("{before}{after}")).account().holds(&[("trap", 1)]);
    }
}

fn grouped(number: usize) -> String {
    let (thousands, rest) = (number / 1000, number % 1000);
    assert!((1..1000).contains(&thousands));
    format!("{thousands},{rest:03}")
}

#[test]
fn the_earliest_of_many_failures_is_the_one_named() {
    let text: String =
        (0..4000).map(|number| if number % 100 == 50 { "!\n" } else { "fine\n" }).collect();
    let scene = Scene::new();
    scene.file("data.ndjson", &text);
    let host = scene.host(&wat::traps()).args("--workers 3 --range-size 100 data.ndjson");
    host.run().exits(1).writes("fine\n".repeat(50)).says("record 51 of data.ndjson (byte 250,");
    let skip = "--workers 3 --range-size 100 --on-error skip data.ndjson";
    let ran = scene.host(&wat::traps()).args(skip).run();
    ran.exits(4).writes("fine\n".repeat(3960)).account().holds(&[("trap", 40)]);
}

#[test]
fn records_count_from_one_in_each_input() {
    let scene = Scene::new();
    scene.file("a.ndjson", "1\n2\n3\n").file("b.ndjson", "4\n\n!\n");
    let ran = scene.host(&wat::traps()).args("a.ndjson b.ndjson").run();
    ran.exits(1).writes("1\n2\n3\n4\n").says("record 2 of b.ndjson (byte 3, 1 long)");
}

#[test]
fn records_that_are_not_utf8_are_malformed() {
    let scene = Scene::new();
    scene.file("data.ndjson", b"one\n\xff\xfe\ntwo\n\xc3\nthree\n");
    let ran = scene.host(&wat::keeps_all()).arg("data.ndjson").run();
    ran.exits(1).writes("one\n").says("record 2 of data.ndjson (byte 4, 2 long) is malformed");
    let ran = scene.host(&wat::keeps_all()).args("--on-error skip data.ndjson").run();
    ran.exits(4).writes("one\ntwo\nthree\n").account().holds(&[("malformed", 2)]);
    scene.file("data.json", b"[\"a\", \"\xed\xa0\x80\", \"b\"]");
    let ran = scene.host(&wat::keeps_all()).args("--on-error skip data.json").run();
    ran.exits(4).writes("[\n\"a\",\n\"b\"\n]\n").says("not UTF-8");
}

#[test]
fn a_record_that_traps_only_because_of_what_came_before_has_not_failed() {
    for on_error in ["fail", "skip"] {
        let arguments = format!("--on-error {on_error}");
        let ran = over_lines(&wat::traps_at_its_third_record(), &arguments);
        ran.exits(0).writes(LINES).account().holds(&[("kept", 6)]);
    }
}

#[test]
fn after_a_trap_the_next_record_meets_a_fresh_instance() {
    let plugin = wat::where_marked_with(
        "",
        "(global $dirty (mut i32) (i32.const 0))",
        "(global.set $dirty (i32.const 1)) unreachable",
    );
    let check = "(if (global.get $dirty) (then (return (call $no))))";
    let plugin = plugin.replace("(if (call $has", &format!("{check} (if (call $has"));
    let ran = over_lines(&plugin, "--on-error skip");
    ran.exits(4).writes("one\ntwo\nfour\nsix\n");
}

#[test]
fn an_answer_that_is_no_answer_fails_its_record() {
    for (what, action) in [
        (
            "an unknown discriminant",
            "(return (call $answer (i32.const 2) (i32.const 0) (i32.const 0)))",
        ),
        ("an address past the end", "(return (i32.const 65528))"),
        ("an odd address", "(return (i32.const 17))"),
        (
            "a reason past the end",
            "(return (call $answer (i32.const 1) (i32.const 9) (i32.const -1)))",
        ),
        ("an access past the end", "(drop (i32.load (i32.const -1)))"),
        ("a stack without end", "(return (call $deep))"),
    ] {
        let deep = "(func $deep (result i32) (i32.add (call $deep) (i32.const 1)))";
        let ran = over_lines(&wat::where_marked_with("", deep, action), "--on-error skip");
        assert_eq!(ran.code, 4, "{what}: {}", ran.stderr);
        ran.writes("one\ntwo\nfour\nsix\n").account().holds(&[("trap", 2), ("restart", 0)]);
    }
}

#[test]
fn skipped_records_beyond_five_are_told_to_those_who_ask() {
    let scene = Scene::new();
    scene.file("data.ndjson", "!\n".repeat(8));
    let ran = scene.host(&wat::rejects()).args("--on-error skip data.ndjson").run();
    ran.exits(4).says("record 5 of").never_says("record 6 of").says("--verbose tells them all");
    let ran = scene.host(&wat::rejects()).args("--on-error skip --verbose data.ndjson").run();
    ran.exits(4).says("record 6 of").says("record 8 of");
}

#[test]
fn an_unordered_failure_has_no_number_and_leaves_whole_records() {
    let text = "fine\n".repeat(2000) + "!\n" + &"fine\n".repeat(2000);
    let scene = Scene::new();
    scene.file("data.ndjson", &text);
    let arguments = "--unordered --workers 3 --range-size 500 data.ndjson";
    let ran = scene.host(&wat::traps()).args(arguments).run();
    ran.exits(1).says("error: a record of data.ndjson (byte 10,000, 1 long) made the plugin trap");
    let kept = ran.account().count("kept");
    ran.writes("fine\n".repeat(usize::try_from(kept).unwrap()));
    assert!(kept < 4000 || ran.account().count("failed") == 1);
    let ran = scene.host(&wat::traps()).args(arguments).args("--on-error skip").run();
    ran.exits(4).writes("fine\n".repeat(4000)).account().holds(&[("trap", 1)]);
}
