//! Opening what a job writes to: from its beginning, or where an earlier run stopped.

use std::path::{Path, PathBuf};

use crate::account::Account;
use crate::compile::Artifact;
use crate::error::Error;
use crate::input::Inputs;
use crate::job::{Job, OnError, Output, ResumeVerify};
use crate::journal::{self, Entry, Found, Journal, Terms};
use crate::output::{DeadLetters, Outputs, Tables, check_is_not_read, partial_name};
use crate::range::InputId;
use crate::side_data::SideData;

use super::answer::Results;

/// What a job writes to, open.
pub(super) struct Written {
    pub outputs: Outputs,
    pub dead_letters: Option<DeadLetters>,
    /// None where the run cannot be gone on with later.
    pub journal: Option<Journal>,
    /// Where an earlier run stopped, if this one goes on there.
    pub resumed: Option<Entry>,
    /// Of all that is committed, where one is kept.
    pub hash: Option<HashOfAll>,
    /// The journal of an earlier run that had stopped, and which this one begins anew.
    pub anew: Option<PathBuf>,
}

/// How a job begins.
pub(super) enum Start {
    Here(Box<Written>),
    /// An earlier run has done all of it.
    Done(Account),
}

/// A hash of everything that is committed of the inputs.
pub(super) struct HashOfAll {
    hasher: blake3::Hasher,
    /// Up to here.
    at: (InputId, u64),
}

impl HashOfAll {
    pub fn new() -> HashOfAll {
        HashOfAll { hasher: blake3::Hasher::new(), at: (InputId(0), 0) }
    }

    /// The hash up to a place in the inputs, which is not before the last one.
    pub fn up_to(
        &mut self,
        (input, offset): (InputId, u64),
        inputs: &Inputs,
    ) -> Result<String, Error> {
        while self.at.0 < input {
            inputs.hash(&mut self.hasher, self.at.0, self.at.1..inputs.bytes(self.at.0))?;
            self.at = (InputId(self.at.0.0 + 1), 0);
        }
        inputs.hash(&mut self.hasher, input, self.at.1..offset)?;
        self.at.1 = offset;
        Ok(self.hasher.finalize().to_hex().to_string())
    }
}

/// Opens what a job writes to.
///
/// # Errors
/// It cannot be written, or the job cannot be gone on with as it was asked to.
pub(super) fn open(
    job: &Job,
    inputs: &Inputs,
    results: Results,
    (artifacts, data): (&[Artifact], &SideData),
    tables: Tables,
) -> Result<Start, Error> {
    check_is_not_read(job, inputs)?;
    let why_not = journal::why_not(job, inputs, results == Results::State);
    let output = match &job.output {
        Output::Path(path) => path.as_path(),
        Output::Stdout | Output::Directory(_) | Output::Open(_) => Path::new(""),
    };
    let (path, earlier) = match (job.resume, &why_not) {
        (Some(_), Some(why)) => return Err(Error::Usage(format!("--resume: {why}"))),
        (_, Some(_)) => (PathBuf::new(), None),
        (resume, None) => {
            let wrong = |source| Error::OpenOutput { path: output.to_owned(), source };
            let path = Journal::path(output).map_err(wrong)?;
            let refused = |error: std::io::Error| refused(&path, &error.to_string());
            let found = resume.map(|_| journal::read(&path)).transpose().map_err(refused)?;
            (path, found.flatten().zip(resume))
        }
    };
    let terms = || Terms::new(job, inputs, artifacts, data);
    if let Some((found, resume)) = &earlier
        && let Some(entry) = found.entries.last().filter(|entry| entry.whole)
        && partial_name(output).is_ok_and(|partial| !partial.exists())
        && output.exists()
    {
        let allowed = found.terms.allow(&terms()?, entry, *resume, inputs);
        allowed.map_err(|why| refused(&path, &why))?;
        let removed = std::fs::remove_file(&path);
        removed.map_err(|source| Error::OpenOutput { path, source })?;
        return Ok(Start::Done(entry.account.clone()));
    }
    let mut dead_letters = match &job.on_error {
        OnError::DeadLetter(path) => {
            Some(DeadLetters::open(path, &inputs.identities(), &job.output)?)
        }
        OnError::Fail | OnError::Skip => None,
    };
    let mut outputs = Outputs::open(&job.output, inputs, tables)?;
    let full = job.resume_verify == ResumeVerify::Full;
    let mut hash = (why_not.is_none() && full).then(HashOfAll::new);
    let wrong = |source| Error::OpenOutput { path: path.clone(), source };
    if let Some((found, resume)) = earlier
        && !found.entries.is_empty()
    {
        let terms = terms()?;
        let entry = last_that_fits(&found, &terms, &outputs, dead_letters.as_ref());
        let entry = entry.ok_or_else(|| refused(&path, "the output is not what it speaks of"))?;
        let allowed = found.terms.allow(&terms, &entry, resume, inputs);
        allowed.map_err(|why| refused(&path, &why))?;
        if let Some(hash) = &mut hash {
            let now = hash.up_to((InputId(entry.input), entry.offset), inputs)?;
            if entry.all != Some(now) {
                let why = "what is in the output was made of other bytes than there are now";
                return Err(refused(&path, why));
            }
        }
        outputs.go_on(&entry.output, entry.made)?;
        match (&mut dead_letters, &entry.dead_letters, found.terms.dead_letters()) {
            (Some(letters), Some(mark), _) => letters.go_on(mark)?,
            (Some(letters), None, _) => letters.begin()?,
            // What is not known to be committed will be dealt with once more.
            (None, Some(mark), Some(path)) => {
                DeadLetters::open(Path::new(path), &inputs.identities(), &job.output)?
                    .go_on(mark)?;
            }
            (None, ..) => {}
        }
        let journal = Journal::go_on(path.clone(), &found, terms, job.fsync).map_err(wrong)?;
        let (journal, resumed) = (Some(journal), Some(entry));
        return Ok(Start::Here(Box::new(Written {
            outputs,
            dead_letters,
            journal,
            resumed,
            hash,
            anew: None,
        })));
    }
    let anew = stopped_before(output);
    // Nothing is lost of an earlier run where this one cannot start.
    outputs.start()?;
    dead_letters.as_mut().map_or(Ok(()), DeadLetters::begin)?;
    if let (Some(journal), Some(_)) = (&anew, &why_not) {
        // What it speaks of is gone, and this run writes none.
        std::fs::remove_file(journal)
            .map_err(|source| Error::OpenOutput { path: journal.clone(), source })?;
    }
    let journal = match why_not {
        None => Some(Journal::create(path.clone(), terms()?, job.fsync).map_err(wrong)?),
        Some(_) => None,
    };
    let resumed = None;
    Ok(Start::Here(Box::new(Written { outputs, dead_letters, journal, resumed, hash, anew })))
}

/// The journal of an earlier run for this output, if one has got something done and stopped.
fn stopped_before(output: &Path) -> Option<PathBuf> {
    let journal = Journal::path(output).ok()?;
    let found = journal::read(&journal).ok().flatten()?;
    (!found.entries.is_empty()).then_some(journal)
}

/// The last entry that speaks of what is there. Where the machine itself went down, what
/// was written last may be missing.
fn last_that_fits(
    found: &Found,
    now: &Terms,
    outputs: &Outputs,
    dead_letters: Option<&DeadLetters>,
) -> Option<Entry> {
    // Then there is something left to do.
    let grown = found.terms.have_grown(now);
    let fits = |entry: &&Entry| {
        let letters = match (dead_letters, &entry.dead_letters) {
            (Some(letters), Some(mark)) => letters.holds(mark),
            _ => true,
        };
        outputs.holds(&entry.output) && letters && !(entry.whole && grown)
    };
    found.entries.iter().rev().find(fits).cloned()
}

fn refused(journal: &Path, why: &str) -> Error {
    Error::Resume { journal: journal.to_owned(), why: why.to_owned() }
}
