//! Plugins that see the world through WASI preview 1 or WASI 0.2: there is a time, randomness, and
//! somewhere to print, and nothing else.

use crate::run::{Ran, Scene};
use crate::wat;

/// Built from world.c by `zig cc`: a real C library asks for everything.
const WORLD: &[u8] = include_bytes!("data/world.wasm");

fn world(records: &str, arguments: &str) -> Ran {
    let scene = Scene::new();
    scene.file("in.txt", records).file("world.wasm", WORLD);
    scene.host_with("world.wasm").args(arguments).args("--to ndjson in.txt").run()
}

#[test]
fn a_c_library_finds_a_world_in_which_nothing_is_granted() {
    let ran = world("a\n", "");
    let told: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    // 2000-01-01. The pause of five seconds took none.
    for (what, number) in [
        ("wall", 946_684_800),
        ("slept", 5),
        // No such file: the library knows no directory that it could be in.
        ("file", 0),
        ("opening", 44),
        ("stdin", 0),
        // A terminal cannot be wound back.
        ("seek", 70),
        ("env", 0),
        ("yield", 0),
        ("poll", 1),
        ("tty", 1),
    ] {
        assert_eq!(told[what], number, "{what} of {told}");
    }
    ran.exits(0);
}

#[test]
fn the_same_comes_of_a_record_in_every_run() {
    let records: String = (0..5000).map(|number| format!("record {number}\n")).collect();
    let one = world(&records, "--workers 1");
    let three = world(&records, "--workers 3 --range-size 1KiB");
    let alone = world(&records, "--workers 2 --range-size 4KiB --isolate record");
    assert_eq!(one.stdout, three.stdout);
    assert_eq!(one.stdout, alone.stdout);
    let mut drawn: Vec<_> = one
        .stdout
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            serde_json::from_slice::<serde_json::Value>(line).unwrap()["random"].to_string()
        })
        .collect();
    drawn.sort_unstable();
    drawn.dedup();
    // Four bytes each: two of five thousand may be the same, by a chance of three in a thousand.
    assert!(drawn.len() >= 4998, "{} different ones", drawn.len());
}

#[test]
fn what_is_printed_is_logged_with_the_record_and_an_exit_is_a_trap_with_its_code() {
    let ran = world("a\nxyz!\nbb\n", "--plugin-log stderr --on-error skip --retries 0");
    ran.exits(4)
        .says("plugin info, record 1 of in.txt: record of 1 bytes\n")
        .says("plugin warn, record 1 of in.txt: to stderr, no newline\n")
        .says("plugin info, record 2 of in.txt: record of 4 bytes\n")
        .says("plugin warn, record 2 of in.txt: to stderr, no newline\n")
        .says("record 2 of in.txt (byte 2, 4 long) made the plugin trap: it called `proc_exit` with 3")
        .says("plugin info, record 3 of in.txt: record of 2 bytes\n");
}

#[test]
fn a_flood_of_print_is_cut_like_any_log() {
    let import = r#"(import "wasi_snapshot_preview1" "fd_write"
      (func $write (param i32 i32 i32 i32) (result i32)))"#;
    // A piece of 60,000 bytes from 1024 on, again and again: line breaks, then one long line.
    let more = r#"(data (i32.const 32) "\00\04\00\00\60\ea\00\00")"#;
    let body = "(local $left i32) (local.set $left (i32.const 1000)) \
        (memory.fill (i32.const 1024) (i32.const 10) (i32.const 60000)) \
        (loop $again \
          (if (call $write (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 40)) \
            (then unreachable)) \
          (local.set $left (i32.sub (local.get $left) (i32.const 1))) \
          (if (i32.eq (local.get $left) (i32.const 500)) \
            (then (memory.fill (i32.const 1024) (i32.const 97) (i32.const 60000)))) \
          (br_if $again (local.get $left))) \
        (call $yes)";
    let plugin = wat::filter_with(import, more, body);
    let scene = Scene::new();
    scene.file("in.txt", "one\n");
    let ran = scene.host(&plugin).args("--plugin-log log in.txt").run();
    ran.exits(0).writes("one\n");
    let logged = scene.read("log");
    assert!((1000..50_000).contains(&logged.len()), "{} bytes of log", logged.len());
}

#[test]
fn a_function_with_another_type_is_refused() {
    let import = r#"(import "wasi_snapshot_preview1" "fd_write" (func (param i32)))"#;
    let plugin = wat::filter_with(import, "", "(call $yes)");
    let scene = Scene::new();
    scene.file("in.txt", "one\n");
    let says = "it imports `fd_write` of `wasi_snapshot_preview1` with another type than \
                (i32, i32, i32, i32) -> (i32)";
    scene.host(&plugin).args("in.txt").run().exits(2).says(says);
}

#[test]
fn what_wasi_does_not_have_is_named() {
    for (module, name) in [("wasi_snapshot_preview1", "fd_make_coffee"), ("wasi", "thread-spawn")] {
        let import = format!(r#"(import "{module}" "{name}" (func))"#);
        let plugin = wat::filter_with(&import, "", "(call $yes)");
        let scene = Scene::new();
        scene.file("in.txt", "one\n");
        let says = format!("it imports `{name}` of `{module}`, and this program offers only");
        scene.host(&plugin).args("in.txt").run().exits(2).says(&says);
    }
}

/// A component that looks at what its records name.
const WORLD_2: &str = include_str!("data/world.wat");

fn world_2(records: &str, arguments: &str) -> Ran {
    let scene = Scene::new();
    scene.file("in.txt", records);
    scene.host(WORLD_2).args(arguments).arg("in.txt").run()
}

#[test]
fn a_component_finds_a_world_in_which_nothing_is_granted() {
    let records = "time\ngranted\nstay\ntime again\n";
    let ran = world_2(records, "--sandbox-require seccomp");
    ran.exits(0).writes(records);
}

#[test]
fn the_same_comes_of_a_record_in_every_run_of_a_component() {
    let records: String = (0..5000).map(|number| format!("random {number}\n")).collect();
    let one = world_2(&records, "--workers 1");
    let three = world_2(&records, "--workers 3 --range-size 1KiB");
    let alone = world_2(&records, "--workers 2 --range-size 16KiB --isolate record");
    assert_eq!(one.stdout, three.stdout);
    assert_eq!(one.stdout, alone.stdout);
    // One bit each: half of them, but for a chance of less than one in 10^40.
    let kept = one.stdout.iter().filter(|&&byte| byte == b'\n').count();
    assert!((2000..3000).contains(&kept), "{kept} kept");
}

#[test]
fn what_a_component_prints_is_logged_and_what_it_cannot_do_is_a_trap_that_says_so() {
    let records = "print this\nexit\nnothing\nmany\nprint that\n";
    let ran = world_2(records, "--plugin-log stderr --on-error skip --retries 0");
    ran.exits(4)
        .writes("print this\nprint that\n")
        .says("plugin info, record 1 of in.txt: print this\nplugin warn, record 1 of in.txt: print this\n")
        .says("made the plugin trap: it called `exit` with 1\n")
        .says("made the plugin trap: it called `poll` with nothing to wait for")
        .says("made the plugin trap: it holds 10000 resources of WASI")
        .says("plugin info, record 5 of in.txt: print that\nplugin warn, record 5 of in.txt: print that\n");
}

#[test]
fn what_wasi_0_2_does_not_have_is_named() {
    let imports = [
        ("wasi:cli/exit@0.2.0", r#"(export "leave" (func))"#, "leave"),
        ("wasi:clocks/wall-clock@0.2.0", r#"(export "now" (func (result u64)))"#, "now"),
    ];
    for (interface, export, name) in imports {
        let plugin = format!(r#"(component (import "{interface}" (instance {export})))"#);
        let scene = Scene::new();
        scene.file("in.txt", "one\n");
        let ran = scene.host(&plugin).args("in.txt").run();
        ran.exits(2)
            .says("its imports are not what this program offers")
            .says(interface)
            .says(name);
    }
}
