//! Records that are the elements of an array inside a JSON text (`--records`).

use crate::compression::gzip;
use crate::run::{Ran, Scene};
use crate::wat;

const TEXT: &str = "{\"next\": \"]\", \"data\": [{\"rows\": [7]}, {\"rows\" : [ {\"a\": 1},\n 2 , \
                    \"x\" ], \"b\": {}}], \"rows\": 0}\n";
const ROWS: &str = "[\n{\"a\": 1},\n2,\n\"x\"\n]\n";

fn kept(pointer: &str, text: impl AsRef<[u8]>) -> Ran {
    let scene = Scene::new();
    scene.file("data.json", text);
    scene.host(&wat::keeps_all()).args("data.json --records").arg(pointer).run()
}

#[test]
fn the_elements_of_the_array_are_the_records() {
    let ran = kept("/data/1/rows", TEXT);
    ran.exits(0).writes(ROWS).account().holds(&[("record read", 3)]);
    kept("/data/0/rows", TEXT).exits(0).writes("[\n7\n]\n");
    kept("", "[1, 2]").exits(0).writes("[\n1,\n2\n]\n");
    kept("/a", "{\"a\": []}").exits(0).writes("[]\n");
}

#[test]
fn it_makes_no_difference_how_the_text_arrives() {
    let with_bom = format!("\u{feff}{TEXT}");
    for text in [TEXT, &with_bom] {
        for range_size in ["1", "7", "1MiB"] {
            let scene = Scene::new();
            scene.file("data.json", text).file("data.json.gz", gzip(text.as_bytes()));
            let host = || {
                let host = scene.host(&wat::keeps_all()).args("--records /data/1/rows");
                host.args("--workers 2 --range-size").arg(range_size)
            };
            host().arg("data.json").run().exits(0).writes(ROWS);
            host().arg("data.json.gz").run().exits(0).writes(ROWS);
            host().stdin(text).run().exits(0).writes(ROWS);
        }
    }
}

#[test]
fn a_large_text_is_followed_from_its_first_byte_to_its_last() {
    let pad = "[\"{\", {}],".repeat(100_000);
    let rows: Vec<String> = (0..50_000).map(|row| format!("{{\"row\": {row}}}")).collect();
    let text = format!(
        "{{\"before\": [{pad} 0], \"rows\": [{}], \"behind\": [{pad} 0]}}",
        rows.join(", ")
    );
    let wanted = format!("[\n{}\n]\n", rows.join(",\n"));
    kept("/rows", &text).exits(0).writes(&wanted).account().holds(&[("record read", 50_000)]);
    let scene = Scene::new();
    let host = || scene.host(&wat::keeps_all()).args("--records /rows --max-record 1KiB");
    host().stdin(&text).run().exits(0).writes(&wanted);
    // One that was cut short is noticed, with what was whole before.
    let short = &text[..text.len() - 1];
    let at =
        format!("broken at byte {}: the input ends before its JSON text is whole", short.len());
    kept("/rows", short).exits(1).writes(&wanted).says(&at);
    host().stdin(short).run().exits(1).writes(&wanted).says(&at);
}

#[test]
fn a_failure_is_named_by_its_place_in_the_whole_text() {
    let scene = Scene::new();
    scene.file("data.json", "{\"rows\": [\"a\", \"!\"]}");
    let ran = scene.host(&wat::traps()).args("data.json --records /rows").run();
    ran.exits(1).says("record 2 of data.json (byte 15, 3 long)").writes("[\n\"a\"\n]\n");
}

#[test]
fn what_stands_there_instead_is_told() {
    for (pointer, why) in [
        ("/items", "the whole text is an object without a member \"items\""),
        ("/data/2/rows", "/data is an array with 2 elements"),
        ("/data/x", "/data is an array, and \"x\" no index"),
        ("/rows", "/rows is a number"),
        ("/rows/0", "/rows is a number"),
    ] {
        let ran = kept(pointer, TEXT);
        ran.exits(1).writes("").says(&format!("data.json has no array at {pointer:?}: {why}"));
    }
    kept("/a", "").exits(1).says("there is no value in it");
}

#[test]
fn each_input_has_its_array() {
    let scene = Scene::new();
    scene
        .file("a.json", "{\"r\": [1]}")
        .file("b.json", "{\"r\": []}")
        .file("c.json", "{\"r\": [2]}");
    scene.file("d.json", "{\"R\": [2]}");
    let host = || scene.host(&wat::keeps_all()).args("--records /r a.json b.json c.json");
    host().run().exits(0).writes("[\n1,\n2\n]\n");
    host().arg("d.json").run().exits(1).writes("[\n1,\n2\n]\n").says("d.json has no array at");
}

#[test]
fn what_is_no_json_has_no_array() {
    let scene = Scene::new();
    scene.file("a.json", "{\"r\": [1]}").file("b.ndjson", "{\"r\": [2]}");
    let host = |arguments| scene.host(&wat::keeps_all()).args("--records /r").args(arguments).run();
    host("a.json b.ndjson").exits(2).writes("").says("b.ndjson is no such text");
    host("--from ndjson a.json").exits(2).writes("").says("a.json is no such text");
    host("--from json b.ndjson").exits(0).writes("[\n2\n]\n");
}

#[test]
fn what_is_no_pointer_is_refused() {
    for pointer in ["items", "/a~2"] {
        kept(pointer, TEXT).exits(2).writes("").says("is no JSON Pointer");
    }
}
