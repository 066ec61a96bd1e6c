//! `--metrics FILE`: how far the run is as OpenMetrics text, for node_exporter's textfile
//! collector and the like. The file is replaced as a whole, so that no reader sees half of it.

use std::fmt::{Display, Write as _};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::tally::{Histogram, Stage, Tally};
use crate::cli::replace::replace;

/// The file.
pub struct Metrics {
    path: PathBuf,
}

impl Metrics {
    /// # Errors
    /// The file is something that cannot be replaced.
    pub fn new(path: &Path) -> io::Result<Metrics> {
        // Of a link it is what it leads to.
        let path = match path.canonicalize() {
            Ok(path) if path.is_file() => path,
            Ok(_) => return Err(io::Error::other("it is no file that could be replaced")),
            Err(_) => path.to_owned(),
        };
        Ok(Metrics { path })
    }

    /// Puts what is known now in the file's place.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, text: &str) -> io::Result<()> {
        replace(&self.path, 0o666, text)
    }
}

/// The whole text.
pub fn text(tally: &Tally) -> String {
    let mut text = Text::default();
    text.family("host_build", "info", "", "The program.");
    text.sample("host_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);

    text.family("host_running", "gauge", "", "1 as long as the run goes on, then 0.");
    let runs = matches!(tally.stage, Stage::Starting | Stage::Running | Stage::Table { .. });
    text.sample("host_running", &[], u8::from(runs));

    text.family("host_start_time_seconds", "gauge", "seconds", "When the run began, since 1970.");
    let began = tally.began_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    text.sample("host_start_time_seconds", &[], began.as_secs_f64());

    text.family("host_records", "counter", "", "Input records by what became of them.");
    for (outcome, count) in [
        ("used", tally.used),
        ("dropped", tally.dropped),
        ("skipped", tally.skipped),
        ("dead_lettered", tally.dead_lettered),
        ("failed", tally.failed),
    ] {
        text.sample("host_records_total", &[("outcome", outcome)], count);
    }

    text.family("host_failures", "counter", "", "Input records that failed, by how.");
    for (kind, count) in &tally.failures {
        text.sample("host_failures_total", &[("kind", &kind.to_string())], count);
    }

    text.family("host_input_bytes", "counter", "bytes", "Input that was dealt with.");
    text.sample("host_input_bytes_total", &[], tally.bytes);

    if let Some(total) = tally.total_bytes {
        text.family("host_input_size_bytes", "gauge", "bytes", "All inputs together.");
        text.sample("host_input_size_bytes", &[], total);
    }

    text.family("host_resumed_bytes", "gauge", "bytes", "Input that earlier runs dealt with.");
    text.sample("host_resumed_bytes", &[], tally.bytes_before);

    text.family("host_output_bytes", "counter", "bytes", "What came of the records.");
    text.sample("host_output_bytes_total", &[], tally.output_bytes);

    text.family("host_output_records", "counter", "", "Records that came of them.");
    text.sample("host_output_records_total", &[], tally.output_records);

    text.family("host_workers_online", "gauge", "", "Workers that can be given something.");
    text.sample("host_workers_online", &[], tally.online());

    text.family("host_worker_deaths", "counter", "", "Workers that died, by what ended them.");
    for (cause, count) in &tally.deaths {
        text.sample("host_worker_deaths_total", &[("cause", cause)], count);
    }

    text.family("host_worker_restarts", "counter", "", "Workers that took a dead one's place.");
    text.sample("host_worker_restarts_total", &[], tally.restarts);

    text.family("host_range_seconds", "histogram", "seconds", "How long workers took for a range.");
    let bounds = Histogram::BOUNDS.map(|bound| format!("{bound:?}"));
    let bounds = bounds.iter().map(String::as_str).chain(["+Inf"]);
    let mut all = 0;
    for (bound, count) in bounds.zip(tally.ranges.cumulative()) {
        text.sample("host_range_seconds_bucket", &[("le", bound)], count);
        all = count;
    }
    text.sample("host_range_seconds_sum", &[], tally.ranges.sum.as_secs_f64());
    text.sample("host_range_seconds_count", &[], all);
    text.0 + "# EOF\n"
}

/// OpenMetrics text in the making.
#[derive(Default)]
struct Text(String);

impl Text {
    /// Begins a family of metrics. Its help has nothing that would have to be escaped.
    fn family(&mut self, name: &str, kind: &str, unit: &str, help: &str) {
        // A string takes everything.
        let _ = writeln!(self.0, "# TYPE {name} {kind}");
        if !unit.is_empty() {
            let _ = writeln!(self.0, "# UNIT {name} {unit}");
        }
        let _ = writeln!(self.0, "# HELP {name} {help}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", labels.join(",")),
        };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
