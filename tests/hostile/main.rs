//! Hostile workers against the real supervisor.
//!
//! This one executable plays three parts:
//! * the *driver*, which `cargo test` runs: makes a copy of the executable for each
//!   attack, named after it, runs it as a supervisor and judges what came of it;
//! * the *supervisor* (`--supervise`), a program like any other that calls
//!   [`host::run`];
//! * the *workers* that this supervisor starts by executing itself. One of them is
//!   the attacker; all others are what the library makes of them.
//!
//! `cargo test --release --test hostile -- NAME...` runs the attacks whose names
//! contain one of the names.

mod attacks;
mod driver;
mod supervise;
mod wire;

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use rustix::process::{Signal, set_parent_process_death_signal};

use attacks::{ATTACKS, Who};

/// Name of the memory files that an attacker tries to leave with the supervisor.
pub const STOWAWAY: &str = "stowaway";
/// A file that an attacker leaves beside its executable: the attack took place.
pub const ATTACKED: &str = "attacked";

/// Numbers in the names of the first guards: how an attacker knows that it is the
/// first of its kind. The driver notices if these change, because then nobody attacks.
const FIRST_WORKER: &str = "guard-1001";
const FIRST_COMPILE: &str = "guard-0";

/// The record is one that the plugin keeps. In the test data this string occurs
/// nowhere but in the member that the plugin looks at.
pub fn is_kept(line: &[u8]) -> bool {
    const WANTED: &[u8] = br#","type":"PushEvent","#;
    line.windows(WANTED.len()).any(|bytes| bytes == WANTED)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["--host-role", role, guard, ..] = arguments[..] {
        attack_if_hostile(role, guard);
    }
    // Everybody else who was started as a worker stays in here.
    host::init();
    match arguments[..] {
        ["--supervise", ref job @ ..] => supervise::main(job),
        ref wanted => driver::main(wanted),
    }
}

/// Does this process's attack, if it has one; then it does not return.
fn attack_if_hostile(role: &str, guard: &str) {
    let Ok(executable) = std::env::current_exe() else { return };
    let name = executable.file_name();
    let Some(attack) = ATTACKS.iter().find(|attack| name == Some(OsStr::new(attack.name))) else {
        return;
    };
    let number = Path::new(guard).file_name();
    let hostile = match attack.who {
        Who::FirstWorker => number == Some(OsStr::new(FIRST_WORKER)),
        Who::FirstCompile => number == Some(OsStr::new(FIRST_COMPILE)),
        Who::EveryWorker => role == "worker",
        Who::EveryCompile => role == "compile",
    };
    if !hostile {
        return;
    }
    // Whatever becomes of the test, no attacker survives it.
    let bound = set_parent_process_death_signal(Some(Signal::KILL)).is_ok();
    let noted = std::fs::write(executable.with_file_name(ATTACKED), "").is_ok();
    if !(bound && noted) {
        std::process::exit(3);
    }
    match (attack.act)(guard) {
        Ok(()) => std::process::exit(0),
        Err(error) => {
            // Its standard error leads nowhere: the driver reads this file.
            let _ = std::fs::write(executable.with_file_name(ATTACKED), format!("{error:#}"));
            std::process::exit(4);
        }
    }
}
