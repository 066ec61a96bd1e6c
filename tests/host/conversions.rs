//! What records become where the output has another format than the input, cell by cell,
//! and which formats do not go together.

use crate::run::{Scene, over};
use crate::wat::{self, SAME};

#[test]
fn what_a_filter_keeps_changes_as_little_as_the_output_demands() {
    let csv = "id,note\r\n1,\"a \"\"b\"\", c\"\r\n2,\td\n";
    let tsv = "id\tnote\r\n1\t\"a \"\"b\"\", c\"\r\n2\t,d\n";
    let lines = "one\n\n\"two\"\r\n";
    let json = "[{\"id\": 1, \"note\": \"a, b\"},\n {\"note\" :null}]";
    let ndjson = "{\"id\": 1}\n{\"note\":[1, true]}\n";
    for (arguments, text, wanted) in [
        ("--from csv", csv, "id,note\n1,\"a \"\"b\"\", c\"\n2,\td\n"),
        ("--from csv --to tsv", csv, "id\tnote\n1\t\"a \"\"b\"\", c\"\n2\t\"\td\"\n"),
        (
            "--from csv --to ndjson",
            csv,
            "{\"id\":\"1\",\"note\":\"a \\\"b\\\", c\"}\n{\"id\":\"2\",\"note\":\"\\td\"}\n",
        ),
        (
            "--from csv --to json",
            csv,
            "{\"id\":\"1\",\"note\":\"a \\\"b\\\", c\"}\n{\"id\":\"2\",\"note\":\"\\td\"}\n",
        ),
        ("--from csv --to lines", csv, "1,\"a \"\"b\"\", c\"\n2,\td\n"),
        ("--from csv --columns note", csv, "note\n\"a \"\"b\"\", c\"\n\td\n"),
        (
            "--from csv --to tsv --columns note,id",
            csv,
            "note\tid\n\"a \"\"b\"\", c\"\t1\n\"\td\"\t2\n",
        ),
        ("--from csv --no-header", csv, "id,note\n1,\"a \"\"b\"\", c\"\n2,\td\n"),
        ("--from csv --no-header --to tsv", csv, "id\tnote\n1\t\"a \"\"b\"\", c\"\n2\t\"\td\"\n"),
        (
            "--from csv --no-header --to ndjson",
            csv,
            "[\"id\",\"note\"]\n[\"1\",\"a \\\"b\\\", c\"]\n[\"2\",\"\\td\"]\n",
        ),
        ("--from tsv", tsv, "id\tnote\n1\t\"a \"\"b\"\", c\"\n2\t,d\n"),
        ("--from tsv --to csv", tsv, "id,note\n1,\"a \"\"b\"\", c\"\n2,\",d\"\n"),
        (
            "--from tsv --to ndjson",
            tsv,
            "{\"id\":\"1\",\"note\":\"a \\\"b\\\", c\"}\n{\"id\":\"2\",\"note\":\",d\"}\n",
        ),
        (
            "--from tsv --to json",
            tsv,
            "{\"id\":\"1\",\"note\":\"a \\\"b\\\", c\"}\n{\"id\":\"2\",\"note\":\",d\"}\n",
        ),
        ("--from tsv --to lines", tsv, "1\t\"a \"\"b\"\", c\"\n2\t,d\n"),
        ("--from lines", lines, lines),
        ("--from lines --to ndjson", lines, "\"one\"\n\"\"\n\"\\\"two\\\"\\r\"\n"),
        ("--from lines --to json", lines, "\"one\"\n\"\"\n\"\\\"two\\\"\\r\"\n"),
        ("--to lines", json, "{\"id\":1,\"note\":\"a, b\"}\n{\"note\":null}\n"),
        ("--to csv --columns id,note", json, "id,note\n1,\"a, b\"\n,\n"),
        ("--to tsv --columns note,x,id", json, "note\tx\tid\na, b\t\t1\n\t\t\n"),
        ("--from ndjson --to lines", ndjson, "{\"id\":1}\n{\"note\":[1,true]}\n"),
        ("--from ndjson --to csv --columns id,note", ndjson, "id,note\n1,\n,\"[1,true]\"\n"),
        ("--from ndjson --to tsv --columns note,id", ndjson, "note\tid\n\t1\n[1,true]\t\n"),
        ("--from ndjson --to csv --no-header", "[1, \"a\"]\n[2]\n", "1,a\n2\n"),
        ("--from ndjson --to csv --no-header --columns a,b", "{\"b\":1}\n[2,3]\n", ",1\n2,3\n"),
    ] {
        for more in ["", " --range-size 1 --workers 2"] {
            let ran = over(&wat::keeps_all(), &format!("{arguments}{more}"), text);
            assert_eq!(String::from_utf8_lossy(&ran.stdout), wanted, "{arguments}: {}", ran.stderr);
            ran.exits(0).account();
        }
    }
}

#[test]
fn the_name_of_an_output_says_its_format() {
    let json = "[{\"id\": 1, \"note\": \"a, b\"},\n {\"id\":2}]";
    for (arguments, output, wanted) in [
        ("", "out.ndjson", "{\"id\":1,\"note\":\"a, b\"}\n{\"id\":2}\n"),
        ("", "out.jsonl", "{\"id\":1,\"note\":\"a, b\"}\n{\"id\":2}\n"),
        ("", "out.txt", "{\"id\":1,\"note\":\"a, b\"}\n{\"id\":2}\n"),
        ("--columns id,note", "out.csv", "id,note\n1,\"a, b\"\n2,\n"),
        ("--columns id,note", "out.tsv", "id\tnote\n1\ta, b\n2\t\n"),
        // These say nothing, and the flag says more than any name.
        ("", "out.json", "[\n{\"id\": 1, \"note\": \"a, b\"},\n{\"id\":2}\n]\n"),
        ("", "out.csv.bak", "[\n{\"id\": 1, \"note\": \"a, b\"},\n{\"id\":2}\n]\n"),
        ("--to json", "out.csv", "[\n{\"id\": 1, \"note\": \"a, b\"},\n{\"id\":2}\n]\n"),
    ] {
        let scene = Scene::new();
        scene.file("data.json", json);
        let arguments = format!("{arguments} -o {output} data.json");
        scene.host(&wat::keeps_all()).args(&arguments).run().exits(0);
        assert_eq!(String::from_utf8_lossy(&scene.read(output)), wanted, "{arguments}");
    }
    // What is compressed has its format before that; what has no columns cannot be rows.
    let scene = Scene::new();
    scene.file("data.json", json);
    let run = |arguments: &str| scene.host(&wat::keeps_all()).args(arguments).run();
    run("-o out.ndjson.gz data.json").exits(0);
    let unpacked = "{\"id\":1,\"note\":\"a, b\"}\n{\"id\":2}\n";
    run("--to ndjson out.ndjson.gz").exits(0).writes(unpacked);
    let ran = run("-o out.csv data.json");
    ran.exits(2).says("data.json has no header").says("--columns a,b,c").says("--to ndjson");
    assert!(!scene.path("out.csv").exists());
}

#[test]
fn what_a_plugin_makes_is_a_record_of_the_output() {
    for (arguments, text, wanted) in [
        // A row is seen as an object, which is a row again.
        ("--from csv", "a,b\n1,\"x,\"\n", "a,b\n1,\"x,\"\n"),
        ("--from csv --to tsv", "a,b\n1,\"x,\"\n", "a\tb\n1\tx,\n"),
        ("--from tsv --to csv", "a\tb\n1\tx,\n", "a,b\n1,\"x,\"\n"),
        ("--from csv --columns b,c,a", "a,b\n1,2\n", "b,c,a\n2,,1\n"),
        ("--from csv --no-header", "a,b\n1,2,3\n", "a,b\n1,2,3\n"),
        ("--from csv --to ndjson", "a,b\n1,2\n", "{\"a\":\"1\",\"b\":\"2\"}\n"),
        ("--from csv --to json", "a,b\n1,2\n", "{\"a\":\"1\",\"b\":\"2\"}\n"),
        ("--from csv --to lines", "a,b\n1,2\n", "{\"a\":\"1\",\"b\":\"2\"}\n"),
        ("--from lines", "a\n\n b\r\nc", "a\n\n b\r\nc\n"),
        ("--from lines --to ndjson", "[1, 2]\n3", "[1,2]\n3\n"),
        ("--from lines --to json", "[1, 2]\n3", "[1, 2]\n3\n"),
        ("--from lines --to csv --columns a", "{\"a\":1.0}\n[\"x y\"]", "a\n1.0\nx y\n"),
        ("--from lines --to tsv --no-header", "[1,null,\"\\t\"]\n[2]", "1\t\t\"\t\"\n2\n"),
        ("--to lines", "[{\"a\": 1}, 2]", "{\"a\": 1}\n2\n"),
        ("--from ndjson --to lines", "{\"a\": 1}\n", "{\"a\": 1}\n"),
        ("--from ndjson --to csv --columns a", "{\"a\": 1}\n", "a\n1\n"),
        ("--from ndjson --to tsv --columns a,b", "{\"a\": 1}\n", "a\tb\n1\t\n"),
        ("--to csv --columns a", "[]", "a\n"),
    ] {
        over(&wat::map(SAME), arguments, text).exits(0).writes(wanted);
        over(&wat::flat_map(1), arguments, text).exits(0).writes(wanted);
    }
}

#[test]
fn a_batch_sees_and_makes_rows_as_a_map_does() {
    let rows: String = (0..3000).map(|number| format!("{number},\"x\"\"{number}\"\n")).collect();
    let wanted: String = (0..3000)
        .map(|number| {
            let row = format!("{number},\"x\"\"{number}\"\n");
            row.clone() + &row
        })
        .collect();
    for workers in ["--workers 1", "--workers 3 --range-size 1000"] {
        let arguments = format!("--from csv {workers}");
        let ran = over(&wat::batch(), &arguments, &format!("a,b\n{rows}"));
        ran.exits(0).writes(format!("a,b\n{wanted}"));
        ran.account().holds(&[("kept", 3000), ("record written", 6000)]);
    }
    // A malformed row among good ones is named as it is without a batch.
    let ran = over(&wat::batch(), "--from csv", "a,b\n1,2\n3\n4,5\n");
    ran.exits(1).writes("a,b\n1,2\n1,2\n").says("record 2 of standard input (byte 8, 1 long)");
    let ran = over(&wat::batch(), "--from csv", "a,b\n1,2\n\"!\",\"\n\"\n");
    ran.exits(1).says("record 2 of standard input (byte 8, 7 long) was rejected");
}

#[test]
fn a_reduce_sees_rows_and_makes_rows_where_their_columns_are_known() {
    let csv = "a,b\n1,2\n3,4\n";
    over(&wat::reduce(), "--from csv --columns b,a", csv).exits(0).writes("b,a\n2,1\n4,3\n");
    over(&wat::reduce(), "--from csv --no-header", "1,2\n3\n").exits(0).writes("1,2\n3\n");
    let json = "{\"a\":\"1\",\"b\":\"2\"}\n{\"a\":\"3\",\"b\":\"4\"}\n";
    over(&wat::reduce(), "--from csv --to ndjson", csv).exits(0).writes(json);
    over(&wat::reduce(), "--from lines", "a\nb").exits(0).writes("a\nb\n");
    let ran = over(&wat::reduce(), "--from csv", csv);
    ran.exits(2).writes("").says("--columns").says("--to ndjson");
    let ran = over(&wat::reduce(), "--from ndjson --to csv --columns a", "{\"b\":1}\n");
    ran.exits(1).says("record 1 of what `finish` made cannot be written").says("no column");
}

#[test]
fn merged_states_become_rows() {
    let scene = Scene::new();
    scene.file("a.csv", "a,b\n1,2\n").file("b.csv", "a,b\n3,4\n");
    for name in ["a", "b"] {
        // A state has no columns.
        let host = scene.host(&wat::reduce()).args("--partial-state -o");
        host.arg(format!("{name}.state")).arg(format!("{name}.csv")).run().exits(0);
    }
    let merge = || scene.bare().args("merge --plugin plugin.wat a.state b.state");
    merge().args("--to csv --columns b,a").run().exits(0).writes("b,a\n2,1\n4,3\n");
    merge().args("--to csv").run().exits(2).says("--columns a,b,c");
}

#[test]
fn what_is_no_record_of_the_output_fails() {
    for (plugin, arguments, text, kind, why) in [
        (wat::keeps_all(), "--from csv --to lines", "a\n\"x\ny\"\n", "is malformed", "line break"),
        (wat::keeps_all(), "--from csv --to lines", "a\n\"x\ry\"\n", "is malformed", "line break"),
        (wat::keeps_all(), "--to lines", "\"a\nb\"", "is malformed", "line break"),
        (wat::keeps_all(), "--from ndjson --to lines", "1 2\n", "is malformed", "one JSON value"),
        (
            wat::keeps_all(),
            "--from ndjson --to csv --columns a",
            "x\n",
            "is malformed",
            "JSON value",
        ),
        (wat::map(SAME), "--to csv --columns a", "{\"b\":1}", "became", "--columns says which"),
        (
            wat::keeps_all(),
            "--to csv --columns a",
            "[[1,2]]",
            "became",
            "2 elements where the output has 1",
        ),
        (wat::keeps_all(), "--to csv --no-header", "{\"b\":1}", "became", "--columns does"),
        (wat::keeps_all(), "--to csv --no-header", "[[]]", "became", "an empty array"),
        (wat::keeps_all(), "--to csv --columns a", "[1]", "became", "neither a JSON object"),
        (
            wat::map(SAME),
            "--to csv --columns a",
            "{\"a\":1,\"a\":2}",
            "became",
            "the name of one before",
        ),
        (
            wat::map(SAME),
            "--from lines --to csv --columns a",
            "x\n",
            "became",
            "not one JSON value",
        ),
        (
            wat::map("(call $some (i32.const 64) (i32.const 18))"),
            "--from lines",
            "x\n",
            "became",
            "line break",
        ),
    ] {
        let ran = over(&plugin, arguments, text);
        ran.exits(1).says("record 1 of standard input").says(kind).says(why);
        let ran = over(&plugin, &format!("{arguments} --on-error skip"), text);
        ran.exits(4).account().holds(&[("skipped", 1), ("record written", 0)]);
    }
}

#[test]
fn formats_that_do_not_go_together_are_refused_before_anything_starts() {
    let columns = "--columns a,b,c";
    for (plugin, arguments, remedy) in [
        (wat::keeps_all(), "--to csv", columns),
        (wat::keeps_all(), "--from ndjson --to tsv", columns),
        (wat::map(SAME), "--to csv", columns),
        (wat::map(SAME), "--from lines --to csv", columns),
        (wat::keeps_all(), "--from lines --to csv", "a line has no columns"),
        (wat::keeps_all(), "--from lines --to csv --columns a", "a line has no columns"),
        (wat::keeps_all(), "--from lines --to tsv --no-header", "a line has no columns"),
        (wat::keeps_all(), "--columns a", "--to csv"),
        (wat::keeps_all(), "--from csv --to ndjson --columns a", "--to csv"),
        (wat::keeps_all(), "--no-header", "neither"),
        (wat::keeps_all(), "--from lines --no-header --to ndjson", "neither"),
        (wat::keeps_all(), "--from csv --no-header --columns a", "--no-header"),
        (wat::keeps_all(), "--from csv --columns a,b,a", "two columns `a`: number 1 and number 3"),
        (wat::keeps_all(), "--from csv --columns a,", "no name for column 2"),
    ] {
        let ran = over(&plugin, arguments, "a\n1\n");
        ran.exits(2).writes("").says(remedy);
    }
    let scene = Scene::new();
    scene.file("a.csv", "a\n1\n").file("b.ndjson", "{\"a\":1}\n");
    let ran = scene.host(&wat::keeps_all()).args("a.csv b.ndjson").run();
    ran.exits(2).writes("").says("b.ndjson has no header").says(columns);
}

#[test]
fn columns_are_named_as_a_header_is() {
    let scene = Scene::new();
    let host = scene.host(&wat::keeps_all()).args("--to csv --columns");
    let ran = host.arg("\"a,b\", c").stdin("{\"a,b\":1,\" c\":2}").run();
    ran.exits(0).writes("\"a,b\", c\n1,2\n");
}

#[test]
fn inputs_of_several_formats_become_one() {
    let scene = Scene::new();
    scene.file("a.csv", "x,y\n1,2\n").file("b.ndjson", "{\"y\":4,\"x\":3}\n");
    scene.file("c.tsv", "y\tx\n6\t5\n").file("d.json", "[{\"x\":7}]").file("e.txt", "8\n");
    let host = || scene.host(&wat::keeps_all());
    let all = "a.csv b.ndjson c.tsv d.json";
    host().args(all).args("--columns x,y").run().exits(0).writes("x,y\n1,2\n3,4\n5,6\n7,\n");
    let ran = host().args(all).args("e.txt --to ndjson").run();
    ran.exits(0).writes(
        "{\"x\":\"1\",\"y\":\"2\"}\n{\"y\":4,\"x\":3}\n{\"y\":\"6\",\"x\":\"5\"}\n{\"x\":7}\n\"8\"\n",
    );
    let ran = host().args("d.json a.csv").run();
    ran.exits(0).writes("[\n{\"x\":7},\n{\"x\":\"1\",\"y\":\"2\"}\n]\n");
}

#[test]
fn a_converted_record_may_be_much_longer_than_it_was() {
    let name = "n".repeat(2000);
    let rows: String = (0..2000).map(|number| format!("{number}\n")).collect();
    let wanted: String = (0..2000).map(|number| format!("{{\"{name}\":\"{number}\"}}\n")).collect();
    for workers in ["--workers 1", "--workers 3"] {
        let arguments = format!("--from csv --to ndjson {workers}");
        let ran = over(&wat::keeps_all(), &arguments, &format!("{name}\n{rows}"));
        ran.exits(0).writes(&wanted).account().holds(&[("kept", 2000)]);
    }
    let controls = "\u{1}".repeat(300_000);
    let ran = over(&wat::keeps_all(), "--from lines --to ndjson", &controls);
    ran.exits(0).writes(format!("\"{}\"\n", "\\u0001".repeat(300_000)));
    let ran = over(
        &wat::keeps_all(),
        "--from lines --to ndjson --max-output 1KiB --max-record 400KB",
        &controls,
    );
    ran.exits(1).says("more than --max-output allows");
}

#[test]
fn columns_are_picked_from_objects_that_go_as_they_came() {
    let scene = Scene::new();
    scene.file("data.ndjson", "{\"a\":1,\"b\":\"x,y\",\"c\":[2]}\n{\"c\":null,\"d\":0}\n");
    let host = scene.host(&wat::keeps_all()).args("data.ndjson --to csv --columns c,b");
    host.run().exits(0).writes("c,b\n[2],\"x,y\"\n,\n");
    // What a plugin has made is its own word.
    let same = wat::map("(call $some (local.get $at) (local.get $length))");
    let host = scene.host(&same).args("data.ndjson --to csv --columns c,b");
    host.run().exits(1).says("member 1 of its object is no column of the output; --columns");
}
