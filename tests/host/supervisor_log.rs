//! `--log`: what the supervisor does.

use serde_json::Value;

use crate::run::{Ran, Scene};
use crate::wat;

/// Runs over three records, of which one is rejected.
fn run(arguments: &str, variable: Option<&str>) -> Ran {
    let scene = Scene::new();
    scene.file("data.ndjson", "\"one\"\n\"!private\"\n\"three\"\n");
    let host = scene.host(&wat::rejects()).args("--on-error skip --max-errors 1 data.ndjson");
    let host = host.args(arguments);
    match variable {
        Some(level) => host.env("HOST_LOG", level),
        None => host.env_remove("HOST_LOG"),
    }
    .run()
}

/// The levels of the lines that were said.
fn levels(ran: &Ran) -> Vec<String> {
    let lines = ran.stderr.lines().filter(|line| line.starts_with("20"));
    lines.map(|line| line.split_whitespace().nth(1).unwrap().to_owned()).collect()
}

#[test]
fn nothing_is_told_unless_it_is_wanted() {
    for ran in [run("", None), run("--log off", Some("trace")), run("", Some(""))] {
        ran.exits(0);
        assert_eq!(levels(&ran).len(), 0, "{}", ran.stderr);
    }
}

#[test]
fn each_level_tells_more() {
    let mut before = 0;
    for (level, least) in
        [("warn", "WARN"), ("info", "INFO"), ("debug", "DEBUG"), ("trace", "TRACE")]
    {
        let ran = run(&format!("--log {level}"), None);
        ran.exits(0);
        let levels = levels(&ran);
        let order = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];
        let place = |level: &str| order.iter().position(|other| *other == level).unwrap();
        assert!(levels.iter().all(|level| place(level) <= place(least)), "{}", ran.stderr);
        assert!(level == "warn" || levels.len() > before, "{level}: {}", ran.stderr);
        before = levels.len();
    }
}

#[test]
fn the_environment_says_it_where_the_command_line_does_not() {
    let ran = run("", Some("info"));
    ran.exits(0).says("a worker is online").says("the job is done").never_says("a range");
    let ran = run("--log warn", Some("trace"));
    assert_eq!(ran.exits(0).stderr.matches(" INFO ").count(), 0);
    run("", Some("loud"))
        .exits(2)
        .says("HOST_LOG=loud: one of off, error, warn, info, debug, trace");
}

#[test]
fn lines_of_json_have_what_happened_as_members() {
    let ran = run("--log trace --log-format json", None);
    let lines = ran.exits(0).stderr.lines().filter(|line| line.starts_with('{'));
    let lines: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    let about = |message: &str| -> Vec<&Value> {
        lines.iter().filter(|line| line["message"] == message).collect()
    };
    let online = about("a worker is online")[0];
    assert_eq!((&online["level"], &online["worker"]), (&"INFO".into(), &0.into()));
    assert!(online["pid"].is_u64() && online["timestamp"].is_string());
    let finished = about("a worker has finished a range");
    let sum = |name: &str| finished.iter().map(|line| line[name].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("used"), sum("dropped"), sum("failed")), (2, 0, 1));
    assert!(finished.iter().all(|line| line["level"] == "DEBUG" && line["seconds"].is_f64()));
    assert!(!about("a worker can begin with a range").is_empty());
    assert!(!about("a range is in the output").is_empty());
    let failed = about("a record has failed and is set aside")[0];
    assert_eq!((&failed["record"], &failed["kind"]), (&2.into(), &"rejected".into()));
    assert_eq!(about("the job is done")[0]["read"], 3);
}

#[test]
fn deaths_and_suspects_are_told() {
    let scene = Scene::new();
    scene.file("data.ndjson", "one\n!\nthree\n");
    let arguments = "--log debug --timeout 100ms -o out.ndjson data.ndjson";
    let ran = scene.host(&wat::loops()).args(arguments).run();
    ran.exits(1).says(" WARN ").says("a worker is gone").says("reason=timeout");
    ran.says("a worker has died at a record").says("a range has to be done again");
    ran.says("the journal says how far the run has come").says("ERROR the job has failed");
}

#[test]
fn what_is_private_is_not_told() {
    let ran = run("--log trace", None);
    ran.exits(0).says("a record has failed").never_says("private").never_says("secret");
}
