//! What can be said about an input before it is read: by its name, and, where it is a
//! file, by its first bytes.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use super::open::Kind;
use super::{Beginning, From, Opened, json_beginning};
use crate::compression::Compression;
use crate::error::Error;
use crate::job::{Input, Job};
use crate::records::{BOM, CHUNK, Format};
use crate::tables;

/// How an input is laid out, as far as that can be told beforehand.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Layout {
    Known(Format),
    /// Its rows become JSON lines.
    Table(tables::Kind),
    /// JSON of one kind or the other: its first bytes are out of reach.
    Json,
}

/// An input from outside.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Looks {
    /// The size of its file.
    pub bytes: Option<u64>,
    pub compression: Option<Compression>,
}

impl Opened {
    /// Its size and its compression.
    ///
    /// # Errors
    /// [`Error::Input`]: it cannot be read.
    pub fn looks(&self) -> Result<Looks, Error> {
        let unreadable = |source| Error::Input { name: self.name(), source };
        let again = match (self.kind(), self.bytes(), self.input()) {
            // A pipe is left alone.
            (Kind::Later { .. }, None, Input::Path(path)) if path.is_file() => {
                Some(self.open_again()?)
            }
            _ => None,
        };
        let file = match (self.kind(), &again) {
            (Kind::Regular { file, .. } | Kind::Stream(file), _) | (_, Some(file)) => file,
            (Kind::Later { length }, None) => {
                return Ok(Looks { bytes: *length, compression: None });
            }
        };
        let metadata = file.metadata().map_err(unreadable)?;
        // Somebody may have read the beginning of standard input.
        if !metadata.is_file() || rustix::fs::tell(file).is_ok_and(|at| at > 0) {
            return Ok(Looks { bytes: None, compression: None });
        }
        let mut first = [0; Compression::MAGIC];
        let read = file.read_at(&mut first, 0).map_err(unreadable)?;
        let compression = Compression::of_bytes(&first[..read]);
        Ok(Looks { bytes: Some(metadata.len()), compression })
    }

    /// How it is laid out.
    pub fn layout(&self, job: &Job) -> Layout {
        match job.from.unwrap_or_else(|| self.format_by_name()) {
            From::Parquet => Layout::Table(tables::Kind::Parquet),
            From::Arrow => Layout::Table(tables::Kind::Arrow),
            From::Ndjson => Layout::Known(Format::Ndjson),
            From::Lines => Layout::Known(Format::Lines),
            From::Csv => Layout::Known(Format::Csv),
            From::Tsv => Layout::Known(Format::Tsv),
            From::DeadLetters => Layout::Known(Format::DeadLetters),
            From::Json if job.records.is_some() => Layout::Known(Format::JsonArray),
            From::Json => match self.kind() {
                Kind::Regular { file, .. } => of_json(file),
                Kind::Later { length: Some(_) } => {
                    self.open_again().map_or(Layout::Json, |file| of_json(&file))
                }
                Kind::Later { length: None } | Kind::Stream(_) => Layout::Json,
            },
        }
    }
}

/// Which kind of JSON begins here, if the first bytes tell.
fn of_json(file: &File) -> Layout {
    let mut first = vec![0; CHUNK];
    let Ok(read) = file.read_at(&mut first, 0) else { return Layout::Json };
    let first = &first[..read];
    match json_beginning(0, first.strip_prefix(BOM).unwrap_or(first)) {
        Some(Beginning { format, .. }) => Layout::Known(format),
        None => Layout::Json,
    }
}
