//! Attacks from outside: what happens to a running program on a real machine.

use std::time::Duration;

use rustix::process::{Pid, Signal, getpgrp, getpid, kill_process, kill_process_group};

use super::Outcome::{Harmless, SupervisorDies};
use super::{Attack, By, Outside, plugin};

pub const ATTACKS: &[Attack] = &[
    Attack::new(
        "ctrl-c",
        By::Outside(Outside { plugin: None, before: expect_interrupts, meanwhile: interrupt_all }),
        Harmless,
    ),
    Attack::new(
        "ctrl-c-from-the-first-moment",
        By::Outside(Outside { plugin: None, before: interrupt_for_long, meanwhile: || {} }),
        Harmless,
    ),
    Attack::new(
        "supervisor-is-killed",
        By::Outside(Outside {
            plugin: Some(plugin::endless_loop),
            before: || {},
            meanwhile: die_while_workers_are_busy,
        }),
        SupervisorDies,
    )
    .timeout(3_600_000),
];

/// Takes Ctrl-C as a program would that wants to end in good order. (A signal that is
/// ignored would be ignored by workers too; a handler is not inherited.)
#[allow(unsafe_code, reason = "a signal handler")]
fn expect_interrupts() {
    extern "C" fn nothing(_: i32) {}
    // SAFETY: the handler does nothing.
    unsafe { libc::signal(libc::SIGINT, nothing as *const () as libc::sighandler_t) };
}

/// What a terminal does at Ctrl-C: every process of the group in front gets the signal.
fn interrupt_all() {
    // The group is this program's own: the driver has made it so.
    let _ = kill_process_group(getpgrp(), Signal::INT);
}

/// Also while processes are started, which then have no session of their own yet.
fn interrupt_for_long() {
    expect_interrupts();
    std::thread::spawn(|| {
        for _ in 0..1000 {
            interrupt_all();
            std::thread::sleep(Duration::from_millis(1));
        }
    });
}

fn die_while_workers_are_busy() {
    // Beside the supervisor, which has to give the workers something to be busy with.
    std::thread::spawn(|| {
        // A worker that waits for a request would notice the end of its channel. One that
        // is deep in a plugin would not.
        while !children().into_iter().any(|child| cpu_time(child) > Duration::from_millis(300)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = kill_process(getpid(), Signal::KILL);
    });
}

fn children() -> Vec<Pid> {
    let path = format!("/proc/self/task/{}/children", getpid().as_raw_nonzero());
    let children = std::fs::read_to_string(path).unwrap_or_default();
    let pids = children.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?));
    pids.collect()
}

fn cpu_time(process: Pid) -> Duration {
    let pid = nix::unistd::Pid::from_raw(process.as_raw_nonzero().get());
    let time = nix::time::clock_getcpuclockid(pid).and_then(|clock| clock.now());
    time.map_or(Duration::ZERO, Duration::from)
}
