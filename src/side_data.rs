//! Side data: files that every plugin may read. The supervisor copies each into a memory
//! file and seals it, so that it cannot change while the job runs; workers map it, so
//! that it is there once for all of them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use crate::error::Error;
use crate::job::Job;
use crate::slots;

/// The side data of a job, sealed.
#[derive(Debug, Default)]
pub(crate) struct SideData {
    /// In the order of the files.
    pub names: Vec<String>,
    pub files: Vec<OwnedFd>,
}

impl SideData {
    /// Copies what the job names.
    ///
    /// # Errors
    /// [`Error::Input`]: a file cannot be read, or all are too large together.
    pub fn copy(job: &Job) -> Result<SideData, Error> {
        let mut data = SideData::default();
        let mut room = job.limits.max_data;
        for (name, path) in &job.data {
            let wrong = |source| Error::Input { name: path.display().to_string(), source };
            let copied = copy(&mut open(path).map_err(wrong)?, room).map_err(wrong)?;
            room -= copied.length;
            data.names.push(name.clone());
            data.files.push(copied.file);
        }
        Ok(data)
    }

    /// Hashes of what is in the files, by name.
    ///
    /// # Errors
    /// [`Error::System`]: the memory cannot be mapped.
    pub fn hashes(&self) -> Result<BTreeMap<String, String>, Error> {
        let hash = |(name, file): (&String, &OwnedFd)| {
            let mapped = slots::Sealed::map(file)
                .map_err(|error| Error::system("look at side data", error))?;
            Ok((name.clone(), blake3::hash(mapped.as_ref()).to_hex().to_string()))
        };
        self.names.iter().zip(&self.files).map(hash).collect()
    }

    /// The files that the job names and their sizes in bytes, without copying them.
    ///
    /// # Errors
    /// As [`SideData::copy`].
    pub fn sizes(job: &Job) -> Result<BTreeMap<String, (PathBuf, u64)>, Error> {
        let mut room = job.limits.max_data;
        let mut sizes = BTreeMap::new();
        for (name, path) in &job.data {
            let wrong = |source| Error::Input { name: path.display().to_string(), source };
            let length = open(path).and_then(|file| file.metadata()).map_err(wrong)?.len();
            room = room.checked_sub(length).ok_or_else(|| wrong(too_large()))?;
            sizes.insert(name.clone(), (path.clone(), length));
        }
        Ok(sizes)
    }
}

fn too_large() -> io::Error {
    io::Error::other("all side data together is more than --max-data allows")
}

struct Copied {
    file: OwnedFd,
    /// In bytes.
    length: u64,
}

fn open(path: &std::path::Path) -> io::Result<File> {
    // Opening a pipe would wait for its writer.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    File::open(path)
}

fn copy(from: &mut File, room: u64) -> io::Result<Copied> {
    let file = slots::handover("data")?;
    let mut to = File::from(file.try_clone()?);
    let length = io::copy(&mut from.take(room.saturating_add(1)), &mut to)?;
    if length > room {
        return Err(too_large());
    }
    // As long as it could be written through this, it would not be sealed.
    drop(to);
    slots::seal(&file)?;
    Ok(Copied { file, length })
}
