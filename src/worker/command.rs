//! The command at the end of a chain: it gets the records of a range as lines, and what it
//! prints are records.

use crate::runtime::{self, Guest, Process, Trapped};

use super::batch::{Batch, Waiting};
use super::chain::{Out, Stopped};
use super::output::{NotWritten, write_as_line};

/// What a command is given of records: each text that came out for them, as a line.
#[derive(Debug, Default)]
pub(super) struct Feed {
    lines: Vec<u8>,
    records: Vec<Fed>,
}

/// What it is given of one record.
#[derive(Debug)]
pub(super) struct Fed {
    pub record: Waiting,
    /// How many texts that are.
    pub texts: u64,
    /// Where they lie.
    start: usize,
    end: usize,
}

impl Feed {
    /// Adds what came out for a record.
    ///
    /// # Errors
    /// [`NotWritten::Malformed`] if it cannot be one line.
    pub fn push(
        &mut self,
        record: Waiting,
        batch: &Batch,
        outs: &[Out<String>],
    ) -> Result<(), Stopped> {
        let start = self.lines.len();
        for out in outs {
            if let Err(why) = self.push_line(out.text(batch.text(record))) {
                self.lines.truncate(start);
                return Err(Stopped::NotWritten(why));
            }
        }
        self.records.push(Fed { record, texts: outs.len() as u64, start, end: self.lines.len() });
        Ok(())
    }

    fn push_line(&mut self, text: &str) -> Result<(), NotWritten> {
        let start = self.lines.len();
        self.lines.extend_from_slice(text.as_bytes());
        let line = &mut self.lines[start..];
        if memchr::memchr(b'\n', line).is_some() {
            // Where JSON has line breaks between its parts, it can do without.
            let length = write_as_line(text.as_bytes(), line)?;
            self.lines.truncate(start + length);
        }
        self.lines.push(b'\n');
        Ok(())
    }

    pub fn all(&self) -> &[Fed] {
        &self.records
    }

    /// The lines of some of the records, which follow each other.
    pub fn lines(&self, part: &[Fed]) -> &[u8] {
        let place = part.first().zip(part.last());
        place.map_or(&[], |(first, last)| &self.lines[first.start..last.end])
    }
}

/// A command and the instance that is to run next, or has just run.
pub(super) struct Command {
    /// Its place among the job's plugins, from 0.
    pub number: u8,
    plugin: runtime::Command,
    process: Option<Process>,
    /// The process has not run.
    is_fresh: bool,
}

impl Command {
    pub fn new(number: u8, plugin: runtime::Command) -> Command {
        Command { number, plugin, process: None, is_fresh: false }
    }

    /// Whether there is an instance that can run.
    pub fn is_alive(&self) -> bool {
        self.is_fresh
    }

    /// Makes an instance that can run, if there is none.
    pub fn come_alive(&mut self) -> Result<(), Trapped> {
        if !self.is_fresh {
            self.process = Some(self.plugin.instantiate()?);
            self.is_fresh = true;
        }
        Ok(())
    }

    /// Runs it over lines; it may print so many bytes, and gives what it has printed.
    pub fn run(&mut self, lines: Vec<u8>, limit: usize) -> Result<Vec<u8>, Trapped> {
        self.is_fresh = false;
        // The caller has seen to that.
        self.process.as_mut().map_or(Ok(Vec::new()), |process| process.run(lines, limit))
    }

    /// What the instance has left behind besides.
    pub fn guest(&mut self) -> Option<&mut Guest> {
        self.process.as_mut().map(Process::guest)
    }

    /// Lets go of the instance.
    pub fn forget(&mut self) {
        self.process = None;
        self.is_fresh = false;
    }
}
