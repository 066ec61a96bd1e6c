//! Whether an output could be written, found out without making or changing anything.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use rustix::io::Errno;

use crate::error::Error;
use crate::input::{Identity, Inputs};
use crate::job::{Input, Job, OnError, Output};

use super::dead_letters;
use super::outputs::names_below;
use super::sink::{claim, partial_name};

/// Sees that the output of a job is not a file that the job reads: it would replace it.
///
/// # Errors
/// [`Error::OpenOutput`] with what that file is to the job.
pub(crate) fn check_is_not_read(job: &Job, inputs: &Inputs) -> Result<(), Error> {
    let Output::Path(path) = &job.output else { return Ok(()) };
    // A device or a pipe is not replaced.
    let there = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file);
    let Some(there) = there.map(|metadata| Identity::of(&metadata)) else { return Ok(()) };
    let is =
        |other: &Path| std::fs::metadata(other).is_ok_and(|found| Identity::of(&found) == there);
    let is_input = |input: &Input| matches!(input, Input::Path(other) if is(other));
    let what = if inputs.identities().contains(&there) || job.inputs.iter().any(is_input) {
        "an input"
    } else if job.plugins().any(is) {
        "a plugin"
    } else if job.data.values().any(|other| is(other)) {
        "side data (--data)"
    } else if job.schema.as_deref().is_some_and(is) {
        "the schema (--schema)"
    } else {
        return Ok(());
    };
    let why = format!("it is {what} of this job; choose another output");
    Err(Error::OpenOutput { path: path.clone(), source: io::Error::other(why) })
}

/// Checks the output of a job. Gives the output of each input, where each has its own.
///
/// # Errors
/// What opening it would end with.
pub(crate) fn check(output: &Output, inputs: &Inputs) -> Result<Vec<PathBuf>, Error> {
    let wrong = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::OpenOutput { path, source }
    };
    match output {
        Output::Stdout | Output::Open(_) => Ok(Vec::new()),
        Output::Path(path) => {
            check_path(path, &inputs.identities()).map_err(wrong(path))?;
            Ok(Vec::new())
        }
        Output::Directory(path) => {
            let names = names_below(path, inputs)?;
            check_directory(path).map_err(wrong(path))?;
            Ok(names)
        }
    }
}

fn check_path(path: &Path, inputs: &[Identity]) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        // It is written directly.
        Ok(metadata) if !metadata.is_file() => return Ok(access(path, Access::WRITE_OK)?),
        Ok(_) | Err(_) => {}
    }
    check_file(&partial_name(path)?, inputs)
}

/// Checks a file that would be made, or written over.
fn check_file(path: &Path, inputs: &[Identity]) -> io::Result<()> {
    match OpenOptions::new().write(true).open(path) {
        // The lock goes with the file.
        Ok(file) => claim(&file, path, inputs),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let above = path.parent().filter(|above| !above.as_os_str().is_empty());
            may_be_made_in(above.unwrap_or(Path::new(".")))
        }
        Err(error) => Err(error),
    }
}

/// Checks the file of a job's dead letters, if there is one.
///
/// # Errors
/// What opening it would end with.
pub(crate) fn check_dead_letters(job: &Job, inputs: &Inputs) -> Result<(), Error> {
    let OnError::DeadLetter(path) = job.on_error() else { return Ok(()) };
    let wrong = |source| Error::OpenOutput { path: path.to_owned(), source };
    dead_letters::check_name(path, job.output()).map_err(wrong)?;
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(wrong(io::ErrorKind::IsADirectory.into())),
        Ok(metadata) if !metadata.is_file() => {
            access(path, Access::WRITE_OK).map_err(|error| wrong(error.into()))
        }
        Ok(_) | Err(_) => check_file(path, &inputs.identities()).map_err(wrong),
    }
}

/// A directory that there is not is made in the nearest that there is.
fn check_directory(path: &Path) -> io::Result<()> {
    let there = path.ancestors().find(|above| above.symlink_metadata().is_ok());
    let there = there.unwrap_or(Path::new("."));
    match std::fs::metadata(there)?.is_dir() {
        true => may_be_made_in(there),
        false if there == path => Err(Errno::EXIST.into()),
        false => Err(Errno::NOTDIR.into()),
    }
}

fn may_be_made_in(directory: &Path) -> io::Result<()> {
    Ok(access(directory, Access::WRITE_OK | Access::EXEC_OK)?)
}
