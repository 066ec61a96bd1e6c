//! Reading a table: several table workers turn stretches of its rows into JSON lines, which
//! come out here as one text, in the order of the rows.

use std::collections::VecDeque;
use std::fs::File;
use std::io;

use super::{
    Again, Group, Kind, MAX_SUMMARY, ROOM, Rows, Session, Summary, TableWorkers, Task, Trouble,
};
use crate::error::Error;
use crate::ipc::Violation;

/// What a stretch of rows should come to as text, in bytes: mostly it fits the slot, so that
/// no table worker has to wait with the rest of one.
const STRETCH: u64 = ROOM / 4 * 3;
/// How much longer rows are as text than as they are stored, before any have come.
const AS_TEXT: u64 = 4;
/// How often a table worker that died is replaced, for all of a table.
const RESTARTS: u32 = 5;

/// Whether somebody still waits for what is read.
pub(crate) type Wait<'a> = Box<dyn Fn() -> Result<(), Error> + 'a>;

/// Gives a table as JSON lines.
pub(crate) struct Reader<'a> {
    workers: TableWorkers,
    task: Task,
    file: File,
    wait: Wait<'a>,
    /// Those that have nothing to do.
    free: Vec<Session>,
    /// Stretches that are out, in the order of their rows.
    out: VecDeque<Out>,
    plan: Stretches,
    restarts: u32,
    /// One has died of what is likely to happen again.
    stumbled: bool,
    /// Text that has come and was not taken, from this byte on.
    held: Vec<u8>,
    taken: usize,
    rows: u64,
}

/// A stretch that a table worker is at.
struct Out {
    session: Session,
    stretch: Rows,
    /// Whole rows of it that have come.
    rows: u64,
    /// Bytes of all that has come.
    bytes: u64,
    /// Bytes that have come of the row behind them.
    begun: u64,
    /// Bytes of its first row that were passed on before, by one that died within it.
    again: u64,
}

/// What has come of a stretch.
struct Next {
    text: Vec<u8>,
    /// So many of its first bytes were passed on before.
    again: usize,
    /// There is no more.
    is_whole: bool,
}

impl<'a> Reader<'a> {
    /// Opens a table, or only these of its columns. `wait` says whether somebody still waits
    /// for it.
    ///
    /// # Errors
    /// It is none, or has not these columns: [`io::ErrorKind::InvalidData`]. The system does not
    /// allow it; nobody waits.
    pub fn open(
        workers: TableWorkers,
        kind: Kind,
        columns: Option<Vec<String>>,
        file: File,
        wait: Wait<'a>,
    ) -> io::Result<Reader<'a>> {
        let mut reader = Reader {
            workers,
            task: Task::Read { kind, columns },
            file,
            wait,
            free: Vec::new(),
            out: VecDeque::new(),
            plan: Stretches::new(Vec::new(), 1),
            restarts: 0,
            stumbled: false,
            held: Vec::new(),
            taken: 0,
            rows: 0,
        };
        let (session, summary) = loop {
            match reader.start_first() {
                Ok(started) => break started,
                Err(trouble) => reader.survive(trouble)?,
            }
        };
        reader.free.push(session);
        reader.rows = summary.groups.iter().map(|group| group.rows).sum();
        reader.plan = Stretches::new(summary.groups, reader.workers.workers() as u64);
        Ok(reader)
    }

    /// Waits for text and appends at most `most` bytes of it. Gives how many, 0 at the end.
    ///
    /// # Errors
    /// The table is damaged; the system does not allow it; nobody waits.
    pub fn read(&mut self, into: &mut Vec<u8>, most: usize) -> io::Result<usize> {
        while self.taken == self.held.len() {
            if !self.next_piece()? {
                return Ok(0);
            }
        }
        let rest = &self.held[self.taken..];
        let given = rest.len().min(most);
        into.extend_from_slice(&rest[..given]);
        self.taken += given;
        Ok(given)
    }

    /// How much of the table was passed on: from 0 to 1.
    pub fn done(&self) -> f64 {
        let out: u64 = self.out.iter().map(|out| out.stretch.count - out.rows).sum();
        let left = self.plan.rows_left() + out;
        1.0 - left as f64 / self.rows.max(1) as f64
    }

    /// Waits for the next piece of text. False if there is no further.
    fn next_piece(&mut self) -> io::Result<bool> {
        self.hand_out()?;
        let Some(out) = self.out.front_mut() else { return Ok(false) };
        let room = std::mem::take(&mut self.held);
        self.taken = 0;
        match out.next(room, &self.wait) {
            Ok(Next { text, again, is_whole }) => {
                (self.held, self.taken) = (text, again);
                if is_whole && let Some(out) = self.out.pop_front() {
                    self.plan.learn(out.stretch.count, out.bytes);
                    self.free.push(out.session);
                }
            }
            Err(trouble) => {
                self.survive(trouble)?;
                self.replace_front()?;
            }
        }
        Ok(true)
    }

    /// Gives every table worker something to do, and starts as many as there is work for.
    fn hand_out(&mut self) -> io::Result<()> {
        while self.out.len() < self.workers.workers()
            && let Some(stretch) = self.plan.next()
        {
            let mut session = match self.free.pop() {
                Some(session) => session,
                None => self.start()?,
            };
            session.ask(stretch);
            self.out.push_back(Out { session, stretch, rows: 0, bytes: 0, begun: 0, again: 0 });
        }
        Ok(())
    }

    /// Has another table worker do the first stretch that is out; what was passed on of it is
    /// not passed on again.
    fn replace_front(&mut self) -> io::Result<()> {
        let mut session = self.start()?;
        let Some(out) = self.out.front_mut() else { return Ok(()) };
        let Rows { group, first, count, .. } = out.stretch;
        let rest = Rows { group, first: first + out.rows, count: count - out.rows, step: 0 };
        let again = if out.rows == 0 { out.again.max(out.begun) } else { out.begun };
        session.ask(rest);
        *out = Out { session, stretch: rest, rows: 0, bytes: 0, begun: 0, again };
        Ok(())
    }

    fn start(&mut self) -> io::Result<Session> {
        loop {
            match self.start_first() {
                Ok((session, _)) => return Ok(session),
                Err(trouble) => self.survive(trouble)?,
            }
        }
    }

    /// Starts a table worker and hears what it says of the table.
    fn start_first(&self) -> Result<(Session, Summary), Trouble> {
        let mut session = Session::start(&self.workers, &self.task, &[&self.file], &self.wait)?;
        session.fetch();
        let mut text = Vec::new();
        loop {
            let (bytes, piece) = session.piece(Vec::new(), &self.wait)?;
            text.extend_from_slice(&bytes);
            let ends = piece.left == 0;
            if text.len() > MAX_SUMMARY || (bytes.is_empty() && !ends) {
                return Err(session.cut_off(&Violation::Answer("its summary has no end")));
            }
            if ends {
                break;
            }
            session.fetch();
        }
        match postcard::from_bytes(&text).ok().filter(Summary::makes_sense) {
            Some(summary) => Ok((session, summary)),
            None => Err(session.cut_off(&Violation::Answer("its summary makes no sense"))),
        }
    }

    /// Goes on after what may be different the next time.
    fn survive(&mut self, trouble: Trouble) -> io::Result<()> {
        match trouble {
            Trouble::Died { how, again: Again::Likely } if self.stumbled => {
                Err(io::Error::other(format!("where it is read, {how}")))
            }
            Trouble::Died { how, .. } if self.restarts == RESTARTS => {
                Err(io::Error::other(format!(
                    "the process that reads it died {} times; the last time {how}",
                    RESTARTS + 1
                )))
            }
            Trouble::Died { how, again } => {
                tracing::warn!(%how, "a table worker has died");
                self.restarts += 1;
                self.stumbled |= again == Again::Likely;
                Ok(())
            }
            Trouble::Refused(why) => Err(io::Error::new(io::ErrorKind::InvalidData, why)),
            Trouble::Over(error) => Err(io::Error::other(error)),
        }
    }
}

impl Out {
    /// Waits for the next piece.
    fn next(&mut self, room: Vec<u8>, wait: &Wait<'_>) -> Result<Next, Trouble> {
        let (text, piece) = self.session.piece(room, wait)?;
        let is_whole = piece.left == 0;
        let length = text.len() as u64;
        let rows = self.rows + memchr::memchr_iter(b'\n', &text).count() as u64;
        let begun = match memchr::memrchr(b'\n', &text) {
            Some(end) => length - end as u64 - 1,
            None => self.begun + length,
        };
        let fits = match is_whole {
            true => rows == self.stretch.count && begun == 0,
            // There is more, and so far no more than was wanted.
            false => rows < self.stretch.count && !text.is_empty(),
        };
        if !fits {
            let wrong = Violation::Answer("its rows are not those that are wanted");
            return Err(self.session.cut_off(&wrong));
        }
        let again = self.again.saturating_sub(self.bytes).min(length) as usize;
        (self.rows, self.begun) = (rows, begun);
        self.bytes += length;
        if !is_whole {
            self.session.fetch();
        }
        Ok(Next { text, again, is_whole })
    }
}

impl Summary {
    /// Whether there can be such a table.
    fn makes_sense(&self) -> bool {
        let rows = self.groups.iter().try_fold(0_u64, |sum, group| sum.checked_add(group.rows));
        u32::try_from(self.groups.len()).is_ok() && rows.is_some()
    }
}

/// The rows of a table, one stretch after the other.
struct Stretches {
    groups: Vec<Group>,
    /// How many processes take turns.
    workers: u64,
    /// Where the next begins, and how many rows it has unless the group ends before.
    at: Rows,
    /// Bytes of text that a row comes to, as far as it is known.
    row: Option<u64>,
}

impl Stretches {
    fn new(groups: Vec<Group>, workers: u64) -> Stretches {
        let at = Rows { group: 0, first: 0, count: 0, step: 0 };
        Stretches { groups, workers, at, row: None }
    }

    /// Learns that so many rows have come to so much text.
    fn learn(&mut self, rows: u64, bytes: u64) {
        self.row = Some(bytes / rows.max(1));
    }

    fn rows_left(&self) -> u64 {
        let from = self.groups.get(self.at.group as usize..).unwrap_or_default();
        from.iter().map(|group| group.rows).sum::<u64>() - self.at.first
    }
}

impl Iterator for Stretches {
    type Item = Rows;

    fn next(&mut self) -> Option<Rows> {
        loop {
            let group = self.groups.get(self.at.group as usize)?;
            let left = group.rows - self.at.first;
            if left == 0 {
                self.at = Rows { group: self.at.group + 1, first: 0, count: 0, step: 0 };
                continue;
            }
            let guess = || (group.bytes / group.rows).saturating_mul(AS_TEXT);
            let row = self.row.unwrap_or_else(guess).max(1);
            let good = (STRETCH / row).max(1);
            let now = self.at.count;
            // Each change has processes look for their next rows from the group's beginning.
            if now == 0 || now > 2 * good || 2 * now < good {
                (self.at.count, self.at.step) = (good, good.saturating_mul(self.workers));
            }
            let stretch = Rows { count: self.at.count.min(left), ..self.at };
            self.at.first += stretch.count;
            return Some(stretch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_have_every_row_once() {
        let group = |rows, bytes| Group { rows, bytes };
        let groups = vec![
            group(0, 0),
            group(10, u64::MAX),
            group(3_000_000, 150_000_000),
            group(0, 5),
            group(7, 7),
        ];
        let mut stretches = Stretches::new(groups.clone(), 3);
        let mut next = vec![0; groups.len()];
        let mut learned = false;
        while let Some(Rows { group, first, count, step }) = stretches.next() {
            assert!(step >= 3 * count);
            assert_eq!(next[group as usize], first);
            assert!(count > 0);
            next[group as usize] += count;
            if first > 1_000_000 && !learned {
                learned = true;
                stretches.learn(1, 600);
            }
        }
        assert!(learned);
        assert_eq!(next, groups.iter().map(|group| group.rows).collect::<Vec<_>>());
        assert_eq!(stretches.rows_left(), 0);
    }

    #[test]
    fn a_summary_of_too_many_rows_makes_no_sense() {
        let group = Group { rows: u64::MAX / 2, bytes: 0 };
        assert!(Summary { groups: vec![group; 2] }.makes_sense());
        assert!(!Summary { groups: vec![group; 3] }.makes_sense());
    }
}
