//! `host test`: what it says of plugins that do what their cases say, and of others.

use std::fs;
use std::os::unix::fs::symlink;

use crate::run::{Ran, Scene};
use crate::wat;

/// A directory with a plugin, given as text, and one case called `first`.
fn project(plugin: &str, input: &str, expected: &str) -> Scene {
    let scene = Scene::new();
    fs::create_dir_all(scene.path("cases/first")).unwrap();
    scene.file("plugin.wat", plugin);
    scene.file("cases/first/input.ndjson", input);
    scene.file("cases/first/expected.ndjson", expected);
    scene
}

/// What is told, and the exit code.
fn test(scene: &Scene, arguments: &str) -> (i32, String) {
    let Ran { code, stdout, stderr, .. } = scene.bare().arg("test").args(arguments).run();
    (code, String::from_utf8(stdout).unwrap() + &stderr)
}

#[test]
fn what_is_as_expected_is_said_to_be() {
    let scene = project(&wat::keeps_all(), "1\n2\n", "1\n2\n");
    for place in ["", ".", "plugin.wat"] {
        let (code, told) = test(&scene, place);
        assert_eq!((code, told.as_str()), (0, "ok      first\n1 case: 1 as expected\n"), "{place}");
    }
}

#[test]
fn what_is_not_is_shown_and_can_be_accepted() {
    let scene = project(&wat::keeps_all(), "1\n2\n3\n", "1\n3\n4\n");
    let (code, told) = test(&scene, "");
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("in one worker:\n  line 1:\n    1\n  + 2\n    3\n  - 4\n"), "{told}");
    assert!(told.contains("to repeat it: cd /"), "{told}");
    assert!(
        told.ends_with(
            "1 case: 1 not as expected\nif what came out is right: host test --update\n"
        )
    );
    assert_eq!(scene.read("cases/first/expected.ndjson"), b"1\n3\n4\n");
    let (code, told) = test(&scene, "--update");
    assert_eq!((code, told.as_str()), (0, "updated first\n1 case: 1 updated\n"));
    assert_eq!(scene.read("cases/first/expected.ndjson"), b"1\n2\n3\n");
    assert_eq!(test(&scene, "").0, 0);
}

#[test]
fn the_command_that_repeats_a_case_does() {
    let scene = project(&wat::keeps_all(), "1\n2\n", "1\n");
    scene.file("cases/first/args", "--limit\n2\n--param\nwords=it's two\n");
    let (_, told) = test(&scene, "");
    let command = told.lines().find_map(|line| line.trim().strip_prefix("to repeat it: ")).unwrap();
    let host = format!("host() {{ {} \"$@\"; }}; ", env!("CARGO_BIN_EXE_host"));
    let ran = std::process::Command::new("sh").arg("-c").arg(host + command).output().unwrap();
    assert_eq!(ran.stdout, b"1\n2\n", "{told}{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn what_is_expected_of_a_new_case_is_written_on_demand() {
    let scene = project(&wat::rejects(), "\"!\"\n2\n", "");
    fs::remove_file(scene.path("cases/first/expected.ndjson")).unwrap();
    let (code, told) = test(&scene, "");
    assert_eq!(code, 1);
    assert!(told.contains("it was expected not to fail, and it ended with exit code 1"), "{told}");
    assert!(told.contains("no file with what is expected"), "{told}");
    assert!(told.contains("the plugin says: secret"), "{told}");
    assert_eq!(test(&scene, "--update").0, 0);
    assert_eq!(scene.read("cases/first/expected_error"), b"1\nsecret \\u{1b}[31mwords\\n\n");
    assert_eq!(scene.read("cases/first/expected.ndjson"), b"");
    assert_eq!(test(&scene, "").0, 0);
    // And it is held to from then on.
    scene.file("cases/first/expected_error", "1\nsomething else\n");
    let (code, told) = test(&scene, "");
    assert_eq!(code, 1);
    assert!(told.contains("it was expected to say: something else"), "{told}");
    scene.file("cases/first/expected_error", "4\nsecret\n");
    assert!(test(&scene, "").1.contains("to end with exit code 4, and it ended with exit code 1"));
    // Where nothing fails any more, nothing is expected to.
    scene.file("plugin.wat", wat::keeps_all());
    assert_eq!(test(&scene, "--update").0, 0);
    assert!(!scene.path("cases/first/expected_error").exists());
}

#[test]
fn a_plugin_whose_answers_depend_on_what_came_before_is_found_out() {
    let input: String = (0..50).map(|number| format!("{{\"number\":{number}}}\n")).collect();
    let plugin = wat::filter_with(
        "",
        "(global $seen (mut i32) (i32.const 0))",
        "(global.set $seen (i32.add (global.get $seen) (i32.const 1)))
         (if (i32.le_u (global.get $seen) (i32.const 3)) (then (return (call $yes))))
         (call $no)",
    );
    let expected = "{\"number\":0}\n{\"number\":1}\n{\"number\":2}\n";
    let scene = project(&plugin, &input, expected);
    for flags in ["", "--update"] {
        let (code, told) = test(&scene, flags);
        assert_eq!(code, 1, "{told}");
        assert!(told.contains("cut into ranges of 64 bytes, each for a fresh instance:"), "{told}");
        assert!(told.contains("may depend on nothing but that record"), "{told}");
        assert!(told.contains("host --workers 3 --range-size 64 --isolate range"), "{told}");
    }
    // A case may say how its instances are isolated; then that is so.
    scene.file("cases/first/args", "--isolate\nrecord\n");
    scene.file("cases/first/expected.ndjson", &input);
    assert_eq!(test(&scene, "").0, 0);
}

#[test]
fn what_the_plugin_logs_and_why_it_traps_is_shown() {
    let scene = project(
        &wat::where_marked_with(
            wat::LOG,
            "",
            "(call $log (i32.const 1) (i32.const 64) (i32.const 6)) unreachable",
        ),
        "\"!\"\n",
        "",
    );
    let (code, told) = test(&scene, "");
    assert_eq!(code, 1);
    assert!(told.contains("plugin warn, record 1 of input.ndjson: secret"), "{told}");
    assert!(told.contains("wasm `unreachable` instruction executed"), "{told}");
}

#[test]
fn a_case_can_say_which_time_it_is() {
    let import = r#"(import "wasi_snapshot_preview1" "clock_time_get"
      (func $clock (param i32 i64 i32) (result i32)))"#;
    // Keeps a record in the first second of 1970.
    let body = "(drop (call $clock (i32.const 0) (i64.const 0) (i32.const 256)))
        (if (i64.lt_u (i64.load (i32.const 256)) (i64.const 1_000_000_000))
          (then (return (call $yes))))
        (call $no)";
    let scene = project(&wat::filter_with(import, "", body), "1\n", "1\n");
    assert_eq!(test(&scene, "").0, 1);
    scene.file("cases/first/args", "--clock-start\n1970-01-01T00:00:00Z\n--seed\n7\n");
    assert_eq!(test(&scene, "").0, 0);
}

#[test]
fn one_case_of_several_can_be_asked_for() {
    let scene = project(&wat::keeps_all(), "1\n", "2\n");
    fs::create_dir_all(scene.path("cases/second")).unwrap();
    scene.file("cases/second/input.csv", "a\n1\n").file("cases/second/expected.csv", "a\n1\n");
    let (code, told) = test(&scene, "--case second");
    assert_eq!((code, told.as_str()), (0, "ok      second\n1 case: 1 as expected\n"));
    assert!(test(&scene, "").1.contains("2 cases: 1 as expected, 1 not as expected"));
    let (code, told) = test(&scene, "--case third");
    assert_eq!(code, 2);
    assert!(told.contains("there is no case third") && told.contains("first, second"), "{told}");
}

#[test]
fn a_case_of_a_stranger_writes_nothing_and_changes_no_sandbox() {
    for flags in [
        "-o\n../../mine",
        "--output-dir\nout",
        "--dead-letters\ndead",
        "--stats\nstats.json",
        "--plugin-log\nlog",
        "--sandbox\noff",
        "--cache\n../cache",
        "--resume",
        "--partial-state",
        "--real-clock",
        "--real-random",
    ] {
        let scene = project(&wat::keeps_all(), "1\n", "1\n");
        scene.file("mine", "mine").file("cases/first/args", format!("{flags}\n"));
        let (code, told) = test(&scene, "--update");
        assert_eq!(code, 1, "{flags}: {told}");
        assert!(told.contains("means nothing where a plugin is tried"), "{flags}: {told}");
        assert_eq!(scene.read("mine"), b"mine");
        assert_eq!(scene.names(), ["cases", "mine", "plugin.wat"]);
        assert_eq!(fs::read_dir(scene.path("cases/first")).unwrap().count(), 3);
    }
    // Nor does accepting what comes out write through a link.
    let scene = project(&wat::keeps_all(), "1\n", "");
    scene.file("mine", "mine");
    fs::remove_file(scene.path("cases/first/expected.ndjson")).unwrap();
    symlink("../../mine", scene.path("cases/first/expected.ndjson")).unwrap();
    let (code, told) = test(&scene, "--update");
    assert_eq!((code, scene.read("mine").as_slice()), (1, &b"mine"[..]), "{told}");
    assert!(told.contains("expected.ndjson: "), "{told}");
    // Another input or another plugin than those of the case is not taken either.
    let scene = project(&wat::keeps_all(), "1\n", "1\n");
    scene.file("secret", "2\n");
    for (flags, says) in [
        ("../../secret", "what it is tried with is not named here"),
        ("--plugin\n../../plugin.wat", "what it is tried with is not named here"),
        ("--nonsense", "--nonsense"),
    ] {
        scene.file("cases/first/args", format!("{flags}\n"));
        let (code, told) = test(&scene, "");
        assert_eq!(code, 1, "{told}");
        assert!(told.contains(says), "{told}");
    }
}

#[test]
fn what_comes_out_cannot_command_the_terminal() {
    let scene = project(&wat::keeps_all(), "\"\u{7f}\u{9b}2J\"\n", "1\n");
    let (_, told) = test(&scene, "");
    assert!(told.contains("\\u{9b}2J") && !told.contains('\u{9b}'), "{told}");
}

#[test]
fn what_cannot_be_run_is_said_to_be_missing() {
    let scene = Scene::new();
    assert!(test(&scene, "").1.contains("there is no plugin in . "));
    assert!(test(&scene, "missing.wasm").1.contains("missing.wasm"));
    scene.file("a.wat", wat::keeps_all());
    assert!(test(&scene, "").1.contains("for the plugin's cases"));
    fs::create_dir(scene.path("cases")).unwrap();
    assert!(test(&scene, "").1.contains("there are no cases in "));
    scene.file("b.wat", wat::keeps_all());
    assert!(test(&scene, "").1.contains("there are several plugins"));
    for arguments in ["", "missing.wasm", "a.wat"] {
        assert_eq!(test(&scene, arguments).0, 2, "{arguments}");
    }
    fs::create_dir(scene.path("cases/first")).unwrap();
    let (code, told) = test(&scene, "a.wat");
    assert_eq!(code, 1);
    assert!(told.contains("there is no input, as a file"), "{told}");
    scene.file("cases/first/input.csv", "a\n").file("cases/first/input.json", "[]");
    assert!(test(&scene, "a.wat").1.contains("input.json: there is a input.csv as well"));
    fs::remove_file(scene.path("cases/first/input.csv")).unwrap();
    scene.file("cases/first/expected_error", "soon\n");
    assert!(test(&scene, "a.wat").1.contains("its first line has to be an exit code, not `soon`"));
}
