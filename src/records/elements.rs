//! The elements of an array inside a JSON text, and the text behind it: what follows once
//! a [`Seeker`] has found the array.

use super::{JsonSplitter, Seek, Seeker, Step};

/// Gives the elements of an array inside a text, and checks the text behind it.
#[derive(Clone, Debug)]
pub(crate) struct ElementsSplitter {
    elements: JsonSplitter,
    /// Goes on once the array is closed.
    rest: Seeker,
}

impl ElementsSplitter {
    /// For the array that `seeker` has found.
    pub fn new(seeker: Seeker) -> ElementsSplitter {
        ElementsSplitter { elements: JsonSplitter::nested_array(seeker.at()), rest: seeker }
    }

    pub fn next(&mut self, base: u64, bytes: &[u8], last: bool) -> Step {
        if self.elements.closed().is_none() {
            let step = self.elements.next(base, bytes, last);
            let Some(closed) = self.elements.closed() else { return step };
            self.rest.go_on_at(closed);
        }
        match self.rest.seek(base, bytes, last) {
            Seek::More { seen } => Step::More { keep: seen, seen },
            Seek::Fault(fault) => Step::Fault(fault),
            // The array was found before, so nothing is sought any more.
            Seek::End | Seek::Found { .. } | Seek::Missing(_) => Step::End,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::Value;
    use serde_json::value::RawValue;

    use super::*;
    use crate::records::Pointer;

    /// What becomes of a text that is shown in pieces that end at `cuts`.
    fn elements(text: &str, pointer: &str, cuts: &[usize]) -> Result<Vec<String>, String> {
        let mut seeker = Seeker::new(Arc::new(pointer.parse().unwrap()), 0);
        let (mut base, mut found) = (0, Vec::new());
        let mut splitter = None;
        for end in cuts.iter().copied().chain([text.len()]) {
            let last = end == text.len();
            loop {
                let bytes = &text.as_bytes()[base as usize..end.max(base as usize)];
                let Some(splitter) = &mut splitter else {
                    match seeker.seek(base, bytes, last) {
                        Seek::Found { start } => {
                            assert_eq!(text.as_bytes()[start as usize - 1], b'[');
                            splitter = Some(ElementsSplitter::new(seeker.clone()));
                            continue;
                        }
                        Seek::More { seen } => base = seen,
                        Seek::Fault(fault) => return Err(format!("{}: {fault}", fault.at)),
                        Seek::Missing(why) => return Err(why),
                        Seek::End => return Err("an end without an array".into()),
                    }
                    break;
                };
                match splitter.next(base, bytes, last) {
                    Step::Record { start, end } => {
                        found.push(text[start as usize..end as usize].to_owned());
                    }
                    Step::More { keep, seen } => {
                        assert!(keep <= seen);
                        base = keep;
                        break;
                    }
                    Step::Fault(fault) => return Err(format!("{}: {fault}", fault.at)),
                    Step::End => return Ok(found),
                }
            }
        }
        panic!("more was asked for after the last byte");
    }

    fn whole(text: &str, pointer: &str) -> Result<Vec<String>, String> {
        elements(text, pointer, &[])
    }

    #[test]
    fn the_array_is_found_whatever_stands_around_it() {
        let text = r#" {"x": [{"items": [9]}, "]"], "items" : [1, [2] ,{"a":"]"}], "z": {}} "#;
        assert_eq!(whole(text, "/items").unwrap(), ["1", "[2]", r#"{"a":"]"}"#]);
        assert_eq!(whole(text, "/x/0/items").unwrap(), ["9"]);
        assert_eq!(whole(text, "/items/1").unwrap(), ["2"]);
        assert_eq!(whole("[1]", "").unwrap(), ["1"]);
        assert_eq!(whole(r#"{"": {"a/b": {"m~n": [] }}}"#, "//a~1b/m~0n").unwrap(), [""; 0]);
    }

    #[test]
    fn names_match_however_they_are_escaped() {
        let text = r#"{"item": 1, "\u0069\u0074ems": [7]}"#;
        assert_eq!(whole(text, "/items").unwrap(), ["7"]);
        assert_eq!(whole(r#"{"\ud83d\ude00\"\\": [7]}"#, "/\u{1f600}\"\\").unwrap(), ["7"]);
        assert_eq!(whole(r#"{"items\u0000": 0, "items": [7]}"#, "/items").unwrap(), ["7"]);
    }

    #[test]
    fn of_members_with_one_name_the_first_counts() {
        assert_eq!(whole(r#"{"a": [1], "a": [2]}"#, "/a").unwrap(), ["1"]);
        assert_eq!(whole(r#"{"a": 1, "a": [2]}"#, "/a").unwrap_err(), "/a is a number");
    }

    #[test]
    fn what_stands_there_instead_is_told() {
        let text = r#"{"a": {"b": [1, "x"], "c": null}}"#;
        for (pointer, why) in [
            ("", "the whole text is an object"),
            ("/b", r#"the whole text is an object without a member "b""#),
            ("/a", "/a is an object"),
            ("/a/d/e", r#"/a is an object without a member "d""#),
            ("/a/c", "/a/c is null"),
            ("/a/c/d", "/a/c is null"),
            ("/a/b/1", "/a/b/1 is a string"),
            ("/a/b/2", "/a/b is an array with 2 elements"),
            ("/a/b/01", r#"/a/b is an array, and "01" no index"#),
            ("/a/b/-", r#"/a/b is an array, and "-" no index"#),
        ] {
            assert_eq!(whole(text, pointer).unwrap_err(), why);
        }
        assert_eq!(whole("[]", "/0").unwrap_err(), "the whole text is an array without elements");
        assert_eq!(whole("  ", "/a").unwrap_err(), "there is no value in it");
    }

    #[test]
    fn every_fault_is_named_before_the_array_and_behind_it() {
        for (text, at) in [
            (r#"{"b" 1, "a": []}"#, 5),
            (r#"{"b": 1 "a": []}"#, 8),
            (r#"{"b": , "a": []}"#, 6),
            (r#"{"b": 1, , "a": []}"#, 9),
            (r#"{b: 1, "a": []}"#, 1),
            (r#"{"b": [}, "a": []}"#, 7),
            (r#"{"a": [1 2]}"#, 9),
            (r#"{"a": [1]"#, 9),
            (r#"{"a": [1], "b"}"#, 14),
            (r#"{"a": [1], "b": {"#, 16),
            (r#"{"a": [1]]"#, 9),
            (r#"{"a": [1]} {}"#, 11),
            (r#"{"a": [1"#, 8),
            (r#"{"a"#, 3),
        ] {
            let fault = whole(text, "/a").unwrap_err();
            assert!(fault.starts_with(&format!("{at}: ")), "{text}: {fault}");
        }
    }

    /// A text of this value with white space and escapes as `style` says.
    fn write(value: &Value, style: &mut impl FnMut(usize) -> usize, text: &mut String) {
        let space = |style: &mut dyn FnMut(usize) -> usize, text: &mut String| {
            text.push_str(["", "", " ", "\n\t"][style(4)]);
        };
        let string = |string: &str, style: &mut dyn FnMut(usize) -> usize, text: &mut String| {
            let escape = |unit: &u16| format!("\\u{unit:04x}");
            match style(2) {
                0 => text.push_str(&serde_json::to_string(string).unwrap()),
                _ => {
                    let units: Vec<u16> = string.encode_utf16().collect();
                    text.push_str(&format!("\"{}\"", units.iter().map(escape).collect::<String>()));
                }
            }
        };
        space(style, text);
        match value {
            Value::Array(elements) => {
                text.push('[');
                for (place, element) in elements.iter().enumerate() {
                    text.push_str(if place > 0 { "," } else { "" });
                    write(element, style, text);
                }
                text.push(']');
            }
            Value::Object(members) => {
                text.push('{');
                for (place, (name, member)) in members.iter().enumerate() {
                    text.push_str(if place > 0 { "," } else { "" });
                    space(style, text);
                    string(name, style, text);
                    space(style, text);
                    text.push(':');
                    write(member, style, text);
                }
                text.push('}');
            }
            Value::String(inner) => string(inner, style, text),
            other => text.push_str(&other.to_string()),
        }
        space(style, text);
    }

    /// Pointers to everything in a value.
    fn pointers(value: &Value, here: &str, into: &mut Vec<String>) {
        into.push(here.to_owned());
        match value {
            Value::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    pointers(element, &format!("{here}/{index}"), into);
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    let token = name.replace('~', "~0").replace('/', "~1");
                    pointers(member, &format!("{here}/{token}"), into);
                }
            }
            _ => {}
        }
    }

    /// The elements as serde_json finds them, as they are written.
    fn by_serde(text: &str, pointer: &Pointer) -> Option<Vec<String>> {
        let mut here: &RawValue = serde_json::from_str(text).unwrap();
        for token in pointer.tokens() {
            let of_object: Result<HashMap<String, &RawValue>, _> = serde_json::from_str(here.get());
            here = match of_object {
                Ok(members) => *members.get(token)?,
                Err(_) => {
                    let elements: Vec<&RawValue> = serde_json::from_str(here.get()).ok()?;
                    *elements.get(token.parse::<usize>().ok()?)?
                }
            };
        }
        let elements: Vec<&RawValue> = serde_json::from_str(here.get()).ok()?;
        Some(elements.into_iter().map(|element| element.get().to_owned()).collect())
    }

    fn value() -> impl Strategy<Value = Value> {
        let name = "[a-c/~0-2\"\\\\\u{1f600}\u{e9}\\]}:,]{0,3}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            name.prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 60, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((name, inner), 0..5)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_elements_are_those_that_serde_json_finds(
            value in value(),
            styles in prop::collection::vec(0..16usize, 32),
            chosen in any::<prop::sample::Index>(),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let (mut text, mut turn) = (String::new(), 0);
            let mut style = |kinds| {
                turn += 1;
                styles[turn % styles.len()] % kinds
            };
            write(&value, &mut style, &mut text);
            let mut all = Vec::new();
            pointers(&value, "", &mut all);
            all.push(format!("{}/nowhere", all[chosen.index(all.len())]));
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.sort_unstable();
            for pointer in all {
                let wanted = by_serde(&text, &pointer.parse().unwrap());
                prop_assert_eq!(
                    wanted.is_some(),
                    value.pointer(&pointer).is_some_and(Value::is_array)
                );
                let found = elements(&text, &pointer, &cuts);
                prop_assert_eq!(found.as_ref().ok(), wanted.as_ref(), "{} {:?}", pointer, found);
                // A text that is cut short is noticed, unless only white space is missing.
                let short = &text.trim_end()[..text.trim_end().len() - 1];
                if wanted.is_some() && text.is_char_boundary(short.len()) {
                    prop_assert!(elements(short, &pointer, &[]).is_err());
                }
            }
        }
    }
}
