//! Help: what is told in short and at length, and what is said to those who mistype.

use crate::completions::{SUBCOMMANDS, flags_in, help};
use crate::run::{Ran, Scene};
use crate::wat;

fn short(subcommand: &str) -> String {
    let scene = Scene::new();
    let ran = scene.bare().args(subcommand).arg("-h").env("COLUMNS", "80").run();
    String::from_utf8(ran.exits(0).stdout.clone()).unwrap()
}

#[test]
fn short_help_is_a_screenful_and_says_where_there_is_more() {
    let text = short("");
    assert!(text.lines().count() <= 60, "{} lines", text.lines().count());
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "longer than a terminal is wide: {line}");
    }
    for part in ["--plugin", "--output", "--on-error", "--workers", "--job", "Examples:"] {
        assert!(text.contains(part), "{part} is not in it");
    }
    assert!(!text.contains("--compile-memory"));
    assert!(text.contains("`host --help` tells all flags"));
}

#[test]
fn long_help_has_all_of_the_short_one_and_more_under_headings() {
    let (short, long) = (flags_in(&short("")), flags_in(&help(None)));
    assert!(short.is_subset(&long) && short.len() < long.len());
    let text = help(None);
    let mut after = 0;
    for heading in [
        "Options:",
        "What:",
        "Formats:",
        "Workers:",
        "Failures:",
        "Limits:",
        "Sandbox:",
        "Looking:",
    ] {
        let at = text.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
        assert!(at > after, "{heading} is out of order");
        after = at;
    }
    for name in SUBCOMMANDS {
        assert!(text.contains(&format!("\n  {name} ")), "{name} is not named");
    }
}

#[test]
fn every_subcommand_has_a_short_help_with_its_name() {
    for name in SUBCOMMANDS {
        let text = short(name);
        assert!(text.contains(&format!("Usage: host {name}")), "{text}");
    }
}

fn says(arguments: &str) -> Ran {
    let scene = Scene::new();
    scene.file("plugin.wat", wat::keeps_all()).file("data.ndjson", "1\n").file("tests", "1");
    scene.bare().args(arguments).run()
}

#[test]
fn what_is_mistyped_is_told_with_what_is_like_it() {
    for (arguments, like) in [
        ("--plugin plugin.wat --workerz 2 data.ndjson", "'--workers'"),
        ("--plugin plugin.wat --on-error skpi data.ndjson", "'skip'"),
        ("merge --plugin plugin.wat --partial-stat a.state", "'--partial-state'"),
        ("new pushes --lang rsut --op filter", "'rust'"),
        ("chekc plugin.wat", "`host check`"),
        ("retyr --plugin plugin.wat data.ndjson", "`host retry`"),
        ("help", "`host --help`"),
    ] {
        says(arguments).exits(2).writes("").says("error: ").says(like);
    }
}

#[test]
fn a_word_that_is_a_file_is_an_input_however_much_it_is_like_a_subcommand() {
    says("tests --plugin plugin.wat").exits(0).writes("1\n");
    // So is a pattern, and what is like nothing is a file that is not there.
    says("data* --plugin plugin.wat").exits(0).writes("1\n");
    says("missing.json --plugin plugin.wat").exits(2).says("cannot read missing.json");
}
