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
    },
    /// A worker's process has ended.
    Exit {
        /// The worker's place.
        worker: usize,
        /// Its process id.
        pid: u32,
        /// How it ended.
        exit: Exit,
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
