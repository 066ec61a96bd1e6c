//! Subcommands whose arguments are those of an ordinary run, as far as they mean something
//! there.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory as _, FromArgMatches as _};
use host::Error;

use super::{Arguments, InputsAre, Request, report, said, settle};

/// A subcommand that runs a job.
pub struct Subcommand {
    /// Its name, behind that of the program.
    pub name: &'static str,
    pub about: &'static str,
    pub examples: &'static str,
    /// What an ordinary run and this have in common.
    pub shared: &'static [&'static str],
    /// What the inputs are called, and what they are.
    pub inputs: (&'static str, &'static str),
    /// What it does, as what follows "means nothing where".
    pub does: &'static str,
    pub inputs_are: InputsAre,
}

impl Subcommand {
    /// Reads the arguments behind `host`.
    pub fn request(&self, words: impl Iterator<Item = OsString>) -> Result<Request, ExitCode> {
        let (matches, arguments) = self.parse(words).map_err(said)?;
        self.refuse_others(&matches)
            .and_then(|()| settle(arguments, self.inputs_are))
            .map_err(|error| report::refuse(&error))
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
        let matches = self.command().try_get_matches_from(words)?;
        let arguments = Arguments::from_arg_matches(&matches)?;
        Ok((matches, arguments))
    }

    fn command(&self) -> Command {
        let command = Arguments::command()
            .name(self.name)
            .bin_name(self.name)
            .about(self.about)
            .long_about(self.about)
            .after_help(self.examples);
        let (value, help) = self.inputs;
        command
            .mut_args(|argument| {
                let hidden = !self.shared.contains(&argument.get_id().as_str());
                argument.hide(hidden)
            })
            .mut_arg("inputs", |inputs| inputs.value_name(value).required(true).help(help))
    }

    /// What was given and means nothing here is not passed over.
    fn refuse_others(&self, matches: &ArgMatches) -> Result<(), Error> {
        let command = Arguments::command();
        let is_other = |argument: &&clap::Arg| !self.shared.contains(&argument.get_id().as_str());
        for argument in command.get_arguments().filter(is_other) {
            let source = matches.value_source(argument.get_id().as_str());
            if let (Some(ValueSource::CommandLine), Some(flag)) = (source, argument.get_long()) {
                let text = format!("--{flag} means nothing where {}", self.does);
                return Err(Error::Usage(text));
            }
        }
        Ok(())
    }
}
