//! The plugins of this repository, as they are built and committed, do what the cases beside
//! their sources say: `host test` runs them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::run::{Scene, repository};

/// The directories in one of this repository.
fn inside(directory: &str) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(repository(directory)).unwrap().map(|entry| entry.unwrap().path())
}

/// Runs a plugin over its cases; gives how many there are, 0 for what is no plugin.
fn cases_of(plugin: &Path) -> usize {
    let Ok(cases) = fs::read_dir(plugin.join("cases")) else { return 0 };
    let cases = cases.count();
    let ran = Scene::new().bare().arg("test").arg(plugin).run();
    let told = String::from_utf8_lossy(&ran.stdout);
    assert_eq!(ran.code, 0, "{}:\n{told}{}", plugin.display(), ran.stderr);
    assert!(told.ends_with(&format!("{cases} cases: {cases} as expected\n")), "{told}");
    cases
}

#[test]
fn every_plugin_does_what_its_cases_say() {
    // Beside the plugins there is what several of them share, and what they are built in.
    let is_plugin = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        path.is_dir() && !["shared", "languages"].contains(&name) && !name.starts_with('.')
    };
    let plugins: Vec<_> = inside("plugins").filter(is_plugin).collect();
    assert!(plugins.len() >= 16, "only {} plugins were found", plugins.len());
    for plugin in plugins {
        assert!(cases_of(&plugin) > 0, "{} has no cases", plugin.display());
    }
}

#[test]
fn the_same_in_other_languages_does_what_the_cases_of_those_in_rust_say() {
    for language in ["assemblyscript", "c", "zig"] {
        let plugins = inside(&format!("plugins/languages/{language}"));
        let cases: usize = plugins.map(|plugin| cases_of(&plugin)).sum();
        assert!(cases >= 20, "{language}: only {cases} cases were found");
    }
}
