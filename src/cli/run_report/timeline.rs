//! What happened when: how much was done in each stretch of time, and by whom. Stretches become
//! twice as long when there are too many of them, and ranges are kept one by one only as long as
//! they are few, so that a long run takes no more memory than a short one.

use std::collections::BTreeSet;

use host::{Event, Range, Reason};
use serde::Serialize;

use super::microseconds;

/// Stretches of time that there are at most, and how long they are at first, in microseconds.
const BUCKETS: usize = 600;
const SHORTEST: u64 = 1000;
/// Ranges that are kept one by one.
const SPANS: usize = 4000;
/// Processes of workers that are kept one by one.
const LIVES: usize = 1000;
/// So many of the ranges that took longest are kept in any case.
const LONGEST: usize = 10;

/// What happened when, in microseconds since the run began.
pub struct Timeline {
    width: u64,
    /// What was done in each stretch of time.
    work: Vec<Work>,
    workers: Vec<Worker>,
    ranges: Ranges,
    /// The ranges that took longest, these first, each with its worker.
    longest: Vec<(usize, Span)>,
    /// Ranges and processes that are kept one by one, or were until there were too many.
    spans: usize,
    lives: usize,
}

#[derive(Copy, Clone, Default)]
struct Work {
    records: f64,
    read: f64,
    written: f64,
    failed: u64,
}

#[derive(Default)]
struct Worker {
    lives: Vec<Life>,
    spans: Vec<Span>,
    /// Time in each stretch that it was at ranges.
    busy: Vec<f64>,
    /// Ranges that it finished in each.
    done: Vec<u64>,
    died: u64,
}

/// A process of a worker.
#[derive(Serialize)]
struct Life {
    pid: u32,
    online: u64,
    ended: Option<u64>,
    /// How it died, if it was not because the run is over.
    death: Option<String>,
    lost: Option<(usize, u64, u64)>,
    /// How long it was at that.
    took: u64,
}

/// When a range was begun, how long it took, its input, first and last byte, records, those of
/// them that failed, and the bytes that came of it.
type Span = (u64, u64, usize, u64, u64, u64, u64, u64);

#[derive(Default, Serialize)]
struct Ranges {
    count: u64,
    /// Those in which records failed.
    failed: u64,
}

/// What is told of it.
#[derive(Serialize)]
pub struct Told<'a> {
    buckets: Buckets,
    workers: Vec<ToldWorker<'a>>,
    ranges: &'a Ranges,
    merged: bool,
    longest_ranges: &'a [(usize, Span)],
}

#[derive(Serialize)]
struct Buckets {
    width: u64,
    records: Vec<f64>,
    read: Vec<u64>,
    written: Vec<u64>,
    failed: Vec<u64>,
}

#[derive(Serialize)]
struct ToldWorker<'a> {
    lives: &'a [Life],
    spans: Option<&'a [Span]>,
    busy: Vec<u64>,
    done: &'a [u64],
    died: u64,
}

impl Default for Timeline {
    fn default() -> Timeline {
        Timeline {
            width: SHORTEST,
            work: Vec::new(),
            workers: Vec::new(),
            ranges: Ranges::default(),
            longest: Vec::new(),
            spans: 0,
            lives: 0,
        }
    }
}

impl Timeline {
    /// A worker's process can begin with ranges.
    pub fn online(&mut self, now: u64, worker: usize, pid: u32) {
        let (ended, death, lost, took) = (None, None, None, 0);
        self.live(worker, Life { pid, online: now, ended, death, lost, took });
    }

    /// A worker's process has ended.
    pub fn exit(&mut self, now: u64, event: &Event<'_>) {
        let &Event::Exit { worker, pid, lost, took, .. } = event else { return };
        let death = how_it_died(event);
        let lost = lost.map(|Range { input, start, end }| (input.index(), start, end));
        let took = microseconds(took).min(now);
        if lost.is_some() {
            // Nothing came of it, and yet it was at it.
            self.spread(now - took, now, worker, |_, _| {});
        }
        let own = self.worker(worker);
        own.died += u64::from(death.is_some());
        match own.lives.last_mut().filter(|life| life.pid == pid) {
            Some(life) => {
                life.ended = Some(now);
                if death.is_some() {
                    (life.lost, life.took) = (lost, took);
                }
                life.death = death;
            }
            // It has never come online, or there were too many before it.
            None if death.is_some() => {
                self.live(worker, Life { pid, online: now, ended: Some(now), death, lost, took });
            }
            None => {}
        }
    }

    /// A worker has finished (a part of) a range.
    pub fn message(&mut self, now: u64, event: &Event<'_>) {
        let &Event::Message { worker, range, used, dropped, failed, output_bytes, took, .. } =
            event
        else {
            return;
        };
        let took = microseconds(took).min(now);
        let (start, records) = (now - took, used + dropped + failed);
        let Range { input, start: from, end: to } = range;
        let span = (start, took, input.index(), from, to, records, failed, output_bytes);
        self.spread(start, now, worker, |work, share| {
            work.records += share * records as f64;
            work.read += share * (to - from) as f64;
            work.written += share * output_bytes as f64;
        });
        let last = (now / self.width) as usize;
        self.work[last].failed += failed;
        self.workers[worker].done[last] += u64::from(from < to);
        self.ranges.count += u64::from(from < to);
        self.ranges.failed += u64::from(failed > 0);
        let at = self.longest.partition_point(|(_, longer)| longer.1 >= took);
        if at < LONGEST {
            self.longest.insert(at, (worker, span));
            self.longest.truncate(LONGEST);
        }
        self.spans += 1;
        if !self.is_merged() {
            self.workers[worker].spans.push(span);
        } else if self.spans == SPANS + 1 {
            self.workers.iter_mut().for_each(|worker| worker.spans = Vec::new());
        }
    }

    /// What is told of it.
    pub fn tell(&self) -> Told<'_> {
        Told {
            buckets: Buckets {
                width: self.width,
                // A part of a record is to be seen where there is less than one.
                records: self.work.iter().map(|work| (work.records * 1e3).round() / 1e3).collect(),
                read: self.work.iter().map(|work| work.read.round() as u64).collect(),
                written: self.work.iter().map(|work| work.written.round() as u64).collect(),
                failed: self.work.iter().map(|work| work.failed).collect(),
            },
            workers: self
                .workers
                .iter()
                .map(|worker| ToldWorker {
                    lives: &worker.lives,
                    spans: (!self.is_merged()).then_some(&worker.spans),
                    busy: worker.busy.iter().map(|time| time.round() as u64).collect(),
                    done: &worker.done,
                    died: worker.died,
                })
                .collect(),
            ranges: &self.ranges,
            merged: self.is_merged(),
            longest_ranges: &self.longest,
        }
    }

    /// The inputs that are spoken of.
    pub fn inputs(&self) -> BTreeSet<usize> {
        let spans = self.workers.iter().flat_map(|worker| &worker.spans);
        let spans = spans.chain(self.longest.iter().map(|(_, span)| span)).map(|span| span.2);
        let lives = self.workers.iter().flat_map(|worker| &worker.lives);
        spans.chain(lives.filter_map(|life| Some(life.lost?.0))).collect()
    }

    /// Whether there were too many ranges to keep them one by one.
    fn is_merged(&self) -> bool {
        self.spans > SPANS
    }

    fn worker(&mut self, number: usize) -> &mut Worker {
        if self.workers.len() <= number {
            self.workers.resize_with(number + 1, Worker::default);
        }
        &mut self.workers[number]
    }

    fn live(&mut self, worker: usize, life: Life) {
        self.lives += 1;
        let is_kept = self.lives <= LIVES;
        let own = self.worker(worker);
        if is_kept {
            own.lives.push(life);
        }
    }

    /// Notes that a worker was at something from one moment to another, which is given to each
    /// stretch of time by its share.
    fn spread(&mut self, from: u64, to: u64, worker: usize, mut give: impl FnMut(&mut Work, f64)) {
        while to / self.width >= BUCKETS as u64 {
            self.widen();
        }
        let (width, length) = (self.width, to - from);
        let (first, last) = ((from / width) as usize, (to / width) as usize);
        self.work.resize_with(self.work.len().max(last + 1), Work::default);
        self.worker(worker);
        let own = &mut self.workers[worker];
        own.busy.resize(own.busy.len().max(last + 1), 0.0);
        own.done.resize(own.done.len().max(last + 1), 0);
        for at in first..=last {
            let (begin, end) = (at as u64 * width, (at as u64 + 1) * width);
            let time = end.min(to) - begin.max(from);
            own.busy[at] += time as f64;
            let share = if length == 0 { 1.0 } else { time as f64 / length as f64 };
            give(&mut self.work[at], share);
        }
    }

    /// Makes each two stretches one.
    fn widen(&mut self) {
        self.width *= 2;
        let pairs = self.work.chunks(2);
        self.work =
            pairs.map(|pair| pair.iter().copied().fold(Work::default(), Work::add)).collect();
        for worker in &mut self.workers {
            worker.busy = worker.busy.chunks(2).map(|pair| pair.iter().sum()).collect();
            worker.done = worker.done.chunks(2).map(|pair| pair.iter().sum()).collect();
        }
    }
}

impl Work {
    fn add(self, other: Work) -> Work {
        Work {
            records: self.records + other.records,
            read: self.read + other.read,
            written: self.written + other.written,
            failed: self.failed + other.failed,
        }
    }
}

/// How a process came to its end, if not because the run is over.
fn how_it_died(event: &Event<'_>) -> Option<String> {
    let Event::Exit { exit, reason, violation, last_words, .. } = event else { return None };
    let how = match (reason, violation) {
        (Reason::Over, _) => return None,
        (Reason::Timeout, _) => "the record that it was at ran longer than --timeout allows".into(),
        (Reason::Stalled, _) => "it stood still".into(),
        (Reason::Deaf, _) => "it was asked for an answer and gave none".into(),
        (_, Some(violation)) => format!("it was ended: {violation}"),
        _ => exit.to_string(),
    };
    Some(match last_words {
        Some(words) => format!("{how}; it said: {words}"),
        None => how,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use host::Exit;

    use super::*;

    fn range(start: u64, end: u64) -> Range {
        let input = serde_json::from_str("0").unwrap();
        Range { input, start, end }
    }

    /// A worker has finished a range of 10 records and 1000 bytes, which took 700 µs.
    fn message(timeline: &mut Timeline, now: u64, worker: usize) {
        let event = Event::Message {
            worker,
            pid: 1,
            range: range(5000, 6000),
            used: 7,
            dropped: 2,
            failed: 1,
            output_records: 7,
            output_bytes: 500,
            took: Duration::from_micros(700),
        };
        timeline.message(now, &event);
    }

    fn sums(timeline: &Timeline) -> (u64, u64, u64, u64) {
        let sum = timeline.work.iter().copied().fold(Work::default(), Work::add);
        let whole = |part: f64| part.round() as u64;
        (whole(sum.records), whole(sum.read), whole(sum.written), sum.failed)
    }

    #[test]
    fn few_ranges_are_told_one_by_one_and_spread_over_their_time() {
        let mut timeline = Timeline::default();
        message(&mut timeline, 1350, 1);
        let told = timeline.tell();
        assert_eq!((told.buckets.width, told.buckets.read), (1000, vec![500, 500]));
        assert_eq!((told.buckets.records, told.buckets.failed), (vec![5.0, 5.0], vec![0, 1]));
        assert_eq!(told.workers[1].busy, [350, 350]);
        assert_eq!(told.workers[1].done, [0, 1]);
        let span = (650, 700, 0, 5000, 6000, 10, 1, 500);
        assert_eq!(told.workers[1].spans, Some(&[span][..]));
        assert_eq!(told.longest_ranges, [(1, span)]);
        assert!(!told.merged && told.workers[0].spans == Some(&[]));
    }

    #[test]
    fn many_ranges_take_no_more_room_and_none_is_lost() {
        let mut timeline = Timeline::default();
        for number in 0..100_000 {
            message(&mut timeline, 700 + 350 * number, number as usize % 2);
        }
        assert_eq!(sums(&timeline), (1_000_000, 100_000_000, 50_000_000, 100_000));
        let told = timeline.tell();
        assert!(told.merged && told.buckets.read.len() <= BUCKETS);
        assert_eq!(told.buckets.width, 64_000);
        for worker in &told.workers {
            assert!(worker.spans.is_none() && worker.busy.len() <= BUCKETS);
            // Both are at it without a pause.
            assert!(worker.busy[1..worker.busy.len() - 1].iter().all(|busy| *busy == 64_000));
            assert_eq!(worker.done.iter().sum::<u64>(), 50_000);
        }
        assert_eq!(told.longest_ranges.len(), LONGEST);
    }

    #[test]
    fn a_death_is_told_with_what_is_lost_and_the_end_is_none() {
        let mut timeline = Timeline::default();
        let exit = |pid, reason, lost| Event::Exit {
            worker: 0,
            pid,
            exit: Exit::Signal(9),
            reason,
            lost,
            took: Duration::from_millis(3),
            violation: None,
            last_words: None,
        };
        timeline.online(10, 0, 1);
        timeline.exit(5000, &exit(1, Reason::Died, Some(range(7, 9))));
        assert_eq!(timeline.tell().workers[0].busy, [0, 0, 1000, 1000, 1000, 0]);
        timeline.exit(5100, &exit(2, Reason::Timeout, None));
        timeline.online(6000, 0, 3);
        timeline.exit(7000, &exit(3, Reason::Over, None));
        let told = timeline.tell();
        let [first, second, third] = told.workers[0].lives else { panic!("there were three") };
        assert_eq!((first.online, first.ended, first.lost), (10, Some(5000), Some((0, 7, 9))));
        assert!(first.death.as_deref().unwrap().contains("SIGKILL") && first.took == 3000);
        assert!(second.death.as_deref().unwrap().contains("--timeout"));
        assert_eq!((third.ended, &third.death), (Some(7000), &None));
        assert_eq!(told.workers[0].died, 2);
        for number in 0..2 * LIVES as u64 {
            timeline.online(8000 + number, 0, 4);
        }
        assert_eq!(timeline.tell().workers[0].lives.len(), LIVES);
    }
}
