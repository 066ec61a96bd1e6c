//! What a running job tells whoever runs it, as Node's `cluster` does: workers come
//! online, send messages and exit.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::compile::Origin;
use crate::error::RecordFailure;
use crate::range::Range;
use crate::sandbox::Layers;
use crate::worker_handle::Exit;

/// Something that happened in a running job.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The inputs are open; nothing of them is read yet. Told once, first of all.
    Opened {
        /// What messages call them, in the order of [`Range::input`].
        inputs: &'a [String],
        /// Bytes of all of them together. Unknown where a stream or a compressed file is among
        /// them (ranges count what comes out of that), where only some records are wanted, and
        /// for states.
        bytes: Option<u64>,
        /// Bytes of all of them together as they are stored, compressed or not. Unknown where
        /// one is no file, where only some records are wanted, and for states.
        stored: Option<u64>,
        /// How many records are wanted at most, if not all.
        records: Option<u64>,
    },
    /// A plugin is compiled, so that workers can load it.
    Ready {
        /// Its file.
        plugin: &'a Path,
        /// Where the compiled plugin is from.
        origin: Origin,
        /// How long it took to get it.
        took: Duration,
    },
    /// A worker has loaded the plugin and gets ranges from now on.
    Online {
        /// The worker's place, from 0; a replacement takes the place over.
        worker: usize,
        /// Its process id.
        pid: u32,
        /// The layers of the sandbox around it, as far as they could be checked.
        layers: Layers,
    },
    /// A worker can begin with (a part of) a range: it was given it, and has answered all that
    /// it was given before.
    Given {
        /// The worker's place.
        worker: usize,
        /// Its process id.
        pid: u32,
        /// What it is to do. It may do less and say so.
        range: Range,
    },
    /// A worker has sent the results of (a part of) a range.
    Message {
        /// The worker's place.
        worker: usize,
        /// Its process id.
        pid: u32,
        /// What it has finished.
        range: Range,
        /// Input records in it that are part of the output.
        used: u64,
        /// Input records in it that the plugin did not want.
        dropped: u64,
        /// Input records in it that failed.
        failed: u64,
        /// Records that came of it.
        output_records: u64,
        /// Bytes that came of it, those of a reduce's state too.
        output_bytes: u64,
        /// Since the worker could begin with it.
        took: Duration,
    },
    /// What came of (a part of) a range is in the output, and where the order is kept so is
    /// everything before it. Records in it that failed are told one by one.
    Committed {
        /// What was committed.
        range: Range,
        /// Input records in it that are part of the output.
        used: u64,
        /// Input records in it that the plugin did not want.
        dropped: u64,
        /// Records that came of it.
        output_records: u64,
        /// Bytes that came of it.
        output_bytes: u64,
        /// How far that is in all inputs as they are stored, one behind the other, where each
        /// is a file. A compressed one is read a little further than is committed.
        stored: Option<u64>,
    },
    /// The one result of all records is in the output: what a reduce has made of its last
    /// state, or that state.
    Result {
        /// How many records it has; none if it is a state.
        records: u64,
        /// How many bytes.
        bytes: u64,
    },
    /// A table is made of what came of the records, after the last of them.
    Table {
        /// How much of that is done, from 0 to 1.
        done: f64,
    },
    /// A worker's process has ended.
    Exit {
        /// The worker's place.
        worker: usize,
        /// Its process id.
        pid: u32,
        /// How it ended.
        exit: Exit,
        /// Why it has ended.
        reason: Reason,
        /// What it was at, and what has to be done again: nothing came of it.
        lost: Option<Range>,
        /// How long it was at that.
        took: Duration,
        /// How it broke the protocol, if that is why.
        violation: Option<String>,
        /// What it could still say before its end, made fit to be shown: where it
        /// panicked, never a record or a plugin's words.
        last_words: Option<String>,
    },
    /// The job goes on where an earlier run stopped.
    Resumed {
        /// The input at which it stopped, as the user named it.
        input: &'a str,
        /// The byte of it up to which all is done.
        offset: u64,
        /// Records that are done, of all inputs.
        records: u64,
        /// Bytes that are done, of all inputs.
        bytes: u64,
    },
    /// An earlier run for the same output had stopped, with something done, and this one begins
    /// from the beginning.
    BegunAnew {
        /// The journal of the earlier run.
        journal: &'a Path,
    },
    /// A file has grown while it was read. What was added is not part of the job.
    Grown {
        /// The input, as the user named it.
        input: &'a str,
    },
    /// A record failed and was left out.
    Skipped(&'a RecordFailure),
    /// A record failed and was written aside.
    DeadLettered(&'a RecordFailure),
    /// What was measured in (a part of) a range, where that is wanted
    /// ([`crate::Measure`]).
    Measured {
        /// How long records took, in nanoseconds (to two digits), and how many took so long.
        times: &'a [(u64, u64)],
        /// The one that took longest, and how long.
        longest: Option<(LoggedRecord, Duration)>,
        /// The most memory that an instance had, in bytes.
        memory: u64,
        /// Where plugins were found to be, functions from the outermost on, and how often. The
        /// names are their authors': they may hold anything.
        stacks: &'a [(Vec<String>, u64)],
        /// How often besides.
        elsewhere: u64,
    },
    /// A line that the plugin logged, in the order of the output. It may hold
    /// private data and anything else, control characters included.
    Log {
        /// `error`, `warn`, `info`, `debug` or `trace`.
        level: &'static str,
        /// The line.
        text: &'a str,
        /// The record that it was logged of, where that is known: not of a reduce's states, nor
        /// where a plugin has many records at once.
        record: Option<LoggedRecord>,
    },
}

/// Why a worker's process has ended.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Reason {
    /// The job is over.
    Over,
    /// The supervisor ended it: the record that it was at has used up its time.
    Timeout,
    /// The supervisor ended it: it stood still, as a process that was stopped or gets no time.
    Stalled,
    /// The supervisor ended it: it was asked for an answer and gave none.
    Deaf,
    /// The supervisor ended it: it broke the protocol.
    Violation,
    /// It came to its end otherwise, as [`Exit`] says.
    Died,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Over => "over",
            Reason::Timeout => "timeout",
            Reason::Stalled => "stalled",
            Reason::Deaf => "deaf",
            Reason::Violation => "violation",
            Reason::Died => "died",
        })
    }
}

/// The record that a plugin has logged something of.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct LoggedRecord {
    /// The input, as the user named it.
    pub input: String,
    /// Its number there, from 1; unknown where the order is not kept.
    pub number: Option<u64>,
    /// Offset of its first byte.
    pub offset: u64,
}

impl fmt::Display for LoggedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => write!(f, "record {number} of {}", self.input),
            None => write!(f, "the record at byte {} of {}", self.offset, self.input),
        }
    }
}
