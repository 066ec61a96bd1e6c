//! Watching a run while it goes on: progress, the job log, metrics. The supervisor's thread
//! only counts; what takes time, a slow terminal or disk, holds up a thread of its own.

mod bar;
mod joblog;
mod json;
mod metrics;
mod tally;

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use host::{Account, Error, Event, JobFailed};

use super::{Progress, Watching};
use bar::{Bar, Lines};
use joblog::{Joblog, JoblogFile};
use json::Json;
use metrics::Metrics;
use tally::Tally;

/// How often a bar is drawn.
const FRAME: Duration = Duration::from_millis(100);
/// How often all else is written.
const TURN: Duration = Duration::from_secs(1);

/// A run that is watched.
pub struct Watch(Option<Thread>);

struct Thread {
    notes: Arc<Mutex<Notes>>,
    stop: Sender<()>,
    thread: JoinHandle<Views>,
}

/// What was heard.
struct Notes {
    tally: Tally,
    joblog: Option<Joblog>,
}

/// What is shown of it.
struct Views {
    progress: Shown,
    joblog: Option<JoblogFile>,
    metrics: Option<Metrics>,
    /// What could not be written, once for each.
    wrong: Vec<String>,
}

enum Shown {
    Nothing,
    Bar(Bar),
    Lines(Lines),
    Json(Json),
}

impl Watch {
    /// Begins with what is wanted.
    ///
    /// # Errors
    /// A file that cannot be written, or [`Error::System`].
    pub fn start(watching: &Watching) -> Result<Watch, Error> {
        let tally = Tally::new();
        let Watching { progress, joblog, metrics, .. } = watching;
        if *progress == Progress::Never && joblog.is_none() && metrics.is_none() {
            return Ok(Watch(None));
        }
        let views = Views::open(watching, &tally)?;
        let joblog = joblog.as_ref().map(|_| Joblog::default());
        let notes = Arc::new(Mutex::new(Notes { tally, joblog }));
        let (stop, stopped) = channel();
        let shared = Arc::clone(&notes);
        let thread = std::thread::Builder::new().name("watch".into()).spawn(move || {
            let mut views = views;
            let mut turn = Instant::now();
            while stopped.recv_timeout(FRAME) == Err(RecvTimeoutError::Timeout) {
                views.draw(&shared);
                if turn.elapsed() >= TURN {
                    turn = Instant::now();
                    views.write(&shared);
                }
            }
            views
        });
        let thread = thread
            .map_err(|source| Error::System { doing: "start a thread that watches", source })?;
        Ok(Watch(Some(Thread { notes, stop, thread })))
    }

    /// Takes in what has happened.
    pub fn hear(&self, event: &Event<'_>) {
        let Watch(Some(Thread { notes, .. })) = self else { return };
        let mut notes = lock(notes);
        let Notes { tally, joblog } = &mut *notes;
        tally.hear(event);
        if let Some(joblog) = joblog {
            joblog.hear(event);
        }
    }

    /// Shows how the run has ended, and leaves standard error to others. Gives what could not
    /// be written.
    pub fn end(self, ended: &Result<Account, Box<JobFailed>>) -> Vec<String> {
        let Watch(Some(Thread { notes, stop, thread })) = self else { return Vec::new() };
        lock(&notes).tally.end(ended);
        drop(stop);
        // A panic in it has been reported by itself.
        let Ok(mut views) = thread.join() else { return Vec::new() };
        views.write(&notes);
        if let Shown::Bar(bar) = views.progress {
            bar.clear();
        }
        views.wrong
    }
}

fn lock(notes: &Mutex<Notes>) -> MutexGuard<'_, Notes> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How far the run is now. Nobody waits while that is shown.
fn tally(notes: &Mutex<Notes>) -> Tally {
    lock(notes).tally.clone()
}

impl Views {
    fn open(watching: &Watching, tally: &Tally) -> Result<Views, Error> {
        let cannot = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::OpenOutput { path, source }
        };
        let joblog = match &watching.joblog {
            Some(path) => Some(JoblogFile::open(path, watching.goes_on).map_err(cannot(path))?),
            None => None,
        };
        let metrics = match &watching.metrics {
            Some(path) => {
                let metrics = Metrics::new(path).map_err(cannot(path))?;
                metrics.write(&metrics::text(tally)).map_err(cannot(path))?;
                Some(metrics)
            }
            None => None,
        };
        let bar = || Bar::new(tally, watching.verbose);
        let progress = match watching.progress {
            Progress::Never => Shown::Nothing,
            Progress::Bar => bar().map_or(Shown::Nothing, Shown::Bar),
            Progress::Always => bar().map_or(Shown::Lines(Lines::new(tally)), Shown::Bar),
            Progress::Json => Shown::Json(Json::new(tally)),
        };
        Ok(Views { progress, joblog, metrics, wrong: Vec::new() })
    }

    /// Draws what is drawn many times a second.
    fn draw(&mut self, notes: &Mutex<Notes>) {
        match &mut self.progress {
            Shown::Bar(bar) => bar.show(&tally(notes)),
            Shown::Lines(lines) => lines.show(&tally(notes)),
            Shown::Nothing | Shown::Json(_) => {}
        }
    }

    /// Writes what is written once a second and at the end.
    fn write(&mut self, notes: &Mutex<Notes>) {
        if let Shown::Json(json) = &mut self.progress {
            json.tell(&tally(notes));
        }
        let lines = lock(notes).joblog.as_mut().map(Joblog::take);
        if let (Some(file), Some(lines)) = (&mut self.joblog, lines)
            && let Err(error) = file.write(&lines)
        {
            self.wrong.push(format!("cannot write the job log: {error}"));
            self.joblog = None;
        }
        if let Some(metrics) = &self.metrics {
            let text = metrics::text(&tally(notes));
            if let Err(error) = metrics.write(&text) {
                self.wrong.push(format!("cannot write the metrics: {error}"));
                self.metrics = None;
            }
        }
    }
}
