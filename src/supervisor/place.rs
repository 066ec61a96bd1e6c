//! A worker's place: its slots with what is to be done in them, and the process that
//! does it now. Processes come and go; slots and work stay.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::rand::{GetRandomFlags, getrandom};

use crate::error::Error;
use crate::output::Frontier;
use crate::protocol::{Layout, SLOTS};
use crate::range::Nonce;
use crate::sandbox::Layers;
use crate::slots::{Progress, SupervisorSlot, Yield};
use crate::worker_handle::{HANDSHAKE, WorkerHandle};

use super::state_work::StateWork;
use super::watch::{Judgement, Times, Watch};
use super::work::{Cause, Work};

/// One worker's place.
pub(super) struct Place {
    /// From 0.
    pub number: usize,
    pub worker: Option<Worker>,
    /// When another worker is to take the place of one that died.
    pub restart: Option<Instant>,
    slots: Vec<Slot>,
}

struct Slot {
    memory: SupervisorSlot,
    task: Option<Task>,
}

/// What is to be done in a slot.
#[derive(Debug)]
pub(super) enum Task {
    Range(Work),
    States(StateWork),
}

impl Task {
    /// The attempt that is out.
    fn attempt(&self) -> Option<Nonce> {
        match self {
            // An answer whose state is not whole is followed by another request.
            Task::Range(work) => work.attempt().map(|attempt| attempt.nonce),
            Task::States(work) => work.attempt(),
        }
    }
}

/// The process that serves a place now.
pub(super) struct Worker {
    pub handle: WorkerHandle,
    /// Tells its words from those of a process that was here before.
    pub generation: u64,
    /// The layers of its sandbox, once it is locked.
    pub layers: Option<Layers>,
    /// It has loaded the plugin.
    pub online: bool,
    started: Instant,
    /// Slots whose attempt is out, in the order in which they were sent.
    queue: VecDeque<usize>,
    watch: Option<Watch>,
    /// Why the supervisor has ended it, if it has.
    ended: Option<Judgement>,
    /// What it said before it ended itself.
    pub last_words: Option<String>,
}

impl Worker {
    pub fn new(handle: WorkerHandle, generation: u64) -> Worker {
        Worker {
            handle,
            generation,
            layers: None,
            online: false,
            started: Instant::now(),
            queue: VecDeque::new(),
            watch: None,
            ended: None,
            last_words: None,
        }
    }

    fn times(&self) -> Times {
        Times { cpu: self.handle.cpu_time(), now: Instant::now() }
    }

    /// Ends the process for a reason that its exit status cannot show.
    fn end_for(&mut self, judgement: Judgement) {
        self.ended = Some(judgement);
        self.handle.kill();
    }
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

/// Whether all is done of what a request belonged to.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum IsDone {
    Yes,
    No,
}

impl Place {
    pub fn new(number: usize, layout: Layout) -> io::Result<Place> {
        let slot = |_| Ok(Slot { memory: SupervisorSlot::new(layout)?, task: None });
        let slots = (0..SLOTS).map(slot).collect::<io::Result<_>>()?;
        Ok(Place { number, worker: None, restart: None, slots })
    }

    /// Copies of the slots' descriptors in the order in which a worker inherits them.
    pub fn files(&self) -> io::Result<Vec<OwnedFd>> {
        let files = self.slots.iter().flat_map(|slot| slot.memory.files());
        files.map(OwnedFd::try_clone).collect()
    }

    /// Number of ranges that this place has to deal with.
    pub fn load(&self) -> usize {
        self.slots.iter().filter(|slot| slot.task.is_some()).count()
    }

    /// Whether there is a slot for a further range.
    pub fn has_room(&self) -> bool {
        self.load() < SLOTS
    }

    /// Whether a further range would be worked on soon.
    pub fn is_free(&self) -> bool {
        self.has_room() && self.worker.as_ref().is_some_and(|worker| worker.online)
    }

    /// Takes on a range under a header; `bytes` are its contents if they do not lie in a
    /// file.
    pub fn take(&mut self, work: Work, header: &[u8], bytes: Option<&[u8]>) -> Result<(), Error> {
        let slot = self.free_slot()?;
        let filled = slot.memory.fill([header, bytes.unwrap_or_default()]);
        filled.map_err(|error| Error::system("hand a range to a worker", error))?;
        slot.task = Some(Task::Range(work));
        Ok(())
    }

    /// Takes on something that is to be done with states.
    pub fn take_states(&mut self, work: StateWork) -> Result<(), Error> {
        self.free_slot()?.task = Some(Task::States(work));
        Ok(())
    }

    fn free_slot(&mut self) -> Result<&mut Slot, Error> {
        let slot = self.slots.iter_mut().find(|slot| slot.task.is_none());
        slot.ok_or_else(|| Error::Workers("a worker got more than it can hold".into()))
    }

    /// Sends every request that may be sent now.
    pub fn send(&mut self, frontier: &Frontier) -> Result<(), Error> {
        let Some(worker) = self.worker.as_mut().filter(|worker| worker.online) else {
            return Ok(());
        };
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if worker.queue.contains(&index) {
                continue;
            }
            let request = match &mut slot.task {
                Some(Task::Range(work))
                    if work.has_to_fetch() || frontier.has_room_for(work.start()) =>
                {
                    work.begin(nonce(), index as u8)
                }
                Some(Task::States(work)) => {
                    let room = slot.memory.input_room();
                    let (request, piece) = work.begin(nonce(), index as u8, room);
                    let filled = slot.memory.fill([&[], piece]);
                    filled.map_err(|error| Error::system("hand a state to a worker", error))?;
                    request
                }
                Some(Task::Range(_)) | None => continue,
            };
            slot.memory.ask_to_yield(Yield::No);
            worker.queue.push_back(index);
            // A failure means that the worker is gone. That will be heard, and then
            // the attempt is made again.
            let _ = worker.handle.send(request);
        }
        self.watch_front();
        Ok(())
    }

    /// Asks the worker to answer every attempt that is out as soon as it can. False if none
    /// is.
    pub fn ask_to_yield(&self) -> bool {
        let Some(worker) = self.worker.as_ref().filter(|worker| worker.online) else {
            return false;
        };
        for slot in worker.queue.iter().filter_map(|index| self.slots.get(*index)) {
            slot.memory.ask_to_yield(Yield::Now);
        }
        !worker.queue.is_empty()
    }

    /// The slot whose attempt the worker is at.
    pub fn front(&mut self) -> Option<(&mut Task, &SupervisorSlot)> {
        let index = *self.worker.as_ref()?.queue.front()?;
        let slot = self.slots.get_mut(index)?;
        Some((slot.task.as_mut()?, &slot.memory))
    }

    /// The range in it, if it is one.
    pub fn front_range(&mut self) -> Option<(&mut Work, &SupervisorSlot)> {
        match self.front()? {
            (Task::Range(work), memory) => Some((work, memory)),
            (Task::States(_), _) => None,
        }
    }

    /// Forgets the request at the front, which was answered. What it belongs to stays
    /// unless it is done.
    pub fn answered(&mut self, is_done: IsDone) {
        let index = self.worker.as_mut().and_then(|worker| {
            worker.watch = None;
            worker.queue.pop_front()
        });
        if let Some(slot) = index.and_then(|index| self.slots.get_mut(index))
            && is_done == IsDone::Yes
        {
            slot.task = None;
        }
        self.watch_front();
    }

    /// Starts watching the attempt that the worker can begin now.
    fn watch_front(&mut self) {
        let Some(worker) = &mut self.worker else { return };
        let front = worker.queue.front().and_then(|index| self.slots.get(*index));
        let attempt = front.and_then(|slot| slot.task.as_ref()?.attempt());
        if let Some(nonce) = attempt
            && worker.watch.as_ref().is_none_or(|watch| watch.nonce() != nonce)
        {
            worker.watch = Some(Watch::new(nonce, worker.times()));
        }
    }

    /// Looks after the worker: has it, or the record that it is at, used up its time?
    pub fn look(&mut self, timeout: Duration) {
        let Some(worker) = &mut self.worker else { return };
        if worker.ended.is_some() {
            return;
        }
        if !worker.online {
            if worker.started.elapsed() > HANDSHAKE {
                worker.end_for(Judgement::Stalled);
            }
            return;
        }
        let front = worker.queue.front().and_then(|index| self.slots.get(*index));
        let Some(slot) = front else { return };
        let times = worker.times();
        let Some(watch) = &mut worker.watch else { return };
        match watch.look(slot.memory.progress(), times, timeout) {
            Judgement::Fine => {}
            Judgement::Ask => slot.memory.ask_to_yield(Yield::Now),
            reason => worker.end_for(reason),
        }
    }

    /// Takes the worker away after its death, and notes for each range what that
    /// means for it. `own` is the cause if the supervisor did not end it.
    pub fn bury(&mut self, own: Cause) -> Death {
        let ended = self.worker.take().and_then(|worker| worker.ended);
        let cause = match ended {
            Some(Judgement::TimedOut) => Cause::Timeout,
            Some(Judgement::Stalled) => Cause::Stalled,
            Some(_) => Cause::Crash,
            None => own,
        };
        let mut death = Death::Ordinary;
        for slot in &mut self.slots {
            let progress = slot.memory.progress();
            slot.memory.forget_progress();
            match progress {
                Progress::Instantiating => death = Death::Instantiating(cause),
                Progress::AtState => death = Death::AtState(cause),
                Progress::Record(_) | Progress::Idle => {}
            }
            match &mut slot.task {
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

/// A number that a worker can only know by having been told.
fn nonce() -> Nonce {
    let mut bytes = [0; 8];
    // Only an early boot or a very old kernel refuses; then the number is merely
    // guessable, which costs no safety while every other number is checked too.
    let _ = getrandom(&mut bytes, GetRandomFlags::empty());
    Nonce(u64::from_ne_bytes(bytes))
}
