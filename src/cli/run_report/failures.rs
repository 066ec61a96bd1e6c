//! Records that failed, by what made them fail.

use std::collections::HashMap;

use host::{FailureKind, RecordFailure, printable};
use serde::Serialize;

use crate::cli::EXCERPT;

use super::Private;

/// So many causes are told apart; what fails of others is counted.
const CAUSES: usize = 50;
/// So many records of each are named.
const NAMED: usize = 20;
/// So many functions of a backtrace are kept.
const FUNCTIONS: usize = 50;

/// Records that failed.
pub struct Failures {
    private: Private,
    /// Where each cause stands among the groups.
    known: HashMap<Cause, usize>,
    groups: Vec<Group>,
    others: u64,
    holds: Holds,
}

/// What makes two failures the same.
#[derive(PartialEq, Eq, Hash)]
struct Cause {
    kind: FailureKind,
    plugin: Option<String>,
    detail: Option<String>,
    words: Option<String>,
    backtrace: Vec<String>,
}

/// What there is that is not shown.
#[derive(Default)]
struct Holds {
    words: bool,
    backtrace: bool,
}

#[derive(Serialize)]
struct Group {
    kind: FailureKind,
    plugin: Option<String>,
    detail: Option<String>,
    words: Option<String>,
    backtrace: Vec<String>,
    count: u64,
    examples: Vec<Example>,
}

#[derive(Serialize)]
struct Example {
    input: String,
    number: Option<u64>,
    offset: u64,
    length: u64,
    attempts: u32,
    words: Option<String>,
    text: Option<String>,
    /// The text is only the record's beginning.
    cut: bool,
}

#[derive(Serialize)]
pub struct Told<'a> {
    groups: Vec<&'a Group>,
    others: u64,
    held_back: Vec<&'static str>,
}

impl Failures {
    pub fn new(private: Private) -> Failures {
        let (known, groups, holds) = (HashMap::new(), Vec::new(), Holds::default());
        Failures { private, known, groups, others: 0, holds }
    }

    /// Takes in a record that failed.
    pub fn add(&mut self, failure: &RecordFailure) {
        let RecordFailure { kind, attempts, number, offset, length, .. } = *failure;
        let shown = self.private == Private::Shown;
        self.holds.words |= failure.plugin_text.is_some();
        self.holds.backtrace |= !failure.backtrace.is_empty();
        let words = failure.plugin_text.as_deref().filter(|_| shown).map(excerpt);
        let functions = failure.backtrace.iter().filter(|_| shown).take(FUNCTIONS);
        let backtrace: Vec<String> = functions.map(|line| excerpt(line)).collect();
        let plugin = failure.plugin.as_deref().map(printable);
        let detail = failure.detail.as_deref().map(excerpt);
        let cause = Cause {
            kind,
            plugin: plugin.clone(),
            detail: detail.as_deref().map(without_numbers),
            words: words.as_deref().map(without_numbers),
            backtrace: backtrace.clone(),
        };
        let group = match self.known.get(&cause) {
            Some(known) => *known,
            None if self.groups.len() == CAUSES => {
                self.others += 1;
                return;
            }
            None => {
                let (count, examples, words) = (0, Vec::new(), words.clone());
                self.groups.push(Group { kind, plugin, detail, words, backtrace, count, examples });
                let last = self.groups.len() - 1;
                self.known.insert(cause, last);
                last
            }
        };
        let group = &mut self.groups[group];
        group.count += 1;
        if group.examples.len() < NAMED {
            let record = failure.excerpt.as_deref().filter(|_| shown);
            group.examples.push(Example {
                input: printable(&failure.input),
                number,
                offset,
                length,
                attempts,
                words,
                text: record.map(text),
                cut: record.is_some_and(|record| (record.len() as u64) < length),
            });
        }
    }

    /// What is told of them: the most frequent cause first.
    pub fn tell(&self) -> Told<'_> {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        let mut held_back = Vec::new();
        if self.private == Private::HeldBack && !groups.is_empty() {
            held_back.push("the records");
            if self.holds.words {
                held_back.push("what the plugin says of them");
            }
            if self.holds.backtrace {
                held_back.push("where in the plugin they failed");
            }
        }
        Told { groups, others: self.others, held_back }
    }
}

/// The beginning of a text, fit to be shown.
fn excerpt(text: &str) -> String {
    let end = text.floor_char_boundary(EXCERPT as usize);
    printable(&text[..end])
}

/// A record, or its beginning, fit to be shown.
fn text(record: &[u8]) -> String {
    let text = String::from_utf8_lossy(record);
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

/// A text in which numbers are alike: `column 7` and `column 12` are one cause.
fn without_numbers(text: &str) -> String {
    let mut alike = String::with_capacity(text.len());
    for character in text.chars() {
        match character.is_ascii_digit() {
            true if alike.ends_with('#') => {}
            true => alike.push('#'),
            false => alike.push(character),
        }
    }
    alike
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(number: u64, words: &str) -> RecordFailure {
        RecordFailure {
            input: "data.json".into(),
            number: Some(number),
            offset: 10 * number,
            length: 2000,
            kind: FailureKind::Rejected,
            attempts: 1,
            plugin: Some("plugin.wasm".into()),
            detail: None,
            plugin_text: Some(words.into()),
            backtrace: Vec::new(),
            excerpt: Some(b"secret".to_vec()),
        }
    }

    #[test]
    fn what_differs_in_numbers_only_is_one_cause() {
        let mut failures = Failures::new(Private::Shown);
        for number in 0..100 {
            failures.add(&failure(number, &format!("wrong at column {number}")));
        }
        failures.add(&failure(100, "something else"));
        let Told { groups, .. } = failures.tell();
        assert_eq!(groups.iter().map(|group| group.count).collect::<Vec<_>>(), [100, 1]);
        assert_eq!((groups[0].examples.len(), groups[0].examples[1].cut), (NAMED, true));
        assert_eq!(groups[0].examples[1].words.as_deref(), Some("wrong at column 1"));
    }

    #[test]
    fn what_is_private_is_not_kept_and_the_rest_is_bounded() {
        let mut failures = Failures::new(Private::HeldBack);
        for number in 0..100 {
            failures.add(&failure(number, &"x".repeat(number as usize)));
        }
        let told = failures.tell();
        assert_eq!((told.groups.len(), told.groups[0].count), (1, 100));
        assert_eq!(told.held_back, ["the records", "what the plugin says of them"]);
        let json = serde_json::to_string(&told).unwrap();
        assert!(!json.contains("xx") && !json.contains("secret"), "{json}");
        let mut failures = Failures::new(Private::Shown);
        for number in 0..100 {
            failures.add(&failure(number, &"x".repeat(number as usize)));
        }
        let told = failures.tell();
        assert_eq!((told.groups.len(), told.others), (CAUSES, 50));
        assert!(told.held_back.is_empty());
    }
}
