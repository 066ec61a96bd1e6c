//! Committing: what stands at the frontier is written, counted, and, where the job
//! says so, ends the job.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::account::Account;
use crate::dead_letter::{DeadLetter, is_kept};
use crate::error::{Error, FailureKind, RecordFailure};
use crate::event::Event;
use crate::input::Inputs;
use crate::job::{Columns, FirstRow, Job, OnError, Order, Output, Wanted};
use crate::output::{Begun, Commit, DeadLetters, Failed, Finished, Frontier, Outputs};
use crate::protocol::{Failure, Framing, Level};
use crate::range::{InputId, Range};
use crate::records::Format;
use crate::records::csv::{Header, header_row};
use crate::state_file;
use crate::text::printable;

use super::JobFailed;
use super::answer::Results;
use super::formats::framing;

/// The output and the account of a job, which always agree.
pub(super) struct Ledger {
    job: Job,
    inputs: Arc<Inputs>,
    outputs: Outputs,
    dead_letters: Option<DeadLetters>,
    /// How inputs are laid out that have begun, and their headers.
    laid: BTreeMap<InputId, (Format, Option<Arc<Header>>)>,
    account: Account,
    framing: Option<Framing>,
    /// Records are folded into one result.
    folds: bool,
    /// Records committed of the input at the frontier.
    records: u64,
    /// Bytes of input that committed ranges cover.
    covered: u64,
    /// Bytes of input that are not wanted, where that is known.
    unwanted: Option<u64>,
}

impl Ledger {
    pub fn open(job: &Job, inputs: Arc<Inputs>, results: Results) -> Result<Ledger, Error> {
        let mut dead_letters = match &job.on_error {
            OnError::DeadLetter(path) => {
                Some(DeadLetters::open(path, &inputs.identities(), &job.output)?)
            }
            OnError::Fail | OnError::Skip => None,
        };
        let outputs = Outputs::open(&job.output, &inputs)?;
        // Nothing is lost of an earlier run where this one cannot start.
        dead_letters.as_mut().map_or(Ok(()), DeadLetters::begin)?;
        Ok(Ledger {
            job: job.clone(),
            inputs,
            outputs,
            dead_letters,
            laid: BTreeMap::new(),
            account: Account::default(),
            framing: None,
            folds: results == Results::State,
            records: 0,
            covered: 0,
            unwanted: None,
        })
    }

    /// Learns how an input is laid out, and says what begins with it. The first one decides
    /// about an output of all. Its header may become that of the output.
    pub fn begin(&mut self, input: InputId, format: Format, header: Option<Arc<Header>>) -> Begun {
        let own = framing(&self.job, format);
        let first = *self.framing.get_or_insert(own);
        let framing = if matches!(self.job.output, Output::Directory(_)) { own } else { first };
        let columns = self.job.columns.as_ref().map(Columns::names);
        let lead = match (framing, self.job.first_row) {
            (Framing::Rows(delimiter), FirstRow::Header) => columns
                .or(header.as_deref().map(Header::names))
                .map(|names| header_row(delimiter, names) + "\n"),
            _ => None,
        };
        let begun = Begun { input, framing, lead };
        if self.job.wanted == Wanted::Records {
            self.outputs.frame(&begun);
        }
        if self.dead_letters.is_some() {
            self.laid.insert(input, (format, header));
        }
        begun
    }

    /// How the output is framed; known before the first range.
    pub fn framing(&self) -> Framing {
        self.framing.unwrap_or(Framing::Values)
    }

    /// Learns that no more is wanted of the inputs: of this one from `end` on, if there
    /// is something, and nothing of those behind it.
    pub fn leave_unread(&mut self, input: InputId, end: Option<u64>) {
        self.unwanted = self.inputs.bytes_behind(input, end);
    }

    pub fn count_worker(&mut self) {
        self.account.workers += 1;
    }

    pub fn count_restart(&mut self) {
        self.account.restarts += 1;
    }

    pub fn count_retries(&mut self, retries: u32) {
        self.account.retries += u64::from(retries);
    }

    /// Commits everything that can be.
    pub fn commit(
        &mut self,
        frontier: &mut Frontier,
        events: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        while let Some(commit) = frontier.next() {
            match commit {
                Commit::Begin(begun) => {
                    self.records = 0;
                    self.outputs.begin(&begun)?;
                }
                Commit::PassedOver(records) => self.records += records,
                Commit::Finished(range, finished) => {
                    self.finished(range, finished, events)?;
                }
                Commit::TooLong(range) => {
                    let failed = Failed::first(Failure {
                        before: 0,
                        offset: range.start,
                        length: range.end - range.start,
                        kind: FailureKind::TooLong,
                        plugin: None,
                        text: String::new(),
                    });
                    let finished = Finished { failures: vec![failed], ..Finished::default() };
                    self.finished(range, finished, events)?;
                }
                Commit::Fault { input, fault } => {
                    return Err(Error::Structure {
                        name: self.inputs.name(input),
                        at: fault.at,
                        what: fault.what,
                    });
                }
                Commit::Failed(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn finished(
        &mut self,
        range: Range,
        finished: Finished,
        events: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        self.outputs.write(&finished.output)?;
        self.covered += range.end - range.start;
        self.account.used += finished.used;
        self.account.dropped += finished.dropped;
        self.account.output_records += finished.output_records;
        self.log(&finished.log, finished.log_cut, events);
        let records = finished.records();
        for Failed { failure, attempts, record } in finished.failures {
            self.account.count_failure(failure.kind);
            let failure = self.describe(range.input, failure, attempts);
            match self.job.on_error {
                OnError::Fail => {
                    self.account.failed += 1;
                    return Err(Error::Record(Box::new(failure)));
                }
                OnError::Skip => {
                    self.account.skipped += 1;
                    events(Event::Skipped(&failure));
                }
                OnError::DeadLetter(_) => {
                    self.write_letter(range.input, &failure, record)?;
                    self.account.dead_lettered += 1;
                    events(Event::DeadLettered(&failure));
                }
            }
        }
        self.records += records;
        Ok(())
    }

    /// Counts and passes on what plugins have logged.
    pub fn log(&mut self, lines: &[(Level, String)], cut: u64, events: &mut dyn FnMut(Event<'_>)) {
        self.account.log_lines += lines.len() as u64;
        self.account.log_lines = self.account.log_lines.saturating_add(cut);
        for (level, text) in lines {
            events(Event::Log { level: level_name(*level), text });
        }
    }

    /// Writes what a reduce has made of its state at the end.
    pub fn write_finished(&mut self, output: &[u8], records: u64) -> Result<(), Error> {
        self.account.output_records += records;
        self.outputs.write(output)
    }

    /// Writes a state in place of the records that could be made of it.
    pub fn write_state(&mut self, state: Option<&[u8]>) -> Result<(), Error> {
        self.outputs.write_state(&state_file::encode(state))
    }

    /// Writes a dead letter. A record that was not kept is read again.
    fn write_letter(
        &mut self,
        input: InputId,
        failure: &RecordFailure,
        record: Option<Vec<u8>>,
    ) -> Result<(), Error> {
        let record = match record {
            None if is_kept(failure.kind) => {
                self.inputs.read_again(input, failure.offset, failure.length)?
            }
            record => record,
        };
        let (format, header) = match self.laid.get(&input) {
            Some((format, header)) => (*format, header.as_deref()),
            None => (Format::JsonSequence, None),
        };
        let letter = DeadLetter::new(failure, record, format, header);
        self.dead_letters.as_mut().map_or(Ok(()), |letters| letters.write(&letter))
    }

    fn describe(&self, input: InputId, failure: Failure, attempts: u32) -> RecordFailure {
        let Failure { before, offset, length, kind, plugin, text } = failure;
        let plugin = match (plugin, self.job.plugins().count()) {
            (Some(plugin), _) => Some(usize::from(plugin)),
            (None, 1) if is_of_plugin(kind) => Some(0),
            (None, _) => None,
        };
        let plugin = plugin.and_then(|plugin| self.job.plugins().nth(plugin));
        let text = Some(text).filter(|text| !text.is_empty());
        let (detail, plugin_text) = match kind {
            FailureKind::Rejected => (None, text),
            _ => (text.map(|text| printable(&text)), None),
        };
        RecordFailure {
            input: self.inputs.name(input),
            number: (self.job.order == Order::Input).then(|| self.records + before + 1),
            offset,
            length,
            kind,
            attempts,
            plugin: plugin.map(|path| path.display().to_string()),
            detail,
            plugin_text,
        }
    }

    /// Ends the output and gives the account, whichever way the job went.
    pub fn close(
        mut self,
        end: Result<(), Error>,
        elapsed: Duration,
    ) -> Result<Account, Box<JobFailed>> {
        let end = match end {
            // An output that cannot be written cannot be ended either.
            Err(error @ (Error::WriteOutput(_) | Error::ClosedPipe)) => Err(error),
            // A result of all records is whole or nothing.
            Err(error) if self.folds => Err(error),
            end => self.outputs.close().and(end),
        };
        self.account.elapsed = elapsed;
        self.account.output_bytes = self.outputs.bytes();
        match end {
            Ok(()) => match self.outputs.publish() {
                Ok(()) => Ok(Account { unread_bytes: self.unwanted, ..self.account }),
                Err(error) => {
                    let (account, whole) = (self.account, self.outputs.whole());
                    Err(Box::new(JobFailed { error, account, partial: None, whole }))
                }
            },
            Err(error) => {
                let total = self.inputs.total_bytes();
                self.account.unread_bytes = total.map(|total| total.saturating_sub(self.covered));
                let (partial, whole) = (self.outputs.leave(), self.outputs.whole());
                Err(Box::new(JobFailed { error, account: self.account, partial, whole }))
            }
        }
    }
}

/// Whether a record that fails like this fails at a plugin.
fn is_of_plugin(kind: FailureKind) -> bool {
    !matches!(kind, FailureKind::Malformed | FailureKind::TooLong)
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}
