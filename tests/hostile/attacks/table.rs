//! Attacks by a process that reads or writes a table, around which there is no sandbox: what
//! stands if that falls. Two of them only pretend that there is one.
#![allow(unsafe_code, reason = "an attacker does not ask the type system")]

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Signal, getpid, kill_process};

use super::Outcome::{Ends, TableReplaced};
use super::{Attack, By, Outcome, Table, Who};
use crate::wire::{
    ALL_LAYERS, Done, End, Greeted, INPUT, Piece, Response, Rows, Wire, write_piece,
};

/// Rows of the table.
pub const ROWS: u64 = 2000;
/// What they take, as an attacker says who wants to be asked for all of them at once, or for a
/// third.
const ALL_AT_ONCE: u64 = ROWS;
const A_THIRD: u64 = ROWS * 2360;

const UNASKED: &str = "it sent an answer that nobody asked for";
const OTHER: &str = "it answered what was not asked";
const TOO_MUCH: &str = "it claims more than there can be";
const STILL: &str = "it has stood still for 30s";
const KILLED: &str = "it was killed by SIGKILL";
const NOT_THOSE: &str = "its rows are not those that are wanted";
const NO_SENSE: &str = "its summary makes no sense";
const ENDLESS: &str = "its summary has no end";
const NO_END: &str = "it does not come to an end";

/// By the first that reads the table.
const fn reading(name: &'static str, act: fn(&str) -> Result<()>, outcome: Outcome) -> Attack {
    Attack::new(name, By::Process(Who::FirstTable, act), outcome).table(Table::Input)
}

/// By the first that writes one.
const fn writing(name: &'static str, act: fn(&str) -> Result<()>, outcome: Outcome) -> Attack {
    Attack::new(name, By::Process(Who::FirstTable, act), outcome).table(Table::Output)
}

pub const ATTACKS: &[Attack] = &[
    // Its life.
    reading("table-is-silent", |_| silence(), TableReplaced(STILL)).waits(),
    reading("table-only-burns-time", |_| burn(), TableReplaced("it has used 20s of CPU time"))
        .waits(),
    reading("table-silent-at-work", silent_at_work, TableReplaced(STILL)).waits(),
    reading("table-dies", |_| die(), TableReplaced(KILLED)),
    reading(
        "table-dies-every-time",
        |_| die(),
        Ends(1, "rows.parquet: the process that reads it died 6 times"),
    )
    .by(Who::EveryTable),
    reading("table-dies-between-rows", |guard| dies_behind(guard, 0), TableReplaced(KILLED)),
    reading("table-dies-within-a-row", |guard| dies_behind(guard, 100), TableReplaced(KILLED)),
    reading("table-is-not-locked", is_not_locked, Ends(3, "the table worker is not locked"))
        .locked(),
    reading("table-says-it-has-no-locks", has_no_locks, Ends(3, "the table worker is not locked"))
        .locked(),
    reading(
        "table-keeps-a-lock-open",
        keeps_a_lock_open,
        Ends(3, "the table worker is not locked"),
    )
    .locked(),
    reading("table-commands-the-terminal", commands_the_terminal, Ends(1, "\\u{1b}[2J\\u{202e}")),
    // Answers.
    reading("table-greets-with-online", greets_with_online, TableReplaced(UNASKED)),
    reading("table-says-done", says_done, TableReplaced(UNASKED)),
    reading("table-flood", flood, TableReplaced(UNASKED)),
    reading("table-old-nonce", old_nonce, TableReplaced(OTHER)),
    reading("table-more-than-memory", |guard| claims(guard, u64::MAX), TableReplaced(TOO_MUCH)),
    reading(
        "table-has-something-to-say",
        has_something_to_say,
        TableReplaced("it has something to say where nothing can be said"),
    ),
    // Rows.
    reading("table-fewer-rows", |guard| says(guard, 0, -1), TableReplaced(NOT_THOSE)),
    reading("table-more-rows", |guard| says(guard, 0, 1), TableReplaced(NOT_THOSE)),
    reading("table-more-rows-to-come", |guard| says(guard, 1, 1), TableReplaced(NOT_THOSE)),
    reading("table-row-without-end", row_without_end, TableReplaced(NOT_THOSE)),
    reading("table-nothing-without-end", nothing_without_end, TableReplaced(NOT_THOSE)),
    // Summaries.
    reading(
        "table-summary-is-rubbish",
        |guard| sums_up(guard, &[0xff; 64], 0),
        TableReplaced(NO_SENSE),
    ),
    reading("table-too-many-rows", too_many_rows, TableReplaced(NO_SENSE)),
    reading("table-summary-without-end", summary_without_end, TableReplaced(ENDLESS)),
    reading("table-summary-of-nothing", |guard| sums_up(guard, &[], 1), TableReplaced(ENDLESS)),
    reading("table-summary-too-long", summary_too_long, TableReplaced(ENDLESS)),
    // Writing one.
    writing(
        "table-made-is-silent",
        |guard| Worker::open(guard).and_then(|_| silence()),
        TableReplaced(STILL),
    )
    .waits(),
    writing("table-made-dies-at-once", |_| die(), TableReplaced(KILLED)),
    writing("table-made-dies", made_half, TableReplaced(KILLED)),
    writing(
        "table-made-dies-every-time",
        made_half,
        Ends(1, "the process that makes it died 4 times"),
    )
    .by(Who::EveryTable),
    writing("table-made-without-end", |guard| makes(guard, &[], u64::MAX), TableReplaced(NO_END)),
    writing("table-made-of-nothing", |guard| makes(guard, &[], 1), TableReplaced(NO_END)),
    writing(
        "table-made-of-too-much",
        |guard| makes(guard, &[b'x'; 1 << 20], 1),
        TableReplaced("it makes more than it can hold"),
    ),
    writing("table-made-more-than-memory", made_more_than_memory, TableReplaced(TOO_MUCH)),
    writing("table-made-refuses-in-escapes", refuses_in_escapes, Ends(1, "\\u{1b}[2J\\u{202e}")),
];

/// Rows of the table as lines.
pub fn rows(first: u64, count: u64) -> String {
    let row = |number| format!("{{\"number\":{number},\"text\":\"{}\"}}\n", "words ".repeat(100));
    (first..first + count).map(row).collect()
}

/// A table worker that is online.
struct Worker {
    greeted: Greeted,
    /// What answers repeat.
    nonce: u64,
}

impl Worker {
    fn open(guard: &str) -> Result<Worker> {
        Worker::open_over(Greeted::greet(guard)?)
    }

    fn open_over(greeted: Greeted) -> Result<Worker> {
        let nonce = greeted.open_table()?;
        Ok(Worker { greeted, nonce })
    }

    /// One that has told how many rows there are, and was asked for some.
    fn asked(guard: &str, bytes: u64) -> Result<(Worker, Rows)> {
        let mut worker = Worker::open(guard)?;
        let rows = worker.sum_up(bytes)?;
        Ok((worker, rows))
    }

    /// Tells how many rows there are, and waits for the first that are wanted.
    fn sum_up(&mut self, bytes: u64) -> Result<Rows> {
        self.greeted.next_fetch()?;
        self.piece(&postcard::to_stdvec(&[(ROWS, bytes)][..])?, 0)?;
        self.next_rows()
    }

    fn next_rows(&mut self) -> Result<Rows> {
        let (nonce, rows) = self.greeted.next_rows()?;
        self.nonce = nonce;
        Ok(rows)
    }

    fn piece(&self, bytes: &[u8], left: u64) -> Result<()> {
        write_piece(bytes)?;
        self.say(Piece { bytes: bytes.len() as u64, left, ..NOTHING })
    }

    fn say(&self, piece: Piece) -> Result<()> {
        self.greeted.wire.say(&Response::Piece(Piece { nonce: self.nonce, ..piece }))
    }

    /// Gives all rows that are wanted until there are no more.
    fn serve(mut self, mut wanted: Rows) -> Result<()> {
        loop {
            self.piece(rows(wanted.first, wanted.count).as_bytes(), 0)?;
            // Nobody says that there is nothing more to do.
            let Ok(next) = self.next_rows() else { return Ok(()) };
            wanted = next;
        }
    }
}

const NOTHING: Piece = Piece { nonce: 0, bytes: 0, left: 0, records: 0, text_bytes: 0 };

/// Does nothing, for ever: what ends this process is the supervisor.
fn silence() -> ! {
    loop {
        std::thread::park();
    }
}

/// Takes all the time that it gets, and says nothing.
fn burn() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

fn die() -> Result<()> {
    kill_process(getpid(), Signal::KILL)?;
    silence()
}

fn silent_at_work(guard: &str) -> Result<()> {
    let _worker = Worker::asked(guard, ALL_AT_ONCE)?;
    silence()
}

/// Gives ten rows and so many bytes of the next, which are passed on, and dies.
fn dies_behind(guard: &str, bytes: usize) -> Result<()> {
    let (worker, wanted) = Worker::asked(guard, ALL_AT_ONCE)?;
    let text = rows(wanted.first, wanted.count);
    let whole = rows(wanted.first, 10).len();
    worker.piece(&text.as_bytes()[..whole + bytes], 1)?;
    worker.greeted.next_fetch()?;
    die()
}

/// Says that it has all locks, has none, and is honest in everything else.
fn is_not_locked(guard: &str) -> Result<()> {
    serve_as(guard, ALL_LAYERS)
}

/// The same without the lie.
fn has_no_locks(guard: &str) -> Result<()> {
    serve_as(guard, 0)
}

fn serve_as(guard: &str, layers: u8) -> Result<()> {
    let mut worker = Worker::open_over(Greeted::greet_as(Wire::connect(guard)?, layers)?)?;
    let wanted = worker.sum_up(ALL_AT_ONCE)?;
    worker.serve(wanted)
}

/// Puts on all that can be seen of the locks of a worker that has not come online, and then
/// leaves out the last of them. Its filters let everything through.
fn keeps_a_lock_open(guard: &str) -> Result<()> {
    let wire = Wire::connect(guard)?;
    let all = libc::sock_filter { code: 6, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW };
    let filter = libc::sock_fprog { len: 1, filter: &raw const all as *mut _ };
    // Of capabilities: version 3, this process, none at all.
    let (header, none) = ([0x2008_0522_u32, 0], [0_u32; 6]);
    // SAFETY: each call reads what it is given, which lives until it returns.
    let done = unsafe {
        [
            libc::syscall(libc::SYS_capset, &raw const header, &raw const none),
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0).into(),
            libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter).into(),
            libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter).into(),
        ]
    };
    ensure!(done == [0; 4], "it cannot pretend: {done:?}");
    let mut worker = Worker::open_over(Greeted::greet_as(wire, ALL_LAYERS)?)?;
    let wanted = worker.sum_up(ALL_AT_ONCE)?;
    worker.serve(wanted)
}

fn commands_the_terminal(guard: &str) -> Result<()> {
    let (worker, _) = Worker::asked(guard, ALL_AT_ONCE)?;
    refuse(&worker)
}

fn refuses_in_escapes(guard: &str) -> Result<()> {
    let worker = Worker::open(guard)?;
    worker.greeted.next_fetch()?;
    refuse(&worker)
}

/// Says what is wrong with its file, in words that clear the screen and turn the line around.
fn refuse(worker: &Worker) -> Result<()> {
    let text = "\u{1b}[2J\u{202e}".into();
    worker.greeted.wire.say(&Response::Fatal { what: INPUT, text })?;
    silence()
}

fn greets_with_online(guard: &str) -> Result<()> {
    let wire = Wire::connect(guard)?;
    wire.say(&Response::Online)?;
    silence()
}

/// Answers for rows as if they had been a range.
fn says_done(guard: &str) -> Result<()> {
    let (worker, _) = Worker::asked(guard, ALL_AT_ONCE)?;
    let (nonce, stop) = (worker.nonce, ROWS);
    let done = Done {
        nonce,
        stop,
        used: ROWS,
        dropped: 0,
        failed: 0,
        passed_over: 0,
        output_bytes: 0,
        left: 0,
        output_records: ROWS,
        text_bytes: 0,
        end: End::Reached,
    };
    worker.greeted.wire.say(&Response::Done(done))?;
    silence()
}

fn flood(guard: &str) -> Result<()> {
    let (worker, _) = Worker::asked(guard, ALL_AT_ONCE)?;
    while worker.greeted.wire.say(&Response::Online).is_ok() {}
    silence()
}

/// Answers for rows with the number of what was asked before, and with other rows: what it
/// says is no answer to this question.
fn old_nonce(guard: &str) -> Result<()> {
    let (worker, wanted) = Worker::asked(guard, ALL_AT_ONCE)?;
    let other = "{}\n".repeat(usize::try_from(wanted.count)?);
    write_piece(other.as_bytes())?;
    let nonce = worker.nonce.wrapping_add(1);
    let piece = Piece { nonce, bytes: other.len() as u64, ..NOTHING };
    worker.greeted.wire.say(&Response::Piece(piece))?;
    silence()
}

fn claims(guard: &str, bytes: u64) -> Result<()> {
    let (worker, _) = Worker::asked(guard, ALL_AT_ONCE)?;
    worker.say(Piece { bytes, ..NOTHING })?;
    silence()
}

fn has_something_to_say(guard: &str) -> Result<()> {
    let (worker, wanted) = Worker::asked(guard, ALL_AT_ONCE)?;
    let text = rows(wanted.first, wanted.count);
    write_piece(text.as_bytes())?;
    worker.say(Piece { bytes: text.len() as u64, text_bytes: 7, ..NOTHING })?;
    let Ok(_) = worker.greeted.next_rows() else { return Ok(()) };
    silence()
}

/// Gives so many rows more than are wanted, or fewer, and says that so much is left.
fn says(guard: &str, left: u64, more: i64) -> Result<()> {
    let (mut worker, wanted) = Worker::asked(guard, A_THIRD)?;
    let count = wanted.count.checked_add_signed(more).context("rows")?;
    ensure!(count < ROWS, "it was asked for all rows at once");
    worker.piece(rows(wanted.first, count).as_bytes(), left)?;
    if left > 0 {
        worker.greeted.next_fetch()?;
        worker.piece(&[], 0)?;
    }
    let wanted = worker.next_rows()?;
    worker.serve(wanted)
}

/// Leaves the end of its last row out, so that the next one would be part of it.
fn row_without_end(guard: &str) -> Result<()> {
    let (mut worker, wanted) = Worker::asked(guard, A_THIRD)?;
    ensure!(wanted.count < ROWS, "it was asked for all rows at once");
    let text = rows(wanted.first, wanted.count);
    worker.piece(text.trim_end().as_bytes(), 0)?;
    let wanted = worker.next_rows()?;
    worker.serve(wanted)
}

/// Has something to come for ever, and nothing yet.
fn nothing_without_end(guard: &str) -> Result<()> {
    let (worker, _) = Worker::asked(guard, ALL_AT_ONCE)?;
    loop {
        worker.piece(&[], 1)?;
        worker.greeted.next_fetch()?;
    }
}

/// Gives these bytes for a summary, as often as there is more to fetch.
fn sums_up(guard: &str, bytes: &[u8], left: u64) -> Result<()> {
    let worker = Worker::open(guard)?;
    loop {
        worker.greeted.next_fetch()?;
        worker.piece(bytes, left)?;
    }
}

/// More than can be counted.
fn too_many_rows(guard: &str) -> Result<()> {
    let summary = postcard::to_stdvec(&[(u64::MAX, 1), (ROWS, 1)][..])?;
    sums_up(guard, &summary, 0)
}

/// Comes so slowly that nobody runs out of memory meanwhile.
fn summary_without_end(guard: &str) -> Result<()> {
    let worker = Worker::open(guard)?;
    loop {
        worker.greeted.next_fetch()?;
        std::thread::sleep(Duration::from_millis(50));
        worker.piece(&[0; 64 << 10], 1)?;
    }
}

/// Millions of groups, all but one of them without a row; honest in everything else.
fn summary_too_long(guard: &str) -> Result<()> {
    let mut worker = Worker::open(guard)?;
    worker.greeted.next_fetch()?;
    let mut groups = vec![(0, 0); 4_000_000];
    groups[0] = (ROWS, ALL_AT_ONCE);
    worker.piece(&postcard::to_stdvec(&groups)?, 0)?;
    let wanted = worker.next_rows()?;
    worker.serve(wanted)
}

/// Gives something that looks like a table, and dies.
fn made_half(guard: &str) -> Result<()> {
    let worker = Worker::open(guard)?;
    worker.greeted.next_fetch()?;
    worker.piece(b"PAR1 and what begins like one", 1)?;
    worker.greeted.next_fetch()?;
    die()
}

/// Gives the same again and again for the table, slowly, so that no disk fills meanwhile, and
/// says that so much is left.
fn makes(guard: &str, bytes: &[u8], left: u64) -> Result<()> {
    let worker = Worker::open(guard)?;
    loop {
        worker.greeted.next_fetch()?;
        std::thread::sleep(Duration::from_millis(20));
        worker.piece(bytes, left)?;
    }
}

fn made_more_than_memory(guard: &str) -> Result<()> {
    let worker = Worker::open(guard)?;
    worker.greeted.next_fetch()?;
    worker.say(Piece { bytes: u64::MAX, ..NOTHING })?;
    silence()
}
