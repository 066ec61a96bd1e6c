//! The plugins of this repository, as they are built and committed, over the cases beside
//! their sources: `plugins/NAME/cases/CASE/` has `input.ndjson`, `expected.ndjson`,
//! perhaps `args` (one on each line; files are named as they lie there) and perhaps
//! `expected_error` (the exit code, and what standard error has to hold).

use std::fs;
use std::path::{Path, PathBuf};

use crate::run::{Scene, repository};

/// How many lines of a difference are shown.
const SHOWN: usize = 6;

fn directories(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).unwrap();
    let mut found: Vec<PathBuf> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap()
}

/// Runs a case; gives what is not as it should be.
fn trouble(plugin: &Path, case: &Path, workers: &str) -> Option<String> {
    let text = |name: &str| fs::read_to_string(case.join(name));
    let host = Scene::new().host_in(case).arg("--plugin").arg(plugin);
    let host =
        text("args").unwrap_or_default().lines().fold(host, |host, argument| host.arg(argument));
    let host = host.args("input.ndjson --range-size 64 --workers").arg(workers);
    let ran = host.run();
    let error = text("expected_error").unwrap_or_else(|_| "0\n".to_owned());
    let (code, words) = error.split_once('\n').unwrap_or((&error, ""));
    if ran.code.to_string() != code {
        return Some(format!("exit code {} instead of {code}: {}", ran.code, ran.stderr));
    }
    if !ran.stderr.contains(words.trim_end()) {
        return Some(format!("`{}` is not in what it said: {}", words.trim_end(), ran.stderr));
    }
    let (wanted, found) = (text("expected.ndjson").unwrap(), String::from_utf8_lossy(&ran.stdout));
    difference(&wanted, &found)
}

/// The first lines that differ, as a person can read them.
fn difference(wanted: &str, found: &str) -> Option<String> {
    if wanted == found {
        return None;
    }
    let (wanted, found): (Vec<&str>, Vec<&str>) =
        (wanted.lines().collect(), found.lines().collect());
    let rows = 0..wanted.len().max(found.len());
    let differ = rows.filter(|row| wanted.get(*row) != found.get(*row)).take(SHOWN);
    let show = |sign: char, line: Option<&&str>| match line {
        Some(line) => format!("  {sign} {line}\n"),
        None => String::new(),
    };
    let shown: String = differ
        .map(|row| {
            format!("line {}\n{}{}", row + 1, show('-', wanted.get(row)), show('+', found.get(row)))
        })
        .collect();
    Some(if shown.is_empty() { "the last line is not ended alike".to_owned() } else { shown })
}

#[test]
fn every_plugin_does_what_its_cases_say() {
    let mut cases = 0;
    let mut troubles = String::new();
    for plugin in directories(&repository("plugins")) {
        let wasm = plugin.join(format!("{}.wasm", name(&plugin)));
        if !plugin.join("cases").is_dir() {
            continue;
        }
        for case in directories(&plugin.join("cases")) {
            cases += 1;
            for workers in ["1", "3"] {
                if let Some(trouble) = trouble(&wasm, &case, workers) {
                    let (plugin, case) = (name(&plugin), name(&case));
                    troubles += &format!("\n{plugin}/{case}, --workers {workers}\n{trouble}");
                }
            }
        }
    }
    assert!(troubles.is_empty(), "{troubles}");
    assert!(cases >= 24, "only {cases} cases were found");
}

#[test]
fn a_difference_is_shown_line_by_line() {
    assert_eq!(difference("a\nb\n", "a\nb\n"), None);
    assert_eq!(difference("a\nb\n", "a\nc\nd\n").unwrap(), "line 2\n  - b\n  + c\nline 3\n  + d\n");
    assert!(difference("a\n", "a").is_some());
}
