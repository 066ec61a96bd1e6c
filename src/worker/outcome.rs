//! What came out for the record of a dead letter: one line, with the position at which the
//! record stood.

use serde::Serialize;

use crate::dead_letter::DeadLetter;
use crate::records::{Format, is_one_value, push_string, write_compact};

use super::output::NotWritten;

/// A line in the making.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    line: String,
    /// Where what came out begins.
    start: usize,
}

/// Where a record stood.
#[derive(Serialize)]
struct Position<'a> {
    file: &'a str,
    record: Option<u64>,
    offset: u64,
    length: u64,
}

/// The beginning of the line for a letter's record.
pub(super) fn position(letter: &DeadLetter) -> Result<String, serde_json::Error> {
    let DeadLetter { file, record, offset, length, .. } = letter;
    let position = Position { file, record: *record, offset: *offset, length: *length };
    let mut text = serde_json::to_string(&position)?;
    text.pop();
    text.push_str(",\"result\":[");
    Ok(text)
}

impl Outcome {
    /// Begins a line like this.
    pub fn begin(&mut self, position: &str) {
        self.line.clear();
        self.line.push_str(position);
        self.start = self.line.len();
    }

    /// Adds something that came out for a record of this format: JSON as it is, anything
    /// else as a string. No more than so many bytes may come out.
    pub fn push(&mut self, text: &str, format: Format, limit: usize) -> Result<(), NotWritten> {
        if self.line.len() - self.start + text.len() > limit {
            return Err(NotWritten::TooMuch);
        }
        if self.line.len() > self.start {
            self.line.push(',');
        }
        if format == Format::Lines || !is_one_value(text) {
            push_string(&mut self.line, text);
            return Ok(());
        }
        let mut compact = vec![0; text.len()];
        // It cannot become longer, and what there is between strings is ASCII.
        let length = write_compact(text.as_bytes(), &mut compact).unwrap_or(0);
        compact.truncate(length);
        self.line.push_str(&String::from_utf8_lossy(&compact));
        Ok(())
    }

    /// Ends the line and gives it.
    pub fn end(&mut self) -> &[u8] {
        self.line.push_str("]}");
        self.line.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_stays_json_and_all_else_becomes_a_string() {
        let mut outcome = Outcome::default();
        outcome.begin("{\"result\":[");
        outcome.push("{ \"a\": [1,\n2] }", Format::Ndjson, 100).unwrap();
        outcome.push("no \"json\"", Format::Csv, 100).unwrap();
        outcome.push("1", Format::Lines, 100).unwrap();
        assert_eq!(outcome.end(), br#"{"result":[{"a":[1,2]},"no \"json\"","1"]}"#);
        outcome.begin("{\"result\":[");
        assert_eq!(outcome.end(), br#"{"result":[]}"#);
        outcome.begin("");
        assert_eq!(outcome.push("12345", Format::Ndjson, 4), Err(NotWritten::TooMuch));
    }
}
