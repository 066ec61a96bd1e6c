//! Looking at a plugin before it is used: [`check`].

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{PluginFile, Report, compile};
use crate::description::Description;
use crate::error::Error;
use crate::ipc::SocketDirectory;
use crate::job::Job;
use crate::stop::Patience;

/// What is to be said of a plugin.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Checkup {
    /// Its file.
    pub path: PathBuf,
    /// The size of the file in bytes.
    pub bytes: u64,
    /// BLAKE3 of the file.
    pub hash: String,
    /// What it holds; nothing if it is no WebAssembly. The names are its author's: they may
    /// hold anything.
    pub description: Option<Description>,
    /// `filter`, `map`, `flat-map`, `batch`, `reduce` or `command`; or why it cannot be run.
    pub operation: Result<&'static str, String>,
    /// The size of the compiled plugin in bytes.
    pub compiled_bytes: Option<u64>,
    /// How long it took to be compiled, or refused.
    pub took: Duration,
}

/// Has the first plugin of a job compiled, in a sandboxed process of its own and with the job's
/// limits, and tells what it is. Nothing of it is run, and the cache is not asked.
///
/// # Errors
/// [`Error::Plugin`] if the file cannot be read; what keeps a compile worker from its work. That
/// the plugin cannot be run is no error.
pub fn check(job: &Job) -> Result<Checkup, Error> {
    let path = job.plugins().next().map(ToOwned::to_owned).unwrap_or_default();
    let plugin =
        PluginFile::read(&path).map_err(|why| Error::Plugin { path: path.clone(), why })?;
    let directory = SocketDirectory::new()?;
    job.stop.knows(directory.path());
    let patience = Patience::new(&job.stop, job.limits.job_timeout);
    let began = Instant::now();
    let (made, description) = compile(&plugin, 0, job, &directory, &patience, Report::Description)?;
    Ok(Checkup {
        path,
        bytes: plugin.length,
        hash: plugin.hash.to_hex().to_string(),
        description,
        compiled_bytes: made.as_ref().ok().map(|artifact| artifact.length),
        operation: made.map(|artifact| artifact.operation.name()),
        took: began.elapsed(),
    })
}
