//! What follows from a job, its inputs and its plugins before anything starts: sizes, and
//! what workers have to know.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::rand::{GetRandomFlags, getrandom};

use crate::compile::Artifact;
use crate::compression::{SMALL_WINDOW, WINDOW};
use crate::error::Error;
use crate::input::{self, CutRules, Inputs, Wanted};
use crate::job::{self, InputsAre, Job, Output, Randomness};
use crate::protocol::{Layout, Operation, Setup, Setups, Surroundings};
use crate::records::CHUNK;
use crate::sample::Sample;
use crate::side_data::SideData;
use crate::slots;

use super::answer::Results;
use super::budget;
use super::formats::Formats;

/// The size of a range for large inputs, in bytes.
const RANGE: u64 = 1 << 20;
/// The smallest range that is chosen to give every worker something to do.
const SMALL_RANGE: u64 = 16 << 10;
/// Ranges that each worker should have, so that none waits long for the last one.
const RANGES_EACH: u64 = 4;
/// Data of a worker besides the plugin's and the record's, in bytes: compiled code and
/// its image, the runtime, buffers.
const WORKER_DATA: u64 = 512 << 20;
/// States that a worker may hold at once: two slots, each with two that have come, one
/// that was made of them, and one on its way between.
pub(super) const STATES: u64 = 8;
/// Copies of a range's records that a command costs: as they wait, as what the plugins before
/// it make of them, as lines, and as its standard input.
const RUNS: u64 = 4;

/// How much longer a row and its header's names may be as JSON text, in which one byte may
/// take six.
const ROW_AS_JSON: u64 = 12;

/// How much longer a record may be inside a dead letter, and the rest of it, in bytes.
const IN_LETTER: u64 = 6;
const LETTER: u64 = 64 << 10;

/// Sizes that follow from the job and its input.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub workers: usize,
    /// How the inputs are to be cut.
    pub cut_rules: CutRules,
    pub layout: Layout,
    /// Data that a worker may have: instances, what is read of a record and made of it,
    /// itself.
    pub data: u64,
    /// What comes of the records of a range.
    pub results: Results,
    /// What may come of the last state, as it stands in the output, in bytes.
    pub most_finished: u64,
}

impl Plan {
    pub fn new(job: &Job, inputs: &Inputs, artifacts: &[Artifact], formats: &Formats) -> Plan {
        let workers = job.workers as u64;
        // The size of streams is unknown: then they count as large.
        let known = inputs.total_bytes();
        let range_size = job.range_size.unwrap_or_else(|| match known {
            Some(bytes) => (bytes / (workers * RANGES_EACH)).clamp(SMALL_RANGE, RANGE),
            None => RANGE,
        });
        let useful = known.map_or(workers, |bytes| bytes.div_ceil(range_size).max(1));
        let results = formats.results;
        let record = match job.from {
            Some(input::From::DeadLetters) => job.limits.max_record * IN_LETTER + LETTER,
            _ => job.limits.max_record,
        };
        let made = match results {
            // What a filter keeps is no longer than it was.
            Results::Same => 0,
            Results::Outcomes => job.limits.max_output.max(record) * IN_LETTER + LETTER,
            Results::Converted | Results::Made | Results::Printed | Results::State => {
                job.limits.max_output
            }
        };
        let max_state = job.limits.max_state;
        let cut_rules = CutRules {
            from: job.from,
            records: job.records.clone().map(Arc::new),
            wanted: match (job.limit, job.only) {
                (_, Some(only)) => Wanted::Only(only),
                (Some(limit), None) => Wanted::First(limit),
                (None, None) => Wanted::All,
            },
            from_place: None,
            range_size,
            max_record: record,
            window: match job.memory_budget {
                None => WINDOW,
                Some(_) => SMALL_WINDOW,
            },
            after_failure: super::after_failure(&job.on_error),
            table_columns: formats.table_columns(job).map(|columns| columns.names().to_vec()),
        };
        // All that is made of one record has to fit.
        let header = if formats.rows_come { record } else { 0 };
        let input = header + cut_rules.longest_range();
        let output = record.max(range_size).max(made) + CHUNK as u64;
        let of_runs = match results {
            Results::Printed => RUNS * cut_rules.longest_range() + output,
            _ => 0,
        };
        let plugins = artifacts.len() as u64;
        let own = match job.memory_budget {
            None => WORKER_DATA,
            Some(_) => budget::worker_data(artifacts.iter().map(|one| one.length).sum()),
        };
        Plan {
            workers: workers.min(useful) as usize,
            cut_rules,
            layout: Layout { input, output },
            data: plugins * (job.limits.memory + 2 * made)
                + 2 * record
                + header * ROW_AS_JSON
                + if results == Results::State { STATES * max_state } else { 0 }
                + of_runs
                + own,
            results,
            // A record has its terminator besides, and may be quoted.
            most_finished: 4 * max_state.max(made),
        }
    }
}

/// Whether a plugin has this operation.
fn is(operation: Operation) -> impl Fn(&Artifact) -> bool {
    move |artifact| artifact.operation == operation
}

/// What comes of records that pass these plugins, in whatever format.
pub(super) fn results(artifacts: &[Artifact]) -> Results {
    match artifacts.last() {
        Some(last) if last.operation == Operation::Reduce => Results::State,
        Some(last) if last.operation == Operation::Command => Results::Printed,
        _ if artifacts.iter().all(is(Operation::Filter)) => Results::Same,
        _ => Results::Made,
    }
}

/// Checks that the operations of a job's plugins go together.
///
/// # Errors
/// [`Error::Usage`] with the plugin that cannot stand where it stands.
pub(super) fn check_operations(job: &Job, artifacts: &[Artifact]) -> Result<(), Error> {
    let last = artifacts.len() - 1;
    let reduce = artifacts.iter().position(is(Operation::Reduce));
    let command = artifacts.iter().position(is(Operation::Command));
    let name = |place: usize| job.plugins[place].path.display();
    match command {
        Some(place) if place < last => {
            return Err(Error::Usage(format!(
                "the plugin {} is a command, which is given the records of a whole range: \
                 nothing can follow it, and {} does",
                name(place),
                name(place + 1)
            )));
        }
        None if !job.arguments.is_empty() => {
            return Err(Error::Usage(format!(
                "the plugin {} is no command: it has no command line that --arg could be on \
                 (--param is what it can ask for)",
                name(last)
            )));
        }
        _ => {}
    }
    match reduce {
        Some(place) if place < last => Err(Error::Usage(format!(
            "the plugin {} is a reduce, which makes one result of all records: nothing can \
             follow it, and {} does",
            name(place),
            name(place + 1)
        ))),
        Some(place) if matches!(job.output, Output::Directory(_)) => Err(Error::Usage(format!(
            "the plugin {} is a reduce, which makes one result of all inputs: they cannot have \
             an output each (--output-dir)",
            name(place)
        ))),
        None if job.inputs_are == InputsAre::States => Err(Error::Usage(format!(
            "the plugin {} is no reduce: only the states of a reduce can be merged",
            name(last)
        ))),
        None if job.wanted == job::Wanted::State => Err(Error::Usage(format!(
            "the plugin {} is no reduce: it has no state that could be written (--partial-state)",
            name(last)
        ))),
        _ => Ok(()),
    }
}

/// The command line of a command: its name, and what the user wants to be there.
fn arguments(job: &Job) -> Vec<String> {
    let name = job.plugins.last().and_then(|plugin| plugin.path.file_stem());
    let name = name.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    std::iter::once(name).chain(job.arguments.iter().cloned()).collect()
}

/// What randomness is drawn from. Workers cannot ask the system: it is drawn here for all.
fn seed(randomness: Randomness) -> std::io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    match randomness {
        Randomness::Seed(number) => seed[..8].copy_from_slice(&number.to_le_bytes()),
        Randomness::Real => {
            // So few bytes come whole.
            getrandom(&mut seed, GetRandomFlags::empty())?;
        }
    }
    Ok(seed)
}

fn first_word([a, b, c, d, e, f, g, h, ..]: [u8; 32]) -> u64 {
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// What workers have to know about plugins and side data, in a sealed memory file.
pub(super) struct SetupsFile {
    pub file: OwnedFd,
    /// In bytes.
    pub length: u64,
}

impl SetupsFile {
    pub fn new(job: &Job, artifacts: &[Artifact], data: &SideData) -> Result<SetupsFile, Error> {
        let system = |error| Error::system("tell workers about the plugins", error);
        let plugins: Vec<Setup> = job
            .plugins
            .iter()
            .zip(artifacts)
            .map(|(plugin, artifact)| Setup {
                abi: artifact.abi,
                operation: artifact.operation,
                artifact: artifact.length,
                params: plugin.params.clone(),
            })
            .collect();
        let columns = job.columns.as_ref().map(|columns| columns.names().to_vec());
        let seed = seed(job.randomness);
        let seed = seed.map_err(|error| Error::system("draw randomness (--real-random)", error))?;
        let setups = Setups {
            plugins,
            data: data.names.clone(),
            arguments: arguments(job),
            surroundings: Surroundings { time: job.time, seed },
            sample: job.sample.map(|rate| Sample::new(rate, first_word(seed))),
            measure: job.measure,
            columns,
        };
        let bytes = postcard::to_stdvec(&setups).map_err(std::io::Error::other).map_err(system)?;
        let file = slots::handover("setups").map_err(system)?;
        let written = file.try_clone().and_then(|file| File::from(file).write_all(&bytes));
        written.and_then(|()| slots::seal(&file)).map_err(system)?;
        Ok(SetupsFile { file, length: bytes.len() as u64 })
    }
}
