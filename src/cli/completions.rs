//! `host completions`: what a shell has to know to complete the words of a command line.

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use clap_complete::Shell;

use super::{called, commands};

/// Prints what has a shell complete the words of `host`
#[derive(Debug, Parser)]
#[command(
    name = "completions",
    bin_name = "host completions",
    after_help = "\
Examples:
  host completions bash > ~/.local/share/bash-completion/completions/host
  host completions zsh > ~/.zfunc/_host             with fpath+=~/.zfunc before compinit
  host completions fish > ~/.config/fish/completions/host.fish"
)]
pub struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Known,
}

/// A shell whose completions are tested.
#[derive(Copy, Clone, Debug, ValueEnum)]
enum Known {
    Bash,
    Zsh,
    Fish,
}

/// Prints them.
pub fn run(arguments: Arguments) -> ExitCode {
    let shell = match arguments.shell {
        Known::Bash => Shell::Bash,
        Known::Zsh => Shell::Zsh,
        Known::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut commands::parser(None), called::name(), &mut script);
    let script = String::from_utf8_lossy(&script);
    match shell {
        Shell::Fish => super::show(&with_values(&script)),
        _ => super::show(&script),
    }
    ExitCode::SUCCESS
}

/// The script for fish, which asks of the words so far whether there is a subcommand among them.
/// As clap_complete writes it, it cannot tell where the last one is a flag whose value is being
/// typed, and offers no values. With an empty value for the flag it can.
fn with_values(script: &str) -> String {
    let function = format!("__fish_{}_global_optspecs", called::name().replace('-', "_"));
    let parsed = format!("argparse -s ({function}) -- $cmd 2>/dev/null\n");
    let again = parsed.replace("$cmd", "$cmd ''");
    script.replacen(&parsed, &format!("{parsed}    or {again}"), 1)
}
