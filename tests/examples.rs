//! Every program in examples/ runs from the repository and does not fail: each asserts what it
//! shows.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::process::Command;

#[test]
fn every_example_does_what_it_shows() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Cargo puts them there before it runs tests.
    let built = Path::new(env!("CARGO_BIN_EXE_host")).with_file_name("examples");
    let mut names = Vec::new();
    for entry in repository.join("examples").read_dir().unwrap() {
        let path = entry.unwrap().path();
        // Those for other engines are run by tests/engines/check.py.
        if path.is_dir() {
            continue;
        }
        let name = path.file_stem().unwrap();
        let ran = Command::new(built.join(name)).current_dir(repository).output();
        let ran = ran.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{}: {said}", path.display());
        assert!(!ran.stdout.is_empty(), "{} shows nothing", path.display());
        names.push(name.to_owned());
    }
    assert!(names.len() >= 3, "{names:?}");
}
