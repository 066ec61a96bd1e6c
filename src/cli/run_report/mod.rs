//! `--report FILE.html`: one page about a run, written at its end, whichever way it ended. What
//! events tell is gathered here in bounded memory, and drawn by the page itself (`page/`).

mod command;
mod failures;
mod page;
mod timeline;
mod times;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use host::{Account, Error, Event, JobFailed, Layers, Origin, default_workers, printable};
use serde::Serialize;
use serde_json::Value;

use super::replace::{directory, replace};
use super::{Looks, stats};
use command::Command;
use failures::Failures;
use timeline::Timeline;
use times::Times;

/// What is done with what may be private.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Private {
    Shown,
    HeldBack,
}

/// What is gathered of a run.
pub struct Report {
    path: PathBuf,
    command: Command,
    began: SystemTime,
    started: Instant,
    /// What inputs are called.
    inputs: Vec<String>,
    plugins: Vec<PluginFile>,
    /// The layers around the first worker.
    layers: Option<Layers>,
    steps: Steps,
    timeline: Timeline,
    times: Times,
    failures: Failures,
}

/// A plugin that was made ready.
#[derive(Serialize)]
struct PluginFile {
    file: String,
    cached: bool,
    took: u64,
}

/// When the run came how far, in microseconds since it began.
#[derive(Default, Serialize)]
struct Steps {
    ready: Option<u64>,
    online: Option<u64>,
    /// The first range was finished.
    first: Option<u64>,
    /// The last one was.
    last: Option<u64>,
    end: u64,
}

/// What the page is drawn from.
#[derive(Serialize)]
struct Data<'a> {
    command: &'a str,
    hides_words: bool,
    began: String,
    versions: Versions,
    stats: Value,
    inputs: std::collections::BTreeMap<usize, &'a str>,
    plugins: &'a [PluginFile],
    sandbox: Option<String>,
    milestones: &'a Steps,
    #[serde(flatten)]
    timeline: timeline::Told<'a>,
    times: Option<times::Told<'a>>,
    failures: failures::Told<'a>,
}

#[derive(Serialize)]
struct Versions {
    host: &'static str,
    system: String,
    cores: usize,
}

impl Report {
    /// Begins with nothing, for a run that is about to begin with these words on its command
    /// line.
    ///
    /// # Errors
    /// The page cannot be written to this file.
    pub fn new(
        path: PathBuf,
        words: impl Iterator<Item = OsString>,
        looks: &Looks,
    ) -> Result<Report, Error> {
        let private = if looks.show_records { Private::Shown } else { Private::HeldBack };
        let may_write = check(&path);
        may_write.map_err(|source| Error::OpenOutput { path: path.clone(), source })?;
        Ok(Report {
            path,
            command: Command::new(words, private),
            began: SystemTime::now(),
            started: Instant::now(),
            inputs: Vec::new(),
            plugins: Vec::new(),
            layers: None,
            steps: Steps::default(),
            timeline: Timeline::default(),
            times: Times::new()?,
            failures: Failures::new(private),
        })
    }

    /// Takes in what happened.
    pub fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Opened { inputs, .. } => {
                self.inputs = inputs.iter().map(|name| printable(name)).collect();
            }
            Event::Ready { plugin, origin, took } => {
                self.steps.ready = Some(self.now());
                self.plugins.push(PluginFile {
                    file: printable(&plugin.display().to_string()),
                    cached: matches!(origin, Origin::Cache),
                    took: microseconds(*took),
                });
            }
            Event::Online { worker, pid, layers } => {
                let now = self.now();
                self.layers.get_or_insert(*layers);
                self.steps.online.get_or_insert(now);
                self.timeline.online(now, *worker, *pid);
            }
            Event::Message { .. } => {
                let now = self.now();
                self.steps.first.get_or_insert(now);
                self.steps.last = Some(now);
                self.timeline.message(now, event);
            }
            Event::Exit { .. } => self.timeline.exit(self.now(), event),
            Event::Skipped(failure) | Event::DeadLettered(failure) => self.failures.add(failure),
            Event::Measured { .. } => self.times.hear(event),
            _ => {}
        }
    }

    /// Writes the page about a run that ended so, with this exit code.
    ///
    /// # Errors
    /// What stands in the way, in words.
    pub fn write(
        mut self,
        ended: &Result<Account, Box<JobFailed>>,
        code: u8,
    ) -> Result<(), String> {
        self.steps.end = self.now();
        let (account, error) = match ended {
            Ok(account) => (account, None),
            Err(failed) => (&failed.account, Some(&failed.error)),
        };
        if let Some(Error::Record(failure)) = error {
            self.failures.add(failure);
        }
        let error = error.map(|error| printable(&error.to_string()));
        let data = self.data(stats::of_run(account, code, error));
        let written = serde_json::to_string(&data)
            .map_err(io::Error::from)
            .and_then(|data| check(&self.path).map(|()| data))
            // Nobody else may read it.
            .and_then(|data| replace(&self.path, 0o600, &page::page(&data)));
        written.map_err(|error| format!("cannot write {}: {error}", self.path.display()))
    }

    fn data(&self, stats: Value) -> Data<'_> {
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let named = self.timeline.inputs().into_iter();
        let named = named.filter_map(|id| Some((id, self.inputs.get(id)?.as_str())));
        Data {
            command: &self.command.text,
            hides_words: self.command.hides_words,
            began: humantime::format_rfc3339_seconds(self.began).to_string(),
            versions: Versions {
                host: env!("CARGO_PKG_VERSION"),
                system: format!("Linux {} on {}", kernel.trim(), std::env::consts::ARCH),
                cores: default_workers(),
            },
            stats,
            inputs: named.collect(),
            plugins: &self.plugins,
            sandbox: self.layers.map(|layers| match layers.is_empty() {
                true => "none".to_owned(),
                false => layers.to_string(),
            }),
            milestones: &self.steps,
            timeline: self.timeline.tell(),
            times: self.times.tell(),
            failures: self.failures.tell(),
        }
    }

    /// Microseconds since the run began.
    fn now(&self) -> u64 {
        microseconds(self.started.elapsed())
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Whether the page may be written there: what is there already must be a report or empty, so
/// that no slip of the hand replaces data or a plugin by it.
fn check(path: &Path) -> io::Result<()> {
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return fs::metadata(directory(path)).map(drop);
        }
        metadata => metadata?,
    };
    let mut beginning = Vec::new();
    if metadata.is_file() {
        File::open(path)?.take(page::BEGINNING.len() as u64).read_to_end(&mut beginning)?;
    }
    if metadata.is_file() && page::BEGINNING.as_bytes().starts_with(&beginning) {
        return Ok(());
    }
    let text = "what is there is no report of an earlier run; name another file, or remove it";
    Err(io::Error::other(text))
}
