//! `host merge`: makes one result of states that runs with --partial-state have written.

use super::InputsAre;
use super::subcommand::Subcommand;

/// The subcommand.
pub const MERGE: Subcommand = Subcommand {
    name: "merge",
    about: "Merges states that runs with --partial-state have written",
    long_about: "\
Merges states that runs with --partial-state have written, in the order given, and writes the \
records that the plugin makes of the last one; with --partial-state, that state instead",
    examples: "\
Examples:
  host --plugin count.wasm --param by=type --partial-state -o a.state a.ndjson
  host --plugin count.wasm --param by=type --partial-state -o b.state b.ndjson
  host merge --plugin count.wasm --param by=type a.state b.state

The plugin and its parameters have to be those that made the states.",
    shared: &[
        "plugin",
        "param",
        "params",
        "data",
        "clock_start",
        "seed",
        "real_clock",
        "real_random",
        "inputs",
        "output",
        "job",
        "to",
        "columns",
        "schema",
        "table_memory",
        "no_header",
        "workers",
        "memory",
        "memory_budget",
        "timeout",
        "max_output",
        "max_state",
        "max_data",
        "partial_state",
        "fsync",
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
        "plugin_log",
        "show_records",
        "verbose",
        "progress",
        "metrics",
        "log",
        "log_format",
        "stats",
        "report",
        "errors",
        "quiet",
    ],
    inputs: ("STATE", "Files with states, in this order"),
    does: "states are merged",
    inputs_are: InputsAre::States,
    own: |command| command,
};
