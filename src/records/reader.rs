//! Reads the records of one range, from a file piece by piece or from memory,
//! with a bounded buffer however long a record is.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::{Fault, Format, Splitter, Step};

/// Bytes asked of a file at once: small enough to stay in a core's cache until the
/// plugin has seen them, large enough to make the calls cheap.
pub(crate) const CHUNK: usize = 256 << 10;

/// The same for the first piece of a range: after a record that failed only one or two may be
/// wanted. Each piece may have twice the bytes of the one before.
const FIRST: usize = 16 << 10;

/// What a reader found next in its range. Offsets count from the input's start.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Item<'a> {
    Record(Record<'a>),
    /// A record longer than the limit; its bytes were not kept.
    TooLong {
        start: u64,
        end: u64,
    },
    /// The range has no further record.
    End,
    /// The structure is broken. A range that was cut from unchanged input has none.
    Fault(Fault),
}

/// A record in its range.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Record<'a> {
    /// The offset of its first byte.
    pub start: u64,
    pub bytes: &'a [u8],
    /// The same as text, where it is known already that it is UTF-8.
    pub text: Option<&'a str>,
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
    /// Read on demand into the front of a buffer that outlives the range.
    File { file: &'a File, buffer: &'a mut Vec<u8> },
    /// From where the first byte held stands.
    Memory(&'a [u8]),
}

/// Gives the records of `[start, end)`, piece by piece.
pub(crate) struct RangeReader<'a> {
    source: Source<'a>,
    splitter: Splitter,
    /// Offset of the first byte held.
    base: u64,
    /// Bytes held.
    held: usize,
    /// From which offset on the next piece has to hold what it holds.
    wanted: u64,
    /// Bytes to be asked for next.
    chunk: usize,
    end: u64,
    max_record: u64,
}

impl<'a> RangeReader<'a> {
    /// Reads from a file; `buffer` is only kept to save its allocation.
    pub fn from_file(
        file: &'a File,
        buffer: &'a mut Vec<u8>,
        format: Format,
        range: (u64, u64),
        max_record: u64,
    ) -> Self {
        Self::new(Source::File { file, buffer }, format, range, max_record)
    }

    /// Reads from memory: `bytes` are those from `start` to the range's end.
    pub fn from_memory(bytes: &'a [u8], format: Format, start: u64, max_record: u64) -> Self {
        let range = (start, start + bytes.len() as u64);
        Self::new(Source::Memory(bytes), format, range, max_record)
    }

    fn new(source: Source<'a>, format: Format, (start, end): (u64, u64), max_record: u64) -> Self {
        let splitter = Splitter::for_range(format, start);
        let (base, wanted, chunk) = (start, start, FIRST);
        RangeReader { source, splitter, base, held: 0, wanted, chunk, end, max_record }
    }

    /// The next piece of the range. Every piece but the last goes on until there is no
    /// further item in it, or the records behind it will not be found.
    pub fn piece(&mut self) -> Result<Piece<'_>, ReadFailed> {
        self.read_on()?;
        let RangeReader { source, splitter, base, held, wanted, end, max_record, .. } = self;
        let bytes: &[u8] = match source {
            Source::File { buffer, .. } => &buffer[..*held],
            Source::Memory(bytes) => &bytes[..*held],
        };
        let last = *base + *held as u64 >= *end;
        let text = text_of(bytes, last);
        Ok(Piece { splitter, wanted, base: *base, bytes, text, last, max_record: *max_record })
    }

    /// Drops what stands before `wanted` and takes in what follows.
    fn read_on(&mut self) -> Result<(), ReadFailed> {
        let gone = (self.wanted - self.base) as usize;
        self.base = self.wanted;
        let kept = self.held.saturating_sub(gone);
        let at = self.base + kept as u64;
        let more = self.end.saturating_sub(at).min(self.chunk.max(kept) as u64) as usize;
        self.chunk = CHUNK.min(2 * self.chunk);
        match &mut self.source {
            Source::Memory(bytes) => {
                // It holds the whole range.
                *bytes = bytes.get(gone..).unwrap_or_default();
                self.held = (kept + more).min(bytes.len());
                Ok(())
            }
            Source::File { file, buffer } => {
                buffer.copy_within(self.held - kept..self.held, 0);
                if buffer.len() < kept + more {
                    buffer.resize(kept + more, 0);
                }
                let read = loop {
                    match file.read_at(&mut buffer[kept..kept + more], at) {
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        other => break other,
                    }
                };
                let read = read.map_err(|source| ReadFailed::Io { at, source })?;
                self.held = kept + read;
                if read == 0 && more > 0 { Err(ReadFailed::Short { at }) } else { Ok(()) }
            }
        }
    }
}

/// Some bytes of a range, and the records that end in them.
pub(crate) struct Piece<'a> {
    splitter: &'a mut Splitter,
    wanted: &'a mut u64,
    /// Offset of the first byte.
    base: u64,
    bytes: &'a [u8],
    /// The same as text, but for a last character that is cut.
    text: Option<&'a str>,
    /// They go to the range's end.
    last: bool,
    max_record: u64,
}

impl<'a> Piece<'a> {
    /// The next item; nothing if it is for the next piece to tell.
    // Left to itself the compiler decides anew with every change elsewhere; a call would cost a
    // twentieth of the splitting.
    #[inline(always)]
    pub fn next(&mut self) -> Option<Item<'a>> {
        let Piece { base, bytes, .. } = *self;
        let shown = base + bytes.len() as u64;
        Some(match self.splitter.next(base, bytes, self.last) {
            Step::Record { start, end } if end - start > self.max_record => {
                Item::TooLong { start, end }
            }
            Step::Record { start, end } => {
                let place = (start - base) as usize..(end - base) as usize;
                let text = self.text.and_then(|text| text.get(place.clone()));
                Item::Record(Record { start, bytes: &bytes[place], text })
            }
            Step::More { keep, seen } => {
                let too_long = shown - keep > self.max_record;
                *self.wanted = if too_long { seen } else { keep };
                return None;
            }
            Step::End => Item::End,
            Step::Fault(fault) => Item::Fault(fault),
        })
    }
}

/// Bytes as text, if they are UTF-8; unless they are the last, their last character may be
/// cut, and is left out then.
fn text_of(bytes: &[u8], last: bool) -> Option<&str> {
    // A character has four bytes at most, and no byte but its first looks like a first one.
    let is_first = |byte: &u8| *byte & 0b1100_0000 != 0b1000_0000;
    let cut = bytes.iter().rev().take(4).position(is_first).map_or(0, |behind| behind + 1);
    let whole = if last { bytes } else { &bytes[..bytes.len() - cut.min(bytes.len())] };
    simdutf8::basic::from_utf8(whole).ok()
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

    /// Where a record begins, what it is, and whether it was known to be text; or where one
    /// that was too long begins and ends.
    type Found = Result<(u64, String, bool), (u64, u64)>;

    fn record(start: u64, text: &str, known: bool) -> Found {
        Ok((start, text.to_owned(), known))
    }

    /// Adds every record to what was found.
    fn read(reader: &mut RangeReader<'_>, found: &mut Vec<Found>) -> Result<(), ReadFailed> {
        loop {
            let mut piece = reader.piece()?;
            while let Some(item) = piece.next() {
                found.push(match item {
                    Item::Record(Record { start, bytes, text }) => {
                        assert!(text.is_none_or(|text| text.as_bytes() == bytes));
                        record(start, &String::from_utf8_lossy(bytes), text.is_some())
                    }
                    Item::TooLong { start, end } => Err((start, end)),
                    Item::End => return Ok(()),
                    Item::Fault(fault) => panic!("{fault}"),
                });
            }
        }
    }

    fn all(reader: &mut RangeReader<'_>) -> Vec<Found> {
        let mut found = Vec::new();
        read(reader, &mut found).unwrap();
        found
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
        let wanted = [record(0, "{\"a\":1}", true), Err((8, end - 2)), record(end - 1, "7", true)];
        assert_eq!(all(&mut reader), wanted);
        assert!(buffer.capacity() < 3 * CHUNK);
    }

    #[test]
    fn a_file_that_shrank_is_noticed() {
        let file = file(b"one\ntwo");
        let mut buffer = Vec::new();
        let mut reader = RangeReader::from_file(&file, &mut buffer, Format::Ndjson, (0, 9), 1000);
        let mut found = Vec::new();
        assert!(matches!(read(&mut reader, &mut found), Err(ReadFailed::Short { at: 7 })));
        assert_eq!(found, [record(0, "one", true)]);
    }

    #[test]
    fn records_are_the_same_from_a_file_and_from_memory_and_known_to_be_text() {
        let mut text = String::new();
        let mut wanted = Vec::new();
        for number in 0..60_000_u64 {
            let line = "äö€😀".repeat((number % 7) as usize) + &number.to_string();
            wanted.push(record(text.len() as u64, &line, true));
            text += &line;
            text.push('\n');
        }
        assert!(text.len() > 5 * CHUNK);
        let whole = (0, text.len() as u64);
        let (file, mut buffer) = (file(text.as_bytes()), Vec::new());
        let mut reader = RangeReader::from_file(&file, &mut buffer, Format::Lines, whole, 1000);
        assert_eq!(all(&mut reader), wanted);
        let mut reader = RangeReader::from_memory(text.as_bytes(), Format::Lines, 0, 1000);
        assert_eq!(all(&mut reader), wanted);
    }

    #[test]
    fn what_is_no_text_is_found_all_the_same() {
        let bytes = b"one\n\xFF\ntwo";
        let mut reader = RangeReader::from_memory(bytes, Format::Lines, 0, 1000);
        let wanted =
            [record(0, "one", false), record(4, "\u{FFFD}", false), record(6, "two", false)];
        assert_eq!(all(&mut reader), wanted);
    }
}
