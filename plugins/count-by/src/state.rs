//! The state: how often each key was met, sorted by key, so that two states are merged
//! in one pass.
//!
//! A line that says what it is and of which keys; then for each key its length in bytes
//! (4 bytes, little-endian), the key, and the count (8 bytes, little-endian).

use std::cmp::Ordering;
use std::collections::HashMap;

/// The member of a record that says how often.
pub const COUNT: &str = "count";

const NAME: &str = "count-by 1 ";

/// Writes a state.
pub fn encode(label: &str, counts: HashMap<String, u64>) -> Vec<u8> {
    let mut sorted: Vec<(String, u64)> = counts.into_iter().collect();
    sorted.sort_unstable();
    let mut state = header(label);
    for (key, count) in &sorted {
        push(&mut state, key.as_bytes(), *count);
    }
    state
}

/// Merges two states.
///
/// # Errors
/// One of them is no state of these keys.
pub fn merge(label: &str, left: &[u8], right: &[u8]) -> Result<Vec<u8>, String> {
    let mut merged = Vec::with_capacity(left.len() + right.len());
    merged.extend_from_slice(&header(label));
    let (mut left, mut right) = (Entries::of(label, left)?, Entries::of(label, right)?);
    let (mut one, mut other) = (left.next()?, right.next()?);
    loop {
        let order = match (&one, &other) {
            (None, None) => return Ok(merged),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((key, _)), Some((other, _))) => key.cmp(other),
        };
        let mut count = 0;
        let mut key: &[u8] = &[];
        if order != Ordering::Greater
            && let Some((name, times)) = one
        {
            (key, count) = (name, count + times);
            one = left.next()?;
        }
        if order != Ordering::Less
            && let Some((name, times)) = other
        {
            (key, count) = (name, count + times);
            other = right.next()?;
        }
        push(&mut merged, key, count);
    }
}

/// Makes a record of each key.
///
/// # Errors
/// It is no state of these keys.
pub fn records(label: &str, state: &[u8]) -> Result<Vec<String>, String> {
    let mut entries = Entries::of(label, state)?;
    let mut records = Vec::new();
    while let Some((key, count)) = entries.next()? {
        let key = std::str::from_utf8(key).map_err(|_| damaged())?;
        records.push(format!("{{{key},\"{COUNT}\":{count}}}"));
    }
    Ok(records)
}

fn header(label: &str) -> Vec<u8> {
    format!("{NAME}{label}\n").into_bytes()
}

fn push(state: &mut Vec<u8>, key: &[u8], count: u64) {
    // A key is a part of a record, and records are shorter than 4 GiB.
    state.extend_from_slice(&(key.len() as u32).to_le_bytes());
    state.extend_from_slice(key);
    state.extend_from_slice(&count.to_le_bytes());
}

fn damaged() -> String {
    "the state is damaged".to_owned()
}

/// The keys of a state, in order.
struct Entries<'a>(&'a [u8]);

impl<'a> Entries<'a> {
    fn of(label: &str, state: &'a [u8]) -> Result<Entries<'a>, String> {
        match state.strip_prefix(&header(label)[..]) {
            Some(entries) => Ok(Entries(entries)),
            None if state.starts_with(NAME.as_bytes()) => {
                Err("a state was counted by something else than the parameter `by` says".into())
            }
            None => Err("a state is not one of count-by".into()),
        }
    }

    fn next(&mut self) -> Result<Option<(&'a [u8], u64)>, String> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let (length, rest) = self.0.split_first_chunk().ok_or_else(damaged)?;
        let (key, rest) =
            rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(damaged)?;
        let (count, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        self.0 = rest;
        Ok(Some((key, u64::from_le_bytes(*count))))
    }
}
