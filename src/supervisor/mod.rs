//! The supervisor: starts workers, gives them ranges, replaces those that die, puts
//! what they finish in order and writes it. One thread does all of this; others only
//! cut the input and listen to workers.

mod answer;
mod budget;
mod commit;
mod desk;
mod explain;
#[cfg(test)]
mod exploration;
mod folding;
mod formats;
mod hear;
mod place;
mod plan;
mod restarts;
mod resume;
mod spare;
mod start;
mod state_work;
mod states;
mod trace;
mod watch;
mod work;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, never, select, unbounded};

use crate::account::Account;
use crate::compile::{self, Artifact, Cache};
use crate::error::Error;
use crate::event::{Event, Reason};
use crate::input::{self, Cut, CutRules, Cutter, Inputs, Named, Source};
use crate::ipc::{Heard, SocketDirectory};
use crate::job::{Input, InputsAre, Job, OnError};
use crate::output::{Expected, Frontier, Tables};
use crate::protocol::{AfterFailure, Framing, From, Request};
use crate::range::InputId;
use crate::records::Format;
use crate::records::csv::Header;
use crate::side_data::SideData;
use crate::state_file;
use crate::stop::Patience;
use crate::tables::TableWorkers;

#[cfg(any(test, fuzzing))]
pub(crate) use answer::fuzz as fuzz_answers;

use answer::Results;
use commit::Ledger;
pub use explain::{ExplainedInput, ExplainedPlugin, Explanation, explain};
use folding::Folding;
use formats::Formats;
use place::Place;
use plan::{Plan, SetupsFile};
use restarts::Restarts;
use resume::Start;
use spare::Spare;
use states::More;
use work::{Laid, Work};

/// How long attempts that are out are waited for where the job is to stop.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// How often it is looked whether somebody still reads standard output.
const READER: Duration = Duration::from_millis(50);

/// Numbers of guard sockets: the compile worker's come first.
const FIRST_GENERATION: u64 = 1000;

/// A job that did not finish.
#[derive(Debug)]
pub struct JobFailed {
    /// Why.
    pub error: Error,
    /// What was done until then.
    pub account: Account,
    /// The file that holds the output until then, if it is not standard output.
    pub partial: Option<std::path::PathBuf>,
    /// How many outputs are whole, where each input has its own.
    pub whole: usize,
    /// The input, as the user named it, and the byte of it up to which everything is done,
    /// where there is an order, and not one result of all.
    pub at: Option<(String, u64)>,
    /// Another run can go on where this one stopped.
    pub resumable: bool,
}

impl std::convert::From<Error> for Box<JobFailed> {
    fn from(error: Error) -> Box<JobFailed> {
        Box::new(JobFailed {
            error,
            account: Account::default(),
            partial: None,
            whole: 0,
            at: None,
            resumable: false,
        })
    }
}

impl std::fmt::Display for JobFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for JobFailed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Runs a job to its end and tells `events` what happens meanwhile.
///
/// The thread that calls this must not end before it returns: workers live only as
/// long as the thread that started them.
///
/// # Errors
/// [`JobFailed`], with the account of what was done until then.
pub fn run(job: &Job, events: &mut dyn FnMut(Event<'_>)) -> Result<Account, Box<JobFailed>> {
    let ended = run_to_its_end(job, &mut |event| {
        trace::event(&event);
        events(event);
    });
    trace::end(&ended);
    ended
}

fn run_to_its_end(job: &Job, events: &mut dyn FnMut(Event<'_>)) -> Result<Account, Box<JobFailed>> {
    let started = Instant::now();
    let named = input::expand(&job.inputs, &job.output)?;
    let (inputs, states) = match job.inputs_are {
        InputsAre::Records => (Inputs::open(&named, job.from)?, Vec::new()),
        InputsAre::States => (Inputs::open(&[], None)?, read_states(job, &named)?),
    };
    inputs.check(job)?;
    let all_are_read =
        job.inputs_are == InputsAre::Records && job.limit.is_none() && job.only.is_none();
    let names: Vec<String> = named.iter().map(|named| named.input.to_string()).collect();
    events(Event::Opened {
        inputs: &names,
        bytes: inputs.total_bytes().filter(|_| all_are_read),
        stored: inputs.stored_bytes().filter(|_| all_are_read),
        records: job.limit,
    });
    let inputs = Arc::new(inputs);
    let directory = Arc::new(SocketDirectory::new()?);
    job.stop.knows(directory.path());
    let patience = Patience::new(&job.stop, job.limits.job_timeout);
    let Prepared { job, artifacts, formats, plan } =
        Prepared::new(job, &inputs, &directory, &patience)?;
    let job = &job;
    for (plugin, Artifact { origin, took, .. }) in job.plugins().zip(&artifacts) {
        events(Event::Ready { plugin, origin: *origin, took: *took });
    }
    let data = SideData::copy(job)?;
    let setups = SetupsFile::new(job, &artifacts, &data)?;
    let table_workers = TableWorkers::new(
        Arc::clone(&directory),
        job.sandbox.plan(),
        job.settings(),
        job.limits.table_memory,
        budget::table_readers(job),
    );
    let tables = Tables::new(
        (job, formats.table_columns(job)),
        &inputs,
        plan.results == Results::Same,
        table_workers.clone(),
        patience.clone(),
    )?;
    let written = match resume::open(job, &inputs, plan.results, (&artifacts, &data), tables)? {
        Start::Here(written) => *written,
        Start::Done(account) => {
            let resumed = account.read();
            return Ok(Account { resumed, elapsed: started.elapsed(), ..account });
        }
    };
    if let Some(journal) = &written.anew {
        events(Event::BegunAnew { journal });
    }
    let place = written.resumed.as_ref().map(|entry| (InputId(entry.input), entry.offset));
    let is_whole = written.resumed.as_ref().is_some_and(|entry| entry.whole);
    if let (Some(entry), Some((input, offset))) = (&written.resumed, place) {
        let (input, records) = (&inputs.name(input), entry.account.read());
        events(Event::Resumed { input, offset, records, bytes: entry.covered });
    }
    let spare = Spare::for_workers(plan.workers);
    let mut ledger = Ledger::new(job, Arc::clone(&inputs), plan.results, written, spare);
    if is_whole {
        // All that was missing is its name.
        return ledger.close(Ok(()), started, events);
    }
    if job.inputs_are == InputsAre::States {
        // They have no format that the output could follow.
        ledger.begin(InputId(0), Format::Ndjson, None);
    }
    let cut_rules = CutRules { from_place: place, ..plan.cut_rules.clone() };
    let cutter = input::start(&inputs, cut_rules, formats.headers(job), table_workers)?;
    let (sender, heard) = unbounded();
    let mut supervisor = Supervisor {
        job,
        inputs,
        directory,
        artifacts,
        setups,
        data,
        events,
        places: Vec::new(),
        frontier: Frontier::new(job.order, job.window()),
        folding: (plan.results == Results::State).then(|| Folding::of(states)),
        ledger,
        spare: cutter.spare(),
        sender,
        generation: FIRST_GENERATION,
        restarts: Restarts::new(plan.workers),
        patience,
        stopping: false,
        laid: (Format::JsonSequence, Framing::Values),
        header: None,
        ranges: 0,
        plan,
    };
    let end = supervisor.work(cutter, &heard);
    supervisor.close(end, started)
}

/// What is settled before anything of a job is read or written.
struct Prepared {
    /// With limits that keep it within its budget.
    job: Job,
    artifacts: Vec<Artifact>,
    formats: Formats,
    plan: Plan,
}

impl Prepared {
    /// Has the plugins compiled, and sees whether everything goes together.
    fn new(
        job: &Job,
        inputs: &Inputs,
        directory: &SocketDirectory,
        patience: &Patience,
    ) -> Result<Prepared, Error> {
        let job = &budget::settle_compiling(job);
        let cache = Cache::open(&job.cache)?;
        let artifacts = compile::prepare_all(job, directory, cache.as_ref(), patience)?;
        plan::check_operations(job, &artifacts)?;
        let job = budget::settle(job, inputs, &artifacts)?;
        let formats = Formats::new(&job, inputs, plan::results(&artifacts))?;
        let plan = Plan::new(&job, inputs, &artifacts, &formats);
        Ok(Prepared { job, artifacts, formats, plan })
    }
}

/// Something that a worker said, or its end.
struct FromWorker {
    place: usize,
    generation: u64,
    heard: Heard,
}

struct Supervisor<'a> {
    job: &'a Job,
    inputs: Arc<Inputs>,
    directory: Arc<SocketDirectory>,
    artifacts: Vec<Artifact>,
    setups: SetupsFile,
    data: SideData,
    plan: Plan,
    events: &'a mut dyn FnMut(Event<'_>),
    places: Vec<Place>,
    frontier: Frontier,
    /// What a job with a reduce has besides.
    folding: Option<Folding>,
    ledger: Ledger,
    /// Takes buffers back to the cutter.
    spare: Sender<Vec<u8>>,
    sender: Sender<FromWorker>,
    generation: u64,
    restarts: Restarts,
    patience: Patience,
    /// Nothing further is begun.
    stopping: bool,
    /// How the input that is being cut is laid out, and what comes of it.
    laid: Laid,
    /// Its header, if it has one.
    header: Option<Arc<Header>>,
    /// Ranges so far.
    ranges: u64,
}

/// Reads the states that are to be merged.
fn read_states(job: &Job, named: &[Named]) -> Result<Vec<Option<Vec<u8>>>, Error> {
    let read = |named: &Named| match &named.input {
        Input::Path(path) => state_file::read(path, job.limits.max_state),
        // The job was checked for that.
        Input::Stdin | Input::Open(_) => {
            Err(Error::Usage("the states to be merged have to be files".into()))
        }
    };
    named.iter().map(read).collect()
}

impl Supervisor<'_> {
    /// Does the job: returns when everything is committed or nothing more can be.
    fn work(&mut self, mut cutter: Cutter, heard: &Receiver<FromWorker>) -> Result<(), Error> {
        let no_cuts = never();
        let tick = (self.job.limits.timeout / 100)
            .clamp(Duration::from_millis(2), Duration::from_millis(20));
        let mut looked = Instant::now();
        loop {
            if let Err(end) = self.patience.check() {
                self.stop(heard)?;
                return Err(end);
            }
            self.restart_workers()?;
            if looked.elapsed() > READER {
                looked = Instant::now();
                self.ledger.look_after_reader()?;
            }
            let all_cut = cutter.is_over() && self.frontier.is_empty();
            self.fold(if all_cut { More::No } else { More::Comes })?;
            if all_cut && self.folding.as_ref().is_none_or(Folding::is_over) {
                return Ok(());
            }
            for place in &mut self.places {
                place.send(&self.frontier)?;
                place.look(self.job.limits.timeout);
                if let Some((pid, range)) = place.begins() {
                    (self.events)(Event::Given { worker: place.number, pid, range });
                }
            }
            let cuts = cutter.arriving().filter(|_| self.wants_cuts());
            let limit = if self.wants_cuts() && cutter.has_some() { Duration::ZERO } else { tick };
            select! {
                recv(cuts.unwrap_or(&no_cuts)) -> cuts => cutter.arrived(cuts),
                recv(heard) -> said => if let Ok(said) = said { self.hear(said)? },
                default(limit) => {}
            }
            // Whatever else is there already.
            for said in heard.try_iter() {
                self.hear(said)?;
            }
            while self.wants_cuts()
                && let Some(cut) = cutter.next()
            {
                self.take_cut(cut)?;
            }
            self.ledger.commit(&mut self.frontier, self.events)?;
        }
    }

    /// Ends the work before its end: attempts that are out are asked for what they have.
    fn stop(&mut self, heard: &Receiver<FromWorker>) -> Result<(), Error> {
        self.stopping = true;
        let until = Instant::now() + LAST_ANSWERS;
        while self.places.iter().filter(|place| place.ask_to_yield()).count() > 0 {
            let left = until.saturating_duration_since(Instant::now());
            match heard.recv_timeout(left) {
                Ok(said) => self.hear(said)?,
                // What is still out is given up.
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// Whether something can be done with a further cut.
    fn wants_cuts(&self) -> bool {
        desk::wants_range(
            &self.frontier,
            self.plan.workers,
            self.places.iter().map(Place::standing),
        )
    }

    fn take_cut(&mut self, cut: Cut) -> Result<(), Error> {
        match cut {
            Cut::Begin { input, format, header } => {
                let begun = self.ledger.begin(input, format, header.clone());
                self.laid = (format, begun.framing);
                self.header = header;
                self.frontier.expect(Expected::Begin(begun));
            }
            Cut::Range { range, source } => {
                self.frontier.expect(Expected::Range(range));
                self.start_another()?;
                let (from, bytes) = match source {
                    Source::File { index } => (From::File { index }, None),
                    Source::Bytes(bytes) => (From::Slot { base: range.start }, Some(bytes)),
                };
                let header = self.header.clone();
                let header = header.as_ref().map_or(&[][..], |header| header.row().as_bytes());
                let work = Work::new(self.ranges, range, from, self.laid)
                    .under(header)
                    .retrying(self.job.retries);
                self.ranges += 1;
                self.place_with_room()?.take(work, header, bytes.as_deref())?;
                if let Some(bytes) = bytes {
                    // Where there are enough it is freed.
                    let _ = self.spare.try_send(bytes);
                }
            }
            Cut::PassedOver { records } => self.frontier.expect(Expected::PassedOver(records)),
            Cut::Enough { input, end } => self.ledger.leave_unread(input, end),
            Cut::TooLong { range } => self.frontier.expect(Expected::TooLong(range)),
            Cut::Fault { input, fault } => self.frontier.expect(Expected::Fault { input, fault }),
            Cut::Failed { error } => self.frontier.expect(Expected::Failed(error)),
        }
        Ok(())
    }

    /// Ends workers and output, whichever way the job went.
    fn close(
        mut self,
        mut end: Result<(), Error>,
        started: Instant,
    ) -> Result<Account, Box<JobFailed>> {
        if end.is_err() {
            // What is finished is not lost because of what came after it; but what stands
            // before the reason of the end, and ends the job as well, is named first.
            let committed = self.ledger.commit(&mut self.frontier, self.events);
            end = committed.and(end);
        }
        for place in &self.places {
            if let Some(worker) = &place.worker {
                // One that cannot hear it is ended below.
                let _ = worker.handle.send(Request::Stop);
            }
        }
        // While they end, what nobody needs any more is given back; but one that is still
        // starting may be about to put its socket there.
        let starts = |place: &Place| place.worker.as_ref().is_some_and(|worker| !worker.online);
        let directory = self.places.iter().any(starts).then_some(self.directory);
        let workers: Vec<_> = self
            .places
            .into_iter()
            .filter_map(|mut place| {
                let at = (place.at(), place.elapsed());
                Some((place.number, place.worker?, at))
            })
            .collect();
        for (number, mut worker, (lost, took)) in workers {
            // One that is still starting would not hear that it should stop.
            if end.is_err() || !worker.online {
                worker.handle.kill();
            }
            let pid = worker.handle.pid();
            let (exit, cpu) = worker.handle.end();
            self.ledger.count_process(number, cpu);
            let (violation, last_words) = (None, worker.last_words.take());
            (self.events)(Event::Exit {
                worker: number,
                pid,
                exit,
                reason: Reason::Over,
                lost,
                took,
                violation,
                last_words,
            });
        }
        drop(directory);
        self.ledger.close(end, started, self.events)
    }
}

fn after_failure(on_error: &OnError) -> AfterFailure {
    match on_error {
        OnError::Fail => AfterFailure::Stop,
        OnError::Skip | OnError::DeadLetter(_) => AfterFailure::GoOn,
    }
}
