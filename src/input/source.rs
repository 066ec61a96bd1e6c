//! The bytes of a stream: as they come, or decompressed on their way. What is compressed
//! is known by its first bytes, not by its name. Or the rows of a table.

use std::fs::File;
use std::io::{self, BufReader, Chain, Cursor, Read};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::{Opened, table};
use crate::compression::{Compression, Decoder};
use crate::records::CHUNK;
use crate::tables::Reader;

/// Bytes of a compressed stream that are read at once.
const PACKED: usize = 128 << 10;
/// A stream that can be waited for.
#[derive(Copy, Clone)]
pub(super) struct Raw<'a> {
    file: &'a File,
    /// Readable once nobody wants the stream any more.
    stop: &'a OwnedFd,
}

impl Raw<'_> {
    /// Waits until the stream can be read (true), the time is up (false), or nobody
    /// wants it any more (an error).
    pub fn wait(&self, limit: Option<Duration>) -> io::Result<bool> {
        let limit = limit.map(|limit| Timespec {
            tv_sec: limit.as_secs() as i64,
            tv_nsec: limit.subsec_nanos().into(),
        });
        let mut fds =
            [PollFd::new(self.file, PollFlags::IN), PollFd::new(self.stop, PollFlags::IN)];
        loop {
            match poll(&mut fds, limit.as_ref()) {
                Ok(_) if !fds[1].revents().is_empty() => return Err(io::ErrorKind::Other.into()),
                Ok(ready) => return Ok(ready > 0),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Raw<'_> {
    /// Waits for bytes and appends as many as there is room for; gives how many.
    fn append(self, into: &mut Vec<u8>) -> io::Result<usize> {
        self.patiently(|file| rustix::io::read(file, spare_capacity(into)))
    }

    fn patiently(
        self,
        mut read: impl FnMut(&File) -> rustix::io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            self.wait(None)?;
            match read(self.file) {
                Ok(read) => return Ok(read),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Read for Raw<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.patiently(|file| rustix::io::read(file, &mut *buffer))
    }
}

/// What is cut: a stream, or the rows of a table as lines.
pub(super) enum Text<'a> {
    Bytes(Bytes<'a>),
    /// With its file.
    Table(Box<Reader<'a>>, &'a File),
}

impl<'a> Text<'a> {
    /// Waits for bytes and appends them: what there is, but no more than `most`. Gives how
    /// many, 0 at the end.
    pub fn read(&mut self, into: &mut Vec<u8>, most: usize, opened: &Opened) -> io::Result<usize> {
        match self {
            Text::Bytes(bytes) => bytes.read(into, most),
            Text::Table(reader, file) => {
                let read = reader.read(into, most)?;
                table::note_progress(opened, file, reader.done());
                Ok(read)
            }
        }
    }

    /// The stream below, where waiting for it says when there is more here.
    pub fn raw(&self) -> Option<Raw<'a>> {
        match self {
            Text::Bytes(bytes) => bytes.raw(),
            Text::Table(..) => None,
        }
    }
}

type Packed<'a> = BufReader<Chain<Cursor<Vec<u8>>, Raw<'a>>>;

/// Gives the bytes of a stream.
pub(super) struct Bytes<'a> {
    raw: Raw<'a>,
    /// The first bytes, until it is known what they are.
    first: Vec<u8>,
    decoder: Option<(Compression, Decoder<Packed<'a>>)>,
    /// How far back zstd may refer, as a power of two of bytes.
    window: u32,
    begun: bool,
}

impl<'a> Bytes<'a> {
    /// `stop` becomes readable once nobody wants the stream any more; `window` is how far back
    /// zstd may refer.
    pub fn new(file: &'a File, stop: &'a OwnedFd, window: u32) -> Bytes<'a> {
        Bytes { raw: Raw { file, stop }, first: Vec::new(), decoder: None, window, begun: false }
    }

    /// The stream below, where waiting for it says when there is more here.
    fn raw(&self) -> Option<Raw<'a>> {
        self.decoder.is_none().then_some(self.raw)
    }

    /// Waits for bytes and appends them: what there is, but no more than `most`. Gives how
    /// many, 0 at the end.
    pub fn read(&mut self, into: &mut Vec<u8>, most: usize) -> io::Result<usize> {
        if !self.begun {
            self.begin()?;
        }
        let held = into.len();
        if !self.first.is_empty() {
            into.append(&mut self.first);
            return Ok(into.len() - held);
        }
        if self.decoder.is_none() {
            into.reserve(CHUNK.min(most));
            if into.capacity() - held <= most {
                return self.raw.append(into);
            }
        }
        into.resize(held + CHUNK.min(most), 0);
        let room = &mut into[held..];
        let read = match &mut self.decoder {
            None => self.raw.read(room),
            Some((_, decoder)) => decoder.read(room),
        };
        into.truncate(held + *read.as_ref().unwrap_or(&0));
        read.map_err(|error| match &self.decoder {
            None => error,
            Some((compression, _)) => explain(*compression, &error),
        })
    }

    /// Reads as much as tells what the stream is.
    fn begin(&mut self) -> io::Result<()> {
        self.begun = true;
        let mut first = [0; Compression::MAGIC];
        while self.first.len() < first.len() {
            let rest = &mut first[self.first.len()..];
            let read = self.raw.read(rest)?;
            if read == 0 {
                break;
            }
            self.first.extend_from_slice(&rest[..read]);
        }
        let Some(compression) = Compression::of_bytes(&self.first) else { return Ok(()) };
        let first = Cursor::new(std::mem::take(&mut self.first));
        let packed = BufReader::with_capacity(PACKED, first.chain(self.raw));
        let decoder = compression.decoder(packed, self.window)?;
        self.decoder = Some((compression, decoder));
        Ok(())
    }
}

/// A decoder's error in words.
fn explain(compression: Compression, error: &io::Error) -> io::Error {
    let name = compression.name();
    let text = error.to_string();
    io::Error::other(if error.kind() == io::ErrorKind::UnexpectedEof {
        format!("it is compressed with {name} and ends in the middle of that")
    } else if text.to_lowercase().contains("dictionary") {
        format!("it is compressed with {name} and a dictionary, which is not supported")
    } else if text.contains("too much memory") {
        format!(
            "it is compressed with {name} over a window that is larger than is allowed (128 MiB, \
             with --memory-budget 8 MiB): decompress it before"
        )
    } else {
        format!("it is compressed with {name}, and that is damaged: {text}")
    })
}

/// Takes bytes for a compressed stream: it is read to its end or to where it is damaged, in
/// pieces that are no larger than is wanted.
#[cfg(any(test, fuzzing))]
#[allow(clippy::panic, reason = "a panic tells the fuzzer")]
pub(crate) fn fuzz(data: &[u8]) {
    const MOST: usize = 64 << 10;
    /// What one input may unpack to here: longer ones only take longer.
    const ENOUGH: usize = 8 << 20;
    let opened = || -> io::Result<(File, OwnedFd)> {
        let file = File::from(crate::slots::handover("fuzz")?);
        rustix::io::write(&file, data)?;
        rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0))?;
        let stop = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC)?;
        Ok((file, stop))
    };
    let (file, stop) = opened().unwrap_or_else(|error| panic!("{error}"));
    let mut bytes = Bytes::new(&file, &stop, crate::compression::SMALL_WINDOW);
    let (mut held, mut all) = (Vec::new(), 0);
    while let Ok(read) = bytes.read(&mut held, MOST) {
        assert_eq!(held.len(), read);
        assert!(read <= MOST.max(CHUNK));
        all += read;
        if read == 0 || all > ENOUGH {
            break;
        }
        held.clear();
    }
}
