//! Signals that ask the program to end: the first ends the job in good order, the second
//! ends the program at once. Or they are for a program that does the job.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use host::{Error, Stop};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::Signals;

/// Signals so close together are one: `timeout` sends its own to the process and to its
/// group, and nobody types so fast.
const ONE_SIGNAL: Duration = Duration::from_millis(100);
/// The exit code of a program that was interrupted.
const INTERRUPTED: i32 = 130;

/// Has signals stop a job. Those that were ignored before, as `nohup` has it, still are.
///
/// # Errors
/// [`Error::System`].
pub fn stop_on_them(stop: &Stop) -> Result<(), Error> {
    let mut signals = wanted().map_err(system)?;
    // Where a file must not grow any more, that is the error of whoever writes to it.
    flag::register(SIGXFSZ, Arc::default()).map_err(system)?;
    let stop = stop.clone();
    let listen = move || {
        let mut first = None;
        for _ in signals.forever() {
            match first {
                None => {
                    first = Some(Instant::now());
                    stop.stop();
                }
                Some(first) if first.elapsed() < ONE_SIGNAL => {}
                Some(_) => {
                    stop.clean_up();
                    std::process::exit(INTERRUPTED);
                }
            }
        }
    };
    let thread = std::thread::Builder::new().name("signals".into()).spawn(listen);
    thread.map(drop).map_err(system)
}

/// Has signals end a program that this one has started, and not this one.
///
/// # Errors
/// [`Error::System`].
pub fn pass_them_on(program: Pid) -> Result<(), Error> {
    let mut signals = wanted().map_err(system)?;
    let listen = move || {
        for _ in signals.forever() {
            // It may have ended by itself.
            let _ = kill_process(program, Signal::TERM);
        }
    };
    let thread = std::thread::Builder::new().name("signals".into()).spawn(listen);
    thread.map(drop).map_err(system)
}

fn system(source: io::Error) -> Error {
    Error::System { doing: "listen to signals", source }
}

/// Those that ask a program to end, but for what is ignored.
fn wanted() -> io::Result<Signals> {
    let ignored = ignored()?;
    let wanted = [SIGINT, SIGTERM, SIGHUP];
    Signals::new(wanted.into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0))
}

/// The signals that this process ignores, a bit for each, the lowest for the first.
fn ignored() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    Ok(mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0))
}
