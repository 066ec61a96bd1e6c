//! `host bench`: how fast a plugin is, what its records and calls take, and in which of its
//! functions.

mod empty;
mod flame_graph;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bytesize::ByteSize;
use clap::{Parser, ValueHint};
use host::{Account, Error, Event, ExplainedPlugin, Job, Measure, grouped, printable};

use super::measurements::{Measurements, time};
use super::report::{self, Reporter};
use super::trial::Trial;
use super::{Looks, PluginLog};

/// Measures how fast a plugin is, and where its time goes
///
/// Told are records and bytes in a second, with one worker and with all; how long records take,
/// and how much of that is the call; memory; and where the time goes, by function. Nothing is
/// written but what is told, and the flame graph where one is wanted.
#[derive(Debug, Parser)]
#[command(
    name = "bench",
    bin_name = "host bench",
    after_help = "\
Little data are run over as often as it takes to see something. What is told of a plugin that \
takes many records in one call is the call's time divided by its records.

Examples:
  host bench filter.wasm data.ndjson
  host bench map.wasm data.ndjson --flame-graph map.svg -- --param fields=id

Exit codes: 0 it was measured; 1 a record failed, or something else; 2 nothing was done; 3 the \
sandbox cannot be had."
)]
pub struct Arguments {
    /// The plugin's file
    #[arg(value_hint = ValueHint::FilePath)]
    plugin: PathBuf,

    /// Files with records
    #[arg(required = true, value_hint = ValueHint::FilePath)]
    data: Vec<PathBuf>,

    /// Write where the time goes to this file, as an SVG picture
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    flame_graph: Option<PathBuf>,

    /// How often the speed is measured
    #[arg(long, value_name = "N", default_value = "5")]
    rounds: NonZeroU32,

    /// How long a run should take at least
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = humantime::parse_duration)]
    run_time: Duration,

    /// Flags for the runs, as --param
    #[arg(last = true, value_name = "FLAG")]
    flags: Vec<String>,
}

/// The data are not run over more often than this.
const MOST_TIMES: usize = 1000;
/// The run that looks where the plugin is takes so many times as long as others: it looks some
/// hundred times in a second.
const LOOKS: usize = 3;
/// So many functions are named.
const NAMED: usize = 10;

/// Measures and tells.
pub fn run(arguments: Arguments) -> ExitCode {
    match bench(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed::Refused(error)) => report::refuse(&error),
        Err(Failed::Told(code)) => ExitCode::from(code),
    }
}

/// Why nothing more was measured.
enum Failed {
    Refused(Error),
    /// A run failed and has said why.
    Told(u8),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Failed {
        Failed::Refused(error)
    }
}

/// A plugin and data.
struct Bench<'a> {
    arguments: &'a Arguments,
    /// How often the data are run over.
    times: usize,
}

/// What a run took, from when the first worker had loaded the plugin.
struct Speed {
    records: u64,
    bytes: u64,
    took: Duration,
}

fn bench(arguments: &Arguments) -> Result<(), Failed> {
    if let Some(path) = arguments.data.iter().find(|path| path.as_os_str() == "-") {
        let text = format!(
            "{}: the data are read several times, so they have to be files",
            path.display()
        );
        return Err(Error::Usage(text).into());
    }
    let mut bench = Bench { arguments, times: 1 };
    let alone = bench.job(&arguments.plugin, 1, Measure::Nothing)?;
    // The plugin is compiled here, and kept for the runs.
    let explained = host::explain(&alone)?.plugins;
    let Some(&ExplainedPlugin { operation, is_component, .. }) = explained.first() else {
        return Err(Error::Usage("there is no plugin".into()).into());
    };
    // The first run finds out how long one takes.
    let first = bench.speed(1)?;
    let once = first.took.max(Duration::from_micros(100));
    let wanted = arguments.run_time.as_secs_f64() / once.as_secs_f64();
    bench.times = (wanted.ceil() as usize).clamp(1, MOST_TIMES);
    let name = printable(&arguments.plugin.display().to_string());
    let times = match bench.times {
        1 => String::new(),
        times => format!(", {} times", grouped(times as u64)),
    };
    let records = grouped(first.records);
    tell(&format!("{name} is a {operation}; {records} records, {}{times}", ByteSize(first.bytes)));
    bench.tell_speed(1, "one worker")?;
    let all = host::default_workers();
    if all > 1 {
        bench.tell_speed(all, &format!("{all} workers"))?;
    }
    let own = bench.measure(&arguments.plugin, Measure::Times)?;
    tell(&format!("  a record    {}", own.times()));
    if let Some(longest) = own.longest() {
        tell(&format!("              {longest}"));
    }
    if let Some(text) = empty::plugin(operation, is_component) {
        let directory = tempfile::tempdir().map_err(cannot_write)?;
        let path = directory.path().join("empty.wat");
        std::fs::write(&path, text).map_err(cannot_write)?;
        let empty = bench.measure(&path, Measure::Times)?;
        let share = 100.0 * empty.median() as f64 / own.median().max(1) as f64;
        tell(&format!(
            "  the call    {} of it ({share:.0} %): what a {operation} takes that does nothing",
            time(empty.median())
        ));
    }
    tell(&format!("  memory      an instance has {} at most", ByteSize(own.memory())));
    bench.times = bench.times.saturating_mul(LOOKS).min(MOST_TIMES);
    let found = bench.measure(&arguments.plugin, Measure::Functions)?;
    tell(&found.functions(NAMED));
    if let Some(path) = &arguments.flame_graph {
        let title = format!("{name}, {operation}");
        let picture = flame_graph::draw(found.stacks(), &title);
        std::fs::write(path, picture).map_err(|error| {
            Error::Usage(format!("{}: it cannot be written: {error}", path.display()))
        })?;
        tell(&format!("flame graph: {}", printable(&path.display().to_string())));
    }
    Ok(())
}

fn cannot_write(error: std::io::Error) -> Error {
    Error::Usage(format!("a plugin that does nothing cannot be written: {error}"))
}

/// Tells a line.
fn tell(line: &str) {
    super::show(&format!("{line}\n"));
}

impl Bench<'_> {
    /// A job of a plugin over the data, whose output goes nowhere.
    fn job(&self, plugin: &Path, workers: usize, measure: Measure) -> Result<Job, Error> {
        let data = self.arguments.data.iter().map(|path| path.display().to_string());
        let inputs = std::iter::repeat_n(data, self.times).flatten().collect();
        let flags = self.arguments.flags.iter().cloned();
        let trial = Trial::new(plugin, flags, inputs).map_err(Error::Usage)?;
        trial.job(workers, measure)
    }

    /// Runs the plugin.
    fn speed(&self, workers: usize) -> Result<Speed, Failed> {
        let job = self.job(&self.arguments.plugin, workers, Measure::Nothing)?;
        let mut online = None;
        let account = run_job(&job, &mut |event| {
            if let Event::Online { .. } = event {
                online.get_or_insert_with(Instant::now);
            }
        })?;
        let took = online.map_or(account.elapsed, |online: Instant| online.elapsed());
        let bytes = account.by_worker.iter().map(|worker| worker.input_bytes).sum();
        Ok(Speed { records: account.read(), bytes, took })
    }

    /// Tells how fast the plugin is: the median of all rounds, and the best.
    fn tell_speed(&self, workers: usize, who: &str) -> Result<(), Failed> {
        let rounds = self.arguments.rounds.get();
        let speeds: Result<Vec<_>, Failed> = (0..rounds).map(|_| self.speed(workers)).collect();
        let mut speeds = speeds?;
        speeds.sort_by_key(|speed| speed.took);
        let rate = |speed: &Speed, count: u64| (count as f64 / speed.took.as_secs_f64()) as u64;
        let (best, median) = (&speeds[0], &speeds[speeds.len() / 2]);
        tell(&format!(
            "  {who:<11} {} records/s, {}/s (the best of {rounds}: {})",
            grouped(rate(median, median.records)),
            ByteSize(rate(median, median.bytes)).display().si(),
            grouped(rate(best, best.records)),
        ));
        Ok(())
    }

    /// Runs a plugin with one worker, and measures.
    fn measure(&self, plugin: &Path, what: Measure) -> Result<Measurements, Failed> {
        let job = self.job(plugin, 1, what)?;
        let mut measurements = Measurements::new()?;
        run_job(&job, &mut |event| measurements.hear(event))?;
        Ok(measurements)
    }
}

/// Runs a job, and tells why it failed if it does.
fn run_job(job: &Job, events: &mut dyn FnMut(&Event<'_>)) -> Result<Account, Failed> {
    let looks =
        Looks { quiet: true, verbose: false, show_records: true, plugin_log: PluginLog::None };
    let mut reporter = Reporter::new(looks)?;
    let ended = host::run(job, &mut |event| {
        reporter.event(&event);
        events(&event);
    });
    ended.map_err(|failed| Failed::Told(reporter.failed(job, &failed)))
}
