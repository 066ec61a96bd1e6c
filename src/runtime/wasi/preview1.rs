//! WASI preview 1, the interface that C, Go, Zig and others are compiled against as
//! `wasm32-wasi` or `wasip1`: every function is there, and none reaches anything.
//!
//! Three descriptors are open: standard input, at its end, and standard output and error,
//! whose lines are logged. There are no arguments and no environment. A command has all of
//! that: records on standard input, arguments, parameters as its environment, and what it
//! prints to standard output is kept.
//!
//! Source: the interface's description, `wasi_snapshot_preview1.witx`, for names, types,
//! layouts and numbers, and for errors where it names them; where it says only which function
//! of POSIX one is similar to, the error that POSIX has for that. What plugins' authors should
//! know of it stands in docs/reference.md.

use std::sync::Arc;

use wasmtime::{Caller, FuncType, Linker, Result, Val, ValType};

use super::descriptors::{
    Descriptor, End, FD_FDSTAT_SET_FLAGS, FD_FILESTAT_GET, FD_READ, FD_WRITE, POLL_FD_READWRITE,
};
use super::{Clock, Exit, Terminal};
use crate::runtime::core_imports::memory_of;
use crate::runtime::core_module;
use crate::runtime::guest::Guest;

/// The module that it is imported from.
pub(in crate::runtime) const MODULE: &str = "wasi_snapshot_preview1";

/// An error as a function answers it.
type Errno = u32;

const SUCCESS: Errno = 0;
const BADF: Errno = 8;
const FAULT: Errno = 21;
const INVAL: Errno = 28;
const NOSYS: Errno = 52;
const NOTDIR: Errno = 54;
const NOTSOCK: Errno = 57;
const SPIPE: Errno = 70;
const NOTCAPABLE: Errno = 76;

/// A descriptor's type: what a terminal is, and what a pipe is.
const CHARACTER_DEVICE: u8 = 2;
const UNKNOWN: u8 = 0;
/// Bits that a descriptor's flags can have.
const FLAGS: u32 = 0b1_1111;

/// What `clock_res_get` answers, in nanoseconds.
const RESOLUTION: u64 = super::TICK;

/// Bytes of a subscription and of an event of `poll_oneoff`.
const SUBSCRIPTION: usize = 48;
const EVENT: usize = 32;
const EVENT_CLOCK: u8 = 0;
const EVENT_READ: u8 = 1;
const EVENT_WRITE: u8 = 2;
/// Of a clock's subscription: the time is one of the clock's, and no span from now on.
const ABSOLUTE: u16 = 1;
/// Of an event: the other side has hung up.
const HANGUP: u16 = 1;

/// Pieces that one `fd_write` may have, as in Linux, and things that one `poll_oneoff` may
/// wait for.
const MOST: u32 = 1024;

/// What a function does nothing without.
#[derive(Copy, Clone)]
enum Wants {
    /// A file that has positions.
    Positions,
    /// A file that is kept somewhere.
    Storage,
    /// A file whose times may be set.
    Times,
    /// A directory.
    Directory,
    /// A socket.
    Socket,
    /// Signals.
    Signals,
}

const I32: ValType = ValType::I32;
const I64: ValType = ValType::I64;

/// Functions that do nothing but say so: their parameters, the one that is a descriptor, and
/// what it should be.
const REFUSED: [(&str, &[ValType], usize, Wants); 27] = [
    ("fd_advise", &[I32, I64, I64, I32], 0, Wants::Positions),
    ("fd_allocate", &[I32, I64, I64], 0, Wants::Positions),
    ("fd_datasync", &[I32], 0, Wants::Storage),
    ("fd_filestat_set_size", &[I32, I64], 0, Wants::Storage),
    ("fd_filestat_set_times", &[I32, I64, I64, I32], 0, Wants::Times),
    ("fd_pread", &[I32, I32, I32, I64, I32], 0, Wants::Positions),
    ("fd_prestat_dir_name", &[I32, I32, I32], 0, Wants::Directory),
    ("fd_pwrite", &[I32, I32, I32, I64, I32], 0, Wants::Positions),
    ("fd_readdir", &[I32, I32, I32, I64, I32], 0, Wants::Directory),
    ("fd_seek", &[I32, I64, I32, I32], 0, Wants::Positions),
    ("fd_sync", &[I32], 0, Wants::Storage),
    ("fd_tell", &[I32, I32], 0, Wants::Positions),
    ("path_create_directory", &[I32, I32, I32], 0, Wants::Directory),
    ("path_filestat_get", &[I32, I32, I32, I32, I32], 0, Wants::Directory),
    ("path_filestat_set_times", &[I32, I32, I32, I32, I64, I64, I32], 0, Wants::Directory),
    ("path_link", &[I32, I32, I32, I32, I32, I32, I32], 0, Wants::Directory),
    ("path_open", &[I32, I32, I32, I32, I32, I64, I64, I32, I32], 0, Wants::Directory),
    ("path_readlink", &[I32, I32, I32, I32, I32, I32], 0, Wants::Directory),
    ("path_remove_directory", &[I32, I32, I32], 0, Wants::Directory),
    ("path_rename", &[I32, I32, I32, I32, I32, I32], 0, Wants::Directory),
    ("path_symlink", &[I32, I32, I32, I32, I32], 2, Wants::Directory),
    ("path_unlink_file", &[I32, I32, I32], 0, Wants::Directory),
    ("proc_raise", &[I32], 0, Wants::Signals),
    ("sock_accept", &[I32, I32, I32], 0, Wants::Socket),
    ("sock_recv", &[I32, I32, I32, I32, I32, I32], 0, Wants::Socket),
    ("sock_send", &[I32, I32, I32, I32, I32], 0, Wants::Socket),
    ("sock_shutdown", &[I32, I32], 0, Wants::Socket),
];

/// The functions that do something, with their parameters.
const DONE: [(&str, &[ValType]); 19] = [
    ("args_get", &[I32, I32]),
    ("args_sizes_get", &[I32, I32]),
    ("environ_get", &[I32, I32]),
    ("environ_sizes_get", &[I32, I32]),
    ("clock_res_get", &[I32, I32]),
    ("clock_time_get", &[I32, I64, I32]),
    ("fd_close", &[I32]),
    ("fd_fdstat_get", &[I32, I32]),
    ("fd_fdstat_set_flags", &[I32, I32]),
    ("fd_fdstat_set_rights", &[I32, I64, I64]),
    ("fd_filestat_get", &[I32, I32]),
    ("fd_prestat_get", &[I32, I32]),
    ("fd_read", &[I32, I32, I32, I32]),
    ("fd_renumber", &[I32, I32]),
    ("fd_write", &[I32, I32, I32, I32]),
    ("poll_oneoff", &[I32, I32, I32, I32]),
    ("proc_exit", &[I32]),
    ("random_get", &[I32, I32]),
    ("sched_yield", &[]),
];

/// Every function, with its parameters. All but `proc_exit` give an error's number.
pub(in crate::runtime) fn functions()
-> impl Iterator<Item = (&'static str, &'static [ValType], &'static [ValType])> {
    let refused = REFUSED.iter().map(|&(name, params, ..)| (name, params));
    DONE.iter().copied().chain(refused).map(|(name, params)| {
        let results: &[ValType] = if name == "proc_exit" { &[] } else { &[I32] };
        (name, params, results)
    })
}

/// Makes every function ready to be linked.
pub(in crate::runtime) fn add_to(linker: &mut Linker<Guest>) -> Result<()> {
    for (name, params, descriptor, wants) in REFUSED {
        let ty = FuncType::new(linker.engine(), params.iter().cloned(), [I32]);
        linker.func_new(MODULE, name, ty, move |caller, values, results| {
            let descriptor = values.get(descriptor).and_then(Val::i32).unwrap_or(-1);
            let open = caller.data().world().descriptors.get(descriptor as u32).is_some();
            results[0] = Val::I32(refusal(open, wants) as i32);
            Ok(())
        })?;
    }
    linker.func_wrap(MODULE, "args_get", |caller: Caller<'_, Guest>, list: u32, texts: u32| {
        texts_get(caller, |terminal| &terminal.arguments, list, texts)
    })?;
    linker.func_wrap(MODULE, "args_sizes_get", |caller: Caller<'_, Guest>, count, bytes| {
        texts_sizes_get(caller, |terminal| &terminal.arguments, count, bytes)
    })?;
    linker.func_wrap(
        MODULE,
        "environ_get",
        |caller: Caller<'_, Guest>, list: u32, texts: u32| {
            texts_get(caller, |terminal| &terminal.environment, list, texts)
        },
    )?;
    linker.func_wrap(MODULE, "environ_sizes_get", |caller: Caller<'_, Guest>, count, bytes| {
        texts_sizes_get(caller, |terminal| &terminal.environment, count, bytes)
    })?;
    linker.func_wrap(MODULE, "clock_res_get", clock_res_get)?;
    linker.func_wrap(MODULE, "clock_time_get", clock_time_get)?;
    linker.func_wrap(MODULE, "fd_close", |mut caller: Caller<'_, Guest>, descriptor: u32| {
        let closed = caller.data_mut().world_mut().descriptors.close(descriptor);
        closed.map_or(BADF, |()| SUCCESS)
    })?;
    linker.func_wrap(MODULE, "fd_fdstat_get", fd_fdstat_get)?;
    linker.func_wrap(MODULE, "fd_fdstat_set_flags", fd_fdstat_set_flags)?;
    linker.func_wrap(MODULE, "fd_fdstat_set_rights", fd_fdstat_set_rights)?;
    linker.func_wrap(MODULE, "fd_filestat_get", fd_filestat_get)?;
    // No directory is there to begin with.
    linker.func_wrap(MODULE, "fd_prestat_get", |_: i32, _: i32| BADF)?;
    linker.func_wrap(MODULE, "fd_read", fd_read)?;
    let renumber = |mut caller: Caller<'_, Guest>, from: u32, to: u32| {
        let moved = caller.data_mut().world_mut().descriptors.renumber(from, to);
        moved.map_or(BADF, |()| SUCCESS)
    };
    linker.func_wrap(MODULE, "fd_renumber", renumber)?;
    linker.func_wrap(MODULE, "fd_write", fd_write)?;
    linker.func_wrap(MODULE, "poll_oneoff", poll_oneoff)?;
    linker.func_wrap(MODULE, "proc_exit", |code: u32| -> Result<()> {
        Err(Exit { function: "proc_exit", code }.into())
    })?;
    linker.func_wrap(MODULE, "random_get", random_get)?;
    linker.func_wrap(MODULE, "sched_yield", || SUCCESS)?;
    Ok(())
}

/// What a function answers that wants something else than there is: what POSIX has for a
/// pipe, but for times, which it lets an owner set and WASI who has the right.
fn refusal(open: bool, wants: Wants) -> Errno {
    match wants {
        Wants::Signals => NOSYS,
        _ if !open => BADF,
        Wants::Positions => SPIPE,
        Wants::Storage => INVAL,
        Wants::Times => NOTCAPABLE,
        Wants::Directory => NOTDIR,
        Wants::Socket => NOTSOCK,
    }
}

/// An open descriptor that this may be done with.
fn permitted(guest: &Guest, descriptor: u32, right: u64) -> std::result::Result<Descriptor, Errno> {
    let found = guest.world().descriptors.get(descriptor).ok_or(BADF)?;
    if found.rights & right == right { Ok(found) } else { Err(NOTCAPABLE) }
}

/// The stream behind an open descriptor, or standard input, if it may be used so. One that
/// never was for that is none of the right kind, as in POSIX.
fn stream_of(guest: &Guest, descriptor: u32, right: u64) -> std::result::Result<End, Errno> {
    let Descriptor { end, .. } = guest.world().descriptors.get(descriptor).ok_or(BADF)?;
    match (end, right) {
        (End::Input, FD_READ) | (End::Output(_), FD_WRITE) => {}
        _ => return Err(BADF),
    }
    permitted(guest, descriptor, right).map(|found| found.end)
}

/// Arguments, or an environment.
type Texts = fn(&Terminal) -> &Arc<[String]>;

fn texts_of(guest: &Guest, which: Texts) -> Arc<[String]> {
    guest.world().terminal().map_or_else(|| Arc::from([]), |terminal| Arc::clone(which(terminal)))
}

/// How many there are, and how many bytes they need, each with a zero behind it.
fn texts_sizes_get(
    mut caller: Caller<'_, Guest>,
    which: Texts,
    count: u32,
    bytes: u32,
) -> Result<Errno> {
    answer(&mut caller, |memory, guest| {
        let texts = texts_of(guest, which);
        let needed: usize = texts.iter().map(|text| text.len() + 1).sum();
        put(memory, count, &(texts.len() as u32).to_le_bytes())?;
        put(memory, bytes, &(needed as u32).to_le_bytes())
    })
}

/// Puts texts, each with a zero behind it, to `place`, and their addresses to `list`.
fn texts_get(mut caller: Caller<'_, Guest>, which: Texts, list: u32, place: u32) -> Result<Errno> {
    answer(&mut caller, |memory, guest| {
        let (mut list, mut place) = (list, place);
        for text in &*texts_of(guest, which) {
            put(memory, list, &place.to_le_bytes())?;
            put(memory, place, &[text.as_bytes(), &[0]].concat())?;
            list = list.checked_add(4).ok_or(FAULT)?;
            place = place.checked_add(text.len() as u32 + 1).ok_or(FAULT)?;
        }
        Ok(())
    })
}

/// The clock of that number. The time of the process and that of the thread are the
/// instance's, as monotonic time is.
fn clock_of(number: u32) -> Option<Clock> {
    match number {
        0 => Some(Clock::Wall),
        1..=3 => Some(Clock::Monotonic),
        _ => None,
    }
}

fn clock_res_get(mut caller: Caller<'_, Guest>, clock: u32, result: u32) -> Result<Errno> {
    answer(&mut caller, |memory, _| {
        clock_of(clock).ok_or(INVAL)?;
        put(memory, result, &RESOLUTION.to_le_bytes())
    })
}

fn clock_time_get(
    mut caller: Caller<'_, Guest>,
    clock: u32,
    _precision: u64,
    result: u32,
) -> Result<Errno> {
    answer(&mut caller, |memory, guest| {
        let time = guest.world_mut().read(clock_of(clock).ok_or(INVAL)?);
        put(memory, result, &time.to_le_bytes())
    })
}

/// Type, flags, and what may be done with it and with what comes of it.
fn fd_fdstat_get(mut caller: Caller<'_, Guest>, descriptor: u32, result: u32) -> Result<Errno> {
    answer(&mut caller, |memory, guest| {
        let found = permitted(guest, descriptor, 0)?;
        let mut stat = [0; 24];
        stat[0] = file_type(guest, found);
        stat[2..4].copy_from_slice(&found.flags.to_le_bytes());
        stat[8..16].copy_from_slice(&found.rights.to_le_bytes());
        put(memory, result, &stat)
    })
}

fn fd_fdstat_set_flags(mut caller: Caller<'_, Guest>, descriptor: u32, flags: u32) -> Errno {
    let guest = caller.data_mut();
    match permitted(guest, descriptor, FD_FDSTAT_SET_FLAGS) {
        Ok(_) if flags & !FLAGS != 0 => INVAL,
        Ok(_) => {
            if let Some(found) = guest.world_mut().descriptors.get_mut(descriptor) {
                found.flags = flags as u16;
            }
            SUCCESS
        }
        Err(errno) => errno,
    }
}

/// Nothing comes of any descriptor, so that there are no rights to pass on.
fn fd_fdstat_set_rights(
    mut caller: Caller<'_, Guest>,
    descriptor: u32,
    rights: u64,
    passed_on: u64,
) -> Errno {
    match caller.data_mut().world_mut().descriptors.get_mut(descriptor) {
        None => BADF,
        Some(found) if rights & !found.rights != 0 || passed_on != 0 => NOTCAPABLE,
        Some(found) => {
            found.rights = rights;
            SUCCESS
        }
    }
}

fn fd_filestat_get(mut caller: Caller<'_, Guest>, descriptor: u32, result: u32) -> Result<Errno> {
    answer(&mut caller, |memory, guest| {
        let found = permitted(guest, descriptor, FD_FILESTAT_GET)?;
        let mut stat = [0; 64];
        stat[16] = file_type(guest, found);
        put(memory, result, &stat)
    })
}

/// What a descriptor looks like: a terminal or a pipe.
fn file_type(guest: &Guest, descriptor: Descriptor) -> u8 {
    if guest.world().is_terminal(descriptor.end) { CHARACTER_DEVICE } else { UNKNOWN }
}

/// Standard input is at its end, but for a command.
fn fd_read(
    mut caller: Caller<'_, Guest>,
    descriptor: u32,
    pieces: u32,
    count: u32,
    result: u32,
) -> Result<Errno> {
    answer(&mut caller, |memory, guest| {
        stream_of(guest, descriptor, FD_READ)?;
        let places = list(memory, pieces, count)?;
        // Nothing is read if it cannot be put down.
        place(memory, result, 4)?;
        for &(at, length) in &places {
            stretch(memory, at, length)?;
        }
        let mut read = 0u32;
        if let Some(terminal) = guest.world_mut().terminal_mut() {
            for (at, length) in places {
                let rest = terminal.rest();
                let part = rest.len().min(length as usize);
                put(memory, at, &rest[..part])?;
                terminal.read += part;
                // It fits: its length was.
                read = read.checked_add(part as u32).ok_or(INVAL)?;
            }
        }
        put(memory, result, &read.to_le_bytes())
    })
}

/// Pieces of memory, by address and length, as they are listed at a place.
fn list(memory: &[u8], at: u32, count: u32) -> std::result::Result<Vec<(u32, u32)>, Errno> {
    if count > MOST {
        return Err(INVAL);
    }
    let words = stretch(memory, at, 8 * count)?.chunks_exact(8);
    words.map(|piece| Ok((word(piece, 0)?, word(piece, 4)?))).collect()
}

/// What is printed becomes lines of the log; a command's standard output is kept.
fn fd_write(
    mut caller: Caller<'_, Guest>,
    descriptor: u32,
    pieces: u32,
    count: u32,
    result: u32,
) -> Result<Errno> {
    let mut too_much = None;
    let errno = answer(&mut caller, |memory, guest| {
        let End::Output(stream) = stream_of(guest, descriptor, FD_WRITE)? else {
            return Err(BADF);
        };
        // Nothing is printed if there is anything wrong with a part of it.
        place(memory, result, 4)?;
        let parts = list(memory, pieces, count)?;
        let mut written = 0u32;
        for &(at, length) in &parts {
            stretch(memory, at, length)?;
            written = written.checked_add(length).ok_or(INVAL)?;
        }
        for (at, length) in parts {
            too_much = too_much.or(guest.print(stream, stretch(memory, at, length)?).err());
        }
        put(memory, result, &written.to_le_bytes())
    })?;
    too_much.map_or(Ok(errno), |error| Err(error.into()))
}

fn random_get(mut caller: Caller<'_, Guest>, at: u32, length: u32) -> Result<Errno> {
    answer(&mut caller, |memory, guest| {
        guest.world_mut().fill(place(memory, at, length as usize)?);
        Ok(())
    })
}

/// What can be read or written is ready at once. Where only time is waited for, it is the
/// first of those times at once.
fn poll_oneoff(
    mut caller: Caller<'_, Guest>,
    subscriptions: u32,
    events: u32,
    count: u32,
    result: u32,
) -> Result<Errno> {
    answer(&mut caller, |memory, guest| {
        if count == 0 || count > MOST {
            return Err(INVAL);
        }
        let wanted = stretch(memory, subscriptions, count * SUBSCRIPTION as u32)?;
        let wanted: Vec<Subscription> =
            wanted.chunks_exact(SUBSCRIPTION).map(Subscription::read).collect();
        let happened = wait(guest, &wanted);
        let number = happened.len() as u32;
        let bytes: Vec<u8> = happened.into_iter().flatten().collect();
        put(memory, events, &bytes)?;
        put(memory, result, &number.to_le_bytes())
    })
}

/// What a plugin waits for.
struct Subscription {
    mark: u64,
    what: Awaited,
}

enum Awaited {
    Time { clock: u32, time: u64, absolute: bool },
    Descriptor { kind: u8, descriptor: u32 },
    Unknown { kind: u8 },
}

impl Subscription {
    /// Reads one where it lies, as [`SUBSCRIPTION`] bytes.
    fn read(bytes: &[u8]) -> Subscription {
        let number = |at: usize, size: usize| {
            bytes[at..at + size].iter().rev().fold(0u64, |sum, &byte| sum << 8 | u64::from(byte))
        };
        let what = match bytes[8] {
            EVENT_CLOCK => Awaited::Time {
                clock: number(16, 4) as u32,
                time: number(24, 8),
                absolute: number(40, 2) as u16 & ABSOLUTE != 0,
            },
            kind @ (EVENT_READ | EVENT_WRITE) => {
                Awaited::Descriptor { kind, descriptor: number(16, 4) as u32 }
            }
            kind => Awaited::Unknown { kind },
        };
        Subscription { mark: number(0, 8), what }
    }
}

/// Lets time go on to where something of it has happened, and gives what.
fn wait(guest: &mut Guest, wanted: &[Subscription]) -> Vec<[u8; EVENT]> {
    let world = guest.world();
    let ready = world.terminal().map_or(0, |terminal| terminal.rest().len());
    let mut happened = Vec::new();
    let mut deadlines = Vec::new();
    for Subscription { mark, what } in wanted {
        let event = |kind, error, flags| event(*mark, kind, error, flags);
        match *what {
            Awaited::Time { clock, time, absolute } => match clock_of(clock) {
                Some(clock) => {
                    let deadline = world.deadline(clock, time, absolute);
                    deadlines.push((deadline, event(EVENT_CLOCK, SUCCESS, 0)));
                }
                None => happened.push(event(EVENT_CLOCK, INVAL, 0)),
            },
            Awaited::Descriptor { kind, descriptor } => {
                let right = if kind == EVENT_READ { FD_READ } else { FD_WRITE };
                let fits = stream_of(guest, descriptor, right)
                    .and_then(|_| permitted(guest, descriptor, POLL_FD_READWRITE));
                let (error, flags) = match fits {
                    Ok(_) if kind == EVENT_READ && ready == 0 => (SUCCESS, HANGUP),
                    Ok(_) => (SUCCESS, 0),
                    Err(errno) => (errno, 0),
                };
                let mut event = event(kind, error, flags);
                if fits.is_ok() && kind == EVENT_READ {
                    event[16..24].copy_from_slice(&(ready as u64).to_le_bytes());
                }
                happened.push(event);
            }
            Awaited::Unknown { kind } => happened.push(event(kind, INVAL, 0)),
        }
    }
    let world = guest.world_mut();
    let first = deadlines.iter().map(|(deadline, _)| *deadline).min();
    if let (true, Some(first)) = (happened.is_empty(), first) {
        world.sleep_until(first);
    }
    let now = world.now();
    happened.extend(
        deadlines.into_iter().filter(|(deadline, _)| *deadline <= now).map(|(_, event)| event),
    );
    happened
}

fn event(mark: u64, kind: u8, error: Errno, flags: u16) -> [u8; EVENT] {
    let mut event = [0; EVENT];
    event[..8].copy_from_slice(&mark.to_le_bytes());
    // Every error's number fits.
    event[8..10].copy_from_slice(&(error as u16).to_le_bytes());
    event[10] = kind;
    event[24..26].copy_from_slice(&flags.to_le_bytes());
    event
}

/// Runs a function with the memory of the module that calls, and gives the number of its
/// error. A module without a memory traps.
fn answer(
    caller: &mut Caller<'_, Guest>,
    function: impl FnOnce(&mut [u8], &mut Guest) -> std::result::Result<(), Errno>,
) -> Result<Errno> {
    let (bytes, guest) = memory_of(caller)?.data_and_store_mut(caller);
    Ok(function(bytes, guest).err().unwrap_or(SUCCESS))
}

fn stretch(memory: &[u8], at: u32, length: u32) -> std::result::Result<&[u8], Errno> {
    core_module::stretch(memory, at, length).map_err(|_| FAULT)
}

fn place(memory: &mut [u8], at: u32, length: usize) -> std::result::Result<&mut [u8], Errno> {
    memory.get_mut(at as usize..).and_then(|rest| rest.get_mut(..length)).ok_or(FAULT)
}

fn word(memory: &[u8], at: u32) -> std::result::Result<u32, Errno> {
    let bytes = stretch(memory, at, 4)?;
    Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

fn put(memory: &mut [u8], at: u32, bytes: &[u8]) -> std::result::Result<(), Errno> {
    place(memory, at, bytes.len())?.copy_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use wasmtime::{Engine, Instance, Module, Store};

    use super::*;
    use crate::runtime::guest::tests::guest;

    /// A module that gives every function on, with a memory of a page.
    fn everything() -> (Store<Guest>, Instance) {
        let words =
            |types: &[ValType]| types.iter().map(|ty| ty.to_string()).collect::<Vec<_>>().join(" ");
        let (mut imports, mut exports) = (String::new(), String::new());
        for (number, (name, params, results)) in functions().enumerate() {
            let (params, results) = (words(params), words(results));
            imports += &format!(
                "(import \"{MODULE}\" \"{name}\" (func $f{number} (param {params}) (result {results})))"
            );
            let values: String = (0..params.split_whitespace().count())
                .map(|at| format!("(local.get {at})"))
                .collect();
            exports += &format!(
                "(func (export \"{name}\") (param {params}) (result {results}) (call $f{number} {values}))"
            );
        }
        let text = format!("(module {imports} (memory (export \"memory\") 1) {exports})");
        let engine = Engine::default();
        let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
        let mut linker = Linker::new(&engine);
        add_to(&mut linker).unwrap();
        let mut store = Store::new(&engine, guest(0));
        let instance = linker.instantiate(&mut store, &module).unwrap();
        (store, instance)
    }

    /// Calls a function; missing parameters are 0.
    fn call(store: &mut Store<Guest>, instance: &Instance, name: &str, given: &[i64]) -> Errno {
        let function = instance.get_func(&mut *store, name).unwrap();
        let params: Vec<Val> = function
            .ty(&*store)
            .params()
            .enumerate()
            .map(|(at, ty)| match ty {
                ValType::I64 => Val::I64(given.get(at).copied().unwrap_or(0)),
                _ => Val::I32(given.get(at).copied().unwrap_or(0) as i32),
            })
            .collect();
        let mut results = [Val::I32(0)];
        function.call(store, &params, &mut results).unwrap();
        results[0].unwrap_i32() as Errno
    }

    #[test]
    fn what_is_not_there_says_so_and_does_nothing() {
        let (mut store, instance) = everything();
        let reference = include_str!("../../../docs/reference.md");
        let before = instance.get_memory(&mut store, "memory").unwrap().data(&store).to_vec();
        for (name, _, place, wants) in REFUSED {
            let wanted = match wants {
                Wants::Positions => [SPIPE, BADF],
                Wants::Storage => [INVAL, BADF],
                Wants::Times => [NOTCAPABLE, BADF],
                Wants::Directory => [NOTDIR, BADF],
                Wants::Socket => [NOTSOCK, BADF],
                Wants::Signals => [NOSYS, NOSYS],
            };
            let row = reference.lines().find(|line| line.starts_with(&format!("| `{name}` ")));
            assert!(row.unwrap().ends_with(&format!(" ({}) |", wanted[0])), "{name}: {row:?}");
            for (descriptors, wanted) in [([0, 1, 2], wanted[0]), ([3, 100, -1], wanted[1])] {
                for descriptor in descriptors {
                    let mut params = vec![0; place];
                    params.push(descriptor);
                    let answered = call(&mut store, &instance, name, &params);
                    assert_eq!(answered, wanted, "{name} of {descriptor}");
                }
            }
        }
        assert_eq!(call(&mut store, &instance, "fd_prestat_get", &[3, 64]), BADF);
        assert_eq!(instance.get_memory(&mut store, "memory").unwrap().data(&store), before);
    }

    #[test]
    fn descriptors_can_be_closed() {
        let (mut store, instance) = everything();
        let mut call = |name, params: &[i64]| call(&mut store, &instance, name, params);
        assert_eq!(call("fd_fdstat_get", &[1, 64]), SUCCESS);
        assert_eq!(call("fd_write", &[1, 0, 0, 64]), SUCCESS);
        assert_eq!(call("fd_close", &[1]), SUCCESS);
        assert_eq!(call("fd_close", &[1]), BADF);
        assert_eq!(call("fd_write", &[1, 0, 0, 64]), BADF);
        assert_eq!(call("fd_fdstat_get", &[1, 64]), BADF);
        assert_eq!(call("fd_filestat_get", &[1, 64]), BADF);
        assert_eq!(call("fd_seek", &[1, 0, 0, 64]), BADF);
        assert_eq!(call("fd_write", &[2, 0, 0, 64]), SUCCESS);
        assert_eq!(call("fd_write", &[0, 0, 0, 64]), BADF, "that is for reading");
        assert_eq!(call("fd_read", &[1, 0, 0, 64]), BADF);
        assert_eq!(call("fd_read", &[0, 0, 0, 64]), SUCCESS);
    }

    #[test]
    fn a_descriptor_takes_the_place_of_another() {
        let (mut store, instance) = everything();
        let mut call = |name, params: &[i64]| call(&mut store, &instance, name, params);
        for (from, to) in [(3, 1), (1, 3), (-1, 0), (0, 100)] {
            assert_eq!(call("fd_renumber", &[from, to]), BADF, "{from} {to}");
        }
        assert_eq!(call("fd_renumber", &[2, 2]), SUCCESS);
        assert_eq!(call("fd_write", &[2, 0, 0, 64]), SUCCESS);
        assert_eq!(call("fd_renumber", &[2, 0]), SUCCESS);
        assert_eq!(call("fd_write", &[2, 0, 0, 64]), BADF, "it has moved");
        assert_eq!(call("fd_write", &[0, 0, 0, 64]), SUCCESS);
        assert_eq!(call("fd_read", &[0, 0, 0, 64]), BADF, "standard input is closed");
    }

    #[test]
    fn rights_become_fewer_and_flags_are_remembered() {
        let (mut store, instance) = everything();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        let (read, poll, flags) =
            (FD_READ as i64, POLL_FD_READWRITE as i64, FD_FDSTAT_SET_FLAGS as i64);
        for (name, params, wanted) in [
            ("fd_fdstat_set_rights", vec![0, read | FD_WRITE as i64], NOTCAPABLE),
            ("fd_fdstat_set_rights", vec![0, read, read], NOTCAPABLE),
            ("fd_fdstat_set_rights", vec![3], BADF),
            ("fd_fdstat_set_flags", vec![0, 4], SUCCESS),
            ("fd_fdstat_set_flags", vec![0, 32], INVAL),
            ("fd_fdstat_set_flags", vec![3, 0], BADF),
            ("fd_fdstat_set_rights", vec![0, read | poll], SUCCESS),
            ("fd_fdstat_set_flags", vec![0, 0], NOTCAPABLE),
            ("fd_filestat_get", vec![0, 64], NOTCAPABLE),
            ("fd_read", vec![0, 0, 0, 64], SUCCESS),
            ("fd_fdstat_set_rights", vec![0, poll], SUCCESS),
            ("fd_fdstat_set_rights", vec![0, poll | flags], NOTCAPABLE),
            ("fd_read", vec![0, 0, 0, 64], NOTCAPABLE),
            ("fd_write", vec![0, 0, 0, 64], BADF),
            ("fd_fdstat_get", vec![0, 128], SUCCESS),
        ] {
            assert_eq!(call(&mut store, &instance, name, &params), wanted, "{name} {params:?}");
        }
        let stat = &memory.data(&store)[128..152];
        assert_eq!((stat[2], &stat[8..16]), (4, &poll.to_le_bytes()[..]));
    }

    #[test]
    fn addresses_outside_of_the_memory_are_faults() {
        let (mut store, instance) = everything();
        for far in [65_536, 65_533, -1, -4] {
            for (name, params) in [
                ("args_sizes_get", vec![far, 0]),
                ("environ_sizes_get", vec![0, far]),
                ("clock_res_get", vec![0, far]),
                ("clock_time_get", vec![0, 0, far]),
                ("fd_fdstat_get", vec![1, far]),
                ("fd_filestat_get", vec![1, far]),
                ("fd_read", vec![0, 0, 0, far]),
                ("fd_write", vec![1, far, 1, 0]),
                ("fd_write", vec![1, 0, 0, far]),
                ("poll_oneoff", vec![far, 0, 1, 64]),
                ("poll_oneoff", vec![0, far, 1, 64]),
                ("poll_oneoff", vec![0, 128, 1, far]),
                ("random_get", vec![far, 16]),
            ] {
                assert_eq!(call(&mut store, &instance, name, &params), FAULT, "{name} {params:?}");
            }
        }
        assert_eq!(call(&mut store, &instance, "random_get", &[16, -1]), FAULT);
        assert_eq!(call(&mut store, &instance, "fd_write", &[1, 0, 1025, 64]), INVAL);
        assert_eq!(call(&mut store, &instance, "poll_oneoff", &[0, 0, 1025, 64]), INVAL);
        assert_eq!(call(&mut store, &instance, "poll_oneoff", &[0, 0, 0, 64]), INVAL);
        assert_eq!(call(&mut store, &instance, "clock_time_get", &[4, 0, 64]), INVAL);
    }

    #[test]
    fn where_one_part_is_outside_of_the_memory_nothing_is_read_or_printed() {
        let (mut store, instance) = everything();
        *store.data_mut().terminal() = Some(Terminal {
            arguments: Arc::from([]),
            environment: Arc::from([]),
            input: b"abc".to_vec(),
            read: 0,
            printed: Vec::new(),
            limit: 100,
        });
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        let parts = [1024u32, 2, 65_536, 1].map(u32::to_le_bytes);
        memory.write(&mut store, 0, parts.as_flattened()).unwrap();
        for name in ["fd_read", "fd_write"] {
            let descriptor = i64::from(name == "fd_write");
            assert_eq!(call(&mut store, &instance, name, &[descriptor, 0, 2, 64]), FAULT);
            assert_eq!(call(&mut store, &instance, name, &[descriptor, 0, 1, -1]), FAULT);
            let terminal = store.data_mut().terminal().as_ref().unwrap();
            assert_eq!((terminal.read, terminal.printed.len()), (0, 0), "{name}");
            assert_eq!(call(&mut store, &instance, name, &[descriptor, 0, 1, 64]), SUCCESS);
            store.data_mut().terminal().as_mut().unwrap().read = 0;
        }
        assert_eq!(store.data_mut().terminal().as_ref().unwrap().printed, b"ab");
    }

    /// What a plugin waits for, as it lies in memory.
    fn clock(mark: u64, clock: u32, time: u64, flags: u16) -> [u8; SUBSCRIPTION] {
        let mut bytes = [0; SUBSCRIPTION];
        bytes[..8].copy_from_slice(&mark.to_le_bytes());
        bytes[16..20].copy_from_slice(&clock.to_le_bytes());
        bytes[24..32].copy_from_slice(&time.to_le_bytes());
        bytes[40..42].copy_from_slice(&flags.to_le_bytes());
        bytes
    }

    fn descriptor(mark: u64, kind: u8, descriptor: u32) -> [u8; SUBSCRIPTION] {
        let mut bytes = clock(mark, descriptor, 0, 0);
        bytes[8] = kind;
        bytes
    }

    /// Waits, and gives mark, error, kind and flags of each thing that happened.
    fn poll(
        store: &mut Store<Guest>,
        instance: &Instance,
        wanted: &[[u8; SUBSCRIPTION]],
    ) -> Vec<(u8, u8, u8, u8)> {
        let memory = instance.get_memory(&mut *store, "memory").unwrap();
        memory.write(&mut *store, 1024, wanted.as_flattened()).unwrap();
        let params = [1024, 4096, wanted.len() as i64, 64];
        assert_eq!(call(store, instance, "poll_oneoff", &params), SUCCESS);
        let bytes = memory.data(&*store);
        let events = bytes[4096..].chunks(EVENT).take(usize::from(bytes[64]));
        events.map(|event| (event[0], event[8], event[10], event[24])).collect()
    }

    #[test]
    fn time_passes_at_once_to_where_something_happens() {
        let (mut store, instance) = everything();
        let (store, second) = (&mut store, 1_000_000_000);
        let sooner = clock(1, 1, 5 * second, 0);
        let later = clock(2, 0, 7 * second, 0);
        let happened = poll(store, &instance, &[later, sooner]);
        assert_eq!(happened, [(1, 0, EVENT_CLOCK, 0)]);
        assert_eq!(store.data().world().now(), 5 * second);
        // The rest of the seven seconds, by the wall clock's own time.
        let start = 946_684_800 * second;
        let happened = poll(store, &instance, &[clock(3, 0, start + 7 * second, ABSOLUTE)]);
        assert_eq!(happened, [(3, 0, EVENT_CLOCK, 0)]);
        assert_eq!(store.data().world().now(), 7 * second);
        // What is ready is not waited for, and what is past has happened.
        let past = clock(4, 1, second, ABSOLUTE);
        let wanted = [descriptor(5, EVENT_READ, 0), descriptor(6, EVENT_WRITE, 2), later, past];
        let happened = poll(store, &instance, &wanted);
        let ready = [(5, 0, EVENT_READ, 1), (6, 0, EVENT_WRITE, 0), (4, 0, EVENT_CLOCK, 0)];
        assert_eq!(happened, ready);
        assert_eq!(store.data().world().now(), 7 * second);
        let odd = [descriptor(7, EVENT_READ, 1), descriptor(8, 9, 0), clock(9, 77, 0, 0)];
        let errors = [(7, 8, EVENT_READ, 0), (8, 28, 9, 0), (9, 28, EVENT_CLOCK, 0)];
        assert_eq!(poll(store, &instance, &odd), errors);
        // The end of time is far, and not behind it.
        assert_eq!(poll(store, &instance, &[clock(1, 1, u64::MAX, 0)]).len(), 1);
        assert_eq!(call(store, &instance, "clock_time_get", &[0, 0, 64]), SUCCESS);
    }
}
