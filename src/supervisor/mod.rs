//! The supervisor: starts workers, gives them ranges, replaces those that die, puts
//! what they finish in order and writes it. One thread does all of this; others only
//! cut the input and listen to workers.

mod answer;
mod commit;
mod explain;
mod folding;
mod formats;
mod place;
mod plan;
mod start;
mod state_work;
mod states;
mod watch;
mod work;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TryRecvError, never, select, unbounded};

use crate::account::Account;
use crate::compile::{self, Artifact};
use crate::error::Error;
use crate::event::Event;
use crate::input::{self, Cut, Cutter, Inputs, Named, Source};
use crate::ipc::{Heard, SocketDirectory, Violation};
use crate::job::{Input, InputsAre, Job, OnError};
use crate::output::{Expected, Finished, Frontier};
use crate::protocol::{AfterFailure, Done, Fatal, Framing, From, Request, Response, Start};
use crate::range::InputId;
use crate::records::Format;
use crate::records::csv::Header;
use crate::sandbox::{self, Locked};
use crate::side_data::SideData;
use crate::state_file;
use crate::text::printable;
use crate::worker_handle::Exit;

use answer::{Results, Rules};
use commit::Ledger;
pub use explain::{ExplainedInput, ExplainedPlugin, Explanation, explain};
use folding::Folding;
use formats::Formats;
use place::{Death, IsDone, Place};
use plan::{Plan, SetupsFile};
use states::More;
use work::{Cause, Laid, Work};

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
}

impl std::convert::From<Error> for Box<JobFailed> {
    fn from(error: Error) -> Box<JobFailed> {
        Box::new(JobFailed { error, account: Account::default(), partial: None, whole: 0 })
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
    let started = Instant::now();
    let named = input::expand(&job.inputs, &job.output)?;
    let (inputs, states) = match job.inputs_are {
        InputsAre::Records => (Inputs::open(&named)?, Vec::new()),
        InputsAre::States => (Inputs::open(&[])?, read_states(job, &named)?),
    };
    inputs.check(job)?;
    let inputs = Arc::new(inputs);
    let directory = SocketDirectory::new()?;
    let artifacts = job
        .plugins
        .iter()
        .zip(0..)
        .map(|(plugin, number)| compile::prepare(&plugin.path, number, job.sandbox, &directory))
        .collect::<Result<Vec<Artifact>, Error>>()?;
    plan::check_operations(job, &artifacts)?;
    let formats = Formats::new(job, &inputs, plan::results(&artifacts))?;
    let data = SideData::copy(job)?;
    let setups = SetupsFile::new(job, &artifacts, &data)?;
    let plan = Plan::new(job, &inputs, &artifacts, &formats);
    let mut ledger = Ledger::open(job, Arc::clone(&inputs), plan.results)?;
    if job.inputs_are == InputsAre::States {
        // They have no format that the output could follow.
        ledger.begin(InputId(0), Format::Ndjson, None);
    }
    let cutter = input::start(&inputs, plan.cut_rules.clone(), formats.headers(job))?;
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
        deaths: 0,
        laid: (Format::JsonSequence, Framing::Values),
        header: None,
        ranges: 0,
        plan,
    };
    let end = supervisor.work(cutter, &heard);
    supervisor.close(end, started)
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
    directory: SocketDirectory,
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
    /// Deaths of workers since a range was last finished.
    deaths: usize,
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
        Input::Stdin => Err(Error::Usage("the states to be merged have to be files".into())),
    };
    named.iter().map(read).collect()
}

impl Supervisor<'_> {
    /// Does the job: returns when everything is committed or nothing more can be.
    fn work(&mut self, mut cutter: Cutter, heard: &Receiver<FromWorker>) -> Result<(), Error> {
        let no_cuts = never();
        let tick = (self.job.limits.timeout / 100)
            .clamp(Duration::from_millis(2), Duration::from_millis(20));
        loop {
            let all_cut = cutter.cuts().is_none() && self.frontier.is_empty();
            self.fold(if all_cut { More::No } else { More::Comes })?;
            if all_cut && self.folding.as_ref().is_none_or(Folding::is_over) {
                return Ok(());
            }
            for place in &mut self.places {
                place.send(&self.frontier)?;
                place.look(self.job.limits.timeout);
            }
            let cuts = cutter.cuts().filter(|_| self.wants_cuts());
            let mut finished = false;
            select! {
                recv(cuts.unwrap_or(&no_cuts)) -> cut => match cut {
                    Ok(cut) => self.take_cut(cut)?,
                    Err(_) => finished = true,
                },
                recv(heard) -> said => if let Ok(said) = said { self.hear(said)? },
                default(tick) => {}
            }
            // Whatever else is there already.
            for said in heard.try_iter() {
                self.hear(said)?;
            }
            while !finished && self.wants_cuts() {
                match cutter.cuts().map(Receiver::try_recv) {
                    Some(Ok(cut)) => self.take_cut(cut)?,
                    Some(Err(TryRecvError::Disconnected)) => finished = true,
                    Some(Err(TryRecvError::Empty)) | None => break,
                }
            }
            if finished {
                cutter.finished();
            }
            self.ledger.commit(&mut self.frontier, self.job.on_error, self.events)?;
        }
    }

    /// Whether something can be done with a further cut.
    fn wants_cuts(&self) -> bool {
        self.frontier.has_room()
            && (self.places.len() < self.plan.workers || self.places.iter().any(Place::is_free))
    }

    fn take_cut(&mut self, cut: Cut) -> Result<(), Error> {
        match cut {
            Cut::Begin { input, format, header } => {
                let begun = self.ledger.begin(input, format, header.as_deref());
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
                let work = Work::new(self.ranges, range, from, self.laid).under(header);
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

    fn hear(&mut self, said: FromWorker) -> Result<(), Error> {
        let Some(place) = self.places.get_mut(said.place) else { return Ok(()) };
        let current = place.worker.as_mut();
        let Some(worker) = current.filter(|worker| worker.generation == said.generation) else {
            return Ok(());
        };
        let response = match said.heard {
            Heard::Closed(violation) => return self.replace(said.place, violation),
            Heard::Response(response) => response,
        };
        worker.handle.read_one();
        match response {
            Response::Hello { requests } if !worker.handle.is_connected() => {
                let prepare = Request::Prepare {
                    layout: self.plan.layout,
                    sandbox: self.job.sandbox.plan(),
                    memory: self.plan.data,
                    // A job has few: that was checked.
                    plugins: self.artifacts.len() as u8,
                    data: self.data.files.len() as u8,
                };
                if worker.handle.connect(&self.directory, &requests, prepare).is_err() {
                    // It is gone, which will be heard, or has named what is not its own.
                    worker.handle.kill();
                }
                Ok(())
            }
            Response::Locked { layers } if worker.layers.is_none() => {
                let plan = self.job.sandbox.plan();
                if let Err(why) = sandbox::verify(worker.handle.pid(), plan, layers, Locked::First)
                {
                    return self.not_locked(said.place, why);
                }
                worker.layers = Some(layers);
                let start = Start {
                    memory: self.job.limits.memory,
                    max_record: self.job.limits.max_record,
                    max_output: self.job.limits.max_output,
                    max_state: self.job.limits.max_state,
                    setups: self.setups.length,
                    after_failure: after_failure(self.job.on_error),
                    isolation: self.job.isolation,
                    framing: self.ledger.framing(),
                };
                // A failure means that it is gone, which will be heard.
                let _ = worker.handle.send(Request::Start(start));
                Ok(())
            }
            Response::Online if !worker.online && worker.layers.is_some() => {
                let (pid, layers) = (worker.handle.pid(), worker.layers.unwrap_or_default());
                let plan = self.job.sandbox.plan();
                if let Err(why) = sandbox::verify(pid, plan, layers, Locked::ForGood) {
                    return self.not_locked(said.place, why);
                }
                worker.online = true;
                (self.events)(Event::Online { worker: said.place, pid, layers });
                Ok(())
            }
            Response::Fatal { what: Fatal::Sandbox, text } => {
                Err(Error::Sandbox { why: printable(&text) })
            }
            Response::Done(done) => match self.accept(said.place, &done) {
                Ok(()) => Ok(()),
                Err(violation) => self.replace(said.place, Some(violation)),
            },
            Response::Piece(piece) => match self.accept_piece(said.place, &piece) {
                Ok(()) => Ok(()),
                Err(violation) => self.replace(said.place, Some(violation)),
            },
            Response::Fatal { what: Fatal::State, text } => {
                Err(self.state_error(format!("failed at its state: {}", printable(&text)), None))
            }
            Response::Fatal { what: Fatal::StateRejected, text } => {
                Err(self.state_error("rejected a state".into(), Some(text)))
            }
            Response::Fatal { what: Fatal::Instantiate, text } => {
                Err(Error::Instantiate { plugin: self.job.plugin_names(), why: printable(&text) })
            }
            Response::Fatal { what: Fatal::Input, text } => {
                let input = place.front_range().map(|(work, _)| self.inputs.name(work.start().0));
                Err(Error::ReadInput {
                    name: input.unwrap_or_default(),
                    source: std::io::Error::other(printable(&text)),
                })
            }
            // Its end follows, and is dealt with like any other.
            Response::Fatal { what: Fatal::Internal | Fatal::Plugin, text } => {
                // A panic may lead to another on its way; the first tells the cause.
                worker.last_words.get_or_insert(printable(&text));
                Ok(())
            }
            Response::Hello { .. }
            | Response::Locked { .. }
            | Response::Online
            | Response::Compiled(_) => {
                let violation = Violation::Answer("it sent an answer that nobody asked for");
                self.replace(said.place, Some(violation))
            }
        }
    }

    /// A worker is not locked as it says. If it is gone meanwhile that is why the
    /// kernel does not know it; if not, nothing may go on.
    fn not_locked(&mut self, number: usize, why: String) -> Result<(), Error> {
        let worker = self.places[number].worker.as_mut();
        match worker.is_some_and(|worker| worker.handle.has_ended(Duration::ZERO)) {
            true => self.replace(number, None),
            false => Err(Error::Sandbox { why: format!("a worker is not locked: {why}") }),
        }
    }

    /// Takes in an answer to an attempt.
    fn accept(&mut self, number: usize, done: &Done) -> Result<(), Violation> {
        let rules = self.rules();
        let place = &mut self.places[number];
        let nobody_asked = Violation::Answer("it answered before it was asked");
        let (work, memory) = place.front_range().ok_or(nobody_asked.clone())?;
        let attempt = work.attempt().filter(|_| !work.has_to_fetch()).ok_or(nobody_asked)?;
        let rules = Rules { framing: work.framing(), ..rules };
        let finished = answer::accept(done, &attempt, memory, rules)?;
        if done.left > 0 {
            work.keep(*done, finished);
            place.answered(IsDone::No);
        } else {
            self.finish(number, done, finished);
        }
        Ok(())
    }

    /// What holds for every answer.
    fn rules(&self) -> Rules {
        Rules {
            framing: self.ledger.framing(),
            after_failure: after_failure(self.job.on_error),
            results: self.plan.results,
            max_state: self.job.limits.max_state,
        }
    }

    /// Takes in what a worker has finished of the range that it is at.
    fn finish(&mut self, number: usize, done: &Done, mut finished: Finished) {
        let place = &mut self.places[number];
        let Some((work, _)) = place.front_range() else { return };
        let stretch = work.advance(done);
        let positions = work.positions(stretch);
        let is_done = if work.is_done() { IsDone::Yes } else { IsDone::No };
        place.answered(is_done);
        let pid = place.worker.as_ref().map_or(0, |worker| worker.handle.pid());
        (self.events)(Event::Message {
            worker: number,
            pid,
            range: stretch,
            used: finished.used,
            dropped: finished.dropped,
        });
        if stretch.start < stretch.end {
            self.deaths = 0;
            if let Some(folding) = &mut self.folding {
                folding.insert(positions, finished.state.take());
            }
            self.frontier.finish(stretch, finished);
        }
    }

    /// Buries a worker that is gone or must go, and starts another in its place.
    fn replace(&mut self, number: usize, violation: Option<Violation>) -> Result<(), Error> {
        let place = &mut self.places[number];
        let Some(worker) = &mut place.worker else { return Ok(()) };
        if violation.is_some() {
            worker.handle.kill();
        }
        let pid = worker.handle.pid();
        let exit = worker.handle.end();
        let own = match exit {
            _ if violation.is_some() => Cause::Crash,
            Exit::Signal(signal) if signal == libc::SIGKILL => Cause::Killed,
            _ => Cause::Crash,
        };
        let said = worker.last_words.take();
        let death = place.bury(own);
        let text = violation.map(|violation| violation.to_string());
        let how = text.clone().or_else(|| said.clone()).unwrap_or_else(|| exit.to_string());
        let (violation, last_words) = (text, said);
        (self.events)(Event::Exit { worker: number, pid, exit, violation, last_words });
        if let Death::Instantiating(cause @ (Cause::Timeout | Cause::Crash)) = death {
            let why = match cause {
                Cause::Timeout => "starting it takes longer than --timeout allows".to_owned(),
                _ => format!("the worker died while it started it: {how}"),
            };
            return Err(Error::Instantiate { plugin: self.job.plugin_names(), why });
        }
        if let Death::AtState(cause @ (Cause::Timeout | Cause::Crash)) = death {
            let why = match cause {
                Cause::Timeout => "took longer at its state than --timeout allows".to_owned(),
                _ => format!("killed a worker at its state: {how}"),
            };
            return Err(self.state_error(why, None));
        }
        self.deaths += 1;
        // A poison record costs two deaths, a killed replay of it up to six more.
        if self.deaths > 10 + 8 * self.plan.workers {
            return Err(Error::Workers(format!(
                "{} workers in a row died without finishing anything; the last one: {how}",
                self.deaths
            )));
        }
        self.ledger.count_restart();
        self.start_worker(number)
    }

    /// The end of a job whose reduce, the last of its plugins, cannot go on.
    fn state_error(&self, why: String, plugin_text: Option<String>) -> Error {
        let plugin = self.job.plugins().last();
        let plugin = plugin.map_or_else(String::new, |path| path.display().to_string());
        Error::State { plugin, why, plugin_text }
    }

    /// Ends workers and output, whichever way the job went.
    fn close(
        mut self,
        end: Result<(), Error>,
        started: Instant,
    ) -> Result<Account, Box<JobFailed>> {
        for place in &self.places {
            if let Some(worker) = &place.worker {
                // One that cannot hear it is ended below.
                let _ = worker.handle.send(Request::Stop);
            }
        }
        for place in &mut self.places {
            if let Some(mut worker) = place.worker.take() {
                // One that is still starting would not hear that it should stop.
                if end.is_err() || !worker.online {
                    worker.handle.kill();
                }
                let (pid, exit) = (worker.handle.pid(), worker.handle.end());
                let (violation, last_words) = (None, worker.last_words.take());
                let worker = place.number;
                (self.events)(Event::Exit { worker, pid, exit, violation, last_words });
            }
        }
        self.ledger.close(end, started.elapsed())
    }
}

fn after_failure(on_error: OnError) -> AfterFailure {
    match on_error {
        OnError::Fail => AfterFailure::Stop,
        OnError::Skip => AfterFailure::GoOn,
    }
}
