//! The job: what is to be done, as validated plain data. Whoever holds a [`Job`]
//! need not ask again whether its parts make sense.

mod builder;
mod open;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Grouped, RecordFailure};
use crate::input::{From, Only};
use crate::protocol::{Metering, Settings};
use crate::records::Pointer;
use crate::records::csv::{Delimiter, Header, check_names};
use crate::sandbox::{Layers, Sandbox};
use crate::stop::Stop;
use crate::tables::Kind;

pub use builder::JobBuilder;
pub use open::Open;

/// One input of a job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// Standard input; `-` on the command line.
    Stdin,
    /// A file, pipe or device; a directory, which means the files below it; or, where
    /// nothing has this name, a glob.
    Path(PathBuf),
    /// What the program that uses this library has open.
    Open(Open),
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Input::Stdin => f.write_str("standard input"),
            Input::Path(path) => path.display().fmt(f),
            Input::Open(open) => open.fmt(f),
        }
    }
}

/// Where the output goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Standard output, as it is made.
    Stdout,
    /// A file, which appears under its name only when the job is whole.
    Path(PathBuf),
    /// A directory, in which each input has a file of its own: named as the input is
    /// below the directory or glob that led to it, or as its file.
    Directory(PathBuf),
    /// What the program that uses this library has open, as it is made.
    Open(Open),
}

/// Formats that the output can have.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum To {
    /// JSON laid out as the first input is: an array or a sequence.
    Json,
    /// JSON lines.
    Ndjson,
    /// Lines of text.
    Lines,
    /// Rows of fields with commas between them (RFC 4180).
    Csv,
    /// Rows of fields with tabs between them, otherwise as CSV.
    Tsv,
    /// An Apache Parquet file.
    Parquet,
    /// An Apache Arrow IPC file.
    Arrow,
    /// An Apache Arrow IPC stream.
    ArrowStream,
}

impl To {
    /// What kind of table it is, if it is one.
    pub(crate) fn table(self) -> Option<Kind> {
        match self {
            To::Parquet => Some(Kind::Parquet),
            To::Arrow => Some(Kind::Arrow),
            To::ArrowStream => Some(Kind::ArrowStream),
            To::Json | To::Ndjson | To::Lines | To::Csv | To::Tsv => None,
        }
    }

    /// The format of an output whose records stay what they are.
    pub(crate) fn unchanged(from: From) -> To {
        match from {
            From::Json => To::Json,
            // A table comes of one where its output's name, or the user, says so.
            From::Ndjson | From::DeadLetters | From::Parquet | From::Arrow => To::Ndjson,
            From::Lines => To::Lines,
            From::Csv => To::Csv,
            From::Tsv => To::Tsv,
        }
    }

    /// Whether records are rows of text.
    pub(crate) fn is_rows(self) -> bool {
        matches!(self, To::Csv | To::Tsv)
    }
}

impl std::convert::From<Kind> for To {
    fn from(kind: Kind) -> To {
        match kind {
            Kind::Parquet => To::Parquet,
            Kind::Arrow => To::Arrow,
            Kind::ArrowStream => To::ArrowStream,
        }
    }
}

/// What the first row of an input of rows is, and whether output of rows begins with one
/// that names its columns.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum FirstRow {
    /// It names the columns.
    Header,
    /// It is a record like any other.
    Record,
}

/// Names of columns, in the order in which they stand in the output.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Columns(Vec<String>);

impl Columns {
    /// Columns of these names.
    ///
    /// # Errors
    /// [`Error::Usage`] where they do not tell columns apart: none at all, one twice, or
    /// one that is empty and not the first.
    pub fn new(names: Vec<String>) -> Result<Columns, Error> {
        let wrong = |why: String| Error::Usage(format!("--columns {why}"));
        if names.is_empty() {
            return Err(wrong("names no column".into()));
        }
        check_names(&names).map_err(|bad| wrong(bad.to_string()))?;
        Ok(Columns(names))
    }

    /// Their names, in their order.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

impl std::str::FromStr for Columns {
    type Err = Error;

    /// Reads them as a header of CSV: `id,"last, first"`.
    fn from_str(text: &str) -> Result<Columns, Error> {
        let header = Header::parse(text.as_bytes(), Delimiter::Comma);
        let header = header.map_err(|bad| Error::Usage(format!("--columns {bad}")))?;
        Columns::new(header.names().to_vec())
    }
}

/// In which order records come out.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Order {
    /// As they stand in the input.
    Input,
    /// As their ranges happen to be finished; each range keeps its own order.
    Any,
}

/// What follows when a record fails.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OnError {
    /// The job ends there; what stands before it is committed.
    Fail,
    /// The record is counted and left out.
    Skip,
    /// The record is left out and written aside, as one line of JSON in this file: its
    /// position, its error, itself.
    DeadLetter(PathBuf),
}

/// Going on where an earlier run of the same job stopped.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Resume {
    /// The plugins need not be what they were.
    pub accept_plugin: bool,
    /// Inputs may have grown.
    pub allow_append: bool,
}

/// How it is made sure that the inputs are what they were, where a run goes on.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum ResumeVerify {
    /// By size, inode, time of modification and a few of their bytes.
    Quick,
    /// By hashes of everything that is committed, which the run keeps from its beginning.
    Full,
}

/// What is synchronised with the disk, so that it survives the machine.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Fsync {
    /// Nothing: what is written survives the program, not the machine.
    Never,
    /// The output and the journal, every second or so, and at the end.
    Checkpoint,
    /// The same after each range that is committed.
    Range,
}

/// Where compiled plugins are kept for the next run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cache {
    /// In `$XDG_CACHE_HOME/host` or `~/.cache/host`, if that can be had.
    Default,
    /// In this directory, which nobody else may be able to write to.
    At(PathBuf),
    /// Nowhere: they are compiled each time.
    Off,
}

/// For how long an instance of a plugin lives.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Isolation {
    /// As long as its worker, unless it traps or its memory has grown large.
    Worker,
    /// For one range, or what is done of it at once.
    Range,
    /// For one record. (The instance of a reduce, which has a state, for one range.)
    Record,
}

/// Which time plugins see.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Time {
    /// A made-up one, the same in every run: the wall clock shows this at the beginning of
    /// each record, in nanoseconds since 1970, and goes on where it is read or slept away.
    StartsAt(u64),
    /// The machine's. Sleeping takes no time of it: the clocks go on by what was slept, the
    /// one on the wall until the record ends.
    Real,
}

impl Default for Time {
    /// 2000-01-01T00:00:00Z.
    fn default() -> Time {
        Time::StartsAt(946_684_800_000_000_000)
    }
}

/// What plugins draw randomness from, besides the record's position.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Randomness {
    /// This number: the same comes of a record in every run.
    Seed(u64),
    /// What the system gives anew for each run.
    Real,
}

impl Default for Randomness {
    /// The seed 0.
    fn default() -> Randomness {
        Randomness::Seed(0)
    }
}

/// What is measured while a job runs; what comes of it is told by [`crate::Event::Measured`].
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Measure {
    /// Nothing more than what the account has.
    #[default]
    Nothing,
    /// How long each record takes, and the memory of instances. It makes a record some 50 ns
    /// slower.
    Times,
    /// These, and in which of its functions a plugin is when one looks, some hundred times in
    /// a second of CPU time. It makes a plugin slower by about a fifth, and `fuel` is not
    /// counted.
    Functions,
}

/// How many failed records a job may set aside and still be called done.
#[derive(Copy, Clone, PartialEq, Debug)]
pub enum MaxErrors {
    /// A number of records.
    Count(u64),
    /// A share of the records read, in percent.
    Percent(f64),
}

impl MaxErrors {
    /// Whether `failed` of `read` records are acceptable.
    pub fn accepts(self, failed: u64, read: u64) -> bool {
        match self {
            MaxErrors::Count(count) => failed <= count,
            MaxErrors::Percent(share) => failed as f64 * 100.0 <= share * read as f64,
        }
    }
}

/// What a plugin and a record may claim.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Memory of one instance, tables included, in bytes.
    pub memory: u64,
    /// CPU time that one record may take.
    pub timeout: Duration,
    /// Length of a record, in bytes.
    pub max_record: u64,
    /// What plugins may make of one record, in bytes.
    pub max_output: u64,
    /// What a reduce may fold records into, in bytes.
    pub max_state: u64,
    /// All side data together, in bytes.
    pub max_data: u64,
    /// What a plugin's calls may take of the stack, in bytes.
    pub stack: u64,
    /// Core modules that an instance of a plugin may consist of; as many memories and tables.
    pub max_instances: u64,
    /// What a plugin may execute for one record, in wasmtime's units (about one for each
    /// instruction).
    pub fuel: Option<u64>,
    /// What plugins may log in all, in bytes.
    pub max_log: u64,
    /// Time that the whole job may take.
    pub job_timeout: Option<Duration>,
    /// Time that compiling a plugin may take.
    pub compile_timeout: Duration,
    /// Memory that compiling a plugin may take, in bytes.
    pub compile_memory: u64,
    /// Memory that a process may take that reads or writes a table, in bytes.
    pub table_memory: u64,
}

/// Which limits the user has named: those stay where the rest follows from a budget.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Asked {
    pub memory: bool,
    pub max_record: bool,
    pub max_output: bool,
    pub max_state: bool,
    pub table_memory: bool,
}

/// A plugin, and what it is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Plugin {
    pub path: PathBuf,
    pub params: BTreeMap<String, String>,
}

impl Plugin {
    fn new(path: PathBuf) -> Plugin {
        Plugin { path, params: BTreeMap::new() }
    }
}

/// What is in the inputs.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum InputsAre {
    Records,
    /// States of a reduce, which are to be merged.
    States,
}

/// What is wanted of a reduce at the end.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Wanted {
    /// The records that it makes of its state.
    Records,
    /// The state.
    State,
}

/// How often a record that failed may be tried again.
const MAX_RETRIES: u32 = 1000;
/// How many plugins a record may pass: each has its instance in every worker.
const MAX_PLUGINS: usize = 16;
/// How many files of side data there may be: each is a descriptor in every worker.
const MAX_DATA_FILES: usize = 32;

/// Bytes of finished ranges that may wait, for each worker. Enough that a worker which
/// is late by a few ranges stops nobody; and the peak of memory, which this is most of,
/// is the same for a gigabyte and for a terabyte.
const WINDOW: u64 = 4 << 20;

/// One run, validated. Made by [`Job::builder`].
#[derive(Clone, Debug)]
pub struct Job {
    pub(crate) plugins: Vec<Plugin>,
    /// What a command finds on its command line, behind its name.
    pub(crate) arguments: Vec<String>,
    /// Side data: names and files.
    pub(crate) data: BTreeMap<String, PathBuf>,
    pub(crate) time: Time,
    pub(crate) randomness: Randomness,
    pub(crate) measure: Measure,
    /// How much of a record that failed is told with it, in bytes.
    pub(crate) excerpt: u64,
    pub(crate) isolation: Isolation,
    pub(crate) inputs: Vec<Input>,
    pub(crate) output: Output,
    pub(crate) from: Option<From>,
    pub(crate) records: Option<Pointer>,
    pub(crate) limit: Option<u64>,
    pub(crate) only: Option<Only>,
    /// The share of the records that is processed.
    pub(crate) sample: Option<f64>,
    pub(crate) to: Option<To>,
    pub(crate) first_row: FirstRow,
    pub(crate) columns: Option<Columns>,
    /// The file that has the schema of an output that is a table.
    pub(crate) schema: Option<PathBuf>,
    pub(crate) order: Order,
    pub(crate) workers: usize,
    /// `None`: by the size of the input.
    pub(crate) range_size: Option<u64>,
    /// `None`: by the number of workers.
    pub(crate) window: Option<u64>,
    pub(crate) on_error: OnError,
    pub(crate) stop: Stop,
    pub(crate) resume: Option<Resume>,
    pub(crate) resume_verify: ResumeVerify,
    pub(crate) fsync: Fsync,
    pub(crate) retries: u32,
    pub(crate) max_errors: MaxErrors,
    pub(crate) limits: Limits,
    /// What all processes together may have, in bytes.
    pub(crate) memory_budget: Option<u64>,
    pub(crate) asked: Asked,
    pub(crate) sandbox: Sandbox,
    pub(crate) cache: Cache,
    pub(crate) inputs_are: InputsAre,
    pub(crate) wanted: Wanted,
}

impl Job {
    /// A job with the given plugin, standard input and output, and every default.
    pub fn builder(plugin: impl Into<PathBuf>) -> JobBuilder {
        JobBuilder {
            job: Job {
                plugins: vec![Plugin::new(plugin.into())],
                arguments: Vec::new(),
                data: BTreeMap::new(),
                time: Time::default(),
                randomness: Randomness::default(),
                measure: Measure::Nothing,
                excerpt: 0,
                isolation: Isolation::Worker,
                inputs: Vec::new(),
                output: Output::Stdout,
                from: None,
                records: None,
                limit: None,
                only: None,
                sample: None,
                to: None,
                first_row: FirstRow::Header,
                columns: None,
                schema: None,
                order: Order::Input,
                workers: default_workers(),
                range_size: None,
                window: None,
                on_error: OnError::Fail,
                stop: Stop::new(),
                resume: None,
                resume_verify: ResumeVerify::Quick,
                fsync: Fsync::Checkpoint,
                retries: 0,
                max_errors: MaxErrors::Count(0),
                limits: Limits {
                    memory: 256 << 20,
                    timeout: Duration::from_secs(10),
                    max_record: 64 << 20,
                    max_output: 64 << 20,
                    max_state: 64 << 20,
                    max_data: 1 << 30,
                    stack: 512 << 10,
                    max_instances: 1000,
                    fuel: None,
                    max_log: 64 << 20,
                    job_timeout: None,
                    compile_timeout: Duration::from_secs(600),
                    compile_memory: 4 << 30,
                    table_memory: 4 << 30,
                },
                memory_budget: None,
                asked: Asked::default(),
                sandbox: Sandbox::Auto { require: Layers::NONE },
                cache: Cache::Default,
                inputs_are: InputsAre::Records,
                wanted: Wanted::Records,
            },
        }
    }

    /// How its plugins are compiled.
    pub(crate) fn settings(&self) -> Settings {
        let metering = match self.fuel() {
            _ if self.measure == Measure::Functions => Metering::Ticks,
            Some(_) => Metering::Fuel,
            None => Metering::None,
        };
        Settings { metering, stack: self.limits.stack }
    }

    /// What is counted of what a plugin executes.
    pub(crate) fn fuel(&self) -> Option<u64> {
        self.limits.fuel.filter(|_| self.measure != Measure::Functions)
    }

    pub(crate) fn window(&self) -> u64 {
        self.window.unwrap_or(WINDOW * self.workers as u64)
    }

    /// The plugins' files, in the order in which records pass them.
    pub fn plugins(&self) -> impl Iterator<Item = &Path> {
        self.plugins.iter().map(|plugin| plugin.path.as_path())
    }

    /// The plugins' files for a message.
    pub(crate) fn plugin_names(&self) -> String {
        let names: Vec<String> = self.plugins().map(|path| path.display().to_string()).collect();
        names.join(", ")
    }

    /// Whether a record that fails is kept whole: it, or the letter that it came in, is written
    /// aside.
    pub(crate) fn keeps_failed_whole(&self) -> bool {
        matches!(self.on_error, OnError::DeadLetter(_)) || self.from == Some(From::DeadLetters)
    }

    /// How much is kept of a record of so many bytes that fails, if it can be: all of it, or what
    /// is wanted as an excerpt.
    pub(crate) fn kept_of_failed(&self, length: u64) -> u64 {
        if self.keeps_failed_whole() { length } else { length.min(self.excerpt) }
    }

    /// Which records are processed, in words for people; nothing where all are.
    pub fn selection(&self) -> Option<String> {
        let limit = |records| format!("the first {} of all inputs together", Grouped(records));
        let only = |only| match only {
            Only::Number(number) => format!("record {}", Grouped(number)),
            Only::Offset(offset) => format!("the record with byte {}", Grouped(offset)),
        };
        let all = self.only.map(only).or(self.limit.map(limit));
        match (self.sample, all) {
            (None, all) => all,
            (Some(rate), None) => Some(format!("a sample of {} %", rate * 100.0)),
            (Some(rate), Some(all)) => Some(format!("a sample of {} % of {all}", rate * 100.0)),
        }
    }

    /// What has a record of this job, which failed, run by itself: more words for the same
    /// command. Nothing where that is not possible.
    pub fn alone(&self, record: &RecordFailure) -> Option<String> {
        let has_records = self.inputs_are == InputsAre::Records;
        // What somebody else has opened cannot be named again.
        let is_open = self.inputs.iter().any(|input| matches!(input, Input::Open(_)));
        let letters = self.from == Some(From::DeadLetters);
        if !has_records || is_open || letters || self.only.is_some() {
            return None;
        }
        let only = match record.number {
            Some(number) => format!("--only {number}"),
            None => format!("--only @{}", record.offset),
        };
        Some(match self.inputs.len() {
            0 | 1 => only,
            _ => format!("{only} and no input but {}", record.input),
        })
    }

    /// Where the output goes.
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// Stops the job.
    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    /// What follows when a record fails.
    pub fn on_error(&self) -> &OnError {
        &self.on_error
    }

    /// How many failed records are acceptable.
    pub fn max_errors(&self) -> MaxErrors {
        self.max_errors
    }

    /// How many worker processes the job is to have.
    pub fn workers(&self) -> usize {
        self.workers
    }
}

/// The number of cores that this process may use: CPU affinity and cgroup quotas
/// are respected.
pub fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
