//! Text in pieces of whole lines, and their lines: what `native` and `bare` read by.

use std::io::{self, ErrorKind, Read};

use memchr::{memchr_iter, memrchr};

/// Reads `source` to its end, `size` bytes at a time, and calls `each` with what there is of
/// whole lines: the last piece may lack its line break, none is empty. The error of `each`, or that of
/// reading, ends it.
pub fn pieces<E: From<io::Error>>(
    mut source: impl Read,
    size: usize,
    mut each: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut buffer = vec![0; 2 * size];
    // Bytes at the front of the buffer that begin a line not seen to its end yet.
    let mut held = 0;
    loop {
        if buffer.len() - held < size {
            // A line longer than the buffer.
            buffer.resize(buffer.len() * 2, 0);
        }
        let read = match source.read(&mut buffer[held..held + size]) {
            Err(fault) if fault.kind() == ErrorKind::Interrupted => continue,
            read => read?,
        };
        let filled = held + read;
        let whole = match read {
            0 => filled,
            // What was held has been searched for a line's end already.
            _ => memrchr(b'\n', &buffer[held..filled]).map_or(0, |at| held + at + 1),
        };
        if whole > 0 {
            each(&buffer[..whole])?;
        }
        if read == 0 {
            return Ok(());
        }
        buffer.copy_within(whole..filled, 0);
        held = filled - whole;
    }
}

/// The lines of `text` that are not blank, without their line breaks.
pub fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let unended = (!text.is_empty() && text.last() != Some(&b'\n')).then_some(text.len());
    let mut start = 0;
    memchr_iter(b'\n', text)
        .chain(unended)
        .map(move |end| &text[std::mem::replace(&mut start, end + 1)..end])
        .filter(|line| !line.trim_ascii().is_empty())
}
