//! However the work is shared out, the output is the same bytes.

use crate::reference::{Layout, member_is, records, render};
use crate::run::{Scene, repository, same};
use crate::wat;

/// Some hundred events of very different lengths, laid out in three ways.
fn events(layout: Layout) -> String {
    let kinds = ["PushEvent", "IssuesEvent", "Push\\u0045vent", "ForkEvent"];
    let records: Vec<String> = (0..700u32)
        .map(|number| {
            let kind = kinds[(number * 7 % 11) as usize % kinds.len()];
            let filling = "[{\\\"},é🚀\\\\".repeat((number * number % 97) as usize);
            let long = if number % 200 == 150 { "y".repeat(40_000) } else { String::new() };
            let space = if layout == Layout::Lines { " " } else { "\n\t" };
            format!("{{\"id\":{number},{space}\"type\": \"{kind}\", \"x\":\"{filling}{long}\"}}")
        })
        .collect();
    match layout {
        Layout::Lines => records.join("\n"),
        Layout::Values => records.join(" ") + "\n",
        Layout::Array => format!(" [{}\n]", records.join(" ,\r\n")),
    }
}

fn name(layout: Layout) -> &'static str {
    if layout == Layout::Lines { "data.ndjson" } else { "data.json" }
}

/// Runs the example filter with every number of workers and size of range.
fn every_way_gives_the_reference(layout: Layout, through_a_pipe: bool) {
    let text = events(layout);
    let all = records(text.as_bytes(), layout);
    assert_eq!(all.len(), 700);
    let wanted: Vec<&[u8]> =
        all.into_iter().filter(|record| member_is(record, "type", "PushEvent")).collect();
    assert!((200..500).contains(&wanted.len()));
    let wanted = render(&wanted, layout);
    let scene = Scene::new();
    scene.file(name(layout), &text);
    let from = if layout == Layout::Lines { "--from ndjson" } else { "--from json" };
    for workers in ["1", "2", "3", "8"] {
        for range_size in ["1", "1000", "64KiB", "1MiB"] {
            let host = scene
                .host_with(repository("plugins/filter/filter.wasm"))
                .args(from)
                .args(&format!("--workers {workers} --range-size {range_size}"));
            let host = if through_a_pipe { host.stdin(&text) } else { host.arg(name(layout)) };
            let ran = host.run();
            ran.exits(0).writes(&wanted).account().holds(&[("record read", 700)]);
        }
    }
}

#[test]
fn lines_of_a_file_keep_their_order() {
    every_way_gives_the_reference(Layout::Lines, false);
}

#[test]
fn lines_of_a_pipe_keep_their_order() {
    every_way_gives_the_reference(Layout::Lines, true);
}

#[test]
fn values_of_a_file_keep_their_order() {
    every_way_gives_the_reference(Layout::Values, false);
}

#[test]
fn values_of_a_pipe_keep_their_order() {
    every_way_gives_the_reference(Layout::Values, true);
}

#[test]
fn elements_of_a_file_keep_their_order() {
    every_way_gives_the_reference(Layout::Array, false);
}

#[test]
fn elements_of_a_pipe_keep_their_order() {
    every_way_gives_the_reference(Layout::Array, true);
}

#[test]
fn a_window_of_one_byte_changes_nothing_but_the_speed() {
    let text = events(Layout::Values);
    let wanted = render(&records(text.as_bytes(), Layout::Values), Layout::Values);
    let scene = Scene::new();
    scene.file("data.json", &text);
    let arguments = "--window 1 --workers 3 --range-size 1000";
    let host = scene.host(&wat::keeps_all()).args(arguments);
    host.arg("data.json").run().exits(0).writes(&wanted);
    scene.host(&wat::keeps_all()).args(arguments).stdin(&text).run().exits(0).writes(&wanted);
}

#[test]
fn unordered_output_holds_the_same_records() {
    let text = events(Layout::Lines);
    let sorted = |mut records: Vec<&[u8]>| {
        records.sort_unstable();
        render(&records, Layout::Lines)
    };
    let wanted = sorted(records(text.as_bytes(), Layout::Lines));
    let scene = Scene::new();
    scene.file("data.ndjson", &text);
    for workers in ["1", "2", "3", "8"] {
        let ran = scene
            .host(&wat::keeps_all())
            .args("--unordered --range-size 2000 --workers")
            .arg(workers)
            .arg("data.ndjson")
            .run();
        ran.exits(0).account().holds(&[("kept", 700)]);
        same(&sorted(records(&ran.stdout, Layout::Lines)), &wanted);
    }
}

#[test]
fn an_unordered_array_is_an_array() {
    let scene = Scene::new();
    scene.file("data.json", events(Layout::Array));
    let arguments = "--unordered --range-size 1000 --workers 3 data.json";
    let ran = scene.host(&wat::keeps_all()).args(arguments).run();
    let found: Vec<serde_json::Value> = serde_json::from_slice(&ran.exits(0).stdout).unwrap();
    assert_eq!(found.len(), 700);
}

#[test]
fn both_doors_give_the_same() {
    let text = events(Layout::Array);
    let scene = Scene::new();
    scene.file("data.json", &text);
    let of = |plugin: &str| {
        let host = scene.host_with(repository(plugin)).args("--range-size 5000 data.json");
        host.run().exits(0).stdout.clone()
    };
    let module = of("plugins/filter/filter.wasm");
    same(&of("tests/fixtures/filter.component.wasm"), &module);
}

#[test]
fn several_inputs_come_out_in_the_order_given() {
    let scene = Scene::new();
    let text = events(Layout::Lines);
    scene.file("a.ndjson", &text).file("b.ndjson", "1\n2").file("c.ndjson", "3\n");
    let ran = scene
        .host(&wat::keeps_all())
        .args("--workers 3 --range-size 1000 b.ndjson a.ndjson - c.ndjson b.ndjson --from ndjson")
        .stdin("4\n5")
        .run();
    ran.exits(0).writes(format!("1\n2\n{text}\n4\n5\n3\n1\n2\n"));
}
