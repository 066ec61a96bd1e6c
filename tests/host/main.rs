//! The program from end to end: each test runs it as a user does and asserts on what a
//! user sees (output bytes, exit code, message, account).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed, helpers included"
)]

mod account;
mod batch;
mod bench;
mod bombs;
mod bounds;
mod budget;
mod build_facts;
mod cache;
mod called;
mod canonical_abi;
mod check;
mod cli;
mod colours;
mod command_components;
mod commands;
mod completions;
mod compression;
mod conversions;
mod csv;
mod dead_letters;
mod directories;
mod disk_full;
mod endings;
mod errors_json;
mod failures;
mod faults;
mod formats;
mod golden;
mod help;
mod imports;
mod inputs;
mod inspect;
mod isolation;
mod job_file;
mod joblog;
mod limits;
mod lines;
mod manual;
mod metrics;
mod new;
mod odd_inputs;
mod operations;
mod order;
mod output_dir;
mod outputs;
mod parquet_and_arrow;
mod plugins;
mod pointer;
mod progress;
mod real_data;
mod reduce;
mod reference;
mod resume;
mod retry;
mod run;
mod run_report;
mod sample;
mod spark;
mod starved;
mod stats;
mod supervisor_log;
mod tables;
mod testing;
mod time_and_randomness;
mod trying_out;
mod wasi;
mod wasi_programs;
mod wat;
mod watching;
mod wrapped;
