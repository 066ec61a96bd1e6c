//! Splitting rows, without looking at more of a field than whether it is quoted.

use super::Delimiter;
use super::block::{Block, Place};
use crate::records::{Fault, Step};

/// Finds one row after the other. All offsets count from the input's start.
#[derive(Clone, Debug)]
pub(crate) struct CsvSplitter {
    delimiter: u8,
    /// The next byte to look at.
    at: u64,
    /// The first byte of the row in progress.
    row: Option<u64>,
    place: Place,
    /// Where the quoted field in progress begins.
    opened: u64,
}

impl CsvSplitter {
    /// Rows from `start` on, which must be where a row begins or where one ends.
    pub fn new(delimiter: Delimiter, start: u64) -> Self {
        let delimiter = delimiter.byte();
        CsvSplitter { delimiter, at: start, row: None, place: Place::FieldStart, opened: start }
    }

    pub fn next(&mut self, base: u64, bytes: &[u8], last: bool) -> Step {
        let shown = base + bytes.len() as u64;
        let Some(start) = self.row.or_else(|| self.begin_row(base, bytes)) else {
            return if last { Step::End } else { Step::More { keep: shown, seen: shown } };
        };
        if self.finish_row(base, bytes) {
            self.row = None;
            return Step::Record { start, end: self.at };
        }
        match self.place {
            _ if !last => Step::More { keep: start, seen: shown },
            Place::Inside => {
                let what = "this quoted field is never closed".into();
                Step::Fault(Fault { at: self.opened, what })
            }
            _ => {
                self.row = None;
                Step::Record { start, end: shown }
            }
        }
    }

    /// Passes the ends of rows. Gives where the next row begins, if it is shown.
    fn begin_row(&mut self, base: u64, bytes: &[u8]) -> Option<u64> {
        let rest = &bytes[(self.at - base) as usize..];
        // The second byte of a row end of two ends a row without bytes, which is none.
        let ends = rest.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
        self.at += ends as u64;
        self.place = Place::FieldStart;
        self.row = (ends < rest.len()).then_some(self.at);
        self.row
    }

    /// Follows the row in progress. True at its end, false when the bytes end.
    fn finish_row(&mut self, base: u64, bytes: &[u8]) -> bool {
        loop {
            let rest = &bytes[(self.at - base) as usize..];
            if rest.is_empty() {
                return false;
            }
            let block = Block::of(rest, self.place, self.delimiter);
            if block.ends != 0 {
                self.at += u64::from(block.ends.trailing_zeros());
                return true;
            }
            if let Some(place) = block.opening.checked_ilog2() {
                self.opened = self.at + u64::from(place);
            }
            self.at += block.length as u64;
            self.place = block.after;
        }
    }
}

/// How many rows these bytes are. None if they are not rows that each have bytes and end
/// with a newline: then what is written behind them might become part of them.
pub(crate) fn count_rows(bytes: &[u8], delimiter: Delimiter) -> Option<u64> {
    let mut splitter = CsvSplitter::new(delimiter, 0);
    let (mut count, mut next) = (0, 0);
    loop {
        match splitter.next(0, bytes, true) {
            Step::Record { start, end } => {
                let is_alone = start == next && bytes.get(end as usize) == Some(&b'\n');
                (count, next) = (count + 1, end + 1);
                if !is_alone {
                    return None;
                }
            }
            Step::End => return (next == bytes.len() as u64).then_some(count),
            Step::Fault(_) | Step::More { .. } => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Splitter;
    use crate::records::properties::{no_cut_matters, records_of};

    fn rows(text: &str) -> Result<Vec<&str>, Fault> {
        records_of(text, Splitter::Csv(CsvSplitter::new(Delimiter::Comma, 0)))
    }

    #[test]
    fn rows_end_in_three_ways_and_those_without_bytes_vanish() {
        assert_eq!(rows("a,b\n1,2\r\n\r\n3,4\r5,\n\n").unwrap(), ["a,b", "1,2", "3,4", "5,"]);
        assert_eq!(rows("\r\n,\n\"\"").unwrap(), [",", "\"\""]);
        assert_eq!(rows("").unwrap(), [""; 0]);
    }

    #[test]
    fn quoted_fields_hold_anything() {
        let text = "\"a\n,\"\"\r\n\"\"\",b\n\"\"\"\"\nc";
        assert_eq!(rows(text).unwrap(), ["\"a\n,\"\"\r\n\"\"\",b", "\"\"\"\"", "c"]);
    }

    #[test]
    fn a_quote_that_opens_nothing_is_text() {
        assert_eq!(rows("a\"b\nc\"\n\"d\"e\"\nf").unwrap(), ["a\"b", "c\"", "\"d\"e\"", "f"]);
    }

    #[test]
    fn a_field_that_is_never_closed_is_a_fault_where_it_begins() {
        assert_eq!(rows("a\nb,\"c\"\"\nd").unwrap_err().at, 4);
        assert_eq!(rows("\"").unwrap_err().at, 0);
    }

    #[test]
    fn rows_are_counted_only_where_each_stands_for_itself() {
        let count = |text: &str| count_rows(text.as_bytes(), Delimiter::Comma);
        assert_eq!(count(""), Some(0));
        assert_eq!(count("a,b\n\"\n\"\n"), Some(2));
        for text in ["a", "\n", "a\n\n", "a\rb\n", "a\r\n", "a\n\"\n", "\"a\"\"\n"] {
            assert_eq!(count(text), None, "{text:?}");
        }
    }

    #[test]
    fn every_way_of_cutting_the_bytes_gives_the_same_rows() {
        let text = "a,\"b\"\"\n\"\r\n\r\n\"\",x\"y\r,\"z\"";
        let whole = rows(text).unwrap();
        no_cut_matters(text, &whole, || Splitter::Csv(CsvSplitter::new(Delimiter::Comma, 0)));
    }
}
