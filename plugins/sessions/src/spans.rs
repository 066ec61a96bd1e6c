//! The state: for each key its sessions, sorted by time, with more than the gap between
//! each two. What is known of a session is when it starts and ends and how many records it
//! has: that is enough to join it with whatever comes later, wherever the input was cut and
//! in whatever order the times are, because records belong together where a chain of pauses
//! within the gap leads from one to the other, and so do sessions.
//!
//! For each key there is its text and the number of its sessions, and for each session
//! both ends (nanoseconds in 16 bytes, and the text) and the number of records.

use std::collections::BTreeMap;

use crate::state::{Reader, Writer};
use crate::time;

const LAYOUT: &str = "sessions 1";

/// A session.
pub struct Span {
    start: End,
    end: End,
    count: u64,
}

/// Where a session starts or ends.
#[derive(Clone)]
struct End {
    /// Nanoseconds since the beginning of 1970.
    at: i128,
    /// As it was written in the record.
    written: String,
}

/// The sessions of one key.
#[derive(Default)]
pub struct Spans(Vec<Span>);

impl Span {
    /// A session of one record.
    pub fn of(at: i128, written: &str) -> Span {
        let end = End { at, written: written.to_owned() };
        Span { start: end.clone(), end, count: 1 }
    }

    /// Takes one in that stands behind it in the input.
    fn join(&mut self, later: Span) {
        // Of two times that are one it is the first that stands in the input.
        if later.start.at < self.start.at {
            self.start = later.start;
        }
        if later.end.at > self.end.at {
            self.end = later.end;
        }
        self.count += later.count;
    }
}

impl Spans {
    /// Adds a session that stands behind all others in the input, though not in time.
    pub fn add(&mut self, span: Span, gap: i128) {
        // Those that are too early, and behind them those that are not too late, are joined.
        let first = self.0.partition_point(|other| other.end.at + gap < span.start.at);
        let behind = self.0[first..].partition_point(|other| other.start.at - gap <= span.end.at);
        let touched = self.0.drain(first..first + behind);
        let joined = touched.reduce(|mut one, next| {
            one.join(next);
            one
        });
        let joined = match joined {
            None => span,
            Some(mut joined) => {
                joined.join(span);
                joined
            }
        };
        self.0.insert(first, joined);
    }

    /// Adds what stands behind it in the input.
    pub fn merge(&mut self, later: Spans, gap: i128) {
        for span in later.0 {
            self.add(span, gap);
        }
    }

    /// A record for each session.
    pub fn records<'a>(&'a self, key: &'a str) -> impl Iterator<Item = String> + 'a {
        self.0.iter().map(move |Span { start, end, count }| {
            format!(
                "{{{key},\"start\":{},\"end\":{},\"seconds\":{},\"count\":{count}}}",
                start.written,
                end.written,
                time::seconds(end.at - start.at)
            )
        })
    }
}

/// Writes a state.
pub fn encode(label: &str, by_key: &BTreeMap<String, Spans>) -> Vec<u8> {
    let mut state = Writer::new(LAYOUT, label);
    for (key, Spans(spans)) in by_key {
        state.bytes(key.as_bytes());
        state.u64(spans.len() as u64);
        for Span { start, end, count } in spans {
            for end in [start, end] {
                state.i128(end.at);
                state.bytes(end.written.as_bytes());
            }
            state.u64(*count);
        }
    }
    state.finish()
}

/// # Errors
/// It is no state of these parameters.
pub fn decode(label: &str, state: &[u8]) -> Result<BTreeMap<String, Spans>, String> {
    let mut state = Reader::new(LAYOUT, label, state)?;
    let mut by_key = BTreeMap::new();
    while !state.is_empty() {
        let key = state.text()?.to_owned();
        let mut spans = Vec::new();
        for _ in 0..state.u64()? {
            let (start, end) = (read_end(&mut state)?, read_end(&mut state)?);
            spans.push(Span { start, end, count: state.u64()? });
        }
        by_key.insert(key, Spans(spans));
    }
    Ok(by_key)
}

fn read_end(state: &mut Reader) -> Result<End, String> {
    Ok(End { at: state.i128()?, written: state.text()?.to_owned() })
}
