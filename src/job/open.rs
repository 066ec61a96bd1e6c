//! A file, pipe or socket that the program which uses this library has open already.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Something open, as an input or output of a job, and what messages call it.
///
/// Copies are the same open file: it is closed when the last is gone, which are also those in
/// a [`Job`](crate::Job).
#[derive(Clone, Debug)]
pub struct Open {
    name: Arc<str>,
    file: Arc<File>,
}

impl Open {
    /// Takes over what is open. As an input it is read from where it stands to its end, as an
    /// output it is written from where it stands.
    pub fn new(file: impl Into<OwnedFd>, name: &str) -> Open {
        Open { name: name.into(), file: Arc::new(File::from(file.into())) }
    }

    /// A descriptor of its own for the same open file.
    pub(crate) fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

impl fmt::Display for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl PartialEq for Open {
    fn eq(&self, other: &Open) -> bool {
        Arc::ptr_eq(&self.file, &other.file)
    }
}

impl Eq for Open {}
