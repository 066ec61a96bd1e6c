//! What a job with a reduce has besides ranges: states that workers merge, and the end,
//! at which one is left and records are made of it.

use crate::error::Error;
use crate::ipc::Violation;
use crate::job::Wanted;
use crate::output::Finished;
use crate::protocol::{Done, Piece};

use super::Supervisor;
use super::answer::{self, Missing, Taken};
use super::desk::{IsDone, Task};
use super::state_work::{Act, Outcome, StateWork};
use super::states::{More, Position, States};

/// States on their way to the end.
#[derive(Debug, Default)]
pub(super) struct Folding {
    states: States,
    end: End,
}

/// How far the end is.
#[derive(Debug, Default)]
enum End {
    #[default]
    Far,
    /// A worker makes records of the last state.
    Near,
    /// They are here.
    Here(Outcome),
    /// They are written.
    Over,
}

impl Folding {
    /// For states that are there from the beginning, in this order.
    pub fn of(states: Vec<Option<Vec<u8>>>) -> Folding {
        let mut folding = Folding::default();
        for (range, state) in (0..).zip(states) {
            let start = Position { range, offset: 0 };
            let end = Position { range: range + 1, offset: 0 };
            folding.states.insert(start, end, state);
        }
        folding
    }

    /// Whether all is written that comes of it.
    pub fn is_over(&self) -> bool {
        matches!(self.end, End::Over)
    }

    /// Takes in the state of a stretch, if any record of it was folded.
    pub fn insert(&mut self, (start, end): (Position, Position), state: Option<Vec<u8>>) {
        self.states.insert(start, end, state);
    }

    fn take_in(&mut self, outcome: Outcome) {
        match outcome.act {
            Act::Merge { at } => self.states.merged(at, outcome.made),
            Act::Finish | Act::FinishNone => self.end = End::Here(outcome),
        }
    }
}

/// What is whole with a piece.
enum Complete {
    Range((Done, Finished)),
    States(Outcome),
}

impl Supervisor<'_> {
    /// Gives workers everything that can be done with states now.
    pub(super) fn fold(&mut self, more: More) -> Result<(), Error> {
        while let Some(folding) = &mut self.folding {
            if let End::Here(outcome) = &mut folding.end {
                self.ledger.write_finished(&outcome.made, outcome.records, self.events)?;
                folding.end = End::Over;
            }
            let can_start = self.places.len() < self.plan.workers;
            if !can_start && !self.places.iter().any(|place| place.standing().has_room) {
                return Ok(());
            }
            let work = match folding.states.next(more) {
                Some(work) => work,
                None if more == More::Comes || !folding.states.is_one() => return Ok(()),
                None if !matches!(folding.end, End::Far) => return Ok(()),
                None => match (self.job.wanted, folding.states.take_one()) {
                    (Wanted::State, state) => {
                        folding.end = End::Over;
                        return self.ledger.write_state(state.as_deref(), self.events);
                    }
                    (Wanted::Records, state) => {
                        folding.end = End::Near;
                        match state {
                            Some(state) => StateWork::new(Act::Finish, state, &[]),
                            None => StateWork::new(Act::FinishNone, Vec::new(), &[]),
                        }
                    }
                },
            };
            self.start_another()?;
            self.place_with_room()?.take_states(work)?;
        }
        Ok(())
    }

    /// Takes in a piece of a state.
    pub(super) fn accept_piece(&mut self, number: usize, piece: &Piece) -> Result<(), Violation> {
        let nobody_asked = Violation::Answer("it answered before it was asked");
        let rules = self.rules();
        let place = &mut self.places[number];
        let took = place.elapsed();
        let (task, memory) = place.front().ok_or(nobody_asked.clone())?;
        let (taken, complete) = match task {
            Task::Range(work) => {
                let attempt = work.attempt().ok_or(nobody_asked.clone())?;
                let missing = Missing::Exactly(work.missing().ok_or(nobody_asked)?);
                let taken = answer::accept_piece(piece, attempt.nonce, missing, memory)?;
                work.add_time(took);
                let complete = work.complete(&taken.bytes, piece.left);
                (taken, complete.map(Complete::Range))
            }
            Task::States(work) => {
                let nonce = work.attempt().ok_or(nobody_asked)?;
                let most = match work.act() {
                    Act::Merge { .. } => rules.max_state,
                    Act::Finish | Act::FinishNone => self.plan.most_finished,
                };
                let taken = answer::accept_piece(piece, nonce, work.missing(most), memory)?;
                let outcome = work.advance(piece, &taken.bytes);
                if let Some(outcome) = &outcome
                    && !matches!(outcome.act, Act::Merge { .. })
                {
                    answer::check_records(&outcome.made, outcome.records, rules)?;
                }
                (taken, outcome.map(Complete::States))
            }
        };
        let Taken { log, log_cut, .. } = taken;
        self.ledger.log(None, &log, log_cut, self.events);
        match complete {
            None => place.answered(IsDone::No),
            Some(Complete::Range((done, finished))) => self.finish(number, &done, finished),
            Some(Complete::States(outcome)) => {
                place.answered(IsDone::Yes);
                self.restarts.finished();
                if let Some(folding) = &mut self.folding {
                    folding.take_in(outcome);
                }
            }
        }
        Ok(())
    }
}
