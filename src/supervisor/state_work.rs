//! Something that a worker has to do with states: handing them over piece by piece, and
//! taking back what came of them. Plain state; no process and no I/O.

use crate::protocol::{MAX_PIECE, Piece, Request, States, Then};
use crate::range::Nonce;

use super::answer::Missing;
use super::states::Position;
use super::work::Cause;

/// How often it is begun again after the worker was killed by somebody else.
const REPEATS: u32 = 5;

/// What is to be done.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Act {
    /// Merge two states, the first of which begins here.
    Merge { at: Position },
    /// Make records of the last one.
    Finish,
    /// Make records of the state of no records.
    FinishNone,
}

/// States on their way to a worker and what comes back.
#[derive(Debug)]
pub(super) struct StateWork {
    act: Act,
    /// The states, one behind the other.
    input: Vec<u8>,
    /// Length of the first, in bytes.
    left: u64,
    /// Bytes of `input` that the worker has taken.
    given: usize,
    /// Bytes of the piece that is out.
    piece: usize,
    attempt: Option<Nonce>,
    made: Vec<u8>,
    /// Bytes that are still to come; not known before it is done.
    missing: Option<u64>,
    records: u64,
    repeats: u32,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Outcome {
    pub act: Act,
    /// A state, or records in the output's framing.
    pub made: Vec<u8>,
    /// How many records, if it is records.
    pub records: u64,
}

impl StateWork {
    pub fn new(act: Act, mut first: Vec<u8>, second: &[u8]) -> StateWork {
        let left = first.len() as u64;
        first.extend_from_slice(second);
        StateWork {
            act,
            input: first,
            left,
            given: 0,
            piece: 0,
            attempt: None,
            made: Vec::new(),
            missing: None,
            records: 0,
            repeats: 0,
        }
    }

    pub fn act(&self) -> Act {
        self.act
    }

    #[cfg(test)]
    pub fn input(&self) -> &[u8] {
        &self.input
    }

    /// The request that is out.
    pub fn attempt(&self) -> Option<Nonce> {
        self.attempt
    }

    /// The next request, which counts as sent from now on, and the bytes that have to be
    /// in the slot with it, at most `room`.
    pub fn begin(&mut self, nonce: Nonce, slot: u8, room: usize) -> (Request, &[u8]) {
        self.attempt = Some(nonce);
        if self.missing.is_some() {
            return (Request::Fetch { nonce, slot }, &[]);
        }
        let rest = &self.input[self.given..];
        let piece = &rest[..rest.len().min(room).min(MAX_PIECE)];
        self.piece = piece.len();
        let then = match self.act {
            _ if piece.len() < rest.len() => Then::Await,
            Act::Merge { .. } => Then::Merge { left: self.left },
            Act::Finish => Then::Finish,
            Act::FinishNone => Then::FinishNone,
        };
        let (before, length) = (self.given as u64, piece.len() as u64);
        (Request::States(States { nonce, slot, before, length, then }), piece)
    }

    /// How much may come with the answer; `most` is what may come of states at all.
    pub fn missing(&self, most: u64) -> Missing {
        let is_whole = self.given + self.piece == self.input.len();
        match self.missing {
            Some(bytes) => Missing::Exactly(bytes),
            None if is_whole => Missing::AtMost(most),
            None => Missing::Exactly(0),
        }
    }

    /// Takes in a (checked) answer. Gives the outcome when it is whole.
    pub fn advance(&mut self, piece: &Piece, bytes: &[u8]) -> Option<Outcome> {
        self.attempt = None;
        self.given += std::mem::take(&mut self.piece);
        if self.given < self.input.len() {
            return None;
        }
        if self.missing.is_none() {
            self.records = piece.records;
        }
        self.made.extend_from_slice(bytes);
        self.missing = Some(piece.left);
        (piece.left == 0).then(|| Outcome {
            act: self.act,
            made: std::mem::take(&mut self.made),
            records: self.records,
        })
    }

    /// Takes in that the worker died: all has to be done again. False if that has
    /// happened too often.
    pub fn interrupt(&mut self, cause: Cause) -> bool {
        if self.attempt.take().is_some() && cause == Cause::Killed {
            self.repeats += 1;
        }
        (self.given, self.piece, self.missing) = (0, 0, None);
        self.made.clear();
        self.repeats <= REPEATS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(bytes: u64, left: u64) -> Piece {
        Piece { nonce: Nonce(1), bytes, left, records: 0, text_bytes: 0 }
    }

    fn begin(work: &mut StateWork, room: usize) -> (Request, Vec<u8>) {
        let (request, bytes) = work.begin(Nonce(1), 0, room);
        (request, bytes.to_vec())
    }

    fn states(before: u64, length: u64, then: Then) -> Request {
        Request::States(States { nonce: Nonce(1), slot: 0, before, length, then })
    }

    #[test]
    fn states_go_and_come_in_pieces() {
        let act = Act::Merge { at: Position { range: 3, offset: 0 } };
        let mut work = StateWork::new(act, b"abc".to_vec(), b"de");
        assert_eq!(begin(&mut work, 4), (states(0, 4, Then::Await), b"abcd".to_vec()));
        assert_eq!(work.missing(100), Missing::Exactly(0));
        assert!(work.advance(&piece(0, 0), b"").is_none());
        let merge = Then::Merge { left: 3 };
        assert_eq!(begin(&mut work, 4), (states(4, 1, merge), b"e".to_vec()));
        assert_eq!(work.missing(100), Missing::AtMost(100));
        assert!(work.advance(&piece(2, 1), b"xy").is_none());
        assert_eq!(begin(&mut work, 4).0, Request::Fetch { nonce: Nonce(1), slot: 0 });
        assert_eq!(work.missing(100), Missing::Exactly(1));
        let outcome = work.advance(&piece(1, 0), b"z").unwrap();
        assert_eq!((outcome.act, outcome.made), (act, b"xyz".to_vec()));
    }

    #[test]
    fn nothing_is_handed_over_where_there_is_nothing() {
        let mut work = StateWork::new(Act::FinishNone, Vec::new(), &[]);
        assert_eq!(begin(&mut work, 4), (states(0, 0, Then::FinishNone), vec![]));
        assert!(work.advance(&piece(0, 0), b"").is_some());
    }

    #[test]
    fn a_death_begins_it_again_and_too_many_end_it() {
        let mut work = StateWork::new(Act::Finish, b"abcdef".to_vec(), &[]);
        begin(&mut work, 4);
        work.advance(&piece(0, 0), b"");
        for _ in 0..REPEATS {
            begin(&mut work, 4);
            assert!(work.interrupt(Cause::Killed));
            assert_eq!(begin(&mut work, 4).0, states(0, 4, Then::Await));
        }
        assert!(!work.interrupt(Cause::Killed));
    }
}
