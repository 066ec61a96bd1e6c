//! One table worker as the supervisor sees it: started, asked, and not trusted.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytesize::ByteSize;
use crossbeam_channel::{Receiver, RecvTimeoutError, unbounded};

use super::{ROOM, Task};
use crate::error::Error;
use crate::ipc::{Heard, SocketDirectory, Violation, is_of_this_process};
use crate::protocol::{Fatal, Layout, Piece, Request, Response, Settings};
use crate::range::Nonce;
use crate::roles::Role;
use crate::sandbox::{self, Locked};
use crate::slots::SupervisorSlot;
use crate::text::printable;
use crate::worker_handle::{Exit, HANDSHAKE, WorkerHandle};

/// Numbers of guard sockets from here on are those of table workers.
const FIRST_NUMBER: u64 = 1 << 32;
/// CPU time for one answer. It is far more than any takes that has an end.
const PATIENCE: Duration = Duration::from_secs(120);
/// How much longer it may take by the clock on the wall.
const WALL: u32 = 10;
/// How long it may stand still, which takes no CPU time: somebody has stopped it, or it waits
/// for what does not come. (Tests that stop one wait less long.)
const STILL: Duration = Duration::from_secs(if cfg!(feature = "faults") { 3 } else { 30 });
/// How often it is looked whether anybody still waits for an answer.
const LOOK: Duration = Duration::from_millis(50);

/// What table workers of a job have in common.
#[derive(Clone)]
pub(crate) struct TableWorkers(Arc<Common>);

struct Common {
    directory: Arc<SocketDirectory>,
    sandbox: sandbox::Plan,
    settings: Settings,
    memory: u64,
    workers: usize,
    numbers: AtomicU64,
}

impl TableWorkers {
    /// `memory` is what each may have, in bytes; `workers` how many a table is read with.
    pub fn new(
        directory: Arc<SocketDirectory>,
        sandbox: sandbox::Plan,
        settings: Settings,
        memory: u64,
        workers: usize,
    ) -> TableWorkers {
        let numbers = AtomicU64::new(FIRST_NUMBER);
        TableWorkers(Arc::new(Common { directory, sandbox, settings, memory, workers, numbers }))
    }

    /// How many a table is read with.
    pub fn workers(&self) -> usize {
        self.0.workers
    }

    /// What each may have, in bytes.
    pub fn memory(&self) -> u64 {
        self.0.memory
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The table worker's words about the file.
    Refused(String),
    /// The process is gone, or had to go; another may do it.
    Died { how: String, again: Again },
    /// Nobody waits any more, or this process cannot go on.
    Over(Error),
}

/// Whether what a process died of will happen again.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Again {
    Maybe,
    /// Very likely: it has no memory, or has stumbled over its file.
    Likely,
}

impl Trouble {
    fn died(how: impl ToString) -> Trouble {
        Trouble::Died { how: how.to_string(), again: Again::Maybe }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Over(error)
    }
}

/// A table worker with its file open. Dropping it ends the process.
pub(crate) struct Session {
    worker: WorkerHandle,
    heard: Receiver<Heard>,
    slot: SupervisorSlot,
    /// Names what was asked last.
    nonce: Nonce,
    asked: Instant,
    /// CPU time that the process had used by then.
    used: Duration,
    /// What it may have, in bytes: that may be what brings it to its end.
    memory: u64,
}

impl Session {
    /// Starts a process for a task with these files. `wait` says whether somebody still waits
    /// for it.
    ///
    /// # Errors
    /// What [`Trouble`] lists. What is wrong with a table is told by the first answer.
    pub fn start(
        workers: &TableWorkers,
        task: &Task,
        files: &[&File],
        wait: &dyn Fn() -> Result<(), Error>,
    ) -> Result<Session, Trouble> {
        let Common { directory, sandbox, settings, memory, numbers, .. } = &*workers.0;
        let system = |error| Error::system("prepare for a table worker", error);
        let task =
            postcard::to_stdvec(task).map_err(|error| system(std::io::Error::other(error)))?;
        let layout = Layout { input: task.len() as u64, output: ROOM };
        let mut slot = SupervisorSlot::new(layout).map_err(system)?;
        slot.fill([&task, &[]]).map_err(system)?;
        let [input, output] = slot.files();
        let mut inherited: Vec<OwnedFd> = Vec::new();
        for file in [input, output] {
            inherited.push(file.try_clone().map_err(system)?);
        }
        for file in files {
            inherited.push(file.try_clone().map_err(system)?.into());
        }
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let (events, heard) = unbounded();
        let worker =
            WorkerHandle::spawn(Role::Table, directory, number, inherited, move |heard| {
                // The receiver is gone when the worker is no longer wanted.
                let _ = events.send(heard);
            })?;
        let nonce = Nonce::new();
        let (asked, used) = (Instant::now(), Duration::ZERO);
        let mut session = Session { worker, heard, slot, nonce, asked, used, memory: *memory };
        let Response::Hello { requests } = session.hear(HANDSHAKE, wait)? else {
            return Err(out_of_turn());
        };
        let prepare = Request::Prepare {
            layout,
            sandbox: *sandbox,
            memory: *memory,
            plugins: 0,
            data: 0,
            settings: *settings,
        };
        if let Err(error) = session.worker.connect(directory, &requests, prepare) {
            return Err(match is_of_this_process(&error) {
                true => Error::system("connect to a worker", error).into(),
                false => Trouble::died(error),
            });
        }
        let locked = session.hear(HANDSHAKE, wait)?;
        let Response::Locked { layers } = locked else { return Err(out_of_turn()) };
        session.verify(*sandbox, layers, Locked::First)?;
        session.send(Request::Table { nonce, task: task.len() as u64 });
        let Response::Online = session.hear(HANDSHAKE, wait)? else { return Err(out_of_turn()) };
        session.verify(*sandbox, layers, Locked::ForGood)?;
        Ok(session)
    }

    fn verify(
        &self,
        plan: sandbox::Plan,
        layers: sandbox::Layers,
        locked: Locked,
    ) -> Result<(), Trouble> {
        sandbox::verify(self.worker.pid(), plan, layers, locked).map_err(|why| {
            // If it is gone, that is why the kernel does not know it.
            match self.worker.has_ended(Duration::ZERO) {
                true => Trouble::died("it ended while it was locked"),
                false => {
                    let why = format!("the table worker is not locked: {why}");
                    Trouble::Over(Error::Sandbox { why })
                }
            }
        })
    }

    /// Asks for rows.
    pub fn ask(&mut self, rows: super::Rows) {
        self.nonce = Nonce::new();
        self.begin();
        self.send(Request::Rows { nonce: self.nonce, rows });
    }

    /// Asks for the next piece of what was asked for last.
    pub fn fetch(&mut self) {
        self.begin();
        self.send(Request::Fetch { nonce: self.nonce, slot: 0 });
    }

    fn begin(&mut self) {
        self.asked = Instant::now();
        self.used = self.worker.cpu_time().unwrap_or_default();
    }

    fn send(&self, request: Request) {
        // A failure means that the worker is gone, which will be heard.
        let _ = self.worker.send(request);
    }

    /// Waits for the piece that was asked for. Gives its bytes, in place of what is in `room`,
    /// and what the worker says of it.
    pub fn piece(
        &mut self,
        room: Vec<u8>,
        wait: &dyn Fn() -> Result<(), Error>,
    ) -> Result<(Vec<u8>, Piece), Trouble> {
        let Response::Piece(piece) = self.hear(PATIENCE, wait)? else { return Err(out_of_turn()) };
        match accept(&piece, self.nonce, &self.slot, room) {
            Ok(bytes) => Ok((bytes, piece)),
            Err(violation) => Err(self.cut_off(&violation)),
        }
    }

    /// Ends a process that does not keep to what was agreed.
    pub fn cut_off(&mut self, violation: &Violation) -> Trouble {
        self.worker.kill();
        Trouble::died(violation)
    }

    /// Waits for the next thing that it says.
    fn hear(
        &mut self,
        limit: Duration,
        wait: &dyn Fn() -> Result<(), Error>,
    ) -> Result<Response, Trouble> {
        let (mut still, mut before) = (Duration::ZERO, None);
        loop {
            match self.heard.recv_timeout(LOOK) {
                Ok(Heard::Response(response)) => {
                    self.worker.read_one();
                    return match response {
                        Response::Fatal { what: Fatal::Input, text } => {
                            Err(Trouble::Refused(printable(&text)))
                        }
                        Response::Fatal { what: Fatal::Sandbox, text } => {
                            Err(Error::Sandbox { why: printable(&text) }.into())
                        }
                        Response::Fatal { text, .. } => {
                            self.worker.kill();
                            Err(Trouble::died(format!("it said: {}", printable(&text))))
                        }
                        response => Ok(response),
                    };
                }
                Ok(Heard::Closed(Some(violation))) => return Err(self.cut_off(&violation)),
                Ok(Heard::Closed(None)) | Err(RecvTimeoutError::Disconnected) => {
                    return Err(match self.worker.end().0 {
                        exit @ Exit::Signal(libc::SIGABRT) => Trouble::Died {
                            how: format!(
                                "it needs more memory than it may have (--table-memory {}), and \
                                 {exit}",
                                ByteSize(self.memory)
                            ),
                            again: Again::Likely,
                        },
                        // Whoever stumbles over a file does it again.
                        exit @ Exit::Signal(
                            libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGSYS,
                        ) => Trouble::Died { how: exit.to_string(), again: Again::Likely },
                        exit => Trouble::died(exit),
                    });
                }
                Err(RecvTimeoutError::Timeout) => wait()?,
            }
            let now = self.worker.cpu_time();
            // Counted in looks: where everything was stopped for a while, so were these.
            still = if now.is_some() && now == before { still + LOOK } else { Duration::ZERO };
            before = now;
            let used = now.unwrap_or_default().saturating_sub(self.used);
            let trouble = if used > limit {
                let how = format!("it has used {limit:?} of CPU time, and there is no answer");
                Trouble::Died { how, again: Again::Likely }
            } else if still >= STILL {
                Trouble::died(format!("it has stood still for {STILL:?}"))
            } else if self.asked.elapsed() > limit * WALL {
                Trouble::died(format!("it has not answered for {:?}", limit * WALL))
            } else {
                continue;
            };
            self.worker.kill();
            return Err(trouble);
        }
    }
}

/// Takes a piece out of the slot, or says how it breaks the protocol.
fn accept(
    piece: &Piece,
    nonce: Nonce,
    slot: &SupervisorSlot,
    room: Vec<u8>,
) -> Result<Vec<u8>, Violation> {
    if piece.nonce != nonce {
        return Err(Violation::Answer("it answered what was not asked"));
    }
    if piece.text_bytes > 0 {
        return Err(Violation::Answer("it has something to say where nothing can be said"));
    }
    let bytes = slot.copy_output(piece.bytes, room);
    bytes.ok_or(Violation::Answer("it claims more than there can be"))
}

fn out_of_turn() -> Trouble {
    Trouble::died("it sent an answer that nobody asked for")
}

/// Takes bytes for a table worker's answer.
#[cfg(any(test, fuzzing))]
#[allow(clippy::panic, reason = "a panic tells the fuzzer")]
pub(crate) fn fuzz(data: &[u8]) {
    thread_local! {
        static SLOT: SupervisorSlot = SupervisorSlot::new(Layout { input: 1, output: 4096 })
            .unwrap_or_else(|error| panic!("{error}"));
    }
    let Ok((piece, _)) = postcard::take_from_bytes::<Piece>(data) else { return };
    SLOT.with(|slot| {
        if let Ok(bytes) = accept(&piece, Nonce(7), slot, Vec::new()) {
            assert!(piece.nonce == Nonce(7) && bytes.len() as u64 == piece.bytes);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_false_number_is_noticed() {
        let slot = SupervisorSlot::new(Layout { input: 1, output: 4096 }).unwrap();
        let honest = Piece { nonce: Nonce(7), bytes: 4096, left: 1, records: 3, text_bytes: 0 };
        let judge = |piece: Piece| accept(&piece, Nonce(7), &slot, Vec::new());
        assert_eq!(judge(honest).unwrap().len(), 4096);
        for lie in [
            Piece { nonce: Nonce(8), ..honest },
            Piece { bytes: 4097, ..honest },
            Piece { bytes: u64::MAX, ..honest },
            Piece { text_bytes: 1, ..honest },
        ] {
            assert!(judge(lie).is_err(), "{lie:?}");
        }
    }
}
