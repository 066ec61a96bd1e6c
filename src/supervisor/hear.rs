//! What workers say, and what follows: answers are judged and taken in, and who dies is
//! replaced.

use std::time::{Duration, Instant};

use crate::dead_letter::is_kept;
use crate::error::Error;
use crate::event::{Event, Reason};
use crate::fault;
use crate::ipc::{Heard, Violation, is_of_this_process};
use crate::output::{Failed, Finished};
use crate::protocol::{Done, End, Fatal, Request, Response, Retries, Start};
use crate::sandbox::{self, Locked};
use crate::text::printable;
use crate::worker_handle::Exit;

use super::answer::{self, Rules};
use super::desk::{Death, IsDone};
use super::restarts::After;
use super::work::Cause;
use super::{FromWorker, Supervisor, after_failure};

impl Supervisor<'_> {
    pub(super) fn hear(&mut self, said: FromWorker) -> Result<(), Error> {
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
        fault::before_response(&response);
        let dealt_with = self.deal_with(said.place, response.clone());
        fault::after_response(&response);
        dealt_with
    }

    /// Does what follows from a response.
    fn deal_with(&mut self, number: usize, response: Response) -> Result<(), Error> {
        let Some(place) = self.places.get_mut(number) else { return Ok(()) };
        let Some(worker) = place.worker.as_mut() else { return Ok(()) };
        match response {
            Response::Hello { requests } if !worker.handle.is_connected() => {
                let prepare = Request::Prepare {
                    layout: self.plan.layout,
                    sandbox: self.job.sandbox.plan(),
                    memory: self.plan.data,
                    // A job has few: that was checked.
                    plugins: self.artifacts.len() as u8,
                    data: self.data.files.len() as u8,
                    settings: self.job.settings(),
                };
                if let Err(error) = worker.handle.connect(&self.directory, &requests, prepare) {
                    if is_of_this_process(&error) {
                        return Err(Error::system("connect to a worker", error));
                    }
                    // It is gone, which will be heard, or has named what is not its own.
                    worker.handle.kill();
                }
                Ok(())
            }
            Response::Locked { layers } if worker.layers.is_none() => {
                let plan = self.job.sandbox.plan();
                if let Err(why) = sandbox::verify(worker.handle.pid(), plan, layers, Locked::First)
                {
                    return self.not_locked(number, why);
                }
                worker.layers = Some(layers);
                let start = Start {
                    memory: self.job.limits.memory,
                    max_record: self.plan.cut_rules.max_record,
                    max_output: self.job.limits.max_output,
                    max_state: self.job.limits.max_state,
                    max_instances: self.job.limits.max_instances,
                    fuel: self.job.fuel(),
                    setups: self.setups.length,
                    after_failure: after_failure(&self.job.on_error),
                    retries: if self.job.retries > 0 { Retries::Some } else { Retries::None },
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
                    return self.not_locked(number, why);
                }
                worker.online = true;
                (self.events)(Event::Online { worker: number, pid, layers });
                Ok(())
            }
            Response::Fatal { what: Fatal::Sandbox, text } => {
                Err(Error::Sandbox { why: printable(&text) })
            }
            Response::Done(done) => match self.accept(number, &done) {
                Ok(()) => Ok(()),
                Err(violation) => self.replace(number, Some(violation)),
            },
            Response::Piece(piece) => match self.accept_piece(number, &piece) {
                Ok(()) => Ok(()),
                Err(violation) => self.replace(number, Some(violation)),
            },
            Response::Fatal { what: Fatal::State, text } => {
                Err(self.state_error(format!("failed at its state: {}", printable(&text)), None))
            }
            Response::Fatal { what: Fatal::StateRejected { refused_memory }, text } => {
                let why = match refused_memory {
                    true => "rejected a state, and wanted more memory than --memory allows",
                    false => "rejected a state",
                };
                Err(self.state_error(why.into(), Some(text)))
            }
            Response::Fatal { what: Fatal::Instantiate, text } => {
                Err(Error::Instantiate { plugin: self.job.plugin_names(), why: printable(&text) })
            }
            Response::Fatal { what: Fatal::Input, text } => {
                // What was asked of it is not asked again: the input would be the same.
                if let Some((work, _)) = place.front_range() {
                    let start = work.start();
                    let source = std::io::Error::other(printable(&text));
                    let error = Error::ReadInput { name: self.inputs.name(start.0), source };
                    self.frontier.break_off(start, error);
                    place.answered(IsDone::Yes);
                }
                Ok(())
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
                self.replace(number, Some(violation))
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
        let room = self.ledger.spare.take();
        let place = &mut self.places[number];
        let took = place.elapsed();
        let nobody_asked = Violation::Answer("it answered before it was asked");
        let (work, memory) = place.front_range().ok_or(nobody_asked.clone())?;
        let attempt = work.attempt().filter(|_| !work.has_to_fetch()).ok_or(nobody_asked)?;
        let rules = Rules { framing: work.framing(), ..rules };
        let mut finished = answer::accept(done, &attempt, (memory, room), rules)?;
        work.add_time(took);
        if let [failed] = &finished.failures[..]
            && work.tries_again(failed.failure.kind)
        {
            place.answered(IsDone::No);
            return Ok(());
        }
        self.ledger.count_retries(work.tries() - 1);
        for Failed { failure, attempts, record } in &mut finished.failures {
            *attempts = work.tries();
            let wants_some = self.job.keeps_failed_whole() || self.job.excerpt > 0;
            if wants_some && is_kept(failure.kind) {
                let wanted = self.job.kept_of_failed(failure.length);
                let at = work.in_slot(failure.offset);
                *record = at.and_then(|at| memory.copy_input(at, wanted));
            }
        }
        if done.left > 0 {
            work.keep(*done, finished);
            place.answered(IsDone::No);
        } else {
            self.finish(number, done, finished);
        }
        Ok(())
    }

    /// What holds for every answer.
    pub(super) fn rules(&self) -> Rules {
        Rules {
            framing: self.ledger.framing(),
            after_failure: after_failure(&self.job.on_error),
            results: self.plan.results,
            max_state: self.job.limits.max_state,
            // A job has few: that was checked.
            plugins: self.artifacts.len() as u8,
            is_sampled: self.job.sample.is_some(),
        }
    }

    /// Takes in what a worker has finished of the range that it is at.
    pub(super) fn finish(&mut self, number: usize, done: &Done, mut finished: Finished) {
        let place = &mut self.places[number];
        let Some((work, _)) = place.front_range() else { return };
        let stretch = work.advance(done);
        if done.end == End::Suspect {
            let (input, offset) = (stretch.input.index(), done.stop);
            tracing::debug!(worker = number, input, offset, "a record is tried alone");
        }
        let (positions, took) = (work.positions(stretch), work.took());
        let is_done = if work.is_done() { IsDone::Yes } else { IsDone::No };
        place.answered(is_done);
        let pid = place.worker.as_ref().map_or(0, |worker| worker.handle.pid());
        let state = finished.state.as_ref().map_or(0, Vec::len);
        (self.events)(Event::Message {
            worker: number,
            pid,
            range: stretch,
            used: finished.used,
            dropped: finished.dropped,
            failed: finished.failures.len() as u64,
            output_records: finished.output_records,
            output_bytes: (finished.output.len() + state) as u64,
            took,
        });
        if stretch.start < stretch.end {
            self.ledger.count_work(number, stretch, &finished);
            self.restarts.finished();
            if let Some(folding) = &mut self.folding {
                folding.insert(positions, finished.state.take());
            }
            self.frontier.finish(stretch, finished);
        }
    }

    /// Buries a worker that is gone or must go, and starts another in its place.
    fn replace(&mut self, number: usize, violation: Option<Violation>) -> Result<(), Error> {
        let place = &mut self.places[number];
        let (lost, took) = (place.at(), place.elapsed());
        let Some(worker) = &mut place.worker else { return Ok(()) };
        if violation.is_some() {
            worker.handle.kill();
        }
        let reason = if violation.is_some() { Reason::Violation } else { worker.reason() };
        let pid = worker.handle.pid();
        let (exit, cpu) = worker.handle.end();
        self.ledger.count_process(number, cpu);
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
        (self.events)(Event::Exit {
            worker: number,
            pid,
            exit,
            reason,
            lost,
            took,
            violation,
            last_words,
        });
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
        match self.restarts.died() {
            After::TooMany(deaths) => Err(Error::Workers(format!(
                "{deaths} workers in a row died without finishing anything; the last one: {how}"
            ))),
            After::Pause(_) if self.stopping => Ok(()),
            After::Pause(pause) => {
                tracing::debug!(worker = number, pause = pause.as_secs_f64(), "it is replaced");
                self.places[number].restart = Some(Instant::now() + pause);
                Ok(())
            }
        }
    }

    /// The end of a job whose reduce, the last of its plugins, cannot go on.
    fn state_error(&self, why: String, plugin_text: Option<String>) -> Error {
        let plugin = self.job.plugins().last();
        let plugin = plugin.map_or_else(String::new, |path| path.display().to_string());
        Error::State { plugin, why, plugin_text }
    }
}
