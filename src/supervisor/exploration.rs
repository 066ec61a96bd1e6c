//! The dispatch of ranges explored without processes: every order of answers and deaths of
//! small jobs, and random ones of larger jobs, against what has to hold of what is committed.
//!
//! What is explored is the code that runs, [`Desk`], [`Work`], [`Frontier`], [`wants_range`]
//! and [`soonest`], not a model of it: only the cutter, the workers and the output are
//! pretended. Not stateright, because its states have to be cloned and compared, and those of
//! production hold output and errors; here a state is the list of choices that led to it,
//! played again from the beginning, and states are told apart by what they look like
//! (`Debug`). Not loom: there are no threads to interleave, one thread does all of this.
//!
//! Checked at every step: what is committed continues what was (with order) and is committed
//! once; a record fails only if the plugin fails at it. Where nothing can happen any more,
//! everything is committed. As every step uses something up (a record, a death), all ways
//! come to an end, so there is neither deadlock nor endless work.
//!
//! That it can fail was tried: it does if nothing passes at the frontier while the window is
//! full, if [`Desk::interrupt`] forgets a task or keeps the queue, if an answer leaves what is
//! done and takes what is not, if [`Work::interrupt`] convicts at once, and if stretches are
//! committed out of turn; and it does not come to an end if a worker may accuse a record that
//! it never got.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use proptest::prelude::*;

use crate::error::FailureKind;
use crate::job::Order;
use crate::output::{Commit, Expected, Failed, Finished, Frontier};
use crate::protocol::{Done, End, Failure, Framing, From, Mode, Process, SLOTS};
use crate::range::{InputId, Nonce, Range};
use crate::records::Format;
use crate::slots::Progress;

use super::desk::{Desk, IsDone, Standing, Task, soonest, wants_range};
use super::work::{Cause, Work};

/// A job to be explored. A record is one byte.
#[derive(Clone, Debug)]
struct Setting {
    /// Lengths of the ranges of each input.
    inputs: Vec<Vec<u64>>,
    workers: usize,
    window: u64,
    order: Order,
    /// Records at which the plugin does something bad: input, offset, what.
    guilty: Vec<(u32, u64, Guilt)>,
    retries: u32,
    /// Deaths that nobody is to blame for.
    accidents: u32,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Guilt {
    Rejects,
    Traps,
    Hangs,
    Crashes,
}

/// What can happen next.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Step {
    /// A worker comes online.
    Online(usize),
    /// The next cut is taken.
    Cut,
    /// A worker goes on as far as it can.
    Goes(usize),
    /// It answers after so many records.
    Yields(usize, u64),
    /// It dies between records.
    Dies(usize),
    /// It is killed, or found standing still, so many records on.
    Accident(usize, u64, Cause),
    /// It says that it was at a record that it never got, and dies.
    Lies(usize),
}

struct Play<'a> {
    setting: &'a Setting,
    frontier: Frontier,
    /// Cuts that are still to come.
    cuts: std::vec::IntoIter<Range>,
    desks: Vec<(Desk, bool)>,
    accidents: u32,
    ranges: u64,
    /// Stretches that were committed, and records that failed.
    committed: Vec<Range>,
    failed: Vec<(u32, u64)>,
}

impl<'a> Play<'a> {
    fn new(setting: &'a Setting) -> Play<'a> {
        let mut cuts = Vec::new();
        for (input, lengths) in (0..).zip(&setting.inputs) {
            let mut start = 0;
            for length in lengths {
                cuts.push(Range { input: InputId(input), start, end: start + length });
                start += length;
            }
        }
        Play {
            setting,
            frontier: Frontier::new(setting.order, setting.window),
            cuts: cuts.into_iter(),
            desks: Vec::new(),
            accidents: setting.accidents,
            ranges: 0,
            committed: Vec::new(),
            failed: Vec::new(),
        }
    }

    fn after(setting: &'a Setting, steps: &[Step]) -> Play<'a> {
        let mut play = Play::new(setting);
        steps.iter().for_each(|step| play.take(*step));
        play
    }

    fn standings(&self) -> impl ExactSizeIterator<Item = Standing> {
        self.desks.iter().map(|(desk, online)| Standing {
            load: desk.load(),
            has_room: desk.has_room(),
            is_free: desk.has_room() && *online,
        })
    }

    /// What the worker at a place was asked last, if it has not answered.
    fn asked(&mut self, place: usize) -> Option<Process> {
        let (desk, _) = &mut self.desks[place];
        let slot = desk.out().next()?;
        let Some(Task::Range(work)) = desk.task(slot) else { return None };
        let attempt = work.attempt()?;
        let (input, _) = work.start();
        let range = Range { input, start: attempt.start, end: attempt.end };
        let (batches, format) = (crate::protocol::Batches::One, Format::Ndjson);
        Some(Process {
            nonce: attempt.nonce,
            slot: slot as u8,
            range,
            from: From::File { index: 0 },
            format,
            header: 0,
            mode: attempt.mode,
            batches,
            framing: Framing::Lines,
        })
    }

    fn guilt(&self, input: InputId, offset: u64) -> Option<Guilt> {
        let guilty = self.setting.guilty.iter();
        let mut here = guilty.filter(|(i, o, _)| (*i, *o) == (input.0, offset));
        here.next().map(|(_, _, guilt)| *guilt)
    }

    /// Everything that can happen now.
    fn choices(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.cuts.len() > 0
            && wants_range(&self.frontier, self.setting.workers, self.standings())
        {
            steps.push(Step::Cut);
        }
        for place in 0..self.desks.len() {
            if !self.desks[place].1 {
                steps.push(Step::Online(place));
                continue;
            }
            let asked = self.asked(place);
            if let Some(process) = asked {
                steps.push(Step::Goes(place));
                let innocent = self.innocent(&process);
                if process.mode == Mode::Through {
                    steps.extend((1..innocent).map(|records| Step::Yields(place, records)));
                }
                if self.accidents > 0 && !matches!(process.mode, Mode::Fail(_)) {
                    for records in 0..innocent {
                        for cause in [Cause::Killed, Cause::Stalled] {
                            steps.push(Step::Accident(place, records, cause));
                        }
                    }
                    steps.push(Step::Lies(place));
                }
            }
            if self.accidents > 0 {
                steps.push(Step::Dies(place));
            }
        }
        steps
    }

    /// Records from the start of an attempt on that are without guilt.
    fn innocent(&self, process: &Process) -> u64 {
        let Range { input, start, end } = process.range;
        let end = if process.mode == Mode::Alone { start + 1 } else { end };
        (start..end).take_while(|at| self.guilt(input, *at).is_none()).count() as u64
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Online(place) => self.desks[place].1 = true,
            Step::Cut => self.cut(),
            Step::Goes(place) => self.go(place, u64::MAX),
            Step::Yields(place, records) => self.go(place, records),
            Step::Dies(place) => self.die(place, None, Cause::Crash, true),
            Step::Accident(place, records, cause) => {
                if let Some(process) = self.asked(place) {
                    self.die(place, Some(process.range.start + records), cause, true);
                }
            }
            Step::Lies(place) => self.die(place, Some(u64::MAX - 9), Cause::Crash, true),
        }
        // What the supervisor does at every turn.
        self.commit();
        for (desk, online) in &mut self.desks {
            if !*online {
                continue;
            }
            while let Some(slot) = desk.send_next(&self.frontier) {
                if let Some(Task::Range(work)) = desk.task(slot) {
                    work.begin(Nonce(1), slot as u8);
                }
            }
        }
    }

    fn cut(&mut self) {
        let Some(range) = self.cuts.next() else { return };
        self.frontier.expect(Expected::Range(range));
        let idle = self.standings().any(|place| place.is_free && place.load == 0);
        if self.desks.len() < self.setting.workers && !idle {
            self.desks.push((Desk::default(), false));
        }
        let place = soonest(self.standings()).expect("a range was wanted, and has no place");
        let work = Work::new(
            self.ranges,
            range,
            From::File { index: 0 },
            (Format::Ndjson, Framing::Lines),
        );
        self.ranges += 1;
        let (desk, _) = &mut self.desks[place];
        let slot = desk.free_slot().expect("it has room");
        desk.put(slot, Task::Range(work.retrying(self.setting.retries)));
    }

    /// A worker does as a worker does, up to so many records.
    fn go(&mut self, place: usize, most: u64) {
        let Some(process) = self.asked(place) else { return };
        let Range { input, start, end } = process.range;
        let mut failures = Vec::new();
        let (mut at, mut reason) = (start, End::Reached);
        if let Mode::Fail(kind) = process.mode {
            failures.push(failure(start, kind));
            return self.answer(place, start + 1, 0, failures, End::Reached);
        }
        while at < end {
            match self.guilt(input, at) {
                None => {}
                Some(Guilt::Rejects)
                    if self.setting.retries == 0 || process.mode == Mode::Alone =>
                {
                    failures.push(failure(at, FailureKind::Rejected));
                }
                Some(Guilt::Traps) if process.mode == Mode::Alone => {
                    failures.push(failure(at, FailureKind::Trap));
                }
                Some(Guilt::Rejects | Guilt::Traps) => {
                    reason = End::Suspect;
                    break;
                }
                Some(Guilt::Hangs) => return self.die(place, Some(at), Cause::Timeout, false),
                Some(Guilt::Crashes) => return self.die(place, Some(at), Cause::Crash, false),
            }
            at += 1;
            if process.mode == Mode::Alone {
                break;
            }
            if at - start == most {
                reason = End::Yielded;
                break;
            }
        }
        let used = at - start - failures.len() as u64;
        self.answer(place, at, used, failures, reason);
    }

    /// What the supervisor does with an answer.
    fn answer(&mut self, place: usize, stop: u64, used: u64, failures: Vec<Failure>, end: End) {
        let (desk, _) = &mut self.desks[place];
        let slot = desk.out().next().expect("it was asked");
        let Some(Task::Range(work)) = desk.task(slot) else { return };
        if let [failed] = &failures[..]
            && work.tries_again(failed.kind)
        {
            return desk.answered(IsDone::No);
        }
        let done = Done {
            nonce: Nonce(1),
            stop,
            used,
            dropped: 0,
            failed: failures.len() as u64,
            passed_over: 0,
            output_bytes: 0,
            left: 0,
            output_records: 0,
            text_bytes: 0,
            end,
        };
        let stretch = work.advance(&done);
        let is_done = if work.is_done() { IsDone::Yes } else { IsDone::No };
        desk.answered(is_done);
        if stretch.start < stretch.end {
            let failures = failures.into_iter().map(Failed::first).collect();
            self.frontier.finish(stretch, Finished { used, failures, ..Finished::default() });
        }
    }

    fn die(&mut self, place: usize, at: Option<u64>, cause: Cause, accident: bool) {
        self.accidents -= u32::from(accident);
        let (desk, online) = &mut self.desks[place];
        let mut progress = [Progress::Idle; SLOTS];
        if let (Some(slot), Some(at)) = (desk.out().next(), at) {
            progress[slot] = Progress::Record(at);
        }
        desk.interrupt(progress, cause);
        *online = false;
    }

    fn commit(&mut self) {
        while let Some(commit) = self.frontier.next() {
            let Commit::Finished(stretch, finished) = commit else { continue };
            if self.setting.order == Order::Input {
                let at = self.committed.last().map_or((0, 0), |last| (last.input.0, last.end));
                let next = (stretch.input.0, stretch.start);
                let continues = next == at || (next.0 > at.0 && next.1 == 0);
                assert!(continues, "{stretch:?} follows {at:?}");
            }
            let twice = self.committed.iter().any(|other| {
                other.input == stretch.input
                    && other.start < stretch.end
                    && stretch.start < other.end
            });
            assert!(!twice, "{stretch:?} is committed twice");
            self.committed.push(stretch);
            for failed in finished.failures {
                let offset = failed.failure.offset;
                assert!(self.guilt(stretch.input, offset).is_some(), "{offset} is innocent");
                self.failed.push((stretch.input.0, offset));
            }
        }
    }

    /// What has to hold where nothing can happen any more.
    fn check_end(&self) {
        assert!(self.frontier.is_empty() && self.cuts.len() == 0, "a deadlock: {self:?}");
        let covered: u64 = self.committed.iter().map(|range| range.end - range.start).sum();
        let all: u64 = self.setting.inputs.iter().flatten().sum();
        assert_eq!(covered, all, "ranges are lost");
        let mut failed = self.failed.clone();
        failed.sort_unstable();
        let mut guilty: Vec<(u32, u64)> =
            self.setting.guilty.iter().map(|(input, offset, _)| (*input, *offset)).collect();
        guilty.sort_unstable();
        assert_eq!(failed, guilty, "other records have failed than the guilty ones");
    }
}

impl std::fmt::Debug for Play<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Play { frontier, desks, accidents, committed, failed, .. } = self;
        let cuts = self.cuts.len();
        write!(f, "{frontier:?} {cuts} {desks:?} {accidents} {committed:?} {failed:?}")
    }
}

fn failure(offset: u64, kind: FailureKind) -> Failure {
    let (text, backtrace) = (String::new(), String::new());
    Failure { before: 0, offset, length: 1, kind, plugin: None, text, backtrace }
}

/// Goes every way there is; gives the number of states.
fn explore(setting: &Setting) -> usize {
    let mut seen = HashSet::new();
    let mut ways: Vec<Vec<Step>> = vec![Vec::new()];
    while let Some(way) = ways.pop() {
        let mut play = Play::after(setting, &way);
        let mut hasher = DefaultHasher::new();
        format!("{play:?}").hash(&mut hasher);
        if !seen.insert(hasher.finish()) {
            continue;
        }
        let choices = play.choices();
        if choices.iter().all(|step| matches!(step, Step::Dies(_))) {
            play.check_end();
        }
        for step in choices {
            let mut longer = way.clone();
            longer.push(step);
            ways.push(longer);
        }
    }
    seen.len()
}

fn setting(guilty: &[(u32, u64, Guilt)]) -> Setting {
    Setting {
        inputs: vec![vec![2, 1], vec![2]],
        workers: 2,
        window: 1 << 20,
        order: Order::Input,
        guilty: guilty.to_vec(),
        retries: 0,
        accidents: 2,
    }
}

#[test]
fn every_way_through_small_jobs_loses_nothing() {
    let mut states = 0;
    for order in [Order::Input, Order::Any] {
        for window in [0, 1, 1 << 20] {
            for guilt in [Guilt::Rejects, Guilt::Traps, Guilt::Hangs, Guilt::Crashes] {
                for offset in [0, 1, 2] {
                    let one = setting(&[(0, offset, guilt)]);
                    states += explore(&Setting { order, window, ..one });
                }
            }
            let both = setting(&[(0, 1, Guilt::Traps), (0, 2, Guilt::Crashes)]);
            states += explore(&Setting { order, window, ..both });
        }
    }
    let more = setting(&[(0, 1, Guilt::Rejects)]);
    states += explore(&Setting { retries: 2, ..more.clone() });
    states += explore(&Setting { inputs: vec![vec![1, 1], vec![2]], ..setting(&[]) });
    states += explore(&Setting { accidents: 3, window: 0, ..setting(&[]) });
    states += explore(&Setting { inputs: vec![vec![1; 4]], workers: 3, window: 0, ..setting(&[]) });
    assert!(states > 100_000, "only {states} states were seen");
}

/// A job of some size.
fn settings() -> impl Strategy<Value = Setting> {
    let guilt = prop_oneof![
        Just(Guilt::Rejects),
        Just(Guilt::Traps),
        Just(Guilt::Hangs),
        Just(Guilt::Crashes)
    ];
    let inputs = prop::collection::vec(prop::collection::vec(1..6u64, 0..8), 1..4);
    let order = prop_oneof![Just(Order::Input), Just(Order::Any)];
    let window = prop_oneof![Just(0), Just(1), Just(5000), Just(1 << 20)];
    let guilty = prop::collection::vec((any::<prop::sample::Index>(), guilt), 0..6);
    (inputs, 1..=3usize, window, order, guilty, 0..3u32, 0..6u32).prop_map(
        |(inputs, workers, window, order, guilty, retries, accidents)| {
            let mut places: Vec<(u32, u64)> = Vec::new();
            for (input, lengths) in (0..).zip(&inputs) {
                places.extend((0..lengths.iter().sum::<u64>()).map(|offset| (input, offset)));
            }
            let mut chosen: Vec<(u32, u64, Guilt)> = Vec::new();
            for (index, guilt) in guilty.iter().filter(|_| !places.is_empty()) {
                let (input, offset) = places[index.index(places.len())];
                if !chosen.iter().any(|(i, o, _)| (*i, *o) == (input, offset)) {
                    chosen.push((input, offset, *guilt));
                }
            }
            Setting { inputs, workers, window, order, guilty: chosen, retries, accidents }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn random_ways_through_larger_jobs_lose_nothing(
        setting in settings(),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 600),
    ) {
        let mut play = Play::new(&setting);
        for pick in picks.iter().cycle().take(5000) {
            let mut choices = play.choices();
            if choices.iter().all(|step| matches!(step, Step::Dies(_))) {
                play.check_end();
                return Ok(());
            }
            play.take(choices.swap_remove(pick.index(choices.len())));
        }
        prop_assert!(false, "it does not come to an end");
    }
}
