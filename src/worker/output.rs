//! The output area of a slot, filled record by record.

use crate::protocol::Framing;
use crate::records::{Format, is_one_value, write_compact};

/// Why a record was not written.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum NotWritten {
    /// There is no room for it here; a fresh slot may have it.
    Full,
    /// It is not what the output's format can hold.
    Malformed(&'static str),
}

/// Writes records to the output area in the output's framing.
pub(super) struct Output<'a> {
    area: &'a mut [u8],
    framing: Framing,
    written: usize,
    records: u64,
}

impl<'a> Output<'a> {
    pub fn new(area: &'a mut [u8], framing: Framing) -> Self {
        Output { area, framing, written: 0, records: 0 }
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

    /// Appends a record that came from an input of format `from`.
    pub fn write(&mut self, record: &[u8], from: Format) -> Result<(), NotWritten> {
        let room = &mut self.area[self.written..];
        let length = match (from, self.framing) {
            (Format::JsonArray | Format::JsonSequence, Framing::Lines) => {
                let length = write_compact(record, room).ok_or(NotWritten::Full)?;
                if memchr::memchr(b'\n', &room[..length]).is_some() {
                    return Err(NotWritten::Malformed(
                        "a string in it has a raw line break, so it cannot be one line",
                    ));
                }
                length
            }
            (Format::Ndjson, Framing::Values | Framing::Elements) => {
                if !is_one_value(record) {
                    return Err(NotWritten::Malformed("the line is not one JSON value"));
                }
                copy(record, room)?
            }
            _ => copy(record, room)?,
        };
        let terminator = self.framing.terminator();
        copy(terminator, &mut room[length..])?;
        self.written += length + terminator.len();
        self.records += 1;
        Ok(())
    }
}

fn copy(bytes: &[u8], room: &mut [u8]) -> Result<usize, NotWritten> {
    room.get_mut(..bytes.len()).ok_or(NotWritten::Full)?.copy_from_slice(bytes);
    Ok(bytes.len())
}
