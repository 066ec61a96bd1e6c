//! The policy of a worker: which system calls it keeps. Any other ends it.

use super::seccomp::{Allow, When, any, when};

const PROT_EXEC: u64 = libc::PROT_EXEC as u64;
const MAP_TYPE: u64 = libc::MAP_TYPE as u64;
const MAP_GROWSDOWN: u64 = libc::MAP_GROWSDOWN as u64;
const MAP_PRIVATE: u64 = libc::MAP_PRIVATE as u64;

/// Standard error, which is `/dev/null`.
const TO_STDERR: When = When::Is(0, libc::STDERR_FILENO as u64);

/// Refused, and not fatal: before it aborts, where memory has run out for example, the
/// standard library has something to say. That must not look like a forbidden call. It is
/// not let through either, because a hostile compiled plugin could have put another file
/// in the place of standard error while it was loaded.
pub(super) const REFUSED: &[Allow] = &[when("write", &[TO_STDERR])];

/// While a plugin runs (the second filter), with [`PROCESS`].
///
/// No call opens, creates, executes, forks, connects, or names another process. What
/// touches a descriptor touches those that were given, each in its one way.
pub(super) const SERVING: &[Allow] = &[
    // The work: read a range of an input, get a request, give a response.
    when("pread64", &[When::OnInputs]),
    when("recvmsg", &[When::OnRequests]),
    when("sendmsg", &[When::OnResponses]),
    // Memory: private, never executable, never growing downwards. (Shared memory and
    // stacks that grow are not counted by the limit on data.)
    when(
        "mmap",
        &[When::Masked(2, PROT_EXEC, 0), When::Masked(3, MAP_TYPE | MAP_GROWSDOWN, MAP_PRIVATE)],
    ),
    when("mprotect", &[When::Masked(2, PROT_EXEC, 0)]),
];

/// What every process needs, and what reaches nobody but itself.
pub(super) const PROCESS: &[Allow] = &[
    any("munmap"),
    any("mremap"),
    any("brk"),
    any("madvise"),
    // Faults: wasmtime turns them into traps, and puts the old handler back for those
    // that are not its own, so that a crash looks like a crash.
    any("rt_sigreturn"),
    any("rt_sigaction"),
    any("rt_sigprocmask"),
    any("sigaltstack"),
    when("tgkill", &[When::OnItself]),
    any("gettid"),
    any("getpid"),
    // Words before the end, which go nowhere (see `REFUSED`).
    when("write", &[TO_STDERR]),
    // Waiting and time.
    any("futex"),
    any("sched_yield"),
    any("clock_gettime"),
    any("restart_syscall"),
    // The end. Where debug assertions are on, the standard library looks before it closes.
    #[cfg(debug_assertions)]
    when("fcntl", &[When::Is(1, libc::F_GETFD as u64)]),
    any("close"),
    any("exit"),
    any("exit_group"),
];

/// What loading the plugin needs besides (the first filter).
pub(super) const LOADING: &[Allow] = &[
    // The compiled plugin is read, and becomes executable.
    any("pread64"),
    when("mmap", &[When::Masked(3, MAP_TYPE | MAP_GROWSDOWN, MAP_PRIVATE)]),
    any("mprotect"),
    // The image of its initial memory is written once and sealed.
    any("memfd_create"),
    any("write"),
    any("ftruncate"),
    when("fcntl", &[When::Is(1, libc::F_ADD_SEALS as u64)]),
    // The last limit and the second filter.
    any("prlimit64"),
    when("prctl", &[When::Is(0, libc::PR_SET_NO_NEW_PRIVS as u64)]),
    any("seccomp"),
];
