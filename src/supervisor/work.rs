//! What is to be done in one slot: a range, how far it is done, and the record in it
//! that is under suspicion. Plain state; no process and no I/O.

use std::time::Duration;

use crate::error::FailureKind;
use crate::output::Finished;
use crate::protocol::{Batches, Done, End, Framing, From, Mode, Process, Request};
use crate::range::{InputId, Nonce, Range};
use crate::records::Format;

use super::states::Position;

/// How often the replay of a suspect is repeated when a kill that the supervisor did
/// not send ended it: such a replay proves nothing.
const REPLAYS: u32 = 5;

/// How a range's records are laid out, and how what comes of them is set apart.
pub(super) type Laid = (Format, Framing);

/// A range on its way through a slot.
#[derive(Debug)]
pub(super) struct Work {
    /// The range's place among all of the job, from 0.
    number: u64,
    range: Range,
    from: From,
    format: Format,
    /// Bytes of the header at the front of the slot.
    header: u64,
    framing: Framing,
    /// Everything before this offset is done.
    next: u64,
    suspect: Option<Suspect>,
    /// How often a record that failed is tried again.
    retries: u32,
    attempt: Option<Attempt>,
    /// Time that the answers to it have taken.
    took: Duration,
    /// A worker died in the middle of it: one record after the other from now on.
    careful: bool,
    /// What an attempt has come to, while the rest of its state is fetched.
    pending: Option<Box<Pending>>,
}

/// An answer whose state has not come as a whole.
#[derive(Debug)]
struct Pending {
    done: Done,
    finished: Finished,
    /// Bytes that are missing.
    left: u64,
}

/// A record that may have caused a trap, a timeout or a crash.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
struct Suspect {
    /// Offset of its first byte.
    offset: u64,
    /// How often it was run alone.
    runs: u32,
    /// How often it failed then.
    failed: u32,
    /// Replays that were cut short from outside.
    replays: u32,
    /// How it failed when it was run alone.
    convicted: Option<FailureKind>,
}

impl Suspect {
    fn new(offset: u64) -> Suspect {
        Suspect { offset, runs: 0, failed: 0, replays: 0, convicted: None }
    }

    /// Takes in that it failed like this when it was run alone, which it is once in any case.
    fn fail(&mut self, kind: FailureKind, retries: u32) {
        self.failed += 1;
        self.convicted = (self.failed >= retries.max(1)).then_some(kind);
    }
}

/// An attempt that is out: sent, and not answered yet.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct Attempt {
    pub nonce: Nonce,
    pub start: u64,
    pub end: u64,
    pub mode: Mode,
}

/// Why a worker died while a record was in progress.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Cause {
    /// The record used up its CPU time.
    Timeout,
    /// It made no progress for so long that something other than the record must be
    /// to blame: a stopped process, a starved machine.
    Stalled,
    /// Somebody else killed it.
    Killed,
    /// The process brought its end about itself.
    Crash,
}

impl Work {
    pub fn new(number: u64, range: Range, from: From, (format, framing): Laid) -> Work {
        Work {
            number,
            range,
            from,
            format,
            header: 0,
            framing,
            next: range.start,
            suspect: None,
            retries: 0,
            attempt: None,
            took: Duration::ZERO,
            careful: false,
            pending: None,
        }
    }

    /// The same range where its input has this header.
    pub fn under(self, header: &[u8]) -> Work {
        Work { header: header.len() as u64, ..self }
    }

    /// The same range where a record that failed is tried again so many times.
    pub fn retrying(self, retries: u32) -> Work {
        Work { retries, ..self }
    }

    /// The place in the input where the rest begins.
    pub fn start(&self) -> (InputId, u64) {
        (self.range.input, self.next)
    }

    /// How what comes of the records is set apart.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// The attempt that is out, or whose state is being fetched.
    pub fn attempt(&self) -> Option<Attempt> {
        self.attempt
    }

    /// The stretch that it goes over.
    pub fn attempted(&self) -> Option<Range> {
        self.attempt.map(|Attempt { start, end, .. }| Range { start, end, ..self.range })
    }

    /// Takes in how long the worker took for an answer to it.
    pub fn add_time(&mut self, took: Duration) {
        self.took += took;
    }

    /// Time that all answers to it have taken.
    pub fn took(&self) -> Duration {
        self.took
    }

    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.next == self.range.end
    }

    /// Where a stretch of the range stands among all of the job.
    pub fn positions(&self, stretch: Range) -> (Position, Position) {
        let start = if stretch.start == self.range.start { 0 } else { stretch.start };
        let end = match stretch.end == self.range.end {
            true => Position { range: self.number + 1, offset: 0 },
            false => Position { range: self.number, offset: stretch.end },
        };
        (Position { range: self.number, offset: start }, end)
    }

    /// The next request, which counts as sent from now on.
    pub fn begin(&mut self, nonce: Nonce, slot: u8) -> Request {
        if self.pending.is_some()
            && let Some(attempt) = &mut self.attempt
        {
            attempt.nonce = nonce;
            return Request::Fetch { nonce, slot };
        }
        Request::Process(self.begin_attempt(nonce, slot))
    }

    fn begin_attempt(&mut self, nonce: Nonce, slot: u8) -> Process {
        let (end, mode) = match &mut self.suspect {
            Some(suspect) if suspect.offset > self.next => (suspect.offset, Mode::Through),
            Some(Suspect { convicted: Some(kind), .. }) => (self.range.end, Mode::Fail(*kind)),
            Some(suspect) => {
                suspect.runs += 1;
                (self.range.end, Mode::Alone)
            }
            None => (self.range.end, Mode::Through),
        };
        self.attempt = Some(Attempt { nonce, start: self.next, end, mode });
        self.took = Duration::ZERO;
        let range = Range { start: self.next, end, ..self.range };
        let batches = if self.careful { Batches::One } else { Batches::Many };
        let (from, format, header, framing) = (self.from, self.format, self.header, self.framing);
        Process { nonce, slot, range, from, format, header, mode, batches, framing }
    }

    /// Whether the rest of a state has to be fetched.
    pub fn has_to_fetch(&self) -> bool {
        self.pending.is_some()
    }

    /// Keeps a (checked) answer until all of its state has come.
    pub fn keep(&mut self, done: Done, finished: Finished) {
        self.pending = Some(Box::new(Pending { done, finished, left: done.left }));
    }

    /// How many bytes of a state are missing; none if no state is fetched.
    pub fn missing(&self) -> Option<u64> {
        self.pending.as_ref().map(|pending| pending.left)
    }

    /// Takes in another (checked) piece of a state. Gives the answer that it belongs to
    /// when the state is whole.
    pub fn complete(&mut self, piece: &[u8], left: u64) -> Option<(Done, Finished)> {
        let pending = self.pending.as_mut()?;
        pending.finished.state.get_or_insert_default().extend_from_slice(piece);
        pending.left = left;
        let pending = self.pending.take_if(|pending| pending.left == 0)?;
        Some((pending.done, pending.finished))
    }

    /// How often the record at which the attempt that is out begins was tried, if that is a
    /// record of its own.
    pub fn tries(&self) -> u32 {
        match (&self.suspect, self.attempt) {
            (Some(suspect), Some(Attempt { mode: Mode::Alone | Mode::Fail(_), .. })) => {
                suspect.runs + 1
            }
            _ => 1,
        }
    }

    /// Where in the slot a byte of the input lies, if it is not in a file.
    pub fn in_slot(&self, offset: u64) -> Option<u64> {
        match self.from {
            From::Slot { base } => Some(self.header + offset.checked_sub(base)?),
            From::File { .. } => None,
        }
    }

    /// Takes in that the record which was run alone failed like this. Whether it is to be
    /// tried again: then the attempt is over and nothing came of it.
    pub fn tries_again(&mut self, kind: FailureKind) -> bool {
        let alone = self.attempt.is_some_and(|attempt| attempt.mode == Mode::Alone);
        let Some(suspect) = self.suspect.as_mut().filter(|_| alone && kind.may_pass()) else {
            return false;
        };
        suspect.fail(kind, self.retries);
        let again = suspect.convicted.take().is_none();
        if again {
            self.attempt = None;
        }
        again
    }

    /// Takes in the (checked) end of the attempt that is out and gives the stretch
    /// that it has finished.
    pub fn advance(&mut self, done: &Done) -> Range {
        let stretch = Range { start: self.next, end: done.stop, ..self.range };
        let was_through = self.attempt.is_some_and(|attempt| attempt.mode == Mode::Through);
        self.attempt = None;
        self.next = done.stop;
        if done.end == End::Suspect {
            self.suspect = Some(Suspect::new(done.stop));
        } else if !was_through || self.suspect.is_some_and(|suspect| suspect.offset < self.next) {
            self.suspect = None;
        }
        stretch
    }

    /// Takes in that the worker died, at the record at `offset` if it was at one.
    pub fn interrupt(&mut self, offset: Option<u64>, cause: Cause) {
        let Some(attempt) = self.attempt.take() else { return };
        // A state that was not fetched to its end is gone with the worker.
        self.pending = None;
        // The worker names the record, so it may lie: outside of what it was given
        // nobody is accused.
        let Some(offset) = offset.filter(|offset| (attempt.start..attempt.end).contains(offset))
        else {
            return;
        };
        match (&mut self.suspect, attempt.mode) {
            (Some(suspect), Mode::Alone) => match cause {
                Cause::Timeout => suspect.fail(FailureKind::Timeout, self.retries),
                Cause::Crash => suspect.fail(FailureKind::Crash, self.retries),
                // It proves nothing, however often.
                Cause::Stalled => {}
                Cause::Killed => {
                    suspect.replays += 1;
                    if suspect.replays > REPLAYS {
                        suspect.convicted = Some(FailureKind::Crash);
                    }
                }
            },
            (_, Mode::Through) if cause != Cause::Stalled => {
                self.careful = true;
                self.suspect = Some(Suspect::new(offset));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work() -> Work {
        let range = Range { input: InputId(0), start: 0, end: 100 };
        Work::new(0, range, From::File { index: 0 }, (Format::Ndjson, Framing::Lines))
    }

    fn begin(work: &mut Work) -> (u64, u64, Mode) {
        let process = work.begin_attempt(Nonce(1), 0);
        (process.range.start, process.range.end, process.mode)
    }

    fn done(stop: u64, end: End) -> Done {
        Done {
            nonce: Nonce(1),
            stop,
            used: 0,
            dropped: 0,
            failed: 0,
            passed_over: 0,
            output_bytes: 0,
            left: 0,
            output_records: 0,
            text_bytes: 0,
            end,
        }
    }

    #[test]
    fn a_killed_worker_leaves_a_suspect_that_is_tried_alone() {
        let mut work = work();
        assert_eq!(begin(&mut work), (0, 100, Mode::Through));
        work.interrupt(Some(40), Cause::Killed);
        assert_eq!(begin(&mut work), (0, 40, Mode::Through));
        work.advance(&done(40, End::Reached));
        assert_eq!(begin(&mut work), (40, 100, Mode::Alone));
        work.advance(&done(50, End::Reached));
        assert_eq!(begin(&mut work), (50, 100, Mode::Through));
        work.advance(&done(100, End::Reached));
        assert!(work.is_done());
    }

    #[test]
    fn a_suspect_that_does_it_again_is_convicted() {
        for (cause, kind) in
            [(Cause::Timeout, FailureKind::Timeout), (Cause::Crash, FailureKind::Crash)]
        {
            let mut work = work();
            begin(&mut work);
            work.interrupt(Some(0), cause);
            assert_eq!(begin(&mut work), (0, 100, Mode::Alone));
            work.interrupt(Some(0), cause);
            assert_eq!(begin(&mut work), (0, 100, Mode::Fail(kind)));
            work.advance(&done(10, End::Reached));
            assert_eq!(begin(&mut work), (10, 100, Mode::Through));
        }
    }

    #[test]
    fn kills_from_outside_convict_nobody_at_once() {
        let mut work = work();
        begin(&mut work);
        work.interrupt(Some(0), Cause::Killed);
        for _ in 0..=REPLAYS {
            assert_eq!(begin(&mut work).2, Mode::Alone);
            work.interrupt(Some(0), Cause::Killed);
        }
        assert_eq!(begin(&mut work).2, Mode::Fail(FailureKind::Crash));
    }

    #[test]
    fn a_stopped_process_convicts_nobody_however_often() {
        let mut work = work();
        begin(&mut work);
        work.interrupt(Some(0), Cause::Timeout);
        for _ in 0..100 {
            assert_eq!(begin(&mut work).2, Mode::Alone);
            work.interrupt(Some(0), Cause::Stalled);
        }
        assert_eq!(begin(&mut work).2, Mode::Alone);
    }

    #[test]
    fn a_stalled_worker_accuses_no_record_and_a_liar_nobody() {
        let mut work = work();
        begin(&mut work);
        work.interrupt(Some(40), Cause::Stalled);
        assert_eq!(begin(&mut work), (0, 100, Mode::Through));
        work.interrupt(Some(100), Cause::Crash);
        assert_eq!(begin(&mut work), (0, 100, Mode::Through));
        work.interrupt(None, Cause::Crash);
        assert_eq!(begin(&mut work), (0, 100, Mode::Through));
    }

    #[test]
    fn with_retries_a_suspect_fails_only_after_so_many() {
        let mut work = work().retrying(3);
        begin(&mut work);
        assert_eq!(work.tries(), 1);
        assert!(!work.tries_again(FailureKind::Rejected), "it was not alone");
        work.advance(&done(0, End::Suspect));
        begin(&mut work);
        assert!(work.tries_again(FailureKind::Rejected));
        assert_eq!(begin(&mut work).2, Mode::Alone);
        work.interrupt(Some(0), Cause::Killed);
        assert_eq!(begin(&mut work).2, Mode::Alone);
        work.interrupt(Some(0), Cause::Timeout);
        assert_eq!(begin(&mut work).2, Mode::Alone);
        assert!(!work.tries_again(FailureKind::Rejected), "three are enough");
        assert_eq!(work.tries(), 5);
        work.advance(&done(10, End::Reached));
        assert_eq!(begin(&mut work), (10, 100, Mode::Through));
    }

    #[test]
    fn what_cannot_pass_is_not_tried_again() {
        let mut work = work().retrying(1);
        begin(&mut work);
        work.interrupt(Some(0), Cause::Killed);
        begin(&mut work);
        assert!(!work.tries_again(FailureKind::Malformed));
    }

    #[test]
    fn bytes_of_a_stream_lie_behind_the_header_in_the_slot() {
        let range = Range { input: InputId(0), start: 50, end: 100 };
        let laid = (Format::Csv, Framing::Lines);
        let work = Work::new(0, range, From::Slot { base: 50 }, laid).under(b"a,b");
        assert_eq!(work.in_slot(60), Some(13));
        assert_eq!(work.in_slot(49), None);
    }

    #[test]
    fn a_state_that_comes_in_pieces_is_whole_or_gone() {
        let mut work = work();
        begin(&mut work);
        let first = Done { left: 5, ..done(100, End::Reached) };
        work.keep(first, Finished { state: Some(b"abc".to_vec()), ..Finished::default() });
        assert!(matches!(work.begin(Nonce(2), 0), Request::Fetch { nonce: Nonce(2), .. }));
        assert!(work.complete(b"de", 3).is_none());
        work.interrupt(None, Cause::Killed);
        assert_eq!(begin(&mut work), (0, 100, Mode::Through));
        work.keep(first, Finished { state: Some(b"abc".to_vec()), ..Finished::default() });
        assert!(work.complete(b"de", 3).is_none());
        let (done, finished) = work.complete(b"fgh", 0).unwrap();
        assert_eq!(finished.state.unwrap(), b"abcdefgh");
        work.advance(&done);
        assert!(work.is_done());
    }

    #[test]
    fn after_a_death_records_come_one_by_one() {
        let mut work = work();
        assert_eq!(work.begin_attempt(Nonce(1), 0).batches, Batches::Many);
        work.interrupt(Some(0), Cause::Killed);
        begin(&mut work);
        work.advance(&done(10, End::Reached));
        assert_eq!(work.begin_attempt(Nonce(1), 0).batches, Batches::One);
    }

    #[test]
    fn stretches_meet_where_one_ends_and_the_next_begins() {
        let range = Range { input: InputId(0), start: 50, end: 100 };
        let work = Work::new(7, range, From::File { index: 0 }, (Format::Ndjson, Framing::Lines));
        let at = |range, offset| Position { range, offset };
        let stretch = |start, end| work.positions(Range { start, end, ..range });
        assert_eq!(stretch(50, 100), (at(7, 0), at(8, 0)));
        assert_eq!(stretch(50, 60), (at(7, 0), at(7, 60)));
        assert_eq!(stretch(60, 100), (at(7, 60), at(8, 0)));
    }

    #[test]
    fn a_trap_before_a_suspect_replaces_it() {
        let mut work = work();
        begin(&mut work);
        work.interrupt(Some(40), Cause::Crash);
        assert_eq!(begin(&mut work), (0, 40, Mode::Through));
        work.advance(&done(20, End::Suspect));
        assert_eq!(begin(&mut work), (20, 100, Mode::Alone));
    }
}
