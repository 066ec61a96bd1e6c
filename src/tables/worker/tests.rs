//! Tables there and back: every type through its JSON form, and what does not fit.

use std::io::Write as _;
use std::sync::Arc;

use arrow_array::builder::{Int32Builder, MapBuilder, StringBuilder};
use arrow_array::types::Int8Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray,
    DurationMillisecondArray, FixedSizeBinaryArray, Float32Array, Float64Array, Int64Array,
    LargeStringArray, ListArray, NullArray, RecordBatch, StringArray, StructArray,
    Time64MicrosecondArray, TimestampMicrosecondArray, TimestampNanosecondArray, UInt64Array,
};
use arrow_ipc::writer::{FileWriter, StreamWriter};
use arrow_schema::{DataType, Field, Fields, Schema};
use parquet::arrow::ArrowWriter;

use super::at::FileAt;
use super::build::Build;
use super::read::Lines;
use super::{Made, Pieces};
use crate::tables::{Kind, Rows, SchemaIs, Summary};

fn file(bytes: &[u8]) -> FileAt {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    FileAt::new(file, bytes.len() as u64)
}

/// Everything that comes, in pieces of so many bytes.
fn all(pieces: &mut dyn Pieces, room: usize) -> Result<Vec<u8>, String> {
    let (mut all, mut room) = (Vec::new(), vec![0; room]);
    loop {
        let Made { bytes, left } = pieces.next(&mut room)?;
        all.extend_from_slice(&room[..bytes]);
        if left == 0 {
            return Ok(all);
        }
    }
}

fn table(kind: Kind, batch: &RecordBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    match kind {
        Kind::Parquet => {
            let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
            writer.write(batch).unwrap();
            writer.close().unwrap();
        }
        Kind::Arrow => {
            let mut writer = FileWriter::try_new(&mut bytes, &batch.schema()).unwrap();
            writer.write(batch).unwrap();
            writer.finish().unwrap();
        }
        Kind::ArrowStream => {
            let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
            writer.write(batch).unwrap();
            writer.finish().unwrap();
        }
    }
    bytes
}

/// The rows of a table as lines.
fn lines(kind: Kind, bytes: &[u8], columns: Option<&[String]>) -> Result<String, String> {
    let mut opened = Lines::open(kind, file(bytes), columns)?;
    let summary: Summary = postcard::from_bytes(&all(&mut opened, 64)?).unwrap();
    let mut text = Vec::new();
    for (group, number) in summary.groups.iter().zip(0..) {
        // Three take turns, in small pieces.
        let (count, mut parts) = (group.rows.div_ceil(7).max(1), Vec::new());
        for turn in 0..3 {
            for first in (0..group.rows).step_by(count as usize).skip(turn).step_by(3) {
                let rows = count.min(group.rows - first);
                opened.turn_to(Rows { group: number, first, count: rows, step: 3 * count })?;
                parts.push((first, all(&mut opened, 100)?));
            }
        }
        parts.sort();
        text.extend(parts.into_iter().flat_map(|(_, part)| part));
    }
    Ok(String::from_utf8(text).unwrap())
}

fn build(
    kind: Kind,
    schema: &SchemaIs,
    lines: &str,
    like: Option<&[u8]>,
) -> Result<Vec<u8>, String> {
    let mut build = Build::new(kind, schema, file(lines.as_bytes()), like.map(file))?;
    all(&mut build, 1000)
}

const KINDS: [Kind; 3] = [Kind::Parquet, Kind::Arrow, Kind::ArrowStream];

/// A column of every type that has a JSON form, and that form in its two rows.
fn columns() -> Vec<(&'static str, ArrayRef, [&'static str; 2])> {
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    map.keys().append_value("k\"");
    map.values().append_value(-1);
    map.append(true).unwrap();
    map.append(false).unwrap();
    let inner = Fields::from(vec![
        Field::new("n", DataType::Int64, true),
        Field::new(
            "t",
            DataType::Timestamp(arrow_schema::TimeUnit::Nanosecond, Some("UTC".into())),
            true,
        ),
    ]);
    let nested = StructArray::new(
        inner,
        vec![
            Arc::new(Int64Array::from(vec![Some(1), None])),
            Arc::new(TimestampNanosecondArray::from(vec![1, 0]).with_timezone("UTC")),
        ],
        None,
    );
    let list = ListArray::from_iter_primitive::<arrow_array::types::Int32Type, _, _>([
        Some(vec![Some(1), None]),
        Some(vec![]),
    ]);
    let dictionary: DictionaryArray<Int8Type> = [Some("a"), None].into_iter().collect();
    let berlin = TimestampMicrosecondArray::from(vec![Some(1_000_001), Some(-1)]);
    vec![
        ("nothing", Arc::new(NullArray::new(2)), ["null", "null"]),
        ("yes", Arc::new(BooleanArray::from(vec![Some(true), None])), ["true", "null"]),
        (
            "i64",
            Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX])),
            ["-9223372036854775808", "9223372036854775807"],
        ),
        ("u64", Arc::new(UInt64Array::from(vec![0, u64::MAX])), ["0", "18446744073709551615"]),
        ("f32", Arc::new(Float32Array::from(vec![0.1, f32::INFINITY])), ["0.1", "\"Infinity\""]),
        (
            "f64",
            Arc::new(Float64Array::from(vec![f64::NAN, f64::NEG_INFINITY])),
            ["\"NaN\"", "\"-Infinity\""],
        ),
        (
            "decimal",
            Arc::new(
                Decimal128Array::from(vec![123_456_789_012_345_678_901_234_567, -5])
                    .with_precision_and_scale(38, 2)
                    .unwrap(),
            ),
            ["1234567890123456789012345.67", "-0.05"],
        ),
        (
            "text",
            Arc::new(StringArray::from(vec!["a\n\"\\", "ä\u{1F600}"])),
            [r#""a\n\"\\""#, "\"ä\u{1F600}\""],
        ),
        ("large", Arc::new(LargeStringArray::from(vec![Some(""), None])), ["\"\"", "null"]),
        ("bytes", Arc::new(BinaryArray::from(vec![&b"\x00\xff"[..], b""])), ["\"00ff\"", "\"\""]),
        (
            "fixed",
            Arc::new(FixedSizeBinaryArray::try_from_iter([[1, 2], [3, 4]].iter()).unwrap()),
            ["\"0102\"", "\"0304\""],
        ),
        ("day", Arc::new(Date32Array::from(vec![0, -1])), ["\"1970-01-01\"", "\"1969-12-31\""]),
        (
            "time",
            Arc::new(Time64MicrosecondArray::from(vec![1, 86_399_000_000])),
            ["\"00:00:00.000001\"", "\"23:59:59\""],
        ),
        (
            "local",
            Arc::new(TimestampMicrosecondArray::from(vec![1, 0])),
            ["\"1970-01-01T00:00:00.000001\"", "\"1970-01-01T00:00:00\""],
        ),
        (
            "zoned",
            Arc::new(berlin.with_timezone("Europe/Berlin")),
            ["\"1970-01-01T00:00:01.000001Z\"", "\"1969-12-31T23:59:59.999999Z\""],
        ),
        ("for", Arc::new(DurationMillisecondArray::from(vec![1500, -1])), ["1500", "-1"]),
        ("word", Arc::new(dictionary), ["\"a\"", "null"]),
        ("list", Arc::new(list), ["[1,null]", "[]"]),
        ("map", Arc::new(map.finish()), [r#"{"k\"":-1}"#, "null"]),
        (
            "nested",
            Arc::new(nested),
            [
                r#"{"n":1,"t":"1970-01-01T00:00:00.000000001Z"}"#,
                r#"{"n":null,"t":"1970-01-01T00:00:00Z"}"#,
            ],
        ),
    ]
}

fn batch() -> RecordBatch {
    let columns = columns().into_iter().map(|(name, array, _)| (name, array, true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn form() -> String {
    let row = |row: usize| {
        let member =
            |(name, _, json): &(&str, ArrayRef, [&str; 2])| format!("\"{name}\":{}", json[row]);
        let members: Vec<String> = columns().iter().map(member).collect();
        format!("{{{}}}\n", members.join(","))
    };
    row(0) + &row(1)
}

#[test]
fn every_type_has_its_form_and_comes_back() {
    for kind in KINDS {
        let bytes = table(kind, &batch());
        let text = lines(kind, &bytes, None).unwrap();
        assert_eq!(text, form(), "{kind:?}");
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
        for to in KINDS {
            let like = SchemaIs::OfTable { kind, columns: None };
            let made = build(to, &like, &text, Some(&bytes)).unwrap();
            assert_eq!(lines(to, &made, None).unwrap(), text, "{kind:?} to {to:?}");
            let schema = |kind, bytes: &[u8]| {
                super::read::Table::open(kind, file(bytes), None).unwrap().schema()
            };
            let wanted = match to {
                Kind::Arrow => super::schema::without_dictionaries(&schema(kind, &bytes)),
                Kind::Parquet | Kind::ArrowStream => schema(kind, &bytes),
            };
            assert_eq!(schema(to, &made).fields(), wanted.fields(), "{kind:?} to {to:?}");
        }
    }
}

#[test]
fn only_the_columns_that_are_wanted_are_read() {
    for kind in KINDS {
        let bytes = table(kind, &batch());
        let some = ["list".to_owned(), "i64".to_owned()];
        let text = lines(kind, &bytes, Some(&some)).unwrap();
        assert_eq!(text.lines().next().unwrap(), r#"{"i64":-9223372036854775808,"list":[1,null]}"#);
        let like = SchemaIs::OfTable { kind, columns: Some(some.to_vec()) };
        let made = build(kind, &like, &text, Some(&bytes)).unwrap();
        assert_eq!(lines(kind, &made, None).unwrap(), text);
        let missing = lines(kind, &bytes, Some(&["no".to_owned()])).unwrap_err();
        assert!(
            missing.contains("no column `no` (--columns); there are nothing, yes,"),
            "{missing}"
        );
    }
}

#[test]
fn many_rows_come_in_their_order() {
    let numbers: Vec<i64> = (0..10_000).collect();
    let batch =
        RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(numbers)) as ArrayRef)]);
    let wanted: String = (0..10_000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    for kind in KINDS {
        let bytes = table(kind, batch.as_ref().unwrap());
        assert!(lines(kind, &bytes, None).unwrap() == wanted, "{kind:?}");
        let made = build(kind, &SchemaIs::Inferred, &wanted, None).unwrap();
        assert!(lines(kind, &made, None).unwrap() == wanted, "{kind:?}");
    }
}

#[test]
fn a_schema_is_found_or_given() {
    let text = "{\"b\":1,\"a\":{\"c\":[\"x\"]}}\n\n{\"a\":null,\"d\":0.5}\n";
    let wanted = "{\"b\":1,\"a\":{\"c\":[\"x\"]},\"d\":null}\n{\"b\":null,\"a\":null,\"d\":0.5}\n";
    for kind in KINDS {
        let made = build(kind, &SchemaIs::Inferred, text, None).unwrap();
        assert_eq!(lines(kind, &made, None).unwrap(), wanted);
        let given = SchemaIs::Text(
            "message m { required int32 n; optional binary t (STRING); optional int64 at \
             (TIMESTAMP(MILLIS,true)); optional int32 price (DECIMAL(9,2)); }"
                .into(),
        );
        let text = "{\"at\":\"2024-02-29T12:00:00+02:00\",\"n\":7,\"price\":\"1.5\"}\n";
        let made = build(kind, &given, text, None).unwrap();
        let wanted = "{\"n\":7,\"t\":null,\"at\":\"2024-02-29T10:00:00Z\",\"price\":1.50}\n";
        assert_eq!(lines(kind, &made, None).unwrap(), wanted);
    }
}

#[test]
fn a_schema_that_is_nested_without_end_is_refused() {
    let (open, close) = ("optional group a { ".repeat(100_000), "} ".repeat(100_000));
    let text = format!("message m {{ {open} optional int32 n; {close} }}");
    let why = build(Kind::Parquet, &SchemaIs::Text(text), "", None).unwrap_err();
    assert_eq!(why, "the schema (--schema): it is nested too deeply");
}

#[test]
fn a_table_may_have_no_rows_or_no_columns() {
    for kind in KINDS {
        let made = build(kind, &SchemaIs::Inferred, "", None).unwrap();
        assert_eq!(lines(kind, &made, None).unwrap(), "");
        let given = SchemaIs::Text("message m { optional int32 n; }".into());
        let made = build(kind, &given, "", None).unwrap();
        assert_eq!(lines(kind, &made, None).unwrap(), "");
    }
    let why = build(Kind::Parquet, &SchemaIs::Inferred, "{}\n", None).unwrap_err();
    assert!(why.contains("Parquet keeps no rows without columns"), "{why}");
    let made = build(Kind::Arrow, &SchemaIs::Inferred, "{}\n{}\n", None).unwrap();
    assert_eq!(lines(Kind::Arrow, &made, None).unwrap(), "{}\n{}\n");
}

#[test]
fn what_does_not_fit_is_named_without_its_values() {
    let schema = "message m { required int32 n; optional group g { optional int64 deep; } }";
    let good = "{\"n\":1}\n".repeat(9000);
    for (line, wanted) in [
        (
            r#"{"n":"secret"}"#,
            "record 9001 does not fit the schema: `n` is Int32 and has to be there, and cannot be what it has there",
        ),
        (r#"{"n":2147483648}"#, "`n` is Int32"),
        ("{}", "`n` is Int32 and has to be there"),
        (r#"{"n":1,"g":[]}"#, "`g` is Struct"),
        (r#"{"n":1,"new":"secret"}"#, "there is no column for its `new`"),
        (r#"{"n":1,"g":{"deeper":1}}"#, "there is no place for something nested in it"),
        ("[1]", "it is no object"),
        ("{\"n\":1", "it is no object"),
    ] {
        let text = format!("{good}{line}\n{{\"n\":2}}\n");
        for kind in KINDS {
            let why = build(kind, &SchemaIs::Text(schema.into()), &text, None).unwrap_err();
            assert!(why.contains(wanted), "{line}: {why}");
            assert!(why.starts_with("record 9001 ") && !why.contains("secret"), "{line}: {why}");
        }
    }
    let empty =
        build(Kind::Parquet, &SchemaIs::Inferred, "{\"a\":{\"b\":{}}}\n", None).unwrap_err();
    assert!(empty.starts_with("`b` is an object without members"), "{empty}");
    let bad = build(Kind::Parquet, &SchemaIs::Text("no schema".into()), "", None).unwrap_err();
    assert!(bad.starts_with("the schema (--schema): "), "{bad}");
}

#[test]
fn what_is_no_table_or_cut_is_told() {
    for kind in KINDS {
        assert!(lines(kind, b"", None).unwrap_err().contains("it is empty"));
        let not = lines(kind, b"{\"a\":1}\n{\"a\":2}\n", None).unwrap_err();
        assert!(not.starts_with(&format!("as {}: ", kind.name())), "{not}");
        let bytes = table(kind, &batch());
        for end in (1..bytes.len()).step_by(7) {
            // A stream that ends behind its schema, or without its last word, is a stream.
            let read = lines(kind, &bytes[..end], None);
            if let Ok(text) = &read {
                assert!(kind != Kind::Parquet && (text.is_empty() || *text == form()), "{end}");
            }
        }
    }
}

#[test]
fn what_cannot_be_shown_is_an_error() {
    let far = RecordBatch::try_from_iter([(
        "at",
        Arc::new(TimestampMicrosecondArray::from(vec![0, i64::MAX])) as ArrayRef,
    )])
    .unwrap();
    let why = lines(Kind::Arrow, &table(Kind::Arrow, &far), None).unwrap_err();
    assert!(why.contains("too far away"), "{why}");
    let twice = Schema::new(vec![
        Field::new("a", DataType::Int64, true),
        Field::new("a", DataType::Int64, true),
    ]);
    let column = || Arc::new(Int64Array::from(vec![1])) as ArrayRef;
    let twice = RecordBatch::try_new(Arc::new(twice), vec![column(), column()]).unwrap();
    let why = lines(Kind::Arrow, &table(Kind::Arrow, &twice), None).unwrap_err();
    assert!(why.contains("two of its columns have the name `a`"), "{why}");
}
