//! Writing a table: one table worker makes it of JSON lines, which are a file by then.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Seek as _, Write as _};

use super::{Again, SchemaIs, Session, TableWorkers, Task, Trouble};
use crate::error::Error;
use crate::fault;
use crate::ipc::Violation;

/// How often a table worker that died is replaced.
const RESTARTS: u32 = 3;

/// Where a table goes.
pub(crate) struct Into<'a> {
    pub file: &'a mut File,
    /// It is ours, and can be emptied.
    pub can_begin_again: bool,
}

/// Has a table made of the JSON lines in `lines`. `like` is the file that its schema is that
/// of, if there is one. `wait` is told how much is done, from 0 to 1, and says whether somebody
/// still waits for it.
///
/// # Errors
/// [`Error::Table`]: the lines do not fit the schema, or there is none that they all fit. The
/// lines stay in any case.
pub(crate) fn write(
    workers: &TableWorkers,
    task: &Task,
    (lines, like): (&File, Option<&File>),
    into: Into<'_>,
    wait: &mut dyn FnMut(f64) -> Result<(), Error>,
) -> Result<(), Error> {
    let Into { file, can_begin_again } = into;
    let wait = &RefCell::new(wait);
    for attempt in 1.. {
        let mut written = 0;
        let how = match write_once(workers, task, (lines, like), (file, &mut written), wait) {
            Ok(()) => return Ok(()),
            Err(Trouble::Over(error)) => return Err(error),
            Err(Trouble::Refused(why)) => return Err(Error::Table { why }),
            Err(Trouble::Died { how, again }) => {
                if again == Again::Likely && attempt > 1 {
                    return Err(Error::Table { why: format!("where it is made, {how}") });
                }
                how
            }
        };
        tracing::warn!(%how, "a table worker has died");
        if attempt > RESTARTS || (written > 0 && !can_begin_again) {
            let times = if attempt == 1 { "once".into() } else { format!("{attempt} times") };
            let why = format!("the process that makes it died {times}; the last time {how}");
            return Err(Error::Table { why });
        }
        if written > 0 {
            file.set_len(0).and_then(|()| file.rewind()).map_err(Error::WriteOutput)?;
        }
    }
    Ok(())
}

fn write_once(
    workers: &TableWorkers,
    task: &Task,
    (lines, like): (&File, Option<&File>),
    (into, written): (&mut File, &mut u64),
    wait: &RefCell<&mut dyn FnMut(f64) -> Result<(), Error>>,
) -> Result<(), Trouble> {
    let bytes = lines.metadata().map_err(Error::WriteOutput)?.len();
    // All lines are looked at twice where there is no schema yet; each time there is an end.
    let total = match task {
        Task::Write { schema: SchemaIs::Inferred, .. } => 2 * (bytes + 1),
        Task::Write { .. } | Task::Read { .. } => bytes + 1,
    };
    let mut left = total;
    let done = |left: u64| 1.0 - left as f64 / total as f64;
    let files: Vec<&File> = std::iter::once(lines).chain(like).collect();
    let mut session = Session::start(workers, task, &files, &|| (wait.borrow_mut())(0.0))?;
    let mut room = Vec::new();
    // Bytes that have come since there was less left: all of them were in its memory at once.
    let mut held = 0;
    loop {
        session.fetch();
        let waiting = || (wait.borrow_mut())(done(left));
        let (bytes, piece) = session.piece(room, &waiting)?;
        // With every piece there is less to do, or it has something of what was made.
        if piece.left > left || (piece.left == left && bytes.is_empty()) {
            return Err(session.cut_off(&Violation::Answer("it does not come to an end")));
        }
        held = if piece.left < left { 0 } else { held + bytes.len() as u64 };
        if held > workers.memory() {
            return Err(session.cut_off(&Violation::Answer("it makes more than it can hold")));
        }
        left = piece.left;
        let written_whole = fault::at("before-write-table").and_then(|()| into.write_all(&bytes));
        fault::pass("after-write-table");
        written_whole.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Error::ClosedPipe,
            _ => Error::WriteOutput(error),
        })?;
        *written += bytes.len() as u64;
        room = bytes;
        if left == 0 {
            return Ok(());
        }
        (wait.borrow_mut())(done(left))?;
    }
}
