//! Running this program again, as a user would, to see what a plugin makes of inputs.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Seek as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use clap::CommandFactory as _;
use clap::parser::ValueSource;
use host::{Error, Job, Measure};

use super::shell::quoted;
use super::subcommand::Subcommand;
use super::{Arguments, InputsAre, called, settings, settle};

/// What flags are understood by: those that say what the plugin does with the records. None of
/// them writes a file, or says how the sandbox is, because they may be a stranger's.
const TRIAL: Subcommand = Subcommand {
    name: "trial",
    about: "",
    long_about: "",
    examples: "",
    shared: &[
        "plugin",
        "param",
        "params",
        "arg",
        "data",
        "clock_start",
        "seed",
        "isolate",
        "inputs",
        "from",
        "records",
        "columns",
        "no_header",
        "to",
        "limit",
        "only",
        "on_error",
        "max_errors",
        "retries",
        "memory",
        "timeout",
        "max_record",
        "max_output",
        "max_state",
        "max_data",
        "max_instances",
        "max_log",
        "stack",
        "fuel",
        "compile_memory",
        "compile_timeout",
        "job_timeout",
    ],
    inputs: ("INPUT", "The records"),
    does: "a plugin is tried",
    inputs_are: InputsAre::Records,
    own: |command| command,
};

/// How records are shared out among workers and instances.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Way {
    /// One worker has all of them.
    Whole,
    /// Three workers have them in ranges of so many bytes, and nothing is left of a range at
    /// the next.
    Pieces(u64),
    /// The same, and what is ready first comes out first.
    Unordered(u64),
    /// Two workers, and nothing is left of a record at the next.
    Records,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Way::Whole => write!(f, "in one worker"),
            Way::Pieces(size) => {
                write!(f, "cut into ranges of {size} bytes, each for a fresh instance")
            }
            Way::Unordered(size) => write!(f, "cut into ranges of {size} bytes, in any order"),
            Way::Records => write!(f, "each record for a fresh instance"),
        }
    }
}

/// A plugin, inputs, and what the plugin is told.
pub struct Trial {
    flags: Vec<String>,
    inputs: Vec<String>,
    /// Whether the flags say how instances are isolated.
    isolates: bool,
}

/// What came of a run; the files stand at their beginning.
pub struct Ran {
    pub status: ExitStatus,
    pub output: File,
    /// Standard error.
    pub said: File,
}

impl Trial {
    /// # Errors
    /// What is wrong with the flags.
    pub fn new(
        plugin: &Path,
        flags: impl Iterator<Item = String>,
        inputs: Vec<String>,
    ) -> Result<Trial, String> {
        let plugin = ["--plugin".to_owned(), plugin.display().to_string()];
        let flags: Vec<_> = plugin.into_iter().chain(flags).collect();
        let named = inputs.iter().map(String::as_str);
        let words = flags.iter().map(String::as_str).chain(["--"]).chain(named);
        let (matches, arguments) = TRIAL.understand(words.map(OsString::from))?;
        if arguments.inputs.len() > inputs.len() || arguments.plugin.len() > 1 {
            return Err("there is one plugin, and what it is tried with is not named here".into());
        }
        let isolates = matches.value_source("isolate") == Some(ValueSource::CommandLine);
        Ok(Trial { flags, inputs, isolates })
    }

    /// Runs the program in this directory.
    pub fn run(&self, directory: &Path, way: Way) -> io::Result<Ran> {
        let (mut output, mut said) = (tempfile::tempfile()?, tempfile::tempfile()?);
        // The same program, even if there is another under its name by now.
        let status = plain("/proc/self/exe")
            .arg0(called::name())
            .args(self.words(way))
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(said.try_clone()?)
            .status()?;
        output.rewind()?;
        said.rewind()?;
        Ok(Ran { status, output, said })
    }

    /// What one would type there to have the same run.
    pub fn command(&self, way: Way) -> String {
        let words: Vec<_> = self.words(way).into_iter().map(quoted).collect();
        format!("{} {}", called::name(), words.join(" "))
    }

    /// The same as a job of this process, whose output goes nowhere.
    ///
    /// # Errors
    /// What is wrong with the flags.
    pub fn job(&self, workers: usize, measure: Measure) -> Result<Job, Error> {
        let end = ["--".to_owned()];
        let words = self.flags.iter().chain(&end).chain(&self.inputs);
        let understood = TRIAL.understand(words.map(OsString::from));
        let (_, mut arguments) = understood.map_err(Error::Usage)?;
        arguments.workers = Some(workers);
        arguments.output = Some("/dev/null".into());
        arguments.measure = measure;
        settle(arguments, TRIAL.inputs_are).map(|request| request.job)
    }

    fn words(&self, way: Way) -> Vec<String> {
        let (workers, size, unordered, isolate) = match way {
            Way::Whole => (1, None, false, None),
            Way::Pieces(size) => (3, Some(size), false, Some("range")),
            Way::Unordered(size) => (3, Some(size), true, None),
            Way::Records => (2, None, false, Some("record")),
        };
        let mut words = vec!["--workers".to_owned(), workers.to_string()];
        let mut add = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_owned()));
        if let Some(size) = size {
            add(&["--range-size", &size.to_string()]);
        }
        if unordered {
            add(&["--unordered"]);
        }
        if let Some(isolate) = isolate.filter(|_| !self.isolates) {
            add(&["--isolate", isolate]);
        }
        words.extend(self.flags.iter().cloned());
        words.extend(["--show-records", "--plugin-log", "stderr", "--"].map(str::to_owned));
        words.extend(self.inputs.iter().cloned());
        words
    }
}

/// A program without the variables that would change what a plugin is tried with.
fn plain(program: &str) -> Command {
    let mut command = Command::new(program);
    settings::variables(&Arguments::command()).for_each(|name| {
        command.env_remove(name);
    });
    command
}
