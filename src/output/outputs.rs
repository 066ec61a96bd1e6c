//! The outputs of a job: one for all inputs, or one for each.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::input::{Identity, Inputs};
use crate::job::Output;

use super::{Begun, Sink};

/// What a job writes to.
#[derive(Debug)]
pub(crate) struct Outputs {
    /// The one that is open.
    sink: Option<Sink>,
    each: Option<Each>,
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
    pub fn open(output: &Output, inputs: &Inputs) -> Result<Outputs, Error> {
        let Output::Directory(directory) = output else {
            let sink = Sink::open(output, &inputs.identities())?;
            return Ok(Outputs { sink: Some(sink), each: None });
        };
        let paths = names_below(directory, inputs)?;
        std::fs::create_dir_all(directory)
            .map_err(|source| Error::OpenOutput { path: directory.clone(), source })?;
        let each = Each { paths, inputs: inputs.identities(), whole: 0, bytes: 0 };
        Ok(Outputs { sink: None, each: Some(each) })
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
        self.publish()?;
        let Some(Each { paths, inputs, .. }) = &self.each else { return Ok(()) };
        let Some(path) = paths.get(begun.input.index()) else { return Ok(()) };
        let failed = |source: io::Error| {
            let text = format!("{}: {source}", path.display());
            Error::WriteOutput(io::Error::new(source.kind(), text))
        };
        std::fs::create_dir_all(path.parent().unwrap_or(path)).map_err(failed)?;
        let mut sink =
            Sink::open(&Output::Path(path.clone()), inputs).map_err(|error| match error {
                Error::OpenOutput { source, .. } => failed(source),
                other => other,
            })?;
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

    /// Gives the output that is open, and whole, its name.
    pub fn publish(&mut self) -> Result<(), Error> {
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
