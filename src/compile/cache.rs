//! Compiled plugins, kept from one run for the next, in a directory that nobody else can
//! write to.
//!
//! An entry is native code. It is made by a compile worker, put here by the supervisor, and
//! runs nowhere but inside a locked worker. Its name is the [`Key`]: the plugin's bytes, this
//! program, wasmtime, its settings and the processor. A file that is not exactly what an
//! earlier run has put there is removed, and the plugin compiled again.
//!
//! Several runs may use the directory at once, and be killed at any time: an entry gets its
//! name when it is whole.

use std::ffi::OsString;
use std::fs::File;
use std::hash::{Hash as _, Hasher};
use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, Timestamps};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::fault;
use crate::job;
use crate::protocol::{Abi, Operation, Settings};
use crate::runtime;
use crate::slots;

use super::plugin_file::PluginFile;
use super::{Artifact, Origin, PIECE};

/// How many bytes all entries may have. Those that were not used for the longest time go.
pub(crate) const MAX_BYTES: u64 = 2 << 30;
/// After this time a file without its name belongs to a run that was killed.
const ABANDONED: Duration = Duration::from_secs(60 * 60);
/// What names of entries end with.
const ENTRY: &str = ".artifact";
/// What names of files begin with that are not yet entries.
const UNFINISHED: &str = "unfinished-";
/// Bytes of the head of an entry; the code follows, and after that the hash of both.
const HEAD: usize = 128;
const HASH: usize = blake3::OUT_LEN;
/// Changed whenever entries are laid out in another way, or say something else.
const LAYOUT: &str = "host artifact 1";

/// What an artifact depends on, as a hash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Key(blake3::Hash);

impl Key {
    /// The key of what is compiled from this plugin with these settings.
    ///
    /// # Errors
    /// wasmtime does not know this processor, or this program cannot be found.
    pub fn new(plugin: &PluginFile, settings: Settings) -> Result<Key, Error> {
        let mut hasher = Hashing(blake3::Hasher::new());
        (LAYOUT, plugin.hash.as_bytes()).hash(&mut hasher);
        // Which operation a plugin has is this program's judgement: the next build may judge
        // otherwise. (Neither its name nor its inode: both change from container to container.)
        let program = std::fs::metadata("/proc/self/exe")
            .map_err(|error| Error::system("look at this program", error))?;
        (program.len(), program.mtime(), program.mtime_nsec()).hash(&mut hasher);
        runtime::hash_settings(settings, &mut hasher)
            .map_err(|error| Error::Workers(format!("wasmtime cannot be used: {error:#}")))?;
        Ok(Key(hasher.0.finalize()))
    }

    fn file_name(&self) -> String {
        format!("{}{ENTRY}", self.0.to_hex())
    }
}

/// Feeds what can be hashed to BLAKE3.
struct Hashing(blake3::Hasher);

impl Hasher for Hashing {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        // Nobody asks for it: the hash is longer.
        0
    }
}

/// What stands at the beginning of an entry.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Head {
    layout: String,
    key: [u8; HASH],
    abi: Abi,
    operation: Operation,
    /// Of the code, in bytes.
    length: u64,
}

/// The directory with compiled plugins.
#[derive(Debug)]
pub(crate) struct Cache {
    directory: OwnedFd,
    max_bytes: u64,
}

/// What is in a cache.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct CacheUse {
    /// Compiled plugins.
    pub entries: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Bytes that they may have.
    pub max_bytes: u64,
}

impl Cache {
    /// Opens the directory, which is made if there is none.
    ///
    /// # Errors
    /// [`Error::Usage`] if the job names a directory that cannot be used. One that was not
    /// named is then done without.
    pub fn open(wanted: &job::Cache) -> Result<Option<Cache>, Error> {
        match wanted {
            job::Cache::Off => Ok(None),
            job::Cache::Default => Ok(default_path().and_then(|path| Cache::at(&path).ok())),
            job::Cache::At(path) => match Cache::at(path) {
                Ok(cache) => Ok(Some(cache)),
                Err(why) => Err(Error::Usage(format!(
                    "cannot use {} for compiled plugins: {why} (--cache DIR|off)",
                    path.display()
                ))),
            },
        }
    }

    /// Opens this directory, which is made if there is none. What counts is who else could
    /// change it: nobody may.
    ///
    /// # Errors
    /// Why it cannot be used, in words that follow its name.
    fn at(path: &Path) -> Result<Cache, String> {
        let words = |error: io::Error| error.to_string();
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        // An existing file, or a link to nothing, is told from a directory below.
        if let Err(error) = made
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(error.to_string());
        }
        // A link could lead to another directory of ours, whose files are no entries.
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(directory) => directory,
            Err(Errno::NOTDIR | Errno::LOOP) if path.is_symlink() => {
                return Err("it is a link; name the directory itself".into());
            }
            Err(error) => return Err(words(error.into())),
        };
        let stat = rustix::fs::fstat(&directory).map_err(|error| words(error.into()))?;
        if !is_ours(&stat) {
            return Err("it belongs to somebody else".into());
        }
        if stat.st_mode & 0o022 != 0 {
            return Err("others can write to it".into());
        }
        Ok(Cache { directory, max_bytes: MAX_BYTES })
    }

    /// A copy of what is kept under the key, sealed.
    pub(super) fn find(&self, key: &Key) -> Option<Artifact> {
        let name = key.file_name();
        match self.read(key, &name) {
            Ok(artifact) => Some(artifact),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(_) => {
                // Whatever it is, it is no entry.
                let _ = rustix::fs::unlinkat(&self.directory, &name, AtFlags::empty());
                None
            }
        }
    }

    fn read(&self, key: &Key, name: &str) -> io::Result<Artifact> {
        let damaged = || io::Error::from(io::ErrorKind::InvalidData);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.directory, name, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&file)?;
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if !is_file || !is_ours(&stat) || stat.st_mode & 0o022 != 0 {
            return Err(damaged());
        }
        let mut file = File::from(file);
        let mut hasher = blake3::Hasher::new();
        let mut head_bytes = [0; HEAD];
        file.read_exact(&mut head_bytes)?;
        hasher.update(&head_bytes);
        let head: Head = postcard::from_bytes(&head_bytes).map_err(|_| damaged())?;
        let length = head.length;
        let layout = LAYOUT.to_owned();
        let (abi, operation) = (head.abi, head.operation);
        let whole = length.checked_add((HEAD + HASH) as u64);
        if head != (Head { layout, key: *key.0.as_bytes(), abi, operation, length })
            || whole != u64::try_from(stat.st_size).ok()
        {
            return Err(damaged());
        }
        let memory = slots::handover("artifact")?;
        copy(&mut (&file).take(length), &mut File::from(memory.try_clone()?), |bytes| {
            hasher.update(bytes);
        })?;
        let mut hash = [0; HASH];
        file.read_exact(&mut hash)?;
        if hasher.finalize() != hash {
            return Err(damaged());
        }
        slots::seal(&memory)?;
        // So that it is known which were not used for long. A file system that is only read
        // refuses it.
        let now = Timestamps {
            last_access: rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW },
            last_modification: rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW },
        };
        let _ = rustix::fs::futimens(&file, &now);
        let (hash, took) = (String::new(), Duration::ZERO);
        Ok(Artifact { abi, operation, length, hash, file: memory, origin: Origin::Cache, took })
    }

    /// Keeps an artifact under the key. Where that fails it is compiled again the next time.
    pub(super) fn keep(&self, key: &Key, artifact: &Artifact) {
        if artifact.length > self.max_bytes {
            return;
        }
        let mut number = [0; 8];
        if getrandom(&mut number, GetRandomFlags::empty()).is_err() {
            return;
        }
        let unfinished = format!("{UNFINISHED}{:016x}", u64::from_ne_bytes(number));
        let written = self.write(key, artifact, &unfinished).and_then(|()| {
            fault::at("before-rename-artifact")?;
            let name = key.file_name();
            Ok(rustix::fs::renameat(&self.directory, &unfinished, &self.directory, name)?)
        });
        if written.is_err() {
            let _ = rustix::fs::unlinkat(&self.directory, &unfinished, AtFlags::empty());
        }
        fault::pass("after-rename-artifact");
        // What cannot be removed now may be the next time.
        let _ = self.evict(key);
    }

    fn write(&self, key: &Key, artifact: &Artifact, name: &str) -> io::Result<()> {
        fault::at("before-write-artifact")?;
        let Artifact { abi, operation, length, .. } = *artifact;
        let head = Head { layout: LAYOUT.into(), key: *key.0.as_bytes(), abi, operation, length };
        let mut head = postcard::to_stdvec(&head).map_err(io::Error::other)?;
        head.resize(HEAD, 0);
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let mut file = File::from(rustix::fs::openat(&self.directory, name, flags, mode)?);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&head);
        file.write_all(&head)?;
        let mut code = File::from(artifact.file.try_clone()?);
        code.seek(SeekFrom::Start(0))?;
        copy(&mut code.take(length), &mut file, |bytes| {
            hasher.update(bytes);
        })?;
        file.write_all(hasher.finalize().as_bytes())
    }

    /// Removes what was not used for the longest time, as long as there is too much, and what
    /// runs that were killed have left. The entry just made stays.
    fn evict(&self, keep: &Key) -> io::Result<()> {
        let now = SystemTime::now();
        let mut entries = Vec::new();
        for Found { name, bytes, used } in self.list()? {
            let age = now.duration_since(used).unwrap_or_default();
            if name.to_str().is_some_and(|name| name.starts_with(UNFINISHED)) {
                if age > ABANDONED {
                    let _ = rustix::fs::unlinkat(&self.directory, &name, AtFlags::empty());
                }
            } else {
                entries.push((used, bytes, name));
            }
        }
        entries.sort();
        let mut total: u64 = entries.iter().map(|(_, bytes, _)| bytes).sum();
        let keep = keep.file_name();
        for (_, bytes, name) in entries {
            if total <= self.max_bytes {
                break;
            }
            if name == *keep {
                continue;
            }
            total -= bytes;
            // Another run may have removed it.
            let _ = rustix::fs::unlinkat(&self.directory, &name, AtFlags::empty());
        }
        Ok(())
    }

    /// The files that this program has put here: entries, and what may become one.
    fn list(&self) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        for entry in Dir::read_from(&self.directory)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if !is_entry(name) && !name.starts_with(UNFINISHED) {
                continue;
            }
            // It may be gone meanwhile.
            let stat = rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW);
            let Ok(stat) = stat else { continue };
            let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
            let used = SystemTime::UNIX_EPOCH
                + Duration::new(seconds, u32::try_from(stat.st_mtime_nsec).unwrap_or(0));
            let bytes = u64::try_from(stat.st_size).unwrap_or(0);
            found.push(Found { name: name.into(), bytes, used });
        }
        Ok(found)
    }
}

/// A file in the directory.
struct Found {
    name: OsString,
    bytes: u64,
    used: SystemTime,
}

/// Where compiled plugins are kept by default, if there is such a place.
pub fn default_path() -> Option<PathBuf> {
    let absolute =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME");
    Some(caches.or_else(|| Some(absolute("HOME")?.join(".cache")))?.join("host"))
}

/// What is in the cache in this directory, which is made if need be.
///
/// # Errors
/// Why it cannot be used, in words that follow its name.
pub fn look(path: &Path) -> Result<CacheUse, String> {
    let cache = Cache::at(path)?;
    let found = cache.list().map_err(|error| error.to_string())?;
    let entries = found.iter().filter(|one| one.name.to_str().is_some_and(is_entry));
    let sizes: Vec<u64> = entries.map(|entry| entry.bytes).collect();
    let (entries, bytes) = (sizes.len() as u64, sizes.iter().sum());
    Ok(CacheUse { entries, bytes, max_bytes: MAX_BYTES })
}

/// Whether a file's name is that of an entry.
fn is_entry(name: &str) -> bool {
    name.strip_suffix(ENTRY).is_some_and(|hash| blake3::Hash::from_hex(hash).is_ok())
}

fn is_ours(stat: &Stat) -> bool {
    stat.st_uid == rustix::process::geteuid().as_raw()
}

/// Copies everything, and shows it on the way.
fn copy(from: &mut impl Read, to: &mut impl Write, mut show: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            read => {
                show(&buffer[..read]);
                to.write_all(&buffer[..read])?;
            }
        }
    }
}

/// Takes bytes for an entry of the cache: what is found is what was kept, and nothing else is.
#[cfg(any(test, fuzzing))]
#[allow(clippy::panic, reason = "a panic tells the fuzzer")]
pub(crate) fn fuzz(data: &[u8]) {
    let place = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let cache = Cache::at(place.path()).unwrap_or_else(|error| panic!("{error}"));
    let key = Key(blake3::hash(b"fuzz"));
    let path = place.path().join(key.file_name());
    let bytes = match data.split_first() {
        // Under a hash that is right, so that more is looked at.
        Some((0, rest)) => [rest, blake3::hash(rest).as_bytes()].concat(),
        _ => data.to_vec(),
    };
    std::fs::write(&path, &bytes).unwrap_or_else(|error| panic!("{error}"));
    match cache.find(&key) {
        Some(found) => assert_eq!(found.length as usize + HEAD + HASH, bytes.len()),
        None => assert!(!path.exists()),
    }
}
