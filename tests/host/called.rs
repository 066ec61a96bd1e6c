//! The program under another name: what it says, completes and documents has that name.

use std::os::unix::fs::symlink;
use std::process::{Command, Output};

use crate::completions::SUBCOMMANDS;
use crate::run::Scene;
use crate::wat;

const NAME: &str = "wasm-host";

/// A directory in which the program has the other name.
fn scene() -> Scene {
    let scene = Scene::new();
    symlink(env!("CARGO_BIN_EXE_host"), scene.path(NAME)).unwrap();
    scene.file("plugin.wat", wat::keeps_all()).file("data.ndjson", "1\n2\n");
    scene
}

/// What comes of a line that is typed to bash there.
fn typed(scene: &Scene, line: &str) -> Output {
    let path = format!("{}:{}", scene.path("").display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", line]).current_dir(scene.path("")).env("PATH", path);
    bash.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR")).output().unwrap()
}

fn printed(scene: &Scene, line: &str) -> String {
    let output = typed(scene, line);
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn said(scene: &Scene, line: &str) -> String {
    String::from_utf8(typed(scene, line).stderr).unwrap()
}

/// Whether the word `host` stands there as a command.
fn speaks_of_host(text: &str) -> bool {
    let text = text.replace("\\-", "-").replace("\\fB", "").replace("\\fR", "");
    let begins = |before: &str| before.is_empty() || before.ends_with([' ', '\n', '`', '_']);
    let ends = |after: &str| after.starts_with([' ', '`', '-', '_', '(']);
    let places =
        text.match_indices("host").map(|(at, word)| (&text[..at], &text[at + word.len()..]));
    // What `--version` says, which stands at the foot of a manual page too.
    let others = |after: &str| after.starts_with(concat!(" ", env!("CARGO_PKG_VERSION")));
    places.into_iter().any(|(before, after)| begins(before) && ends(after) && !others(after))
}

#[test]
fn help_names_it_in_usage_and_examples() {
    let scene = scene();
    for line in ["wasm-host -h", "wasm-host --help"] {
        let text = printed(&scene, line);
        assert!(text.contains("Usage: wasm-host [OPTIONS]"), "{text}");
        assert!(text.contains("  wasm-host --plugin filter.wasm"), "{text}");
        assert!(!speaks_of_host(&text), "{text}");
    }
    for name in SUBCOMMANDS {
        let text = printed(&scene, &format!("wasm-host {name} --help"));
        assert!(text.contains(&format!("Usage: wasm-host {name}")), "{text}");
        assert!(!speaks_of_host(&text), "{text}");
    }
    // The same tells of the usual name.
    assert!(speaks_of_host(&crate::completions::help(None)));
}

#[test]
fn where_nothing_else_is_known_it_is_host() {
    let text = said(&scene(), "exec -a '' wasm-host check");
    assert!(text.contains("Usage: host check"), "{text}");
}

#[test]
fn messages_name_it() {
    let scene = scene();
    let text = said(&scene, "wasm-host --plugin plugin.wat data.ndjson");
    assert!(text.starts_with("wasm-host: 2 records read: 2 kept"), "{text}");
    let text = said(&scene, "wasm-host chekc");
    assert!(text.contains("did you mean `wasm-host check`?"), "{text}");
    let text = said(&scene, "wasm-host retry");
    assert!(text.contains("Usage: wasm-host retry"), "{text}");
    let text = printed(&scene, "wasm-host new pushes --lang c --op filter");
    assert!(text.contains("./build.sh && wasm-host test"), "{text}");
}

#[test]
fn what_it_starts_itself_names_it() {
    let scene = scene();
    let case = scene.path("cases/first");
    std::fs::create_dir_all(&case).unwrap();
    std::fs::write(case.join("input.ndjson"), "1\n").unwrap();
    std::fs::write(case.join("expected.ndjson"), "2\n").unwrap();
    let output = typed(&scene, "wasm-host test plugin.wat");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("wasm-host --workers 1"), "{text}");
    assert!(text.contains("wasm-host test --update"), "{text}");
}

#[test]
fn the_version_says_which_program_it_is() {
    assert_eq!(
        printed(&scene(), "wasm-host --version"),
        concat!("host ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn bash_completes_it() {
    let scene = scene();
    let offered = printed(
        &scene,
        "source <(wasm-host completions bash)
         complete -p wasm-host
         COMP_WORDS=(wasm-host ins) COMP_CWORD=1 COMP_LINE='wasm-host ins'
         $(complete -p wasm-host | sed 's/.* -F \\([^ ]*\\).*/\\1/') wasm-host ins wasm-host
         printf '%s\\n' \"${COMPREPLY[@]}\"
         complete -p host && exit 1
         true",
    );
    assert!(offered.contains(" wasm-host\n") && offered.ends_with("\ninspect\n"), "{offered}");
}

#[test]
fn fish_completes_it() {
    let scene = scene();
    if crate::completions::is_installed("fish") {
        let line =
            "fish --no-config -c \"wasm-host completions fish | source; complete --do-complete";
        let offered = printed(&scene, &format!("{line} 'wasm-host ins'\""));
        assert!(offered.starts_with("inspect\t"), "{offered}");
        // Of a flag whose value is being typed, too.
        let offered = printed(&scene, &format!("{line} 'wasm-host --on-error '\""));
        assert!(offered.contains("skip\t"), "{offered}");
    }
}

#[test]
fn zsh_completes_it() {
    let scene = scene();
    if crate::completions::is_installed("zsh") {
        let told = printed(
            &scene,
            "wasm-host completions zsh > _wasm-host
             zsh -f -c 'autoload -Uz compinit; compinit -D -u; source ./_wasm-host; print $_comps[wasm-host]'",
        );
        assert_eq!(told, "_wasm-host\n");
    }
}

#[test]
fn manual_pages_are_its() {
    let scene = scene();
    printed(&scene, "wasm-host man --write man1");
    let pages = printed(&scene, "ls man1");
    let pages: Vec<_> = pages.lines().collect();
    assert_eq!(pages.len(), SUBCOMMANDS.len() + 1);
    assert!(pages.iter().all(|page| page.starts_with(NAME)), "{pages:?}");
    for page in pages {
        let text = printed(&scene, &format!("cat man1/{page}"));
        assert!(text.contains("\n.SH SYNOPSIS\nwasm\\-host "), "{text}");
        assert!(!speaks_of_host(&text), "{page}: {text}");
    }
}
