//! Writes the output: to standard output as it comes, or beside the file that is
//! wanted, which gets its name only when the job is whole.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::input::Identity;
use crate::job::Output;
use crate::protocol::Framing;

use super::writer::Writer;

/// The open output of a job.
#[derive(Debug)]
pub(crate) struct Sink {
    writer: Writer,
    /// The name in waiting and the name to get; none for what is written directly.
    rename: Option<(PathBuf, PathBuf)>,
    framing: Option<Framing>,
    /// What stands before everything else.
    lead: Option<String>,
    empty: bool,
    bytes: u64,
}

impl Sink {
    /// Opens the output.
    ///
    /// `inputs` are the files that are read: none of them may be written.
    ///
    /// # Errors
    /// It cannot be written, another run is writing it, or it is an input.
    pub fn open(output: &Output, inputs: &[Identity]) -> Result<Sink, Error> {
        let (writer, rename) = match output {
            Output::Stdout => {
                let stdout = io::stdout().as_fd().try_clone_to_owned();
                let stdout = stdout.map_err(|error| Error::system("use standard output", error))?;
                (Writer::Plain(File::from(stdout)), None)
            }
            Output::Path(path) => open_path(path, inputs)
                .and_then(|(file, rename)| Ok((Writer::new(file, path)?, rename)))
                .map_err(|source| Error::OpenOutput { path: path.clone(), source })?,
            // It has no output of its own.
            Output::Directory(path) => {
                let source = io::ErrorKind::IsADirectory.into();
                return Err(Error::OpenOutput { path: path.clone(), source });
            }
        };
        Ok(Sink { writer, rename, framing: None, lead: None, empty: true, bytes: 0 })
    }

    /// Bytes written so far, before they are compressed.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How records are set apart from now on. The first word counts.
    pub fn frame(&mut self, framing: Framing) {
        self.framing.get_or_insert(framing);
    }

    /// Has a line stand before everything else. The first word counts.
    pub fn lead_with(&mut self, line: String) {
        self.lead.get_or_insert(line);
    }

    /// Writes records that a worker has framed.
    pub fn write(&mut self, records: &[u8]) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        if self.framing != Some(Framing::Elements) {
            self.write_lead()?;
            return self.put(records);
        }
        // An element's terminator becomes a separator: it waits for the next element.
        let terminator = Framing::Elements.terminator();
        let records = records.strip_suffix(terminator).unwrap_or(records);
        self.put(if self.empty { b"[\n" } else { terminator })?;
        self.empty = false;
        self.put(records)
    }

    /// Writes a state, which is all that the output has.
    pub fn write_state(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.put(bytes)
    }

    /// Ends the output: an array is closed, and what is compressed comes to its end.
    pub fn close(&mut self) -> Result<(), Error> {
        match self.framing {
            Some(Framing::Elements) if self.empty => self.put(b"[]\n")?,
            Some(Framing::Elements) => self.put(b"\n]\n")?,
            Some(Framing::Lines | Framing::Values | Framing::Text) | None => {}
            Some(Framing::Rows(_)) => self.write_lead()?,
        }
        self.writer.finish().map_err(Error::WriteOutput)
    }

    /// Gives the whole output its name.
    pub fn publish(self) -> Result<(), Error> {
        match self.rename {
            Some((partial, path)) => std::fs::rename(&partial, &path).map_err(Error::WriteOutput),
            None => Ok(()),
        }
    }

    /// The file that holds what was written of a job that failed.
    pub fn partial(&self) -> Option<&Path> {
        self.rename.as_ref().map(|(partial, _)| partial.as_path())
    }

    /// Removes a file that nothing was written to.
    pub fn discard_if_empty(self) {
        if let (Some((partial, _)), 0) = (&self.rename, self.bytes) {
            // It is ours alone (it is locked); if it cannot be removed it is empty.
            let _ = std::fs::remove_file(partial);
        }
    }

    fn write_lead(&mut self) -> Result<(), Error> {
        if self.empty
            && let Some(line) = self.lead.take()
        {
            self.put(line.as_bytes())?;
        }
        self.empty = false;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.bytes += bytes.len() as u64;
        self.writer.write_all(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Error::ClosedPipe,
            _ => Error::WriteOutput(error),
        })
    }
}

/// The file that is written to get this name: through a link, the one that it points to
/// is replaced and the link stays.
fn final_name(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// The file that is written until an output of this name is whole.
pub(crate) fn partial_name(path: &Path) -> io::Result<PathBuf> {
    let path = final_name(path);
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let mut partial = OsString::from(name);
    partial.push(".partial");
    Ok(path.with_file_name(partial))
}

fn another_run(partial: &Path) -> io::Error {
    let partial = partial.display();
    io::Error::other(format!(
        "another run is writing {partial}; wait for it, or choose another output"
    ))
}

fn is_an_input(partial: &Path) -> io::Error {
    io::Error::other(format!(
        "{}, which would be written, is an input of this job; rename it, or choose another output",
        partial.display()
    ))
}

/// Locks a file that is to be written, and sees to it that it is not one that is read.
pub(super) fn claim(file: &File, partial: &Path, inputs: &[Identity]) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(another_run(partial)),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    match inputs.contains(&Identity::of(&file.metadata()?)) {
        true => Err(is_an_input(partial)),
        false => Ok(()),
    }
}

fn open_path(path: &Path, inputs: &[Identity]) -> io::Result<(File, Option<(PathBuf, PathBuf)>)> {
    // A device or a pipe keeps its name and is written directly.
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        return Ok((OpenOptions::new().write(true).open(path)?, None));
    }
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let partial = partial_name(path)?;
    let path = final_name(path);
    // Not truncated before it is locked: another run may be writing it.
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&partial)?;
    claim(&file, &partial, inputs)?;
    file.set_len(0)?;
    // It keeps the permissions of the file that it will replace.
    if let Ok(existing) = std::fs::metadata(&path) {
        file.set_permissions(existing.permissions())?;
    }
    Ok((file, Some((partial, path))))
}
