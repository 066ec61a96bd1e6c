//! `host man`: manual pages, made of the same parsers as `--help`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Command, Parser, ValueHint};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use host::{Error, printable};

use super::{called, commands, report};

/// Prints or writes manual pages
#[derive(Debug, Parser)]
#[command(
    name = "man",
    bin_name = "host man",
    after_help = "\
Examples:
  host man | man -l -                               the page of host
  host man retry | man -l -                         that of a subcommand
  host man --write ~/.local/share/man/man1          all of them, for man host, man host-retry"
)]
pub struct Arguments {
    /// The subcommand whose page is printed; without it that of host
    #[arg(value_parser = PossibleValuesParser::new(commands::names()))]
    subcommand: Option<String>,

    /// Write all pages into this directory, which is made if need be
    #[arg(long, value_name = "DIR", conflicts_with = "subcommand", value_hint = ValueHint::DirPath)]
    write: Option<PathBuf>,
}

/// Prints the page that is asked for, or writes all.
pub fn run(arguments: Arguments) -> ExitCode {
    let done = match (&arguments.write, &arguments.subcommand) {
        (Some(directory), _) => write(directory),
        (None, name) => print(&commands::parser(name.as_deref())),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report::refuse(&error),
    }
}

fn print(command: &Command) -> Result<(), Error> {
    let text = page(command).map_err(|error| Error::Usage(format!("cannot print it: {error}")))?;
    super::show(&String::from_utf8_lossy(&text));
    Ok(())
}

/// Writes a file for each page.
fn write(directory: &Path) -> Result<(), Error> {
    let cannot = |path: &Path, error: io::Error| {
        let path = printable(&path.display().to_string());
        Error::Usage(format!("cannot write {path}: {error}"))
    };
    fs::create_dir_all(directory).map_err(|error| cannot(directory, error))?;
    for name in std::iter::once(None).chain(commands::names().map(Some)) {
        let command = commands::parser(name);
        let path = directory.join(format!("{}.1", title(&command)));
        let text = page(&command).map_err(|error| cannot(&path, error))?;
        fs::write(&path, text).map_err(|error| cannot(&path, error))?;
    }
    Ok(())
}

/// What a page is called: `host`, `host-retry`.
fn title(command: &Command) -> String {
    command.get_bin_name().unwrap_or_else(|| command.get_name()).replace(' ', "-")
}

/// A manual page.
fn page(command: &Command) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let man = Man::new(command.clone().display_name(title(command)));
    heading(command).to_writer(&mut text)?;
    man.render_name_section(&mut text)?;
    synopsis(command).to_writer(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    below(command).to_writer(&mut text)?;
    see_also(command).to_writer(&mut text)?;
    Ok(text)
}

/// What stands at the head and the foot of a page. Pages are of a version, and have no date.
fn heading(command: &Command) -> Roff {
    let mut page = Roff::new();
    let version = concat!("host ", env!("CARGO_PKG_VERSION"));
    page.control("TH", [title(command).to_uppercase().as_str(), "1", " ", version, "host"]);
    page
}

/// How it is called, as `--help` has it: with its sixty flags in one line nobody could read it.
fn synopsis(command: &Command) -> Roff {
    let mut page = Roff::new();
    page.control("SH", ["SYNOPSIS"]);
    let usage = command.clone().render_usage().to_string();
    for (number, line) in usage.lines().enumerate() {
        if number > 0 {
            page.control("br", []);
        }
        page.text([roman(line.trim_start_matches("Usage:").trim())]);
    }
    page
}

/// What stands below the flags in `--help`: what is indented stays as it is, and a word with a
/// colon is the name of what follows.
fn below(command: &Command) -> Roff {
    let help = command.get_after_long_help().or(command.get_after_help());
    let text = help.map(ToString::to_string).unwrap_or_default();
    let mut page = Roff::new();
    let mut section = String::new();
    for paragraph in text.split("\n\n") {
        let (first, rest) = paragraph.split_once('\n').unwrap_or((paragraph, ""));
        let (name, lines) = match first.split_once(':') {
            // The page has a section of them.
            Some(("Subcommands", _)) => continue,
            Some(("Exit codes", "")) => ("EXIT STATUS".to_owned(), rest),
            Some(("Exit codes", codes)) => ("EXIT STATUS".to_owned(), codes.trim_start()),
            Some((word, "")) if !word.contains(' ') => (word.to_uppercase(), rest),
            _ => ("NOTES".to_owned(), paragraph),
        };
        match name == section {
            true => page.control("PP", []),
            false => page.control("SH", [name.as_str()]),
        };
        section = name;
        match section.as_str() {
            "ENVIRONMENT" => lines.lines().for_each(|line| {
                page.text([roman(line.trim_start())]);
            }),
            _ => literally(&mut page, lines),
        }
    }
    page
}

/// Lines, of which those that are indented are shown as they are.
fn literally(page: &mut Roff, lines: &str) {
    let mut as_they_are = false;
    for line in lines.lines() {
        let indented = line.starts_with(' ');
        if indented != as_they_are {
            page.control(if indented { "nf" } else { "fi" }, []);
            as_they_are = indented;
        }
        page.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
    }
    if as_they_are {
        page.control("fi", []);
    }
}

/// The other pages.
fn see_also(command: &Command) -> Roff {
    let mut page = Roff::new();
    page.control("SH", ["SEE ALSO"]);
    let host = called::name();
    let others = match command.has_subcommands() {
        true => commands::names().map(|name| format!("{host}-{name}(1)")).collect(),
        false => vec![format!("{host}(1)")],
    };
    page.text([roman(others.join(", "))]);
    page
}
