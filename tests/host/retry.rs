//! `host retry`: records in dead letters are run again, and what comes of them has its
//! position with it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::run::{Host, Ran, Scene, same};
use crate::wat;

/// Runs a plugin over a file, with all that fails in dead letters.
fn first(scene: &Scene, plugin: &str, arguments: &str) -> Vec<u8> {
    let host = scene.host(plugin).args("--dead-letters dead --max-errors 100% --timeout 200ms");
    let ran = host.args(arguments).run();
    ran.exits(0);
    ran.stdout
}

fn retry(scene: &Scene, plugin: &str) -> Host {
    scene.file("fixed.wat", plugin);
    scene.bare().args("retry --plugin fixed.wat")
}

/// The lines that a retry writes.
fn results(ran: &Ran) -> Vec<Value> {
    let text = String::from_utf8(ran.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn data(count: usize) -> String {
    (0..count)
        .map(|n| format!("{{\"n\":{n},\"m\":\"{}\"}}\n", if n % 7 == 3 { "!" } else { "~" }))
        .collect()
}

#[test]
fn both_together_are_what_a_plugin_without_fault_makes_of_all() {
    let text = data(3000);
    let scene = Scene::new();
    scene.file("data.ndjson", &text);
    for (failing, fixed) in [
        (wat::traps(), wat::keeps_all()),
        (wat::rejects(), wat::map(wat::SAME)),
        (wat::rejects(), wat::batch().replace("(i32.const 33)", "(i32.const 0)")),
        (wat::rejects(), wat::flat_map(2)),
    ] {
        let kept = first(&scene, &failing, "data.ndjson");
        let ran = retry(&scene, &fixed).args("--workers 3 --range-size 200 dead").run();
        let mut found: BTreeMap<u64, Value> = BTreeMap::new();
        let mut before = 0;
        for result in results(ran.exits(0)) {
            let number = result["record"].as_u64().unwrap();
            assert!(number > before, "they are in order");
            before = number;
            assert_eq!(result["file"], "data.ndjson");
            let at = result["offset"].as_u64().unwrap() as usize;
            let record = &text[at..at + result["length"].as_u64().unwrap() as usize];
            assert_eq!(record, text.lines().nth(number as usize - 1).unwrap());
            found.insert(number, result["result"].clone());
        }
        // All over the whole, with a plugin that does not fail.
        let whole = scene.host_with("fixed.wat").args("data.ndjson").run();
        let whole = String::from_utf8(whole.exits(0).stdout.clone()).unwrap();
        let times = whole.lines().count() / 3000;
        let whole: Vec<&str> = whole.lines().collect();
        for (number, result) in &found {
            let wanted = &whole[(*number as usize - 1) * times..*number as usize * times];
            let wanted: Vec<Value> =
                wanted.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(*result, json!(wanted));
        }
        assert_eq!(found.len(), 3000 / 7 + 1);
        let kept = String::from_utf8(kept).unwrap();
        assert_eq!(kept.lines().count() + found.len(), 3000);
    }
}

#[test]
fn what_is_dropped_is_there_with_nothing() {
    let scene = Scene::new();
    scene.file("data.ndjson", "1\n{\"!\": [1,  2]}\n3\n");
    first(&scene, &wat::traps(), "data.ndjson");
    let ran = retry(&scene, &wat::drops_all()).arg("dead").run();
    ran.exits(0).account().holds(&[("dropped", 1), ("kept", 0)]);
    let wanted = json!({
        "file": "data.ndjson", "record": 2, "offset": 2, "length": 14, "result": [],
    });
    assert_eq!(results(&ran), [wanted]);
    let ran = retry(&scene, &wat::keeps_all()).arg("dead").run();
    ran.exits(0).account().holds(&[("dropped", 0), ("kept", 1)]);
    let line = "{\"file\":\"data.ndjson\",\"record\":2,\"offset\":2,\"length\":14,\"result\":[{\"!\":[1,2]}]}\n";
    ran.writes(line);
}

#[test]
fn rows_and_lines_are_seen_as_they_were() {
    let scene = Scene::new();
    scene.file("data.csv", "id,\"na,me\"\n1,a\n2,\"x\n!\"\"\"\n3,c\n");
    first(&scene, &wat::rejects(), "data.csv");
    let ran = retry(&scene, &wat::keeps_all()).arg("dead").run();
    assert_eq!(results(ran.exits(0))[0]["result"], json!([{"id": "2", "na,me": "x\n!\""}]));
    scene.file("data.tsv", "id\tname\n1\t!\n");
    first(&scene, &wat::rejects(), "data.tsv --no-header");
    let ran = retry(&scene, &wat::keeps_all()).arg("dead").run();
    assert_eq!(results(ran.exits(0))[0]["result"], json!([["1", "!"]]));
    let line = "tab\t, nul \u{0}, quote \" and \u{1f600}!";
    scene.file("data.txt", format!("12\n{line}\n"));
    first(&scene, &wat::traps(), "data.txt");
    for plugin in [wat::keeps_all(), wat::map(wat::SAME)] {
        let ran = retry(&scene, &plugin).arg("dead").run();
        assert_eq!(results(ran.exits(0))[0]["result"], json!([line]));
    }
}

#[test]
fn what_fails_again_keeps_its_place_and_counts_its_attempts() {
    let scene = Scene::new();
    scene.file("data.ndjson", "one\n!\nthree\n!!\n");
    first(&scene, &wat::rejects(), "data.ndjson");
    let letters = |name: &str| -> Vec<Value> {
        let text = String::from_utf8(scene.read(name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let again = "--dead-letters still --max-errors 2 dead";
    let ran = retry(&scene, &wat::traps()).args(again).run();
    ran.exits(0).writes("").says("record 2 of data.ndjson (byte 4, 1 long) made the plugin trap");
    ran.says("record 4 of data.ndjson (byte 12, 2 long)");
    let still = letters("still");
    assert_eq!(still.len(), 2);
    for (before, after) in letters("dead").iter().zip(&still) {
        for same in ["file", "record", "offset", "length", "format", "text"] {
            assert_eq!(before[same], after[same], "{same}");
        }
        assert_eq!((&before["attempts"], &after["attempts"]), (&json!(1), &json!(3)));
        assert_eq!((&before["kind"], &after["kind"]), (&json!("rejected"), &json!("trap")));
        assert_eq!(after["plugin"], "fixed.wat");
    }
    let ran = retry(&scene, &wat::keeps_all()).arg("still").run();
    assert_eq!(results(ran.exits(0))[1]["record"], 4);
    // To end there is the default here too.
    let ran = retry(&scene, &wat::traps()).arg("dead").run();
    ran.exits(1).says("record 2 of data.ndjson (byte 4, 1 long)");
}

#[test]
fn letters_that_cannot_be_run_are_named() {
    let scene = Scene::new();
    let long = format!("\"{}\"", "x".repeat(3000));
    scene.file("data.ndjson", format!("one\n{long}\n").into_bytes());
    scene.file("bytes.ndjson", b"one\n\xff\n");
    first(&scene, &wat::keeps_all(), "--max-record 1KiB data.ndjson bytes.ndjson");
    let mut letters = scene.read("dead");
    letters.extend_from_slice(b"{\"no\":\"letter\"}\nrubbish\n");
    scene.file("dead", letters);
    let skip = "--dead-letters still --max-errors 4 dead";
    let ran = retry(&scene, &wat::keeps_all()).args(skip).run();
    ran.exits(0).writes("").account().holds(&[("malformed", 4), ("dead-lettered", 4)]);
    for text in [
        "record 2 of data.ndjson (byte 4, 3,002 long) is malformed: the letter is without",
        "record 2 of bytes.ndjson (byte 4, 1 long) is malformed: it is not UTF-8 text",
        "record 3 of dead (byte",
        "is malformed: it is no dead letter: missing field `file`",
        "record 4 of dead (byte",
    ] {
        ran.says(text);
    }
    retry(&scene, &wat::keeps_all()).args("--dead-letters dead dead").run().exits(2);
}

#[test]
fn a_reduce_gives_its_own_result() {
    let scene = Scene::new();
    scene.file("data.ndjson", "one\n!\nthree\n!!\n");
    first(&scene, &wat::rejects(), "data.ndjson");
    let reduce = wat::reduce().replace("(i32.const 33)", "(i32.const 0)");
    let ran = retry(&scene, &reduce).arg("dead").run();
    ran.exits(0).writes("!\n!!\n");
    let state = "--partial-state -o state dead";
    retry(&scene, &reduce).args(state).run().exits(0);
    let merged = scene.bare().args("merge --plugin fixed.wat state state").run();
    merged.exits(0).writes("!\n!!\n!\n!!\n");
}

#[test]
fn its_words_are_those_of_an_ordinary_run() {
    let scene = Scene::new();
    let help = scene.bare().args("retry --help").run();
    let help = String::from_utf8(help.exits(0).stdout.clone()).unwrap();
    for text in ["host retry", "--dead-letters", "Examples:", "DEAD"] {
        assert!(help.contains(text), "{text} is not in {help}");
    }
    assert!(!help.contains("--to ") && !help.contains("--columns"));
    let ran = retry(&scene, &wat::keeps_all()).args("--to json dead").run();
    ran.exits(2).says("--to means nothing where dead letters are run again");
    scene.file("data.ndjson", "!\n");
    first(&scene, &wat::rejects(), "data.ndjson");
    let ran = scene.bare().args("retry --plugin fixed.wat -").stdin(scene.read("dead")).run();
    ran.exits(0);
    same(
        &ran.stdout,
        b"{\"file\":\"data.ndjson\",\"record\":1,\"offset\":0,\"length\":1,\"result\":[\"!\"]}\n",
    );
}
