//! `host new`: writes a small project for a plugin, to be built with the ordinary tools of
//! its language. What is written lies in `templates/`, whose README says what goes where.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Parser, ValueHint};
use host::{Error, printable};
use include_dir::{Dir, include_dir};

use super::{called, report};

static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// The directory of templates that is of no language.
const SHARED: &str = "cases";
/// The operations that a project can be for.
const OPERATIONS: [&str; 6] = ["filter", "map", "flat-map", "batch", "reduce", "command"];
/// The one that is not called with records.
const COMMAND: &str = "command";
/// How long a plugin's name may be, in bytes.
const MAX_NAME: usize = 64;

/// Begins a plugin of your own, in a language of your choice
///
/// A small project is written into a new directory: a function to change, what builds it, and a case that it is
/// tested with.
#[derive(Debug, Parser)]
#[command(
    name = "new",
    bin_name = "host new",
    after_help = "\
Example:
  host new pushes --lang c --op filter && cd pushes && ./build.sh && host test"
)]
pub struct Arguments {
    /// The plugin's name and its directory's: small letters, digits and hyphens
    #[arg(required_unless_present = "list", value_hint = ValueHint::Other)]
    name: Option<String>,

    /// The language that it is written in
    #[arg(long, value_name = "LANGUAGE")]
    #[arg(value_parser = PossibleValuesParser::new(languages()))]
    lang: Option<String>,

    /// What it does with records
    #[arg(long, value_name = "OPERATION")]
    #[arg(value_parser = PossibleValuesParser::new(OPERATIONS))]
    op: Option<String>,

    /// Tell which operations there are in which language, and write nothing
    #[arg(long, exclusive = true)]
    list: bool,
}

/// Writes the project and tells what to do with it.
pub fn run(arguments: Arguments) -> ExitCode {
    let told = match (&arguments.name, &arguments.lang, &arguments.op) {
        (Some(name), Some(language), Some(operation)) => write(name, language, operation),
        (None, ..) => Ok(list()),
        (Some(_), language, operation) => Err(missing(language.is_none(), operation.is_none())),
    };
    match told {
        Ok(text) => {
            super::show(&text);
            ExitCode::SUCCESS
        }
        Err(error) => report::refuse(&error),
    }
}

/// What there is to choose from, where nothing was chosen.
fn missing(language: bool, operation: bool) -> Error {
    let mut text = String::from("a new plugin needs");
    if language {
        text += &format!(" a language (--lang {})", languages().join("|"));
    }
    if language && operation {
        text += " and";
    }
    if operation {
        text += &format!(" an operation (--op {})", OPERATIONS.join("|"));
    }
    Error::Usage(text)
}

/// The names of the languages, sorted.
fn languages() -> Vec<&'static str> {
    let names = TEMPLATES.dirs().filter_map(|directory| directory.path().to_str());
    let mut names: Vec<_> = names.filter(|name| *name != SHARED).collect();
    names.sort_unstable();
    names
}

fn offers(language: &str, operation: &str) -> bool {
    TEMPLATES.get_dir(format!("{language}/{operation}")).is_some()
}

/// Why a project is not offered.
fn why_not(language: &str, operation: &str) -> Option<&'static str> {
    match (language, operation) {
        ("assemblyscript" | "c" | "go" | "zig", "batch") => {
            Some("a call costs next to nothing there: a flat-map does the same")
        }
        ("rust", COMMAND) => {
            Some("any program is one: cargo build --release --target wasm32-wasip1 (or wasip2)")
        }
        ("assemblyscript", COMMAND) => Some("its library has no standard input and output"),
        _ => None,
    }
}

/// A table: a line for each language, a column for each operation; and why there are blanks.
fn list() -> String {
    let mut text = format!("{:<16}", "");
    text += &OPERATIONS.join("  ");
    for language in languages() {
        text += &format!("\n{language:<16}");
        let cells = OPERATIONS.map(|operation| {
            let cell = if offers(language, operation) { "yes" } else { "-" };
            format!("{cell:<width$}", width = operation.len())
        });
        text += cells.join("  ").trim_end();
    }
    text += "\n";
    for language in languages() {
        for operation in OPERATIONS {
            if let Some(why) = why_not(language, operation) {
                text += &format!("\nno {operation} in {language}: {why}");
            }
        }
    }
    text + "\n"
}

/// Writes a project; gives what there is to say about it.
fn write(name: &str, language: &str, operation: &str) -> Result<String, Error> {
    check(name)?;
    if !offers(language, operation) {
        let why = why_not(language, operation).unwrap_or("not yet");
        return Err(Error::Usage(format!(
            "there is no {operation} in {language}: {why} (`{} new --list` tells what there is)",
            called::name()
        )));
    }
    let root = Path::new(name);
    let cannot = |path: &Path, error: io::Error| {
        let why = match error.kind() {
            io::ErrorKind::AlreadyExists => "it is there already, and is left as it is".to_owned(),
            _ => error.to_string(),
        };
        Error::Usage(format!("cannot make {}: {why}", path.display()))
    };
    DirBuilder::new().create(root).map_err(|error| cannot(root, error))?;
    for (path, template) in files(language, operation) {
        let path = root.join(path);
        let text = template.replace("{{name}}", name).replace("{{operation}}", operation);
        put(&path, &text).map_err(|error| cannot(&path, error))?;
    }
    Ok(format!(
        "{name}: a {operation} in {language}\n  \
         next: cd {name} && ./build.sh && {} test   (README.md says what is needed)\n",
        called::name()
    ))
}

/// A name has to do as that of a directory and, in every language, of a package.
fn check(name: &str) -> Result<(), Error> {
    let part = |part: &str| {
        let mut bytes = part.bytes();
        !part.is_empty() && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let begins = name.starts_with(|first: char| first.is_ascii_lowercase());
    if begins && name.len() <= MAX_NAME && name.split('-').all(part) {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "a plugin cannot be called `{}`: a name is up to {MAX_NAME} small letters and digits, \
         begins with a letter, and may have single hyphens inside, as in `count-words`",
        printable(name)
    )))
}

/// The files of a project: where each goes, and its template.
fn files(language: &str, operation: &str) -> Vec<(PathBuf, &'static str)> {
    let mut sources = vec![
        (format!("cases/{operation}"), "cases"),
        (format!("{language}/all"), ""),
        (format!("{language}/{operation}"), ""),
    ];
    if operation != COMMAND {
        sources.push((format!("{language}/records"), ""));
    }
    let mut files = Vec::new();
    for (source, destination) in &sources {
        if let Some(directory) = TEMPLATES.get_dir(source) {
            collect(directory, Path::new(source), Path::new(destination), &mut files);
        }
    }
    files
}

fn collect(
    directory: &'static Dir<'_>,
    source: &Path,
    destination: &Path,
    files: &mut Vec<(PathBuf, &'static str)>,
) {
    for file in directory.files() {
        if let (Ok(path), Some(text)) = (file.path().strip_prefix(source), file.contents_utf8()) {
            files.push((destination.join(path), text));
        }
    }
    for inner in directory.dirs() {
        collect(inner, source, destination, files);
    }
}

/// Writes a new file, and the directories that it lies in. A script can be run.
pub fn put(path: &Path, text: &str) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).create(parent)?;
    }
    let is_script = path.extension().is_some_and(|extension| extension == "sh");
    let mode = if is_script { 0o777 } else { 0o666 };
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?
        .write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_directory_of_templates_is_of_some_use() {
        for language in languages() {
            let directory = TEMPLATES.get_dir(language).unwrap();
            for inner in directory.dirs() {
                let name = inner.path().file_name().unwrap().to_str().unwrap();
                let known = ["all", "records"].contains(&name) || OPERATIONS.contains(&name);
                assert!(known, "{language}/{name}");
            }
        }
    }

    #[test]
    fn every_blank_has_its_reason_and_nothing_else_has() {
        for language in languages() {
            for operation in OPERATIONS {
                let explained = why_not(language, operation).is_some();
                assert_ne!(offers(language, operation), explained, "{language} {operation}");
            }
            assert!(offers(language, "filter") && offers(language, "map"), "{language}");
        }
    }

    #[test]
    fn no_two_templates_go_to_one_file_and_all_are_filled_in() {
        for language in languages() {
            for operation in OPERATIONS.into_iter().filter(|operation| offers(language, operation))
            {
                let mut paths = BTreeSet::new();
                for (path, template) in files(language, operation) {
                    let text = template.replace("{{name}}", "").replace("{{operation}}", "");
                    assert!(!text.contains("{{"), "{language} {operation}: {}", path.display());
                    assert!(paths.insert(path), "{language} {operation}");
                }
                for needed in ["README.md", "build.sh", "cases/first/expected.ndjson"] {
                    assert!(paths.contains(Path::new(needed)), "{language} {operation}: {needed}");
                }
            }
        }
    }

    #[test]
    fn names_are_such_as_every_language_takes() {
        for name in ["a", "count-words", "x2-y", &"a".repeat(MAX_NAME)] {
            assert!(check(name).is_ok(), "{name}");
        }
        let long = "a".repeat(MAX_NAME + 1);
        for name in ["", "-a", "a-", "a--b", "2a", "A", "a_b", "a/b", "..", "a.b", "é", &long] {
            assert!(check(name).is_err(), "{name}");
        }
    }
}
