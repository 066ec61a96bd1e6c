//! The command line as it is typed.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use bytesize::ByteSize;
use clap::{Parser, ValueEnum, ValueHint};
use host::{Layer, MaxErrors, Measure, Only, Open, Pointer, Stop};

/// Runs an untrusted WebAssembly plugin over every record of files or of a stream
///
/// It does so on all cores. What the plugin keeps comes out as it went in, or what it makes of a
/// record in its place, in the order of the input.
#[derive(Debug, Parser)]
#[command(name = "host", version)]
pub(super) struct Arguments {
    /// The plugin: WebAssembly (.wasm), or its text (.wat)
    ///
    /// It is a module or a component, and what it exports says what it does (`host inspect`).
    /// Given several times, each gets what the one before lets through or makes.
    #[arg(long, value_name = "FILE", required = true)]
    #[arg(value_hint = ValueHint::FilePath)]
    pub plugin: Vec<PathBuf>,

    /// Something that the plugin may ask for by name
    ///
    /// Every plugin can, or with a number only that one: 2:NAME=VALUE is for the second.
    #[arg(long, value_name = "[N:]NAME=VALUE", help_heading = "What")]
    pub param: Vec<Param>,

    /// A JSON object with parameters; --param overrides it
    #[arg(long, value_name = "FILE", help_heading = "What")]
    #[arg(value_hint = ValueHint::FilePath, hide_short_help = true)]
    pub params: Option<PathBuf>,

    /// A word on the command line of the command that the last plugin is; may be given
    /// several times (--arg -r --arg .type). A command finds its parameters in its environment
    #[arg(long, value_name = "WORD", allow_hyphen_values = true, help_heading = "What")]
    #[arg(hide_short_help = true)]
    pub arg: Vec<String>,

    /// A file that plugins may read by this name
    ///
    /// They can read nothing else.
    #[arg(long, value_name = "NAME=FILE", help_heading = "What")]
    #[arg(value_hint = ValueHint::AnyPath)]
    pub data: Vec<SideFile>,

    /// What the wall clock shows when a record begins, for plugins that ask for the time: UTC
    /// (2024-01-31T12:00:00Z) or seconds since 1970. It goes on only where it is read or slept
    /// away [default: 2000-01-01T00:00:00Z]
    #[arg(long, value_name = "TIME", conflicts_with = "real_clock", help_heading = "What")]
    #[arg(hide_short_help = true)]
    pub clock_start: Option<ClockStart>,

    /// What randomness is drawn from besides the record's position, for plugins that ask for
    /// some: the same number gives the same in every run [default: 0]
    #[arg(long, value_name = "N", conflicts_with = "real_random", help_heading = "What")]
    #[arg(hide_short_help = true)]
    pub seed: Option<u64>,

    /// Plugins see this machine's time. Sleep takes none of it all the same: the clocks go on
    /// at once
    #[arg(long, help_heading = "What", hide_short_help = true)]
    pub real_clock: bool,

    /// Plugins see other randomness in every run, which cannot be gone on with (--resume)
    #[arg(long, help_heading = "What", hide_short_help = true)]
    pub real_random: bool,

    /// For how long an instance of a plugin lives
    ///
    /// As long as its worker is fastest; one whose memory has grown past a quarter of --memory
    /// (or twice what it had after its first record) is replaced all the same.
    #[arg(long, value_enum, value_name = "WHAT", default_value = "worker", help_heading = "What")]
    #[arg(hide_short_help = true)]
    pub isolate: IsolationChoice,

    /// Files to read, in this order; `-` is standard input
    ///
    /// Standard input is read if none is named.
    /// A directory means all files below it that are not hidden, in the order of their names; a
    /// name that no file has may be a glob (`**/*.json`, quoted).
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,

    /// What standard input is called in messages and dead letters
    #[arg(long, value_name = "NAME", hide_short_help = true, value_hint = ValueHint::Other)]
    pub stdin_name: Option<String>,

    /// Write to FILE [default: standard output]
    ///
    /// FILE appears when the job is whole.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,

    /// Write a file of its own for each input to DIR
    ///
    /// DIR is made if need be. A file is named as the input is below the directory or glob that
    /// led to it, or as its file.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["output", "unordered"])]
    #[arg(value_hint = ValueHint::DirPath, hide_short_help = true)]
    pub output_dir: Option<PathBuf>,

    /// Take flags and inputs that are not typed from FILE
    ///
    /// It is written in TOML.
    /// Keys are the long names of flags, `inputs` names inputs (workers = 2, plugin =
    /// ["a.wasm"], param = { type = "PushEvent" }). Relative paths in it start where FILE is.
    /// What is typed goes before an environment variable, and that before FILE.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub job: Option<PathBuf>,

    /// How the input is laid out [default: by its name]
    ///
    /// By its name means ndjson for .ndjson and .jsonl, lines for .txt, csv for .csv, tsv for
    /// .tsv, parquet for .parquet, arrow for .arrow, .arrows and .feather, and otherwise json: an array if it starts with `[`, or values one after another.
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Formats")]
    pub from: Option<FromFormat>,

    /// The records are the elements of the array at this place inside each JSON text:
    /// /items, /data/0/rows. Of members with one name the first counts
    #[arg(long, value_name = "POINTER", help_heading = "Formats", hide_short_help = true)]
    pub records: Option<Pointer>,

    /// How the output is laid out [default: by its name, or as the input]
    ///
    /// A name says ndjson by .ndjson and .jsonl, lines by .txt, csv by .csv, tsv by .tsv, parquet
    /// by .parquet, arrow by .arrow and .feather, and arrow-stream by .arrows. Of an input that
    /// is a table come JSON lines otherwise.
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Formats")]
    pub to: Option<ToFormat>,

    /// The columns of CSV or TSV output, in this order [default: those of the first input]; of
    /// Parquet and Arrow only these are read, where the output is neither CSV nor TSV
    #[arg(long, value_name = "NAME,...", help_heading = "Formats", hide_short_help = true)]
    pub columns: Option<String>,

    /// The schema of Parquet or Arrow output [default: that of the input where plugins only
    /// choose records, otherwise one that all records fit]
    ///
    /// FILE is a Parquet message type (`message m { required int64 id; ... }`), or a Parquet or
    /// Arrow file that has the schema.
    #[arg(long, value_name = "FILE", help_heading = "Formats", hide_short_help = true)]
    #[arg(value_hint = ValueHint::FilePath)]
    pub schema: Option<PathBuf>,

    /// CSV and TSV have no row that names their columns: the first row is a record too,
    /// plugins see arrays, and the output begins with no such row
    #[arg(long, help_heading = "Formats", hide_short_help = true)]
    pub no_header: bool,

    /// Write the state of a reduce instead of the records that it makes of it at the end:
    /// `host merge` makes one result of several
    #[arg(long, help_heading = "What", hide_short_help = true)]
    pub partial_state: bool,

    /// Write each range as soon as it is finished instead of in the input's order
    #[arg(long, help_heading = "Formats", hide_short_help = true)]
    pub unordered: bool,

    /// Worker processes [default: one for each usable core]
    #[arg(long, value_name = "N", help_heading = "Workers")]
    pub workers: Option<usize>,

    /// Bytes of input that a worker gets at once [default: 1MiB, less if the input is
    /// small]
    #[arg(long, value_name = "SIZE", help_heading = "Workers", hide_short_help = true)]
    #[arg(value_parser = size)]
    pub range_size: Option<ByteSize>,

    /// Bytes of finished output that may wait for an earlier range [default: 4MiB for
    /// each worker]
    #[arg(long, value_name = "SIZE", help_heading = "Workers", hide_short_help = true)]
    #[arg(value_parser = size)]
    pub window: Option<ByteSize>,

    /// What to do when a record fails [default: fail, with --dead-letters dead-letter]
    #[arg(long, value_enum, value_name = "WHAT", help_heading = "Failures")]
    pub on_error: Option<OnErrorChoice>,

    /// Write records that fail to FILE, for `host retry`
    ///
    /// Each is one line of JSON: file, record number, byte offset and length, what happened, and
    /// the record. Nobody else can read FILE.
    #[arg(long, value_name = "FILE", help_heading = "Failures")]
    #[arg(value_hint = ValueHint::FilePath)]
    pub dead_letters: Option<PathBuf>,

    /// Try a record that fails again so many times, alone in fresh instances of the plugins,
    /// before it counts as failed. One that trapped, took too long or killed its worker is
    /// tried again once in any case
    #[arg(long, value_name = "N", default_value = "0", help_heading = "Failures")]
    #[arg(hide_short_help = true)]
    pub retries: u32,

    /// Go on where an earlier run with the same -o stopped
    ///
    /// If there was none the run starts from the beginning, so that one command line serves both.
    #[arg(long, help_heading = "Failures")]
    pub resume: bool,

    /// Go on although the plugins, or what they are told, are not what they were: what is in
    /// the output stays
    #[arg(long, requires = "resume", help_heading = "Failures", hide_short_help = true)]
    pub accept_plugin: bool,

    /// Go on although inputs have grown
    #[arg(long, requires = "resume", help_heading = "Failures", hide_short_help = true)]
    pub allow_append: bool,

    /// How to make sure that inputs are what they were, where a run goes on
    #[arg(
        long,
        value_enum,
        value_name = "HOW",
        default_value = "quick",
        help_heading = "Failures",
        hide_short_help = true
    )]
    pub resume_verify: VerifyChoice,

    /// When output to a file, dead letters and the journal are synchronised with the disk
    #[arg(
        long,
        value_enum,
        value_name = "WHEN",
        default_value = "checkpoint",
        help_heading = "Failures",
        hide_short_help = true
    )]
    pub fsync: FsyncChoice,

    /// How many failed records are accepted
    ///
    /// That is a number or a share (1%) of all. More make the exit code 4.
    #[arg(long, value_name = "N|N%", default_value = "0", help_heading = "Failures")]
    #[arg(hide_short_help = true)]
    pub max_errors: MaxErrorsChoice,

    /// Memory of one plugin instance [default: 256MiB]
    ///
    /// Its tables are included.
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    #[arg(value_parser = size)]
    pub memory: Option<ByteSize>,

    /// What all processes of the run may have together [default: any]
    ///
    /// There are fewer workers where it is small, and --memory, --max-record, --max-output,
    /// --max-state, --window and --range-size follow from it where they are not given.
    #[arg(long, value_name = "SIZE", help_heading = "Limits", hide_short_help = true)]
    #[arg(value_parser = size)]
    pub memory_budget: Option<ByteSize>,

    /// CPU time for one record
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "10s",
        value_parser = humantime::parse_duration,
        help_heading = "Limits"
    )]
    pub timeout: Duration,

    /// What plugins may make of one record [default: 64MiB]
    #[arg(long, value_name = "SIZE", help_heading = "Limits", hide_short_help = true)]
    #[arg(value_parser = size)]
    pub max_output: Option<ByteSize>,

    /// What a reduce may fold records into [default: 64MiB]
    #[arg(long, value_name = "SIZE", help_heading = "Limits", hide_short_help = true)]
    #[arg(value_parser = size)]
    pub max_state: Option<ByteSize>,

    /// All files of --data together
    #[arg(long, value_name = "SIZE", default_value = "1GiB", help_heading = "Limits")]
    #[arg(hide_short_help = true)]
    #[arg(value_parser = size)]
    pub max_data: ByteSize,

    /// Length of the longest record [default: 64MiB]
    #[arg(long, value_name = "SIZE", help_heading = "Limits", hide_short_help = true)]
    #[arg(value_parser = size)]
    pub max_record: Option<ByteSize>,

    /// What the calls of a plugin may take of the stack
    #[arg(long, value_name = "SIZE", default_value = "512KiB", help_heading = "Limits")]
    #[arg(hide_short_help = true)]
    #[arg(value_parser = size)]
    pub stack: ByteSize,

    /// Core modules that one plugin instance may consist of, and as many memories and tables
    #[arg(long, value_name = "N", default_value = "1000", help_heading = "Limits")]
    #[arg(hide_short_help = true)]
    pub max_instances: u64,

    /// Meter plugins: what one may execute for one record [default: not metered]
    ///
    /// The unit is about one instruction. It costs about a quarter of the speed, and ends alike
    /// on every machine.
    #[arg(long, value_name = "N", help_heading = "Limits", hide_short_help = true)]
    pub fuel: Option<u64>,

    /// What plugins may log in all; what one record may log is 16 KiB
    #[arg(long, value_name = "SIZE", default_value = "64MiB", help_heading = "Limits")]
    #[arg(hide_short_help = true)]
    #[arg(value_parser = size)]
    pub max_log: ByteSize,

    /// Time that the whole job may take. What is done by then is written [default: any]
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = humantime::parse_duration,
        help_heading = "Limits",
        hide_short_help = true
    )]
    pub job_timeout: Option<Duration>,

    /// Time that compiling a plugin may take
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "10m",
        value_parser = humantime::parse_duration,
        help_heading = "Limits",
        hide_short_help = true
    )]
    pub compile_timeout: Duration,

    /// Memory that compiling a plugin may take
    #[arg(long, value_name = "SIZE", default_value = "4GiB", help_heading = "Limits")]
    #[arg(hide_short_help = true)]
    #[arg(value_parser = size)]
    pub compile_memory: ByteSize,

    /// Memory that each process may take that reads or writes Parquet or Arrow [default: 4 GiB,
    /// or part of the memory budget]
    #[arg(long, value_name = "SIZE", help_heading = "Limits", hide_short_help = true)]
    #[arg(value_parser = size)]
    pub table_memory: Option<ByteSize>,

    /// How much of the sandbox around workers there must be
    #[arg(long, value_enum, value_name = "WHAT", default_value = "auto", help_heading = "Sandbox")]
    #[arg(hide_short_help = true)]
    pub sandbox: SandboxChoice,

    /// Layers that there must be besides rlimits, no-new-privs and seccomp: namespaces,
    /// landlock
    #[arg(long, value_name = "LAYER,...", value_delimiter = ',', help_heading = "Sandbox")]
    #[arg(hide_short_help = true)]
    pub sandbox_require: Vec<Layer>,

    /// Where compiled plugins are kept for the next run: a directory that nobody else can
    /// write to, or `off` [default: $XDG_CACHE_HOME/host or ~/.cache/host, if it can be had]
    #[arg(long, value_name = "DIR|off", help_heading = "Sandbox")]
    #[arg(value_hint = ValueHint::DirPath, hide_short_help = true)]
    pub cache: Option<PathBuf>,

    /// Process only the first N records of all inputs
    #[arg(long, value_name = "N", conflicts_with = "only", help_heading = "Looking")]
    pub limit: Option<u64>,

    /// Process a sample: a share of the records
    ///
    /// The share is 0.01 or 1%. The sample is the same in each run, and --seed N draws another; with
    /// --limit it is a sample of the first records.
    #[arg(long, value_name = "RATE", conflicts_with = "only", help_heading = "Looking")]
    pub sample: Option<Rate>,

    /// Process one record, by its number or a byte in it
    ///
    /// Numbers count from 1, as messages name records; @OFFSET is a byte. What the plugin says
    /// about the record is shown.
    #[arg(long, value_name = "RECORD|@OFFSET", help_heading = "Looking")]
    pub only: Option<Only>,

    /// Run again whenever a plugin changes
    ///
    /// The first time all that comes out is shown, and after that how it differs from before: best
    /// with --sample or --limit.
    #[arg(
        long,
        help_heading = "Looking",
        conflicts_with_all = ["output", "output_dir", "partial_state", "resume", "dry_run"],
    )]
    pub watch: bool,

    /// Tell what would be done, and do nothing
    ///
    /// Inputs are looked at, plugins compiled, the output checked. What is not typed is told
    /// with where it is from: a job file or an environment variable.
    #[arg(long, help_heading = "Looking")]
    pub dry_run: bool,

    /// Where lines that the plugin logs go: none, stderr or a file [default: none, with
    /// --only stderr]
    #[arg(long, value_name = "none|stderr|FILE", help_heading = "Looking")]
    #[arg(value_hint = ValueHint::FilePath, hide_short_help = true)]
    pub plugin_log: Option<PathBuf>,

    /// Show plugins' own words, which may be private
    ///
    /// What a plugin says about a record, and where it was when it trapped, may hold private data.
    #[arg(long, help_heading = "Looking")]
    pub show_records: bool,

    /// Tell of workers and of each record left out
    ///
    /// With --version: tell what the program was built of.
    #[arg(long, conflicts_with = "quiet", help_heading = "Looking")]
    pub verbose: bool,

    /// How far the run is, on standard error
    ///
    /// Nothing is shown of a run that takes less than a second.
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto", help_heading = "Looking")]
    #[arg(hide_short_help = true)]
    pub progress: ProgressChoice,

    /// Write a line to FILE for each range that was tried
    ///
    /// Tabs stand between its columns: which worker, when, how long, bytes in and out, how it ended.
    #[arg(long, value_name = "FILE", help_heading = "Looking")]
    #[arg(value_hint = ValueHint::FilePath, hide_short_help = true)]
    pub joblog: Option<PathBuf>,

    /// Write how far the run is to FILE as OpenMetrics text, once a second and at the end
    #[arg(long, value_name = "FILE", help_heading = "Looking")]
    #[arg(value_hint = ValueHint::FilePath, hide_short_help = true)]
    pub metrics: Option<PathBuf>,

    /// Tell on standard error what the supervisor does [default: off]
    #[arg(long, value_enum, value_name = "LEVEL", help_heading = "Looking")]
    #[arg(hide_short_help = true)]
    pub log: Option<LogLevel>,

    /// How --log is written
    #[arg(long, value_enum, value_name = "HOW", default_value = "text", help_heading = "Looking")]
    #[arg(hide_short_help = true)]
    pub log_format: LogFormat,

    /// Write the account to FILE as JSON, whichever way the run ends
    #[arg(long, value_name = "FILE", help_heading = "Looking")]
    #[arg(value_hint = ValueHint::FilePath, hide_short_help = true)]
    pub stats: Option<PathBuf>,

    /// How errors, warnings and all else on standard error are written [default: text]
    #[arg(long, value_enum, value_name = "HOW", help_heading = "Looking")]
    #[arg(hide_short_help = true)]
    pub errors: Option<ErrorsChoice>,

    /// Write a page about the run, for a browser
    ///
    /// It is written whichever way the run ends: throughput, workers, time for each record, failures,
    /// the account. Nobody else can read it. Each record is measured, which takes some 60 ns.
    #[arg(long, value_name = "FILE.html", help_heading = "Looking")]
    #[arg(value_hint = ValueHint::FilePath)]
    pub report: Option<PathBuf>,

    /// Show no account at the end
    #[arg(short, long, help_heading = "Looking")]
    pub quiet: bool,

    /// Where the output goes instead: no flag says so, but `--watch`.
    #[arg(skip)]
    pub open_output: Option<Open>,

    /// What stops the job, where there is something already: the same.
    #[arg(skip)]
    pub stop: Option<Stop>,

    /// What is measured besides: no flag says so, but `host bench`.
    #[arg(skip)]
    pub measure: Measure,
}

#[derive(Copy, Clone, Debug, ValueEnum)]
pub(super) enum FromFormat {
    /// A JSON array, or JSON values one after another
    Json,
    /// JSON lines: one value on each line
    Ndjson,
    /// Any text: each line is a record, blank ones too
    Lines,
    /// Rows of fields with commas between them; the first names the columns
    Csv,
    /// Rows of fields with tabs between them
    Tsv,
    /// Apache Parquet: the records are its rows, as JSON
    Parquet,
    /// Apache Arrow IPC, a file or a stream: the records are its rows, as JSON
    Arrow,
}

#[derive(Copy, Clone, Debug, ValueEnum)]
pub(super) enum ToFormat {
    /// An array if the first input is one, otherwise values one after another
    Json,
    /// JSON lines: one value on each line
    Ndjson,
    /// Any text without a line break on each line
    Lines,
    /// Rows of fields with commas between them
    Csv,
    /// Rows of fields with tabs between them
    Tsv,
    /// Apache Parquet, compressed with zstd
    Parquet,
    /// An Apache Arrow IPC file
    Arrow,
    /// An Apache Arrow IPC stream
    ArrowStream,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum OnErrorChoice {
    /// End the job at the record; what stands before it is written
    Fail,
    /// Count the record and leave it out
    Skip,
    /// Leave the record out and write it to the file of --dead-letters
    DeadLetter,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum ProgressChoice {
    /// A bar where standard error is a terminal that neither records come from nor results go to
    Auto,
    /// A bar on any terminal, and a line every ten seconds where there is none
    Always,
    /// Nothing
    Never,
    /// One JSON object a second, and one at the end
    Json,
}

/// How much of what the supervisor does is told.
#[derive(Copy, Clone, PartialEq, Eq, Debug, ValueEnum)]
pub enum LogLevel {
    /// Nothing
    Off,
    /// Why the job failed
    Error,
    /// Also workers that died
    Warn,
    /// Also plugins, workers and how the job ended
    Info,
    /// Also each range that was finished, records that are suspected, the journal
    Debug,
    /// Also each range that was given and committed
    Trace,
}

/// How what the supervisor does is told.
#[derive(Copy, Clone, PartialEq, Eq, Debug, ValueEnum)]
pub enum LogFormat {
    /// Lines for people
    Text,
    /// A JSON object on each line
    Json,
}

#[derive(Copy, Clone, Debug, ValueEnum)]
pub(super) enum VerifyChoice {
    /// By size, inode, time of modification and a few bytes
    Quick,
    /// By a hash of all that is done
    Full,
}

#[derive(Copy, Clone, Debug, ValueEnum)]
pub(super) enum FsyncChoice {
    /// Never: what is written survives this program's end, not the machine's
    Never,
    /// Every second or so, and at the end
    Checkpoint,
    /// After each range: nothing is ever done twice
    Range,
}

#[derive(Copy, Clone, Debug, ValueEnum)]
pub(super) enum IsolationChoice {
    /// As long as its worker
    Worker,
    /// For one range
    Range,
    /// For one record
    Record,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum SandboxChoice {
    /// rlimits, no-new-privs and seccomp, and what else this machine allows
    Auto,
    /// Every layer; exit code 3 where one is missing
    Strict,
    /// None: WebAssembly is then the only wall. Only a flag or a job file can say so
    Off,
}

/// How what is said on standard error is written.
#[derive(Copy, Clone, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum ErrorsChoice {
    /// Lines for people
    Text,
    /// A JSON object on each line
    Json,
}

/// A parameter as typed: for all plugins, or for one by its number from 1.
#[derive(Clone, Debug)]
pub(super) struct Param {
    pub plugin: Option<usize>,
    pub name: String,
    pub value: String,
}

impl FromStr for Param {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "NAME=VALUE is wanted, or 2:NAME=VALUE for the second plugin".to_owned();
        let (name, value) = text.split_once('=').ok_or_else(wrong)?;
        let (plugin, name) = match name.split_once(':') {
            Some((number, name)) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                (Some(number.parse().map_err(|_| wrong())?), name)
            }
            _ => (None, name),
        };
        if name.is_empty() {
            return Err(wrong());
        }
        Ok(Param { plugin, name: name.to_owned(), value: value.to_owned() })
    }
}

/// Side data as typed.
#[derive(Clone, Debug)]
pub(super) struct SideFile {
    pub name: String,
    pub path: PathBuf,
}

impl FromStr for SideFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, path)) if !name.is_empty() && !path.is_empty() => {
                Ok(SideFile { name: name.to_owned(), path: PathBuf::from(path) })
            }
            _ => Err("NAME=FILE is wanted".to_owned()),
        }
    }
}

impl std::fmt::Display for Param {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(plugin) = self.plugin {
            write!(f, "{plugin}:")?;
        }
        write!(f, "{}={}", self.name, self.value)
    }
}

/// A share as typed, from 0 to 1.
#[derive(Copy, Clone, PartialEq, Debug)]
pub(super) struct Rate(pub f64);

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, all) = match text.strip_suffix('%') {
            Some(percent) => (percent, 100.0),
            None => (text, 1.0),
        };
        let rate = number.parse::<f64>().map(|number| number / all);
        let is_share = |rate: &f64| *rate > 0.0 && *rate <= 1.0;
        rate.ok().filter(is_share).map(Rate).ok_or_else(|| {
            "a share of the records is wanted, more than none and no more than all: 0.01 or 1%"
                .to_owned()
        })
    }
}

/// A time as typed, in nanoseconds since 1970.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct ClockStart(pub u64);

impl FromStr for ClockStart {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time = match text.parse() {
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(_) => humantime::parse_rfc3339(text)
                .ok()
                .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok()),
        };
        let nanoseconds = time.and_then(|time| u64::try_from(time.as_nanos()).ok());
        nanoseconds.map(ClockStart).ok_or_else(|| {
            "wanted is a time from 1970 to 2554 in UTC, like 2024-01-31T12:00:00Z or \
             2024-01-31T12:00:00.5Z, or seconds since 1970"
                .to_owned()
        })
    }
}

#[derive(Copy, Clone, Debug)]
pub(super) struct MaxErrorsChoice(pub MaxErrors);

impl FromStr for MaxErrorsChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a number (10) or a share (0.5%) is wanted".to_owned();
        let choice = match text.strip_suffix('%') {
            Some(share) => MaxErrors::Percent(share.parse().map_err(|_| wrong())?),
            None => MaxErrors::Count(text.parse().map_err(|_| wrong())?),
        };
        Ok(MaxErrorsChoice(choice))
    }
}

/// A number of bytes: `4096`, `512KiB`, `1.5 GB`.
pub(super) fn size(text: &str) -> Result<ByteSize, String> {
    text.parse().map_err(|_| "not a size; 4096, 512KiB and 1.5GB are some".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_one_of_utc_or_seconds_since_1970() {
        for (text, wanted) in [
            ("0", 0),
            ("1706702400", 1_706_702_400_000_000_000),
            ("2024-01-31T12:00:00Z", 1_706_702_400_000_000_000),
            ("2024-01-31T12:00:00.25Z", 1_706_702_400_250_000_000),
            ("2024-02-29T00:00:00+00:00", 1_709_164_800_000_000_000),
            ("1970-01-01T00:00:00.000000001Z", 1),
            ("2554-07-21T23:34:33Z", 18_446_744_073_000_000_000),
        ] {
            assert_eq!(text.parse(), Ok(ClockStart(wanted)), "{text}");
        }
        for text in [
            "",
            "now",
            "-1",
            "1.5",
            "1969-12-31T23:59:59Z",
            "2554-07-21T23:34:34Z",
            "18446744074",
            "2024-01-31",
            "2024-01-31T12:00:00",
            "2024-01-31 12:00:00Z",
            "2024-01-31T12:00:00+01:00",
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-01-31T24:00:00Z",
            "2024-01-31T12:00:00Zé",
        ] {
            assert!(text.parse::<ClockStart>().is_err(), "{text}");
        }
    }
}
