//! `host completions`: each script is taken by its shell, and completes what there is.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::run::Scene;

/// The subcommands, as the program itself tells them.
pub const SUBCOMMANDS: [&str; 11] = [
    "bench",
    "check",
    "completions",
    "doctor",
    "inspect",
    "man",
    "merge",
    "new",
    "retry",
    "spark",
    "test",
];

/// Whether a program can be asked. In CI there is no passing over.
pub fn is_installed(program: &str) -> bool {
    let directories = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&directories).any(|place| place.join(program).is_file());
    assert!(found || std::env::var_os("CI").is_none(), "{program} is not installed");
    if !found {
        eprintln!("not tested, because there is no {program}");
    }
    found
}

/// What a shell says to a script, in a directory; `host` is the program.
fn shell(scene: &Scene, shell: &str, flags: &[&str], script: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_host")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(shell);
    command.args(flags).arg("-c").arg(script).current_dir(scene.path(""));
    let ran = command.env("PATH", path).env("HOME", scene.path("")).output().unwrap();
    let stderr = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{shell} ended with {}: {script}\n{stderr}", ran.status);
    String::from_utf8(ran.stdout).unwrap()
}

/// What bash offers for the last word of a line.
fn in_bash(scene: &Scene, line: &str) -> BTreeSet<String> {
    let last = line.split(' ').next_back().unwrap();
    let script = format!(
        "source <(host completions bash)
         COMP_WORDS=({line}) COMP_LINE='{line}'
         if [ -z '{last}' ]; then COMP_WORDS+=(''); fi
         COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
         compopt() {{ :; }}
         _host host '{last}' \"${{COMP_WORDS[COMP_CWORD - 1]}}\"
         printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let offered = shell(scene, "bash", &["--norc"], &script);
    offered.lines().filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// What fish offers.
fn in_fish(scene: &Scene, line: &str) -> BTreeSet<String> {
    let script = format!("host completions fish | source; complete --do-complete '{line}'");
    let offered = shell(scene, "fish", &["--no-config"], &script);
    // What a word is for stands behind a tab.
    offered.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

/// The long flags that a help text tells.
pub fn flags_in(help: &str) -> BTreeSet<String> {
    // What is said about a flag stands further in.
    let begins = |line: &&str| {
        let text = line.trim_start();
        text.starts_with('-') && (2..=6).contains(&(line.len() - text.len()))
    };
    let lines = help.lines().filter(begins);
    let words =
        lines.filter_map(|line| line.split_whitespace().find(|word| word.starts_with("--")));
    words.map(|word| word.trim_matches([',', '.']).to_owned()).collect()
}

/// What `--help` says of a subcommand, or of an ordinary run.
pub fn help(subcommand: Option<&str>) -> String {
    let host = Scene::new();
    let host = subcommand.into_iter().fold(host.bare(), |host, name| host.arg(name));
    let ran = host.arg("--help").run();
    String::from_utf8(ran.exits(0).stdout.clone()).unwrap()
}

#[track_caller]
fn offers(offered: &BTreeSet<String>, words: &[&str]) {
    for word in words {
        assert!(offered.contains(*word), "{word} is not among {offered:?}");
    }
}

#[test]
fn bash_completes_subcommands_flags_values_and_files() {
    let scene = Scene::new();
    scene.file("filter.wasm", "").file("with space.wasm", "");
    offers(&in_bash(&scene, "host "), &SUBCOMMANDS);
    assert_eq!(in_bash(&scene, "host ins"), ["inspect".to_owned()].into());
    assert_eq!(
        in_bash(&scene, "host --on-error "),
        ["dead-letter", "fail", "skip"].map(str::to_owned).into()
    );
    assert_eq!(
        in_bash(&scene, "host --output-"),
        ["--output-dir".to_owned()].into(),
        "only what begins so"
    );
    offers(&in_bash(&scene, "host --plugin "), &["filter.wasm", "with space.wasm"]);
    offers(&in_bash(&scene, "host new pushes --lang "), &["c", "go", "rust", "zig"]);
    offers(&in_bash(&scene, "host inspect "), &["filter", "reduce", "params"]);
    offers(&in_bash(&scene, "host completions "), &["bash", "fish", "zsh"]);
    offers(&in_bash(&scene, "host man "), &SUBCOMMANDS);
}

#[test]
fn bash_offers_exactly_the_flags_of_each_subcommand() {
    let scene = Scene::new();
    let offered = |line: &str| -> BTreeSet<String> {
        let words = in_bash(&scene, line);
        words.into_iter().filter(|word| word.starts_with("--")).collect()
    };
    assert_eq!(offered("host --"), flags_in(&help(None)));
    for name in SUBCOMMANDS {
        assert_eq!(offered(&format!("host {name} --")), flags_in(&help(Some(name))), "{name}");
    }
    // Of two that share most of theirs.
    assert!(!offered("host merge --").contains("--limit"));
    assert!(!offered("host retry --").contains("--to"));
}

#[test]
fn fish_completes_subcommands_flags_and_values() {
    let scene = Scene::new();
    if !is_installed("fish") {
        return;
    }
    offers(&in_fish(&scene, "host "), &SUBCOMMANDS);
    offers(&in_fish(&scene, "host --on-error "), &["dead-letter", "fail", "skip"]);
    assert_eq!(in_fish(&scene, "host check --js"), ["--json".to_owned()].into());
    assert!(!in_fish(&scene, "host merge --").contains("--limit"));
}

#[test]
fn zsh_takes_the_script() {
    let scene = Scene::new();
    if !is_installed("zsh") {
        return;
    }
    let script = shell(&scene, "bash", &["--norc"], "host completions zsh");
    scene.file("_host", &script);
    shell(&scene, "zsh", &["-f"], "zsh -n _host");
    // Where completion is on, the script registers its function.
    let told = shell(
        &scene,
        "zsh",
        &["-f"],
        "autoload -Uz compinit; compinit -D -u; source ./_host; print $_comps[host]; whence -w _host",
    );
    assert_eq!(told, "_host\n_host: function\n");
    for word in ["--on-error", "fail", "dead-letter", "inspect", "--flame-graph"] {
        assert!(script.contains(word), "{word} is not in the script");
    }
}

#[test]
fn a_shell_that_is_not_known_is_refused() {
    let ran = Scene::new().bare().args("completions csh").run();
    ran.exits(2).writes("").says("csh").says("bash, zsh, fish");
}
