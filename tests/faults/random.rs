//! Schedules of faults drawn at random: the input, what the plugin does, the number of
//! workers, the size of ranges, and at least three faults that fire.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::every_point::plugin;
use crate::points::{Job, POINTS, Point};
use crate::scene::{Scene, side_by_side};
use crate::wat;

/// Faults that have to fire in each schedule.
const FAULTS: usize = 3;
/// Times that a schedule is drawn anew because too few of its faults have fired.
const DRAWS: u64 = 20;
/// Runs that may go on from each other.
const RUNS: usize = 30;

/// A source of numbers: SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }
}

/// What one schedule came to.
struct Played {
    seed: u64,
    /// Faults that have fired, `point action`.
    fired: Vec<String>,
    draws: u64,
    trouble: Option<String>,
}

pub fn test() -> Result<String, String> {
    let range = std::env::var("HOST_TEST_SEEDS").unwrap_or_else(|_| "1..=300".into());
    let (first, last) = range.split_once("..=").ok_or("HOST_TEST_SEEDS is FIRST..=LAST")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| error.to_string());
    let seeds: Vec<u64> = (number(first)?..=number(last)?).collect();
    let played = side_by_side(&seeds, |seed| play(*seed));
    let mut counts: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    let mut report = String::new();
    let (mut fired, mut draws, mut bad) = (0, 0, 0);
    for one in &played {
        fired += one.fired.len();
        draws += one.draws;
        for fault in &one.fired {
            let mut words = fault.split(' ');
            let point = words.next().unwrap_or_default().to_owned();
            let kind = words.next().unwrap_or_default();
            let kind = kind.split('(').next().unwrap_or_default().to_owned();
            *counts.entry(point).or_default().entry(kind).or_default() += 1;
        }
        if let Some(trouble) = &one.trouble {
            bad += 1;
            let _ = writeln!(report, "seed {}: {trouble}", one.seed);
        }
    }
    let kinds = ["Kill", "Stop", "Interrupt", "Delay", "Fail", "Crash"];
    let _ = write!(report, "{:<38}", "point");
    for kind in kinds {
        let _ = write!(report, "{kind:>10}");
    }
    report.push('\n');
    for point in drawn() {
        let _ = write!(report, "{:<38}", point.name);
        for kind in kinds {
            let count = counts.get(point.name).and_then(|kinds| kinds.get(kind)).unwrap_or(&0);
            let _ = match can(point, kind) {
                true => write!(report, "{count:>10}"),
                false => write!(report, "{:>10}", ""),
            };
        }
        report.push('\n');
    }
    let _ = write!(
        report,
        "{} schedules, {fired} faults fired, {} drawn anew, {bad} failed",
        played.len(),
        draws - played.len() as u64
    );
    if bad == 0 { Ok(report) } else { Err(report) }
}

/// Points that are drawn: in these jobs there are no tables.
fn drawn() -> impl Iterator<Item = &'static Point> {
    POINTS.iter().filter(|point| point.job != Job::Tables)
}

/// Whether a fault of this kind is one that the program has to survive there: a plugin
/// that crashes when it is instantiated, or at its state, ends the job.
fn can(point: &Point, kind: &str) -> bool {
    let of_plugin = point.name.ends_with("-instantiate") || point.name.ends_with("-state");
    match kind {
        "Fail" => point.fails,
        "Interrupt" => point.name.starts_with("supervisor/"),
        "Crash" => !point.name.starts_with("supervisor/") && !of_plugin,
        _ => true,
    }
}

/// Plays the schedule of a seed; draws it anew until enough of its faults fire.
fn play(seed: u64) -> Played {
    let mut played = Played { seed, fired: Vec::new(), draws: 0, trouble: None };
    for draw in 0..DRAWS {
        let mut dice = Dice(seed.wrapping_mul(1_000_003).wrapping_add(draw));
        played.draws += 1;
        match play_once(&mut dice) {
            Ok(fired) if fired.len() >= FAULTS => {
                played.fired = fired;
                return played;
            }
            Ok(_) => {}
            Err(why) => {
                played.trouble = Some(why);
                return played;
            }
        }
    }
    played.trouble = Some(format!("of no draw {FAULTS} faults fired"));
    played
}

/// What is run over the input.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Does {
    Filter,
    Map,
    FlatMap,
    Batch,
    Reduce,
}

struct Input {
    name: &'static str,
    flags: &'static str,
    bytes: Vec<u8>,
    output: Vec<u8>,
    /// Numbers of the records that fail.
    failing: Vec<u64>,
    records: u64,
}

/// What is in the records that a plugin fails at.
fn marks(does: Does) -> &'static [char] {
    match does {
        Does::Filter => &['!', '#', '$'],
        Does::Map => &['!', '#'],
        Does::FlatMap => &['!'],
        Does::Batch | Does::Reduce => &['!', '?'],
    }
}

fn plugin_of(does: Does) -> String {
    let has = |byte: char| {
        format!("(call $has (local.get $at) (local.get $length) (i32.const {}))", byte as u32)
    };
    match does {
        Does::Filter => plugin(),
        Does::Map => wat::map(&format!(
            "(if {} (then unreachable))
             (if {} (then (loop $again (br $again)))) {}",
            has('!'),
            has('#'),
            wat::SAME
        )),
        Does::FlatMap => wat::flat_map_with(2, &format!("(if {} (then unreachable))", has('!'))),
        Does::Batch => wat::batch(),
        Does::Reduce => wat::reduce(),
    }
}

fn draw_input(dice: &mut Dice, does: Does) -> Input {
    let records = 20 + dice.below(180);
    let times = if matches!(does, Does::FlatMap | Does::Batch) { 2 } else { 1 };
    let (mut texts, mut failing) = (Vec::new(), Vec::new());
    let mut slow = 0;
    for number in 1..=records {
        let length = dice.below(30) as usize;
        let mut text = format!("{number}{}", "x".repeat(length));
        if dice.below(25) == 0 {
            let mark = *dice.one_of(marks(does));
            // Each costs its time limit twice.
            let is_slow = mark == '$' || (does == Does::Map && mark == '#');
            if !is_slow || slow < 2 {
                slow += u32::from(is_slow);
                text.push(mark);
                failing.push(number);
            }
        }
        texts.push(text);
    }
    let kept = texts.iter().zip(1..).filter(|(_, number)| !failing.contains(number));
    let kept: Vec<&str> =
        kept.flat_map(|(text, _)| std::iter::repeat_n(text.as_str(), times)).collect();
    let lines =
        |texts: &[&str]| texts.iter().map(|text| format!("\"{text}\"\n")).collect::<String>();
    let array = |texts: &[&str]| match texts.is_empty() {
        true => "[]\n".to_owned(),
        false => format!("[\n{}\n]\n", lines(texts).trim_end().replace('\n', ",\n")),
    };
    let all: Vec<&str> = texts.iter().map(String::as_str).collect();
    let (name, flags, bytes, output) = match dice.below(if does == Does::Reduce { 2 } else { 3 }) {
        0 => ("data.ndjson", "", lines(&all), lines(&kept)),
        1 => {
            ("data.txt", "", all.join("\n") + "\n", kept.iter().map(|t| format!("{t}\n")).collect())
        }
        _ => ("data.json", "", array(&all), array(&kept)),
    };
    let (bytes, output) = (bytes.into_bytes(), output.into_bytes());
    Input { name, flags, bytes, output, failing, records }
}

/// Plays one draw. Gives the faults that fired.
fn play_once(dice: &mut Dice) -> Result<Vec<String>, String> {
    let all = [Does::Filter, Does::Filter, Does::Map, Does::FlatMap, Does::Batch, Does::Reduce];
    let does = *dice.one_of(&all);
    let input = draw_input(dice, does);
    let from_stdin = dice.below(5) == 0;
    // What cannot be gone on with is begun again.
    let resumes = !from_stdin && does != Does::Reduce;
    let (workers, range_size) = (1 + dice.below(4), 1 + dice.below(300));
    let window = *dice.one_of(&["0", "1", "200", "1MiB"]);
    // Lines can be in several files, too.
    let parts = match input.name {
        "data.json" => 1,
        _ if from_stdin => 1,
        _ => 1 + dice.below(3) as usize,
    };
    let names = match parts {
        1 => input.name.to_owned(),
        _ => (1..=parts).map(|part| format!("{part}-{} ", input.name)).collect(),
    };
    let from = match input.name {
        "data.ndjson" => "--from ndjson",
        "data.txt" => "--from lines",
        _ => "--from json",
    };
    let arguments = format!(
        "--dead-letters dead --max-errors 100% --fsync range --workers {workers} --window {window} \
         --range-size {range_size} --timeout 100ms --stats stats -o out {} {} {}",
        input.flags,
        if resumes { "--resume" } else { "" },
        if from_stdin { from } else { &names },
    );
    let faults = draw_faults(dice, does);
    let scene = Scene::new(&plugin_of(does), (input.name, &input.bytes))?;
    let scene = scene.caching(faults.iter().any(|plan| plan.contains("-artifact")));
    if parts > 1 {
        write_parts(&scene, &input, parts).map_err(|error| error.to_string())?;
    }
    std::fs::write(scene.path("out"), "old").map_err(|error| error.to_string())?;
    let describe =
        |why: String| format!("{why}\n    {does:?}: {arguments}\n    faults: {faults:?}");
    let stdin = from_stdin.then_some(input.name);
    let mut finished = false;
    for run in 0..RUNS {
        // Those of the first runs, and then none.
        let now = faults.get(run).map_or("", String::as_str);
        let ended = scene.run(&arguments, now, stdin).map_err(&describe)?;
        match ended.code {
            Some(0) => {
                finished = true;
                break;
            }
            None if !now.is_empty() => {}
            Some(130) if now.contains("interrupt") => {}
            Some(1 | 2) if now.contains("fail=") && ended.said.contains("os error") => {}
            code => return Err(describe(format!("it ended with {code:?}: {}", ended.said))),
        }
        let output = scene.read("out");
        if output != b"old" && output != input.output {
            return Err(describe("a half-written output has its name".into()));
        }
    }
    if !finished {
        return Err(describe("it did not come to its end".into()));
    }
    if scene.read("out") != input.output {
        return Err(describe("the output is another".into()));
    }
    let failing = in_parts(&input, parts);
    let letters = scene.letters().map_err(&describe)?;
    if letters != failing {
        let why = format!("dead letters {letters:?}, failing {failing:?}");
        return Err(describe(why));
    }
    scene.check_account(input.records).map_err(&describe)?;
    let wanted: Vec<&str> = names.split_whitespace().chain([input.name, "out", "dead"]).collect();
    scene.check_rest(&wanted).map_err(&describe)?;
    Ok(scene.fired())
}

/// Records of each part but the last, which has the rest.
fn part_length(input: &Input, parts: usize) -> usize {
    input.records as usize / parts
}

/// Writes the lines of an input to several files.
fn write_parts(scene: &Scene, input: &Input, parts: usize) -> std::io::Result<()> {
    let lines: Vec<&[u8]> = input.bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let length = part_length(input, parts);
    for part in 1..=parts {
        let end = if part == parts { lines.len() } else { part * length };
        let name = format!("{part}-{}", input.name);
        std::fs::write(scene.path(&name), lines[(part - 1) * length..end].concat())?;
    }
    Ok(())
}

/// The numbers of the records that fail, in their parts.
fn in_parts(input: &Input, parts: usize) -> Vec<u64> {
    let length = part_length(input, parts) as u64;
    let number = |number: &u64| {
        let part = ((number - 1) / length).min(parts as u64 - 1);
        number - part * length
    };
    input.failing.iter().map(number).collect()
}

/// Faults for the first few runs.
fn draw_faults(dice: &mut Dice, does: Does) -> Vec<String> {
    let points: Vec<&Point> =
        drawn().filter(|point| point.job != Job::Reduce || does == Does::Reduce).collect();
    let runs = 1 + dice.below(4);
    let mut plans = Vec::new();
    for _ in 0..runs {
        let mut plan = Vec::new();
        for _ in 0..3 + dice.below(4) {
            let point = dice.one_of(&points);
            let in_supervisor = point.name.starts_with("supervisor/");
            let kinds: Vec<&str> =
                ["Kill", "Kill", "Delay", "Delay", "Stop", "Interrupt", "Fail", "Crash"]
                    .into_iter()
                    .filter(|kind| can(point, kind))
                    .collect();
            let action = match *dice.one_of(&kinds) {
                "Kill" => "kill".to_owned(),
                "Stop" => "stop".to_owned(),
                "Interrupt" => "interrupt".to_owned(),
                "Delay" => format!("delay={}", 1 + dice.below(40)),
                "Fail" => format!("fail={}", dice.one_of(&[28, 5])),
                _ => "crash".to_owned(),
            };
            let hit = if point.often { 1 + dice.below(6) } else { 1 };
            let start = match in_supervisor {
                true => String::new(),
                false => format!("#{}", 1 + dice.below(3)),
            };
            plan.push(format!("{}{start}@{hit}:{action}", point.name));
        }
        plans.push(plan.join(";"));
    }
    plans
}
