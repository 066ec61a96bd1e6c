//! The ways in which files are compressed here, by their first bytes and by their names.

use std::io::{self, BufRead, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

/// What a file is compressed with.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Compression {
    /// RFC 1952, one member or several.
    Gzip,
    /// RFC 8878, one frame or several, without a dictionary.
    Zstd,
}

impl Compression {
    /// So many bytes tell a compressed file.
    pub const MAGIC: usize = 4;

    /// Tells by the first bytes.
    pub fn of_bytes(first: &[u8]) -> Option<Compression> {
        match first {
            [0x1f, 0x8b, ..] => Some(Compression::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Compression::Zstd),
            // A frame that is to be passed over may come first.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Compression::Zstd),
            _ => None,
        }
    }

    /// Tells by the last extension.
    pub fn of_name(path: &Path) -> Option<Compression> {
        match path.extension()?.to_str()? {
            "gz" => Some(Compression::Gzip),
            "zst" | "zstd" => Some(Compression::Zstd),
            _ => None,
        }
    }

    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        }
    }

    /// Reads what is compressed so. `window` is how far back zstd may refer, as a power of two
    /// of bytes: so much memory it takes.
    pub fn decoder<R: BufRead>(self, packed: R, window: u32) -> io::Result<Decoder<R>> {
        Ok(match self {
            Compression::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(packed))),
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
                decoder.window_log_max(window)?;
                Decoder::Zstd(decoder)
            }
        })
    }
}

/// How far back zstd refers without being asked for more (`--long`), as a power of two.
pub(crate) const WINDOW: u32 = 27;
/// The same for its ordinary levels, up to 19.
pub(crate) const SMALL_WINDOW: u32 = 23;

/// Gives the bytes of something that is compressed.
pub(crate) enum Decoder<R: BufRead> {
    Gzip(Box<MultiGzDecoder<R>>),
    Zstd(zstd::stream::read::Decoder<'static, R>),
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Decoder::Gzip(decoder) => decoder.read(buffer),
            Decoder::Zstd(decoder) => decoder.read(buffer),
        }
    }
}
