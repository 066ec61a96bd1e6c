//! The command line: as typed here, settled into a [`Job`] below. What goes further
//! than this room is settled.

pub mod doctor;
mod dry_run;
mod merge;
pub mod report;

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use clap::{Parser, ValueEnum};
use host::{
    Columns, Error, From, Input, Isolation, Job, JobBuilder, Layer, Layers, MaxErrors, OnError,
    Only, Order, Output, Pointer, Sandbox, To,
};

/// A validated request.
pub struct Request {
    /// What is to be done.
    pub job: Job,
    /// What the user wants to see of it.
    pub looks: Looks,
}

/// What the user wants to see of a run.
#[derive(Clone, Debug)]
pub struct Looks {
    /// Show no account.
    pub quiet: bool,
    /// Show each worker's coming and going, and each record that is skipped.
    pub verbose: bool,
    /// Show what may hold private data.
    pub show_records: bool,
    /// Where lines that the plugin logs go.
    pub plugin_log: PluginLog,
}

/// Where lines that a plugin logs go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PluginLog {
    /// Nowhere: they are counted.
    None,
    /// Standard error.
    Stderr,
    /// A file.
    Path(PathBuf),
}

/// Runs an untrusted WebAssembly plugin over every record of files or of standard
/// input, on all cores. What the plugin keeps comes out as it went in, or what it makes
/// of a record in its place, in the order of the input.
#[derive(Debug, Parser)]
#[command(name = "host", version, after_help = EXAMPLES)]
struct Arguments {
    /// The plugin: a WebAssembly module or component (.wasm), or its text (.wat). Given
    /// several times, each gets what the one before lets through or makes
    #[arg(long, value_name = "FILE", required = true)]
    plugin: Vec<PathBuf>,

    /// Something that the plugin may ask for by name. Every plugin can, or with a number
    /// only that one: 2:NAME=VALUE is for the second
    #[arg(long, value_name = "[N:]NAME=VALUE", help_heading = "What")]
    param: Vec<Param>,

    /// A JSON object with parameters; --param overrides it
    #[arg(long, value_name = "FILE", help_heading = "What")]
    params: Option<PathBuf>,

    /// A file that the plugins may read by this name, and nothing else
    #[arg(long, value_name = "NAME=FILE", help_heading = "What")]
    data: Vec<SideFile>,

    /// For how long an instance of a plugin lives. As long as its worker is fastest; one
    /// whose memory has grown past a quarter of --memory (or twice what it had after its
    /// first record) is replaced all the same
    #[arg(long, value_enum, value_name = "WHAT", default_value = "worker", help_heading = "What")]
    isolate: IsolationChoice,

    /// Files to read, in this order; `-` is standard input, which is read if none is
    /// named. A directory means all files below it that are not hidden, in the order of
    /// their names; a name that no file has may be a glob (`**/*.json`, quoted)
    #[arg(value_name = "INPUT")]
    inputs: Vec<PathBuf>,

    /// Write to FILE, which appears when the job is whole [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Write a file of its own for each input to DIR, which is made if need be: named as the
    /// input is below the directory or glob that led to it, or as its file
    #[arg(long, value_name = "DIR", conflicts_with_all = ["output", "unordered"])]
    output_dir: Option<PathBuf>,

    /// How the input is laid out [default: ndjson for names in .ndjson and .jsonl, lines for
    /// .txt, csv for .csv, tsv for .tsv, otherwise json: an array if it starts with `[`, or
    /// values one after another]
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Formats")]
    from: Option<FromFormat>,

    /// The records are the elements of the array at this place inside each JSON text:
    /// /items, /data/0/rows. Of members with one name the first counts
    #[arg(long, value_name = "POINTER", help_heading = "Formats")]
    records: Option<Pointer>,

    /// How the output is laid out [default: as the first input]
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Formats")]
    to: Option<ToFormat>,

    /// The columns of CSV or TSV output, in this order [default: those of the first input]
    #[arg(long, value_name = "NAME,...", help_heading = "Formats")]
    columns: Option<String>,

    /// CSV and TSV have no row that names their columns: the first row is a record too,
    /// plugins see arrays, and the output begins with no such row
    #[arg(long, help_heading = "Formats")]
    no_header: bool,

    /// Write the state of a reduce instead of the records that it makes of it at the end:
    /// `host merge` makes one result of several
    #[arg(long, help_heading = "What")]
    partial_state: bool,

    /// Write each range as soon as it is finished instead of in the input's order
    #[arg(long, help_heading = "Formats")]
    unordered: bool,

    /// Worker processes [default: one for each core that may be used]
    #[arg(long, value_name = "N", help_heading = "Workers")]
    workers: Option<usize>,

    /// Bytes of input that a worker gets at once [default: 1MiB, less if the input is
    /// small]
    #[arg(long, value_name = "SIZE", help_heading = "Workers")]
    range_size: Option<ByteSize>,

    /// Bytes of finished output that may wait for an earlier range [default: 4MiB for
    /// each worker]
    #[arg(long, value_name = "SIZE", help_heading = "Workers")]
    window: Option<ByteSize>,

    /// What to do when a record fails: end the job there, or leave the record out
    #[arg(
        long,
        value_enum,
        value_name = "WHAT",
        default_value = "fail",
        help_heading = "Failures"
    )]
    on_error: OnErrorChoice,

    /// How many failed records are acceptable, as a number or a share (1%); more make
    /// the exit code 4
    #[arg(long, value_name = "N|N%", default_value = "0", help_heading = "Failures")]
    max_errors: MaxErrorsChoice,

    /// Memory that one plugin instance may use
    #[arg(long, value_name = "SIZE", default_value = "256MiB", help_heading = "Limits")]
    memory: ByteSize,

    /// CPU time that the plugin may take for one record
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "10s",
        value_parser = humantime::parse_duration,
        help_heading = "Limits"
    )]
    timeout: Duration,

    /// What plugins may make of one record
    #[arg(long, value_name = "SIZE", default_value = "64MiB", help_heading = "Limits")]
    max_output: ByteSize,

    /// What a reduce may fold records into
    #[arg(long, value_name = "SIZE", default_value = "64MiB", help_heading = "Limits")]
    max_state: ByteSize,

    /// All files of --data together
    #[arg(long, value_name = "SIZE", default_value = "1GiB", help_heading = "Limits")]
    max_data: ByteSize,

    /// Length of the longest record
    #[arg(long, value_name = "SIZE", default_value = "64MiB", help_heading = "Limits")]
    max_record: ByteSize,

    /// How much of the sandbox around workers there must be: what every machine allows
    /// and all else that this one does, everything, or nothing
    #[arg(long, value_enum, value_name = "WHAT", default_value = "auto", help_heading = "Sandbox")]
    sandbox: SandboxChoice,

    /// Layers that there must be besides rlimits, no-new-privs and seccomp: namespaces,
    /// landlock
    #[arg(long, value_name = "LAYER,...", value_delimiter = ',', help_heading = "Sandbox")]
    sandbox_require: Vec<Layer>,

    /// Process only the first N records of all inputs together
    #[arg(long, value_name = "N", conflicts_with = "only", help_heading = "Looking")]
    limit: Option<u64>,

    /// Process only one record, by its number from 1 or a byte in it (@OFFSET), as messages
    /// name it, and show what the plugin says about it
    #[arg(long, value_name = "RECORD|@OFFSET", help_heading = "Looking")]
    only: Option<Only>,

    /// Tell what would be done, and do nothing: inputs are looked at, plugins compiled, the
    /// output checked
    #[arg(long, help_heading = "Looking")]
    dry_run: bool,

    /// Where lines that the plugin logs go: none, stderr or a file [default: none, with
    /// --only stderr]
    #[arg(long, value_name = "none|stderr|FILE", help_heading = "Looking")]
    plugin_log: Option<PathBuf>,

    /// Show the plugin's own words about records, which may hold private data
    #[arg(long, help_heading = "Looking")]
    show_records: bool,

    /// Tell each worker's coming and going and each record that is left out
    #[arg(long, conflicts_with = "quiet", help_heading = "Looking")]
    verbose: bool,

    /// Show no account at the end
    #[arg(short, long, help_heading = "Looking")]
    quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  host --plugin filter.wasm data.json                 to standard output
  host --plugin filter.wasm -o kept.ndjson a.ndjson b.ndjson
  host --plugin filter.wasm -o kept.ndjson.zst big.ndjson.gz
  host --plugin filter.wasm --plugin map.wasm --param 2:fields=id,name data.json
  host --plugin filter.wasm --on-error skip --max-errors 1% data.json

`host merge` makes one result of states that runs with --partial-state have written.
`host doctor` tells what the sandbox can be on this machine.

Exit codes: 0 done; 1 a record or the job failed; 2 nothing was started; 3 a
demanded layer of the sandbox is missing; 4 done, but more records failed than --max-errors accepts.";

#[derive(Copy, Clone, Debug, ValueEnum)]
enum FromFormat {
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
enum ToFormat {
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
enum OnErrorChoice {
    /// End the job at the record; what stands before it is written
    Fail,
    /// Count the record and leave it out
    Skip,
}

#[derive(Copy, Clone, Debug, ValueEnum)]
enum IsolationChoice {
    /// As long as its worker
    Worker,
    /// For one range
    Range,
    /// For one record
    Record,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug, ValueEnum)]
enum SandboxChoice {
    /// rlimits, no-new-privs and seccomp, and what else this machine allows
    Auto,
    /// Every layer; exit code 3 where one is missing
    Strict,
    /// None: WebAssembly is then the only wall
    Off,
}

/// A parameter as typed: for all plugins, or for one by its number from 1.
#[derive(Clone, Debug)]
struct Param {
    plugin: Option<usize>,
    name: String,
    value: String,
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
struct SideFile {
    name: String,
    path: PathBuf,
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

#[derive(Copy, Clone, Debug)]
struct MaxErrorsChoice(MaxErrors);

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

/// Reads the command line. The error is the exit code of a program that has already
/// said why it ends.
pub fn request() -> Result<Request, ExitCode> {
    // Subcommands are only the first argument, so that no plugin's input is taken for one.
    match std::env::args_os().nth(1) {
        Some(first) if first == "doctor" => Err(doctor::run()),
        Some(first) if first == "merge" => merge::request(std::env::args_os().skip(1)),
        _ => {
            let arguments = parse::<Arguments>(std::env::args_os())?;
            let dry_run = arguments.dry_run;
            match settle(arguments, InputsAre::Records) {
                Ok(request) if dry_run => Err(dry_run::run(&request.job)),
                settled => settled.map_err(|error| report::refuse(&error)),
            }
        }
    }
}

/// What is in the inputs.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum InputsAre {
    Records,
    /// States of a reduce, to be merged.
    States,
}

/// Reads arguments, or says what is wrong with them (or the help that was asked for).
fn parse<T: Parser>(arguments: impl Iterator<Item = OsString>) -> Result<T, ExitCode> {
    T::try_parse_from(arguments).map_err(said)
}

/// Says what is wrong with the arguments, or the help that was asked for.
fn said(error: clap::Error) -> ExitCode {
    // Help that nobody can read is no reason to fail differently.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { 2 } else { 0 })
}

/// The plugins, each with its parameters.
fn plugins(arguments: &Arguments) -> Result<JobBuilder, Error> {
    let count = arguments.plugin.len();
    let for_all = match &arguments.params {
        Some(path) => read_params(path)?,
        None => Vec::new(),
    };
    if let Some(param) =
        arguments.param.iter().find(|param| !param.plugin.is_none_or(|n| (1..=count).contains(&n)))
    {
        let text = format!("--param {param}: there is no plugin with this number");
        return Err(Error::Usage(text));
    }
    let mut builder = None;
    for (number, path) in (1..).zip(&arguments.plugin) {
        let mut with = match builder {
            None => Job::builder(path),
            Some(before) => JobBuilder::then(before, path),
        };
        for (name, value) in &for_all {
            with = with.param(name, value);
        }
        let own = arguments.param.iter();
        for param in own.filter(|param| param.plugin.is_none_or(|plugin| plugin == number)) {
            with = with.param(&param.name, &param.value);
        }
        builder = Some(with);
    }
    builder.ok_or_else(|| Error::Usage("there is no plugin (--plugin)".into()))
}

/// Reads `--params`: a text is taken as it is, any other value as its JSON.
fn read_params(path: &Path) -> Result<Vec<(String, String)>, Error> {
    let wrong = |why: String| Error::Usage(format!("--params {}: {why}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&bytes)
        .map_err(|error| wrong(format!("it is not a JSON object: {error}")))?;
    let text = |value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(object.into_iter().map(|(name, value)| (name, text(value))).collect())
}

fn settle(arguments: Arguments, inputs_are: InputsAre) -> Result<Request, Error> {
    let mut builder = plugins(&arguments)?
        .memory(arguments.memory.as_u64())
        .timeout(arguments.timeout)
        .max_record(arguments.max_record.as_u64())
        .max_output(arguments.max_output.as_u64())
        .max_state(arguments.max_state.as_u64())
        .max_data(arguments.max_data.as_u64())
        .isolate(match arguments.isolate {
            IsolationChoice::Worker => Isolation::Worker,
            IsolationChoice::Range => Isolation::Range,
            IsolationChoice::Record => Isolation::Record,
        })
        .max_errors(arguments.max_errors.0)
        .on_error(match arguments.on_error {
            OnErrorChoice::Fail => OnError::Fail,
            OnErrorChoice::Skip => OnError::Skip,
        })
        .order(if arguments.unordered { Order::Any } else { Order::Input });
    let reads = !arguments.quiet && !arguments.dry_run;
    if arguments.inputs.is_empty() && std::io::stdin().is_terminal() && reads {
        report::note("reading records from the terminal; Ctrl-D ends them");
    }
    for input in arguments.inputs {
        builder =
            builder.input(if input.as_os_str() == "-" { Input::Stdin } else { Input::Path(input) });
    }
    for (place, SideFile { name, path }) in arguments.data.iter().enumerate() {
        if arguments.data[..place].iter().any(|other| other.name == *name) {
            return Err(Error::Usage(format!("--data {name}: there are two files of this name")));
        }
        builder = builder.data(name, path);
    }
    if inputs_are == InputsAre::States {
        builder = builder.merge_states();
    }
    if arguments.partial_state {
        builder = builder.partial_state();
    }
    if let Some(path) = arguments.output {
        builder = builder.output(Output::Path(path));
    }
    if let Some(path) = arguments.output_dir {
        builder = builder.output(Output::Directory(path));
    }
    if let Some(from) = arguments.from {
        builder = builder.from(match from {
            FromFormat::Json => From::Json,
            FromFormat::Ndjson => From::Ndjson,
            FromFormat::Lines => From::Lines,
            FromFormat::Csv => From::Csv,
            FromFormat::Tsv => From::Tsv,
        });
    }
    if let Some(pointer) = arguments.records {
        builder = builder.records(pointer);
    }
    if let Some(limit) = arguments.limit {
        builder = builder.limit(limit);
    }
    if let Some(only) = arguments.only {
        builder = builder.only(only);
    }
    if let Some(to) = arguments.to {
        builder = builder.to(match to {
            ToFormat::Json => To::Json,
            ToFormat::Ndjson => To::Ndjson,
            ToFormat::Lines => To::Lines,
            ToFormat::Csv => To::Csv,
            ToFormat::Tsv => To::Tsv,
        });
    }
    if let Some(columns) = arguments.columns {
        builder = builder.columns(columns.parse::<Columns>()?);
    }
    if arguments.no_header {
        builder = builder.no_header();
    }
    if let Some(workers) = arguments.workers {
        builder = builder.workers(workers);
    }
    if let Some(size) = arguments.window {
        builder = builder.window(size.as_u64());
    }
    if let Some(size) = arguments.range_size {
        builder = builder.range_size(size.as_u64());
    }
    let require = arguments.sandbox_require.iter().copied().map(Layers::from);
    let require = require.fold(Layers::NONE, Layers::with);
    builder = builder.sandbox(match arguments.sandbox {
        SandboxChoice::Auto => Sandbox::Auto { require },
        SandboxChoice::Strict => Sandbox::Strict,
        SandboxChoice::Off if require.is_empty() => Sandbox::Off,
        SandboxChoice::Off => {
            let text = "--sandbox=off and --sandbox-require contradict each other";
            return Err(Error::Usage(text.into()));
        }
    });
    let plugin_log = match arguments.plugin_log {
        None if arguments.only.is_some() => PluginLog::Stderr,
        None => PluginLog::None,
        Some(word) if word.as_os_str() == "none" => PluginLog::None,
        Some(word) if word.as_os_str() == "stderr" => PluginLog::Stderr,
        Some(path) => PluginLog::Path(path),
    };
    let looks = Looks {
        quiet: arguments.quiet,
        verbose: arguments.verbose,
        // Whoever asks for one record wants to know everything about it.
        show_records: arguments.show_records || arguments.only.is_some(),
        plugin_log,
    };
    Ok(Request { job: builder.build()?, looks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }
}
