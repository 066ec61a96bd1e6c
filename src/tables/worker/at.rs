//! A file that is read by place, which is all that a table worker may do with one.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// Bytes that are read at once where it is not known how many are wanted.
const AHEAD: usize = 16 << 10;

/// A file and its length.
#[derive(Clone, Debug)]
pub(super) struct FileAt {
    file: Arc<File>,
    length: u64,
}

impl FileAt {
    /// `length` is known from before the file was handed over: it cannot be asked for here.
    pub fn new(file: File, length: u64) -> FileAt {
        FileAt { file: Arc::new(file), length }
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    /// Fills `into` with the bytes from `at` on.
    ///
    /// # Errors
    /// There are not so many, or they cannot be read.
    pub fn read(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        self.file.read_exact_at(into, at)
    }

    /// Whether so many bytes stand there.
    pub fn has(&self, at: u64, bytes: u64) -> bool {
        at.checked_add(bytes).is_some_and(|end| end <= self.length)
    }

    /// Reads the bytes from `at` on one after the other.
    pub fn from(&self, at: u64) -> Onwards {
        Onwards { file: self.clone(), at, held: Vec::new(), given: 0 }
    }
}

impl Length for FileAt {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for FileAt {
    type T = Onwards;

    fn get_read(&self, start: u64) -> Result<Onwards> {
        Ok(self.from(start))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        // What a damaged table claims is not allocated before it is known to be there.
        if !self.has(start, length as u64) {
            return Err(ParquetError::EOF("it ends before what it speaks of".into()));
        }
        let mut bytes = vec![0; length];
        self.read(&mut bytes, start)?;
        Ok(bytes.into())
    }
}

/// A place in a file, which moves on as it is read.
#[derive(Debug)]
pub(super) struct Onwards {
    file: FileAt,
    at: u64,
    held: Vec<u8>,
    /// Bytes of those held that were given.
    given: usize,
}

impl Read for Onwards {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.given == self.held.len() {
            let left = self.file.length.saturating_sub(self.at);
            let wanted = left.min(into.len().max(AHEAD) as u64) as usize;
            self.held.resize(wanted, 0);
            self.given = 0;
            self.file.read(&mut self.held, self.at)?;
            self.at += wanted as u64;
        }
        let rest = &self.held[self.given..];
        let given = rest.len().min(into.len());
        into[..given].copy_from_slice(&rest[..given]);
        self.given += given;
        Ok(given)
    }
}
