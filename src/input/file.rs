//! Cuts a regular file without copying it: workers read their ranges themselves.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use memchr::memchr;

use super::pick::{Pick, Picker};
use super::{
    Beginning, Cut, CutRules, Headers, Opened, Out, Source, Stopped, array, json_beginning,
    settled_format,
};
use crate::error::Error;
use crate::range::Range;
use crate::records::csv::Header;
use crate::records::{BOM, CHUNK, Format, Item, RangeReader, Record, Splitter, Step};

/// What may stand behind a row that is as long as may be, in bytes: the end of its line.
const BEHIND: u64 = 2;

pub(super) fn cut(
    opened: &Opened,
    (file, length, index): (&File, u64, u32),
    rules: &CutRules,
    (headers, picker): (&mut Headers, &mut Picker),
    out: &Out,
) -> Result<(), Stopped> {
    let cutter = FileCutter { opened, file, length, index, rules, out };
    let Beginning { format, start, splitter } = cutter.beginning()?;
    let (header, start) = cutter.header(format, start, headers)?;
    out.send(Cut::Begin { input: opened.id(), format, header })?;
    if out.is_done(opened) {
        return Ok(());
    }
    if picker.has_enough() {
        return out.enough(opened, Some(start));
    }
    match format {
        Format::Ndjson | Format::Lines | Format::DeadLetters if !picker.is_choosy() => {
            cutter.lines(start)
        }
        Format::Csv | Format::Tsv => {
            cutter.follow(format, start, Splitter::for_range(format, start), picker)
        }
        _ => cutter.follow(format, start, splitter, picker),
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
        if let Some(format) = settled_format(self.opened, self.rules) {
            return Ok(Beginning::new(format, at));
        }
        if let Some(pointer) = &self.rules.records {
            return array::find(pointer, at, self.opened, self.out, |at, seeker| {
                let wanted = self.length.saturating_sub(at).min(CHUNK as u64) as usize;
                let read = self.read(&mut buffer[..wanted], at)?;
                let last = at + read as u64 >= self.length;
                Ok(seeker.seek(at, &buffer[..read], last))
            });
        }
        while at < self.length {
            let wanted = (self.length - at).min(CHUNK as u64) as usize;
            let read = self.read(&mut buffer[..wanted], at)?;
            if let Some(found) = json_beginning(at, &buffer[..read]) {
                return Ok(found);
            }
            at += read as u64;
        }
        Ok(Beginning::new(Format::JsonSequence, at))
    }

    /// Reads the header that stands at `start`, if there is one, and gives where it ends.
    fn header(
        &self,
        format: Format,
        start: u64,
        headers: &mut Headers,
    ) -> Result<(Option<Arc<Header>>, u64), Stopped> {
        let delimiter = format.delimiter().filter(|_| headers.are_there());
        let Some(delimiter) = delimiter else { return Ok((None, start)) };
        let (mut buffer, mut from) = (Vec::new(), start);
        let max = self.rules.max_record;
        let name = self.opened.name();
        loop {
            // What is longer than it may be is not followed to its end.
            let end = from.saturating_add(max.max(CHUNK as u64)).saturating_add(BEHIND);
            let stretch = (from, end.min(self.length));
            let mut reader = RangeReader::from_file(self.file, &mut buffer, format, stretch, max);
            let first = loop {
                let found = reader.piece().map(|mut piece| piece.next());
                if let Some(first) = found.transpose() {
                    break first;
                }
            };
            return match first {
                Ok(Item::Record(Record { start, bytes, .. }))
                    if start > from
                        && start + bytes.len() as u64 == stretch.1
                        && stretch.1 < self.length =>
                {
                    // It began late, and may go on behind the stretch.
                    from = start;
                    continue;
                }
                Ok(Item::Record(Record { start, bytes, .. })) => {
                    match headers.take(&name, bytes, delimiter) {
                        Ok(header) => Ok((Some(header), start + bytes.len() as u64)),
                        Err(error) => self.out.fail(error),
                    }
                }
                Ok(Item::TooLong { .. }) => self.out.fail(Headers::too_long(name)),
                Ok(Item::End) if stretch.1 == self.length => Ok((None, self.length)),
                Ok(Item::End) if self.out.is_stopped() => Err(Stopped),
                Ok(Item::End) => {
                    // Until here there was nothing but ends of rows.
                    from = stretch.1;
                    continue;
                }
                Ok(Item::Fault(fault)) => {
                    self.out.send(Cut::Fault { input: self.opened.id(), fault })?;
                    Err(Stopped)
                }
                Err(error) => {
                    self.out.fail(Error::ReadInput { name, source: io::Error::other(error) })
                }
            };
        }
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

    /// Ranges of records that are followed from the first to the last.
    fn follow(
        &self,
        format: Format,
        mut start: u64,
        mut splitter: Splitter,
        picker: &mut Picker,
    ) -> Result<(), Stopped> {
        let mut buffer = vec![0; CHUNK];
        let mut boundary = start;
        let mut base = start;
        loop {
            let wanted = self.length.saturating_sub(base).min(CHUNK as u64) as usize;
            let read = self.read(&mut buffer[..wanted], base)?;
            let last = base + read as u64 >= self.length;
            loop {
                match splitter.next(base, &buffer[..read], last) {
                    Step::Record { start: first, end } => {
                        boundary = format.behind(end, self.length);
                        match picker.pick(first, end) {
                            Pick::Take if end - start >= self.rules.range_size => {
                                self.emit(start, boundary)?;
                                start = boundary;
                            }
                            Pick::Take => {}
                            Pick::PassOver => start = boundary,
                            Pick::TakeLast => {
                                if let Some(records) = picker.passed_over() {
                                    self.out.send(Cut::PassedOver { records })?;
                                }
                                self.emit(start, boundary)?;
                                let rest = splitter.next(base, &buffer[..read], last);
                                let end = (rest != Step::End).then_some(boundary);
                                return self.out.enough(self.opened, end);
                            }
                            Pick::Missing(why) => return self.out.no_record(self.opened, why),
                        }
                    }
                    // The bytes are not wanted here, only where records end.
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
        // It can be long until the next range is sent.
        if self.out.is_stopped() {
            return Err(Stopped);
        }
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
