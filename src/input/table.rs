//! Inputs that are tables: from the file that was named to the text that is cut.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};

use super::source::Bytes;
use super::{CutRules, Opened, Out};
use crate::compression::Compression;
use crate::error::Error;
use crate::tables::{Kind, Reader, Wait};

/// Bytes that are copied at once.
const CHUNK: usize = 1 << 20;

/// Opens a table that is read as a stream: `file` is it, or a pipe that it comes through, or it
/// is compressed as a whole. Then it is copied to a temporary file first, because a table is
/// read at any place.
///
/// # Errors
/// [`Error::NoTable`]: it is no table, or has not the columns that are wanted. It cannot be read,
/// or nobody waits for it any more.
pub(super) fn open<'a>(
    kind: Kind,
    opened: &Opened,
    file: &'a File,
    rules: &CutRules,
    out: &'a Out,
) -> Result<Reader<'a>, Error> {
    let name = || opened.name();
    let unreadable = |source| Error::ReadInput { name: name(), source };
    let table = match is_plain(opened, file).map_err(unreadable)? {
        true => file.try_clone().map_err(unreadable)?,
        false => copied(Bytes::new(file, &out.stopped, rules.window)).map_err(unreadable)?,
    };
    let wait: Wait<'a> = Box::new(|| match out.is_stopped() {
        true => Err(Error::Interrupted),
        false => Ok(()),
    });
    let columns = rules.table_columns.clone();
    Reader::open(out.tables.clone(), kind, columns, table, wait).map_err(|error| {
        match error.downcast::<Error>() {
            Ok(error) => error,
            Err(why) if why.kind() == io::ErrorKind::InvalidData => {
                Error::NoTable { name: name(), why: why.to_string() }
            }
            Err(source) => unreadable(source),
        }
    })
}

/// Whether it can be read at any place as it is.
fn is_plain(opened: &Opened, mut file: &File) -> io::Result<bool> {
    // Files of /proc and the like say that they are empty and are not; somebody may have read
    // the beginning of standard input.
    let is_file = opened.found().is_some_and(|found| found.bytes > 0);
    if !is_file || file.stream_position()? > 0 {
        return Ok(false);
    }
    let mut first = [0; Compression::MAGIC];
    let read = std::os::unix::fs::FileExt::read_at(file, &mut first, 0)?;
    Ok(Compression::of_bytes(&first[..read]).is_none())
}

fn copied(mut bytes: Bytes<'_>) -> io::Result<File> {
    let mut copy = tempfile::tempfile()?;
    let mut held = Vec::with_capacity(CHUNK);
    while bytes.read(&mut held, CHUNK)? > 0 {
        copy.write_all(&held)?;
        held.clear();
    }
    Ok(copy)
}

/// Notes in the file how far it has been read, which is where it stands for those who watch:
/// table workers read it by place.
pub(super) fn note_progress(opened: &Opened, mut file: &File, done: f64) {
    if let Some(found) = opened.found() {
        // What cannot be sought in has no length that anybody watches.
        let _ = file.seek(SeekFrom::Start((found.bytes as f64 * done) as u64));
    }
}
