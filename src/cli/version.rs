//! `host --version --verbose`: what this program was built of, with what and for what.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::process::ExitCode;

use clap::error::ErrorKind;
use host::Layers;

/// Whether it was the version that was asked for, and at length.
pub fn is_asked_for_at_length(error: &clap::Error, words: &[OsString]) -> bool {
    let mut words = words.iter().take_while(|word| *word != "--");
    error.kind() == ErrorKind::DisplayVersion && words.any(|word| word == "--verbose")
}

/// Tells it. Facts are those of the build script, except for the commit: where it is built
/// from an archive nobody knows it, and whoever does says so (`GIT_HASH`).
pub fn tell() -> ExitCode {
    let facts = [
        ("commit", option_env!("GIT_HASH").unwrap_or("unknown").to_owned()),
        ("compiler", env!("HOST_BUILT_BY").to_owned()),
        ("target", env!("HOST_BUILT_FOR").to_owned()),
        ("profile", env!("HOST_BUILT_AS").to_owned()),
        ("features", env!("HOST_BUILT_WITH").to_owned()),
        ("sandbox", Layers::ALL.to_string()),
        ("crates", env!("HOST_BUILT_OF").replace(", ", ",\n            ")),
    ];
    let mut text = concat!("host ", env!("CARGO_PKG_VERSION"), "\n").to_owned();
    for (name, fact) in facts {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {name:<10}{fact}");
    }
    super::show(&text);
    ExitCode::SUCCESS
}
