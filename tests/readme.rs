//! Runs the shell examples of README.md and compares what its text examples show.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// The fenced blocks of this language in README.md.
fn blocks(language: &str) -> Vec<String> {
    let readme = include_str!("../README.md");
    // Outside of blocks and inside take turns.
    let blocks = readme.split("```").skip(1).step_by(2);
    let of_language = blocks.filter_map(|block| {
        let (info, text) = block.split_once('\n')?;
        (info == language).then(|| text.to_owned())
    });
    of_language.collect()
}

#[test]
fn the_shell_examples_run() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = tempfile::tempdir().unwrap();
    for name in ["plugins", "data"] {
        symlink(repository.join(name), directory.path().join(name)).unwrap();
    }
    let program = Path::new(env!("CARGO_BIN_EXE_host")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let examples = blocks("sh");
    assert!(examples.len() >= 2);
    for example in examples {
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &example])
            .current_dir(directory.path())
            .env("PATH", &path)
            .env("XDG_CACHE_HOME", directory.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{example}\n{stderr}");
    }
    // The last example leaves what the account says that it should.
    let pushes = std::fs::read_to_string(directory.path().join("pushes.ndjson")).unwrap();
    assert_eq!(pushes.lines().count(), 190);
}

#[test]
fn the_account_is_as_shown() {
    let output = Command::new(env!("CARGO_BIN_EXE_host"))
        .args(["--plugin", "plugins/filter/filter.wasm", "--workers", "2", "data/events.ndjson"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .output()
        .unwrap();
    let shown = blocks("text").into_iter().find(|block| block.starts_with("host:")).unwrap();
    // How many workers were needed and how long it took may differ.
    let counts = |line: &str| line.rsplitn(3, "; ").nth(2).unwrap().to_owned();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(counts(&told), counts(&shown));
}
