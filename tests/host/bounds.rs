//! What plugins may take besides time and memory: stack, parts, instructions, log; and what
//! the job and its compiling may take. Each limit on both sides of its edge.

use crate::run::Scene;
use crate::wat;

/// Calls itself so many times at a record with a `!`.
fn recursion(depth: u32) -> String {
    let deeper = "(func $deeper (param $left i32) (result i32)
        (if (result i32) (local.get $left)
          (then (i32.add (i32.const 1)
            (call $deeper (i32.sub (local.get $left) (i32.const 1)))))
          (else (i32.const 0))))";
    wat::where_marked_with("", deeper, &format!("(drop (call $deeper (i32.const {depth})))"))
}

#[test]
fn calls_take_as_much_of_the_stack_as_they_may() {
    let scene = Scene::new();
    scene.file("data.ndjson", "1\n!\n2\n");
    let run = |depth: u32, flags: &str| {
        scene.host(&recursion(depth)).args("--on-error skip --max-errors 1 data.ndjson").args(flags)
    };
    run(5_000, "").run().exits(0).writes("1\n!\n2\n");
    let ran = run(1_000_000, "").run();
    ran.exits(0).writes("1\n2\n").says("made the plugin trap").says("more than --stack allows");
    run(1_000_000, "--stack 64MiB").run().exits(0).writes("1\n!\n2\n");
    run(5_000, "--stack 64KiB").run().exits(0).writes("1\n2\n").says("more than --stack allows");
    // More than the stack of a process has by default.
    let deep = run(1_000_000, "--stack 64MiB --sandbox off");
    deep.run().exits(0).writes("1\n!\n2\n");
    for size in ["63KiB", "65MiB"] {
        run(1, "--stack").arg(size).run().exits(2).says("64 KiB to 64 MiB of stack (--stack)");
    }
}

/// A filter that consists of so many core instances.
fn parts(number: usize) -> String {
    let part = "(core instance (instantiate $part))";
    let filter = wat::wrapping(&wat::keeps_all(), "keep", "bool");
    let parts = format!("(core module $part){}", part.repeat(number - 1));
    filter.replacen("(component", &format!("(component {parts}"), 1)
}

#[test]
fn a_plugin_consists_of_as_many_modules_as_it_may() {
    let run =
        |number, flags: &str| Scene::new().host(&parts(number)).args(flags).stdin("1\n2\n").run();
    run(20, "--max-instances 20").exits(0).writes("1\n2\n");
    let ran = run(21, "--max-instances 20");
    ran.exits(1).writes("").says("the plugin plugin.wat cannot be started: ");
    ran.says("--max-instances");
    run(900, "").exits(0).writes("1\n2\n");
    // Memories and tables are counted likewise: each is an address space of its own.
    let many = |what: &str| wat::filter_with("", &what.repeat(11), "(call $yes)");
    for what in ["(memory 0)", "(table 0 funcref)"] {
        let run = |flags: &str| Scene::new().host(&many(what)).args(flags).stdin("1\n").run();
        run("").exits(0).writes("1\n");
        run("--max-instances 10").exits(1).says("more than --max-instances allows");
    }
}

/// Executes a little more at each record with a `!`.
fn works() -> String {
    wat::where_marked(
        "(loop $again
           (global.set $count (i32.add (global.get $count) (i32.const 1)))
           (br_if $again (i32.rem_u (global.get $count) (i32.const 1000))))",
    )
    .replacen("(module", "(module (global $count (mut i32) (i32.const 0))", 1)
}

#[test]
fn fuel_ends_a_record_at_the_same_instruction_everywhere() {
    let scene = Scene::new();
    scene.file("data.ndjson", "1\n!\n2\n".repeat(50));
    let passes = |plugin: &str, fuel: u64, flags: &str| {
        let flags = format!("--fuel {fuel} --on-error skip --max-errors 100% {flags} data.ndjson");
        let ran = scene.host(plugin).args(&flags).run();
        ran.exits(0);
        let account = ran.account();
        let kept = ran.stdout.iter().filter(|byte| **byte == b'\n').count();
        account.holds(&[("fuel", 150 - kept as u64)]);
        kept
    };
    let core = works();
    let component = wat::component(&core, "keep", "bool");
    for plugin in [&core, &component] {
        // The least with which all pass.
        let (mut too_little, mut enough) = (1, 1_000_000);
        while enough - too_little > 1 {
            let middle = (enough + too_little) / 2;
            match passes(plugin, middle, "") {
                150 => enough = middle,
                _ => too_little = middle,
            }
        }
        assert!(enough > 5000, "{enough} units are enough");
        for flags in ["--workers 1", "--workers 3 --range-size 10", "--isolate record"] {
            assert_eq!(passes(plugin, enough, flags), 150);
            // Where the loop ends one instruction earlier the rest passes.
            assert_eq!(passes(plugin, too_little, flags), 100, "{flags}");
        }
    }
    let ran = scene.host(&core).args("--fuel 2000 data.ndjson").run();
    ran.exits(1).writes("1\n").says("made the plugin execute more than --fuel allows");
    let endless = scene.host(&wat::loops()).args("--fuel 100000 data.ndjson").run();
    endless.exits(1).writes("1\n").says("more than --fuel allows");
    scene.host(&core).args("--fuel 0 data.ndjson").run().exits(2).says("(--fuel)");
    let start = wat::starts_with("(loop $again (br $again))");
    let ran = scene.host(&start).args("--fuel 100000 data.ndjson").run();
    ran.exits(1).writes("").says("cannot be started").says("--fuel");
}

#[test]
fn a_batch_has_the_fuel_of_its_largest_record() {
    let scene = Scene::new();
    scene.file("data.ndjson", "1\n".repeat(300));
    // One record alone needs less than a thousand; many together need more, and are then
    // given one by one.
    let ran = scene.host(&wat::batch()).args("--fuel 3000 data.ndjson").run();
    ran.exits(0).writes("1\n1\n".repeat(300));
    let ran = scene.host(&wat::batch()).args("--fuel 20 data.ndjson").run();
    ran.exits(1).says("--fuel");
}

#[test]
fn what_a_plugin_logs_is_bounded_in_all() {
    let scene = Scene::new();
    scene.file("data.ndjson", "!\n".repeat(100));
    // Each line has 18 bytes.
    let run = |limit: &str| {
        let _ = std::fs::remove_file(scene.path("log"));
        let flags = format!("--plugin-log log --max-log {limit} data.ndjson");
        let ran = scene.host(&wat::logs()).args(&flags).run();
        ran.exits(0);
        let lines = scene.read("log").iter().filter(|byte| **byte == b'\n').count();
        (lines, ran)
    };
    let (lines, ran) = run("1800");
    assert_eq!(lines, 100);
    ran.never_says("--max-log");
    let (lines, ran) = run("1799");
    assert_eq!(lines, 99);
    ran.says("1 line of what the plugin logged was left out: --max-log");
    let (lines, ran) = run("0");
    assert_eq!(lines, 0);
    ran.says("100 lines of what the plugin logged were left out: --max-log");
}

/// Takes long for each record.
fn slow() -> String {
    wat::filter(
        "(local $left i32)
         (local.set $left (i32.const 20000000))
         (loop $again
           (local.set $left (i32.sub (local.get $left) (i32.const 1)))
           (br_if $again (local.get $left)))
         (call $yes)",
    )
}

#[test]
fn a_job_that_takes_too_long_keeps_what_is_done() {
    let scene = Scene::new();
    let text: String = (0..20_000).map(|number| format!("{number}\n")).collect();
    scene.file("data.ndjson", &text);
    let flags = "--workers 2 --range-size 200 -o out data.ndjson";
    let ran = scene.host(&slow()).args(flags).args("--job-timeout 700ms").run();
    ran.exits(1).says("the job took longer than --job-timeout allows (700ms)");
    ran.says("--resume");
    let part = scene.read("out.partial");
    assert!(text.as_bytes().starts_with(&part) && part.len() < text.len());
    let kept = part.iter().filter(|byte| **byte == b'\n').count() as u64;
    ran.account().holds(&[("kept", kept)]);
    // Time is given anew to each run; the rest is quick.
    let ran = scene.host(&wat::keeps_all()).args(flags);
    let flags = "--resume --accept-plugin --job-timeout 5m";
    ran.args(flags).run().exits(0);
    assert!(scene.read("out") == text.as_bytes());
    scene.host(&wat::keeps_all()).args("--job-timeout 0s data.ndjson").run().exits(2);
}

#[test]
fn a_job_waits_for_a_silent_input_no_longer_than_it_may() {
    let scene = Scene::new();
    let host = scene.host(&wat::keeps_all()).args("--job-timeout 300ms");
    let mut child = host.stdin_pipe().start();
    // As long as this is there the input has not ended.
    let stdin = child.stdin.take();
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("longer than --job-timeout allows"), "{said}");
}

/// A plugin that takes a second or two to be compiled, and half a gigabyte.
fn heavy() -> String {
    let body = "(drop (i32.mul (i32.add (local.get 0) (i32.const 3)) (local.get 0)))".repeat(200);
    let function = |number| format!("(func $f{number} (param i32) {body})");
    let functions: String = (0..1500).map(function).collect();
    wat::filter_with("", &functions, "(call $yes)")
}

#[test]
fn compiling_takes_no_more_time_than_it_may() {
    let scene = Scene::new();
    scene.file("data.ndjson", "1\n");
    let run = |flags: &str| scene.host(&heavy()).args("--cache off data.ndjson").args(flags).run();
    run("--compile-timeout 5m").exits(0).writes("1\n");
    let ran = run("--compile-timeout 300ms");
    ran.exits(2).writes("").says("compiling it takes longer than --compile-timeout allows (300ms)");
    let ran = run("--job-timeout 300ms");
    ran.exits(1).writes("").says("longer than --job-timeout allows (300ms)");
}

#[test]
fn compiling_takes_no_more_memory_than_it_may() {
    let scene = Scene::new();
    scene.file("data.ndjson", "1\n");
    let run = |flags: &str| scene.host(&heavy()).args("--cache off data.ndjson").args(flags).run();
    let ran = run("--compile-memory 64MiB");
    ran.exits(2).writes("").says("more memory than --compile-memory allows (64.0 MiB)");
    run("--compile-memory 2GiB").exits(0).writes("1\n");
    let small =
        scene.host(&wat::keeps_all()).args("--compile-memory 64MiB --cache off data.ndjson");
    small.run().exits(0);
    run("--compile-memory 63MiB").exits(2).says("64 MiB to 1 TiB");
}

#[test]
fn what_a_range_makes_is_bounded_by_its_slot() {
    // A range becomes much more than a slot holds, and comes out in parts.
    let plugin = wat::flat_map_of_long_ones(16);
    let scene = Scene::new();
    let count = 100;
    scene.file("data.ndjson", format!("\"{}\"\n", "x".repeat(6_900)).repeat(count));
    let flags = "--max-record 10000 --max-output 200000 --range-size 700KiB data.ndjson";
    let ran = scene.host(&plugin).args(flags).run();
    ran.exits(0);
    let lines = ran.stdout.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines, 16 * count);
}

#[test]
fn very_many_empty_records_are_not_free() {
    // A list of as many texts without any bytes, all at one place.
    let plugin = |number: u32| {
        let list = format!(
            "(call $grow_to (i32.const {}))
             (i32.store (i32.const 16) (i32.const 0))
             (i32.store (i32.const 20) (i32.const 8192))
             (i32.store (i32.const 24) (i32.const {number}))",
            8192 + 8 * number
        );
        wat::flat_map_with(1, &list)
    };
    let run = |number| {
        let flags = "--from lines --max-output 1MiB --on-error skip --max-errors 1";
        Scene::new().host(&plugin(number)).args(flags).stdin("1\n").run()
    };
    // Each counts for eight bytes besides its text.
    run((1 << 20) / 8).exits(0).writes("\n".repeat((1 << 20) / 8));
    let ran = run((1 << 20) / 8 + 2);
    ran.exits(0).writes("").account().holds(&[("output", 1)]);
    run(10_000_000).exits(0).writes("").account().holds(&[("output", 1)]);
}

#[test]
fn tables_are_memory_too() {
    // Sixteen bytes an element, and a page of 64 KiB besides.
    let plugin = wat::filter_with("", "(table 100000 funcref)", "(call $yes)");
    let run = |memory: u64| {
        Scene::new().host(&plugin).args(&format!("--memory {memory}")).stdin("1\n").run()
    };
    let needed = 16 * 100_000 + (64 << 10);
    run(needed).exits(0).writes("1\n");
    run(needed - 1).exits(1).writes("").says("the plugin plugin.wat cannot be started: ");
}
