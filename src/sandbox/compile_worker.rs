//! The policy of a compile worker: its channel, memory, threads, and reading and
//! writing the files that it was given. It never runs a plugin's code.

use super::seccomp::{Allow, When, any, when};

const CLONE_THREAD: u64 = libc::CLONE_THREAD as u64;

/// While a plugin is compiled, with what every process needs.
pub(super) const COMPILING: &[Allow] = &[
    any("recvmsg"),
    any("sendmsg"),
    // The plugin in, the compiled plugin or the report out.
    any("pread64"),
    any("write"),
    // wasmtime makes what it has compiled executable, though nobody executes it.
    any("mmap"),
    any("mprotect"),
    // Threads, and nothing else that clones.
    when("clone", &[When::Masked(0, CLONE_THREAD, CLONE_THREAD)]),
    any("set_robust_list"),
    any("rseq"),
    any("sched_getaffinity"),
    when("prctl", &[When::Is(0, libc::PR_SET_NAME as u64)]),
    // Let through here to be refused by the other filter.
    any("clone3"),
    // The seeds of hash tables on new threads.
    any("getrandom"),
];

/// Refused, and not fatal: the C library tries this first to make a thread, and takes
/// `clone` where it does not exist. (Its flags lie in memory, where a filter cannot
/// see them.)
pub(super) const REFUSED: &[Allow] = &[any("clone3")];
