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

use super::table::AsTable;
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
    /// How a table is made of what is written, if one is.
    table: Option<AsTable>,
    /// Where a table goes that is no file of ours.
    direct: Option<File>,
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
    /// `inputs` are the files that are read: none of them may be written. `table` says how it
    /// becomes a table, if it is to.
    ///
    /// # Errors
    /// It cannot be written, another run is writing it, or it is an input.
    pub fn open(
        output: &Output,
        inputs: &[Identity],
        table: Option<AsTable>,
    ) -> Result<Sink, Error> {
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
        if let (Some(_), Some(unnamed)) = (&table, &file) {
            check_table(unnamed, inputs)
                .map_err(|source| Error::OpenOutput { path: unnamed.path.clone(), source })?;
        }
        let (writer, direct) = match (&table, &file, writer) {
            (Some(_), None, Writer::Plain(direct)) => {
                let lines = tempfile::tempfile()
                    .map_err(|error| Error::system("make a temporary file", error))?;
                (Writer::Plain(lines), Some(direct))
            }
            (_, _, writer) => (writer, None),
        };
        let (framing, lead) = (None, None);
        Ok(Sink { writer, file, framing, lead, empty: true, bytes: 0, table, direct })
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
        let file = match (&self.file, &self.direct, &self.writer) {
            (None, Some(direct), _) => direct,
            (None, None, Writer::Plain(file)) => file,
            _ => return true,
        };
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

    /// Makes a table of the whole output, if it is to be one, and gives that its name.
    /// `progress` is told how much is done, from 0 to 1.
    pub fn make_table(&mut self, progress: &mut dyn FnMut(f64)) -> Result<(), Error> {
        let Some(table) = &self.table else { return Ok(()) };
        if let (Some(direct), Writer::Plain(lines)) = (&mut self.direct, &self.writer) {
            return table.make(lines, direct, false, progress);
        }
        let Some(unnamed) = &self.file else { return Ok(()) };
        let path = table_name(&unnamed.path).map_err(|error| unnamed.wrong(error))?;
        let wrong = |error: io::Error| {
            let text = format!("{}: {error}", path.display());
            Error::WriteOutput(io::Error::new(error.kind(), text))
        };
        let made = (|| {
            let options = || OpenOptions::new().write(true).create(true).truncate(true).open(&path);
            let mut file = options().map_err(wrong)?;
            if let Ok(lines) = unnamed.file.metadata() {
                // Those of the file that it replaces.
                file.set_permissions(lines.permissions()).map_err(wrong)?;
            }
            table.make(&unnamed.file, &mut file, true, progress)?;
            table.sync(&file).map_err(wrong)?;
            fault::at("before-rename-table").map_err(wrong)?;
            std::fs::rename(&path, &unnamed.path).map_err(wrong)?;
            fault::pass("after-rename-table");
            Ok(())
        })();
        if made.is_err() {
            // It is ours alone, and made anew the next time.
            let _ = std::fs::remove_file(&path);
        }
        made
    }

    /// Gives the whole output its name.
    pub fn publish(self) -> Result<(), Error> {
        let Some(unnamed) = self.file else { return Ok(()) };
        if self.table.is_some() {
            // The table has it, and what it was made of can go.
            return std::fs::remove_file(&unnamed.partial).map_err(|error| unnamed.wrong(error));
        }
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

/// The file that a table is written to until it is whole, and gets this name.
fn table_name(path: &Path) -> io::Result<PathBuf> {
    beside(path, ".table")
}

/// Sees that the file that will be the table is not one that is read.
fn check_table(unnamed: &Unnamed, inputs: &[Identity]) -> io::Result<()> {
    let path = table_name(&unnamed.path)?;
    match std::fs::metadata(&path) {
        Ok(there) if inputs.contains(&Identity::of(&there)) => Err(is_an_input(&path)),
        _ => Ok(()),
    }
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
