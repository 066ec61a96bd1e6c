//! Subcommands whose arguments are those of an ordinary run, as far as they mean something
//! there.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory as _, FromArgMatches as _};
use host::Error;

use super::settings::Setting;
use super::{
    Arguments, InputsAre, Request, called, gather, refused, report, said, settings, settle,
};

/// A subcommand that runs a job.
pub struct Subcommand {
    /// Its name, behind that of the program.
    pub name: &'static str,
    /// What it does, in a few words and in more.
    pub about: &'static str,
    pub long_about: &'static str,
    pub examples: &'static str,
    /// What an ordinary run and this have in common.
    pub shared: &'static [&'static str],
    /// What the inputs are called, and what they are.
    pub inputs: (&'static str, &'static str),
    /// What it does, as what follows "means nothing where".
    pub does: &'static str,
    pub inputs_are: InputsAre,
    /// What it has besides.
    pub own: fn(Command) -> Command,
}

impl Subcommand {
    /// Reads the arguments behind `host`, with what a job file and the environment add to them.
    pub fn request(&self, words: impl Iterator<Item = OsString>) -> Result<Request, ExitCode> {
        let (_, arguments, settings) = self.gathered(&words.collect::<Vec<_>>())?;
        settle(arguments, self.inputs_are)
            .map_err(|error| report::refuse(&settings::explain(error, &settings)))
    }

    /// The words understood, with what a job file and the environment add to them.
    pub(super) fn gathered(
        &self,
        words: &[OsString],
    ) -> Result<(ArgMatches, Arguments, Vec<Setting>), ExitCode> {
        let means = |argument: &Arg| self.means(argument);
        let (matches, settings) = gather(&self.parser(), &means, words).map_err(refused)?;
        let arguments = Arguments::from_arg_matches(&matches).map_err(said)?;
        self.refuse_others(&matches)
            .map_err(|error| report::refuse(&settings::explain(error, &settings)))?;
        Ok((matches, arguments, settings))
    }

    /// What the words say, of which none may be without a meaning here.
    ///
    /// # Errors
    /// What is wrong with them, in a line.
    pub fn understand(
        &self,
        words: impl Iterator<Item = OsString>,
    ) -> Result<(ArgMatches, Arguments), String> {
        let name = OsString::from(self.name);
        let parsed = self.parse(std::iter::once(name).chain(words)).map_err(|error| {
            let said = error.to_string();
            let line = said.lines().next().unwrap_or_default();
            line.strip_prefix("error: ").unwrap_or(line).to_owned()
        })?;
        self.refuse_others(&parsed.0).map_err(|error| error.to_string())?;
        Ok(parsed)
    }

    /// What the words say, if they can be understood.
    pub(super) fn parse(
        &self,
        words: impl Iterator<Item = OsString>,
    ) -> Result<(ArgMatches, Arguments), clap::Error> {
        let matches = self.parser().try_get_matches_from(words)?;
        let arguments = Arguments::from_arg_matches(&matches)?;
        Ok((matches, arguments))
    }

    /// Its parser, which knows all arguments of a run, so that it can be said which of them mean
    /// nothing here.
    fn parser(&self) -> Command {
        called::by_name(self.with(Arguments::command().mut_args(|argument| {
            let hidden = !self.has(&argument);
            argument.hide(hidden)
        })))
    }

    /// The same with what means something here alone.
    #[cfg(not(fuzzing))]
    pub fn command(&self) -> Command {
        let all = Arguments::command();
        let shared = all.get_arguments().filter(|argument| self.has(argument)).cloned();
        self.with(Command::new(self.name).args(shared))
    }

    fn with(&self, command: Command) -> Command {
        let (value, help) = self.inputs;
        let command = command
            .name(self.name)
            .bin_name(format!("host {}", self.name))
            .disable_version_flag(true)
            .about(self.about)
            .long_about(self.long_about)
            .after_help(self.examples)
            .mut_arg("inputs", |inputs| {
                inputs.value_name(value).required(true).help(help).long_help(help)
            });
        (self.own)(command)
    }

    fn has(&self, argument: &Arg) -> bool {
        self.shared.contains(&argument.get_id().as_str())
    }

    /// Whether an argument means something here, or that it does not, as what follows its name.
    fn means(&self, argument: &Arg) -> Result<(), String> {
        match self.has(argument) {
            true => Ok(()),
            false => Err(format!("means nothing where {}", self.does)),
        }
    }

    /// What was given and means nothing here is not passed over.
    fn refuse_others(&self, matches: &ArgMatches) -> Result<(), Error> {
        for argument in Arguments::command().get_arguments() {
            let source = matches.value_source(argument.get_id().as_str());
            if let (Some(ValueSource::CommandLine), Some(flag)) = (source, argument.get_long()) {
                self.means(argument).map_err(|why| Error::Usage(format!("--{flag} {why}")))?;
            }
        }
        Ok(())
    }
}
