//! What a worker knows of rows: how those of the input are read, and what those of the
//! output look like.

use crate::dead_letter::DeadLetter;
use crate::protocol::Framing;
use crate::records::Format;
use crate::records::csv::{Delimiter, Header, NoRow, Others, RowReader, RowWriter};

use super::attempt::Broken;
use super::outcome;
use super::output::Seen;

/// The rows that a worker reads and writes.
#[derive(Debug)]
pub(super) struct Rows {
    /// Columns of the output that the user has named.
    columns: Option<Vec<String>>,
    /// The format, the output's framing and the header that were learned last.
    learned: Option<(Format, Framing, Vec<u8>)>,
    /// Reads the input's rows, if it has rows.
    pub reader: Option<RowReader>,
    pub out: RowsOut,
    pub shown: Shown,
}

/// What plugins see of a record that is not what it is in the input.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// The JSON text of a row, or the record in a letter.
    pub text: String,
    /// Where a letter's record stood.
    pub position: String,
}

/// How rows are written.
#[derive(Debug)]
pub(super) struct RowsOut {
    writer: Option<RowWriter>,
    /// The places in the input's rows of the columns that the user has named.
    picked: Option<Vec<usize>>,
    /// A record in the making.
    pub made: String,
}

impl Rows {
    /// `columns` are those of the output that the user has named.
    pub fn new(framing: Framing, columns: Option<Vec<String>>) -> Rows {
        let writer = delimiter_of(framing);
        let writer = writer.map(|delimiter| RowWriter::new(delimiter, columns.as_deref()));
        let out = RowsOut { writer, picked: None, made: String::new() };
        Rows { columns, learned: None, reader: None, out, shown: Shown::default() }
    }

    /// Learns how the input of a range is laid out, and what comes of it. Mostly it is that
    /// of the one before.
    pub fn learn(
        &mut self,
        (format, framing): (Format, Framing),
        header: &[u8],
    ) -> Result<(), Broken> {
        let is_known = |(known, to, row): &(Format, Framing, Vec<u8>)| {
            (*known, *to) == (format, framing) && row == header
        };
        if self.learned.as_ref().is_some_and(is_known) {
            return Ok(());
        }
        self.learned = Some((format, framing, header.to_vec()));
        let delimiter = format.delimiter();
        let header = match delimiter {
            Some(delimiter) if !header.is_empty() => Some(
                Header::parse(header, delimiter)
                    .map_err(|_| Broken::internal("a header is none"))?,
            ),
            _ => None,
        };
        let header = header.as_ref();
        self.reader = delimiter.map(|delimiter| RowReader::new(delimiter, header));
        self.out.picked = None;
        self.out.writer = None;
        let Some(to) = delimiter_of(framing) else { return Ok(()) };
        // Where the user has named none, all headers are the same.
        let names = self.columns.as_deref().or(header.map(Header::names));
        let writer = RowWriter::new(to, names);
        if let (Some(header), Some(_)) = (header, &self.columns) {
            self.out.picked = writer.places_in(header);
        }
        self.out.writer = Some(writer);
        Ok(())
    }
}

impl Shown {
    /// The record in a letter, as plugins saw it the first time. The error is what makes it
    /// malformed.
    pub fn take_out(&mut self, letter: &str) -> Result<Seen<'_>, String> {
        let letter: DeadLetter =
            serde_json::from_str(letter).map_err(|bad| format!("it is no dead letter: {bad}"))?;
        let format = letter.format().ok_or("it is a dead letter of an unknown format")?;
        self.position = outcome::position(&letter).map_err(|bad| bad.to_string())?;
        let record = match (&letter.text, &letter.base64) {
            (Some(text), _) => text,
            (None, Some(_)) => return Err("it is not UTF-8 text".into()),
            (None, None) => {
                return Err("the letter is without the record, which was too long".into());
            }
        };
        self.text.clear();
        match format.delimiter() {
            None => self.text.push_str(record),
            Some(delimiter) => {
                let header = letter.header.as_ref();
                let header = header.map(|row| Header::parse(row.as_bytes(), delimiter));
                let header = header.transpose().map_err(|bad| format!("its header {bad}"))?;
                let reader = RowReader::new(delimiter, header.as_ref());
                reader.read(record, &mut self.text).map_err(|bad| bad.to_string())?;
            }
        }
        let (text, position) = (self.text.as_str(), self.position.as_str());
        Ok(Seen { record: text, text, format, position })
    }
}

/// Takes bytes for a dead letter: what is taken out of it is the record that it holds.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut shown = Shown::default();
    if let Ok(seen) = shown.take_out(text) {
        let position = format!("{}]}}", seen.position);
        assert!(serde_json::from_str::<serde_json::Value>(&position).is_ok(), "{position}");
    }
}

/// The delimiter of an output that is rows.
fn delimiter_of(framing: Framing) -> Option<Delimiter> {
    match framing {
        Framing::Rows(delimiter) => Some(delimiter),
        Framing::Lines | Framing::Values | Framing::Elements | Framing::Text => None,
    }
}

impl RowsOut {
    /// Makes a row of what has come as a record and goes as it came.
    pub fn convert(&mut self, seen: &Seen<'_>) -> Result<&str, NoRow> {
        let RowsOut { writer, picked, made } = self;
        let writer = writer.as_ref().ok_or(NoRow::NoFields)?;
        match seen.format.delimiter() {
            Some(from) => writer.rewrite((seen.record, from), picked.as_deref(), made)?,
            None => writer.write(seen.record, Others::LeftOut, made)?,
        }
        Ok(made)
    }

    /// Makes a row of what a plugin has made.
    pub fn make(&mut self, text: &str) -> Result<&str, NoRow> {
        let writer = self.writer.as_ref().ok_or(NoRow::NoFields)?;
        writer.write(text, Others::Refused, &mut self.made)?;
        Ok(&self.made)
    }

    /// Whether a row of this input is one of the output as it is.
    pub fn stays(&self, from: Option<Delimiter>, to: Delimiter) -> bool {
        from == Some(to) && self.picked.is_none()
    }
}
