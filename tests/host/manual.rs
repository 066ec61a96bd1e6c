//! `host man`: pages that `man` and `mandoc` find nothing wrong with, and that tell all flags.

use std::collections::BTreeSet;
use std::process::Command;

use crate::completions::{SUBCOMMANDS, flags_in, help, is_installed};
use crate::run::Scene;

/// A page as it is printed.
fn page(subcommand: Option<&str>) -> String {
    let scene = Scene::new();
    let host = subcommand.into_iter().fold(scene.bare().arg("man"), |host, name| host.arg(name));
    String::from_utf8(host.run().exits(0).stdout.clone()).unwrap()
}

/// All pages, written into a directory.
fn written() -> Scene {
    let scene = Scene::new();
    scene.bare().args("man --write deep/man1").run().exits(0).writes("").never_says("error");
    scene
}

/// The names of the pages.
fn names() -> Vec<String> {
    let subcommands = SUBCOMMANDS.iter().map(|name| format!("host-{name}.1"));
    let mut names: Vec<_> = subcommands.chain(["host.1".to_owned()]).collect();
    names.sort();
    names
}

/// What a program says of a page, on both of its outputs, which should be nothing.
#[track_caller]
fn has_nothing_to_say(scene: &Scene, script: &str) {
    let ran = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(scene.path("deep/man1"))
        .env("LC_ALL", "C.UTF-8")
        .env("MANWIDTH", "80")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && told.is_empty(), "{script}: {}\n{told}", ran.status);
}

#[test]
fn there_is_a_page_for_the_program_and_one_for_each_subcommand() {
    let scene = written();
    let directory = std::fs::read_dir(scene.path("deep/man1")).unwrap();
    let mut found: Vec<_> =
        directory.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    assert_eq!(found, names());
    // What is printed is what is written.
    assert_eq!(page(None).as_bytes(), scene.read("deep/man1/host.1"));
    assert_eq!(page(Some("retry")).as_bytes(), scene.read("deep/man1/host-retry.1"));
}

#[test]
fn a_page_tells_the_flags_examples_and_exit_codes_that_help_tells() {
    for name in [None].into_iter().chain(SUBCOMMANDS.map(Some)) {
        let page = page(name).replace("\\-", "-").replace("\\fB", "").replace("\\fR", "");
        let lines = page.lines().map(|line| line.replace(", ", " "));
        let flags = lines.filter(|line| line.starts_with('-'));
        let flags: BTreeSet<String> = flags
            .filter_map(|line| {
                line.split(' ').find(|word| word.starts_with("--")).map(str::to_owned)
            })
            .collect();
        let help = help(name);
        assert_eq!(flags, flags_in(&help), "{name:?}");
        for (in_help, in_page) in [
            ("Example", ".SH EXAMPLE"),
            ("Exit codes:", ".SH \"EXIT STATUS\""),
            ("Usage: host", ".SH SYNOPSIS\nhost"),
            ("Environment:", ".SH ENVIRONMENT"),
        ] {
            assert_eq!(help.contains(in_help), page.contains(in_page), "{in_page} of {name:?}");
        }
    }
}

#[test]
fn man_finds_nothing_wrong_with_a_page() {
    if is_installed("man") {
        let scene = written();
        for name in names() {
            has_nothing_to_say(&scene, &format!("man --warnings -l -Tutf8 -Z {name} >/dev/null"));
        }
    }
}

#[test]
fn mandoc_finds_nothing_wrong_with_a_page() {
    if is_installed("mandoc") {
        let scene = written();
        for name in names() {
            has_nothing_to_say(&scene, &format!("mandoc -T lint -W error {name}"));
        }
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let scene = Scene::new();
    scene.file("file", "");
    let ran = scene.bare().args("man --write file/man1").run();
    ran.exits(2).writes("").says("error: cannot write file/man1: ");
}
