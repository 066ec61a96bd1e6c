//! One JSON value on one line: white space between tokens is left out, nothing
//! else changes. Needed where records of a JSON text become JSON lines.

use memchr::memchr2;
use serde::de::IgnoredAny;

/// Writes `value` to `out` without the white space between its tokens and gives
/// the number of bytes written, or `None` if `out` is too small.
///
/// `value` is one value as a splitter found it. Raw newlines inside a string are
/// no valid JSON; they are kept, and make the result two lines: the caller checks.
pub(crate) fn write_compact(value: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut written = 0;
    let mut rest = value;
    let mut put = |bytes: &[u8]| -> Option<()> {
        out.get_mut(written..written + bytes.len())?.copy_from_slice(bytes);
        written += bytes.len();
        Some(())
    };
    while let Some(&first) = rest.first() {
        let length = match first {
            b'"' => string_length(rest),
            b' ' | b'\t' | b'\r' | b'\n' => {
                rest = &rest[1..];
                continue;
            }
            _ => rest
                .iter()
                .position(|byte| matches!(byte, b'"' | b' ' | b'\t' | b'\r' | b'\n'))
                .unwrap_or(rest.len()),
        };
        put(&rest[..length])?;
        rest = &rest[length..];
    }
    Some(written)
}

/// The length of the string that `bytes` starts with, quotes included.
fn string_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        if bytes[at + found] == b'"' {
            return at + found + 1;
        }
        at += found + 2;
    }
    bytes.len()
}

/// Whether `text` is exactly one JSON value, valid down to its last digit, so that it can
/// stand as an element of an array without forging another one or spoiling the rest.
pub(crate) fn is_one_value(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compact(value: &str) -> String {
        let mut out = vec![0; value.len()];
        let length = write_compact(value.as_bytes(), &mut out).unwrap();
        String::from_utf8(out[..length].to_vec()).unwrap()
    }

    #[test]
    fn only_white_space_between_tokens_goes() {
        assert_eq!(compact("{ \"a b\" :\n\t[1, \" \\\" \" ] }"), "{\"a b\":[1,\" \\\" \"]}");
        assert_eq!(compact("1e400"), "1e400");
        assert_eq!(compact("{\"a\":1,\"a\":2}"), "{\"a\":1,\"a\":2}");
    }

    #[test]
    fn a_buffer_that_is_too_small_is_noticed() {
        assert_eq!(write_compact(b"[1, 2]", &mut [0; 4]), None);
    }

    #[test]
    fn one_value_is_told_from_none_and_two() {
        for text in [" {\"a\":1} ", "1e400", "\"\\ud800\"", "[[], {}]\n", "-0.0"] {
            assert!(is_one_value(text), "{text}");
        }
        assert!(is_one_value(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))));
        for text in
            ["", "1,2", "1 2", "[1", "{}]", "\"a", "{\"a\":}", "NaN", "01", "\"\\x\"", "\"\n\""]
        {
            assert!(!is_one_value(text), "{text}");
        }
    }
}
