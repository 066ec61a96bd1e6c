//! JSON whose structure is broken: there is no next record, so the job ends there with
//! everything before it committed.

use crate::run::Scene;
use crate::wat;

/// A broken text, the byte at fault, a part of the message, and the output.
type Case = (&'static str, u64, &'static str, &'static str);

const ARRAYS: &[Case] = &[
    ("[1, 2", 5, "ends before the `]`", "[\n1,\n2\n]\n"),
    ("[1, 2,", 6, "ends before the `]`", "[\n1,\n2\n]\n"),
    ("[", 1, "ends before the `]`", "[]\n"),
    ("[1, 2,]", 6, "a comma stands before the `]`", "[\n1,\n2\n]\n"),
    ("[,1]", 1, "a comma stands where a value is expected", "[]\n"),
    ("[1,,2]", 3, "a comma stands where a value is expected", "[\n1\n]\n"),
    ("[1 2]", 3, "a comma or `]` is missing", "[\n1\n]\n"),
    ("[1}, 2]", 2, "closes nothing", "[\n1\n]\n"),
    ("[1, {\"a\":2], 3]", 10, "a `]` stands where `}` is expected", "[\n1\n]\n"),
    ("[1, [2}, 3]", 6, "a `}` stands where `]` is expected", "[\n1\n]\n"),
    ("[1, {\"a\":2", 4, "this value is never closed", "[\n1\n]\n"),
    ("[1, \"two]", 4, "this string is never closed", "[\n1\n]\n"),
    ("[1, {\"a\": \"two}]", 10, "this string is never closed", "[\n1\n]\n"),
    ("[1] 2", 4, "there is more after the `]`", "[\n1\n]\n"),
    ("[1]\n[2]\n", 4, "say --from ndjson", "[\n1\n]\n"),
    ("[1:2]", 2, "a colon stands outside an object", "[\n1\n]\n"),
];

const SEQUENCES: &[Case] = &[
    ("1, 2", 1, "a comma stands between two values", "1\n"),
    ("{}{}}{}", 4, "closes nothing", "{}\n{}\n"),
    ("1 ] 2", 2, "closes nothing", "1\n"),
    ("1 {\"a\":[", 2, "this value is never closed", "1\n"),
    ("1 {\"a\": \"b", 8, "this string is never closed", "1\n"),
    ("{\"a\":[1}}", 7, "a `}` stands where `]` is expected", ""),
    ("\"a\" : 1", 4, "a colon stands outside an object", "\"a\"\n"),
];

fn each_is_named(cases: &[Case], arguments: &str) {
    for (text, at, what, wanted) in cases {
        let scene = Scene::new();
        scene.file("data.json", text);
        let message = format!("data.json is broken at byte {at}: ");
        let ran = scene.host(&wat::keeps_all()).args(arguments).arg("data.json").run();
        ran.exits(1).writes(wanted).says(&message).says(what).account();
        let message = format!("standard input is broken at byte {at}: ");
        let ran = scene.host(&wat::keeps_all()).args(arguments).stdin(text).run();
        ran.exits(1).writes(wanted).says(&message).says(what).account();
    }
}

#[test]
fn a_broken_array_ends_the_job_and_the_byte_is_named() {
    each_is_named(ARRAYS, "");
}

#[test]
fn a_broken_sequence_ends_the_job_and_the_byte_is_named() {
    each_is_named(SEQUENCES, "");
}

#[test]
fn a_structural_fault_is_not_skipped() {
    each_is_named(&ARRAYS[2..5], "--on-error skip --max-errors 100%");
    each_is_named(&SEQUENCES[..2], "--on-error skip --max-errors 100%");
}

#[test]
fn everything_before_a_fault_is_committed_and_nothing_after() {
    let records: Vec<String> = (0..2000).map(|number| format!("{{\"n\":{number}}}")).collect();
    let scene = Scene::new();
    scene.file("good.json", "[0]").file("after.json", "[9]");
    scene.file("data.json", format!("[{},]", records.join(",")));
    let wanted = format!("[\n0,\n{}\n]\n", records.join(",\n"));
    for workers in 1..=3 {
        let ran = scene
            .host(&wat::keeps_all())
            .args("--range-size 500 --workers")
            .arg(workers.to_string())
            .args("good.json data.json after.json")
            .run();
        ran.exits(1).writes(&wanted).says("a comma stands before the `]`");
        ran.account().holds(&[("kept", 2001), ("failed", 0)]);
    }
}

#[test]
fn an_unordered_array_is_closed_at_a_fault() {
    let records: Vec<String> = (0..2000).map(|number| number.to_string()).collect();
    let scene = Scene::new();
    scene.file("data.json", format!("[{},]", records.join(",")));
    let arguments = "--unordered --range-size 500 --workers 3 data.json";
    let ran = scene.host(&wat::keeps_all()).args(arguments).run();
    ran.exits(1).says("a comma stands before the `]`");
    let found: Vec<u64> = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(found.len() as u64, ran.account().count("kept"));
}

#[test]
fn an_earlier_record_that_fails_comes_before_a_later_fault() {
    let scene = Scene::new();
    scene.file("data.json", "[1, \"!\", 3, }]");
    let ran = scene.host(&wat::traps()).arg("data.json").run();
    ran.exits(1).writes("[\n1\n]\n").says("record 2 of data.json").never_says("broken");
}

#[test]
fn a_fault_with_an_output_file_leaves_the_part_before_it_beside() {
    let scene = Scene::new();
    scene.file("data.json", "[1, 2 3]").file("out.json", "old");
    let ran = scene.host(&wat::keeps_all()).args("-o out.json data.json").run();
    ran.exits(1).says("what stands before it is in").says("out.json.partial");
    assert_eq!(scene.read("out.json"), b"old");
    assert_eq!(scene.read("out.json.partial"), b"[\n1,\n2\n]\n");
}

#[test]
fn nesting_without_end_is_a_fault() {
    let scene = Scene::new();
    let text = format!("1 {}", "[".repeat(1_100_000));
    scene.file("data.json", &text);
    let ran = scene.host(&wat::keeps_all()).arg("data.json").run();
    ran.exits(1).writes("1\n").says("is broken at byte 1048578: the nesting is deeper");
    let ran = scene.host(&wat::keeps_all()).stdin(&text).run();
    ran.exits(1).writes("1\n").says("is broken at byte 1048578: the nesting is deeper");
}
