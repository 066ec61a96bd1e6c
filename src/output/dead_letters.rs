//! The file of dead letters: written as records fail, in the order of the output.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::dead_letter::DeadLetter;
use crate::error::Error;
use crate::fault;
use crate::input::Identity;
use crate::job::Output;
use crate::journal::Mark;

use super::sink::{self, claim, partial_name};

/// Nobody else may read what may be private.
const MODE: u32 = 0o600;

/// The open file.
#[derive(Debug)]
pub(crate) struct DeadLetters {
    file: File,
    path: PathBuf,
    is_file: bool,
    /// Bytes of it that are good: what follows was not written whole.
    good: u64,
    /// Bytes of it that were written.
    end: u64,
}

impl DeadLetters {
    /// Opens the file; what is in it stays for now.
    ///
    /// `inputs` are the files that are read: none of them may be written.
    ///
    /// # Errors
    /// It cannot be written, another run is writing it, it is an input, or the output.
    pub fn open(path: &Path, inputs: &[Identity], output: &Output) -> Result<DeadLetters, Error> {
        let wrong = |source| Error::OpenOutput { path: path.to_owned(), source };
        check_name(path, output).map_err(wrong)?;
        let is_file = std::fs::metadata(path).map_or(true, |metadata| metadata.is_file());
        let mut options = OpenOptions::new();
        options.read(is_file).write(true).create(true).truncate(false).mode(MODE);
        let file = options.open(path);
        let file = file.map_err(wrong)?;
        if is_file {
            claim(&file, path, inputs).map_err(wrong)?;
        }
        Ok(DeadLetters { file, path: path.to_owned(), is_file, good: 0, end: 0 })
    }

    /// Empties the file, which nobody else may read from now on. A pipe or a device is
    /// written as it is.
    pub fn begin(&mut self) -> Result<(), Error> {
        if !self.is_file {
            return Ok(());
        }
        let mode = Permissions::from_mode(MODE);
        let begun = self.file.set_permissions(mode).and_then(|()| self.file.set_len(0));
        begun.map_err(|source| Error::OpenOutput { path: self.path.clone(), source })
    }

    /// Whether so much of what is there is what an earlier run has written.
    pub fn holds(&self, mark: &Mark) -> bool {
        sink::holds(&self.file, mark)
    }

    /// Goes on behind what an earlier run has written.
    pub fn go_on(&mut self, mark: &Mark) -> Result<(), Error> {
        (self.good, self.end) = (mark.bytes, mark.bytes);
        let path = self.path.clone();
        self.cut().map_err(|source| Error::OpenOutput { path, source })
    }

    /// How much of the file there is, all of which is good. None of a pipe.
    pub fn mark(&mut self) -> Result<Option<Mark>, Error> {
        if !self.is_file {
            return Ok(None);
        }
        sink::mark(&mut self.file).map(Some).map_err(|error| self.wrong(error))
    }

    /// Has the system write everything to the disk.
    pub fn sync(&self) -> Result<(), Error> {
        match self.is_file {
            true => {
                let synced = fault::at("before-fsync-letters").and_then(|()| self.file.sync_data());
                fault::pass("after-fsync-letters");
                synced.map_err(|error| self.wrong(error))
            }
            false => Ok(()),
        }
    }

    /// Notes that what was written is good.
    pub fn keep(&mut self) {
        self.good = self.end;
    }

    /// Takes back what was written since it was noted to be good, as far as that can be.
    pub fn roll_back(&mut self) {
        if self.is_file {
            // What cannot be taken back stays, and the journal knows how much is good.
            let _ = self.cut();
        }
    }

    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.good)?;
        self.file.seek(SeekFrom::Start(self.good)).map(drop)
    }

    fn wrong(&self, source: io::Error) -> Error {
        let text = format!("{}: {source}", self.path.display());
        Error::WriteOutput(io::Error::new(source.kind(), text))
    }

    /// Writes a letter.
    pub fn write(&mut self, letter: &DeadLetter) -> Result<(), Error> {
        let line = letter.line().map_err(|error| self.wrong(error))?;
        let written = fault::at("before-write-letter").and_then(|()| self.file.write_all(&line));
        fault::pass("after-write-letter");
        written.map_err(|error| self.wrong(error))?;
        self.end += line.len() as u64;
        Ok(())
    }
}

/// Checks that dead letters are not written to where the output is, or is until it is
/// whole.
pub(super) fn check_name(path: &Path, output: &Output) -> io::Result<()> {
    let Output::Path(output) = output else { return Ok(()) };
    let path = canonical(path)?;
    if path == canonical(output)? || path == canonical(&partial_name(output)?)? {
        return Err(io::Error::other(
            "it is the output of this job; dead letters need a file of their own",
        ));
    }
    Ok(())
}

/// The same name for the same file, whether it is there or not.
fn canonical(path: &Path) -> io::Result<PathBuf> {
    if let Ok(found) = path.canonicalize() {
        return Ok(found);
    }
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    Ok(above.unwrap_or(Path::new(".")).canonicalize()?.join(name))
}
