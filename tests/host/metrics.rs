//! `--metrics`: OpenMetrics text, read as strictly as a scraper does.

use std::collections::{BTreeMap, HashSet};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::Duration;

use crate::run::Scene;
use crate::wat;

/// Samples by what they are called, labels included.
type Samples = BTreeMap<String, f64>;

/// What the name of a sample may have behind that of its family.
fn suffixes(kind: &str) -> &'static [&'static str] {
    match kind {
        "counter" => &["_total"],
        "gauge" => &[""],
        "info" => &["_info"],
        "histogram" => &["_bucket", "_sum", "_count"],
        _ => panic!("no type that is written here: {kind}"),
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Reads a text by the rules of OpenMetrics 1.0.
fn parse(text: &str) -> Samples {
    let body = text.strip_suffix("# EOF\n").expect("it ends with # EOF");
    assert!(!body.contains("# EOF") && !text.contains('\r'));
    let (mut samples, mut families) = (Samples::new(), HashSet::new());
    let (mut family, mut kind, mut last_bucket) = (String::new(), String::new(), 0.0);
    for line in body.lines() {
        assert!(!line.is_empty() && line.trim() == line, "{line:?}");
        if let Some(meta) = line.strip_prefix("# ") {
            let [what, name, rest] = meta.splitn(3, ' ').collect::<Vec<_>>()[..] else {
                panic!("{line:?}");
            };
            match what {
                "TYPE" => {
                    assert!(is_name(name) && families.insert(name.to_owned()), "{line:?}");
                    (family, kind, last_bucket) = (name.to_owned(), rest.to_owned(), 0.0);
                }
                "UNIT" => assert!(name == family && name.ends_with(&format!("_{rest}"))),
                "HELP" => assert!(name == family && !rest.contains(['\\', '"'])),
                _ => panic!("{line:?}"),
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let value: f64 = value.parse().unwrap();
        assert!(value >= 0.0 && value.is_finite(), "{line:?}");
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').unwrap()),
            None => (series, ""),
        };
        let suffix = name.strip_prefix(&family).unwrap_or_else(|| panic!("{line:?} in {family}"));
        assert!(suffixes(&kind).contains(&suffix), "{line:?} of a {kind}");
        for label in labels.split(',').filter(|label| !label.is_empty()) {
            let (name, value) = label.split_once('=').unwrap();
            let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap();
            assert!(is_name(name) && !value.contains(['"', '\\', '\n']), "{line:?}");
        }
        if suffix == "_bucket" {
            assert!(value >= last_bucket, "buckets are cumulative: {line:?}");
            last_bucket = value;
        }
        assert!(samples.insert(series.to_owned(), value).is_none(), "twice: {line:?}");
    }
    let count = samples["host_range_seconds_count"];
    assert_eq!(samples["host_range_seconds_bucket{le=\"+Inf\"}"], count);
    samples
}

fn metrics(scene: &Scene) -> Samples {
    parse(&String::from_utf8(scene.read("host.prom")).unwrap())
}

#[test]
fn they_say_what_the_account_says() {
    let scene = Scene::new();
    let data: String = (0..500).map(|n| if n % 50 == 7 { "!\n" } else { "fine\n" }).collect();
    scene.file("data.ndjson", &data);
    let arguments = "--dead-letters d --max-errors 10 --workers 3 --range-size 100 -o out.ndjson";
    let host = scene.host(&wat::traps()).args(arguments).args("--metrics host.prom data.ndjson");
    host.run().exits(0);
    let metrics = metrics(&scene);
    for (name, value) in [
        ("host_running", 0.0),
        ("host_records_total{outcome=\"used\"}", 490.0),
        ("host_records_total{outcome=\"dropped\"}", 0.0),
        ("host_records_total{outcome=\"skipped\"}", 0.0),
        ("host_records_total{outcome=\"dead_lettered\"}", 10.0),
        ("host_records_total{outcome=\"failed\"}", 0.0),
        ("host_failures_total{kind=\"trap\"}", 10.0),
        ("host_input_size_bytes", data.len() as f64),
        ("host_output_bytes_total", 490.0 * 5.0),
        ("host_output_records_total", 490.0),
        ("host_workers_online", 0.0),
        ("host_worker_restarts_total", 0.0),
        (concat!("host_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), 1.0),
    ] {
        assert_eq!(metrics.get(name), Some(&value), "{name}");
    }
    assert!(metrics["host_range_seconds_count"] > 20.0);
    assert!(metrics["host_range_seconds_sum"] > 0.0);
    assert!(metrics["host_start_time_seconds"] > 1.7e9);
    // Whoever collects it is somebody else.
    let mode = scene.path("host.prom").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o600, 0o600);
    assert!(!scene.names().iter().any(|name| name.starts_with(".host-metrics")));
}

#[test]
fn deaths_are_counted_by_what_ended_the_workers() {
    let scene = Scene::new();
    scene.file("data.ndjson", "one\n!\nthree\n");
    let arguments = "--timeout 100ms --metrics host.prom data.ndjson";
    scene.host(&wat::loops()).args(arguments).run().exits(1).writes("one\n");
    let metrics = metrics(&scene);
    // Once among others and once alone, and more often where the machine is busy.
    let deaths = metrics["host_worker_deaths_total{cause=\"timeout\"}"];
    assert!(deaths >= 2.0, "{deaths}");
    assert!(metrics["host_worker_restarts_total"] >= deaths);
    assert_eq!(metrics["host_records_total{outcome=\"failed\"}"], 1.0);
    assert_eq!(metrics["host_failures_total{kind=\"timeout\"}"], 1.0);
    assert_eq!(metrics["host_records_total{outcome=\"used\"}"], 1.0);
}

#[test]
fn whoever_reads_them_during_the_run_finds_them_whole() {
    let scene = Scene::new();
    // What it leads to is replaced.
    std::fs::create_dir(scene.path("textfiles")).unwrap();
    scene.file("textfiles/host.prom", "");
    symlink("textfiles/host.prom", scene.path("host.prom")).unwrap();
    let host = scene.host(&wat::keeps_all()).args("--metrics host.prom --from ndjson");
    let mut run = host.stdin_pipe().start();
    let mut input = run.stdin.take().unwrap();
    input.write_all(b"\"one\"\n").unwrap();
    let is_empty = || scene.read("host.prom").is_empty();
    while is_empty() || metrics(&scene)["host_records_total{outcome=\"used\"}"] < 1.0 {
        assert!(run.try_wait().unwrap().is_none(), "it has ended");
        std::thread::sleep(Duration::from_millis(5));
    }
    let during = metrics(&scene);
    assert_eq!((during["host_running"], during["host_workers_online"]), (1.0, 1.0));
    assert!(!during.contains_key("host_input_size_bytes"));
    drop(input);
    assert!(run.wait().unwrap().success());
    assert_eq!(metrics(&scene)["host_running"], 0.0);
    assert!(scene.path("host.prom").is_symlink());
}
