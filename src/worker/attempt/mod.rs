//! One attempt at a range: every record of it through the plugins, in order, until the
//! range, the room, or the supervisor's patience ends.

mod together;

use crate::error::FailureKind;
use crate::fault;
use crate::protocol::{
    AfterFailure, Done, End, Entry, Failure, Fatal, From, MAX_TEXT, Mode, Place, Process, Retries,
    Start, TEXT_OF_MEASURES, cut_text,
};
use crate::records::csv::RowReader;
use crate::records::{Format, Item, RangeReader, ReadFailed, Record};
use crate::runtime::Trapped;
use crate::sample::Sample;
use crate::slots::{Control, Parts, Progress};

use super::Worker;
use super::batch::Batch;
use super::chain::{Chain, Out, Stopped};
use super::clock::Clock;
use super::output::{NotWritten, Output, Seen};
use super::rows::{Rows, Shown};
use super::states::{self, Transit};
use super::text::Text;

/// Why the worker cannot go on.
pub(super) struct Broken {
    pub what: Fatal,
    pub text: String,
}

impl Broken {
    pub fn internal(text: &str) -> Broken {
        Broken { what: Fatal::Internal, text: text.into() }
    }
}

impl std::convert::From<ReadFailed> for Broken {
    fn from(error: ReadFailed) -> Broken {
        Broken { what: Fatal::Input, text: error.to_string() }
    }
}

/// How a try at an attempt ends.
enum Ended {
    Done(Done),
    /// What was folded is lost with the record at this offset. What stands before it has
    /// to be folded again, without it.
    Lost {
        before: u64,
    },
}

/// Makes one attempt.
pub(super) fn run(worker: &mut Worker, process: Process) -> Result<Done, Broken> {
    match process.mode {
        Mode::Alone => worker.chain.forget(),
        Mode::Through | Mode::Fail(_) => worker.chain.begin_range(),
    }
    let mut until = process.range.end;
    loop {
        match try_until(worker, process, until)? {
            Ended::Done(done) => return Ok(done),
            Ended::Lost { before } => until = before,
        }
    }
}

/// Makes one attempt up to an offset of the range. If that is not its end, the record
/// that begins there is a suspect.
fn try_until(worker: &mut Worker, process: Process, until: u64) -> Result<Ended, Broken> {
    let Worker { start, chain, sample, clock, slots, transits, inputs, buffer, batch, rows } =
        worker;
    let index = usize::from(process.slot);
    let (Some(slot), Some(transit)) = (slots.get_mut(index), transits.get_mut(index)) else {
        return Err(Broken::internal("there is no such slot"));
    };
    let held = match process.from {
        From::Slot { base } => until.checked_sub(base),
        From::File { .. } => Some(0),
    };
    let held = held.and_then(|held| held.checked_add(process.header));
    let held = held.ok_or_else(|| Broken::internal("a range lies outside of its slot"))?;
    let Parts { control, input, text, output } = slot.parts(held as usize);
    let (header, input) = input.split_at(process.header as usize);
    rows.learn((process.format, process.framing), header)?;
    let Rows { reader: row_reader, out, shown, .. } = rows;
    let range = (process.range.start, until);
    let max_record = start.max_record;
    let mut reader = match process.from {
        From::File { index } => {
            let file = inputs.get(index as usize);
            let file = file.ok_or_else(|| Broken::internal("there is no such input"))?;
            RangeReader::from_file(file, buffer, process.format, range, max_record)
        }
        From::Slot { base } => {
            let bytes = input.get((range.0 - base) as usize..);
            let bytes =
                bytes.ok_or_else(|| Broken::internal("a range lies outside of its slot"))?;
            RangeReader::from_memory(bytes, process.format, range.0, max_record)
        }
    };
    batch.clear();
    let mut clock = clock.as_mut();
    if let Some(clock) = &mut clock {
        clock.begin();
    }
    let kept = if clock.is_some() { TEXT_OF_MEASURES } else { 0 };
    let gathers = process.mode == Mode::Through && chain.takes_many();
    let page = Output::new(output, process.framing, out, start.max_output);
    let mut attempt = Attempt {
        process,
        start,
        chain,
        clock,
        control,
        shows_as_is: row_reader.is_none() && process.format != Format::DeadLetters,
        row_reader: row_reader.as_ref(),
        output: match process.format {
            Format::DeadLetters => page.of_letters(),
            _ => page,
        },
        text: Text::new(text, kept),
        transit,
        passed_over: 0,
        lost: false,
        done: Done {
            nonce: process.nonce,
            stop: process.range.start,
            used: 0,
            dropped: 0,
            failed: 0,
            passed_over: 0,
            output_bytes: 0,
            left: 0,
            output_records: 0,
            text_bytes: 0,
            end: End::Reached,
        },
    };
    // What comes next is known of records that plugins see as they stand, unless only one of
    // them is to be seen.
    let foresees = process.mode == Mode::Through && attempt.shows_as_is;
    loop {
        let mut piece = reader.piece()?;
        let mut ahead = piece.next();
        while let Some(item) = ahead {
            ahead = piece.next();
            let end = match item {
                Item::Record(record) if attempt.leaves_out(sample.as_ref(), &record) => {
                    attempt.pass_over(&record, gathers)
                }
                Item::Record(record) if gathers => attempt.gather(batch, record, shown)?,
                Item::Record(record) => {
                    let next = match &ahead {
                        Some(Item::Record(next)) if foresees => next.bytes.len(),
                        _ => 0,
                    };
                    attempt.record(record, next, shown)?
                }
                Item::TooLong { start, end } => match attempt.flush(batch)? {
                    None => attempt.too_long(start, end),
                    ended => ended,
                },
                Item::End => match attempt.flush(batch)? {
                    None => {
                        attempt.count_passed_over();
                        attempt.done.stop = until;
                        let whole = until == process.range.end;
                        Some(if whole { End::Reached } else { End::Suspect })
                    }
                    ended => ended,
                },
                Item::Fault(fault) => {
                    let text = format!("the input changed: at byte {} {fault}", fault.at);
                    return Err(Broken { what: Fatal::Input, text });
                }
            };
            if attempt.lost {
                return Ok(Ended::Lost { before: attempt.done.stop });
            }
            if let Some(end) = end {
                return attempt.finish(end).map(Ended::Done);
            }
        }
    }
}

struct Attempt<'a> {
    process: Process,
    start: &'a Start,
    chain: &'a mut Chain,
    /// Measures, where that is wanted.
    clock: Option<&'a mut Clock>,
    control: Control<'a>,
    /// Plugins see records as they stand in the input.
    shows_as_is: bool,
    /// Reads records that are rows.
    row_reader: Option<&'a RowReader>,
    output: Output<'a>,
    text: Text<'a>,
    transit: &'a mut Transit,
    /// Records that were passed over behind the last that waits for others.
    passed_over: u64,
    /// What was folded is gone; `done.stop` says where the record begins that it is gone
    /// with.
    lost: bool,
    done: Done,
}

impl Attempt<'_> {
    /// Processes a record. `next` is the length of the one behind it, where that is known, or
    /// 0. Gives the reason if the attempt ends with (or before) it.
    fn record(
        &mut self,
        record: Record<'_>,
        next: usize,
        shown: &mut Shown,
    ) -> Result<Option<End>, Broken> {
        let (offset, length) = (record.start, record.bytes.len() as u64);
        if let Some(end) = self.has_to_end(record.bytes.len()) {
            return Ok(Some(end));
        }
        if let Mode::Fail(kind) = self.process.mode {
            return Ok(self.fail(kind, offset, length, ""));
        }
        let seen = match self.see(record, shown) {
            Ok(seen) => seen,
            Err(why) => return Ok(self.fail(FailureKind::Malformed, offset, length, &why)),
        };
        if self.chain.takes_many() {
            let mut batch = Batch::default();
            batch.push(offset, length, &seen, 0);
            return self.flush(&mut batch);
        }
        self.come_alive()?;
        self.begin_record(offset);
        self.output.begin(seen.position);
        let output = &mut self.output;
        let mut write = |out: Out<&str>| match out {
            Out::Same => output.write(&seen),
            Out::Made(text) => output.write_made(text, seen.format),
        };
        self.control.announce(Progress::Record(offset));
        fault::at_record("before-call", seen.text);
        if let Some(clock) = &mut self.clock {
            clock.start();
        }
        let result = self.chain.process(seen.text, next, &mut write);
        if self.clock.is_some() && result.is_ok() {
            self.stop_clock(offset, 1);
        }
        fault::at_record("after-call", seen.text);
        self.control.announce(Progress::Idle);
        let result = self.whole(result);
        Ok(self.settle(offset, length, result))
    }

    /// Tells plugins where the record stands, if they have to know.
    fn begin_record(&mut self, offset: u64) {
        if self.chain.uses_wasi() {
            self.chain.begin_record((self.process.range.input.0, offset));
        }
    }

    /// Notes how long so many records have taken together, of which the first begins there and
    /// none is counted yet.
    #[cold]
    fn stop_clock(&mut self, offset: u64, records: u64) {
        let first = self.place(offset);
        if let Some(clock) = &mut self.clock {
            clock.stop(first, records);
            clock.saw_memory(self.chain.memory());
        }
    }

    /// Notes in the output that all has come out of a record, unless it failed.
    fn whole(&mut self, result: Result<u64, Stopped>) -> Result<u64, Stopped> {
        let count = result?;
        self.output.end_record().map_err(Stopped::NotWritten)?;
        Ok(count)
    }

    /// Takes in what became of a record.
    #[inline]
    fn settle(&mut self, offset: u64, length: u64, result: Result<u64, Stopped>) -> Option<End> {
        match result {
            Ok(count) => {
                let place = self.place(offset);
                match count {
                    0 => self.done.dropped += 1,
                    _ => self.done.used += 1,
                }
                self.chain.end_record(&mut self.text, place);
                self.went_by(offset + length)
            }
            Err(failed) => self.settle_failed(offset, length, failed),
        }
    }

    #[cold]
    fn settle_failed(&mut self, offset: u64, length: u64, failed: Stopped) -> Option<End> {
        let place = self.place(offset);
        // A record that failed leaves nothing of itself in the output, or in a state.
        self.output.take_back();
        let spoiled = self.chain.fold().is_some_and(|fold| !fold.is_whole());
        let again = match &failed {
            Stopped::NotWritten(NotWritten::Full) if self.records() > 0 => Some(End::Full),
            failed if self.process.mode == Mode::Through && self.is_suspect(failed, spoiled) => {
                Some(End::Suspect)
            }
            _ => None,
        };
        match again {
            Some(_) => self.chain.forget_log(),
            None => self.chain.write_log(&mut self.text, Some(place)),
        }
        if matches!(failed, Stopped::Trapped { .. }) {
            self.chain.forget_links();
        }
        if spoiled {
            self.chain.forget();
        }
        self.chain.end_record(&mut self.text, place);
        if again.is_some() {
            // What stands before it is done, unless it was lost just now.
            self.done.stop = offset;
            self.lost = spoiled && self.done.used > 0;
            return again;
        }
        match failed {
            Stopped::Rejected { plugin, why } => {
                self.fail_at(FailureKind::Rejected, Some(plugin), (offset, length), &why, "")
            }
            Stopped::Trapped { plugin, trapped: Trapped { kind, text, backtrace } } => {
                self.fail_at(kind, Some(plugin), (offset, length), &text, &backtrace)
            }
            Stopped::NotWritten(why) => {
                let kind = match why {
                    NotWritten::Malformed(_) => FailureKind::Malformed,
                    NotWritten::NoRecord(_)
                    | NotWritten::NoRow(_)
                    | NotWritten::Full
                    | NotWritten::TooMuch => FailureKind::Output,
                };
                self.fail(kind, offset, length, &why.to_string())
            }
        }
    }

    /// Whether a record that failed has to be tried again, alone. If the state is spoiled
    /// something of it is in there.
    fn is_suspect(&self, failed: &Stopped, spoiled: bool) -> bool {
        match failed {
            Stopped::Trapped { .. } => true,
            Stopped::NotWritten(NotWritten::Malformed(_)) => spoiled,
            Stopped::Rejected { .. } | Stopped::NotWritten(_) => {
                spoiled || self.start.retries == Retries::Some
            }
        }
    }

    fn too_long(&mut self, start: u64, end: u64) -> Option<End> {
        self.has_to_end(0).or_else(|| {
            self.count_passed_over();
            self.fail(FailureKind::TooLong, start, end - start, "")
        })
    }

    /// A record as plugins see it; `shown` is where that is made if it has to be. The error
    /// is what makes it malformed.
    #[inline]
    fn see<'t>(&self, record: Record<'t>, shown: &'t mut Shown) -> Result<Seen<'t>, String> {
        match record.text {
            Some(text) if self.shows_as_is => {
                Ok(Seen { record: text, text, format: self.process.format, position: "" })
            }
            _ => self.make_seen(record, shown),
        }
    }

    fn make_seen<'t>(&self, record: Record<'t>, shown: &'t mut Shown) -> Result<Seen<'t>, String> {
        let record = match record.text {
            Some(text) => text,
            None => simdutf8::basic::from_utf8(record.bytes).map_err(|_| "it is not UTF-8 text")?,
        };
        let format = self.process.format;
        if format == Format::DeadLetters {
            return shown.take_out(record);
        }
        let text = match self.row_reader {
            Some(reader) => {
                reader.read(record, &mut shown.text).map_err(|bad| bad.to_string())?;
                shown.text.as_str()
            }
            None => record,
        };
        Ok(Seen { record, text, format, position: "" })
    }

    /// Whether the attempt has to end before a record of this length. Every attempt
    /// makes progress: only what comes after its first record can have to wait.
    fn has_to_end(&self, length: usize) -> Option<End> {
        if self.records() == 0 {
            None
        } else if self.control.asked_to_yield() {
            Some(End::Yielded)
        } else {
            self.is_full(length)
        }
    }

    /// Whether there is no room for another record of this length.
    fn is_full(&self, length: usize) -> Option<End> {
        let has_room = self.output.has_room_for(length) && self.text.has_room_for_a_record();
        (self.records() > 0 && !has_room).then_some(End::Full)
    }

    /// Makes the instances that are missing.
    #[inline]
    fn come_alive(&mut self) -> Result<(), Broken> {
        if self.chain.is_alive() { Ok(()) } else { self.make_instances() }
    }

    #[cold]
    fn make_instances(&mut self) -> Result<(), Broken> {
        self.control.announce(Progress::Instantiating);
        fault::pass("before-instantiate");
        let made = self.chain.come_alive();
        fault::pass("after-instantiate");
        self.control.announce(Progress::Idle);
        made.map_err(|trapped| Broken { what: Fatal::Instantiate, text: trapped.without_record() })
    }

    /// Notes that a record failed, at no plugin in particular.
    fn fail(&mut self, kind: FailureKind, offset: u64, length: u64, text: &str) -> Option<End> {
        self.fail_at(kind, None, (offset, length), text, "")
    }

    /// Notes that a record failed.
    fn fail_at(
        &mut self,
        kind: FailureKind,
        plugin: Option<u8>,
        (offset, length): (u64, u64),
        text: &str,
        backtrace: &str,
    ) -> Option<End> {
        self.text.write(&Entry::Failure(Failure {
            before: self.records(),
            offset,
            length,
            kind,
            plugin,
            text: cut_text(text, MAX_TEXT).to_owned(),
            backtrace: backtrace.to_owned(),
        }));
        self.done.failed += 1;
        let end = self.went_by(offset + length);
        match self.start.after_failure {
            AfterFailure::Stop => Some(End::Failed),
            AfterFailure::GoOn => end,
        }
    }

    /// Notes that everything up to the end of a record is done.
    fn went_by(&mut self, end: u64) -> Option<End> {
        // A newline that is left behind would be a blank line, which is a record there.
        let newline = u64::from(self.process.format == Format::Lines);
        self.done.stop = (end + newline).min(self.process.range.end);
        match self.process.mode {
            Mode::Through => None,
            Mode::Alone | Mode::Fail(_) => Some(End::Reached),
        }
    }

    /// Where the record stands that is next, and begins at this offset.
    fn place(&self, offset: u64) -> Place {
        Place { before: self.records(), offset }
    }

    fn records(&self) -> u64 {
        self.done.used + self.done.dropped + self.done.failed + self.done.passed_over
    }

    #[inline]
    fn leaves_out(&self, sample: Option<&Sample>, record: &Record<'_>) -> bool {
        sample.is_some_and(|sample| !sample.has(self.process.range.input.0, record.start))
    }

    /// Passes over a record. Where others wait before it, it is counted with the next.
    #[cold]
    fn pass_over(&mut self, record: &Record<'_>, gathers: bool) -> Option<End> {
        if gathers {
            self.passed_over += 1;
            return None;
        }
        if self.records() > 0 && self.control.asked_to_yield() {
            return Some(End::Yielded);
        }
        self.done.passed_over += 1;
        self.went_by(record.start + record.bytes.len() as u64)
    }

    /// Counts those that were passed over behind the last that waited for others.
    fn count_passed_over(&mut self) {
        self.done.passed_over += std::mem::take(&mut self.passed_over);
    }

    fn finish(mut self, end: End) -> Result<Done, Broken> {
        if self.chain.fold().is_some() {
            if self.done.used > 0 {
                self.transit.leave(states::take(self.chain, self.control)?);
                let (bytes, left) = self.transit.piece(self.output.area());
                (self.done.output_bytes, self.done.left) = (bytes, left);
                if self.text.has_room_for_a_record() {
                    self.chain.write_log(&mut self.text, None);
                }
            }
        } else {
            self.done.output_bytes = self.output.bytes();
            self.done.output_records = self.output.records();
        }
        if let Some(clock) = self.clock {
            self.text.write(&clock.tell());
        }
        Ok(Done { text_bytes: self.text.bytes(), end, ..self.done })
    }
}
