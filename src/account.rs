//! The account of a job: every record that was read, and what became of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{FailureKind, Grouped};

/// What became of the records of a job. Input and output are counted apart.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Account {
    /// Input records that are in the output, as they were or as what was made of them.
    pub used: u64,
    /// Input records that the plugin did not want.
    pub dropped: u64,
    /// Input records that failed and were left out.
    pub skipped: u64,
    /// Input records that failed and were written aside as dead letters.
    pub dead_lettered: u64,
    /// Input records at which the job ended: none, or one.
    pub failed: u64,
    /// Input records that are not in the sample that was wanted: they count in nothing else.
    pub passed_over: u64,
    /// Failed records by kind: those that were skipped, dead-lettered, and the last.
    pub failures: BTreeMap<FailureKind, u64>,
    /// Records written.
    pub output_records: u64,
    /// Bytes written.
    pub output_bytes: u64,
    /// Bytes of input that no committed record accounts for; unknown for streams.
    pub unread_bytes: Option<u64>,
    /// Lines that the plugin logged.
    pub log_lines: u64,
    /// How many of them were left out because they, or those of their record, were too much.
    pub log_lines_cut: u64,
    /// Worker processes that the job had at once, at most.
    pub workers: usize,
    /// Worker processes that were replaced.
    pub restarts: u64,
    /// Times that a record was tried again, alone: suspects, and those that failed and may
    /// have passed another time.
    pub retries: u64,
    /// Input records that earlier runs had dealt with, on which this one went on
    /// (`--resume`): they are part of the other numbers.
    pub resumed: u64,
    /// From start to end; of this run alone.
    pub elapsed: Duration,
    /// What each worker did, by its place; in this run alone.
    #[serde(skip)]
    pub by_worker: Vec<WorkerAccount>,
}

/// What one worker, with all those that replaced it, has done.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WorkerAccount {
    /// Processes that there were, one after the other.
    pub processes: u64,
    /// Ranges, or parts of them, that were finished.
    pub ranges: u64,
    /// Input records in them.
    pub records: u64,
    /// Bytes of input in them.
    pub input_bytes: u64,
    /// Bytes that came of them.
    pub output_bytes: u64,
    /// CPU time of all processes, as far as it is known.
    pub cpu: Duration,
}

impl Account {
    /// Input records read: the sum of what became of them.
    pub fn read(&self) -> u64 {
        self.used + self.dropped + self.set_aside() + self.failed
    }

    /// Input records that failed and did not end the job.
    pub fn set_aside(&self) -> u64 {
        self.skipped + self.dead_lettered
    }

    /// What the worker at a place has done.
    pub(crate) fn of_worker(&mut self, place: usize) -> &mut WorkerAccount {
        if self.by_worker.len() <= place {
            self.by_worker.resize(place + 1, WorkerAccount::default());
        }
        &mut self.by_worker[place]
    }

    pub(crate) fn count_failure(&mut self, kind: FailureKind) {
        *self.failures.entry(kind).or_default() += 1;
    }
}

impl std::fmt::Display for Account {
    /// One line for people.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let many = |count: u64, what: &str| {
            let plural = if count == 1 { "" } else { "s" };
            format!("{} {what}{plural}", Grouped(count))
        };
        write!(f, "{} read: ", many(self.read(), "record"))?;
        write!(f, "{} kept, {} dropped", Grouped(self.used), Grouped(self.dropped))?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", Grouped(self.skipped))?;
        }
        if self.dead_lettered > 0 {
            write!(f, ", {} dead-lettered", Grouped(self.dead_lettered))?;
        }
        if self.failed > 0 {
            write!(f, ", {} failed", Grouped(self.failed))?;
        }
        if self.set_aside() > 0 {
            let kinds: Vec<String> = self
                .failures
                .iter()
                .map(|(kind, count)| format!("{} {kind}", Grouped(*count)))
                .collect();
            write!(f, " ({})", kinds.join(", "))?;
        }
        if self.passed_over > 0 {
            write!(f, "; {} passed over", many(self.passed_over, "other"))?;
        }
        if self.resumed > 0 {
            write!(f, "; {} of them before this run", Grouped(self.resumed))?;
        }
        if let Some(unread @ 1..) = self.unread_bytes {
            write!(f, "; {} not read", many(unread, "byte"))?;
        }
        write!(f, "; {} written", many(self.output_records, "record"))?;
        write!(f, "; {}", many(self.workers as u64, "worker"))?;
        if self.restarts > 0 {
            write!(f, ", {}", many(self.restarts, "restart"))?;
        }
        match self.retries {
            0 => {}
            1 => f.write_str(", 1 retry")?,
            retries => write!(f, ", {} retries", Grouped(retries))?,
        }
        write!(f, "; {:.2} s", self.elapsed.as_secs_f64())
    }
}
