//! What a record is and how records come out, edge by edge.

use crate::run::{Ran, Scene};
use crate::wat;

/// Runs a plugin that keeps everything over one file.
fn kept(name: &str, bytes: impl AsRef<[u8]>) -> Ran {
    kept_with("", name, bytes)
}

fn kept_with(arguments: &str, name: &str, bytes: impl AsRef<[u8]>) -> Ran {
    let scene = Scene::new();
    scene.file(name, bytes);
    scene.host(&wat::keeps_all()).args(arguments).arg(name).run()
}

/// The same over standard input.
fn kept_of_stdin(arguments: &str, bytes: impl AsRef<[u8]>) -> Ran {
    Scene::new().host(&wat::keeps_all()).args(arguments).stdin(bytes).run()
}

fn dropped(name: &str, bytes: impl AsRef<[u8]>) -> Ran {
    let scene = Scene::new();
    scene.file(name, bytes);
    scene.host(&wat::drops_all()).arg(name).run()
}

#[test]
fn lines_come_out_as_they_went_in() {
    let lines = "{\"a\": 1}\n  {\"b\":2}\nnot json at all\n";
    for name in ["data.ndjson", "data.jsonl"] {
        kept(name, lines).exits(0).writes(lines).account().holds(&[("record read", 3)]);
    }
}

#[test]
fn a_last_line_without_newline_gets_one() {
    kept("data.ndjson", "{\"a\":1}\n{\"b\":2}").exits(0).writes("{\"a\":1}\n{\"b\":2}\n");
    kept_of_stdin("--from ndjson", "1\n2").exits(0).writes("1\n2\n");
}

#[test]
fn a_carriage_return_stays_part_of_its_line() {
    kept("data.ndjson", "1\r\n2\r\n3").exits(0).writes("1\r\n2\r\n3\n");
}

#[test]
fn blank_lines_are_no_records() {
    let ran = kept("data.ndjson", "\n1\n\n \t\r\n2\n\n");
    ran.exits(0).writes("1\n2\n").account().holds(&[("record read", 2)]);
}

#[test]
fn a_byte_order_mark_is_dropped() {
    for (name, after, wanted) in [
        ("data.ndjson", "1\n2\n", "1\n2\n"),
        ("data.json", "{} {}", "{}\n{}\n"),
        ("data.json", "[1]", "[\n1\n]\n"),
        ("data.ndjson", "", ""),
    ] {
        let text = format!("\u{feff}{after}");
        let from = if name == "data.json" { "--from json" } else { "--from ndjson" };
        kept(name, &text).exits(0).writes(wanted);
        kept_of_stdin(from, &text).exits(0).writes(wanted);
    }
}

#[test]
fn a_byte_order_mark_is_dropped_where_each_input_begins() {
    let scene = Scene::new();
    scene.file("a.ndjson", "\u{feff}1\n").file("b.ndjson", "\u{feff}2\n\u{feff}3\n");
    let ran = scene.host(&wat::keeps_all()).args("a.ndjson b.ndjson").run();
    ran.exits(0).writes("1\n2\n\u{feff}3\n");
}

#[test]
fn empty_input_gives_empty_output() {
    for text in ["", " \n\t\r\n"] {
        for name in ["data.ndjson", "data.json", "data"] {
            kept(name, text).exits(0).writes("").account().holds(&[("record read", 0)]);
        }
        kept_of_stdin("", text).exits(0).writes("").account().holds(&[("record read", 0)]);
        kept_of_stdin("--from ndjson", text).exits(0).writes("");
    }
}

#[test]
fn an_empty_array_stays_one() {
    for text in ["[]", " [ \n ]\n"] {
        kept("data.json", text).exits(0).writes("[]\n").account().holds(&[("record read", 0)]);
        kept_of_stdin("", text).exits(0).writes("[]\n");
    }
}

#[test]
fn an_array_of_which_nothing_is_kept_comes_out_empty() {
    dropped("data.json", "[1, 2, 3]").exits(0).writes("[]\n").account().holds(&[("dropped", 3)]);
    dropped("data.json", "1 2 3").exits(0).writes("");
}

#[test]
fn an_array_comes_out_as_an_array_with_an_element_a_line() {
    let text = "\n [1,\"two\" ,\t{\"three\": 3}\n, null,[4 ]]  \n";
    let wanted = "[\n1,\n\"two\",\n{\"three\": 3},\nnull,\n[4 ]\n]\n";
    kept("data.json", text).exits(0).writes(wanted).account().holds(&[("record read", 5)]);
    kept("data.dat", text).exits(0).writes(wanted);
    kept_of_stdin("", text).exits(0).writes(wanted);
}

#[test]
fn pretty_printed_elements_keep_their_inner_white_space() {
    let text = "[\n  {\n    \"a\": [\n      1\n    ]\n  },\n  {\r\n    \"b\": 2\r\n  }\n]\n";
    let wanted = "[\n{\n    \"a\": [\n      1\n    ]\n  },\n{\r\n    \"b\": 2\r\n  }\n]\n";
    kept("data.json", text).exits(0).writes(wanted);
    kept_of_stdin("", text).exits(0).writes(wanted);
}

#[test]
fn values_of_a_sequence_may_touch() {
    let text = "{}{}[1][]\"a\"\"b\"1 2{\"a\":\n1}true\"]\"null";
    let wanted = "{}\n{}\n[1]\n[]\n\"a\"\n\"b\"\n1\n2\n{\"a\":\n1}\ntrue\n\"]\"\nnull\n";
    kept_with("--range-size 1", "data.json", format!(" {text}")).exits(0).writes(wanted);
    kept_of_stdin("", text).exits(0).writes(wanted).account().holds(&[("record read", 12)]);
}

#[test]
fn brackets_and_quotes_in_strings_split_nothing() {
    let values = [r#"{"a]":"}{"}"#, r#"["\"],[",1]"#, r#""\\""#, r#"{"\\\"}":"\\"}"#];
    let wanted = format!("[\n{}\n]\n", values.join(",\n"));
    kept("data.json", format!("[{}]", values.join(","))).exits(0).writes(&wanted);
    let wanted = format!("{}\n", values.join("\n"));
    kept("data.json", values.join("")[..].replacen('{', " {", 1)).exits(0).writes(&wanted);
}

#[test]
fn a_json_file_with_one_value_a_line_is_a_sequence() {
    let text = "{\"a\": 1}\n\n{\"b\": 2}\r\n";
    kept("data.json", text).exits(0).writes("{\"a\": 1}\n{\"b\": 2}\n");
}

#[test]
fn from_decides_against_the_name() {
    kept_with("--from ndjson", "data.json", "[1,\n2]\n").exits(0).writes("[1,\n2]\n");
    kept_with("--from json", "data.ndjson", "[1,\n2]\n").exits(0).writes("[\n1,\n2\n]\n");
    kept_with("--from json", "data.jsonl", "{}{}").exits(0).writes("{}\n{}\n");
}

#[test]
fn to_ndjson_removes_white_space_between_tokens_only() {
    let values = "{ \"a b\" :\n\t[ 1, \" \\\" \" , 1e400 ],\"a b\" : \"\\ud83d\\ude80  \\n\" }";
    let line = "{\"a b\":[1,\" \\\" \",1e400],\"a b\":\"\\ud83d\\ude80  \\n\"}\n";
    kept_with("--to ndjson", "data.json", format!("[{values} , 2 ]")).writes(format!("{line}2\n"));
    kept_with("--to ndjson", "data.json", format!("{values}[ ]")).writes(format!("{line}[]\n"));
    kept_with("--to ndjson", "data.json", "[]").exits(0).writes("");
}

#[test]
fn to_ndjson_leaves_lines_as_they_are() {
    let lines = "{ \"a\" : 1 }\n\t[1 ]\r\n{ not json\n";
    kept_with("--to ndjson", "data.ndjson", lines).exits(0).writes(lines);
}

#[test]
fn to_json_makes_lines_a_sequence() {
    kept_with("--to json", "data.ndjson", "{ \"a\": 1}\n[2]").writes("{ \"a\": 1}\n[2]\n");
    let ran = kept_with("--to json", "data.ndjson", "1\n{\"a\"\n3\n");
    ran.exits(1).writes("1\n").says("record 2 of data.ndjson (byte 2, 4 long) is malformed");
}

#[test]
fn a_string_with_a_raw_line_break_cannot_become_a_line() {
    let text = "[\"a\", \"b\nc\", \"d\"]";
    let ran = kept_with("--to ndjson", "data.json", text);
    ran.exits(1).writes("\"a\"\n").says("record 2 of data.json (byte 6, 5 long) is malformed");
    kept("data.json", text).exits(0).writes("[\n\"a\",\n\"b\nc\",\n\"d\"\n]\n");
}

#[test]
fn the_output_follows_the_first_of_mixed_inputs() {
    let scene = Scene::new();
    scene.file("array.json", "[ {\"a\": 1}, 2 ]").file("lines.ndjson", "{\"b\": 3}\n\n[ 4]\n");
    scene.file("sequence.json", "{\"c\":\n5} 6").file("empty.json", "").file("none.json", "[]");
    for (inputs, wanted) in [
        ("array.json lines.ndjson", "[\n{\"a\": 1},\n2,\n{\"b\": 3},\n[ 4]\n]\n"),
        ("lines.ndjson array.json", "{\"b\": 3}\n[ 4]\n{\"a\":1}\n2\n"),
        ("array.json sequence.json", "[\n{\"a\": 1},\n2,\n{\"c\":\n5},\n6\n]\n"),
        ("sequence.json array.json", "{\"c\":\n5}\n6\n{\"a\": 1}\n2\n"),
        ("lines.ndjson sequence.json", "{\"b\": 3}\n[ 4]\n{\"c\":5}\n6\n"),
        ("none.json array.json none.json", "[\n{\"a\": 1},\n2\n]\n"),
        ("empty.json array.json", "{\"a\": 1}\n2\n"),
    ] {
        let ran = scene.host(&wat::keeps_all()).args(inputs).run();
        ran.exits(0).writes(wanted);
    }
}

#[test]
fn a_line_that_is_no_json_value_cannot_become_an_element() {
    for line in ["1, 2", "1 2", "[3", "]", "\"a"] {
        let scene = Scene::new();
        scene.file("array.json", "[0]").file("lines.ndjson", format!("{line}\n7\n"));
        let ran =
            scene.host(&wat::keeps_all()).args("--on-error skip array.json lines.ndjson").run();
        ran.exits(4).writes("[\n0,\n7\n]\n");
        ran.says("record 1 of lines.ndjson (byte 0,").account().holds(&[("malformed", 1)]);
    }
}

#[test]
fn odd_values_come_out_byte_for_byte() {
    let values = [
        "1e400",
        "-0.0",
        "123456789012345678901234567890.10",
        r#"{"a":1,"a":2,"\u0061":3}"#,
        r#""\ud83d\ude80 \/ \u00e9 é 🚀""#,
        r#""\ud83d alone""#,
        r#""\q is no escape""#,
        "NaN",
        "01",
    ];
    kept("data.json", format!("[{}]", values.join(" ,")))
        .exits(0)
        .writes(format!("[\n{}\n]\n", values.join(",\n")));
    let lines = format!("{}\n", values.join("\n"));
    kept("data.ndjson", &lines).exits(0).writes(&lines);
    kept("data.json", &lines).exits(0).writes(&lines);
    kept_with("--to ndjson", "data.json", &lines).exits(0).writes(&lines);
}

#[test]
fn deep_nesting_is_no_problem() {
    let deep = format!("{}{}", "[{\"a\":".repeat(100_000), "}]".repeat(100_000));
    kept("data.json", format!(" [{deep},1]")).exits(0).writes(format!("[\n{deep},\n1\n]\n"));
    kept("data.ndjson", &deep).exits(0).writes(format!("{deep}\n"));
    kept_of_stdin("", format!("0 {deep}")).exits(0).writes(format!("0\n{deep}\n"));
}

#[test]
fn one_huge_record_among_small_ones_is_a_record() {
    let huge = format!("{{\"a\": \"{}\\\"\"}}", "x\\\\é]".repeat(4 << 20));
    assert!(huge.len() > 20 << 20);
    let lines = format!("1\n{huge}\n2\n");
    kept("data.ndjson", &lines).exits(0).writes(&lines).account().holds(&[("record read", 3)]);
    kept_of_stdin("--from ndjson", &lines).exits(0).writes(&lines);
    let array = format!("[\n1,\n{huge},\n2\n]\n");
    kept("data.json", &array).exits(0).writes(&array).account().holds(&[("record read", 3)]);
    kept_of_stdin("", &array).exits(0).writes(&array);
    kept_of_stdin("", format!("{huge}{huge}")).exits(0).writes(format!("{huge}\n{huge}\n"));
}
