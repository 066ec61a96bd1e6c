//! A job file (`--job FILE`): flags and inputs in TOML, by the long names of the flags.
//!
//! What stands there is checked value by value, by the same parsers as what is typed, so that
//! what is wrong is told with its line; then it becomes words ([`Setting`]).

use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command};
use host::Error;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::settings::{Means, NAMING, Setting, Source, Topic, fault, flag_with};

/// How long a job file may be, in bytes.
const MAX_LENGTH: u64 = 1 << 20;

/// The key of the inputs, which have no flag.
const INPUTS: &str = "inputs";

/// Values of arguments that take a path and mean none.
const NO_PATHS: [(&str, &[&str]); 3] =
    [("inputs", &["-"]), ("cache", &["off"]), ("plugin_log", &["none", "stderr"])];

/// Reads a file for a command.
///
/// # Errors
/// [`Error::Usage`]: what cannot be read, or what is wrong in it, and where.
pub fn read(path: &Path, command: &Command, means: Means<'_>) -> Result<Vec<Setting>, Error> {
    let wrong = |why: String| Error::Usage(format!("--job {}: {why}", path.display()));
    let mut text = String::new();
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let length = file.take(MAX_LENGTH + 1).read_to_string(&mut text);
    match length.map_err(|error| wrong(error.to_string()))? as u64 {
        ..=MAX_LENGTH => understand(&text, path, command, means),
        _ => Err(wrong("it is longer than 1 MiB, which no job file is".to_owned())),
    }
}

/// What a text says, in its order. Relative paths in it begin where the file lies.
pub fn understand(
    text: &str,
    path: &Path,
    command: &Command,
    means: Means<'_>,
) -> Result<Vec<Setting>, Error> {
    let source = |at: usize| {
        let before = text.get(..at).unwrap_or(text);
        Source::File { path: path.to_owned(), line: 1 + before.matches('\n').count() }
    };
    let wrong = |at: usize, why: &str| Error::Usage(format!("{}: {why}", source(at)));
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        wrong(at, &format!("this is no TOML: {}", error.message().replace('\n', "; ")))
    })?;
    let mut entries: Vec<_> = table.get_ref().iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let base = path.parent().unwrap_or(Path::new(""));
    let mut settings = Vec::new();
    for (key, value) in entries {
        let (name, at) = (key.get_ref(), key.span().start);
        let argument = argument(command, name).map_err(|why| wrong(at, &why))?;
        means(argument).map_err(|why| wrong(at, &format!("{name} {why}")))?;
        let entry = Entry { argument, key: name, base };
        let words = entry.words(value).map_err(|Fault { at, why }| wrong(at, &why))?;
        settings.extend(words.into_iter().map(|Words { name, words, at }| Setting {
            topic: Topic { argument: argument.get_id().to_string(), name },
            words,
            source: source(at),
        }));
    }
    Ok(settings)
}

/// The argument that a key is about.
fn argument<'a>(command: &'a Command, key: &str) -> Result<&'a Arg, String> {
    if key == "job" {
        return Err("a job file cannot name another".to_owned());
    }
    let is_meant = |argument: &&Arg| match argument.get_long() {
        Some(long) => long == key,
        None => argument.get_id() == INPUTS && key == INPUTS,
    };
    command.get_arguments().find(is_meant).ok_or_else(|| match like(command, key) {
        Some(like) => format!("there is no key {key}; did you mean {like}?"),
        None => {
            format!("there is no key {key}: keys are {INPUTS} and what --help tells, without --")
        }
    })
}

/// The key that is most like one that there is not.
fn like(command: &Command, key: &str) -> Option<String> {
    let inputs = Arg::new("word").long(INPUTS);
    let words = [OsString::from("host"), OsString::from(format!("--{key}"))];
    let error = command.clone().arg(inputs).try_get_matches_from(words).err()?;
    match error.get(ContextKind::SuggestedArg)? {
        ContextValue::String(like) => Some(like.trim_start_matches('-').to_owned()),
        _ => None,
    }
}

/// What is wrong, and the byte where it stands.
struct Fault {
    at: usize,
    why: String,
}

/// Words that a value becomes.
struct Words {
    /// The one of several things that they are about.
    name: Option<String>,
    words: Vec<OsString>,
    at: usize,
}

/// A key that is known, whose value is to be understood.
struct Entry<'a> {
    argument: &'a Arg,
    key: &'a str,
    /// Where relative paths begin.
    base: &'a Path,
}

impl Entry<'_> {
    fn words(&self, value: &Spanned<DeValue<'_>>) -> Result<Vec<Words>, Fault> {
        let at = value.span().start;
        let words = |words| Ok(vec![Words { name: None, words, at }]);
        match (self.argument.get_action(), value.get_ref()) {
            (ArgAction::SetTrue, DeValue::Boolean(true)) => {
                words(vec![format!("--{}", self.key).into()])
            }
            (ArgAction::SetTrue, DeValue::Boolean(false)) => words(Vec::new()),
            (ArgAction::SetTrue, _) => Err(self.expected(value, "true or false")),
            (_, DeValue::Table(table)) if self.names() => self.named(table),
            (ArgAction::Append, DeValue::Array(values)) if self.names() => {
                let each = values.iter().map(|value| self.assignment(value));
                each.collect()
            }
            (ArgAction::Append, DeValue::Array(values)) => {
                words(values.iter().map(|value| self.word(value)).collect::<Result<_, _>>()?)
            }
            // Names that may hold commas and quotes become a row, as one would type it.
            (_, DeValue::Array(names)) if self.key == "columns" => {
                let names = names.iter().map(|name| self.text(name));
                let names = names.map(|name| Ok(format!("\"{}\"", name?.replace('"', "\"\""))));
                let row = names.collect::<Result<Vec<_>, _>>()?.join(",");
                words(vec![self.checked(row.into(), at)?])
            }
            _ if self.names() => self.assignment(value).map(|one| vec![one]),
            _ => words(vec![self.word(value)?]),
        }
    }

    /// Whether values are NAME=VALUE.
    fn names(&self) -> bool {
        NAMING.contains(&self.argument.get_id().as_str())
    }

    /// Each key of a table is a name.
    fn named(&self, table: &DeTable<'_>) -> Result<Vec<Words>, Fault> {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        let each = entries.into_iter().map(|(name, value)| {
            let text = self.text(value)?;
            self.assigned(name.get_ref(), &text, name.span().start)
        });
        each.collect()
    }

    /// A text is NAME=VALUE.
    fn assignment(&self, value: &Spanned<DeValue<'_>>) -> Result<Words, Fault> {
        let at = value.span().start;
        match value.get_ref() {
            DeValue::String(text) => match text.split_once('=') {
                Some((name, value)) => self.assigned(name, value, at),
                None => Err(self.expected(value, "a table of names and values, or NAME=VALUE")),
            },
            _ => Err(self.expected(value, "a table of names and values, or NAME=VALUE")),
        }
    }

    fn assigned(&self, name: &str, value: &str, at: usize) -> Result<Words, Fault> {
        let mut word = OsString::from(name);
        word.push("=");
        word.push(match self.argument.get_id() == "data" {
            true => self.placed(value),
            false => value.into(),
        });
        let words = vec![self.checked(word, at)?];
        Ok(Words { name: Some(name.to_owned()), words, at })
    }

    fn word(&self, value: &Spanned<DeValue<'_>>) -> Result<OsString, Fault> {
        let text = self.text(value)?;
        let id = self.argument.get_id().as_str();
        let is_none = NO_PATHS.iter().any(|(known, words)| *known == id && words.contains(&&*text));
        let takes_path = self.argument.get_value_parser().type_id()
            == clap::builder::ValueParser::path_buf().type_id();
        let value_as_typed = match takes_path && !is_none {
            true => self.placed(&text),
            false => text.into(),
        };
        self.checked(value_as_typed, value.span().start)
    }

    /// A path, from where the file lies. One of inputs is never taken for a flag.
    fn placed(&self, path: &str) -> OsString {
        if path.is_empty() {
            return OsString::new();
        }
        let placed = self.base.join(path).into_os_string();
        match placed.as_encoded_bytes().first() {
            Some(b'-') => Path::new(".").join(placed).into_os_string(),
            _ => placed,
        }
    }

    /// The word, if its parser has nothing against it.
    fn checked(&self, value: OsString, at: usize) -> Result<OsString, Fault> {
        match fault(self.argument, &value) {
            None => Ok(flag_with(self.argument, &value)),
            Some(why) => {
                let value = value.to_string_lossy();
                Err(Fault { at, why: format!("{} = {value}: {why}", self.key) })
            }
        }
    }

    /// A text, or what is written as one on a command line.
    fn text(&self, value: &Spanned<DeValue<'_>>) -> Result<String, Fault> {
        Ok(match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => {
                match i128::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) => number.to_string(),
                    Err(_) => return Err(self.expected(value, "a number with fewer digits")),
                }
            }
            DeValue::Float(number) => number.as_str().to_owned(),
            DeValue::Datetime(time) => time.to_string(),
            // A parameter is whatever its plugin takes it for.
            DeValue::Boolean(yes) if self.names() => yes.to_string(),
            _ => return Err(self.expected(value, &self.kind())),
        })
    }

    /// What the values of this key are.
    fn kind(&self) -> String {
        let words = self.argument.get_possible_values();
        let words: Vec<_> = words.iter().map(|word| word.get_name()).collect();
        let takes_several = matches!(self.argument.get_action(), ArgAction::Append);
        let takes_several = takes_several && !self.names() || self.key == "columns";
        match (words.is_empty(), takes_several) {
            (false, _) => format!("one of {}", words.join(", ")),
            (true, true) => "a text or an array of texts".to_owned(),
            (true, false) => "a text or a number".to_owned(),
        }
    }

    fn expected(&self, value: &Spanned<DeValue<'_>>, what: &str) -> Fault {
        let found = match value.get_ref() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        let why = format!("{}: {what} is expected, and this is {found}", self.key);
        Fault { at: value.span().start, why }
    }
}
