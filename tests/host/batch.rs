//! Batches: plugins that take many records in one call.

use crate::run::{Scene, same};
use crate::wat;

/// Numbered lines, with something else in the place of some.
fn lines(count: usize, others: &[(usize, &str)]) -> Vec<String> {
    let mut lines: Vec<String> = (0..count).map(|number| format!("{number:05}")).collect();
    for (place, text) in others {
        lines[*place] = format!("{place:05}{text}");
    }
    lines
}

fn text(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// What the batch makes of lines that it neither drops nor fails at.
fn twice(lines: &[String]) -> String {
    let good = lines.iter().filter(|line| !line.contains(['!', '-', '?']));
    good.map(|line| format!("{line}\n{line}\n")).collect()
}

#[test]
fn many_records_in_one_call_come_out_as_one_by_one() {
    let lines = lines(5000, &[(7, "-"), (4999, "-")]);
    let scene = Scene::new();
    scene.file("data.ndjson", text(&lines));
    for workers in ["1", "2", "3", "8"] {
        for range_size in ["1", "100", "5000", "1MiB"] {
            let host = scene.host(&wat::batch()).args("data.ndjson --range-size").arg(range_size);
            let ran = host.args("--workers").arg(workers).run();
            ran.exits(0).writes(twice(&lines));
            ran.account().holds(&[("kept", 4998), ("dropped", 2), ("record written", 9996)]);
        }
    }
    let stream = scene.host(&wat::batch()).args("--from ndjson").stdin(text(&lines)).run();
    stream.exits(0).writes(twice(&lines));
}

#[test]
fn one_rejected_record_does_not_touch_the_others() {
    let lines = lines(1000, &[(0, "!"), (13, "!"), (14, "-"), (999, "!")]);
    let scene = Scene::new();
    scene.file("data.ndjson", text(&lines));
    let ran = scene.host(&wat::batch()).args("data.ndjson --on-error skip --verbose").run();
    ran.exits(4).writes(twice(&lines)).says("record 14 of data.ndjson (byte 79, 6 long)");
    ran.account().holds(&[("kept", 996), ("dropped", 1), ("rejected", 3)]);
    let ran = scene.host(&wat::batch()).args("data.ndjson").run();
    ran.exits(1).says("record 1 of data.ndjson (byte 0, 6 long) was rejected").writes("");
}

#[test]
fn a_trap_is_charged_to_the_record_that_causes_it() {
    let lines = lines(1000, &[(5, "?"), (6, "?"), (500, "?"), (999, "?")]);
    let scene = Scene::new();
    scene.file("data.ndjson", text(&lines));
    for workers in ["1", "3"] {
        let host = scene.host(&wat::batch()).args("data.ndjson --on-error skip --workers");
        let ran = host.arg(workers).run();
        ran.exits(4).writes(twice(&lines));
        for place in [
            "record 6 of data.ndjson (byte 30,",
            "record 7 of data.ndjson (byte 37,",
            "record 501 of data.ndjson (byte 3,002,",
            "record 1,000 of data.ndjson (byte 5,997,",
        ] {
            ran.says(place);
        }
        ran.account().holds(&[("kept", 996), ("trap", 4)]);
    }
}

#[test]
fn a_batch_that_hangs_is_run_again_one_by_one() {
    let hangs = wat::batch().replace(
        "(i32.const 63)) (then unreachable)",
        "(i32.const 63)) (then (loop $forever (br $forever)))",
    );
    let lines = lines(300, &[(3, "?"), (200, "?")]);
    let scene = Scene::new();
    scene.file("data.ndjson", text(&lines));
    let host = scene.host(&hangs).args("data.ndjson --on-error skip --timeout 100ms --workers 2");
    let ran = host.args("--verbose").run();
    ran.exits(4).writes(twice(&lines));
    ran.says("record 4 of data.ndjson (byte 18, 6 long) ran longer");
    ran.account().holds(&[("kept", 298), ("timeout", 2)]);
}

#[test]
fn a_batch_stands_anywhere_in_a_chain() {
    let lines = lines(500, &[(3, "!"), (4, "x"), (5, "-")]);
    let scene = Scene::new();
    scene.file("data.ndjson", text(&lines)).file("batch.wat", wat::batch());
    scene.file(
        "keeps.wat",
        wat::filter(
            "(if (call $has (local.get $at) (local.get $length) (i32.const 120)) \
         (then (return (call $no)))) (call $yes)",
        ),
    );
    let good: Vec<String> = lines.iter().filter(|line| !line.contains('x')).cloned().collect();
    for chain in [["keeps.wat", "batch.wat"], ["batch.wat", "keeps.wat"]] {
        let host = chain.iter().fold(scene.bare(), |host, plugin| host.arg("--plugin").arg(plugin));
        let ran = host.args("data.ndjson --on-error skip").run();
        ran.exits(4).writes(twice(&good));
    }
    let host = scene.bare().args("--plugin batch.wat --plugin batch.wat data.ndjson");
    let four: Vec<String> = good_twice(&lines);
    same(&host.args("--on-error skip").run().exits(4).stdout, twice(&four).as_bytes());
}

/// Each good line twice.
fn good_twice(lines: &[String]) -> Vec<String> {
    twice(lines).lines().map(str::to_owned).collect()
}

#[test]
fn an_answer_for_each_record_is_wanted() {
    let fewer = wat::batch().replace(
        "(i32.store (i32.const 20) (local.get $count))",
        "(i32.store (i32.const 20) (i32.sub (local.get $count) (i32.const 1)))",
    );
    let ran = Scene::new().host(&fewer).args("--from ndjson").stdin("1\n").run();
    ran.exits(1).says("made the plugin trap: `process` returned 0 outcomes for 1 records");
}

#[test]
fn a_batch_can_be_a_component() {
    let module = wat::batch();
    let module = module.strip_prefix("(module").unwrap();
    let lines = lines(1000, &[(0, "!"), (13, "-"), (500, "?")]);
    for more in ["", wat::MORE] {
        let component = format!(
            r#"(component {more}
(core module $m {module}
(core instance $i (instantiate $m))
(func (export "process") (param "records" (list string))
  (result (list (result (list string) (error string))))
  (canon lift (core func $i "process") (memory $i "memory")
    (realloc (func $i "cabi_realloc")) (post-return (func $i "cabi_post_process")))))"#
        );
        let scene = Scene::new();
        scene.file("data.ndjson", text(&lines));
        let ran = scene.host(&component).args("data.ndjson --on-error skip").run();
        ran.exits(4).writes(twice(&lines)).account().holds(&[("kept", 997), ("dropped", 1)]);
    }
}
