//! The program `host`: reads the command line, runs the job, reports, and is the one
//! place that chooses an exit code.

mod cli;
mod signals;

use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use cli::{Request, report::Reporter, run_report::Report, watch::Watch};

fn main() -> ExitCode {
    host::init();
    let request = match cli::request() {
        Ok(request) => request,
        Err(code) => return code,
    };
    cli::log::start(request.logging);
    if let Err(error) = signals::stop_on_them(request.job.stop()) {
        return cli::report::refuse(&error);
    }
    perform(request)
}

/// Runs a job and says what is to be said of it. Gives the exit code of a program that does
/// nothing else.
fn perform(Request { job, looks, watching, stats, report, .. }: Request) -> ExitCode {
    allow_descriptors();
    let report = report.map(|path| Report::new(path, std::env::args_os(), &looks));
    let mut report = match report.transpose() {
        Ok(report) => report,
        Err(error) => return cli::report::refuse(&error),
    };
    let mut reporter = match Reporter::new(looks) {
        Ok(reporter) => reporter,
        Err(error) => return cli::report::refuse(&error),
    };
    let watch = match Watch::start(&watching) {
        Ok(watch) => watch,
        Err(error) => return cli::report::refuse(&error),
    };
    let ended = host::run(&job, &mut |event| {
        watch.hear(&event);
        reporter.event(&event);
        if let Some(report) = &mut report {
            report.event(&event);
        }
    });
    let not_written = watch.end(&ended);
    let code = match &ended {
        Ok(account) => {
            let accepted = job.max_errors().accepts(account.set_aside(), account.read());
            let code = if accepted { 0 } else { 4 };
            reporter.done(account, code);
            if !accepted {
                reporter.too_many_failures(&job, account, code);
            }
            code
        }
        Err(failed) => reporter.failed(&job, failed),
    };
    for why in not_written {
        reporter.warn(&why);
    }
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
