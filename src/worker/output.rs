//! The output area of a slot, filled record by record.

use crate::fault;
use crate::protocol::Framing;
use crate::records::csv::NoRow;
use crate::records::{Format, is_one_value, push_string, write_compact};

use super::outcome::Outcome;
use super::rows::RowsOut;

/// Why a record was not written.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum NotWritten {
    /// There is no room for it here; a fresh slot may have it.
    #[error("it is more than --max-output allows")]
    Full,
    /// The input's record is not what the output's format can hold.
    #[error("{0}")]
    Malformed(&'static str),
    /// What the plugin made is no record of the output's format.
    #[error("{0}")]
    NoRecord(&'static str),
    /// What the plugin made, or a record that was let through, is no row of the output.
    #[error("{0}")]
    NoRow(NoRow),
    /// More was made of one record than is allowed.
    #[error("it is more than --max-output allows")]
    TooMuch,
}

/// A record as it stands in the input, and as plugins see it.
#[derive(Copy, Clone, Debug)]
pub(super) struct Seen<'a> {
    pub record: &'a str,
    /// The same but for a row, of which plugins see JSON.
    pub text: &'a str,
    /// Of the record, where it came in a letter: that of the input that it stood in.
    pub format: Format,
    /// Where the record of a letter stood, as the beginning of what is written of it.
    pub position: &'a str,
}

/// Writes records to the output area in the output's framing.
pub(super) struct Output<'a> {
    area: &'a mut [u8],
    framing: Framing,
    rows: &'a mut RowsOut,
    written: usize,
    records: u64,
    /// `written` and `records` when the record in progress began.
    before: (usize, u64),
    /// What may be made of one record, in bytes.
    limit: usize,
    /// What may be made of the record, or the records, in progress.
    most: usize,
    /// What came out for a letter's record so far.
    outcome: Option<Outcome>,
}

impl<'a> Output<'a> {
    /// `limit` is what may be made of one record, in bytes.
    pub fn new(area: &'a mut [u8], framing: Framing, rows: &'a mut RowsOut, limit: u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Output {
            area,
            framing,
            rows,
            written: 0,
            records: 0,
            before: (0, 0),
            limit,
            most: limit,
            outcome: None,
        }
    }

    /// The same where records come in letters: what comes out of each is one line, with
    /// the record's position.
    pub fn of_letters(self) -> Self {
        Output { outcome: Some(Outcome::default()), ..self }
    }

    /// Notes that another record begins; `position` is that of a letter's record.
    pub fn begin(&mut self, position: &str) {
        self.begin_many(1, position);
    }

    /// Notes that so many records begin, of which something is made together.
    pub fn begin_many(&mut self, records: usize, position: &str) {
        self.before = (self.written, self.records);
        self.most = self.limit.saturating_mul(records);
        if let Some(outcome) = &mut self.outcome {
            outcome.begin(position);
        }
    }

    /// Notes that everything has come out of a record. Of a letter's it is written now.
    pub fn end_record(&mut self) -> Result<(), NotWritten> {
        let Some(outcome) = &mut self.outcome else { return Ok(()) };
        let length = copy(outcome.end(), &mut self.area[self.written..])?;
        self.end(length)
    }

    /// Takes back what was written of the record in progress.
    pub fn take_back(&mut self) {
        (self.written, self.records) = self.before;
    }

    /// What may be made of the records in progress, in bytes: what is allowed, and no more
    /// than there could ever be room for.
    pub fn limit(&self) -> usize {
        self.most.min(self.area.len())
    }

    /// The whole area, for what is no records.
    pub fn area(&mut self) -> &mut [u8] {
        self.area
    }

    /// Moves what was written to the end of `to` and begins anew.
    pub fn move_to(&mut self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.area[..self.written]);
        (self.written, self.records, self.before) = (0, 0, (0, 0));
    }

    pub fn bytes(&self) -> u64 {
        self.written as u64
    }

    pub fn records(&self) -> u64 {
        self.records
    }

    /// Whether a record of this length surely fits.
    pub fn has_room_for(&self, length: usize) -> bool {
        self.area.len() - self.written >= length + self.framing.terminator().len()
    }

    /// Appends a record as it came.
    pub fn write(&mut self, seen: &Seen<'_>) -> Result<(), NotWritten> {
        if let Some(outcome) = &mut self.outcome {
            return outcome.push(seen.text, seen.format, usize::MAX);
        }
        let room = &mut self.area[self.written..];
        let record = seen.record.as_bytes();
        if seen.format == Format::Ndjson
            && matches!(self.framing, Framing::Values | Framing::Elements | Framing::Text)
            && !is_one_value(seen.record)
        {
            return Err(NotWritten::Malformed("the line is not one JSON value"));
        }
        let length = match (seen.format, self.framing) {
            (Format::JsonArray | Format::JsonSequence, Framing::Lines | Framing::Text)
            | (Format::Ndjson, Framing::Text) => write_as_line(record, room)?,
            (Format::Lines, Framing::Lines | Framing::Values | Framing::Elements) => {
                self.rows.made.clear();
                push_string(&mut self.rows.made, seen.record);
                copy(self.rows.made.as_bytes(), room)?
            }
            (Format::Csv | Format::Tsv, Framing::Lines | Framing::Values | Framing::Elements) => {
                copy(seen.text.as_bytes(), room)?
            }
            (Format::Csv | Format::Tsv, Framing::Text)
                if memchr::memchr2(b'\n', b'\r', record).is_some() =>
            {
                return Err(NotWritten::Malformed(
                    "a field of it has a line break, so it cannot be one line",
                ));
            }
            (from, Framing::Rows(to)) if !self.rows.stays(from.delimiter(), to) => {
                let row = self.rows.convert(seen).map_err(|why| match why {
                    NoRow::NotJson => NotWritten::Malformed("it is not one JSON value"),
                    why => NotWritten::NoRow(why),
                })?;
                copy(row.as_bytes(), room)?
            }
            _ => copy(record, room)?,
        };
        self.end(length)
    }

    /// Appends what a plugin has made of a record that came from an input of format
    /// `from`. It has to be one record, so that no plugin can forge a second.
    pub fn write_made(&mut self, text: &str, from: Format) -> Result<(), NotWritten> {
        if let Some(outcome) = &mut self.outcome {
            return outcome.push(text, from, self.limit);
        }
        let bytes = text.as_bytes();
        if self.written - self.before.0 + bytes.len() > self.most {
            return Err(NotWritten::TooMuch);
        }
        let is_json = match self.framing {
            Framing::Lines => from != Format::Ndjson,
            Framing::Values | Framing::Elements => true,
            // Of any text a line is made, and of what a row is made of its writer knows more.
            Framing::Text | Framing::Rows(_) => false,
        };
        if is_json && !is_one_value(text) {
            return Err(NotWritten::NoRecord("it is not one JSON value"));
        }
        let room = &mut self.area[self.written..];
        let length = match self.framing {
            Framing::Lines if is_json => write_compact(bytes, room).ok_or(NotWritten::Full)?,
            Framing::Rows(_) => {
                copy(self.rows.make(text).map_err(NotWritten::NoRow)?.as_bytes(), room)?
            }
            _ => copy(bytes, room)?,
        };
        if matches!(self.framing, Framing::Lines | Framing::Text) {
            if memchr::memchr(b'\n', &room[..length]).is_some() {
                return Err(NotWritten::NoRecord("it has a line break, and a record is a line"));
            }
            if self.framing == Framing::Lines && room[..length].trim_ascii().is_empty() {
                return Err(NotWritten::NoRecord("it is blank, and blank lines are no records"));
            }
        }
        self.end(length)
    }

    /// Ends a record of this length.
    fn end(&mut self, length: usize) -> Result<(), NotWritten> {
        fault::pass("before-output");
        let terminator = self.framing.terminator();
        copy(terminator, &mut self.area[self.written + length..])?;
        self.written += length + terminator.len();
        self.records += 1;
        fault::pass("after-output");
        Ok(())
    }
}

/// Writes a JSON value as one line, and gives its length.
pub(super) fn write_as_line(value: &[u8], room: &mut [u8]) -> Result<usize, NotWritten> {
    let length = write_compact(value, room).ok_or(NotWritten::Full)?;
    match memchr::memchr(b'\n', &room[..length]) {
        None => Ok(length),
        Some(_) => Err(NotWritten::Malformed(
            "a string in it has a raw line break, so it cannot be one line",
        )),
    }
}

fn copy(bytes: &[u8], room: &mut [u8]) -> Result<usize, NotWritten> {
    room.get_mut(..bytes.len()).ok_or(NotWritten::Full)?.copy_from_slice(bytes);
    Ok(bytes.len())
}
