//! Dead letters: every record that fails is written aside with its position and its error,
//! and nothing else is missing from the output.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::run::{Ran, Scene};
use crate::wat;

/// The letters in a file.
fn letters(scene: &Scene, name: &str) -> Vec<Value> {
    let text = String::from_utf8(scene.read(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn run(plugin: &str, arguments: &str, data: &[u8]) -> (Scene, Ran) {
    let scene = Scene::new();
    scene.file("data.ndjson", data);
    let ran = scene
        .host(plugin)
        .args("--dead-letters dead.ndjson --timeout 300ms")
        .args(arguments)
        .arg("data.ndjson")
        .run();
    (scene, ran)
}

#[test]
fn each_kind_of_failure_becomes_a_letter() {
    for (plugin, kind, attempts, message) in [
        (wat::rejects(), "rejected", 1, "secret \u{1b}[31mwords\n"),
        (wat::traps(), "trap", 2, "wasm `unreachable` instruction executed"),
        (wat::loops(), "timeout", 2, "ran longer than --timeout allows"),
        (wat::takes_all_memory(), "memory", 2, ""),
    ] {
        let (scene, ran) = run(&plugin, "", b"one\n{\"a\":\"!\"}\nthree\n");
        ran.exits(4).writes("one\nthree\n").says("1 dead-lettered").says("dead.ndjson");
        ran.account().holds(&[("dead-lettered", 1), ("kept", 2), (kind, 1)]);
        let letters = letters(&scene, "dead.ndjson");
        let [letter] = &letters[..] else { panic!("{letters:?}") };
        let wanted = json!({
            "file": "data.ndjson", "record": 2, "offset": 4, "length": 9, "kind": kind,
            "attempts": attempts, "plugin": "plugin.wat", "format": "ndjson",
            "text": "{\"a\":\"!\"}",
        });
        for (member, value) in wanted.as_object().unwrap() {
            assert_eq!(letter[member], *value, "{member} of {letter}");
        }
        assert!(letter["message"].as_str().unwrap().contains(message), "{letter}");
        assert!(letter.get("base64").is_none() && letter.get("header").is_none(), "{letter}");
    }
}

#[test]
fn a_record_that_is_no_text_is_kept_as_base64() {
    let (scene, ran) = run(&wat::keeps_all(), "--max-errors 1", b"one\n\xff\x00\xfe\nthree\n");
    ran.exits(0).writes("one\nthree\n").account().holds(&[("malformed", 1)]);
    let letters = letters(&scene, "dead.ndjson");
    assert_eq!(letters[0]["base64"], "/wD+");
    assert_eq!(letters[0]["kind"], "malformed");
    assert_eq!(letters[0]["attempts"], 1);
    assert!(letters[0].get("text").is_none() && letters[0].get("plugin").is_none());
}

#[test]
fn records_of_a_stream_are_kept_as_they_were_sent() {
    let text: String = (0..2000).map(|n| format!("{{\"n\":{n},\"{}\":1}}\n", mark(n))).collect();
    let wanted: String =
        text.lines().filter(|l| !l.contains('!')).fold(String::new(), |a, l| a + l + "\n");
    for workers in [1, 3] {
        let scene = Scene::new();
        let ran = scene
            .host(&wat::traps())
            .args("--from ndjson --dead-letters dead.ndjson --range-size 500 --max-errors 100%")
            .args(&format!("--workers {workers}"))
            .stdin(&text)
            .run();
        ran.exits(0).writes(&wanted);
        let mut at = 0;
        let mut letters = letters(&scene, "dead.ndjson").into_iter();
        for (n, line) in text.lines().enumerate() {
            if line.contains('!') {
                let letter = letters.next().unwrap();
                assert_eq!(letter["record"], n + 1);
                assert_eq!(letter["offset"], at);
                assert_eq!(letter["text"], line);
            }
            at += line.len() + 1;
        }
        assert!(letters.next().is_none());
    }
}

fn mark(n: usize) -> char {
    if n % 97 == 5 { '!' } else { 'm' }
}

#[test]
fn a_row_brings_its_header() {
    let scene = Scene::new();
    scene.file("data.csv", "id,name\n1,a\n2,\"x\n!\"\n3,c\n");
    let arguments = "--dead-letters dead.ndjson --max-errors 1 data.csv";
    let ran = scene.host(&wat::rejects()).args(arguments).run();
    ran.exits(0).writes("id,name\n1,a\n3,c\n");
    let letters = letters(&scene, "dead.ndjson");
    assert_eq!(letters[0]["format"], "csv");
    assert_eq!(letters[0]["header"], "id,name");
    assert_eq!(letters[0]["text"], "2,\"x\n!\"");
}

#[test]
fn a_record_that_is_too_long_has_its_place_and_not_its_bytes() {
    let data = format!("one\n\"{}\"\nthree\n", "x".repeat(5000));
    for stdin in [false, true] {
        let scene = Scene::new();
        scene.file("data.ndjson", &data);
        let host = scene
            .host(&wat::keeps_all())
            .args("--from ndjson --max-record 1KiB --dead-letters dead.ndjson --max-errors 1");
        let ran = if stdin { host.stdin(&data) } else { host.arg("data.ndjson") }.run();
        ran.exits(0).writes("one\nthree\n");
        let letter = &letters(&scene, "dead.ndjson")[0];
        assert_eq!((&letter["offset"], &letter["length"]), (&json!(4), &json!(5002)));
        assert_eq!(letter["kind"], "too-long");
        assert!(letter.get("text").is_none() && letter.get("base64").is_none());
    }
}

#[test]
fn of_several_plugins_the_one_that_failed_is_named() {
    let scene = Scene::new();
    scene.file("data.ndjson", "one\n!\nthree\n").file("second.wat", wat::rejects());
    scene.file("third.wat", wat::traps());
    let arguments = "--plugin second.wat --plugin third.wat data.ndjson";
    let ran = scene.host(&wat::keeps_all()).args(arguments).run();
    ran.exits(1).says("  plugin: second.wat").never_says("third.wat");
    let ran = scene
        .host(&wat::keeps_all())
        .args("--plugin third.wat --plugin second.wat data.ndjson")
        .run();
    ran.exits(1).says("  plugin: third.wat").never_says("second.wat");
    let ran = scene.host(&wat::map(wat::SAME)).args("--dead-letters d").args(arguments).run();
    ran.exits(4);
    assert_eq!(letters(&scene, "d")[0]["plugin"], "second.wat");
}

#[test]
fn the_file_is_for_its_owner_alone_and_begins_anew() {
    let (scene, _) = run(&wat::traps(), "--max-errors 1", b"!\n");
    let mode = |scene: &Scene| scene.path("dead.ndjson").metadata().unwrap().permissions().mode();
    assert_eq!(mode(&scene) & 0o777, 0o600);
    scene.file("data.ndjson", "fine\n");
    let arguments = "--dead-letters dead.ndjson data.ndjson";
    std::fs::set_permissions(scene.path("dead.ndjson"), std::fs::Permissions::from_mode(0o644))
        .unwrap();
    scene.host(&wat::traps()).args(arguments).run().exits(0).writes("fine\n");
    assert_eq!(scene.read("dead.ndjson"), b"");
    assert_eq!(mode(&scene) & 0o777, 0o600);
}

#[test]
fn dead_letters_need_a_file_of_their_own() {
    let scene = Scene::new();
    scene.file("data.ndjson", "fine\n");
    let host = || scene.host(&wat::keeps_all());
    for arguments in [
        "--dead-letters out.ndjson -o out.ndjson data.ndjson",
        "--dead-letters out.ndjson.partial -o out.ndjson data.ndjson",
        "--dead-letters ./out.ndjson -o out.ndjson data.ndjson",
    ] {
        host().args(arguments).run().exits(2).says("it is the output of this job");
        host().args(arguments).arg("--dry-run").run().exits(2).says("it is the output of this job");
    }
    for dry in ["", "--dry-run"] {
        let host = || host().args(dry);
        host().args("--dead-letters data.ndjson data.ndjson").run().exits(2).says("is an input");
        let arguments = "--dead-letters no/such/place data.ndjson";
        host().args(arguments).run().exits(2).says("cannot write to no/such/place");
    }
    assert_eq!(scene.names(), ["data.ndjson", "plugin.wat"]);
    let dry = host().args("--dead-letters d --dry-run data.ndjson").run();
    assert!(String::from_utf8_lossy(&dry.exits(0).stdout).contains("dead letters: d"));
    assert_eq!(scene.names(), ["data.ndjson", "plugin.wat"]);
    assert_eq!(scene.read("data.ndjson"), b"fine\n");
    host().args("--on-error dead-letter data.ndjson").run().exits(2).says("--dead-letters FILE");
    for on_error in ["fail", "skip"] {
        let arguments = format!("--dead-letters d --on-error {on_error} data.ndjson");
        host().args(&arguments).run().exits(2).says("contradicts");
    }
}

#[test]
fn retries_save_a_record_that_fails_only_now_and_then() {
    // Its first instance rejects everything, a fresh one nothing: only by its log can one
    // see which it is, so it counts what it has seen.
    let plugin = wat::filter_with(
        "",
        "(global $seen (mut i32) (i32.const 0))",
        "(global.set $seen (i32.add (global.get $seen) (i32.const 1)))
         (if (i32.eq (global.get $seen) (i32.const 3)) (then (return (call $rejected))))
         (call $yes)",
    );
    let data = b"one\ntwo\nthree\nfour\nfive\n";
    let (scene, ran) = run(&plugin, "--workers 1", data);
    ran.exits(4).writes("one\ntwo\nfour\nfive\n");
    assert_eq!(letters(&scene, "dead.ndjson")[0]["text"], "three");
    let (scene, ran) = run(&plugin, "--workers 1 --retries 1", data);
    ran.exits(0).writes("one\ntwo\nthree\nfour\nfive\n").says("retr");
    assert_eq!(letters(&scene, "dead.ndjson"), Vec::<Value>::new());
}

#[test]
fn retries_are_counted_and_come_to_an_end() {
    for (plugin, retries, attempts) in [
        (wat::rejects(), 0, 1),
        (wat::rejects(), 3, 4),
        (wat::traps(), 0, 2),
        (wat::traps(), 1, 2),
        (wat::traps(), 3, 4),
        (wat::loops(), 2, 3),
    ] {
        let arguments = format!("--retries {retries} --max-errors 1");
        let (scene, ran) = run(&plugin, &arguments, b"one\n!\nthree\n");
        ran.exits(0).writes("one\nthree\n");
        assert_eq!(letters(&scene, "dead.ndjson")[0]["attempts"], attempts, "{retries} retries");
        let told = ran.account().count("retry") + ran.account().count("retrie");
        assert_eq!(told, attempts - 1, "{}", ran.stderr);
    }
    let ran = crate::run::over(&wat::traps(), "--from ndjson --retries 3", "one\n!\nthree\n");
    ran.exits(1).writes("one\n").says("record 2 of standard input");
}

#[test]
fn a_plugin_of_each_operation_leaves_nothing_of_a_dead_letter() {
    let data = b"one\n!\nthree\nx\nfive\n";
    for (plugin, wanted) in [
        (wat::batch(), "one\none\nthree\nthree\nx\nx\nfive\nfive\n"),
        (wat::reduce(), "one\nthree\nx\nfive\n"),
    ] {
        for retries in ["--retries 0", "--retries 2"] {
            let arguments = format!("--max-errors 3 --workers 1 {retries}");
            let (scene, ran) = run(&plugin, &arguments, data);
            ran.exits(0).writes(wanted);
            assert_eq!(letters(&scene, "dead.ndjson")[0]["text"], "!", "{}", ran.stderr);
        }
    }
}

/// The backtrace in the only letter of a run over three records, one of which has a `!`.
fn backtrace(plugin: &[u8], name: &str) -> Vec<String> {
    let scene = Scene::new();
    scene.file("data.ndjson", "one\n!\nthree\n").file(name, plugin);
    let arguments = "--dead-letters dead.ndjson --max-errors 1 data.ndjson";
    scene.host_with(name).args(arguments).run().exits(0).writes("one\nthree\n");
    let letters = letters(&scene, "dead.ndjson");
    let lines = letters[0]["backtrace"].as_array().unwrap();
    lines.iter().map(|line| line.as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_trap_tells_the_functions_that_the_plugin_was_in() {
    let named = wat::filter_with(
        "",
        "(func $_ZN4core5inner17h0123456789abcdefE unreachable)
         (func $outer (call $_ZN4core5inner17h0123456789abcdefE))",
        "(if (call $has (local.get $at) (local.get $length) (i32.const 33)) (then (call $outer)))
         (call $yes)",
    );
    let found = backtrace(named.as_bytes(), "plugin.wat");
    assert_eq!(found[..2], ["0: core::inner", "1: outer"]);
    assert!(found[2].starts_with("2: function "), "{found:?}");
    let component = wat::component(&named, "keep", "bool");
    let found = backtrace(component.as_bytes(), "plugin.wat");
    assert_eq!(found[..2], ["0: core::inner", "1: outer"]);
}

const DEEP: &[u8] = include_bytes!("data/deep.wasm");

#[test]
fn debug_information_gives_file_and_line() {
    let wanted =
        ["0: inner (./deep.c:14:9)", "1: look_at_each (./deep.c:18:46)", "2: keep (./deep.c:22:5)"];
    assert_eq!(backtrace(DEEP, "deep.wasm"), wanted);
    let scene = Scene::new();
    scene.file("data.ndjson", "!\n").file("deep.wasm", DEEP);
    let ran = scene.host_with("deep.wasm").args("data.ndjson").run();
    // Which function it was in may tell something of the record.
    ran.exits(1).never_says("look_at_each");
    let ran = scene.host_with("deep.wasm").args("--show-records data.ndjson").run();
    ran.exits(1).says("\n    0: inner (./deep.c:14:9)\n    1: look_at_each");
}

#[test]
fn broken_debug_information_costs_the_backtrace_and_nothing_else() {
    let first = DEEP.windows(6).position(|bytes| bytes == b".debug").unwrap();
    let mut runs = 0;
    for at in (first + 16..DEEP.len()).step_by(13) {
        let mut broken = DEEP.to_vec();
        broken[at] ^= 0xff;
        let scene = Scene::new();
        scene.file("data.ndjson", "one\n!\nthree\n").file("deep.wasm", broken);
        let arguments = "--on-error skip --max-errors 1 data.ndjson";
        let ran = scene.host_with("deep.wasm").args(arguments).run();
        // Where a section's own frame is hit it is no module any more.
        if ran.code != 2 {
            ran.exits(0).writes("one\nthree\n").account().holds(&[("trap", 1)]);
            runs += 1;
        }
    }
    assert!(runs > 30, "only {runs} were modules still");
}
