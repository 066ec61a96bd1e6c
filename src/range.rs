//! Names for places in the input: which input, which bytes of it.

use rustix::rand::{GetRandomFlags, getrandom};
use serde::{Deserialize, Serialize};

/// An input's place on the command line, from 0.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct InputId(pub(crate) u32);

impl InputId {
    /// The input's place among the inputs of its job, from 0.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A half-open stretch of one input on record boundaries: the unit of work, of
/// order and of retry. Ordered as the input is.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Range {
    /// The input that it is a part of.
    pub input: InputId,
    /// Offset of its first byte from the start of the input.
    pub start: u64,
    /// Offset of the byte after its last.
    pub end: u64,
}

/// One try at a range: an unguessable number that an answer has to repeat.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub(crate) struct Nonce(pub u64);

impl Nonce {
    /// A number that a worker can only know by having been told.
    pub fn new() -> Nonce {
        let mut bytes = [0; 8];
        // Only an early boot or a very old kernel refuses; then the number is merely
        // guessable, which costs no safety while every other number is checked too.
        let _ = getrandom(&mut bytes, GetRandomFlags::empty());
        Nonce(u64::from_ne_bytes(bytes))
    }
}
