//! One attempt at a range: every record of it through the plugin, in order, until
//! the range, the room, or the supervisor's patience ends.

use crate::error::FailureKind;
use crate::protocol::{
    AfterFailure, Done, End, Entry, Failure, Fatal, From, MAX_TEXT, Mode, Process, Start, cut_text,
};
use crate::records::{Item, RangeReader, ReadFailed};
use crate::slots::{Control, Parts, Progress};

use super::Worker;
use super::chain::{Chain, Out, Stopped};
use super::output::{NotWritten, Output};
use super::text::Text;

/// Why the worker cannot go on.
pub(super) struct Broken {
    pub what: Fatal,
    pub text: String,
}

impl Broken {
    fn internal(text: &str) -> Broken {
        Broken { what: Fatal::Internal, text: text.into() }
    }
}

impl std::convert::From<ReadFailed> for Broken {
    fn from(error: ReadFailed) -> Broken {
        Broken { what: Fatal::Input, text: error.to_string() }
    }
}

/// Makes one attempt.
pub(super) fn run(worker: &mut Worker, process: Process) -> Result<Done, Broken> {
    let Worker { start, chain, slots, inputs, buffer } = worker;
    let slot = slots.get_mut(usize::from(process.slot));
    let slot = slot.ok_or_else(|| Broken::internal("there is no such slot"))?;
    let held = match process.from {
        From::Slot { base } => process.range.end.checked_sub(base),
        From::File { .. } => Some(0),
    };
    let held = held.ok_or_else(|| Broken::internal("a range lies outside of its slot"))?;
    let Parts { control, input, text, output } = slot.parts(held as usize);
    let range = (process.range.start, process.range.end);
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
    if process.mode == Mode::Alone {
        chain.forget();
    }
    let mut attempt = Attempt {
        process,
        start,
        chain,
        control,
        output: Output::new(output, start.framing, start.max_output),
        text: Text::new(text),
        done: Done {
            nonce: process.nonce,
            stop: process.range.start,
            used: 0,
            dropped: 0,
            failed: 0,
            output_bytes: 0,
            output_records: 0,
            text_bytes: 0,
            end: End::Reached,
        },
    };
    loop {
        let end = match reader.next()? {
            Item::Record { start, bytes } => attempt.record(start, bytes)?,
            Item::TooLong { start, end } => attempt.too_long(start, end),
            Item::End => {
                attempt.done.stop = process.range.end;
                Some(End::Reached)
            }
            Item::Fault(fault) => {
                let text = format!("the input changed: at byte {} {fault}", fault.at);
                return Err(Broken { what: Fatal::Input, text });
            }
        };
        if let Some(end) = end {
            return Ok(attempt.finish(end));
        }
    }
}

struct Attempt<'a> {
    process: Process,
    start: &'a Start,
    chain: &'a mut Chain,
    control: Control<'a>,
    output: Output<'a>,
    text: Text<'a>,
    done: Done,
}

impl Attempt<'_> {
    /// Processes a record. Gives the reason if the attempt ends with (or before) it.
    fn record(&mut self, offset: u64, record: &[u8]) -> Result<Option<End>, Broken> {
        let length = record.len() as u64;
        if let Some(end) = self.has_to_end(record.len()) {
            return Ok(Some(end));
        }
        if let Mode::Fail(kind) = self.process.mode {
            return Ok(self.fail(kind, offset, length, ""));
        }
        let Ok(text) = simdutf8::basic::from_utf8(record) else {
            return Ok(self.fail(FailureKind::Malformed, offset, length, "it is not UTF-8 text"));
        };
        self.come_alive()?;
        self.output.begin();
        let (output, format) = (&mut self.output, self.process.format);
        let mut write = |out: Out<'_>| match out {
            Out::Same => output.write(record, format),
            Out::Made(text) => output.write_made(text, format),
        };
        self.control.announce(Progress::Record(offset));
        let result = self.chain.process(text, &mut write);
        self.control.announce(Progress::Idle);
        let failed = match result {
            Ok(count) => {
                match count {
                    0 => self.done.dropped += 1,
                    _ => self.done.used += 1,
                }
                self.chain.write_log(&mut self.text);
                return Ok(self.went_by(offset + length));
            }
            Err(stopped) => stopped,
        };
        // A record that failed leaves nothing of itself in the output.
        self.output.take_back();
        let again = match &failed {
            Stopped::Trapped(_) if self.process.mode == Mode::Through => Some(End::Suspect),
            Stopped::NotWritten(NotWritten::Full) if self.records() > 0 => Some(End::Full),
            _ => None,
        };
        match again {
            Some(_) => self.chain.forget_log(),
            None => self.chain.write_log(&mut self.text),
        }
        if matches!(failed, Stopped::Trapped(_)) {
            self.chain.forget();
        }
        if again.is_some() {
            // What stands before it is done.
            self.done.stop = offset;
            return Ok(again);
        }
        Ok(match failed {
            Stopped::Rejected(why) => self.fail(FailureKind::Rejected, offset, length, &why),
            Stopped::Trapped(trapped) => self.fail(trapped.kind, offset, length, &trapped.text),
            Stopped::NotWritten(NotWritten::Malformed(why)) => {
                self.fail(FailureKind::Malformed, offset, length, why)
            }
            Stopped::NotWritten(NotWritten::NoRecord(why)) => {
                self.fail(FailureKind::Output, offset, length, why)
            }
            Stopped::NotWritten(NotWritten::Full | NotWritten::TooMuch) => {
                let why = "it is more than --max-output allows";
                self.fail(FailureKind::Output, offset, length, why)
            }
        })
    }

    fn too_long(&mut self, start: u64, end: u64) -> Option<End> {
        self.has_to_end(0).or_else(|| self.fail(FailureKind::TooLong, start, end - start, ""))
    }

    /// Whether the attempt has to end before a record of this length. Every attempt
    /// makes progress: only what comes after its first record can have to wait.
    fn has_to_end(&self, length: usize) -> Option<End> {
        if self.records() == 0 {
            None
        } else if self.control.asked_to_yield() {
            Some(End::Yielded)
        } else if !self.output.has_room_for(length) || !self.text.has_room_for_a_record() {
            Some(End::Full)
        } else {
            None
        }
    }

    /// Makes the instances that are missing.
    fn come_alive(&mut self) -> Result<(), Broken> {
        if self.chain.is_alive() {
            return Ok(());
        }
        self.control.announce(Progress::Instantiating);
        let made = self.chain.come_alive();
        self.control.announce(Progress::Idle);
        made.map_err(|trapped| Broken { what: Fatal::Instantiate, text: trapped.text })
    }

    fn fail(&mut self, kind: FailureKind, offset: u64, length: u64, text: &str) -> Option<End> {
        self.text.write(&Entry::Failure(Failure {
            before: self.records(),
            offset,
            length,
            kind,
            text: cut_text(text, MAX_TEXT).to_owned(),
        }));
        self.done.failed += 1;
        let end = self.went_by(offset + length);
        match self.start.after_failure {
            AfterFailure::Stop => Some(End::Failed),
            AfterFailure::GoOn => end,
        }
    }

    /// Notes that everything up to `offset` is done.
    fn went_by(&mut self, offset: u64) -> Option<End> {
        self.done.stop = offset;
        match self.process.mode {
            Mode::Through => None,
            Mode::Alone | Mode::Fail(_) => Some(End::Reached),
        }
    }

    fn records(&self) -> u64 {
        self.done.used + self.done.dropped + self.done.failed
    }

    fn finish(self, end: End) -> Done {
        Done {
            output_bytes: self.output.bytes(),
            output_records: self.output.records(),
            text_bytes: self.text.bytes(),
            end,
            ..self.done
        }
    }
}
