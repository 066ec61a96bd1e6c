//! Reading a table: its summary first, then the rows that are asked for, as JSON lines.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::arrow::ArrowTable;
use super::at::FileAt;
#[cfg(all(test, not(fuzzing)))]
use super::heedful;
use super::json::JsonLines;
use super::parquet::ParquetTable;
use super::schema::{check_can_be_read, told};
use super::{Made, Pieces};
use crate::tables::{Group, Kind, MAX_SUMMARY, Rows, Summary};

/// Rows that are turned into text at once.
pub(super) const BATCH: usize = 1024;

/// An open table of either kind.
pub(super) enum Table {
    Parquet(ParquetTable),
    Arrow(ArrowTable),
}

impl Table {
    /// Opens one, or only these of its columns. The error says what is wrong with it.
    pub fn open(kind: Kind, file: FileAt, columns: Option<&[String]>) -> Result<Table, String> {
        let length = file.length();
        let table = match kind {
            Kind::Parquet => ParquetTable::open(file, columns).map(Table::Parquet),
            Kind::Arrow | Kind::ArrowStream => ArrowTable::open(file, columns).map(Table::Arrow),
        };
        table.map_err(|why| {
            let why = if length == 0 { "it is empty, as no table is" } else { &why };
            format!("as {}: {why}", kind.name())
        })
    }

    /// The schema of all columns.
    pub fn schema(&self) -> SchemaRef {
        match self {
            Table::Parquet(table) => table.schema(),
            Table::Arrow(table) => table.schema(),
        }
    }

    /// Its stretches of rows.
    pub fn groups(&self) -> Vec<Group> {
        match self {
            Table::Parquet(table) => table.groups(),
            Table::Arrow(table) => table.groups(),
        }
    }

    /// Turns to these rows, if there are such.
    fn turn_to(&mut self, rows: Rows) -> Result<(), String> {
        match self {
            Table::Parquet(table) => table.turn_to(rows),
            Table::Arrow(table) => table.turn_to(rows),
        }
    }

    /// Some of the rows, at most so many and [`BATCH`]; none where there are no more.
    fn some(&mut self, most: usize) -> Result<Option<RecordBatch>, String> {
        match self {
            Table::Parquet(table) => table.some(most),
            Table::Arrow(table) => Ok(table.some(most)),
        }
    }
}

/// Takes rows away, at most so many and [`BATCH`].
pub(super) fn take(rest: &mut Option<RecordBatch>, most: usize) -> Option<RecordBatch> {
    let batch = rest.take().filter(|batch| batch.num_rows() > 0)?;
    let taken = batch.num_rows().min(most).min(BATCH);
    *rest = Some(batch.slice(taken, batch.num_rows() - taken));
    Some(batch.slice(0, taken))
}

/// A table as JSON lines.
pub(super) struct Lines {
    table: Table,
    form: JsonLines,
    /// What has not been passed on, from this byte on.
    held: Vec<u8>,
    given: usize,
    /// Rows that are still to come of those that are wanted.
    missing: u64,
}

impl Lines {
    /// Opens a table, or only these of its columns. Its summary comes first.
    pub fn open(kind: Kind, file: FileAt, columns: Option<&[String]>) -> Result<Lines, String> {
        let table = Table::open(kind, file, columns)?;
        check_can_be_read(&table.schema(), columns)?;
        let held = postcard::to_stdvec(&Summary { groups: table.groups() }).map_err(told)?;
        if held.len() > MAX_SUMMARY {
            return Err("it has more row groups or record batches than are supported: some \
                        hundred thousand"
                .into());
        }
        let form = JsonLines::default();
        Ok(Lines { table, form, held, given: 0, missing: 0 })
    }

    /// Makes text of the next rows. False if there are none.
    fn make(&mut self) -> Result<bool, String> {
        if self.missing == 0 {
            return Ok(false);
        }
        let most = usize::try_from(self.missing).unwrap_or(usize::MAX);
        let batch = self.table.some(most)?.ok_or("it has fewer rows than it says")?;
        self.missing -= batch.num_rows() as u64;
        self.held.drain(..std::mem::take(&mut self.given));
        self.form.write(&batch, &mut self.held)?;
        Ok(true)
    }
}

impl Pieces for Lines {
    fn next(&mut self, room: &mut [u8]) -> Result<Made, String> {
        while self.held.len() - self.given < room.len() && self.make()? {}
        let held = &self.held[self.given..];
        let mut bytes = held.len().min(room.len());
        if bytes < held.len() {
            // Another process can go on best behind a whole row.
            bytes = memchr::memrchr(b'\n', &held[..bytes]).map_or(bytes, |end| end + 1);
        }
        room[..bytes].copy_from_slice(&held[..bytes]);
        self.given += bytes;
        let left = (self.held.len() - self.given) as u64 + self.missing;
        Ok(Made { bytes, left })
    }

    fn turn_to(&mut self, rows: Rows) -> Result<(), String> {
        self.held.clear();
        self.given = 0;
        self.table.turn_to(rows)?;
        self.missing = rows.count;
        Ok(())
    }
}

/// Takes bytes for a Parquet file.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz_parquet(data: &[u8]) {
    fuzz(Kind::Parquet, data);
}

/// Takes bytes for an Arrow file or stream.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz_arrow(data: &[u8]) {
    fuzz(Kind::Arrow, data);
}

/// What a table says of itself is what comes out, or it is refused. A panic of the libraries that
/// read it is one way to refuse it.
#[cfg(any(test, fuzzing))]
#[allow(clippy::panic, reason = "a panic tells the fuzzer")]
fn fuzz(kind: Kind, data: &[u8]) {
    /// A table can say that it has any number of rows in a few bytes.
    const ENOUGH: u64 = 100_000;
    let opened = || -> std::io::Result<std::fs::File> {
        let file = std::fs::File::from(crate::slots::handover("fuzz")?);
        rustix::io::write(&file, data)?;
        Ok(file)
    };
    let file = opened().unwrap_or_else(|error| panic!("{error}"));
    let file = FileAt::new(file, data.len() as u64);
    let Ok(mut lines) = heedful(|| Lines::open(kind, file, None)) else { return };
    for (number, group) in (0..).zip(lines.table.groups()) {
        let count = group.rows.min(ENOUGH);
        let rows = Rows { group: number, first: 0, count, step: 0 };
        if heedful(|| lines.turn_to(rows)).is_err() {
            return;
        }
        let (mut room, mut rows) = (vec![0; 64 << 10], 0);
        loop {
            let Ok(Made { bytes, left }) = heedful(|| lines.next(&mut room)) else { return };
            rows += memchr::memchr_iter(b'\n', &room[..bytes]).count() as u64;
            if left == 0 {
                assert_eq!(rows, count);
                break;
            }
            assert!(bytes > 0);
        }
    }
}

/// The same where libFuzzer's hook ends the process at any panic: those inside are no finding.
#[cfg(fuzzing)]
fn heedful<T>(act: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let done = super::heedful(act);
    std::panic::set_hook(hook);
    done
}
