//! Stopping a job from outside.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;

/// Stops a job that [`JobBuilder::stop_on`](crate::JobBuilder::stop_on) was given it: no
/// further ranges are begun, what is finished is committed, and the job ends with
/// [`Error::Interrupted`](crate::Error::Interrupted). Copies stop the same job.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<State>);

#[derive(Debug, Default)]
struct State {
    stopped: AtomicBool,
    /// The directory of sockets of the job that is running.
    sockets: Mutex<Option<PathBuf>>,
}

impl Stop {
    /// A handle for one job.
    pub fn new() -> Stop {
        Stop::default()
    }

    /// Stops the job, soon. May be called from any thread.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether the job was told to stop.
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Relaxed)
    }

    /// Removes what a running job has in the temporary directory, for a program that ends at
    /// once. The job cannot go on after this.
    pub fn clean_up(&self) {
        if let Some(sockets) = self.sockets().take() {
            // It is ours alone; if it cannot be removed it stays, empty but for sockets.
            let _ = std::fs::remove_dir_all(sockets);
        }
    }

    /// Notes the directory of sockets of the job that is running.
    pub(crate) fn knows(&self, sockets: &Path) {
        *self.sockets() = Some(sockets.to_owned());
    }

    fn sockets(&self) -> std::sync::MutexGuard<'_, Option<PathBuf>> {
        self.0.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What ends a running job before its end.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    stop: Stop,
    /// How long it may take, and when that is over.
    limit: Option<(Duration, Instant)>,
}

impl Patience {
    /// For a job that begins now.
    pub fn new(stop: &Stop, limit: Option<Duration>) -> Patience {
        let until = |limit| Some((limit, Instant::now().checked_add(limit)?));
        Patience { stop: stop.clone(), limit: limit.and_then(until) }
    }

    /// # Errors
    /// [`Error::Interrupted`] or [`Error::JobTimeout`], once the job has to end.
    pub fn check(&self) -> Result<(), Error> {
        if self.stop.is_stopped() {
            return Err(Error::Interrupted);
        }
        match self.limit {
            Some((limit, until)) if Instant::now() >= until => Err(Error::JobTimeout { limit }),
            _ => Ok(()),
        }
    }
}
