//! 64 bytes of JSON text at once: which of them are brackets outside of strings, and which
//! quotes begin and end strings. How the masks are combined is that of simdjson's first
//! stage (Langdale and Lemire, "Parsing Gigabytes of JSON per Second", 2019), but for one
//! thing: a backslash outside of a string, which is no JSON, has no meaning here.

use crate::records::block::{self, BLOCK, fill, first};

/// Where in strings a block begins, and what follows it.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Carry {
    pub in_string: bool,
    /// The byte before was a backslash that takes away the next byte's meaning.
    pub escaped: bool,
}

/// A block, a bit for each byte, the lowest for the first.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Block {
    /// How many bytes it has.
    pub length: usize,
    /// Quotes that begin or end a string.
    pub quotes: u64,
    /// Brackets outside of strings that open something, and that close something.
    pub opening: u64,
    pub closing: u64,
    pub after: Carry,
}

impl Block {
    /// Looks at the first bytes of a text that is not empty.
    pub fn of(text: &[u8], before: Carry) -> Block {
        let bytes = block::Block::of(text);
        let backslashes = bytes.is(b'\\');
        let (escaped, ends_escaped) = match (backslashes, before.escaped) {
            (0, escaped) => (u64::from(escaped), false),
            _ => escapes(backslashes, before.escaped),
        };
        let quotes = bytes.is(b'"') & !escaped;
        // From each quote that begins a string up to the one that ends it.
        let strings = fill(quotes) ^ if before.in_string { u64::MAX } else { 0 };
        let block = Block {
            length: bytes.length,
            quotes,
            // The two opening brackets differ in one bit, and so do the two closing ones.
            opening: bytes.is_with(0x20, b'{') & !strings,
            closing: bytes.is_with(0x20, b'}') & !strings,
            after: Carry { in_string: strings >> 63 == 1, escaped: ends_escaped },
        };
        let astray = backslashes & !strings;
        match astray {
            0 if block.length == BLOCK => block,
            0 => Block { after: block.after_cut(strings, escaped, backslashes), ..block },
            // It ends behind the backslash that means nothing, and nothing is escaped there.
            _ => block.cut(astray.trailing_zeros() as usize + 1),
        }
    }

    /// What follows where it has fewer bytes than a block has.
    fn after_cut(&self, strings: u64, escaped: u64, backslashes: u64) -> Carry {
        let last = self.length - 1;
        Carry {
            in_string: strings >> last & 1 == 1,
            escaped: backslashes & !escaped & strings & 1 << last != 0,
        }
    }

    /// Its first bytes, which do not end in a string.
    fn cut(self, length: usize) -> Block {
        let kept = first(length);
        Block {
            length: length.min(self.length),
            quotes: self.quotes & kept,
            opening: self.opening & kept,
            closing: self.closing & kept,
            after: Carry::default(),
        }
    }
}

/// Which bytes a backslash stands before that itself has its meaning, and whether one stands
/// before the first byte of the next block.
fn escapes(backslashes: u64, first_is_escaped: bool) -> (u64, bool) {
    const EVEN: u64 = 0x5555_5555_5555_5555;
    // An escaped backslash escapes nothing.
    let backslashes = backslashes & !u64::from(first_is_escaped);
    let behind = backslashes << 1 | u64::from(first_is_escaped);
    // A run of backslashes escapes each second byte from its second on. Adding a run's first
    // bit to it carries to the byte behind; whether that counts depends on where it began.
    let odd_starts = backslashes & !EVEN & !behind;
    let (even_runs, overflow) = odd_starts.overflowing_add(backslashes);
    ((EVEN ^ even_runs << 1) & behind, overflow)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::block::places;

    /// The same, byte by byte: quotes and brackets by their places, and what follows.
    fn plainly(text: &[u8], carry: &mut Carry) -> Vec<(usize, u8)> {
        let mut found = Vec::new();
        for (at, &byte) in text.iter().enumerate() {
            if std::mem::take(&mut carry.escaped) {
                continue;
            }
            match (carry.in_string, byte) {
                (true, b'\\') => carry.escaped = true,
                (_, b'"') => {
                    carry.in_string = !carry.in_string;
                    found.push((at, byte));
                }
                (false, b'{' | b'}' | b'[' | b']') => found.push((at, byte)),
                _ => {}
            }
        }
        found
    }

    fn in_blocks(text: &[u8], carry: &mut Carry) -> Vec<(usize, u8)> {
        let (mut found, mut at) = (Vec::new(), 0);
        while at < text.len() {
            let block = Block::of(&text[at..], *carry);
            assert!(block.length > 0 && block.length <= BLOCK.min(text.len() - at));
            for place in places(block.quotes | block.opening | block.closing) {
                let byte = text[at + place];
                let bit = 1_u64 << place;
                assert_eq!(block.quotes & bit != 0, byte == b'"');
                assert_eq!(block.opening & bit != 0, matches!(byte, b'{' | b'['));
                found.push((at + place, byte));
            }
            at += block.length;
            *carry = block.after;
        }
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5000))]

        #[test]
        fn blocks_see_what_each_byte_alone_shows(
            text in r#"([\\"\[\]{}, a]|\\\\|ab"){0,200}"#,
            in_string: bool,
            escaped: bool,
        ) {
            let before = Carry { in_string, escaped: in_string && escaped };
            let (mut one, mut other) = (before, before);
            let text = text.as_bytes();
            prop_assert_eq!(in_blocks(text, &mut one), plainly(text, &mut other));
            prop_assert_eq!(one, other);
        }
    }
}
