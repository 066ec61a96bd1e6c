//! Measuring what records take, where that is wanted ([`Measure`]).

use std::time::Instant;

use hdrhistogram::Histogram;

use crate::job::Measure;
use crate::protocol::{Entry, Measured, Place, TEXT_OF_MEASURES};
use crate::runtime::Samples;

/// Times are told apart to so many decimal digits.
const DIGITS: u8 = 2;

/// What was measured since the attempt began.
#[derive(Debug)]
pub(super) struct Clock {
    times: Histogram<u64>,
    /// When the last of what is measured began.
    began: Instant,
    longest: Option<(Place, u64)>,
    memory: u64,
    samples: Option<Samples>,
}

impl Clock {
    /// A clock, if something is to be measured, and what finds functions, if those are.
    pub fn new(measure: Measure) -> Option<Clock> {
        let samples = match measure {
            Measure::Nothing => return None,
            Measure::Times => None,
            Measure::Functions => Some(Samples::default()),
        };
        let times = Histogram::new(DIGITS).ok()?;
        Some(Clock { times, began: Instant::now(), longest: None, memory: 0, samples })
    }

    pub fn samples(&self) -> Option<&Samples> {
        self.samples.as_ref()
    }

    /// Forgets what was measured of the attempt before, or of this one, if it is made again.
    pub fn begin(&mut self) {
        self.times.reset();
        self.longest = None;
        self.memory = 0;
        self.samples.as_ref().map(Samples::take);
    }

    /// Something begins that is to be measured.
    #[cold]
    pub fn start(&mut self) {
        self.began = Instant::now();
    }

    /// So many records, of which this is the first, have taken the time since then, together.
    pub fn stop(&mut self, first: Place, records: u64) {
        let nanoseconds = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let each = nanoseconds / records.max(1);
        // Only where there is no memory for it a time is not counted.
        let _ = self.times.record_n(each, records);
        if self.longest.is_none_or(|(_, longest)| each > longest) {
            self.longest = Some((first, each));
        }
    }

    /// An instance has so many bytes of memory.
    pub fn saw_memory(&mut self, bytes: usize) {
        self.memory = self.memory.max(bytes as u64);
    }

    /// What was measured, cut to what there is room for.
    pub fn tell(&self) -> Entry {
        let times = self.times.iter_recorded();
        let times = times.map(|at| (at.value_iterated_to(), at.count_at_value())).collect();
        let mut measured = Measured {
            times,
            longest: self.longest,
            memory: self.memory,
            stacks: Vec::new(),
            elsewhere: 0,
        };
        if let Some(samples) = &self.samples {
            let (stacks, elsewhere) = samples.take();
            measured.elsewhere = elsewhere;
            // A length and a count have ten bytes at most, each function's another ten.
            let room = |stack: &[String]| stack.iter().map(|name| name.len() + 10).sum::<usize>();
            let mut left = TEXT_OF_MEASURES.saturating_sub(100 + measured.times.len() * 20);
            for (stack, count) in stacks {
                match left.checked_sub(room(&stack) + 20) {
                    Some(rest) => {
                        left = rest;
                        measured.stacks.push((stack, count));
                    }
                    None => measured.elsewhere += count,
                }
            }
        }
        Entry::Measured(measured)
    }
}
