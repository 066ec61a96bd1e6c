//! Watching one worker's attempt: has the record in progress used up its time? The
//! supervisor measures by itself; a worker only says at which record it is.

use std::time::{Duration, Instant};

use crate::range::Nonce;
use crate::slots::Progress;

/// After this long a worker is asked to answer with what it has: results flow, and
/// an attempt cannot last for ever. (Tests that stop a worker wait less long.)
const PATIENCE: Duration = Duration::from_millis(if cfg!(feature = "faults") { 100 } else { 1000 });

/// Bytes in a second that an honest worker surely passes over, where a record is too long.
const SLOWEST: u64 = 50 << 20;

/// How many times the CPU limit a record may take by the clock on the wall before
/// the process counts as stalled.
const WALL: u32 = 10;

/// CPU time and wall time at one moment.
#[derive(Copy, Clone, Debug)]
pub(super) struct Times {
    /// CPU time of the worker's process; `None` if it cannot be read.
    pub cpu: Option<Duration>,
    pub now: Instant,
}

impl Times {
    /// CPU time since `earlier`; wall time where the system does not tell.
    fn cpu_since(&self, earlier: &Times) -> Duration {
        match (self.cpu, earlier.cpu) {
            (Some(now), Some(then)) => now.saturating_sub(then),
            _ => self.now - earlier.now,
        }
    }
}

/// What has to happen to a worker.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Judgement {
    Fine,
    /// Ask it to yield.
    Ask,
    /// The record in progress has used up its CPU time: end the worker.
    TimedOut,
    /// It stands still, and no record is to blame: end the worker.
    Stalled,
    /// It was asked to answer and did not: end the worker.
    Deaf,
}

/// What was seen of the attempt in progress.
#[derive(Debug)]
pub(super) struct Watch {
    nonce: Nonce,
    progress: Progress,
    since: Times,
    began: Instant,
    asked: Option<Times>,
    /// Time that going over all bytes of it may take.
    allowance: Duration,
}

impl Watch {
    /// For an attempt at so many bytes that the worker can begin now.
    pub fn new(nonce: Nonce, bytes: u64, times: Times) -> Watch {
        let allowance = Duration::from_secs(bytes / SLOWEST);
        let (progress, began) = (Progress::Idle, times.now);
        Watch { nonce, progress, since: times, began, asked: None, allowance }
    }

    /// The attempt that is watched.
    pub fn nonce(&self) -> Nonce {
        self.nonce
    }

    /// For how long the worker could be at it.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Judges by what the worker says it is doing now, and the time it has used.
    pub fn look(&mut self, progress: Progress, times: Times, timeout: Duration) -> Judgement {
        if let Some(asked) = &self.asked {
            // Whatever it claims to be at: one record, and the answer, were its due.
            let due = timeout * 2 + PATIENCE + self.allowance;
            if times.cpu_since(asked) > due {
                return Judgement::Deaf;
            }
            if times.now - asked.now > due * WALL {
                return Judgement::Stalled;
            }
        }
        if progress != self.progress {
            self.progress = progress;
            self.since = times;
        } else if progress != Progress::Idle {
            if times.cpu_since(&self.since) >= timeout {
                return Judgement::TimedOut;
            }
            if times.now - self.since.now >= timeout * WALL {
                return Judgement::Stalled;
            }
        }
        if self.asked.is_none() && times.now - self.began >= PATIENCE {
            self.asked = Some(times);
            return Judgement::Ask;
        }
        Judgement::Fine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    struct Clock {
        start: Instant,
        watch: Watch,
    }

    impl Clock {
        fn new() -> Clock {
            let start = Instant::now();
            let times = Times { cpu: Some(Duration::ZERO), now: start };
            Clock { start, watch: Watch::new(Nonce(1), 0, times) }
        }

        fn look(&mut self, progress: Progress, cpu: u64, wall: u64) -> Judgement {
            let times = Times {
                cpu: Some(Duration::from_secs(cpu)),
                now: self.start + Duration::from_secs(wall),
            };
            self.watch.look(progress, times, TIMEOUT)
        }
    }

    #[test]
    fn a_record_has_its_time_from_when_it_is_first_seen() {
        let mut clock = Clock::new();
        assert_eq!(clock.look(Progress::Record(0), 0, 0), Judgement::Fine);
        assert_eq!(clock.look(Progress::Record(7), 2, 2), Judgement::Ask);
        assert_eq!(clock.look(Progress::Record(7), 11, 11), Judgement::Fine);
        assert_eq!(clock.look(Progress::Record(7), 12, 12), Judgement::TimedOut);
    }

    #[test]
    fn a_stopped_process_is_no_slow_record() {
        let mut clock = Clock::new();
        assert_eq!(clock.look(Progress::Record(7), 1, 0), Judgement::Fine);
        assert_eq!(clock.look(Progress::Record(7), 1, 1), Judgement::Ask);
        assert_eq!(clock.look(Progress::Record(7), 1, 99), Judgement::Fine);
        assert_eq!(clock.look(Progress::Record(7), 1, 100), Judgement::Stalled);
    }

    #[test]
    fn a_worker_that_pretends_to_make_progress_is_ended() {
        let mut clock = Clock::new();
        assert_eq!(clock.look(Progress::Record(0), 1, 1), Judgement::Ask);
        assert_eq!(clock.look(Progress::Record(1), 9, 9), Judgement::Fine);
        assert_eq!(clock.look(Progress::Record(2), 18, 18), Judgement::Fine);
        assert_eq!(clock.look(Progress::Record(3), 23, 23), Judgement::Deaf);
    }

    #[test]
    fn a_silent_idle_worker_is_not_waited_for_without_end() {
        let mut clock = Clock::new();
        assert_eq!(clock.look(Progress::Idle, 0, 1), Judgement::Ask);
        assert_eq!(clock.look(Progress::Idle, 0, 200), Judgement::Fine);
        assert_eq!(clock.look(Progress::Idle, 0, 212), Judgement::Stalled);
    }
}
