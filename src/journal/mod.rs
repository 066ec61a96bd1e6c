//! The journal of a run whose output is a file: how far it has come, so that another run
//! can go on there. It lies beside the output until that is whole.
//!
//! Each line is a checksum, a space and a piece of JSON: first what the run is
//! ([`Terms`]), then how far it has come ([`Entry`]), again and again. An entry is written
//! after what it speaks of, so that what it says is true whenever the run ends; a line
//! that was not written whole is passed over.

mod entry;
mod terms;

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::fault;
use crate::job::Fsync;

pub(crate) use entry::{Entry, Mark};
pub(crate) use terms::{Terms, why_not};

/// Entries are at least so far apart, ...
const PAUSE: Duration = Duration::from_secs(1);
/// ... at most so far, ...
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// ... and in between this part of the time that the run has taken.
const PART: u32 = 100;
/// The longest journal that is read, in bytes.
const MAX_LENGTH: u64 = 256 << 20;
/// Letters of a line's checksum.
const CHECK: usize = 16;

/// A line of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Terms(Terms),
    Entry(Box<Entry>),
}

/// The journal of a run, as it is written.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
    fsync: Fsync,
    begun: Instant,
    last: Instant,
}

impl Journal {
    /// Where the journal of an output of this name lies.
    pub fn path(output: &Path) -> io::Result<PathBuf> {
        crate::output::beside(output, ".journal")
    }

    /// Begins the journal of a run; one that is there is no longer of use.
    pub fn create(path: PathBuf, terms: Terms, fsync: Fsync) -> io::Result<Journal> {
        // A new file, so that nobody who has the old one open reads on in it.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fault::at("before-create-journal")?;
        let file = options().create_new(true).open(&path)?;
        fault::pass("after-create-journal");
        Journal::open(file, path, terms, fsync)
    }

    /// Goes on with a journal whose whole lines have so many bytes.
    pub fn go_on(path: PathBuf, read: &Found, terms: Terms, fsync: Fsync) -> io::Result<Journal> {
        let file = options().open(&path)?;
        file.set_len(read.length)?;
        Journal::open(file, path, terms, fsync)
    }

    fn open(file: File, path: PathBuf, terms: Terms, fsync: Fsync) -> io::Result<Journal> {
        let now = Instant::now();
        let mut journal = Journal { file, path, fsync, begun: now, last: now };
        journal.write(&Line::Terms(terms))?;
        Ok(journal)
    }

    /// Whether it is time for another entry.
    pub fn is_due(&self) -> bool {
        let pause = (self.begun.elapsed() / PART).clamp(PAUSE, LONGEST_PAUSE);
        self.fsync == Fsync::Range || self.last.elapsed() >= pause
    }

    /// Writes an entry. What it speaks of has to be written, and synchronised, before.
    ///
    /// # Errors
    /// [`Error::WriteOutput`].
    pub fn append(&mut self, entry: Entry) -> Result<(), Error> {
        self.last = Instant::now();
        let written = fault::at("before-write-journal")
            .and_then(|()| self.write(&Line::Entry(Box::new(entry))))
            .and_then(|()| fault::at("after-write-journal"))
            .and_then(|()| match self.fsync {
                Fsync::Never => Ok(()),
                Fsync::Checkpoint | Fsync::Range => self.file.sync_data(),
            });
        fault::pass("after-fsync-journal");
        written.map_err(|error| wrong(&self.path, &error))
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        let body = serde_json::to_string(line)?;
        // Whole or not at all, as far as the system allows.
        self.file.write_all(format!("{} {body}\n", check(&body)).as_bytes())
    }

    /// Removes it: the output is whole.
    ///
    /// # Errors
    /// [`Error::WriteOutput`].
    pub fn remove(self) -> Result<(), Error> {
        let removed =
            fault::at("before-remove-journal").and_then(|()| std::fs::remove_file(&self.path));
        fault::pass("after-remove-journal");
        removed.map_err(|error| wrong(&self.path, &error))
    }
}

fn wrong(path: &Path, error: &io::Error) -> Error {
    Error::WriteOutput(io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// What a journal says.
#[derive(Debug)]
pub(crate) struct Found {
    /// What the run was that wrote the last entries.
    pub terms: Terms,
    /// How far it came, the last at the end.
    pub entries: Vec<Entry>,
    /// Bytes of the lines that are whole.
    length: u64,
}

/// Reads a journal; none if there is none, or nothing in it that is whole.
///
/// # Errors
/// It cannot be read, or is none of this program.
pub(crate) fn read(path: &Path) -> io::Result<Option<Found>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MAX_LENGTH + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_LENGTH {
        return Err(io::Error::other("it is larger than a journal gets"));
    }
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> io::Result<Option<Found>> {
    let mut found: Option<Found> = None;
    let mut length = 0;
    for bytes in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some(line) = line(bytes) else { break };
        length += bytes.len() as u64;
        match (line, &mut found) {
            (Line::Terms(terms), None) => {
                found = Some(Found { terms, entries: Vec::new(), length });
            }
            (Line::Terms(terms), Some(found)) => found.terms = terms,
            (Line::Entry(entry), Some(found)) => found.entries.push(*entry),
            (Line::Entry(_), None) => break,
        }
    }
    match found {
        Some(found) => Ok(Some(Found { length, ..found })),
        None if bytes.is_empty() => Ok(None),
        None => Err(io::Error::other("it is no journal of this program")),
    }
}

/// A line, if it is whole.
fn line(bytes: &[u8]) -> Option<Line> {
    let text = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?;
    let (sum, body) = text.split_once(' ')?;
    (sum == check(body)).then(|| serde_json::from_str(body).ok())?
}

fn check(body: &str) -> String {
    short_hash(body.as_bytes())
}

/// A hash that tells damage, not malice: the first letters of BLAKE3.
pub(crate) fn short_hash(bytes: &[u8]) -> String {
    let mut hash = blake3::hash(bytes).to_hex().to_string();
    hash.truncate(CHECK);
    hash
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true).mode(0o600);
    options
}

/// Takes bytes for a journal, and their lines for bodies whose checksums are right: what is
/// read comes out again as it went in.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(data: &[u8]) {
    let _ = parse(data);
    let mut journal = String::new();
    for body in String::from_utf8_lossy(data).lines() {
        journal += &format!("{} {body}\n", check(body));
    }
    if let Ok(Some(found)) = parse(journal.as_bytes()) {
        assert!(found.length <= journal.len() as u64);
        for entry in found.entries {
            let text = serde_json::to_string(&entry).unwrap_or_default();
            assert_eq!(serde_json::from_str::<Entry>(&text).ok(), Some(entry));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(offset: u64) -> Entry {
        Entry { offset, ..Entry::default() }
    }

    fn offsets(path: &Path) -> Vec<u64> {
        let found = read(path).unwrap().unwrap();
        found.entries.iter().rev().map(|entry| entry.offset).collect()
    }

    #[test]
    fn what_is_written_is_read_and_what_is_torn_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        assert!(read(&path).unwrap().is_none());
        let mut journal = Journal::create(path.clone(), Terms::default(), Fsync::Range).unwrap();
        assert_eq!(offsets(&path), [0; 0]);
        journal.append(entry(5)).unwrap();
        journal.append(entry(9)).unwrap();
        assert_eq!(offsets(&path), [9, 5]);
        let whole = std::fs::read(&path).unwrap();
        let second = whole.iter().rposition(|byte| *byte == b'e').unwrap();
        for cut in [whole.len() - 1, second, whole.len() - 300] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(offsets(&path), [5], "cut at {cut}");
        }
        let mut damaged = whole.clone();
        damaged[second] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        assert_eq!(offsets(&path), [5]);
        // It goes on behind the last whole line.
        let found = read(&path).unwrap().unwrap();
        let mut journal =
            Journal::go_on(path.clone(), &found, Terms::default(), Fsync::Never).unwrap();
        journal.append(entry(7)).unwrap();
        assert_eq!(offsets(&path), [7, 5]);
        std::fs::write(&path, "something else\n").unwrap();
        assert!(read(&path).is_err());
        std::fs::write(&path, "").unwrap();
        assert!(read(&path).unwrap().is_none());
    }

    #[test]
    fn a_journal_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let journal = Journal::create(path.clone(), Terms::default(), Fsync::Never).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        journal.remove().unwrap();
        assert!(!path.exists());
    }
}
