//! The program `host`: reads the command line, runs the job, reports, and is the one
//! place that chooses an exit code.

mod cli;

use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use cli::{Request, report::Reporter};

fn main() -> ExitCode {
    host::init();
    let request = match cli::request() {
        Ok(request) => request,
        Err(code) => return code,
    };
    allow_descriptors();
    let Request { job, looks } = request;
    let mut reporter = match Reporter::new(looks) {
        Ok(reporter) => reporter,
        Err(error) => return cli::report::refuse(&error),
    };
    match host::run(&job, &mut |event| reporter.event(&event)) {
        Ok(account) => {
            reporter.done(&account);
            let accepted = job.max_errors().accepts(account.set_aside(), account.read());
            if accepted { ExitCode::SUCCESS } else { reporter.too_many_failures(&job, &account) }
        }
        Err(failed) => reporter.failed(&job, &failed),
    }
}

/// Raises this process's limit on descriptors to what it is allowed: each worker takes
/// about ten of them.
fn allow_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    // If it stays as it is, that is enough for most jobs.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
