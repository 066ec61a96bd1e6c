//! `host inspect`: shows the contract between `host` and plugins, which lies in `wit/`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Parser, ValueHint};
use host::{Error, printable};
use include_dir::{Dir, include_dir};

use super::new::put;
use super::{called, report};

static CONTRACT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/wit");

/// What a plugin can be, by what it exports.
const WORLDS: [&str; 5] = ["filter", "map", "flat-map", "batch", "reduce"];
/// What it may import.
const INTERFACES: [&str; 3] = ["log", "params", "data"];

/// Shows what plugins export and may import
///
/// That is the contract between `host` and plugins, which is written in WIT.
#[derive(Debug, Parser)]
#[command(
    name = "inspect",
    bin_name = "host inspect",
    after_help = "\
Examples:
  host inspect                   everything in short
  host inspect filter            one world or interface, with all that holds of it
  host inspect --write wit       the files, for wit-bindgen, componentize-py and the like"
)]
pub struct Arguments {
    /// What to show whole
    #[arg(value_parser = PossibleValuesParser::new(names()))]
    name: Option<String>,

    /// Write the files of the contract into this directory
    #[arg(long, value_name = "DIR", conflicts_with = "name", value_hint = ValueHint::DirPath)]
    write: Option<PathBuf>,
}

/// Shows what is asked for.
pub fn run(arguments: Arguments) -> ExitCode {
    let text = match (&arguments.name, &arguments.write) {
        (Some(name), _) => text(name).to_owned(),
        (None, Some(directory)) => match write(directory) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => return report::refuse(&error),
        },
        (None, None) => overview(),
    };
    super::show(&text);
    ExitCode::SUCCESS
}

fn names() -> impl Iterator<Item = &'static str> {
    WORLDS.into_iter().chain(INTERFACES)
}

/// A file of the contract.
fn text(name: &str) -> &'static str {
    let file = CONTRACT.get_file(format!("{name}.wit"));
    file.and_then(|file| file.contents_utf8()).unwrap_or_default()
}

/// Each world and interface: what it is for, and its functions.
fn overview() -> String {
    let package = text(WORLDS[0]).lines().next().unwrap_or_default();
    let package = package.trim_start_matches("package ").trim_end_matches(';');
    let mut shown = format!("What a plugin exports says what it does ({package}):\n");
    shown.extend(WORLDS.map(summary));
    shown += "\n  command     Read the records of a range as lines, print lines.\n              \
              _start, as every WASI program with a `main` has it; as a component wasi:cli/run\n";
    shown += "\nWhat it may import, besides WASI with nothing granted:\n";
    shown.extend(INTERFACES.map(summary));
    let host = called::name();
    shown
        + &format!(
            "\n`{host} inspect NAME` shows one of them whole; `{host} new` begins a plugin.\n"
        )
}

fn summary(name: &str) -> String {
    let text = text(name);
    let purpose = text.lines().find_map(|line| line.strip_prefix("/// ")).unwrap_or_default();
    // A sentence that goes on in the next line is left out.
    let purpose = purpose.rfind('.').map_or(purpose, |end| &purpose[..=end]);
    let mut shown = format!("\n  {name:<12}{purpose}\n");
    for line in text.lines().map(str::trim_start) {
        if let Some(function) = line.strip_suffix(';').filter(|line| line.contains(": func(")) {
            let function = function.trim_start_matches("export ");
            shown += &format!("  {:<12}{function}\n", "");
        }
    }
    shown
}

/// Writes the files where there are none of their names.
fn write(directory: &Path) -> Result<(), Error> {
    for file in CONTRACT.files() {
        let path = directory.join(file.path());
        put(&path, file.contents_utf8().unwrap_or_default()).map_err(|error| {
            let path = printable(&path.display().to_string());
            Error::Usage(format!("cannot write {path}: {error}"))
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_contract_is_known_by_name() {
        let mut files: Vec<_> =
            CONTRACT.files().map(|file| file.path().file_stem().unwrap()).collect();
        let mut known: Vec<_> = names().collect();
        files.sort();
        known.sort();
        assert_eq!(files, known);
        for name in names() {
            let kind = if WORLDS.contains(&name) { "world" } else { "interface" };
            let of_text = |word: &str| word.trim_start_matches('%') == name;
            let mut lines = text(name).lines();
            let line = lines.find(|line| line.starts_with(kind)).unwrap_or_default();
            assert!(line.split_whitespace().nth(1).is_some_and(of_text), "{name}: {line}");
        }
    }
}
