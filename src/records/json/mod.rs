//! Splitting JSON text into values without parsing them: nesting, strings and
//! separators are followed (and checked), everything inside a value is left to
//! the plugin.

mod block;

use super::{Fault, Step};
use block::{Block, Carry};

/// Nesting deeper than this is a fault. It bounds the memory that text made of
/// nothing but brackets can claim (one bit a level).
const MAX_DEPTH: usize = 1 << 20;

/// What may stand where the splitter is, between two values.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Between {
    /// A sequence: a value, or the end.
    Values,
    /// Just after the array's `[`: a value or `]`.
    First,
    /// The start of a range inside an array: a value, or the comma before it.
    Resumed,
    /// After an element: a comma or `]`.
    AfterElement,
    /// After a comma: a value.
    AfterComma,
    /// After the array's `]`: white space only.
    Closed,
}

/// Where inside a value the splitter is.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Inside {
    /// In an object or array, outside strings.
    Nest,
    /// In a string that stands in an object or array, or is the value itself;
    /// holds where the string began.
    String { opened: u64 },
    /// In a number, `true`, `null` or any other bare word.
    Word,
}

/// Follows JSON text value by value. All offsets count from the input's start.
#[derive(Clone, Debug)]
pub(crate) struct JsonSplitter {
    /// The next byte to look at.
    at: u64,
    between: Between,
    /// The first byte of the value in progress and where in it we are.
    value: Option<(u64, Inside)>,
    /// One bit for each open bracket: set for `{`.
    nest: Vec<u64>,
    depth: usize,
    /// Only the bytes of one range are shown: their end is no end of the array.
    partial: bool,
    /// The array stands inside a text: what follows its `]` is somebody else's business.
    nested: bool,
}

impl JsonSplitter {
    /// Whitespace-separated values from `start` on.
    pub fn sequence(start: u64) -> Self {
        Self::new(start, Between::Values, false)
    }

    /// A whole array whose `[` stands just before `start`.
    pub fn array(start: u64) -> Self {
        Self::new(start, Between::First, false)
    }

    /// A range inside an array that the supervisor has already followed.
    pub fn inside_array(start: u64) -> Self {
        Self::new(start, Between::Resumed, true)
    }

    /// An array inside a text, whose `[` stands just before `start`. Nothing behind its
    /// `]` is looked at.
    pub fn nested_array(start: u64) -> Self {
        JsonSplitter { nested: true, ..Self::new(start, Between::First, false) }
    }

    /// The byte after the array's `]`, once that has been passed.
    pub fn closed(&self) -> Option<u64> {
        (self.between == Between::Closed).then_some(self.at)
    }

    fn new(at: u64, between: Between, partial: bool) -> Self {
        let nest = Vec::new();
        JsonSplitter { at, between, value: None, nest, depth: 0, partial, nested: false }
    }

    pub fn next(&mut self, base: u64, bytes: &[u8], last: bool) -> Step {
        let shown = base + bytes.len() as u64;
        if self.value.is_none() {
            match self.find_value(base, bytes) {
                Ok(true) => {}
                Ok(false) if last => return self.end(shown),
                Ok(false) => return Step::More { keep: shown, seen: shown },
                Err(fault) => return Step::Fault(fault),
            }
        }
        let Some((start, inside)) = self.value else {
            return Step::More { keep: shown, seen: shown };
        };
        match self.finish_value(inside, base, bytes, last) {
            Ok(true) => {
                self.value = None;
                if self.between != Between::Values {
                    self.between = Between::AfterElement;
                }
                Step::Record { start, end: self.at }
            }
            Ok(false) => Step::More { keep: start, seen: self.at },
            Err(fault) => Step::Fault(fault),
        }
    }

    /// Passes separators. True when a value begins, false when the bytes end.
    fn find_value(&mut self, base: u64, bytes: &[u8]) -> Result<bool, Fault> {
        while let Some(&byte) = bytes.get((self.at - base) as usize) {
            let between = match (byte, self.between) {
                (_, Between::Closed) if self.nested => return Ok(false),
                (b' ' | b'\t' | b'\r' | b'\n', same) => same,
                (_, Between::Closed) => {
                    return self.fault(
                        "there is more after the `]` that ends the array; if every line is a \
                         value of its own, say --from ndjson",
                    );
                }
                (b',', Between::AfterElement | Between::Resumed) => Between::AfterComma,
                (b']', Between::AfterElement | Between::First) => Between::Closed,
                (b',', Between::Values) => {
                    return self.fault("a comma stands between two values outside an array");
                }
                (b',', _) => return self.fault("a comma stands where a value is expected"),
                (b']', Between::AfterComma) => {
                    return self.fault("a comma stands before the `]` that ends the array");
                }
                (b']' | b'}', _) => return self.fault("this bracket closes nothing"),
                (b':', _) => return self.fault("a colon stands outside an object"),
                (_, Between::AfterElement) => {
                    return self.fault("a comma or `]` is missing after an array element");
                }
                (first, _) => {
                    self.begin_value(first);
                    return Ok(true);
                }
            };
            self.between = between;
            self.at += 1;
        }
        Ok(false)
    }

    fn begin_value(&mut self, first: u8) {
        let start = self.at;
        let inside = match first {
            b'{' | b'[' => {
                // `finish_value` meets the bracket itself and counts it.
                Inside::Nest
            }
            b'"' => {
                self.at += 1;
                Inside::String { opened: start }
            }
            _ => Inside::Word,
        };
        self.value = Some((start, inside));
    }

    /// Follows the value in progress. True at its end, false when the bytes end.
    fn finish_value(
        &mut self,
        inside: Inside,
        base: u64,
        bytes: &[u8],
        last: bool,
    ) -> Result<bool, Fault> {
        if inside == Inside::Word {
            let rest = &bytes[(self.at - base) as usize..];
            let length = rest.iter().position(|byte| ends_word(*byte));
            self.at += length.unwrap_or(rest.len()) as u64;
            return Ok(length.is_some() || last);
        }
        let mut string = match inside {
            Inside::String { opened } => Some(opened),
            Inside::Nest | Inside::Word => None,
        };
        let mut carry = Carry { in_string: string.is_some(), escaped: false };
        loop {
            let rest = &bytes[(self.at - base) as usize..];
            if rest.is_empty() {
                break;
            }
            let block = Block::of(rest, carry);
            let from = self.at;
            if self.follow(&block, rest)? {
                return Ok(true);
            }
            self.at = from + block.length as u64;
            carry = block.after;
            // The last quote of a block that ends in a string began it.
            match block.quotes.checked_ilog2() {
                _ if !carry.in_string => string = None,
                Some(place) => string = Some(from + u64::from(place)),
                None => {}
            }
        }
        if let Some((start, state)) = &mut self.value {
            let (at, what) = match string {
                Some(opened) => (opened, "this string is never closed"),
                None => (*start, "this value is never closed"),
            };
            if last {
                return Err(Fault { at, what: what.into() });
            }
            *state = string.map_or(Inside::Nest, |opened| Inside::String { opened });
        }
        // A backslash whose second byte is not shown yet is looked at again.
        self.at -= u64::from(carry.escaped);
        Ok(false)
    }

    /// Follows the value in progress through a block, in which `self.at` goes from bracket to
    /// bracket. True if it ends there.
    fn follow(&mut self, block: &Block, bytes: &[u8]) -> Result<bool, Fault> {
        let from = self.at;
        if self.depth == 0 && block.opening & 1 == 0 {
            // The value is a string.
            return Ok(match block.quotes {
                0 => false,
                quotes => {
                    self.at = from + u64::from(quotes.trailing_zeros()) + 1;
                    true
                }
            });
        }
        let mut brackets = block.opening | block.closing;
        while brackets != 0 {
            let place = brackets.trailing_zeros();
            self.at = from + u64::from(place);
            let is_object = bytes[place as usize] & 0x20 != 0;
            if block.opening >> place & 1 == 1 {
                self.open(is_object)?;
            } else {
                self.close(is_object)?;
                if self.depth == 0 {
                    self.at += 1;
                    return Ok(true);
                }
            }
            brackets &= brackets - 1;
        }
        Ok(false)
    }

    fn open(&mut self, object: bool) -> Result<(), Fault> {
        if self.depth == MAX_DEPTH {
            return self.fault("the nesting is deeper than 1,048,576 levels");
        }
        let (word, bit) = (self.depth / 64, self.depth % 64);
        if word == self.nest.len() {
            self.nest.push(0);
        }
        self.nest[word] = self.nest[word] & !(1 << bit) | (u64::from(object) << bit);
        self.depth += 1;
        Ok(())
    }

    fn close(&mut self, object: bool) -> Result<(), Fault> {
        // `close` is only reached inside a value, where at least one is open.
        self.depth -= 1;
        let opened = self.nest[self.depth / 64] >> (self.depth % 64) & 1 == 1;
        match (opened, object) {
            (true, false) => self.fault("a `]` stands where `}` is expected"),
            (false, true) => self.fault("a `}` stands where `]` is expected"),
            _ => Ok(()),
        }
    }

    /// What it means that the bytes end between two values.
    fn end(&self, shown: u64) -> Step {
        match self.between {
            Between::Values | Between::Closed => Step::End,
            _ if self.partial => Step::End,
            _ => Step::Fault(Fault {
                at: shown,
                what: "the input ends before the `]` of its array".into(),
            }),
        }
    }

    fn fault<T>(&self, what: &str) -> Result<T, Fault> {
        Err(Fault { at: self.at, what: what.into() })
    }
}

fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b':' | b'"' | b'{' | b'}' | b'[' | b']')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Splitter;
    use crate::records::properties::{no_cut_matters, records_of};

    fn sequence(text: &str) -> Result<Vec<&str>, Fault> {
        records_of(text, Splitter::Json(JsonSplitter::sequence(0)))
    }

    fn array(text: &str) -> Result<Vec<&str>, Fault> {
        records_of(text, Splitter::Json(JsonSplitter::array(1)))
    }

    #[test]
    fn values_are_found_as_jq_finds_them() {
        assert_eq!(sequence("1 2\n{}{\"a\":[1]}").unwrap(), ["1", "2", "{}", "{\"a\":[1]}"]);
        assert_eq!(sequence("\"a\\\"b\"\"c\" null").unwrap(), ["\"a\\\"b\"", "\"c\"", "null"]);
        assert_eq!(sequence("1[2]\"x\"true").unwrap(), ["1", "[2]", "\"x\"", "true"]);
        assert_eq!(sequence(" \n").unwrap(), [""; 0]);
    }

    #[test]
    fn elements_of_an_array_are_found() {
        assert_eq!(array("[]").unwrap(), [""; 0]);
        assert_eq!(
            array("[1e400,\n {\"]\":\"\\\\\"} ] \n").unwrap(),
            ["1e400", "{\"]\":\"\\\\\"}"]
        );
    }

    #[test]
    fn a_fault_names_its_byte() {
        let at = |result: Result<Vec<&str>, Fault>| result.unwrap_err().at;
        assert_eq!(at(array("[1 2]")), 3);
        assert_eq!(at(array("[1,]")), 3);
        assert_eq!(at(array("[,1]")), 1);
        assert_eq!(at(array("[1")), 2);
        assert_eq!(at(array("[1] 2")), 4);
        assert_eq!(at(array("[{]")), 2);
        assert_eq!(at(array("[\"abc")), 1);
        assert_eq!(at(sequence("1,2")), 1);
        assert_eq!(at(sequence("{\"a\":1}}")), 7);
        assert_eq!(at(sequence("1 {\"a\":[")), 2);
        assert_eq!(at(sequence("{\"a\": \"b")), 6);
    }

    #[test]
    fn every_way_of_cutting_the_bytes_gives_the_same_values() {
        let text = "{\"a\\\\\":\"\\\"]\"} [1,[2]] \"s\\\\\" 12 nul{} ";
        let whole = sequence(text).unwrap();
        no_cut_matters(text, &whole, || Splitter::Json(JsonSplitter::sequence(0)));
    }

    #[test]
    fn nesting_without_end_is_a_fault_and_not_a_stack() {
        let deep = "[".repeat(MAX_DEPTH + 2);
        assert_eq!(sequence(&deep).unwrap_err().at, MAX_DEPTH as u64);
    }
}
