//! `--joblog`: a line for each range that was tried.

use std::io::{BufRead as _, BufReader, Write as _};

use rustix::process::{Pid, Signal, kill_process};

use crate::run::Scene;
use crate::wat;

const COLUMNS: [&str; 14] = [
    "Seq",
    "Worker",
    "Starttime",
    "JobRuntime",
    "Send",
    "Receive",
    "Exitval",
    "Signal",
    "Reason",
    "Records",
    "Failed",
    "Start",
    "End",
    "Input",
];

/// The lines below the header, each with its columns.
fn lines(scene: &Scene) -> Vec<Vec<String>> {
    let text = String::from_utf8(scene.read("job.log")).unwrap();
    assert!(text.ends_with('\n'));
    let mut lines =
        text.lines().map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>());
    assert_eq!(lines.next().unwrap(), COLUMNS);
    let lines: Vec<_> = lines.collect();
    assert!(lines.iter().all(|line| line.len() == COLUMNS.len()), "{lines:?}");
    lines
}

fn column<'a>(line: &'a [String], name: &str) -> &'a str {
    &line[COLUMNS.iter().position(|column| *column == name).unwrap()]
}

fn sum(lines: &[Vec<String>], name: &str) -> u64 {
    lines.iter().map(|line| column(line, name).parse::<u64>().unwrap()).sum()
}

#[test]
fn every_range_has_a_line_and_they_add_up() {
    let scene = Scene::new();
    let data: String = (0..500).map(|n| if n % 50 == 7 { "!\n" } else { "fine\n" }).collect();
    scene.file("data.ndjson", &data);
    let arguments = "--on-error skip --max-errors 10 --workers 3 --range-size 100 -o out.ndjson";
    let host = scene.host(&wat::rejects()).args(arguments).args("--joblog job.log data.ndjson");
    host.run().exits(0);
    let lines = lines(&scene);
    assert!(lines.len() > 20);
    assert_eq!((sum(&lines, "Records"), sum(&lines, "Failed")), (500, 10));
    assert_eq!((sum(&lines, "Exitval"), sum(&lines, "Signal")), (0, 0));
    assert_eq!(sum(&lines, "Receive"), 490 * 5);
    let mut stretches = Vec::new();
    for (number, line) in (1..).zip(&lines) {
        assert_eq!(column(line, "Seq"), number.to_string());
        assert_eq!((column(line, "Reason"), column(line, "Input")), ("-", "data.ndjson"));
        assert!(column(line, "Worker").parse::<u64>().unwrap() < 3);
        let (whole, thousandths) = column(line, "Starttime").split_once('.').unwrap();
        assert!(whole.parse::<u64>().unwrap() > 1_700_000_000 && thousandths.len() == 3);
        assert!(column(line, "JobRuntime").parse::<f64>().unwrap() >= 0.0);
        let [start, end] = ["Start", "End"].map(|name| column(line, name).parse::<u64>().unwrap());
        assert_eq!(column(line, "Send"), (end - start).to_string());
        stretches.push((start, end));
    }
    stretches.sort_unstable();
    assert_eq!((stretches[0].0, stretches[stretches.len() - 1].1), (0, data.len() as u64));
    assert!(stretches.windows(2).all(|two| two[0].1 <= two[1].0), "{stretches:?}");
}

#[test]
fn a_range_whose_worker_died_has_a_line_with_the_signal() {
    let scene = Scene::new();
    let host = scene.host(&wat::loops()).args("--log trace --timeout 1s --on-error skip");
    let host = host.args("--max-errors 1 --joblog job.log --from ndjson");
    let mut run = host.stdin_pipe().start();
    let mut input = run.stdin.take().unwrap();
    input.write_all(b"\"!\"\n").unwrap();
    let mut said = BufReader::new(run.stderr.take().unwrap()).lines();
    let given = said.find(|line| line.as_ref().unwrap().contains("can begin with a range"));
    let given = given.unwrap().unwrap();
    let pid = given.split_once("pid=").unwrap().1.split_whitespace().next().unwrap();
    kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
    drop(input);
    said.for_each(|line| drop(line.unwrap()));
    assert!(run.wait().unwrap().success());
    let lines = lines(&scene);
    let of = |reason: &str| -> Vec<_> {
        lines.iter().filter(|line| column(line, "Reason") == reason).collect()
    };
    let (died, timeout, done) = (of("died"), of("timeout"), of("-"));
    assert_eq!(died.len(), 1);
    // Whether the first kill came while it was at the record decides how often it was tried.
    assert!(!timeout.is_empty());
    for line in died.iter().chain(&timeout) {
        assert_eq!((column(line, "Exitval"), column(line, "Signal")), ("0", "9"));
        assert_eq!((column(line, "Receive"), column(line, "Records")), ("0", "0"));
        assert_eq!((column(line, "Start"), column(line, "Input")), ("0", "standard input"));
    }
    let failed = done.iter().filter(|line| column(line, "Failed") == "1");
    assert_eq!(failed.count(), 1);
}

#[test]
fn names_cannot_forge_lines() {
    let scene = Scene::new();
    scene.file("a\tb\nc\\d", "1\n");
    let host = scene.host(&wat::keeps_all()).args("--joblog job.log --from ndjson");
    host.arg("a\tb\nc\\d").run().exits(0);
    let lines = lines(&scene);
    assert_eq!(column(&lines[0], "Input"), "a\\tb\\nc\\\\d");
}

#[test]
fn a_run_that_goes_on_adds_its_lines() {
    let scene = Scene::new();
    scene.file("data.ndjson", "one\n!\nthree\n");
    let arguments = "--joblog job.log -o out.ndjson data.ndjson";
    scene.host(&wat::traps()).args(arguments).run().exits(1);
    let before = lines(&scene).len();
    scene.host(&wat::keeps_all()).args("--resume --accept-plugin").args(arguments).run().exits(0);
    let after = lines(&scene);
    assert!(before > 0 && after.len() > before);
    assert_eq!((column(&after[before], "Seq"), column(&after[before], "Start")), ("1", "4"));
    // Another run begins it anew.
    scene.host(&wat::keeps_all()).args(arguments).run().exits(0);
    assert_eq!(sum(&lines(&scene), "Records"), 3);
}

#[test]
fn files_that_cannot_be_written_end_the_run_before_it_starts() {
    let scene = Scene::new();
    scene.file("data.ndjson", "one\n");
    for flag in ["--joblog", "--metrics"] {
        let refused = |arguments: &str, why: &str| {
            let host = scene.host(&wat::keeps_all()).args(flag).args(arguments);
            host.arg("data.ndjson").run().exits(2).writes("").says(why);
        };
        refused("no/such/file", "no/such/file");
        refused("out -o out", &format!("{flag} needs a file of its own: this one is the output"));
        refused(
            "same --stats same",
            &format!("{flag} needs a file of its own: this one is that of --stats"),
        );
    }
    let host = scene.host(&wat::keeps_all()).args("--metrics /dev/null data.ndjson");
    host.run().exits(2).says("/dev/null").says("no file that could be replaced");
}
