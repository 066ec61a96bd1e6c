//! Tables: Parquet and Arrow files, whose records are rows. They become JSON lines on their
//! way in, and are made of JSON lines on their way out.
//!
//! A table is a stranger's file in an intricate format, so the supervisor never looks into
//! one. *Table workers* do ([`worker`]): processes as locked as those that run plugins, with
//! nothing in them but the table. [`Session`] talks to one of them, [`Reader`] reads a table
//! with several, [`write`] has one write the output.

mod read;
mod session;
mod worker;
mod write;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub(crate) use read::{Reader, Wait};
pub(crate) use session::TableWorkers;
#[cfg(any(test, fuzzing))]
pub(crate) use session::fuzz as fuzz_pieces;
use session::{Again, Session, Trouble};
pub(crate) use worker::serve;
#[cfg(all(any(test, fuzzing), feature = "tables"))]
pub(crate) use worker::{fuzz_arrow, fuzz_lines, fuzz_parquet};
pub(crate) use write::{Into, write};

/// What a table worker's slot holds of text or of a table at once, in bytes. (Tests with faults
/// have small tables, which are to come in pieces as well.)
pub(crate) const ROOM: u64 = if cfg!(feature = "faults") { 4096 } else { 8 << 20 };
/// The longest summary of a table, in bytes: some hundred thousand groups of rows.
const MAX_SUMMARY: usize = 4 << 20;

/// How a table is laid out.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// Apache Parquet.
    Parquet,
    /// Apache Arrow IPC: a file, or, where it is read, a stream.
    Arrow,
    /// An Arrow IPC stream.
    ArrowStream,
}

impl Kind {
    /// Tells by the last extension of a name.
    pub fn of_name(path: &Path) -> Option<Kind> {
        match path.extension()?.to_str()? {
            "parquet" | "pq" => Some(Kind::Parquet),
            "arrow" | "feather" | "ipc" => Some(Kind::Arrow),
            "arrows" => Some(Kind::ArrowStream),
            _ => None,
        }
    }

    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Parquet => "Parquet",
            Kind::Arrow => "Arrow",
            Kind::ArrowStream => "an Arrow stream",
        }
    }
}

/// What a table worker is for. Its files follow in the order in which they are named here.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    /// To read a table, or only these of its columns.
    Read { kind: Kind, columns: Option<Vec<String>> },
    /// To write a table of JSON lines.
    Write { kind: Kind, schema: SchemaIs },
}

/// Where the schema of a table that is written comes from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum SchemaIs {
    /// From what is in the records.
    Inferred,
    /// It is this: a Parquet message type.
    Text(String),
    /// It is that of a table, or of some of its columns, which is a second file.
    OfTable { kind: Kind, columns: Option<Vec<String>> },
}

/// What a table worker says of a table that it is to read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// Its stretches of rows, as they are stored: row groups, record batches.
    pub groups: Vec<Group>,
}

/// A stretch of rows.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Group {
    pub rows: u64,
    /// What they take without compression, in bytes.
    pub bytes: u64,
}

/// A stretch of rows that is wanted.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Rows {
    /// The group that it is in.
    pub group: u32,
    /// Its first row in that group.
    pub first: u64,
    pub count: u64,
    /// From its first row to that of the next stretch of the same group that the same process
    /// will be asked for; 0 where that is not known. What lies between can be passed over
    /// without looking for it again from the beginning of the group.
    pub step: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_tables() {
        for (name, kind) in [
            ("a.parquet", Some(Kind::Parquet)),
            ("a.b/c.feather", Some(Kind::Arrow)),
            ("a.arrows", Some(Kind::ArrowStream)),
            ("parquet", None),
            ("a.parquet.gz", None),
        ] {
            assert_eq!(Kind::of_name(Path::new(name)), kind, "{name}");
        }
    }
}
