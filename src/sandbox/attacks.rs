//! Attacks on the sandbox by native code, as a plugin that has broken out of
//! WebAssembly would make them. Each runs in a child process that locks itself with the
//! production policy, all of it or one layer alone, and then tries what it must not be
//! able to do.
#![allow(unsafe_code, reason = "an attacker does not ask the type system")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, RawFd};
use std::path::Path;

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

use super::{Layer, Layers, Plan, Policy, Seal, WorkerDescriptors, enter};
use calls::{
    EXECUTE, GROWS_DOWN, PAGE, PRIVATE, READ_WRITE, SHARED, call, error, map, number_of, own_code,
};
#[cfg(target_arch = "x86_64")]
use calls::{X32, getpid_in_32_bits};
use forbidden::{FORBIDDEN, LOADING_ONLY};

// What is tried here is tried by `tests/hostile` in a real worker.
#[path = "../../tests/hostile/attacks/calls.rs"]
mod calls;
#[path = "../../tests/hostile/attacks/forbidden.rs"]
mod forbidden;

/// Data that a child may have, in bytes.
const MEMORY: u64 = 256 << 20;

/// The descriptors that a locked child may use. None of them is open.
const DESCRIPTORS: WorkerDescriptors =
    WorkerDescriptors { requests: 900, responses: 901, inputs: 902..903 };

/// How far a child locks itself before it attacks.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Stage {
    /// Down to the first filter: what a hostile compiled plugin meets while it loads.
    First,
    /// For good: what a plugin meets.
    Second,
}

/// How an attack ended.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum End {
    /// The kernel ended the process for a forbidden call.
    Killed,
    /// The call failed with this error number.
    Refused(i32),
    /// It succeeded.
    Success,
}

/// Runs an attack (which gives an error number, or 0 for success) in a child that has
/// these layers.
fn attack(layers: Layers, stage: Stage, attack: impl FnOnce() -> i32) -> End {
    // SAFETY: the child runs nothing but the sandbox and the attack, and ends without
    // returning. The allocator's locks are taken care of by the C library's fork.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let plan = Plan { wanted: layers, demanded: layers };
            let locked = enter(plan, &Policy::Worker(DESCRIPTORS), MEMORY).is_ok()
                && (stage == Stage::First
                    || Seal::new(layers, &DESCRIPTORS).is_ok_and(|seal| seal.apply().is_ok()));
            let code = if locked { attack() } else { 255 };
            // SAFETY: ends the child at once, without anything of the parent's.
            unsafe { libc::_exit(code) }
        }
        ForkResult::Parent { child } => match waitpid(child, None).unwrap() {
            WaitStatus::Signaled(_, Signal::SIGSYS, _) => End::Killed,
            WaitStatus::Exited(_, 0) => End::Success,
            WaitStatus::Exited(_, 255) => panic!("the child could not lock itself: {layers}"),
            WaitStatus::Exited(_, error) => End::Refused(error),
            other => panic!("the child ended in another way: {other:?}"),
        },
    }
}

const SECCOMP: Layers = Layers::FLOOR;

#[test]
fn forbidden_calls_end_the_process() {
    for stage in [Stage::First, Stage::Second] {
        for (name, number) in FORBIDDEN {
            let end = attack(SECCOMP, stage, || call(*number, [0; 6]));
            assert_eq!(end, End::Killed, "{name}, {stage:?}");
        }
    }
}

#[test]
fn what_loading_needs_is_gone_afterwards() {
    for (name, number) in LOADING_ONLY {
        let end = attack(SECCOMP, Stage::Second, || call(*number, [0; 6]));
        assert_eq!(end, End::Killed, "{name}");
    }
}

#[test]
fn without_the_filter_the_same_calls_go_through() {
    let end = attack(Layers::NONE, Stage::Second, || call(libc::SYS_getppid, [0; 6]));
    assert_eq!(end, End::Success);
    let end = attack(Layers::NONE, Stage::Second, || opens("/etc/passwd"));
    assert_eq!(end, End::Success);
}

#[test]
fn descriptors_are_good_for_one_thing_each() {
    let on = |number: i64, descriptor: RawFd| {
        attack(SECCOMP, Stage::Second, || call(number, [descriptor as u64, 0, 0, 0, 0, 0]))
    };
    // Those that are allowed are not open here, which the kernel says.
    assert_eq!(on(libc::SYS_recvmsg, DESCRIPTORS.requests), End::Refused(libc::EBADF));
    assert_eq!(on(libc::SYS_sendmsg, DESCRIPTORS.responses), End::Refused(libc::EBADF));
    assert_eq!(on(libc::SYS_pread64, DESCRIPTORS.inputs.start), End::Refused(libc::EBADF));
    for other in [0, 1, 2, DESCRIPTORS.requests] {
        assert_eq!(on(libc::SYS_sendmsg, other), End::Killed, "send on {other}");
        assert_eq!(on(libc::SYS_pread64, other), End::Killed, "read from {other}");
    }
    assert_eq!(on(libc::SYS_recvmsg, DESCRIPTORS.responses), End::Killed);
}

#[test]
fn nothing_becomes_executable_while_a_plugin_runs() {
    let own = own_code();
    let second = |what: fn(u64) -> i32| attack(SECCOMP, Stage::Second, || what(own));
    assert_eq!(second(|_| map(READ_WRITE, PRIVATE, PAGE)), End::Success);
    assert_eq!(second(|_| map(READ_WRITE | EXECUTE, PRIVATE, PAGE)), End::Killed);
    assert_eq!(second(|_| map(EXECUTE, PRIVATE, PAGE)), End::Killed);
    let protect = |own| call(libc::SYS_mprotect, [own, PAGE, READ_WRITE | EXECUTE, 0, 0, 0]);
    assert_eq!(second(protect), End::Killed);
    let pkey = |own| call(libc::SYS_pkey_mprotect, [own, PAGE, EXECUTE, u64::MAX, 0, 0]);
    assert_eq!(second(pkey), End::Killed);
    let remap = |_| call(libc::SYS_remap_file_pages, [0; 6]);
    assert_eq!(second(remap), End::Killed);
    assert_eq!(second(|_| call(libc::SYS_shmat, [0, 0, 0, 0, 0, 0])), End::Killed);
}

#[test]
fn memory_that_no_limit_counts_cannot_be_had() {
    for flags in [SHARED, GROWS_DOWN] {
        let end = attack(SECCOMP, Stage::Second, || map(READ_WRITE, flags, PAGE));
        assert_eq!(end, End::Killed, "{flags:x}");
    }
}

#[test]
fn the_limit_on_data_holds() {
    let rlimits = Layers::from(Layer::Rlimits);
    let end = attack(rlimits, Stage::First, || map(READ_WRITE, PRIVATE, MEMORY + PAGE));
    assert_eq!(end, End::Refused(libc::ENOMEM));
    let end = attack(Layers::NONE, Stage::First, || map(READ_WRITE, PRIVATE, MEMORY + PAGE));
    assert_eq!(end, End::Success);
    // Address space alone is not counted: wasmtime reserves gigabytes of it.
    let none = libc::PROT_NONE as u64;
    let end = attack(rlimits, Stage::First, || map(none, PRIVATE, 8 << 30));
    assert_eq!(end, End::Success);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn calls_in_other_dialects_end_the_process() {
    for number in [libc::SYS_getpid, libc::SYS_openat, libc::SYS_mmap] {
        let end = attack(SECCOMP, Stage::Second, || call(number | X32, [0; 6]));
        assert_eq!(end, End::Killed, "x32 call {number}");
    }
    let end = attack(SECCOMP, Stage::Second, getpid_in_32_bits);
    assert_eq!(end, End::Killed, "a 32-bit call");
}

/// Tries to open a file that everybody may read.
fn opens(path: &str) -> i32 {
    number_of(std::fs::File::open(path).and_then(|mut file| file.read(&mut [0])))
}

/// Tries to make a file.
fn makes(path: impl AsRef<Path>) -> i32 {
    number_of(std::fs::write(path, "x"))
}

/// Tries to reach a port of this machine.
fn connects(port: SocketAddr) -> i32 {
    number_of(TcpStream::connect(port))
}

/// Something that listens, and where.
fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap();
    (listener, port)
}

/// Layers that this machine does not allow are not tested: the sandbox's own rule for
/// them (refuse, or say so) is tested from outside.
fn allowed(layer: Layer) -> bool {
    // SAFETY: as in `attack`.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let plan = Plan { wanted: layer.into(), demanded: layer.into() };
            let entered = enter(plan, &Policy::CompileWorker, MEMORY).is_ok();
            // SAFETY: as in `attack`.
            unsafe { libc::_exit(i32::from(!entered)) }
        }
        ForkResult::Parent { child } => {
            let here = waitpid(child, None).unwrap() == WaitStatus::Exited(child, 0);
            if !here {
                // Written past the test's capture, so that it is seen in every run.
                let note = format!("note: this machine does not allow {layer}\n");
                let _ = std::io::stderr().write_all(note.as_bytes());
            }
            here
        }
    }
}

#[test]
fn namespaces_alone_leave_no_file_and_no_network() {
    if !allowed(Layer::Namespaces) {
        return;
    }
    let alone = Layers::from(Layer::Namespaces);
    let end = attack(alone, Stage::First, || opens("/etc/passwd"));
    assert_eq!(end, End::Refused(libc::ENOENT));
    let end = attack(alone, Stage::First, || opens("/proc/self/status"));
    assert_eq!(end, End::Refused(libc::ENOENT));
    let end = attack(alone, Stage::First, || makes("/new"));
    assert_eq!(end, End::Refused(libc::EROFS));
    // Not even the loopback is up: nothing that listens on this machine is reached.
    let (_listener, port) = listener();
    assert_eq!(attack(Layers::NONE, Stage::First, || connects(port)), End::Success);
    let end = attack(alone, Stage::First, || connects(port));
    assert_eq!(end, End::Refused(libc::ENETUNREACH));
}

#[test]
fn landlock_alone_leaves_no_file_and_no_port() {
    if !allowed(Layer::Landlock) {
        return;
    }
    let alone = Layers::from(Layer::Landlock);
    for path in ["/etc/passwd", "/proc/self/status", "/"] {
        let end = attack(alone, Stage::First, || opens(path));
        assert_eq!(end, End::Refused(libc::EACCES), "{path}");
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("new");
    let end = attack(alone, Stage::First, || makes(&file));
    assert_eq!(end, End::Refused(libc::EACCES));
}

#[test]
fn landlock_alone_reaches_no_process_and_no_port_outside() {
    if !allowed(Layer::Landlock) {
        return;
    }
    let alone = Layers::from(Layer::Landlock);
    let parent = u64::from(std::process::id());
    let seize = || call(libc::SYS_ptrace, [libc::PTRACE_SEIZE.into(), parent, 0, 0, 0, 0]);
    assert_eq!(attack(alone, Stage::First, seize), End::Refused(libc::EPERM));
    let (_listener, port) = listener();
    let version = super::landlock::version().unwrap();
    if version >= 4 {
        let end = attack(alone, Stage::First, || connects(port));
        assert_eq!(end, End::Refused(libc::EACCES));
    }
    // Signal 0 asks whether a signal could be sent.
    let signals = || call(libc::SYS_kill, [parent, 0, 0, 0, 0, 0]);
    assert_eq!(attack(Layers::NONE, Stage::First, signals), End::Success);
    if version >= 6 {
        assert_eq!(attack(alone, Stage::First, signals), End::Refused(libc::EPERM));
    }
}

#[test]
fn an_ordinary_user_cannot_fork_with_the_limits_alone() {
    const NOBODY: u32 = 65534;
    // In a user namespace that knows nobody else.
    const ALWAYS_ROOT: i32 = 253;
    let forks = || {
        // Root is exempt from the limit: as root this test becomes somebody else.
        // SAFETY: changes this child's user.
        if unsafe { libc::geteuid() == 0 && libc::setuid(NOBODY) != 0 } {
            return ALWAYS_ROOT;
        }
        // SAFETY: the child ends at once.
        match unsafe { libc::fork() } {
            -1 => error(),
            // SAFETY: ends the child's child at once.
            0 => unsafe { libc::_exit(0) },
            _ => 0,
        }
    };
    let rlimits = Layers::from(Layer::Rlimits);
    match attack(Layers::NONE, Stage::First, forks) {
        End::Refused(ALWAYS_ROOT) => {}
        free => {
            assert_eq!(free, End::Success);
            assert_eq!(attack(rlimits, Stage::First, forks), End::Refused(libc::EAGAIN));
        }
    }
}

#[test]
fn without_privileges_root_is_nobody() {
    let alone = Layers::from(Layer::NoNewPrivs);
    for (name, number) in [
        ("chroot", libc::SYS_chroot),
        ("mount", libc::SYS_mount),
        ("setns", libc::SYS_setns),
        ("sethostname", libc::SYS_sethostname),
    ] {
        let path = c"/".as_ptr() as u64;
        let end = attack(alone, Stage::First, || call(number, [path, path, path, 0, 0, 0]));
        assert!(
            matches!(end, End::Refused(libc::EPERM | libc::EBADF)),
            "{name} ended with {end:?}"
        );
    }
}

#[test]
fn no_core_is_dumped_and_no_file_grows() {
    let file = tempfile::tempfile().unwrap();
    let number = file.as_raw_fd() as u64;
    let rlimits = Layers::from(Layer::Rlimits);
    let write = || {
        // SAFETY: the signal that goes with the refusal would end the child.
        unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
        call(libc::SYS_write, [number, c"x".as_ptr() as u64, 1, 0, 0, 0])
    };
    assert_eq!(attack(rlimits, Stage::First, write), End::Success);
    assert_eq!(attack(rlimits, Stage::Second, write), End::Refused(libc::EFBIG));
    let core = || {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Core);
        i32::from(limit.current != Some(0) || limit.maximum != Some(0))
    };
    assert_eq!(attack(rlimits, Stage::First, core), End::Success);
}
