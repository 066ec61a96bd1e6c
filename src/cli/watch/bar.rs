//! Progress for people: a bar on a terminal, and elsewhere a line now and then.

use std::time::{Duration, Instant};

use bytesize::ByteSize;
use host::{grouped, printable};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::termios::tcgetwinsize;

use super::tally::{Doing, Pace, Stage, Tally};
use crate::cli::{report, terminal};

/// A run that takes less long shows none.
const QUICK: Duration = Duration::from_secs(1);
/// Between two lines where there is no terminal.
const LINES: Duration = Duration::from_secs(10);
/// How often a terminal is drawn in a second, at most.
const DRAWINGS: u8 = 10;
/// Columns that a bar has, with its brackets.
const SHORTEST: usize = 10;
const LONGEST: usize = 40;
/// The rank of what is left out where there would be no bar.
const LESS_THAN_THE_BAR: u8 = 6;
/// Columns where they are not known.
const COLUMNS: usize = 80;
/// Columns of a line that no terminal shows.
const WIDE: usize = 160;

/// Progress on a terminal.
pub struct Bar {
    multi: MultiProgress,
    pace: Pace,
    /// The run's line, and then those of workers; none until there is something to show.
    lines: Vec<ProgressBar>,
    with_workers: bool,
}

impl Bar {
    /// None where standard error is no terminal that can show one.
    pub fn new(tally: &Tally, with_workers: bool) -> Option<Bar> {
        let multi = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(DRAWINGS));
        let bar = Bar { multi, pace: Pace::new(tally), lines: Vec::new(), with_workers };
        (!bar.multi.is_hidden()).then_some(bar)
    }

    /// Shows how far the run is.
    pub fn show(&mut self, tally: &Tally) {
        let now = Instant::now();
        self.pace.note(tally, now);
        if now - tally.began < QUICK {
            return;
        }
        if self.lines.is_empty() {
            terminal::show(Some(self.multi.clone()));
        }
        let (columns, rows) = size();
        // Half of the terminal is left to what is said.
        let workers = if self.with_workers { tally.workers.len().min(rows / 2) } else { 0 };
        while self.lines.len() < 1 + workers {
            self.lines.push(line_in(&self.multi));
        }
        // What is written into the last column may break the line.
        let run = line(tally, &self.pace, columns - 1);
        let workers = tally.workers.iter().enumerate();
        let workers = workers.map(|(place, doing)| worker(place, doing, &tally.inputs, now));
        for (line, text) in self.lines.iter().zip(std::iter::once(run).chain(workers)) {
            line.set_message(text);
        }
    }

    /// Takes it off the terminal.
    pub fn clear(self) {
        for line in &self.lines {
            line.finish_and_clear();
        }
        terminal::show(None);
    }
}

/// A line of its own below the others.
fn line_in(multi: &MultiProgress) -> ProgressBar {
    let line = multi.add(ProgressBar::no_length());
    // It is cut at the terminal's edge. This template is one.
    if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
        line.set_style(style);
    }
    line
}

/// The columns and rows of the terminal that standard error is.
fn size() -> (usize, usize) {
    let size = tcgetwinsize(std::io::stderr()).ok();
    let size = size.filter(|size| size.ws_col > 0 && size.ws_row > 0);
    size.map_or((COLUMNS, 24), |size| (size.ws_col.into(), size.ws_row.into()))
}

/// Progress where there is no terminal.
pub struct Lines {
    pace: Pace,
    told: Option<Instant>,
}

impl Lines {
    pub fn new(tally: &Tally) -> Lines {
        Lines { pace: Pace::new(tally), told: None }
    }

    /// Tells how far the run is, if that is due.
    pub fn show(&mut self, tally: &Tally) {
        let now = Instant::now();
        self.pace.note(tally, now);
        let is_due = match self.told {
            None => now - tally.began >= QUICK,
            Some(told) => now - told >= LINES,
        };
        if is_due {
            self.told = Some(now);
            report::note(&line(tally, &self.pace, WIDE));
        }
    }
}

/// How far the run is, in so many columns: what matters less is left out first.
fn line(tally: &Tally, pace: &Pace, columns: usize) -> String {
    let (bytes_rate, records_rate) = pace.rates();
    let share = tally.share();
    let records = tally.records_before + tally.records();
    let failed = tally.set_aside();
    let time = match (tally.stage, pace.left(tally)) {
        (Stage::Running, Some(left)) => format!("{} left", clock(left)),
        (Stage::Table { percent }, _) => format!("making the table: {percent} %"),
        (Stage::Starting, _) => format!("{} starting", clock(pace.elapsed(tally))),
        _ => format!("{} so far", clock(pace.elapsed(tally))),
    };
    let percent =
        share.map(|(done, total)| format!("{:>3} %", u128::from(done) * 100 / u128::from(total)));
    // In their order on the line, each with how soon it is left out.
    let parts = [
        (0, percent),
        (3, Some(bytes(tally))),
        (5, Some(count(records, "record"))),
        (4, Some(format!("{}/s", size_of(bytes_rate as u64)))),
        (LESS_THAN_THE_BAR, Some(format!("{} records/s", grouped(records_rate as u64)))),
        (1, (failed > 0).then(|| format!("{} failed", grouped(failed)))),
        (2, Some(time)),
    ];
    let mut parts: Vec<(u8, String)> =
        parts.into_iter().filter_map(|(rank, text)| Some((rank, text?))).collect();
    let width = |parts: &[(u8, String)]| {
        parts.iter().map(|(_, text)| text.len() + 2).sum::<usize>().saturating_sub(2)
    };
    let beside_bar = columns.saturating_sub(if share.is_some() { SHORTEST + 1 } else { 0 });
    while let Some((place, (rank, _))) = parts.iter().enumerate().max_by_key(|(_, (rank, _))| *rank)
    {
        let room = if *rank == LESS_THAN_THE_BAR { beside_bar } else { columns };
        if width(&parts) <= room || parts.len() == 1 {
            break;
        }
        parts.remove(place);
    }
    let room = columns.saturating_sub(width(&parts) + 1).min(LONGEST);
    let parts: Vec<String> = parts.into_iter().map(|(_, text)| text).collect();
    match share {
        Some(share) if room >= SHORTEST => format!("{} {}", bar(share, room), parts.join("  ")),
        _ => parts.join("  "),
    }
}

fn bar((done, total): (u64, u64), columns: usize) -> String {
    let room = columns - 2;
    let full = (u128::from(done) * room as u128 / u128::from(total)) as usize;
    let head = if full < room { ">" } else { "" };
    format!("[{:<room$}]", "=".repeat(full) + head)
}

/// Bytes that are done, and of how many.
fn bytes(tally: &Tally) -> String {
    let done = size_of(tally.bytes_before + tally.bytes);
    let Some(total) = tally.total_bytes else { return done };
    let total = size_of(total);
    match (done.split_once(' '), total.split_once(' ')) {
        // 1.2/3.4 GB
        (Some((number, unit)), Some((_, same))) if unit == same => format!("{number}/{total}"),
        _ => format!("{done}/{total}"),
    }
}

fn count(number: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(number), if number == 1 { "" } else { "s" })
}

fn size_of(bytes: u64) -> String {
    ByteSize(bytes).display().si().to_string()
}

/// Hours, minutes and seconds.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        hours => format!("{}:{minutes:02}:{seconds:02}", grouped(hours)),
    }
}

/// What a worker is doing.
fn worker(place: usize, doing: &Doing, inputs: &[String], now: Instant) -> String {
    let doing = match doing {
        Doing::Starting => "starts".to_owned(),
        Doing::Waiting => "is at no range".to_owned(),
        Doing::At { range, since } => {
            let name = inputs.get(range.input.index()).map_or("", String::as_str);
            format!(
                "for {:.1} s at bytes {} to {} of {}",
                now.saturating_duration_since(*since).as_secs_f64(),
                grouped(range.start),
                grouped(range.end),
                printable(name)
            )
        }
        Doing::Dead(cause) => format!("died ({cause}) and is replaced"),
        Doing::Over => "is done".to_owned(),
    };
    format!("  worker {place} {doing}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run in its tenth second.
    fn run(change: impl FnOnce(&mut Tally)) -> (Tally, Pace) {
        let mut tally = Tally::new();
        tally.stage = Stage::Running;
        let mut pace = Pace::new(&tally);
        (tally.bytes, tally.used) = (400_000_000, 1_000_000);
        change(&mut tally);
        pace.note(&tally, tally.began + Duration::from_secs(10));
        (tally, pace)
    }

    fn known(tally: &mut Tally) {
        (tally.total_bytes, tally.total_stored) = (Some(1_200_000_000), Some(1_200_000_000));
        (tally.stored, tally.skipped) = (400_000_000, 12);
    }

    #[test]
    fn what_matters_less_is_left_out_first() {
        let (tally, pace) = run(known);
        let line = |columns| line(&tally, &pace, columns);
        assert_eq!(
            line(140),
            "[============>                         ]  33 %  400.0 MB/1.2 GB  1,000,012 records  \
             40.0 MB/s  100,001 records/s  12 failed  0:20 left"
        );
        assert_eq!(
            line(100),
            "[=======>               ]  33 %  400.0 MB/1.2 GB  1,000,012 records  40.0 MB/s  \
             12 failed  0:20 left"
        );
        assert_eq!(
            line(79),
            " 33 %  400.0 MB/1.2 GB  1,000,012 records  40.0 MB/s  12 failed  0:20 left"
        );
        assert_eq!(line(40), "[===>      ]  33 %  12 failed  0:20 left");
        assert_eq!(line(5), " 33 %");
        assert_eq!(line(0), " 33 %");
        for columns in 5..200 {
            assert!(line(columns).len() <= columns, "{columns}");
        }
    }

    #[test]
    fn without_a_total_there_is_no_bar() {
        let (tally, pace) = run(|_| ());
        let wanted = "400.0 MB  1,000,000 records  40.0 MB/s  100,000 records/s  0:10 so far";
        assert_eq!(line(&tally, &pace, 100), wanted);
    }

    #[test]
    fn a_bar_is_full_at_the_end() {
        assert_eq!(bar((0, 9), 10), "[>       ]");
        assert_eq!(bar((4, 8), 10), "[====>   ]");
        assert_eq!(bar((9, 9), 10), "[========]");
    }

    #[test]
    fn times_are_those_of_a_clock() {
        let clock = |seconds| clock(Duration::from_secs(seconds));
        assert_eq!([clock(0), clock(61), clock(3_723)], ["0:00", "1:01", "1:02:03"]);
        assert_eq!(clock(3_600_000), "1,000:00:00");
    }
}
