//! Everything that the program says on standard error: events, the account, errors
//! with their remedies. Colours only where a terminal shows them.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::ExitCode;

use host::{
    Account, Error, Event, FailureKind, Job, JobFailed, Layers, LoggedRecord, OnError, Origin,
    Output, RecordFailure, grouped, printable,
};
use serde_json::{Value, json};

use super::message::{Form, Kind, Message, form};
use super::shell::quoted;
use super::{Looks, PluginLog, called, stats};

/// How many records that were skipped or dead-lettered are told without --verbose.
const SET_ASIDE_TOLD: u64 = 5;

/// Says that nothing was started, and why.
pub fn refuse(error: &Error) -> ExitCode {
    of_error(error).fact("exit_code", error.exit_code()).say();
    ExitCode::from(error.exit_code())
}

/// Says what is wrong with words of a command line, which its parser tells people by itself.
pub fn misunderstood(error: &clap::Error) -> ExitCode {
    const CODE: u8 = 2;
    match form() {
        Form::Text => {
            // Where nobody can read it there is nothing else to be done.
            let _ = error.print();
        }
        Form::Json => {
            let text = error.to_string();
            let mut paragraphs = text.split("\n\n");
            let first = paragraphs.next().unwrap_or_default();
            let words: Vec<_> = first.split_whitespace().collect();
            let words = words.join(" ");
            let message = words.strip_prefix("error: ").unwrap_or(&words);
            let message = Message::new(Kind::Error, message).fact("error", "usage");
            let tips = paragraphs.flat_map(str::lines).map(str::trim_start);
            let tips = tips.filter_map(|line| line.strip_prefix("tip: "));
            tips.fold(message, Message::remedy).fact("exit_code", CODE).say();
        }
    }
    ExitCode::from(CODE)
}

/// An error, with the place that it names.
fn of_error(error: &Error) -> Message {
    let message = Message::new(Kind::Error, error);
    let input =
        |message: Message, what: &str, name: &str| message.fact("error", what).fact("input", name);
    match error {
        Error::Usage(_) => message.fact("error", "usage"),
        Error::Input { name, .. } => input(message, "input", name),
        Error::Plugin { path, .. } => {
            message.fact("error", "plugin").fact("plugin", path.display().to_string())
        }
        Error::OpenOutput { path, .. } => {
            message.fact("error", "output").fact("output", path.display().to_string())
        }
        Error::Resume { journal, .. } => {
            message.fact("error", "resume").fact("journal", journal.display().to_string())
        }
        Error::Sandbox { .. } => message.fact("error", "sandbox").remedy(format!(
            "`{} doctor` tells what this machine allows, what a run demands, and how to change it",
            called::name()
        )),
        Error::Record(record) => of_record(message.fact("error", "record"), record),
        Error::ReadInput { name, .. } => input(message, "read-input", name),
        Error::InputChanged { name, .. } => input(message, "input-changed", name),
        Error::Structure { name, at, .. } => input(message, "structure", name).fact("byte", *at),
        Error::Header { name, .. } => input(message, "header", name),
        Error::NoArray { name, .. } => input(message, "no-array", name),
        Error::NoTable { name, .. } => input(message, "no-table", name),
        Error::NoRecord { name, .. } => input(message, "no-record", name),
        Error::WriteOutput(_) => message.fact("error", "write-output"),
        Error::Table { .. } => message.fact("error", "table"),
        Error::Interrupted => message.fact("error", "interrupted"),
        Error::JobTimeout { .. } => message.fact("error", "job-timeout"),
        Error::Instantiate { plugin, .. } => {
            message.fact("error", "start-plugin").fact("plugin", plugin.as_str())
        }
        Error::State { plugin, .. } => {
            message.fact("error", "state").fact("plugin", plugin.as_str())
        }
        Error::Workers(_) => message.fact("error", "workers"),
        _ => message.fact("error", "system"),
    }
}

/// Where a record stands that failed, and how it did.
fn of_record(message: Message, record: &RecordFailure) -> Message {
    message
        .fact("failure", json!(record.kind))
        .fact("input", record.input.as_str())
        .fact("record", record.number)
        .fact("byte", record.offset)
        .fact("length", record.length)
        .fact("attempts", record.attempts)
}

fn count(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(number))
}

/// Says something that is neither good nor bad.
pub fn note(text: &str) {
    Message::new(Kind::Note, text).say();
}

/// Talks to the user about one run.
pub struct Reporter {
    looks: Looks,
    log: Option<File>,
    log_failed: bool,
    set_aside: u64,
    layers_told: bool,
}

impl Reporter {
    /// Opens the file for the plugin's log, if one is wanted.
    pub fn new(looks: Looks) -> Result<Reporter, Error> {
        let log = match &looks.plugin_log {
            PluginLog::Path(path) => Some(
                OpenOptions::new()
                    .create(true)
                    .append(true)
                    .mode(0o600)
                    .open(path)
                    .map_err(|source| Error::OpenOutput { path: path.clone(), source })?,
            ),
            PluginLog::None | PluginLog::Stderr => None,
        };
        Ok(Reporter { looks, log, log_failed: false, set_aside: 0, layers_told: false })
    }

    /// Tells what happened, as far as it is wanted.
    pub fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Ready { plugin, origin, took } if self.looks.verbose => {
                let (how, event) = match origin {
                    Origin::Compiled => ("compiled", "compiled"),
                    Origin::Cache => ("taken from the cache", "cached"),
                };
                let (name, took) = (plugin.display().to_string(), took.as_millis() as u64);
                Message::new(Kind::Event, format!("the plugin {name} was {how} ({took} ms)"))
                    .fact("event", event)
                    .fact("plugin", name)
                    .fact("milliseconds", took)
                    .say();
            }
            Event::Online { worker, pid, layers } => self.online(*worker, *pid, *layers),
            Event::Exit { worker, pid, exit, violation, last_words, .. } => {
                let who = format!("worker {worker} (process {pid})");
                let message = match (violation, last_words) {
                    (Some(violation), _) => {
                        Message::new(Kind::Warning, format!("{who} was ended: {violation}"))
                    }
                    (None, _) if !self.looks.verbose => return,
                    (None, None) => Message::new(Kind::Event, format!("{who} is gone: {exit}")),
                    (None, Some(said)) => {
                        Message::new(Kind::Event, format!("{who} is gone: {exit}; it said: {said}"))
                    }
                };
                message.fact("event", "exit").fact("worker", *worker).fact("process", *pid).say();
            }
            Event::Resumed { input, offset, records, .. } if !self.looks.quiet => {
                let done = count(*records, "record");
                let at = grouped(*offset);
                let text = format!("going on at byte {at} of {input} ({done} are done)");
                Message::new(Kind::Note, text)
                    .fact("event", "resumed")
                    .fact("input", *input)
                    .fact("byte", *offset)
                    .fact("records", *records)
                    .say();
            }
            Event::BegunAnew { journal } if !self.looks.quiet => {
                let text = format!(
                    "an earlier run had stopped ({}); this one begins from the beginning \
                     (--resume goes on)",
                    journal.display()
                );
                Message::new(Kind::Note, text).say();
            }
            Event::Grown { input } if !self.looks.quiet => {
                let text =
                    format!("{input} grew while it was read; what was added is not in the output");
                let message = Message::new(Kind::Note, text).fact("event", "grown");
                message.fact("input", *input).say();
            }
            Event::Skipped(failure) => self.set_aside(Kind::Skipped, failure),
            Event::DeadLettered(failure) => self.set_aside(Kind::DeadLetter, failure),
            Event::Log { level, text, record } => self.log(level, text, record.as_ref()),
            _ => {}
        }
    }

    fn online(&mut self, worker: usize, pid: u32, layers: Layers) {
        let names = |layers: Layers| -> Value { layers.iter().map(|layer| layer.name()).collect() };
        if self.looks.verbose {
            let text = format!("worker {worker} is online (process {pid}; sandbox: {layers})");
            Message::new(Kind::Event, text)
                .fact("event", "online")
                .fact("worker", worker)
                .fact("process", pid)
                .fact("sandbox", names(layers))
                .say();
        }
        let missing = Layers::ALL.without(layers);
        if missing.is_empty() || std::mem::replace(&mut self.layers_told, true) {
            return;
        }
        if layers.is_empty() {
            // Nothing is demanded only where the user has said so.
            if !self.looks.quiet {
                note("the sandbox is off: WebAssembly is the only wall around the plugin");
            }
        } else {
            let text = format!(
                "the sandbox runs without {missing} (`{} doctor` tells why)",
                called::name()
            );
            Message::new(Kind::Warning, text).fact("missing", names(missing)).say();
        }
    }

    /// Tells of a record that the job goes on without. Programs are told of all of them.
    fn set_aside(&mut self, kind: Kind, failure: &RecordFailure) {
        self.set_aside += 1;
        if self.looks.quiet {
            return;
        }
        let all = self.looks.verbose || form() == Form::Json;
        if all || self.set_aside <= SET_ASIDE_TOLD {
            let message = of_record(Message::new(kind, failure), failure);
            let message = match &failure.plugin {
                Some(plugin) => message.fact("plugin", plugin.as_str()),
                None => message,
            };
            let message = match (self.looks.show_records, &failure.plugin_text) {
                (true, Some(text)) => {
                    message.line("plugin_says", text.as_str(), format!("the plugin says: {text}"))
                }
                _ => message,
            };
            self.backtrace(message, failure).say();
        } else if self.set_aside == SET_ASIDE_TOLD + 1 {
            Message::new(kind, "more records (--verbose tells them all)").say();
        }
    }

    fn log(&mut self, level: &str, text: &str, record: Option<&LoggedRecord>) {
        let place = match record {
            Some(record) => format!("{level}, {record}"),
            None => level.to_owned(),
        };
        if self.looks.plugin_log == PluginLog::Stderr {
            let mut message = Message::new(Kind::Log, text).about(&place).fact("level", level);
            if let Some(LoggedRecord { input, number, offset, .. }) = record {
                message = message.fact("input", input.as_str()).fact("record", *number);
                message = message.fact("byte", *offset);
            }
            message.say();
        }
        if let Some(file) = &mut self.log
            && let Err(error) = writeln!(file, "{}: {}", printable(&place), printable(text))
            && !std::mem::replace(&mut self.log_failed, true)
        {
            self.warn(&format!("cannot write the plugin's log: {error}"));
        }
    }

    /// Tells something that is wrong and does not change how the job ended.
    pub fn warn(&self, what: &str) {
        Message::new(Kind::Warning, what).say();
    }

    /// Tells that the job has ended, with which exit code, and what became of every record.
    pub fn done(&self, account: &Account, code: u8) {
        if self.looks.quiet {
            return;
        }
        let mut message = Message::new(Kind::Account, account);
        if account.log_lines > 0 && self.looks.plugin_log == PluginLog::None {
            message = message.remedy(format!(
                "the plugin logged {}, which may hold private data: --plugin-log stderr shows them",
                count(account.log_lines, "line")
            ));
        }
        if account.log_lines_cut > 0 && self.looks.plugin_log != PluginLog::None {
            message = message.remedy(format!(
                "{} of what the plugin logged {} left out: --max-log allows no more in all, and \
                 one record may log 16 KiB",
                count(account.log_lines_cut, "line"),
                if account.log_lines_cut == 1 { "was" } else { "were" }
            ));
        }
        message.fact("account", stats::of(account)).fact("exit_code", code).say();
    }

    /// Tells that more records failed than is acceptable, which ends with this exit code.
    pub fn too_many_failures(&self, job: &Job, account: &Account, code: u8) {
        let failed = count(account.set_aside(), "record");
        let text = format!(
            "{failed} failed, more than --max-errors accepts; everything else is in the output"
        );
        let mut message = Message::new(Kind::Error, text).fact("error", "too-many-failures");
        if let OnError::DeadLetter(path) = job.on_error() {
            let path = path.display().to_string();
            let line = format!(
                "they are in {path}; to run them again: {} retry {} --plugin FILE",
                called::name(),
                quoted(&path)
            );
            message = message.fact("dead_letters", path).remedy(line);
        }
        message.fact("exit_code", code).say();
    }

    /// Tells why a job failed, what there is of its output, and how to go on.
    pub fn failed(&self, job: &Job, failed: &JobFailed) -> u8 {
        let code = failed.error.exit_code();
        if matches!(failed.error, Error::ClosedPipe) {
            return code;
        }
        let mut message = of_error(&failed.error);
        message = match &failed.error {
            Error::Record(record) => self.remedies(message, job, record),
            Error::State { plugin_text, .. } => self.plugin_says(message, plugin_text.as_deref()),
            _ => message,
        };
        if let (Some((input, offset)), false) = (&failed.at, is_placed(&failed.error))
            && failed.account.read() > 0
        {
            let line = format!("everything before byte {} of {input} is done", grouped(*offset));
            message = message.line("done", json!({"input": input, "byte": offset}), line);
        }
        if let Some(partial) = &failed.partial {
            let what = match failed.error {
                Error::Record(_) | Error::Structure { .. } => "what stands before it",
                Error::Table { .. } => "what came of the records, as JSON lines,",
                _ => "what was done until then",
            };
            let partial = partial.display().to_string();
            let line = format!("{what} is in {partial}");
            message = message.line("partial", partial, line);
        }
        if let Output::Directory(directory) = job.output()
            && failed.whole > 0
        {
            let whole = count(failed.whole as u64, "output");
            let line = format!("before it, {whole} in {} became whole", directory.display());
            message = message.line("whole_outputs", failed.whole, line);
        }
        if failed.resumable {
            message = message.remedy(match failed.error {
                Error::Table { .. } => {
                    "to make the table of that: the same command with --resume and a --schema that \
                     fits"
                }
                _ => "to go on from there: the same command with --resume",
            });
        }
        if let Output::Path(path) = job.output()
            && code == 1
            && path.is_file()
        {
            let path = path.display().to_string();
            let line = format!("{path} is as it was");
            message = message.line("untouched", path, line);
        }
        message.fact("exit_code", code).say();
        // Where nothing was started there is nothing to account for.
        if code == 1 || failed.account.read() > 0 {
            self.done(&failed.account, code);
        }
        code
    }

    fn remedies(&self, mut message: Message, job: &Job, record: &RecordFailure) -> Message {
        message = match &record.plugin {
            Some(plugin) => message.line("plugin", plugin.as_str(), format!("plugin: {plugin}")),
            None => {
                let plugins: Vec<_> =
                    job.plugins().map(|plugin| plugin.display().to_string()).collect();
                let lines = plugins.iter().map(|plugin| format!("plugin: {plugin}"));
                lines.fold(message, Message::also).fact("plugins", plugins)
            }
        };
        message = self.plugin_says(message, record.plugin_text.as_deref());
        message = self.backtrace(message, record);
        if record.number == Some(1) && record.kind == FailureKind::Rejected {
            message = message.remedy(
                "it is the first record: has the plugin the parameters that it needs (--param), \
                 and is the input laid out as it has to be (--from)?",
            );
        }
        if let Some(words) = job.alone(record) {
            message = message.remedy(format!("to see what the plugin says of it: {words}"));
        }
        message.remedy("to go on without it: --on-error skip, or --dead-letters FILE to keep it")
    }

    fn backtrace(&self, message: Message, record: &RecordFailure) -> Message {
        match self.looks.show_records {
            true => message.list("backtrace", &record.backtrace),
            false => message,
        }
    }

    fn plugin_says(&self, message: Message, text: Option<&str>) -> Message {
        match (text, self.looks.show_records) {
            (Some(text), true) => {
                message.line("plugin_says", text, format!("the plugin says: {text}"))
            }
            (Some(_), false) => message.remedy(
                "the plugin says why, which may hold private data: --show-records shows it",
            ),
            (None, _) => message,
        }
    }
}

/// Whether an error names a place in the input by itself.
fn is_placed(error: &Error) -> bool {
    matches!(error, Error::Record(_) | Error::Structure { .. })
}
