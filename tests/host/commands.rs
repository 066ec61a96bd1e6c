//! Commands: programs that read the records of a range as lines and print lines.

use crate::run::{Ran, Scene, same};

/// A command that does this before it prints what it has read, piece by piece: what was read
/// lies at 1024, and is `$length` bytes long. `$has` looks for a byte in it, `$exit` ends.
pub fn command(body: &str) -> String {
    command_with("", body, "(call $print (i32.const 1024) (local.get $length))")
}

/// The same with definitions of its own, and with something else that it does with each piece.
fn command_with(more: &str, body: &str, print: &str) -> String {
    format!(
        r#"(module
(import "wasi_snapshot_preview1" "fd_read"
  (func $read (param i32 i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "fd_write"
  (func $write (param i32 i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
(memory (export "memory") 4)
{more}
(func $write_to (param $descriptor i32) (param $at i32) (param $length i32)
  (i32.store (i32.const 0) (local.get $at))
  (i32.store (i32.const 4) (local.get $length))
  (if (call $write (local.get $descriptor) (i32.const 0) (i32.const 1) (i32.const 8))
    (then unreachable)))
(func $print (param $at i32) (param $length i32)
  (call $write_to (i32.const 1) (local.get $at) (local.get $length)))
(func $has (param $length i32) (param $byte i32) (result i32)
  (local $at i32)
  (block $none
    (loop $next
      (br_if $none (i32.ge_u (local.get $at) (local.get $length)))
      (if (i32.eq (i32.load8_u offset=1024 (local.get $at)) (local.get $byte))
        (then (return (i32.const 1))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $next)))
  (i32.const 0))
(func (export "_start")
  (local $length i32)
  (loop $more
    (i32.store (i32.const 0) (i32.const 1024))
    (i32.store (i32.const 4) (i32.const 65536))
    (if (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
    (local.set $length (i32.load (i32.const 8)))
    (if (local.get $length) (then
      {body}
      {print}
      (br $more))))))"#
    )
}

/// Ends with this exit code if it reads a `!`.
fn exits(code: u32) -> String {
    where_marked(&format!("(call $exit (i32.const {code}))"))
}

fn where_marked(action: &str) -> String {
    command(&format!("(if (call $has (local.get $length) (i32.const 33)) (then {action}))"))
}

/// The command as a component, which does the same through WASI 0.2.
pub fn as_component(module: &str) -> String {
    let memory = r#"(import "memory" "memory" (memory 8))"#;
    let program = module.replacen("(module", "(core module $program", 1).replacen(
        r#"(memory (export "memory") 4)"#,
        memory,
        1,
    );
    include_str!("data/program.wat").replace("(core module $program)", &program)
}

/// Runs a command, as a module and as a component: the same has to come of it.
fn run(plugin: &str, arguments: &str, text: &str) -> Ran {
    let ran = run_one(plugin, arguments, text);
    let other = run_one(&as_component(plugin), arguments, text);
    assert_eq!(told(&other), told(&ran));
    same(&other.stdout, &ran.stdout);
    ran
}

fn run_one(plugin: &str, arguments: &str, text: &str) -> Ran {
    let scene = Scene::new();
    scene.file("data.ndjson", text);
    scene.host(plugin).args(arguments).arg("data.ndjson").run()
}

/// The exit code, and what was said of failures, by the plugin, and of records.
fn told(ran: &Ran) -> (i32, Vec<&str>) {
    let said = ran.stderr.lines().filter_map(|line| match line.split_once(" worker") {
        Some((account, _)) if line.starts_with("host: ") => {
            account.rsplit_once("; ").map(|of| of.0)
        }
        _ => Some(line).filter(|line| line.starts_with("plugin ") || line.starts_with("error: ")),
    });
    (ran.code, said.collect())
}

/// Lines of their numbers, and others in the place of some.
fn lines(count: usize, others: &[(usize, &str)]) -> String {
    let other = |number| others.iter().find(|(at, _)| *at == number).map(|(_, text)| *text);
    let line = |number: usize| match other(number) {
        Some(text) => format!("{text}\n"),
        None => format!("{number}\n"),
    };
    (0..count).map(line).collect()
}

#[test]
fn a_command_reads_records_and_prints_records() {
    let text = lines(3000, &[]);
    for arguments in
        ["--workers 1", "--workers 3 --range-size 700", "--isolate record --range-size 4KiB"]
    {
        let ran = run(&command(""), arguments, &text);
        ran.exits(0).writes(&text).account().holds(&[("kept", 3000), ("record written", 3000)]);
    }
    let nothing = run(&command(""), "", "");
    nothing.exits(0).writes("").account().holds(&[("kept", 0)]);
}

#[test]
fn what_it_prints_need_not_be_as_many_records() {
    // Each range is one run.
    let one = command_with("(data (i32.const 512) \"\\\"run\\\"\\n\")", "", "").replace(
        "(local $length i32)\n  (loop $more",
        "(local $length i32)\n  (call $print (i32.const 512) (i32.const 6))\n  (loop $more",
    );
    let ran = run(&one, "--workers 1 --range-size 1000", &"1234567\n".repeat(500));
    ran.exits(0).writes("\"run\"\n".repeat(4));
    ran.account_of_any().holds(&[("kept", 500), ("record written", 4)]);
    // Without a newline at the end it is a record all the same.
    let short = one.replace("(i32.const 6))\n  (loop", "(i32.const 5))\n  (loop");
    run(&short, "", "1\n").exits(0).writes("\"run\"\n");
}

#[test]
fn a_record_at_which_it_fails_is_found_and_the_rest_is_saved() {
    let text = lines(2000, &[(0, "\"!\""), (700, "\"!a\""), (701, "\"!b\""), (1999, "\"!\"")]);
    let saved: String =
        text.lines().filter(|line| !line.contains('!')).map(|line| format!("{line}\n")).collect();
    for arguments in ["--workers 1", "--workers 3 --range-size 2000"] {
        for plugin in [exits(3), where_marked("unreachable")] {
            let ran = run(&plugin, &format!("--on-error skip {arguments}"), &text);
            ran.exits(4).writes(&saved).account().holds(&[("kept", 1996), ("trap", 4)]);
        }
    }
    let ran = run(&exits(3), "", &lines(2000, &[(700, "\"!\"")]));
    ran.exits(1).says("record 701 of data.ndjson").says("it ended with the exit code 3");
    same(&ran.stdout, lines(700, &[]).as_bytes());
    // 0 is no failure, whatever was not read.
    let ran = run(&exits(0), "--range-size 1000 --workers 1", &text);
    ran.exits(0).account_of_any().holds(&[("kept", 2000)]);
}

#[test]
fn one_that_never_ends_or_dies_with_its_worker_costs_one_record() {
    let text = lines(40, &[(17, "\"!\"")]);
    let saved = lines(40, &[]).replace("17\n", "");
    let endless = where_marked("(loop $again (br $again))");
    let ran = run(&endless, "--timeout 1s --on-error skip --workers 1", &text);
    ran.exits(4).writes(saved).account().holds(&[("kept", 39), ("timeout", 1)]);
}

#[test]
fn arguments_and_parameters_reach_it() {
    // Prints its arguments and its environment, a line each.
    let plugin = command_with(
        r#"(import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
           (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
           (import "wasi_snapshot_preview1" "environ_sizes_get" (func $env_sizes (param i32 i32) (result i32)))
           (import "wasi_snapshot_preview1" "environ_get" (func $env (param i32 i32) (result i32)))
           (func $lines (param $bytes i32)
             (local $at i32)
             (loop $next
               (if (i32.eqz (i32.load8_u offset=200000 (local.get $at)))
                 (then (i32.store8 offset=200000 (local.get $at) (i32.const 10))))
               (local.set $at (i32.add (local.get $at) (i32.const 1)))
               (br_if $next (i32.lt_u (local.get $at) (local.get $bytes))))
             (call $print (i32.const 200000) (local.get $bytes)))"#,
        "",
        r#"(drop (call $args_sizes (i32.const 16) (i32.const 20)))
           (drop (call $args (i32.const 190000) (i32.const 200000)))
           (call $lines (i32.load (i32.const 20)))
           (drop (call $env_sizes (i32.const 16) (i32.const 20)))
           (drop (call $env (i32.const 190000) (i32.const 200000)))
           (call $lines (i32.load (i32.const 20)))"#,
    );
    // Imports come first.
    let (imports, rest): (Vec<&str>, Vec<&str>) = plugin
        .lines()
        .partition(|line| line.trim_start().starts_with("(import") && line.contains("_get"));
    let plugin =
        format!("(module {}\n{}", imports.join("\n"), rest.join("\n").replacen("(module", "", 1));
    let arguments = "--to lines --arg -x --arg .a[0] --arg= --param to=Köln --param n=7";
    let told = "plugin\n-x\n.a[0]\n\nn=7\nto=Köln\n";
    run(&plugin, arguments, "1\n").exits(0).writes(told);
    // The environment of the program, and what it says to the program, are not for plugins.
    let scene = Scene::new();
    let host = scene.host(&plugin).args(arguments).env("HOST_WORKERS", "1");
    host.stdin("1\n").run().exits(0).says("; 1 worker;").writes(told);
    let refused = run_one(&crate::wat::keeps_all(), "--arg -x", "1\n");
    refused.exits(2).says("plugin.wat is no command").says("--param");
}

#[test]
fn other_plugins_can_come_before_it_and_none_behind_it() {
    let scene = Scene::new();
    scene.file("data.ndjson", lines(1000, &[(5, "\"?\""), (6, "\"-\"")]));
    scene
        .file("cat.wat", command(""))
        .file("rejects.wat", crate::wat::rejects().replace("(i32.const 33)", "(i32.const 63)"));
    let host = || scene.bare().args("--plugin rejects.wat --plugin cat.wat data.ndjson");
    let ran = host().args("--on-error skip --range-size 900").run();
    ran.exits(4).writes(lines(1000, &[(6, "\"-\"")]).replace("\n5\n", "\n"));
    ran.account().holds(&[("kept", 999), ("rejected", 1)]);
    let ran = scene.bare().args("--plugin cat.wat --plugin rejects.wat data.ndjson").run();
    ran.exits(2).says("cat.wat is a command").says("rejects.wat does");
}

#[test]
fn what_it_prints_has_to_be_records_and_not_too_much() {
    let no_json = command_with(
        "(data (i32.const 512) \"a\\nb\\n\")",
        "",
        "(call $print (i32.const 512) (i32.const 4))",
    );
    let ran = run(&no_json, "--to json", "1\n2\n");
    ran.exits(1).says("record 1 of data.ndjson").says("it is not one JSON value");
    run(&no_json, "--to lines", "1\n2\n").exits(0).writes("a\nb\n");
    // Bytes that are no text.
    let binary = command_with(
        "(data (i32.const 512) \"\\ff\\n\")",
        "",
        "(call $print (i32.const 512) (i32.const 2))",
    );
    run(&binary, "--to lines", "1\n").exits(1).says("not UTF-8");
    // 128 KiB for each piece that it reads.
    let much = command_with("", "", "(call $print (i32.const 65536) (i32.const 131072))");
    let ran = run(&much, "--to lines --max-output 32KiB --on-error skip", "1\n2\n");
    ran.exits(4).writes("").account().holds(&[("output", 2)]);
}

#[test]
fn more_than_a_slot_holds_comes_in_parts() {
    // Prints eight times what it has read.
    let eight = "(call $print (i32.const 1024) (local.get $length))".repeat(8);
    let plugin = command_with("", "", &eight);
    let text = format!("{}\n", "x".repeat(63)).repeat(30_000);
    let scene = Scene::new();
    scene.file("data.txt", &text);
    let ran = scene.host(&plugin).args("--max-output 10KiB --workers 2 data.txt").run();
    ran.exits(0).account().holds(&[("kept", 30_000), ("record written", 240_000)]);
    same(&ran.stdout, text.repeat(8).as_bytes());
}

#[test]
fn what_it_says_on_standard_error_is_logged() {
    let plugin = command_with(
        "(data (i32.const 512) \"look here\\n\")",
        "(call $write_to (i32.const 2) (i32.const 512) (i32.const 10))",
        "",
    );
    let ran = run(&plugin, "--plugin-log stderr", "1\n2\n");
    // Of a run with two records.
    ran.exits(0).writes("").says("plugin warn: look here\n");
    let ran = run(&plugin, "--plugin-log stderr --limit 1", "1\n2\n");
    ran.says("plugin warn, record 1 of data.ndjson: look here\n");
}

#[test]
fn records_of_an_array_are_lines_and_dead_letters_can_be_tried_again() {
    let scene = Scene::new();
    scene.file("data.json", "[{\"a\":\n 1},\n \"!\", [2,\n3]]");
    scene.file("fails.wat", exits(1)).file("cat.wat", command(""));
    let ran = scene
        .bare()
        .args(
            "--plugin fails.wat --to ndjson --dead-letters dead.ndjson --max-errors 100% data.json",
        )
        .run();
    ran.exits(0).writes("{\"a\":1}\n[2,3]\n");
    let ran = scene.bare().args("retry --plugin cat.wat dead.ndjson").run();
    ran.exits(0);
    let line: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((&line["record"], &line["result"]), (&2.into(), &serde_json::json!(["!"])));
}

#[test]
fn a_start_of_another_type_is_refused() {
    let plugin = r#"(module (memory (export "memory") 1) (func (export "_start") (param i32)))"#;
    run_one(plugin, "", "1\n").exits(2).says("it exports `_start`, which of a command");
}
