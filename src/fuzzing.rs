//! What fuzzers call (`fuzz/`): everything here that reads bytes of a worker, of a plugin's
//! author, or of whoever owns the data. Each function takes any bytes, and panics where a
//! promise does not hold. Built for fuzzers (`--cfg fuzzing`) and tests only.

/// A function that a fuzzer calls.
pub type Target = fn(&[u8]);

/// All of them, by the names of their fuzzers.
pub const TARGETS: &[(&str, Target)] = &[
    ("packets", crate::ipc::fuzz),
    ("answers", crate::supervisor::fuzz_answers),
    ("splitters", crate::records::fuzz::splitters),
    ("pointers", crate::records::fuzz::pointers),
    ("rows", crate::records::fuzz::rows),
    ("json", crate::records::fuzz::json),
    ("compressed", crate::input::fuzz_compressed),
    ("journals", crate::journal::fuzz),
    ("letters", crate::worker::fuzz_letters),
    ("states", crate::state_file::fuzz),
    ("pieces", crate::tables::fuzz_pieces),
    #[cfg(feature = "tables")]
    ("parquet", crate::tables::fuzz_parquet),
    #[cfg(feature = "tables")]
    ("arrow", crate::tables::fuzz_arrow),
    #[cfg(feature = "tables")]
    ("lines", crate::tables::fuzz_lines),
    ("entries", crate::compile::fuzz_entries),
    ("plugins", crate::runtime::fuzz_plugins),
];

/// Calls the function of this name.
#[allow(clippy::panic, reason = "a panic tells the fuzzer")]
pub fn run(name: &str, data: &[u8]) {
    match TARGETS.iter().find(|(target, _)| *target == name) {
        Some((_, target)) => target(data),
        None => panic!("there is no fuzzer {name}"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// What fuzzers begin with, and what they have found.
    #[test]
    fn every_seed_is_survived() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
        for (name, _) in TARGETS {
            let files: Vec<_> = std::fs::read_dir(seeds.join(name)).unwrap().collect();
            assert!(!files.is_empty(), "{name} has no seeds");
            let program = seeds.with_file_name("src").join(format!("bin/{name}.rs"));
            assert!(program.exists(), "{name} has no fuzzer");
            for file in files {
                run(name, &std::fs::read(file.unwrap().path()).unwrap());
            }
            run(name, &[]);
        }
        // Those of the command line are the program's.
        assert_eq!(std::fs::read_dir(seeds).unwrap().count(), TARGETS.len() + 1);
    }
}
