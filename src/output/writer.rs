//! Where output goes: a file as it is, or through a compressor that its name asks for.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use flate2::write::GzEncoder;

use crate::compression::Compression;

/// A file that is being written.
pub(super) enum Writer {
    Plain(File),
    Gzip(GzEncoder<File>),
    Zstd(zstd::stream::write::Encoder<'static, File>),
    /// A compressed stream that has come to its end.
    Finished,
}

impl Writer {
    /// For a file that is to have this name.
    pub fn new(file: File, path: &Path) -> io::Result<Writer> {
        Ok(match Compression::of_name(path) {
            Some(Compression::Gzip) => {
                Writer::Gzip(GzEncoder::new(file, flate2::Compression::default()))
            }
            Some(Compression::Zstd) => {
                let mut encoder = zstd::stream::write::Encoder::new(file, 0)?;
                encoder.include_checksum(true)?;
                Writer::Zstd(encoder)
            }
            None => Writer::Plain(file),
        })
    }

    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Writer::Plain(file) => file.write_all(bytes),
            Writer::Gzip(encoder) => encoder.write_all(bytes),
            Writer::Zstd(encoder) => encoder.write_all(bytes),
            Writer::Finished => Err(io::Error::other("the output was closed before")),
        }
    }

    /// Ends a compressed stream, and begins another for the same file, which is to have this
    /// name.
    pub fn end_member(&mut self, path: &Path) -> io::Result<()> {
        if matches!(self, Writer::Plain(_)) {
            return Ok(());
        }
        self.finish()?;
        match std::mem::replace(self, Writer::Finished) {
            Writer::Plain(file) => *self = Writer::new(file, path)?,
            other => *self = other,
        }
        Ok(())
    }

    /// Ends a compressed stream.
    pub fn finish(&mut self) -> io::Result<()> {
        match std::mem::replace(self, Writer::Finished) {
            Writer::Plain(file) => *self = Writer::Plain(file),
            Writer::Gzip(encoder) => *self = Writer::Plain(encoder.finish()?),
            Writer::Zstd(encoder) => *self = Writer::Plain(encoder.finish()?),
            Writer::Finished => {}
        }
        Ok(())
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}
