//! A worker process as the supervisor sees it: started, spoken to, listened to,
//! and certainly ended. Dropping the handle ends the process.

use std::fmt;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::time::TimeValLike as _;
use nix::time::clock_getcpuclockid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, kill_process, pidfd_open, pidfd_send_signal,
    waitpid,
};

use crate::error::Error;
use crate::fault;
use crate::ipc::{Courier, Guard, Heard, Requests, SocketDirectory, Violation};
use crate::protocol::Request;
use crate::roles::{self, Role};

/// How long a worker may take for any step of its start: a busy machine is slow,
/// but nothing waits without a limit. (Tests that stop one wait less long.)
pub(crate) const HANDSHAKE: Duration =
    Duration::from_secs(if cfg!(feature = "faults") { 3 } else { 20 });

/// Responses that may be on their way at once: a greeting or one answer for each
/// slot, and a last word.
const MAX_UNREAD: u32 = 4;

/// How a worker's process came to its end.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Exit {
    /// It ended by itself with this code.
    Code(i32),
    /// A signal ended it that the supervisor did not send.
    Signal(i32),
    /// The supervisor ended it.
    Ended,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "it ended with code {code}"),
            Exit::Signal(signal) => {
                let name = nix::sys::signal::Signal::try_from(*signal);
                match name {
                    Ok(nix::sys::signal::Signal::SIGSYS) => f.write_str(
                        "the sandbox ended it for a forbidden system call (it was killed by SIGSYS)",
                    ),
                    Ok(name) => write!(f, "it was killed by {name}"),
                    Err(_) => write!(f, "it was killed by signal {signal}"),
                }
            }
            Exit::Ended => f.write_str("the supervisor ended it"),
        }
    }
}

/// A child process in one of its roles.
pub(crate) struct WorkerHandle {
    pid: Pid,
    process: Arc<OwnedFd>,
    /// Until it has connected.
    courier: Option<Courier>,
    requests: Option<Requests>,
    unread: Arc<AtomicU32>,
    guard: Option<JoinHandle<()>>,
    killed: bool,
    exit: Option<WaitStatus>,
}

impl WorkerHandle {
    /// Starts a process and a thread that listens to it: `hear` gets everything it
    /// says and, as the last thing, that it is gone. `number` must be new in
    /// `directory`.
    ///
    /// Must be called from a thread that outlives the worker: the kernel ends the
    /// worker together with the thread that started it.
    pub fn spawn(
        role: Role,
        directory: &SocketDirectory,
        number: u64,
        files: Vec<OwnedFd>,
        mut hear: impl FnMut(Heard) + Send + 'static,
    ) -> Result<WorkerHandle, Error> {
        let guard = Guard::bind(directory, number)
            .map_err(|error| Error::system("open a socket for a worker", error))?;
        fault::pass("before-spawn");
        let pid = roles::spawn(role, guard.path(), directory, files)?;
        fault::pass("after-spawn");
        let process = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(process) => Arc::new(process),
            Err(error) => {
                // Without a handle it could not be watched: it must not stay.
                let _ = kill_process(pid, Signal::KILL);
                let _ = waitpid(Some(pid), WaitOptions::empty());
                return Err(Error::system("watch a worker process", error.into()));
            }
        };
        let mut handle = WorkerHandle {
            pid,
            process: Arc::clone(&process),
            courier: None,
            requests: None,
            unread: Arc::new(AtomicU32::new(0)),
            guard: None,
            killed: false,
            exit: None,
        };
        let courier = Courier::new();
        handle.courier =
            Some(courier.map_err(|error| Error::system("prepare for a worker", error))?);
        let (unread, pid) = (Arc::clone(&handle.unread), handle.pid());
        let thread = std::thread::Builder::new().name("guard".into()).spawn(move || {
            guard.stand(process.as_fd(), pid, |heard| {
                if matches!(heard, Heard::Response(_))
                    && unread.fetch_add(1, Ordering::Relaxed) >= MAX_UNREAD
                {
                    return Err(Violation::Flood);
                }
                hear(heard);
                Ok(())
            });
        });
        handle.guard =
            Some(thread.map_err(|error| Error::system("start a thread for a worker", error))?);
        Ok(handle)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_pid().unsigned_abs()
    }

    /// Whether it has greeted and been answered.
    pub fn is_connected(&self) -> bool {
        self.requests.is_some()
    }

    /// Has to be called for each response taken, so that floods are told from answers.
    pub fn read_one(&self) {
        self.unread.fetch_sub(1, Ordering::Relaxed);
    }

    /// Answers a greeting: connects and sends what completes the handshake.
    pub fn connect(
        &mut self,
        directory: &SocketDirectory,
        name: &str,
        prepare: Request,
    ) -> io::Result<()> {
        if self.has_ended(Duration::ZERO) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let courier = self.courier.take().ok_or(io::ErrorKind::NotConnected)?;
        self.requests = Some(Requests::connect(directory, name, courier)?);
        self.send(prepare)
    }

    /// Sends a request. An error means that the worker is gone or going; that it is
    /// gone will be heard.
    pub fn send(&self, request: Request) -> io::Result<()> {
        fault::before_request(&request);
        let sent = match &self.requests {
            Some(requests) => requests.send(request.clone()).map_err(io::Error::other),
            None => Err(io::ErrorKind::NotConnected.into()),
        };
        fault::after_request(&request);
        sent
    }

    /// CPU time that the process has used so far; `None` if it cannot be known.
    pub fn cpu_time(&self) -> Option<Duration> {
        let pid = nix::unistd::Pid::from_raw(self.pid.as_raw_pid());
        let clock = clock_getcpuclockid(pid).ok()?;
        let time = clock.now().ok()?;
        u64::try_from(time.num_nanoseconds()).ok().map(Duration::from_nanos)
    }

    /// Ends the process without asking it.
    pub fn kill(&mut self) {
        if !self.has_ended(Duration::ZERO) {
            self.killed = true;
            // It can only have ended meanwhile, which is what is wanted.
            let _ = pidfd_send_signal(&*self.process, Signal::KILL);
        }
    }

    /// Waits for the end of a process whose channel has closed. If it does not end
    /// by itself in a moment it is killed. Gives its CPU time as well, if that is known.
    pub fn end(&mut self) -> (Exit, Option<Duration>) {
        if !self.has_ended(Duration::from_secs(1)) {
            self.kill();
            // Only then its time stands still.
            self.has_ended(Duration::from_secs(1));
        }
        let cpu = self.cpu_time();
        (self.reap(), cpu)
    }

    fn reap(&mut self) -> Exit {
        let status = match self.exit {
            Some(status) => Some(status),
            None => self.wait(),
        };
        self.exit = status;
        match status {
            _ if self.killed => Exit::Ended,
            Some(status) => match (status.terminating_signal(), status.exit_status()) {
                (Some(signal), _) => Exit::Signal(signal),
                (None, code) => Exit::Code(code.unwrap_or(-1)),
            },
            None => Exit::Ended,
        }
    }

    fn wait(&self) -> Option<WaitStatus> {
        let waited = rustix::io::retry_on_intr(|| waitpid(Some(self.pid), WaitOptions::empty()));
        waited.ok().flatten().map(|(_, status)| status)
    }

    /// Whether the process ends within this time.
    pub fn has_ended(&self, limit: Duration) -> bool {
        let limit =
            Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: limit.subsec_nanos().into() };
        let mut fds = [PollFd::new(&*self.process, PollFlags::IN)];
        poll(&mut fds, Some(&limit)).is_ok_and(|ready| ready > 0)
    }
}

impl Drop for WorkerHandle {
    fn drop(&mut self) {
        self.kill();
        if self.exit.is_none() {
            // Its exit status interests nobody any more.
            let _ = self.wait();
        }
        if let Some(guard) = self.guard.take() {
            // It ends with the process; a panic in it has been reported by itself.
            let _ = guard.join();
        }
    }
}
