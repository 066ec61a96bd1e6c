//! Writes made-up events, shaped like those of a public code-hosting archive, to standard output.
//!
//! ```text
//! cargo run --release --example events -- 600000 > events.ndjson
//! events COUNT [--seed N] [--format ndjson|array|sequence] [--size small|usual|large]
//! ```
//!
//! Benchmarks and tests want large input that anybody can make again byte for byte, so everything
//! comes from one small generator of pseudo-random numbers: the same seed gives the same events,
//! and a shorter file of the same seed and format holds the first records of a longer one.
//! The text is awkward on purpose: escaped quotes, backslashes, line breaks and surrogate pairs
//! stand beside raw German, Greek, Japanese and emoji, and one commit message quotes the very
//! member that a filter looks for.

use std::io::{self, Write};
use std::process::ExitCode;

const USAGE: &str = "usage: events COUNT [--seed N] [--format ndjson|array|sequence] \
                     [--size small|usual|large]";

/// Bytes collected before they are written.
const CHUNK: usize = 1 << 20;

fn main() -> ExitCode {
    let request = match Request::parse(std::env::args().skip(1)) {
        Ok(request) => request,
        Err(fault) => {
            eprintln!("error: {fault}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match write_events(&request, &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has seen enough (`events 1000000 | head`): that is an ordinary end.
        Err(fault) if fault.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("error: cannot write to standard output: {fault}");
            ExitCode::FAILURE
        }
    }
}

/// What the command line asks for.
struct Request {
    count: u64,
    seed: u64,
    format: Format,
    size: Size,
}

/// How records are laid out in the file.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Format {
    /// One record a line.
    Ndjson,
    /// One JSON array, an element a line.
    Array,
    /// Values one after the other: most spread over indented lines, every eighth on one line.
    Sequence,
}

/// How long a record is.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Size {
    /// About 60 bytes: number, type and login alone.
    Small,
    /// About 627 bytes: an event with its actor, repository, and mostly one commit.
    Usual,
    /// About 10 KB: an event with 44 commits.
    Large,
}

impl Size {
    fn parse(name: Option<&str>) -> Result<Self, String> {
        match name {
            Some("small") => Ok(Self::Small),
            Some("usual") => Ok(Self::Usual),
            Some("large") => Ok(Self::Large),
            Some(other) => Err(format!("there is no size {other:?}")),
            None => Err("--size needs a name".to_owned()),
        }
    }
}

impl Request {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut count = None;
        let mut seed = 1;
        let mut format = Format::Ndjson;
        let mut size = Size::Usual;
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--seed" => seed = number(&arg, args.next().as_deref())?,
                "--format" => format = Format::parse(args.next().as_deref())?,
                "--size" => size = Size::parse(args.next().as_deref())?,
                _ if count.is_none() => count = Some(number("COUNT", Some(&arg))?),
                _ => return Err(format!("unexpected argument {arg:?}")),
            }
        }
        let count = count.ok_or("COUNT is missing")?;
        Ok(Self { count, seed, format, size })
    }
}

impl Format {
    fn parse(name: Option<&str>) -> Result<Self, String> {
        match name {
            Some("ndjson") => Ok(Self::Ndjson),
            Some("array") => Ok(Self::Array),
            Some("sequence") => Ok(Self::Sequence),
            Some(other) => Err(format!("there is no format {other:?}")),
            None => Err("--format needs a name".to_owned()),
        }
    }

    /// What stands before the first record, between two records, and after the last.
    fn frame(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Ndjson | Self::Sequence => ("", "\n", "\n"),
            Self::Array => ("[\n", ",\n", "\n]\n"),
        }
    }
}

fn number(what: &str, text: Option<&str>) -> Result<u64, String> {
    let text = text.ok_or_else(|| format!("{what} needs a number"))?;
    text.parse().map_err(|_| format!("{what} must be a whole number, not {text:?}"))
}

fn write_events(request: &Request, sink: &mut impl Write) -> io::Result<()> {
    let Request { count, seed, format, size } = *request;
    if count == 0 {
        sink.write_all(if format == Format::Array { b"[]\n" } else { b"" })?;
        return sink.flush();
    }
    let (opening, between, closing) = format.frame();
    let mut dice = Dice(seed);
    let mut record = String::new();
    let mut chunk = String::with_capacity(CHUNK + CHUNK / 8);
    chunk += opening;
    for index in 0..count {
        if index > 0 {
            chunk += between;
        }
        if format == Format::Sequence && index % 8 != 7 {
            record.clear();
            push_event(&mut record, index, size, &mut dice);
            push_indented(&mut chunk, &record);
        } else {
            push_event(&mut chunk, index, size, &mut dice);
        }
        if chunk.len() >= CHUNK {
            sink.write_all(chunk.as_bytes())?;
            chunk.clear();
        }
    }
    chunk += closing;
    sink.write_all(chunk.as_bytes())?;
    sink.flush()
}

/// Pseudo-random numbers: splitmix64, as published by Sebastiano Vigna (public domain).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to, but not including, `end`.
    fn below(&mut self, end: u64) -> u64 {
        // The bias of a remainder is far too small to show in test data.
        self.roll() % end
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        let at = self.below(choices.len() as u64);
        // `at` is below a length, so it fits; 0 only satisfies the compiler.
        choices[usize::try_from(at).unwrap_or(0)]
    }
}

const TYPES: [&str; 6] =
    ["PushEvent", "CreateEvent", "IssuesEvent", "WatchEvent", "ForkEvent", "PullRequestEvent"];

const LOGINS: [&str; 12] = [
    "amber-f", "bluelake", "cedar", "dmoreau", "elina-k", "foxglove", "graupel", "hanako-t", "ivo",
    "juniper", "kostas", "lena-ri",
];

const PROJECTS: [&str; 12] = [
    "atlas", "beacon", "millrace", "ember", "notes", "gearbox", "harbour", "inkwell", "loom",
    "kiln", "lantern", "meadow",
];

/// Names with the address that goes with them. Text that holds a backslash is JSON already escaped.
const AUTHORS: [(&str, &str); 9] = [
    ("Amber Finch", "amber"),
    ("Jürgen Größmann", "juergen"),
    (r"Ren\u00e9e Lef\u00e8vre", "renee"),
    ("Ελένη Παππά", "eleni"),
    ("田中 花子", "hanako"),
    (r#"Sam \"Sparks\" Okoro"#, "sam"),
    ("Lena Ritter", "lena"),
    (r"Zo\u00eb Park", "zoe"),
    ("Tom Hale", "tom"),
];

/// Parts of commit messages, as they stand inside a JSON string.
const PHRASES: [&str; 24] = [
    "Read the header before the body",
    "Fix an off-by-one in the last chunk",
    "Raise the limit of open files",
    "Drop support for the old layout",
    "Explain why the lock is taken twice",
    "Use one buffer for each reader",
    "Tests for empty input",
    "Make the error name the file",
    r#"Quote \"name\" where it holds a space"#,
    r#"Match \"type\":\"PushEvent\" and nothing else"#,
    r"Paths such as C:\\data\\new are split correctly",
    r"Caf\u00e9 and na\u00efve sort as people expect",
    r"Ship it \ud83d\ude80",
    r"Tab\tstops and a slash \/ survive",
    r"Thanks \ud83d\udc4d\ud83c\udffd to everybody",
    "Größe der Übersicht geändert",
    "Prüfsumme für leere Dateien ergänzt",
    "Διόρθωση στη σειρά των εγγραφών",
    "Νέα δοκιμή για μεγάλα αρχεία",
    "設定ファイルの説明を追加",
    "読み込みを速くする",
    "Faster on both cores 🎉",
    "Merge the branch of the week",
    "No functional change",
];

const JOINS: [&str; 4] = [" ", "; ", r"\n\n", r"\n- "];

const ACTIONS: [&str; 4] = ["opened", "closed", "reopened", "started"];

const BRANCHES: [&str; 4] = ["main", "develop", "release", "topic/records"];

/// Appends the event with this number (from 0) on one line, without a line break.
fn push_event(out: &mut String, index: u64, size: Size, dice: &mut Dice) {
    let kind = dice.pick(&TYPES);
    *out += r#"{"id":""#;
    push_number(out, 30_000_000_000 + index * 7 + dice.below(7), 1);
    *out += r#"","type":""#;
    *out += kind;
    if size == Size::Small {
        *out += r#"","login":""#;
        *out += dice.pick(&LOGINS);
        *out += r#""}"#;
        return;
    }
    *out += r#"","actor":"#;
    push_actor(out, dice);
    *out += r#","repo":"#;
    push_repo(out, dice);
    *out += r#","payload":"#;
    push_payload(out, kind, size, dice);
    *out += if dice.below(50) == 0 { r#","public":false"# } else { r#","public":true"# };
    *out += r#","created_at":""#;
    push_time(out, index);
    *out += r#""}"#;
}

fn push_actor(out: &mut String, dice: &mut Dice) {
    let id = dice.below(9_000_000) + 1000;
    let login = dice.pick(&LOGINS);
    *out += r#"{"id":"#;
    push_number(out, id, 1);
    for (before, after) in [
        (r#","login":""#, r#"""#),
        (r#","url":"https://api.example.org/users/"#, r#"""#),
        (r#","avatar_url":"https://avatars.example.org/u/"#, r#"?"}"#),
    ] {
        *out += before;
        *out += login;
        push_number(out, id % 1000, 1);
        *out += after;
    }
}

fn push_repo(out: &mut String, dice: &mut Dice) {
    let owner = dice.pick(&LOGINS);
    let project = dice.pick(&PROJECTS);
    *out += r#"{"id":"#;
    push_number(out, dice.below(90_000_000) + 10_000, 1);
    for (before, after) in
        [(r#","name":""#, r#"""#), (r#","url":"https://api.example.org/repos/"#, r#""}"#)]
    {
        *out += before;
        *out += owner;
        *out += "/";
        *out += project;
        *out += after;
    }
}

fn push_payload(out: &mut String, kind: &str, size: Size, dice: &mut Dice) {
    *out += "{";
    match kind {
        "PushEvent" => {
            *out += r#""push_id":"#;
            push_number(out, dice.below(10_000_000_000), 1);
        }
        "CreateEvent" | "ForkEvent" => *out += r#""ref_type":"branch""#,
        _ => {
            *out += r#""action":""#;
            *out += dice.pick(&ACTIONS);
            *out += r#"""#;
        }
    }
    *out += r#","ref":"refs/heads/"#;
    *out += dice.pick(&BRANCHES);
    *out += r#"","commits":["#;
    let commits = match size {
        Size::Large => 44,
        // None now and then, mostly one, sometimes two.
        _ => dice.pick(&[0, 1, 1, 1, 1, 1, 1, 2]),
    };
    for commit in 0..commits {
        if commit > 0 {
            *out += ",";
        }
        push_commit(out, dice);
    }
    *out += "]}";
}

fn push_commit(out: &mut String, dice: &mut Dice) {
    let (name, address) = dice.pick(&AUTHORS);
    *out += r#"{"sha":""#;
    for _ in 0..5 {
        push_hex(out, dice.roll());
    }
    *out += r#"","author":{"name":""#;
    *out += name;
    *out += r#"","email":""#;
    *out += address;
    *out += r#"@example.org"},"message":""#;
    *out += dice.pick(&PHRASES);
    for _ in 0..dice.below(3) {
        *out += dice.pick(&JOINS);
        *out += dice.pick(&PHRASES);
    }
    *out += r#"","distinct":true}"#;
}

/// One event a second from 2024 on, in months of 28 days: a real calendar would add nothing here.
fn push_time(out: &mut String, index: u64) {
    let (days, second) = (index / 86_400, index % 86_400);
    let parts = [
        (2024 + days / (28 * 12), 4, "-"),
        (days / 28 % 12 + 1, 2, "-"),
        (days % 28 + 1, 2, "T"),
        (second / 3600, 2, ":"),
        (second / 60 % 60, 2, ":"),
        (second % 60, 2, "Z"),
    ];
    for (value, width, after) in parts {
        push_number(out, value, width);
        *out += after;
    }
}

/// Appends a decimal number, with leading zeros up to `width` digits. (Formatting by `write!`
/// would take about half of the whole program's time.)
fn push_number(out: &mut String, mut value: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    while value > 0 || digits.len() - start < width {
        start -= 1;
        digits[start] += (value % 10) as u8;
        value /= 10;
    }
    out.extend(digits[start..].iter().map(|&digit| char::from(digit)));
}

/// Appends eight hexadecimal digits.
fn push_hex(out: &mut String, value: u64) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in &value.to_le_bytes()[..4] {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// Appends a compact JSON value again, spread over indented lines.
fn push_indented(out: &mut String, compact: &str) {
    let mut depth = 0;
    let mut in_string = false;
    let mut escaped = false;
    let mut chars = compact.chars().peekable();
    while let Some(char) = chars.next() {
        if in_string {
            out.push(char);
            in_string = escaped || char != '"';
            escaped = !escaped && char == '\\';
            continue;
        }
        match char {
            '{' | '[' => {
                out.push(char);
                // An empty array or object stays on its line.
                if let Some(close) = chars.next_if(|&next| next == '}' || next == ']') {
                    out.push(close);
                } else {
                    depth += 1;
                    push_line_break(out, depth);
                }
            }
            '}' | ']' => {
                depth -= 1;
                push_line_break(out, depth);
                out.push(char);
            }
            ',' => {
                out.push(char);
                push_line_break(out, depth);
            }
            ':' => *out += ": ",
            _ => {
                out.push(char);
                in_string = char == '"';
            }
        }
    }
}

fn push_line_break(out: &mut String, depth: usize) {
    out.push('\n');
    for _ in 0..depth {
        *out += "  ";
    }
}
