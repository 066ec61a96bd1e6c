//! The state: the best records so far, the best one first. For each there is the value that
//! it is ranked by, as it was written, and the record.

use crate::order::Ordered;
use crate::state::{Reader, Writer, damaged};

const LAYOUT: &str = "top 1";

/// Which records come first.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum First {
    Largest,
    Smallest,
}

pub struct Rules {
    /// How many records are kept.
    pub k: usize,
    pub first: First,
    /// Tells states of these rules from those of others.
    pub label: String,
}

#[derive(Default)]
pub struct Ranking(Vec<Entry>);

struct Entry {
    value: Ordered,
    written: String,
    record: String,
}

impl Ranking {
    /// Adds a record that stands behind all others in the input.
    pub fn add(&mut self, rules: &Rules, value: Ordered, written: String, record: String) {
        self.insert(rules, Entry { value, written, record });
    }

    fn insert(&mut self, rules: &Rules, entry: Entry) {
        // Behind those that are equal, because they stand before it in the input.
        let place = self.0.partition_point(|other| match rules.first {
            First::Largest => other.value >= entry.value,
            First::Smallest => other.value <= entry.value,
        });
        if place < rules.k {
            self.0.truncate(rules.k - 1);
            self.0.insert(place, entry);
        }
    }

    /// Adds what stands behind it in the input.
    pub fn merge(&mut self, rules: &Rules, later: Ranking) {
        for entry in later.0 {
            self.insert(rules, entry);
        }
    }

    pub fn records(self) -> Vec<String> {
        self.0.into_iter().map(|entry| entry.record).collect()
    }

    pub fn encode(&self, label: &str) -> Vec<u8> {
        let mut state = Writer::new(LAYOUT, label);
        for Entry { written, record, .. } in &self.0 {
            state.bytes(written.as_bytes());
            state.bytes(record.as_bytes());
        }
        state.finish()
    }

    /// # Errors
    /// It is no state of these rules.
    pub fn decode(label: &str, state: &[u8]) -> Result<Ranking, String> {
        let mut state = Reader::new(LAYOUT, label, state)?;
        let mut entries = Vec::new();
        while !state.is_empty() {
            let (written, record) = (state.text()?.to_owned(), state.text()?.to_owned());
            let value = Ordered::of(&written).ok_or_else(damaged)?;
            entries.push(Entry { value, written, record });
        }
        Ok(Ranking(entries))
    }
}
