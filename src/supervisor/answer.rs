//! Judging a worker's answer: every number in it against what was asked, before
//! anything of it is used. The worker may be hostile.

use crate::ipc::Violation;
use crate::output::Finished;
use crate::protocol::{AfterFailure, Done, End, Entry, Framing, Mode, TEXT_BYTES};
use crate::slots::SupervisorSlot;

use super::work::Attempt;

/// Longest thing that can follow a record in the output, in bytes.
const TERMINATOR: u64 = 2;

/// What holds for every answer of a job.
#[derive(Copy, Clone, Debug)]
pub(super) struct Rules {
    pub framing: Framing,
    pub after_failure: AfterFailure,
    /// What comes out is what went in, record by record.
    pub only_filters: bool,
}

/// Takes an answer's results out of the slot, or says how it breaks the protocol.
pub(super) fn accept(
    done: &Done,
    attempt: &Attempt,
    slot: &SupervisorSlot,
    rules: Rules,
) -> Result<Finished, Violation> {
    check_numbers(done, attempt, rules)?;
    let output = slot
        .copy_output(done.output_bytes)
        .ok_or(wrong("it claims more output than there can be"))?;
    if !output.is_empty() && !output.ends_with(rules.framing.terminator()) {
        return Err(wrong("its output does not end where a record ends"));
    }
    // What stays as it was has been counted by its splitter; what a plugin made has not.
    if !rules.only_filters
        && rules.framing == Framing::Lines
        && memchr::memchr_iter(b'\n', &output).count() as u64 != done.output_records
    {
        return Err(wrong("its output does not have the records that it counted"));
    }
    let text =
        slot.copy_text(done.text_bytes).ok_or(wrong("it claims more text than there can be"))?;
    let finished = Finished {
        output,
        output_records: done.output_records,
        used: done.used,
        dropped: done.dropped,
        ..Finished::default()
    };
    read_entries(&text, done, attempt, finished)
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
    let records = done.used.checked_add(done.dropped).and_then(|sum| sum.checked_add(done.failed));
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
    if matches!(attempt.mode, Mode::Fail(_)) && done.used + done.dropped > 0 {
        return Err(wrong("it used a record that has failed"));
    }
    let fits = match rules.only_filters {
        // Kept records come out as they went in, or shorter.
        true => {
            done.output_records == done.used && done.output_bytes <= bytes + done.used * TERMINATOR
        }
        // One comes out at least of each that was used, and none has no bytes.
        false => {
            let smallest = 1 + rules.framing.terminator().len() as u64;
            let least = done.output_records.checked_mul(smallest);
            done.output_records >= done.used
                && least.is_some_and(|least| least <= done.output_bytes)
        }
    };
    if !fits || (done.output_bytes > 0) != (done.used > 0) {
        return Err(wrong("its output does not fit its counts"));
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
    mut finished: Finished,
) -> Result<Finished, Violation> {
    let records = done.used + done.dropped + done.failed;
    let mut at = attempt.start;
    while !text.is_empty() {
        let (entry, rest) = postcard::take_from_bytes::<Entry>(text)
            .map_err(|_| wrong("its text area holds no entries"))?;
        text = rest;
        match entry {
            Entry::Failure(failure) => {
                let end = failure.offset.checked_add(failure.length);
                let end = end.filter(|end| {
                    failure.offset >= at && *end <= done.stop && failure.before < records
                });
                at = end.ok_or(wrong("it reports a failure outside of its range"))?;
                finished.failures.push(failure);
            }
            Entry::Log { level, text } => finished.log.push((level, text)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::FailureKind;
    use crate::protocol::{Failure, Layout};
    use crate::range::Nonce;
    use crate::slots::WorkerSlot;

    const LAYOUT: Layout = Layout { input: 4096, output: 4096 };
    const RULES: Rules =
        Rules { framing: Framing::Lines, after_failure: AfterFailure::GoOn, only_filters: true };
    const ATTEMPT: Attempt = Attempt { nonce: Nonce(7), start: 100, end: 200, mode: Mode::Through };

    fn honest() -> Done {
        Done {
            nonce: Nonce(7),
            stop: 200,
            used: 1,
            dropped: 1,
            failed: 1,
            output_bytes: 4,
            output_records: 1,
            text_bytes: 0,
            end: End::Reached,
        }
    }

    fn judge(done: Done, attempt: Attempt, failures: &[Failure]) -> Result<Finished, Violation> {
        let slot = SupervisorSlot::new(LAYOUT).unwrap();
        let [input, output] = slot.files();
        let mut theirs = WorkerSlot::map(input, output, LAYOUT).unwrap();
        let parts = theirs.parts(0);
        parts.output[..4].copy_from_slice(b"abc\n");
        let mut written = 0;
        for failure in failures {
            let entry = Entry::Failure(failure.clone());
            written += postcard::to_slice(&entry, &mut parts.text[written..]).unwrap().len();
        }
        accept(&Done { text_bytes: written as u32, ..done }, &attempt, &slot, RULES)
    }

    fn failure() -> Failure {
        Failure {
            before: 1,
            offset: 120,
            length: 10,
            kind: FailureKind::Rejected,
            text: "no".into(),
        }
    }

    #[test]
    fn an_honest_answer_is_taken() {
        let finished = judge(honest(), ATTEMPT, &[failure()]).unwrap();
        assert_eq!(finished.output, b"abc\n");
        assert_eq!(finished.records(), 3);
    }

    #[test]
    fn every_false_number_is_noticed() {
        let lies: [(&str, Done); 14] = [
            ("nonce", Done { nonce: Nonce(8), ..honest() }),
            ("stops early", Done { stop: 150, ..honest() }),
            ("stops late", Done { stop: 201, ..honest() }),
            ("stops before its start", Done { stop: 99, ..honest() }),
            ("too many records", Done { dropped: 100, ..honest() }),
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
        let rules = Rules { only_filters: false, ..RULES };
        let slot = SupervisorSlot::new(LAYOUT).unwrap();
        let [input, output] = slot.files();
        let mut theirs = WorkerSlot::map(input, output, LAYOUT).unwrap();
        theirs.parts(0).output[..8].copy_from_slice(b"abc\nde\n\n");
        let made = |output_records, output_bytes| {
            let done = Done { failed: 0, output_records, output_bytes, ..honest() };
            accept(&done, &ATTEMPT, &slot, rules).map(|finished| finished.output)
        };
        assert_eq!(made(1, 4).unwrap(), b"abc\n");
        assert_eq!(made(2, 7).unwrap(), b"abc\nde\n");
        for (records, bytes) in [(0, 4), (2, 4), (1, 7), (3, 7), (4, 8), (u64::MAX, 7)] {
            assert!(made(records, bytes).is_err(), "{records} records in {bytes} bytes");
        }
    }

    #[test]
    fn false_failures_are_noticed() {
        for (name, failure) in [
            ("before the range", Failure { offset: 99, ..failure() }),
            ("past the range", Failure { offset: 195, ..failure() }),
            ("an endless one", Failure { length: u64::MAX, ..failure() }),
            ("more before it than there are", Failure { before: 3, ..failure() }),
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
            assert!(accept(&done, &ATTEMPT, &slot, RULES).is_err());
        }
    }
}
