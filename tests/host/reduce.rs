//! Reduces: what all records are folded into, merged in the input's order, and finished.

use crate::run::{Scene, over};
use crate::wat;

fn numbers(count: usize) -> String {
    (0..count).map(|number| format!("{number:05}\n")).collect()
}

#[test]
fn all_records_are_folded_in_the_input_order() {
    let scene = Scene::new();
    let text = numbers(20_000);
    scene.file("data.ndjson", &text);
    for workers in ["1", "2", "3", "8"] {
        for range_size in ["100", "5000", "1MiB"] {
            let host = scene.host(&wat::reduce()).args("data.ndjson --range-size").arg(range_size);
            let ran = host.args("--workers").arg(workers).run();
            ran.exits(0).writes(&text);
            ran.account().holds(&[("kept", 20_000), ("dropped", 0), ("record written", 20_000)]);
            let host =
                scene.host(&wat::reduce()).args("--from ndjson --range-size").arg(range_size);
            host.args("--workers").arg(workers).stdin(&text).run().exits(0).writes(&text);
        }
    }
}

#[test]
fn a_state_larger_than_a_slot_passes_in_pieces() {
    let scene = Scene::new();
    let text = numbers(1_000_000);
    scene.file("data.ndjson", &text);
    for arguments in [
        "--workers 1 --range-size 1KiB",
        "--workers 3 --range-size 100KB",
        "--workers 2 --range-size 3MiB",
    ] {
        // A slot has room for two chunks and little more.
        let host =
            scene.host(&wat::reduce()).args("data.ndjson --max-output 1KiB --max-record 1KiB");
        host.args(arguments).run().exits(0).writes(&text);
    }
}

#[test]
fn what_comes_out_is_framed_as_the_output_is() {
    for (arguments, text, wanted) in [
        ("--from ndjson", "1\n2\n", "1\n2\n"),
        ("", "[1, 2]", "[\n1,\n2\n]\n"),
        ("", "1 2", "1\n2\n"),
        ("--to ndjson", "[1, 2]", "1\n2\n"),
        ("--from ndjson", "", ""),
        ("", "[]", "[]\n"),
        ("--unordered", "1 2", "1\n2\n"),
    ] {
        over(&wat::reduce(), arguments, text).exits(0).writes(wanted);
    }
}

#[test]
fn what_is_finished_has_to_be_records() {
    let ran = over(&wat::reduce(), "--from ndjson --to json", "1\nx y\n");
    ran.exits(1).says("plugin.wat failed at its state: record 2 of what `finish` made");
    ran.says("it is not one JSON value").writes("");
    let ran = over(&wat::reduce(), "--from ndjson --max-output 3B", "1234567\n");
    ran.exits(1).says("it is more than --max-output allows").writes("");
}

#[test]
fn a_rejected_record_is_left_out_of_the_state() {
    let ran = over(&wat::reduce(), "--from ndjson --on-error skip", "1\n2!\n3\n");
    ran.exits(4).writes("1\n3\n").account().holds(&[("kept", 2), ("rejected", 1)]);
    let ran = over(&wat::reduce(), "--from ndjson", "1\n2!\n3\n");
    ran.exits(1).says("record 2 of standard input (byte 2, 2 long) was rejected").writes("");
}

#[test]
fn a_trap_loses_nothing_that_was_folded_before_it() {
    let mut text = String::new();
    let mut wanted = String::new();
    for number in 0..3000 {
        if number % 100 == 7 {
            text.push_str(&format!("{number}?\n"));
        } else {
            text.push_str(&format!("{number}\n"));
            wanted.push_str(&format!("{number}\n"));
        }
    }
    let scene = Scene::new();
    scene.file("data.ndjson", &text);
    for arguments in ["--workers 1", "--workers 3 --range-size 500", "--workers 2 --range-size 1"] {
        let host = scene.host(&wat::reduce()).args("data.ndjson --on-error skip").args(arguments);
        let ran = host.run();
        ran.exits(4).writes(&wanted).says("record 8 of data.ndjson (byte 14, 2 long) made");
        ran.account().holds(&[("kept", 2970), ("trap", 30)]);
    }
}

#[test]
fn a_record_that_hangs_loses_nothing_that_was_folded_before_it() {
    let hangs = wat::reduce().replace(
        "(i32.const 63)) (then unreachable)",
        "(i32.const 63)) (then (loop $forever (br $forever)))",
    );
    let text = numbers(2000);
    let scene = Scene::new();
    scene.file("data.ndjson", text.replace("00700\n", "0700?\n").replace("01234\n", "1234?\n"));
    let host = scene.host(&hangs).args("data.ndjson --on-error skip --timeout 100ms --workers 2");
    let wanted = text.replace("00700\n", "").replace("01234\n", "");
    let ran = host.run();
    ran.exits(4).writes(wanted).account().holds(&[("kept", 1998), ("timeout", 2)]);
}

#[test]
fn filters_and_maps_come_before_it() {
    let scene = Scene::new();
    scene.file("data.ndjson", numbers(3000)).file("reduce.wat", wat::reduce());
    scene.file(
        "filter.wat",
        wat::filter(
            "(if (call $has (local.get $at) (local.get $length) (i32.const 55)) \
         (then (return (call $no)))) (call $yes)",
        ),
    );
    scene.file("map.wat", wat::map("(call $some (local.get $at) (i32.const 4))"));
    let host = scene.bare().args("--plugin filter.wat --plugin map.wat --plugin reduce.wat");
    let ran = host.args("data.ndjson --range-size 1000").run();
    let kept: String = numbers(3000)
        .lines()
        .filter(|line| !line.contains('7'))
        .map(|line| format!("{}\n", &line[..4]))
        .collect();
    ran.exits(0).writes(&kept);
    let host = scene.bare().args("--plugin reduce.wat --plugin filter.wat data.ndjson");
    host.run()
        .exits(2)
        .says("reduce.wat is a reduce")
        .says("nothing can follow it, and filter.wat");
}

#[test]
fn a_record_of_which_a_part_was_folded_is_taken_out_again() {
    // Two of each, and the second is rejected (`!`) or traps (`?`).
    let marks = |mark: u8| {
        wat::flat_map_with(
            2,
            &format!(
                "(if (i32.eq (i32.load8_u (local.get $at)) (i32.const {mark})) (then \
               (i32.store8 (i32.const 3000) (i32.const {mark})) \
               (i32.store8 (local.get $at) (i32.const 48)) \
               (i32.store (i32.const 2056) (i32.const 3000)) \
               (i32.store (i32.const 2060) (i32.const 1))))"
            ),
        )
    };
    for mark in [b'!', b'?'] {
        let scene = Scene::new();
        let mut text = numbers(500);
        text.replace_range(6 * 100..6 * 100 + 1, std::str::from_utf8(&[mark]).unwrap());
        scene.file("data.ndjson", &text);
        scene.file("twice.wat", marks(mark)).file("reduce.wat", wat::reduce());
        let host = scene.bare().args("--plugin twice.wat --plugin reduce.wat data.ndjson");
        let ran = host.args("--on-error skip --range-size 2000").run();
        let good = numbers(500).replace("00100\n", "");
        let wanted: String = good.lines().map(|line| format!("{line}\n{line}\n")).collect();
        ran.exits(4).writes(wanted).account().holds(&[("kept", 499)]);
        ran.says("record 101 of data.ndjson (byte 600, 5 long)");
    }
}

#[test]
fn a_reduce_that_cannot_go_on_ends_the_job() {
    let reject = "(if (i32.ne (local.get $left_length) (i32.const 0)) \
                  (then (return (call $answer (i32.const 1) (i32.const 64) (i32.const 18)))))";
    let forever = "(loop $forever (br $forever))";
    let text = numbers(300);
    for (plugin, why) in [
        (wat::reduce_with("unreachable", "", ""), "failed at its state: wasm trap"),
        (wat::reduce_with("", "unreachable", ""), "failed at its state: wasm trap"),
        (wat::reduce_with("", "", "unreachable"), "failed at its state: wasm trap"),
        (wat::reduce_with("", reject, ""), "rejected a state\n"),
        (
            wat::reduce_with("", &format!("{}{reject}", wat::ALL_MEMORY), ""),
            "rejected a state, and wanted more memory than --memory allows\n",
        ),
        (
            wat::reduce_with("", "", &format!("{} unreachable", wat::ALL_MEMORY)),
            "failed at its state: it wants more than --memory allows: wasm trap",
        ),
        (wat::reduce_with(forever, "", ""), "took longer at its state than --timeout allows"),
        (wat::reduce_with("", forever, ""), "took longer at its state than --timeout allows"),
        (wat::reduce_with("", "", forever), "took longer at its state than --timeout allows"),
    ] {
        let scene = Scene::new();
        scene.file("data.ndjson", &text);
        let host = scene.host(&plugin).args("data.ndjson --range-size 500 --timeout 200ms");
        let ran = host.args("--on-error skip -o out").run();
        ran.exits(1).says(&format!("the plugin plugin.wat {why}")).never_says("secret");
        assert_eq!(scene.names(), ["data.ndjson", "plugin.wat"]);
    }
    let scene = Scene::new();
    scene.file("data.ndjson", &text);
    let host = scene.host(&wat::reduce_with("", reject, "")).args("data.ndjson --range-size 500");
    host.args("--show-records").run().exits(1).says(wat::REASON);
}

#[test]
fn a_state_has_a_limit() {
    let text = numbers(1000);
    let ran = over(&wat::reduce(), "--from ndjson --max-state 5999B", &text);
    ran.exits(1).says("its state has").says("--max-state").never_says("is done").writes("");
    over(&wat::reduce(), "--from ndjson --max-state 6000B", &text).exits(0).writes(&text);
}

#[test]
fn states_are_written_and_merged_later() {
    let scene = Scene::new();
    let text = numbers(9000);
    let lines: Vec<&str> = text.lines().collect();
    for (part, lines) in lines.chunks(3000).enumerate() {
        scene.file(&format!("{part}.ndjson"), lines.join("\n"));
    }
    scene.file("empty.ndjson", "");
    for (part, suffix) in [("0", ""), ("1", ".gz"), ("2", ".zst"), ("empty", "")] {
        let host = scene.host(&wat::reduce()).args("--partial-state --range-size 1000 -o");
        let host = host.arg(format!("{part}.state{suffix}")).arg(format!("{part}.ndjson"));
        host.run().exits(0).writes("");
    }
    let merge = |arguments: &str| {
        scene.bare().arg("merge").args("--plugin plugin.wat --workers 2").args(arguments).run()
    };
    merge("0.state empty.state 1.state.gz 2.state.zst").exits(0).writes(&text);
    merge("empty.state").exits(0).writes("");
    merge("0.state 1.state.gz --partial-state -o 01.state").exits(0);
    merge("01.state 2.state.zst").exits(0).writes(&text);
    // No number begins with a zero and goes on.
    merge("0.state --to json").exits(1).says("record 1 of what `finish` made").says("not one JSON");
}

#[test]
fn what_is_no_state_is_not_merged() {
    let scene = Scene::new();
    scene.file("data.ndjson", "1\n").file("keeps.wat", wat::keeps_all());
    scene.host(&wat::reduce()).args("--partial-state -o a.state data.ndjson").run().exits(0);
    let state = scene.read("a.state");
    let mut damaged = state.clone();
    *damaged.last_mut().unwrap() ^= 1;
    scene.file("damaged.state", damaged).file("short.state", &state[..state.len() - 1]);
    for (arguments, why) in [
        ("--plugin plugin.wat data.ndjson", "it is no state of a reduce"),
        ("--plugin plugin.wat damaged.state", "damaged.state: it is damaged"),
        ("--plugin plugin.wat a.state short.state", "short.state: it is not whole"),
        ("--plugin plugin.wat a.state --max-state 1B", "--max-state"),
        ("--plugin plugin.wat none.state", "none.state"),
        ("--plugin plugin.wat -", "have to be files"),
        ("--plugin keeps.wat a.state", "keeps.wat is no reduce"),
        ("--plugin plugin.wat --plugin plugin.wat a.state", "by one plugin"),
        ("--plugin plugin.wat a.state --from ndjson", "--from means nothing"),
        ("--plugin plugin.wat a.state --on-error skip", "--on-error means nothing"),
        ("--plugin plugin.wat", "<STATE>"),
    ] {
        let ran = scene.bare().arg("merge").args(arguments).run();
        ran.exits(2).says(why).writes("");
    }
    let ran = scene.bare().args("--plugin keeps.wat --partial-state data.ndjson").run();
    ran.exits(2).says("keeps.wat is no reduce").says("--partial-state");
}

#[test]
fn a_reduce_can_be_a_component() {
    let module = wat::reduce();
    let module = module.strip_prefix("(module").unwrap();
    for more in ["", wat::MORE] {
        let component = format!(
            r#"(component {more}
(core module $m {module}
(core instance $i (instantiate $m))
(func (export "add") (param "record" string) (result (result (error string)))
  (canon lift (core func $i "add") (memory $i "memory") (realloc (func $i "cabi_realloc"))))
(func (export "take") (result (list u8))
  (canon lift (core func $i "take") (memory $i "memory")
    (post-return (func $i "cabi_post_take"))))
(func (export "merge") (param "left" (list u8)) (param "right" (list u8))
  (result (result (list u8) (error string)))
  (canon lift (core func $i "merge") (memory $i "memory")
    (realloc (func $i "cabi_realloc")) (post-return (func $i "cabi_post_merge"))))
(func (export "finish") (param "state" (list u8))
  (result (result (list string) (error string)))
  (canon lift (core func $i "finish") (memory $i "memory")
    (realloc (func $i "cabi_realloc")) (post-return (func $i "cabi_post_finish")))))"#
        );
        let scene = Scene::new();
        let text = numbers(3000);
        scene.file("data.ndjson", text.replace("00007\n", "00007\n0?\n0!\n"));
        let host = scene.host(&component).args("data.ndjson --on-error skip --range-size 1000");
        let ran = host.run();
        ran.exits(4).writes(&text).account().holds(&[("kept", 3000), ("rejected", 1), ("trap", 1)]);
    }
}

#[test]
fn a_batch_comes_before_it_and_a_trap_in_the_middle_of_one_loses_nothing() {
    let scene = Scene::new();
    scene.file("batch.wat", wat::batch()).file("reduce.wat", wat::reduce());
    // To the batch `?` is like any other byte; the reduce traps at it.
    scene.file("batch.wat", wat::batch().replace("(i32.const 63)", "(i32.const 0)"));
    let text = numbers(2000).replace("00100\n", "0010?\n").replace("01500\n", "0150!\n");
    scene.file("data.ndjson", &text);
    for arguments in ["--workers 1", "--workers 3 --range-size 700"] {
        let host = scene.bare().args("--plugin batch.wat --plugin reduce.wat data.ndjson");
        let ran = host.args("--on-error skip").args(arguments).run();
        let good = numbers(2000).replace("00100\n", "").replace("01500\n", "");
        let wanted: String = good.lines().map(|line| format!("{line}\n{line}\n")).collect();
        ran.exits(4).writes(wanted).account().holds(&[
            ("kept", 1998),
            ("trap", 1),
            ("rejected", 1),
        ]);
    }
}

#[test]
fn what_it_logs_at_its_state_is_heard() {
    let say = |at: u32| format!("(call $log (i32.const 1) (i32.const {at}) (i32.const 4))");
    let plugin = wat::reduce_with(&say(200), &say(204), &say(208)).replacen(
        "(module",
        r#"(module (import "host:plugin/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#,
        1,
    );
    let words = r#"(data (i32.const 200) "takemrgefnsh") (global $heap"#;
    let plugin = plugin.replacen("(global $heap", words, 1);
    let scene = Scene::new();
    scene.file("data.ndjson", numbers(100));
    let host = scene.host(&plugin).args("data.ndjson --range-size 150 --plugin-log stderr");
    let ran = host.args("--workers 2").run();
    ran.exits(0).writes(numbers(100));
    let heard = |word: &str| ran.stderr.matches(&format!("plugin warn: {word}")).count();
    assert_eq!([heard("take"), heard("mrge"), heard("fnsh")], [4, 3, 1], "{}", ran.stderr);
}
