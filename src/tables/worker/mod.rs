//! The table worker: what a process does that was started to read or to write one table.
//!
//! Everything is asked for: it answers with a piece of what it makes, and goes on when the
//! next is fetched. It has its files and its slot, and can reach nothing else.

#[cfg(feature = "tables")]
mod arrow;
#[cfg(feature = "tables")]
mod at;
#[cfg(feature = "tables")]
mod build;
#[cfg(feature = "tables")]
mod infer;
#[cfg(feature = "tables")]
mod json;
#[cfg(feature = "tables")]
mod parquet;
#[cfg(feature = "tables")]
mod read;
#[cfg(feature = "tables")]
mod schema;
#[cfg(feature = "tables")]
#[cfg(test)]
mod tests;

use std::fs::File;
use std::hash::RandomState;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Mutex;

use anyhow::{Context as _, bail};

use super::{Rows, Task};
use crate::descriptors;
use crate::fault;
use crate::ipc;
use crate::protocol::{Fatal, Piece, Request, Response};
use crate::sandbox::{self, Policy, Seal, WorkerDescriptors};
use crate::slots::WorkerSlot;

#[cfg(all(any(test, fuzzing), feature = "tables"))]
pub(crate) use self::{
    build::fuzz as fuzz_lines,
    read::{fuzz_arrow, fuzz_parquet},
};

/// What of a table, or of the lines that become one, comes next.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
struct Made {
    /// Bytes of it.
    bytes: usize,
    /// What follows: how much, or only that there is something.
    left: u64,
}

/// Something that comes piece by piece. Errors are words about the file.
trait Pieces {
    /// Puts the next piece where there is room for it.
    fn next(&mut self, room: &mut [u8]) -> Result<Made, String>;

    /// Turns to these rows, if there are such.
    fn turn_to(&mut self, rows: Rows) -> Result<(), String>;
}

/// The table worker: greet, lock itself, answer until told to stop.
pub(crate) fn serve(guard: &str) -> anyhow::Result<()> {
    let input = descriptors::take(descriptors::table::INPUT)?;
    let output = descriptors::take(descriptors::table::OUTPUT)?;
    let mut files = Vec::new();
    for file in (descriptors::table::FILES..).map_while(|number| descriptors::take(number).ok()) {
        let file = File::from(file);
        // It cannot be asked for later.
        let length = file.metadata().context("cannot see how long a file is")?.len();
        files.push((file, length));
    }
    let (ends, first) = ipc::greet(guard)?;
    let Request::Prepare { layout, sandbox, memory, .. } = first else {
        bail!("the first request was no `Prepare`");
    };
    let mut slot = WorkerSlot::map(&input, &output, layout).context("cannot map the slot")?;
    keep_panics();
    // What these need of the system they can get only now.
    std::hint::black_box(RandomState::new());
    warm_up();
    let descriptors = WorkerDescriptors {
        requests: ends.numbers.requests,
        responses: ends.numbers.responses,
        inputs: descriptors::table::FILES..descriptors::table::FILES + files.len() as i32,
    };
    let layers = match sandbox::enter(sandbox, &Policy::Worker(descriptors.clone()), memory) {
        Ok(layers) => layers,
        Err(missing) => {
            let refused = Response::fatal(Fatal::Sandbox, &missing.to_string());
            return Ok(ends.responses.send(refused)?);
        }
    };
    ends.responses.send(Response::Locked { layers })?;
    let seal = Seal::new(layers, &descriptors)?;
    let second = ends.requests.recv()?;
    fault::after_request(&second);
    let Request::Table { mut nonce, task } = second else {
        bail!("the second request was no `Table`");
    };
    seal.apply()?;
    let task: Task = postcard::from_bytes(slot.parts(usize::try_from(task)?).input)?;
    ends.responses.send(Response::Online)?;
    let mut opened: Option<Box<dyn Pieces>> = None;
    let mut files = Some(files);
    loop {
        // An error means that the supervisor is gone: there is nothing to do then.
        let request = ends.requests.recv()?;
        fault::after_request(&request);
        let response = heedful(|| {
            let pieces = match (&mut opened, files.take()) {
                (Some(pieces), _) => pieces,
                (none, files) => none.insert(open(&task, files.unwrap_or_default())?),
            };
            if let Request::Rows { nonce: new, rows } = request {
                nonce = new;
                pieces.turn_to(rows)?;
            }
            let Made { bytes, left } = pieces.next(slot.parts(0).output)?;
            Ok(Piece { nonce, bytes: bytes as u64, left, records: 0, text_bytes: 0 })
        });
        match response {
            Ok(piece) => ends.responses.send(Response::Piece(piece))?,
            Err(why) => return Ok(ends.responses.send(Response::fatal(Fatal::Input, &why))?),
        }
    }
}

/// Where the last panic was.
static PANICKED: Mutex<String> = Mutex::new(String::new());

/// Notes where a panic is: not its message, which may hold what is in the table.
fn keep_panics() {
    std::panic::set_hook(Box::new(|panic: &PanicHookInfo<'_>| {
        if let (Ok(mut place), Some(location)) = (PANICKED.lock(), panic.location()) {
            let file = location.file().rsplit('/').next().unwrap_or_default();
            *place = format!("{file}:{}", location.line());
        }
    }));
}

/// Does something with a table. A damaged one may bring the libraries that read it to panic.
fn heedful<T>(act: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|_| {
        let place = PANICKED.lock().map(|place| place.clone()).unwrap_or_default();
        Err(format!("it is damaged in a way that was not foreseen ({place})"))
    })
}

#[cfg(feature = "tables")]
fn open(task: &Task, files: Vec<(File, u64)>) -> Result<Box<dyn Pieces>, String> {
    let mut files = files.into_iter().map(|(file, length)| at::FileAt::new(file, length));
    let file = files.next().ok_or("there is no file")?;
    Ok(match task {
        Task::Read { kind, columns } => {
            Box::new(read::Lines::open(*kind, file, columns.as_deref())?)
        }
        Task::Write { kind, schema } => {
            Box::new(build::Build::new(*kind, schema, file, files.next())?)
        }
    })
}

#[cfg(not(feature = "tables"))]
fn open(_: &Task, _: Vec<(File, u64)>) -> Result<Box<dyn Pieces>, String> {
    Err("this program was built without Parquet and Arrow (cargo feature `tables`)".into())
}

/// Does once what needs the system: hashers of these libraries draw randomness.
#[cfg(feature = "tables")]
fn warm_up() {
    schema::warm_up();
}

#[cfg(not(feature = "tables"))]
fn warm_up() {}
