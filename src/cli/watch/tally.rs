//! What a run has come to so far, by what its events tell. Numbers are of this run alone:
//! what an earlier one has done stands apart.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use host::{Account, Error, Event, Exit, FailureKind, JobFailed, Range, Reason};
use nix::sys::signal::Signal;

/// Between two samples of how far a run is, and over how many of them a rate is taken.
const SAMPLE: Duration = Duration::from_millis(500);
const SAMPLES: usize = 20;

/// How far a run is.
#[derive(Clone, Debug)]
pub struct Tally {
    pub began: Instant,
    pub began_at: SystemTime,
    /// What inputs are called.
    pub inputs: Arc<[String]>,
    /// Bytes of all inputs, where that is known.
    pub total_bytes: Option<u64>,
    /// The same as they are stored, compressed or not, and how far it is in that.
    pub total_stored: Option<u64>,
    pub stored: u64,
    /// Records that are wanted at most, if not all.
    pub total_records: Option<u64>,
    /// What an earlier run has done, on which this one goes on.
    pub bytes_before: u64,
    pub records_before: u64,
    /// That of the share.
    share_before: u64,
    /// Input that is committed.
    pub bytes: u64,
    pub used: u64,
    pub dropped: u64,
    pub skipped: u64,
    pub dead_lettered: u64,
    /// The record at which the run ended, if it did at one.
    pub failed: u64,
    pub failures: BTreeMap<FailureKind, u64>,
    pub output_records: u64,
    pub output_bytes: u64,
    /// Workers that died, by what ended them.
    pub deaths: BTreeMap<String, u64>,
    pub restarts: u64,
    /// How long ranges took.
    pub ranges: Histogram,
    pub workers: Vec<Doing>,
    pub stage: Stage,
}

/// What the run is at.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Plugins are compiled and workers started.
    Starting,
    Running,
    /// What came of all records is made a table.
    Table {
        percent: u8,
    },
    Done,
    Failed,
}

/// What a worker is doing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Doing {
    /// Its process starts.
    Starting,
    /// It is at no range.
    Waiting,
    At {
        range: Range,
        since: Instant,
    },
    /// It died like this.
    Dead(String),
    /// The job is over.
    Over,
}

impl Tally {
    pub fn new() -> Tally {
        Tally {
            began: Instant::now(),
            began_at: SystemTime::now(),
            inputs: Arc::new([]),
            total_bytes: None,
            total_stored: None,
            stored: 0,
            total_records: None,
            bytes_before: 0,
            records_before: 0,
            share_before: 0,
            bytes: 0,
            used: 0,
            dropped: 0,
            skipped: 0,
            dead_lettered: 0,
            failed: 0,
            failures: BTreeMap::new(),
            output_records: 0,
            output_bytes: 0,
            deaths: BTreeMap::new(),
            restarts: 0,
            ranges: Histogram::default(),
            workers: Vec::new(),
            stage: Stage::Starting,
        }
    }

    /// Takes in what has happened.
    pub fn hear(&mut self, event: &Event<'_>) {
        match event {
            Event::Opened { inputs, bytes, stored, records } => {
                self.inputs = Arc::from(*inputs);
                (self.total_bytes, self.total_stored) = (*bytes, *stored);
                self.total_records = *records;
            }
            Event::Resumed { records, bytes, .. } => {
                (self.records_before, self.bytes_before) = (*records, *bytes);
                if self.total_bytes.is_some() {
                    self.stored = *bytes;
                }
                self.share_before = self.share().map_or(0, |(done, _)| done);
            }
            Event::Online { worker, .. } => {
                if matches!(self.worker(*worker), Doing::Dead(_)) {
                    self.restarts += 1;
                }
                *self.worker(*worker) = Doing::Waiting;
                self.stage = Stage::Running;
            }
            Event::Given { worker, range, .. } => {
                *self.worker(*worker) = Doing::At { range: *range, since: Instant::now() };
            }
            Event::Message { worker, took, .. } => {
                *self.worker(*worker) = Doing::Waiting;
                self.ranges.add(*took);
            }
            Event::Committed { range, used, dropped, output_records, output_bytes, stored } => {
                // Without an order one that stands before another may come behind it.
                self.stored = self.stored.max(stored.unwrap_or(0));
                self.bytes += range.end - range.start;
                self.used += used;
                self.dropped += dropped;
                self.output_records += output_records;
                self.output_bytes += output_bytes;
            }
            Event::Table { done } => self.stage = Stage::Table { percent: (done * 100.0) as u8 },
            Event::Result { records, bytes } => {
                self.output_records += records;
                self.output_bytes += bytes;
            }
            Event::Skipped(failure) => {
                self.skipped += 1;
                self.count_failure(failure.kind);
            }
            Event::DeadLettered(failure) => {
                self.dead_lettered += 1;
                self.count_failure(failure.kind);
            }
            Event::Exit { worker, reason: Reason::Over, .. } => *self.worker(*worker) = Doing::Over,
            Event::Exit { worker, reason, exit, .. } => {
                let cause = cause(*reason, *exit);
                *self.worker(*worker) = Doing::Dead(cause.clone());
                *self.deaths.entry(cause).or_default() += 1;
            }
            _ => {}
        }
    }

    /// Takes in how the run has ended.
    pub fn end(&mut self, ended: &Result<Account, Box<JobFailed>>) {
        self.stage = Stage::Done;
        if let (Ok(_), Some(total)) = (ended, self.total_stored) {
            // No range has what stands behind the last one.
            self.stored = total;
        }
        if let Err(failed) = ended {
            self.stage = Stage::Failed;
            if let Error::Record(failure) = &failed.error {
                self.failed += 1;
                self.count_failure(failure.kind);
            }
        }
    }

    fn worker(&mut self, place: usize) -> &mut Doing {
        if self.workers.len() <= place {
            self.workers.resize(place + 1, Doing::Starting);
        }
        &mut self.workers[place]
    }

    fn count_failure(&mut self, kind: FailureKind) {
        *self.failures.entry(kind).or_default() += 1;
    }

    /// Input records that are dealt with.
    pub fn records(&self) -> u64 {
        self.used + self.dropped + self.set_aside() + self.failed
    }

    /// Those that failed and did not end the run.
    pub fn set_aside(&self) -> u64 {
        self.skipped + self.dead_lettered
    }

    /// Workers that can be given something.
    pub fn online(&self) -> usize {
        let is_online = |doing: &&Doing| matches!(doing, Doing::Waiting | Doing::At { .. });
        self.workers.iter().filter(is_online).count()
    }

    /// What is done and what there is to be done, where that is known: in bytes as they are
    /// stored, or in records where only so many are wanted.
    pub fn share(&self) -> Option<(u64, u64)> {
        let (done, total) = match (self.total_stored, self.total_records) {
            (Some(total), _) => (self.stored, total),
            (None, Some(total)) => (self.records_before + self.records(), total),
            (None, None) => return None,
        };
        (total > 0).then(|| (done.min(total), total))
    }
}

/// What ended a worker: why the supervisor did, a signal's name, or `exit`.
fn cause(reason: Reason, exit: Exit) -> String {
    match (reason, exit) {
        (Reason::Died, Exit::Signal(signal)) => match Signal::try_from(signal) {
            Ok(signal) => signal.as_str().to_owned(),
            Err(_) => format!("signal {signal}"),
        },
        (Reason::Died, _) => "exit".into(),
        (reason, _) => reason.to_string(),
    }
}

/// How many ranges took how long.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// Those that took at most as long as [`Histogram::BOUNDS`] says and longer than the bound
    /// before; the last are those that took longer than all bounds.
    counts: [u64; Histogram::BOUNDS.len() + 1],
    /// Together.
    pub sum: Duration,
}

impl Histogram {
    /// In seconds.
    pub const BOUNDS: [f64; 13] =
        [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

    fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = Self::BOUNDS.iter().position(|bound| seconds <= *bound);
        self.counts[bucket.unwrap_or(Self::BOUNDS.len())] += 1;
        self.sum += took;
    }

    /// For each bound how many took at most so long, and last how many there are at all.
    pub fn cumulative(&self) -> impl Iterator<Item = u64> {
        self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        })
    }
}

/// How fast a run has been lately.
#[derive(Debug)]
pub struct Pace {
    samples: VecDeque<Sample>,
    now: Sample,
}

/// How far a run was at one time.
#[derive(Copy, Clone, Debug)]
struct Sample {
    at: Instant,
    bytes: u64,
    records: u64,
    /// Of what there is to do, by this run.
    done: u64,
}

impl Sample {
    fn of(tally: &Tally, at: Instant) -> Sample {
        let done = tally.share().map_or(0, |(done, _)| done.saturating_sub(tally.share_before));
        Sample { at, bytes: tally.bytes, records: tally.records(), done }
    }
}

impl Pace {
    pub fn new(tally: &Tally) -> Pace {
        let start = Sample::of(tally, tally.began);
        Pace { samples: VecDeque::from([start]), now: start }
    }

    /// Takes in how far a run is now.
    pub fn note(&mut self, tally: &Tally, now: Instant) {
        self.now = Sample::of(tally, now);
        if tally.stage == Stage::Starting {
            // Compiling is not what the rest will be like.
            self.samples = VecDeque::from([self.now]);
        }
        if self.samples.back().is_none_or(|last| now - last.at >= SAMPLE) {
            self.samples.push_back(self.now);
            if self.samples.len() > SAMPLES {
                self.samples.pop_front();
            }
        }
    }

    /// Since the run began.
    pub fn elapsed(&self, tally: &Tally) -> Duration {
        self.now.at - tally.began
    }

    /// Bytes and records in a second.
    pub fn rates(&self) -> (f64, f64) {
        (self.rate(|sample| sample.bytes), self.rate(|sample| sample.records))
    }

    fn rate(&self, what: impl Fn(&Sample) -> u64) -> f64 {
        let then = self.samples.front().unwrap_or(&self.now);
        let seconds = (self.now.at - then.at).as_secs_f64();
        let more = what(&self.now).saturating_sub(what(then));
        if seconds > 0.0 { more as f64 / seconds } else { 0.0 }
    }

    /// Time that is left, if it goes on like this.
    pub fn left(&self, tally: &Tally) -> Option<Duration> {
        let (done, total) = tally.share()?;
        let rate = self.rate(|sample| sample.done);
        Duration::try_from_secs_f64((total - done) as f64 / rate).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_the_last_seconds() {
        let mut tally = Tally::new();
        (tally.stage, tally.total_stored) = (Stage::Running, Some(100_000));
        let mut pace = Pace::new(&tally);
        assert_eq!((pace.rates(), pace.left(&tally)), ((0.0, 0.0), None));
        for second in 1..=60 {
            // Ten times as fast in its second half.
            tally.bytes += if second <= 30 { 100 } else { 1000 };
            tally.stored = tally.bytes;
            pace.note(&tally, tally.began + Duration::from_secs(second));
        }
        assert_eq!(pace.rates().0, 1000.0);
        assert_eq!(pace.left(&tally), Some(Duration::from_secs(67)));
    }

    #[test]
    fn a_limit_of_records_is_what_there_is_to_do() {
        let mut tally = Tally::new();
        tally.total_records = Some(40);
        (tally.used, tally.dropped, tally.skipped, tally.records_before) = (4, 3, 2, 1);
        assert_eq!(tally.share(), Some((10, 40)));
        tally.total_stored = Some(0);
        assert_eq!(tally.share(), None);
    }

    #[test]
    fn durations_fall_into_buckets_with_their_bounds() {
        let mut histogram = Histogram::default();
        for milliseconds in [0, 1, 2, 10_000, 10_001] {
            histogram.add(Duration::from_millis(milliseconds));
        }
        let counts: Vec<u64> = histogram.cumulative().collect();
        assert_eq!(counts, [2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 5]);
    }
}
