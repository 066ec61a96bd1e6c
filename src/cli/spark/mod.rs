//! `host spark`: the same plugins over data of an Apache Spark, by the user's own spark-submit.
//!
//! What goes there are a driver (`spark/`), this program, the plugins, and what each task tells
//! the program to do. Everything that can be found wrong is found here, before anything is sent.

mod submit;
mod task;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use bytesize::ByteSize;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint};
use host::{Columns, Error, Explanation};
use serde::Serialize;

use super::arguments::{FromFormat, ToFormat, size};
use super::subcommand::Subcommand;
use super::{Arguments, InputsAre, on_error, report, settings, settle, show};
use submit::Submission;
use task::Task;

/// The subcommand.
pub const SPARK: Subcommand = Subcommand {
    name: "spark",
    about: "Runs plugins over data of an Apache Spark cluster",
    long_about: "\
Runs plugins over data of an Apache Spark cluster, by the spark-submit that is there (in \
SPARK_HOME or on the PATH). Each task of Spark runs this program, sandbox included, over the \
records that it reads; Spark schedules, tries again and commits",
    examples: "\
Examples:
  host spark --master spark://main:7077 --plugin filter.wasm hdfs:///events hdfs:///pushes
  host spark --master yarn --plugin count-by.wasm --param by=type s3a://in/2026 s3a://out/types
  host spark --master k8s://https://main:6443 --plugin map.wasm --dead-letters s3a://out/dead \\
      s3a://in/events.ndjson s3a://out/users -- --conf spark.executor.instances=20
  host spark --master 'local[2]' --check

What stands behind -- goes to spark-submit as it is.",
    shared: &[
        "plugin",
        "param",
        "params",
        "arg",
        "data",
        "clock_start",
        "seed",
        "real_clock",
        "real_random",
        "isolate",
        "inputs",
        "job",
        "from",
        "to",
        "columns",
        "on_error",
        "dead_letters",
        "retries",
        "max_errors",
        "memory",
        "memory_budget",
        "timeout",
        "max_output",
        "max_state",
        "max_data",
        "max_record",
        "compile_memory",
        "compile_timeout",
        "fuel",
        "max_instances",
        "max_log",
        "stack",
        "sandbox",
        "sandbox_require",
        "show_records",
        "errors",
        "quiet",
    ],
    inputs: (
        "URI",
        "What to read, and at last the directory to write: anything that Spark reads, a file, a \
         directory or a glob of JSON lines, lines, CSV or Parquet",
    ),
    does: "Spark reads and writes",
    inputs_are: InputsAre::Records,
    own,
};

const HEADING: &str = "Spark";

/// What only this subcommand has.
fn own(command: Command) -> Command {
    command
        .mut_arg("inputs", |inputs| inputs.required_unless_present("check").required(false))
        .mut_arg("plugin", |plugin| plugin.required_unless_present("check").required(false))
        .mut_arg("dead_letters", |letters| {
            letters
                .value_name("URI")
                .help("Write records that fail, with the reason, to files in this directory")
                .long_help("Write records that fail, with the reason, to files in this directory")
        })
        .args([
            Arg::new("master")
                .long("master")
                .value_name("URL")
                .value_hint(ValueHint::Other)
                .help_heading(HEADING)
                .help("The cluster: spark://HOST:PORT, yarn, k8s://URL, local[N] [default: as Spark is configured]"),
            Arg::new("schema_ddl")
                .long("table-schema")
                .value_name("DDL")
                .value_hint(ValueHint::Other)
                .help_heading(HEADING)
                .help("The schema of Parquet that is written (`id BIGINT, type STRING`) [default: the input's for filters, or one that all records fit]"),
            Arg::new("split_size")
                .long("split-size")
                .value_name("SIZE")
                .value_parser(size)
                .help_heading(HEADING)
                .help("Bytes of a file that one task reads [default: a block of the file system]"),
            Arg::new("multi_line")
                .long("multi-line")
                .action(ArgAction::SetTrue)
                .help_heading(HEADING)
                .help("Fields of CSV may have line breaks: each file is read by one task"),
            Arg::new("check")
                .long("check")
                .action(ArgAction::SetTrue)
                .help_heading(HEADING)
                .help("First ask every executor what it allows of the sandbox, and show it"),
            Arg::new("print")
                .long("print")
                .action(ArgAction::SetTrue)
                .help_heading(HEADING)
                .help("Show the command, what it is told and the driver, and run nothing"),
        ])
}

/// How records are laid out, in Spark's inputs and outputs.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Layout {
    Ndjson,
    Lines,
    Csv,
    Tsv,
    Parquet,
}

impl Layout {
    /// By the last extension of a name, but for how it is compressed.
    fn of_name(uri: &OsStr) -> Option<Layout> {
        let name = uri.to_str()?.trim_end_matches('/');
        let name =
            [".gz", ".zst", ".bz2"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        match Path::new(name).extension()?.to_str()? {
            "ndjson" | "jsonl" | "json" => Some(Layout::Ndjson),
            "txt" | "log" => Some(Layout::Lines),
            "csv" => Some(Layout::Csv),
            "tsv" => Some(Layout::Tsv),
            "parquet" => Some(Layout::Parquet),
            _ => None,
        }
    }

    fn from(format: FromFormat) -> Result<Layout, Error> {
        match format {
            FromFormat::Ndjson => Ok(Layout::Ndjson),
            FromFormat::Lines => Ok(Layout::Lines),
            FromFormat::Csv => Ok(Layout::Csv),
            FromFormat::Tsv => Ok(Layout::Tsv),
            FromFormat::Parquet => Ok(Layout::Parquet),
            FromFormat::Json | FromFormat::Arrow => Err(Error::Usage(
                "Spark cuts files at lines, and reads no Arrow: --from ndjson|lines|csv|tsv|parquet"
                    .into(),
            )),
        }
    }

    fn to(format: ToFormat) -> Result<Layout, Error> {
        match format {
            ToFormat::Ndjson => Ok(Layout::Ndjson),
            ToFormat::Lines => Ok(Layout::Lines),
            ToFormat::Csv => Ok(Layout::Csv),
            ToFormat::Tsv => Ok(Layout::Tsv),
            ToFormat::Parquet => Ok(Layout::Parquet),
            ToFormat::Json | ToFormat::Arrow | ToFormat::ArrowStream => Err(Error::Usage(
                "Spark writes a directory of files: --to ndjson|lines|csv|tsv|parquet".into(),
            )),
        }
    }

    /// Whether Spark makes lines of JSON of it, or it of them.
    fn is_rows(self) -> bool {
        matches!(self, Layout::Csv | Layout::Tsv | Layout::Parquet)
    }
}

/// What the driver is told; `spark/java/host/spark/Spec.java` says what each means.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    program: String,
    arguments: Vec<String>,
    merge_arguments: Vec<String>,
    doctor_arguments: Vec<String>,
    inputs: Vec<String>,
    output: Option<String>,
    from: Layout,
    to: Layout,
    columns: Option<Vec<String>>,
    schema: Option<String>,
    filters: bool,
    reduces: bool,
    dead_letters: Option<String>,
    max_errors: String,
    split_size: u64,
    multi_line: bool,
    check: bool,
    quiet: bool,
}

/// Does what the words behind `host` say.
pub fn run(words: impl Iterator<Item = OsString>) -> ExitCode {
    let mut words: Vec<OsString> = words.collect();
    let mut for_spark = Vec::new();
    if let Some(place) = words.iter().position(|word| word == "--") {
        for_spark = words.split_off(place + 1);
        words.pop();
    }
    let (matches, arguments, settings) = match SPARK.gathered(&words) {
        Ok(gathered) => gathered,
        Err(code) => return code,
    };
    let submitted = prepare(&matches, arguments).and_then(|(spec, files)| {
        Submission::new(&spec, &files, matches.get_one::<String>("master"), &for_spark)
    });
    let ended = submitted.and_then(|submission| match matches.get_flag("print") {
        true => {
            show(&submission.shown());
            Ok(ExitCode::SUCCESS)
        }
        false => submission.run(),
    });
    ended.unwrap_or_else(|error| report::refuse(&settings::explain(error, &settings)))
}

/// Finds out what is to be done, and which files it needs.
fn prepare(matches: &ArgMatches, arguments: Arguments) -> Result<(Spec, Vec<submit::File>), Error> {
    let check = matches.get_flag("check");
    let quiet = arguments.quiet;
    let mut uris =
        arguments.inputs.iter().map(|uri| text(uri.as_os_str())).collect::<Result<Vec<_>, _>>()?;
    let output = uris.pop();
    if output.is_some() == uris.is_empty() || (output.is_none() && !check) {
        return Err(Error::Usage(
            "what to read and the directory to write are both wanted: IN OUT".into(),
        ));
    }
    let named = |uri: Option<&String>| uri.and_then(|uri| Layout::of_name(OsStr::new(uri)));
    let from = match arguments.from {
        Some(format) => Layout::from(format)?,
        None => named(uris.first()).unwrap_or(Layout::Ndjson),
    };
    let to = match arguments.to {
        Some(format) => Layout::to(format)?,
        None => named(output.as_ref()).unwrap_or(from),
    };
    if to == Layout::Lines && from.is_rows() {
        // What a plugin makes of rows may be any text, but what it lets through is JSON.
        return Err(Error::Usage("rows become no lines: --to ndjson".into()));
    }
    let letters = arguments.dead_letters.as_deref().map(|uri| text(uri.as_os_str())).transpose()?;
    on_error(arguments.on_error, arguments.dead_letters.clone())?;
    let columns = arguments.columns.as_ref().map(|names| names.parse::<Columns>()).transpose()?;
    let columns = columns.map(|columns| columns.names().to_vec());
    if columns.is_some() && !matches!(to, Layout::Csv | Layout::Tsv) {
        return Err(Error::Usage(
            "--columns names those of CSV or TSV that is written (--to csv)".into(),
        ));
    }
    let task = Task::new(matches, &arguments, from, to)?;
    let operations = match &output {
        Some(_) => operations(arguments)?,
        None => Vec::new(),
    };
    let has_columns = from.is_rows() && !operations.contains(&"reduce");
    if matches!(to, Layout::Csv | Layout::Tsv) && columns.is_none() && !has_columns {
        return Err(Error::Usage(
            "nothing names the columns of the output; name them (--columns a,b,c), or choose \
             another format (--to ndjson)"
                .into(),
        ));
    }
    let spec = Spec {
        program: submit::PROGRAM.into(),
        arguments: task.arguments,
        merge_arguments: task.merge_arguments,
        doctor_arguments: task.doctor_arguments,
        inputs: uris,
        output,
        from,
        to,
        columns,
        schema: matches.get_one::<String>("schema_ddl").cloned(),
        filters: operations.iter().all(|operation| *operation == "filter"),
        reduces: operations.contains(&"reduce"),
        dead_letters: letters,
        max_errors: task.max_errors,
        split_size: matches.get_one::<ByteSize>("split_size").map_or(0, ByteSize::as_u64),
        multi_line: matches.get_flag("multi_line"),
        check,
        quiet,
    };
    Ok((spec, task.files))
}

/// A name that can be told to a program of another language.
fn text(word: &OsStr) -> Result<String, Error> {
    word.to_str().map(str::to_owned).ok_or_else(|| {
        Error::Usage(format!("{} is not UTF-8, and Spark cannot be told of it", word.display()))
    })
}

/// What each plugin does; all that is wrong with them, and with what they are told, is found.
fn operations(mut arguments: Arguments) -> Result<Vec<&'static str>, Error> {
    arguments.inputs.clear();
    arguments.dead_letters = None;
    arguments.on_error = None;
    arguments.columns = None;
    arguments.from = None;
    arguments.to = Some(ToFormat::Ndjson);
    arguments.dry_run = true;
    let job = settle(arguments, InputsAre::Records)?.job;
    let Explanation { plugins, .. } = host::explain(&job)?;
    Ok(plugins.iter().map(|plugin| plugin.operation).collect())
}
