//! From a row to the JSON text that plugins see: an object whose members are the columns
//! of the header, or an array where there is none. Every value is a string, because a row
//! says nothing of types.

use super::fields::Fields;
use super::{BadRow, Delimiter, Header};
use crate::records::string::push_escaped;

/// Reads the rows of one input.
#[derive(Clone, Debug)]
pub(crate) struct RowReader {
    delimiter: Delimiter,
    /// For each column what stands before its value.
    keys: Option<Vec<String>>,
}

impl RowReader {
    /// For rows under this header, or under none.
    pub fn new(delimiter: Delimiter, header: Option<&Header>) -> RowReader {
        let keys = header.map(|header| {
            let key = |(column, name): (usize, &String)| {
                let mut key = String::from(if column == 0 { "{\"" } else { ",\"" });
                push_escaped(&mut key, name);
                key.push_str("\":");
                key
            };
            header.names().iter().enumerate().map(key).collect()
        });
        RowReader { delimiter, keys }
    }

    /// Replaces `out` by the JSON text of a row.
    pub fn read(&self, row: &str, out: &mut String) -> Result<(), BadRow> {
        out.clear();
        let mut fields = Fields::of(row, self.delimiter);
        let mut has = 0;
        for field in fields.by_ref() {
            let field = field?;
            match &self.keys {
                Some(keys) => match keys.get(has) {
                    Some(key) => out.push_str(key),
                    None => {
                        has += 1;
                        break;
                    }
                },
                None => out.push(if has == 0 { '[' } else { ',' }),
            }
            has += 1;
            out.push('"');
            for (place, part) in field.parts().enumerate() {
                if place > 0 {
                    out.push_str("\\\"");
                }
                push_escaped(out, part);
            }
            out.push('"');
        }
        let Some(keys) = &self.keys else {
            out.push(']');
            return Ok(());
        };
        out.push('}');
        if has == keys.len() {
            return Ok(());
        }
        for field in fields {
            field?;
            has += 1;
        }
        Err(BadRow::Count { has, wants: keys.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: Option<&str>, row: &str) -> Result<String, BadRow> {
        let header =
            header.map(|header| Header::parse(header.as_bytes(), Delimiter::Comma).unwrap());
        let mut out = String::from("what was there");
        RowReader::new(Delimiter::Comma, header.as_ref()).read(row, &mut out).map(|()| out)
    }

    #[test]
    fn a_row_is_an_object_or_an_array_of_strings() {
        assert_eq!(read(Some("b,a"), "1,x").unwrap(), r#"{"b":"1","a":"x"}"#);
        assert_eq!(read(Some(",a"), "0,\"\"").unwrap(), r#"{"":"0","a":""}"#);
        assert_eq!(read(None, "1,x,").unwrap(), r#"["1","x",""]"#);
        assert_eq!(read(None, "\"\"").unwrap(), r#"[""]"#);
    }

    #[test]
    fn what_json_escapes_is_escaped() {
        let row = "\"a\"\"b\n\",c\"\\\t\u{1}\u{e9}";
        assert_eq!(
            read(Some("\"q\"\"\n\",x"), row).unwrap(),
            "{\"q\\\"\\n\":\"a\\\"b\\n\",\"x\":\"c\\\"\\\\\\t\\u0001\u{e9}\"}"
        );
    }

    #[test]
    fn fields_are_counted() {
        assert_eq!(read(Some("a,b"), "1"), Err(BadRow::Count { has: 1, wants: 2 }));
        assert_eq!(read(Some("a,b"), "1,2,3,\"4\""), Err(BadRow::Count { has: 4, wants: 2 }));
        assert_eq!(read(Some("a"), "1,2,\"4\"x"), Err(BadRow::AfterQuote { field: 3 }));
    }
}
