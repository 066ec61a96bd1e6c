//! The world as a plugin sees it through WASI: nothing that it could reach or tell others
//! by. Time is made up, randomness is drawn from a seed, what it prints is logged, and there
//! are no files, directories or sockets.

pub(super) mod preview1;
pub(super) mod preview2;

use std::sync::Arc;

use blake3::{Hasher, OutputReader};

use crate::protocol::Level;

pub(super) use preview1::Exit;

/// What the wall clock shows at the beginning of each record, in nanoseconds since 1970:
/// 2000-01-01T00:00:00Z.
const CLOCK_START: u64 = 946_684_800 * SECOND;
/// By how much both clocks go on whenever one of them is read, in nanoseconds.
const TICK: u64 = 1_000;
const SECOND: u64 = 1_000_000_000;

/// Which of a plugin's streams it prints to.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Stream {
    Out,
    Err,
}

impl Stream {
    /// How urgent what is printed there is.
    pub fn level(self) -> Level {
        match self {
            Stream::Out => Level::Info,
            Stream::Err => Level::Warn,
        }
    }
}

/// A clock that a plugin can read.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Clock {
    Wall,
    Monotonic,
}

/// What a command finds where others find nothing.
#[derive(Debug)]
pub(in crate::runtime) struct Terminal {
    /// Its name and what is behind it on the command line.
    pub arguments: Arc<[String]>,
    /// Its environment: `NAME=VALUE`.
    pub environment: Arc<[String]>,
    /// Standard input, and how much of it was read.
    pub input: Vec<u8>,
    pub read: usize,
    /// What it has printed to standard output, and how many bytes that may be.
    pub printed: Vec<u8>,
    pub limit: usize,
}

impl Terminal {
    /// What was not read yet.
    fn rest(&self) -> &[u8] {
        self.input.get(self.read..).unwrap_or_default()
    }
}

/// One instance's world.
#[derive(Debug, Default)]
pub(in crate::runtime) struct World {
    /// Nanoseconds since the instance began. It never goes back, as WASI wants it.
    now: u64,
    /// `now` when the record began.
    record: u64,
    /// The record's input and its offset there, which tell its randomness from that of others.
    position: (u32, u64),
    /// Gives randomness, once the record has asked for some.
    random: Option<Box<OutputReader>>,
    /// Lines that are not ended yet.
    lines: [Vec<u8>; 2],
    /// What a command has besides.
    command: Option<Terminal>,
    /// Standard descriptors that were closed.
    closed: [bool; 3],
    /// What a component holds.
    held: preview2::Held,
}

impl World {
    /// Another record begins: the wall clock and randomness begin anew.
    pub fn begin_record(&mut self, position: (u32, u64)) {
        self.record = self.now;
        self.position = position;
        self.random = None;
    }

    /// What a command has besides; nothing in another plugin.
    pub fn terminal(&self) -> Option<&Terminal> {
        self.command.as_ref()
    }

    pub fn terminal_mut(&mut self) -> &mut Option<Terminal> {
        &mut self.command
    }

    /// Nanoseconds since 1970, or since the instance began.
    fn read(&mut self, clock: Clock) -> u64 {
        self.now = self.now.saturating_add(TICK);
        match clock {
            Clock::Wall => CLOCK_START.saturating_add(self.now - self.record),
            Clock::Monotonic => self.now,
        }
    }

    /// When the monotonic clock shows what is waited for.
    fn deadline(&self, clock: Clock, time: u64, absolute: bool) -> u64 {
        match clock {
            _ if !absolute => self.now.saturating_add(time),
            Clock::Wall => self.record.saturating_add(time.saturating_sub(CLOCK_START)),
            Clock::Monotonic => time,
        }
    }

    /// Whether a descriptor is open: of standard input, output and error.
    fn is_open(&self, descriptor: u32) -> bool {
        self.closed.get(descriptor as usize) == Some(&false)
    }

    /// Closes a descriptor; false if it was not open.
    fn close(&mut self, descriptor: u32) -> bool {
        let is_open = self.is_open(descriptor);
        if is_open {
            self.closed[descriptor as usize] = true;
        }
        is_open
    }

    /// Sleeps until the monotonic clock shows at least this: that takes no time.
    fn sleep_until(&mut self, deadline: u64) {
        self.now = self.now.max(deadline);
    }

    /// Fills a place with randomness: the same for the same record in every run.
    fn fill(&mut self, place: &mut [u8]) {
        let (input, offset) = self.position;
        let reader = self.random.get_or_insert_with(|| {
            let mut hasher = Hasher::new_derive_key("host 2026-11-26 randomness of a record");
            hasher.update(&input.to_le_bytes()).update(&offset.to_le_bytes());
            Box::new(hasher.finalize_xof())
        });
        reader.fill(place);
    }

    /// Takes up to a line's end of what a plugin prints; gives the line if that is there. Of a
    /// line that is longer than `limit`, only so much is kept.
    pub fn print(&mut self, stream: Stream, part: &[u8], limit: usize) -> Option<Vec<u8>> {
        let line = &mut self.lines[stream as usize];
        let content = part.strip_suffix(b"\n").unwrap_or(part);
        let room = limit.saturating_sub(line.len());
        line.extend_from_slice(&content[..content.len().min(room)]);
        (content.len() < part.len()).then(|| std::mem::take(line))
    }

    /// Takes the lines that are not ended.
    pub fn take_lines(&mut self) -> impl Iterator<Item = (Stream, Vec<u8>)> + use<> {
        let lines = std::mem::take(&mut self.lines);
        [Stream::Out, Stream::Err].into_iter().zip(lines).filter(|(_, line)| !line.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_where_it_is_read_and_the_wall_clock_begins_anew_with_each_record() {
        let mut world = World::default();
        let mut seen = Vec::new();
        for record in 0..2 {
            world.begin_record((0, record));
            let first = world.read(Clock::Wall);
            world.sleep_until(world.now + 5 * SECOND);
            seen.push((first, world.read(Clock::Wall) - first));
        }
        assert_eq!(seen, [(CLOCK_START + TICK, 5 * SECOND + TICK); 2]);
        let before = world.read(Clock::Monotonic);
        world.begin_record((0, 7));
        world.sleep_until(0);
        assert!(world.read(Clock::Monotonic) > before, "it never goes back");
    }

    #[test]
    fn randomness_belongs_to_a_record() {
        let draw = |position, lengths: &[usize]| {
            let mut world = World::default();
            world.begin_record(position);
            let mut drawn = Vec::new();
            for &length in lengths {
                let mut place = vec![0; length];
                world.fill(&mut place);
                drawn.extend(place);
            }
            drawn
        };
        assert_eq!(draw((0, 1), &[100]), draw((0, 1), &[1, 64, 35]));
        assert_ne!(draw((0, 1), &[100]), draw((0, 2), &[100]));
        assert_ne!(draw((0, 1), &[100]), draw((1, 1), &[100]));
        assert_ne!(draw((0, 1), &[32]), [0; 32]);
    }

    #[test]
    fn what_is_printed_becomes_lines() {
        let mut world = World::default();
        let mut lines = Vec::new();
        for (stream, text) in [
            (Stream::Out, "one\ntw"),
            (Stream::Err, "other"),
            (Stream::Out, "o\n\n123456789\nrest"),
        ] {
            let parts = text.as_bytes().split_inclusive(|&byte| byte == b'\n');
            lines.extend(parts.filter_map(|part| world.print(stream, part, 8)));
        }
        assert_eq!(lines, [&b"one"[..], b"two", b"", b"12345678"]);
        let left: Vec<_> = world.take_lines().collect();
        assert_eq!(left, [(Stream::Out, b"rest".to_vec()), (Stream::Err, b"other".to_vec())]);
        assert_eq!(world.take_lines().count(), 0);
    }
}
