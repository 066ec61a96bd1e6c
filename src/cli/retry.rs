//! `host retry`: runs records again that --dead-letters has written aside.

use super::InputsAre;
use super::subcommand::Subcommand;

/// The subcommand.
pub const RETRY: Subcommand = Subcommand {
    name: "retry",
    about: "Runs records again that --dead-letters has written aside",
    long_about: "\
Runs records again that --dead-letters has written aside, and writes a line of JSON for each that \
does not fail once more: where it stood, and what came of it",
    examples: "\
Examples:
  host --plugin map.wasm --dead-letters dead.ndjson --max-errors 1% data.ndjson
  host retry --plugin fixed.wasm --dead-letters still.ndjson dead.ndjson

A line of results is {\"file\":\"data.ndjson\",\"record\":17,\"offset\":1234,\"length\":56,\"result\":[...]}; \
`result` is empty where the plugin dropped the record. Letters of records that fail once more \
speak of where they stood at first. Of a reduce the result is that of all records together, and \
with --partial-state a state that `host merge` can take.",
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
        "output",
        "job",
        "unordered",
        "workers",
        "range_size",
        "window",
        "on_error",
        "dead_letters",
        "retries",
        "max_errors",
        "resume",
        "accept_plugin",
        "allow_append",
        "resume_verify",
        "fsync",
        "memory",
        "memory_budget",
        "timeout",
        "max_output",
        "max_state",
        "max_data",
        "max_record",
        "schema",
        "table_memory",
        "partial_state",
        "cache",
        "compile_memory",
        "compile_timeout",
        "fuel",
        "job_timeout",
        "max_instances",
        "max_log",
        "stack",
        "sandbox",
        "sandbox_require",
        "limit",
        "only",
        "plugin_log",
        "show_records",
        "verbose",
        "progress",
        "joblog",
        "metrics",
        "log",
        "log_format",
        "stats",
        "report",
        "errors",
        "quiet",
    ],
    inputs: ("DEAD", "Files of dead letters, in this order; `-` is standard input"),
    does: "dead letters are run again",
    inputs_are: InputsAre::DeadLetters,
    own: |command| command,
};
