//! Parquet and Arrow files as inputs and outputs. What other programs make of them, and they of
//! what the program makes, is in `tables.rs`.

use serde_json::Value;

use crate::compression::gzip;
use crate::run::{Scene, same};
use crate::wat;

const KINDS: [&str; 3] = ["parquet", "arrow", "arrow-stream"];

/// Keeps records that have an `x`.
const WITH_AN_X: &str = "(if (result i32)
  (call $has (local.get $at) (local.get $length) (i32.const 120))
  (then (call $yes)) (else (call $no)))";

/// Rows of several types; every third has something that is null.
fn lines(count: u64) -> String {
    let line = |n: u64| {
        let text = if n.is_multiple_of(3) { "null".to_owned() } else { format!("\"text {n}\"") };
        format!(
            "{{\"n\":{n},\"word\":{text},\"list\":[{},null],\"in\":{{\"half\":{}.5}}}}\n",
            n * 2,
            n
        )
    };
    (0..count).map(line).collect()
}

/// Makes a table of lines, and gives its name.
fn table(scene: &Scene, kind: &str, lines: &str) -> String {
    let name = format!("data.{}", if kind == "arrow-stream" { "arrows" } else { kind });
    scene.file("lines.ndjson", lines);
    scene.host(&wat::keeps_all()).args(&format!("lines.ndjson -o {name}")).run().exits(0);
    let left: Vec<_> =
        scene.names().into_iter().filter(|left| left.starts_with(&format!("{name}."))).collect();
    assert!(left.is_empty(), "{left:?}");
    name
}

/// A table as lines.
fn read(scene: &Scene, name: &str) -> String {
    let ran = scene.host(&wat::keeps_all()).args("--to ndjson").arg(name).run();
    String::from_utf8(ran.exits(0).stdout.clone()).unwrap()
}

#[test]
fn rows_come_and_go_in_their_order() {
    let text = lines(50_000);
    for kind in KINDS {
        let scene = Scene::new();
        let name = table(&scene, kind, &text);
        for workers in [1, 3] {
            let host = scene.host(&wat::keeps_all()).args(&format!("--workers {workers}"));
            let ran = host.args("--range-size 30000").arg(&name).run();
            ran.exits(0).writes(&text);
            ran.account().holds(&[("record read", 50_000)]);
        }
        let host = scene.host(&wat::filter(WITH_AN_X)).arg(&name);
        let some = text.lines().filter(|line| line.contains('x'));
        host.run().exits(0).writes(some.map(|line| format!("{line}\n")).collect::<String>());
    }
}

#[test]
fn a_table_may_come_through_a_pipe_or_be_compressed() {
    let text = lines(3_000);
    for kind in KINDS {
        let scene = Scene::new();
        let name = table(&scene, kind, &text);
        let bytes = scene.read(&name);
        let from = kind.trim_end_matches("-stream");
        let host = scene.host(&wat::keeps_all()).args(&format!("--from {from}"));
        host.stdin(&bytes).run().exits(0).writes(&text);
        scene.file(&format!("{name}.gz"), gzip(&bytes));
        let packed = scene.host(&wat::keeps_all()).arg(format!("{name}.gz"));
        packed.run().exits(0).writes(&text);
    }
}

#[test]
fn a_table_may_go_to_standard_output() {
    let text = lines(3_000);
    for kind in KINDS {
        let scene = Scene::new();
        let ran =
            scene.host(&wat::keeps_all()).args("--from ndjson --to").arg(kind).stdin(&text).run();
        let from = kind.trim_end_matches("-stream");
        let host = scene.host(&wat::keeps_all()).args(&format!("--from {from}"));
        host.stdin(&ran.exits(0).stdout).run().exits(0).writes(&text);
    }
}

#[test]
fn some_columns_are_read_and_others_are_never_seen() {
    let scene = Scene::new();
    for kind in KINDS {
        let name = table(&scene, kind, &lines(2));
        let host = scene.host(&wat::keeps_all()).args("--columns word,n").arg(&name);
        host.run().exits(0).writes("{\"n\":0,\"word\":null}\n{\"n\":1,\"word\":\"text 1\"}\n");
        let host = scene.host(&wat::keeps_all()).args("--columns n,other").arg(&name);
        host.run()
            .exits(1)
            .says("there is no column `other` (--columns); there are n, word, list, in");
        let rows = scene.host(&wat::keeps_all()).args("--to csv --columns word,n").arg(&name);
        rows.run().exits(0).writes("word,n\n,0\ntext 1,1\n");
    }
    let host = scene.host(&wat::keeps_all()).args("--columns n lines.ndjson");
    host.run().exits(2).says("no input is a table (--from parquet)");
}

#[test]
fn several_tables_are_one_input_and_each_may_have_its_output() {
    let scene = Scene::new();
    let (parquet, arrow) =
        (table(&scene, "parquet", &lines(10)), table(&scene, "arrow", &lines(3)));
    let both = format!("{parquet} {arrow}");
    scene.host(&wat::keeps_all()).args(&both).run().exits(0).writes(lines(10) + &lines(3));
    scene.host(&wat::keeps_all()).args(&both).args("-o all.parquet").run().exits(0);
    same(read(&scene, "all.parquet").as_bytes(), (lines(10) + &lines(3)).as_bytes());
    scene.host(&wat::keeps_all()).args(&both).args("--output-dir out").run().exits(0);
    assert_eq!(read(&scene, &format!("out/{parquet}")), lines(10));
    assert_eq!(read(&scene, &format!("out/{arrow}")), lines(3));
    assert!(scene.read(&format!("out/{arrow}")).starts_with(b"ARROW1"));
}

#[test]
fn one_record_or_the_first_of_a_table() {
    let scene = Scene::new();
    for kind in KINDS {
        let name = table(&scene, kind, &lines(9_000));
        let line = |n: usize| lines(9_000).lines().nth(n).unwrap().to_owned() + "\n";
        let host = |flags: &str| scene.host(&wat::keeps_all()).args(flags).arg(&name).run();
        host("--only 8,500").exits(0).writes(line(8_499));
        host("--limit 2").exits(0).writes(line(0) + &line(1));
        host("--only 9001").exits(1).says("it has 9,000 records, and no record 9,001");
        host("--limit 1 --range-size 1").exits(0).writes(line(0));
    }
}

#[test]
fn a_row_that_fails_is_named_kept_and_tried_again() {
    let scene = Scene::new();
    let text = lines(100).replace("\"text 50\"", "\"!\"");
    for kind in KINDS {
        let name = table(&scene, kind, &text);
        let host = scene.host(&wat::where_marked("unreachable")).arg(&name);
        host.run().exits(1).says(&format!("record 51 of {name} "));
        let host = scene
            .host(&wat::where_marked("unreachable"))
            .args("--dead-letters dead -o rest.parquet");
        let account = host.arg(&name).run().exits(4).account();
        account.holds(&[("dead-lettered", 1), ("kept", 99)]);
        let letter: Value = serde_json::from_slice(&scene.read("dead")).unwrap();
        assert_eq!((&letter["record"], &letter["file"]), (&51.into(), &name.clone().into()));
        assert_eq!(letter["text"].as_str(), text.lines().nth(50));
        let rest: String = text
            .lines()
            .filter(|line| !line.contains('!'))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(read(&scene, "rest.parquet"), rest);
        std::fs::remove_file(scene.path("dead")).unwrap();
    }
}

#[test]
fn a_filter_keeps_the_types_of_its_table() {
    let scene = Scene::new();
    scene.file("schema", "message m { required int32 n; optional int64 at (TIMESTAMP(MICROS,true)); optional int32 price (DECIMAL(9,2)); }");
    scene.file("a.ndjson", "{\"n\":1,\"at\":\"2024-02-29T12:00:00Z\",\"price\":1.5}\n{\"n\":2}\n");
    let host = scene.host(&wat::keeps_all()).args("a.ndjson --schema schema -o a.parquet");
    host.run().exits(0);
    let wanted = "{\"n\":1,\"at\":\"2024-02-29T12:00:00Z\",\"price\":1.50}\n{\"n\":2,\"at\":null,\"price\":null}\n";
    assert_eq!(read(&scene, "a.parquet"), wanted);
    // Through another table, and back: without the types both would be other texts.
    scene.host(&wat::keeps_all()).args("a.parquet -o b.arrow").run().exits(0);
    scene.host(&wat::keeps_all()).args("b.arrow -o c.parquet --columns price,at").run().exits(0);
    scene.file("more.ndjson", "{\"at\":\"2024-02-29T13:00:00+01:00\",\"price\":2}\n");
    let host = scene.host(&wat::keeps_all()).args("more.ndjson --schema c.parquet --to arrow -o d");
    host.run().exits(0);
    let ran = scene.host(&wat::keeps_all()).args("--from arrow d").run();
    ran.exits(0).writes("{\"at\":\"2024-02-29T12:00:00Z\",\"price\":2.00}\n");
}

#[test]
fn what_fits_no_schema_is_whole_as_lines_and_gone_on_with() {
    let scene = Scene::new();
    scene.file("a.ndjson", "{\"n\":1}\n{\"n\":\"two\"}\n");
    let host = scene.host(&wat::keeps_all()).args("a.ndjson -o a.parquet");
    host.run()
        .exits(1)
        .says("cannot make the table: record 2 has a string in `n`, where record 1 has a number")
        .says("a.parquet.partial");
    same(&scene.read("a.parquet.partial"), b"{\"n\":1}\n{\"n\":\"two\"}\n");
    assert!(!scene.path("a.parquet.table").exists() && !scene.path("a.parquet").exists());
    scene.file("schema", "message m { optional binary n (STRING); }");
    let host = scene.host(&wat::keeps_all()).args("a.ndjson -o a.parquet --resume --schema schema");
    host.run().exits(1).says("record 1 does not fit the schema: `n` is Utf8 or null");
    scene.file("schema", "message m { optional int64 n; }");
    let host = scene.host(&wat::keeps_all()).args("a.ndjson -o a.parquet --resume --schema schema");
    host.run().exits(1).says("record 2 does not fit the schema: `n` is Int64 or null");
}

#[test]
fn a_run_that_stopped_is_gone_on_with() {
    let text = lines(3_000).replace("\"text 2000\"", "\"!\"");
    for kind in KINDS {
        let scene = Scene::new();
        let name = table(&scene, kind, &text);
        let flags = format!("--range-size 5000 --fsync range -o out.parquet {name}");
        let host = scene.host(&wat::where_marked("unreachable")).args(&flags);
        host.run().exits(1).says("to go on from there: the same command with --resume");
        assert!(!scene.path("out.parquet").exists());
        let host = scene.host(&wat::keeps_all()).args(&flags).args("--resume --accept-plugin");
        host.run().exits(0).says("host: going on at byte");
        assert_eq!(read(&scene, "out.parquet"), text);
        let left: Vec<_> =
            scene.names().into_iter().filter(|name| name.starts_with("out.parquet.")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn what_is_no_table_is_named() {
    let scene = Scene::new();
    let name = table(&scene, "parquet", &lines(100));
    let whole = scene.read(&name);
    scene.file("cut.parquet", &whole[..whole.len() / 2]);
    scene.file("empty.parquet", "");
    scene.file("text.parquet", lines(10));
    scene.file("text.arrow", lines(10));
    for (name, says) in [
        (
            "cut.parquet",
            "cannot read cut.parquet as Parquet: it has no end: it was cut, or is still being written",
        ),
        ("empty.parquet", "cannot read empty.parquet as Parquet: it is empty"),
        ("text.parquet", "cannot read text.parquet as Parquet: it is no Parquet file"),
        ("text.arrow", "cannot read text.arrow as Arrow: it is no Arrow file or stream"),
    ] {
        scene.host(&wat::keeps_all()).arg(name).run().exits(1).says(says).says("0 records read");
    }
    // What stands before what is damaged is committed.
    let mut damaged = scene.read(&table(&scene, "arrow", &lines(50_000)));
    let middle = damaged.len() / 2;
    damaged[middle..middle + 1000].fill(0xff);
    scene.file("damaged.arrow", &damaged);
    let ran = scene.host(&wat::keeps_all()).args("damaged.arrow -o out.ndjson").run();
    ran.exits(1).says("cannot go on reading damaged.arrow: ");
    let kept = String::from_utf8(scene.read("out.ndjson.partial")).unwrap();
    assert!(!kept.is_empty() && lines(50_000).starts_with(&kept));
}

#[test]
fn what_contradicts_itself_is_refused() {
    let scene = Scene::new();
    scene.file("a.ndjson", lines(3));
    for (flags, says) in [
        ("a.ndjson -o a.parquet.gz --to parquet", "a.parquet.gz cannot be compressed as a whole"),
        ("a.ndjson --schema nowhere", "--schema is about an output that is a table"),
        ("a.ndjson --schema nowhere -o a.parquet", "cannot read the schema nowhere"),
        ("a.ndjson --from parquet --records /a", "--records names an array inside a JSON text"),
    ] {
        scene.host(&wat::keeps_all()).args(flags).run().exits(2).says(says);
    }
    scene.file("schema", "message m { int n }");
    let host = scene.host(&wat::keeps_all()).args("a.ndjson --schema schema -o a.parquet");
    host.run().exits(1).says("cannot make the table: the schema (--schema): ");
}

#[test]
fn a_table_needs_memory_that_it_may_have() {
    let scene = Scene::new();
    let text = format!("{{\"a\":\"{}\"}}\n", "x".repeat(20 << 20));
    let name = table(&scene, "arrow", &text);
    let host = scene.host(&wat::keeps_all()).args("--table-memory 40MiB").arg(&name);
    host.run().exits(1).says("it needs more memory than it may have (--table-memory 40.0 MiB)");
    let host = scene
        .host(&wat::keeps_all())
        .args("--memory-budget 1500MB --max-record 32MB --table-memory 200MB");
    host.arg(&name).run().exits(0).writes(&text);
}

#[test]
fn whoever_stops_reading_stops_the_making_of_a_table() {
    let scene = Scene::new();
    scene.file("lines.ndjson", lines(300_000));
    let host = scene.host(&wat::keeps_all()).args("lines.ndjson --to arrow-stream --quiet");
    let mut child = host.start();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
