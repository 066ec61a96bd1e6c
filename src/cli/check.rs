//! `host check`: what a plugin is, and whether it can be run.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use bytesize::ByteSize;
use clap::Parser;
use host::{Checkup, Description, Job, PluginKind, printable};
use serde_json::json;

use super::report;

/// Tells what a plugin is, what it exports and imports, and whether it can be run. It is
/// compiled in a sandboxed process, as for a run, and nothing of it is executed
#[derive(Debug, Parser)]
#[command(
    name = "host check",
    bin_name = "host check",
    after_help = "Exit codes: 0 it can be run; 1 it cannot; 2 nothing was looked at; 3 the sandbox cannot be had."
)]
struct Arguments {
    /// The plugin's file
    plugin: PathBuf,

    /// Tell it as JSON
    #[arg(long)]
    json: bool,
}

/// Looks at the plugin and tells.
pub fn run() -> ExitCode {
    let arguments = match super::parse::<Arguments>(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let looked = Job::builder(arguments.plugin).build().and_then(|job| host::check(&job));
    let checkup = match looked {
        Ok(checkup) => checkup,
        Err(error) => return report::refuse(&error),
    };
    let text = match arguments.json {
        true => as_json(&checkup),
        false => as_text(&checkup),
    };
    // Nobody may be left to read it.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::from(u8::from(checkup.operation.is_err()))
}

/// What kind of WebAssembly it is, in words.
fn kind(description: Option<&Description>) -> &'static str {
    match description.map(|description| description.kind) {
        None => "no WebAssembly",
        Some(PluginKind::Component) => "a component",
        Some(PluginKind::WrappedModule) => "a component that only wraps a module, run as that",
        Some(_) => "a module",
    }
}

fn as_text(checkup: &Checkup) -> String {
    let Checkup { path, bytes, hash, description, operation, compiled_bytes, took, .. } = checkup;
    let path = printable(&path.display().to_string());
    let mut text = match operation {
        Ok(operation) => format!("{path} is a {operation}, and can be run\n"),
        Err(why) => format!("{path} cannot be run: {}\n", printable(why)),
    };
    let mut row = |name: &str, value: String| text += &format!("  {name:<11}{value}\n");
    row("file", format!("{}, {}", ByteSize(*bytes), kind(description.as_ref())));
    row("BLAKE3", hash.clone());
    if let Some(compiled) = compiled_bytes {
        row("compiled", format!("in {} ms to {}", took.as_millis(), ByteSize(*compiled)));
    }
    let Some(description) = description else { return text };
    for (number, export) in description.exports.iter().enumerate() {
        row(if number == 0 { "exports" } else { "" }, printable(export));
    }
    let mut imports: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (from, name) in &description.imports {
        imports.entry(from).or_default().push(printable(name));
    }
    for (number, (from, names)) in imports.into_iter().enumerate() {
        let names = names.join(", ");
        let colon = if names.is_empty() { "" } else { ": " };
        row(if number == 0 { "imports" } else { "" }, format!("{}{colon}{names}", printable(from)));
    }
    if description.more > 0 {
        row("", format!("and {} more", description.more));
    }
    let traces = match (description.names, description.lines) {
        (_, true) => "name functions, files and lines",
        (true, false) => "name functions",
        (false, false) => "only number functions: it was built without their names",
    };
    row("backtraces", traces.to_owned());
    text
}

fn as_json(checkup: &Checkup) -> String {
    let Checkup { path, bytes, hash, description, operation, compiled_bytes, took, .. } = checkup;
    let imports = description.as_ref().map(|description| {
        let imports = description.imports.iter();
        imports.map(|(from, name)| json!({"from": from, "name": name})).collect::<Vec<_>>()
    });
    let value = json!({
        "plugin": path.display().to_string(),
        "runs": operation.is_ok(),
        "operation": operation.as_ref().ok(),
        "why_not": operation.as_ref().err(),
        "bytes": bytes,
        "blake3": hash,
        "kind": description.as_ref().map(|description| description.kind),
        "compiled_bytes": compiled_bytes,
        "compile_ms": took.as_millis() as u64,
        "exports": description.as_ref().map(|description| &description.exports),
        "imports": imports,
        "names_left_out": description.as_ref().map(|description| description.more),
        "function_names": description.as_ref().map(|description| description.names),
        "lines": description.as_ref().map(|description| description.lines),
    });
    format!("{value:#}\n")
}
