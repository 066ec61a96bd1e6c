//! The one rule for order: a range is its own order key. What is finished waits here
//! until it starts at the frontier, the input position up to which everything is
//! committed. A state machine without I/O.

use std::collections::{BTreeMap, VecDeque};

use crate::error::Error;
use crate::job::Order;
use crate::protocol::{Failure, Framing, Logged, Measured};
use crate::range::{InputId, Range};
use crate::records::Fault;

/// What a waiting range counts for besides its output, in bytes.
const OVERHEAD: u64 = 4096;
/// What a failure or a line of log counts for besides its text, in bytes.
const ENTRY: usize = 64;
/// What measurements count for, in bytes.
const MEASURED: usize = 256 << 10;

/// An input begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Begun {
    pub input: InputId,
    /// How what comes of it is set apart in its output.
    pub framing: Framing,
    /// A line before everything else in its output.
    pub lead: Option<String>,
}

/// What was announced by the input and is to be committed in its turn.
#[derive(Debug)]
pub(crate) enum Expected {
    Begin(Begun),
    Range(Range),
    TooLong(Range),
    /// So many records that nothing is done with.
    PassedOver(u64),
    Fault {
        input: InputId,
        fault: Fault,
    },
    Failed(Error),
}

/// A record that failed, for good.
#[derive(Debug)]
pub(crate) struct Failed {
    pub failure: Failure,
    /// How often it was tried.
    pub attempts: u32,
    /// Its bytes, or the first of them, as far as they are wanted and lie in no file.
    pub record: Option<Vec<u8>>,
}

impl Failed {
    /// At its first try.
    pub fn first(failure: Failure) -> Failed {
        Failed { failure, attempts: 1, record: None }
    }
}

/// A stretch of a range that is done, with what came of it.
#[derive(Debug, Default)]
pub(crate) struct Finished {
    /// Records in the output's framing.
    pub output: Vec<u8>,
    /// How many of them there are.
    pub output_records: u64,
    /// What a reduce has folded the used ones into.
    pub state: Option<Vec<u8>>,
    pub used: u64,
    pub dropped: u64,
    pub passed_over: u64,
    pub failures: Vec<Failed>,
    pub log: Vec<Logged>,
    /// Lines that the plugin logged beyond what is kept.
    pub log_cut: u64,
    /// What was measured besides.
    pub measured: Option<Box<Measured>>,
    /// What stands behind it cannot be read.
    pub broken: Option<Box<Error>>,
}

impl Finished {
    /// Input records that this stretch has.
    pub fn records(&self) -> u64 {
        self.used + self.dropped + self.passed_over + self.failures.len() as u64
    }

    /// Bytes that it holds, about.
    fn weight(&self) -> u64 {
        let failures = self.failures.iter().map(|failed| {
            failed.failure.text.len()
                + failed.failure.backtrace.len()
                + failed.record.as_ref().map_or(0, Vec::len)
        });
        let log = self.log.iter().map(|line| line.text.len());
        let entries = (self.failures.len() + self.log.len()) * ENTRY;
        let text: usize = failures.chain(log).sum();
        let measured = if self.measured.is_some() { MEASURED } else { 0 };
        (self.output.len() + entries + text + measured) as u64 + OVERHEAD
    }
}

/// The next thing to be committed.
#[derive(Debug)]
pub(crate) enum Commit {
    Begin(Begun),
    Finished(Range, Finished),
    TooLong(Range),
    PassedOver(u64),
    Fault { input: InputId, fault: Fault },
    Failed(Error),
}

/// Finished stretches on their way into order.
#[derive(Debug)]
pub(crate) struct Frontier {
    order: Order,
    /// Bytes that may wait before no further range is begun.
    window: u64,
    /// What is still to be committed, as it stands in the input. The first range may
    /// be committed in part: its start is the frontier.
    expected: VecDeque<Expected>,
    waiting: BTreeMap<Range, Finished>,
    waiting_bytes: u64,
}

impl Frontier {
    pub fn new(order: Order, window: u64) -> Frontier {
        Frontier {
            order,
            window,
            expected: VecDeque::new(),
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
        }
    }

    /// Notes what comes next in the input.
    pub fn expect(&mut self, expected: Expected) {
        self.expected.push_back(expected);
    }

    /// Whether everything that was expected has been committed.
    pub fn is_empty(&self) -> bool {
        self.expected.is_empty()
    }

    /// Whether (the rest of) a range may be worked on: there is room for what comes
    /// of it, or it stands at the frontier, where nothing has to wait.
    pub fn has_room_for(&self, start: (InputId, u64)) -> bool {
        self.has_room() || self.at_frontier(start)
    }

    /// Whether a further range may be begun.
    pub fn has_room(&self) -> bool {
        self.waiting_bytes < self.window || self.waiting.is_empty()
    }

    fn at_frontier(&self, start: (InputId, u64)) -> bool {
        let first = self.expected.iter().find_map(|expected| match expected {
            Expected::Range(range) => Some((range.input, range.start)),
            _ => None,
        });
        first == Some(start)
    }

    /// Notes that the input cannot be read from here on, where the rest of a range begins:
    /// what stands before it is committed first.
    pub fn break_off(&mut self, (input, start): (InputId, u64), error: Error) {
        let nothing = Range { input, start, end: start };
        self.finish(nothing, Finished { broken: Some(Box::new(error)), ..Finished::default() });
    }

    /// Takes in a finished stretch.
    pub fn finish(&mut self, stretch: Range, finished: Finished) {
        self.waiting_bytes += finished.weight();
        self.waiting.insert(stretch, finished);
    }

    /// The next thing that can be committed, if there is one now.
    pub fn next(&mut self) -> Option<Commit> {
        match self.expected.front() {
            Some(Expected::Range(_)) => self.next_stretch(),
            Some(_) => self.expected.pop_front().map(|expected| match expected {
                Expected::Begin(begun) => Commit::Begin(begun),
                Expected::TooLong(range) => Commit::TooLong(range),
                Expected::PassedOver(records) => Commit::PassedOver(records),
                Expected::Fault { input, fault } => Commit::Fault { input, fault },
                Expected::Failed(error) => Commit::Failed(error),
                // Excluded by the arm above.
                Expected::Range(range) => Commit::Finished(range, Finished::default()),
            }),
            None => None,
        }
    }

    fn next_stretch(&mut self) -> Option<Commit> {
        let first = *self.waiting.first_key_value()?.0;
        // With any order, the first stretch belongs to some range that is expected;
        // with the input's order, to the first.
        let candidates = match self.order {
            Order::Input => 1,
            Order::Any => self.expected.len(),
        };
        let place = self.expected.iter().take(candidates).position(|expected| {
            matches!(expected, Expected::Range(range)
                if range.input == first.input && range.start == first.start)
        })?;
        let Some(Expected::Range(range)) = self.expected.get_mut(place) else { return None };
        range.start = first.end;
        if range.start == range.end {
            self.expected.remove(place);
        }
        let (stretch, finished) = self.waiting.pop_first()?;
        self.waiting_bytes -= finished.weight();
        Some(Commit::Finished(stretch, finished))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, end: u64) -> Range {
        Range { input: InputId(0), start, end }
    }

    fn finished(output: &str) -> Finished {
        Finished { output: output.into(), used: 1, ..Finished::default() }
    }

    fn drain(frontier: &mut Frontier) -> String {
        let mut written = String::new();
        while let Some(commit) = frontier.next() {
            if let Commit::Finished(_, finished) = commit {
                written.push_str(std::str::from_utf8(&finished.output).unwrap());
            }
        }
        written
    }

    #[test]
    fn stretches_are_committed_in_the_order_of_the_input() {
        let mut frontier = Frontier::new(Order::Input, 1 << 20);
        frontier.expect(Expected::Range(range(0, 10)));
        frontier.expect(Expected::Range(range(12, 20)));
        frontier.finish(range(12, 20), finished("c"));
        assert_eq!(drain(&mut frontier), "");
        frontier.finish(range(0, 4), finished("a"));
        assert_eq!(drain(&mut frontier), "a");
        frontier.finish(range(4, 10), finished("b"));
        assert_eq!(drain(&mut frontier), "bc");
        assert!(frontier.is_empty());
    }

    #[test]
    fn without_order_nothing_waits() {
        let mut frontier = Frontier::new(Order::Any, 1 << 20);
        frontier.expect(Expected::Range(range(0, 10)));
        frontier.expect(Expected::Range(range(12, 20)));
        frontier.finish(range(12, 15), finished("c"));
        assert_eq!(drain(&mut frontier), "c");
        frontier.finish(range(15, 20), finished("d"));
        frontier.finish(range(0, 10), finished("a"));
        assert_eq!(drain(&mut frontier), "ad");
        assert!(frontier.is_empty());
    }

    #[test]
    fn what_stands_before_a_break_is_committed_first() {
        let mut frontier = Frontier::new(Order::Input, 1 << 20);
        frontier.expect(Expected::Range(range(0, 10)));
        frontier.expect(Expected::Range(range(10, 20)));
        frontier.break_off((InputId(0), 14), Error::Interrupted);
        frontier.finish(range(10, 14), finished("b"));
        assert!(frontier.next().is_none());
        frontier.finish(range(0, 10), finished("a"));
        assert_eq!(drain_until_broken(&mut frontier), "ab!");
    }

    fn drain_until_broken(frontier: &mut Frontier) -> String {
        let mut written = String::new();
        while let Some(Commit::Finished(_, finished)) = frontier.next() {
            written.push_str(std::str::from_utf8(&finished.output).unwrap());
            if finished.broken.is_some() {
                written.push('!');
            }
        }
        written
    }

    #[test]
    fn a_full_window_lets_only_the_frontier_pass() {
        let mut frontier = Frontier::new(Order::Input, 1);
        frontier.expect(Expected::Range(range(0, 10)));
        frontier.expect(Expected::Range(range(10, 20)));
        assert!(frontier.has_room());
        frontier.finish(range(10, 15), finished("b"));
        assert!(!frontier.has_room());
        assert!(frontier.has_room_for((InputId(0), 0)));
        assert!(!frontier.has_room_for((InputId(0), 15)));
    }
}
