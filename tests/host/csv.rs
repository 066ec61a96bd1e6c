//! CSV and TSV from end to end: rows, headers, several inputs.

use crate::run::{Ran, Scene};
use crate::wat;

fn over(arguments: &str, text: impl AsRef<[u8]>) -> Ran {
    Scene::new().host(&wat::keeps_all()).args(arguments).stdin(text).run()
}

/// From a file and from a stream, for several numbers of workers and sizes of ranges.
fn every_way(plugin: &str, name: &str, bytes: &[u8], arguments: &str, check: &dyn Fn(&Ran)) {
    let scene = Scene::new();
    scene.file(name, bytes);
    let from = if name.ends_with(".tsv") { "--from tsv" } else { "--from csv" };
    for workers in ["1", "2", "3", "8"] {
        for range_size in ["1", "100", "5000", "1MiB"] {
            let more = format!("{arguments} --workers {workers} --range-size {range_size}");
            check(&scene.host(plugin).args(&more).arg(name).run());
            check(&scene.host(plugin).args(&more).args(from).stdin(bytes).run());
        }
    }
}

/// Rows with everything that a field can hold.
fn table(delimiter: char, rows: usize) -> String {
    let header = format!("id{delimiter}\"the \"\"note\"\"\"{delimiter}rest\r\n");
    let rows = (0..rows).map(|number| {
        let note = match number % 5 {
            0 => "plain".to_owned(),
            1 => format!("\"{delimiter} and\r\na \"\"line\"\" break\n\""),
            2 => String::new(),
            3 => "\"\"\"\"".to_owned(),
            _ => format!("a \"quote\" in {number}"),
        };
        format!("{number}{delimiter}{note}{delimiter}\u{e9}\r\n")
    });
    header + &rows.collect::<String>()
}

/// The same with ends of rows as they are written: quoted ones stay.
fn with_newlines(table: &str) -> String {
    table.replace("\u{e9}\r\n", "\u{e9}\n").replacen("rest\r\n", "rest\n", 1)
}

#[test]
fn rows_come_out_as_they_went_in_but_for_their_ends() {
    for (name, delimiter) in [("data.csv", ','), ("data.tsv", '\t')] {
        let text = table(delimiter, 1000);
        every_way(&wat::keeps_all(), name, text.as_bytes(), "", &|ran| {
            ran.exits(0).writes(with_newlines(&text));
            ran.account().holds(&[("kept", 1000), ("record written", 1000)]);
        });
    }
}

#[test]
fn records_that_trap_are_found_and_named_among_rows() {
    let mut text = table(',', 200);
    text.push_str("200,\"!\n\",x\r\n201,a,b\r\n202,!,c");
    let wanted = with_newlines(&table(',', 200)) + "201,a,b\n";
    every_way(
        &wat::traps(),
        "data.csv",
        text.as_bytes(),
        "--on-error skip --max-errors 2",
        &|ran| {
            ran.exits(0).writes(&wanted).account().holds(&[("record read", 203), ("trap", 2)]);
        },
    );
    let scene = Scene::new();
    scene.file("data.csv", "a,b\r\n1,2\r\n\r\n3,!\r\n");
    let ran = scene.host(&wat::traps()).arg("data.csv").run();
    ran.exits(1)
        .writes("a,b\n1,2\n")
        .says("record 2 of data.csv (byte 12, 3 long) made the plugin");
}

#[test]
fn rows_end_in_three_ways_and_those_without_bytes_are_no_records() {
    let ran = over("--from csv", "a,b\n1,2\r\n3,4\r\r\n\n5,6\n\n\n");
    ran.exits(0).writes("a,b\n1,2\n3,4\n5,6\n").account().holds(&[("record read", 3)]);
    let ran = over("--from csv", "\n\r\na\n\n\"\"\n");
    ran.exits(0).writes("a\n\"\"\n").account().holds(&[("record read", 1)]);
    over("--from csv", "a,b\n1,2").exits(0).writes("a,b\n1,2\n");
}

#[test]
fn a_byte_order_mark_is_dropped_before_a_header_and_a_quote() {
    over("--from csv --to ndjson", "\u{feff}a,b\n1,2\n")
        .exits(0)
        .writes("{\"a\":\"1\",\"b\":\"2\"}\n");
    over("--from csv", "\u{feff}\"a\n\"\n1\n").exits(0).writes("\"a\n\"\n1\n");
    let scene = Scene::new();
    scene.file("a.csv", "\u{feff}\"a\"\n1\n").file("b.csv", "\u{feff}a\n\u{feff}2\n");
    let ran = scene.host(&wat::keeps_all()).args("a.csv b.csv").run();
    ran.exits(0).writes("a\n1\n\u{feff}2\n");
}

#[test]
fn a_header_alone_is_all_that_comes_out() {
    for text in ["a,b\n", "a,b", "\r\na,b\r\n\r\n"] {
        over("--from csv", text).exits(0).writes("a,b\n").account().holds(&[("record read", 0)]);
        over("--from csv --to ndjson", text).exits(0).writes("");
        over("--from csv --columns b", text).exits(0).writes("b\n");
    }
    let ran = Scene::new().host(&wat::drops_all()).args("--from csv").stdin("a\n1\n").run();
    ran.exits(0).writes("a\n").account().holds(&[("dropped", 1)]);
}

#[test]
fn an_empty_input_has_no_header_and_no_rows() {
    for text in ["", "\u{feff}", "\r\n\n"] {
        over("--from csv", text).exits(0).writes("");
        over("--from csv --columns a", text).exits(0).writes("a\n");
        let scene = Scene::new();
        scene.file("empty.csv", text).file("b.csv", "a\n1\n");
        let ran = scene.host(&wat::keeps_all()).args("empty.csv b.csv empty.csv").run();
        ran.exits(0).writes("a\n1\n");
    }
}

#[test]
fn rows_with_too_few_or_too_many_fields_are_malformed() {
    for (row, has) in [("1", 1), ("1,2,3", 3), ("1,2,", 3), ("\"\"", 1)] {
        let text = format!("a,b\n0,0\n{row}\n4,5\n");
        let ran = over("--from csv", &text);
        let what = format!("the number of its fields is {has}, and that of the header is 2");
        ran.exits(1).writes("a,b\n0,0\n").says("record 2 of standard input").says(&what);
        let ran = over("--from csv --on-error skip", &text);
        ran.exits(4).writes("a,b\n0,0\n4,5\n").account().holds(&[("malformed", 1)]);
    }
    over("--from csv --no-header", "1\n2,3\n,\n").exits(0).writes("1\n2,3\n,\n");
}

#[test]
fn text_behind_a_closing_quote_is_malformed_and_the_next_row_is_found() {
    let text = "a,b\n\"1\"x,\"2\n\"\n3,4\n5,\"6\" \n7,8\n";
    let ran = over("--from csv --on-error skip", text);
    ran.exits(4).writes("a,b\n3,4\n7,8\n").account().holds(&[("malformed", 2)]);
    over("--from csv", text).exits(1).says("closing quote of its field 1");
}

#[test]
fn a_row_that_is_no_text_is_malformed() {
    let ran = over("--from csv --on-error skip", b"a\n\xff\n1\n");
    ran.exits(4).writes("a\n1\n").account().holds(&[("malformed", 1)]);
}

#[test]
fn a_quoted_field_that_is_never_closed_ends_the_job_where_it_begins() {
    let scene = Scene::new();
    let text = format!("{}7,\"x\n8,9,10\n", table(',', 500));
    let at = text.find("7,\"x").unwrap() + 2;
    scene.file("data.csv", &text);
    for more in ["", "--on-error skip --workers 3 --range-size 100"] {
        let ran = scene.host(&wat::keeps_all()).args(more).arg("data.csv").run();
        ran.exits(1).writes(with_newlines(&table(',', 500)));
        ran.says(&format!("data.csv is broken at byte {at}: this quoted field is never closed"));
        let ran = scene.host(&wat::keeps_all()).args(more).args("--from csv").stdin(&text).run();
        ran.exits(1).writes(with_newlines(&table(',', 500))).says("never closed");
    }
    scene.file("header.csv", "a,\"b\n1,2\n");
    let ran = scene.host(&wat::keeps_all()).arg("header.csv").run();
    ran.exits(1).writes("").says("header.csv is broken at byte 2");
    over("--from csv", "a,\"b\n1,2\n").exits(1).writes("").says("never closed");
}

#[test]
fn a_header_that_tells_no_columns_apart_is_refused() {
    for (header, why) in [
        ("a,b,a", "names two columns `a`: number 1 and number 3"),
        ("a,,b", "no name for column 2"),
        ("\"a\"b,c", "text between the closing quote of its field 1"),
    ] {
        let text = format!("{header}\n1,2,3\n");
        let scene = Scene::new();
        scene.file("data.csv", &text);
        let ran = scene.host(&wat::keeps_all()).arg("data.csv").run();
        ran.exits(1).writes("").says("the header of data.csv").says(why).says("--no-header");
        over("--from csv", &text)
            .exits(1)
            .writes("")
            .says("the header of standard input")
            .says(why);
    }
    over("--from csv", b"a,\xff\n").exits(1).says("is not UTF-8 text");
    // An index is often written so.
    over("--from csv --to ndjson", ",a\n0,1\n").exits(0).writes("{\"\":\"0\",\"a\":\"1\"}\n");
    over("--from csv", "a,a\u{1b}[31m,a\u{1b}[31m\n").exits(1).says("`a\\u{1b}[31m`");
}

#[test]
fn a_header_is_no_longer_than_a_record_may_be() {
    let text = format!("{}\n1\n", "x".repeat(2000));
    let scene = Scene::new();
    scene.file("data.csv", &text);
    let ran = scene.host(&wat::keeps_all()).args("--max-record 1999 data.csv").run();
    ran.exits(1).writes("").says("the header of data.csv is longer than --max-record allows");
    over("--from csv --max-record 1999", &text)
        .exits(1)
        .writes("")
        .says("longer than --max-record");
    for range_size in ["1", "1MiB"] {
        let arguments = format!("--max-record 2000 --range-size {range_size}");
        let ran = scene.host(&wat::keeps_all()).args(&arguments).arg("data.csv").run();
        ran.exits(0).writes(&text);
        over(&format!("{arguments} --from csv"), &text).exits(0).writes(&text);
    }
}

#[test]
fn several_inputs_each_have_their_header() {
    let scene = Scene::new();
    scene
        .file("a.csv", "x,y\n1,2\n")
        .file("b.csv", "\"x\",\"y\"\r\n3,4")
        .file("c.tsv", "x\ty\n5\t6\n");
    scene.file("d.csv", "x,z\n7,8\n").file("e.csv", "x\n9\n").file("f.csv", "x,y,z\n9,9,9\n");
    let host = || scene.host(&wat::keeps_all());
    for workers in ["1", "3"] {
        let ran = host().args("a.csv b.csv c.tsv --workers").arg(workers).run();
        ran.exits(0).writes("x,y\n1,2\n3,4\n5,6\n").account().holds(&[("record read", 3)]);
        for (other, how) in [
            ("d.csv", "its column 2 is `z` and not `y`"),
            ("e.csv", "it has no column 2, which is `y`"),
            ("f.csv", "its column 3 is `z`, which that has not"),
        ] {
            let ran = host().args("a.csv b.csv").args(other).args("--workers").arg(workers).run();
            ran.exits(1).writes("x,y\n1,2\n3,4\n").says(&format!("the header of {other} differs"));
            ran.says("from that of a.csv").says(how).says("--columns");
        }
    }
    let ran = host().args("a.csv d.csv --to ndjson").run();
    ran.exits(0).writes("{\"x\":\"1\",\"y\":\"2\"}\n{\"x\":\"7\",\"z\":\"8\"}\n");
    let ran = host().args("d.csv a.csv e.csv f.csv --columns x").run();
    ran.exits(0).writes("x\n7\n1\n9\n9\n");
    let ran = host().args("f.csv a.csv --columns z,x").run();
    ran.exits(1).writes("z,x\n9,9\n").says("the header of a.csv has no column `z`");
    let map = wat::map("(call $some (local.get $at) (local.get $length))");
    let ran = scene.host(&map).args("a.csv d.csv --columns z,x,y").run();
    ran.exits(0).writes("z,x,y\n,1,2\n8,7,\n");
    let ran = scene.host(&map).args("a.csv d.csv").run();
    ran.exits(1).writes("x,y\n1,2\n").says("the header of d.csv differs");
}

#[test]
fn many_inputs_beyond_those_that_workers_inherit_keep_their_headers() {
    let scene = Scene::new();
    let mut host = scene.host(&wat::keeps_all()).args("--to ndjson --workers 3");
    let mut wanted = String::new();
    for number in 0..100 {
        scene.file(&format!("{number}.csv"), format!("c{number}\n{number}\n"));
        host = host.arg(format!("{number}.csv"));
        wanted.push_str(&format!("{{\"c{number}\":\"{number}\"}}\n"));
    }
    host.run().exits(0).writes(wanted);
}

#[test]
fn compressed_rows_are_told_by_their_inner_name() {
    let scene = Scene::new();
    let text = table(',', 300);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
    scene.file("data.csv.gz", encoder.finish().unwrap());
    scene.file("data.tsv.zst", zstd::encode_all(&b"a\tb\n1\t2\n"[..], 0).unwrap());
    let host = || scene.host(&wat::keeps_all());
    host().arg("data.csv.gz").run().exits(0).writes(with_newlines(&text));
    host().arg("data.tsv.zst").run().exits(0).writes("a\tb\n1\t2\n");
}

#[test]
fn plugins_see_objects_under_a_header_and_arrays_without() {
    // Only the one with this byte at its beginning is kept.
    let begins_with = |byte: u8| {
        let body = format!(
            "(if (i32.eq (i32.load8_u (local.get $at)) (i32.const {byte})) (then (return (call $yes)))) (call $no)"
        );
        wat::filter(&body)
    };
    let ran = |plugin: &str, arguments: &str| {
        Scene::new().host(plugin).args(arguments).stdin("a\n1\n").run()
    };
    ran(&begins_with(b'{'), "--from csv").exits(0).writes("a\n1\n");
    ran(&begins_with(b'['), "--from csv").exits(0).writes("a\n");
    ran(&begins_with(b'['), "--from csv --no-header").exits(0).writes("a\n1\n");
    ran(&begins_with(b'a'), "--from lines").exits(0).writes("a\n");
}
