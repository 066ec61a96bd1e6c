//! What a run is: what has to be the same for another to go on where it stopped.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::compile::Artifact;
use crate::error::{Error, Grouped};
use crate::input::{Found, Inputs};
use crate::job::{
    FirstRow, Input, InputsAre, Job, OnError, Order, Output, Randomness, Resume, ResumeVerify,
    Time, To, Wanted,
};
use crate::range::InputId;
use crate::side_data::SideData;

use super::{Entry, short_hash};

/// The journals that this program writes and can go on with.
const VERSION: u32 = 1;

/// What a run is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Terms {
    journal: u32,
    /// What decides about the output, by its flag.
    options: BTreeMap<String, String>,
    inputs: Vec<InputTerms>,
    plugins: Vec<PluginTerms>,
    /// Side data: names, and hashes of what is in it.
    data: BTreeMap<String, String>,
    /// The file of dead letters, if there is one.
    dead_letters: Option<String>,
    /// The run keeps a hash of all that is committed.
    hashes_all: bool,
}

/// An input, and which file it was.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct InputTerms {
    name: String,
    /// In bytes.
    bytes: u64,
    inode: u64,
    /// Time of its last change, in seconds since 1970, with nine digits behind the point.
    modified: String,
    /// A hash of its first bytes, or of all where it is compressed and all is hashed; none
    /// of one that was not opened yet.
    first: Option<String>,
}

/// A plugin, and what it was told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct PluginTerms {
    file: String,
    hash: String,
    params: String,
}

/// Why a run cannot be gone on with later; none if it can.
pub(crate) fn why_not(job: &Job, inputs: &Inputs, folds: bool) -> Option<String> {
    let is_file = |path: &Path| std::fs::metadata(path).map_or(true, |found| found.is_file());
    let to_file = matches!(&job.output, Output::Path(path) if is_file(path));
    if job.inputs_are == InputsAre::States {
        return Some("states are merged from the beginning or not at all".into());
    }
    if !to_file {
        return Some(
            "only an output that goes to one file (-o FILE) can be gone on with: what a pipe has \
             got is not known, and files in a directory are whole or not there"
                .into(),
        );
    }
    if job.order == Order::Any {
        return Some(
            "without order (--unordered) there is no place up to which all is done".into(),
        );
    }
    if folds {
        return Some(
            "a reduce has one result of all records, and nothing before it; several runs with \
             --partial-state can be merged"
                .into(),
        );
    }
    if job.randomness == Randomness::Real {
        return Some(
            "what is left would be run with other randomness than what is done (--real-random); \
             a --seed of your own stays the same"
                .into(),
        );
    }
    if job.limit.is_some() || job.only.is_some() || job.sample.is_some() {
        return Some("--limit, --only and --sample are for trying out, not for going on".into());
    }
    let stream = inputs
        .iter()
        .find(|input| !matches!(input.input(), Input::Path(_)) || input.found().is_none());
    stream.map(|input| format!("{} is no file that can be read once more", input.name()))
}

impl Terms {
    /// Of a job that can be gone on with.
    ///
    /// # Errors
    /// An input or side data cannot be read.
    pub fn new(
        job: &Job,
        inputs: &Inputs,
        artifacts: &[Artifact],
        data: &SideData,
    ) -> Result<Terms, Error> {
        let input = |input: &crate::input::Opened| {
            let Found { bytes, inode, modified } = input.found().unwrap_or_default();
            let first = input.sample(job.resume_verify)?.map(|hash| hash.to_hex()[..16].to_owned());
            let modified = format!("{}.{:09}", modified.0, modified.1);
            Ok(InputTerms { name: input.name(), bytes, inode, modified, first })
        };
        let plugins = job.plugins.iter().zip(artifacts).map(|(plugin, artifact)| PluginTerms {
            file: plugin.path.display().to_string(),
            hash: artifact.hash.clone(),
            // They may be secret.
            params: short_hash(format!("{:?}", plugin.params).as_bytes()),
        });
        Ok(Terms {
            journal: VERSION,
            options: options(job),
            inputs: inputs.iter().map(input).collect::<Result<_, Error>>()?,
            plugins: plugins.collect(),
            data: data.hashes()?,
            dead_letters: match &job.on_error {
                OnError::DeadLetter(path) => Some(path.display().to_string()),
                OnError::Fail | OnError::Skip => None,
            },
            hashes_all: job.resume_verify == ResumeVerify::Full,
        })
    }

    /// The file of dead letters, if there was one.
    pub fn dead_letters(&self) -> Option<&str> {
        self.dead_letters.as_deref()
    }

    /// Whether an input has more bytes now.
    pub fn have_grown(&self, now: &Terms) -> bool {
        self.inputs.iter().zip(&now.inputs).any(|(before, now)| now.bytes > before.bytes)
    }

    /// Whether the job `now` may go on where the one with these terms stopped.
    ///
    /// # Errors
    /// What is different, in words.
    pub fn allow(
        &self,
        now: &Terms,
        entry: &Entry,
        resume: Resume,
        inputs: &Inputs,
    ) -> Result<(), String> {
        if self.journal != VERSION {
            return Err("it was written by another version of this program".into());
        }
        for (flag, before) in &self.options {
            let now = now.options.get(flag).map_or("", String::as_str);
            if now != before {
                return Err(format!("{flag} was {before} and is {now} now"));
            }
        }
        if let (Some(before), Some(now)) = (&self.dead_letters, &now.dead_letters)
            && before != now
        {
            return Err(format!(
                "dead letters were written to {before}, and go to {now} now (--dead-letters)"
            ));
        }
        if now.hashes_all && !self.hashes_all {
            return Err(
                "it has no hash of all that is in the output: --resume-verify full has to be \
                 given from the beginning"
                    .into(),
            );
        }
        if self.data != now.data {
            return Err("side data (--data) is not what it was".into());
        }
        if !resume.accept_plugin {
            self.allow_plugins(now)?;
        }
        self.allow_inputs(now, entry, resume, inputs)
    }

    fn allow_plugins(&self, now: &Terms) -> Result<(), String> {
        let remedy = "--accept-plugin goes on with what it is now";
        if self.plugins.len() != now.plugins.len() {
            return Err(format!(
                "there were {} plugins, and there are {} now; {remedy}",
                self.plugins.len(),
                now.plugins.len()
            ));
        }
        for (before, now) in self.plugins.iter().zip(&now.plugins) {
            if before.hash != now.hash {
                return Err(format!(
                    "the plugin {} is not the one that the output was made with; {remedy}",
                    now.file
                ));
            }
            if before.params != now.params {
                return Err(format!(
                    "the plugin {} is told something else than before (--param); {remedy}",
                    now.file
                ));
            }
        }
        Ok(())
    }

    fn allow_inputs(
        &self,
        now: &Terms,
        entry: &Entry,
        resume: Resume,
        inputs: &Inputs,
    ) -> Result<(), String> {
        if self.inputs.len() != now.inputs.len() {
            return Err(format!(
                "there were {} inputs, and there are {} now",
                self.inputs.len(),
                now.inputs.len()
            ));
        }
        // All that is committed was looked at again, and is what it was.
        let proven = self.hashes_all && now.hashes_all;
        for (place, (before, now)) in (0..).zip(self.inputs.iter().zip(&now.inputs)) {
            let name = &now.name;
            if before.name != now.name {
                return Err(format!("{name} stands where {} was", before.name));
            }
            let grown = now.bytes > before.bytes;
            if grown && !resume.allow_append {
                return Err(format!(
                    "{name} has grown from {} to {} bytes (--allow-append goes on with it)",
                    Grouped(before.bytes),
                    Grouped(now.bytes)
                ));
            }
            if grown && place < entry.input {
                return Err(format!(
                    "{name}, all of which is in the output, has grown: what was added would be \
                     missing"
                ));
            }
            if now.bytes < before.bytes {
                return Err(format!(
                    "{name} had {} bytes and has {} now",
                    Grouped(before.bytes),
                    Grouped(now.bytes)
                ));
            }
            if !grown && before.first != now.first {
                return Err(format!("{name} has other bytes than before"));
            }
            if proven {
                continue;
            }
            if before.inode != now.inode {
                return Err(format!("{name} is another file than before (another inode)"));
            }
            if !grown && before.modified != now.modified {
                return Err(format!(
                    "{name} was changed since (its time of modification is later)"
                ));
            }
        }
        let Some(last) = self.inputs.get(entry.input as usize) else {
            return Err("it speaks of an input that there is not".into());
        };
        let input = InputId(entry.input);
        let before = inputs.before(input, entry.offset).map(|bytes| short_hash(&bytes));
        if entry.before.is_some() && before != entry.before {
            return Err(format!(
                "{} has other bytes before byte {}, up to which it is in the output",
                last.name,
                Grouped(entry.offset)
            ));
        }
        let grown = now.inputs.get(entry.input as usize).is_some_and(|now| now.bytes > last.bytes);
        let ends = inputs.before(input, last.bytes).is_none_or(|bytes| bytes.ends_with(b"\n"));
        if grown && entry.offset == last.bytes && !ends {
            return Err(format!(
                "the last record of {} is in the output, and has grown since: there was no line \
                 break at its end",
                last.name
            ));
        }
        Ok(())
    }
}

/// Everything that decides about the output, by its flag, in words.
fn options(job: &Job) -> BTreeMap<String, String> {
    let mut options = BTreeMap::new();
    let mut option = |flag: &str, value: String| options.insert(flag.to_owned(), value);
    let word = |value: String| value.to_lowercase();
    let from = job.from.map_or("by name".into(), |from| word(format!("{from:?}")));
    let to = match job.to {
        None => "as the first input".to_owned(),
        Some(To::Json) => "json".into(),
        Some(to) => word(format!("{to:?}")),
    };
    let records = job.records.as_ref().map_or("none".into(), ToString::to_string);
    let columns = job.columns.as_ref().map_or("none".into(), |names| names.names().join(","));
    option("--from", from);
    option("--to", to);
    option("--records", records);
    option("--columns", columns);
    let given = |given: bool| if given { "given" } else { "not given" }.to_owned();
    option("--no-header", given(job.first_row == FirstRow::Record));
    // They may be secret.
    option("--arg", short_hash(format!("{:?}", job.arguments).as_bytes()));
    option("--partial-state", given(job.wanted == Wanted::State));
    let time = match job.time {
        Time::StartsAt(time) => {
            let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(time);
            humantime::format_rfc3339(time).to_string()
        }
        Time::Real => "the machine's time (--real-clock)".into(),
    };
    option("--clock-start", time);
    let seed = match job.randomness {
        Randomness::Seed(seed) => seed.to_string(),
        Randomness::Real => "drawn (--real-random)".into(),
    };
    option("--seed", seed);
    options
}
