//! Runs the shell examples of README.md and of pages in docs/ and compares what they print with
//! what is shown, and what the text examples of README.md show.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

const README: &str = include_str!("../README.md");
const COOKBOOK: &str = include_str!("../docs/cookbook.md");
const REPORT: &str = include_str!("../docs/report.md");

/// A command, and what it prints where that is shown.
struct Example {
    command: String,
    output: Option<String>,
}

/// The fenced blocks of a document, each with its language.
fn blocks(document: &str) -> impl Iterator<Item = (&str, &str)> {
    // Outside of blocks and inside take turns.
    document.split("```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'))
}

/// The `sh` blocks of a document; an `output` block belongs to the one before it.
fn examples(document: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for (language, text) in blocks(document) {
        match language {
            "sh" => examples.push(Example { command: text.to_owned(), output: None }),
            "output" => {
                let shown = &mut examples.last_mut().unwrap().output;
                assert!(shown.replace(text.to_owned()).is_none(), "two outputs of one: {text}");
            }
            _ => {}
        }
    }
    examples
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
    for Example { command, output } in examples {
        let ran = Command::new("bash")
            .args(["-euo", "pipefail", "-c", command])
            .current_dir(directory.path())
            .env("PATH", &path)
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

#[test]
fn every_recipe_gives_what_is_shown() {
    let recipes = COOKBOOK.split("\n## ").skip(1);
    let commands = recipes.map(|recipe| {
        let examples = examples(recipe);
        assert!(!examples.is_empty(), "a recipe without a command: {recipe}");
        for Example { command, output } in &examples {
            assert!(output.is_some(), "it does not show what this prints: {command}");
        }
        run(&examples);
        examples.len()
    });
    assert!(commands.sum::<usize>() >= 10);
}

#[test]
fn the_report_is_written_as_told() {
    let directory = run(&examples(REPORT));
    let page = std::fs::read_to_string(directory.path().join("run.html")).unwrap();
    assert!(page.contains("\"read\":1000"));
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
