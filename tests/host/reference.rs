//! What the output has to be, found in another way: the input is taken apart by
//! serde_json and not by the program's own splitters.

use serde_json::{Deserializer, Value};

/// How a text is laid out.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Layout {
    Lines,
    Values,
    Array,
}

/// The records of a text, each from its first byte to its last.
pub fn records(text: &[u8], layout: Layout) -> Vec<&[u8]> {
    match layout {
        Layout::Lines => {
            text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect()
        }
        Layout::Values => {
            let mut found = Vec::new();
            let mut rest = text.trim_ascii();
            while !rest.is_empty() {
                let length = value_length(rest);
                found.push(&rest[..length]);
                rest = rest[length..].trim_ascii_start();
            }
            found
        }
        Layout::Array => {
            let text = text.trim_ascii();
            let mut rest = text.strip_prefix(b"[").unwrap().trim_ascii_start();
            let mut found = Vec::new();
            while rest != b"]" {
                let length = value_length(rest);
                found.push(&rest[..length]);
                rest = rest[length..].trim_ascii_start();
                rest = rest.strip_prefix(b",").map_or(rest, <[u8]>::trim_ascii_start);
            }
            found
        }
    }
}

/// The length of the one JSON value that a text begins with.
fn value_length(text: &[u8]) -> usize {
    let mut values = Deserializer::from_slice(text).into_iter::<Value>();
    values.next().unwrap().unwrap();
    values.byte_offset()
}

/// Records laid out as the program promises to lay them out.
pub fn render(records: &[&[u8]], layout: Layout) -> Vec<u8> {
    let mut text = Vec::new();
    match layout {
        Layout::Lines | Layout::Values => {
            for record in records {
                text.extend_from_slice(record);
                text.push(b'\n');
            }
        }
        Layout::Array if records.is_empty() => text.extend_from_slice(b"[]\n"),
        Layout::Array => {
            text.extend_from_slice(b"[\n");
            text.extend_from_slice(&records.join(&b",\n"[..]));
            text.extend_from_slice(b"\n]\n");
        }
    }
    text
}

/// Whether a member of a record is this text.
pub fn member_is(record: &[u8], member: &str, text: &str) -> bool {
    let record: Value = serde_json::from_slice(record).unwrap();
    record[member] == text
}
