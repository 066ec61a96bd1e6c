//! Tells the program what it is built with and of, for `host --version --verbose`. It looks at
//! nothing but Cargo.lock and what cargo says, so that it does the same for an archive as for a
//! clone, and runs again only where one of these is another.

use std::env::{self, VarError};
use std::process::Command;

/// Crates that a user may want to know the versions of.
const CRATES: [&str; 8] = [
    "wasmtime",
    "cranelift-codegen",
    "wit-component",
    "seccompiler",
    "landlock",
    "ipc-channel",
    "zstd",
    "flate2",
];

fn main() -> Result<(), VarError> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=Cargo.lock");
    let version = Command::new(env::var("RUSTC")?).arg("--version").output();
    let version = version.map(|ran| String::from_utf8_lossy(&ran.stdout).trim().to_owned());
    tell("BY", &version.unwrap_or_else(|error| format!("unknown: {error}")));
    tell("FOR", &env::var("TARGET")?);
    tell("AS", &format!("{}, opt-level {}", env::var("PROFILE")?, env::var("OPT_LEVEL")?));
    let features = env::vars().filter_map(|(name, _)| {
        name.strip_prefix("CARGO_FEATURE_").map(|name| name.to_lowercase().replace('_', "-"))
    });
    tell("WITH", &or_none(features.collect()));
    // Where there is no Cargo.lock cargo has not been asked to keep to one.
    let lock = std::fs::read_to_string("Cargo.lock").unwrap_or_default();
    let version = |name: &str| {
        let entry = lock
            .split("[[package]]")
            .find(|entry| entry.lines().any(|line| line == format!("name = \"{name}\"")))?;
        let version = entry.lines().find_map(|line| line.strip_prefix("version = "))?;
        Some(format!("{name} {}", version.trim_matches('"')))
    };
    tell("OF", &or_none(CRATES.into_iter().filter_map(version).collect()));
    Ok(())
}

fn or_none(words: Vec<String>) -> String {
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

fn tell(name: &str, what: &str) {
    println!("cargo::rustc-env=HOST_BUILT_{name}={what}");
}
