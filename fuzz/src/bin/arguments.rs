#![no_main]

// The command line belongs to the program, not to the library.
#[allow(dead_code, reason = "most of it is for the program")]
#[path = "../../../src/cli/mod.rs"]
mod cli;

libfuzzer_sys::fuzz_target!(|data: &[u8]| cli::fuzz(data));
