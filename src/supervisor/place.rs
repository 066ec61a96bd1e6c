//! A worker's place: its desk with what is to be done, the shared memory for that, and the
//! process that does it now. Processes come and go; desk and memory stay.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::event::Reason;
use crate::output::Frontier;
use crate::protocol::{Layout, SLOTS};
use crate::range::{Nonce, Range};
use crate::sandbox::Layers;
use crate::slots::{Progress, SupervisorSlot, Yield};
use crate::worker_handle::{HANDSHAKE, WorkerHandle};

use super::desk::{Death, Desk, IsDone, Standing, Task};
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
    desk: Desk,
    /// The memory of each slot.
    slots: [SupervisorSlot; SLOTS],
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
    watch: Option<Watch>,
    /// What it can begin with, and nobody was told of.
    begins: Option<Range>,
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
            watch: None,
            begins: None,
            ended: None,
            last_words: None,
        }
    }

    fn times(&self) -> Times {
        Times { cpu: self.handle.cpu_time(), now: Instant::now() }
    }

    /// Why it is gone, where nothing that it sent is why.
    pub fn reason(&self) -> Reason {
        match self.ended {
            Some(Judgement::TimedOut) => Reason::Timeout,
            Some(Judgement::Stalled) => Reason::Stalled,
            Some(_) => Reason::Deaf,
            None => Reason::Died,
        }
    }

    /// Ends the process for a reason that its exit status cannot show.
    fn end_for(&mut self, judgement: Judgement) {
        self.ended = Some(judgement);
        self.handle.kill();
    }
}

impl Place {
    pub fn new(number: usize, layout: Layout) -> io::Result<Place> {
        let slots = [SupervisorSlot::new(layout)?, SupervisorSlot::new(layout)?];
        Ok(Place { number, worker: None, restart: None, desk: Desk::default(), slots })
    }

    /// Copies of the slots' descriptors in the order in which a worker inherits them.
    pub fn files(&self) -> io::Result<Vec<OwnedFd>> {
        let files = self.slots.iter().flat_map(SupervisorSlot::files);
        files.map(OwnedFd::try_clone).collect()
    }

    /// How it stands with this place.
    pub fn standing(&self) -> Standing {
        let (load, has_room) = (self.desk.load(), self.desk.has_room());
        let online = self.worker.as_ref().is_some_and(|worker| worker.online);
        Standing { load, has_room, is_free: has_room && online }
    }

    /// Takes on a range under a header; `bytes` are its contents if they do not lie in a
    /// file.
    pub fn take(&mut self, work: Work, header: &[u8], bytes: Option<&[u8]>) -> Result<(), Error> {
        let slot = self.free_slot()?;
        let filled = self.slots[slot].fill([header, bytes.unwrap_or_default()]);
        filled.map_err(|error| Error::system("hand a range to a worker", error))?;
        self.desk.put(slot, Task::Range(work));
        Ok(())
    }

    /// Takes on something that is to be done with states.
    pub fn take_states(&mut self, work: StateWork) -> Result<(), Error> {
        let slot = self.free_slot()?;
        self.desk.put(slot, Task::States(work));
        Ok(())
    }

    fn free_slot(&self) -> Result<usize, Error> {
        let slot = self.desk.free_slot();
        slot.ok_or_else(|| Error::Workers("a worker got more than it can hold".into()))
    }

    /// Sends every request that may be sent now.
    pub fn send(&mut self, frontier: &Frontier) -> Result<(), Error> {
        let Some(worker) = self.worker.as_mut().filter(|worker| worker.online) else {
            return Ok(());
        };
        while let Some(slot) = self.desk.send_next(frontier) {
            let memory = &mut self.slots[slot];
            let request = match self.desk.task(slot) {
                Some(Task::Range(work)) => work.begin(Nonce::new(), slot as u8),
                Some(Task::States(work)) => {
                    let room = memory.input_room();
                    let (request, piece) = work.begin(Nonce::new(), slot as u8, room);
                    let filled = memory.fill([&[], piece]);
                    filled.map_err(|error| Error::system("hand a state to a worker", error))?;
                    request
                }
                None => continue,
            };
            memory.ask_to_yield(Yield::No);
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
        if self.worker.as_ref().is_none_or(|worker| !worker.online) {
            return false;
        }
        self.desk.out().for_each(|slot| self.slots[slot].ask_to_yield(Yield::Now));
        self.desk.out().next().is_some()
    }

    /// The task whose attempt the worker is at, and its memory.
    pub fn front(&mut self) -> Option<(&mut Task, &SupervisorSlot)> {
        self.worker.as_ref()?;
        let slot = self.desk.out().next()?;
        Some((self.desk.task(slot)?, &self.slots[slot]))
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
        if let Some(worker) = &mut self.worker {
            // What nobody was told of by now is over.
            (worker.watch, worker.begins) = (None, None);
            self.desk.answered(is_done);
        }
        self.watch_front();
    }

    /// Starts watching the attempt that the worker can begin now.
    fn watch_front(&mut self) {
        let Some(worker) = &mut self.worker else { return };
        let front = self.desk.out().next();
        if let Some(task) = front.and_then(|slot| self.desk.task(slot))
            && let Some(nonce) = task.attempt()
            && worker.watch.as_ref().is_none_or(|watch| watch.nonce() != nonce)
        {
            let bytes = task.range().map_or(0, |range| range.end.saturating_sub(range.start));
            worker.watch = Some(Watch::new(nonce, bytes, worker.times()));
            worker.begins = task.begins();
        }
    }

    /// What the worker, with this process id, has got to since this was asked.
    pub fn begins(&mut self) -> Option<(u32, Range)> {
        let worker = self.worker.as_mut()?;
        Some((worker.handle.pid(), worker.begins.take()?))
    }

    /// How long the worker has been at what it is at.
    pub fn elapsed(&self) -> Duration {
        let watch = self.worker.as_ref().and_then(|worker| worker.watch.as_ref());
        watch.map_or(Duration::ZERO, Watch::elapsed)
    }

    /// The stretch of input that the worker is at.
    pub fn at(&mut self) -> Option<Range> {
        self.front()?.0.range()
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
        let Some(slot) = self.desk.out().next() else { return };
        let memory = &self.slots[slot];
        let times = worker.times();
        let Some(watch) = &mut worker.watch else { return };
        match watch.look(memory.progress(), times, timeout) {
            Judgement::Fine => {}
            Judgement::Ask => memory.ask_to_yield(Yield::Now),
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
        let progress = self.slots.each_ref().map(SupervisorSlot::progress);
        self.slots.iter().for_each(SupervisorSlot::forget_progress);
        for progress in progress {
            if let Progress::Record(offset) = progress {
                let worker = self.number;
                tracing::debug!(worker, offset, ?cause, "a worker has died at a record");
            }
        }
        self.desk.interrupt(progress, cause)
    }
}
