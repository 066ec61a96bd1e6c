//! What holds for records of every format, however bytes arrive: they are those that a
//! simple reader finds, which has all of them and takes its time.

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::{Fault, Format, JsonSplitter, Splitter, Step};

/// A whole input of one format.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub format: Format,
    pub text: String,
}

impl Sample {
    /// Its records by the simple reader. A row is shown by its fields.
    pub fn records(&self) -> Vec<String> {
        match self.format {
            Format::Lines => lines(&self.text),
            Format::Ndjson | Format::DeadLetters => {
                let lines = lines(&self.text).into_iter();
                lines.filter(|line| !line.trim_matches([' ', '\t', '\r']).is_empty()).collect()
            }
            Format::JsonSequence => serde_json::Deserializer::from_str(&self.text)
                .into_iter::<Box<RawValue>>()
                .map(|value| value.unwrap().get().to_owned())
                .collect(),
            Format::JsonArray => {
                let values: Vec<&RawValue> = serde_json::from_str(&self.text).unwrap();
                values.into_iter().map(|value| value.get().to_owned()).collect()
            }
            Format::Csv | Format::Tsv => rows(&self.text, self.format),
        }
    }

    /// A record that was found, as [`Sample::records`] shows it.
    pub fn shown(&self, record: &[u8]) -> String {
        let record = std::str::from_utf8(record).unwrap();
        match self.format {
            Format::Csv | Format::Tsv => rows(record, self.format).concat(),
            _ => record.to_owned(),
        }
    }
}

fn lines(text: &str) -> Vec<String> {
    text.split_terminator('\n').map(str::to_owned).collect()
}

fn rows(text: &str, format: Format) -> Vec<String> {
    let mut reader = ::csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(if format == Format::Csv { b',' } else { b'\t' })
        .from_reader(text.as_bytes());
    reader.records().map(|record| format!("{:?}", record.unwrap())).collect()
}

/// Shows a splitter a whole text: the records that it finds, or the fault.
pub(crate) fn records_of(text: &str, mut splitter: Splitter) -> Result<Vec<&str>, Fault> {
    let mut found = Vec::new();
    loop {
        match splitter.next(0, text.as_bytes(), true) {
            Step::Record { start, end } => found.push(&text[start as usize..end as usize]),
            Step::End => return Ok(found),
            Step::Fault(fault) => return Err(fault),
            Step::More { .. } => panic!("more asked for after the last byte"),
        }
    }
}

/// Shows a splitter a text in three pieces, cut in every way: it finds these records.
pub(crate) fn no_cut_matters(text: &str, whole: &[&str], new: impl Fn() -> Splitter) {
    for first in 0..=text.len() {
        for second in first..=text.len() {
            let mut splitter = new();
            let (mut base, mut found) = (0, Vec::new());
            for end in [first, second, text.len()] {
                loop {
                    let bytes = &text.as_bytes()[base as usize..end];
                    match splitter.next(base, bytes, end == text.len()) {
                        Step::Record { start, end } => {
                            found.push(&text[start as usize..end as usize]);
                        }
                        Step::More { keep, .. } => {
                            base = keep;
                            break;
                        }
                        Step::End => break,
                        Step::Fault(fault) => panic!("{fault} at {}", fault.at),
                    }
                }
            }
            assert_eq!(found, whole, "cut at {first} and {second}");
        }
    }
}

/// Any number of these, one behind the other.
fn many(parts: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(parts), 0..most)
        .prop_map(|parts| parts.concat())
}

fn space() -> impl Strategy<Value = String> {
    many(&[" ", "\n", "\t", "\r"], 3)
}

fn string() -> impl Strategy<Value = String> {
    many(&["a", "\\\"", "\\\\", "{", "]", ",", " ", "\\u00e9", "\u{e9}"], 6)
        .prop_map(|text| format!("\"{text}\""))
}

/// A JSON value with white space in it.
fn value() -> impl Strategy<Value = String> {
    let word = proptest::sample::select(&["1", "-2.5e400", "true", "null"][..]);
    let leaf = prop_oneof![string(), word.prop_map(str::to_owned)];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let member = (string(), space(), inner.clone())
            .prop_map(|(name, space, value)| format!("{name}{space}:{space}{value}"));
        let joined = |(parts, space): (Vec<String>, String)| {
            format!("{space}{}{space}", parts.join(&format!("{space},")))
        };
        let few = |one| proptest::collection::vec(one, 0..3);
        let elements = (few(inner.boxed()), space()).prop_map(joined);
        let members = (few(member.boxed()), space()).prop_map(joined);
        prop_oneof![
            elements.prop_map(|text| format!("[{text}]")),
            members.prop_map(|text| format!("{{{text}}}")),
        ]
    })
}

/// An input of any format. What is in it is well formed: faults have tests of their own.
pub(crate) fn samples() -> impl Strategy<Value = Sample> {
    let lines = many(&["a", "\u{e9}", " ", "\t", "\r", "\n", "\n", "\""], 40);
    let line_format = proptest::sample::select(&[Format::Lines, Format::Ndjson][..]);
    let values = || proptest::collection::vec((value(), space()), 0..8);
    let sequence = values().prop_map(|values| {
        let values = values.into_iter().map(|(value, space)| format!("{value}{space} "));
        Sample { format: Format::JsonSequence, text: values.collect() }
    });
    let array = (space(), values()).prop_map(|(before, values)| {
        let values: Vec<_> =
            values.into_iter().map(|(value, space)| format!("{space}{value}{space}")).collect();
        Sample {
            format: Format::JsonArray,
            text: format!("{before}[{}]{before}", values.join(",")),
        }
    });
    let plain = many(&["a", "\u{e9}", " "], 4)
        .prop_flat_map(|text| prop_oneof![Just(text.clone()), Just(text + "a\"b\"")]);
    let quoted = many(&["a", "\"\"", ",", "\t", "\n", "\r", "\u{e9}"], 6)
        .prop_map(|text| format!("\"{text}\""));
    let fields = proptest::collection::vec(prop_oneof![plain, quoted], 1..4);
    let end = proptest::sample::select(&["\n", "\r\n", "\r", "\n\n", "\r\n\r\n"][..]);
    let rows = (
        proptest::collection::vec((fields, end), 0..8),
        proptest::sample::select(&[Format::Csv, Format::Tsv][..]),
        any::<bool>(),
    );
    let rows = rows.prop_map(|(rows, format, ends)| {
        let delimiter = if format == Format::Csv { "," } else { "\t" };
        let rows = rows.into_iter().map(|(fields, end)| fields.join(delimiter) + end);
        let mut text: String = rows.collect();
        if !ends {
            text.truncate(text.trim_end_matches(['\n', '\r']).len());
        }
        Sample { format, text }
    });
    prop_oneof![
        (lines, line_format).prop_map(|(text, format)| Sample { format, text }),
        sequence,
        array,
        rows,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn records_are_the_same_however_bytes_arrive(
        sample in samples(),
        reads in proptest::collection::vec(1..10usize, 1..20),
    ) {
        let text = sample.text.as_bytes();
        let (mut splitter, mut base) = match sample.format {
            Format::JsonArray => {
                let start = sample.text.find('[').unwrap() + 1;
                (Splitter::Json(JsonSplitter::array(start as u64)), start)
            }
            format => (Splitter::for_range(format, 0), 0),
        };
        let mut shown = base;
        let mut found = Vec::new();
        let mut reads = reads.iter().cycle();
        loop {
            match splitter.next(base as u64, &text[base..shown], shown == text.len()) {
                Step::Record { start, end } => {
                    found.push(sample.shown(&text[start as usize..end as usize]));
                }
                Step::More { keep, seen } => {
                    prop_assert!(keep <= seen && seen as usize <= shown);
                    base = keep as usize;
                    shown = (shown + reads.next().unwrap()).min(text.len());
                }
                Step::End => break,
                Step::Fault(fault) => prop_assert!(false, "{} at {}", fault, fault.at),
            }
        }
        prop_assert_eq!(found, sample.records());
    }
}
