//! The command line: as typed here, settled into a [`Job`] below. What goes further
//! than this room is settled.

mod arguments;
#[cfg(not(fuzzing))]
mod bench;
mod called;
#[cfg(not(fuzzing))]
mod check;
#[cfg(not(fuzzing))]
mod commands;
#[cfg(not(fuzzing))]
mod completions;
#[cfg(not(fuzzing))]
mod difference;
pub mod doctor;
mod dry_run;
#[cfg(not(fuzzing))]
mod inspect;
mod job_file;
#[cfg(not(fuzzing))]
pub mod log;
#[cfg(not(fuzzing))]
mod manual;
#[cfg(not(fuzzing))]
mod measurements;
mod merge;
mod message;
#[cfg(not(fuzzing))]
mod new;
#[cfg(not(fuzzing))]
mod replace;
pub mod report;
#[cfg(not(fuzzing))]
mod rerun;
mod retry;
#[cfg(not(fuzzing))]
pub mod run_report;
mod settings;
mod shell;
#[cfg(not(fuzzing))]
mod spark;
pub mod stats;
mod subcommand;
mod terminal;
#[cfg(not(fuzzing))]
mod test;
#[cfg(not(fuzzing))]
mod trial;
#[cfg(not(fuzzing))]
mod version;
#[cfg(not(fuzzing))]
pub mod watch;

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bytesize::ByteSize;
use clap::{ArgMatches, Command, ValueEnum as _};
use host::{
    Cache, Columns, Error, From, Fsync, Input, Isolation, Job, JobBuilder, Layers, Measure,
    OnError, Open, Order, Output, Randomness, Resume, ResumeVerify, Sandbox, Time, To,
};

use arguments::{
    Arguments, ClockStart, ErrorsChoice, FromFormat, FsyncChoice, IsolationChoice, OnErrorChoice,
    ProgressChoice, Rate, SandboxChoice, SideFile, ToFormat, VerifyChoice,
};
pub use arguments::{LogFormat, LogLevel};
use message::Form;
use settings::{Means, Setting, Wrong};

/// How much of a record that failed, and of what a plugin says of it, a page shows, in bytes.
const EXCERPT: u64 = 1 << 10;

/// A validated request.
pub struct Request {
    /// What is to be done.
    pub job: Job,
    /// What the user wants to see of it.
    pub looks: Looks,
    /// How it is watched while it goes on.
    pub watching: Watching,
    /// What is told of the supervisor.
    pub logging: Logging,
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

/// How a run is watched.
#[derive(Clone, Debug)]
pub struct Watching {
    /// What is shown of how far it is.
    pub progress: Progress,
    /// Show what each worker does, too.
    pub verbose: bool,
    /// Where there is a line for each range that was tried.
    pub joblog: Option<PathBuf>,
    /// Lines of an earlier run stay there: this one goes on with it.
    pub goes_on: bool,
    /// Where metrics go.
    pub metrics: Option<PathBuf>,
}

/// What is shown of how far a run is.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Nothing.
    Never,
    /// A bar, if there is a terminal for it.
    Bar,
    /// The same, and otherwise a line now and then.
    Always,
    /// JSON.
    Json,
}

/// What is told of what the supervisor does.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Logging {
    /// How much.
    pub level: LogLevel,
    /// In which form.
    pub format: LogFormat,
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
    let words: Vec<OsString> = std::env::args_os().collect();
    message::write_as(first_form(&words));
    if let Some(first) = words.get(1) {
        if let Some(known) = commands::named(first) {
            return (known.request)();
        }
        commands::refuse_mistyped(first).map_err(|error| report::refuse(&error))?;
    }
    let (arguments, settings) = read(&words)?;
    if arguments.watch {
        return Err(rerun::run(arguments, &words));
    }
    let dry_run = arguments.dry_run;
    match settle(arguments, InputsAre::Records) {
        Ok(request) if dry_run => Err(dry_run::run(&request.job, &settings)),
        settled => settled.map_err(|error| report::refuse(&settings::explain(error, &settings))),
    }
}

/// What the words of an ordinary run say, and what is added to them.
#[cfg(not(fuzzing))]
fn read(words: &[OsString]) -> Result<(Arguments, Vec<Setting>), ExitCode> {
    let gathered = gather(&commands::run(), &|_| Ok(()), words);
    let (matches, settings) = gathered.map_err(|wrong| match wrong {
        Wrong::Typed(error) if version::is_asked_for_at_length(&error, words) => version::tell(),
        wrong => refused(wrong),
    })?;
    let arguments = clap::FromArgMatches::from_arg_matches(&matches).map_err(said)?;
    Ok((arguments, settings))
}

/// What the words mean, with what is added to them; from then on what is said is written as they
/// have it.
fn gather(
    command: &Command,
    means: Means<'_>,
    words: &[OsString],
) -> Result<(ArgMatches, Vec<Setting>), Wrong> {
    let variables = |name: &str| std::env::var_os(name);
    let gathered = settings::gather(command, means, words, &variables)?;
    if let Some(choice) = gathered.0.get_one::<ErrorsChoice>("errors") {
        message::write_as(form(*choice));
    }
    Ok(gathered)
}

fn form(choice: ErrorsChoice) -> Form {
    match choice {
        ErrorsChoice::Text => Form::Text,
        ErrorsChoice::Json => Form::Json,
    }
}

/// How what is said is written until all is known: even what is wrong with a command line is
/// told as the command line has it.
fn first_form(words: &[OsString]) -> Form {
    let typed = words.iter().take_while(|word| *word != "--");
    let value = typed.clone().zip(typed.clone().skip(1)).filter(|(flag, _)| *flag == "--errors");
    let values = value.map(|(_, value)| value.to_str());
    let joined = typed.map(|word| word.to_str().and_then(|word| word.strip_prefix("--errors=")));
    let typed = joined.flatten().chain(values.flatten()).last().map(str::to_owned);
    let said = typed.or_else(|| std::env::var("HOST_ERRORS").ok());
    let choice = said.and_then(|said| ErrorsChoice::from_str(&said, false).ok());
    form(choice.unwrap_or(ErrorsChoice::Text))
}

/// Says what is wrong with a command line and what is added to it, or the help that was asked
/// for.
fn refused(wrong: Wrong) -> ExitCode {
    match wrong {
        Wrong::Typed(error) => said(error),
        Wrong::Settings(error) => report::refuse(&error),
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

/// Says what is wrong with the arguments, or the help that was asked for.
fn said(error: clap::Error) -> ExitCode {
    if error.use_stderr() {
        return report::misunderstood(&error);
    }
    // Help that nobody can read is no reason to fail.
    let _ = error.print();
    ExitCode::SUCCESS
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

/// What is shown of how far a run is.
fn progress(choice: ProgressChoice, quiet: bool, job: &Job, reads_stdin: bool) -> Progress {
    match choice {
        ProgressChoice::Never => Progress::Never,
        ProgressChoice::Always => Progress::Always,
        ProgressChoice::Json => Progress::Json,
        ProgressChoice::Auto => {
            // It would stand in the middle of what is written or typed there.
            let is_shared = *job.output() == Output::Stdout && std::io::stdout().is_terminal()
                || reads_stdin && std::io::stdin().is_terminal();
            if quiet || is_shared { Progress::Never } else { Progress::Bar }
        }
    }
}

/// Checks that what is written besides the output has a file of its own.
fn check_files(
    files: &[(&str, &Option<PathBuf>)],
    job: &Job,
    inputs: &[PathBuf],
) -> Result<(), Error> {
    let own = |flag: &str, whose: &str| {
        Err(Error::Usage(format!("{flag} needs a file of its own: this one is {whose}")))
    };
    for (place, (flag, path)) in files.iter().enumerate() {
        let Some(path) = path else { continue };
        if matches!(job.output(), Output::Path(output) if output == path) {
            return own(flag, "the output");
        }
        let is = |other: &Path| {
            let there = |path: &Path| path.canonicalize().ok();
            there(other).is_some_and(|other| there(path) == Some(other))
        };
        if inputs.iter().any(|input| is(input)) {
            return own(flag, "an input");
        }
        if job.plugins().any(is) {
            return own(flag, "a plugin");
        }
        let same = files[..place].iter().find(|(_, other)| other.as_ref() == Some(path));
        if let Some((other, _)) = same {
            return own(flag, &format!("that of {other}"));
        }
    }
    Ok(())
}

/// Standard input under a name of the user's.
fn standard_input(name: &str) -> Result<Open, Error> {
    let open = std::io::stdin().as_fd().try_clone_to_owned();
    let source = |source| Error::Input { name: name.to_owned(), source };
    Ok(Open::new(open.map_err(source)?, name))
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
    let is_stdin = |input: &PathBuf| input.as_os_str() == "-";
    let reads_stdin = arguments.inputs.is_empty() || arguments.inputs.iter().any(is_stdin);
    let inputs = arguments.inputs.clone();
    let stdin = match &arguments.stdin_name {
        Some(name) if reads_stdin => Input::Open(standard_input(name)?),
        Some(_) => {
            return Err(Error::Usage("standard input is not read (--stdin-name)".into()));
        }
        None => Input::Stdin,
    };
    if arguments.inputs.is_empty() {
        builder = builder.input(stdin.clone());
    }
    for input in arguments.inputs {
        builder = builder.input(if is_stdin(&input) { stdin.clone() } else { Input::Path(input) });
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
    let sizes: [(Option<ByteSize>, Setter); 6] = [
        (arguments.memory, JobBuilder::memory),
        (arguments.max_record, JobBuilder::max_record),
        (arguments.max_output, JobBuilder::max_output),
        (arguments.max_state, JobBuilder::max_state),
        (arguments.memory_budget, JobBuilder::memory_budget),
        (arguments.table_memory, JobBuilder::table_memory),
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
    if let Some(open) = arguments.open_output {
        builder = builder.output(Output::Open(open));
    }
    if let Some(stop) = arguments.stop {
        builder = builder.stop_on(stop);
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
            FromFormat::Parquet => From::Parquet,
            FromFormat::Arrow => From::Arrow,
        });
    }
    if let Some(pointer) = arguments.records {
        builder = builder.records(pointer);
    }
    if let Some(limit) = arguments.limit {
        builder = builder.limit(limit);
    }
    if let Some(Rate(rate)) = arguments.sample {
        builder = builder.sample(rate);
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
            ToFormat::Parquet => To::Parquet,
            ToFormat::Arrow => To::Arrow,
            ToFormat::ArrowStream => To::ArrowStream,
        });
    }
    if let Some(columns) = arguments.columns {
        builder = builder.columns(columns.parse::<Columns>()?);
    }
    if let Some(path) = arguments.schema {
        builder = builder.schema(path);
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
    let files = [
        ("--stats", &arguments.stats),
        ("--joblog", &arguments.joblog),
        ("--metrics", &arguments.metrics),
        ("--report", &arguments.report),
    ];
    check_files(&files, &job, &inputs)?;
    let watching = Watching {
        progress: progress(arguments.progress, arguments.quiet, &job, reads_stdin),
        verbose: arguments.verbose,
        joblog: arguments.joblog,
        goes_on: arguments.resume,
        metrics: arguments.metrics,
    };
    let level = arguments.log.unwrap_or(LogLevel::Off);
    let logging = Logging { level, format: arguments.log_format };
    Ok(Request { job, looks, watching, logging, stats: arguments.stats, report: arguments.report })
}

/// Takes bytes for words of a command line, with zeros between them: they are a request, or
/// refused. And for a job file: what is understood of it are words that a parser knows.
#[cfg(fuzzing)]
pub fn fuzz(data: &[u8]) {
    use clap::Parser as _;
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
    if let Ok(text) = std::str::from_utf8(data) {
        use clap::error::ErrorKind::{ArgumentConflict, MissingRequiredArgument};

        let command = <Arguments as clap::CommandFactory>::command();
        let path = Path::new("jobs/host.toml");
        let settings = job_file::understand(text, path, &command, &|_| Ok(()));
        let words = settings.into_iter().flatten().flat_map(|setting| setting.words);
        if let Err(error) =
            command.try_get_matches_from(std::iter::once("host".into()).chain(words))
        {
            // Of what is understood only the whole can be wrong.
            assert!(matches!(error.kind(), ArgumentConflict | MissingRequiredArgument), "{error}");
        }
    }
}
