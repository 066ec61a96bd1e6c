//! What can end a job, and the exit code that each ending has.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why a job did not start or did not finish. Its text names the thing, the place
/// and, where there is one, the remedy; it never holds bytes of a record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request makes no sense as it stands.
    #[error("{0}")]
    Usage(String),
    /// The program that embeds this library lacks the call to [`crate::init`].
    #[error("this program cannot start workers: its `main` must call `host::init()` first of all")]
    NotInitialised,
    /// An input cannot be used.
    #[error("cannot read {name}: {source}")]
    Input {
        /// The input as the user named it.
        name: String,
        /// What stands in the way.
        source: io::Error,
    },
    /// A plugin cannot be used.
    #[error("cannot use the plugin {path}: {why}", path = path.display())]
    Plugin {
        /// The plugin's file.
        path: PathBuf,
        /// What is wrong with it and what would be right.
        why: String,
    },
    /// The output cannot be opened.
    #[error("cannot write to {path}: {source}{}", missing(path, source), path = path.display())]
    OpenOutput {
        /// The output's file.
        path: PathBuf,
        /// What stands in the way.
        source: io::Error,
    },
    /// A run cannot be gone on with.
    #[error(
        "cannot go on from {journal}: {why}; without --resume the run starts from the beginning",
        journal = journal.display()
    )]
    Resume {
        /// The journal of the earlier run.
        journal: PathBuf,
        /// What is different, and the remedy.
        why: String,
    },
    /// A demanded layer of the sandbox is missing. Nothing of the plugin was read.
    #[error("the sandbox cannot be had as demanded: {why}")]
    Sandbox {
        /// Which layer, and what stands in the way.
        why: String,
    },
    /// A record failed and the job was told to stop there.
    #[error("{0}")]
    Record(Box<RecordFailure>),
    /// An input broke off, changed or lost its structure while it was read.
    #[error("cannot go on reading {name}: {source}")]
    ReadInput {
        /// The input as the user named it.
        name: String,
        /// What happened.
        source: io::Error,
    },
    /// A file that was read is not what it was when the job began.
    #[error(
        "{name} was changed while it was read: {why}; the output may be made of the old and the \
         new, so run again from the beginning"
    )]
    InputChanged {
        /// The input as the user named it.
        name: String,
        /// What is different.
        why: String,
    },
    /// A JSON text, or a text of rows, is structurally broken, so that there is no next record.
    #[error("{name} is broken at byte {at}: {what}")]
    Structure {
        /// The input as the user named it.
        name: String,
        /// Offset of the byte that cannot stand where it stands.
        at: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The first row of an input, which names its columns, cannot be used.
    #[error("the header of {name} {why}")]
    Header {
        /// The input as the user named it.
        name: String,
        /// What is wrong with it, as what follows its name in a sentence, and the remedy.
        why: String,
    },
    /// A JSON text has no array where the records are to be.
    #[error("{name} has no array at {pointer:?}: {why}")]
    NoArray {
        /// The input as the user named it.
        name: String,
        /// The JSON Pointer to where it should be.
        pointer: String,
        /// How far the pointer leads, and what stands there.
        why: String,
    },
    /// An input is no table, or not the one that is wanted.
    #[error("cannot read {name} {why}")]
    NoTable {
        /// The input as the user named it.
        name: String,
        /// As what, and what stands in the way.
        why: String,
    },
    /// The one record that is wanted does not exist.
    #[error("{name} has no such record (--only): {why}")]
    NoRecord {
        /// The input as the user named it.
        name: String,
        /// What there is instead.
        why: String,
    },
    /// Output could not be written.
    #[error("cannot write the output: {0}")]
    WriteOutput(io::Error),
    /// What came of the records does not become a table.
    #[error("cannot make the table: {why}")]
    Table {
        /// What stands in the way, and the remedy.
        why: String,
    },
    /// The reader of standard output went away.
    #[error("the reader of the output closed it")]
    ClosedPipe,
    /// The job was told to stop.
    #[error("interrupted")]
    Interrupted,
    /// The job took longer than it may.
    #[error("the job took longer than --job-timeout allows ({limit:?})")]
    JobTimeout {
        /// What it may take.
        limit: Duration,
    },
    /// The plugin, or one of several, could not be brought to life in a worker.
    #[error("the plugin {plugin} cannot be started: {why}")]
    Instantiate {
        /// The plugin's file; all of them where there are several.
        plugin: String,
        /// What happened.
        why: String,
    },
    /// A reduce cannot go on with what it has folded records into.
    #[error("the plugin {plugin} {why}")]
    State {
        /// The plugin's file.
        plugin: String,
        /// What happened, as what follows the plugin's name in a sentence.
        why: String,
        /// The plugin's words, which may hold private data: for those who ask.
        plugin_text: Option<String>,
    },
    /// Workers die again and again without getting anything done.
    #[error("{0}")]
    Workers(String),
    /// The operating system refused something that the program needs.
    #[error("cannot {doing}: {source}{}", hint(source))]
    System {
        /// What was tried.
        doing: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

/// The directory that a file would be made in, where that is what is missing.
fn missing(path: &Path, error: &io::Error) -> String {
    let above = path.parent().filter(|above| !above.as_os_str().is_empty() && !above.exists());
    match above.filter(|_| error.kind() == io::ErrorKind::NotFound) {
        Some(above) => {
            let above = above.display();
            format!("; there is no directory {above} (mkdir -p {above} makes it)")
        }
        None => String::new(),
    }
}

/// What can be done about it, where that is known.
fn hint(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE) => {
            "; `ulimit -n` tells how many there may be, of which the program needs some twenty \
             and ten for each worker (--workers)"
        }
        Some(libc::EFBIG) => "; `ulimit -f` must allow files as large as a record and more",
        Some(libc::ENOMEM) => {
            "; `ulimit -v` must not bound addresses, of which many more are reserved than used \
             (--memory-budget bounds memory)"
        }
        _ => "",
    }
}

impl Error {
    pub(crate) fn system(doing: &'static str, source: io::Error) -> Error {
        Error::System { doing, source }
    }

    /// The exit code of a program that ends with this error: 2 where nothing was
    /// started, 3 where the sandbox cannot be had as demanded, 130 where the job was told to
    /// stop, 1 where it failed.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_)
            | Error::NotInitialised
            | Error::Input { .. }
            | Error::Plugin { .. }
            | Error::OpenOutput { .. }
            | Error::Resume { .. } => 2,
            Error::Sandbox { .. } => 3,
            Error::Interrupted => 130,
            // Whoever closed the pipe has seen enough; nothing is wrong.
            Error::ClosedPipe => 0,
            _ => 1,
        }
    }
}

/// How a record failed.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FailureKind {
    /// It is not text (UTF-8), or not what the output's format can hold.
    Malformed,
    /// The plugin returned an error for it.
    Rejected,
    /// The plugin trapped on it.
    Trap,
    /// The plugin ran too long on it.
    Timeout,
    /// The plugin needed more memory than it may have.
    Memory,
    /// What the plugin made of it cannot be written: it is too much, or no record of the
    /// output's format.
    Output,
    /// It is longer than the limit on records.
    TooLong,
    /// The worker process died of it.
    Crash,
    /// The plugin executed more for it than it may.
    Fuel,
}

impl FailureKind {
    /// Whether the same record may do better another time.
    pub(crate) fn may_pass(self) -> bool {
        !matches!(self, FailureKind::Malformed | FailureKind::TooLong)
    }

    /// What a sentence with the record as its subject says: "record 3 ...".
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            FailureKind::Malformed => "is malformed",
            FailureKind::Rejected => "was rejected by the plugin",
            FailureKind::Trap => "made the plugin trap",
            FailureKind::Timeout => "ran longer than --timeout allows",
            FailureKind::Memory => "made the plugin want more memory than --memory allows",
            FailureKind::Output => "became something that cannot be written",
            FailureKind::TooLong => "is longer than --max-record allows",
            FailureKind::Crash => "killed the worker process",
            FailureKind::Fuel => "made the plugin execute more than --fuel allows",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FailureKind::Malformed => "malformed",
            FailureKind::Rejected => "rejected",
            FailureKind::Trap => "trap",
            FailureKind::Timeout => "timeout",
            FailureKind::Memory => "memory",
            FailureKind::Output => "output",
            FailureKind::TooLong => "too long",
            FailureKind::Crash => "crash",
            FailureKind::Fuel => "fuel",
        })
    }
}

/// A record that failed: where it is and what happened.
#[derive(Clone, Debug)]
pub struct RecordFailure {
    /// The input as the user named it.
    pub input: String,
    /// The record's number in its input, from 1; unknown with unordered output.
    pub number: Option<u64>,
    /// Offset of its first byte in the input.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// What happened.
    pub kind: FailureKind,
    /// How often it was tried.
    pub attempts: u32,
    /// The plugin's file, where it is known which one it failed at.
    pub plugin: Option<String>,
    /// More about it: the program's own words, which hold nothing of the record.
    pub detail: Option<String>,
    /// The plugin's words, which may hold private data: for those who ask.
    pub plugin_text: Option<String>,
    /// Where the plugin was when it trapped: a line for each of its functions, the innermost
    /// first. Which they are may tell something of the record: for those who ask.
    pub backtrace: Vec<String>,
    /// The record's first bytes, as many as the job wants ([`crate::JobBuilder::excerpt`]) and
    /// there are; nothing where it wants none or they cannot be had any more.
    pub excerpt: Option<Vec<u8>>,
}

impl fmt::Display for RecordFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RecordFailure { input, offset, length, kind, .. } = self;
        match self.number {
            Some(number) => write!(f, "record {} of {input}", Grouped(number))?,
            None => write!(f, "a record of {input}")?,
        }
        let (offset, length) = (Grouped(*offset), Grouped(*length));
        write!(f, " (byte {offset}, {length} long) {}", kind.sentence())?;
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

/// A number with its digits in groups of three, as people read it.
pub(crate) struct Grouped(pub u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        f.pad(&grouped)
    }
}
