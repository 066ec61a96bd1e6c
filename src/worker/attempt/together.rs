//! Records of an attempt that are processed together, because a batch takes many at once, or
//! because a command takes all of a range.

use std::time::Instant;

use crate::error::FailureKind;
use crate::fault;
use crate::protocol::{Batches, End};
use crate::records::{Format, Record};
use crate::slots::Progress;

use super::{Attempt, Broken};
use crate::worker::batch::{Batch, Waiting};
use crate::worker::chain::{Out, Outs, Stopped};
use crate::worker::command::{Fed, Feed};
use crate::worker::output::NotWritten;
use crate::worker::rows::Shown;

impl Attempt<'_> {
    /// Lets a record wait for others that it can be processed with.
    pub(super) fn gather(
        &mut self,
        batch: &mut Batch,
        record: Record<'_>,
        shown: &mut Shown,
    ) -> Result<Option<End>, Broken> {
        let (offset, length) = (record.start, record.bytes.len() as u64);
        match self.see(record, shown) {
            Ok(seen) => {
                batch.push(offset, length, &seen, std::mem::take(&mut self.passed_over));
            }
            Err(why) => {
                return Ok(match self.flush(batch)? {
                    None => self.has_to_end(0).or_else(|| {
                        self.count_passed_over();
                        self.fail(FailureKind::Malformed, offset, length, &why)
                    }),
                    ended => ended,
                });
            }
        }
        let alone = self.process.batches == Batches::One
            || self.chain.isolates_records()
            || (self.chain.takes_ranges() && self.process.format == Format::DeadLetters);
        let enough = alone || (!self.chain.takes_ranges() && batch.is_full());
        if enough { self.flush(batch) } else { Ok(None) }
    }

    /// Processes the records that wait.
    pub(super) fn flush(&mut self, batch: &mut Batch) -> Result<Option<End>, Broken> {
        let waiting: Vec<Waiting> = batch.records().collect();
        let Some(first) = waiting.first() else { return Ok(None) };
        if let Some(end) = self.has_to_end(0) {
            return Ok(Some(end));
        }
        self.come_alive()?;
        self.begin_record(first.offset);
        self.output.begin("");
        let texts: Vec<&str> = waiting.iter().map(|record| batch.text(*record)).collect();
        if let Some(clock) = &mut self.clock {
            clock.start();
        }
        let began = Instant::now();
        self.control.announce(Progress::Record(first.offset));
        fault::at_record("before-call", texts[0]);
        let outs = self.chain.process_many(&texts);
        if self.clock.is_some() && outs.is_ok() && !self.chain.takes_ranges() {
            self.stop_clock(first.offset, waiting.len() as u64);
        }
        fault::at_record("after-call", texts[0]);
        self.control.announce(Progress::Idle);
        let end = match outs {
            Ok(outs) if self.chain.takes_ranges() => self.run_all(batch, &waiting, outs)?,
            Ok(outs) => {
                if waiting.len() > 1 {
                    // Of which of them, nobody knows.
                    self.chain.write_log(&mut self.text, None);
                }
                let mut end = None;
                for (record, outs) in waiting.iter().zip(outs) {
                    end = self.is_full(0).or_else(|| self.deliver(*record, batch, outs));
                    if end.is_some() || self.lost {
                        break;
                    }
                }
                end
            }
            Err(trapped) if waiting.len() == 1 => self.settle_waiting(*first, Err(trapped)),
            // One of them did it. One by one they tell which.
            Err(_) => {
                self.chain.forget_log();
                self.chain.forget_links();
                return self.one_by_one(batch);
            }
        };
        batch.learn(began);
        batch.clear();
        Ok(end)
    }

    /// Runs the command over what came out for records. One of them that has failed before it
    /// has its turn in between.
    fn run_all(
        &mut self,
        batch: &Batch,
        waiting: &[Waiting],
        outs: Vec<Outs>,
    ) -> Result<Option<End>, Broken> {
        let mut feed = Feed::default();
        for (record, outs) in waiting.iter().zip(outs) {
            let Err(stopped) = outs.and_then(|outs| feed.push(*record, batch, &outs)) else {
                continue;
            };
            let end = self.run(batch, &feed, feed.all())?.or_else(|| {
                self.has_to_end(0).or_else(|| {
                    // What came before it stays.
                    self.output.begin("");
                    self.settle_waiting(*record, Err(stopped))
                })
            });
            if end.is_some() {
                return Ok(end);
            }
            feed = Feed::default();
        }
        self.run(batch, &feed, feed.all())
    }

    /// Runs the command over some records. If that fails it is run over each half of them,
    /// until it is known at which record.
    fn run(&mut self, batch: &Batch, feed: &Feed, part: &[Fed]) -> Result<Option<End>, Broken> {
        let Some(first) = part.first() else { return Ok(None) };
        if let Some(end) = self.has_to_end(0) {
            return Ok(Some(end));
        }
        self.output.begin_many(part.len(), batch.seen(first.record).position);
        let lines = feed.lines(part);
        if !lines.is_empty() {
            self.come_alive()?;
            self.begin_record(first.record.offset);
        }
        if let Some(clock) = &mut self.clock {
            clock.start();
        }
        match self.print(&first.record, lines) {
            Ok(()) => {
                if self.clock.is_some() {
                    self.stop_clock(first.record.offset, part.len() as u64);
                }
                if part.len() > 1 {
                    // Of which of them, nobody knows.
                    self.chain.write_log(&mut self.text, None);
                }
                let mut end = None;
                for Fed { record, texts, .. } in part {
                    end = self.settle_waiting(*record, Ok(*texts));
                }
                Ok(end)
            }
            Err(stopped) if part.len() == 1 => Ok(self.settle_waiting(first.record, Err(stopped))),
            Err(_) => {
                self.output.take_back();
                self.chain.forget_log();
                let (left, right) = part.split_at(part.len() / 2);
                match self.run(batch, feed, left)? {
                    None => self.run(batch, feed, right),
                    ended => Ok(ended),
                }
            }
        }
    }

    /// Runs the command over lines, if there are any, and writes what it prints.
    fn print(&mut self, first: &Waiting, lines: &[u8]) -> Result<(), Stopped> {
        let mut printed = Vec::new();
        if let (false, Some(command)) = (lines.is_empty(), self.chain.command()) {
            self.control.announce(Progress::Record(first.offset));
            let plugin = command.number;
            let ran = command.run(lines.to_vec(), self.output.limit());
            self.control.announce(Progress::Idle);
            printed = ran.map_err(|trapped| Stopped::Trapped { plugin, trapped })?;
        }
        if printed.last() == Some(&b'\n') {
            printed.pop();
        } else if printed.is_empty() {
            return self.output.end_record().map_err(Stopped::NotWritten);
        }
        for line in printed.split(|&byte| byte == b'\n') {
            let line = simdutf8::basic::from_utf8(line).map_err(|_| {
                NotWritten::NoRecord("the command printed a line that is not UTF-8 text")
            });
            let written = line.and_then(|line| self.output.write_made(line, first.format));
            written.map_err(Stopped::NotWritten)?;
        }
        self.output.end_record().map_err(Stopped::NotWritten)
    }

    fn one_by_one(&mut self, batch: &mut Batch) -> Result<Option<End>, Broken> {
        let mut one = Batch::default();
        for record in batch.records() {
            one.push(record.offset, record.length, &batch.seen(record), record.passed_over);
            let end = self.flush(&mut one)?;
            if end.is_some() || self.lost {
                return Ok(end);
            }
        }
        batch.clear();
        Ok(None)
    }

    /// Puts what came out for a record of a batch where it belongs.
    fn deliver(&mut self, record: Waiting, batch: &Batch, outs: Outs) -> Option<End> {
        let seen = batch.seen(record);
        self.output.begin(seen.position);
        let output = &mut self.output;
        let mut write = |out: Out<&str>| match out {
            Out::Same => output.write(&seen),
            Out::Made(text) => output.write_made(text, seen.format),
        };
        self.control.announce(Progress::Record(record.offset));
        let result = self.chain.deliver(seen.text, outs, &mut write);
        self.control.announce(Progress::Idle);
        let result = self.whole(result);
        self.settle_waiting(record, result)
    }

    /// Takes in what became of a record that has waited, and that others before it were passed
    /// over.
    fn settle_waiting(&mut self, record: Waiting, result: Result<u64, Stopped>) -> Option<End> {
        self.done.passed_over += record.passed_over;
        self.settle(record.offset, record.length, result)
    }
}
