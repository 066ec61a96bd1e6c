//! `host merge`: makes one result of states that runs with --partial-state have written.

use super::InputsAre;
use super::subcommand::Subcommand;

/// The subcommand.
pub const MERGE: Subcommand = Subcommand {
    name: "host merge",
    about: "\
Merges states of a reduce in the order given, and writes the records that the plugin makes \
of the last one; with --partial-state, that state instead",
    examples: "\
Examples:
  host --plugin count-by.wasm --param by=type --partial-state -o monday.state monday.ndjson
  host --plugin count-by.wasm --param by=type --partial-state -o tuesday.state tuesday.ndjson
  host merge --plugin count-by.wasm --param by=type monday.state tuesday.state

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
        "to",
        "columns",
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
        "stats",
        "report",
        "quiet",
    ],
    inputs: ("STATE", "Files with states, in this order"),
    does: "states are merged",
    inputs_are: InputsAre::States,
};
