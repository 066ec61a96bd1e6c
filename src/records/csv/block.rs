//! 64 bytes of rows at once: which of them end a row, and what begins and ends in quotes.

use crate::records::block::{self, fill, first};

/// Where in a row something stands.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// Where a field begins.
    FieldStart,
    /// In a field, outside of quotes.
    Outside,
    /// In a quoted field.
    Inside,
    /// Behind a quote in a quoted field: it closes the field, or is one of two that stand
    /// for one.
    AfterQuote,
}

/// A block, a bit for each byte, the lowest for the first.
#[derive(Copy, Clone, Debug)]
pub(super) struct Block {
    /// How many bytes it has.
    pub length: usize,
    /// Bytes outside of quotes that end a row.
    pub ends: u64,
    /// First quotes of quoted fields.
    pub opening: u64,
    /// Where what follows it stands.
    pub after: Place,
}

impl Block {
    /// Looks at the first bytes of a text that is not empty.
    ///
    /// Quotes that come in pairs have the meaning that the pairs suggest, if the first of each
    /// stands where a field begins, or behind the second of another. One that does not is a
    /// quote in the middle of a field, which is no more than that: the block ends behind it.
    pub fn of(text: &[u8], place: Place, delimiter: u8) -> Block {
        let bytes = block::Block::of(text);
        let kept = first(bytes.length);
        let (quotes, delimiters) = (bytes.is(b'"'), bytes.is(delimiter));
        let ends = (bytes.is(b'\n') | bytes.is(b'\r')) & kept;
        let inside = place == Place::Inside;
        let quoted = fill(quotes) ^ if inside { u64::MAX } else { 0 };
        let (firsts, seconds) = (quotes & quoted, quotes & !quoted);
        let starts = (delimiters | ends) << 1 | u64::from(place == Place::FieldStart);
        let again = seconds << 1 | u64::from(place == Place::AfterQuote);
        let astray = firsts & !starts & !again;
        let length = match astray {
            0 => bytes.length,
            _ => astray.trailing_zeros() as usize + 1,
        };
        let (kept, last) = (first(length), 1 << (length - 1));
        Block {
            length,
            ends: ends & !quoted & kept,
            opening: firsts & starts & kept,
            after: match last {
                _ if astray != 0 => Place::Outside,
                last if quoted & last != 0 => Place::Inside,
                last if seconds & last != 0 => Place::AfterQuote,
                last if (delimiters | ends) & last != 0 => Place::FieldStart,
                _ => Place::Outside,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::block::places;

    /// The same, byte by byte: ends of rows and first quotes, and where the text ends.
    fn plainly(text: &[u8], place: &mut Place) -> Vec<(usize, u8)> {
        let mut found = Vec::new();
        for (at, &byte) in text.iter().enumerate() {
            *place = match (*place, byte) {
                (Place::Inside, b'"') => Place::AfterQuote,
                (Place::Inside, _) | (Place::AfterQuote, b'"') => Place::Inside,
                (Place::FieldStart, b'"') => {
                    found.push((at, byte));
                    Place::Inside
                }
                (_, b',') => Place::FieldStart,
                (_, b'\n' | b'\r') => {
                    found.push((at, byte));
                    Place::FieldStart
                }
                _ => Place::Outside,
            };
        }
        found
    }

    fn in_blocks(text: &[u8], place: &mut Place) -> Vec<(usize, u8)> {
        let (mut found, mut at) = (Vec::new(), 0);
        while at < text.len() {
            let block = Block::of(&text[at..], *place, b',');
            assert!(block.length > 0 && block.length <= text.len() - at);
            let all = block.ends | block.opening;
            found.extend(places(all).map(|place| (at + place, text[at + place])));
            at += block.length;
            *place = block.after;
        }
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5000))]

        #[test]
        fn blocks_see_what_each_byte_alone_shows(
            text in r#"([,"\n\r ]|a{1,20}|"a*"|""|,"){0,100}"#,
            place in prop::sample::select(
                vec![Place::FieldStart, Place::Outside, Place::Inside, Place::AfterQuote],
            ),
        ) {
            let (mut one, mut other) = (place, place);
            let text = text.as_bytes();
            prop_assert_eq!(in_blocks(text, &mut one), plainly(text, &mut other));
            prop_assert_eq!(one, other);
        }
    }
}
