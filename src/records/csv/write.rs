//! To a row, from the JSON text that a plugin has made or from a row of another layout.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use memchr::{memchr, memchr3};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::fields::Fields;
use super::{BadRow, Delimiter, Header};
use crate::records::{BOM, is_one_value, write_compact};

/// Why something is no row of the output. Members and elements count from 1.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum NoRow {
    #[error("it is not one JSON value")]
    NotJson,
    #[error("it is neither a JSON object nor a JSON array, and a row is made of one")]
    NoFields,
    #[error(
        "it is a JSON object, and nothing says in which order its members become columns; \
         --columns does"
    )]
    NoColumns,
    #[error(
        "member {member} of its object is no column of the output; --columns says which there are"
    )]
    NoColumn { member: usize },
    #[error("member {member} of its object has the name of one before it")]
    Twice { member: usize },
    #[error("it has {has} elements where the output has {wants} columns (--columns)")]
    Count { has: usize, wants: usize },
    #[error("it is an empty array, and a row has a field at least")]
    Empty,
    #[error("a string in it has half of a surrogate pair, which is no text")]
    HalfPair,
    #[error("{0}")]
    Row(#[from] BadRow),
}

/// What becomes of members that are no columns of the output.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Others {
    /// They are left out: the user has picked columns of a record that goes as it came.
    LeftOut,
    /// They make it no row: a plugin's word would be lost.
    Refused,
}

/// Writes rows of one layout.
#[derive(Clone, Debug)]
pub(crate) struct RowWriter {
    delimiter: Delimiter,
    columns: Option<Columns>,
}

#[derive(Clone, Debug)]
struct Columns {
    names: Vec<String>,
    places: HashMap<String, usize>,
}

impl RowWriter {
    /// For rows with these columns, or with any number of fields.
    pub fn new(delimiter: Delimiter, columns: Option<&[String]>) -> RowWriter {
        let columns = columns.map(|names| Columns {
            names: names.to_vec(),
            places: names.iter().cloned().zip(0..).collect(),
        });
        RowWriter { delimiter, columns }
    }

    /// Replaces `out` by the row that a JSON object or array becomes.
    pub fn write(&self, json: &str, others: Others, out: &mut String) -> Result<(), NoRow> {
        out.clear();
        match json.trim_ascii_start().as_bytes().first() {
            Some(b'{') => self.write_object(json, others, out)?,
            Some(b'[') => self.write_array(json, out)?,
            _ if is_one_value(json) => return Err(NoRow::NoFields),
            _ => return Err(NoRow::NotJson),
        }
        quote_if_blank(out);
        Ok(())
    }

    /// Replaces `out` by a row whose fields are those of `row` at these places.
    pub fn rewrite(
        &self,
        (row, from): (&str, Delimiter),
        places: Option<&[usize]>,
        out: &mut String,
    ) -> Result<(), NoRow> {
        out.clear();
        let fields = Fields::of(row, from);
        match places {
            None => {
                for (place, field) in fields.enumerate() {
                    self.push(place, &field?.text(), out);
                }
            }
            Some(places) => {
                let fields = fields.collect::<Result<Vec<_>, _>>()?;
                for (place, from) in places.iter().enumerate() {
                    // The reader has counted the row's fields.
                    let text = fields.get(*from).map_or(Cow::Borrowed(""), |field| field.text());
                    self.push(place, &text, out);
                }
            }
        }
        quote_if_blank(out);
        Ok(())
    }

    /// The places of the output's columns in a header; none where a column is missing.
    pub fn places_in(&self, header: &Header) -> Option<Vec<usize>> {
        let names = &self.columns.as_ref()?.names;
        let place = |name| header.names().iter().position(|other| other == name);
        names.iter().map(place).collect()
    }

    fn write_object(&self, json: &str, others: Others, out: &mut String) -> Result<(), NoRow> {
        let Members(members) = serde_json::from_str(json).map_err(|_| NoRow::NotJson)?;
        let columns = self.columns.as_ref().ok_or(NoRow::NoColumns)?;
        let mut cells = vec![None; columns.names.len()];
        for (place, (name, value)) in members.into_iter().enumerate() {
            let member = place + 1;
            // Most objects have their members in the order of the columns.
            let column = match columns.names.get(place) {
                Some(expected) if *expected == name.0 => place,
                _ => match columns.places.get(&*name.0) {
                    Some(column) => *column,
                    None if others == Others::LeftOut => continue,
                    None => return Err(NoRow::NoColumn { member }),
                },
            };
            if cells[column].replace(value).is_some() {
                return Err(NoRow::Twice { member });
            }
        }
        for (place, cell) in cells.into_iter().enumerate() {
            let text = cell.map_or(Ok(Cow::Borrowed("")), text_of)?;
            self.push(place, &text, out);
        }
        Ok(())
    }

    fn write_array(&self, json: &str, out: &mut String) -> Result<(), NoRow> {
        let elements: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| NoRow::NotJson)?;
        let has = elements.len();
        match &self.columns {
            Some(columns) if columns.names.len() != has => {
                return Err(NoRow::Count { has, wants: columns.names.len() });
            }
            None if has == 0 => return Err(NoRow::Empty),
            _ => {}
        }
        for (place, element) in elements.into_iter().enumerate() {
            self.push(place, &text_of(element)?, out);
        }
        Ok(())
    }

    fn push(&self, place: usize, text: &str, out: &mut String) {
        if place > 0 {
            out.push(self.delimiter.char());
        }
        push_field(self.delimiter, text, out);
    }
}

/// The row that names these columns.
pub(crate) fn header_row(delimiter: Delimiter, names: &[String]) -> String {
    let mut out = String::new();
    for (place, name) in names.iter().enumerate() {
        if place > 0 {
            out.push(delimiter.char());
        }
        push_field(delimiter, name, &mut out);
    }
    quote_if_blank(&mut out);
    out
}

/// Appends a field, in quotes where it would not be read back as it is without.
fn push_field(delimiter: Delimiter, text: &str, out: &mut String) {
    let bytes = text.as_bytes();
    let has_quote = memchr(b'"', bytes).is_some();
    // A byte order mark would be dropped where a file begins with it.
    let is_odd = has_quote || bytes.starts_with(BOM);
    if !is_odd && memchr3(delimiter.byte(), b'\n', b'\r', bytes).is_none() {
        return out.push_str(text);
    }
    out.push('"');
    if has_quote {
        for (place, part) in text.split('"').enumerate() {
            if place > 0 {
                out.push_str("\"\"");
            }
            out.push_str(part);
        }
    } else {
        out.push_str(text);
    }
    out.push('"');
}

/// A row without bytes would be none.
fn quote_if_blank(row: &mut String) {
    if row.is_empty() {
        row.push_str("\"\"");
    }
}

/// What a JSON value is in a field.
fn text_of(value: &RawValue) -> Result<Cow<'_, str>, NoRow> {
    let json = value.get();
    match json.as_bytes().first() {
        Some(b'"') if memchr(b'\\', json.as_bytes()).is_none() => {
            Ok(Cow::Borrowed(&json[1..json.len() - 1]))
        }
        Some(b'"') => serde_json::from_str(json).map(Cow::Owned).map_err(|_| NoRow::HalfPair),
        Some(b'n') => Ok(Cow::Borrowed("")),
        Some(b'{' | b'[') => {
            let mut compact = vec![0; json.len()];
            let length = write_compact(json.as_bytes(), &mut compact).unwrap_or(0);
            compact.truncate(length);
            String::from_utf8(compact).map(Cow::Owned).map_err(|_| NoRow::NotJson)
        }
        _ => Ok(Cow::Borrowed(json)),
    }
}

/// The members of an object as they stand there, those of the same name too.
struct Members<'a>(Vec<(Name<'a>, &'a RawValue)>);

struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(columns: Option<&str>, json: &str) -> Result<String, NoRow> {
        let names: Option<Vec<String>> =
            columns.map(|names| names.split(' ').map(str::to_owned).collect());
        let mut out = String::from("what was there");
        RowWriter::new(Delimiter::Comma, names.as_deref())
            .write(json, Others::Refused, &mut out)
            .map(|()| out)
    }

    #[test]
    fn values_stand_in_their_columns() {
        let json = " {\"b\": 1.10, \"a\" : \"x\", \"d\":null, \"c\": [1, {\"y\" :\" \"}]}";
        assert_eq!(
            write(Some("a b c d e"), json).unwrap(),
            "x,1.10,\"[1,{\"\"y\"\":\"\" \"\"}]\",,"
        );
        assert_eq!(write(Some("a b"), "[true, 1e400]").unwrap(), "true,1e400");
        assert_eq!(write(None, "[\"\\u00e9\\n\",\"a\\\\b\"]").unwrap(), "\"\u{e9}\n\",a\\b");
        assert_eq!(write(Some("a\u{e9} b"), "{\"a\\u00e9\":\"\"}").unwrap(), ",");
    }

    #[test]
    fn quotes_stand_only_where_they_are_needed() {
        for (text, wanted) in [
            (" a ", " a "),
            ("a,b", "\"a,b\""),
            ("a\tb", "a\tb"),
            ("a\"b", "\"a\"\"b\""),
            ("\r", "\"\r\""),
            ("\n", "\"\n\""),
            ("\u{feff}", "\"\u{feff}\""),
            ("", "\"\""),
        ] {
            let json = serde_json::to_string(&[text]).unwrap();
            assert_eq!(write(None, &json).unwrap(), wanted);
        }
        assert_eq!(write(Some("a"), "{}").unwrap(), "\"\"");
    }

    #[test]
    fn what_is_no_row_is_refused() {
        for (columns, json, why) in [
            (Some("a"), "{\"b\":1}", NoRow::NoColumn { member: 1 }),
            (Some("a b"), "{\"b\":1,\"a\":1,\"b\":2}", NoRow::Twice { member: 3 }),
            (Some("a b"), "[1]", NoRow::Count { has: 1, wants: 2 }),
            (None, "[]", NoRow::Empty),
            (None, "{}", NoRow::NoColumns),
            (None, "1", NoRow::NoFields),
            (None, "1 2", NoRow::NotJson),
            (None, "", NoRow::NotJson),
            (Some("a"), "{\"a\":1}{}", NoRow::NotJson),
            (Some("a"), "{\"a\":\"\\ud800\"}", NoRow::HalfPair),
        ] {
            assert_eq!(write(columns, json), Err(why), "{json}");
        }
    }

    #[test]
    fn rows_are_rewritten_and_their_columns_picked() {
        let header = Header::parse(b"a,b,c", Delimiter::Comma).unwrap();
        let names = ["c".to_owned(), "a".to_owned()];
        let writer = RowWriter::new(Delimiter::Tab, Some(&names));
        let places = writer.places_in(&header).unwrap();
        let mut out = String::new();
        let row = ("\"x\"\"y\",\"1,2\",\"3\t4\"", Delimiter::Comma);
        writer.rewrite(row, Some(&places), &mut out).unwrap();
        assert_eq!(out, "\"3\t4\"\t\"x\"\"y\"");
        writer.rewrite(row, None, &mut out).unwrap();
        assert_eq!(out, "\"x\"\"y\"\t1,2\t\"3\t4\"");
        writer.rewrite((",b,", Delimiter::Comma), Some(&[0]), &mut out).unwrap();
        assert_eq!(out, "\"\"");
        let other = Header::parse(b"a", Delimiter::Comma).unwrap();
        assert_eq!(writer.places_in(&other), None);
    }

    #[test]
    fn a_header_row_is_read_back() {
        let names = ["", "a,\"b", "c\n"].map(str::to_owned);
        let row = header_row(Delimiter::Comma, &names);
        assert_eq!(Header::parse(row.as_bytes(), Delimiter::Comma).unwrap().names(), names);
        assert_eq!(header_row(Delimiter::Comma, &[String::new()]), "\"\"");
    }
}
