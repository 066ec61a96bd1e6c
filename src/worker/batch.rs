//! Records that wait to be processed together, for plugins that take many at once.

use std::time::{Duration, Instant};

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
    /// Where its text is.
    start: usize,
    end: usize,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch { text: String::new(), records: Vec::new(), wanted: FIRST }
    }
}

impl Batch {
    /// `length` is that of the record in the input, `text` what plugins see of it.
    pub fn push(&mut self, offset: u64, length: u64, text: &str) {
        let start = self.text.len();
        self.text.push_str(text);
        self.records.push(Waiting { offset, length, start, end: self.text.len() });
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

    pub fn text(&self, record: Waiting) -> &str {
        &self.text[record.start..record.end]
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

    #[test]
    fn texts_come_out_as_they_went_in() {
        let mut batch = Batch::default();
        for (offset, text) in [(0, "one"), (4, ""), (5, "three")] {
            batch.push(offset, 7, text);
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
        batch.push(0, 0, &"x".repeat(BYTES));
        assert!(batch.is_full());
        batch.clear();
        for count in 0..FIRST {
            assert!(!batch.is_full(), "{count}");
            batch.push(0, 1, "x");
        }
        assert!(batch.is_full());
    }

    #[test]
    fn slow_calls_get_fewer_records_and_quick_ones_more() {
        let mut batch = Batch::default();
        for _ in 0..10 {
            batch.clear();
            (0..batch.wanted).for_each(|_| batch.push(0, 1, "x"));
            batch.learn(Instant::now());
        }
        assert_eq!(batch.wanted, MOST);
        for _ in 0..10 {
            batch.learn(Instant::now() - 2 * LONG);
        }
        assert_eq!(batch.wanted, 1);
    }
}
