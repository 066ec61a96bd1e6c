//! Putting a job together, and judging the whole.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{
    Cache, Columns, FirstRow, Fsync, Input, InputsAre, Isolation, Job, MAX_DATA_FILES, MAX_PLUGINS,
    MAX_RETRIES, MaxErrors, Measure, OnError, Order, Output, Plugin, Randomness, Resume,
    ResumeVerify, Time, To, Wanted,
};
use crate::compression::Compression;
use crate::error::Error;
use crate::input::{self, From, Only};
use crate::records::Pointer;
use crate::sandbox::Sandbox;
use crate::stop::Stop;
use crate::tables::Kind;

/// Puts a [`Job`] together; [`build`](JobBuilder::build) judges the whole.
#[derive(Clone, Debug)]
pub struct JobBuilder {
    pub(crate) job: Job,
}

impl JobBuilder {
    /// Adds a plugin behind those there are: it gets what they let through or make.
    pub fn then(mut self, plugin: impl Into<PathBuf>) -> Self {
        self.job.plugins.push(Plugin::new(plugin.into()));
        self
    }

    /// Tells the plugin that was added last something, by name.
    pub fn param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        if let Some(plugin) = self.job.plugins.last_mut() {
            plugin.params.insert(name.into(), value.into());
        }
        self
    }

    /// Adds a word to the command line of the command that the last plugin is.
    pub fn argument(mut self, word: impl Into<String>) -> Self {
        self.job.arguments.push(word.into());
        self
    }

    /// Hands a file to all plugins, which may read it by this name.
    pub fn data(mut self, name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        self.job.data.insert(name.into(), path.into());
        self
    }

    /// Which time plugins see through WASI; default: a made-up one that starts at
    /// 2000-01-01T00:00:00Z.
    pub fn time(mut self, time: Time) -> Self {
        self.job.time = time;
        self
    }

    /// What the randomness that plugins see through WASI is drawn from; default: the seed 0.
    pub fn randomness(mut self, randomness: Randomness) -> Self {
        self.job.randomness = randomness;
        self
    }

    /// What is measured besides; default: nothing.
    pub fn measure(mut self, what: Measure) -> Self {
        self.job.measure = what;
        self
    }

    /// How much of a record that failed is told with it, in bytes; default: nothing.
    pub fn excerpt(mut self, bytes: u64) -> Self {
        self.job.excerpt = bytes;
        self
    }

    /// For how long an instance of a plugin lives; default: as long as its worker.
    pub fn isolate(mut self, isolation: Isolation) -> Self {
        self.job.isolation = isolation;
        self
    }

    /// What all side data together may have, in bytes; default: 1 GiB.
    pub fn max_data(mut self, bytes: u64) -> Self {
        self.job.limits.max_data = bytes;
        self
    }

    /// Adds an input; without any, standard input is read.
    pub fn input(mut self, input: Input) -> Self {
        self.job.inputs.push(input);
        self
    }

    /// Adds a file as an input.
    pub fn file(self, path: impl Into<PathBuf>) -> Self {
        self.input(Input::Path(path.into()))
    }

    /// Says where the output goes; default: standard output.
    pub fn output(mut self, output: Output) -> Self {
        self.job.output = output;
        self
    }

    /// The format of every input; default: by its name and first bytes.
    pub fn from(mut self, from: From) -> Self {
        self.job.from = Some(from);
        self
    }

    /// The records are the elements of the array at this place inside each JSON text;
    /// default: what the format says. Of members with one name the first counts.
    pub fn records(mut self, pointer: Pointer) -> Self {
        self.job.records = Some(pointer);
        self
    }

    /// Processes only so many records, the first of all inputs together; default: all.
    pub fn limit(mut self, records: u64) -> Self {
        self.job.limit = Some(records);
        self
    }

    /// Processes only a sample of the records, of about this share (0 to 1): the same in each
    /// run, and another with another seed ([`JobBuilder::randomness`]). What others there are is
    /// in the account ([`Account::passed_over`](crate::Account::passed_over)). Default: all.
    pub fn sample(mut self, rate: f64) -> Self {
        self.job.sample = Some(rate);
        self
    }

    /// Processes only this record of the one input; default: all.
    pub fn only(mut self, only: Only) -> Self {
        self.job.only = Some(only);
        self
    }

    /// The format of the output; default: the one that its name says (`.ndjson`, `.jsonl`,
    /// `.csv`, `.tsv`, `.txt`, or a table), or that of the first input.
    pub fn to(mut self, to: To) -> Self {
        self.job.to = Some(to);
        self
    }

    /// The columns of an output of rows; default: those of the first input. Where the output
    /// has none, the columns of inputs that are tables which are read; default: all.
    pub fn columns(mut self, columns: Columns) -> Self {
        self.job.columns = Some(columns);
        self
    }

    /// A file with the schema of an output that is a table: a Parquet message type, or, where its
    /// name says so, a table that has it. Default: where plugins only choose records that of the
    /// inputs, otherwise one that all records fit.
    pub fn schema(mut self, path: impl Into<PathBuf>) -> Self {
        self.job.schema = Some(path.into());
        self
    }

    /// The first row of an input of rows is a record too, and no names of columns come
    /// out: plugins see arrays.
    pub fn no_header(mut self) -> Self {
        self.job.first_row = FirstRow::Record;
        self
    }

    /// The order of the output; default: that of the input.
    pub fn order(mut self, order: Order) -> Self {
        self.job.order = order;
        self
    }

    /// How many worker processes; default: one for each core.
    pub fn workers(mut self, workers: usize) -> Self {
        self.job.workers = workers;
        self
    }

    /// About how many bytes a range has; default: 1 MiB, less for small inputs, so
    /// that every worker has something to do.
    pub fn range_size(mut self, bytes: u64) -> Self {
        self.job.range_size = Some(bytes);
        self
    }

    /// How many bytes of finished ranges may wait for an earlier one; default: 4 MiB
    /// for each worker.
    pub fn window(mut self, bytes: u64) -> Self {
        self.job.window = Some(bytes);
        self
    }

    /// What follows when a record fails; default: the job ends.
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.job.on_error = on_error;
        self
    }

    /// Stops the job when this handle says so.
    pub fn stop_on(mut self, stop: Stop) -> Self {
        self.job.stop = stop;
        self
    }

    /// Goes on where an earlier run of the same job stopped, if there was one: its output
    /// is a file, and so are its inputs.
    pub fn resume(mut self, resume: Resume) -> Self {
        self.job.resume = Some(resume);
        self
    }

    /// How it is made sure that inputs are what they were; default: quickly.
    pub fn resume_verify(mut self, verify: ResumeVerify) -> Self {
        self.job.resume_verify = verify;
        self
    }

    /// What is synchronised with the disk; default: everything, every second or so.
    pub fn fsync(mut self, fsync: Fsync) -> Self {
        self.job.fsync = fsync;
        self
    }

    /// How often a record that failed at a plugin is tried again, alone in fresh
    /// instances, before it counts as failed; default: once where it trapped, took too long
    /// or killed its worker, else not at all.
    pub fn retries(mut self, retries: u32) -> Self {
        self.job.retries = retries;
        self
    }

    /// How many failed records are acceptable; default: none.
    pub fn max_errors(mut self, max_errors: MaxErrors) -> Self {
        self.job.max_errors = max_errors;
        self
    }

    /// Memory of one plugin instance in bytes; default: 256 MiB.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.job.limits.memory = bytes;
        self.job.asked.memory = true;
        self
    }

    /// CPU time of one record; default: 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.job.limits.timeout = timeout;
        self
    }

    /// What may be made of one record, in bytes; default: 64 MiB.
    pub fn max_output(mut self, bytes: u64) -> Self {
        self.job.limits.max_output = bytes;
        self.job.asked.max_output = true;
        self
    }

    /// What a reduce may fold records into, in bytes; default: 64 MiB.
    pub fn max_state(mut self, bytes: u64) -> Self {
        self.job.limits.max_state = bytes;
        self.job.asked.max_state = true;
        self
    }

    /// What a plugin's calls may take of the stack, in bytes; default: 512 KiB.
    pub fn stack(mut self, bytes: u64) -> Self {
        self.job.limits.stack = bytes;
        self
    }

    /// Core modules that an instance of a plugin may consist of, and as many memories and
    /// tables; default: 1000.
    pub fn max_instances(mut self, number: u64) -> Self {
        self.job.limits.max_instances = number;
        self
    }

    /// Meters plugins: what they may execute for one record, in wasmtime's units (about one
    /// for each instruction); default: not metered.
    pub fn fuel(mut self, units: u64) -> Self {
        self.job.limits.fuel = Some(units);
        self
    }

    /// What plugins may log in all, in bytes; the rest is counted. Default: 64 MiB.
    pub fn max_log(mut self, bytes: u64) -> Self {
        self.job.limits.max_log = bytes;
        self
    }

    /// Time that the whole job may take; default: any.
    pub fn job_timeout(mut self, limit: Duration) -> Self {
        self.job.limits.job_timeout = Some(limit);
        self
    }

    /// Time that compiling a plugin may take; default: 10 minutes.
    pub fn compile_timeout(mut self, limit: Duration) -> Self {
        self.job.limits.compile_timeout = limit;
        self
    }

    /// Memory that compiling a plugin may take, in bytes; default: 4 GiB.
    pub fn compile_memory(mut self, bytes: u64) -> Self {
        self.job.limits.compile_memory = bytes;
        self
    }

    /// Memory that a process may take that reads or writes a table, in bytes; default: 4 GiB, or
    /// a part of the budget.
    pub fn table_memory(mut self, bytes: u64) -> Self {
        self.job.limits.table_memory = bytes;
        self.job.asked.table_memory = true;
        self
    }

    /// Writes the state of a reduce instead of the records that it makes of it at the
    /// end, so that several can be merged later.
    pub fn partial_state(mut self) -> Self {
        self.job.wanted = Wanted::State;
        self
    }

    /// Merges states that other jobs have written, in the order of the inputs, instead
    /// of reading records. The inputs have to be files.
    pub fn merge_states(mut self) -> Self {
        self.job.inputs_are = InputsAre::States;
        self
    }

    /// Length of a record in bytes; default: 64 MiB.
    pub fn max_record(mut self, bytes: u64) -> Self {
        self.job.limits.max_record = bytes;
        self.job.asked.max_record = true;
        self
    }

    /// What all processes of the job together may have, in bytes: there are fewer workers
    /// where it is small, and limits that were not named follow from it. Default: any.
    pub fn memory_budget(mut self, bytes: u64) -> Self {
        self.job.memory_budget = Some(bytes);
        self
    }

    /// Which layers of the sandbox there must be; default: those that every machine
    /// has to allow, and all others that this one does.
    pub fn sandbox(mut self, sandbox: Sandbox) -> Self {
        self.job.sandbox = sandbox;
        self
    }

    /// Where compiled plugins are kept for the next run; default: where the user's caches
    /// are, if there is such a place.
    pub fn cache(mut self, cache: Cache) -> Self {
        self.job.cache = cache;
        self
    }

    /// Judges the whole and gives the job.
    ///
    /// # Errors
    /// [`Error::Usage`] for a part that makes no sense, or parts that contradict
    /// each other.
    pub fn build(self) -> Result<Job, Error> {
        let mut job = self.job;
        if job.inputs.is_empty() {
            job.inputs.push(Input::Stdin);
        }
        let usage = |text: &str| Err(Error::Usage(text.into()));
        let again = |(place, input): (usize, &Input)| {
            !matches!(input, Input::Path(_)) && job.inputs[..place].contains(input)
        };
        match job.inputs.iter().enumerate().find(|input| again(*input)) {
            Some((_, Input::Stdin)) => return usage("standard input (-) can be read only once"),
            Some((_, input)) => {
                return Err(Error::Usage(format!("{input} can be read only once")));
            }
            None => {}
        }
        if let (None, Output::Path(path)) = (job.to, &job.output) {
            job.to = format_of_name(&job, path);
        }
        if job.schema.is_some() && !may_be_tables(&job) {
            return usage(
                "--schema is about an output that is a table, and there is none (--to parquet)",
            );
        }
        if let (Some(kind), Output::Path(path)) = (job.to.and_then(To::table), &job.output)
            && Compression::of_name(path).is_some()
        {
            return Err(Error::Usage(format!(
                "{} cannot be compressed as a whole: {} is compressed inside",
                path.display(),
                kind.name()
            )));
        }
        if job.wanted == Wanted::State && job.to.and_then(To::table).is_some() {
            return usage("a state is no table (--partial-state)");
        }
        let has_no_name = job.inputs.iter().any(|input| !matches!(input, Input::Path(_)));
        if let Output::Directory(_) = job.output {
            if has_no_name {
                return usage("standard input has no name below a directory (--output-dir)");
            }
            if job.order == Order::Any {
                return usage("each input has its own output only in order (--output-dir)");
            }
            if job.inputs_are == InputsAre::States {
                return usage("states are merged into one output");
            }
        }
        if job.limit.is_some() && job.only.is_some() {
            return usage("--limit and --only contradict each other");
        }
        if job.sample.is_some_and(|rate| !(rate > 0.0 && rate <= 1.0)) {
            return usage("a sample must be more than nothing and no more than all (--sample)");
        }
        if job.sample.is_some() && job.only.is_some() {
            return usage("--sample and --only contradict each other");
        }
        if job.only == Some(Only::Number(0)) {
            return usage("records count from 1 (--only)");
        }
        if !(1..=1024).contains(&job.workers) {
            return usage("the number of workers must be 1 to 1024 (--workers)");
        }
        if job.range_size.is_some_and(|size| !(1..=1 << 30).contains(&size)) {
            return usage("a range must have 1 byte to 1 GiB (--range-size)");
        }
        if !(1..=2 << 30).contains(&job.limits.max_record) {
            return usage("the longest record must have 1 byte to 2 GiB (--max-record)");
        }
        if !(1..=2 << 30).contains(&job.limits.max_output) {
            return usage("what is made of a record must have 1 byte to 2 GiB (--max-output)");
        }
        if !(1..=1 << 30).contains(&job.limits.max_state) {
            return usage("what records are folded into must have 1 byte to 1 GiB (--max-state)");
        }
        if job.inputs_are == InputsAre::States && job.plugins.len() > 1 {
            return usage("states are merged by one plugin, the reduce that made them");
        }
        if job.inputs_are == InputsAre::States && has_no_name {
            return usage("the states to be merged have to be files");
        }
        if job.plugins.len() > MAX_PLUGINS {
            return usage("there are more than 16 plugins (--plugin)");
        }
        if job.data.len() > MAX_DATA_FILES {
            return usage("there are more than 32 files of side data (--data)");
        }
        if !(64 << 10..=4 << 30).contains(&job.limits.memory) {
            return usage("an instance must have 64 KiB to 4 GiB of memory (--memory)");
        }
        if job.retries > MAX_RETRIES {
            return usage("a record can be tried again 1000 times at most (--retries)");
        }
        let day = Duration::from_secs(24 * 60 * 60);
        if !(Duration::from_millis(1)..=30 * day).contains(&job.limits.timeout) {
            return usage("a record must have 1 ms to 30 days (--timeout)");
        }
        if !(64 << 10..=64 << 20).contains(&job.limits.stack) {
            return usage("a plugin's calls must have 64 KiB to 64 MiB of stack (--stack)");
        }
        if !(1..=100_000).contains(&job.limits.max_instances) {
            return usage("an instance must have 1 to 100,000 modules (--max-instances)");
        }
        if job.limits.fuel == Some(0) {
            return usage("nothing can be executed without fuel (--fuel)");
        }
        if job.limits.job_timeout.is_some_and(|limit| limit < Duration::from_millis(1)) {
            return usage("a job must have 1 ms at least (--job-timeout)");
        }
        if !(Duration::from_millis(1)..=30 * day).contains(&job.limits.compile_timeout) {
            return usage("compiling must have 1 ms to 30 days (--compile-timeout)");
        }
        if !(64 << 20..=1 << 40).contains(&job.limits.compile_memory) {
            return usage("compiling must have 64 MiB to 1 TiB of memory (--compile-memory)");
        }
        if matches!(job.max_errors, MaxErrors::Percent(share) if !(0.0..=100.0).contains(&share)) {
            return usage("a share of failed records must be 0% to 100% (--max-errors)");
        }
        Ok(job)
    }
}

/// The format that the output's name says, where it says one.
fn format_of_name(job: &Job, path: &Path) -> Option<To> {
    if let Some(kind) = Kind::of_name(path) {
        return Some(kind.into());
    }
    // A state is none of these, and what is tried again has its positions with it.
    if job.wanted == Wanted::State || job.from == Some(From::DeadLetters) {
        return None;
    }
    input::text_format_of_name(path).map(To::unchanged)
}

/// Whether an output may be a table.
fn may_be_tables(job: &Job) -> bool {
    match (job.to, &job.output) {
        (Some(to), _) => to.table().is_some(),
        // Each has the format of its input.
        (None, Output::Directory(_)) => true,
        (None, _) => false,
    }
}
