//! Where plugins are when one looks: a timer of the process ticks, and at its next function or
//! turn of a loop the plugin is asked which functions it is in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustc_demangle::demangle;
use wasmtime::{Engine, FrameInfo, Store, UpdateDeadline, WasmBacktrace};

use super::Guest;
use super::driver;
use crate::protocol::cut_text;

/// CPU time between two ticks, in microseconds; the kernel may take longer steps.
const TICK: i64 = 1000;
/// How much of a function's name is kept, in bytes.
const NAME: usize = 160;
/// How many functions of a stack are kept from either end.
const ENDS: usize = 24;
/// How many different stacks are kept until they are taken.
const STACKS: usize = 1000;

/// Functions from the outermost on, and how often they were found.
pub(crate) type Stack = (Vec<String>, u64);

/// What was found since the last time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Arc<Mutex<Found>>);

#[derive(Debug, Default)]
struct Found {
    stacks: HashMap<Vec<String>, u64>,
    /// How often there was no room for another stack.
    elsewhere: u64,
}

impl Samples {
    /// Takes what was found, what was found most often first.
    pub fn take(&self) -> (Vec<Stack>, u64) {
        let Found { stacks, elsewhere } =
            std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut stacks: Vec<_> = stacks.into_iter().collect();
        stacks.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        (stacks, elsewhere)
    }

    fn add(&self, stack: Vec<String>) {
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = found.stacks.len() >= STACKS;
        match found.stacks.get_mut(&stack) {
            Some(count) => *count += 1,
            None if is_full => found.elsewhere += 1,
            None => {
                found.stacks.insert(stack, 1);
            }
        }
    }

    /// Has the instance of this store asked at each tick. Its engine has to have been told of
    /// ticks ([`crate::protocol::Metering::Ticks`]).
    pub(super) fn ask(&self, store: &mut Store<Guest>) {
        store.set_epoch_deadline(1);
        let samples = self.clone();
        store.epoch_deadline_callback(move |context| {
            samples.add(stack(&WasmBacktrace::force_capture(&context)));
            Ok(UpdateDeadline::Continue(1))
        });
    }
}

/// The functions of a backtrace, the outermost first.
fn stack(backtrace: &WasmBacktrace) -> Vec<String> {
    let own = |frame: &&FrameInfo| frame.module().name() != Some(driver::NAME);
    let mut names = Vec::new();
    // Both go from the innermost on; functions that were put into others are told of as well.
    for frame in backtrace.frames().iter().filter(own) {
        let inlined = frame.symbols().iter().map(|symbol| symbol.name());
        match frame.symbols() {
            [] => names.push(name(frame.func_name(), frame)),
            _ => names.extend(inlined.map(|own| name(own.or(frame.func_name()), frame))),
        }
    }
    if names.is_empty() {
        // The tick came before the call.
        names.push("(outside of the plugin)".to_owned());
    }
    names.reverse();
    if names.len() > 2 * ENDS {
        let end = names.len() - ENDS;
        names.splice(ENDS..end, ["(functions left out)".to_owned()]);
    }
    names
}

fn name(name: Option<&str>, frame: &FrameInfo) -> String {
    match name {
        Some(name) => cut_text(&format!("{:#}", demangle(name)), NAME).to_owned(),
        None => format!("function {}", frame.func_index()),
    }
}

/// The engine that is told of ticks.
static TICKING: OnceLock<Engine> = OnceLock::new();

/// Starts the timer of this process, for good.
///
/// # Errors
/// What the system says.
#[allow(unsafe_code, reason = "timers and signals have no safe interface")]
pub(super) fn tick(engine: &Engine) -> std::io::Result<()> {
    extern "C" fn ticked(_: libc::c_int) {
        // Neither takes a lock or memory.
        if let Some(engine) = TICKING.get() {
            engine.increment_epoch();
        }
    }
    TICKING.get_or_init(|| engine.clone());
    let every = libc::timeval { tv_sec: 0, tv_usec: TICK };
    let timer = libc::itimerval { it_interval: every, it_value: every };
    // SAFETY: an action of zeros is one with an empty mask; the handler does what handlers may,
    // on the stack that there is for them, because a plugin's may be at its end; both
    // structures outlive the calls.
    let failed = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = ticked as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
        libc::sigaction(libc::SIGPROF, &action, std::ptr::null_mut()) != 0
            || libc::setitimer(libc::ITIMER_PROF, &timer, std::ptr::null_mut()) != 0
    };
    if failed { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}
