//! Attacks by native code in a real worker, locked as in any run: what a plugin could try
//! that has broken out of WebAssembly. [`crate::hook`] gives it control, behind the
//! first filter of system calls (where a hostile compiled plugin would have it) or behind
//! the second. Each gives 0 if it succeeded, or an error number; the process ends with
//! that.
#![allow(unsafe_code, reason = "an attacker does not ask the type system")]

use std::borrow::Cow;
use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

use super::Outcome::{Replaced, ReplacedEither, TableReplaced};
use super::calls::{
    EXECUTE, GROWS_DOWN, PAGE, PRIVATE, READ_WRITE, SHARED, X32, call, error, getpid_in_32_bits,
    map, number_of, own_code,
};
use super::forbidden::{FORBIDDEN, LOADING_ONLY};
use super::{Attack, By, ENDED, Outcome, Table};
use crate::wire::INPUT_FILE;
use crate::{INHERITED, SECRET};

/// When native code gets control.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Stage {
    /// While the compiled plugin is loaded, behind the first filter.
    First,
    /// When the plugin could run, behind the second.
    Second,
}

/// What native code does.
#[derive(Copy, Clone, Debug)]
pub enum Native {
    /// A system call without any sensible argument.
    Call(i64),
    /// Anything.
    Code(fn() -> i32),
    /// The same, with something to be done while the compiled plugin is loaded.
    Prepared(fn(), fn() -> i32),
}

impl Native {
    pub fn prepare(self) {
        if let Native::Prepared(prepare, _) = self {
            prepare();
        }
    }

    pub fn strike(self) -> i32 {
        match self {
            Native::Call(number) => call(number, [0; 6]),
            Native::Code(code) | Native::Prepared(_, code) => code(),
        }
    }
}

const FORBIDDEN_CALL: Outcome = Replaced("the sandbox ended it for a forbidden system call");
/// What a refused wish for memory ends with: error 12.
const NO_MEMORY: Outcome = Replaced("it ended with code 12");
const NOT_OPEN: Outcome = Replaced("it ended with code 9");
/// What was looked for is not there: error 61 (no data). Not 2, which is how 200 begins.
const NOT_THERE: Outcome = Replaced("it ended with code 61");

const fn attack(name: &'static str, code: fn() -> i32, outcome: Outcome) -> Attack {
    Attack::new(name, By::Native(Stage::Second, Native::Code(code)), outcome)
}

const fn while_loading(name: &'static str, code: fn() -> i32, outcome: Outcome) -> Attack {
    Attack::new(name, By::Native(Stage::First, Native::Code(code)), outcome)
}

/// In a process that reads or writes a table.
const fn at_table(
    name: &'static str,
    table: Table,
    code: fn() -> i32,
    reason: &'static str,
) -> Attack {
    attack(name, code, TableReplaced(reason)).table(table)
}

const FORBIDDEN_AT_TABLE: &str = "the sandbox ended it for a forbidden system call";

pub const ATTACKS: &[Attack] = &[
    // Reaching something else than what was given.
    attack("reads-a-file", reads_a_file, FORBIDDEN_CALL),
    attack("makes-a-file", makes_a_file, FORBIDDEN_CALL),
    attack("connects", connects, FORBIDDEN_CALL),
    attack("traces-the-supervisor", traces_the_supervisor, FORBIDDEN_CALL),
    attack("reads-the-supervisors-memory", reads_the_supervisors_memory, FORBIDDEN_CALL),
    attack("kills-the-supervisor", kills_the_supervisor, FORBIDDEN_CALL),
    attack("signals-a-stranger", signals_a_stranger, FORBIDDEN_CALL),
    attack("signals-another-worker", signals_another_worker, FORBIDDEN_CALL),
    attack("inherited-descriptor", inherited_descriptor, NOT_OPEN),
    attack("secret-in-the-environment", secret_in_the_environment, NOT_THERE),
    attack("forks", forks, FORBIDDEN_CALL),
    attack("starts-a-thread", starts_a_thread, FORBIDDEN_CALL),
    // Other dialects of system calls.
    attack("x32-getpid", || call(libc::SYS_getpid | X32, [0; 6]), FORBIDDEN_CALL),
    attack("x32-openat", || call(libc::SYS_openat | X32, [0; 6]), FORBIDDEN_CALL),
    attack("x32-mmap", || call(libc::SYS_mmap | X32, [0; 6]), FORBIDDEN_CALL),
    attack("32-bit-getpid", getpid_in_32_bits, FORBIDDEN_CALL),
    while_loading("loading-x32-getpid", || call(libc::SYS_getpid | X32, [0; 6]), FORBIDDEN_CALL),
    while_loading("loading-32-bit-getpid", getpid_in_32_bits, FORBIDDEN_CALL),
    // Memory that can be executed.
    attack("executable-memory", maps_code, FORBIDDEN_CALL),
    attack("executable-and-unwritable", || map(EXECUTE, PRIVATE, PAGE), FORBIDDEN_CALL),
    attack("made-executable", made_executable, FORBIDDEN_CALL),
    attack("made-executable-with-a-key", made_executable_with_a_key, FORBIDDEN_CALL),
    attack("executable-file", executable_file, FORBIDDEN_CALL),
    attack("executable-memory-file", executable_memory_file, FORBIDDEN_CALL),
    attack("moved-over-code", moved_over_code, Replaced("it was killed by SIGSEGV")),
    Attack::new(
        "code-changed-through-a-memory-file",
        By::Native(Stage::Second, Native::Prepared(map_code_of_a_file, change_code_of_the_file)),
        FORBIDDEN_CALL,
    ),
    // Memory that no limit counts, and memory beyond the limit.
    attack("shared-memory", || map(READ_WRITE, SHARED, PAGE), FORBIDDEN_CALL),
    attack("memory-that-grows-down", || map(READ_WRITE, GROWS_DOWN, PAGE), FORBIDDEN_CALL),
    while_loading("loading-shared-memory", || map(READ_WRITE, SHARED, PAGE), FORBIDDEN_CALL),
    while_loading(
        "loading-memory-that-grows-down",
        || map(READ_WRITE, GROWS_DOWN, PAGE),
        FORBIDDEN_CALL,
    ),
    attack("memory-beyond-the-limit", takes_a_gigabyte, NO_MEMORY),
    attack(
        "memory-of-the-machine",
        takes_all_memory,
        // The second where no control group can be had: then the limit is what stops it.
        ReplacedEither("it was killed by SIGKILL", "it ended with code 12"),
    )
    .machine(320),
    // Ways to end, told apart from a forbidden call.
    attack("panics", panics, Replaced("it was killed by SIGABRT; it said: a panic at ")),
    attack("aborts", || std::process::abort(), Replaced("it was killed by SIGABRT")),
    attack("cannot-allocate", cannot_allocate, Replaced("it was killed by SIGABRT")),
    attack("faults", faults, Replaced("it was killed by SIGSEGV")),
    attack("stops-itself-at-work", stops_itself, Replaced(ENDED)).timeout(200).waits(),
    // The same walls around one that reads a table, and one that writes one.
    at_table("table-reads-a-file", Table::Input, reads_a_file, FORBIDDEN_AT_TABLE),
    at_table("table-makes-a-file", Table::Input, makes_a_file, FORBIDDEN_AT_TABLE),
    at_table("table-connects", Table::Input, connects, FORBIDDEN_AT_TABLE),
    at_table("table-forks", Table::Input, forks, FORBIDDEN_AT_TABLE),
    at_table("table-makes-code", Table::Input, maps_code, FORBIDDEN_AT_TABLE),
    at_table("table-takes-memory", Table::Input, takes_a_gigabyte, "it ended with code 12"),
    at_table("table-made-reads-a-file", Table::Output, reads_a_file, FORBIDDEN_AT_TABLE),
    at_table("table-made-makes-a-file", Table::Output, makes_a_file, FORBIDDEN_AT_TABLE),
    at_table("table-made-connects", Table::Output, connects, FORBIDDEN_AT_TABLE),
    at_table("table-made-takes-memory", Table::Output, takes_a_gigabyte, "it ended with code 12"),
];

fn maps_code() -> i32 {
    map(READ_WRITE | EXECUTE, PRIVATE, PAGE)
}

fn takes_a_gigabyte() -> i32 {
    map(READ_WRITE, PRIVATE, 1 << 30)
}

/// An attack for each system call that a worker has no business with.
pub fn forbidden_calls() -> impl Iterator<Item = Attack> {
    let at = |stage, prefix: &'static str| {
        move |(name, number): &(&str, i64)| Attack {
            name: Cow::Owned(format!("{prefix}-{name}")),
            ..Attack::new("", By::Native(stage, Native::Call(*number)), FORBIDDEN_CALL)
        }
    };
    let serving = FORBIDDEN.iter().chain(LOADING_ONLY).map(at(Stage::Second, "call"));
    serving.chain(FORBIDDEN.iter().map(at(Stage::First, "loading-call")))
}

fn address<T: ?Sized>(of: *const T) -> u64 {
    of.cast::<u8>() as u64
}

/// The supervisor's process, which every worker is told.
fn supervisor() -> u64 {
    std::env::args().nth(4).and_then(|pid| pid.parse().ok()).unwrap_or(0)
}

fn open(path: &CStr, flags: i32) -> i32 {
    let here = libc::AT_FDCWD as u64;
    call(libc::SYS_openat, [here, address(path.as_ptr()), flags as u64, 0o600, 0, 0])
}

fn reads_a_file() -> i32 {
    open(c"/etc/passwd", libc::O_RDONLY)
}

fn makes_a_file() -> i32 {
    open(c"/tmp", libc::O_TMPFILE | libc::O_WRONLY)
}

/// Reaches for this machine's loopback. That nobody listens there is an answer, too.
fn connects() -> i32 {
    match std::net::TcpStream::connect("127.0.0.1:9") {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => 0,
        other => number_of(other),
    }
}

fn traces_the_supervisor() -> i32 {
    call(libc::SYS_ptrace, [u64::from(libc::PTRACE_SEIZE), supervisor(), 0, 0, 0, 0])
}

fn reads_the_supervisors_memory() -> i32 {
    number_of(std::fs::File::open(format!("/proc/{}/mem", supervisor())))
}

fn kills_the_supervisor() -> i32 {
    call(libc::SYS_kill, [supervisor(), libc::SIGKILL as u64, 0, 0, 0, 0])
}

/// Signal 0 asks whether one could be sent, and does no harm where it can.
fn signals_a_stranger() -> i32 {
    call(libc::SYS_kill, [1, 0, 0, 0, 0, 0])
}

/// Asks every process that may be a neighbour; there are some.
fn signals_another_worker() -> i32 {
    let own = u64::from(std::process::id());
    let reached = (own - 20..own + 20)
        .filter(|pid| ![own, supervisor()].contains(pid))
        .any(|pid| call(libc::SYS_kill, [pid, 0, 0, 0, 0, 0]) == 0);
    if reached { 0 } else { libc::ESRCH }
}

/// Closing tells whether something is open, and is allowed.
fn inherited_descriptor() -> i32 {
    call(libc::SYS_close, [INHERITED as u64, 0, 0, 0, 0, 0])
}

fn secret_in_the_environment() -> i32 {
    // As native code would look: not by way of the standard library.
    unsafe extern "C" {
        static environ: *const *const c_char;
    }
    // SAFETY: a list of strings that ends with a null pointer, made by the C library.
    let mut next = unsafe { environ };
    // SAFETY: as above; it is read up to its end.
    while let Some(variable) = unsafe { next.as_ref() }.filter(|variable| !variable.is_null()) {
        // SAFETY: as above.
        let variable = unsafe { CStr::from_ptr(*variable) };
        if variable.to_bytes().starts_with(SECRET.as_bytes()) {
            return 0;
        }
        // SAFETY: as above: the end was not reached yet.
        next = unsafe { next.add(1) };
    }
    libc::ENODATA
}

fn forks() -> i32 {
    // SAFETY: the child ends at once.
    match unsafe { libc::fork() } {
        -1 => error(),
        // SAFETY: nothing of this process is wanted any more.
        0 => unsafe { libc::_exit(0) },
        _ => 0,
    }
}

fn starts_a_thread() -> i32 {
    number_of(std::thread::Builder::new().spawn(|| {}))
}

fn made_executable() -> i32 {
    call(libc::SYS_mprotect, [own_code(), PAGE, READ_WRITE | EXECUTE, 0, 0, 0])
}

fn made_executable_with_a_key() -> i32 {
    call(libc::SYS_pkey_mprotect, [own_code(), PAGE, READ_WRITE | EXECUTE, u64::MAX, 0, 0])
}

fn executable_file() -> i32 {
    let (file, flags) = (INPUT_FILE as u64, libc::MAP_PRIVATE as u64);
    call(libc::SYS_mmap, [0, PAGE, EXECUTE, flags, file, 0])
}

fn executable_memory_file() -> i32 {
    let name = address(c"code".as_ptr());
    // SAFETY: makes a descriptor.
    let file = unsafe { libc::syscall(libc::SYS_memfd_create, name, 0) };
    if file < 0 {
        return error();
    }
    let flags = libc::MAP_PRIVATE as u64;
    call(libc::SYS_mmap, [0, PAGE, EXECUTE, flags, file as u64, 0])
}

/// Puts a writable page where code was, and calls it. The page keeps its own protection,
/// so this is a fault; but it need not be a forbidden call.
fn moved_over_code() -> i32 {
    const RETURN: u8 = 0xc3;
    let (from, to, flags) =
        (ptr::null_mut(), own_victim(), libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED);
    // SAFETY: a page of our own takes the place of a page of code that nobody needs.
    let moved = unsafe {
        let page = libc::mmap(from, PAGE as usize, READ_WRITE as i32, PRIVATE as i32, -1, 0);
        page.cast::<u8>().write_bytes(RETURN, PAGE as usize);
        libc::mremap(page, PAGE as usize, PAGE as usize, flags, to)
    };
    if moved == libc::MAP_FAILED {
        return error();
    }
    // SAFETY: it is not, and that is the point.
    unsafe { std::mem::transmute::<*mut c_void, extern "C" fn()>(moved)() };
    0
}

// A page of code that nobody needs.
std::arch::global_asm!(
    ".pushsection .text.victim, \"ax\"",
    ".balign 4096",
    "hostile_victim:",
    ".fill 4096, 1, 0xc3",
    ".popsection",
);

/// A page of code of a function that is never called, with nothing else on it.
fn own_victim() -> *mut c_void {
    unsafe extern "C" {
        fn hostile_victim();
    }
    hostile_victim as *mut c_void
}

static CODE_FILE: AtomicI32 = AtomicI32::new(-1);
static CODE: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// While loading: executable memory whose contents are those of an unsealed file.
fn map_code_of_a_file() {
    let (protection, flags) = (libc::PROT_READ | libc::PROT_EXEC, libc::MAP_PRIVATE);
    // SAFETY: a new file and a new mapping of it.
    unsafe {
        let file = libc::memfd_create(c"code".as_ptr(), 0);
        libc::ftruncate(file, PAGE as i64);
        let code = libc::mmap(ptr::null_mut(), PAGE as usize, protection, flags, file, 0);
        CODE_FILE.store(file, Ordering::Relaxed);
        CODE.store(code, Ordering::Relaxed);
    }
}

/// While serving: other contents for that memory, by writing to the file.
fn change_code_of_the_file() -> i32 {
    let (file, code) = (CODE_FILE.load(Ordering::Relaxed), CODE.load(Ordering::Relaxed));
    let written = call(libc::SYS_write, [file as u64, address(c"\xc3".as_ptr()), 1, 0, 0, 0]);
    // SAFETY: mapped before, and readable.
    let changed = code != libc::MAP_FAILED && unsafe { code.cast::<u8>().read_volatile() } == 0xc3;
    if written == 0 && changed { 0 } else { libc::EPERM }
}

/// Takes memory and uses it, until there is no more or something ends this process.
fn takes_all_memory() -> i32 {
    const PIECE: usize = 1 << 20;
    loop {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping, filled within its length.
        unsafe {
            let piece = libc::mmap(ptr::null_mut(), PIECE, protection, PRIVATE as i32, -1, 0);
            if piece == libc::MAP_FAILED {
                return error();
            }
            piece.cast::<u8>().write_bytes(1, PIECE);
        }
    }
}

#[allow(clippy::panic, reason = "on purpose")]
fn panics() -> i32 {
    panic!("on purpose")
}

fn cannot_allocate() -> i32 {
    std::hint::black_box(Vec::<u8>::with_capacity(64 << 30));
    0
}

fn faults() -> i32 {
    // SAFETY: it is not, and that is the point.
    unsafe { ptr::dangling::<i32>().byte_add(4096).read_volatile() }
}

fn stops_itself() -> i32 {
    // SAFETY: asks who this is.
    let (process, thread) = unsafe { (libc::getpid(), libc::gettid()) };
    call(libc::SYS_tgkill, [process as u64, thread as u64, libc::SIGSTOP as u64, 0, 0, 0])
}
