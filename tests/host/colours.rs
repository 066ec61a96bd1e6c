//! Colours: where a terminal shows them, and as NO_COLOR and CLICOLOR_FORCE have it.

use std::process::Command;

use crate::completions::is_installed;
use crate::run::{Scene, repository};
use crate::wat;

/// What a program writes to a terminal, with variables set for it.
fn on_a_terminal(scene: &Scene, arguments: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new("script");
    let line = format!("{} {arguments}", env!("CARGO_BIN_EXE_host"));
    command.args(["-q", "-e", "-c", &line, "/dev/null"]).current_dir(scene.path(""));
    // What shows logs of a CI is taken for a terminal with colours, whatever it says it is.
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"] {
        command.env_remove(name);
    }
    command.env("TERM", "xterm-256color").env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    let ran = command.envs(variables.iter().copied()).output().unwrap();
    assert!(ran.stderr.is_empty(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

const ESCAPE: char = '\u{1b}';

/// Command lines that colour errors, warnings, help, usage and what `host test` tells.
fn coloured(scene: &Scene) -> Vec<String> {
    scene.file("plugin.wat", wat::rejects()).file("data.ndjson", "1\n\"!\"\n");
    let project = repository("plugins/where");
    let lines = [
        "--plugin plugin.wat data.ndjson",
        "--plugin plugin.wat --on-error skip data.ndjson",
        "--workerz",
        "-h",
    ];
    let test = format!("test {}", project.display());
    lines.map(str::to_owned).into_iter().chain([test]).collect()
}

#[test]
fn a_terminal_shows_colours_unless_it_is_asked_not_to() {
    if !is_installed("script") {
        return;
    }
    let scene = Scene::new();
    for line in coloured(&scene) {
        assert!(on_a_terminal(&scene, &line, &[]).contains(ESCAPE), "{line}");
        for without in [("NO_COLOR", "1"), ("CLICOLOR", "0"), ("TERM", "dumb")] {
            let told = on_a_terminal(&scene, &line, &[without]);
            assert!(!told.contains(ESCAPE) && !told.is_empty(), "{line}, {without:?}: {told}");
        }
    }
    let json = "--errors json --plugin plugin.wat data.ndjson";
    assert!(!on_a_terminal(&scene, json, &[]).contains(ESCAPE));
}

#[test]
fn what_is_no_terminal_shows_none_unless_it_is_forced() {
    let scene = Scene::new();
    for line in coloured(&scene) {
        let run = |forced: bool| {
            let host = scene.bare().args(&line).env_remove("NO_COLOR");
            let host = host.env("CLICOLOR_FORCE", if forced { "1" } else { "" });
            let ran = host.run();
            String::from_utf8(ran.stdout).unwrap() + &ran.stderr
        };
        assert!(!run(false).contains(ESCAPE), "{line}");
        assert!(run(true).contains(ESCAPE), "{line}");
    }
}
