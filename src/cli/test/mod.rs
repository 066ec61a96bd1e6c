//! `host test`: runs a plugin over its cases, and shows where it does not do what they say.

mod case;

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstream::println;
use anstyle::{AnsiColor, Style};
use clap::Parser;
use host::{Error, printable};

use super::{called, report};
use case::{Case, Verdict};

const FINE: Style = AnsiColor::Green.on_default();
const WRONG: Style = AnsiColor::Red.on_default().bold();

/// What the files of plugins end with.
const PLUGIN: [&str; 2] = ["wasm", "wat"];
/// Where the cases of a plugin lie.
const CASES: &str = "cases";

/// Runs a plugin over the cases beside it, and shows what differs
#[derive(Debug, Parser)]
#[command(
    name = "test",
    bin_name = "host test",
    after_help = "\
A case is a directory in `cases/`:
  input.ndjson     the records; by its ending it may be of any format that `host` reads
  expected.ndjson  what should come out
  args             flags for the run, as --param, with one word on each line;
                   may be missing. Files that they name lie beside it
  expected_error   where it should fail: the exit code, and on each line after
                   it a text that should be among what is said; may be missing

Each case is run whole in one worker, and cut into ranges of 64 bytes for three, as it will \
be with much data. Both have to give what is expected.

Examples:
  host test                      the plugin and the cases here
  host test pushes --update      take what comes out for what is expected
  host test pushes.wasm --case first

Exit codes: 0 all is as expected; 1 something is not; 2 there was nothing to run."
)]
pub struct Arguments {
    /// The plugin, or the directory in which it lies; its cases lie in `cases/` beside it
    #[arg(default_value = ".", hide_default_value = true)]
    plugin: PathBuf,

    /// Run only the case of this name; may be given several times
    #[arg(long, value_name = "NAME")]
    case: Vec<String>,

    /// Write what comes out where it is not what is expected, which it is from then on
    #[arg(long)]
    update: bool,
}

/// Runs the cases and tells of each.
pub fn run(arguments: Arguments) -> ExitCode {
    let (plugin, cases) = match find(&arguments) {
        Ok(found) => found,
        Err(error) => return report::refuse(&error),
    };
    let (mut fine, mut updated, mut wrong) = (0, 0, 0);
    for case in &cases {
        let name = printable(&case.name());
        match case.judge(&plugin, arguments.update) {
            Verdict::Fine => {
                fine += 1;
                println!("{FINE}ok{FINE:#}      {name}");
            }
            Verdict::Updated => {
                updated += 1;
                println!("{FINE}updated{FINE:#} {name}");
            }
            Verdict::Wrong(why) => {
                wrong += 1;
                println!("{WRONG}WRONG{WRONG:#}   {name}");
                for line in why.lines() {
                    println!("  {line}");
                }
            }
        }
    }
    let parts = [(fine, "as expected"), (updated, "updated"), (wrong, "not as expected")];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<_> = parts.map(|(count, what)| format!("{count} {what}")).collect();
    let plural = if cases.len() == 1 { "" } else { "s" };
    println!("{} case{plural}: {}", cases.len(), parts.join(", "));
    if wrong > 0 && !arguments.update {
        println!("if what came out is right: {} test --update", called::name());
    }
    ExitCode::from(u8::from(wrong > 0))
}

/// The plugin, and the cases that are to be run.
fn find(arguments: &Arguments) -> Result<(PathBuf, Vec<Case>), Error> {
    let plugin = find_plugin(&arguments.plugin)?;
    // Cases are run in their own directories.
    let plugin = plugin
        .canonicalize()
        .map_err(|error| Error::Plugin { path: plugin.clone(), why: error.to_string() })?;
    let place = plugin.with_file_name(CASES);
    let mut cases: Vec<_> = directories(&place)?.into_iter().map(Case::new).collect();
    if let Some(unknown) =
        arguments.case.iter().find(|name| cases.iter().all(|case| case.name() != **name))
    {
        let names: Vec<_> = cases.iter().map(Case::name).collect();
        return Err(Error::Usage(format!(
            "there is no case {unknown} in {}; there are: {}",
            place.display(),
            names.join(", ")
        )));
    }
    cases.retain(|case| arguments.case.is_empty() || arguments.case.contains(&case.name()));
    if cases.is_empty() {
        return Err(Error::Usage(format!(
            "there are no cases in {}: each is a directory there with an input.ndjson, and \
             `{} test --update` writes what is expected",
            place.display(),
            called::name()
        )));
    }
    Ok((plugin, cases))
}

/// A plugin that is named, or the one in a directory that is named.
fn find_plugin(named: &Path) -> Result<PathBuf, Error> {
    if !named.is_dir() {
        return Ok(named.to_owned());
    }
    let cannot =
        |error: io::Error| Error::Usage(format!("cannot look into {}: {error}", named.display()));
    let mut found = entries(named).map_err(cannot)?;
    let ending = |path: &PathBuf| path.extension().and_then(OsStr::to_str).map(str::to_owned);
    found.retain(|path| ending(path).is_some_and(|ending| PLUGIN.contains(&&*ending)));
    // Of several it is the one that is called as the directory is.
    let named_so = |path: &&PathBuf| {
        let directory = named.canonicalize().ok();
        directory.is_some_and(|directory| directory.file_name() == path.file_stem())
    };
    if let ([one], _) | (_, Some(one)) = (&*found, found.iter().find(named_so)) {
        return Ok(one.clone());
    }
    Err(Error::Usage(match found.len() {
        0 => format!(
            "there is no plugin in {} (a file that ends with .wasm or .wat); it may have to be \
             built first",
            named.display()
        ),
        _ => format!("there are several plugins in {}; name one of them", named.display()),
    }))
}

/// What is in a directory, sorted by name.
fn entries(place: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = place.read_dir()?.map(|entry| entry.map(|entry| entry.path()));
    let mut found = entries.collect::<io::Result<Vec<_>>>()?;
    found.sort();
    Ok(found)
}

/// The directories in a directory, sorted by name.
fn directories(place: &Path) -> Result<Vec<PathBuf>, Error> {
    let cannot = |error: io::Error| {
        Error::Usage(format!(
            "cannot look into {} for the plugin's cases: {error}; `{} test --help` says what \
             they are",
            place.display(),
            called::name()
        ))
    };
    let mut found = entries(place).map_err(cannot)?;
    found.retain(|path| path.is_dir());
    Ok(found)
}
