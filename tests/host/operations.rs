//! Operations beyond the filter: what is made of records, what plugins are told, and
//! several plugins behind each other.

use crate::run::{Ran, Scene, over, same};
use crate::wat::{self, SAME};

/// Answers with the 18 bytes at 64, which are no JSON and end with a line break.
const WORDS: &str = "(call $some (i32.const 64) (i32.const 18))";

#[test]
fn a_map_replaces_records_in_their_order() {
    let shorter = "(call $some (local.get $at) (i32.const 1))";
    let numbers: Vec<String> = (0..3000).map(|number| format!("{number}0")).collect();
    let wanted: String = numbers.iter().map(|number| format!("{}\n", &number[..1])).collect();
    let scene = Scene::new();
    scene.file("data.ndjson", numbers.join("\n"));
    for workers in ["1", "2", "3", "8"] {
        for range_size in ["1", "100", "1MiB"] {
            let host = scene.host(&wat::map(shorter)).args("data.ndjson --range-size");
            let ran = host.arg(range_size).args("--workers").arg(workers).run();
            ran.exits(0).writes(&wanted);
            ran.account().holds(&[("kept", 3000), ("dropped", 0), ("record written", 3000)]);
        }
    }
}

#[test]
fn a_map_that_answers_nothing_drops() {
    let plugin = wat::map(&format!(
        "(if (call $has (local.get $at) (local.get $length) \
         (i32.const 33)) (then (return (call $none)))) {SAME}"
    ));
    let ran = over(&plugin, "", "1 \"!\" 2");
    ran.exits(0).writes("1\n2\n").account().holds(&[("kept", 2), ("dropped", 1)]);
}

#[test]
fn what_is_made_is_framed_as_the_output_is() {
    for (arguments, text, wanted) in [
        ("--from ndjson", "{ \"a\": 1 }\n[2]\n", "{ \"a\": 1 }\n[2]\n"),
        ("", "[{ \"a\": 1 }, [2]]", "[\n{ \"a\": 1 },\n[2]\n]\n"),
        ("", "{ \"a\":\n1 } [2]", "{ \"a\":\n1 }\n[2]\n"),
        ("--to ndjson", "{ \"a\":\n1 } [2]", "{\"a\":1}\n[2]\n"),
        ("--to json", "[]", "[]\n"),
    ] {
        over(&wat::map(SAME), arguments, text).exits(0).writes(wanted);
    }
}

#[test]
fn what_is_made_has_to_be_one_record() {
    let line = "it has a line break, and a record is a line";
    let json = "it is not one JSON value";
    for (arguments, text, why) in [
        ("--from ndjson", "1\n", line),
        ("", "1", json),
        ("", "[1]", json),
        ("--to ndjson", "1", json),
        ("--from ndjson --to json", "1\n", json),
    ] {
        let ran = over(&wat::map(WORDS), arguments, text);
        ran.exits(1).says("became something that cannot be written").says(why);
        ran.never_says("secret");
        let ran = over(&wat::map(WORDS), &format!("{arguments} --on-error skip"), text);
        ran.exits(4).account().holds(&[("output", 1), ("record written", 0)]);
    }
    let blank = wat::map("(call $some (local.get $at) (i32.const 0))");
    over(&blank, "--from ndjson", "1\n").exits(1).says("it is blank");
}

#[test]
fn no_made_record_forges_a_second_one() {
    // `1,2` is one line, and in an array it would be two elements.
    let plugin = wat::map(
        "(i32.store (i32.const 64) (i32.const 0x322c31)) \
         (call $some (i32.const 64) (i32.const 3))",
    );
    over(&plugin, "--from ndjson", "0\n").exits(0).writes("1,2\n");
    over(&plugin, "", "[0]").exits(1).writes("[]\n").says("it is not one JSON value");
}

#[test]
fn a_flat_map_makes_many_of_one() {
    let text: String = (0..2000).map(|number| format!("{number}\n")).collect();
    let wanted: String = (0..2000).map(|number| format!("{number}\n{number}\n")).collect();
    for workers in ["1", "2", "3"] {
        let arguments = format!("--from ndjson --range-size 500 --workers {workers}");
        let ran = over(&wat::flat_map(2), &arguments, &text);
        ran.exits(0).writes(&wanted);
        ran.account().holds(&[("kept", 2000), ("record written", 4000)]);
    }
    let ran = over(&wat::flat_map(0), "--from ndjson", &text);
    ran.exits(0).writes("").account().holds(&[("dropped", 2000), ("record written", 0)]);
}

#[test]
fn more_than_fits_a_slot_comes_out_whole() {
    // 3,000 records of 1 KB, each 100 times: 300 MB through slots of some MB.
    let line = format!("{}\n", "x".repeat(1023));
    let scene = Scene::new();
    scene.file("data.ndjson", line.repeat(300));
    let arguments = "--max-output 200KiB --max-record 10KiB --workers 2 data.ndjson";
    let ran = scene.host(&wat::flat_map(100)).args(arguments).run();
    ran.exits(0).account().holds(&[("kept", 300), ("record written", 30_000)]);
    same(&ran.stdout, line.repeat(30_000).as_bytes());
}

#[test]
fn more_than_is_allowed_of_one_record_fails_it() {
    let long = "x".repeat(999);
    let text = format!("1\n{long}\n2\n");
    for (times, limit) in [(10, "9KiB"), (100_000, "64KiB")] {
        let arguments = format!("--from ndjson --on-error skip --max-output {limit}");
        let ran = over(&wat::flat_map_of_long_ones(times), &arguments, &text);
        ran.exits(4).writes("1\n2\n").account().holds(&[("output", 1), ("kept", 2)]);
    }
}

#[test]
fn a_record_that_fails_half_way_leaves_nothing() {
    // Two good texts, then one with a line break.
    let plugin = wat::flat_map_with(
        3,
        "(i32.store (i32.const 2064) (i32.const 64)) (i32.store (i32.const 2068) (i32.const 18))",
    );
    let ran = over(&plugin, "--from ndjson --on-error skip", "1\n2\n");
    ran.exits(4).writes("").account().holds(&[("output", 2), ("record written", 0)]);
}

#[test]
fn components_do_the_same() {
    let text: String = (0..500).map(|number| format!("{number}\n")).collect();
    let shorter = wat::map("(call $some (local.get $at) (i32.const 1))");
    let nothing = wat::map("(call $none)");
    let words = wat::map(WORDS);
    let rejects = wat::map("(call $rejected)");
    for (module, export, ok) in [
        (shorter, "apply", "(option string)"),
        (nothing, "apply", "(option string)"),
        (words, "apply", "(option string)"),
        (rejects, "apply", "(option string)"),
        (wat::flat_map(3), "expand", "(list string)"),
        (wat::flat_map(0), "expand", "(list string)"),
    ] {
        let arguments = "--from ndjson --on-error skip --workers 2 --range-size 300";
        let wanted = over(&module, arguments, &text);
        let counts = |ran: &Ran| {
            ["kept", "dropped", "rejected", "output"].map(|what| ran.account().count(what))
        };
        for component in [wat::component, wat::wrapping] {
            let ran = over(&component(&module, export, ok), arguments, &text);
            ran.exits(wanted.code).writes(&wanted.stdout);
            assert_eq!(counts(&ran), counts(&wanted));
        }
    }
}

#[test]
fn a_component_that_makes_too_much_fails_its_record() {
    let module = wat::flat_map_of_long_ones(100_000);
    let plugin = wat::component(&module, "expand", "(list string)");
    let text = format!("1\n{}\n2\n", "x".repeat(999));
    let ran = over(&plugin, "--from ndjson --on-error skip --max-output 64KiB", &text);
    ran.exits(4).writes("1\n2\n").account().holds(&[("kept", 2), ("skipped", 1)]);
}

#[test]
fn rejections_and_traps_name_the_record_as_in_a_filter() {
    for (action, kind) in [("(call $rejected)", "was rejected"), ("unreachable", "trap")] {
        let plugin = wat::map(&format!(
            "(if (call $has (local.get $at) (local.get $length) \
             (i32.const 33)) (then (return {action}))) {SAME}"
        ));
        let ran = over(&plugin, "--from ndjson", "1\n!\n2\n");
        ran.exits(1).writes("1\n").says("record 2 of standard input (byte 2, 1 long)").says(kind);
        let ran = over(&plugin, "--from ndjson --on-error skip", "1\n!\n2\n");
        ran.exits(4).writes("1\n2\n");
    }
}

#[test]
fn a_plugin_has_one_operation() {
    let both = wat::map(SAME).replace(
        "(module",
        "(module (func (export \"keep\") (param i32 i32) \
         (result i32) unreachable)",
    );
    let ran = over(&both, "", "1");
    ran.exits(2).says("it exports both `keep` and `apply`: a plugin has one operation");
}

/// A map that answers with the value of the parameter `name`, or nothing.
fn told() -> String {
    wat::map_with(
        wat::PARAMS,
        "(data (i32.const 96) \"name\")",
        "(call $get (i32.const 96) (i32.const 4) (i32.const 20)) (i32.const 16)",
    )
}

#[test]
fn a_plugin_is_told_its_parameters() {
    over(&told(), "", "1 2").exits(0).writes("");
    over(&told(), "--param name=7", "1 2").exits(0).writes("7\n7\n");
    over(&told(), "--param other=7", "1 2").exits(0).writes("");
    over(&told(), "--param name=\"a=b:c\"", "1").exits(0).writes("\"a=b:c\"\n");
    over(&told(), "--param 1:name=1 --param 1:name=2", "1").exits(0).writes("2\n");
    let scene = Scene::new();
    scene.file("params.json", "{\"name\": [1, 2], \"other\": \"x\"}");
    let host = scene.host(&told()).args("--params params.json").stdin("1");
    host.run().exits(0).writes("[1,2]\n");
    let host = scene.host(&told()).args("--params params.json --param name=3").stdin("1");
    host.run().exits(0).writes("3\n");
}

#[test]
fn parameters_that_make_no_sense_are_usage_errors() {
    for (arguments, why) in [
        ("--param name", "NAME=VALUE is wanted"),
        ("--param =1", "NAME=VALUE is wanted"),
        ("--param 2:name=1", "--param 2:name=1: there is no plugin with this number"),
        ("--param 0:name=1", "there is no plugin with this number"),
        ("--params missing.json", "--params missing.json: No such file"),
        ("--params plugin.wat", "it is not a JSON object"),
        ("--max-output 0", "--max-output"),
    ] {
        over(&told(), arguments, "1").exits(2).says(why);
    }
}

#[test]
fn plugins_behind_each_other_do_what_pipes_do() {
    let marks = "(call $has (local.get $at) (local.get $length) (i32.const 33))";
    let unmarked = wat::filter(&format!("(if {marks} (then (return (call $no)))) (call $yes)"));
    let text: String =
        (0..1000).map(|n| format!("{n}{}\n", if n % 7 == 0 { "!" } else { "" })).collect();
    let scene = Scene::new();
    scene.file("first.wat", unmarked).file("second.wat", wat::flat_map(2));
    scene.file("third.wat", wat::map("(call $some (local.get $at) (i32.const 1))"));
    let mut piped = text.clone().into_bytes();
    for plugin in ["first.wat", "second.wat", "third.wat"] {
        piped = scene.host_with(plugin).args("--from ndjson").stdin(&piped).run().stdout;
    }
    for workers in ["1", "2", "8"] {
        let host = scene.host_with("first.wat").args("--plugin second.wat --plugin third.wat");
        let host = host.args("--from ndjson --range-size 300 --workers").arg(workers);
        let ran = host.stdin(&text).run();
        ran.exits(0).writes(&piped);
        ran.account().holds(&[("kept", 857), ("dropped", 143), ("record written", 1714)]);
    }
}

#[test]
fn each_plugin_of_a_chain_has_its_own_parameters() {
    let scene = Scene::new();
    scene.file("told.wat", told()).file("same.wat", wat::map(SAME));
    let run = |params: &str| {
        let host = scene.host_with("same.wat").args("--plugin told.wat").args(params);
        host.stdin("1").run().exits(0).stdout.clone()
    };
    assert_eq!(run("--param 2:name=5"), b"5\n");
    assert_eq!(run("--param 1:name=5"), b"");
    assert_eq!(run("--param name=5"), b"5\n");
}

#[test]
fn a_failure_in_a_chain_is_the_input_records() {
    let scene = Scene::new();
    scene.file("double.wat", wat::flat_map(2)).file("traps.wat", wat::traps());
    let host = scene.host_with("double.wat").args("--plugin traps.wat --on-error skip");
    let ran = host.args("--from ndjson").stdin("1\n!\n2\n").run();
    ran.exits(4).writes("1\n1\n2\n2\n").says("record 2 of standard input (byte 2, 1 long)");
    ran.account().holds(&[("trap", 1), ("kept", 2)]);
}

#[test]
fn what_a_chain_logs_is_bounded_together() {
    let loud = "(local.set $length (i32.const 10000))
        (loop $again
          (call $log (i32.const 4) (i32.const 64) (i32.const 18))
          (local.set $length (i32.sub (local.get $length) (i32.const 1)))
          (br_if $again (local.get $length)))";
    let scene = Scene::new();
    scene.file("loud.wat", wat::where_marked_with(wat::LOG, "", loud));
    let mut host = scene.host_with("loud.wat");
    for _ in 0..15 {
        host = host.args("--plugin loud.wat");
    }
    let ran = host.args("--plugin-log log").stdin("1 \"!\" 2").run();
    ran.exits(0).writes("1\n\"!\"\n2\n");
    assert!(scene.read("log").len() < 64 << 10);
    let mut host = scene.host_with("loud.wat");
    for _ in 0..16 {
        host = host.args("--plugin loud.wat");
    }
    host.stdin("1").run().exits(2).says("there are more than 16 plugins");
}

#[test]
fn what_is_made_has_to_be_valid_json_where_the_output_is_json() {
    for made in ["[1,]", "NaN ", "0001", "[\\ff]"] {
        let data = format!("(data (i32.const 128) \"{made}\")");
        let plugin = wat::map_with("", &data, "(call $some (i32.const 128) (i32.const 4))");
        if made.starts_with("[\\") {
            // That is no text at all, which the canonical ABI does not allow.
            over(&plugin, "", "[0]").exits(1).says("the plugin's answer is not UTF-8 text");
            continue;
        }
        over(&plugin, "", "[0]").exits(1).writes("[]\n").says("it is not one JSON value");
        over(&plugin, "--to ndjson", "0").exits(1).says("it is not one JSON value");
        // Of JSON lines, what is in a line is the plugin's business.
        over(&plugin, "--from ndjson", "0\n").exits(0).writes(format!("{made}\n"));
    }
}
