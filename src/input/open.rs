//! Opens inputs and tells what they are before anything starts.

use std::cmp::Ordering;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::From;
use super::expand::Named;
use crate::compression::Compression;
use crate::error::{Error, Grouped};
use crate::job::{Input, Job, ResumeVerify};
use crate::range::InputId;
use crate::tables;

/// Files that workers read by themselves; those beyond go through slots, so that
/// any number of inputs fits the limits on descriptors.
const MAX_INHERITED: usize = 64;
/// Bytes that are read of a file to know it again, or at once.
const SAMPLE: usize = 64 << 10;
/// Files that are read as streams and stay open from the beginning.
const MAX_STREAMS: usize = 64;

/// All inputs of a job, in the order given.
#[derive(Debug)]
pub(crate) struct Inputs(Vec<Opened>);

/// One input, open or known to open.
#[derive(Debug)]
pub(crate) struct Opened {
    id: InputId,
    input: Input,
    /// What it is called below the directory or glob that led to it.
    below: PathBuf,
    kind: Kind,
    identity: Identity,
    found: Option<Found>,
}

/// What a file was when it was opened.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Found {
    /// In bytes.
    pub bytes: u64,
    pub inode: u64,
    /// Time of its last change: seconds since 1970 and nanoseconds.
    pub modified: (i64, i64),
}

impl Found {
    fn of(metadata: &Metadata) -> Option<Found> {
        metadata.is_file().then(|| Found {
            bytes: metadata.len(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

/// Which file something is, whatever its name.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub fn of(metadata: &Metadata) -> Identity {
        Identity { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// What an input turned out to be.
#[derive(Debug)]
pub(super) enum Kind {
    /// A file of known length that workers read at any place; the n-th of these.
    Regular { file: File, length: u64, index: u32 },
    /// A pipe, a terminal, a device, a compressed file.
    Stream(File),
    /// A file to be opened when its turn comes, and read like a stream. Its length, if
    /// its bytes are those that count.
    Later { length: Option<u64> },
}

impl Inputs {
    /// Opens every input once; `from` is the format of all where the user has named it.
    ///
    /// # Errors
    /// The first input that is missing, unreadable or a directory.
    pub fn open(inputs: &[Named], from: Option<From>) -> Result<Inputs, Error> {
        Inputs::open_all(inputs, from, Streams::Opened)
    }

    /// Opens only what can be opened again. Opening a named pipe would wait for its
    /// writer, and closing it would take that by surprise.
    ///
    /// # Errors
    /// As [`Inputs::open`].
    pub fn look(inputs: &[Named], from: Option<From>) -> Result<Inputs, Error> {
        Inputs::open_all(inputs, from, Streams::LeftAlone)
    }

    fn open_all(inputs: &[Named], from: Option<From>, streams: Streams) -> Result<Inputs, Error> {
        let mut opened = Vec::with_capacity(inputs.len());
        let mut held = Held::default();
        for (place, Named { input, below }) in inputs.iter().enumerate() {
            let (kind, metadata) = match (input, streams) {
                (Input::Path(path), Streams::LeftAlone) if is_stream(path) => look(path)?,
                _ => open(input, from, &mut held)?,
            };
            let id =
                InputId(u32::try_from(place).map_err(|_| {
                    Error::Usage("more inputs than this program can number".into())
                })?);
            opened.push(Opened {
                id,
                input: input.clone(),
                below: below.clone(),
                kind,
                identity: Identity::of(&metadata),
                found: Found::of(&metadata),
            });
        }
        Ok(Inputs(opened))
    }

    /// Checks that the inputs are what the job's other parts are for.
    ///
    /// # Errors
    /// [`Error::Usage`] with the input that is not.
    pub fn check(&self, job: &Job) -> Result<(), Error> {
        if job.records.is_some() {
            let not_json = |opened: &&Opened| {
                job.from.unwrap_or_else(|| opened.format_by_name()) != From::Json
            };
            if let Some(opened) = self.iter().find(not_json) {
                return Err(Error::Usage(format!(
                    "--records names an array inside a JSON text, and {} is no such text (--from \
                     json says that it is)",
                    opened.name()
                )));
            }
        }
        if job.only.is_some() && self.0.len() != 1 {
            return Err(Error::Usage(format!(
                "--only names a record of one input, and there are {}",
                self.0.len()
            )));
        }
        Ok(())
    }

    pub fn iter(&self) -> impl Iterator<Item = &Opened> {
        self.0.iter()
    }

    /// What a message calls this input.
    pub fn name(&self, id: InputId) -> String {
        self.0.get(id.index()).map_or_else(String::new, |opened| opened.input.to_string())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Which files are read.
    pub fn identities(&self) -> Vec<Identity> {
        self.0.iter().map(|opened| opened.identity).collect()
    }

    /// Bytes of all inputs together; `None` if that of one is not known beforehand.
    pub fn total_bytes(&self) -> Option<u64> {
        self.0.iter().map(Opened::bytes).sum()
    }

    /// Whether no input passes this process: all are files that workers read by themselves.
    pub fn are_read_by_workers(&self) -> bool {
        self.0.iter().all(|opened| matches!(opened.kind, Kind::Regular { .. }))
    }

    /// Whether a file has grown since it was opened.
    ///
    /// # Errors
    /// [`Error::InputChanged`]: it is another way different.
    pub fn has_grown(&self, id: InputId) -> Result<bool, Error> {
        let Some(opened) = self.0.get(id.index()) else { return Ok(false) };
        // Files of /proc and the like say that they are empty, and what they like.
        let Some(found) = opened.found.filter(|found| found.bytes > 0) else { return Ok(false) };
        let now = match (&opened.kind, &opened.input) {
            (Kind::Regular { file, .. } | Kind::Stream(file), _) => file.metadata(),
            (Kind::Later { .. }, Input::Path(path)) => path.metadata(),
            (Kind::Later { .. }, Input::Stdin | Input::Open(_)) => return Ok(false),
        };
        let changed = |why: String| Err(Error::InputChanged { name: opened.name(), why });
        let now = match now.map(|metadata| Found::of(&metadata)) {
            Ok(Some(now)) => now,
            Ok(None) => return changed("it is no file any more".into()),
            Err(error) => return changed(error.to_string()),
        };
        let (before, after) = (Grouped(found.bytes), Grouped(now.bytes));
        match now.bytes.cmp(&found.bytes) {
            Ordering::Greater => Ok(true),
            Ordering::Less => changed(format!("it had {before} bytes and has {after} now")),
            Ordering::Equal if now.modified != found.modified => {
                changed("its time of modification is later than when it was opened".into())
            }
            Ordering::Equal => Ok(false),
        }
    }

    /// Bytes of the file that an input is.
    pub fn bytes(&self, id: InputId) -> u64 {
        self.0.get(id.index()).and_then(|opened| opened.found).map_or(0, |found| found.bytes)
    }

    /// Bytes of all inputs together as they are stored, compressed or not; `None` if one is no
    /// file.
    pub fn stored_bytes(&self) -> Option<u64> {
        self.0.iter().map(|opened| opened.found.map(|found| found.bytes)).sum()
    }

    /// Up to which byte of an input, as it is stored, it is read where all before this offset
    /// is; of one that is opened later and compressed that is not known while it is read.
    pub fn stored_up_to(&self, id: InputId, offset: u64) -> u64 {
        match self.0.get(id.index()).map(Opened::kind) {
            Some(Kind::Regular { .. } | Kind::Later { length: Some(_) }) => offset,
            Some(Kind::Stream(file)) => rustix::fs::tell(file).unwrap_or(0),
            Some(Kind::Later { length: None }) | None => 0,
        }
    }

    /// Bytes of an input from an offset on, if it is not read to its end, and of all
    /// inputs behind it; `None` if that of one is not known beforehand.
    pub fn bytes_behind(&self, input: InputId, end: Option<u64>) -> Option<u64> {
        let this = self.0.get(input.index())?;
        let rest = match end {
            Some(end) => this.bytes()?.saturating_sub(end),
            None => 0,
        };
        let others: Option<u64> = self.0[input.index() + 1..].iter().map(Opened::bytes).sum();
        Some(rest + others?)
    }

    /// Reads bytes of an input once more; none of one that cannot be read at a place.
    ///
    /// # Errors
    /// They cannot be read, or are there no longer.
    pub fn read_again(
        &self,
        id: InputId,
        offset: u64,
        length: u64,
    ) -> Result<Option<Vec<u8>>, Error> {
        let Some(Kind::Regular { file, .. }) = self.0.get(id.index()).map(Opened::kind) else {
            return Ok(None);
        };
        let read = usize::try_from(length).map_err(io::Error::other).and_then(|length| {
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, offset).map(|()| bytes)
        });
        read.map(Some).map_err(|source| Error::ReadInput { name: self.name(id), source })
    }

    /// Bytes of an input before an offset, the last few; none of one that cannot be read at
    /// a place.
    pub fn before(&self, id: InputId, offset: u64) -> Option<Vec<u8>> {
        let length = offset.min(SAMPLE as u64);
        self.read_again(id, offset - length, length).ok().flatten()
    }

    /// Hashes bytes of an input that is not compressed.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn hash(
        &self,
        hasher: &mut blake3::Hasher,
        id: InputId,
        bytes: std::ops::Range<u64>,
    ) -> Result<(), Error> {
        let Some(opened) = self.0.get(id.index()) else { return Ok(()) };
        let hashed = match &opened.kind {
            Kind::Regular { file, .. } => hash(hasher, file, bytes),
            Kind::Later { length: Some(_) } => hash(hasher, &opened.open_again()?, bytes),
            Kind::Stream(_) | Kind::Later { length: None } => Ok(()),
        };
        hashed.map_err(|source| Error::ReadInput { name: opened.name(), source })
    }

    /// The files that workers inherit, in the order of their indexes.
    pub fn inherited(&self) -> impl Iterator<Item = &File> {
        self.0.iter().filter_map(|opened| match &opened.kind {
            Kind::Regular { file, .. } => Some(file),
            _ => None,
        })
    }
}

impl Opened {
    pub fn id(&self) -> InputId {
        self.id
    }

    pub fn name(&self) -> String {
        self.input.to_string()
    }

    /// What it is called below the directory or glob that led to it.
    pub fn below(&self) -> &Path {
        &self.below
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.kind
    }

    /// How long it is, if that is known beforehand.
    pub fn bytes(&self) -> Option<u64> {
        match self.kind {
            Kind::Regular { length, .. } => Some(length),
            Kind::Later { length } => length,
            Kind::Stream(_) => None,
        }
    }

    /// What the file was when it was opened, if it is one.
    pub fn found(&self) -> Option<Found> {
        self.found
    }

    /// A hash of the input's first bytes, by which it can be known again; where everything is
    /// to be hashed, of the whole of one that is compressed. None of one that is opened later.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn sample(&self, verify: ResumeVerify) -> Result<Option<blake3::Hash>, Error> {
        let (file, bytes) = match &self.kind {
            Kind::Regular { file, .. } => (file, SAMPLE as u64),
            Kind::Stream(file) => {
                (file, if verify == ResumeVerify::Full { u64::MAX } else { SAMPLE as u64 })
            }
            Kind::Later { .. } => return Ok(None),
        };
        let mut hasher = blake3::Hasher::new();
        hash(&mut hasher, file, 0..bytes)
            .map_err(|source| Error::Input { name: self.name(), source })?;
        Ok(Some(hasher.finalize()))
    }

    pub fn input(&self) -> &Input {
        &self.input
    }

    pub fn format_by_name(&self) -> From {
        format_by_name(&self.input)
    }

    /// What kind of table it is, if it is one; `from` is the user's word.
    pub fn table(&self, from: Option<From>) -> Option<tables::Kind> {
        from.unwrap_or_else(|| self.format_by_name()).table()
    }

    /// Opens it once more, for whoever needs another descriptor of it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open_again(&self) -> Result<File, Error> {
        match &self.input {
            Input::Path(path) => open_path(path),
            Input::Stdin => stdin(),
            Input::Open(open) => {
                open.file().map_err(|source| Error::Input { name: self.name(), source })
            }
        }
    }
}

fn format_by_name(input: &Input) -> From {
    let Input::Path(path) = input else { return From::Json };
    match tables::Kind::of_name(inner_name(path)) {
        Some(tables::Kind::Parquet) => From::Parquet,
        Some(tables::Kind::Arrow | tables::Kind::ArrowStream) => From::Arrow,
        None => text_format_of_name(path).unwrap_or(From::Json),
    }
}

/// The format that a name says by its last extension, or the last but one where that says how
/// it is compressed. Of tables, and of the kinds of JSON that begin by saying which they are, it
/// knows nothing.
pub fn text_format_of_name(path: &Path) -> Option<From> {
    match inner_name(path).extension()?.to_str()? {
        "ndjson" | "jsonl" => Some(From::Ndjson),
        "txt" => Some(From::Lines),
        "csv" => Some(From::Csv),
        "tsv" => Some(From::Tsv),
        _ => None,
    }
}

/// A name without what says that it is compressed: `a.ndjson` for `a.ndjson.gz`.
fn inner_name(path: &Path) -> &Path {
    match (Compression::of_name(path), path.file_stem()) {
        (Some(_), Some(inner)) => Path::new(inner),
        _ => path,
    }
}

/// What is done with named pipes and devices.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Streams {
    Opened,
    LeftAlone,
}

fn is_stream(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// Looks at a file without opening it.
fn look(path: &Path) -> Result<(Kind, Metadata), Error> {
    let metadata = rustix::fs::access(path, rustix::fs::Access::READ_OK)
        .map_err(io::Error::from)
        .and_then(|()| path.metadata());
    let metadata =
        metadata.map_err(|source| Error::Input { name: path.display().to_string(), source })?;
    Ok((Kind::Later { length: None }, metadata))
}

/// Files that stay open.
#[derive(Default)]
struct Held {
    regular: u32,
    streams: usize,
}

impl Held {
    /// What to do with a file that is read like a stream.
    fn stream(&mut self, file: File, length: Option<u64>) -> Kind {
        if self.streams == MAX_STREAMS {
            return Kind::Later { length };
        }
        self.streams += 1;
        Kind::Stream(file)
    }
}

fn open(input: &Input, from: Option<From>, held: &mut Held) -> Result<(Kind, Metadata), Error> {
    let unreadable = |source| Error::Input { name: input.to_string(), source };
    let file = match input {
        Input::Path(path) => open_path(path)?,
        Input::Stdin => stdin()?,
        Input::Open(open) => open.file().map_err(unreadable)?,
    };
    let metadata = file.metadata().map_err(unreadable)?;
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Err(unreadable(io::Error::other("it is a directory")));
    }
    // Files of /proc and the like say that they are empty and are not. Standard input
    // may be a file that somebody has read the beginning of.
    let begins_here = rustix::fs::tell(&file).is_ok_and(|at| at == 0);
    if !kind.is_file() || !begins_here {
        return Ok((Kind::Stream(file), metadata));
    }
    if metadata.len() == 0 {
        return Ok((held.stream(file, None), metadata));
    }
    // What workers see of a table is not what is stored.
    if from.unwrap_or_else(|| format_by_name(input)).table().is_some() {
        return Ok((held.stream(file, None), metadata));
    }
    // What is compressed has to be read from its beginning to its end.
    let mut first = [0; Compression::MAGIC];
    let read = file.read_at(&mut first, 0).map_err(unreadable)?;
    if Compression::of_bytes(&first[..read]).is_some() {
        return Ok((held.stream(file, None), metadata));
    }
    let length = metadata.len();
    if held.regular as usize == MAX_INHERITED {
        return Ok((Kind::Later { length: Some(length) }, metadata));
    }
    let index = held.regular;
    held.regular += 1;
    Ok((Kind::Regular { file, length, index }, metadata))
}

/// Hashes bytes of a file, as far as there are so many.
fn hash(hasher: &mut blake3::Hasher, file: &File, bytes: std::ops::Range<u64>) -> io::Result<()> {
    let mut buffer = vec![0; SAMPLE];
    let mut at = bytes.start;
    while at < bytes.end {
        let wanted = (bytes.end - at).min(buffer.len() as u64) as usize;
        match file.read_at(&mut buffer[..wanted], at) {
            Ok(0) => break,
            Ok(read) => {
                hasher.update(&buffer[..read]);
                at += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Opens a file. A pipe that nobody writes to yet is open at once: whoever reads it waits
/// for it first, and can be told to stop meanwhile.
fn open_path(path: &Path) -> Result<File, Error> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    file.map_err(|source| Error::Input { name: path.display().to_string(), source })
}

/// Standard input: reopened read-only where it is a file that stands at its
/// beginning (so that workers can read it by place), otherwise as it is.
fn stdin() -> Result<File, Error> {
    let stdin = io::stdin();
    let unreadable = |source| Error::Input { name: "standard input".into(), source };
    let file = File::from(stdin.as_fd().try_clone_to_owned().map_err(unreadable)?);
    let is_file = file.metadata().map_err(unreadable)?.is_file();
    if is_file && rustix::fs::tell(&file).is_ok_and(|at| at == 0) {
        let reopened = File::open(PathBuf::from("/proc/self/fd/0"));
        return Ok(reopened.unwrap_or(file));
    }
    Ok(file)
}
