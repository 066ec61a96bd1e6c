//! What holds for any text, against a reader and a writer that are not ours.

use proptest::prelude::*;

use super::fields::Fields;
use super::{BadRow, CsvSplitter, Delimiter, Header, Others, RowReader, RowWriter};
use crate::records::Step;

/// Text in which quotes, delimiters and row ends are frequent.
fn text() -> impl Strategy<Value = String> {
    let byte = prop_oneof![
        Just("\""),
        Just("\""),
        Just(","),
        Just("\t"),
        Just("\n"),
        Just("\r"),
        Just("a"),
        Just("\u{e9}"),
        Just("\\"),
    ];
    proptest::collection::vec(byte, 0..40).prop_map(|parts| parts.concat())
}

fn delimiter() -> impl Strategy<Value = Delimiter> {
    prop_oneof![Just(Delimiter::Comma), Just(Delimiter::Tab)]
}

/// The rows that the splitter finds, and whether the last quoted field is closed.
fn rows(text: &str, delimiter: Delimiter) -> (Vec<&str>, bool) {
    let mut splitter = CsvSplitter::new(delimiter, 0);
    let mut found = Vec::new();
    loop {
        match splitter.next(0, text.as_bytes(), true) {
            Step::Record { start, end } => found.push(&text[start as usize..end as usize]),
            Step::End => return (found, true),
            Step::Fault(_) => return (found, false),
            Step::More { .. } => panic!("there is no more"),
        }
    }
}

/// The same by the `csv` crate: fields of rows.
fn reference(text: &str, delimiter: Delimiter) -> Vec<Vec<String>> {
    let mut reader = ::csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter.byte())
        .from_reader(text.as_bytes());
    let records = reader.records().map(|record| record.unwrap());
    records.map(|record| record.iter().map(str::to_owned).collect()).collect()
}

proptest! {
    #[test]
    fn rows_and_fields_are_those_of_another_reader(text in text(), delimiter in delimiter()) {
        let (rows, is_closed) = rows(&text, delimiter);
        let mut wanted = reference(&text, delimiter);
        if !is_closed {
            // The other reader takes what was never closed for a row.
            wanted.pop();
        }
        prop_assert_eq!(rows.len(), wanted.len());
        for (row, wanted) in rows.into_iter().zip(wanted) {
            let fields: Result<Vec<String>, BadRow> = Fields::of(row, delimiter)
                .map(|field| Ok(field?.text().into_owned()))
                .collect();
            // The other reader lets text behind a closing quote pass.
            if let Ok(fields) = fields {
                prop_assert_eq!(fields, wanted);
            }
        }
    }

    #[test]
    fn only_text_behind_a_quote_makes_a_row_malformed(text in text(), delimiter in delimiter()) {
        for row in rows(&text, delimiter).0 {
            let bad = Fields::of(row, delimiter).find_map(Result::err);
            prop_assert!(!matches!(bad, Some(BadRow::NeverClosed { .. })), "{:?}", row);
        }
    }

    #[test]
    fn what_plugins_see_is_what_the_fields_hold(text in text(), delimiter in delimiter()) {
        let reader = RowReader::new(delimiter, None);
        let mut json = String::new();
        for (row, wanted) in rows(&text, delimiter).0.into_iter().zip(reference(&text, delimiter)) {
            if reader.read(row, &mut json).is_ok() {
                let seen: Vec<String> = serde_json::from_str(&json).unwrap();
                prop_assert_eq!(seen, wanted);
            }
        }
    }

    #[test]
    fn what_is_written_is_read_back(
        rows in proptest::collection::vec(proptest::collection::vec(text(), 1..4), 0..5),
        delimiter in delimiter(),
    ) {
        let writer = RowWriter::new(delimiter, None);
        let (mut file, mut row) = (String::new(), String::new());
        for fields in &rows {
            writer.write(&serde_json::to_string(fields).unwrap(), Others::Refused, &mut row).unwrap();
            file.push_str(&row);
            file.push('\n');
        }
        prop_assert_eq!(reference(&file, delimiter), rows);
    }

    #[test]
    fn a_row_that_is_rewritten_holds_the_same(
        fields in proptest::collection::vec(text(), 1..4),
        from in delimiter(),
        to in delimiter(),
    ) {
        let (mut row, mut other) = (String::new(), String::new());
        let json = serde_json::to_string(&fields).unwrap();
        RowWriter::new(from, None).write(&json, Others::Refused, &mut row).unwrap();
        RowWriter::new(to, None).rewrite((&row, from), None, &mut other).unwrap();
        prop_assert_eq!(reference(&other, to), vec![fields]);
    }

    #[test]
    fn a_header_names_what_its_row_names(
        names in proptest::collection::hash_set("[a\",\n]{1,4}", 1..4),
        delimiter in delimiter(),
    ) {
        let names: Vec<String> = names.into_iter().collect();
        let row = super::header_row(delimiter, &names);
        let header = Header::parse(row.as_bytes(), delimiter).unwrap();
        prop_assert_eq!(header.names(), &names);
    }
}
