//! Where output goes: a file as it is, or through a compressor that its name asks for.

use std::fs::File;
use std::io::{self, Seek as _, Write};
use std::path::Path;

use flate2::write::GzEncoder;

use crate::compression::Compression;

/// A file that is being written.
pub(super) enum Writer {
    Plain(File),
    /// A compressed stream begins with the next bytes.
    Waiting(File, Compression),
    Gzip(GzEncoder<File>),
    Zstd(zstd::stream::write::Encoder<'static, File>),
    /// The output was closed, or an error has left it unusable.
    Finished,
}

impl Writer {
    /// For a file that is to have this name. Nothing is written yet.
    pub fn new(file: File, path: &Path) -> Writer {
        match Compression::of_name(path) {
            Some(compression) => Writer::Waiting(file, compression),
            None => Writer::Plain(file),
        }
    }

    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.begin()?;
        match self {
            Writer::Plain(file) => file.write_all(bytes),
            Writer::Gzip(encoder) => encoder.write_all(bytes),
            Writer::Zstd(encoder) => encoder.write_all(bytes),
            Writer::Waiting(..) | Writer::Finished => {
                Err(io::Error::other("the output was closed before"))
            }
        }
    }

    /// Whether what is written is compressed on its way.
    pub fn is_packed(&self) -> bool {
        !matches!(self, Writer::Plain(_))
    }

    fn begin(&mut self) -> io::Result<()> {
        if !matches!(self, Writer::Waiting(..)) {
            return Ok(());
        }
        if let Writer::Waiting(file, compression) = std::mem::replace(self, Writer::Finished) {
            *self = match compression {
                Compression::Gzip => {
                    Writer::Gzip(GzEncoder::new(file, flate2::Compression::default()))
                }
                Compression::Zstd => {
                    let mut encoder = zstd::stream::write::Encoder::new(file, 0)?;
                    encoder.include_checksum(true)?;
                    Writer::Zstd(encoder)
                }
            };
        }
        Ok(())
    }

    /// Ends a compressed stream; another begins with the next bytes.
    pub fn end_stream(&mut self) -> io::Result<()> {
        match std::mem::replace(self, Writer::Finished) {
            Writer::Gzip(encoder) => *self = Writer::Waiting(encoder.finish()?, Compression::Gzip),
            Writer::Zstd(encoder) => *self = Writer::Waiting(encoder.finish()?, Compression::Zstd),
            other => *self = other,
        }
        Ok(())
    }

    /// Ends the output: what is compressed comes to its end, and is something even where
    /// nothing was written.
    pub fn finish(&mut self) -> io::Result<()> {
        if let Writer::Waiting(file, _) = self
            && file.stream_position().unwrap_or(0) == 0
        {
            self.begin()?;
        }
        self.end_stream()?;
        *self = match std::mem::replace(self, Writer::Finished) {
            Writer::Waiting(file, _) => Writer::Plain(file),
            other => other,
        };
        Ok(())
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}
