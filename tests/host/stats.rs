//! `--stats`: the account as JSON, whichever way the run ended.

use serde_json::{Value, json};

use crate::run::Scene;
use crate::wat;

fn stats(scene: &Scene) -> Value {
    let text = String::from_utf8(scene.read("stats.json")).unwrap();
    assert!(text.ends_with("}\n"));
    serde_json::from_str(&text).unwrap()
}

/// The numbers under a name of all workers together.
fn sum(stats: &Value, name: &str) -> u64 {
    let workers = stats["workers"].as_array().unwrap();
    workers.iter().map(|worker| worker[name].as_u64().unwrap()).sum()
}

#[test]
fn the_sums_of_a_job_that_is_done() {
    let scene = Scene::new();
    let data: String = (0..500).map(|n| if n % 50 == 7 { "!\n" } else { "fine\n" }).collect();
    scene.file("data.ndjson", &data);
    let arguments = "--dead-letters d --max-errors 10 --workers 3 --range-size 100 -o out.ndjson";
    let host = scene.host(&wat::traps()).args(arguments).args("--stats stats.json data.ndjson");
    host.run().exits(0);
    let stats = stats(&scene);
    let records = json!({
        "read": 500, "used": 490, "dropped": 0, "skipped": 0, "dead_lettered": 10, "failed": 0,
        "passed_over": 0, "before_this_run": 0,
    });
    assert_eq!(stats["records"], records);
    assert_eq!(stats["failures"], json!({ "trap": 10 }));
    assert_eq!(stats["output"], json!({ "records": 490, "bytes": 490 * 5 }));
    assert_eq!((&stats["exit_code"], &stats["error"]), (&json!(0), &Value::Null));
    assert_eq!((&stats["retries"], &stats["restarts"]), (&json!(10), &json!(0)));
    assert_eq!(sum(&stats, "records"), 500);
    assert_eq!(sum(&stats, "output_bytes"), 490 * 5);
    // Newlines between records belong to ranges, but not where a range is finished in parts.
    assert!((data.len() as u64 - 20..=data.len() as u64).contains(&sum(&stats, "input_bytes")));
    assert!(sum(&stats, "processes") >= 1 && sum(&stats, "ranges") > 20);
    let cpu = |worker: &Value| worker["cpu_seconds"].as_f64().unwrap();
    assert!(stats["workers"].as_array().unwrap().iter().map(cpu).sum::<f64>() > 0.0);
    assert!(stats["elapsed_seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_job_that_failed_has_an_account_too() {
    let scene = Scene::new();
    scene.file("data.ndjson", "one\n!\nthree\n");
    let host = scene.host(&wat::traps()).args("--stats stats.json data.ndjson");
    host.run().exits(1).writes("one\n");
    let failed = stats(&scene);
    assert_eq!(failed["exit_code"], 1);
    assert!(failed["error"].as_str().unwrap().contains("record 2 of data.ndjson"));
    assert_eq!(failed["records"]["read"], 2);
    assert_eq!(failed["records"]["failed"], 1);
    assert_eq!(failed["unread_bytes"], 7);
    let skip = "--on-error skip --stats stats.json data.ndjson";
    scene.host(&wat::traps()).args(skip).run().exits(4);
    assert_eq!(stats(&scene)["exit_code"], 4);
    scene.host(&wat::traps()).args("--stats stats.json missing.ndjson").run().exits(2);
    assert_eq!(stats(&scene)["exit_code"], 2);
}

#[test]
fn worker_processes_that_died_are_counted() {
    let scene = Scene::new();
    scene.file("data.ndjson", "one\n!\nthree\n");
    let arguments = "--timeout 100ms --on-error skip --max-errors 1 --stats stats.json data.ndjson";
    scene.host(&wat::loops()).args(arguments).run().exits(0);
    let stats = stats(&scene);
    // Once among others and once alone, and more often where the machine is busy.
    let restarts = stats["restarts"].as_u64().unwrap();
    assert!(restarts >= 2, "{stats}");
    assert_eq!(stats["failures"], json!({ "timeout": 1 }));
    assert_eq!(sum(&stats, "processes"), restarts + 1);
    // Two of them used up the time of one record.
    assert!(stats["workers"][0]["cpu_seconds"].as_f64().unwrap() > 0.15);
}

#[test]
fn a_file_that_cannot_be_written_changes_nothing_else() {
    let scene = Scene::new();
    scene.file("data.ndjson", "one\n");
    let host = scene.host(&wat::keeps_all()).args("--stats no/such/file data.ndjson");
    host.run().exits(0).writes("one\n").says("warning: cannot write no/such/file");
    let host = scene.host(&wat::keeps_all()).args("--stats out -o out data.ndjson");
    host.run().exits(2).says("--stats needs a file of its own");
}
