//! `--stats FILE`: the account as JSON, whichever way the run ended.

use std::path::Path;

use host::{Account, WorkerAccount};
use serde_json::{Value, json};

/// Writes the account of a run that ended with this exit code, and with this error if it
/// failed.
///
/// # Errors
/// What stands in the way, in words.
pub fn write(
    path: &Path,
    account: &Account,
    code: u8,
    error: Option<String>,
) -> Result<(), String> {
    let text = format!("{:#}\n", of_run(account, code, error));
    std::fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// The account of a run that ended so.
pub fn of_run(account: &Account, code: u8, error: Option<String>) -> Value {
    let mut stats = of(account);
    stats["host"] = json!(env!("CARGO_PKG_VERSION"));
    stats["exit_code"] = json!(code);
    stats["error"] = json!(error);
    stats
}

/// The account itself.
pub fn of(account: &Account) -> Value {
    json!({
        "records": {
            "read": account.read(),
            "used": account.used,
            "dropped": account.dropped,
            "skipped": account.skipped,
            "dead_lettered": account.dead_lettered,
            "failed": account.failed,
            "passed_over": account.passed_over,
            "before_this_run": account.resumed,
        },
        "failures": account.failures,
        "retries": account.retries,
        "output": { "records": account.output_records, "bytes": account.output_bytes },
        "unread_bytes": account.unread_bytes,
        "log_lines": account.log_lines,
        "log_lines_cut": account.log_lines_cut,
        "restarts": account.restarts,
        "elapsed_seconds": account.elapsed.as_secs_f64(),
        "workers": account.by_worker.iter().map(worker).collect::<Vec<_>>(),
    })
}

fn worker(worker: &WorkerAccount) -> Value {
    json!({
        "processes": worker.processes,
        "ranges": worker.ranges,
        "records": worker.records,
        "input_bytes": worker.input_bytes,
        "output_bytes": worker.output_bytes,
        "cpu_seconds": worker.cpu.as_secs_f64(),
    })
}
