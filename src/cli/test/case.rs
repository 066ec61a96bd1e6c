//! One case: a directory with an input and what is expected, run as a user runs it.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use clap::parser::ValueSource;
use host::{Error, printable};

use super::difference;
use crate::cli::InputsAre;
use crate::cli::subcommand::Subcommand;

/// Flags for the run.
const ARGUMENTS: &str = "args";
/// How it should fail.
const ERROR: &str = "expected_error";
/// What may stand before the ending of a file.
const INPUT: &str = "input";
const EXPECTED: &str = "expected";
/// Endings that say nothing of a format.
const COMPRESSED: [&str; 2] = ["gz", "zst"];

/// How much of what a run writes is read, in bytes.
const MAX_READ: u64 = 64 << 20;

/// How a case is cut for the workers.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Cut {
    /// One worker has all of it.
    Whole,
    /// Three workers have it in small ranges, and nothing is left of a range at the next.
    Pieces,
}

impl Cut {
    fn describe(self) -> &'static str {
        match self {
            Cut::Whole => "in one worker",
            Cut::Pieces => "cut into ranges of 64 bytes, each for a fresh instance",
        }
    }

    fn flags(self) -> &'static [&'static str] {
        match self {
            Cut::Whole => &["--workers", "1"],
            Cut::Pieces => &["--workers", "3", "--range-size", "64"],
        }
    }
}

/// For pieces, where the case does not say how its instances are isolated.
const ISOLATE: [&str; 2] = ["--isolate", "range"];

/// What the flags of a case are understood by: those that say what the plugin does with the
/// records. None of them writes a file, or says how the sandbox is.
const CASE: Subcommand = Subcommand {
    name: "host",
    about: "",
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
    inputs: ("INPUT", "The case's input"),
    does: "a case is run",
    inputs_are: InputsAre::Records,
};

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

/// Flags of a case.
struct Flags {
    words: Vec<String>,
    /// Whether they say how instances are isolated.
    isolates: bool,
}

impl Flags {
    /// A whole command line, without the program's name.
    fn words<'a>(&'a self, cut: Cut, input: &'a str) -> Vec<&'a str> {
        let mut words: Vec<_> = cut.flags().to_vec();
        if cut == Cut::Pieces && !self.isolates {
            words.extend(ISOLATE);
        }
        words.extend(self.words.iter().map(String::as_str));
        words.extend(["--show-records", "--plugin-log", "stderr", "--", input]);
        words
    }
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
        let flags = self.flags(plugin, &input)?;
        let expected = self.expected()?;
        let whole = self.run(&flags, Cut::Whole, &input)?;
        let pieces = self.run(&flags, Cut::Pieces, &input)?;
        let wrong = |found: &Found, cut: Cut, why: &str| {
            let mut text = format!("{}:\n{why}\n", cut.describe());
            if !found.said.trim().is_empty() {
                text += "what was said:\n";
            }
            for line in found.said.lines() {
                text += &format!("  {}\n", printable(line));
            }
            let words: Vec<_> = flags.words(cut, &input).into_iter().map(quoted).collect();
            let place = quoted(self.0.display().to_string());
            Verdict::Wrong(format!("{text}to repeat it: cd {place} && host {}", words.join(" ")))
        };
        if let Some(why) = Expected::of(&whole, &expected.said).trouble(&pieces) {
            let why = format!(
                "it is not what comes out in one worker; what a plugin makes of a record may \
                 depend on nothing but that record\n{why}"
            );
            return Ok(wrong(&pieces, Cut::Pieces, &why));
        }
        match expected.trouble(&whole) {
            None => Ok(Verdict::Fine),
            Some(_) if update => self.update(&whole, &input).map(|()| Verdict::Updated),
            Some(why) => Ok(wrong(&whole, Cut::Whole, &why)),
        }
    }

    /// Reads the flags, which may be none but those of a case.
    fn flags(&self, plugin: &Path, input: &str) -> Result<Flags, Error> {
        let text = self.text(ARGUMENTS)?.unwrap_or_default();
        let words = ["--plugin".to_owned(), plugin.display().to_string()].into_iter();
        let words: Vec<_> = words.chain(text.lines().map(str::to_owned)).collect();
        let (matches, arguments) = CASE
            .understand(words.iter().map(String::as_str).chain(["--", input]).map(Into::into))
            .map_err(|why| self.wrong_in(ARGUMENTS, &why))?;
        if arguments.inputs.len() > 1 || arguments.plugin.len() > 1 {
            let why = "a case has one plugin and one input, which are not named here";
            return Err(self.wrong_in(ARGUMENTS, &why));
        }
        let isolates = matches.value_source("isolate") == Some(ValueSource::CommandLine);
        Ok(Flags { words, isolates })
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
    fn run(&self, flags: &Flags, cut: Cut, input: &str) -> Result<Found, Error> {
        let cannot = |error| self.wrong(&format!("it cannot be run: {error}"));
        let mut output = tempfile::tempfile().map_err(cannot)?;
        let mut said = tempfile::tempfile().map_err(cannot)?;
        // The same program, even if there is another under its name by now.
        let status = Command::new("/proc/self/exe")
            .args(flags.words(cut, input))
            .current_dir(&self.0)
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(cannot)?)
            .stderr(said.try_clone().map_err(cannot)?)
            .status()
            .map_err(cannot)?;
        Ok(Found {
            status,
            output: read(&mut output).map_err(cannot)?,
            said: String::from_utf8_lossy(&read(&mut said).map_err(cannot)?).into_owned(),
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

/// What was written to a file, from its beginning.
fn read(file: &mut File) -> io::Result<Vec<u8>> {
    file.rewind()?;
    let mut bytes = Vec::new();
    file.take(MAX_READ).read_to_end(&mut bytes)?;
    Ok(bytes)
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

/// A word as a shell takes it.
fn quoted(word: impl AsRef<str>) -> String {
    let word = word.as_ref();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_=./,:@%+".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return printable(word);
    }
    format!("'{}'", printable(&word.replace('\'', r"'\''")))
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

    #[test]
    fn words_are_quoted_for_a_shell_where_that_is_needed() {
        assert_eq!(quoted("type=PushEvent"), "type=PushEvent");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
