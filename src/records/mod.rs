//! What a record is: finding records in bytes, format by format. No I/O and no
//! threads live here; the supervisor (to cut ranges) and the worker (to find the
//! records of its range) both call the same splitters, so they cannot disagree.

mod block;
mod compact;
pub(crate) mod csv;
mod elements;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod json;
mod lines;
mod pointer;
#[cfg(test)]
pub(crate) mod properties;
mod reader;
mod seek;
mod string;

use serde::{Deserialize, Serialize};

pub(crate) use compact::{is_one_value, write_compact};
use csv::{CsvSplitter, Delimiter};
pub(crate) use elements::ElementsSplitter;
pub(crate) use json::JsonSplitter;
pub(crate) use lines::{BlankLines, LinesSplitter};
pub use pointer::Pointer;
pub(crate) use reader::{CHUNK, Item, RangeReader, ReadFailed, Record};
pub(crate) use seek::{Seek, Seeker};
pub(crate) use string::push_string;

/// The three bytes of a UTF-8 byte order mark, dropped where an input begins.
pub(crate) const BOM: &[u8] = b"\xEF\xBB\xBF";

/// How the records of one input, or of the output, are laid out.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Format {
    /// JSON lines: a record is a line; what is in it is the plugin's business.
    Ndjson,
    /// JSON values one after another, separated by white space as jq reads them.
    JsonSequence,
    /// One JSON array; its elements are the records.
    JsonArray,
    /// Lines of text, blank ones too: a record is a line.
    Lines,
    /// Rows of fields with commas between them.
    Csv,
    /// Rows of fields with tabs between them.
    Tsv,
    /// Dead letters, one on each line: the record is inside.
    DeadLetters,
}

impl Format {
    /// What stands between the fields of a row, if records are rows.
    pub(crate) fn delimiter(self) -> Option<Delimiter> {
        match self {
            Format::Csv => Some(Delimiter::Comma),
            Format::Tsv => Some(Delimiter::Tab),
            Format::Ndjson
            | Format::JsonSequence
            | Format::JsonArray
            | Format::Lines
            | Format::DeadLetters => None,
        }
    }

    /// Where a range may begin behind a record that ends at `end`; nothing is known of
    /// what stands behind `known`.
    pub(crate) fn behind(self, end: u64, known: u64) -> u64 {
        match self {
            // The newline would be a blank line, which is a record there.
            Format::Lines => known.min(end + 1),
            _ => end,
        }
    }
}

/// What a splitter found next. Offsets are bytes from the start of the input.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// A record from its first byte to the one after its last.
    Record { start: u64, end: u64 },
    /// No whole record in what was shown. Show it again from `keep` on, together
    /// with what follows, to get the record's bytes; from `seen` on, to get at
    /// least its end.
    More { keep: u64, seen: u64 },
    /// Nothing but separators is left.
    End,
    /// The structure is broken here: there is no next record.
    Fault(Fault),
}

/// A structural fault of a JSON text or of rows. See [`Format`]; lines have none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct Fault {
    /// The byte that cannot stand where it stands.
    pub at: u64,
    /// What is wrong with it, as a sentence fragment.
    pub what: String,
}

/// A splitter for any [`Format`]; remembers where it is between calls.
#[derive(Clone, Debug)]
pub(crate) enum Splitter {
    Lines(LinesSplitter),
    Json(JsonSplitter),
    Csv(CsvSplitter),
    /// An array inside a text, followed to the text's end.
    Elements(Box<ElementsSplitter>),
}

impl Splitter {
    /// A splitter for the records from `start` on, which must be where a range of
    /// this format may start: a record boundary.
    pub fn for_range(format: Format, start: u64) -> Splitter {
        match format {
            Format::Ndjson | Format::DeadLetters => {
                Splitter::Lines(LinesSplitter::new(start, BlankLines::Vanish))
            }
            Format::Lines => Splitter::Lines(LinesSplitter::new(start, BlankLines::Count)),
            Format::JsonSequence => Splitter::Json(JsonSplitter::sequence(start)),
            Format::JsonArray => Splitter::Json(JsonSplitter::inside_array(start)),
            Format::Csv => Splitter::Csv(CsvSplitter::new(Delimiter::Comma, start)),
            Format::Tsv => Splitter::Csv(CsvSplitter::new(Delimiter::Tab, start)),
        }
    }

    /// The next record in `bytes`, whose first byte stands at offset `base` of
    /// the input; `last` says that nothing follows them.
    // As for `Piece::next`.
    #[inline(always)]
    pub fn next(&mut self, base: u64, bytes: &[u8], last: bool) -> Step {
        match self {
            Splitter::Lines(splitter) => splitter.next(base, bytes, last),
            Splitter::Json(splitter) => splitter.next(base, bytes, last),
            Splitter::Csv(splitter) => splitter.next(base, bytes, last),
            Splitter::Elements(splitter) => splitter.next(base, bytes, last),
        }
    }
}
