//! Judging a worker's answer: every number in it against what was asked, before
//! anything of it is used. The worker may be hostile.

use crate::ipc::Violation;
use crate::output::{Failed, Finished};
use crate::protocol::{
    AfterFailure, Done, End, Entry, Framing, Logged, Mode, Piece, Place, TEXT_BYTES,
};
use crate::range::Nonce;
use crate::records::csv::count_rows;
use crate::slots::SupervisorSlot;

use super::work::Attempt;

/// Longest thing that can follow a record in the output, in bytes.
const TERMINATOR: u64 = 2;

/// What holds for every answer of a job.
#[derive(Copy, Clone, Debug)]
pub(super) struct Rules {
    pub framing: Framing,
    pub after_failure: AfterFailure,
    pub results: Results,
    /// What records may be folded into, in bytes.
    pub max_state: u64,
    /// How many plugins the job has.
    pub plugins: u8,
    /// Only a sample of the records is wanted.
    pub is_sampled: bool,
}

impl Rules {
    /// Whether so many records can stand in so many bytes.
    fn has_room_for_all(self, done: &Done) -> bool {
        let least = done.output_records.checked_mul(self.framing.shortest());
        least.is_some_and(|least| least <= done.output_bytes)
    }
}

/// What comes of the records of an attempt.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Results {
    /// What went in, record by record, or less.
    Same,
    /// The same in another format.
    Converted,
    /// What plugins have made of it.
    Made,
    /// What a command has printed, however many records it was given.
    Printed,
    /// One line for each record that has not failed, whatever came of it.
    Outcomes,
    /// A state.
    State,
}

/// Takes an answer's results out of the slot, to memory that is there already, or says how it
/// breaks the protocol.
pub(super) fn accept(
    done: &Done,
    attempt: &Attempt,
    (slot, room): (&SupervisorSlot, Vec<u8>),
    rules: Rules,
) -> Result<Finished, Violation> {
    check_numbers(done, attempt, rules)?;
    let output = slot
        .copy_output(done.output_bytes, room)
        .ok_or(wrong("it claims more output than there can be"))?;
    let text =
        slot.copy_text(done.text_bytes).ok_or(wrong("it claims more text than there can be"))?;
    let mut finished = Finished {
        used: done.used,
        dropped: done.dropped,
        passed_over: done.passed_over,
        ..Finished::default()
    };
    if rules.results == Results::State {
        finished.state = (done.used > 0).then_some(output);
    } else {
        check_records(&output, done.output_records, rules)?;
        finished.output = output;
        finished.output_records = done.output_records;
    }
    read_entries(&text, done, attempt, rules, finished)
}

/// Checks that output is so many records, as far as that can be seen from outside.
pub(super) fn check_records(output: &[u8], records: u64, rules: Rules) -> Result<(), Violation> {
    if !output.is_empty() && !output.ends_with(rules.framing.terminator()) {
        return Err(wrong("its output does not end where a record ends"));
    }
    let counted = match rules.framing {
        // A quote that is left open would swallow what others have written.
        Framing::Rows(delimiter) => count_rows(output, delimiter),
        // What stays as it was has been counted by its splitter; what was made has not.
        Framing::Lines | Framing::Text if rules.results != Results::Same => {
            Some(memchr::memchr_iter(b'\n', output).count() as u64)
        }
        _ => Some(records),
    };
    if counted != Some(records) {
        return Err(wrong("its output does not have the records that it counted"));
    }
    Ok(())
}

/// A piece of a state that was asked for.
#[derive(Debug)]
pub(super) struct Taken {
    pub bytes: Vec<u8>,
    pub log: Vec<Logged>,
    pub log_cut: u64,
}

/// Takes a piece of a state out of the slot. `missing` is how many bytes there still can
/// be, if that is known how many there are.
pub(super) fn accept_piece(
    piece: &Piece,
    nonce: Nonce,
    missing: Missing,
    slot: &SupervisorSlot,
) -> Result<Taken, Violation> {
    if piece.nonce != nonce {
        return Err(wrong("it answered an attempt that is not out"));
    }
    let whole = piece.bytes.checked_add(piece.left);
    let fits = match missing {
        Missing::Exactly(bytes) => whole == Some(bytes),
        Missing::AtMost(bytes) => whole.is_some_and(|whole| whole <= bytes),
    };
    if !fits || (piece.bytes == 0 && piece.left > 0) {
        return Err(wrong("its piece of a state does not fit"));
    }
    let too_much = || wrong("it claims more than there can be");
    let bytes = slot.copy_output(piece.bytes, Vec::new()).ok_or_else(too_much)?;
    let text = slot.copy_text(piece.text_bytes).ok_or_else(too_much)?;
    let mut taken = Taken { bytes, log: Vec::new(), log_cut: 0 };
    let mut text = &text[..];
    while !text.is_empty() {
        let (entry, rest) = take_entry(text)?;
        text = rest;
        match entry {
            Entry::Failure(_) => return Err(wrong("it reports a failure outside of its range")),
            Entry::Log(Logged { record: Some(_), .. }) => {
                return Err(wrong("it logs of a record where there is none"));
            }
            Entry::Log(logged) => taken.log.push(logged),
            Entry::Measured(_) => return Err(wrong("it measured records where there are none")),
            Entry::LogCut { lines } => taken.log_cut = taken.log_cut.saturating_add(lines),
        }
    }
    Ok(taken)
}

/// How much of a state is still to come, in bytes.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Missing {
    Exactly(u64),
    AtMost(u64),
}

fn take_entry(text: &[u8]) -> Result<(Entry, &[u8]), Violation> {
    postcard::take_from_bytes::<Entry>(text).map_err(|_| wrong("its text area holds no entries"))
}

fn wrong(how: &'static str) -> Violation {
    Violation::Answer(how)
}

fn check_numbers(done: &Done, attempt: &Attempt, rules: Rules) -> Result<(), Violation> {
    if done.nonce != attempt.nonce {
        return Err(wrong("it answered an attempt that is not out"));
    }
    if !(attempt.start..=attempt.end).contains(&done.stop) {
        return Err(wrong("it stopped outside of its range"));
    }
    let bytes = done.stop - attempt.start;
    let counts = [done.used, done.dropped, done.failed, done.passed_over];
    let records = counts.into_iter().try_fold(0_u64, u64::checked_add);
    // A record has a byte at least.
    let records = records
        .filter(|records| *records <= bytes)
        .ok_or(wrong("it counted more records than its range can have"))?;
    let through = attempt.mode == Mode::Through;
    let progress = match done.end {
        End::Reached if through => done.stop == attempt.end,
        End::Reached => records == 1 || (records == 0 && done.stop == attempt.end),
        End::Full | End::Yielded => through && records > 0,
        End::Suspect => through && done.stop < attempt.end,
        End::Failed => rules.after_failure == AfterFailure::Stop && done.failed == 1,
    };
    if !progress {
        return Err(wrong("it did not do what it says it did"));
    }
    if rules.after_failure == AfterFailure::Stop && (done.failed > 0) != (done.end == End::Failed) {
        return Err(wrong("it went on after a failure"));
    }
    if done.passed_over > 0 && !rules.is_sampled {
        return Err(wrong("it passed over records that are all wanted"));
    }
    if matches!(attempt.mode, Mode::Fail(_)) && done.used + done.dropped > 0 {
        return Err(wrong("it used a record that has failed"));
    }
    let fits = match rules.results {
        // Kept records come out as they went in, or shorter.
        Results::Same => {
            done.output_records == done.used && done.output_bytes <= bytes + done.used * TERMINATOR
        }
        Results::Converted => done.output_records == done.used && rules.has_room_for_all(done),
        Results::Outcomes => {
            done.output_records == done.used + done.dropped && rules.has_room_for_all(done)
        }
        // One comes out at least of each that was used, and none has no bytes.
        Results::Made => done.output_records >= done.used && rules.has_room_for_all(done),
        Results::Printed => rules.has_room_for_all(done),
        Results::State => {
            let state = done.output_bytes.checked_add(done.left);
            done.output_records == 0 && state.is_some_and(|state| state <= rules.max_state)
        }
    };
    let shows = match rules.results {
        // A state may have no bytes.
        Results::State => done.output_bytes > 0 || done.left == 0,
        Results::Same | Results::Converted | Results::Made => {
            (done.used == 0) || done.output_bytes > 0
        }
        Results::Printed => (done.output_records == 0) == (done.output_bytes == 0),
        Results::Outcomes => true,
    };
    let nothing = done.output_bytes == 0 && done.left == 0;
    let none = match rules.results {
        Results::Outcomes => done.used + done.dropped == 0,
        _ => done.used == 0,
    };
    if !fits || !shows || (none && !nothing) {
        return Err(wrong("its output does not fit its counts"));
    }
    if rules.results != Results::State && done.left > 0 {
        return Err(wrong("it speaks of a state that there is not"));
    }
    if done.text_bytes as usize > TEXT_BYTES {
        return Err(wrong("it claims more text than there can be"));
    }
    Ok(())
}

/// Reads failures and lines of log and checks the failures against the counts.
fn read_entries(
    mut text: &[u8],
    done: &Done,
    attempt: &Attempt,
    rules: Rules,
    mut finished: Finished,
) -> Result<Finished, Violation> {
    let records = done.used + done.dropped + done.failed + done.passed_over;
    let mut at = attempt.start;
    while !text.is_empty() {
        let (entry, rest) = take_entry(text)?;
        text = rest;
        match entry {
            Entry::Failure(failure) => {
                let end = failure.offset.checked_add(failure.length);
                let end = end.filter(|end| {
                    failure.offset >= at && *end <= done.stop && failure.before < records
                });
                at = end.ok_or(wrong("it reports a failure outside of its range"))?;
                if failure.plugin.is_some_and(|plugin| plugin >= rules.plugins) {
                    return Err(wrong("it accuses a plugin that there is not"));
                }
                finished.failures.push(Failed::first(failure));
            }
            Entry::Log(logged) => {
                let is_there = |place: Place| {
                    place.before < records && (attempt.start..done.stop).contains(&place.offset)
                };
                if !logged.record.is_none_or(is_there) {
                    return Err(wrong("it logs of a record outside of its range"));
                }
                finished.log.push(logged);
            }
            Entry::Measured(measured) => {
                let counts = measured.times.iter().map(|(_, count)| *count);
                let counted = counts.fold(0, u64::saturating_add);
                // They may be of records that are looked at again: those are not counted.
                let most = attempt.end - attempt.start;
                let is_there = |(place, _): (Place, u64)| {
                    place.before < most && (attempt.start..attempt.end).contains(&place.offset)
                };
                if counted > most || !measured.longest.is_none_or(is_there) {
                    return Err(wrong("it measured records outside of its range"));
                }
                if finished.measured.replace(Box::new(measured)).is_some() {
                    return Err(wrong("it measured its range twice"));
                }
            }
            Entry::LogCut { lines } => {
                finished.log_cut = finished.log_cut.saturating_add(lines);
            }
        }
    }
    if finished.failures.len() as u64 != done.failed {
        return Err(wrong("its failures do not fit their count"));
    }
    Ok(finished)
}

/// Takes bytes for a job's rules, an attempt, a worker's answer to it and what lies in its slot:
/// what is accepted keeps every promise that the supervisor relies on.
#[cfg(any(test, fuzzing))]
#[allow(clippy::panic, reason = "a panic tells the fuzzer")]
pub(crate) fn fuzz(data: &[u8]) {
    use crate::protocol::Layout;
    use crate::records::csv::Delimiter;
    use crate::slots::WorkerSlot;

    const LAYOUT: Layout = Layout { input: 64, output: 4096 };
    const START: u64 = 1000;
    thread_local! {
        static SLOT: SupervisorSlot =
            SupervisorSlot::new(LAYOUT).unwrap_or_else(|error| panic!("{error}"));
    }
    let Some((rules, rest)) = data.split_first_chunk::<4>() else { return };
    let framings = [
        Framing::Lines,
        Framing::Values,
        Framing::Elements,
        Framing::Text,
        Framing::Rows(Delimiter::Comma),
        Framing::Rows(Delimiter::Tab),
    ];
    let results = [
        Results::Same,
        Results::Converted,
        Results::Made,
        Results::Outcomes,
        Results::State,
        Results::Printed,
    ];
    let stops = [AfterFailure::Stop, AfterFailure::GoOn];
    let rules_of_job = Rules {
        framing: framings[usize::from(rules[0]) % framings.len()],
        after_failure: stops[usize::from(rules[1]) % 2],
        results: results[usize::from(rules[2]) % results.len()],
        max_state: 2048,
        plugins: 1 + rules[3] % 3,
        is_sampled: rules[2] >= 0x80,
    };
    let modes = [Mode::Through, Mode::Alone, Mode::Fail(crate::error::FailureKind::Trap)];
    let mode = modes[usize::from(rules[3] >> 4) % modes.len()];
    let end = START + u64::from(rules[1]);
    let attempt = Attempt { nonce: Nonce(7), start: START, end, mode };
    let Ok((done, slot)) = postcard::take_from_bytes::<Done>(rest) else { return };
    // Nobody could guess it.
    let done = Done { nonce: attempt.nonce, ..done };
    SLOT.with(|memory| {
        let [input, output] = memory.files();
        let mut theirs =
            WorkerSlot::map(input, output, LAYOUT).unwrap_or_else(|error| panic!("{error}"));
        let parts = theirs.parts(0);
        let text = slot.len() / 2;
        parts.text[..text.min(TEXT_BYTES)].copy_from_slice(&slot[..text.min(TEXT_BYTES)]);
        let made = &slot[text..];
        let length = made.len().min(parts.output.len());
        parts.output[..length].copy_from_slice(&made[..length]);
        let Ok(finished) = accept(&done, &attempt, (memory, Vec::new()), rules_of_job) else {
            return;
        };
        assert!((START..=end).contains(&done.stop));
        assert!(finished.records() <= done.stop - START);
        assert_eq!(finished.failures.len() as u64, done.failed);
        let mut at = START;
        for failed in &finished.failures {
            let failure = &failed.failure;
            assert!(failure.offset >= at && failure.offset + failure.length <= done.stop);
            assert!(failure.plugin.is_none_or(|plugin| plugin < rules_of_job.plugins));
            at = failure.offset + failure.length;
        }
        for place in finished.log.iter().filter_map(|logged| logged.record) {
            assert!((START..done.stop).contains(&place.offset));
            assert!(place.before < finished.records());
        }
        match rules_of_job.results {
            Results::State => assert!(finished.output.is_empty()),
            _ => assert!(
                finished.output.is_empty()
                    || finished.output.ends_with(rules_of_job.framing.terminator())
            ),
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::FailureKind;
    use crate::protocol::{Failure, Layout, Measured};
    use crate::range::Nonce;
    use crate::records::csv::Delimiter;
    use crate::slots::WorkerSlot;

    const LAYOUT: Layout = Layout { input: 4096, output: 4096 };
    const RULES: Rules = Rules {
        framing: Framing::Lines,
        after_failure: AfterFailure::GoOn,
        results: Results::Same,
        max_state: 1000,
        plugins: 1,
        is_sampled: false,
    };
    const ATTEMPT: Attempt = Attempt { nonce: Nonce(7), start: 100, end: 200, mode: Mode::Through };

    fn honest() -> Done {
        Done {
            nonce: Nonce(7),
            stop: 200,
            used: 1,
            dropped: 1,
            failed: 1,
            passed_over: 0,
            output_bytes: 4,
            left: 0,
            output_records: 1,
            text_bytes: 0,
            end: End::Reached,
        }
    }

    fn judge(done: Done, attempt: Attempt, failures: &[Failure]) -> Result<Finished, Violation> {
        let entries: Vec<_> = failures.iter().cloned().map(Entry::Failure).collect();
        judge_entries(done, attempt, &entries)
    }

    fn judge_entries(
        done: Done,
        attempt: Attempt,
        entries: &[Entry],
    ) -> Result<Finished, Violation> {
        let slot = SupervisorSlot::new(LAYOUT).unwrap();
        let [input, output] = slot.files();
        let mut theirs = WorkerSlot::map(input, output, LAYOUT).unwrap();
        let parts = theirs.parts(0);
        parts.output[..4].copy_from_slice(b"abc\n");
        let mut written = 0;
        for entry in entries {
            written += postcard::to_slice(entry, &mut parts.text[written..]).unwrap().len();
        }
        accept(&Done { text_bytes: written as u32, ..done }, &attempt, (&slot, Vec::new()), RULES)
    }

    fn failure() -> Failure {
        Failure {
            before: 1,
            offset: 120,
            length: 10,
            kind: FailureKind::Rejected,
            plugin: Some(0),
            text: "no".into(),
            backtrace: String::new(),
        }
    }

    #[test]
    fn an_honest_answer_is_taken() {
        let finished = judge(honest(), ATTEMPT, &[failure()]).unwrap();
        assert_eq!(finished.output, b"abc\n");
        assert_eq!(finished.records(), 3);
    }

    #[test]
    fn what_is_measured_is_of_records_of_the_range() {
        let failed = Entry::Failure(failure());
        let measured = Measured {
            times: vec![(1, 1), (1000, 2)],
            longest: Some((Place { before: 2, offset: 199 }, 1000)),
            ..Measured::default()
        };
        let judge = |entries: &[Entry]| judge_entries(honest(), ATTEMPT, entries);
        let taken = judge(&[failed.clone(), Entry::Measured(measured.clone())]).unwrap();
        assert_eq!(taken.measured.as_deref(), Some(&measured));
        let lies = [
            Measured { times: vec![(1, 101)], ..measured.clone() },
            Measured { times: vec![(1, u64::MAX), (2, 4)], ..measured.clone() },
            Measured { longest: Some((Place { before: 100, offset: 199 }, 1)), ..measured.clone() },
            Measured { longest: Some((Place { before: 2, offset: 200 }, 1)), ..measured.clone() },
        ];
        for lie in lies {
            let text = format!("{lie:?}");
            assert!(judge(&[failed.clone(), Entry::Measured(lie)]).is_err(), "{text}");
        }
        let twice = Entry::Measured(measured);
        assert!(judge(&[failed, twice.clone(), twice]).is_err());
    }

    #[test]
    fn every_false_number_is_noticed() {
        let lies: [(&str, Done); 16] = [
            ("a state that there is not", Done { left: 1, ..honest() }),
            ("nonce", Done { nonce: Nonce(8), ..honest() }),
            ("stops early", Done { stop: 150, ..honest() }),
            ("stops late", Done { stop: 201, ..honest() }),
            ("stops before its start", Done { stop: 99, ..honest() }),
            ("too many records", Done { dropped: 100, ..honest() }),
            ("records that are all wanted", Done { passed_over: 1, ..honest() }),
            ("an overflow of records", Done { dropped: u64::MAX, ..honest() }),
            ("output records", Done { output_records: 2, ..honest() }),
            ("output of nothing", Done { used: 0, output_records: 0, ..honest() }),
            ("more output than input", Done { output_bytes: 103, ..honest() }),
            ("no output", Done { output_bytes: 0, ..honest() }),
            ("output cut in a record", Done { output_bytes: 3, ..honest() }),
            ("fewer failures", Done { failed: 0, ..honest() }),
            ("more failures", Done { failed: 2, ..honest() }),
            ("a stop that nobody ordered", Done { end: End::Failed, ..honest() }),
        ];
        for (name, done) in lies {
            assert!(judge(done, ATTEMPT, &[failure()]).is_err(), "{name}");
        }
    }

    #[test]
    fn what_a_plugin_made_is_counted() {
        let rules = Rules { results: Results::Made, ..RULES };
        let slot = SupervisorSlot::new(LAYOUT).unwrap();
        let [input, output] = slot.files();
        let mut theirs = WorkerSlot::map(input, output, LAYOUT).unwrap();
        theirs.parts(0).output[..8].copy_from_slice(b"abc\nde\n\n");
        let made = |output_records, output_bytes| {
            let done = Done { failed: 0, output_records, output_bytes, ..honest() };
            accept(&done, &ATTEMPT, (&slot, Vec::new()), rules).map(|finished| finished.output)
        };
        assert_eq!(made(1, 4).unwrap(), b"abc\n");
        assert_eq!(made(2, 7).unwrap(), b"abc\nde\n");
        for (records, bytes) in [(0, 4), (2, 4), (1, 7), (3, 7), (4, 8), (u64::MAX, 7)] {
            assert!(made(records, bytes).is_err(), "{records} records in {bytes} bytes");
        }
    }

    /// Judges output of two used records, as many as it is said to have.
    fn judge_output(rules: Rules, output: &[u8], output_records: u64) -> bool {
        let slot = SupervisorSlot::new(LAYOUT).unwrap();
        let [input, memory] = slot.files();
        let mut theirs = WorkerSlot::map(input, memory, LAYOUT).unwrap();
        theirs.parts(0).output[..output.len()].copy_from_slice(output);
        let output_bytes = output.len() as u64;
        let done = Done { used: 2, failed: 0, output_records, output_bytes, ..honest() };
        accept(&done, &ATTEMPT, (&slot, Vec::new()), rules).is_ok()
    }

    #[test]
    fn rows_are_counted_whatever_they_came_of() {
        let framing = Framing::Rows(Delimiter::Comma);
        for results in [Results::Same, Results::Converted, Results::Made] {
            let rules = Rules { framing, results, ..RULES };
            assert!(judge_output(rules, b"a\n\"\n\"\n", 2));
            for forged in ["a\n\"\n", "a\n\n", "a\n", "a\nb\nc\n", "a\rb\nc\n", "a\r\nb\n"] {
                assert!(!judge_output(rules, forged.as_bytes(), 2), "{forged:?} of {results:?}");
            }
        }
        let rules = Rules { framing, results: Results::Made, ..RULES };
        assert!(judge_output(rules, b"a\nb\nc\n", 3));
    }

    #[test]
    fn converted_records_are_as_many_as_were_used_and_of_any_length() {
        let rules = Rules { results: Results::Converted, ..RULES };
        let long = format!("{}\nb\n", "a".repeat(1000));
        assert!(judge_output(rules, long.as_bytes(), 2));
        assert!(!judge_output(Rules { results: Results::Same, ..RULES }, long.as_bytes(), 2));
        assert!(!judge_output(rules, b"a\nb\nc\n", 3));
        assert!(!judge_output(rules, b"a\n\n", 2), "a record of JSON has a byte");
        assert!(!judge_output(rules, b"abc\n", 2));
    }

    #[test]
    fn lines_of_text_may_be_blank() {
        let rules = Rules { framing: Framing::Text, results: Results::Made, ..RULES };
        assert!(judge_output(rules, b"\n\n", 2));
        assert!(!judge_output(rules, b"\n\n", 3));
        assert!(!judge_output(rules, b"\n", 2));
    }

    #[test]
    fn a_state_has_no_records_and_a_size_that_is_allowed() {
        let rules = Rules { results: Results::State, ..RULES };
        let slot = SupervisorSlot::new(LAYOUT).unwrap();
        let state = |used, output_bytes, left| {
            let honest = Done { failed: 0, dropped: 0, output_records: 0, ..honest() };
            let done = Done { used, output_bytes, left, ..honest };
            accept(&done, &ATTEMPT, (&slot, Vec::new()), rules).map(|finished| finished.state)
        };
        assert_eq!(state(0, 0, 0).unwrap(), None);
        assert_eq!(state(1, 0, 0).unwrap(), Some(vec![]));
        assert_eq!(state(1, 2, 998).unwrap(), Some(vec![0, 0]));
        for (used, bytes, left) in
            [(0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 2, 999), (1, 2, u64::MAX), (1, 1001, 0)]
        {
            assert!(state(used, bytes, left).is_err(), "{used} {bytes} {left}");
        }
        let records = Done { output_records: 1, failed: 0, ..honest() };
        assert!(accept(&records, &ATTEMPT, (&slot, Vec::new()), rules).is_err());
    }

    #[test]
    fn pieces_of_a_state_add_up() {
        let slot = SupervisorSlot::new(LAYOUT).unwrap();
        let honest = Piece { nonce: Nonce(7), bytes: 4, left: 6, records: 0, text_bytes: 0 };
        let judge = |piece, missing| accept_piece(&piece, Nonce(7), missing, &slot).is_ok();
        assert!(judge(honest, Missing::Exactly(10)));
        assert!(judge(honest, Missing::AtMost(10)));
        assert!(judge(Piece { bytes: 0, left: 0, ..honest }, Missing::AtMost(10)));
        for (name, piece) in [
            ("nonce", Piece { nonce: Nonce(8), ..honest }),
            ("less", Piece { left: 5, ..honest }),
            ("more", Piece { left: 7, ..honest }),
            ("an overflow", Piece { left: u64::MAX, ..honest }),
            ("nothing, and more to come", Piece { bytes: 0, left: 10, ..honest }),
            ("text", Piece { text_bytes: u32::MAX, ..honest }),
            ("text that is none", Piece { text_bytes: 1, ..honest }),
        ] {
            assert!(!judge(piece, Missing::Exactly(10)), "{name}");
        }
        assert!(!judge(Piece { left: 7, ..honest }, Missing::AtMost(10)));
        let whole = Piece { bytes: 5000, left: 0, ..honest };
        assert!(!judge(whole, Missing::Exactly(5000)), "more than the slot has");
    }

    #[test]
    fn false_failures_are_noticed() {
        for (name, failure) in [
            ("before the range", Failure { offset: 99, ..failure() }),
            ("past the range", Failure { offset: 195, ..failure() }),
            ("an endless one", Failure { length: u64::MAX, ..failure() }),
            ("more before it than there are", Failure { before: 3, ..failure() }),
            ("a plugin that there is not", Failure { plugin: Some(1), ..failure() }),
        ] {
            assert!(judge(honest(), ATTEMPT, &[failure]).is_err(), "{name}");
        }
        let twice = Done { failed: 2, ..honest() };
        assert!(judge(twice, ATTEMPT, &[failure(), failure()]).is_err(), "the same twice");
    }

    #[test]
    fn an_answer_without_progress_is_a_violation() {
        let nothing = Done {
            stop: 100,
            used: 0,
            dropped: 0,
            failed: 0,
            output_bytes: 0,
            output_records: 0,
            ..honest()
        };
        for end in [End::Full, End::Yielded, End::Reached, End::Failed] {
            assert!(judge(Done { end, ..nothing }, ATTEMPT, &[]).is_err(), "{end:?}");
        }
        // The first record is a suspect: that is news, once.
        assert!(judge(Done { end: End::Suspect, ..nothing }, ATTEMPT, &[]).is_ok());
        let alone = Attempt { mode: Mode::Alone, ..ATTEMPT };
        assert!(judge(Done { end: End::Suspect, ..nothing }, alone, &[]).is_err());
    }

    #[test]
    fn rubbish_in_the_text_area_is_noticed() {
        let slot = SupervisorSlot::new(LAYOUT).unwrap();
        let [input, output] = slot.files();
        let mut theirs = WorkerSlot::map(input, output, LAYOUT).unwrap();
        let parts = theirs.parts(0);
        parts.output[..4].copy_from_slice(b"abc\n");
        parts.text[..8].copy_from_slice(&[0, 255, 255, 255, 255, 255, 255, 255]);
        for text_bytes in [8, TEXT_BYTES as u32, TEXT_BYTES as u32 + 1, u32::MAX] {
            let done = Done { text_bytes, ..honest() };
            assert!(accept(&done, &ATTEMPT, (&slot, Vec::new()), RULES).is_err());
        }
    }
}
