//! Inputs that are directories or globs.

use std::fs::File;
use std::os::unix::fs::symlink;

use crate::compression::gzip;
use crate::run::{Ran, Scene};
use crate::wat;

/// Files that each hold their own names, one record each.
fn scene(names: &[&str]) -> Scene {
    let scene = Scene::new();
    for name in names {
        std::fs::create_dir_all(scene.path(name).parent().unwrap()).unwrap();
        scene.file(name, format!("{name}\n"));
    }
    scene
}

fn kept(scene: &Scene, arguments: &str) -> Ran {
    scene.host(&wat::keeps_all()).args("--from ndjson").args(arguments).run()
}

/// The run took these files, in this order.
#[track_caller]
fn takes(scene: &Scene, arguments: &str, names: &str) {
    let wanted: String = names.split_whitespace().map(|name| format!("{name}\n")).collect();
    kept(scene, arguments).exits(0).writes(wanted);
}

#[test]
fn a_directory_means_the_files_below_it_in_the_order_of_their_names() {
    let names =
        ["d/b", "d/a/z", "d/a/y/1", "d/a.json", "d/B", "d/a-b/q", "d/10", "d/9", "d/\u{e9}"];
    let scene = scene(&names);
    takes(&scene, "d", "d/10 d/9 d/B d/a/y/1 d/a/z d/a-b/q d/a.json d/b d/\u{e9}");
    takes(&scene, "d/a/", "d/a/y/1 d/a/z");
    takes(&scene, "d/b d/a d/b", "d/b d/a/y/1 d/a/z d/b");
}

#[test]
fn hidden_files_and_directories_are_left_out() {
    let scene = scene(&["d/a", "d/.b", "d/.git/c", "d/e/.f", ".g/h"]);
    takes(&scene, "d", "d/a");
    takes(&scene, "d/**", "d/a");
    // Unless they are named.
    takes(&scene, ".g d/.b d/.git", ".g/h d/.b d/.git/c");
    takes(&scene, "d/.*", "d/.b");
    takes(&scene, ".g/*", ".g/h");
}

#[test]
fn links_to_files_are_followed_and_links_to_directories_are_not() {
    let scene = scene(&["d/a", "elsewhere/b", "elsewhere/c/d"]);
    symlink("../elsewhere/b", scene.path("d/link")).unwrap();
    symlink("../elsewhere/c", scene.path("d/to-directory")).unwrap();
    symlink("..", scene.path("d/round")).unwrap();
    takes(&scene, "d", "d/a elsewhere/b");
    // One that the user names is meant.
    takes(&scene, "d/to-directory", "elsewhere/c/d");
    symlink("nowhere", scene.path("d/broken")).unwrap();
    kept(&scene, "d").exits(2).writes("").says("cannot read d/broken: No such file");
}

#[test]
fn a_file_is_taken_once_however_it_is_reached() {
    let scene = scene(&["d/a", "d/c"]);
    symlink("a", scene.path("d/b")).unwrap();
    std::fs::hard_link(scene.path("d/c"), scene.path("d/e")).unwrap();
    takes(&scene, "d", "d/a d/c");
    takes(&scene, "d/*", "d/a d/c");
    // Named twice it is taken twice.
    takes(&scene, "d d", "d/a d/c d/a d/c");
    takes(&scene, "d/a d/?", "d/a d/a d/c");
}

#[test]
fn a_name_that_no_file_has_can_be_a_glob() {
    let names = ["d/a.json", "d/b.json", "d/b.md", "d/x/c.json", "d/x/y/d.json", "e/f.json"];
    let scene = scene(&names);
    takes(&scene, "d/*.json", "d/a.json d/b.json");
    takes(&scene, "./d/?.m[a-d]", "d/b.md");
    takes(&scene, "d/**/*.json", "d/a.json d/b.json d/x/c.json d/x/y/d.json");
    takes(&scene, "**/d.json", "d/x/y/d.json");
    takes(&scene, "{e,d/x}/*.json", "d/x/c.json e/f.json");
    takes(&scene, "*/?.json", "d/a.json d/b.json e/f.json");
    let absolute = scene.path("d/x/*/*.json");
    let ran = scene.host(&wat::keeps_all()).args("--from ndjson").arg(absolute).run();
    ran.exits(0).writes("d/x/y/d.json\n");
    kept(&scene, "d/*.json -o out").exits(0);
    assert_eq!(scene.read("out"), b"d/a.json\nd/b.json\n");
}

#[test]
fn a_file_that_has_the_name_is_meant_and_no_glob() {
    let scene = scene(&["d/[ab]", "d/a", "d/*"]);
    takes(&scene, "d/[ab]", "d/[ab]");
    takes(&scene, "d/*", "d/*");
    takes(&scene, "d/?", "d/* d/a");
}

#[test]
fn messages_name_the_file_that_was_found() {
    let scene = scene(&["d/a", "d/x/b!"]);
    let ran = scene.host(&wat::traps()).args("--from ndjson d").run();
    ran.exits(1).writes("d/a\n").says("record 1 of d/x/b! (byte 0");
    let ran = scene.host(&wat::traps()).args("--from ndjson */*/*").run();
    ran.exits(1).writes("").says("record 1 of d/x/b! (byte 0");
}

#[test]
fn what_stands_for_nothing_is_refused() {
    let scene = scene(&["d/a.json", "e/.hidden"]);
    std::fs::create_dir(scene.path("empty")).unwrap();
    for (name, why) in [
        ("empty", "there is no file in it that is not hidden"),
        ("e", "there is no file in it that is not hidden"),
        ("d/*.csv", "no file matches it"),
        ("no/where/*", "no file matches it"),
        ("d/[a", "no file has this name, and as a pattern"),
        ("d/b.json", "No such file"),
    ] {
        let ran = kept(&scene, &format!("d/a.json {name}"));
        ran.exits(2).writes("").says(&format!("error: cannot read {name}: {why}"));
    }
}

#[test]
fn what_the_job_writes_is_no_input() {
    let scene = scene(&["d/a", "d/b"]);
    for _ in 0..2 {
        kept(&scene, "d -o d/out").exits(0);
        assert_eq!(scene.read("d/out"), b"d/a\nd/b\n");
    }
    scene.file("d/out.partial", "of a run that failed\n");
    kept(&scene, "d/* -o d/out").exits(0);
    assert_eq!(scene.read("d/out"), b"d/a\nd/b\n");
    scene.file("d/out", "");
    let stdout = File::options().append(true).open(scene.path("d/out")).unwrap();
    scene.host(&wat::keeps_all()).args("--from ndjson d").stdout(stdout).run().exits(0);
    assert_eq!(scene.read("d/out"), b"d/a\nd/b\n");
    kept(&scene, "d").exits(0).writes("d/a\nd/b\nd/a\nd/b\n");
}

#[test]
fn any_number_of_files_keeps_its_order_for_any_number_of_workers() {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("d")).unwrap();
    let mut wanted = String::new();
    for number in 0..200 {
        // Some empty, some compressed, each with enough for several workers.
        let lines: Vec<String> = (0..200).map(|line| format!("{number:03} {line}\n")).collect();
        let text = if number % 10 == 3 { String::new() } else { lines.concat() };
        match number % 3 {
            0 => scene.file(&format!("d/{number:03}.ndjson.gz"), gzip(text.as_bytes())),
            _ => scene.file(&format!("d/{number:03}.ndjson"), &text),
        };
        wanted += &text;
    }
    for workers in ["1", "2", "3", "8"] {
        let host = scene.host(&wat::keeps_all()).args("d --range-size 16KiB --workers");
        host.arg(workers).run().exits(0).writes(&wanted);
    }
}

#[test]
fn descriptors_suffice_for_a_large_directory() {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("d")).unwrap();
    let packed = gzip(b"1\n");
    for number in 0..1000 {
        let (name, text): (String, &[u8]) = match number % 3 {
            0 => (format!("d/{number}.ndjson"), b"1\n"),
            1 => (format!("d/{number}.ndjson"), b""),
            _ => (format!("d/{number}.ndjson.gz"), &packed),
        };
        scene.file(&name, text);
    }
    let ran = scene.limited("-n 512", &wat::keeps_all()).args("d --workers 2").run();
    ran.exits(0).writes("1\n".repeat(667)).account().holds(&[("record read", 667)]);
}
