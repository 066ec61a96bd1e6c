//! Planning the memory of a run: how many workers there are and what a record and an instance
//! may have, so that all processes together stay within `--memory-budget`.
//!
//! What is added up are not expectations but what each process may take at most: of a worker
//! the kernel's limit on its data, and its slots, filled to their ends; of the supervisor what
//! may wait in it. What the user has named stays; the rest follows from the budget.

use bytesize::ByteSize;

use crate::compile::Artifact;
use crate::error::Error;
use crate::input::{Inputs, QUEUE};
use crate::job::{InputsAre, Job, OnError};
use crate::protocol::{SLOTS, TEXT_BYTES};
use crate::side_data::SideData;
use crate::tables;

use super::answer::Results;
use super::formats::Formats;
use super::plan::{Plan, STATES};

/// The supervisor itself, with the pages of the program that all processes share, in bytes.
const SUPERVISOR: u64 = 32 << 20;
/// What the kernel keeps for a process, and what of the program is its own, in bytes.
const PROCESS: u64 = 6 << 20;
/// What decompression may need, in bytes: the small window of a zstd frame, and more.
const DECOMPRESSION: u64 = 16 << 20;
/// How many times a record may lie in the supervisor while its dead letter is made.
const LETTER: u64 = 8;

/// What one worker should have at least, in bytes: memory of an instance, and a record. Rather
/// fewer workers with the first than more with the next.
const COMFORTS: [(u64, u64); 3] = [(64 << 20, 8 << 20), (32 << 20, 4 << 20), (16 << 20, 1 << 20)];
/// What is not exceeded where the user has named nothing, in bytes.
const MOST: (u64, u64) = (256 << 20, 64 << 20);
/// What a process that reads or writes a table has at least, in bytes, unless the user says
/// otherwise.
const LEAST_TABLE_MEMORY: u64 = 64 << 20;
/// The smallest window, in bytes.
const SMALL_WINDOW: u64 = 1 << 20;

/// Data of a worker besides the plugin's and the record's, for compiled plugins of so many
/// bytes together: they are read, copied to where they run, and have an image of their memory.
pub(super) fn worker_data(code: u64) -> u64 {
    (16 << 20) + 3 * code
}

/// How many processes a table is read with.
pub(super) fn table_readers(job: &Job) -> usize {
    match job.memory_budget {
        None => job.workers,
        Some(_) => 1,
    }
}

/// The same job with no more memory for compiling than its budget, if it has one, leaves: that
/// is over when workers start.
pub(super) fn settle_compiling(job: &Job) -> Job {
    let mut job = job.clone();
    if let Some(budget) = job.memory_budget {
        // They are compiled side by side.
        let each = budget.saturating_sub(SUPERVISOR) / job.plugins().count().max(1) as u64;
        let memory = &mut job.limits.compile_memory;
        *memory = (*memory).min(each.saturating_sub(PROCESS));
    }
    job
}

/// The same job with limits that keep it within its budget, if it has one.
///
/// # Errors
/// [`Error::Usage`] where not even one worker fits; what [`SideData::sizes`] says.
pub(super) fn settle(job: &Job, inputs: &Inputs, artifacts: &[Artifact]) -> Result<Job, Error> {
    let mut job = job.clone();
    let Some(budget) = job.memory_budget else { return Ok(job) };
    let data = SideData::sizes(&job)?.values().map(|(_, bytes)| bytes).sum();
    let mut least = u64::MAX;
    for comfort in COMFORTS {
        for workers in (1..=job.workers).rev() {
            let trial = Trial { workers, memory: comfort.0, record: comfort.1 };
            let needed = trial.needed(&job, inputs, artifacts, data)?;
            least = least.min(needed);
            if needed <= budget {
                let trial = trial.grown(&job, |trial| {
                    Ok(trial.needed(&job, inputs, artifacts, data)? <= budget)
                })?;
                trial.apply(&mut job);
                return Ok(job);
            }
        }
    }
    Err(Error::Usage(format!(
        "--memory-budget {} cannot hold one worker: with these limits the run may need {}; \
         --memory, --max-record, --max-output and --max-state say what a plugin and a record \
         may have",
        ByteSize(budget),
        ByteSize(least)
    )))
}

/// Limits to be tried.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
struct Trial {
    workers: usize,
    memory: u64,
    record: u64,
}

impl Trial {
    /// The largest that fits: first the memory of instances grows, then the records.
    fn grown(
        self,
        job: &Job,
        mut fits: impl FnMut(Trial) -> Result<bool, Error>,
    ) -> Result<Trial, Error> {
        let mut best = self;
        while !job.asked.memory && best.memory < MOST.0 {
            let larger = Trial { memory: best.memory * 2, ..best };
            if !fits(larger)? {
                break;
            }
            best = larger;
        }
        while best.record < MOST.1 {
            let larger = Trial { record: best.record * 2, ..best };
            if !fits(larger)? {
                break;
            }
            best = larger;
        }
        Ok(best)
    }

    /// Puts these limits where the user has named none.
    fn apply(self, job: &mut Job) {
        let (asked, limits) = (job.asked, &mut job.limits);
        for (asked, limit, value) in [
            (asked.memory, &mut limits.memory, self.memory),
            (asked.max_record, &mut limits.max_record, self.record),
            (asked.max_output, &mut limits.max_output, self.record),
            (asked.max_state, &mut limits.max_state, self.record),
        ] {
            if !asked {
                *limit = value;
            }
        }
        if let (Some(budget), false) = (job.memory_budget, asked.table_memory) {
            limits.table_memory = limits.table_memory.min((budget / 4).max(LEAST_TABLE_MEMORY));
        }
        let range = job.range_size.unwrap_or(u64::MAX).min(self.record / 4);
        job.workers = self.workers;
        job.range_size.get_or_insert(range.min(1 << 20));
        job.window.get_or_insert((self.workers as u64 * SMALL_WINDOW).max(self.record / 2));
    }

    /// What a run with these limits may need, in bytes.
    fn needed(
        self,
        job: &Job,
        inputs: &Inputs,
        artifacts: &[Artifact],
        data: u64,
    ) -> Result<u64, Error> {
        let mut job = job.clone();
        self.apply(&mut job);
        let formats = Formats::new(&job, inputs, super::plan::results(artifacts))?;
        let plan = Plan::new(&job, inputs, artifacts, &formats);
        let code: u64 = artifacts.iter().map(|artifact| artifact.length).sum();
        let output = plan.layout.output + TEXT_BYTES as u64;
        // Its image of a plugin's initial memory is a memory file of its own.
        let worker = plan.data
            + job.limits.stack
            + SLOTS as u64 * (plan.layout.input + output)
            + code
            + PROCESS;
        let workers = plan.workers as u64;
        // What is out already comes in, however full the window is.
        let out = workers * SLOTS as u64;
        let longest = plan.cut_rules.longest_range();
        let streams = match inputs.are_read_by_workers() {
            true => 0,
            false => (2 * QUEUE as u64 + 2) * longest + DECOMPRESSION,
        };
        let letters = match job.on_error {
            OnError::DeadLetter(_) => LETTER * plan.cut_rules.max_record,
            OnError::Fail | OnError::Skip => 0,
        };
        let states = match plan.results {
            Results::State => (out + STATES) * job.limits.max_state + plan.most_finished,
            _ => 0,
        };
        let merged = match job.inputs_are {
            InputsAre::Records => 0,
            // All are read before the first is merged.
            InputsAre::States => job.inputs.len() as u64 * job.limits.max_state,
        };
        let reads = inputs.iter().any(|opened| opened.table(job.from).is_some());
        let writes = job.to.is_some_and(|to| to.table().is_some());
        let readers = if reads { table_readers(&job) as u64 } else { u64::from(writes) };
        // What has come of one is copied out of its slot.
        let tables = readers * (job.limits.table_memory + 2 * tables::ROOM + PROCESS);
        let supervisor = merged
            + tables
            + SUPERVISOR
            + data
            + code
            + job.window()
            + out * output
            + streams
            + letters
            + states;
        Ok(supervisor + workers * worker)
    }
}
