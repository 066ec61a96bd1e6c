//! The program `host`: reads the command line, runs the job, reports, and is the one
//! place that chooses an exit code.

mod cli;
mod signals;

use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use cli::{Request, report::Reporter, run_report::Report};

fn main() -> ExitCode {
    host::init();
    let request = match cli::request() {
        Ok(request) => request,
        Err(code) => return code,
    };
    allow_descriptors();
    let Request { job, looks, stats, report } = request;
    if let Err(error) = signals::stop_on_them(job.stop()) {
        return cli::report::refuse(&error);
    }
    let report = report.map(|path| Report::new(path, std::env::args_os(), &looks));
    let mut report = match report.transpose() {
        Ok(report) => report,
        Err(error) => return cli::report::refuse(&error),
    };
    let mut reporter = match Reporter::new(looks) {
        Ok(reporter) => reporter,
        Err(error) => return cli::report::refuse(&error),
    };
    let ended = host::run(&job, &mut |event| {
        reporter.event(&event);
        if let Some(report) = &mut report {
            report.event(&event);
        }
    });
    let code = match &ended {
        Ok(account) => {
            reporter.done(account);
            let accepted = job.max_errors().accepts(account.set_aside(), account.read());
            if accepted { 0 } else { reporter.too_many_failures(&job, account) }
        }
        Err(failed) => reporter.failed(&job, failed),
    };
    if let Some(path) = stats {
        let (account, error) = match &ended {
            Ok(account) => (account, None),
            Err(failed) => (&failed.account, Some(failed.to_string())),
        };
        if let Err(why) = cli::stats::write(&path, account, code, error) {
            reporter.warn(&why);
        }
    }
    if let Some(report) = report
        && let Err(why) = report.write(&ended, code)
    {
        reporter.warn(&why);
    }
    ExitCode::from(code)
}

/// Raises this process's limit on descriptors to what it is allowed: each worker takes
/// about ten of them.
fn allow_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    // If it stays as it is, that is enough for most jobs.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
