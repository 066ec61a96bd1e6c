//! From what the user named to the files that are read: a directory means the files
//! below it, and a name that no file has may be a glob. The order is that of the names,
//! byte by byte and component by component, and so the same everywhere and always.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use walkdir::{DirEntry, WalkDir};

use super::Identity;
use crate::error::Error;
use crate::job::{Input, Output};
use crate::output::partial_name;

/// One input, and what it is called below the directory or glob that led to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Named {
    pub input: Input,
    /// Its file name if it was named itself; nothing for standard input.
    pub below: PathBuf,
}

/// Finds what the inputs of a job stand for. What the job itself writes is left out of
/// directories and globs.
///
/// # Errors
/// [`Error::Input`]: a directory or glob that stands for nothing, or that cannot be read.
pub(crate) fn expand(inputs: &[Input], output: &Output) -> Result<Vec<Named>, Error> {
    let own = own_files(output);
    let mut all = Vec::with_capacity(inputs.len());
    for input in inputs {
        let path = match input {
            Input::Stdin | Input::Open(_) => {
                all.push(Named { input: input.clone(), below: PathBuf::new() });
                continue;
            }
            Input::Path(path) => path,
        };
        let glob = || Glob::parse(path);
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => all.extend(Walk::directory(path).files(&own)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_glob(path) => {
                all.extend(Walk::glob(path, glob()?).files(&own)?);
            }
            // Whatever stands in the way is told when it is opened.
            Ok(_) | Err(_) => {
                let below = path.file_name().map(PathBuf::from).unwrap_or_default();
                all.push(Named { input: input.clone(), below });
            }
        }
    }
    Ok(all)
}

/// The files and directories that the job writes, as far as they exist.
fn own_files(output: &Output) -> Vec<Identity> {
    let stdout = || File::from(io::stdout().as_fd().try_clone_to_owned().ok()?).metadata().ok();
    let metadata = match output {
        Output::Stdout => vec![stdout()],
        Output::Path(path) => {
            let partial = partial_name(path);
            vec![path.metadata().ok(), partial.ok().and_then(|partial| partial.metadata().ok())]
        }
        Output::Directory(path) => vec![path.metadata().ok()],
        Output::Open(open) => vec![open.file().and_then(|file| file.metadata()).ok()],
    };
    metadata.iter().flatten().map(Identity::of).collect()
}

fn is_glob(path: &Path) -> bool {
    has_glob_characters(path.as_os_str().as_bytes())
}

fn has_glob_characters(name: &[u8]) -> bool {
    name.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'{'))
}

/// A pattern, taken apart.
struct Glob {
    /// The directory above its first component that has glob characters.
    base: PathBuf,
    matcher: GlobMatcher,
    /// Directories that are looked into, the base included.
    depth: usize,
    hidden: Hidden,
}

/// What becomes of files and directories whose names begin with a dot.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Hidden {
    Taken,
    LeftOut,
}

impl Glob {
    fn parse(path: &Path) -> Result<Glob, Error> {
        let plain = |component: &std::path::Component<'_>| {
            !has_glob_characters(component.as_os_str().as_bytes())
        };
        let base: PathBuf = path.components().take_while(plain).collect();
        let rest: PathBuf = path.components().skip_while(plain).collect();
        let wrong = |why: String| Error::Input {
            name: path.display().to_string(),
            source: io::Error::other(format!("no file has this name, and as a pattern {why}")),
        };
        let text = rest.to_str().ok_or_else(|| wrong("it is no text".into()))?;
        let glob = GlobBuilder::new(text).literal_separator(true).build();
        let matcher = glob.map_err(|error| wrong(error.kind().to_string()))?.compile_matcher();
        let named = text.split(['/', '{', ',']).any(|component| component.starts_with('.'));
        Ok(Glob {
            base,
            matcher,
            depth: match text.contains("**") {
                true => usize::MAX,
                false => text.matches('/').count() + 1,
            },
            hidden: if named { Hidden::Taken } else { Hidden::LeftOut },
        })
    }
}

/// A walk through a directory.
struct Walk<'a> {
    /// What the user named.
    named: &'a Path,
    root: PathBuf,
    matcher: Option<GlobMatcher>,
    depth: usize,
    hidden: Hidden,
}

impl<'a> Walk<'a> {
    fn directory(named: &'a Path) -> Walk<'a> {
        let (root, hidden) = (named.to_owned(), Hidden::LeftOut);
        Walk { named, root, matcher: None, depth: usize::MAX, hidden }
    }

    fn glob(named: &'a Path, glob: Glob) -> Walk<'a> {
        let Glob { base, matcher, depth, hidden } = glob;
        Walk { named, root: base, matcher: Some(matcher), depth, hidden }
    }

    /// Every file that is meant, once.
    fn files(&self, own: &[Identity]) -> Result<Vec<Named>, Error> {
        // The files of a glob like `*.json` are called as they would be without it.
        let here = Path::new(".");
        let root = if self.root.as_os_str().is_empty() { here } else { &self.root };
        let walk = WalkDir::new(root).max_depth(self.depth).sort_by_file_name().into_iter();
        let mut seen = HashSet::new();
        let mut files = Vec::new();
        for entry in walk.filter_entry(|entry| self.is_wanted(entry, own)) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) if error.depth() == 0 && self.matcher.is_some() => break,
                Err(error) => return Err(unreadable(self.named, error)),
            };
            let below = entry.path().strip_prefix(root).unwrap_or(entry.path());
            if entry.file_type().is_dir()
                || self.matcher.as_ref().is_some_and(|matcher| !matcher.is_match(below))
            {
                continue;
            }
            // Through a link.
            let metadata = entry.path().metadata().map_err(|source| Error::Input {
                name: entry.path().display().to_string(),
                source,
            })?;
            let identity = Identity::of(&metadata);
            if metadata.is_file() && !own.contains(&identity) && seen.insert(identity) {
                let input = Input::Path(self.root.join(below));
                files.push(Named { input, below: below.to_owned() });
            }
        }
        if files.is_empty() {
            let why = match self.matcher {
                Some(_) => "no file matches it",
                None => "there is no file in it that is not hidden",
            };
            let name = self.named.display().to_string();
            return Err(Error::Input { name, source: io::Error::other(why) });
        }
        Ok(files)
    }

    /// Whether an entry is looked at, and a directory looked into.
    fn is_wanted(&self, entry: &DirEntry, own: &[Identity]) -> bool {
        if entry.depth() == 0 {
            return true;
        }
        let is_hidden = entry.file_name().as_bytes().starts_with(b".");
        let is_own = || {
            let metadata = entry.metadata();
            metadata.is_ok_and(|metadata| own.contains(&Identity::of(&metadata)))
        };
        (self.hidden == Hidden::Taken || !is_hidden) && !(entry.file_type().is_dir() && is_own())
    }
}

fn unreadable(named: &Path, error: walkdir::Error) -> Error {
    let name = error.path().unwrap_or(named).display().to_string();
    Error::Input { name, source: error.into() }
}
