//! The command line: as typed here, settled into a [`Job`] below. What goes further
//! than this room is settled.

mod arguments;
#[cfg(not(fuzzing))]
mod bench;
#[cfg(not(fuzzing))]
mod check;
pub mod doctor;
mod dry_run;
#[cfg(not(fuzzing))]
mod inspect;
mod merge;
#[cfg(not(fuzzing))]
mod new;
pub mod report;
mod retry;
#[cfg(not(fuzzing))]
pub mod run_report;
pub mod stats;
mod subcommand;
#[cfg(not(fuzzing))]
mod test;
#[cfg(not(fuzzing))]
mod trial;

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bytesize::ByteSize;
use clap::Parser;
use host::{
    Cache, Columns, Error, From, Fsync, Input, Isolation, Job, JobBuilder, Layers, Measure,
    OnError, Order, Output, Randomness, Resume, ResumeVerify, Sandbox, Time, To,
};

use arguments::{
    Arguments, ClockStart, FromFormat, FsyncChoice, IsolationChoice, OnErrorChoice, SandboxChoice,
    SideFile, ToFormat, VerifyChoice,
};

/// How much of a record that failed, and of what a plugin says of it, a page shows, in bytes.
const EXCERPT: u64 = 1 << 10;

/// A validated request.
pub struct Request {
    /// What is to be done.
    pub job: Job,
    /// What the user wants to see of it.
    pub looks: Looks,
    /// Where the account goes as JSON.
    pub stats: Option<PathBuf>,
    /// Where the page about the run goes.
    pub report: Option<PathBuf>,
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

/// Reads the command line (fuzzers have none, nor the subcommands that start programs or write
/// files). The error is the exit code of a program that has already
/// said why it ends.
#[cfg(not(fuzzing))]
pub fn request() -> Result<Request, ExitCode> {
    // Subcommands are only the first argument, so that no plugin's input is taken for one.
    match std::env::args_os().nth(1) {
        Some(first) if first == "bench" => Err(bench::run()),
        Some(first) if first == "check" => Err(check::run()),
        Some(first) if first == "doctor" => Err(doctor::run()),
        Some(first) if first == "test" => Err(test::run()),
        Some(first) if first == "inspect" => Err(inspect::run()),
        Some(first) if first == "new" => Err(new::run()),
        Some(first) if first == "merge" => merge::MERGE.request(std::env::args_os().skip(1)),
        Some(first) if first == "retry" => retry::RETRY.request(std::env::args_os().skip(1)),
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
    /// Dead letters, whose records are to be run again.
    DeadLetters,
}

/// Shows a text on standard output.
fn show(text: &str) {
    // Nobody may be left to read it.
    let _ = std::io::stdout().write_all(text.as_bytes());
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
    let builder = builder.ok_or_else(|| Error::Usage("there is no plugin (--plugin)".into()))?;
    Ok(arguments.arg.iter().fold(builder, JobBuilder::argument))
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

/// What is done with records that fail: a file for dead letters says it as well.
fn on_error(
    choice: Option<OnErrorChoice>,
    dead_letters: Option<PathBuf>,
) -> Result<OnError, Error> {
    match (choice, dead_letters) {
        (None | Some(OnErrorChoice::Fail), None) => Ok(OnError::Fail),
        (Some(OnErrorChoice::Skip), None) => Ok(OnError::Skip),
        (None | Some(OnErrorChoice::DeadLetter), Some(path)) => Ok(OnError::DeadLetter(path)),
        (Some(OnErrorChoice::DeadLetter), None) => Err(Error::Usage(
            "--on-error dead-letter needs a file for them (--dead-letters FILE)".into(),
        )),
        (Some(OnErrorChoice::Fail | OnErrorChoice::Skip), Some(_)) => Err(Error::Usage(
            "--dead-letters contradicts what --on-error says; leave one of them out".into(),
        )),
    }
}

fn settle(arguments: Arguments, inputs_are: InputsAre) -> Result<Request, Error> {
    let mut builder = plugins(&arguments)?
        .timeout(arguments.timeout)
        .max_data(arguments.max_data.as_u64())
        .stack(arguments.stack.as_u64())
        .max_instances(arguments.max_instances)
        .max_log(arguments.max_log.as_u64())
        .compile_timeout(arguments.compile_timeout)
        .compile_memory(arguments.compile_memory.as_u64())
        .isolate(match arguments.isolate {
            IsolationChoice::Worker => Isolation::Worker,
            IsolationChoice::Range => Isolation::Range,
            IsolationChoice::Record => Isolation::Record,
        })
        .time(match arguments.clock_start {
            _ if arguments.real_clock => Time::Real,
            Some(ClockStart(time)) => Time::StartsAt(time),
            None => Time::default(),
        })
        .randomness(match arguments.seed {
            _ if arguments.real_random => Randomness::Real,
            Some(seed) => Randomness::Seed(seed),
            None => Randomness::default(),
        })
        .measure(match arguments.report {
            Some(_) => Measure::Times,
            None => arguments.measure,
        })
        .excerpt(match arguments.report {
            Some(_) if arguments.show_records => EXCERPT,
            _ => 0,
        })
        .max_errors(arguments.max_errors.0)
        .retries(arguments.retries)
        .resume_verify(match arguments.resume_verify {
            VerifyChoice::Quick => ResumeVerify::Quick,
            VerifyChoice::Full => ResumeVerify::Full,
        })
        .fsync(match arguments.fsync {
            FsyncChoice::Never => Fsync::Never,
            FsyncChoice::Checkpoint => Fsync::Checkpoint,
            FsyncChoice::Range => Fsync::Range,
        })
        .on_error(on_error(arguments.on_error, arguments.dead_letters)?)
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
    match inputs_are {
        InputsAre::Records => {}
        InputsAre::States => builder = builder.merge_states(),
        InputsAre::DeadLetters => builder = builder.from(From::DeadLetters),
    }
    // Those that are not named have their defaults, or follow from a budget.
    type Setter = fn(JobBuilder, u64) -> JobBuilder;
    let sizes: [(Option<ByteSize>, Setter); 5] = [
        (arguments.memory, JobBuilder::memory),
        (arguments.max_record, JobBuilder::max_record),
        (arguments.max_output, JobBuilder::max_output),
        (arguments.max_state, JobBuilder::max_state),
        (arguments.memory_budget, JobBuilder::memory_budget),
    ];
    for (size, set) in sizes {
        if let Some(size) = size {
            builder = set(builder, size.as_u64());
        }
    }
    if let Some(fuel) = arguments.fuel {
        builder = builder.fuel(fuel);
    }
    if let Some(limit) = arguments.job_timeout {
        builder = builder.job_timeout(limit);
    }
    if arguments.resume {
        builder = builder.resume(Resume {
            accept_plugin: arguments.accept_plugin,
            allow_append: arguments.allow_append,
        });
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
    builder = builder.cache(match arguments.cache {
        None => Cache::Default,
        Some(word) if word.as_os_str() == "off" => Cache::Off,
        Some(path) => Cache::At(path),
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
    let job = builder.build()?;
    for (flag, file) in [("--stats", &arguments.stats), ("--report", &arguments.report)] {
        if let (Some(file), Output::Path(output)) = (file, job.output())
            && file == output
        {
            let text = format!("{flag} needs a file of its own: this one is the output");
            return Err(Error::Usage(text));
        }
    }
    Ok(Request { job, looks, stats: arguments.stats, report: arguments.report })
}

/// Takes bytes for words of a command line, with zeros between them: they are a request, or
/// refused.
#[cfg(fuzzing)]
pub fn fuzz(data: &[u8]) {
    use std::os::unix::ffi::OsStringExt as _;

    let words: Vec<OsString> =
        data.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect();
    let all = std::iter::once("host".into()).chain(words.iter().cloned());
    if let Ok(arguments) = Arguments::try_parse_from(all)
        // Which file that is is the fuzzer's choice.
        && arguments.params.is_none()
    {
        let _ = settle(arguments, InputsAre::Records);
    }
    let _ = merge::MERGE.parse(words.iter().cloned());
    let _ = retry::RETRY.parse(words.into_iter());
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
