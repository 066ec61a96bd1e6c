//! Reads the records of one range, from a file piece by piece or from memory,
//! with a bounded buffer however long a record is.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::{Fault, Format, Splitter, Step};

/// Bytes asked of a file at once: small enough to stay in a core's cache until the
/// plugin has seen them, large enough to make the calls cheap.
pub(crate) const CHUNK: usize = 256 << 10;

/// What a reader found next in its range. Offsets count from the input's start.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Item<'a> {
    /// One record and the offset of its first byte.
    Record { start: u64, bytes: &'a [u8] },
    /// A record longer than the limit; its bytes were not kept.
    TooLong { start: u64, end: u64 },
    /// The range has no further record.
    End,
    /// The structure is broken. A range that was cut from unchanged input has none.
    Fault(Fault),
}

/// A file that did not give the bytes of a range.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadFailed {
    /// The file ends before its range does: it was shortened meanwhile.
    #[error(
        "it ends at byte {at} now, and was longer when the job began; it must not change while it \
         is read"
    )]
    Short { at: u64 },
    /// The system's word for it.
    #[error("cannot read at byte {at}: {source}")]
    Io { at: u64, source: io::Error },
}

enum Source<'a> {
    /// Read on demand into a buffer that outlives the range.
    File {
        file: &'a File,
        buffer: &'a mut Vec<u8>,
    },
    Memory(&'a [u8]),
}

/// Gives the records of `[start, end)` one by one.
pub(crate) struct RangeReader<'a> {
    source: Source<'a>,
    splitter: Splitter,
    /// Offset of the first byte held.
    base: u64,
    end: u64,
    max_record: u64,
}

impl<'a> RangeReader<'a> {
    /// Reads from a file; `buffer` is only kept to save its allocation.
    pub fn from_file(
        file: &'a File,
        buffer: &'a mut Vec<u8>,
        format: Format,
        (start, end): (u64, u64),
        max_record: u64,
    ) -> Self {
        buffer.clear();
        RangeReader {
            source: Source::File { file, buffer },
            splitter: Splitter::for_range(format, start),
            base: start,
            end,
            max_record,
        }
    }

    /// Reads from memory: `bytes` are those from `start` to the range's end.
    pub fn from_memory(bytes: &'a [u8], format: Format, start: u64, max_record: u64) -> Self {
        RangeReader {
            source: Source::Memory(bytes),
            splitter: Splitter::for_range(format, start),
            base: start,
            end: start + bytes.len() as u64,
            max_record,
        }
    }

    /// The next record.
    pub fn next(&mut self) -> Result<Item<'_>, ReadFailed> {
        let (start, end) = loop {
            let held: &[u8] = match &self.source {
                Source::File { buffer, .. } => buffer,
                Source::Memory(bytes) => bytes,
            };
            let shown = self.base + held.len() as u64;
            match self.splitter.next(self.base, held, shown >= self.end) {
                Step::Record { start, end } if end - start > self.max_record => {
                    return Ok(Item::TooLong { start, end });
                }
                Step::Record { start, end } => break (start, end),
                Step::More { keep, seen } => {
                    let too_long = shown - keep > self.max_record;
                    self.read_on(if too_long { seen } else { keep })?;
                }
                Step::End => return Ok(Item::End),
                Step::Fault(fault) => return Ok(Item::Fault(fault)),
            }
        };
        let held: &[u8] = match &self.source {
            Source::File { buffer, .. } => buffer,
            Source::Memory(bytes) => bytes,
        };
        let bytes = &held[(start - self.base) as usize..(end - self.base) as usize];
        Ok(Item::Record { start, bytes })
    }

    /// Drops what stands before `keep` and reads what follows.
    fn read_on(&mut self, keep: u64) -> Result<(), ReadFailed> {
        let Source::File { file, buffer } = &mut self.source else {
            // Memory holds the whole range: a splitter never asks for more of it.
            return Err(ReadFailed::Short { at: self.end });
        };
        buffer.drain(..(keep - self.base) as usize);
        self.base = keep;
        let held = buffer.len();
        let at = keep + held as u64;
        let wanted = (self.end - at).min(CHUNK.max(held) as u64) as usize;
        buffer.resize(held + wanted, 0);
        let read = loop {
            match file.read_at(&mut buffer[held..], at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let read = read.map_err(|source| ReadFailed::Io { at, source })?;
        buffer.truncate(held + read);
        if read == 0 { Err(ReadFailed::Short { at }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn a_long_record_is_passed_over_without_being_held() {
        let mut text = b"{\"a\":1}\n\"".to_vec();
        text.resize(3 * CHUNK, b'x');
        text.extend(b"\\\"\" 7");
        let end = text.len() as u64;
        let file = file(&text);
        let mut buffer = Vec::new();
        let mut reader =
            RangeReader::from_file(&file, &mut buffer, Format::JsonSequence, (0, end), 1000);
        assert_eq!(reader.next().unwrap(), Item::Record { start: 0, bytes: b"{\"a\":1}" });
        assert_eq!(reader.next().unwrap(), Item::TooLong { start: 8, end: end - 2 });
        assert_eq!(reader.next().unwrap(), Item::Record { start: end - 1, bytes: b"7" });
        assert_eq!(reader.next().unwrap(), Item::End);
        assert!(buffer.capacity() < 3 * CHUNK);
    }

    #[test]
    fn a_file_that_shrank_is_noticed() {
        let file = file(b"one\ntwo");
        let mut buffer = Vec::new();
        let mut reader = RangeReader::from_file(&file, &mut buffer, Format::Ndjson, (0, 9), 1000);
        assert_eq!(reader.next().unwrap(), Item::Record { start: 0, bytes: b"one" });
        assert!(matches!(reader.next(), Err(ReadFailed::Short { at: 7 })));
    }
}
