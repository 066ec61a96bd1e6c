//! One executable, several roles: how the supervisor starts this very program as a
//! worker, and how a worker knows that it is one.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, bail};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, posix_spawn};
use nix::sys::signal::{self, SigSet, SigmaskHow};
use rustix::process::{Pid, Signal, chdir, getppid, set_parent_process_death_signal, setsid};

use crate::error::Error;
use crate::fault;
use crate::ipc::SocketDirectory;
use crate::sandbox::{self, Layer};
use crate::{compile, descriptors, tables, worker};

/// The first argument of a process that is to be a worker. Nobody types it.
const MARK: &str = "--host-role";

/// What a child process is.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// Runs the plugin over ranges.
    Worker,
    /// Checks and compiles the plugin.
    Compile,
    /// Reads or writes a table.
    Table,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Role::Worker => "worker",
            Role::Compile => "compile",
            Role::Table => "table",
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
) -> Result<Pid, Error> {
    if !INITIALISED.load(Ordering::Relaxed) {
        return Err(Error::NotInitialised);
    }
    let arguments = [
        format!("host: {}", role.name()).into(),
        MARK.into(),
        role.name().into(),
        guard.as_os_str().to_owned(),
        std::process::id().to_string().into(),
        files.len().to_string().into(),
    ];
    let mut environment = vec![variable("TMPDIR", directory.path().as_os_str())];
    if role == Role::Compile {
        // Memory that a thread is done with goes back to the system in ways for which glibc
        // reads a file of /proc first; there is no opening files behind the filter.
        environment.push(variable("GLIBC_TUNABLES", NO_TRIMMING.as_ref()));
    }
    fault::hand_on(role.name(), &mut environment);
    let placed =
        Placed::new(files).map_err(|error| Error::system("hand descriptors to a worker", error))?;
    without_signals(|| execute(&arguments, &environment, &placed))
        .map_err(|error| Error::system("start a worker process", error))
}

/// A variable of an environment.
pub(crate) fn variable(name: &str, value: &OsStr) -> OsString {
    let mut variable = OsString::from(name);
    variable.push("=");
    variable.push(value);
    variable
}

/// Descriptors that a process is to have, none of them where another one is to come.
struct Placed {
    null: OwnedFd,
    files: Vec<OwnedFd>,
}

impl Placed {
    fn new(files: Vec<OwnedFd>) -> io::Result<Placed> {
        let end = descriptors::FIRST + files.len() as i32;
        let away = |file: OwnedFd| match file.as_raw_fd() < end {
            true => rustix::io::fcntl_dupfd_cloexec(&file, end),
            false => Ok(file),
        };
        let null = File::options().read(true).write(true).open("/dev/null")?;
        let files: Result<_, _> = files.into_iter().map(away).collect();
        Ok(Placed { null: away(null.into())?, files: files? })
    }
}

/// Executes this program in a new process, without copying this one first: it may be large,
/// and has threads.
fn execute(arguments: &[OsString], environment: &[OsString], placed: &Placed) -> io::Result<Pid> {
    let texts = |texts: &[OsString]| -> io::Result<Vec<CString>> {
        texts.iter().map(|text| Ok(CString::new(text.as_bytes())?)).collect()
    };
    let mut actions = PosixSpawnFileActions::init()?;
    for number in 0..descriptors::FIRST {
        actions.add_dup2(placed.null.as_raw_fd(), number)?;
    }
    for (file, number) in placed.files.iter().zip(descriptors::FIRST..) {
        actions.add_dup2(file.as_raw_fd(), number)?;
    }
    let attributes = PosixSpawnAttr::init()?;
    let (arguments, environment) = (texts(arguments)?, texts(environment)?);
    let pid = posix_spawn(c"/proc/self/exe", &actions, &attributes, &arguments, &environment)?;
    Pid::from_raw(pid.as_raw()).ok_or_else(|| io::ErrorKind::NotFound.into())
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
    chdir("/")?;
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
        Some("table") => tables::serve(&guard),
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
