//! A fault of each kind at each point, one by one.

use std::fmt::Write as _;

use crate::points::{Job, POINTS, Point};
use crate::scene::{Scene, side_by_side};
use crate::wat;

/// Records of the job without a reduce; those with a mark fail.
const RECORDS: u64 = 150;
/// Runs that may follow each other until the job is done.
const RUNS: usize = 6;
/// How often a point is tried that is not reached.
const ATTEMPTS: usize = 5;

/// A fault to be tried.
struct Trial {
    point: Point,
    /// Which process of its role has it; none for all of them.
    start: Option<u32>,
    action: &'static str,
    hit: u32,
}

/// What came of it.
struct Outcome {
    fired: usize,
    runs: usize,
    trouble: Option<String>,
}

pub fn test() -> Result<String, String> {
    let word = std::env::var("HOST_TEST_POINTS").unwrap_or_default();
    let mut trials = Vec::new();
    for point in POINTS.iter().filter(|point| point.name.contains(&word)) {
        for action in actions(point) {
            for hit in if point.often { &[1, 2][..] } else { &[1] } {
                for start in starts(point) {
                    trials.push(Trial { point: *point, start, action, hit: *hit });
                }
            }
        }
    }
    let undisturbed = undisturbed_table()?;
    let outcomes = side_by_side(&trials, |trial| match trial.point.job {
        Job::Records => of_records(trial),
        Job::Reduce => of_reduce(trial),
        Job::Tables => of_tables(trial, &undisturbed),
    });
    let mut table =
        format!("{:<38}{:<10}{:>4}{:>7}{:>6}  lost\n", "point", "fault", "hit", "fired", "runs");
    let mut bad = false;
    for (trial, outcome) in trials.iter().zip(&outcomes) {
        let Trial { action, hit, .. } = trial;
        let Outcome { fired, runs, trouble } = outcome;
        bad |= trouble.is_some();
        let (name, lost) = (trial.place(), trouble.as_deref().unwrap_or("nothing"));
        let _ = writeln!(table, "{name:<38}{action:<10}{hit:>4}{fired:>7}{runs:>6}  {lost}");
    }
    let _ = write!(table, "{} faults", trials.len());
    if bad { Err(table) } else { Ok(table) }
}

impl Trial {
    /// The point, in the process that has the fault.
    fn place(&self) -> String {
        match self.start {
            Some(start) => format!("{}#{start}", self.point.name),
            None => self.point.name.into(),
        }
    }
}

/// Which processes have a fault at a point. Of workers, the first; a replacement is not
/// disturbed. Which of them lives to the end cannot be known. Of table workers there are two:
/// the first reads, and once that is done the second writes.
fn starts(point: &Point) -> Vec<Option<u32>> {
    match point.name.split_once('/') {
        Some(("supervisor", _)) | Some(("worker", "after-stop")) => vec![None],
        Some(("table", rest)) if rest != "after-rows" => vec![Some(1), Some(2)],
        _ => vec![Some(1)],
    }
}

fn actions(point: &Point) -> Vec<&'static str> {
    let mut actions = vec!["kill", "stop", "delay=30"];
    if point.fails {
        // No space left, an error of the device.
        actions.extend(["fail=28", "fail=5"]);
    }
    match point.name.starts_with("supervisor/") {
        true => actions.push("interrupt"),
        false => actions.push("crash"),
    }
    actions
}

/// Traps, rejects and hangs at one record each, and keeps the others.
pub fn plugin() -> String {
    let has =
        |byte: u8| format!("(call $has (local.get $at) (local.get $length) (i32.const {byte}))");
    wat::filter(&format!(
        "(if {} (then unreachable)) (if {} (then (return (call $rejected))))
         (if {} (then (loop $again (br $again)))) (call $yes)",
        has(b'!'),
        has(b'#'),
        has(b'$'),
    ))
}

fn of_records(trial: &Trial) -> Outcome {
    let mark = |number| match number {
        40 => "!",
        77 => "#",
        110 => "$",
        _ => "-",
    };
    let lines: Vec<String> = (1..=RECORDS)
        .map(|number| format!("{{\"n\":{number},\"m\":\"{}\"}}\n", mark(number)))
        .collect();
    let wanted: String =
        lines.iter().filter(|line| line.contains('-')).map(String::as_str).collect();
    let arguments = "--dead-letters dead --max-errors 100% --fsync range --resume --workers 2 \
                     --range-size 300 --timeout 100ms --stats stats -o out data.ndjson";
    let judge = |scene: &Scene| {
        if scene.read("out") != wanted.as_bytes() {
            return Err("the output is another".to_owned());
        }
        let letters = scene.letters()?;
        if letters != [40, 77, 110] {
            return Err(format!("the dead letters are {letters:?}"));
        }
        scene.check_account(RECORDS)?;
        scene.check_rest(&["data.ndjson", "out", "dead"])
    };
    run(trial, &plugin(), lines.concat().as_bytes(), arguments, judge)
}

fn of_reduce(trial: &Trial) -> Outcome {
    // More than passes at once.
    let long = "x".repeat(700);
    let lines: Vec<String> = (0..2500).map(|number| format!("{number:05}{long}\n")).collect();
    let wanted = lines.concat();
    let arguments =
        "--timeout 100ms --range-size 400KiB --workers 2 --stats stats -o out data.ndjson";
    let judge = |scene: &Scene| {
        if scene.read("out") != wanted.as_bytes() {
            return Err("the output is another".to_owned());
        }
        scene.check_account(2500)?;
        scene.check_rest(&["data.ndjson", "out"])
    };
    run(trial, &wat::reduce(), wanted.as_bytes(), arguments, judge)
}

/// What is read is a table, and what is written is one: of more text than passes at once, with
/// rows that are longer than that.
fn of_tables(trial: &Trial, table: &[u8]) -> Outcome {
    let arguments = "--resume --workers 1 --stats stats --from arrow --to arrow -o out data.ndjson";
    let judge = |scene: &Scene| {
        // What an undisturbed run makes of it is the same table.
        if scene.read("out") != table {
            return Err("the output is another".to_owned());
        }
        scene.check_account(RECORDS)?;
        scene.check_rest(&["data.ndjson", "out"])
    };
    run(trial, &wat::keeps_all(), table, arguments, judge)
}

/// Makes that table of lines, and sees that it is made of it again, and that it has those lines.
fn undisturbed_table() -> Result<Vec<u8>, String> {
    let long = |number| "x".repeat(if number % 50 == 0 { 10_000 } else { 100 });
    let lines =
        (0..RECORDS).map(|number| format!("{{\"n\":{number},\"text\":\"{}\"}}\n", long(number)));
    let lines: String = lines.collect();
    let made = |input: &[u8], arguments: &str| -> Result<Vec<u8>, String> {
        let scene = Scene::new(&wat::keeps_all(), ("data.ndjson", input))?;
        let ended = scene.run(&format!("{arguments} -o out data.ndjson"), "", None)?;
        match ended.code {
            Some(0) => Ok(scene.read("out")),
            code => Err(format!("undisturbed it ended with {code:?}: {}", ended.said)),
        }
    };
    let table = made(lines.as_bytes(), "--to arrow")?;
    if made(&table, "--from arrow --to ndjson")? != lines.as_bytes() {
        return Err("the table has other rows".into());
    }
    match made(&table, "--from arrow --to arrow")? == table {
        true => Ok(table),
        false => Err("the table is not made again as it was".into()),
    }
}

/// Runs a job with a fault, and goes on without until it is done.
fn run(
    trial: &Trial,
    plugin: &str,
    input: &[u8],
    arguments: &str,
    judge: impl Fn(&Scene) -> Result<(), String>,
) -> Outcome {
    let Trial { point, action, hit, .. } = trial;
    let (point_name, crashes) = (point.name, *action == "crash");
    let of_plugin = point_name.ends_with("-instantiate") || point_name.ends_with("-state");
    let faults = format!("{}@{hit}:{action}", trial.place());
    let mut runs = 0;
    let mut attempt = || -> Result<usize, String> {
        runs = 0;
        let scene = Scene::new(plugin, ("data.ndjson", input))?;
        let scene = scene.caching(point_name.ends_with("-artifact"));
        std::fs::write(scene.path("out"), "old").map_err(|error| error.to_string())?;
        loop {
            runs += 1;
            let faults = if runs == 1 { &faults[..] } else { "" };
            let ended = scene.run(arguments, faults, None)?;
            let output = scene.read("out");
            match ended.code {
                Some(0) => break,
                // Whatever it was: the output has its name only when it is whole.
                None if runs <= RUNS => {}
                Some(130) if runs == 1 && *action == "interrupt" => {}
                Some(1) if runs <= RUNS && action.starts_with("fail") => {
                    let named = ["os error 28", "os error 5"]
                        .iter()
                        .any(|error| ended.said.contains(error));
                    if !named {
                        return Err(format!("it does not say why: {}", ended.said));
                    }
                }
                // Bringing the plugin to life, and its state, are the plugin's business.
                Some(1) if runs == 1 && crashes && of_plugin => {}
                // Nothing was started yet.
                Some(2) if runs == 1 && point_name.ends_with("-create-journal") => {}
                code => return Err(format!("it ended with {code:?}: {}", ended.said)),
            }
            if output != b"old" {
                // Killed behind the rename; then it is whole.
                judge_output(&scene, &judge)?;
            }
        }
        let fired = scene.fired().len();
        judge(&scene)?;
        Ok(fired)
    };
    // On a busy machine another worker may have done what was meant for this one.
    let reached = (0..ATTEMPTS).map(|_| attempt()).find(|fired| *fired != Ok(0));
    match reached {
        Some(Ok(fired)) => Outcome { fired, runs, trouble: None },
        Some(Err(why)) => Outcome { fired: 0, runs, trouble: Some(why) },
        None => Outcome { fired: 0, runs, trouble: Some("the point was not reached".into()) },
    }
}

/// Judges the output alone.
fn judge_output(scene: &Scene, judge: impl Fn(&Scene) -> Result<(), String>) -> Result<(), String> {
    match judge(scene) {
        Err(why) if why.contains("the output is another") => {
            Err("a half-written output has its name".into())
        }
        _ => Ok(()),
    }
}
