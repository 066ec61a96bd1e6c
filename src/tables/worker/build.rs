//! Writing a table: JSON lines are looked at for a schema, unless there is one, and become
//! rows, which become a table.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_ipc::writer::{FileWriter, StreamWriter};
use arrow_json::ReaderBuilder;
use arrow_schema::{DataType, Field, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde::de::IgnoredAny;

use super::at::FileAt;
use super::infer::Inference;
use super::json::{cast, json_schema};
use super::read::Table;
use super::schema::{only, parse, told, without_dictionaries};
use super::{Made, Pieces};
use crate::tables::{Kind, Rows, SchemaIs};

/// Lines that are dealt with at once, in bytes; more only where one is longer.
const CHUNK: usize = 1 << 20;
/// Rows that become part of a table at once.
const BATCH: usize = 8192;
/// What a row group of a Parquet file comes to before it is written, in bytes.
const GROUP: usize = 64 << 20;
/// And how many rows it has at most.
const GROUP_ROWS: usize = 1 << 20;

/// Why records of nothing become no Parquet file.
const NO_COLUMNS: &str =
    "its records have no members, and Parquet keeps no rows without columns (--to arrow does)";

/// A table in the making.
pub(super) struct Build {
    kind: Kind,
    lines: FileAt,
    /// Bytes of the lines that were dealt with, in this pass over them.
    at: u64,
    /// Lines that were dealt with, in this pass.
    records: u64,
    phase: Phase,
    /// What was made and not passed on, from this byte on.
    made: Shared,
    given: usize,
}

enum Phase {
    /// Looking for a schema.
    Inferring(Inference),
    Making(Box<Making>),
    Done,
}

struct Making {
    /// The schema of the table, and that of the JSON form of its rows.
    schema: SchemaRef,
    json: SchemaRef,
    writer: Writer,
}

enum Writer {
    Parquet(Box<ArrowWriter<Shared>>),
    File(Box<FileWriter<Shared>>),
    Stream(Box<StreamWriter<Shared>>),
}

/// Bytes that a writer writes to and others take away.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|held| held.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Build {
    /// Of these lines; `like` is the table whose schema it gets, if there is one.
    pub fn new(
        kind: Kind,
        schema: &SchemaIs,
        lines: FileAt,
        like: Option<FileAt>,
    ) -> Result<Build, String> {
        let made = Shared::default();
        let phase = match schema {
            SchemaIs::Inferred => Phase::Inferring(Inference::default()),
            SchemaIs::Text(text) => {
                let schema = parse(text).map_err(|why| format!("the schema (--schema): {why}"))?;
                making(kind, schema, &made)?
            }
            SchemaIs::OfTable { kind: of, columns } => {
                let like = like.ok_or("there is no table to take the schema from")?;
                let like = Table::open(*of, like, columns.as_deref())
                    .map_err(|why| format!("the table whose schema it should get: {why}"))?;
                making(kind, only(columns.as_deref(), &like.schema())?, &made)?
            }
        };
        Ok(Build { kind, lines, at: 0, records: 0, phase, made, given: 0 })
    }

    /// Bytes of lines that are still to be dealt with, in all passes; and one for the end of each.
    fn left(&self) -> u64 {
        let rest = self.lines.length() - self.at;
        match self.phase {
            Phase::Inferring(_) => rest + self.lines.length() + 2,
            Phase::Making(_) => rest + 1,
            Phase::Done => 0,
        }
    }

    /// Deals with the next lines.
    fn step(&mut self) -> Result<(), String> {
        let lines = self.next_lines()?;
        match &mut self.phase {
            Phase::Inferring(inference) if lines.is_empty() => {
                let schema = Arc::new(inference.schema()?);
                (self.at, self.records) = (0, 0);
                self.phase = making(self.kind, schema, &self.made)?;
            }
            Phase::Inferring(inference) => {
                for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                    inference.record(line)?;
                }
            }
            Phase::Making(making) if lines.is_empty() => {
                making.writer.finish()?;
                self.phase = Phase::Done;
            }
            Phase::Making(making) => {
                for batch in making.rows(&lines, self.records)? {
                    let has_columns = batch.num_columns() > 0;
                    if self.kind == Kind::Parquet && !has_columns && batch.num_rows() > 0 {
                        return Err(NO_COLUMNS.into());
                    }
                    making.writer.write(&batch)?;
                    self.records += batch.num_rows() as u64;
                }
            }
            Phase::Done => {}
        }
        self.at += lines.len() as u64;
        Ok(())
    }

    /// Some whole lines; none at the end.
    fn next_lines(&self) -> Result<Vec<u8>, String> {
        let left = self.lines.length() - self.at;
        let mut wanted = left.min(CHUNK as u64) as usize;
        loop {
            let mut lines = vec![0; wanted];
            self.lines.read(&mut lines, self.at).map_err(told)?;
            if wanted as u64 == left {
                return Ok(lines);
            }
            if let Some(end) = memchr::memrchr(b'\n', &lines) {
                lines.truncate(end + 1);
                return Ok(lines);
            }
            wanted = left.min(2 * wanted as u64) as usize;
        }
    }
}

impl Pieces for Build {
    fn next(&mut self, room: &mut [u8]) -> Result<Made, String> {
        let held = self.made.with(|made| made.len());
        if held == self.given {
            self.made.with(Vec::clear);
            self.given = 0;
            // One step after the other, so that it is heard how far it is.
            self.step()?;
        }
        let given = self.given;
        let (bytes, rest) = self.made.with(|made| {
            let held = &made[given..];
            let bytes = held.len().min(room.len());
            room[..bytes].copy_from_slice(&held[..bytes]);
            (bytes, held.len() - bytes)
        });
        self.given += bytes;
        // What was made and waits counts for the end.
        Ok(Made { bytes, left: self.left().max(u64::from(rest > 0)) })
    }

    fn turn_to(&mut self, _: Rows) -> Result<(), String> {
        Err("a table that is written has no rows to be read".into())
    }
}

fn making(kind: Kind, schema: SchemaRef, made: &Shared) -> Result<Phase, String> {
    if kind == Kind::Parquet {
        schema.fields().iter().try_for_each(|field| check_parquet(field))?;
    }
    // An Arrow file has one dictionary for a column, which would have to be known beforehand.
    let schema = if kind == Kind::Arrow { without_dictionaries(&schema) } else { schema };
    let (into, plain) = (made.clone(), Arc::clone(&schema));
    let writer = match kind {
        Kind::Parquet => {
            let properties = WriterProperties::builder()
                .set_compression(Compression::ZSTD(ZstdLevel::default()))
                .set_max_row_group_row_count(Some(GROUP_ROWS))
                .set_created_by(concat!("host version ", env!("CARGO_PKG_VERSION")).into())
                .build();
            let writer = ArrowWriter::try_new(into, plain, Some(properties)).map_err(told)?;
            Writer::Parquet(Box::new(writer))
        }
        Kind::Arrow => Writer::File(Box::new(FileWriter::try_new(into, &plain).map_err(told)?)),
        Kind::ArrowStream => {
            Writer::Stream(Box::new(StreamWriter::try_new(into, &plain).map_err(told)?))
        }
    };
    let json = Arc::new(json_schema(&schema));
    Ok(Phase::Making(Box::new(Making { schema, json, writer })))
}

/// Checks that Parquet has a type for a column.
fn check_parquet(field: &Field) -> Result<(), String> {
    match field.data_type() {
        DataType::Struct(fields) if fields.is_empty() => Err(format!(
            "`{}` is an object without members in every record, which Parquet cannot hold (--to \
             arrow can)",
            field.name()
        )),
        DataType::Struct(fields) => fields.iter().try_for_each(|field| check_parquet(field)),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            check_parquet(item)
        }
        _ => Ok(()),
    }
}

impl Making {
    /// Lines as rows; so many stand before them.
    fn rows(&self, lines: &[u8], before: u64) -> Result<Vec<RecordBatch>, String> {
        decode(lines, &self.schema, &self.json, Strict::Yes).map_err(|why| {
            let alone = lines.split_inclusive(|byte| *byte == b'\n').filter(|line| *line != b"\n");
            let misfit = alone.zip(before + 1..).find_map(|(line, number)| {
                decode(line, &self.schema, &self.json, Strict::Yes).err()?;
                Some(format!("record {number} does not fit the schema: {}", self.misfit(line)))
            });
            misfit.unwrap_or(why)
        })
    }

    /// What of a line does not fit: nothing of its values, which may be private.
    fn misfit(&self, line: &[u8]) -> String {
        let Ok(members) = serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(line) else {
            return "it is no object".into();
        };
        for (place, field) in self.schema.fields().iter().enumerate() {
            let alone = |schema: &SchemaRef| schema.project(&[place]).map(Arc::new).map_err(told);
            let decoded = alone(&self.schema)
                .and_then(|schema| decode(line, &schema, &alone(&self.json)?, Strict::No));
            if decoded.is_err() {
                let null = if field.is_nullable() { "or null" } else { "and has to be there" };
                let (name, of) = (field.name(), field.data_type());
                return format!("`{name}` is {of} {null}, and cannot be what it has there");
            }
        }
        match members.keys().find(|name| self.schema.column_with_name(name).is_none()) {
            Some(name) => format!("there is no column for its `{name}`"),
            None => "there is no place for something nested in it".into(),
        }
    }
}

/// Whether members that there is no column for are errors.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Strict {
    Yes,
    No,
}

/// Lines as rows of a schema. `json` is that of their JSON form.
fn decode(
    mut lines: &[u8],
    schema: &SchemaRef,
    json: &SchemaRef,
    strict: Strict,
) -> Result<Vec<RecordBatch>, String> {
    let mut decoder = ReaderBuilder::new(Arc::clone(json))
        .with_batch_size(BATCH)
        .with_strict_mode(strict == Strict::Yes)
        .build_decoder()
        .map_err(told)?;
    let mut batches = Vec::new();
    loop {
        let read = decoder.decode(lines).map_err(told)?;
        lines = &lines[read..];
        match decoder.flush().map_err(told)? {
            Some(batch) => batches.push(cast(&batch, schema)?),
            None if lines.is_empty() => return Ok(batches),
            None => return Err("something in it is no JSON value".into()),
        }
    }
}

impl Writer {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), String> {
        match self {
            Writer::Parquet(writer) => {
                writer.write(batch).map_err(told)?;
                match writer.in_progress_size() > GROUP {
                    true => writer.flush().map_err(told),
                    false => Ok(()),
                }
            }
            Writer::File(writer) => writer.write(batch).map_err(told),
            Writer::Stream(writer) => writer.write(batch).map_err(told),
        }
    }

    fn finish(&mut self) -> Result<(), String> {
        match self {
            Writer::Parquet(writer) => writer.finish().map(drop).map_err(told),
            Writer::File(writer) => writer.finish().map_err(told),
            Writer::Stream(writer) => writer.finish().map_err(told),
        }
    }
}

/// Takes bytes for lines that are to become a table: what becomes one has as many rows, or they
/// are refused.
#[cfg(any(test, fuzzing))]
#[allow(clippy::panic, reason = "a panic tells the fuzzer")]
pub(crate) fn fuzz(data: &[u8]) {
    let file = |bytes: &[u8]| -> FileAt {
        let opened = || -> io::Result<std::fs::File> {
            let mut file = std::fs::File::from(crate::slots::handover("fuzz")?);
            file.write_all(bytes)?;
            Ok(file)
        };
        FileAt::new(opened().unwrap_or_else(|error| panic!("{error}")), bytes.len() as u64)
    };
    let made = Build::new(Kind::Parquet, &SchemaIs::Inferred, file(data), None);
    let mut made = made.unwrap_or_else(|why| panic!("{why}"));
    let (mut table, mut room) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        let Ok(Made { bytes, left }) = made.next(&mut room) else { return };
        table.extend_from_slice(&room[..bytes]);
        if left == 0 {
            break;
        }
    }
    let lines = data.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count() as u64;
    let read = Table::open(Kind::Parquet, file(&table), None).unwrap_or_else(|why| panic!("{why}"));
    let rows: u64 = read.groups().iter().map(|group| group.rows).sum();
    assert_eq!(rows, lines);
}
