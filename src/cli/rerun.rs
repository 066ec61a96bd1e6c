//! `--watch`: runs a job again whenever a plugin's file changes, and shows how what comes of it
//! differs from before.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use host::{Error, Open, Stop, printable};

use super::arguments::Arguments;
use super::{InputsAre, difference, log, read, report, settle, show};
use crate::{perform, signals};

/// How often it is looked whether a file has changed. One that stays the same for so long is
/// whole.
const LOOK: Duration = Duration::from_millis(100);
/// The most that is compared of what comes out, in bytes.
const COMPARED: u64 = 64 << 20;
/// The exit code of a program that was interrupted.
const INTERRUPTED: u8 = 130;

/// Runs the job that these arguments describe, again and again, until it is interrupted. `words`
/// are what was typed.
pub fn run(arguments: Arguments, words: &[OsString]) -> ExitCode {
    let stop = Stop::new();
    if let Err(error) = signals::stop_on_them(&stop) {
        return report::refuse(&error);
    }
    let plugins = arguments.plugin.clone();
    let quiet = arguments.quiet;
    let names = plugins.iter().map(|path| printable(&path.display().to_string()));
    let names = names.collect::<Vec<_>>().join(", ");
    let mut arguments = Some(arguments);
    let mut before: Option<String> = None;
    loop {
        let seen = look(&plugins);
        // What is in files that the arguments name may be different by now.
        let again = || read(words).map(|(arguments, _)| arguments);
        let output = match arguments.take().map_or_else(again, Ok) {
            Ok(arguments) => round(arguments, &stop),
            Err(code) => return code,
        };
        match (output, &before) {
            (Err(error), None) => return report::refuse(&error),
            (Err(error), Some(_)) => _ = report::refuse(&error),
            (Ok(output), None) => {
                show(&output);
                before = Some(output);
            }
            (Ok(output), Some(last)) => {
                match difference::show(last, &output) {
                    same if same.is_empty() => report::note("the output is the same as before"),
                    // Nobody may be left to read it. Colours are for terminals.
                    different => _ = writeln!(anstream::stdout(), "{different}"),
                }
                before = Some(output);
            }
        }
        if !quiet && !stop.is_stopped() {
            report::note(&format!("waiting for another {names} (Ctrl-C ends this)"));
        }
        while !stop.is_stopped() && !has_changed(&plugins, &seen) {
            sleep(LOOK);
        }
        if stop.is_stopped() {
            return ExitCode::from(INTERRUPTED);
        }
    }
}

/// Runs the job once, and gives what comes out, also where it fails: what is wrong is said.
///
/// # Errors
/// What is wrong with the arguments, or the system.
fn round(mut arguments: Arguments, stop: &Stop) -> Result<String, Error> {
    if arguments.inputs.is_empty() || arguments.inputs.iter().any(|input| *input == Path::new("-"))
    {
        let text = "--watch reads its inputs again and again, and standard input only once";
        return Err(Error::Usage(text.into()));
    }
    let mut file = tempfile::tempfile().map_err(cannot_keep)?;
    arguments.open_output = Some(Open::new(file.try_clone().map_err(cannot_keep)?, "the output"));
    arguments.stop = Some(stop.clone());
    let request = settle(arguments, InputsAre::Records)?;
    log::start(request.logging);
    perform(request);
    text_of(&mut file).map_err(cannot_keep)
}

fn cannot_keep(source: io::Error) -> Error {
    Error::System { doing: "keep what comes out", source }
}

fn text_of(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(COMPARED).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What tells that a file is another: when it was changed, and its length.
type Seen = Vec<Option<(SystemTime, u64)>>;

fn look(files: &[PathBuf]) -> Seen {
    let of = |path: &PathBuf| {
        let metadata = path.metadata().ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    files.iter().map(of).collect()
}

/// Whether the files are others, all there, and whole.
fn has_changed(files: &[PathBuf], seen: &Seen) -> bool {
    let now = look(files);
    if now == *seen || now.contains(&None) {
        return false;
    }
    sleep(LOOK);
    look(files) == now
}
