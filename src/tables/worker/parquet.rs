//! Parquet files: what row groups there are, and rows of one of them.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use parquet::file::metadata::{PageIndexPolicy, RowGroupMetaData};

use super::at::FileAt;
use super::read::{BATCH, take};
use super::schema::{places, told};
use crate::tables::{Group, Rows};

/// What a Parquet file begins and ends with.
const MAGIC: [u8; 4] = *b"PAR1";
/// What one ends with whose footer is encrypted.
const ENCRYPTED: [u8; 4] = *b"PARE";

/// An open Parquet file.
pub(super) struct ParquetTable {
    file: FileAt,
    metadata: ArrowReaderMetadata,
    mask: ProjectionMask,
    open: Option<Open>,
}

/// A row group that is being read.
struct Open {
    reader: ParquetRecordBatchReader,
    /// Rows that were read and not given.
    rest: Option<RecordBatch>,
    /// What was asked for last, and how many rows of it were not given.
    at: Rows,
    missing: u64,
}

impl ParquetTable {
    /// Opens one, or only these of its columns.
    pub fn open(file: FileAt, columns: Option<&[String]>) -> Result<ParquetTable, String> {
        check_ends(&file)?;
        // Where pages are is worth knowing: those before the wanted rows are passed over.
        let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
        let metadata = ArrowReaderMetadata::load(&file, options).map_err(told)?;
        let mask = match columns {
            None => ProjectionMask::all(),
            Some(names) => {
                let roots = places(names, metadata.schema())?;
                ProjectionMask::roots(metadata.parquet_schema(), roots)
            }
        };
        Ok(ParquetTable { file, metadata, mask, open: None })
    }

    /// The schema of all columns.
    pub fn schema(&self) -> SchemaRef {
        self.metadata.schema().clone()
    }

    pub fn groups(&self) -> Vec<Group> {
        self.metadata.metadata().row_groups().iter().map(group).collect()
    }

    /// Turns to these rows, if there are such. Where they are the next that were spoken of
    /// before, the row group is read on and not again from its beginning.
    pub fn turn_to(&mut self, rows: Rows) -> Result<(), String> {
        let goes_on = |open: &Open| {
            let Rows { group, first, count, step } = open.at;
            let next = Rows { first: first.saturating_add(step), count: rows.count, group, step };
            rows == next && rows.count <= count && open.missing == 0 && step > 0
        };
        self.open = match self.open.take().filter(goes_on) {
            Some(open) => Some(Open { at: rows, missing: rows.count, ..open }),
            None => Some(self.begin(rows)?),
        };
        Ok(())
    }

    fn begin(&self, rows: Rows) -> Result<Open, String> {
        let groups = self.metadata.metadata().row_groups();
        let of_group = groups.get(rows.group as usize).map_or(0, |one| group(one).rows);
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(
            self.file.clone(),
            self.metadata.clone(),
        );
        let reader = builder
            .with_row_groups(vec![rows.group as usize])
            .with_projection(self.mask.clone())
            .with_row_selection(selection(rows, of_group)?)
            .with_batch_size(BATCH)
            .build()
            .map_err(told)?;
        Ok(Open { reader, rest: None, at: rows, missing: rows.count })
    }

    /// Some of the rows, at most so many; none where there are no more.
    pub fn some(&mut self, most: usize) -> Result<Option<RecordBatch>, String> {
        let Some(Open { reader, rest, missing, .. }) = &mut self.open else { return Ok(None) };
        if rest.as_ref().is_none_or(|rest| rest.num_rows() == 0) {
            *rest = reader.next().transpose().map_err(told)?;
        }
        let batch = take(rest, most);
        *missing =
            missing.saturating_sub(batch.as_ref().map_or(0, |batch| batch.num_rows() as u64));
        Ok(batch)
    }
}

/// What is said of a row group.
fn group(of: &RowGroupMetaData) -> Group {
    let size = |size: i64| u64::try_from(size).unwrap_or(0);
    Group { rows: size(of.num_rows()), bytes: size(of.total_byte_size()) }
}

/// These rows of a group of so many, and those of the same process that come later.
fn selection(rows: Rows, of_group: u64) -> Result<RowSelection, String> {
    let size = |rows: u64| usize::try_from(rows).map_err(|error| error.to_string());
    let Rows { first, count, step, .. } = rows;
    let end = first.checked_add(count).filter(|end| *end <= of_group);
    let mut at = end.ok_or("there are no such rows")?;
    let mut parts = vec![RowSelector::skip(size(first)?), RowSelector::select(size(count)?)];
    if step >= count && count > 0 {
        let between = step - count;
        while of_group - at > between {
            let next = count.min(of_group - at - between);
            parts.extend([RowSelector::skip(size(between)?), RowSelector::select(size(next)?)]);
            at += between + next;
        }
    }
    Ok(parts.into())
}

/// Checks that a file begins and ends as Parquet does: what the library says of one that does
/// not helps nobody.
fn check_ends(file: &FileAt) -> Result<(), String> {
    let (mut first, mut last) = ([0; 4], [0; 4]);
    if file.length() >= 8 {
        file.read(&mut first, 0).map_err(told)?;
        file.read(&mut last, file.length() - 4).map_err(told)?;
    }
    match (first, last) {
        (_, ENCRYPTED) | (ENCRYPTED, _) => Err("it is encrypted, which is not supported".into()),
        (MAGIC, MAGIC) => Ok(()),
        (MAGIC, _) => Err("it has no end: it was cut, or is still being written".into()),
        _ => Err("it is no Parquet file".into()),
    }
}
