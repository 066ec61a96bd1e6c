//! What a task of Spark tells this program to do: what the user has typed, with the names that
//! files have there.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, CommandFactory as _};
use host::Error;

use super::super::arguments::Param;
use super::super::merge::MERGE;
use super::submit::{self, File};
use super::{Arguments, Layout, SPARK, text};

/// What is for this program as a whole, or for Spark, and not for a task.
const NOT_OF_TASKS: [&str; 9] =
    ["inputs", "job", "from", "to", "columns", "dead_letters", "max_errors", "errors", "quiet"];

/// The parts of a job that are for tasks.
pub struct Task {
    /// Where records are processed.
    pub arguments: Vec<String>,
    /// Where states of a reduce are merged.
    pub merge_arguments: Vec<String>,
    /// What an executor is asked about, where it is asked what it allows.
    pub doctor_arguments: Vec<String>,
    /// What has to be there.
    pub files: Vec<File>,
    /// How many records may fail in all.
    pub max_errors: String,
}

impl Task {
    pub fn new(
        matches: &ArgMatches,
        arguments: &Arguments,
        from: Layout,
        to: Layout,
    ) -> Result<Task, Error> {
        let mut files = Files::new();
        let mut task = words(&["--workers", "1", "--quiet", "--max-errors", "100%"]);
        let mut merge = words(&["--workers", "1", "--quiet"]);
        let mut doctor = Vec::new();
        let letters = arguments.dead_letters.is_some();
        for argument in Arguments::command().get_arguments() {
            let id = argument.get_id().as_str();
            let typed =
                matches.value_source(id).is_some_and(|source| source != ValueSource::DefaultValue);
            if NOT_OF_TASKS.contains(&id) || !SPARK.shared.contains(&id) || !typed {
                continue;
            }
            // A directory for dead letters says so as well.
            if id == "on_error" && letters {
                continue;
            }
            let Some(flag) = argument.get_long().map(|long| format!("--{long}")) else { continue };
            let mut said = Vec::new();
            if matches!(argument.get_action(), ArgAction::SetTrue) {
                said.push(flag);
            } else {
                for value in matches.get_raw(id).into_iter().flatten() {
                    said.push(format!("{flag}={}", files.known(id, value)?));
                }
            }
            // States are merged by the plugin that made them, which is the last.
            match id {
                "plugin" => merge.extend(said.last().cloned()),
                "param" => merge.extend(params_of_last(arguments)),
                _ if MERGE.shared.contains(&id) => merge.extend(said.iter().cloned()),
                _ => {}
            }
            if id.starts_with("sandbox") {
                doctor.extend(said.iter().cloned());
            }
            task.extend(said);
        }
        let max_errors = matches.get_raw("max_errors").and_then(Iterator::last);
        let format = |layout: Layout| if layout == Layout::Lines { "lines" } else { "ndjson" };
        task.extend(words(&["--from", format(from), "--to", format(to)]));
        merge.extend(words(&["--to", format(to)]));
        Ok(Task {
            arguments: task,
            merge_arguments: merge,
            doctor_arguments: doctor,
            files: files.files,
            max_errors: max_errors.map_or(Ok("0".into()), text)?,
        })
    }
}

/// What the last plugin is told, where it is the only one.
fn params_of_last(arguments: &Arguments) -> impl Iterator<Item = String> {
    let last = arguments.plugin.len();
    let own = arguments.param.iter().filter(move |one| one.plugin.is_none_or(|n| n == last));
    own.map(|Param { name, value, .. }| format!("--param={name}={value}"))
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The files that tasks need, under names of which no two are the same.
struct Files {
    files: Vec<File>,
    names: BTreeSet<String>,
}

impl Files {
    fn new() -> Files {
        Files { files: Vec::new(), names: submit::TAKEN.map(str::to_owned).into() }
    }

    /// A value as a task is told it.
    fn known(&mut self, id: &str, value: &OsStr) -> Result<String, Error> {
        match id {
            "plugin" | "params" => self.add(Path::new(value)),
            "data" => {
                let value = text(value)?;
                let (name, path) = value.split_once('=').unwrap_or((&value, ""));
                Ok(format!("{name}={}", self.add(Path::new(path))?))
            }
            _ => text(value),
        }
    }

    fn add(&mut self, path: &Path) -> Result<String, Error> {
        let full = path
            .canonicalize()
            .map_err(|source| Error::Usage(format!("{}: {source}", path.display())))?;
        if let Some(known) = self.files.iter().find(|file| file.path == full) {
            return Ok(known.name.clone());
        }
        if full.is_dir() {
            return Err(Error::Usage(format!(
                "{} is a directory, and Spark carries files",
                path.display()
            )));
        }
        let name = path.file_name().unwrap_or(OsStr::new("file"));
        // Commas stand between files where Spark is told of them.
        let mut name = text(name)?.replace([',', '#', '%'], "_");
        while !self.names.insert(name.clone()) {
            name = format!("{}-{name}", self.files.len() + 1);
        }
        self.files.push(File { path: full, name: name.clone() });
        Ok(name)
    }
}
