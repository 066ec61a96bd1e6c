//! What a worker's place has to do: a task in each of its slots, and the requests that are
//! out. Plain state; no process and no I/O, so that it can be explored without either.

use std::collections::VecDeque;

use crate::output::Frontier;
use crate::protocol::SLOTS;
use crate::range::{Nonce, Range};
use crate::slots::Progress;

use super::state_work::StateWork;
use super::work::{Cause, Work};

/// What is to be done in a slot.
#[derive(Debug)]
pub(super) enum Task {
    Range(Work),
    States(StateWork),
}

impl Task {
    /// The stretch of input that the attempt that is out goes over.
    pub fn range(&self) -> Option<Range> {
        match self {
            Task::Range(work) => work.attempted(),
            Task::States(_) => None,
        }
    }

    /// The same where the attempt begins with the request that is out: it is not the rest of
    /// a state that is fetched.
    pub fn begins(&self) -> Option<Range> {
        match self {
            Task::Range(work) if work.has_to_fetch() => None,
            task => task.range(),
        }
    }

    /// The attempt that is out.
    pub fn attempt(&self) -> Option<Nonce> {
        match self {
            // An answer whose state is not whole is followed by another request.
            Task::Range(work) => work.attempt().map(|attempt| attempt.nonce),
            Task::States(work) => work.attempt(),
        }
    }
}

/// Whether all is done of what a request belonged to.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum IsDone {
    Yes,
    No,
}

/// What a dead worker was doing, as far as it matters beyond its ranges.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Death {
    /// It was at a record, or between records.
    Ordinary,
    /// It was bringing the plugin to life, and died of it.
    Instantiating(Cause),
    /// The plugin, a reduce, was at a state, and it died of it.
    AtState(Cause),
}

/// The tasks of one place.
#[derive(Debug, Default)]
pub(super) struct Desk {
    tasks: [Option<Task>; SLOTS],
    /// Slots whose attempt is out, in the order in which they were sent.
    queue: VecDeque<usize>,
}

impl Desk {
    /// Number of tasks.
    pub fn load(&self) -> usize {
        self.tasks.iter().flatten().count()
    }

    /// Whether there is a slot for a further task.
    pub fn has_room(&self) -> bool {
        self.load() < SLOTS
    }

    /// The slot that a further task would get.
    pub fn free_slot(&self) -> Option<usize> {
        self.tasks.iter().position(Option::is_none)
    }

    /// Puts a task into a free slot.
    pub fn put(&mut self, slot: usize, task: Task) {
        self.tasks[slot] = Some(task);
    }

    /// The task in a slot.
    pub fn task(&mut self, slot: usize) -> Option<&mut Task> {
        self.tasks.get_mut(slot)?.as_mut()
    }

    /// A slot with a request that may be sent now, which counts as sent from now on.
    pub fn send_next(&mut self, frontier: &Frontier) -> Option<usize> {
        let slot = (0..SLOTS).find(|slot| {
            !self.queue.contains(slot)
                && match &self.tasks[*slot] {
                    Some(Task::Range(work)) => {
                        work.has_to_fetch() || frontier.has_room_for(work.start())
                    }
                    Some(Task::States(_)) => true,
                    None => false,
                }
        })?;
        self.queue.push_back(slot);
        Some(slot)
    }

    /// Slots whose attempt is out, the one that the worker is at first.
    pub fn out(&self) -> impl Iterator<Item = usize> {
        self.queue.iter().copied()
    }

    /// Forgets the request at the front, which was answered. What it belongs to stays
    /// unless it is done.
    pub fn answered(&mut self, is_done: IsDone) {
        if let Some(slot) = self.queue.pop_front()
            && is_done == IsDone::Yes
        {
            self.tasks[slot] = None;
        }
    }

    /// Notes for each task what the death of the worker means for it. `progress` is what
    /// the worker said of each slot, `cause` why it died.
    pub fn interrupt(&mut self, progress: [Progress; SLOTS], cause: Cause) -> Death {
        self.queue.clear();
        let mut death = Death::Ordinary;
        for (task, progress) in self.tasks.iter_mut().zip(progress) {
            match progress {
                Progress::Instantiating => death = Death::Instantiating(cause),
                Progress::AtState => death = Death::AtState(cause),
                Progress::Record(_) | Progress::Idle => {}
            }
            match task {
                Some(Task::Range(work)) => {
                    let offset = match progress {
                        Progress::Record(offset) => Some(offset),
                        Progress::Idle | Progress::Instantiating | Progress::AtState => None,
                    };
                    work.interrupt(offset, cause);
                }
                Some(Task::States(work)) => {
                    let may_repeat = work.interrupt(cause);
                    if !may_repeat {
                        death = Death::AtState(Cause::Crash);
                    }
                }
                None => {}
            }
        }
        death
    }
}

/// A place as far as it matters for what is begun next.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct Standing {
    /// Tasks that it has.
    pub load: usize,
    /// It has room.
    pub has_room: bool,
    /// Its worker would soon get to something new.
    pub is_free: bool,
}

/// Whether a further range should be begun, where there may be so many workers.
pub(super) fn wants_range(
    frontier: &Frontier,
    workers: usize,
    mut places: impl ExactSizeIterator<Item = Standing>,
) -> bool {
    frontier.has_room() && (places.len() < workers || places.any(|place| place.is_free))
}

/// The place that will soonest get to something new.
pub(super) fn soonest(places: impl Iterator<Item = Standing>) -> Option<usize> {
    let with_room = places.enumerate().filter(|(_, place)| place.has_room);
    // A worker that has just been started for it is not online yet.
    with_room.min_by_key(|(_, place)| (place.load, !place.is_free)).map(|(number, _)| number)
}
