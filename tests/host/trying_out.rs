//! Looking at a part of the work before all of it is done: `--limit`, `--only`,
//! `--dry-run`.

use std::fs::File;
use std::process::{Command, Stdio};

use crate::compression::gzip;
use crate::inputs::make_fifo;
use crate::run::{Ran, Scene};
use crate::wat;

/// Inputs in each format, with three records; the second has a `!`.
const FORMATS: [(&str, &str, [&str; 4]); 6] = [
    ("data.ndjson", "one\n\ntwo!\nthree\n", ["", "one\n", "one\ntwo!\n", "one\ntwo!\nthree\n"]),
    ("data.json", "1 \"!\"\n{ }", ["", "1\n", "1\n\"!\"\n", "1\n\"!\"\n{ }\n"]),
    ("data.txt", "one\n!\n\n", ["", "one\n", "one\n!\n", "one\n!\n\n"]),
    (
        "data.csv",
        "n,m\n1,x\n2,!\n\"3\n\",z",
        ["n,m\n", "n,m\n1,x\n", "n,m\n1,x\n2,!\n", "n,m\n1,x\n2,!\n\"3\n\",z\n"],
    ),
    (
        "data.tsv",
        "n\tm\n1\tx\n2\t!\n3\tz",
        ["n\tm\n", "n\tm\n1\tx\n", "n\tm\n1\tx\n2\t!\n", "n\tm\n1\tx\n2\t!\n3\tz\n"],
    ),
    (
        "data",
        " [1, \"!\" ,[ ]]",
        ["[]\n", "[\n1\n]\n", "[\n1,\n\"!\"\n]\n", "[\n1,\n\"!\",\n[ ]\n]\n"],
    ),
];

/// What says for standard input what this name says.
fn from(name: &str) -> &'static str {
    match name.split_once('.') {
        Some((_, "ndjson")) => "--from ndjson",
        Some((_, "txt")) => "--from lines",
        Some((_, "csv")) => "--from csv",
        Some((_, "tsv")) => "--from tsv",
        _ => "--from json",
    }
}

#[test]
fn exactly_so_many_records_are_processed_in_every_format() {
    for (name, text, wanted) in FORMATS {
        let scene = Scene::new();
        scene.file(name, text);
        for (limit, wanted) in wanted.iter().enumerate() {
            for range_size in ["1", "1MiB"] {
                let host = || {
                    let host = scene.host(&wat::keeps_all()).args("--workers 2 --range-size");
                    host.arg(range_size).arg("--limit").arg(limit.to_string())
                };
                let counts = [("record read", limit as u64), ("record written", limit as u64)];
                host().arg(name).run().exits(0).writes(wanted).account().holds(&counts);
                host()
                    .args(from(name))
                    .stdin(text)
                    .run()
                    .exits(0)
                    .writes(wanted)
                    .account()
                    .holds(&counts);
            }
        }
    }
}

#[test]
fn a_limit_counts_the_records_of_all_inputs_together() {
    let scene = Scene::new();
    scene.file("a.ndjson", "1\n2\n").file("b.json", "[3,4]").file("c.ndjson", "5\n");
    let host = |limit: &str| {
        let host = scene.host(&wat::keeps_all()).args("a.ndjson b.json c.ndjson --limit");
        host.arg(limit).run()
    };
    host("3").exits(0).writes("1\n2\n3\n").says("; 5 bytes not read;");
    host("2").exits(0).writes("1\n2\n").says("; 7 bytes not read;");
    host("5").exits(0).writes("1\n2\n3\n4\n5\n").never_says("not read");
    host("9").exits(0).writes("1\n2\n3\n4\n5\n").never_says("not read");
}

#[test]
fn what_stands_behind_the_limit_is_not_judged() {
    let scene = Scene::new();
    scene.file("data.json", "[1, 2] and what follows is no JSON");
    scene
        .host(&wat::keeps_all())
        .args("--limit 2 data.json")
        .run()
        .exits(0)
        .writes("[\n1,\n2\n]\n");
}

#[test]
fn an_endless_stream_ends_at_the_limit() {
    let scene = Scene::new();
    let mut yes = Command::new("yes").stdout(Stdio::piped()).spawn().unwrap();
    let stdout: std::os::fd::OwnedFd = yes.stdout.take().unwrap().into();
    let host = scene.host(&wat::keeps_all()).args("--from ndjson --limit 3");
    let ran = host.stdin_file(File::from(stdout)).run();
    ran.exits(0).writes("y\ny\ny\n").account().holds(&[("record read", 3)]);
    yes.wait().unwrap();
}

#[test]
fn a_failed_record_counts_and_so_does_one_that_is_too_long() {
    let scene = Scene::new();
    scene.file("data.ndjson", "!\n1\n2\n").file("long.ndjson", "a long one\n1\n2\n");
    let host = scene.host(&wat::traps()).args("--limit 2 --on-error skip --max-errors 1");
    host.arg("data.ndjson").run().exits(0).writes("1\n").account().holds(&[("skipped", 1)]);
    let host = || {
        scene.host(&wat::traps()).args("--limit 2 --on-error skip --max-errors 1 --max-record 5")
    };
    host().arg("long.ndjson").run().exits(0).writes("1\n").account().holds(&[("skipped", 1)]);
    let ran = host().args("--from ndjson").stdin("a long one\n1\n2\n").run();
    ran.exits(0).writes("1\n").account().holds(&[("skipped", 1)]);
}

/// Runs over one record of a text, from a file and from a stream, which make no
/// difference.
#[track_caller]
fn only(which: &str, name: &str, text: &str, plugin: &str) -> Ran {
    let scene = Scene::new();
    scene.file(name, text);
    let host = || scene.host(plugin).arg("--only").arg(which);
    let ran = host().arg(name).run();
    let streamed = host().args(from(name)).stdin(text).run();
    assert_eq!((ran.code, &ran.stdout), (streamed.code, &streamed.stdout), "{}", streamed.stderr);
    let named = streamed.stderr.replace("standard input", name);
    let told = |text: &str| text.lines().next().map(str::to_owned);
    if ran.code > 0 {
        assert_eq!(told(&ran.stderr), told(&named));
    }
    ran
}

#[test]
fn one_record_is_processed_by_its_number_or_a_byte_in_it() {
    for (name, text, _) in FORMATS {
        let at = text.find('!').unwrap();
        for which in ["2".to_owned(), format!("@{at}")] {
            let ran = only(&which, name, text, &wat::keeps_all());
            ran.exits(0).account().holds(&[("record read", 1), ("kept", 1)]);
            assert!(ran.stdout.contains(&b'!'));
        }
    }
}

#[test]
fn one_record_keeps_its_number_and_its_offset() {
    let text = format!("{}!\n{}", "one\n".repeat(200_000), "two\n".repeat(100));
    for which in ["200,001", "@800000", "@800,000"] {
        let ran = only(which, "data.ndjson", &text, &wat::traps());
        ran.exits(1).writes("").says("record 200,001 of data.ndjson (byte 800,000, 1 long)");
    }
    let elements = "1, ".repeat(200_000);
    let text = format!("[{elements}\"!\"]");
    only("200001", "data.json", &text, &wat::traps()).exits(1).says("record 200,001 of data.json");
    let long = format!("1\n{}!\n", "x".repeat(1000));
    let scene = Scene::new();
    let host = scene.host(&wat::traps()).args("--only 2 --from ndjson --max-record 100");
    host.stdin(long).run().exits(1).says("record 2 of standard input (byte 2, 1,001 long)");
}

#[test]
fn one_record_is_shown_with_all_that_is_said_about_it() {
    let ran = only("2", "data.ndjson", "one\ntwo!\n", &wat::rejects());
    ran.exits(1).says(&format!("the plugin says: {}", wat::REASON));
    let scene = Scene::new();
    scene.file("data.ndjson", "one\ntwo!\n");
    let host = || scene.host(&wat::logs()).args("--only 2 data.ndjson");
    host().run().exits(0).says("plugin warn, record ");
    host().args("--plugin-log none").run().exits(0).never_says("plugin warn");
}

#[test]
fn a_record_that_is_not_there_is_an_error() {
    let text = "one\n\ntwo\n";
    for (which, why) in [
        ("3", "data.ndjson has no such record (--only): it has 2 records, and no record 3"),
        ("@8", "it has 2 records, and the last ends before byte 8; byte 8 is in none"),
        ("@4", "byte 4 stands between records: record 1 ends before byte 3, record 2 begins at 5"),
    ] {
        only(which, "data.ndjson", text, &wat::keeps_all()).exits(1).writes("").says(why);
    }
    only("@0", "data.json", " 1", &wat::keeps_all()).exits(1).says("before the first record");
    only("1", "data.json", " ", &wat::keeps_all()).exits(1).says("it has no record at all");
    only("0", "data.json", "1", &wat::keeps_all()).exits(2).says("records count from 1");
    only("x", "data.json", "1", &wat::keeps_all()).exits(2).says("is no record");
}

#[test]
fn one_record_is_of_one_input() {
    let scene = Scene::new();
    scene.file("a.ndjson", "1\n").file("b.ndjson", "2\n");
    let host = |arguments| scene.host(&wat::keeps_all()).args(arguments).run();
    host("--only 1 a.ndjson b.ndjson").exits(2).writes("").says("there are 2");
    host("--only 1 --limit 1 a.ndjson").exits(2).writes("").says("cannot be used with");
}

#[test]
fn white_space_that_is_longer_than_a_record_may_be_hides_none() {
    let scene = Scene::new();
    let space = " ".repeat(100);
    let host = scene.host(&wat::keeps_all()).args("--max-record 10");
    let ran = host.stdin(format!("1{space}2{space}")).run();
    ran.exits(0).writes("1\n2\n").account().holds(&[("record read", 2)]);
}

#[track_caller]
fn tells(ran: &Ran, lines: &[&str]) {
    let text = String::from_utf8(ran.exits(0).stdout.clone()).unwrap();
    for line in lines {
        let found = text.lines().any(|told| told.trim_start().starts_with(line));
        assert!(found, "{line:?} begins no line of: {text}");
    }
    assert_eq!(ran.stderr, "");
}

#[test]
fn a_dry_run_tells_what_would_be_done() {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("d")).unwrap();
    scene.file("d/a.ndjson", "1\n".repeat(50_000)).file("d/b.json", " [1]").file("names", "x");
    let packed = gzip(b"{}");
    scene.file("d/c.gz", &packed).file("second.wat", wat::reduce());
    let host =
        scene.host(&wat::keeps_all()).args("--plugin second.wat --param 2:by=type d --workers 3");
    let ran = host.args("--data who=names --range-size 16KiB -o out.json.gz --dry-run").run();
    let packed = format!("d/c.gz: {} B, gzip, JSON", packed.len());
    tells(
        &ran,
        &[
            "2. second.wat: reduce, ",
            "by = type",
            "who: names, 1 B",
            "inputs (3):",
            "d/a.ndjson: 97.7 KiB, JSON lines",
            "d/b.json: 4 B, a JSON array",
            &packed,
            "output: out.json.gz, JSON lines, gzip",
            "workers: 3 at most; ranges: of a number that is not known beforehand, of about 16.0 KiB \
         each",
        ],
    );
    let host = || scene.host(&wat::keeps_all()).args("--dry-run --workers 2");
    tells(
        &host().args("d/a.ndjson d/b.json --range-size 16KiB --limit 1000").run(),
        &[
            "workers: 2 at most; ranges: about 8, of about 16.0 KiB each",
            "records: the first 1,000 of all inputs together",
            "output: standard output, JSON lines",
        ],
    );
    tells(
        &host().args("d/b.json d/a.ndjson --output-dir made/out").run(),
        &[
            "d/b.json: 4 B, a JSON array -> made/out/b.json",
            "output: a file for each input in made/out, each as its input",
        ],
    );
    // Nothing was made.
    assert_eq!(scene.names(), ["d", "names", "plugin.wat", "second.wat"]);
}

#[test]
fn a_dry_run_leaves_pipes_alone() {
    let scene = Scene::new();
    make_fifo(&scene.path("pipe.json"));
    let host = || scene.host(&wat::keeps_all()).arg("--dry-run");
    tells(&host().arg("pipe.json").run(), &["pipe.json: a stream, JSON"]);
    let child = scene.host(&wat::keeps_all()).args("--dry-run --from ndjson");
    tells(&child.stdin("1\n").run(), &["standard input: a stream, JSON lines"]);
}

#[test]
fn what_would_end_a_run_before_it_starts_ends_a_dry_run_in_the_same_way() {
    let scene = Scene::new();
    scene.file("a.ndjson", "1\n").file("b.ndjson", "2\n").file("broken.wat", "(module)");
    scene.file("locked.partial", "of another run");
    let locked = File::options().write(true).open(scene.path("locked.partial")).unwrap();
    locked.lock().unwrap();
    for arguments in [
        "a.ndjson missing.json",
        "a.ndjson b.ndjson --only 1",
        "a.ndjson --records /a",
        "a.ndjson --plugin broken.wat",
        "a.ndjson -o missing/out",
        "a.ndjson -o .",
        "a.ndjson -o locked",
        "locked.partial -o locked",
        "a.ndjson --output-dir .",
        "a.ndjson ./a.ndjson --output-dir out",
        "a.ndjson --output-dir b.ndjson",
        "a.ndjson --output-dir b.ndjson/out",
        "a.ndjson --data x=missing",
        "a.ndjson --data x=b.ndjson --max-data 1",
        "a.ndjson --partial-state",
        "a.ndjson --workers 0",
        "nothing/*",
    ] {
        let host = || scene.host(&wat::keeps_all()).args(arguments);
        let (dry, wet) = (host().arg("--dry-run").run(), host().run());
        assert_eq!((dry.code, &dry.stderr), (2, &wet.stderr), "{arguments}");
        wet.exits(2);
        dry.writes("");
    }
}
