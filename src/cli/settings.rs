//! What is not typed: values of environment variables (`HOST_WORKERS`) and of a job file
//! (`--job FILE`). They become words in front of those that are typed, so that one parser
//! understands all of them alike. What is nearer to whoever types goes before what is
//! farther: words before variables, and these before the file.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use host::{Error, printable};

use super::arguments::OnErrorChoice;
use super::job_file;

/// Where a value is from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// A variable of the environment, by its name.
    Environment(String),
    /// A line of a job file.
    File { path: PathBuf, line: usize },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Environment(name) => f.write_str(name),
            Source::File { path, line } => write!(f, "{}, line {line}", path.display()),
        }
    }
}

/// Something that was said and not typed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setting {
    /// What it is about.
    pub topic: Topic,
    /// The words that one would type; none of a switch that is off.
    pub words: Vec<OsString>,
    /// Where it is from.
    pub source: Source,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.words.iter().map(|word| word.to_string_lossy()).collect();
        write!(f, "{} ({})", printable(&words.join(" ")), printable(&self.source.to_string()))
    }
}

/// What a value is about: an argument, or with one that is given several times to name several
/// things, one of these.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topic {
    /// The argument's name in its parser.
    pub argument: String,
    /// `type` of `--param type=PushEvent`.
    pub name: Option<String>,
}

/// Arguments whose values are NAME=VALUE.
pub const NAMING: [&str; 2] = ["param", "data"];

/// Why an argument means nothing where it is given, if so.
pub type Means<'a> = &'a dyn Fn(&Arg) -> Result<(), String>;

/// What is wrong with a command line, and with what is added to it.
pub enum Wrong {
    /// What is typed, or help that was asked for.
    Typed(clap::Error),
    /// What is not typed, or what it makes of the whole.
    Settings(Error),
}

impl From<Error> for Wrong {
    fn from(error: Error) -> Wrong {
        Wrong::Settings(error)
    }
}

/// What the words mean (the first is the program's name), with all that is known besides, of
/// which the settings are given that matter. `variables` are those of the environment.
pub fn gather(
    command: &Command,
    means: Means<'_>,
    words: &[OsString],
    variables: Variables<'_>,
) -> Result<(ArgMatches, Vec<Setting>), Wrong> {
    // What is missing here may be in the file.
    let typed = command.clone().ignore_errors(true);
    let typed = typed.try_get_matches_from(words).map_err(Wrong::Typed)?;
    let mut nearer = Nearer::typed(command, &typed);
    let mut settings = from_environment(command, means, variables)?;
    settings.retain(|setting| !nearer.displaces(command, setting));
    if let Some(path) = typed.get_one::<PathBuf>("job") {
        settings.iter().for_each(|setting| nearer.add(setting));
        let mut file = job_file::read(path, command, means)?;
        refuse_contradiction(command, &file)?;
        file.retain(|setting| !nearer.displaces(command, setting));
        settings.splice(..0, file);
    }
    settings.retain(|setting| !setting.words.is_empty());
    let (program, rest) = words.split_at(words.len().min(1));
    let added = settings.iter().flat_map(|setting| &setting.words);
    let all = program.iter().chain(added).chain(rest);
    let matches = command.clone().try_get_matches_from(all).map_err(Wrong::Typed)?;
    Ok((matches, settings))
}

/// Values of the environment, by name.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// What is given nearer to whoever types than some settings are.
struct Nearer {
    topics: Vec<Topic>,
    /// Arguments that say something: a switch that is off does not.
    arguments: Vec<String>,
}

impl Nearer {
    fn typed(command: &Command, typed: &ArgMatches) -> Nearer {
        let ids = command.get_arguments().map(|argument| argument.get_id().as_str());
        let is_typed = |id: &&str| typed.value_source(id) == Some(ValueSource::CommandLine);
        let arguments: Vec<String> = ids.filter(is_typed).map(str::to_owned).collect();
        let mut topics = Vec::new();
        for argument in &arguments {
            let values = typed.get_raw(argument).into_iter().flatten();
            let mut add = |name| topics.push(Topic { argument: argument.clone(), name });
            match NAMING.contains(&argument.as_str()) {
                true => values.for_each(|value| add(name_in(value))),
                false => add(None),
            }
        }
        // Each says what the other is, and more.
        let mut implied = |argument: &str| {
            topics.push(Topic { argument: argument.to_owned(), name: None });
        };
        let on_error = typed.get_one::<OnErrorChoice>("on_error");
        if on_error.is_some_and(|what| *what != OnErrorChoice::DeadLetter) {
            implied("dead_letters");
        }
        if typed.contains_id("dead_letters") {
            implied("on_error");
        }
        Nearer { topics, arguments }
    }

    fn add(&mut self, setting: &Setting) {
        self.topics.push(setting.topic.clone());
        if !setting.words.is_empty() {
            self.arguments.push(setting.topic.argument.clone());
        }
    }

    /// Whether a setting is of no account beside this.
    fn displaces(&self, command: &Command, setting: &Setting) -> bool {
        let Topic { argument, .. } = &setting.topic;
        self.topics.contains(&setting.topic)
            || self.arguments.iter().any(|nearer| are_apart(command, nearer, argument))
    }
}

/// `type` of `type=PushEvent`.
fn name_in(value: &OsStr) -> Option<String> {
    value.to_string_lossy().split_once('=').map(|(name, _)| name.to_owned())
}

/// Whether the parser refuses two arguments together.
fn are_apart(command: &Command, one: &str, other: &str) -> bool {
    let refuses = |one: &str, other: &str| {
        let mut arguments = command.get_arguments();
        let one = arguments.find(|argument| argument.get_id() == one);
        let others = one.map(|one| command.get_arg_conflicts_with(one)).unwrap_or_default();
        others.iter().any(|argument| argument.get_id() == other)
    };
    refuses(one, other) || refuses(other, one)
}

/// A file may not say two things of which one excludes the other.
fn refuse_contradiction(command: &Command, file: &[Setting]) -> Result<(), Error> {
    let file: Vec<_> = file.iter().filter(|setting| !setting.words.is_empty()).collect();
    for (place, setting) in file.iter().enumerate() {
        let apart = |before: &&&Setting| {
            are_apart(command, &before.topic.argument, &setting.topic.argument)
        };
        if let Some(before) = file[..place].iter().find(apart) {
            let keys = [setting, before].map(|setting| setting.topic.argument.replace('_', "-"));
            return Err(Error::Usage(format!(
                "{}: {} cannot be used with {} ({})",
                setting.source, keys[0], keys[1], before.source
            )));
        }
    }
    Ok(())
}

/// Whether a variable of the environment can say what an argument is: it can say what belongs to
/// a machine or to whoever uses it, not what a job reads, does and writes, nor may it show what
/// is private.
fn has_variable(argument: &Arg) -> bool {
    let by_heading = ["Workers", "Limits", "Sandbox"];
    let by_name = ["errors", "quiet", "verbose", "progress", "log", "log_format"];
    argument.get_help_heading().is_some_and(|heading| by_heading.contains(&heading))
        || by_name.contains(&argument.get_id().as_str())
}

/// The name of the variable for an argument.
fn variable(argument: &Arg) -> String {
    format!("HOST_{}", argument.get_id().as_str().to_uppercase())
}

/// The variables that mean something to a parser.
pub fn variables(command: &Command) -> impl Iterator<Item = String> + use<'_> {
    command.get_arguments().filter(|argument| has_variable(argument)).map(variable)
}

/// What the environment says. What means nothing here may mean something elsewhere, and is
/// passed over.
fn from_environment(
    command: &Command,
    means: Means<'_>,
    variables: Variables<'_>,
) -> Result<Vec<Setting>, Error> {
    let mut settings = Vec::new();
    for argument in command.get_arguments().filter(|argument| has_variable(argument)) {
        let name = variable(argument);
        let Some(value) = variables(&name).filter(|value| !value.is_empty()) else { continue };
        if means(argument).is_err() {
            continue;
        }
        let wrong = |why: &str| Error::Usage(format!("{name}={}: {why}", value.to_string_lossy()));
        let words = match (argument.get_action(), value.to_str()) {
            (ArgAction::SetTrue, Some("true" | "1")) => vec![flag(argument)],
            (ArgAction::SetTrue, Some("false" | "0")) => Vec::new(),
            (ArgAction::SetTrue, _) => return Err(wrong("true or false is expected")),
            _ if argument.get_id() == "sandbox" && value == "off" => {
                return Err(wrong(
                    "that the sandbox is off is only for a flag (--sandbox=off) or a job file to \
                     say",
                ));
            }
            _ => match fault(argument, &value) {
                Some(why) => return Err(wrong(&why)),
                None => vec![flag_with(argument, &value)],
            },
        };
        let topic = Topic { argument: argument.get_id().to_string(), name: None };
        settings.push(Setting { topic, words, source: Source::Environment(name) });
    }
    Ok(settings)
}

/// An argument as it is typed; inputs have no flag.
fn flag(argument: &Arg) -> OsString {
    argument.get_long().map(|long| format!("--{long}")).unwrap_or_default().into()
}

/// An argument with its value as it is typed.
pub fn flag_with(argument: &Arg, value: &OsStr) -> OsString {
    let mut word = flag(argument);
    if !word.is_empty() {
        word.push("=");
    }
    word.push(value);
    word
}

/// What an argument's parser has against a value.
pub fn fault(argument: &Arg, value: &OsStr) -> Option<String> {
    let parser = argument.get_value_parser().clone();
    let mut alone = Arg::new("value").long("value").value_parser(parser);
    if let Some(delimiter) = argument.get_value_delimiter() {
        alone = alone.value_delimiter(delimiter);
    }
    let words = [OsString::from("host"), flag_with(&alone, value)];
    let error = Command::new("host").arg(alone).try_get_matches_from(words).err()?;
    let why = match (error.kind(), error.get(ContextKind::ValidValue)) {
        (ErrorKind::InvalidValue, Some(ContextValue::Strings(words))) if !words.is_empty() => {
            let like = match error.get(ContextKind::SuggestedValue) {
                Some(ContextValue::String(like)) => format!("; did you mean {like}?"),
                _ => String::new(),
            };
            format!("one of {} is expected{like}", words.join(", "))
        }
        (ErrorKind::InvalidValue, _) => "there is no value".to_owned(),
        _ => std::error::Error::source(&error)
            .map_or_else(|| error.to_string(), |why| why.to_string()),
    };
    Some(why)
}

/// An error that speaks of a flag tells where it was said, if it was not typed.
pub fn explain(error: Error, settings: &[Setting]) -> Error {
    let Error::Usage(text) = error else { return error };
    let is_named = |setting: &&Setting| {
        let flag = format!("--{}", setting.topic.argument.replace('_', "-"));
        text.match_indices(&flag).any(|(at, _)| {
            !text[at + flag.len()..].starts_with(|next: char| next == '-' || next.is_alphanumeric())
        })
    };
    let said: Vec<_> = settings.iter().filter(is_named).map(ToString::to_string).collect();
    Error::Usage(match said.is_empty() {
        true => text,
        false => format!("{text}; it was said by {}", said.join(", ")),
    })
}
