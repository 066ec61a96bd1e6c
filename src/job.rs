//! The job: what is to be done, as validated plain data. Whoever holds a [`Job`]
//! need not ask again whether its parts make sense.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Grouped};
use crate::input::{From, Only};
use crate::records::Pointer;
use crate::records::csv::{Delimiter, Header, check_names};
use crate::sandbox::{Layers, Sandbox};

/// One input of a job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// Standard input; `-` on the command line.
    Stdin,
    /// A file, pipe or device; a directory, which means the files below it; or, where
    /// nothing has this name, a glob.
    Path(PathBuf),
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Input::Stdin => f.write_str("standard input"),
            Input::Path(path) => path.display().fmt(f),
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
}

impl To {
    /// Whether records are rows.
    pub(crate) fn is_rows(self) -> bool {
        matches!(self, To::Csv | To::Tsv)
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

    pub(crate) fn names(&self) -> &[String] {
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
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum OnError {
    /// The job ends there; what stands before it is committed.
    Fail,
    /// The record is counted and left out.
    Skip,
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
    /// Side data: names and files.
    pub(crate) data: BTreeMap<String, PathBuf>,
    pub(crate) isolation: Isolation,
    pub(crate) inputs: Vec<Input>,
    pub(crate) output: Output,
    pub(crate) from: Option<From>,
    pub(crate) records: Option<Pointer>,
    pub(crate) limit: Option<u64>,
    pub(crate) only: Option<Only>,
    pub(crate) to: Option<To>,
    pub(crate) first_row: FirstRow,
    pub(crate) columns: Option<Columns>,
    pub(crate) order: Order,
    pub(crate) workers: usize,
    /// `None`: by the size of the input.
    pub(crate) range_size: Option<u64>,
    /// `None`: by the number of workers.
    pub(crate) window: Option<u64>,
    pub(crate) on_error: OnError,
    pub(crate) max_errors: MaxErrors,
    pub(crate) limits: Limits,
    pub(crate) sandbox: Sandbox,
    pub(crate) inputs_are: InputsAre,
    pub(crate) wanted: Wanted,
}

impl Job {
    /// A job with the given plugin, standard input and output, and every default.
    pub fn builder(plugin: impl Into<PathBuf>) -> JobBuilder {
        JobBuilder {
            job: Job {
                plugins: vec![Plugin::new(plugin.into())],
                data: BTreeMap::new(),
                isolation: Isolation::Worker,
                inputs: Vec::new(),
                output: Output::Stdout,
                from: None,
                records: None,
                limit: None,
                only: None,
                to: None,
                first_row: FirstRow::Header,
                columns: None,
                order: Order::Input,
                workers: default_workers(),
                range_size: None,
                window: None,
                on_error: OnError::Fail,
                max_errors: MaxErrors::Count(0),
                limits: Limits {
                    memory: 256 << 20,
                    timeout: Duration::from_secs(10),
                    max_record: 64 << 20,
                    max_output: 64 << 20,
                    max_state: 64 << 20,
                    max_data: 1 << 30,
                },
                sandbox: Sandbox::Auto { require: Layers::NONE },
                inputs_are: InputsAre::Records,
                wanted: Wanted::Records,
            },
        }
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

    /// Which records are processed, in words for people; nothing where all are.
    pub fn selection(&self) -> Option<String> {
        let limit = |records| format!("the first {} of all inputs together", Grouped(records));
        let only = |only| match only {
            Only::Number(number) => format!("record {}", Grouped(number)),
            Only::Offset(offset) => format!("the record with byte {}", Grouped(offset)),
        };
        self.only.map(only).or(self.limit.map(limit))
    }

    /// Where the output goes.
    pub fn output(&self) -> &Output {
        &self.output
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

/// Puts a [`Job`] together; [`build`](JobBuilder::build) judges the whole.
#[derive(Clone, Debug)]
pub struct JobBuilder {
    job: Job,
}

impl JobBuilder {
    /// Adds a plugin behind those there are: it gets what they let through or make.
    pub fn then(mut self, plugin: impl Into<PathBuf>) -> Self {
        self.job.plugins.push(Plugin::new(plugin.into()));
        self
    }

    /// Tells the plugin that was added last something, by name.
    pub fn param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        if let Some(plugin) = self.job.plugins.last_mut() {
            plugin.params.insert(name.into(), value.into());
        }
        self
    }

    /// Hands a file to all plugins, which may read it by this name.
    pub fn data(mut self, name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        self.job.data.insert(name.into(), path.into());
        self
    }

    /// For how long an instance of a plugin lives; default: as long as its worker.
    pub fn isolate(mut self, isolation: Isolation) -> Self {
        self.job.isolation = isolation;
        self
    }

    /// What all side data together may have, in bytes; default: 1 GiB.
    pub fn max_data(mut self, bytes: u64) -> Self {
        self.job.limits.max_data = bytes;
        self
    }

    /// Adds an input; without any, standard input is read.
    pub fn input(mut self, input: Input) -> Self {
        self.job.inputs.push(input);
        self
    }

    /// Adds a file as an input.
    pub fn file(self, path: impl Into<PathBuf>) -> Self {
        self.input(Input::Path(path.into()))
    }

    /// Says where the output goes; default: standard output.
    pub fn output(mut self, output: Output) -> Self {
        self.job.output = output;
        self
    }

    /// The format of every input; default: by its name and first bytes.
    pub fn from(mut self, from: From) -> Self {
        self.job.from = Some(from);
        self
    }

    /// The records are the elements of the array at this place inside each JSON text;
    /// default: what the format says. Of members with one name the first counts.
    pub fn records(mut self, pointer: Pointer) -> Self {
        self.job.records = Some(pointer);
        self
    }

    /// Processes only so many records, the first of all inputs together; default: all.
    pub fn limit(mut self, records: u64) -> Self {
        self.job.limit = Some(records);
        self
    }

    /// Processes only this record of the one input; default: all.
    pub fn only(mut self, only: Only) -> Self {
        self.job.only = Some(only);
        self
    }

    /// The format of the output; default: that of the first input.
    pub fn to(mut self, to: To) -> Self {
        self.job.to = Some(to);
        self
    }

    /// The columns of an output of rows; default: those of the first input.
    pub fn columns(mut self, columns: Columns) -> Self {
        self.job.columns = Some(columns);
        self
    }

    /// The first row of an input of rows is a record too, and no names of columns come
    /// out: plugins see arrays.
    pub fn no_header(mut self) -> Self {
        self.job.first_row = FirstRow::Record;
        self
    }

    /// The order of the output; default: that of the input.
    pub fn order(mut self, order: Order) -> Self {
        self.job.order = order;
        self
    }

    /// How many worker processes; default: one for each core.
    pub fn workers(mut self, workers: usize) -> Self {
        self.job.workers = workers;
        self
    }

    /// About how many bytes a range has; default: 1 MiB, less for small inputs, so
    /// that every worker has something to do.
    pub fn range_size(mut self, bytes: u64) -> Self {
        self.job.range_size = Some(bytes);
        self
    }

    /// How many bytes of finished ranges may wait for an earlier one; default: 4 MiB
    /// for each worker.
    pub fn window(mut self, bytes: u64) -> Self {
        self.job.window = Some(bytes);
        self
    }

    /// What follows when a record fails; default: the job ends.
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.job.on_error = on_error;
        self
    }

    /// How many failed records are acceptable; default: none.
    pub fn max_errors(mut self, max_errors: MaxErrors) -> Self {
        self.job.max_errors = max_errors;
        self
    }

    /// Memory of one plugin instance in bytes; default: 256 MiB.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.job.limits.memory = bytes;
        self
    }

    /// CPU time of one record; default: 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.job.limits.timeout = timeout;
        self
    }

    /// What may be made of one record, in bytes; default: 64 MiB.
    pub fn max_output(mut self, bytes: u64) -> Self {
        self.job.limits.max_output = bytes;
        self
    }

    /// What a reduce may fold records into, in bytes; default: 64 MiB.
    pub fn max_state(mut self, bytes: u64) -> Self {
        self.job.limits.max_state = bytes;
        self
    }

    /// Writes the state of a reduce instead of the records that it makes of it at the
    /// end, so that several can be merged later.
    pub fn partial_state(mut self) -> Self {
        self.job.wanted = Wanted::State;
        self
    }

    /// Merges states that other jobs have written, in the order of the inputs, instead
    /// of reading records. The inputs have to be files.
    pub fn merge_states(mut self) -> Self {
        self.job.inputs_are = InputsAre::States;
        self
    }

    /// Length of a record in bytes; default: 64 MiB.
    pub fn max_record(mut self, bytes: u64) -> Self {
        self.job.limits.max_record = bytes;
        self
    }

    /// Which layers of the sandbox there must be; default: those that every machine
    /// has to allow, and all others that this one does.
    pub fn sandbox(mut self, sandbox: Sandbox) -> Self {
        self.job.sandbox = sandbox;
        self
    }

    /// Judges the whole and gives the job.
    ///
    /// # Errors
    /// [`Error::Usage`] for a part that makes no sense, or parts that contradict
    /// each other.
    pub fn build(self) -> Result<Job, Error> {
        let mut job = self.job;
        if job.inputs.is_empty() {
            job.inputs.push(Input::Stdin);
        }
        let usage = |text: &str| Err(Error::Usage(text.into()));
        if job.inputs.iter().filter(|input| **input == Input::Stdin).count() > 1 {
            return usage("standard input (-) can be read only once");
        }
        if let Output::Directory(_) = job.output {
            if job.inputs.contains(&Input::Stdin) {
                return usage("standard input has no name below a directory (--output-dir)");
            }
            if job.order == Order::Any {
                return usage("each input has its own output only in order (--output-dir)");
            }
            if job.inputs_are == InputsAre::States {
                return usage("states are merged into one output");
            }
        }
        if job.limit.is_some() && job.only.is_some() {
            return usage("--limit and --only contradict each other");
        }
        if job.only == Some(Only::Number(0)) {
            return usage("records count from 1 (--only)");
        }
        if !(1..=1024).contains(&job.workers) {
            return usage("the number of workers must be 1 to 1024 (--workers)");
        }
        if job.range_size.is_some_and(|size| !(1..=1 << 30).contains(&size)) {
            return usage("a range must have 1 byte to 1 GiB (--range-size)");
        }
        if !(1..=2 << 30).contains(&job.limits.max_record) {
            return usage("the longest record must have 1 byte to 2 GiB (--max-record)");
        }
        if !(1..=2 << 30).contains(&job.limits.max_output) {
            return usage("what is made of a record must have 1 byte to 2 GiB (--max-output)");
        }
        if !(1..=1 << 30).contains(&job.limits.max_state) {
            return usage("what records are folded into must have 1 byte to 1 GiB (--max-state)");
        }
        if job.inputs_are == InputsAre::States && job.plugins.len() > 1 {
            return usage("states are merged by one plugin, the reduce that made them");
        }
        if job.inputs_are == InputsAre::States && job.inputs.contains(&Input::Stdin) {
            return usage("the states to be merged have to be files");
        }
        if job.plugins.len() > MAX_PLUGINS {
            return usage("there are more than 16 plugins (--plugin)");
        }
        if job.data.len() > MAX_DATA_FILES {
            return usage("there are more than 32 files of side data (--data)");
        }
        if !(64 << 10..=4 << 30).contains(&job.limits.memory) {
            return usage("an instance must have 64 KiB to 4 GiB of memory (--memory)");
        }
        let day = Duration::from_secs(24 * 60 * 60);
        if !(Duration::from_millis(1)..=30 * day).contains(&job.limits.timeout) {
            return usage("a record must have 1 ms to 30 days (--timeout)");
        }
        if matches!(job.max_errors, MaxErrors::Percent(share) if !(0.0..=100.0).contains(&share)) {
            return usage("a share of failed records must be 0% to 100% (--max-errors)");
        }
        Ok(job)
    }
}
