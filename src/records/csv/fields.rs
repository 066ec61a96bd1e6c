//! The fields of one row.

use std::borrow::Cow;

use memchr::memchr;

use super::{BadRow, Delimiter};

/// Gives one field after the other.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    /// What follows the last delimiter; none behind the last field.
    rest: Option<&'a str>,
    delimiter: Delimiter,
    /// How many fields were given.
    given: usize,
}

/// One field.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct Field<'a> {
    /// As it stands in the row, without the quotes around it.
    text: &'a str,
    /// Two quotes in it stand for one.
    is_doubled: bool,
}

impl<'a> Field<'a> {
    /// What it holds, in parts that have a quote between each other.
    pub fn parts(self) -> impl Iterator<Item = &'a str> {
        let (first, rest) = match self.is_doubled {
            true => (None, Some(self.text.split("\"\""))),
            false => (Some(self.text), None),
        };
        first.into_iter().chain(rest.into_iter().flatten())
    }

    /// What it holds.
    pub fn text(self) -> Cow<'a, str> {
        match self.is_doubled {
            true => Cow::Owned(self.text.replace("\"\"", "\"")),
            false => Cow::Borrowed(self.text),
        }
    }
}

impl<'a> Fields<'a> {
    /// The fields of a row as the splitter has found it.
    pub fn of(row: &'a str, delimiter: Delimiter) -> Self {
        Fields { rest: Some(row), delimiter, given: 0 }
    }

    fn quoted(&mut self, text: &'a str) -> Result<Field<'a>, BadRow> {
        let field = self.given;
        let mut is_doubled = false;
        let mut at = 0;
        loop {
            let found = memchr(b'"', &text.as_bytes()[at..]);
            let end = at + found.ok_or(BadRow::NeverClosed { field })?;
            let behind = &text[end + 1..];
            if behind.starts_with('"') {
                is_doubled = true;
                at = end + 2;
                continue;
            }
            self.rest = match behind.strip_prefix(self.delimiter.char()) {
                None if behind.is_empty() => None,
                None => return Err(BadRow::AfterQuote { field }),
                rest => rest,
            };
            return Ok(Field { text: &text[..end], is_doubled });
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, BadRow>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        self.given += 1;
        if let Some(text) = rest.strip_prefix('"') {
            return Some(self.quoted(text));
        }
        let text = match memchr(self.delimiter.byte(), rest.as_bytes()) {
            Some(end) => {
                self.rest = Some(&rest[end + 1..]);
                &rest[..end]
            }
            None => rest,
        };
        Some(Ok(Field { text, is_doubled: false }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(row: &str) -> Result<Vec<String>, BadRow> {
        let fields = Fields::of(row, Delimiter::Comma);
        fields.map(|field| Ok(field?.text().into_owned())).collect()
    }

    #[test]
    fn fields_are_found_and_quotes_taken_off() {
        assert_eq!(fields("a,,\"b,\"\"c\"\"\n\", d \"").unwrap(), ["a", "", "b,\"c\"\n", " d \""]);
        assert_eq!(fields(",").unwrap(), ["", ""]);
        assert_eq!(fields("\"\"").unwrap(), [""]);
        assert_eq!(fields("\"\"\"\"").unwrap(), ["\""]);
    }

    #[test]
    fn parts_are_what_the_text_is() {
        let mut fields = Fields::of("\"\"\"a\"\"b\",c\"d", Delimiter::Comma);
        let mut parts = || fields.next().unwrap().unwrap().parts().collect::<Vec<_>>();
        assert_eq!(parts(), ["", "a", "b"]);
        assert_eq!(parts(), ["c\"d"]);
    }

    #[test]
    fn text_behind_a_closing_quote_is_noticed() {
        assert_eq!(fields("a,\"b\"c"), Err(BadRow::AfterQuote { field: 2 }));
        assert_eq!(fields("\"b\" ,c"), Err(BadRow::AfterQuote { field: 1 }));
        assert_eq!(fields("\"b"), Err(BadRow::NeverClosed { field: 1 }));
    }
}
