//! What supervisor and workers say to each other, and the caps on it. Plain data:
//! no I/O, no clock, no process lives here.
//!
//! Responses come from a process that may have been broken into. They are flat, of
//! bounded size, and every number in them is checked by the supervisor against
//! what it asked for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::FailureKind;
use crate::job::{Isolation, Measure, Time};
use crate::range::{Nonce, Range};
use crate::records::Format;
use crate::records::csv::Delimiter;
use crate::sample::Sample;
use crate::sandbox::{Layers, Plan};
use crate::tables::Rows;

/// The longest response, in bytes as ipc-channel sends it, headers included.
pub(crate) const MAX_RESPONSE: usize = 512;
/// The longest text inside a response, in bytes.
pub(crate) const MAX_RESPONSE_TEXT: usize = 300;
/// Slots of a worker: while one is being processed, the next is already there.
pub(crate) const SLOTS: usize = 2;
/// Size of the text area of a slot, in bytes.
pub(crate) const TEXT_BYTES: usize = 64 << 10;
/// The longest text of a failure or a line of log, in bytes.
pub(crate) const MAX_TEXT: usize = 4096;
/// The longest backtrace of a plugin, in bytes.
pub(crate) const MAX_BACKTRACE: usize = 2048;
/// The largest piece of a state that passes a slot at once, in bytes. (Tests with faults have
/// small states, which are to come in pieces as well.)
pub(crate) const MAX_PIECE: usize = if cfg!(feature = "faults") { 256 } else { 1 << 20 };
/// What measurements may take of the text area, where there are some.
pub(crate) const TEXT_OF_MEASURES: usize = 36 << 10;
/// What the lines that one record logs may take of the text area, in bytes.
pub(crate) const MAX_LOG_OF_RECORD: usize = 16 << 10;
/// A record is begun only if this much of the text area is free, so that what it
/// logs and how it fails surely fits.
pub(crate) const TEXT_OF_RECORD: usize = MAX_LOG_OF_RECORD + MAX_TEXT + MAX_BACKTRACE + 1024;

/// From the supervisor to a worker. This direction is trusted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// First of all: completes the handshake, says how the slots are laid out, and how
    /// the process has to lock itself.
    /// `plugins` is how many compiled plugins were handed over, `data` how many files of
    /// side data.
    Prepare {
        layout: Layout,
        sandbox: Plan,
        memory: u64,
        plugins: u8,
        data: u8,
        settings: Settings,
    },
    /// To a compile worker: compile the plugin that was handed over, which has so many
    /// bytes, and report what it is if that is wanted.
    Compile { length: u64, describe: bool },
    /// To a table worker: open the table; the task lies in the slot, encoded in so many bytes.
    /// What is fetched under this nonce is a summary of it, or the table that is written.
    Table { nonce: Nonce, task: u64 },
    /// To a table worker: give these rows.
    Rows { nonce: Nonce, rows: Rows },
    /// Load the plugin; what holds for every range.
    Start(Start),
    /// Process a range.
    Process(Process),
    /// Take in states, and do something with them once they are whole.
    States(States),
    /// Give the next piece of what did not fit.
    Fetch { nonce: Nonce, slot: u8 },
    /// There is nothing more to do.
    Stop,
}

/// How plugins are compiled and run: for compile workers and workers alike, because what
/// was compiled with other settings cannot be loaded.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub metering: Metering,
    /// What a plugin's calls may take of the stack, in bytes.
    pub stack: u64,
}

/// Whether it is counted what a plugin executes.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Metering {
    None,
    Fuel,
    /// It is looked every now and then where the plugin is.
    Ticks,
}

/// Sizes of a slot's parts, in bytes.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Layout {
    pub input: u64,
    pub output: u64,
}

/// What holds for every range of a job.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    /// Memory of an instance, in bytes.
    pub memory: u64,
    /// Length of a record, in bytes.
    pub max_record: u64,
    /// What may be made of one record, in bytes.
    pub max_output: u64,
    /// What a reduce may fold records into, in bytes.
    pub max_state: u64,
    /// Core modules that an instance may consist of; as many memories and tables.
    pub max_instances: u64,
    /// What a plugin may execute for one record, in wasmtime's units.
    pub fuel: Option<u64>,
    /// Length of the [`Setups`], in bytes.
    pub setups: u64,
    pub after_failure: AfterFailure,
    pub retries: Retries,
    pub isolation: Isolation,
    /// How what comes of states is set apart.
    pub framing: Framing,
}

/// What a plugin does with records.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Operation {
    /// Says of each whether it stays.
    Filter,
    /// Makes another of each, or none.
    Map,
    /// Makes any number of each.
    FlatMap,
    /// The same for many in one call.
    Batch,
    /// Folds all into one.
    Reduce,
    /// Runs over them as a program does that reads lines and prints lines.
    Command,
}

impl Operation {
    /// As users know it.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Filter => "filter",
            Operation::Map => "map",
            Operation::FlatMap => "flat-map",
            Operation::Batch => "batch",
            Operation::Reduce => "reduce",
            Operation::Command => "command",
        }
    }
}

/// What a worker has to know about the plugins and the output. Too long for a request, so
/// it lies, encoded, in a memory file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Setups {
    pub plugins: Vec<Setup>,
    /// Names of the side data, in the order of its files.
    pub data: Vec<String>,
    /// What a command finds on its command line, its own name first.
    pub arguments: Vec<String>,
    pub surroundings: Surroundings,
    /// Which records are processed, where not all are.
    pub sample: Option<Sample>,
    /// What is measured besides.
    pub measure: Measure,
    /// Names of the output's columns, where the user has named some.
    pub columns: Option<Vec<String>>,
}

/// What plugins see of time and randomness.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Surroundings {
    pub time: Time,
    /// What randomness is drawn from, besides the record's position: one for the whole run.
    pub seed: [u8; 32],
}

/// What a worker has to know about one plugin of the chain.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub abi: Abi,
    pub operation: Operation,
    /// Length of the compiled plugin, in bytes.
    pub artifact: u64,
    pub params: BTreeMap<String, String>,
}

/// How a plugin is called.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Abi {
    /// A core module whose exports follow the canonical ABI.
    Core,
    /// A component.
    Component,
}

/// What a worker does after a record that failed.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum AfterFailure {
    Stop,
    GoOn,
}

/// Whether a record that a plugin rejected, or made something of that cannot be written,
/// is tried again, as one is that made it trap.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Retries {
    None,
    Some,
}

/// How output records are set apart.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Framing {
    /// One on each line: JSON lines.
    Lines,
    /// Each followed by a newline; it may have newlines inside: a JSON sequence.
    Values,
    /// Elements of an array. A worker ends each with a comma and a newline; the
    /// supervisor takes the last one back.
    Elements,
    /// One on each line, whatever it is: plain text.
    Text,
    /// Rows of CSV or TSV.
    Rows(Delimiter),
}

impl Framing {
    /// What follows each record in a worker's output.
    pub fn terminator(self) -> &'static [u8] {
        match self {
            Framing::Lines | Framing::Values | Framing::Text | Framing::Rows(_) => b"\n",
            Framing::Elements => b",\n",
        }
    }

    /// Bytes of the shortest record, with what follows it.
    pub fn shortest(self) -> u64 {
        let record = u64::from(self != Framing::Text);
        record + self.terminator().len() as u64
    }
}

/// One attempt at (a part of) a range.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Process {
    pub nonce: Nonce,
    pub slot: u8,
    pub range: Range,
    pub from: From,
    pub format: Format,
    /// Bytes of the input's header, which stands at the front of the slot's input; 0 if
    /// there is none.
    pub header: u64,
    pub mode: Mode,
    pub batches: Batches,
    /// How what comes of the records is set apart.
    pub framing: Framing,
}

/// Whether plugins that take many records at once get them so.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Batches {
    /// As many as is good.
    Many,
    /// One by one: a worker died with some, and it is not known of which.
    One,
}

/// A piece of the states that something is to be done with. They stand behind each other
/// as one stretch of bytes, which comes in pieces of at most [`MAX_PIECE`].
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct States {
    pub nonce: Nonce,
    pub slot: u8,
    /// Bytes before this piece.
    pub before: u64,
    /// Bytes of it, which lie in the slot.
    pub length: u64,
    pub then: Then,
}

/// What is to be done after a piece of states.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Then {
    /// Wait: there is more.
    Await,
    /// Merge two states; the first has so many bytes.
    Merge { left: u64 },
    /// Make records of the state.
    Finish,
    /// Make records of the state of no records at all; nothing was handed over.
    FinishNone,
}

/// Where a worker finds the bytes of a range.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum From {
    /// In the n-th inherited input file.
    File { index: u32 },
    /// In the slot, whose first byte behind the header is this offset of the input.
    Slot { base: u64 },
}

/// How far an attempt goes.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Mode {
    /// To the end of the range.
    Through,
    /// Only the first record, in a fresh instance: it is a suspect.
    Alone,
    /// Only past the first record, which failed like this; the plugin is not called.
    Fail(FailureKind),
}

/// From a worker to the supervisor. Not trusted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Response {
    /// First of all: where requests are awaited.
    Hello { requests: String },
    /// These layers of the sandbox are in force; nothing of the plugin was read yet.
    Locked { layers: Layers },
    /// The plugin is loaded, the sandbox is closed for good, ranges are welcome.
    Online,
    /// An attempt has ended.
    Done(Done),
    /// A piece of states was taken in, or one of what came of them is there.
    Piece(Piece),
    /// A compile worker has compiled the plugin.
    Compiled(Compiled),
    /// The worker cannot go on.
    Fatal { what: Fatal, text: String },
}

impl Response {
    /// A last word, cut to what a response can hold.
    pub fn fatal(what: Fatal, text: &str) -> Response {
        Response::Fatal { what, text: cut_text(text, MAX_RESPONSE_TEXT).to_owned() }
    }
}

/// How an attempt ended, and what it amounts to.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    pub nonce: Nonce,
    /// Everything before this offset is done.
    pub stop: u64,
    /// Records that are in the output.
    pub used: u64,
    /// Records that the plugin did not want.
    pub dropped: u64,
    /// Records that failed; each has an [`Entry`] in the text area.
    pub failed: u64,
    /// Records that are not in the [`Sample`], and were not looked at.
    pub passed_over: u64,
    /// Bytes of output in the slot: records, or the first piece of a state.
    pub output_bytes: u64,
    /// Bytes of the state that did not fit.
    pub left: u64,
    /// Records of output in the slot.
    pub output_records: u64,
    /// Bytes of entries in the slot's text area.
    pub text_bytes: u32,
    pub end: End,
}

/// What is there of a state, or of the records made of it.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Piece {
    pub nonce: Nonce,
    /// Bytes in the slot.
    pub bytes: u64,
    /// Bytes that follow.
    pub left: u64,
    /// Records in the whole, if it is records.
    pub records: u64,
    /// Bytes of entries in the slot's text area.
    pub text_bytes: u32,
}

/// Why an attempt ended where it did.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum End {
    /// There was nothing more to do.
    Reached,
    /// The slot has no room for the next record's output or text.
    Full,
    /// The supervisor asked for it.
    Yielded,
    /// The next record made the plugin trap; it has to be tried alone.
    Suspect,
    /// The last record failed, and the job stops after a failure.
    Failed,
}

/// What a compile worker has found out and made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Compiled {
    pub abi: Abi,
    pub operation: Operation,
    /// Length of the compiled plugin, in bytes.
    pub artifact: u64,
}

/// Why a worker cannot go on.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Fatal {
    /// A demanded layer of the sandbox cannot be had.
    Sandbox,
    /// The plugin is not one that this program can run.
    Plugin,
    /// The plugin cannot be brought to life.
    Instantiate,
    /// The plugin, a reduce, could not do something with a state; the program's words.
    State,
    /// The same; the plugin's own words. It may have wanted more memory than it got.
    StateRejected { refused_memory: bool },
    /// The input file cannot be read.
    Input,
    /// Anything else: a fault of this program or of the system.
    Internal,
}

/// One entry of a slot's text area.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Entry {
    Failure(Failure),
    /// A line that a plugin logged.
    Log(Logged),
    /// So many further lines of the same record did not fit.
    LogCut {
        lines: u64,
    },
    /// What was measured in the attempt; there is one of these at most.
    Measured(Measured),
}

/// What a worker measured in an attempt.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// How long records took, in nanoseconds, and how many took so long.
    pub times: Vec<(u64, u64)>,
    /// The one that took longest, and how long.
    pub longest: Option<(Place, u64)>,
    /// The most memory that an instance had, in bytes.
    pub memory: u64,
    /// Where plugins were found to be, functions from the outermost on, and how often.
    pub stacks: Vec<(Vec<String>, u64)>,
    /// How often there was no room to say where.
    pub elsewhere: u64,
}

/// A line that a plugin logged.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Logged {
    /// Of which record, if it was of one alone.
    pub record: Option<Place>,
    pub level: Level,
    pub text: String,
}

/// Where a record of an attempt stands.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Records of the attempt before it.
    pub before: u64,
    /// Offset of its first byte.
    pub offset: u64,
}

/// A record that failed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// Records of the attempt before this one.
    pub before: u64,
    /// Offset of the record's first byte.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    pub kind: FailureKind,
    /// Which of the job's plugins it failed at, from 0, where that is known.
    pub plugin: Option<u8>,
    /// More about it: the plugin's words if it was rejected, otherwise ours.
    pub text: String,
    /// Where the plugin was, a line for each of its functions, the innermost first; empty
    /// if that is not known.
    pub backtrace: String,
}

/// Levels of a plugin's log, in the order of the interface `host:plugin/log`.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// `text` cut to at most `bytes` bytes on a character boundary.
pub(crate) fn cut_text(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_response_fits_its_cap() {
        let longest = [
            Response::Hello { requests: "x".repeat(MAX_RESPONSE_TEXT) },
            Response::Fatal { what: Fatal::Internal, text: "x".repeat(MAX_RESPONSE_TEXT) },
            Response::Done(Done {
                nonce: Nonce(u64::MAX),
                stop: u64::MAX,
                used: u64::MAX,
                dropped: u64::MAX,
                passed_over: u64::MAX,
                failed: u64::MAX,
                output_bytes: u64::MAX,
                left: u64::MAX,
                output_records: u64::MAX,
                text_bytes: u32::MAX,
                end: End::Failed,
            }),
        ];
        for response in longest {
            let bytes = postcard::to_stdvec(&response).unwrap();
            assert!(bytes.len() + 16 <= MAX_RESPONSE, "{response:?}");
        }
    }
}
