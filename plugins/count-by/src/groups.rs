//! The state: how often each key was met and what was measured for it, sorted by key, so
//! that two states are merged in one pass.
//!
//! For each key there is its text, the count in 8 bytes, and each measure.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::measures::{Measure, Wanted};
use crate::state::{Reader, Writer};

/// The member of a record that says how often.
pub const COUNT: &str = "count";

const LAYOUT: &str = "count-by 1";

/// What is known of the records with one key.
#[derive(Default)]
pub struct Group {
    pub count: u64,
    /// None before the first record.
    pub measures: Box<[Measure]>,
}

impl Group {
    /// Adds what stands behind it in the input.
    pub fn add(&mut self, later: Group) {
        self.count += later.count;
        if !later.measures.is_empty() {
            self.add_measures(later.measures);
        }
    }

    /// Kept apart, so that counting alone stays as fast as it is.
    #[inline(never)]
    fn add_measures(&mut self, later: Box<[Measure]>) {
        if self.measures.is_empty() {
            self.measures = later;
            return;
        }
        for (measure, later) in self.measures.iter_mut().zip(later) {
            measure.add(later);
        }
    }
}

/// Writes a state.
pub fn encode(label: &str, groups: HashMap<String, Group>) -> Vec<u8> {
    let mut sorted: Vec<(String, Group)> = groups.into_iter().collect();
    sorted.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let mut state = Writer::new(LAYOUT, label);
    for (key, group) in &sorted {
        write(&mut state, key, group);
    }
    state.finish()
}

/// Merges two states; `left` stands first in the input.
///
/// # Errors
/// One of them is no state of this.
pub fn merge(label: &str, wanted: &[Wanted], left: &[u8], right: &[u8]) -> Result<Vec<u8>, String> {
    let mut merged = Writer::new(LAYOUT, label);
    let mut left = Entries { state: Reader::new(LAYOUT, label, left)?, wanted };
    let mut right = Entries { state: Reader::new(LAYOUT, label, right)?, wanted };
    let (mut one, mut other) = (left.next()?, right.next()?);
    loop {
        let order = match (&one, &other) {
            (None, None) => return Ok(merged.finish()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((key, _)), Some((other, _))) => key.cmp(other),
        };
        let mut group = Group::default();
        let mut key = "";
        if order != Ordering::Greater
            && let Some((name, first)) = one
        {
            key = name;
            group.add(first);
            one = left.next()?;
        }
        if order != Ordering::Less
            && let Some((name, second)) = other
        {
            key = name;
            group.add(second);
            other = right.next()?;
        }
        write(&mut merged, key, &group);
    }
}

/// Makes a record of each key.
///
/// # Errors
/// It is no state of this.
pub fn records(label: &str, wanted: &[Wanted], state: &[u8]) -> Result<Vec<String>, String> {
    let mut entries = Entries { state: Reader::new(LAYOUT, label, state)?, wanted };
    let mut records = Vec::new();
    while let Some((key, group)) = entries.next()? {
        let mut record = format!("{{{key},\"{COUNT}\":{}", group.count);
        for (wanted, measure) in wanted.iter().zip(&group.measures) {
            record.push_str(&format!(",{}:{}", wanted.quoted_name(), measure.value()));
        }
        record.push('}');
        records.push(record);
    }
    Ok(records)
}

fn write(state: &mut Writer, key: &str, group: &Group) {
    state.bytes(key.as_bytes());
    state.u64(group.count);
    for measure in &group.measures {
        measure.write(state);
    }
}

/// The keys of a state, in order.
struct Entries<'a> {
    state: Reader<'a>,
    wanted: &'a [Wanted],
}

impl<'a> Entries<'a> {
    fn next(&mut self) -> Result<Option<(&'a str, Group)>, String> {
        if self.state.is_empty() {
            return Ok(None);
        }
        let (key, count) = (self.state.text()?, self.state.u64()?);
        let measures = self.wanted.iter().map(|wanted| wanted.kind.read(&mut self.state));
        Ok(Some((key, Group { count, measures: measures.collect::<Result<_, _>>()? })))
    }
}
