//! `host merge`: makes one result of states that runs with --partial-state have written.
//! Its arguments are those of an ordinary run that mean something here.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory as _, FromArgMatches as _};
use host::Error;

use super::{Arguments, Request, report};

/// What an ordinary run and this have in common.
const SHARED: &[&str] = &[
    "plugin",
    "param",
    "params",
    "data",
    "inputs",
    "output",
    "to",
    "columns",
    "no_header",
    "workers",
    "memory",
    "timeout",
    "max_output",
    "max_state",
    "max_data",
    "partial_state",
    "sandbox",
    "sandbox_require",
    "plugin_log",
    "show_records",
    "verbose",
    "stats",
];
const QUIET: &str = "quiet";

const ABOUT: &str = "\
Merges states of a reduce in the order given, and writes the records that the plugin makes \
of the last one; with --partial-state, that state instead";

const EXAMPLES: &str = "\
Examples:
  host --plugin count-by.wasm --param by=type --partial-state -o monday.state monday.ndjson
  host --plugin count-by.wasm --param by=type --partial-state -o tuesday.state tuesday.ndjson
  host merge --plugin count-by.wasm --param by=type monday.state tuesday.state

The plugin and its parameters have to be those that made the states.";

/// Reads the arguments behind `host merge`.
pub fn request(words: impl Iterator<Item = OsString>) -> Result<Request, ExitCode> {
    let matches = command().try_get_matches_from(words).map_err(super::said)?;
    let arguments = Arguments::from_arg_matches(&matches).map_err(super::said)?;
    refuse_others(&matches)
        .and_then(|()| super::settle(arguments, super::InputsAre::States))
        .map_err(|error| report::refuse(&error))
}

fn is_shared(id: &str) -> bool {
    id == QUIET || SHARED.contains(&id)
}

fn command() -> Command {
    let command = Arguments::command()
        .name("host merge")
        .bin_name("host merge")
        .about(ABOUT)
        .long_about(ABOUT)
        .after_help(EXAMPLES);
    command
        .mut_args(|argument| {
            let hidden = !is_shared(argument.get_id().as_str());
            argument.hide(hidden)
        })
        .mut_arg("inputs", |inputs| {
            inputs.value_name("STATE").required(true).help("Files with states, in this order")
        })
}

/// What was given and means nothing here is not passed over.
fn refuse_others(matches: &ArgMatches) -> Result<(), Error> {
    let command = Arguments::command();
    let others = command.get_arguments().filter(|argument| !is_shared(argument.get_id().as_str()));
    for argument in others {
        let source = matches.value_source(argument.get_id().as_str());
        if let (Some(ValueSource::CommandLine), Some(flag)) = (source, argument.get_long()) {
            let text = format!("--{flag} means nothing where states are merged");
            return Err(Error::Usage(text));
        }
    }
    Ok(())
}
