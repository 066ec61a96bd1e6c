//! One case: a directory with an input and what is expected, run as a user runs it.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use host::{Error, printable};

use crate::cli::difference;
use crate::cli::shell::quoted;
use crate::cli::trial::{Ran, Trial, Way};

/// Flags for the run.
const ARGUMENTS: &str = "args";
/// How it should fail.
const ERROR: &str = "expected_error";
/// What may stand before the ending of a file.
const INPUT: &str = "input";
const EXPECTED: &str = "expected";
/// Endings that say nothing of a format.
const COMPRESSED: [&str; 2] = ["gz", "zst"];

/// How a case is cut for the workers.
const PIECES: Way = Way::Pieces(64);

/// How much of what a run writes is read, in bytes.
const MAX_READ: u64 = 64 << 20;

/// A directory with a case.
pub struct Case(PathBuf);

/// What comes of a case.
pub enum Verdict {
    /// What is expected.
    Fine,
    /// It was not, and what came out is expected from now on.
    Updated,
    /// It is not: why, in lines.
    Wrong(String),
}

/// What is expected of a run.
struct Expected {
    /// `None` where the file is missing.
    output: Option<Vec<u8>>,
    /// The exit code.
    code: i32,
    /// Texts that have to be among what is said.
    said: Vec<String>,
}

/// What came of a run.
struct Found {
    status: ExitStatus,
    output: Vec<u8>,
    said: String,
}

impl Case {
    /// A case in this directory.
    pub fn new(directory: PathBuf) -> Case {
        Case(directory)
    }

    /// What it is called.
    pub fn name(&self) -> String {
        self.0.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Runs it, whole and in pieces.
    pub fn judge(&self, plugin: &Path, update: bool) -> Verdict {
        self.try_judge(plugin, update)
            .unwrap_or_else(|error| Verdict::Wrong(printable(&error.to_string())))
    }

    fn try_judge(&self, plugin: &Path, update: bool) -> Result<Verdict, Error> {
        let input = self.file(INPUT)?.ok_or_else(|| {
            self.wrong(&"there is no input, as a file input.ndjson or of another format")
        })?;
        let trial = self.trial(plugin, &input)?;
        let expected = self.expected()?;
        let whole = self.run(&trial, Way::Whole)?;
        let pieces = self.run(&trial, PIECES)?;
        let wrong = |found: &Found, way: Way, why: &str| {
            let mut text = format!("{way}:\n{why}\n");
            if !found.said.trim().is_empty() {
                text += "what was said:\n";
            }
            for line in found.said.lines() {
                text += &format!("  {}\n", printable(line));
            }
            let place = quoted(self.0.display().to_string());
            Verdict::Wrong(format!("{text}to repeat it: cd {place} && {}", trial.command(way)))
        };
        if let Some(why) = Expected::of(&whole, &expected.said).trouble(&pieces) {
            let why = format!(
                "it is not what comes out in one worker; what a plugin makes of a record may \
                 depend on nothing but that record\n{why}"
            );
            return Ok(wrong(&pieces, PIECES, &why));
        }
        match expected.trouble(&whole) {
            None => Ok(Verdict::Fine),
            Some(_) if update => self.update(&whole, &input).map(|()| Verdict::Updated),
            Some(why) => Ok(wrong(&whole, Way::Whole, &why)),
        }
    }

    /// How it is run.
    fn trial(&self, plugin: &Path, input: &str) -> Result<Trial, Error> {
        let text = self.text(ARGUMENTS)?.unwrap_or_default();
        let flags = text.lines().map(str::to_owned);
        Trial::new(plugin, flags, vec![input.to_owned()])
            .map_err(|why| self.wrong_in(ARGUMENTS, &why))
    }

    fn expected(&self) -> Result<Expected, Error> {
        let output = match self.file(EXPECTED)? {
            Some(name) => {
                Some(fs::read(self.0.join(&name)).map_err(|why| self.wrong_in(&name, &why))?)
            }
            None => None,
        };
        let text = self.text(ERROR)?;
        let mut lines = text.as_deref().unwrap_or("0").lines();
        let code = lines.next().unwrap_or_default();
        let code = code.trim().parse().map_err(|_| {
            self.wrong_in(ERROR, &format!("its first line has to be an exit code, not `{code}`"))
        })?;
        let said = lines.filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
        Ok(Expected { output, code, said })
    }

    /// Runs the program in the case's directory.
    fn run(&self, trial: &Trial, way: Way) -> Result<Found, Error> {
        let cannot = |error| self.wrong(&format!("it cannot be run: {error}"));
        let Ran { status, output, said } = trial.run(&self.0, way).map_err(cannot)?;
        let read = |file: File| {
            let mut bytes = Vec::new();
            file.take(MAX_READ).read_to_end(&mut bytes).map(|_| bytes)
        };
        Ok(Found {
            status,
            output: read(output).map_err(cannot)?,
            said: String::from_utf8_lossy(&read(said).map_err(cannot)?).into_owned(),
        })
    }

    /// Writes down what came out as what is expected.
    fn update(&self, found: &Found, input: &str) -> Result<(), Error> {
        let name = match self.file(EXPECTED)? {
            Some(name) => name,
            None => expected_for(input),
        };
        let write = |name: &str, bytes: &[u8]| {
            // Not through a link: a case of a stranger shall not choose what is written over.
            let mut options = File::options();
            options.write(true).create(true).truncate(true).custom_flags(libc::O_NOFOLLOW);
            let opened = options.open(self.0.join(name));
            opened
                .and_then(|mut file| file.write_all(bytes))
                .map_err(|error| self.wrong_in(name, &error))
        };
        write(&name, &found.output)?;
        let path = self.0.join(ERROR);
        match found.status.code() {
            Some(0) if path.exists() => {
                fs::remove_file(path).map_err(|error| self.wrong_in(ERROR, &error))
            }
            Some(0) => Ok(()),
            Some(code) => write(ERROR, format!("{code}\n{}", reasons(&found.said)).as_bytes()),
            None => Err(self.wrong_in(ERROR, &how_ended(found.status))),
        }
    }

    /// The name of the one file that is called so, whatever it ends with.
    fn file(&self, stem: &str) -> Result<Option<String>, Error> {
        let entries = fs::read_dir(&self.0).map_err(|error| self.wrong(&error))?;
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let is_it = |name: &String| match name.strip_prefix(stem) {
            Some(ending) => ending.is_empty() || ending.starts_with('.'),
            None => false,
        };
        let mut found: Vec<_> = names.filter(is_it).collect();
        found.sort();
        match &*found {
            [] => Ok(None),
            [_] => Ok(found.pop()),
            [one, other, ..] => {
                Err(self
                    .wrong_in(other, &format!("there is a {one} as well, and only one is used")))
            }
        }
    }

    /// What is in a file, if it is there.
    fn text(&self, name: &str) -> Result<Option<String>, Error> {
        match fs::read_to_string(self.0.join(name)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.wrong_in(name, &error)),
        }
    }

    fn wrong(&self, why: &dyn Display) -> Error {
        Error::Usage(format!("{}: {why}", self.0.display()))
    }

    fn wrong_in(&self, name: &str, why: &dyn Display) -> Error {
        Error::Usage(format!("{}: {why}", self.0.join(name).display()))
    }
}

impl Expected {
    /// The same as came of another run.
    fn of(found: &Found, said: &[String]) -> Expected {
        let holds = |text: &&String| found.said.contains(&***text);
        Expected {
            output: Some(found.output.clone()),
            code: found.status.code().unwrap_or(-1),
            said: said.iter().filter(holds).cloned().collect(),
        }
    }

    /// What is not as expected.
    fn trouble(&self, found: &Found) -> Option<String> {
        let mut troubles = Vec::new();
        if found.status.code() != Some(self.code) {
            let expected = match self.code {
                0 => "not to fail".to_owned(),
                code => format!("to end with exit code {code}"),
            };
            troubles.push(format!("it was expected {expected}, and {}", how_ended(found.status)));
        }
        for text in self.said.iter().filter(|text| !found.said.contains(&***text)) {
            troubles.push(format!("it was expected to say: {}", printable(text)));
        }
        match &self.output {
            None => {
                troubles.push("there is no file with what is expected (expected.ndjson)".into());
            }
            Some(output) if *output != found.output => {
                let [expected, found] =
                    [output, &found.output].map(|bytes| String::from_utf8_lossy(bytes));
                troubles.push(difference::show(&expected, &found));
            }
            Some(_) => {}
        }
        (!troubles.is_empty()).then(|| troubles.join("\n"))
    }
}

fn how_ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with exit code {code}"),
        (None, signal) => format!("it was ended by signal {}", signal.unwrap_or_default()),
    }
}

/// Why a run failed, in lines: what the plugin said, or else the error itself.
fn reasons(said: &str) -> String {
    let of = |prefix: &str| {
        let mut lines: Vec<_> = said.lines().filter_map(|line| line.strip_prefix(prefix)).collect();
        lines.dedup();
        lines.iter().map(|line| format!("{line}\n")).collect::<String>()
    };
    let plugin = of("  the plugin says: ");
    if plugin.is_empty() { of("error: ") } else { plugin }
}

/// What is expected of an input is in the same format, where nothing else is said.
fn expected_for(input: &str) -> String {
    let endings = input.split('.').skip(1).filter(|ending| !COMPRESSED.contains(ending));
    endings.fold(EXPECTED.to_owned(), |name, ending| format!("{name}.{ending}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_is_named_after_the_input() {
        assert_eq!(expected_for("input.ndjson"), "expected.ndjson");
        assert_eq!(expected_for("input.csv.gz"), "expected.csv");
        assert_eq!(expected_for("input"), "expected");
    }
}
