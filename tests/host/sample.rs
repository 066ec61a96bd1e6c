//! `--sample`: a share of the records, the same however the input is cut.

use std::fmt::Write as _;

use crate::commands::command;
use crate::run::{Scene, repository};
use crate::wat;

/// Records of all lengths, each with its number, and this mark at every seventh.
fn records(count: usize, mark: &str) -> String {
    let mut text = String::new();
    for number in 1..=count {
        let (mark, more) = (if number % 7 == 0 { mark } else { "" }, "x".repeat(number % 90));
        writeln!(text, "{{\"n\":{number},\"more\":\"{more}{mark}\"}}").unwrap();
    }
    text
}

#[test]
fn a_sample_is_the_same_however_the_input_is_cut() {
    let text = records(3000, "");
    let scene = Scene::new();
    scene.file("data.ndjson", &text);
    let all = || scene.host(&wat::keeps_all());
    let first = all().args("data.ndjson --sample 10% --workers 1").run();
    first.exits(0);
    let sample = String::from_utf8(first.stdout.clone()).unwrap();
    let count = sample.lines().count() as u64;
    assert!((200..400).contains(&count), "{count}");
    let counts = [("record read", count), ("other passed over", 3000 - count)];
    first.account().holds(&counts);
    let count_by = || {
        let plugin = scene.host_with(repository("plugins/count-by/count-by.wasm"));
        plugin.args("--param by=n")
    };
    let counted: String = {
        let numbers = sample.lines().map(|line| line.split([':', ',']).nth(1).unwrap());
        let mut numbers: Vec<&str> = numbers.collect();
        numbers.sort_unstable();
        numbers.iter().map(|number| format!("{{\"n\":{number},\"count\":1}}\n")).collect()
    };
    for ways in ["--range-size 1", "--workers 3 --range-size 500", "--workers 2 --unordered"] {
        for plugin in [wat::keeps_all(), wat::batch(), wat::reduce(), command("")] {
            let ran = scene.host(&plugin).args("data.ndjson --sample 0.1").args(ways).run();
            let written = String::from_utf8(ran.exits(0).stdout.clone()).unwrap();
            let mut lines: Vec<&str> = written.lines().collect();
            if ways.contains("unordered") {
                // In the order of their numbers, which stand at one place.
                lines.sort_by_key(|line| sample.find(line));
            }
            // A batch makes two of each.
            lines.dedup();
            assert!(lines.into_iter().eq(sample.lines()), "{ways}");
            ran.account().holds(&counts);
        }
        let ran = all().args("--from ndjson --sample 0.1").args(ways).stdin(&text).run();
        ran.account().holds(&counts);
        count_by().args("data.ndjson --sample 0.1").args(ways).run().exits(0).writes(&counted);
    }
    let other = all().args("data.ndjson --sample 10% --seed 1").run();
    assert_ne!(other.exits(0).stdout, first.stdout);
    all().args("data.ndjson --sample 100%").run().writes(&text);
}

#[test]
fn records_of_a_sample_keep_their_numbers() {
    let text = records(2000, "!");
    let scene = Scene::new();
    scene.file("data.ndjson", &text);
    let sample = scene.host(&wat::keeps_all()).args("data.ndjson --sample 10%").run().stdout;
    let sample = String::from_utf8(sample).unwrap();
    let marked: Vec<&str> = sample.lines().filter(|line| line.contains('!')).collect();
    assert!(marked.len() > 10);
    for plugin in [wat::rejects(), wat::traps(), wat::batch()] {
        for ways in ["--workers 1", "--workers 3 --range-size 700"] {
            let host = scene.host(&plugin).args("data.ndjson --sample 10% --on-error skip");
            let ran = host.args(ways).arg("--verbose").run();
            ran.exits(4).account().holds(&[("skipped", marked.len() as u64)]);
            for line in &marked {
                let (number, offset) = (line[5..].split(',').next().unwrap(), text.find(line));
                let grouped = |number: usize| match number {
                    0..1000 => number.to_string(),
                    _ => format!("{},{:03}", number / 1000, number % 1000),
                };
                let number = grouped(number.parse().unwrap());
                let byte = grouped(offset.unwrap());
                ran.says(&format!("record {number} of data.ndjson (byte {byte}, "));
            }
        }
    }
}

#[test]
fn a_sample_can_be_of_the_first_records_and_of_rows() {
    let scene = Scene::new();
    let rows: String = (0..2000).map(|n| format!("{n},\"a\nb\"\n")).collect();
    scene.file("data.csv", format!("n,text\n{rows}"));
    let host = || scene.host(&wat::keeps_all()).args("data.csv --sample 0.05");
    let all = host().run();
    let text = String::from_utf8(all.exits(0).stdout.clone()).unwrap();
    assert!(text.starts_with("n,text\n") && text.lines().count() > 101);
    host().args("--range-size 100 --workers 3").run().writes(&text);
    let ran = host().args("--limit 500").run();
    let first = String::from_utf8(ran.exits(0).stdout.clone()).unwrap();
    assert!(text.starts_with(&first) && first.len() < text.len() / 2);
    let account = ran.account();
    assert_eq!(account.count("record read") + account.count("other passed over"), 500);
}

#[test]
fn a_share_that_is_none_is_refused() {
    let scene = Scene::new();
    scene.file("data.ndjson", records(10, ""));
    let host = || scene.host(&wat::keeps_all()).args("data.ndjson");
    for (arguments, why) in [
        ("--sample 0", "a share of the records is wanted"),
        ("--sample 101%", "a share of the records is wanted"),
        ("--sample some", "a share of the records is wanted"),
        ("--sample 0.1 --only 3", "cannot be used with '--only"),
        ("--sample 0.1 --resume -o out.ndjson", "--sample are for trying out"),
    ] {
        host().args(arguments).run().exits(2).says(why);
    }
    let ran = host().args("--sample 1% --dry-run").run();
    ran.exits(0);
    assert!(String::from_utf8_lossy(&ran.stdout).contains("records: a sample of 1 %"));
}
