//! Committing: what stands at the frontier is written, counted, and, where the job
//! says so, ends the job.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::account::Account;
use crate::dead_letter::{DeadLetter, is_kept};
use crate::error::{Error, FailureKind, RecordFailure};
use crate::event::{Event, LoggedRecord};
use crate::fault;
use crate::input::{From, Inputs};
use crate::job::{Columns, FirstRow, Fsync, Job, OnError, Order, Output, Wanted};
use crate::journal::{Entry, Journal, short_hash};
use crate::output::{Begun, Commit, DeadLetters, Failed, Finished, Frontier, Outputs};
use crate::protocol::{Failure, Framing, Level, Logged, Measured, Place};
use crate::range::{InputId, Range};
use crate::records::Format;
use crate::records::csv::{Header, header_row};
use crate::state_file;
use crate::text::printable;

use super::JobFailed;
use super::answer::Results;
use super::formats::framing;
use super::resume::{HashOfAll, Written};
use super::spare::Spare;

/// The output and the account of a job, which always agree.
pub(super) struct Ledger {
    job: Job,
    inputs: Arc<Inputs>,
    outputs: Outputs,
    dead_letters: Option<DeadLetters>,
    /// How inputs are laid out that have begun, and their headers.
    laid: BTreeMap<InputId, (Format, Option<Arc<Header>>)>,
    journal: Option<Journal>,
    hash: Option<HashOfAll>,
    /// The frontier.
    at: (InputId, u64),
    /// The last entry of the journal.
    last: Entry,
    /// The output is whole.
    whole: bool,
    /// So many inputs were found to be what they were.
    checked: usize,
    /// Something that was to be committed has ended the job.
    over: bool,
    account: Account,
    framing: Option<Framing>,
    /// Records are folded into one result.
    folds: bool,
    /// Records committed of the input at the frontier.
    records: u64,
    /// Bytes of input that committed ranges cover.
    covered: u64,
    /// The input at the frontier and the bytes of all before it as they are stored, where each
    /// is a file.
    stored: Option<(InputId, u64)>,
    /// Bytes of input that are not wanted, where that is known.
    unwanted: Option<u64>,
    /// Bytes that plugins may still log.
    log_left: u64,
    /// What outputs are copied to.
    pub spare: Spare,
}

impl Ledger {
    /// For a job, whose output is open; it may be one that goes on where another stopped.
    pub fn new(
        job: &Job,
        inputs: Arc<Inputs>,
        results: Results,
        written: Written,
        spare: Spare,
    ) -> Ledger {
        let Written { outputs, dead_letters, journal, resumed, hash, anew: _ } = written;
        let last = resumed.unwrap_or_default();
        let resumed = last.account.read();
        let stored = inputs.stored_bytes().map(|_| (InputId(0), 0));
        Ledger {
            job: job.clone(),
            inputs,
            outputs,
            dead_letters,
            laid: BTreeMap::new(),
            journal,
            hash,
            at: (InputId(last.input), last.offset),
            whole: last.whole,
            checked: 0,
            over: false,
            account: Account { workers: 0, resumed, ..last.account.clone() },
            framing: None,
            folds: results == Results::State,
            records: last.records,
            covered: last.covered,
            stored,
            unwanted: None,
            log_left: job.limits.max_log,
            spare,
            last,
        }
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

    /// Counts what a worker has finished.
    pub fn count_work(&mut self, worker: usize, stretch: Range, finished: &Finished) {
        let account = self.account.of_worker(worker);
        let state = finished.state.as_ref().map_or(0, Vec::len);
        account.ranges += 1;
        account.records += finished.records();
        account.input_bytes += stretch.end - stretch.start;
        account.output_bytes += (finished.output.len() + state) as u64;
    }

    /// Counts a worker process that is gone, and the CPU time that it has used.
    pub fn count_process(&mut self, worker: usize, cpu: Option<Duration>) {
        let account = self.account.of_worker(worker);
        account.processes += 1;
        account.cpu += cpu.unwrap_or_default();
    }

    pub fn count_retries(&mut self, retries: u32) {
        self.account.retries += u64::from(retries);
    }

    /// Commits everything that can be, until something ends the job.
    pub fn commit(
        &mut self,
        frontier: &mut Frontier,
        events: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        while !self.over
            && let Some(commit) = frontier.next()
        {
            let committed = self.commit_next(commit, events);
            self.over = committed.is_err();
            committed?;
        }
        Ok(())
    }

    fn commit_next(
        &mut self,
        commit: Commit,
        events: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        match commit {
            Commit::Begin(begun) => {
                if self.job.order == Order::Input {
                    self.check_inputs(begun.input.index(), events)?;
                }
                // What an earlier run has done stays done.
                if self.at.0 < begun.input {
                    self.at = (begun.input, 0);
                    self.records = 0;
                }
                self.outputs.begin(&begun)?;
            }
            Commit::PassedOver(records) => self.records += records,
            Commit::Finished(_, Finished { broken: Some(error), .. }) => return Err(*error),
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
                    backtrace: String::new(),
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
        Ok(())
    }

    fn finished(
        &mut self,
        range: Range,
        finished: Finished,
        events: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        fault::pass("before-commit");
        let records = finished.records();
        let failures = self.take_failures(range.input, finished.failures)?;
        let output_bytes = finished.output.len() as u64;
        self.outputs.write(&finished.output)?;
        self.outputs.keep();
        self.spare.give(finished.output);
        if let Some(letters) = &mut self.dead_letters {
            letters.keep();
        }
        self.at = (range.input, range.end);
        self.covered += range.end - range.start;
        self.account.used += finished.used;
        self.account.dropped += finished.dropped;
        self.account.passed_over += finished.passed_over;
        self.account.output_records += finished.output_records;
        events(Event::Committed {
            range,
            used: finished.used,
            dropped: finished.dropped,
            output_records: finished.output_records,
            output_bytes,
            stored: self.stored_up_to(range),
        });
        self.log(Some(range.input), &finished.log, finished.log_cut, events);
        if let Some(measured) = finished.measured {
            self.tell_measured(range.input, &measured, events);
        }
        for (offset, failure) in failures {
            if self.job.on_error == OnError::Fail {
                return Err(self.end_at(range, records, (offset, failure)));
            }
            self.account.count_failure(failure.kind);
            match self.job.on_error {
                OnError::Fail | OnError::Skip => {
                    self.account.skipped += 1;
                    events(Event::Skipped(&failure));
                }
                OnError::DeadLetter(_) => {
                    self.account.dead_lettered += 1;
                    events(Event::DeadLettered(&failure));
                }
            }
        }
        self.records += records;
        fault::pass("after-commit");
        match self.journal.as_ref().is_some_and(Journal::is_due) {
            true => self.checkpoint(),
            false => Ok(()),
        }
    }

    /// How far the end of a range is in all inputs as they are stored.
    fn stored_up_to(&mut self, range: Range) -> Option<u64> {
        let (input, before) = self.stored.as_mut()?;
        while *input < range.input {
            *before += self.inputs.bytes(*input);
            *input = InputId(input.0 + 1);
        }
        let within = (*input == range.input).then(|| self.inputs.stored_up_to(*input, range.end));
        Some(*before + within.unwrap_or(0))
    }

    /// Describes what failed, and writes dead letters where they are wanted. Gives the offset
    /// of each as well.
    fn take_failures(
        &mut self,
        input: InputId,
        failures: Vec<Failed>,
    ) -> Result<Vec<(u64, RecordFailure)>, Error> {
        let mut described = Vec::with_capacity(failures.len());
        for Failed { failure, attempts, record } in failures {
            let (offset, length) = (failure.offset, failure.length);
            let mut failure = self.describe(input, failure, attempts);
            let is_letter = self.job.from == Some(From::DeadLetters);
            let (is_whole, wanted) =
                (self.job.keeps_failed_whole(), self.job.kept_of_failed(length));
            let record = match record {
                // What was not kept is read again.
                None if (is_whole || wanted > 0) && is_kept(failure.kind) => {
                    self.inputs.read_again(input, offset, wanted)?
                }
                record => record,
            };
            if self.job.excerpt > 0 {
                failure.excerpt = record.as_deref().map(|record| self.excerpt(record));
            }
            if is_whole {
                let earlier = record.as_ref().filter(|_| is_letter);
                let earlier = earlier.and_then(|line| serde_json::from_slice(line).ok());
                let letter = match earlier {
                    Some(earlier) => DeadLetter::again(earlier, &mut failure),
                    None => self.letter(input, &failure, record),
                };
                self.dead_letters.as_mut().map_or(Ok(()), |letters| letters.write(&letter))?;
            }
            described.push((offset, failure));
        }
        Ok(described)
    }

    /// The beginning of a record, as much as is wanted.
    fn excerpt(&self, record: &[u8]) -> Vec<u8> {
        let wanted = usize::try_from(self.job.excerpt).unwrap_or(usize::MAX);
        record[..record.len().min(wanted)].to_vec()
    }

    /// Notes that the job ends at the last of the records of a stretch, which failed: another
    /// run begins with it.
    fn end_at(
        &mut self,
        range: Range,
        records: u64,
        (offset, failure): (u64, RecordFailure),
    ) -> Error {
        let rest = range.end - offset;
        self.at = (range.input, offset);
        self.records += records.saturating_sub(1);
        self.covered -= rest;
        // The record is what ends the job, whatever the journal says.
        let _ = self.checkpoint();
        self.covered += rest;
        self.account.failed += 1;
        self.account.count_failure(failure.kind);
        Error::Record(Box::new(failure))
    }

    /// Checks that files before this one are what they were: they are read to their end.
    fn check_inputs(&mut self, end: usize, events: &mut dyn FnMut(Event<'_>)) -> Result<(), Error> {
        while self.checked < end {
            // There are not more than can be numbered.
            let input = InputId(self.checked as u32);
            self.checked += 1;
            if self.inputs.has_grown(input)? {
                events(Event::Grown { input: &self.inputs.name(input) });
            }
        }
        Ok(())
    }

    /// Writes to the journal how far the job has come.
    fn checkpoint(&mut self) -> Result<(), Error> {
        if self.journal.is_none() {
            return Ok(());
        }
        let output = self.outputs.mark()?;
        let letters = self.dead_letters.as_mut();
        let dead_letters = letters.map_or(Ok(None), DeadLetters::mark)?;
        if self.job.fsync != Fsync::Never {
            self.sync()?;
        }
        let (input, offset) = self.at;
        let hash = self.hash.as_mut();
        let all = hash.map(|hash| hash.up_to(self.at, &self.inputs)).transpose()?;
        let before = self.inputs.before(input, offset).map(|bytes| short_hash(&bytes));
        let made = self.outputs.bytes();
        let account = Account { output_bytes: made, ..self.account.clone() };
        let entry = Entry {
            input: input.0,
            offset,
            records: self.records,
            covered: self.covered,
            output,
            made,
            dead_letters,
            account,
            before,
            all,
            whole: self.whole,
        };
        tracing::debug!(
            input = entry.input,
            offset,
            records = self.records,
            output_bytes = made,
            "the journal says how far the run has come"
        );
        self.last = entry.clone();
        self.journal.as_mut().map_or(Ok(()), |journal| journal.append(entry))
    }

    /// Has the system write output and dead letters to the disk.
    fn sync(&self) -> Result<(), Error> {
        self.outputs.sync()?;
        self.dead_letters.as_ref().map_or(Ok(()), DeadLetters::sync)
    }

    /// Notices that nobody reads the output any more, which else only writing tells.
    pub fn look_after_reader(&self) -> Result<(), Error> {
        match self.outputs.has_reader() {
            true => Ok(()),
            false => Err(Error::ClosedPipe),
        }
    }

    /// Counts and passes on what plugins have logged, of records of this input.
    pub fn log(
        &mut self,
        input: Option<InputId>,
        lines: &[Logged],
        cut: u64,
        events: &mut dyn FnMut(Event<'_>),
    ) {
        self.account.log_lines += lines.len() as u64;
        self.account.log_lines = self.account.log_lines.saturating_add(cut);
        self.account.log_lines_cut = self.account.log_lines_cut.saturating_add(cut);
        for Logged { record, level, text } in lines {
            match self.log_left.checked_sub(text.len() as u64) {
                Some(left) => {
                    self.log_left = left;
                    let record =
                        record.zip(input).map(|(place, input)| self.record_at(input, place));
                    events(Event::Log { level: level_name(*level), text, record });
                }
                None => {
                    // A shorter line does not fit either: what is left out is the end.
                    self.log_left = 0;
                    self.account.log_lines_cut += 1;
                }
            }
        }
    }

    /// Passes on what was measured in a stretch of an input.
    fn tell_measured(
        &self,
        input: InputId,
        measured: &Measured,
        events: &mut dyn FnMut(Event<'_>),
    ) {
        let Measured { times, longest, memory, stacks, elsewhere } = measured;
        let longest = longest.map(|(place, nanoseconds)| {
            let record = self.record_at(input, place);
            (record, Duration::from_nanos(nanoseconds))
        });
        let (memory, elsewhere) = (*memory, *elsewhere);
        events(Event::Measured { times, longest, memory, stacks, elsewhere });
    }

    /// Where a record of the stretch that is committed now stands.
    fn record_at(&self, input: InputId, place: Place) -> LoggedRecord {
        LoggedRecord {
            input: self.inputs.name(input),
            number: self.number(place.before),
            offset: place.offset,
        }
    }

    /// Writes what a reduce has made of its state at the end.
    pub fn write_finished(
        &mut self,
        output: &[u8],
        records: u64,
        events: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        self.account.output_records += records;
        self.outputs.write(output)?;
        events(Event::Result { records, bytes: output.len() as u64 });
        Ok(())
    }

    /// Writes a state in place of the records that could be made of it.
    pub fn write_state(
        &mut self,
        state: Option<&[u8]>,
        events: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Error> {
        let file = state_file::encode(state);
        self.outputs.write_state(&file)?;
        events(Event::Result { records: 0, bytes: file.len() as u64 });
        Ok(())
    }

    fn letter(
        &self,
        input: InputId,
        failure: &RecordFailure,
        record: Option<Vec<u8>>,
    ) -> DeadLetter {
        let (format, header) = match self.laid.get(&input) {
            Some((format, header)) => (*format, header.as_deref()),
            None => (Format::JsonSequence, None),
        };
        DeadLetter::new(failure, record, format, header)
    }

    /// The number of a record of the stretch that is committed now, from 1, where records have
    /// numbers.
    fn number(&self, before: u64) -> Option<u64> {
        (self.job.order == Order::Input).then(|| self.records + before + 1)
    }

    fn describe(&self, input: InputId, failure: Failure, attempts: u32) -> RecordFailure {
        let Failure { before, offset, length, kind, plugin, text, backtrace } = failure;
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
            number: self.number(before),
            offset,
            length,
            kind,
            attempts,
            plugin: plugin.map(|path| path.display().to_string()),
            detail,
            plugin_text,
            backtrace: backtrace.lines().map(str::to_owned).collect(),
            excerpt: None,
        }
    }

    /// Ends the output and gives the account, whichever way the job went.
    pub fn close(
        mut self,
        end: Result<(), Error>,
        started: Instant,
        events: &mut dyn FnMut(Event<'_>),
    ) -> Result<Account, Box<JobFailed>> {
        let end = end.and_then(|()| self.check_inputs(self.inputs.count(), events));
        let end = end.and_then(|()| self.publish(events));
        self.account.elapsed = started.elapsed();
        let Err(error) = end else {
            return Ok(Account { unread_bytes: self.unwanted, ..self.account });
        };
        match error {
            // The journal was written before the record was counted.
            Error::Record(_) => {}
            Error::ClosedPipe | Error::WriteOutput(_) => {
                if self.outputs.roll_back() {
                    self.go_back();
                }
                if let Some(letters) = &mut self.dead_letters {
                    letters.roll_back();
                }
                // There may be room for this, now that something was taken back.
                let _ = self.checkpoint();
            }
            // That the job fails is known already.
            _ => drop(self.checkpoint()),
        }
        self.account.output_bytes = self.outputs.bytes();
        let total = self.inputs.total_bytes();
        self.account.unread_bytes = total.map(|total| total.saturating_sub(self.covered));
        // A result of all records is whole or nothing.
        if !self.folds && !self.whole {
            // The reason why the job failed is the one that counts.
            let _ = self.outputs.close();
        }
        let (partial, whole) = (self.outputs.leave(), self.outputs.whole());
        let (input, offset) = self.at;
        // Of records that were to become one result nothing is done.
        let is_ordered = self.job.order == Order::Input && !self.folds;
        let at = is_ordered.then(|| (self.inputs.name(input), offset));
        let has_begun = self.at != (InputId(0), 0);
        let resumable = match self.journal {
            Some(journal) if !has_begun || matches!(error, Error::InputChanged { .. }) => {
                // There is nothing to go on from.
                let _ = journal.remove();
                false
            }
            journal => journal.is_some(),
        };
        let account = self.account;
        Err(Box::new(JobFailed { error, account, partial, whole, at, resumable }))
    }

    /// Counts only what the last entry of the journal speaks of.
    fn go_back(&mut self) {
        let Account { workers, restarts, resumed, elapsed, .. } = self.account;
        let by_worker = std::mem::take(&mut self.account.by_worker);
        let Entry { input, offset, records, covered, account, .. } = self.last.clone();
        (self.at, self.records, self.covered) = ((InputId(input), offset), records, covered);
        self.account = Account { workers, restarts, resumed, elapsed, by_worker, ..account };
        self.account.output_bytes = self.outputs.bytes();
    }

    /// Ends the output, which is whole, and gives it its name.
    fn publish(&mut self, events: &mut dyn FnMut(Event<'_>)) -> Result<(), Error> {
        if !self.whole {
            self.outputs.close()?;
            self.whole = true;
            self.checkpoint()?;
        }
        self.account.output_bytes = self.outputs.bytes();
        let name = self.outputs.name();
        if self.job.fsync != Fsync::Never && name.is_some() {
            self.sync()?;
        }
        self.outputs.publish(&mut |done| events(Event::Table { done }))?;
        if let (Some(name), false) = (name, self.job.fsync == Fsync::Never) {
            sync_directory(&name)?;
        }
        match self.journal.take() {
            Some(journal) => journal.remove(),
            None => Ok(()),
        }
    }
}

/// Has the system write to the disk that a file has its name.
fn sync_directory(name: &Path) -> Result<(), Error> {
    let above = name.parent().filter(|above| !above.as_os_str().is_empty());
    let synced = fault::at("before-fsync-directory")
        .and_then(|()| File::open(above.unwrap_or(Path::new("."))))
        .and_then(|above| above.sync_all());
    fault::pass("after-fsync-directory");
    synced.map_err(Error::WriteOutput)
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
