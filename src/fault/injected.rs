//! Faults that are planned in the environment:
//!
//! `HOST_FAULTS=ROLE/POINT[TEXT]#START@HIT:ACTION;...`
//!
//! `ROLE` is `supervisor`, `worker`, `compile` or `table`.
//! `TEXT`, `START` and `HIT` may be left out. `TEXT` stands for a point with a record: only
//! one that has this text. `START` is the number of a process among those of its role that
//! the supervisor has started, from 1; `HIT` says which time the point is reached in that
//! process, from 1. Actions: `kill`, `stop`, `interrupt` (by a signal to itself),
//! `delay=MS`, `fail=ERRNO`, `crash`.
//!
//! `HOST_FAULTS_LOG` names a file that the test has made, to be mapped by every process: a
//! counter of 8 bytes, and then a line of [`LINE`] bytes for each fault, written before it
//! happens. (A locked worker can write no file.)
#![allow(unsafe_code, reason = "a mapping, signals to itself, and crashes, for tests only")]

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::mm::{MapFlags, ProtFlags, mmap};

use crate::protocol::{Request, Response};
use crate::roles::variable;

const PLAN: &str = "HOST_FAULTS";
const LOG: &str = "HOST_FAULTS_LOG";
const START: &str = "HOST_FAULTS_START";
const ROLE: &str = "HOST_FAULTS_ROLE";
/// Bytes of a line of the log.
const LINE: usize = 120;
/// Lines that there are room for.
const LINES: usize = 1000;

static STATE: OnceLock<State> = OnceLock::new();
/// Processes that were started: workers, compile workers, table workers.
static STARTED: [AtomicU32; 3] = [AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0)];

struct State {
    /// What this process is: the first part of the names of its points.
    role: String,
    faults: Vec<Fault>,
    log: Option<Log>,
}

struct Fault {
    point: String,
    text: Option<String>,
    start: Option<u32>,
    hit: Option<u32>,
    hits: AtomicU32,
    action: Action,
}

#[derive(Copy, Clone, Debug)]
enum Action {
    Kill,
    Stop,
    Interrupt,
    Delay(Duration),
    Fail(i32),
    Crash,
}

/// The mapped log.
struct Log(*mut u8);

// SAFETY: lines are taken by an atomic counter, so that nobody writes where another does.
unsafe impl Send for Log {}
// SAFETY: as above.
unsafe impl Sync for Log {}

pub(crate) fn prepare() {
    state();
}

fn state() -> &'static State {
    STATE.get_or_init(|| {
        let plan = std::env::var(PLAN).unwrap_or_default();
        let start: Option<u32> = std::env::var(START).ok().and_then(|start| start.parse().ok());
        let faults = plan.split(';').filter_map(parse);
        let mine = |fault: &Fault| fault.start.is_none() || fault.start == start;
        let log = std::env::var_os(LOG).and_then(|path| Log::open(&path).ok());
        let role = std::env::var(ROLE).unwrap_or_else(|_| "supervisor".into());
        State { role, faults: faults.filter(mine).collect(), log }
    })
}

fn parse(text: &str) -> Option<Fault> {
    let (place, action) = text.rsplit_once(':')?;
    let action = match action.split_once('=') {
        None if action == "kill" => Action::Kill,
        None if action == "stop" => Action::Stop,
        None if action == "interrupt" => Action::Interrupt,
        None if action == "crash" => Action::Crash,
        Some(("delay", millis)) => Action::Delay(Duration::from_millis(millis.parse().ok()?)),
        Some(("fail", errno)) => Action::Fail(errno.parse().ok()?),
        _ => return None,
    };
    let (place, hit) = match place.rsplit_once('@') {
        Some((place, hit)) => (place, Some(hit.parse().ok()?)),
        None => (place, None),
    };
    let (place, start) = match place.rsplit_once('#') {
        Some((place, start)) => (place, Some(start.parse().ok()?)),
        None => (place, None),
    };
    let (point, text) = match place.strip_suffix(']').and_then(|place| place.split_once('[')) {
        Some((point, text)) => (point, Some(text.to_owned())),
        None => (place, None),
    };
    let (point, hits) = (point.to_owned(), AtomicU32::new(0));
    Some(Fault { point, text, start, hit, hits, action })
}

impl Log {
    fn open(path: &std::ffi::OsStr) -> io::Result<Log> {
        let file = File::options().read(true).write(true).open(path)?;
        let length = 8 + LINE * LINES;
        file.set_len(length as u64)?;
        let protection = ProtFlags::READ.union(ProtFlags::WRITE);
        // SAFETY: a new mapping at a place of the kernel's choice, never unmapped.
        let start =
            unsafe { mmap(std::ptr::null_mut(), length, protection, MapFlags::SHARED, &file, 0)? };
        Ok(Log(start.cast()))
    }

    fn write(&self, line: &str) {
        // SAFETY: the mapping begins on a page, and this word is only used as an atomic.
        let counter = unsafe { &*self.0.cast::<AtomicU64>() };
        let number = counter.fetch_add(1, Ordering::Relaxed) as usize;
        if number >= LINES {
            return;
        }
        let length = line.len().min(LINE - 1);
        // SAFETY: this line is inside the mapping, and nobody else has its number.
        unsafe {
            let to = self.0.add(8 + number * LINE);
            std::ptr::copy_nonoverlapping(line.as_ptr(), to, length);
        }
    }
}

pub(crate) fn pass(point: &str) {
    // What cannot fail is not made to.
    let _ = reach(point, None);
}

pub(crate) fn at(point: &str) -> io::Result<()> {
    reach(point, None)
}

pub(crate) fn at_record(point: &str, record: &str) {
    let _ = reach(point, Some(record));
}

fn reach(point: &str, record: Option<&str>) -> io::Result<()> {
    let state = state();
    if state.faults.is_empty() {
        return Ok(());
    }
    let point = format!("{}/{point}", state.role);
    for fault in state.faults.iter().filter(|fault| fault.point == point) {
        if let Some(text) = &fault.text
            && !record.is_some_and(|record| record.contains(text))
        {
            continue;
        }
        let hit = fault.hits.fetch_add(1, Ordering::Relaxed) + 1;
        if fault.hit.is_some_and(|wanted| wanted != hit) {
            continue;
        }
        if let Some(log) = &state.log {
            log.write(&format!("{point} {:?} {}", fault.action, std::process::id()));
        }
        match fault.action {
            Action::Kill => signal(libc::SIGKILL),
            Action::Stop => signal(libc::SIGSTOP),
            Action::Interrupt => signal(libc::SIGINT),
            Action::Delay(time) => {
                let until = Instant::now() + time;
                // A locked worker cannot sleep.
                while Instant::now() < until {
                    std::hint::spin_loop();
                }
            }
            Action::Fail(errno) => return Err(io::Error::from_raw_os_error(errno)),
            Action::Crash => {
                // SAFETY: none, and that is what it is for.
                unsafe { std::ptr::null_mut::<u8>().write_volatile(1) };
            }
        }
    }
    Ok(())
}

/// Sends a signal to this process, in the only way that a locked worker has.
fn signal(number: i32) {
    // SAFETY: plain system calls without memory.
    unsafe {
        let (process, thread) = (libc::getpid(), libc::syscall(libc::SYS_gettid));
        libc::syscall(libc::SYS_tgkill, process, thread, number);
    }
}

pub(crate) fn hand_on(role: &str, environment: &mut Vec<OsString>) {
    let which = match role {
        "worker" => 0,
        "compile" => 1,
        _ => 2,
    };
    let start = STARTED[which].fetch_add(1, Ordering::Relaxed) + 1;
    environment.push(variable(START, start.to_string().as_ref()));
    environment.push(variable(ROLE, role.as_ref()));
    for name in [PLAN, LOG] {
        if let Some(value) = std::env::var_os(name) {
            environment.push(variable(name, &value));
        }
    }
}

fn request(request: &Request) -> &'static str {
    match request {
        Request::Prepare { .. } => "prepare",
        Request::Compile { .. } => "compile",
        Request::Table { .. } => "table",
        Request::Rows { .. } => "rows",
        Request::Start(_) => "start",
        Request::Process(_) => "process",
        Request::States(_) => "states",
        Request::Fetch { .. } => "fetch",
        Request::Stop => "stop",
    }
}

fn response(response: &Response) -> &'static str {
    match response {
        Response::Hello { .. } => "hello",
        Response::Locked { .. } => "locked",
        Response::Online => "online",
        Response::Done(_) => "done",
        Response::Piece(_) => "piece",
        Response::Compiled(_) => "compiled",
        Response::Fatal { .. } => "fatal",
    }
}

pub(crate) fn before_request(about: &Request) {
    pass(&format!("before-{}", request(about)));
}

pub(crate) fn after_request(about: &Request) {
    pass(&format!("after-{}", request(about)));
}

pub(crate) fn before_response(about: &Response) {
    pass(&format!("before-{}", response(about)));
}

pub(crate) fn after_response(about: &Response) {
    pass(&format!("after-{}", response(about)));
}
