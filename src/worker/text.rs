//! The text area of a slot: failures and lines of log, one entry after the other.

use crate::protocol::{Entry, Logged, Place, TEXT_OF_RECORD};
use crate::runtime::Guest;

/// Appends entries to the text area.
pub(super) struct Text<'a> {
    area: &'a mut [u8],
    written: usize,
    /// Up to here a record may be begun.
    limit: usize,
}

impl<'a> Text<'a> {
    /// So many bytes are kept for what is written at the end.
    pub fn new(area: &'a mut [u8], kept: usize) -> Self {
        let limit = area.len().saturating_sub(TEXT_OF_RECORD + kept);
        Text { area, written: 0, limit }
    }

    pub fn bytes(&self) -> u32 {
        // The area is far smaller than 4 GiB.
        self.written as u32
    }

    /// Whether everything that one record can cause to be written fits.
    pub fn has_room_for_a_record(&self) -> bool {
        self.written <= self.limit
    }

    /// Appends an entry; the caller has checked that there is room for a record.
    pub fn write(&mut self, entry: &Entry) {
        match postcard::to_slice(entry, &mut self.area[self.written..]) {
            Ok(written) => self.written += written.len(),
            Err(error) => unreachable!("an entry is larger than its cap: {error}"),
        }
    }

    /// Moves what the plugin logged here; `record` is the one that it logged it of.
    pub fn write_log(&mut self, guest: &mut Guest, record: Option<Place>) {
        let (lines, cut) = guest.take_log();
        for (level, text) in lines {
            self.write(&Entry::Log(Logged { record, level, text }));
        }
        if cut > 0 {
            self.write(&Entry::LogCut { lines: cut });
        }
    }
}
