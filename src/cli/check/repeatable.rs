//! `host check --repeatable`: whether the same comes of the same records however they are cut,
//! shared out and ordered.

use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::BuildHasher as _;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _};
use std::path::Path;

use host::{Error, printable};

use crate::cli::trial::{Ran, Trial, Way};

/// Ranges of pieces: so many come of the data, where they are within these limits in bytes.
const RANGES: u64 = 64;
const RANGE: std::ops::RangeInclusive<u64> = 64..=1 << 20;
/// Up to this size, in bytes, each record is run in an instance of its own as well.
const SMALL: u64 = 1 << 20;
/// The exit code of a run that has left out records that failed.
const SET_ASIDE: i32 = 4;
/// How much of a line is shown, in bytes.
const SHOWN: usize = 2000;

/// What came of all runs.
pub enum Outcome {
    /// The same, in so many ways.
    Same(Vec<Way>),
    /// How they differ, in lines.
    Differs(String),
}

/// Runs the plugin in each way, and compares what comes out with what comes of the first.
///
/// # Errors
/// What keeps it from being run; a run that fails by itself is no such thing, if all do alike.
pub fn look(trial: &Trial, size: u64, folds: bool) -> Result<Outcome, Error> {
    let range = (size / RANGES).clamp(*RANGE.start(), *RANGE.end());
    // The first again: what differs then is drawn from outside.
    let mut ways = vec![Way::Whole, Way::Pieces(range)];
    if size <= SMALL && !folds {
        ways.push(Way::Records);
    }
    if !folds {
        ways.push(Way::Unordered(range));
    }
    let cannot = |error: io::Error| Error::Usage(format!("the plugin cannot be tried: {error}"));
    let first = trial.run(Path::new("."), Way::Whole).map_err(cannot)?;
    let mut first = Run::of(first);
    for way in &ways {
        let mut other = Run::of(trial.run(Path::new("."), *way).map_err(cannot)?);
        let difference = match way {
            Way::Unordered(_) => unordered_difference(&mut first, &mut other),
            _ => difference(&mut first, &mut other),
        };
        if let Some(what) = difference.map_err(cannot)? {
            return Ok(Outcome::Differs(format!(
                "- {}\n+ {}{way}\n{what}\nto repeat it:\n- {}\n+ {}",
                Way::Whole,
                if *way == Way::Whole { "again " } else { "" },
                trial.command(Way::Whole),
                trial.command(*way),
            )));
        }
    }
    Ok(Outcome::Same(ways))
}

struct Run {
    code: Option<i32>,
    output: File,
    said: File,
}

impl Run {
    fn of(ran: Ran) -> Run {
        Run { code: ran.status.code(), output: ran.output, said: ran.said }
    }

    /// The lines of the output, from its beginning.
    fn lines(&mut self) -> io::Result<BufReader<&mut File>> {
        self.output.rewind()?;
        Ok(BufReader::with_capacity(1 << 16, &mut self.output))
    }

    /// How it ended, and what it said last.
    fn end(&mut self) -> io::Result<String> {
        let mut said = String::new();
        self.said.rewind()?;
        (&mut self.said).take(1 << 16).read_to_string(&mut said)?;
        let error = said.lines().find(|line| line.starts_with("error:")).unwrap_or_default();
        let code = self.code.map_or("a signal".to_owned(), |code| format!("exit code {code}"));
        Ok(format!("{code} {}", printable(error)))
    }
}

/// The first line in which two outputs differ, or how they ended.
fn difference(first: &mut Run, other: &mut Run) -> io::Result<Option<String>> {
    if let Some(what) = end_difference(first, other)? {
        return Ok(Some(what));
    }
    let (mut one, mut two) = (first.lines()?, other.lines()?);
    let [mut left, mut right] = [Vec::new(), Vec::new()];
    for number in 1_u64.. {
        left.clear();
        right.clear();
        let read = one.read_until(b'\n', &mut left)? + two.read_until(b'\n', &mut right)?;
        if left != right {
            return Ok(Some(format!(
                "line {number} of the output is\n- {}\n+ {}",
                shown(&left),
                shown(&right)
            )));
        }
        if read == 0 {
            break;
        }
    }
    Ok(None)
}

/// Whether two outputs have the same lines, in any order.
fn unordered_difference(first: &mut Run, other: &mut Run) -> io::Result<Option<String>> {
    if let Some(what) = end_difference(first, other)? {
        return Ok(Some(what));
    }
    if !matches!(first.code, Some(0 | SET_ASIDE)) {
        // What was done before a run failed is by chance then.
        return Ok(None);
    }
    let hasher = RandomState::new();
    let sum = |run: &mut Run| -> io::Result<(u64, u64)> {
        let (mut lines, mut line) = (run.lines()?, Vec::new());
        let (mut count, mut sum) = (0, 0_u64);
        while lines.read_until(b'\n', &mut line)? > 0 {
            // In an array the last element has no comma behind it, whichever that is.
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            sum = sum.wrapping_add(hasher.hash_one(text.strip_suffix(b",").unwrap_or(text)));
            count += 1;
            line.clear();
        }
        Ok((count, sum))
    };
    let ((one, sum_of_one), (two, sum_of_two)) = (sum(first)?, sum(other)?);
    Ok(match (one == two, sum_of_one == sum_of_two) {
        (false, _) => Some(format!("there are {one} lines of output, and {two}")),
        (true, false) => Some(format!("of the {one} lines of output some are others")),
        (true, true) => None,
    })
}

fn end_difference(first: &mut Run, other: &mut Run) -> io::Result<Option<String>> {
    if first.code == other.code {
        return Ok(None);
    }
    Ok(Some(format!("it ended with\n- {}\n+ {}", first.end()?, other.end()?)))
}

/// A line as a person may see it.
fn shown(line: &[u8]) -> String {
    if line.is_empty() {
        return "(nothing: it has ended before)".into();
    }
    let text = String::from_utf8_lossy(&line[..line.len().min(SHOWN)]);
    let more = if line.len() > SHOWN { "..." } else { "" };
    printable(text.trim_end_matches('\n')) + more
}
