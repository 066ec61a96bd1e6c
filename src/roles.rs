//! One executable, several roles: how the supervisor starts this very program as a
//! worker, and how a worker knows that it is one.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, bail};
use command_fds::{CommandFdExt as _, FdMapping};
use nix::sys::signal::{self, SigSet, SigmaskHow};
use rustix::process::{Signal, getppid, set_parent_process_death_signal, setsid};

use crate::error::Error;
use crate::fault;
use crate::ipc::SocketDirectory;
use crate::sandbox::{self, Layer};
use crate::{compile, descriptors, worker};

/// The first argument of a process that is to be a worker. Nobody types it.
const MARK: &str = "--host-role";

/// What a child process is.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// Runs the plugin over ranges.
    Worker,
    /// Checks and compiles the plugin.
    Compile,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Role::Worker => "worker",
            Role::Compile => "compile",
        }
    }
}

/// The role of a process that tries a layer of the sandbox and says how it went.
const PROBE: &str = "probe";

/// Whether [`init`] has run, so that children will know what they are.
static INITIALISED: AtomicBool = AtomicBool::new(false);

/// Must be the first call in the `main` of every program that runs jobs: workers
/// are started by executing the program again, and in a worker this function does
/// the worker's work and does not return.
pub fn init() {
    INITIALISED.store(true, Ordering::Relaxed);
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|first| first != MARK) {
        return;
    }
    let rest: Vec<OsString> = arguments.collect();
    let code = match serve(&rest) {
        Ok(()) => 0,
        // Nobody reads a worker's standard error; the channel has said what could be
        // said. The code shows that it was no clean end.
        Err(_) => 1,
    };
    std::process::exit(code);
}

/// Tries a layer of the sandbox in a process of its own: `None` if it can be had, or
/// what stands in the way.
pub(crate) fn probe(layer: Layer) -> Result<Option<String>, Error> {
    if !INITIALISED.load(Ordering::Relaxed) {
        return Err(Error::NotInitialised);
    }
    let mut command = Command::new("/proc/self/exe");
    command
        .args([MARK, PROBE, layer.name()])
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let tried = without_signals(|| command.output())
        .map_err(|error| Error::system("start a process for a trial", error))?;
    let said = String::from_utf8_lossy(&tried.stdout).trim().to_owned();
    Ok(match (said.as_str(), tried.status.success()) {
        ("", true) => None,
        ("", false) => Some(format!("the trial ended with {}", tried.status)),
        _ => Some(said),
    })
}

/// For a compile worker's memory allocator: it keeps what it has. The process ends soon.
const NO_TRIMMING: &str = "glibc.malloc.trim_threshold=0xffffffffffffffff";

/// Starts this executable in a role, with `files` at the numbers from
/// [`descriptors::FIRST`] on and nothing else of ours.
pub(crate) fn spawn(
    role: Role,
    guard: &Path,
    directory: &SocketDirectory,
    files: Vec<OwnedFd>,
) -> Result<Child, Error> {
    if !INITIALISED.load(Ordering::Relaxed) {
        return Err(Error::NotInitialised);
    }
    let count = files.len();
    let mappings = (descriptors::FIRST..)
        .zip(files)
        .map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd })
        .collect();
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0(format!("host: {}", role.name()))
        .arg(MARK)
        .arg(role.name())
        .arg(guard)
        .arg(std::process::id().to_string())
        .arg(count.to_string())
        .current_dir("/")
        .env_clear()
        .env("TMPDIR", directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if role == Role::Compile {
        // Memory that a thread is done with goes back to the system in ways for which glibc
        // reads a file of /proc first; there is no opening files behind the filter.
        command.env("GLIBC_TUNABLES", NO_TRIMMING);
    }
    fault::hand_on(role.name(), &mut command);
    command
        .fd_mappings(mappings)
        .map_err(|error| Error::system("hand descriptors to a worker", io::Error::other(error)))?;
    without_signals(|| command.spawn())
        .map_err(|error| Error::system("start a worker process", error))
}

/// Does something while this thread takes no signal that asks a program to end or to pause.
/// Processes that are started then never take one: these are for the supervisor, and a
/// terminal, or whoever ends a whole group, sends them to its children as well.
fn without_signals<T>(start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    use signal::Signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
    let before = SigSet::from_iter([SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP])
        .thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let started = start();
    before.thread_set_mask()?;
    started
}

/// The life of a child process.
fn serve(arguments: &[OsString]) -> anyhow::Result<()> {
    if let [role, layer] = arguments
        && role == PROBE
    {
        let layer = layer.to_str().and_then(|name| name.parse().ok()).context("layer")?;
        if let Err(trouble) = sandbox::probe(layer) {
            // Standard output is a pipe to whoever asked.
            io::stdout().write_all(trouble.as_bytes())?;
        }
        return Ok(());
    }
    let [role, guard, parent, count] = arguments else {
        bail!("a worker is started by its supervisor, not by hand");
    };
    let text = |argument: &OsString| argument.to_str().map(str::to_owned);
    let parent: i32 = text(parent).and_then(|pid| pid.parse().ok()).context("parent")?;
    let count: i32 = text(count).and_then(|count| count.parse().ok()).context("count")?;
    let guard = text(guard).context("guard")?;

    // What a terminal does to the group in front of it is not for a worker.
    setsid()?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have died before the line above.
    if getppid().map(|pid| pid.as_raw_nonzero().get()) != Some(parent) {
        bail!("the supervisor is gone");
    }
    // When memory runs out, a worker goes before the supervisor does. Refused only
    // where it is set already or may not be known; then the kernel decides.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    close_from(descriptors::FIRST + count);
    fault::prepare();

    match role.to_str() {
        Some("worker") => worker::serve(&guard),
        Some("compile") => compile::serve(&guard),
        _ => bail!("unknown role"),
    }
}

/// Closes every descriptor from this number on: none of them is a worker's.
#[allow(unsafe_code, reason = "closing by number cannot be expressed with owned descriptors")]
fn close_from(first: i32) {
    let first = first.unsigned_abs();
    // SAFETY: the process has just begun; nothing in it owns a descriptor beyond the
    // inherited ones, which have smaller numbers. Kernels before 5.9 lack the call;
    // then descriptors that others forgot to mark close-on-exec stay open.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
}
