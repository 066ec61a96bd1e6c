//! `host --version --verbose`: what the program was built of.

use crate::run::{Scene, repository};

fn told(arguments: &str) -> String {
    String::from_utf8(Scene::new().bare().args(arguments).run().exits(0).stdout.clone()).unwrap()
}

/// What a line of the facts says.
fn fact(facts: &str, name: &str) -> String {
    let line = facts.lines().find_map(|line| line.trim_start().strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {facts}")).trim().to_owned()
}

#[test]
fn the_version_alone_is_one_line() {
    let version = format!("host {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(told("--version"), version);
    assert_eq!(told("-V"), version);
    assert_eq!(told("-V -- --verbose"), version);
}

#[test]
fn at_length_it_tells_what_the_program_was_built_of() {
    let facts = told("--version --verbose");
    assert_eq!(told("--verbose --version"), facts);
    assert!(facts.starts_with(&format!("host {}\n", env!("CARGO_PKG_VERSION"))), "{facts}");
    assert!(fact(&facts, "compiler").starts_with("rustc 1."));
    assert!(fact(&facts, "target").starts_with(std::env::consts::ARCH));
    assert!(fact(&facts, "profile").contains("opt-level"));
    assert_eq!(fact(&facts, "features").contains("faults"), cfg!(feature = "faults"));
    assert_eq!(fact(&facts, "commit"), option_env!("GIT_HASH").unwrap_or("unknown"));
    assert!(fact(&facts, "sandbox").contains("seccomp"));
    let lock = std::fs::read_to_string(repository("Cargo.lock")).unwrap();
    let (_, crates) = facts.split_once("crates").unwrap();
    let crates: Vec<_> = crates.split(',').map(str::trim).collect();
    assert!(crates.len() >= 8, "{crates:?}");
    for one in crates {
        let (name, version) = one.split_once(' ').unwrap();
        let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
        assert!(lock.contains(&entry), "{one} is not locked");
    }
}
