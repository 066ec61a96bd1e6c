//! `--joblog FILE`: a line for each attempt at a range, with the columns of GNU parallel's
//! job log as far as they mean something here. Never a byte of a record.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use host::{Event, Exit, Range, Reason};

/// The columns.
const HEADER: &str = "Seq\tWorker\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tReason\t\
                      Records\tFailed\tStart\tEnd\tInput\n";

/// The lines that are not in the file yet.
#[derive(Debug, Default)]
pub struct Joblog {
    lines: String,
    /// Lines so far.
    count: u64,
    inputs: Vec<String>,
}

/// What came of an attempt.
struct Attempt {
    worker: usize,
    range: Range,
    took: Duration,
    output_bytes: u64,
    records: u64,
    failed: u64,
    exit: i32,
    signal: i32,
    reason: Option<Reason>,
}

impl Joblog {
    /// Notes attempts that are over.
    pub fn hear(&mut self, event: &Event<'_>) {
        match event {
            Event::Opened { inputs, .. } => {
                self.inputs = inputs.iter().map(|name| escape(name)).collect();
            }
            Event::Message { worker, range, used, dropped, failed, output_bytes, took, .. } => self
                .add(&Attempt {
                    worker: *worker,
                    range: *range,
                    took: *took,
                    output_bytes: *output_bytes,
                    records: used + dropped + failed,
                    failed: *failed,
                    exit: 0,
                    signal: 0,
                    reason: None,
                }),
            Event::Exit { worker, exit, reason, lost: Some(range), took, .. } => {
                let (exit, signal) = match exit {
                    Exit::Code(code) => (*code, 0),
                    Exit::Signal(signal) => (0, *signal),
                    Exit::Ended => (0, libc::SIGKILL),
                };
                self.add(&Attempt {
                    worker: *worker,
                    range: *range,
                    took: *took,
                    output_bytes: 0,
                    records: 0,
                    failed: 0,
                    exit,
                    signal,
                    reason: Some(*reason),
                });
            }
            _ => {}
        }
    }

    fn add(&mut self, attempt: &Attempt) {
        let Attempt { worker, range, took, output_bytes, records, failed, exit, signal, reason } =
            attempt;
        self.count += 1;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let began = now.saturating_sub(*took);
        let reason = reason.map_or("-".into(), |reason| reason.to_string());
        let (start, end) = (range.start, range.end);
        let input = self.inputs.get(range.input.index()).map_or("", String::as_str);
        // A string takes everything.
        let _ = writeln!(
            self.lines,
            "{}\t{worker}\t{:.3}\t{:.3}\t{}\t{output_bytes}\t{exit}\t{signal}\t{reason}\t{records}\t\
             {failed}\t{start}\t{end}\t{input}",
            self.count,
            began.as_secs_f64(),
            took.as_secs_f64(),
            end - start,
        );
    }

    /// Takes the lines that are to be written.
    pub fn take(&mut self) -> String {
        std::mem::take(&mut self.lines)
    }
}

/// A name without tabs and line breaks.
fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            '\\' | '\0'..='\u{1f}' | '\u{7f}' => escaped.extend(letter.escape_default()),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// Where the lines go.
pub struct JoblogFile {
    file: File,
}

impl JoblogFile {
    /// Begins the file anew, or goes on in it where the run goes on with another.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn open(path: &Path, goes_on: bool) -> io::Result<JoblogFile> {
        let mut file = File::options()
            .create(true)
            .write(true)
            .append(goes_on)
            .truncate(!goes_on)
            .open(path)?;
        if !goes_on || file.metadata()?.len() == 0 {
            file.write_all(HEADER.as_bytes())?;
        }
        Ok(JoblogFile { file })
    }

    /// Writes lines.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn write(&mut self, lines: &str) -> io::Result<()> {
        self.file.write_all(lines.as_bytes())
    }
}
