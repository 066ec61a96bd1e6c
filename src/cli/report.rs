//! Everything that the program says on standard error: events, the account, errors
//! with their remedies. Colours only where a terminal shows them.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use host::{
    Account, Error, Event, Job, JobFailed, Layers, LoggedRecord, OnError, Origin, Output,
    RecordFailure, grouped, printable,
};

use super::terminal::eprintln;
use super::{Looks, PluginLog};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// How many records that were skipped or dead-lettered are told without --verbose.
const SET_ASIDE_TOLD: u64 = 5;

/// Says that nothing was started, and why.
pub fn refuse(error: &Error) -> ExitCode {
    eprintln!("{ERROR}error:{ERROR:#} {}", printable(&error.to_string()));
    ExitCode::from(error.exit_code())
}

fn count(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(number))
}

/// Says something that is neither good nor bad.
pub fn note(text: &str) {
    eprintln!("host: {text}");
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
                let how = match origin {
                    Origin::Compiled => "compiled",
                    Origin::Cache => "taken from the cache",
                };
                let (name, took) = (printable(&plugin.display().to_string()), took.as_millis());
                eprintln!("the plugin {name} was {how} ({took} ms)");
            }
            Event::Online { worker, pid, layers } => self.online(*worker, *pid, *layers),
            Event::Exit { worker, pid, exit, violation, last_words, .. } => {
                if let Some(violation) = violation {
                    eprintln!(
                        "{WARNING}warning:{WARNING:#} worker {worker} (process {pid}) was ended: \
                         {violation}"
                    );
                } else if self.looks.verbose {
                    let words = last_words
                        .as_ref()
                        .map_or(String::new(), |said| format!("; it said: {said}"));
                    eprintln!("worker {worker} (process {pid}) is gone: {exit}{words}");
                }
            }
            Event::Resumed { input, offset, records, .. } if !self.looks.quiet => note(&format!(
                "going on at byte {} of {} ({} are done)",
                grouped(*offset),
                printable(input),
                count(*records, "record")
            )),
            Event::Grown { input } if !self.looks.quiet => note(&format!(
                "{} grew while it was read; what was added is not in the output",
                printable(input)
            )),
            Event::Skipped(failure) => self.set_aside("skipped", failure),
            Event::DeadLettered(failure) => self.set_aside("dead letter", failure),
            Event::Log { level, text, record } => self.log(level, text, record.as_ref()),
            _ => {}
        }
    }

    fn online(&mut self, worker: usize, pid: u32, layers: Layers) {
        if self.looks.verbose {
            eprintln!("worker {worker} is online (process {pid}; sandbox: {layers})");
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
            eprintln!(
                "{WARNING}warning:{WARNING:#} the sandbox runs without {missing} (`host doctor` \
                 tells why)"
            );
        }
    }

    fn set_aside(&mut self, how: &str, failure: &RecordFailure) {
        self.set_aside += 1;
        if self.looks.quiet {
            return;
        }
        if self.looks.verbose || self.set_aside <= SET_ASIDE_TOLD {
            eprintln!("{WARNING}{how}:{WARNING:#} {}", printable(&failure.to_string()));
            if let (true, Some(text)) = (self.looks.show_records, &failure.plugin_text) {
                eprintln!("  the plugin says: {}", printable(text));
            }
            self.backtrace(failure);
        } else if self.set_aside == SET_ASIDE_TOLD + 1 {
            eprintln!("{WARNING}{how}:{WARNING:#} more records (--verbose tells them all)");
        }
    }

    fn log(&mut self, level: &str, text: &str, record: Option<&LoggedRecord>) {
        let text = printable(text);
        let level = match record {
            Some(record) => format!("{level}, {}", printable(&record.to_string())),
            None => level.to_owned(),
        };
        if self.looks.plugin_log == PluginLog::Stderr {
            eprintln!("plugin {level}: {text}");
        }
        if let Some(file) = &mut self.log
            && let Err(error) = writeln!(file, "{level}: {text}")
            && !std::mem::replace(&mut self.log_failed, true)
        {
            eprintln!("{WARNING}warning:{WARNING:#} cannot write the plugin's log: {error}");
        }
    }

    /// Tells something that is wrong and does not change how the job ended.
    pub fn warn(&self, what: &str) {
        eprintln!("{WARNING}warning:{WARNING:#} {}", printable(what));
    }

    /// Tells that the job is done.
    pub fn done(&self, account: &Account) {
        if self.looks.quiet {
            return;
        }
        eprintln!("host: {account}");
        if account.log_lines > 0 && self.looks.plugin_log == PluginLog::None {
            eprintln!(
                "  the plugin logged {}, which may hold private data: --plugin-log stderr shows \
                 them",
                count(account.log_lines, "line")
            );
        }
        if account.log_lines_cut > 0 && self.looks.plugin_log != PluginLog::None {
            eprintln!(
                "  {} of what the plugin logged {} left out: --max-log allows no more in all, and \
                 one record may log 16 KiB",
                count(account.log_lines_cut, "line"),
                if account.log_lines_cut == 1 { "was" } else { "were" }
            );
        }
    }

    /// Tells that the job is done, but not well.
    pub fn too_many_failures(&self, job: &Job, account: &Account) -> u8 {
        eprintln!(
            "{ERROR}error:{ERROR:#} {} failed, more than --max-errors accepts; everything \
             else is in the output",
            count(account.set_aside(), "record")
        );
        if let OnError::DeadLetter(path) = job.on_error() {
            let path = printable(&path.display().to_string());
            eprintln!("  they are in {path}; to run them again: host retry {path} --plugin FILE");
        }
        4
    }

    /// Tells why a job failed, what there is of its output, and how to go on.
    pub fn failed(&self, job: &Job, failed: &JobFailed) -> u8 {
        let code = failed.error.exit_code();
        if matches!(failed.error, Error::ClosedPipe) {
            return code;
        }
        eprintln!("{ERROR}error:{ERROR:#} {}", printable(&failed.error.to_string()));
        match &failed.error {
            Error::Record(record) => self.remedies(job, record),
            Error::State { plugin_text, .. } => self.plugin_says(plugin_text.as_deref()),
            _ => {}
        }
        if let (Some((input, offset)), false) = (&failed.at, is_placed(&failed.error))
            && failed.account.read() > 0
        {
            let offset = grouped(*offset);
            eprintln!("  everything before byte {offset} of {} is done", printable(input));
        }
        if let Some(partial) = &failed.partial {
            let what = match failed.error {
                Error::Record(_) | Error::Structure { .. } => "what stands before it",
                _ => "what was done until then",
            };
            let partial = printable(&partial.display().to_string());
            eprintln!("  {what} is in {partial}");
        }
        if let Output::Directory(directory) = job.output()
            && failed.whole > 0
        {
            let (whole, directory) = (count(failed.whole as u64, "output"), directory.display());
            eprintln!("  before it, {whole} in {} became whole", printable(&directory.to_string()));
        }
        if failed.resumable {
            eprintln!("  to go on from there: the same command with --resume");
        }
        if let Output::Path(path) = job.output()
            && code == 1
            && path.is_file()
        {
            eprintln!("  {} is as it was", printable(&path.display().to_string()));
        }
        // Where nothing was started there is nothing to account for.
        if code == 1 || failed.account.read() > 0 {
            self.done(&failed.account);
        }
        code
    }

    fn remedies(&self, job: &Job, record: &RecordFailure) {
        match &record.plugin {
            Some(plugin) => eprintln!("  plugin: {}", printable(plugin)),
            None => {
                for plugin in job.plugins() {
                    eprintln!("  plugin: {}", printable(&plugin.display().to_string()));
                }
            }
        }
        self.plugin_says(record.plugin_text.as_deref());
        self.backtrace(record);
        if let Some(words) = job.alone(record) {
            eprintln!("  to see what the plugin says of it: {}", printable(&words));
        }
        eprintln!("  to go on without it: --on-error skip, or --dead-letters FILE to keep it");
    }

    fn backtrace(&self, record: &RecordFailure) {
        for line in record.backtrace.iter().filter(|_| self.looks.show_records) {
            eprintln!("    {}", printable(line));
        }
    }

    fn plugin_says(&self, text: Option<&str>) {
        match (text, self.looks.show_records) {
            (Some(text), true) => eprintln!("  the plugin says: {}", printable(text)),
            (Some(_), false) => eprintln!(
                "  the plugin says why, which may hold private data: --show-records shows it"
            ),
            (None, _) => {}
        }
    }
}

/// Whether an error names a place in the input by itself.
fn is_placed(error: &Error) -> bool {
    matches!(error, Error::Record(_) | Error::Structure { .. })
}
