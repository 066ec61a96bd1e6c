//! The header: the first row, which names the columns.

use std::collections::HashMap;

use super::fields::Fields;
use super::{BadRow, Delimiter};

/// The header of an input.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    row: String,
    names: Vec<String>,
}

/// What is wrong with a header, as what follows "its header" in a sentence. Columns count
/// from 1.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum BadHeader {
    #[error("is not UTF-8 text")]
    NotText,
    #[error("is no row: {0}")]
    Row(#[from] BadRow),
    #[error("names two columns `{name}`: number {first} and number {second}")]
    Twice { name: String, first: usize, second: usize },
    #[error("has no name for column {column} (only the first column may be without)")]
    NoName { column: usize },
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// It is no row of text, or its names do not tell its columns apart.
    pub fn parse(row: &[u8], delimiter: Delimiter) -> Result<Header, BadHeader> {
        let row = simdutf8::basic::from_utf8(row).map_err(|_| BadHeader::NotText)?;
        let names: Result<Vec<String>, BadRow> =
            Fields::of(row, delimiter).map(|field| Ok(field?.text().into_owned())).collect();
        let header = Header { row: row.to_owned(), names: names? };
        check_names(&header.names)?;
        Ok(header)
    }

    /// The row as it stands in the input.
    pub fn row(&self) -> &str {
        &self.row
    }

    /// The columns' names.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

/// Checks that names tell columns apart. The first may be empty: tables whose first column
/// is an index are often written so.
pub(crate) fn check_names(names: &[String]) -> Result<(), BadHeader> {
    let mut seen = HashMap::with_capacity(names.len());
    for (column, name) in (1..).zip(names) {
        if let Some(first) = seen.insert(name, column)
            && !name.is_empty()
        {
            return Err(BadHeader::Twice { name: name.clone(), first, second: column });
        }
        if name.is_empty() && column > 1 {
            return Err(BadHeader::NoName { column });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(row: &str) -> Result<Vec<String>, BadHeader> {
        Header::parse(row.as_bytes(), Delimiter::Comma).map(|header| header.names().to_vec())
    }

    #[test]
    fn names_are_fields() {
        assert_eq!(names("a,\"b,\"\"c\", d").unwrap(), ["a", "b,\"c", " d"]);
        assert_eq!(names(",a").unwrap(), ["", "a"]);
    }

    #[test]
    fn names_that_tell_no_columns_apart_are_refused() {
        let twice = BadHeader::Twice { name: "a".into(), first: 1, second: 3 };
        assert_eq!(names("a,b,\"a\""), Err(twice));
        assert_eq!(names("a,"), Err(BadHeader::NoName { column: 2 }));
        assert_eq!(names(",a,"), Err(BadHeader::NoName { column: 3 }));
        assert_eq!(names("\"a\"b"), Err(BadHeader::Row(BadRow::AfterQuote { field: 1 })));
        assert_eq!(Header::parse(b"\xff", Delimiter::Comma), Err(BadHeader::NotText));
    }
}
