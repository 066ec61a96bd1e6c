//! What the program is called: `host`, unless a package or a link gives it another name. Texts
//! are written for `host`; what a user is told to type has the name under which it would run.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::OnceLock;

use clap::Command;

/// What it is called where nothing else is known.
const HOST: &str = "host";
/// A word before these, and before white space, is no part of another word.
const OPENING: [char; 3] = ['`', '(', '_'];
/// The directory of which an example says that a completion script is kept there.
const SCRIPTS: &str = "completions/";

/// The name by which the program was called.
pub fn name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| name_in(std::env::args_os().next().as_deref()))
}

/// The name of a program by the first word of its command line.
pub fn name_in(first: Option<&OsStr>) -> String {
    first.and_then(plain).unwrap_or_else(|| HOST.to_owned())
}

/// The name in a path, if it is one that may stand in a text, a script and the name of a file.
fn plain(first: &OsStr) -> Option<String> {
    let name = Path::new(first).file_name()?.to_str()?;
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_.+".contains(letter);
    (name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.chars().all(fits))
        .then(|| name.to_owned())
}

/// A parser that speaks of the program by the name by which it was called.
pub fn by_name(command: Command) -> Command {
    match name() {
        HOST => command,
        name => renamed(command, name),
    }
}

/// A parser that speaks of the program by this name, in all of its texts. What `--version` says
/// stays: that is which program it is, whatever it is called.
fn renamed(command: Command, name: &str) -> Command {
    let with =
        |text: Option<&clap::builder::StyledStr>| text.map(|text| said_of(&text.to_string(), name));
    let bin_name = said_of(command.get_bin_name().unwrap_or(HOST), name);
    let about = (with(command.get_about()), with(command.get_long_about()));
    let below = (with(command.get_after_help()), with(command.get_after_long_help()));
    let command = command.bin_name(bin_name).mut_args(|argument| {
        let help = (with(argument.get_help()), with(argument.get_long_help()));
        let argument = match help.0 {
            Some(text) => argument.help(text),
            None => argument,
        };
        match help.1 {
            Some(text) => argument.long_help(text),
            None => argument,
        }
    });
    let command = command.about(about.0.unwrap_or_default());
    let command = command.after_help(below.0.unwrap_or_default());
    let command = match about.1 {
        Some(text) => command.long_about(text),
        None => command,
    };
    match below.1 {
        Some(text) => command.after_long_help(text),
        None => command,
    }
}

/// A text with this name wherever the word `host` is the program and no directory of its own.
fn said_of(text: &str, name: &str) -> String {
    let mut said = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(HOST) {
        let (before, after) = (&rest[..at], &rest[at + HOST.len()..]);
        said += before;
        let begins = said.ends_with(SCRIPTS)
            || said.chars().next_back().is_none_or(|c| c.is_whitespace() || OPENING.contains(&c));
        let ends = !after.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        said += if begins && ends { name } else { HOST };
        rest = after;
    }
    said + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_last_part_of_a_path_if_it_is_plain() {
        for (path, name) in [
            ("/usr/bin/wasm-host", Some("wasm-host")),
            ("host", Some("host")),
            ("./host.old", Some("host.old")),
            ("", None),
            ("/", None),
            ("-host", None),
            ("a b", None),
            ("$(reboot)", None),
            ("h\u{f6}st", None),
        ] {
            assert_eq!(plain(OsStr::new(path)).as_deref(), name, "{path:?}");
        }
    }

    #[test]
    fn only_the_program_gets_another_name() {
        for (text, said) in [
            ("`host check` tells", "`wasm-host check` tells"),
            ("  host man | man -l -\n  host man", "  wasm-host man | man -l -\n  wasm-host man"),
            ("man host, man host-retry", "man wasm-host, man wasm-host-retry"),
            (
                "x/completions/host y/_host z/completions/host.fish",
                "x/completions/wasm-host y/_wasm-host z/completions/wasm-host.fish",
            ),
            ("~/.cache/host and $XDG_CACHE_HOME/host", "~/.cache/host and $XDG_CACHE_HOME/host"),
            (
                "HOST_WORKERS on this host_ or ghost, hosts",
                "HOST_WORKERS on this host_ or ghost, hosts",
            ),
        ] {
            assert_eq!(said_of(text, "wasm-host"), said);
        }
    }
}
