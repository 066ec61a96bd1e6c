//! Runs the shell examples of README.md and of the pages of docs/ that have some, and compares what
//! they print with what is shown, and what the text examples of README.md show.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

const README: &str = include_str!("../README.md");
const COOKBOOK: &str = include_str!("../docs/cookbook.md");
const COMING_FROM: &str = include_str!("../docs/coming-from.md");
const HOW_IT_WORKS: &str = include_str!("../docs/how-it-works.md");
const COMMAND_LINE: &str = include_str!("../docs/command-line.md");
const WATCHING: &str = include_str!("../docs/watching.md");
const REPORT: &str = include_str!("../docs/report.md");
const TABLES: &str = include_str!("../docs/tables.md");
const INSTALL: &str = include_str!("../docs/install.md");

/// A command, and what it prints where that is shown.
struct Example {
    command: String,
    output: Option<String>,
    /// Another program that it runs, which need not be there.
    needs: Option<String>,
}

/// The fenced blocks of a document, each with its language.
fn blocks(document: &str) -> impl Iterator<Item = (&str, &str)> {
    // Outside of blocks and inside take turns.
    document.split("```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'))
}

/// The `sh` blocks of a document; an `output` block is what the one before it prints. `sh,jq`
/// needs jq, and prints the same as those beside it that have no output of their own.
fn examples(document: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for (info, text) in blocks(document) {
        let (language, needs) = info.split_once(',').unwrap_or((info, ""));
        match language {
            "sh" => {
                let needs = (!needs.is_empty()).then(|| needs.to_owned());
                examples.push(Example { command: text.to_owned(), output: None, needs });
            }
            "output" => {
                let mut beside = true;
                let mut count = 0;
                for one in examples.iter_mut().rev().take_while(|one| one.output.is_none()) {
                    if !beside && one.needs.is_none() {
                        break;
                    }
                    beside = one.needs.is_some();
                    one.output = Some(text.to_owned());
                    count += 1;
                }
                assert!(count > 0, "an output of nothing: {text}");
            }
            _ => {}
        }
    }
    examples
}

/// Is a program on the path?
fn is_there(program: &str, path: &str) -> bool {
    std::env::split_paths(path).any(|directory| directory.join(program).exists())
}

/// Runs examples one after the other, where `plugins` and `data` are as in the repository.
fn run(examples: &[Example]) -> TempDir {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = tempfile::tempdir().unwrap();
    for name in ["plugins", "data"] {
        symlink(repository.join(name), directory.path().join(name)).unwrap();
    }
    let program = Path::new(env!("CARGO_BIN_EXE_host")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    for Example { command, output, needs } in examples {
        if let Some(program) = needs.as_deref().filter(|program| !is_there(program, &path)) {
            assert!(std::env::var_os("CI").is_none(), "this needs {program}: {command}");
            eprintln!("passed over, for want of {program}: {command}");
            continue;
        }
        let ran = Command::new("bash")
            .args(["-euo", "pipefail", "-c", command])
            .current_dir(directory.path())
            .env("PATH", &path)
            .env("HOME", directory.path())
            .env("XDG_CACHE_HOME", directory.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{command}\n{stderr}");
        if let Some(output) = output {
            assert_eq!(String::from_utf8_lossy(&ran.stdout), *output, "{command}\n{stderr}");
        }
    }
    directory
}

#[test]
fn the_shell_examples_run() {
    let examples = examples(README);
    assert!(examples.len() >= 2);
    let directory = run(&examples);
    // The last example leaves what the account says that it should.
    let pushes = std::fs::read_to_string(directory.path().join("pushes.ndjson")).unwrap();
    assert_eq!(pushes.lines().count(), 190);
}

/// Runs the sections of a page that have commands, each in a directory of its own, and gives how
/// many commands there are.
fn run_sections(page: &str) -> usize {
    let sections = page.split("\n## ").map(examples);
    let commands = sections.map(|examples| {
        for Example { command, output, .. } in &examples {
            assert!(output.is_some(), "it does not show what this prints: {command}");
        }
        run(&examples);
        examples.len()
    });
    commands.sum()
}

#[test]
fn every_recipe_gives_what_is_shown() {
    for recipe in COOKBOOK.split("\n## ").skip(1) {
        assert!(!examples(recipe).is_empty(), "a recipe without a command: {recipe}");
    }
    assert!(run_sections(COOKBOOK) >= 10);
}

#[test]
fn what_others_would_type_gives_the_same() {
    assert!(run_sections(COMING_FROM) >= 15);
}

#[test]
fn what_is_explained_is_so() {
    assert!(run_sections(HOW_IT_WORKS) >= 2);
}

#[test]
fn what_is_shown_of_the_command_line_is_so() {
    let examples = examples(COMMAND_LINE);
    assert!(examples.iter().filter(|example| example.output.is_some()).count() >= 2);
    run(&examples);
}

#[test]
fn a_run_can_be_watched_as_is_shown() {
    let examples = examples(WATCHING);
    assert!(examples.len() >= 5);
    run(&examples);
}

#[test]
fn the_report_is_written_as_told() {
    let directory = run(&examples(REPORT));
    let page = std::fs::read_to_string(directory.path().join("run.html")).unwrap();
    assert!(page.contains("\"read\":1000"));
}

#[test]
fn tables_are_read_and_written_as_shown() {
    let examples = examples(TABLES);
    assert!(examples.iter().filter(|example| example.output.is_some()).count() >= 2);
    run(&examples);
}

#[test]
fn completions_and_manual_pages_are_installed_as_told() {
    let home = run(&examples(INSTALL));
    for file in [
        ".local/share/bash-completion/completions/host",
        ".zfunc/_host",
        ".config/fish/completions/host.fish",
        ".local/share/man/man1/host-retry.1",
    ] {
        assert!(home.path().join(file).metadata().unwrap().len() > 100, "{file}");
    }
}

#[test]
fn the_account_is_as_shown() {
    let output = Command::new(env!("CARGO_BIN_EXE_host"))
        .args(["--plugin", "plugins/filter/filter.wasm", "--workers", "2", "data/events.ndjson"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .output()
        .unwrap();
    let shown = blocks(README).find(|(_, block)| block.starts_with("host:")).unwrap().1;
    // How many workers were needed and how long it took may differ.
    let counts = |line: &str| line.rsplitn(3, "; ").nth(2).unwrap().to_owned();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(counts(&told), counts(shown));
}
