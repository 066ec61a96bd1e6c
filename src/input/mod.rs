//! From inputs to ranges: opens what the user named, finds each input's format,
//! and cuts it into ranges on record boundaries, one input after the other.
//!
//! Cutting runs on a thread of its own ([`start`]) because reading may block. It
//! ends when its receiver goes away, even while it waits for a stream.

mod array;
mod expand;
mod file;
mod header;
mod look;
mod open;
mod pick;
#[cfg(test)]
mod properties;
mod source;
mod stream;
mod table;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, RecvError, Sender, TryRecvError, bounded};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use crate::error::Error;
use crate::protocol::AfterFailure;
use crate::range::{InputId, Range};
use crate::records::csv::Header;
use crate::records::{CHUNK, Fault, Format, JsonSplitter, Pointer, Splitter};
use crate::tables::{Kind, TableWorkers};

pub(crate) use expand::{Named, expand};
#[cfg(any(test, fuzzing))]
pub(crate) use source::fuzz as fuzz_compressed;

use header::Headers;
pub(crate) use header::{HeaderRules, Needs};
pub(crate) use look::Layout;
pub(crate) use open::{Found, Identity, Inputs, Opened, text_format_of_name};
pub use pick::Only;
use pick::Picker;
pub(crate) use pick::Wanted;

/// Cuts that may wait to be taken.
pub(crate) const QUEUE: usize = 4;
/// Ranges of files that go to the supervisor at once.
const TOGETHER: usize = 16;

/// What the cutter says next about the input, in order.
#[derive(Debug)]
pub(crate) enum Cut {
    /// An input begins and is laid out like this, with this header if it has one.
    Begin { input: InputId, format: Format, header: Option<Arc<Header>> },
    /// A stretch of whole records.
    Range { range: Range, source: Source },
    /// A record of a stream that is longer than the limit and was not kept.
    TooLong { range: Range },
    /// So many records of the input stand before what comes next and are not wanted.
    PassedOver { records: u64 },
    /// No more is wanted. Of this input everything from `end` on was not read, if there
    /// is something; of those behind it nothing.
    Enough { input: InputId, end: Option<u64> },
    /// The JSON text is broken here; there is no next record.
    Fault { input: InputId, fault: Fault },
    /// The input cannot be read on.
    Failed { error: Error },
}

impl CutRules {
    /// How many bytes of a stream are read at once, at most: an ordinary range, so that a
    /// buffer of this size is filled by one read.
    pub fn read_size(&self) -> usize {
        self.range_size as usize + 2 * CHUNK
    }

    /// How long a range of a stream can be, in bytes. It ends where the read ends that
    /// made it long enough, or that ended a record which others stand before.
    pub fn longest_range(&self) -> u64 {
        self.range_size + self.max_record + self.read_size() as u64
    }
}

/// Where a range's bytes are.
#[derive(Debug)]
pub(crate) enum Source {
    /// In a file that workers have inherited: their n-th, from 0.
    File { index: u32 },
    /// Here: they came from a stream.
    Bytes(Vec<u8>),
}

/// How inputs are to be cut.
#[derive(Clone, Debug)]
pub(crate) struct CutRules {
    /// The format of every input, where the user said so.
    pub from: Option<From>,
    /// Where in each JSON text the array stands that has the records.
    pub records: Option<Arc<Pointer>>,
    pub wanted: Wanted,
    /// Everything before this place is done.
    pub from_place: Option<(InputId, u64)>,
    /// A range is about this many bytes.
    pub range_size: u64,
    /// A longer record of a stream is not held in memory.
    pub max_record: u64,
    /// How far back zstd may refer, as a power of two of bytes.
    pub window: u32,
    /// What follows a record that fails.
    pub after_failure: AfterFailure,
    /// Columns of tables that are read, where not all are.
    pub table_columns: Option<Vec<String>>,
}

/// `--from`: formats that a user can name.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum From {
    /// JSON: an array if it starts with `[`, otherwise a sequence of values.
    Json,
    /// JSON lines.
    Ndjson,
    /// Lines of text.
    Lines,
    /// Rows of fields with commas between them (RFC 4180).
    Csv,
    /// Rows of fields with tabs between them, otherwise as CSV.
    Tsv,
    /// An Apache Parquet file: records are its rows.
    Parquet,
    /// An Apache Arrow IPC file or stream: records are its rows.
    Arrow,
    /// Dead letters that a job has written: the records in them are processed again, and
    /// what comes of each has its position with it.
    DeadLetters,
}

impl From {
    /// Whether records are rows of text.
    pub(crate) fn is_rows(self) -> bool {
        matches!(self, From::Csv | From::Tsv)
    }

    /// What kind of table it is, if it is one.
    pub(crate) fn table(self) -> Option<Kind> {
        match self {
            From::Parquet => Some(Kind::Parquet),
            From::Arrow => Some(Kind::Arrow),
            From::Json | From::Ndjson | From::Lines | From::Csv | From::Tsv | From::DeadLetters => {
                None
            }
        }
    }
}

/// The cutter's thread. Dropping it ends the thread and waits for that.
pub(crate) struct Cutter {
    cuts: Option<Receiver<Vec<Cut>>>,
    /// Arrived, and not taken yet.
    pending: VecDeque<Cut>,
    spare: Sender<Vec<u8>>,
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Cutter {
    /// Where cuts arrive, several at once; `None` after the last.
    pub fn arriving(&self) -> Option<&Receiver<Vec<Cut>>> {
        self.cuts.as_ref()
    }

    /// Takes in what has arrived there.
    pub fn arrived(&mut self, cuts: Result<Vec<Cut>, RecvError>) {
        match cuts {
            Ok(cuts) => self.pending.extend(cuts),
            Err(RecvError) => self.cuts = None,
        }
    }

    /// The next cut, if there is one now.
    pub fn next(&mut self) -> Option<Cut> {
        if self.pending.is_empty()
            && let Some(cuts) = &self.cuts
        {
            match cuts.try_recv() {
                Ok(cuts) => self.arrived(Ok(cuts)),
                Err(TryRecvError::Disconnected) => self.arrived(Err(RecvError)),
                Err(TryRecvError::Empty) => {}
            }
        }
        self.pending.pop_front()
    }

    /// Whether some have arrived that were not taken.
    pub fn has_some(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether there are no further cuts.
    pub fn is_over(&self) -> bool {
        self.cuts.is_none() && self.pending.is_empty()
    }

    /// Where buffers of streams go back when their bytes are no longer needed, so that
    /// the same few are used from the first to the last byte.
    pub fn spare(&self) -> Sender<Vec<u8>> {
        self.spare.clone()
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.cuts = None;
        // Wakes a thread that waits for a stream. An eventfd takes eight bytes;
        // a failure could only be a full counter, which wakes as well.
        let _ = rustix::io::write(&*self.stop, &1u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Starts cutting `inputs` by `rules`.
pub(crate) fn start(
    inputs: &Arc<Inputs>,
    rules: CutRules,
    headers: HeaderRules,
    tables: TableWorkers,
) -> Result<Cutter, Error> {
    // Cuts of streams carry their bytes, so only a few may wait.
    let (sender, cuts) = bounded(QUEUE);
    let (spare, buffers) = bounded(QUEUE);
    let stop = eventfd(0, EventfdFlags::CLOEXEC)
        .map(Arc::new)
        .map_err(|error| Error::system("make an eventfd", error.into()))?;
    let (inputs, stopped) = (Arc::clone(inputs), Arc::clone(&stop));
    let thread = std::thread::Builder::new()
        .name("input".into())
        .spawn(move || {
            let out = Out {
                sender,
                held: RefCell::default(),
                buffers,
                stopped,
                done: rules.from_place,
                tables,
            };
            let mut headers = Headers::new(headers);
            let mut picker = Picker::new(rules.wanted);
            for opened in inputs.iter() {
                let whole = cut(opened, &rules, (&mut headers, &mut picker), &out);
                // The next input may have to be waited for.
                if out.flush().and(whole).is_err() {
                    return;
                }
            }
        })
        .map_err(|error| Error::system("start the input thread", error))?;
    let (cuts, pending) = (Some(cuts), VecDeque::new());
    Ok(Cutter { cuts, pending, spare, stop, thread: Some(thread) })
}

/// Nobody wants further cuts: the job is over, or this input failed.
struct Stopped;

/// The cutter's way out.
struct Out {
    sender: Sender<Vec<Cut>>,
    /// Cuts that go together.
    held: RefCell<Vec<Cut>>,
    /// Buffers to be used again.
    buffers: Receiver<Vec<u8>>,
    stopped: Arc<OwnedFd>,
    /// Everything before this place is done, and not sent again.
    done: Option<(InputId, u64)>,
    /// Those who read tables.
    tables: TableWorkers,
}

impl Out {
    /// Sends a cut. Ranges of files, which are light, go together as long as others wait
    /// there already: to be woken for each of them is what costs most here.
    fn send(&self, cut: Cut) -> Result<(), Stopped> {
        let Some(cut) = self.rest(cut) else { return Ok(()) };
        let is_light = matches!(&cut, Cut::Range { source: Source::File { .. }, .. });
        let held = {
            let mut held = self.held.borrow_mut();
            held.push(cut);
            held.len()
        };
        match is_light && held < TOGETHER && !self.sender.is_empty() {
            true => Ok(()),
            false => self.flush(),
        }
    }

    fn flush(&self) -> Result<(), Stopped> {
        match self.held.take() {
            held if held.is_empty() => Ok(()),
            held => self.sender.send(held).map_err(|_| Stopped),
        }
    }

    /// Whether all of an input is done.
    fn is_done(&self, opened: &Opened) -> bool {
        self.done.is_some_and(|(input, _)| opened.id() < input)
    }

    /// What is not done of a cut. The place up to which all is done stands on record
    /// boundaries, though perhaps not on those of a range.
    fn rest(&self, cut: Cut) -> Option<Cut> {
        let Some((input, offset)) = self.done else { return Some(cut) };
        match cut {
            Cut::Range { range, .. } | Cut::TooLong { range }
                if range.input == input && range.end <= offset =>
            {
                None
            }
            Cut::Range { range, source } if range.input == input && range.start < offset => {
                let source = match source {
                    Source::Bytes(mut bytes) => {
                        bytes.drain(..(offset - range.start) as usize);
                        Source::Bytes(bytes)
                    }
                    file @ Source::File { .. } => file,
                };
                Some(Cut::Range { range: Range { start: offset, ..range }, source })
            }
            cut => Some(cut),
        }
    }

    /// Whether nobody wants further cuts.
    fn is_stopped(&self) -> bool {
        let mut stopped = [PollFd::new(&self.stopped, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut stopped, Some(&now)).is_ok_and(|ready| ready > 0)
    }

    fn fail<T>(&self, error: Error) -> Result<T, Stopped> {
        self.send(Cut::Failed { error })?;
        Err(Stopped)
    }

    /// No more is wanted; see [`Cut::Enough`].
    fn enough<T>(&self, opened: &Opened, end: Option<u64>) -> Result<T, Stopped> {
        self.send(Cut::Enough { input: opened.id(), end })?;
        Err(Stopped)
    }

    /// The record that is wanted does not exist.
    fn no_record<T>(&self, opened: &Opened, why: String) -> Result<T, Stopped> {
        self.fail(Error::NoRecord { name: opened.name(), why })
    }
}

fn cut(
    opened: &Opened,
    rules: &CutRules,
    (headers, picker): (&mut Headers, &mut Picker),
    out: &Out,
) -> Result<(), Stopped> {
    let looks = (headers, &mut *picker);
    match opened.kind() {
        open::Kind::Regular { file, length, index } => {
            file::cut(opened, (file, *length, *index), rules, looks, out)
        }
        open::Kind::Stream(file) => stream::cut(opened, file, rules, looks, out),
        open::Kind::Later { .. } => match opened.open_again() {
            Ok(file) => stream::cut(opened, &file, rules, looks, out),
            Err(error) => out.fail(error),
        },
    }?;
    match picker.missing() {
        Some(why) => out.no_record(opened, why),
        None => Ok(()),
    }
}

/// How an input begins: its format, where its first range starts, and how to go on there.
#[derive(Debug)]
struct Beginning {
    format: Format,
    start: u64,
    splitter: Splitter,
}

impl Beginning {
    fn new(format: Format, start: u64) -> Beginning {
        let splitter = match format {
            Format::JsonArray => Splitter::Json(JsonSplitter::array(start)),
            format => Splitter::for_range(format, start),
        };
        Beginning { format, start, splitter }
    }
}

/// The format of an input by the user's word or its name; none for JSON, which is one of
/// two that [`json_beginning`] tells.
fn settled_format(opened: &Opened, rules: &CutRules) -> Option<Format> {
    match rules.from.unwrap_or_else(|| opened.format_by_name()) {
        From::Json => None,
        // The rows of a table have become lines by then.
        From::Ndjson | From::Parquet | From::Arrow => Some(Format::Ndjson),
        From::Lines => Some(Format::Lines),
        From::Csv => Some(Format::Csv),
        From::Tsv => Some(Format::Tsv),
        From::DeadLetters => Some(Format::DeadLetters),
    }
}

/// Which of the JSON formats begins with these bytes, the first of which stands at
/// offset `at`; `None` if they are white space.
fn json_beginning(at: u64, bytes: &[u8]) -> Option<Beginning> {
    let space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let first = bytes.iter().position(|byte| !space(byte))?;
    let start = at + first as u64;
    Some(match bytes[first] {
        b'[' => Beginning::new(Format::JsonArray, start + 1),
        _ => Beginning::new(Format::JsonSequence, start),
    })
}
