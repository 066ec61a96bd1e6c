//! States of a reduce on their way into one: each stretch of the input has one, and
//! neighbours are merged. Plain state; who merges is decided elsewhere.

use std::collections::BTreeMap;

use super::state_work::{Act, StateWork};

/// A place between records: a range by its number in the job, and a byte in it, 0 for
/// its beginning.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Position {
    pub range: u64,
    pub offset: u64,
}

/// What is known of a stretch of the input.
#[derive(Debug)]
struct Stretch {
    end: Position,
    held: Held,
}

#[derive(Debug, PartialEq)]
enum Held {
    /// No record of it was folded.
    Nothing,
    State(Vec<u8>),
    /// A worker has it.
    Away,
}

/// All states that there are, by where their stretches begin.
#[derive(Debug, Default)]
pub(super) struct States(BTreeMap<Position, Stretch>);

/// Whether there will be further states.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum More {
    Comes,
    No,
}

impl States {
    /// Takes in the state of a stretch, if any record of it was folded.
    pub fn insert(&mut self, start: Position, end: Position, state: Option<Vec<u8>>) {
        let held = state.map_or(Held::Nothing, Held::State);
        self.0.insert(start, Stretch { end, held });
        self.join(start);
    }

    /// Takes in what two states were merged into.
    pub fn merged(&mut self, start: Position, state: Vec<u8>) {
        if let Some(stretch) = self.0.get_mut(&start) {
            stretch.held = Held::State(state);
        }
        self.join(start);
    }

    /// Two neighbours that should be merged now.
    ///
    /// Where more comes, a small state waits until there is another one behind it: else
    /// a large one would be copied for each small one that follows.
    pub fn next(&mut self, more: More) -> Option<StateWork> {
        let (left, right) = self.0.iter().find_map(|(start, stretch)| {
            let next = self.0.get(&stretch.end)?;
            let (Held::State(left), Held::State(right)) = (&stretch.held, &next.held) else {
                return None;
            };
            let worthwhile = more == More::No || right.len() >= left.len() / 2;
            worthwhile.then_some((*start, stretch.end))
        })?;
        let right = self.0.remove(&right)?;
        let stretch = self.0.get_mut(&left)?;
        stretch.end = right.end;
        match (std::mem::replace(&mut stretch.held, Held::Away), right.held) {
            (Held::State(first), Held::State(second)) => {
                Some(StateWork::new(Act::Merge { at: left }, first, &second))
            }
            // Excluded above.
            _ => None,
        }
    }

    /// Whether all that there is is one state, or nothing.
    pub fn is_one(&self) -> bool {
        self.0.len() <= 1 && self.0.values().all(|stretch| stretch.held != Held::Away)
    }

    /// Takes the one state that all have become; none if no record was folded.
    pub fn take_one(&mut self) -> Option<Vec<u8>> {
        match self.0.pop_first()?.1.held {
            Held::State(state) => Some(state),
            Held::Nothing | Held::Away => None,
        }
    }

    /// Bytes of the states that are here.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        let bytes = |stretch: &Stretch| match &stretch.held {
            Held::State(state) => state.len(),
            Held::Nothing | Held::Away => 0,
        };
        self.0.values().map(bytes).sum()
    }

    /// Joins a stretch with its neighbours where one of two has no state.
    fn join(&mut self, start: Position) {
        let before = self.0.range(..start).next_back();
        let left = before.filter(|(_, stretch)| stretch.end == start).map(|(left, _)| *left);
        let start = match left {
            Some(left) if self.join_pair(left) => left,
            _ => start,
        };
        self.join_pair(start);
    }

    /// Joins a stretch with the one behind it, if one of them has no state.
    fn join_pair(&mut self, left: Position) -> bool {
        let Some(first) = self.0.get(&left) else { return false };
        let Some(second) = self.0.get(&first.end) else { return false };
        if first.held != Held::Nothing && second.held != Held::Nothing {
            return false;
        }
        // What is away comes back to where it was taken.
        if second.held == Held::Away {
            return false;
        }
        let Some(second) = self.0.remove(&first.end.clone()) else { return false };
        if let Some(first) = self.0.get_mut(&left) {
            first.end = second.end;
            if first.held == Held::Nothing {
                first.held = second.held;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(range: u64) -> Position {
        Position { range, offset: 0 }
    }

    fn insert(states: &mut States, range: u64, state: &str) {
        states.insert(at(range), at(range + 1), Some(state.into()));
    }

    /// Merges two as a worker would: one behind the other.
    fn merge(states: &mut States, work: &StateWork) {
        let Act::Merge { at } = work.act() else { panic!("no merge") };
        states.merged(at, work.input().to_vec());
    }

    /// Merges as workers would, until nothing is left to merge.
    fn merge_all(states: &mut States, more: More) {
        while let Some(work) = states.next(more) {
            merge(states, &work);
        }
    }

    #[test]
    fn states_become_one_in_the_order_of_the_input() {
        let mut states = States::default();
        for range in [2, 0, 3, 1] {
            insert(&mut states, range, &range.to_string());
            merge_all(&mut states, More::Comes);
        }
        assert!(states.is_one());
        assert_eq!(states.take_one().unwrap(), b"0123");
    }

    #[test]
    fn only_neighbours_are_merged() {
        let mut states = States::default();
        insert(&mut states, 0, "a");
        insert(&mut states, 2, "c");
        assert!(states.next(More::Comes).is_none());
        assert!(!states.is_one());
        states.insert(at(1), at(2), None);
        merge_all(&mut states, More::No);
        assert_eq!(states.take_one().unwrap(), b"ac");
    }

    #[test]
    fn stretches_without_a_state_cost_no_merge() {
        let mut states = States::default();
        for range in 0..5 {
            states.insert(at(range), at(range + 1), (range == 3).then(|| b"x".to_vec()));
        }
        assert!(states.next(More::No).is_none());
        assert!(states.is_one());
        assert_eq!(states.take_one().unwrap(), b"x");
        assert_eq!(states.take_one(), None);
    }

    #[test]
    fn what_is_away_is_waited_for() {
        let mut states = States::default();
        insert(&mut states, 0, "a");
        insert(&mut states, 1, "b");
        let work = states.next(More::Comes).unwrap();
        // Nothing on the right of it, then something.
        states.insert(at(2), at(3), None);
        insert(&mut states, 3, "c");
        assert!(states.next(More::No).is_none());
        assert!(!states.is_one());
        merge(&mut states, &work);
        merge_all(&mut states, More::No);
        assert!(states.is_one());
        assert_eq!(states.take_one().unwrap(), b"abc");
    }

    #[test]
    fn nothing_on_the_left_of_what_is_away_is_joined_later() {
        let mut states = States::default();
        insert(&mut states, 1, "b");
        insert(&mut states, 2, "c");
        let work = states.next(More::Comes).unwrap();
        states.insert(at(0), at(1), None);
        merge(&mut states, &work);
        assert!(states.is_one());
        assert_eq!(states.take_one().unwrap(), b"bc");
    }

    #[test]
    fn a_small_state_waits_behind_a_large_one() {
        let mut states = States::default();
        let mut merged = 0;
        let large = "x".repeat(1000);
        insert(&mut states, 0, &large);
        for range in 1..200 {
            insert(&mut states, range, "0123456789");
            while let Some(work) = states.next(More::Comes) {
                merged += work.input().len();
                merge(&mut states, &work);
            }
        }
        merge_all(&mut states, More::No);
        assert_eq!(states.bytes(), 1000 + 199 * 10);
        // Copying the large one each time would be 200,000 and more.
        assert!(merged < 30_000, "{merged}");
    }
}
