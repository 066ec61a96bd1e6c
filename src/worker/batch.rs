//! Records that wait to be processed together, for plugins that take many at once.

use std::time::{Duration, Instant};

use crate::records::Format;

use super::output::Seen;

/// The most records that come together.
const MOST: usize = 256;
/// So many bytes are enough, however few records they are.
const BYTES: usize = 256 << 10;
/// So many records come together at first.
const FIRST: usize = 8;
/// A call that takes longer is too long: a record's time limit is for all of them.
const LONG: Duration = Duration::from_millis(50);
/// One that is shorter can have more.
const SHORT: Duration = Duration::from_millis(10);

/// Records that wait, and how many are wanted.
#[derive(Debug)]
pub(super) struct Batch {
    text: String,
    records: Vec<Waiting>,
    wanted: usize,
}

/// A record that waits.
#[derive(Copy, Clone, Debug)]
pub(super) struct Waiting {
    /// Offset of its first byte in the input.
    pub offset: u64,
    /// Its length there, in bytes.
    pub length: u64,
    /// Records right before it that are not wanted.
    pub passed_over: u64,
    /// Where its position is, if it has one, and behind that its text.
    position: usize,
    start: usize,
    end: usize,
    /// How the input is laid out that it stood in.
    pub format: Format,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch { text: String::new(), records: Vec::new(), wanted: FIRST }
    }
}

impl Batch {
    /// `length` is that of the record in the input; before it, so many were passed over.
    pub fn push(&mut self, offset: u64, length: u64, seen: &Seen<'_>, passed_over: u64) {
        let position = self.text.len();
        self.text.push_str(seen.position);
        let start = self.text.len();
        self.text.push_str(seen.text);
        let (end, format) = (self.text.len(), seen.format);
        let record = Waiting { offset, length, passed_over, position, start, end, format };
        self.records.push(record);
    }

    /// Whether there are enough.
    pub fn is_full(&self) -> bool {
        self.records.len() >= self.wanted || self.text.len() >= BYTES
    }

    pub fn clear(&mut self) {
        self.text.clear();
        self.records.clear();
    }

    pub fn records(&self) -> impl Iterator<Item = Waiting> {
        self.records.iter().copied()
    }

    /// What plugins see of a record.
    pub fn text(&self, record: Waiting) -> &str {
        &self.text[record.start..record.end]
    }

    /// A record as it came, which it may not be any more. What a batch makes takes the place
    /// of it in any case.
    pub fn seen(&self, record: Waiting) -> Seen<'_> {
        let text = self.text(record);
        let position = &self.text[record.position..record.start];
        Seen { record: text, text, format: record.format, position }
    }

    /// Learns from a call with everything that waits, which began then.
    pub fn learn(&mut self, began: Instant) {
        let took = began.elapsed();
        if took > LONG {
            self.wanted = (self.wanted / 2).max(1);
        } else if took < SHORT && self.records.len() >= self.wanted {
            self.wanted = (self.wanted * 2).min(MOST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(batch: &mut Batch, offset: u64, length: u64, text: &str) {
        let seen = Seen { record: text, text, format: Format::Ndjson, position: "at" };
        batch.push(offset, length, &seen, 0);
    }

    #[test]
    fn texts_come_out_as_they_went_in() {
        let mut batch = Batch::default();
        for (offset, text) in [(0, "one"), (4, ""), (5, "three")] {
            push(&mut batch, offset, 7, text);
        }
        let texts: Vec<_> =
            batch.records().map(|one| (one.offset, one.length, batch.text(one))).collect();
        assert_eq!(texts, [(0, 7, "one"), (4, 7, ""), (5, 7, "three")]);
        batch.clear();
        assert_eq!(batch.records().count(), 0);
    }

    #[test]
    fn few_or_many_records_are_enough() {
        let mut batch = Batch::default();
        push(&mut batch, 0, 0, &"x".repeat(BYTES));
        assert!(batch.is_full());
        batch.clear();
        for count in 0..FIRST {
            assert!(!batch.is_full(), "{count}");
            push(&mut batch, 0, 1, "x");
        }
        assert!(batch.is_full());
    }

    #[test]
    fn slow_calls_get_fewer_records_and_quick_ones_more() {
        let mut batch = Batch::default();
        for _ in 0..10 {
            batch.clear();
            (0..batch.wanted).for_each(|_| push(&mut batch, 0, 1, "x"));
            batch.learn(Instant::now());
        }
        assert_eq!(batch.wanted, MOST);
        for _ in 0..10 {
            batch.learn(Instant::now() - 2 * LONG);
        }
        assert_eq!(batch.wanted, 1);
    }
}
