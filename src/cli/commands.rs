//! Everything that the program can be asked: an ordinary run, and the subcommands by their
//! names. Each has a parser of its own; here they are put together into one tree, for
//! completions and manual pages.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{Command, CommandFactory as _, Parser, ValueHint};
use host::Error;

use super::merge::MERGE;
use super::retry::RETRY;
use super::{
    Arguments, Request, bench, called, check, completions, doctor, inspect, manual, new, said,
    spark, test,
};

/// A subcommand.
pub struct Known {
    /// What the first word of the command line is.
    pub name: &'static str,
    /// Its parser, as completions and manual pages know it.
    pub command: fn() -> Command,
    /// Does what the command line says, unless that is to run a job.
    pub request: fn() -> Result<Request, ExitCode>,
}

/// The subcommands, by name.
static ALL: [Known; 11] = [
    Known { name: "bench", command: bench::Arguments::command, request: || does(bench::run) },
    Known { name: "check", command: check::Arguments::command, request: || does(check::run) },
    Known {
        name: "completions",
        command: completions::Arguments::command,
        request: || does(completions::run),
    },
    Known { name: "doctor", command: doctor::Arguments::command, request: || does(doctor::run) },
    Known { name: "inspect", command: inspect::Arguments::command, request: || does(inspect::run) },
    Known { name: "man", command: manual::Arguments::command, request: || does(manual::run) },
    Known {
        name: "merge",
        command: || MERGE.command(),
        request: || MERGE.request(std::env::args_os().skip(1)),
    },
    Known { name: "new", command: new::Arguments::command, request: || does(new::run) },
    Known {
        name: "retry",
        command: || RETRY.command(),
        request: || RETRY.request(std::env::args_os().skip(1)),
    },
    Known {
        name: "spark",
        command: || spark::SPARK.command(),
        request: || Err(spark::run(std::env::args_os().skip(1))),
    },
    Known { name: "test", command: test::Arguments::command, request: || does(test::run) },
];

/// Has a subcommand that is no job do what the words behind its name say.
fn does<T: Parser>(run: fn(T) -> ExitCode) -> Result<Request, ExitCode> {
    let parser = called::by_name(T::command());
    let words = parser.try_get_matches_from(std::env::args_os().skip(1)).map_err(said)?;
    let arguments = T::from_arg_matches(&words).map_err(said)?;
    Err(run(arguments))
}

/// The subcommand of this name. Subcommands are only the first argument, so that no plugin's
/// input is taken for one.
pub fn named(first: &OsStr) -> Option<&'static Known> {
    ALL.iter().find(|known| first == known.name)
}

/// The names of all subcommands.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|known| known.name)
}

/// What a first word that is neither a subcommand nor a file is likely to be meant for.
///
/// # Errors
/// [`Error::Usage`] where it is much like the name of a subcommand.
pub fn refuse_mistyped(first: &OsStr) -> Result<(), Error> {
    let Some(word) = first.to_str().filter(|word| !word.starts_with('-')) else { return Ok(()) };
    if Path::new(word).exists() {
        return Ok(());
    }
    let wrong = |meant: &str| {
        Err(Error::Usage(format!(
            "there is no file {word}, and no subcommand of this name; did you mean `{} {meant}`?",
            called::name()
        )))
    };
    if word == "help" {
        return wrong("--help");
    }
    // A parser that knows nothing but subcommands, and what is like them.
    let parser = Command::new("host").subcommands(names().map(Command::new));
    let parser = parser.disable_help_subcommand(true);
    let Err(error) = parser.try_get_matches_from([OsString::from("host"), first.to_owned()]) else {
        return Ok(());
    };
    match error.get(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::Strings(like)) => match like.first() {
            Some(like) => wrong(like),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// The parser of an ordinary run.
pub fn run() -> Command {
    called::by_name(Arguments::command().after_help(short_help()).after_long_help(long_help()))
}

/// The parser of a subcommand, or of an ordinary run with all subcommands below it, as
/// completions and manual pages know it. No command line is parsed with it.
pub fn parser(name: Option<&str>) -> Command {
    match ALL.iter().find(|known| Some(known.name) == name) {
        Some(known) => called::by_name((known.command)()).mut_args(described),
        None => run()
            .mut_args(described)
            .subcommands(ALL.iter().map(|known| parser(Some(known.name))))
            .disable_help_subcommand(true)
            .override_usage(format!(
                "{host} [OPTIONS] --plugin <FILE> [INPUT]...\n{host} <SUBCOMMAND> ...",
                host = called::name()
            )),
    }
}

/// A manual page has what `-h` leaves out; and what takes neither a file nor one of some words is
/// nothing that a shell could complete.
fn described(argument: clap::Arg) -> clap::Arg {
    let argument = argument.hide_short_help(false);
    match argument.get_value_hint() {
        ValueHint::Unknown if argument.get_action().takes_values() => {
            argument.value_hint(ValueHint::Other)
        }
        _ => argument,
    }
}

/// What stands below the flags in `-h`.
fn short_help() -> String {
    let names: Vec<_> = names().collect();
    format!(
        "\
Examples:
  host --plugin filter.wasm data.json
  host --plugin filter.wasm -o kept.ndjson a.ndjson b.ndjson
  host --plugin filter.wasm --on-error skip --max-errors 1% data.json

Subcommands: {}

`host --help` tells all flags; `host SUBCOMMAND -h` tells those of a subcommand.",
        names.join(", ")
    )
}

/// What stands below the flags in `--help`, and in the manual page.
fn long_help() -> String {
    let about = |known: &Known| {
        let command = (known.command)();
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        format!("  {:<13}{about}\n", known.name)
    };
    let subcommands: String = ALL.iter().map(about).collect();
    format!("{EXAMPLES}\n\nSubcommands:\n{subcommands}\n{ENVIRONMENT}\n\n{EXIT_CODES}")
}

const EXAMPLES: &str = "\
Examples:
  host --plugin filter.wasm data.json                 to standard output
  host --plugin filter.wasm -o kept.ndjson a.ndjson b.ndjson
  host --plugin filter.wasm -o kept.ndjson.zst big.ndjson.gz
  host --plugin filter.wasm --plugin map.wasm --param 2:fields=id,name data.json
  host --plugin filter.wasm --on-error skip --max-errors 1% data.json
  host --plugin filter.wasm --dead-letters dead.ndjson --max-errors 1% data.json
  host --job nightly.toml --limit 100";

const ENVIRONMENT: &str = "\
Environment:
  What stands under Workers, Limits and Sandbox, and --errors, --log,
  --log-format, --progress, --quiet and --verbose can be given as a variable,
  too: HOST_WORKERS=2, HOST_RANGE_SIZE=4MiB, HOST_QUIET=true. A variable goes
  before a job file.";

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    a record or the job failed
  2    nothing was started
  3    a demanded layer of the sandbox is missing
  4    done, but more records failed than --max-errors accepts
  130  interrupted";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parser_is_consistent_and_called_by_its_name() {
        for known in &ALL {
            let command = (known.command)();
            assert_eq!(command.get_name(), known.name);
            assert_eq!(command.get_bin_name(), Some(format!("host {}", known.name).as_str()));
            assert!(command.get_about().is_some_and(|about| about.to_string().len() <= 65));
            command.debug_assert();
        }
        parser(None).debug_assert();
    }

    #[test]
    fn a_word_is_taken_for_a_mistyped_subcommand_only_where_it_is_like_one() {
        for (word, meant) in [
            ("chekc", "check"),
            ("retyr", "retry"),
            ("benchmark", "bench"),
            ("doctro", "doctor"),
            ("completion", "completions"),
            ("help", "--help"),
        ] {
            let error = refuse_mistyped(OsStr::new(word)).unwrap_err().to_string();
            let meant = format!("did you mean `{} {meant}`?", called::name());
            assert!(error.ends_with(&meant), "{error}");
        }
        for word in ["events.ndjson", "data/*.json", "-", "--plugin", "src", "Cargo.toml", ""] {
            assert!(refuse_mistyped(OsStr::new(word)).is_ok(), "{word}");
        }
    }
}
