//! One thing that is said on standard error: described once, and written in two forms. For
//! people it is a line, and lines below it; for programs (`--errors json`) an object of JSON in
//! one line.

use std::fmt::Display;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use anstyle::{AnsiColor, Style};
use host::printable;
use serde_json::{Value, json};

use super::called;
use super::terminal::beside_bar;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// How all that is said is written.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Whether it is for programs. There is one standard error, and one form of what is on it.
static FOR_PROGRAMS: AtomicBool = AtomicBool::new(false);

/// From now on what is said is written in this form.
pub fn write_as(form: Form) {
    FOR_PROGRAMS.store(form == Form::Json, Ordering::Relaxed);
}

/// The form in which what is said is written.
pub fn form() -> Form {
    if FOR_PROGRAMS.load(Ordering::Relaxed) { Form::Json } else { Form::Text }
}

/// What sort of thing is said.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Something went wrong, and the exit code tells so.
    Error,
    /// Something is wrong, and the job goes on.
    Warning,
    /// A record failed and was left out.
    Skipped,
    /// A record failed and was written aside.
    DeadLetter,
    /// Something that is neither good nor bad.
    Note,
    /// What happens to workers and plugins, for those who ask.
    Event,
    /// A line that a plugin logs.
    Log,
    /// What became of every record.
    Account,
}

impl Kind {
    /// What objects of JSON call it.
    fn name(self) -> &'static str {
        match self {
            Kind::Error => "error",
            Kind::Warning => "warning",
            Kind::Skipped => "skipped",
            Kind::DeadLetter => "dead-letter",
            Kind::Note => "note",
            Kind::Event => "event",
            Kind::Log => "log",
            Kind::Account => "account",
        }
    }

    /// What a line begins with.
    fn label(self) -> String {
        match self {
            Kind::Error => format!("{ERROR}error:{ERROR:#} "),
            Kind::Warning => format!("{WARNING}warning:{WARNING:#} "),
            Kind::Skipped => format!("{WARNING}skipped:{WARNING:#} "),
            Kind::DeadLetter => format!("{WARNING}dead letter:{WARNING:#} "),
            Kind::Note | Kind::Account => format!("{}: ", called::name()),
            Kind::Event => String::new(),
            Kind::Log => "plugin ".to_owned(),
        }
    }
}

/// Something to be said. Nothing happens before [`say`](Message::say).
#[derive(Debug)]
pub struct Message {
    kind: Kind,
    text: String,
    /// What stands before the text for people alone.
    about: String,
    /// What stands below the text, for people.
    lines: Vec<String>,
    /// What the text and the lines say, by names, for programs.
    facts: Vec<(&'static str, Value)>,
    remedies: Vec<String>,
}

impl Message {
    pub fn new(kind: Kind, text: impl Display) -> Message {
        let text = text.to_string();
        let about = String::new();
        Message { kind, text, about, lines: Vec::new(), facts: Vec::new(), remedies: Vec::new() }
    }

    /// What the text is about; for programs that is among the facts.
    pub fn about(mut self, about: impl Display) -> Message {
        self.about = format!("{about}: ");
        self
    }

    /// A fact that people find in the text.
    pub fn fact(mut self, name: &'static str, value: impl Into<Value>) -> Message {
        self.facts.push((name, value.into()));
        self
    }

    /// A fact that people find in a line below the text.
    pub fn line(
        mut self,
        name: &'static str,
        value: impl Into<Value>,
        line: impl Display,
    ) -> Message {
        self.lines.push(line.to_string());
        self.fact(name, value)
    }

    /// A line for people about a fact that is given by itself.
    pub fn also(mut self, line: impl Display) -> Message {
        self.lines.push(line.to_string());
        self
    }

    /// Facts that people find in a line each, further in.
    pub fn list(mut self, name: &'static str, items: &[String]) -> Message {
        self.lines.extend(items.iter().map(|item| format!("  {item}")));
        match items.is_empty() {
            true => self,
            false => self.fact(name, items),
        }
    }

    /// What can be done about it, in a line below the text.
    pub fn remedy(mut self, line: impl Display) -> Message {
        let line = line.to_string();
        self.lines.push(line.clone());
        self.remedies.push(line);
        self
    }

    /// Says it on standard error.
    pub fn say(self) {
        match form() {
            Form::Text => put(&self.for_people()),
            Form::Json => put(&self.for_programs()),
        }
    }

    fn for_people(&self) -> String {
        let about = printable(&self.about);
        let mut text = format!("{}{about}{}\n", self.kind.label(), printable(&self.text));
        text.extend(self.lines.iter().map(|line| format!("  {}\n", printable(line))));
        text
    }

    fn for_programs(&self) -> String {
        let remedies = (!self.remedies.is_empty()).then(|| ("remedies", json!(self.remedies)));
        let first = [("kind", json!(self.kind.name())), ("message", json!(self.text))];
        let all = first.iter().chain(&self.facts).chain(remedies.as_ref());
        let members: Vec<_> = all.map(|(name, value)| format!("\"{name}\":{value}")).collect();
        harmless(&format!("{{{}}}", members.join(","))) + "\n"
    }
}

/// A text of JSON in which nothing commands a terminal that shows it: what could is in its
/// strings, as escapes.
fn harmless(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if printable(character.encode_utf8(&mut [0; 4])).len() == character.len_utf8() {
            text.push(character);
        } else {
            let mut units = [0; 2];
            let units = character.encode_utf16(&mut units).iter();
            text.extend(units.map(|unit| format!("\\u{unit:04x}")));
        }
    }
    text
}

/// Writes whole lines on standard error, with colours where a terminal shows them.
fn put(lines: &str) {
    // Where nobody can read it there is nothing else to be done.
    let _ = beside_bar(|| anstream::stderr().write_all(lines.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        Message::new(Kind::Error, "record 3 failed\u{1b}[2J")
            .fact("record", 3)
            .line("plugin", "a.wasm", "plugin: a.wasm")
            .list("backtrace", &["one".to_owned(), "two\u{9b}".to_owned()])
            .remedy("to go on without it: --on-error skip")
    }

    #[test]
    fn people_see_lines() {
        let text = message().for_people();
        let (first, rest) = text.split_once('\n').unwrap();
        assert!(first.ends_with(" record 3 failed\\u{1b}[2J"), "{first}");
        assert_eq!(
            rest,
            "  plugin: a.wasm\n    one\n    two\\u{9b}\n  to go on without it: --on-error skip\n"
        );
    }

    #[test]
    fn programs_see_one_line_of_json_with_the_same() {
        let text = message().for_programs();
        assert_eq!(text.matches('\n').count(), 1);
        assert!(!text.trim_end().contains(char::is_control), "{text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        let wanted = json!({
            "kind": "error",
            "message": "record 3 failed\u{1b}[2J",
            "record": 3,
            "plugin": "a.wasm",
            "backtrace": ["one", "two\u{9b}"],
            "remedies": ["to go on without it: --on-error skip"],
        });
        assert_eq!(value, wanted);
        assert!(text.starts_with(r#"{"kind":"error","message":"#), "{text}");
    }
}
