//! A dead letter: a record that failed, written aside as one line of JSON with its
//! position and its error.

use std::io;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use crate::error::{FailureKind, RecordFailure};
use crate::records::Format;
use crate::records::csv::Header;

/// One line of a file of dead letters.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct DeadLetter {
    /// The input as the user named it.
    pub file: String,
    /// The record's number in its input, from 1; null where the output has no order.
    pub record: Option<u64>,
    /// Offset of its first byte in the input.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// How often it was tried.
    pub attempts: u32,
    pub kind: FailureKind,
    /// What happened: the plugin's words if it rejected the record, else the program's.
    pub message: String,
    /// The plugin's file, where it is known which one it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// Where the plugin was when it trapped, the innermost function first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backtrace: Vec<String>,
    /// How the record's input is laid out.
    pub format: String,
    /// The header of its input, as it stands there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The record, if it is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The record, if it is none. One that was too long to be kept has neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
}

impl DeadLetter {
    /// Of a record with these bytes, if it was kept, from an input that is laid out so.
    pub fn new(
        failure: &RecordFailure,
        record: Option<Vec<u8>>,
        format: Format,
        header: Option<&Header>,
    ) -> DeadLetter {
        let (text, base64) = match record.map(String::from_utf8) {
            Some(Ok(text)) => (Some(text), None),
            Some(Err(bytes)) => (None, Some(BASE64_STANDARD.encode(bytes.as_bytes()))),
            None => (None, None),
        };
        DeadLetter {
            file: failure.input.clone(),
            record: failure.number,
            offset: failure.offset,
            length: failure.length,
            attempts: failure.attempts,
            kind: failure.kind,
            message: message(failure),
            plugin: failure.plugin.clone(),
            backtrace: failure.backtrace.clone(),
            format: name(format).to_owned(),
            header: header.map(|header| header.row().to_owned()),
            text,
            base64,
        }
    }

    /// Of the record in an earlier letter, which has failed once more. From now on the failure
    /// speaks of where the record stood at first.
    pub fn again(earlier: DeadLetter, failure: &mut RecordFailure) -> DeadLetter {
        failure.input.clone_from(&earlier.file);
        failure.number = earlier.record;
        (failure.offset, failure.length) = (earlier.offset, earlier.length);
        failure.attempts = failure.attempts.saturating_add(earlier.attempts);
        DeadLetter {
            attempts: failure.attempts,
            kind: failure.kind,
            message: message(failure),
            plugin: failure.plugin.clone(),
            backtrace: failure.backtrace.clone(),
            ..earlier
        }
    }

    /// How the record's input was laid out, if the letter tells.
    pub fn format(&self) -> Option<Format> {
        FORMATS.iter().find(|(_, name)| *name == self.format).map(|(format, _)| *format)
    }

    /// The line, with its end.
    ///
    /// # Errors
    /// None that could happen: there is nothing in it that JSON does not have.
    pub fn line(&self) -> io::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }
}

/// What happened: the plugin's words if there are any, else the program's.
fn message(failure: &RecordFailure) -> String {
    match (&failure.plugin_text, &failure.detail) {
        (Some(text), _) | (None, Some(text)) => text.clone(),
        (None, None) => failure.kind.sentence().to_owned(),
    }
}

/// Whether the bytes of a record that failed like this were kept.
pub(crate) fn is_kept(kind: FailureKind) -> bool {
    kind != FailureKind::TooLong
}

/// The formats that records of dead letters had, by the names that letters have for them.
const FORMATS: [(Format, &str); 5] = [
    (Format::JsonSequence, "json"),
    (Format::Ndjson, "ndjson"),
    (Format::Lines, "lines"),
    (Format::Csv, "csv"),
    (Format::Tsv, "tsv"),
];

fn name(format: Format) -> &'static str {
    let format = match format {
        Format::JsonArray => Format::JsonSequence,
        // A line that is no letter.
        Format::DeadLetters => Format::Lines,
        format => format,
    };
    FORMATS.iter().find(|(known, _)| *known == format).map_or("", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> RecordFailure {
        RecordFailure {
            input: "a\nb.ndjson".into(),
            number: Some(3),
            offset: 20,
            length: 4,
            kind: FailureKind::TooLong,
            attempts: 1,
            plugin: None,
            detail: None,
            plugin_text: None,
            backtrace: Vec::new(),
            excerpt: None,
        }
    }

    fn line(record: Option<&[u8]>) -> String {
        let letter = DeadLetter::new(&failure(), record.map(<[u8]>::to_vec), Format::Ndjson, None);
        let line = String::from_utf8(letter.line().unwrap()).unwrap();
        assert_eq!(serde_json::from_str::<DeadLetter>(&line).unwrap(), letter);
        line
    }

    #[test]
    fn a_letter_is_one_line_whatever_the_record_is() {
        let start = r#"{"file":"a\nb.ndjson","record":3,"offset":20,"length":4,"attempts":1,"#
            .to_owned()
            + r#""kind":"too-long","message":"is longer than --max-record allows","format":"ndjson""#;
        assert_eq!(line(Some(b"{\"a\n")), start.clone() + r#","text":"{\"a\n"}"# + "\n");
        assert_eq!(line(Some(b"\xff\x00")), start.clone() + r#","base64":"/wA="}"# + "\n");
        assert_eq!(line(None), start + "}\n");
    }
}
