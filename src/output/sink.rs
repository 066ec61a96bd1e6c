//! Writes the output: to standard output as it comes, or beside the file that is
//! wanted, which gets its name only when the job is whole.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Seek as _, SeekFrom};
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::error::Error;
use crate::fault;
use crate::input::Identity;
use crate::job::Output;
use crate::journal::{Mark, short_hash};
use crate::protocol::Framing;

use super::writer::Writer;

/// The open output of a job.
#[derive(Debug)]
pub(crate) struct Sink {
    writer: Writer,
    /// The file that gets its name when it is whole; none for what is written directly.
    file: Option<Unnamed>,
    framing: Option<Framing>,
    /// What stands before everything else.
    lead: Option<String>,
    empty: bool,
    bytes: u64,
}

/// A file that is written beside the one that is wanted, which it will replace.
#[derive(Debug)]
struct Unnamed {
    /// For everything but writing.
    file: File,
    partial: PathBuf,
    path: PathBuf,
    /// Bytes of it that are good, and what they are before they are compressed: what follows
    /// was not written whole.
    good: u64,
    good_made: u64,
}

impl Sink {
    /// Opens the output.
    ///
    /// `inputs` are the files that are read: none of them may be written.
    ///
    /// # Errors
    /// It cannot be written, another run is writing it, or it is an input.
    pub fn open(output: &Output, inputs: &[Identity]) -> Result<Sink, Error> {
        let (writer, file) = match output {
            Output::Stdout => {
                let stdout = io::stdout().as_fd().try_clone_to_owned();
                let stdout = stdout.map_err(|error| Error::system("use standard output", error))?;
                (Writer::Plain(File::from(stdout)), None)
            }
            Output::Path(path) => open_path(path, inputs)
                .map(|(file, unnamed)| (Writer::new(file, path), unnamed))
                .map_err(|source| Error::OpenOutput { path: path.clone(), source })?,
            Output::Open(open) => {
                let file = open.file();
                (Writer::Plain(file.map_err(|error| Error::system("use the output", error))?), None)
            }
            // It has no output of its own.
            Output::Directory(path) => {
                let source = io::ErrorKind::IsADirectory.into();
                return Err(Error::OpenOutput { path: path.clone(), source });
            }
        };
        Ok(Sink { writer, file, framing: None, lead: None, empty: true, bytes: 0 })
    }

    /// Begins: what is there of an earlier run goes.
    pub fn begin(&mut self) -> io::Result<()> {
        match &self.file {
            Some(unnamed) => unnamed.begin(),
            None => Ok(()),
        }
    }

    /// Whether so much of what is there is what an earlier run has written.
    pub fn holds(&self, mark: &Mark) -> bool {
        self.file.as_ref().is_some_and(|unnamed| holds(&unnamed.file, mark))
    }

    /// Goes on behind what an earlier run has written; `made` is how much that is before it
    /// is compressed, in bytes.
    pub fn go_on(&mut self, mark: &Mark, made: u64) -> io::Result<()> {
        if let Some(unnamed) = &mut self.file {
            (unnamed.good, unnamed.good_made) = (mark.bytes, made);
        }
        self.roll_back()
    }

    /// Notes that everything so far is good, and gives how much that is. A compressed
    /// stream ends here, and another begins.
    pub fn mark(&mut self) -> Result<Mark, Error> {
        let Some(unnamed) = &mut self.file else { return Ok(Mark::default()) };
        self.writer.end_stream().map_err(|error| unnamed.wrong(error))?;
        let mark = mark(&mut unnamed.file).map_err(|error| unnamed.wrong(error))?;
        (unnamed.good, unnamed.good_made) = (mark.bytes, self.bytes);
        Ok(mark)
    }

    /// Has the system write everything to the disk.
    pub fn sync(&self) -> Result<(), Error> {
        let Some(unnamed) = &self.file else { return Ok(()) };
        let synced = fault::at("before-fsync-output").and_then(|()| unnamed.file.sync_data());
        fault::pass("after-fsync-output");
        synced.map_err(|error| unnamed.wrong(error))
    }

    /// Takes back what was written since all was good last.
    pub fn roll_back(&mut self) -> io::Result<()> {
        let Some(unnamed) = &mut self.file else { return Ok(()) };
        // The writer's descriptor is a copy of this one: they stand at one place. A compressor
        // writes what it still has when it goes, which may go behind what is good.
        unnamed.file.seek(SeekFrom::Start(unnamed.good))?;
        self.writer = Writer::Finished;
        unnamed.file.set_len(unnamed.good)?;
        unnamed.file.seek(SeekFrom::Start(unnamed.good))?;
        self.writer = Writer::new(unnamed.file.try_clone()?, &unnamed.path);
        self.bytes = unnamed.good_made;
        self.empty = self.bytes == 0;
        Ok(())
    }

    /// Whether what is written is compressed on its way.
    pub fn is_packed(&self) -> bool {
        self.writer.is_packed()
    }

    /// Whether somebody may still read what is written directly.
    pub fn has_reader(&self) -> bool {
        let (None, Writer::Plain(file)) = (&self.file, &self.writer) else { return true };
        let mut fds = [PollFd::new(file, PollFlags::empty())];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        // The error that a pipe has once nobody reads it.
        !(poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().contains(PollFlags::ERR))
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

    /// Notes that everything so far is good, unless it is on its way through a compressor.
    pub fn keep(&mut self) {
        if let Some(unnamed) = &mut self.file
            && let Writer::Plain(_) = self.writer
        {
            (unnamed.good, unnamed.good_made) = (self.bytes, self.bytes);
        }
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
        let finished = fault::at("before-close-output").and_then(|()| self.writer.finish());
        fault::pass("after-close-output");
        finished.map_err(|error| match &self.file {
            Some(unnamed) => unnamed.wrong(error),
            None => Error::WriteOutput(error),
        })
    }

    /// Gives the whole output its name.
    pub fn publish(self) -> Result<(), Error> {
        let Some(unnamed) = self.file else { return Ok(()) };
        let renamed = fault::at("before-rename")
            .and_then(|()| std::fs::rename(&unnamed.partial, &unnamed.path));
        fault::pass("after-rename");
        renamed.map_err(|error| unnamed.wrong(error))
    }

    /// The file that holds what was written of a job that failed.
    pub fn partial(&self) -> Option<&Path> {
        self.file.as_ref().map(|unnamed| unnamed.partial.as_path())
    }

    /// The name that it gets when it is whole.
    pub fn name(&self) -> Option<&Path> {
        self.file.as_ref().map(|unnamed| unnamed.path.as_path())
    }

    /// Removes a file that nothing was written to.
    pub fn discard_if_empty(self) {
        if let (Some(unnamed), 0) = (&self.file, self.bytes) {
            // It is ours alone (it is locked); if it cannot be removed it is empty.
            let _ = std::fs::remove_file(&unnamed.partial);
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
        let written = fault::at("before-write").and_then(|()| self.writer.write_all(bytes));
        fault::pass("after-write");
        written.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Error::ClosedPipe,
            _ => match &self.file {
                Some(unnamed) => unnamed.wrong(error),
                None => Error::WriteOutput(error),
            },
        })
    }
}

impl Unnamed {
    /// Empties it, and gives it the permissions of the file that it will replace.
    fn begin(&self) -> io::Result<()> {
        self.file.set_len(0)?;
        match std::fs::metadata(&self.path) {
            Ok(existing) => self.file.set_permissions(existing.permissions()),
            Err(_) => Ok(()),
        }
    }

    fn wrong(&self, error: io::Error) -> Error {
        let text = format!("{}: {error}", self.partial.display());
        Error::WriteOutput(io::Error::new(error.kind(), text))
    }
}

/// Bytes at the end of a file by which it is known again.
const TAIL: u64 = 64 << 10;

/// How much there is of a file, which stands at its end.
pub(super) fn mark(file: &mut File) -> io::Result<Mark> {
    let bytes = file.stream_position()?;
    Ok(Mark { bytes, tail: short_hash(&tail(file, bytes)?) })
}

/// Whether the first bytes of a file are what was marked.
pub(super) fn holds(file: &File, mark: &Mark) -> bool {
    tail(file, mark.bytes).is_ok_and(|tail| short_hash(&tail) == mark.tail)
}

fn tail(file: &File, end: u64) -> io::Result<Vec<u8>> {
    let length = end.min(TAIL);
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, end - length)?;
    Ok(bytes)
}

/// The file that is written to get this name: through a link, the one that it points to
/// is replaced and the link stays.
fn final_name(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// The file that is written until an output of this name is whole.
pub(crate) fn partial_name(path: &Path) -> io::Result<PathBuf> {
    beside(path, ".partial")
}

/// A file beside an output, whose name goes on like this.
pub(crate) fn beside(path: &Path, more: &str) -> io::Result<PathBuf> {
    let path = final_name(path);
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let mut name = OsString::from(name);
    name.push(more);
    Ok(path.with_file_name(name))
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

fn open_path(path: &Path, inputs: &[Identity]) -> io::Result<(File, Option<Unnamed>)> {
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
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&partial)?;
    claim(&file, &partial, inputs)?;
    let unnamed = Unnamed { file: file.try_clone()?, partial, path, good: 0, good_made: 0 };
    Ok((file, Some(unnamed)))
}
