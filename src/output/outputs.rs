//! The outputs of a job: one for all inputs, or one for each.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::input::{Identity, Inputs};
use crate::job::Output;
use crate::journal::Mark;
use crate::range::InputId;

use super::{Begun, Sink, Tables};

/// What a job writes to.
pub(crate) struct Outputs {
    /// The one that is open.
    sink: Option<Sink>,
    each: Option<Each>,
    tables: Tables,
}

/// Where each input has its own output.
#[derive(Debug)]
struct Each {
    /// By the number of the input.
    paths: Vec<PathBuf>,
    /// Files that are read.
    inputs: Vec<Identity>,
    /// Outputs that are whole, and what was written to them, in bytes.
    whole: usize,
    bytes: u64,
}

impl Outputs {
    /// Opens the output; where each input has its own, makes their directory.
    ///
    /// # Errors
    /// It cannot be written, another run is writing it, it is an input, or two inputs
    /// would have the same.
    pub fn open(output: &Output, inputs: &Inputs, tables: Tables) -> Result<Outputs, Error> {
        let Output::Directory(directory) = output else {
            let name = match output {
                Output::Path(path) => Some(path.as_path()),
                Output::Stdout | Output::Directory(_) | Output::Open(_) => None,
            };
            let table = tables.of(name, InputId(0))?;
            let sink = Sink::open(output, &inputs.identities(), table)?;
            return Ok(Outputs { sink: Some(sink), each: None, tables });
        };
        let paths = names_below(directory, inputs)?;
        std::fs::create_dir_all(directory)
            .map_err(|source| Error::OpenOutput { path: directory.clone(), source })?;
        let each = Each { paths, inputs: inputs.identities(), whole: 0, bytes: 0 };
        Ok(Outputs { sink: None, each: Some(each), tables })
    }

    /// Begins with an empty output, if there is one of all.
    pub fn start(&mut self) -> Result<(), Error> {
        self.of_all(Sink::begin)
    }

    /// Whether so much of the output is there from an earlier run.
    pub fn holds(&self, mark: &Mark) -> bool {
        self.sink.as_ref().is_some_and(|sink| sink.holds(mark))
    }

    /// Goes on behind what an earlier run has written; `made` is how much that is before it
    /// is compressed, in bytes.
    pub fn go_on(&mut self, mark: &Mark, made: u64) -> Result<(), Error> {
        self.of_all(|sink| sink.go_on(mark, made))
    }

    fn of_all(&mut self, act: impl FnOnce(&mut Sink) -> io::Result<()>) -> Result<(), Error> {
        let Some(sink) = &mut self.sink else { return Ok(()) };
        act(sink).map_err(|source| {
            let path = sink.partial().map(Path::to_owned).unwrap_or_default();
            Error::OpenOutput { path, source }
        })
    }

    /// How much of the output there is, all of which is good.
    pub fn mark(&mut self) -> Result<Mark, Error> {
        self.sink.as_mut().map_or(Ok(Mark::default()), Sink::mark)
    }

    /// The name that the one output gets when it is whole, if it is a file.
    pub fn name(&self) -> Option<PathBuf> {
        let sink = self.sink.as_ref().filter(|_| self.each.is_none())?;
        sink.name().map(Path::to_owned)
    }

    /// Has the system write everything to the disk.
    pub fn sync(&self) -> Result<(), Error> {
        self.sink.as_ref().map_or(Ok(()), Sink::sync)
    }

    /// Notes that what was written is good.
    pub fn keep(&mut self) {
        if let Some(sink) = &mut self.sink {
            sink.keep();
        }
    }

    /// Takes back what was written since it was noted to be good, as far as that can be.
    /// Whether that may be more than was written last: of what is compressed only whole
    /// streams are good.
    pub fn roll_back(&mut self) -> bool {
        let Some(sink) = &mut self.sink else { return false };
        let packed = sink.is_packed();
        // What cannot be taken back stays, and the journal knows how much is good.
        let _ = sink.roll_back();
        packed
    }

    /// An input will begin, which tells how the one output is framed, if there is one.
    /// The first word counts.
    pub fn frame(&mut self, begun: &Begun) {
        if let (Some(sink), None) = (&mut self.sink, &self.each) {
            frame(sink, begun);
        }
    }

    /// An input begins, and with it its own output, if it has one. The one before is
    /// whole then.
    pub fn begin(&mut self, begun: &Begun) -> Result<(), Error> {
        if self.each.is_none() {
            return Ok(());
        }
        self.close()?;
        self.publish(&mut |_| {})?;
        let Some(Each { paths, inputs, .. }) = &self.each else { return Ok(()) };
        let Some(path) = paths.get(begun.input.index()) else { return Ok(()) };
        let failed = |source: io::Error| {
            let text = format!("{}: {source}", path.display());
            Error::WriteOutput(io::Error::new(source.kind(), text))
        };
        std::fs::create_dir_all(path.parent().unwrap_or(path)).map_err(failed)?;
        let table = self.tables.of(Some(path), begun.input)?;
        let sink = Sink::open(&Output::Path(path.clone()), inputs, table);
        let mut sink = sink.map_err(|error| match error {
            Error::OpenOutput { source, .. } => failed(source),
            other => other,
        })?;
        sink.begin().map_err(failed)?;
        frame(&mut sink, begun);
        self.sink = Some(sink);
        Ok(())
    }

    /// Writes records that a worker has framed.
    pub fn write(&mut self, records: &[u8]) -> Result<(), Error> {
        self.sink.as_mut().map_or(Ok(()), |sink| sink.write(records))
    }

    /// Writes a state, which is all that the output has.
    pub fn write_state(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.sink.as_mut().map_or(Ok(()), |sink| sink.write_state(bytes))
    }

    /// Ends the output that is open.
    pub fn close(&mut self) -> Result<(), Error> {
        self.sink.as_mut().map_or(Ok(()), Sink::close)
    }

    /// Gives the output that is open, and whole, its name. Where it is a table it is made
    /// now; `progress` is told how much of that is done, from 0 to 1.
    pub fn publish(&mut self, progress: &mut dyn FnMut(f64)) -> Result<(), Error> {
        if let Some(sink) = &mut self.sink {
            sink.make_table(progress)?;
        }
        let Some(sink) = self.sink.take() else { return Ok(()) };
        let bytes = sink.bytes();
        sink.publish()?;
        if let Some(each) = &mut self.each {
            each.whole += 1;
            each.bytes += bytes;
        }
        Ok(())
    }

    /// Bytes written so far, before they are compressed.
    pub fn bytes(&self) -> u64 {
        let whole = self.each.as_ref().map_or(0, |each| each.bytes);
        whole + self.sink.as_ref().map_or(0, Sink::bytes)
    }

    /// Whether somebody may still read the output, where it goes as it comes.
    pub fn has_reader(&self) -> bool {
        self.sink.as_ref().is_none_or(Sink::has_reader)
    }

    /// How many outputs are whole, where each input has its own.
    pub fn whole(&self) -> usize {
        self.each.as_ref().map_or(0, |each| each.whole)
    }

    /// Leaves what was written of an output that is not whole; gives its file. One that
    /// nothing was written to is removed.
    pub fn leave(&mut self) -> Option<PathBuf> {
        let sink = self.sink.take()?;
        let partial = sink.partial().filter(|_| sink.bytes() > 0).map(Path::to_owned);
        sink.discard_if_empty();
        partial
    }
}

fn frame(sink: &mut Sink, begun: &Begun) {
    sink.frame(begun.framing);
    if let Some(lead) = &begun.lead {
        sink.lead_with(lead.clone());
    }
}

/// The output of each input, below this directory.
///
/// # Errors
/// Two inputs would have the same, or something else stands in the way of one.
pub(crate) fn names_below(directory: &Path, inputs: &Inputs) -> Result<Vec<PathBuf>, Error> {
    let identities = inputs.identities();
    let mut taken: HashMap<PathBuf, String> = HashMap::new();
    let mut paths = Vec::new();
    for opened in inputs.iter() {
        let path = directory.join(opened.below());
        let wrong = |why: &str| Error::OpenOutput {
            path: path.clone(),
            source: io::Error::other(why.to_owned()),
        };
        match path.metadata() {
            Ok(metadata) if metadata.is_dir() => return Err(wrong("it is a directory")),
            Ok(metadata) if identities.contains(&Identity::of(&metadata)) => {
                return Err(wrong("it is an input of this job; choose another directory"));
            }
            Ok(_) | Err(_) => {}
        }
        if let Some(other) = taken.insert(path.clone(), opened.name()) {
            return Err(Error::Usage(format!(
                "{other} and {} would both be written to {} (--output-dir)",
                opened.name(),
                path.display()
            )));
        }
        paths.push(path);
    }
    for path in &paths {
        let mut partial = OsString::from(path);
        partial.push(".partial");
        let above = path.ancestors().skip(1).find_map(|above| taken.get_key_value(above));
        if let Some((other, input)) = above.or(taken.get_key_value(Path::new(&partial))) {
            return Err(Error::Usage(format!(
                "{} cannot be written beside {}, where {input} is written (--output-dir)",
                path.display(),
                other.display()
            )));
        }
    }
    Ok(paths)
}
