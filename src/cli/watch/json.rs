//! Progress for programs: one JSON object on a line of standard error each second, and a
//! last one at the end. Its members are documented in docs/watching.md.

use std::time::Instant;

use serde::Serialize;

use super::tally::{Pace, Stage, Tally};
use crate::cli::terminal::beside_bar;

/// Progress as JSON.
pub struct Json {
    pace: Pace,
}

impl Json {
    pub fn new(tally: &Tally) -> Json {
        Json { pace: Pace::new(tally) }
    }

    /// Tells how far the run is.
    pub fn tell(&mut self, tally: &Tally) {
        self.pace.note(tally, Instant::now());
        // Nothing in it can fail to be JSON.
        let line = serde_json::to_string(&Progress::new(tally, &self.pace)).unwrap_or_default();
        beside_bar(|| eprintln!("{line}"));
    }
}

/// What an object says.
#[derive(Serialize)]
struct Progress {
    /// What sort of thing it is, as in all that programs are told.
    kind: &'static str,
    state: &'static str,
    elapsed_seconds: f64,
    seconds_left: Option<f64>,
    share: Option<f64>,
    bytes: u64,
    bytes_before_this_run: u64,
    total_bytes: Option<u64>,
    records: u64,
    records_before_this_run: u64,
    total_records: Option<u64>,
    used: u64,
    dropped: u64,
    skipped: u64,
    dead_lettered: u64,
    failed: u64,
    output_bytes: u64,
    output_records: u64,
    bytes_per_second: f64,
    records_per_second: f64,
    workers_online: usize,
    worker_deaths: u64,
}

impl Progress {
    fn new(tally: &Tally, pace: &Pace) -> Progress {
        let (bytes_per_second, records_per_second) = pace.rates();
        let (state, is_over) = match tally.stage {
            Stage::Starting => ("starting", false),
            Stage::Running => ("running", false),
            Stage::Table { .. } => ("making-table", false),
            Stage::Done => ("done", true),
            Stage::Failed => ("failed", true),
        };
        let left = pace.left(tally).filter(|_| !is_over);
        Progress {
            kind: "progress",
            state,
            elapsed_seconds: pace.elapsed(tally).as_secs_f64(),
            seconds_left: left.map(|left| left.as_secs_f64()),
            share: tally.share().map(|(done, total)| done as f64 / total as f64),
            bytes: tally.bytes,
            bytes_before_this_run: tally.bytes_before,
            total_bytes: tally.total_bytes,
            records: tally.records(),
            records_before_this_run: tally.records_before,
            total_records: tally.total_records,
            used: tally.used,
            dropped: tally.dropped,
            skipped: tally.skipped,
            dead_lettered: tally.dead_lettered,
            failed: tally.failed,
            output_bytes: tally.output_bytes,
            output_records: tally.output_records,
            bytes_per_second,
            records_per_second,
            workers_online: tally.online(),
            worker_deaths: tally.deaths.values().sum(),
        }
    }
}
