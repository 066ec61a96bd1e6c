//! `host check`: what a plugin is, and whether it can be run; and whether what comes of it can
//! be repeated ([`repeatable`]).

mod repeatable;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use bytesize::ByteSize;
use clap::{Parser, ValueHint};
use host::{Checkup, Description, Error, Job, PluginKind, printable};
use serde_json::json;

use super::report;
use super::trial::Trial;
use repeatable::Outcome;

/// Tells what a plugin is, and whether it can be run
///
/// Told is what it exports and imports, too. It is compiled in a sandboxed process, as for a run,
/// and nothing of it is executed unless --repeatable is given.
#[derive(Debug, Parser)]
#[command(
    name = "check",
    bin_name = "host check",
    after_help = "\
With --repeatable the plugin is run over data: as a whole, the same again, cut into small ranges \
for fresh instances, each record in an instance of its own (where there is little data), and in \
no order. What comes out has to be the same, or the first difference is shown.

Examples:
  host check filter.wasm
  host check filter.wasm --repeatable data.ndjson -- --param type=PushEvent

Exit codes: 0 it can be run, and repeated; 1 it cannot; 2 nothing was looked at; 3 the sandbox \
cannot be had."
)]
pub struct Arguments {
    /// The plugin's file
    #[arg(value_hint = ValueHint::FilePath)]
    plugin: PathBuf,

    /// Tell it as JSON
    #[arg(long, conflicts_with = "repeatable")]
    json: bool,

    /// Run it over these data in different ways, and compare what comes out
    #[arg(long, value_name = "DATA", num_args = 1.., value_hint = ValueHint::FilePath)]
    repeatable: Vec<PathBuf>,

    /// Flags for these runs, as --param
    #[arg(last = true, value_name = "FLAG", requires = "repeatable")]
    flags: Vec<String>,
}

/// Looks at the plugin and tells.
pub fn run(arguments: Arguments) -> ExitCode {
    let looked = Job::builder(&arguments.plugin).build().and_then(|job| host::check(&job));
    let checkup = match looked {
        Ok(checkup) => checkup,
        Err(error) => return report::refuse(&error),
    };
    let text = match arguments.json {
        true => as_json(&checkup),
        false => as_text(&checkup),
    };
    super::show(&text);
    let operation = match checkup.operation {
        Ok(_) if arguments.repeatable.is_empty() => return ExitCode::SUCCESS,
        Ok(operation) => operation,
        Err(_) => return ExitCode::from(1),
    };
    match repeat(arguments, operation == "reduce") {
        Ok(Outcome::Same(ways)) => {
            let ways: Vec<_> = ways[1..].iter().map(|way| format!("  {way}\n")).collect();
            super::show(&format!("the same came out twice in one worker, and\n{}", ways.concat()));
            ExitCode::SUCCESS
        }
        Ok(Outcome::Differs(what)) => {
            super::show(&format!("it cannot be repeated: what came out differs\n{what}\n"));
            ExitCode::from(1)
        }
        Err(error) => report::refuse(&error),
    }
}

/// Runs the plugin over the data in different ways.
fn repeat(arguments: Arguments, folds: bool) -> Result<Outcome, Error> {
    let size = arguments.repeatable.iter().map(|path| {
        let metadata = std::fs::metadata(path);
        let cannot = |source| Error::Input { name: path.display().to_string(), source };
        metadata.map(|metadata| metadata.len()).map_err(cannot)
    });
    let size = size.sum::<Result<u64, Error>>()?;
    let inputs = arguments.repeatable.iter().map(|path| path.display().to_string()).collect();
    let trial = Trial::new(&arguments.plugin, arguments.flags.into_iter(), inputs);
    repeatable::look(&trial.map_err(Error::Usage)?, size, folds)
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
