//! The points at which there can be faults: by hand, and compared with the sources.

use std::collections::BTreeSet;
use std::path::Path;

/// A point.
#[derive(Copy, Clone, Debug)]
pub struct Point {
    pub name: &'static str,
    /// It is reached several times in a run.
    pub often: bool,
    /// It is where something can fail that the program has to do.
    pub fails: bool,
    /// In which jobs it is reached.
    pub job: Job,
}

/// What is done in a job.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Job {
    Records,
    Reduce,
    /// A table is read, and another one written.
    Tables,
}

const fn once(name: &'static str) -> Point {
    Point { name, often: false, fails: false, job: Job::Records }
}

const fn often(name: &'static str) -> Point {
    Point { often: true, ..once(name) }
}

const fn failing(name: &'static str) -> Point {
    Point { fails: true, ..often(name) }
}

const fn failing_once(name: &'static str) -> Point {
    Point { fails: true, ..once(name) }
}

const fn reduce(name: &'static str) -> Point {
    Point { job: Job::Reduce, ..once(name) }
}

const fn table(point: Point) -> Point {
    Point { job: Job::Tables, ..point }
}

/// All points that are there.
pub const POINTS: &[Point] = &[
    once("supervisor/before-spawn"),
    once("supervisor/after-spawn"),
    once("supervisor/before-prepare"),
    once("supervisor/after-prepare"),
    once("supervisor/before-compile"),
    once("supervisor/after-compile"),
    once("supervisor/before-start"),
    once("supervisor/after-start"),
    often("supervisor/before-process"),
    often("supervisor/after-process"),
    reduce("supervisor/before-states"),
    reduce("supervisor/after-states"),
    reduce("supervisor/before-fetch"),
    reduce("supervisor/after-fetch"),
    once("supervisor/before-stop"),
    once("supervisor/after-stop"),
    once("supervisor/before-hello"),
    once("supervisor/after-hello"),
    once("supervisor/before-locked"),
    once("supervisor/after-locked"),
    once("supervisor/before-online"),
    once("supervisor/after-online"),
    once("supervisor/before-compiled"),
    failing_once("supervisor/before-write-artifact"),
    failing_once("supervisor/before-rename-artifact"),
    once("supervisor/after-rename-artifact"),
    often("supervisor/before-done"),
    often("supervisor/after-done"),
    reduce("supervisor/before-piece"),
    reduce("supervisor/after-piece"),
    often("supervisor/before-commit"),
    often("supervisor/after-commit"),
    failing("supervisor/before-write"),
    often("supervisor/after-write"),
    failing("supervisor/before-write-letter"),
    often("supervisor/after-write-letter"),
    failing_once("supervisor/before-create-journal"),
    once("supervisor/after-create-journal"),
    failing("supervisor/before-write-journal"),
    failing("supervisor/after-write-journal"),
    often("supervisor/after-fsync-journal"),
    failing("supervisor/before-fsync-output"),
    often("supervisor/after-fsync-output"),
    failing("supervisor/before-fsync-letters"),
    often("supervisor/after-fsync-letters"),
    failing_once("supervisor/before-close-output"),
    once("supervisor/after-close-output"),
    failing_once("supervisor/before-rename"),
    once("supervisor/after-rename"),
    failing_once("supervisor/before-fsync-directory"),
    once("supervisor/after-fsync-directory"),
    failing_once("supervisor/before-remove-journal"),
    once("supervisor/after-remove-journal"),
    once("worker/before-hello"),
    once("worker/after-hello"),
    once("worker/after-prepare"),
    once("worker/before-locked"),
    once("worker/after-locked"),
    once("worker/after-start"),
    once("worker/before-online"),
    once("worker/after-online"),
    often("worker/after-process"),
    often("worker/before-done"),
    often("worker/after-done"),
    once("worker/before-instantiate"),
    once("worker/after-instantiate"),
    often("worker/before-call"),
    often("worker/after-call"),
    often("worker/before-output"),
    often("worker/after-output"),
    reduce("worker/after-states"),
    reduce("worker/after-fetch"),
    reduce("worker/before-state"),
    reduce("worker/after-state"),
    reduce("worker/before-piece"),
    reduce("worker/after-piece"),
    once("worker/after-stop"),
    table(once("supervisor/before-table")),
    table(once("supervisor/after-table")),
    table(often("supervisor/before-rows")),
    table(often("supervisor/after-rows")),
    table(failing("supervisor/before-write-table")),
    table(often("supervisor/after-write-table")),
    table(failing_once("supervisor/before-rename-table")),
    table(once("supervisor/after-rename-table")),
    table(once("table/before-hello")),
    table(once("table/after-hello")),
    table(once("table/after-prepare")),
    table(once("table/before-locked")),
    table(once("table/after-locked")),
    table(once("table/after-table")),
    table(once("table/before-online")),
    table(once("table/after-online")),
    table(often("table/after-fetch")),
    table(often("table/after-rows")),
    table(often("table/before-piece")),
    table(often("table/after-piece")),
    once("compile/before-hello"),
    once("compile/after-hello"),
    once("compile/after-prepare"),
    once("compile/before-locked"),
    once("compile/after-locked"),
    once("compile/before-compiling"),
    once("compile/after-compiling"),
    once("compile/before-compiled"),
];

/// What the sources call points by name has to be in the list above. Those of messages are
/// named by the message, and reached in a run or not there.
pub fn are_complete() -> Result<String, String> {
    let mut named = BTreeSet::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    look(&source, &mut named).map_err(|error| error.to_string())?;
    let listed: BTreeSet<&str> =
        POINTS.iter().filter_map(|point| Some(point.name.split_once('/')?.1)).collect();
    let missing: Vec<&String> =
        named.iter().filter(|name| !listed.contains(name.as_str())).collect();
    match missing.is_empty() && named.len() > 20 {
        true => Ok(format!("{} points", POINTS.len())),
        false => Err(format!("not in the list: {missing:?} of {}", named.len())),
    }
}

fn look(folder: &Path, named: &mut BTreeSet<String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            look(&path, named)?;
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        for call in ["fault::pass(\"", "fault::at(\"", "fault::at_record(\""] {
            for rest in text.split(call).skip(1) {
                named.extend(rest.split('"').next().map(str::to_owned));
            }
        }
    }
    Ok(())
}
