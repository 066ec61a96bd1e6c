//! Cuts a stream: its bytes are gathered until a range is full, or until the
//! stream pauses, and travel with the cut.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use memchr::memrchr;
use rustix::pipe::fcntl_setpipe_size;

use super::pick::{Pick, Picker};
use super::source::{Bytes, Text};
use super::{
    Beginning, Cut, CutRules, Headers, Opened, Out, Source, Stopped, array, json_beginning,
    settled_format, table,
};
use crate::error::Error;
use crate::protocol::AfterFailure;
use crate::range::Range;
use crate::records::csv::{Delimiter, Header};
use crate::records::{BOM, CHUNK, Fault, Format, Seek, Splitter, Step};

/// A stream that gives nothing for this long has its whole records passed on, so
/// that a slow source does not wait for a range to fill.
const PAUSE: Duration = Duration::from_millis(20);
/// The same for one that gives a little all the time: no record waits longer.
const PATIENCE: Duration = Duration::from_millis(100);
/// Where the job ends with a record that is too long, its end is looked for so many bytes
/// behind the limit, to tell its length; a stream need not have one.
const FAR: u64 = 64 << 20;

pub(super) fn cut(
    opened: &Opened,
    file: &File,
    rules: &CutRules,
    (headers, picker): (&mut Headers, &mut Picker),
    out: &Out,
) -> Result<(), Stopped> {
    // Fewer and larger reads, where the stream is a pipe and the system allows it.
    let _ = fcntl_setpipe_size(file, 1 << 20);
    let source = match opened.table(rules.from) {
        None => Text::Bytes(Bytes::new(file, &out.stopped, rules.window)),
        Some(kind) => match table::open(kind, opened, file, rules, out) {
            Ok(reader) => Text::Table(Box::new(reader), file),
            Err(_) if out.is_stopped() => return Err(Stopped),
            Err(error) => return out.fail(error),
        },
    };
    let mut cutter = StreamCutter {
        opened,
        source,
        rules,
        picker,
        out,
        held: Vec::new(),
        base: 0,
        last: false,
        since: Instant::now(),
    };
    let Beginning { format, start, splitter } = cutter.beginning()?;
    cutter.forget_before(start);
    let delimiter = format.delimiter().filter(|_| headers.are_there());
    let header = match delimiter {
        Some(delimiter) => cutter.header(delimiter, format, headers)?,
        None => None,
    };
    out.send(Cut::Begin { input: opened.id(), format, header })?;
    if out.is_done(opened) {
        return Ok(());
    }
    let start = cutter.base;
    if cutter.picker.has_enough() {
        return out.enough(opened, Some(start));
    }
    cutter.cut(match format {
        Format::Ndjson | Format::Lines | Format::DeadLetters if !cutter.picker.is_choosy() => {
            Boundaries::Lines { format, searched: start }
        }
        Format::Csv | Format::Tsv => {
            Boundaries::Records(format, Splitter::for_range(format, start))
        }
        _ => Boundaries::Records(format, splitter),
    })
}

/// Finds where records end in the bytes held.
enum Boundaries {
    /// After each newline. What stands before `searched` need not be looked at again.
    Lines { format: Format, searched: u64 },
    /// After each record, followed from the first to the last.
    Records(Format, Splitter),
}

/// What stands behind the whole records that are held.
enum Behind {
    /// Perhaps the beginning of another record, which is then here.
    More {
        from: u64,
    },
    Fault(Fault),
}

struct StreamCutter<'a> {
    opened: &'a Opened,
    source: Text<'a>,
    rules: &'a CutRules,
    picker: &'a mut Picker,
    out: &'a Out,
    /// Bytes that are not cut off yet.
    held: Vec<u8>,
    /// Offset of the first byte held.
    base: u64,
    /// The stream has ended.
    last: bool,
    /// When a range was last sent.
    since: Instant,
}

impl StreamCutter<'_> {
    fn beginning(&mut self) -> Result<Beginning, Stopped> {
        while self.held.len() < BOM.len() && !self.last {
            self.read()?;
        }
        if self.held.starts_with(BOM) {
            self.forget_before(BOM.len() as u64);
        }
        if let Some(format) = settled_format(self.opened, self.rules) {
            return Ok(Beginning::new(format, self.base));
        }
        if let Some(pointer) = &self.rules.records {
            let (start, opened, out) = (self.base, self.opened, self.out);
            return array::find(pointer, start, opened, out, |at, seeker| {
                self.forget_before(at);
                let seek = seeker.seek(self.base, &self.held, self.last);
                if matches!(seek, Seek::More { .. }) {
                    self.read()?;
                }
                Ok(seek)
            });
        }
        loop {
            if let Some(found) = json_beginning(self.base, &self.held) {
                return Ok(found);
            }
            self.forget_before(self.base + self.held.len() as u64);
            if self.last {
                return Ok(Beginning::new(Format::JsonSequence, self.base));
            }
            self.read()?;
        }
    }

    /// Reads the header, if there is a row, and passes it.
    fn header(
        &mut self,
        delimiter: Delimiter,
        format: Format,
        headers: &mut Headers,
    ) -> Result<Option<Arc<Header>>, Stopped> {
        let mut splitter = Splitter::for_range(format, self.base);
        let name = self.opened.name();
        loop {
            match splitter.next(self.base, &self.held, self.last) {
                Step::Record { start, end } if end - start > self.rules.max_record => {
                    return self.out.fail(Headers::too_long(name));
                }
                Step::Record { start, end } => {
                    let row = (start - self.base) as usize..(end - self.base) as usize;
                    return match headers.take(&name, &self.held[row], delimiter) {
                        Ok(header) => {
                            self.forget_before(end);
                            Ok(Some(header))
                        }
                        Err(error) => self.out.fail(error),
                    };
                }
                Step::More { keep, .. } => {
                    self.forget_before(keep);
                    if self.held.len() as u64 > self.rules.max_record {
                        return self.out.fail(Headers::too_long(name));
                    }
                    self.read()?;
                }
                Step::End => return Ok(None),
                Step::Fault(fault) => {
                    self.out.send(Cut::Fault { input: self.opened.id(), fault })?;
                    return Err(Stopped);
                }
            }
        }
    }

    fn cut(&mut self, mut boundaries: Boundaries) -> Result<(), Stopped> {
        // Whole records are held up to here.
        let mut boundary = self.base;
        loop {
            let from = match self.advance(&mut boundaries, &mut boundary)? {
                Behind::More { from } => from,
                Behind::Fault(fault) => {
                    self.emit(boundary)?;
                    return self.out.send(Cut::Fault { input: self.opened.id(), fault });
                }
            };
            if self.last {
                return self.emit(boundary);
            }
            // What belongs to no record need not be held.
            if from - boundary > CHUNK as u64 {
                self.emit(boundary)?;
                self.forget_before(from);
                boundary = from;
            }
            let unfinished = self.base + self.held.len() as u64 - from;
            if unfinished > self.rules.max_record {
                self.emit(boundary)?;
                boundary = self.pass_over(&mut boundaries, from)?;
                continue;
            }
            let whole = boundary > self.base;
            if whole && (self.since.elapsed() > PATIENCE || !self.wait(PAUSE)?) {
                self.emit(boundary)?;
            }
            self.read()?;
        }
    }

    /// Moves `boundary` to the last record end held, emitting full ranges.
    fn advance(
        &mut self,
        boundaries: &mut Boundaries,
        boundary: &mut u64,
    ) -> Result<Behind, Stopped> {
        match boundaries {
            Boundaries::Lines { searched, .. } => {
                let before = searched.saturating_sub(self.base) as usize;
                let end = if self.last {
                    Some(self.held.len())
                } else {
                    memrchr(b'\n', &self.held[before..]).map(|at| before + at + 1)
                };
                if let Some(end) = end {
                    *boundary = self.base + end as u64;
                }
                *searched = self.base + self.held.len() as u64;
                let from = *boundary;
                if from - self.base >= self.rules.range_size {
                    self.emit(from)?;
                }
                Ok(Behind::More { from })
            }
            Boundaries::Records(format, splitter) => loop {
                match splitter.next(self.base, &self.held, self.last) {
                    Step::Record { start, end } => {
                        let behind = format.behind(end, self.base + self.held.len() as u64);
                        let before = std::mem::replace(boundary, behind);
                        match self.picker.pick(start, end) {
                            Pick::Take if end - self.base >= self.rules.range_size => {
                                self.emit(behind)?;
                            }
                            // What is passed over is dropped below, all at once.
                            Pick::Take | Pick::PassOver => {}
                            Pick::TakeLast => {
                                self.pass_on(before)?;
                                self.emit(behind)?;
                                let rest = splitter.next(self.base, &self.held, self.last);
                                let end = (rest != Step::End).then_some(behind);
                                return self.out.enough(self.opened, end);
                            }
                            Pick::Missing(why) => return self.out.no_record(self.opened, why),
                        }
                    }
                    step => {
                        if self.picker.passed_over().is_some() {
                            self.forget_before(*boundary);
                        }
                        return Ok(match step {
                            Step::Fault(fault) => Behind::Fault(fault),
                            Step::More { keep, .. } => Behind::More { from: keep },
                            _ => Behind::More { from: self.base + self.held.len() as u64 },
                        });
                    }
                }
            },
        }
    }

    /// Drops what stands before the only record that is wanted, and says so.
    fn pass_on(&mut self, before: u64) -> Result<(), Stopped> {
        let Some(records) = self.picker.passed_over() else { return Ok(()) };
        self.forget_before(before);
        self.out.send(Cut::PassedOver { records })
    }

    /// Drops the bytes of a record that is too long and begins at `first`, up to its end;
    /// gives that. Where the job ends with it, its end is not looked for for ever.
    fn pass_over(&mut self, boundaries: &mut Boundaries, first: u64) -> Result<u64, Stopped> {
        let patience = match self.rules.after_failure {
            AfterFailure::Stop => first.saturating_add(self.rules.max_record + FAR),
            AfterFailure::GoOn => u64::MAX,
        };
        let mut lines;
        let (format, splitter) = match boundaries {
            Boundaries::Lines { format, .. } => {
                lines = Splitter::for_range(*format, self.base);
                (*format, &mut lines)
            }
            Boundaries::Records(format, splitter) => (*format, splitter),
        };
        let (start, end) = loop {
            match splitter.next(self.base, &self.held, self.last) {
                Step::Record { start, end } => break (start, end),
                Step::More { seen, .. } if seen > patience && !self.picker.is_choosy() => {
                    let range = Range { input: self.opened.id(), start: first, end: seen };
                    self.out.send(Cut::TooLong { range })?;
                    return Err(Stopped);
                }
                Step::More { seen, .. } => {
                    self.forget_before(seen);
                    self.read()?;
                }
                // A record has begun: this is not its end.
                Step::End => return Ok(self.base),
                Step::Fault(fault) => {
                    self.out.send(Cut::Fault { input: self.opened.id(), fault })?;
                    return Err(Stopped);
                }
            }
        };
        let range = Range { input: self.opened.id(), start, end };
        match self.picker.pick(start, end) {
            Pick::Take => self.out.send(Cut::TooLong { range })?,
            Pick::PassOver => {}
            Pick::TakeLast => {
                self.pass_on(end)?;
                self.out.send(Cut::TooLong { range })?;
                return self.out.enough(self.opened, Some(end));
            }
            Pick::Missing(why) => return self.out.no_record(self.opened, why),
        }
        self.forget_before(format.behind(end, self.base + self.held.len() as u64));
        Ok(self.base)
    }

    /// Sends what is held before `boundary` as one range.
    fn emit(&mut self, boundary: u64) -> Result<(), Stopped> {
        let length = (boundary - self.base) as usize;
        if length == 0 {
            return Ok(());
        }
        let mut rest = self.fresh_buffer();
        rest.extend_from_slice(&self.held[length..]);
        self.held.truncate(length);
        let bytes = std::mem::replace(&mut self.held, rest);
        let range = Range { input: self.opened.id(), start: self.base, end: boundary };
        self.base = boundary;
        self.since = Instant::now();
        self.out.send(Cut::Range { range, source: Source::Bytes(bytes) })
    }

    /// An empty buffer with room for an ordinary range: one that was used before, unless
    /// a long record has made it large.
    fn fresh_buffer(&self) -> Vec<u8> {
        let room = self.rules.read_size();
        let used = self.out.buffers.try_recv().ok().filter(|used| used.capacity() <= 2 * room);
        let mut buffer = used.unwrap_or_default();
        buffer.clear();
        buffer.reserve(room);
        buffer
    }

    fn forget_before(&mut self, offset: u64) {
        self.held.drain(..(offset - self.base) as usize);
        self.base = offset;
    }

    /// Waits for bytes and appends them.
    fn read(&mut self) -> Result<(), Stopped> {
        match self.source.read(&mut self.held, self.rules.read_size(), self.opened) {
            Ok(read) => {
                self.last = read == 0;
                Ok(())
            }
            Err(error) => self.fail(error),
        }
    }

    fn fail<T>(&self, source: io::Error) -> Result<T, Stopped> {
        fail(self.opened, source, self.out)
    }

    /// Waits until the stream can be read (true) or the time is up (false). Where that
    /// cannot be known it can be read.
    fn wait(&self, limit: Duration) -> Result<bool, Stopped> {
        match self.source.raw() {
            Some(raw) => raw.wait(Some(limit)).or_else(|error| self.fail(error)),
            None => Ok(true),
        }
    }
}

/// Ends the job because the stream cannot be read on, unless it ends anyway.
fn fail<T>(opened: &Opened, source: io::Error, out: &Out) -> Result<T, Stopped> {
    if out.is_stopped() {
        return Err(Stopped);
    }
    // It may be about this machine, and not about the input.
    out.fail(match source.downcast::<Error>() {
        Ok(error) => error,
        Err(source) => Error::ReadInput { name: opened.name(), source },
    })
}
