//! CSV and TSV: rows of fields (RFC 4180). A row ends with a line feed, a carriage
//! return, or both, outside of quotes; its bytes leave that out. A row without any bytes
//! is no record. A quote opens a quoted field only where a field begins; anywhere else
//! outside of quotes it is a character like any other. TSV is the same with a tab for the
//! comma.

mod block;
mod fields;
mod header;
mod read;
mod splitter;
mod write;

#[cfg(test)]
mod properties;

pub(crate) use header::{Header, check_names};
pub(crate) use read::RowReader;
pub(crate) use splitter::{CsvSplitter, count_rows};
pub(crate) use write::{NoRow, Others, RowWriter, header_row};

use serde::{Deserialize, Serialize};

/// What stands between two fields.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Delimiter {
    Comma,
    Tab,
}

impl Delimiter {
    fn byte(self) -> u8 {
        match self {
            Delimiter::Comma => b',',
            Delimiter::Tab => b'\t',
        }
    }

    fn char(self) -> char {
        self.byte().into()
    }
}

/// What is wrong with a row. Fields count from 1.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum BadRow {
    #[error("there is text between the closing quote of its field {field} and the next delimiter")]
    AfterQuote { field: usize },
    #[error("the quotes of its field {field} are never closed")]
    NeverClosed { field: usize },
    #[error("the number of its fields is {has}, and that of the header is {wants}")]
    Count { has: usize, wants: usize },
}
