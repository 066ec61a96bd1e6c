//! An entry of the journal: how far a run has come.

use serde::{Deserialize, Serialize};

use crate::account::Account;

/// How far a run has come: everything before this place in the input is committed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The input at the frontier, by its place among all.
    pub input: u32,
    /// Everything of it before this byte is committed.
    pub offset: u64,
    /// Records of it that are committed.
    pub records: u64,
    /// Bytes of all inputs that committed ranges cover.
    pub covered: u64,
    pub output: Mark,
    /// Bytes of output before they are compressed.
    pub made: u64,
    /// The file of dead letters, if there is one.
    pub dead_letters: Option<Mark>,
    pub account: Account,
    /// A hash of the bytes of the input just before the frontier.
    pub before: Option<String>,
    /// A hash of all that is committed of the inputs, where the run keeps one.
    pub all: Option<String>,
    /// The output is whole, and has or gets its name.
    pub whole: bool,
}

/// How much of a file is good.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// In bytes.
    pub bytes: u64,
    /// A hash of the last of them.
    pub tail: String,
}
