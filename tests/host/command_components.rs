//! Commands that are components: what they do with WASI 0.2 besides what modules do too
//! (`commands` runs its programs as both).

use crate::commands::as_component;
use crate::run::{Scene, over};
use crate::wat;

/// A component that exports `wasi:cli/run` and does this; the function may have locals.
fn program(body: &str) -> String {
    as_component(&format!(
        r#"(module
(import "memory" "memory" (memory 8))
(import "w" "block" (func $block (param i32)))
(import "w" "drop-pollable" (func $drop-pollable (param i32)))
(import "w" "read" (func $read (param i32 i64 i32)))
(import "w" "blocking-read" (func $blocking-read (param i32 i64 i32)))
(import "w" "skip" (func $skip (param i32 i64 i32)))
(import "w" "subscribe-in" (func $subscribe-in (param i32) (result i32)))
(import "w" "subscribe-out" (func $subscribe-out (param i32) (result i32)))
(import "w" "drop-in" (func $drop-in (param i32)))
(import "w" "check" (func $check (param i32 i32)))
(import "w" "write" (func $write (param i32 i32 i32 i32)))
(import "w" "blocking-write" (func $blocking-write (param i32 i32 i32 i32)))
(import "w" "splice" (func $splice (param i32 i32 i64 i32)))
(import "w" "stdin" (func $stdin (result i32)))
(import "w" "stdout" (func $stdout (result i32)))
(import "w" "stderr" (func $stderr (result i32)))
(import "w" "out-terminal" (func $out-terminal (param i32)))
(import "w" "err-terminal" (func $err-terminal (param i32)))
(import "w" "exit" (func $exit (param i32)))
(import "w" "environment" (func $environment (param i32)))
(data (i32.const 512) "one\ntwo\n")
;; Whether a function has put this into the result at 16: that it is fine, and a number.
(func $gave (param $number i64)
  (if (i32.load8_u (i32.const 16)) (then unreachable))
  (if (i64.ne (i64.load (i32.const 24)) (local.get $number)) (then unreachable)))
;; Whether it says that the stream is closed; that stands so far from its beginning.
(func $closed (param $at i32)
  (if (i32.ne (i32.load8_u (i32.const 16)) (i32.const 1)) (then unreachable))
  (if (i32.ne (i32.load8_u offset=16 (local.get $at)) (i32.const 1)) (then unreachable)))
(func (export "_start") {body}))"#
    ))
}

/// The same with standard input at hand as `$in` and standard output as `$out`.
fn streams(body: &str) -> String {
    program(&format!(
        "(local $in i32) (local $out i32) (local $other i32)
         (local.set $in (call $stdin)) (local.set $out (call $stdout)) {body}"
    ))
}

#[test]
fn streams_do_what_wasi_says() {
    let plugin = streams(
        "(call $block (local.tee $other (call $subscribe-in (local.get $in))))
         (call $drop-pollable (local.get $other))
         (call $splice (local.get $out) (local.get $in) (i64.const 5) (i32.const 16))
         (call $gave (i64.const 5))
         (call $skip (local.get $in) (i64.const 3) (i32.const 16))
         (call $gave (i64.const 3))
         ;; Nothing is wanted, and that is there.
         (call $read (local.get $in) (i64.const 0) (i32.const 16))
         (if (i64.ne (i64.load8_u (i32.const 16)) (i64.const 0)) (then unreachable))
         (if (i32.load (i32.const 24)) (then unreachable))
         ;; There is one standard input, however often it is asked for.
         (local.set $other (call $stdin))
         (call $read (local.get $other) (i64.const 4) (i32.const 16))
         (if (i32.load8_u (i32.const 16)) (then unreachable))
         (call $write (local.get $out) (i32.load (i32.const 20)) (i32.load (i32.const 24))
           (i32.const 32))
         (if (i32.load8_u (i32.const 32)) (then unreachable))
         (call $drop-in (local.get $other))
         (call $check (local.get $out) (i32.const 16))
         (call $gave (i64.const 65536))
         (call $splice (local.get $out) (local.get $in) (i64.const -1) (i32.const 16))
         (call $gave (i64.const 6))
         ;; That was all.
         (call $splice (local.get $out) (local.get $in) (i64.const 1) (i32.const 16))
         (call $closed (i32.const 8))
         (call $skip (local.get $in) (i64.const 1) (i32.const 16))
         (call $closed (i32.const 8))
         (call $blocking-read (local.get $in) (i64.const 1) (i32.const 16))
         (call $closed (i32.const 4))
         (call $block (call $subscribe-out (local.get $out)))
         (call $block (call $subscribe-in (local.get $in)))",
    );
    over(&plugin, "--to lines", "\"abcdefghijklmno\"\n").exits(0).writes("\"abcdhijklmno\"\n");
}

#[test]
fn pipes_are_no_terminals_and_the_environment_is_what_parameters_say() {
    let plugin = streams(
        "(call $out-terminal (i32.const 16))
         (if (i32.load8_u (i32.const 16)) (then unreachable))
         (call $err-terminal (i32.const 16))
         (if (i32.eqz (i32.load8_u (i32.const 16))) (then unreachable))
         (call $environment (i32.const 16))
         (if (i32.load (i32.const 20)) (then (call $exit (i32.const 1))))",
    );
    over(&plugin, "", "1\n").exits(0).writes("");
    over(&plugin, "--param a=b", "1\n").exits(1).says("it ended with the exit code 1");
}

#[test]
fn an_end_in_the_middle_counts_as_the_program_says() {
    let half = |end: &str| {
        streams(&format!(
            "(call $blocking-write (local.get $out) (i32.const 512) (i32.const 6) (i32.const 16))
             {end} unreachable"
        ))
    };
    // What was printed without a line's end is a record all the same.
    over(&half("(call $exit (i32.const 0))"), "--to lines", "1\n2\n").exits(0).writes("one\ntw\n");
    let ran = over(&half("(call $exit (i32.const 1))"), "", "1\n");
    ran.exits(1).writes("").says("it ended with the exit code 1");
    let fails = program("").replace("(call $start) (i32.const 0)", "(call $start) (i32.const 1)");
    let ran = over(&fails, "--on-error skip", "1\n2\n3\n");
    ran.exits(4).writes("").says("its `run` ended with an error");
    ran.account().holds(&[("trap", 3)]);
}

#[test]
fn one_that_takes_no_end_costs_its_record_and_nothing_else() {
    let again = |action: &str| streams(&format!("(loop $again {action} (br $again))"));
    let write = "(call $write (local.get $out) (i32.const 512) (i32.const 8) (i32.const 16))";
    let skip = "--on-error skip --retries 0";
    let ran = over(&again(write), &format!("{skip} --max-output 32KiB"), "1\n2\n");
    ran.exits(4).account().holds(&[("output", 2)]);
    for action in [
        "(drop (call $stdin))",
        "(drop (call $stderr))",
        "(drop (call $subscribe-in (local.get $in)))",
    ] {
        let ran = over(&again(action), skip, "1\n");
        ran.exits(4).says("it holds 10000 resources of WASI").account().holds(&[("trap", 1)]);
    }
    // A component's own resources are bounded too.
    let own = r#"(component
      (type $own (resource (rep i32)))
      (core func $new (canon resource.new $own))
      (core module $makes
        (import "w" "new" (func $new (param i32) (result i32)))
        (func (export "run") (result i32) (loop $again (drop (call $new (i32.const 1))) (br $again))
          (i32.const 0)))
      (core instance $i (instantiate $makes (with "w" (instance (export "new" (func $new))))))
      (func $run (result (result)) (canon lift (core func $i "run")))
      (instance $exported (export "run" (func $run)))
      (export "wasi:cli/run@0.2.0" (instance $exported)))"#;
    over(own, skip, "1\n").exits(4).says("handle limit").account().holds(&[("trap", 1)]);
    // One that takes nothing, and one that gives away what it no longer has.
    over(&program(""), "", "1\n2\n").exits(0).account_of_any().holds(&[("kept", 2)]);
    let twice = "(call $drop-in (local.get $in)) (call $drop-in (local.get $in))";
    over(&streams(twice), skip, "1\n").exits(4).says("unknown handle").account();
    let much = "(call $write (local.get $out) (i32.const 0) (i32.const -1) (i32.const 16))";
    over(&streams(much), skip, "1\n").exits(4).account().holds(&[("trap", 1)]);
}

/// A component with these imports that exports this, whose function is of this type.
fn exporting(imports: &str, interface: &str, result: &str) -> String {
    format!(
        r#"(component {imports}
        (core module $runs (func (export "run") (result i32) (i32.const 0)))
        (core instance $i (instantiate $runs))
        (func $run (result {result}) (canon lift (core func $i "run")))
        (instance $exported (export "run" (func $run)))
        (export "{interface}" (instance $exported)))"#
    )
}

#[test]
fn what_is_no_such_command_is_refused() {
    let scene = Scene::new();
    scene.file("in.txt", "one\n");
    let run = |plugin: &str| scene.host(plugin).arg("in.txt").run();
    let command = "wasi:cli/run@0.2.11";
    run(&exporting("", command, "(result)")).exits(0).writes("");
    run(&exporting("", command, "u32")).exits(2).says("which of a command holds `run: func()");
    let other = run(&exporting("", "wasi:cli/run@0.3.0", "(result)"));
    other.exits(2).says("it exports no operation").says("or as a component `wasi:cli/run@0.2`");
    let imports = r#"(import "wasi:http/types@0.2.0" (instance)) (import "a:b/c" (instance))"#;
    let refused = run(&exporting(imports, command, "(result)"));
    refused.exits(2).says("it imports `wasi:http/types@0.2.0`, `a:b/c`").says("no network");
    let filter = wat::component(&wat::keeps_all(), "keep", "bool");
    let both = filter.strip_suffix(')').unwrap().to_owned()
        + r#"(core module $runs (func (export "run") (result i32) (i32.const 0)))
        (core instance $run-instance (instantiate $runs))
        (func $run (result (result)) (canon lift (core func $run-instance "run")))
        (instance $exported (export "run" (func $run)))
        (export "wasi:cli/run@0.2.3" (instance $exported)))"#;
    run(&both).exits(2).says("it exports both `keep` and `wasi:cli/run@0.2.3`");
}
