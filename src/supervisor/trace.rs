//! What happens in a job, as events of `tracing`: at most one for each range, at `debug` and
//! `trace`. Nothing of a record, of what a plugin says or of a parameter is in them.

use std::time::Duration;

use tracing::{debug, error, info, trace, warn};

use crate::account::Account;
use crate::event::{Event, Reason};
use crate::text::printable;

use super::JobFailed;

/// Traces what is told to whoever runs the job.
pub(super) fn event(event: &Event<'_>) {
    match event {
        Event::Opened { inputs, bytes, stored, records } => {
            debug!(inputs = inputs.len(), bytes, stored, records, "the inputs are open");
        }
        Event::Ready { plugin, origin, took } => {
            let seconds = seconds(*took);
            info!(plugin = %plugin.display(), ?origin, seconds, "a plugin is ready");
        }
        Event::Resumed { input, offset, records, bytes } => {
            info!(input, offset, records, bytes, "the run goes on where another stopped");
        }
        Event::Online { worker, pid, layers } => {
            info!(worker, pid, sandbox = %layers, "a worker is online");
        }
        Event::Given { worker, pid, range } => {
            let (input, start, end) = (range.input.index(), range.start, range.end);
            trace!(worker, pid, input, start, end, "a worker can begin with a range");
        }
        Event::Message { worker, pid, range, used, dropped, failed, took, .. } => {
            let (input, start, end) = (range.input.index(), range.start, range.end);
            debug!(
                worker,
                pid,
                input,
                start,
                end,
                used,
                dropped,
                failed,
                seconds = seconds(*took),
                "a worker has finished a range"
            );
        }
        Event::Committed { range, output_records, output_bytes, .. } => {
            let (input, start, end) = (range.input.index(), range.start, range.end);
            trace!(input, start, end, output_records, output_bytes, "a range is in the output");
        }
        Event::Result { records, bytes } => {
            debug!(records, bytes, "the result of all records is in the output");
        }
        Event::Exit { worker, pid, reason: Reason::Over, exit, .. } => {
            debug!(worker, pid, exit = %exit, "a worker is gone: the job is over");
        }
        Event::Exit { worker, pid, exit, reason, lost, took, violation, last_words } => {
            warn!(
                worker,
                pid,
                exit = %exit,
                reason = %reason,
                seconds = seconds(*took),
                violation,
                last_words,
                "a worker is gone"
            );
            if let Some(range) = lost {
                let (input, start, end) = (range.input.index(), range.start, range.end);
                debug!(worker, input, start, end, "a range has to be done again");
            }
        }
        Event::BegunAnew { journal } => {
            info!(journal = %journal.display(), "an earlier run is begun anew");
        }
        Event::Grown { input } => warn!(input, "an input has grown while it was read"),
        Event::Skipped(failure) | Event::DeadLettered(failure) => {
            debug!(
                input = failure.input,
                record = failure.number,
                offset = failure.offset,
                length = failure.length,
                kind = %failure.kind,
                "a record has failed and is set aside"
            );
        }
        Event::Measured { .. } | Event::Log { .. } | Event::Table { .. } => {}
    }
}

/// Traces how the job ended.
pub(super) fn end(ended: &Result<Account, Box<JobFailed>>) {
    match ended {
        Ok(account) => info!(
            read = account.read(),
            used = account.used,
            dropped = account.dropped,
            set_aside = account.set_aside(),
            seconds = seconds(account.elapsed),
            "the job is done"
        ),
        Err(failed) => {
            let (read, error) = (failed.account.read(), printable(&failed.error.to_string()));
            error!(read, error, "the job has failed");
        }
    }
}

fn seconds(took: Duration) -> f64 {
    took.as_secs_f64()
}
