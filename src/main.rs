//! The program `host`: reads the command line, runs the job, reports, and is the one
//! place that chooses an exit code.

mod cli;

use std::process::ExitCode;

use cli::{Request, report::Reporter};

fn main() -> ExitCode {
    host::init();
    let request = match cli::request() {
        Ok(request) => request,
        Err(code) => return code,
    };
    let Request { job, looks } = request;
    let mut reporter = match Reporter::new(looks) {
        Ok(reporter) => reporter,
        Err(error) => return cli::report::refuse(&error),
    };
    match host::run(&job, &mut |event| reporter.event(&event)) {
        Ok(account) => {
            reporter.done(&account);
            let accepted = job.max_errors().accepts(account.skipped, account.read());
            if accepted { ExitCode::SUCCESS } else { reporter.too_many_failures(&account) }
        }
        Err(failed) => reporter.failed(&job, &failed),
    }
}
