//! The world as a plugin sees it through WASI: nothing that it could reach or tell others
//! by. Time is made up unless the user wants the machine's, randomness is drawn from a seed,
//! what it prints is logged, and there are no files, directories or sockets.

mod descriptors;
pub(super) mod preview1;
pub(super) mod preview2;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use blake3::{Hasher, OutputReader};

use crate::job::Time;
use crate::protocol::{Level, Surroundings};

use descriptors::{Descriptors, End};

/// By how much both made-up clocks go on whenever one of them is read, and the finest that
/// a plugin sees of real ones, in nanoseconds.
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

/// A plugin's end by its own wish: the function that it called, and the code.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it called `{function}` with {code}")]
pub(super) struct Exit {
    pub function: &'static str,
    pub code: u32,
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
#[derive(Debug)]
pub(in crate::runtime) struct World {
    surroundings: Surroundings,
    /// When the instance began, where its clocks are real.
    begun: Option<Instant>,
    /// Nanoseconds by which its clocks went on since then, besides what they do by
    /// themselves: made-up ones with each look, and all of them in sleep.
    passed: u64,
    /// `passed` when the record began.
    record: u64,
    /// The record's input and its offset there, which tell its randomness from that of others.
    position: (u32, u64),
    /// Gives randomness, once the record has asked for some.
    random: Option<Box<OutputReader>>,
    /// Lines that are not ended yet.
    lines: [Vec<u8>; 2],
    /// What a command has besides.
    command: Option<Terminal>,
    /// What a module's descriptors are.
    descriptors: Descriptors,
    /// What a component holds.
    held: preview2::Held,
}

impl World {
    pub fn new(surroundings: Surroundings) -> World {
        World {
            surroundings,
            begun: (surroundings.time == Time::Real).then(Instant::now),
            passed: 0,
            record: 0,
            position: (0, 0),
            random: None,
            lines: Default::default(),
            command: None,
            descriptors: Descriptors::default(),
            held: preview2::Held::default(),
        }
    }

    /// Another record begins: the wall clock and randomness begin anew.
    pub fn begin_record(&mut self, position: (u32, u64)) {
        self.record = self.passed;
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

    /// Takes up to so many bytes of standard input; nothing where there are none left.
    fn take_input(&mut self, most: u64) -> Option<&[u8]> {
        let terminal = self.command.as_mut()?;
        let rest = terminal.input.get(terminal.read..).filter(|rest| !rest.is_empty())?;
        let part = rest.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        terminal.read += part;
        Some(&rest[..part])
    }

    /// Whether standard input, output or error looks like a terminal. All do, so that the
    /// plugin's library ends a line where it ends, and the line belongs to its record; but
    /// where a command reads and prints records are pipes, so that its library does both in
    /// large pieces.
    fn is_terminal(&self, end: End) -> bool {
        self.command.is_none() || end == End::Output(Stream::Err)
    }

    /// Nanoseconds since 1970, or since the instance began.
    fn read(&mut self, clock: Clock) -> u64 {
        if self.begun.is_none() {
            self.passed = self.passed.saturating_add(TICK);
        }
        match clock {
            Clock::Wall => self.wall(),
            Clock::Monotonic => self.now(),
        }
    }

    /// What the monotonic clock shows: nanoseconds since the instance began. It never goes
    /// back, as WASI wants it.
    fn now(&self) -> u64 {
        let by_itself = self.begun.map_or(0, |begun| nanoseconds(begun.elapsed()));
        by_itself.saturating_add(self.passed)
    }

    /// What the wall clock shows: nanoseconds since 1970. What was slept away in a record is
    /// forgotten with it.
    fn wall(&self) -> u64 {
        let by_itself = match self.surroundings.time {
            Time::StartsAt(time) => time,
            Time::Real => SystemTime::UNIX_EPOCH.elapsed().map_or(0, nanoseconds),
        };
        by_itself.saturating_add(self.passed - self.record)
    }

    /// When the monotonic clock shows what is waited for.
    fn deadline(&self, clock: Clock, time: u64, absolute: bool) -> u64 {
        match clock {
            _ if !absolute => self.now().saturating_add(time),
            Clock::Wall => self.now().saturating_add(time.saturating_sub(self.wall())),
            Clock::Monotonic => time,
        }
    }

    /// Sleeps until the monotonic clock shows at least this: that takes no time. Where the
    /// clock is real it does not either. A worker that sleeps looks like one that stands
    /// still, which blames no record, and no plugin may hold up a job without being blamed.
    fn sleep_until(&mut self, deadline: u64) {
        self.passed = self.passed.saturating_add(deadline.saturating_sub(self.now()));
    }

    /// Fills a place with randomness: the same for the same record and seed.
    fn fill(&mut self, place: &mut [u8]) {
        let (input, offset) = self.position;
        let reader = self.random.get_or_insert_with(|| {
            let mut hasher = Hasher::new_derive_key("host 2026-11-26 randomness of a record");
            hasher.update(&input.to_le_bytes()).update(&offset.to_le_bytes());
            // The seed 0 adds nothing; zeros at the end tell no seeds apart.
            let seed = &self.surroundings.seed;
            let length = seed.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            hasher.update(&seed[..length]);
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

/// How long this is, in nanoseconds, as finely as a plugin may see it.
fn nanoseconds(time: Duration) -> u64 {
    let exact = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    exact - exact % TICK
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2000-01-01T00:00:00Z.
    const START: u64 = 946_684_800 * SECOND;

    #[test]
    fn time_goes_on_where_it_is_read_and_the_wall_clock_begins_anew_with_each_record() {
        let mut world = World::new(Surroundings::default());
        let mut seen = Vec::new();
        for record in 0..2 {
            world.begin_record((0, record));
            let first = world.read(Clock::Wall);
            world.sleep_until(world.now() + 5 * SECOND);
            seen.push((first, world.read(Clock::Wall) - first));
        }
        assert_eq!(seen, [(START + TICK, 5 * SECOND + TICK); 2]);
        let before = world.read(Clock::Monotonic);
        world.begin_record((0, 7));
        world.sleep_until(0);
        assert!(world.read(Clock::Monotonic) > before, "it never goes back");
    }

    #[test]
    fn randomness_belongs_to_a_record() {
        let draw = |position, lengths: &[usize]| {
            let mut world = World::new(Surroundings::default());
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
    fn randomness_is_another_with_another_seed() {
        let draw = |seed: &[(usize, u8)]| {
            let mut surroundings = Surroundings::default();
            for &(at, byte) in seed {
                surroundings.seed[at] = byte;
            }
            let mut world = World::new(surroundings);
            world.begin_record((3, 77));
            let mut drawn = [0; 32];
            world.fill(&mut drawn);
            drawn
        };
        let seeds: [&[(usize, u8)]; 6] =
            [&[], &[(0, 1)], &[(0, 2)], &[(1, 1)], &[(0, 1), (1, 1)], &[(31, 1)]];
        for (place, seed) in seeds.iter().enumerate() {
            assert_eq!(draw(seed), draw(seed));
            assert!(seeds[..place].iter().all(|other| draw(other) != draw(seed)), "{seed:?}");
        }
    }

    #[test]
    fn a_real_clock_is_the_machines_but_for_what_was_slept() {
        let mut world = World::new(Surroundings { time: Time::Real, ..Default::default() });
        world.begin_record((0, 0));
        let machine = || nanoseconds(SystemTime::UNIX_EPOCH.elapsed().unwrap());
        let (hour, day) = (3600 * SECOND, 24 * 3600 * SECOND);
        assert!(world.read(Clock::Wall).abs_diff(machine()) < hour);
        let before = world.read(Clock::Monotonic);
        world.sleep_until(world.deadline(Clock::Wall, machine() + day, true));
        let (wall, now) = (world.read(Clock::Wall), world.read(Clock::Monotonic));
        assert!(wall.abs_diff(machine() + day) < hour);
        assert!((now - before).abs_diff(day) < hour && now.is_multiple_of(TICK));
        // Time that is over is not waited for.
        world.sleep_until(world.deadline(Clock::Monotonic, 5, true));
        world.sleep_until(world.deadline(Clock::Wall, START, true));
        world.begin_record((0, 1));
        assert!(world.read(Clock::Wall).abs_diff(machine()) < hour, "the day is forgotten");
        assert!(world.read(Clock::Monotonic) >= now, "it never goes back");
        world.sleep_until(u64::MAX);
        assert_eq!(world.read(Clock::Monotonic), u64::MAX);
    }

    #[test]
    fn what_is_printed_becomes_lines() {
        let mut world = World::new(Surroundings::default());
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
