//! Parquet files: what row groups there are, and rows of one of them.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::PageIndexPolicy;

use super::at::FileAt;
use super::read::{BATCH, Batches};
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
        Ok(ParquetTable { file, metadata, mask })
    }

    /// The schema of all columns.
    pub fn schema(&self) -> SchemaRef {
        self.metadata.schema().clone()
    }

    pub fn groups(&self) -> Vec<Group> {
        let groups = self.metadata.metadata().row_groups().iter();
        let size = |size: i64| u64::try_from(size).unwrap_or(0);
        groups
            .map(|group| Group {
                rows: size(group.num_rows()),
                bytes: size(group.total_byte_size()),
            })
            .collect()
    }

    pub fn rows(&self, rows: Rows) -> Result<Batches, String> {
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(
            self.file.clone(),
            self.metadata.clone(),
        );
        let size = |rows: u64| usize::try_from(rows).map_err(|error| error.to_string());
        let reader = builder
            .with_row_groups(vec![rows.group as usize])
            .with_projection(self.mask.clone())
            .with_offset(size(rows.first)?)
            .with_limit(size(rows.count)?)
            .with_batch_size(BATCH)
            .build()
            .map_err(told)?;
        let batches = reader.map(|batch: Result<RecordBatch, _>| batch.map_err(told));
        Ok(Box::new(batches))
    }
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
