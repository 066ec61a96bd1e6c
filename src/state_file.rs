//! The file in which a reduce's state waits to be merged with others: what
//! `--partial-state` writes and `host merge` reads.
//!
//! A line of text that tells what it is; a byte, 1 if there is a state and 0 if no record
//! was folded; the state's length (8 bytes, little-endian); its CRC-32 (4 bytes,
//! little-endian); the state.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use crate::compression::{Compression, WINDOW};
use crate::error::Error;

const MAGIC: &[u8] = b"state of a host reduce, 1\n";
const HEADER: usize = MAGIC.len() + 1 + 8 + 4;

/// The bytes of the file for a state, or for that of no records.
pub(crate) fn encode(state: Option<&[u8]>) -> Vec<u8> {
    let bytes = state.unwrap_or_default();
    let mut file = Vec::with_capacity(HEADER + bytes.len());
    file.extend_from_slice(MAGIC);
    file.push(u8::from(state.is_some()));
    file.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    file.extend_from_slice(&checksum(bytes).to_le_bytes());
    file.extend_from_slice(bytes);
    file
}

/// Reads a state of at most `max_state` bytes; `None` if no record was folded. The file
/// may be compressed.
///
/// # Errors
/// [`Error::Input`]: the file cannot be read, or is no such file, not whole, or damaged.
pub(crate) fn read(path: &Path, max_state: u64) -> Result<Option<Vec<u8>>, Error> {
    let wrong = |source| Error::Input { name: path.display().to_string(), source };
    let file = File::open(path).map_err(wrong)?;
    let bytes = decompressed(file, max_state).map_err(wrong)?;
    decode(&bytes, max_state).map_err(|why| wrong(io::Error::other(why)))
}

fn decompressed(file: File, max_state: u64) -> io::Result<Vec<u8>> {
    let mut file = BufReader::new(file);
    let first = io::BufRead::fill_buf(&mut file)?;
    let mut source: Box<dyn Read> = match Compression::of_bytes(first) {
        Some(compression) => Box::new(compression.decoder(file, WINDOW)?),
        None => Box::new(file),
    };
    let mut bytes = Vec::new();
    // One more than there can be, so that it is noticed.
    source.by_ref().take(HEADER as u64 + max_state + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn decode(file: &[u8], max_state: u64) -> Result<Option<Vec<u8>>, String> {
    let rest = file
        .strip_prefix(MAGIC)
        .ok_or("it is no state of a reduce; such files are written with --partial-state")?;
    let not_whole = || "it is not whole: the state ends before its end".to_owned();
    let (presence, rest) = rest.split_first().ok_or_else(not_whole)?;
    let (length, rest) = rest.split_first_chunk().ok_or_else(not_whole)?;
    let (expected, state) = rest.split_first_chunk().ok_or_else(not_whole)?;
    let length = u64::from_le_bytes(*length);
    if length > max_state {
        return Err(format!("its state has {length} bytes, more than --max-state allows"));
    }
    match (state.len() as u64).cmp(&length) {
        std::cmp::Ordering::Less => return Err(not_whole()),
        std::cmp::Ordering::Greater => return Err("there is more behind the state".into()),
        std::cmp::Ordering::Equal => {}
    }
    if checksum(state) != u32::from_le_bytes(*expected) {
        return Err("it is damaged: its checksum is not that of its bytes".into());
    }
    match presence {
        0 if state.is_empty() => Ok(None),
        0 => Err("it is damaged: it says that there is no state, and there is one".into()),
        1 => Ok(Some(state.to_vec())),
        other => Err(format!("it is damaged: byte {} is {other}", MAGIC.len())),
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Takes bytes for a file with a state: what is read is what is written.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(data: &[u8]) {
    if let Ok(state) = decode(data, 1 << 20) {
        assert_eq!(encode(state.as_deref()), data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_as_it_was_written() {
        for state in [None, Some(&b""[..]), Some(b"abc")] {
            let read = decode(&encode(state), 3).unwrap();
            assert_eq!(read.as_deref(), state);
        }
    }

    #[test]
    fn whatever_is_wrong_is_said() {
        let whole = encode(Some(b"abc"));
        for length in 0..whole.len() {
            assert!(decode(&whole[..length], 3).is_err(), "{length}");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 2;
            assert!(decode(&damaged, 3).is_err(), "{at}");
        }
        assert!(decode(&whole, 2).unwrap_err().contains("--max-state"));
        assert!(decode(&[&whole[..], b"x"].concat(), 3).unwrap_err().contains("more"));
        assert!(decode(b"[1, 2]", 3).unwrap_err().contains("--partial-state"));
    }
}
