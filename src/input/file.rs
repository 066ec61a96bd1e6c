//! Cuts a regular file without copying it: workers read their ranges themselves.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use memchr::memchr;

use super::{Beginning, Cut, CutRules, Opened, Out, Source, Stopped, is_ndjson, json_beginning};
use crate::error::Error;
use crate::range::Range;
use crate::records::{BOM, CHUNK, Format, JsonSplitter, Step};

pub(super) fn cut(
    opened: &Opened,
    file: &File,
    length: u64,
    index: u32,
    rules: &CutRules,
    out: &Out,
) -> Result<(), Stopped> {
    let cutter = FileCutter { opened, file, length, index, rules, out };
    let Beginning { format, start } = cutter.beginning()?;
    out.send(Cut::Begin { format })?;
    match format {
        Format::Ndjson => cutter.lines(start),
        Format::JsonSequence => cutter.values(start, JsonSplitter::sequence(start)),
        Format::JsonArray => cutter.values(start, JsonSplitter::array(start)),
    }
}

struct FileCutter<'a> {
    opened: &'a Opened,
    file: &'a File,
    length: u64,
    index: u32,
    rules: &'a CutRules,
    out: &'a Out,
}

impl FileCutter<'_> {
    fn beginning(&self) -> Result<Beginning, Stopped> {
        let mut buffer = vec![0; CHUNK];
        let length = self.length.min(BOM.len() as u64) as usize;
        let read = self.read(&mut buffer[..length], 0)?;
        let mut at = if &buffer[..read] == BOM { BOM.len() as u64 } else { 0 };
        if is_ndjson(self.opened, self.rules) {
            return Ok(Beginning { format: Format::Ndjson, start: at });
        }
        while at < self.length {
            let wanted = (self.length - at).min(CHUNK as u64) as usize;
            let read = self.read(&mut buffer[..wanted], at)?;
            if let Some(found) = json_beginning(at, &buffer[..read]) {
                return Ok(found);
            }
            at += read as u64;
        }
        Ok(Beginning { format: Format::JsonSequence, start: at })
    }

    /// Ranges of lines: a jump, then the next newline.
    fn lines(&self, mut start: u64) -> Result<(), Stopped> {
        let mut buffer = vec![0; 16 << 10];
        while start < self.length {
            // A newline that is the last byte of the jump ends the range there.
            let mut at = start + self.rules.range_size - 1;
            let end = loop {
                if at >= self.length {
                    break self.length;
                }
                let wanted = (self.length - at).min(buffer.len() as u64) as usize;
                let read = self.read(&mut buffer[..wanted], at)?;
                match memchr(b'\n', &buffer[..read]) {
                    Some(found) => break at + found as u64 + 1,
                    None => at += read as u64,
                }
            };
            self.emit(start, end)?;
            start = end;
        }
        Ok(())
    }

    /// Ranges of JSON values, which are followed from the first to the last.
    fn values(&self, mut start: u64, mut splitter: JsonSplitter) -> Result<(), Stopped> {
        let mut buffer = vec![0; CHUNK];
        let mut boundary = start;
        let mut base = start;
        loop {
            let wanted = self.length.saturating_sub(base).min(CHUNK as u64) as usize;
            let read = self.read(&mut buffer[..wanted], base)?;
            let last = base + read as u64 >= self.length;
            loop {
                match splitter.next(base, &buffer[..read], last) {
                    Step::Record { end, .. } => {
                        boundary = end;
                        if boundary - start >= self.rules.range_size {
                            self.emit(start, boundary)?;
                            start = boundary;
                        }
                    }
                    // The bytes are not wanted here, only where values end.
                    Step::More { seen, .. } => {
                        base = seen;
                        break;
                    }
                    Step::End => return self.emit(start, boundary),
                    Step::Fault(fault) => {
                        self.emit(start, boundary)?;
                        return self.out.send(Cut::Fault { input: self.opened.id(), fault });
                    }
                }
            }
        }
    }

    fn emit(&self, start: u64, end: u64) -> Result<(), Stopped> {
        if start == end {
            return Ok(());
        }
        let range = Range { input: self.opened.id(), start, end };
        self.out.send(Cut::Range { range, source: Source::File { index: self.index } })
    }

    fn read(&self, buffer: &mut [u8], at: u64) -> Result<usize, Stopped> {
        let error = loop {
            match self.file.read_at(buffer, at) {
                Ok(0) if !buffer.is_empty() => {
                    break io::Error::other(format!(
                        "it ends at byte {at}, but was longer when the job began; it must \
                         not change while it is read"
                    ));
                }
                Ok(read) => return Ok(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break error,
            }
        };
        self.out.fail(Error::ReadInput { name: self.opened.name(), source: error })
    }
}
