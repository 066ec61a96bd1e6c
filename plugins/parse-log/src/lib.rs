//! Takes lines of text apart, as those of a log.
//!
//! `--param format=combined` reads what web servers write, and `--param pattern=` any other
//! line, by a regular expression: each group with a name becomes a member.
//! `--param 'pattern=^(?<level>[A-Z]+) (?<ms>\d+) ms$' --param numbers=ms` makes of
//! `INFO 12 ms` the record `{"level":"INFO","ms":12}`. A group that takes no part in the
//! match has no member, and a line that does not match is rejected. How a plugin is put
//! together is explained in `plugins/filter`.

#[path = "../../shared/members.rs"]
mod members;
#[path = "../../shared/order.rs"]
mod order;
#[path = "../../shared/panics.rs"]
mod panics;
#[path = "../../shared/told.rs"]
mod told;

use std::sync::OnceLock;

use host::plugin::params;
use members::{Field, Object, quoted};
use order::Number;
use regex_lite::Regex;

wit_bindgen::generate!({
    path: "../../wit",
    world: "%map",
});

/// What Apache and nginx write at first. `-` stands for nothing. A request that is none (it
/// may be any bytes that somebody sent) is kept as a whole.
const COMMON: &str = concat!(
    r#"^(?<host>\S+) (?:-|(?<ident>\S+)) (?:-|(?<user>.+?)) \[(?<time>[^\]]+)\] "#,
    r#""(?:(?<method>[A-Z]+) (?<path>\S+) (?<protocol>HTTP/[\d.]+)|(?<request>(?:[^"\\]|\\.)*))" "#,
    r#"(?<status>\d+) (?:-|(?<bytes>\d+))"#
);
/// What stands behind that in the combined format.
const AGENT: &str =
    concat!(r#" "(?:-|(?<referrer>(?:[^"\\]|\\.)*))""#, r#" "(?:-|(?<agent>(?:[^"\\]|\\.)*))""#);
const NUMBERS: [&str; 2] = ["status", "bytes"];

/// How lines are taken apart.
struct Parser {
    regex: Regex,
    /// The groups with a name: which one it is, its name, and what its text becomes.
    groups: Vec<(usize, String, Kind)>,
}

/// What the text of a group becomes.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
}

impl Parser {
    fn read() -> Result<Parser, String> {
        let numbers = match params::get("numbers") {
            None => Vec::new(),
            Some(numbers) => Field::parse_list(&numbers).map_err(told::wrong("numbers"))?,
        };
        let mut numbers: Vec<String> = numbers.into_iter().map(|field| field.name).collect();
        let pattern = match (params::get("format").as_deref(), params::get("pattern")) {
            (None, Some(pattern)) => pattern,
            (Some(format), None) => {
                numbers.extend(NUMBERS.map(str::to_owned));
                match format {
                    "common" => format!("{COMMON}$"),
                    "combined" => format!("{COMMON}{AGENT}$"),
                    _ => {
                        return Err(format!(
                            "the parameter `format` is common or combined, not `{format}`; \
                             other lines are described by `pattern`"
                        ));
                    }
                }
            }
            (None, None) => {
                return Err("it has to be told what a line looks like: --param format=combined, \
                            or --param 'pattern=^(?<level>[A-Z]+) (?<text>.*)$'"
                    .into());
            }
            (Some(_), Some(_)) => {
                return Err("`format` and `pattern` each say what a line looks like, and one is \
                            enough"
                    .into());
            }
        };
        let regex = Regex::new(&pattern).map_err(|why| told::wrong("pattern")(why.to_string()))?;
        let mut groups = Vec::new();
        for (number, name) in regex.capture_names().enumerate() {
            let Some(name) = name else { continue };
            let place = numbers.iter().position(|number| number == name);
            let kind = match place.map(|place| numbers.swap_remove(place)) {
                Some(_) => Kind::Number,
                None => Kind::Text,
            };
            groups.push((number, name.to_owned(), kind));
        }
        if groups.is_empty() {
            return Err("the parameter `pattern`: no group has a name, as (?<level>[A-Z]+) has; \
                        there would be no member"
                .into());
        }
        if let Some(unknown) = numbers.first() {
            return Err(format!("the parameter `numbers`: no group is called `{unknown}`"));
        }
        Ok(Parser { regex, groups })
    }

    fn parse(&self, line: &str) -> Result<String, String> {
        // Lines that were written on Windows end with it.
        let line = line.strip_suffix('\r').unwrap_or(line);
        let found = self.regex.captures(line).ok_or("the line does not match")?;
        let mut members = Object::default();
        for (number, name, kind) in &self.groups {
            let Some(text) = found.get(*number) else { continue };
            let text = text.as_str();
            match kind {
                Kind::Text => members.push(name, &quoted(text)),
                Kind::Number if Number::parse(text).is_some() => members.push(name, text),
                Kind::Number => return Err(format!("`{name}` is no number: {text}")),
            }
        }
        Ok(members.finish())
    }
}

struct Plugin;

impl Guest for Plugin {
    /// The line taken apart. An error for one that does not match.
    fn apply(record: String) -> Result<Option<String>, String> {
        static PARSER: OnceLock<Result<Parser, String>> = OnceLock::new();
        panics::report();
        let parser = PARSER.get_or_init(Parser::read).as_ref().map_err(String::clone)?;
        parser.parse(&record).map(Some)
    }
}

export!(Plugin);
