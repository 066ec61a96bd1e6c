//! An output for each input (`--output-dir`).

use std::process::Command;

use crate::compression::gzip;
use crate::run::{Ran, Scene};
use crate::wat;

fn scene() -> Scene {
    let scene = Scene::new();
    std::fs::create_dir_all(scene.path("d/x")).unwrap();
    scene.file("d/a.ndjson", "one\ntwo\n").file("d/b.json", "[1, 2]").file("d/c.json", "{} {}");
    scene.file("d/x/a.ndjson.gz", gzip(b"three\n")).file("d/x/empty.ndjson", "");
    scene
}

fn into_directory(scene: &Scene, plugin: &str, arguments: &str) -> Ran {
    scene.host(plugin).args("--output-dir out").args(arguments).run()
}

fn exists(scene: &Scene, name: &str) -> bool {
    scene.path(name).exists()
}

#[test]
fn each_input_has_an_output_in_its_own_format() {
    for workers in ["1", "2", "3"] {
        let scene = scene();
        let arguments = format!("d --range-size 1 --workers {workers}");
        let ran = into_directory(&scene, &wat::keeps_all(), &arguments);
        ran.exits(0).writes("").account().holds(&[("kept", 7), ("record written", 7)]);
        assert_eq!(scene.read("out/a.ndjson"), b"one\ntwo\n");
        assert_eq!(scene.read("out/b.json"), b"[\n1,\n2\n]\n");
        assert_eq!(scene.read("out/c.json"), b"{}\n{}\n");
        assert_eq!(scene.read("out/x/empty.ndjson"), b"");
        let packed = scene.path("out/x/a.ndjson.gz");
        let unpacked = Command::new("gzip").arg("-dc").arg(packed).output().unwrap();
        assert_eq!(unpacked.stdout, b"three\n");
        let names = |directory: &str| std::fs::read_dir(scene.path(directory)).unwrap().count();
        assert_eq!((names("out"), names("out/x")), (4, 2));
    }
}

#[test]
fn outputs_are_named_as_below_the_directory_or_glob_that_was_named() {
    let scene = scene();
    into_directory(&scene, &wat::keeps_all(), "d/x d/b.json").exits(0);
    assert!(exists(&scene, "out/a.ndjson.gz") && exists(&scene, "out/b.json"));
    into_directory(&scene, &wat::keeps_all(), "d/*/*.ndjson").exits(0);
    assert!(exists(&scene, "out/x/empty.ndjson"));
}

#[test]
fn an_input_of_which_nothing_comes_out_has_an_output_all_the_same() {
    let scene = scene();
    into_directory(&scene, &wat::drops_all(), "d").exits(0);
    assert_eq!(scene.read("out/a.ndjson"), b"");
    assert_eq!(scene.read("out/b.json"), b"[]\n");
}

#[test]
fn to_decides_for_all_of_them() {
    let scene = scene();
    into_directory(&scene, &wat::keeps_all(), "--to ndjson d").exits(0);
    assert_eq!(scene.read("out/b.json"), b"1\n2\n");
}

#[test]
fn rows_of_each_input_stand_under_its_own_header() {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("d")).unwrap();
    scene.file("d/a.csv", "a,b\n1,2\n").file("d/b.csv", "x\n\"3\"\n").file("d/c.txt", "\nline\n");
    scene.file("d/d.tsv", "t\n").file("d/e.ndjson", "{\"a\": 1}\n");
    for range_size in ["1", "1MiB"] {
        let arguments = format!("--workers 2 --range-size {range_size}");
        into_directory(&scene, &wat::keeps_all(), &format!("{arguments} d")).exits(0);
        for name in ["a.csv", "b.csv", "c.txt", "d.tsv", "e.ndjson"] {
            let (out, wanted) =
                (scene.read(&format!("out/{name}")), scene.read(&format!("d/{name}")));
            assert_eq!(String::from_utf8(out), String::from_utf8(wanted), "{name}");
        }
    }
    into_directory(&scene, &wat::keeps_all(), "d/a.csv d/b.csv --to ndjson").exits(0);
    assert_eq!(scene.read("out/a.csv"), b"{\"a\":\"1\",\"b\":\"2\"}\n");
    assert_eq!(scene.read("out/b.csv"), b"{\"x\":\"3\"}\n");
    into_directory(&scene, &wat::keeps_all(), "d/a.csv --columns b").exits(0);
    assert_eq!(scene.read("out/a.csv"), b"b\n2\n");
    let ran = into_directory(&scene, &wat::keeps_all(), "d/a.csv d/b.csv --columns b");
    ran.exits(1).says("has no column `b`");
}

#[test]
fn large_inputs_have_their_own_outputs_too() {
    let scene = Scene::new();
    let text = |letter: &str| format!("{}\n", letter.repeat(99)).repeat(30_000);
    let array = format!("[{}1]", "1,".repeat(500_000));
    scene.file("a.ndjson", text("a")).file("b.json", &array).file("c.ndjson", text("c"));
    into_directory(&scene, &wat::keeps_all(), "a.ndjson b.json c.ndjson --workers 3").exits(0);
    crate::run::same(&scene.read("out/a.ndjson"), text("a").as_bytes());
    let wanted = format!("[\n{}1\n]\n", "1,\n".repeat(500_000));
    crate::run::same(&scene.read("out/b.json"), wanted.as_bytes());
    crate::run::same(&scene.read("out/c.ndjson"), text("c").as_bytes());
}

#[test]
fn after_a_failure_those_that_are_whole_stay() {
    let scene = scene();
    scene.file("d/b.json", "[1, \"!\"]");
    let ran = into_directory(&scene, &wat::traps(), "d");
    ran.exits(1).says("record 2 of d/b.json").says("before it, 1 output in out became whole");
    ran.says("what stands before it is in ").says("out/b.json.partial");
    assert_eq!(scene.read("out/a.ndjson"), b"one\ntwo\n");
    assert_eq!(scene.read("out/b.json.partial"), b"[\n1\n]\n");
    assert!(!exists(&scene, "out/b.json") && !exists(&scene, "out/c.json"));
    scene.file("d/b.json", "[1]");
    into_directory(&scene, &wat::traps(), "d").exits(0);
    assert_eq!(scene.read("out/b.json"), b"[\n1\n]\n");
    assert!(!exists(&scene, "out/b.json.partial"));
}

#[test]
fn outputs_below_the_inputs_are_no_inputs_of_the_next_run() {
    let scene = scene();
    for _ in 0..2 {
        scene.host(&wat::keeps_all()).args("d --output-dir d/out").run().exits(0);
        assert!(exists(&scene, "d/out/x/empty.ndjson") && !exists(&scene, "d/out/out"));
    }
}

#[test]
fn two_inputs_with_one_output_are_refused_before_anything_starts() {
    let scene = scene();
    scene.file("a.ndjson", "1\n").file("x", "2\n").file("b.json.partial", "3\n");
    for (inputs, why) in [
        ("a.ndjson d", "a.ndjson and d/a.ndjson would both be written to out/a.ndjson"),
        ("d/x d/x", "d/x/a.ndjson.gz and d/x/a.ndjson.gz would both be written to"),
        ("x d", "out/x/a.ndjson.gz cannot be written beside out/x, where x is written"),
        ("b.json.partial d", "out/b.json cannot be written beside out/b.json.partial"),
        ("-", "standard input has no name below a directory"),
        ("--unordered d", "cannot be used with"),
        ("-o file d", "cannot be used with"),
    ] {
        into_directory(&scene, &wat::keeps_all(), inputs).exits(2).writes("").says(why);
        assert!(!exists(&scene, "out"), "{inputs}");
    }
    let ran = into_directory(&scene, &wat::reduce(), "d");
    ran.exits(2).says("is a reduce, which makes one result of all inputs");
}

#[test]
fn an_output_that_cannot_be_is_refused() {
    let scene = scene();
    let host = |out: &str| scene.host(&wat::keeps_all()).args("d --output-dir").arg(out).run();
    host("d").exits(2).writes("").says("it is an input of this job; choose another directory");
    host("plugin.wat/out").exits(2).writes("").says("cannot write to plugin.wat/out: ");
    std::fs::create_dir_all(scene.path("out/b.json")).unwrap();
    host("out").exits(2).writes("").says("cannot write to out/b.json: it is a directory");
    assert_eq!(scene.read("d/a.ndjson"), b"one\ntwo\n");
}

#[test]
fn inputs_behind_a_limit_have_no_output() {
    let scene = scene();
    into_directory(&scene, &wat::keeps_all(), "--limit 3 d").exits(0);
    assert_eq!(scene.read("out/b.json"), b"[\n1\n]\n");
    assert!(!exists(&scene, "out/c.json"));
}
