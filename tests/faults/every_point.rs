//! A fault of each kind at each point, one by one.

use std::fmt::Write as _;

use crate::points::{POINTS, Point};
use crate::scene::{Scene, side_by_side};
use crate::wat;

/// Records of the job without a reduce; those with a mark fail.
const RECORDS: u64 = 150;
/// Runs that may follow each other until the job is done.
const RUNS: usize = 6;

/// A fault to be tried.
struct Trial {
    point: Point,
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
    let mut trials = Vec::new();
    for point in POINTS {
        for action in actions(point) {
            for hit in if point.often { &[1, 2][..] } else { &[1] } {
                trials.push(Trial { point: *point, action, hit: *hit });
            }
        }
    }
    let outcomes = side_by_side(&trials, |trial| match trial.point.reduce {
        true => of_reduce(trial),
        false => of_records(trial),
    });
    let mut table =
        format!("{:<38}{:<10}{:>4}{:>7}{:>6}  lost\n", "point", "fault", "hit", "fired", "runs");
    let mut bad = false;
    for (trial, outcome) in trials.iter().zip(&outcomes) {
        let Trial { point, action, hit } = trial;
        let Outcome { fired, runs, trouble } = outcome;
        bad |= trouble.is_some();
        let lost = trouble.as_deref().unwrap_or("nothing");
        let _ =
            writeln!(table, "{:<38}{action:<10}{hit:>4}{fired:>7}{runs:>6}  {lost}", point.name);
    }
    let _ = write!(table, "{} faults", trials.len());
    if bad { Err(table) } else { Ok(table) }
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

/// Runs a job with a fault, and goes on without until it is done.
fn run(
    trial: &Trial,
    plugin: &str,
    input: &[u8],
    arguments: &str,
    judge: impl Fn(&Scene) -> Result<(), String>,
) -> Outcome {
    let Trial { point, action, hit } = trial;
    // Of workers, the first; a replacement is not disturbed. Which of them lives to the end
    // cannot be known.
    let any = point.name.starts_with("supervisor/") || point.name == "worker/after-stop";
    let start = if any { "" } else { "#1" };
    let (point_name, crashes) = (point.name, *action == "crash");
    let of_plugin = point_name.ends_with("-instantiate") || point_name.ends_with("-state");
    let faults = format!("{}{start}@{hit}:{action}", point.name);
    let mut runs = 0;
    let mut attempt = || -> Result<usize, String> {
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
        if fired == 0 {
            return Err("the point was not reached".into());
        }
        Ok(fired)
    };
    match attempt() {
        Ok(fired) => Outcome { fired, runs, trouble: None },
        Err(why) => Outcome { fired: 0, runs, trouble: Some(why) },
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
