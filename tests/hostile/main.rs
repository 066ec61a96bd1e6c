//! Attacks on the real program: by hostile workers, plugins, native code and the world.
//!
//! This one executable plays three parts:
//! * the *driver*, which `cargo test` runs: makes a copy of the executable for each
//!   attack, named after it, runs it as a supervisor and judges what came of it;
//! * the *supervisor* (`--supervise`), a program like any other that calls
//!   [`host::run`];
//! * the *workers* that this supervisor starts by executing itself. One of them may be
//!   the attacker; all others are what the library makes of them.
//!
//! `cargo test --release --test hostile -- NAME...` runs the attacks whose names
//! contain one of the names.

mod attacks;
mod control_group;
mod driver;
mod hook;
mod supervise;
mod wire;

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use std::{fs, io};

use rustix::process::{Signal, set_parent_process_death_signal};

use attacks::{Attack, By, Who};
use hook::Deed;

/// Name of the memory files that an attacker tries to leave with the supervisor.
pub const STOWAWAY: &str = "stowaway";
/// A file that an attacker leaves beside its executable: the attack took place.
pub const ATTACKED: &str = "attacked";
/// Another, of one that needs two ranges: it has them.
pub const IN_HAND: &str = "in-hand";
/// For so long others wait for that.
const WAIT: Duration = Duration::from_secs(20);

/// With what a marked record begins.
pub const MARK: u8 = b'!';
/// The supervisor's environment has a variable whose name begins like this.
pub const SECRET: &str = "HOSTILE_SECRET";
/// The supervisor's program has left this descriptor open for children to inherit.
pub const INHERITED: i32 = 99;

/// Numbers in the names of the first guards: how an attacker knows that it is the
/// first of its kind. The driver notices if these change, because then nobody attacks.
const FIRST_WORKER: &str = "guard-1001";
const FIRST_COMPILE: &str = "guard-0";
const FIRST_TABLE: &str = "guard-4294967296";

/// The record is one that the plugin `longer` keeps: its line has more than 640 bytes.
pub fn is_kept(line: &[u8]) -> bool {
    line.strip_suffix(b"\n").unwrap_or(line).len() > 640
}

/// The attack after which this executable is named.
fn own_attack() -> Option<Attack> {
    let executable = std::env::current_exe().ok()?;
    let name = executable.file_name()?;
    attacks::all().into_iter().find(|attack| name == OsStr::new(attack.name.as_ref()))
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
        ["--supervise", ref paths @ ..] => supervise::main(paths),
        ["--list"] => driver::list(),
        ref wanted => driver::main(wanted),
    }
}

/// Does this process's attack, if it has one; then it does not return.
fn attack_if_hostile(role: &str, guard: &str) {
    let Some(attack) = own_attack() else { return };
    let who = match attack.by {
        By::Process(who, _) => who,
        By::Native(..) if attack.table.is_some() => Who::FirstTable,
        By::Native(..) => Who::FirstWorker,
        By::Artifact(_) => Who::EveryCompile,
        By::Plugin(_) | By::Outside(_) => return,
    };
    let number = Path::new(guard).file_name();
    let hostile = match who {
        Who::FirstWorker => number == Some(OsStr::new(FIRST_WORKER)),
        Who::FirstCompile => number == Some(OsStr::new(FIRST_COMPILE)),
        Who::FirstTable => number == Some(OsStr::new(FIRST_TABLE)),
        Who::EveryWorker => role == "worker",
        Who::EveryCompile => role == "compile",
        Who::EveryTable => role == "table",
    };
    if !hostile {
        if role == "worker" && attack.needs_two {
            wait_for(IN_HAND);
        }
        return;
    }
    // Whatever becomes of the test, no attacker survives it.
    let bound = set_parent_process_death_signal(Some(Signal::KILL)).is_ok();
    if !(bound && note(ATTACKED, "").is_ok()) {
        std::process::exit(3);
    }
    let act = match attack.by {
        By::Process(_, act) => act,
        // These have their moment later, in a process that is otherwise honest.
        By::Native(stage, native) => return hook::plan(Deed::Attack(stage, native)),
        By::Artifact(code) => return hook::plan(Deed::Forge(code)),
        By::Plugin(_) | By::Outside(_) => return,
    };
    match act(guard) {
        Ok(()) => std::process::exit(0),
        Err(error) => {
            // Of many attackers the last ones are stopped half way when the job ends.
            if matches!(who, Who::FirstWorker | Who::FirstCompile | Who::FirstTable) {
                // Its standard error leads nowhere: the driver reads this file.
                let _ = note(ATTACKED, &format!("{error:#}"));
            }
            std::process::exit(4);
        }
    }
}

/// Leaves a file beside this executable.
fn note(name: &str, text: &str) -> io::Result<()> {
    fs::write(std::env::current_exe()?.with_file_name(name), text)
}

/// Waits until there is such a file, but not for ever.
fn wait_for(name: &str) {
    let Ok(executable) = std::env::current_exe() else { return };
    let began = Instant::now();
    while began.elapsed() < WAIT && !executable.with_file_name(name).exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
}
