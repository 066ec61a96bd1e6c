//! What a core module sees of the calls into it: the canonical ABI, in its order.

use crate::run::Scene;
use crate::wat;

/// A module that traps at every call that comes out of turn: room for a record, the record in
/// it, the result handed back, and that again; only what is not used yet may change its size.
/// `operation` is the function's name, and `answer` gives its result at 16.
fn strict(operation: &str, answer: &str) -> String {
    format!(
        r#"(module
(memory (export "memory") 3)
(global $idle i32 (i32.const 0))
(global $given i32 (i32.const 1))
(global $asked i32 (i32.const 2))
(global $now (mut i32) (i32.const 0))
(global $room (mut i32) (i32.const 0))
(global $size (mut i32) (i32.const 0))
(func $must (param $holds i32) (if (i32.eqz (local.get $holds)) (then unreachable)))
(func (export "cabi_realloc")
  (param $old i32) (param $old_size i32) (param $align i32) (param $new_size i32) (result i32)
  (call $must (i32.ne (global.get $now) (global.get $asked)))
  (call $must (i32.eq (local.get $old_size) (global.get $size)))
  (call $must (i32.eq (local.get $old) (global.get $room)))
  (call $must (i32.eq (local.get $align) (i32.const 1)))
  (global.set $now (global.get $given))
  (global.set $size (local.get $new_size))
  ;; Now here, now there.
  (global.set $room (i32.sub (i32.const 140000) (local.get $old)))
  (if (i32.eqz (local.get $old)) (then (global.set $room (i32.const 1024))))
  (global.get $room))
(func (export "{operation}") (param $at i32) (param $length i32) (result i32)
  (call $must (i32.eq (global.get $now) (global.get $given)))
  (call $must (i32.eq (local.get $at) (global.get $room)))
  (call $must (i32.eq (local.get $length) (global.get $size)))
  (global.set $now (global.get $asked))
  {answer}
  (i32.const 16))
(func (export "cabi_post_{operation}") (param $result i32)
  (call $must (i32.eq (global.get $now) (global.get $asked)))
  (call $must (i32.eq (local.get $result) (i32.const 16)))
  (global.set $now (global.get $idle))
  (global.set $room (i32.const 0))
  (global.set $size (i32.const 0))))"#
    )
}

/// Bytes of the result: whether it is an error, and two words.
fn answer(error: &str, first: &str, second: &str, third: &str) -> String {
    format!(
        "(i32.store (i32.const 16) {error}) (i32.store (i32.const 20) {first}) \
         (i32.store (i32.const 24) {second}) (i32.store (i32.const 28) {third})"
    )
}

const AT: &str = "(local.get $at)";
const LENGTH: &str = "(local.get $length)";
const ZERO: &str = "(i32.const 0)";

/// Lines of many lengths, blank ones among them.
fn lines() -> Vec<String> {
    (0..5000_usize).map(|number| "x".repeat(number * number % 97)).collect()
}

#[test]
fn room_and_results_are_handed_over_in_turn() {
    let is_long = "(i32.gt_u (local.get $length) (i32.const 48))";
    let lines = lines();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let longer: String =
        lines.iter().filter(|line| line.len() > 48).map(|line| format!("{line}\n")).collect();
    let scene = Scene::new();
    scene.file("data.txt", &text);
    for (operation, answer, wanted) in [
        ("keep", answer(ZERO, is_long, ZERO, ZERO), &longer),
        // A reason of eight bytes, or a yes.
        (
            "keep",
            answer(&format!("(i32.eqz {is_long})"), "(i32.const 1)", "(i32.const 8)", ZERO),
            &longer,
        ),
        ("apply", answer(ZERO, is_long, AT, LENGTH), &longer),
        ("apply", answer(ZERO, "(i32.const 1)", AT, LENGTH), &text),
    ] {
        let plugin = strict(operation, &answer);
        for arguments in [
            "--workers 1",
            "--workers 1 --range-size 1",
            "--workers 2 --range-size 3000",
            "--isolate record --range-size 30KB",
            "--isolate range --range-size 3000",
            "--fuel 100000",
            "--retries 1",
        ] {
            let host = scene.host(&plugin).args("--on-error skip --max-errors 100% data.txt");
            let ran = host.args(arguments).run();
            ran.exits(0).writes(wanted);
            let account = ran.account();
            account.holds(&[("trap", 0)]);
        }
    }
}

#[test]
fn the_record_that_there_is_no_room_for_is_the_one_that_fails() {
    // Whoever asks for that much has asked for it on the way before.
    let plugin = wat::keeps_all().replace(
        "(call $grow_to (i32.add (local.get $size) (i32.const 1024)))",
        "(if (i32.gt_u (local.get $size) (i32.const 5)) (then unreachable))",
    );
    let scene = Scene::new();
    scene.file("data.txt", "one\ntwo\nthree\nfourteen\nfive\nseventeen\n");
    let ran = scene.host(&plugin).args("--on-error skip --max-errors 2 data.txt").run();
    ran.exits(0).writes("one\ntwo\nthree\nfive\n");
    ran.account().holds(&[("kept", 4), ("trap", 2)]);
    let ran = scene.host(&plugin).args("data.txt").run();
    ran.exits(1).writes("one\ntwo\nthree\n").says("record 4 of data.txt");
}

#[test]
fn a_backtrace_shows_the_plugin_alone() {
    let plugin = strict("keep", "(call $deep) ").replace(
        "(func $must",
        "(func $deep (if (i32.eq (global.get $size) (i32.const 3)) (then unreachable)))\n(func $must",
    );
    let scene = Scene::new();
    scene.file("data.txt", "one\n");
    let ran = scene.host(&plugin).args("--dead-letters dead data.txt").run();
    ran.exits(4);
    let letter = String::from_utf8(scene.read("dead")).unwrap();
    assert!(letter.contains("0: deep"), "{letter}");
    assert!(!letter.contains("driver") && !letter.contains("ask"), "{letter}");
}
