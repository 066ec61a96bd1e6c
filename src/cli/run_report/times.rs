//! What records took, and which took longest.

use std::time::Duration;

use host::{Error, Event, LoggedRecord, printable};
use serde::Serialize;

use crate::cli::measurements::Measurements;

/// So many records are named.
const NAMED: usize = 10;

/// Shares of the records of which it is told what they take at most.
const SHARES: [(&str, f64); 4] = [("0.5", 0.5), ("0.9", 0.9), ("0.99", 0.99), ("0.999", 0.999)];

/// What was measured.
pub struct Times {
    measurements: Measurements,
    /// The longest of each range, of which those that took longest are kept, and those first.
    longest: Vec<(Duration, LoggedRecord)>,
}

/// In nanoseconds.
#[derive(Serialize)]
pub struct Told<'a> {
    count: u64,
    mean: u64,
    max: u64,
    quantiles: std::collections::BTreeMap<&'static str, u64>,
    counts: Vec<(u64, u64)>,
    slowest: Vec<Slow<'a>>,
}

#[derive(Serialize)]
struct Slow<'a> {
    record: Place<'a>,
    took: u64,
}

#[derive(Serialize)]
struct Place<'a> {
    input: &'a str,
    number: Option<u64>,
    offset: u64,
}

impl Times {
    /// # Errors
    /// There is no memory.
    pub fn new() -> Result<Times, Error> {
        Ok(Times { measurements: Measurements::new()?, longest: Vec::new() })
    }

    /// Takes in what an event tells.
    pub fn hear(&mut self, event: &Event<'_>) {
        self.measurements.hear(event);
        let Event::Measured { longest: Some((record, took)), .. } = event else { return };
        let at = self.longest.partition_point(|(longer, _)| longer >= took);
        if at < NAMED {
            let mut record = record.clone();
            record.input = printable(&record.input);
            self.longest.insert(at, (*took, record));
            self.longest.truncate(NAMED);
        }
    }

    /// What is told of them, if there were some.
    pub fn tell(&self) -> Option<Told<'_>> {
        let times = self.measurements.histogram();
        let (max, _) = self.longest.first()?;
        Some(Told {
            count: times.len(),
            mean: times.mean() as u64,
            max: nanoseconds(*max),
            quantiles: SHARES
                .into_iter()
                .map(|(name, share)| (name, times.value_at_quantile(share).min(nanoseconds(*max))))
                .collect(),
            counts: times
                .iter_recorded()
                .map(|at| (at.value_iterated_to(), at.count_at_value()))
                .collect(),
            slowest: self
                .longest
                .iter()
                .map(|(took, LoggedRecord { input, number, offset, .. })| Slow {
                    record: Place { input, number: *number, offset: *offset },
                    took: nanoseconds(*took),
                })
                .collect(),
        })
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
