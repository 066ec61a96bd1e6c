//! The command line as it is typed.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use bytesize::ByteSize;
use clap::{Parser, ValueEnum};
use host::{Layer, MaxErrors, Measure, Only, Pointer};

/// Runs an untrusted WebAssembly plugin over every record of files or of standard
/// input, on all cores. What the plugin keeps comes out as it went in, or what it makes
/// of a record in its place, in the order of the input.
#[derive(Debug, Parser)]
#[command(name = "host", version, after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The plugin: a WebAssembly module or component (.wasm), or its text (.wat). Given
    /// several times, each gets what the one before lets through or makes
    #[arg(long, value_name = "FILE", required = true)]
    pub plugin: Vec<PathBuf>,

    /// Something that the plugin may ask for by name. Every plugin can, or with a number
    /// only that one: 2:NAME=VALUE is for the second
    #[arg(long, value_name = "[N:]NAME=VALUE", help_heading = "What")]
    pub param: Vec<Param>,

    /// A JSON object with parameters; --param overrides it
    #[arg(long, value_name = "FILE", help_heading = "What")]
    pub params: Option<PathBuf>,

    /// A word on the command line of the command that the last plugin is; may be given
    /// several times (--arg -r --arg .type). A command finds its parameters in its environment
    #[arg(long, value_name = "WORD", allow_hyphen_values = true, help_heading = "What")]
    pub arg: Vec<String>,

    /// A file that the plugins may read by this name, and nothing else
    #[arg(long, value_name = "NAME=FILE", help_heading = "What")]
    pub data: Vec<SideFile>,

    /// What the wall clock shows when a record begins, for plugins that ask for the time: UTC
    /// (2024-01-31T12:00:00Z) or seconds since 1970. It goes on only where it is read or slept
    /// away [default: 2000-01-01T00:00:00Z]
    #[arg(long, value_name = "TIME", conflicts_with = "real_clock", help_heading = "What")]
    pub clock_start: Option<ClockStart>,

    /// What randomness is drawn from besides the record's position, for plugins that ask for
    /// some: the same number gives the same in every run [default: 0]
    #[arg(long, value_name = "N", conflicts_with = "real_random", help_heading = "What")]
    pub seed: Option<u64>,

    /// Plugins see this machine's time. Sleep takes none of it all the same: the clocks go on
    /// at once
    #[arg(long, help_heading = "What")]
    pub real_clock: bool,

    /// Plugins see other randomness in every run, which cannot be gone on with (--resume)
    #[arg(long, help_heading = "What")]
    pub real_random: bool,

    /// For how long an instance of a plugin lives. As long as its worker is fastest; one
    /// whose memory has grown past a quarter of --memory (or twice what it had after its
    /// first record) is replaced all the same
    #[arg(long, value_enum, value_name = "WHAT", default_value = "worker", help_heading = "What")]
    pub isolate: IsolationChoice,

    /// Files to read, in this order; `-` is standard input, which is read if none is
    /// named. A directory means all files below it that are not hidden, in the order of
    /// their names; a name that no file has may be a glob (`**/*.json`, quoted)
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,

    /// Write to FILE, which appears when the job is whole [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Write a file of its own for each input to DIR, which is made if need be: named as the
    /// input is below the directory or glob that led to it, or as its file
    #[arg(long, value_name = "DIR", conflicts_with_all = ["output", "unordered"])]
    pub output_dir: Option<PathBuf>,

    /// How the input is laid out [default: ndjson for names in .ndjson and .jsonl, lines for
    /// .txt, csv for .csv, tsv for .tsv, otherwise json: an array if it starts with `[`, or
    /// values one after another]
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Formats")]
    pub from: Option<FromFormat>,

    /// The records are the elements of the array at this place inside each JSON text:
    /// /items, /data/0/rows. Of members with one name the first counts
    #[arg(long, value_name = "POINTER", help_heading = "Formats")]
    pub records: Option<Pointer>,

    /// How the output is laid out [default: as the first input]
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Formats")]
    pub to: Option<ToFormat>,

    /// The columns of CSV or TSV output, in this order [default: those of the first input]
    #[arg(long, value_name = "NAME,...", help_heading = "Formats")]
    pub columns: Option<String>,

    /// CSV and TSV have no row that names their columns: the first row is a record too,
    /// plugins see arrays, and the output begins with no such row
    #[arg(long, help_heading = "Formats")]
    pub no_header: bool,

    /// Write the state of a reduce instead of the records that it makes of it at the end:
    /// `host merge` makes one result of several
    #[arg(long, help_heading = "What")]
    pub partial_state: bool,

    /// Write each range as soon as it is finished instead of in the input's order
    #[arg(long, help_heading = "Formats")]
    pub unordered: bool,

    /// Worker processes [default: one for each core that may be used]
    #[arg(long, value_name = "N", help_heading = "Workers")]
    pub workers: Option<usize>,

    /// Bytes of input that a worker gets at once [default: 1MiB, less if the input is
    /// small]
    #[arg(long, value_name = "SIZE", help_heading = "Workers")]
    pub range_size: Option<ByteSize>,

    /// Bytes of finished output that may wait for an earlier range [default: 4MiB for
    /// each worker]
    #[arg(long, value_name = "SIZE", help_heading = "Workers")]
    pub window: Option<ByteSize>,

    /// What to do when a record fails: end the job there, leave the record out, or write it
    /// aside [default: fail, with --dead-letters dead-letter]
    #[arg(long, value_enum, value_name = "WHAT", help_heading = "Failures")]
    pub on_error: Option<OnErrorChoice>,

    /// Write each record that fails to FILE, as one line of JSON: file, record number, byte
    /// offset and length, what happened, and the record. Nobody else can read FILE.
    /// `host retry` runs them again
    #[arg(long, value_name = "FILE", help_heading = "Failures")]
    pub dead_letters: Option<PathBuf>,

    /// Try a record that fails again so many times, alone in fresh instances of the plugins,
    /// before it counts as failed. One that trapped, took too long or killed its worker is
    /// tried again once in any case
    #[arg(long, value_name = "N", default_value = "0", help_heading = "Failures")]
    pub retries: u32,

    /// Go on where an earlier run with the same -o stopped; from the beginning if there was
    /// none, so that one command line serves both
    #[arg(long, help_heading = "Failures")]
    pub resume: bool,

    /// Go on although the plugins, or what they are told, are not what they were: what is in
    /// the output stays
    #[arg(long, requires = "resume", help_heading = "Failures")]
    pub accept_plugin: bool,

    /// Go on although inputs have grown
    #[arg(long, requires = "resume", help_heading = "Failures")]
    pub allow_append: bool,

    /// How to make sure that inputs are what they were: by size, inode, time and a few of
    /// their bytes, or by a hash of all that is done, which is kept from the first run on
    #[arg(
        long,
        value_enum,
        value_name = "HOW",
        default_value = "quick",
        help_heading = "Failures"
    )]
    pub resume_verify: VerifyChoice,

    /// When output to a file, dead letters and the journal are synchronised with the disk
    #[arg(
        long,
        value_enum,
        value_name = "WHEN",
        default_value = "checkpoint",
        help_heading = "Failures"
    )]
    pub fsync: FsyncChoice,

    /// How many failed records are acceptable, as a number or a share (1%); more make
    /// the exit code 4
    #[arg(long, value_name = "N|N%", default_value = "0", help_heading = "Failures")]
    pub max_errors: MaxErrorsChoice,

    /// Memory that one plugin instance may use, tables included [default: 256MiB]
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    pub memory: Option<ByteSize>,

    /// What all processes of the run may have together. There are fewer workers where it is
    /// small, and --memory, --max-record, --max-output, --max-state, --window and --range-size
    /// follow from it where they are not given [default: any]
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    pub memory_budget: Option<ByteSize>,

    /// CPU time that the plugin may take for one record
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "10s",
        value_parser = humantime::parse_duration,
        help_heading = "Limits"
    )]
    pub timeout: Duration,

    /// What plugins may make of one record [default: 64MiB]
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    pub max_output: Option<ByteSize>,

    /// What a reduce may fold records into [default: 64MiB]
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    pub max_state: Option<ByteSize>,

    /// All files of --data together
    #[arg(long, value_name = "SIZE", default_value = "1GiB", help_heading = "Limits")]
    pub max_data: ByteSize,

    /// Length of the longest record [default: 64MiB]
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    pub max_record: Option<ByteSize>,

    /// What the calls of a plugin may take of the stack
    #[arg(long, value_name = "SIZE", default_value = "512KiB", help_heading = "Limits")]
    pub stack: ByteSize,

    /// Core modules that one plugin instance may consist of, and as many memories and tables
    #[arg(long, value_name = "N", default_value = "1000", help_heading = "Limits")]
    pub max_instances: u64,

    /// Meter plugins: what one may execute for one record, in units of about one instruction.
    /// Costs about a quarter of the speed, and ends alike on every machine [default: not
    /// metered]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub fuel: Option<u64>,

    /// What plugins may log in all; what one record may log is 16 KiB
    #[arg(long, value_name = "SIZE", default_value = "64MiB", help_heading = "Limits")]
    pub max_log: ByteSize,

    /// Time that the whole job may take. What is done by then is written [default: any]
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = humantime::parse_duration,
        help_heading = "Limits"
    )]
    pub job_timeout: Option<Duration>,

    /// Time that compiling a plugin may take
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "10m",
        value_parser = humantime::parse_duration,
        help_heading = "Limits"
    )]
    pub compile_timeout: Duration,

    /// Memory that compiling a plugin may take
    #[arg(long, value_name = "SIZE", default_value = "4GiB", help_heading = "Limits")]
    pub compile_memory: ByteSize,

    /// How much of the sandbox around workers there must be: what every machine allows
    /// and all else that this one does, everything, or nothing
    #[arg(long, value_enum, value_name = "WHAT", default_value = "auto", help_heading = "Sandbox")]
    pub sandbox: SandboxChoice,

    /// Layers that there must be besides rlimits, no-new-privs and seccomp: namespaces,
    /// landlock
    #[arg(long, value_name = "LAYER,...", value_delimiter = ',', help_heading = "Sandbox")]
    pub sandbox_require: Vec<Layer>,

    /// Where compiled plugins are kept for the next run: a directory that nobody else can
    /// write to, or `off` [default: $XDG_CACHE_HOME/host or ~/.cache/host, if it can be had]
    #[arg(long, value_name = "DIR|off", help_heading = "Sandbox")]
    pub cache: Option<PathBuf>,

    /// Process only the first N records of all inputs together
    #[arg(long, value_name = "N", conflicts_with = "only", help_heading = "Looking")]
    pub limit: Option<u64>,

    /// Process only one record, by its number from 1 or a byte in it (@OFFSET), as messages
    /// name it, and show what the plugin says about it
    #[arg(long, value_name = "RECORD|@OFFSET", help_heading = "Looking")]
    pub only: Option<Only>,

    /// Tell what would be done, and do nothing: inputs are looked at, plugins compiled, the
    /// output checked
    #[arg(long, help_heading = "Looking")]
    pub dry_run: bool,

    /// Where lines that the plugin logs go: none, stderr or a file [default: none, with
    /// --only stderr]
    #[arg(long, value_name = "none|stderr|FILE", help_heading = "Looking")]
    pub plugin_log: Option<PathBuf>,

    /// Show the plugin's own words about records, which may hold private data
    #[arg(long, help_heading = "Looking")]
    pub show_records: bool,

    /// Tell each worker's coming and going and each record that is left out
    #[arg(long, conflicts_with = "quiet", help_heading = "Looking")]
    pub verbose: bool,

    /// Write the account to FILE as JSON, whichever way the run ends
    #[arg(long, value_name = "FILE", help_heading = "Looking")]
    pub stats: Option<PathBuf>,

    /// Write a page about the run to FILE, whichever way it ends: throughput, workers, time for
    /// each record, failures, the account. Nobody else can read it. Each record is measured,
    /// which takes some 60 ns
    #[arg(long, value_name = "FILE.html", help_heading = "Looking")]
    pub report: Option<PathBuf>,

    /// Show no account at the end
    #[arg(short, long, help_heading = "Looking")]
    pub quiet: bool,

    /// What is measured besides: no flag says so, but `host bench`.
    #[arg(skip)]
    pub measure: Measure,
}

const EXAMPLES: &str = "\
Examples:
  host --plugin filter.wasm data.json                 to standard output
  host --plugin filter.wasm -o kept.ndjson a.ndjson b.ndjson
  host --plugin filter.wasm -o kept.ndjson.zst big.ndjson.gz
  host --plugin filter.wasm --plugin map.wasm --param 2:fields=id,name data.json
  host --plugin filter.wasm --on-error skip --max-errors 1% data.json
  host --plugin filter.wasm --dead-letters dead.ndjson --max-errors 1% data.json

`host retry` runs records again that --dead-letters has written aside.
`host merge` makes one result of states that runs with --partial-state have written.
`host new` begins a plugin of your own: a small project in a language of your choice.
`host inspect` shows what plugins export and may import.
`host bench` measures how fast a plugin is, and where its time goes.
`host check` tells what a plugin is, and whether it can be run.
`host test` runs a plugin over the cases beside it and shows where it is not as expected.
`host doctor` tells what the sandbox can be on this machine.

Exit codes: 0 done; 1 a record or the job failed; 2 nothing was started; 3 a
demanded layer of the sandbox is missing; 4 done, but more records failed than --max-errors accepts; 130 interrupted.";

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
}

#[derive(Copy, Clone, Debug, ValueEnum)]
pub(super) enum OnErrorChoice {
    /// End the job at the record; what stands before it is written
    Fail,
    /// Count the record and leave it out
    Skip,
    /// Leave the record out and write it to the file of --dead-letters
    DeadLetter,
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
    /// None: WebAssembly is then the only wall
    Off,
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
