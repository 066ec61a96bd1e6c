//! `host bench`: what is measured, and what is not. No figure is compared with another.

use std::fmt::Write as _;

use crate::run::{Scene, repository};
use crate::wat;

/// What is told of a plugin over this data, with flags.
fn bench(plugin: &str, data: &str, flags: &str) -> (i32, String, String) {
    let scene = Scene::new();
    scene.file("plugin.wat", plugin).file("data.ndjson", data);
    let ran = scene
        .bare()
        .args("bench plugin.wat data.ndjson --rounds 1 --run-time 1ms")
        .args(flags)
        .run();
    (ran.code, String::from_utf8(ran.stdout).unwrap(), ran.stderr)
}

fn numbers(count: u32) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "{{\"number\":{number}}}");
        text
    })
}

#[test]
fn every_operation_is_measured() {
    let filter = wat::component(&wat::keeps_all(), "keep", "bool");
    let map = wat::component(&wat::map(wat::SAME), "apply", "(option string)");
    let flat_map = wat::component(&wat::flat_map(2), "expand", "(list string)");
    let command = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
    for (plugin, operation) in [
        (wat::keeps_all(), "filter"),
        (filter, "filter"),
        (wat::map(wat::SAME), "map"),
        (map, "map"),
        (wat::flat_map(2), "flat-map"),
        (flat_map, "flat-map"),
        (wat::batch(), "batch"),
        (wat::reduce(), "reduce"),
        (command.into(), "command"),
    ] {
        let (code, told, said) = bench(&plugin, &numbers(100), "");
        assert_eq!((code, said.as_str()), (0, ""), "{operation}: {told}{said}");
        let first = format!("plugin.wat is a {operation}; 100 records, ");
        assert!(told.starts_with(&first), "{told}");
        let line = |start: &str| told.lines().find(|line| line.trim_start().starts_with(start));
        for row in ["one worker", "a record", "memory", "functions"] {
            assert!(line(row).is_some(), "{row}: {told}");
        }
        assert!(line("one worker").unwrap().contains(" records/s, "), "{told}");
        // A hundred of them surely take longer than the clock's step.
        assert!(line("a record").unwrap().contains("s for half of them, 90 %: "), "{told}");
        assert!(told.contains(" the longest, record "), "{told}");
        assert_eq!(line("the call").is_some(), operation != "command", "{told}");
    }
}

#[test]
fn the_record_that_takes_longest_is_named() {
    // Others take microseconds.
    let plugin = wat::where_marked(
        "(local.set $at (i32.const 30000000))
         (loop $again
           (local.set $at (i32.sub (local.get $at) (i32.const 1)))
           (br_if $again (local.get $at)))",
    );
    let data = numbers(60) + "\"!\"\n" + &numbers(20);
    let (code, told, _) = bench(&plugin, &data, "");
    assert_eq!(code, 0, "{told}");
    assert!(told.contains(" the longest, record 61 of data.ndjson\n"), "{told}");
}

#[test]
fn functions_are_found_and_drawn() {
    let plugin = wat::filter_with(
        "",
        "(func $spin (param $times i32)
           (loop $again
             (local.set $times (i32.sub (local.get $times) (i32.const 1)))
             (br_if $again (local.get $times))))",
        "(call $spin (i32.const 30000000)) (call $yes)",
    );
    let scene = Scene::new();
    scene.file("plugin.wat", &plugin).file("data.ndjson", numbers(50));
    let ran = scene
        .bare()
        .args("bench plugin.wat data.ndjson --rounds 1 --run-time 1ms --flame-graph graph.svg")
        .run();
    let told = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(ran.code, 0, "{told}{}", ran.stderr);
    let functions = told.split_once("  functions ").unwrap().1;
    let first = functions.lines().nth(1).unwrap();
    assert!(first.ends_with(" %  spin"), "{told}");
    let svg = String::from_utf8(scene.read("graph.svg")).unwrap();
    assert!(svg.starts_with("<svg xmlns=") && svg.contains("<title>spin: "), "{svg}");
    // Those that called it stand below.
    assert!(svg.contains("<title>keep: 100.0 % ") || svg.contains("<title>function "), "{svg}");
}

#[test]
fn what_fails_is_told_as_in_a_run() {
    let (code, _, said) = bench(&wat::rejects(), "1\n\"!\"\n", "");
    assert_eq!(code, 1);
    assert!(said.contains("error: record 2 of data.ndjson (byte 2, 3 long)"), "{said}");
    let (code, told, _) = bench(&wat::rejects(), "1\n\"!\"\n", "-- --on-error skip");
    assert_eq!(code, 0, "{told}");
    // One that traps is looked at again, alone; so is a batch in which one does.
    for plugin in [wat::traps(), wat::batch().replace("i32.const 63", "i32.const 33")] {
        let data = numbers(50) + "\"!\"\n" + &numbers(50);
        let (code, told, said) = bench(&plugin, &data, "-- --on-error skip");
        assert_eq!((code, said.contains("was ended")), (0, false), "{told}{said}");
    }
    let (code, _, said) = bench("(module)", "1\n", "");
    assert_eq!(code, 2);
    assert!(said.contains("it exports no operation"), "{said}");
    let (code, _, said) = bench(&wat::keeps_all(), "1\n", "-- -o mine");
    assert_eq!((code, said.contains("--output means nothing where a plugin is tried")), (2, true));
    let scene = Scene::new();
    let plugin = repository("plugins/filter/filter.wasm");
    let ran = scene.bare().arg("bench").arg(&plugin).arg("-").stdin("1\n").run();
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("-: the data are read several times"), "{}", ran.stderr);
}
