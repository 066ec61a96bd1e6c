//! Schemas: which columns are meant, whether there is a JSON form of them, and their text, which
//! is that of Parquet's message types.

use std::fmt::Display;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{DictionaryArray, Int32Array, RecordBatch};
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::{ArrowWriter, parquet_to_arrow_schema};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::SchemaDescriptor;

/// How deep types may be nested.
const MAX_DEPTH: usize = 100;

/// A library's words about what is wrong with a table.
pub(super) fn told(error: impl Display) -> String {
    let text = error.to_string();
    // They begin with who says it.
    let said = ["Parquet error: ", "Parquet argument error: ", "Arrow: ", "External: ", "EOF: "];
    let mut rest = text.as_str();
    while let Some(shorter) = said.iter().find_map(|prefix| rest.strip_prefix(prefix)) {
        rest = shorter;
    }
    rest.to_owned()
}

/// The places of these columns.
pub(super) fn places(names: &[String], schema: &Schema) -> Result<Vec<usize>, String> {
    let place = |name: &String| {
        let found = schema.fields().iter().position(|field| field.name() == name);
        found.ok_or_else(|| {
            let all: Vec<&str> =
                schema.fields().iter().map(|field| field.name().as_str()).collect();
            format!("there is no column `{name}` (--columns); there are {}", all.join(", "))
        })
    };
    let mut places = names.iter().map(place).collect::<Result<Vec<_>, _>>()?;
    places.sort_unstable();
    Ok(places)
}

/// The schema of these columns alone.
pub(super) fn only(names: Option<&[String]>, schema: &SchemaRef) -> Result<SchemaRef, String> {
    match names {
        None => Ok(Arc::clone(schema)),
        Some(names) => {
            schema.project(&places(names, schema)?).map(Arc::new).map_err(|error| told(&error))
        }
    }
}

/// Checks that all of these columns have a JSON form.
pub(super) fn check_can_be_read(
    schema: &SchemaRef,
    columns: Option<&[String]>,
) -> Result<(), String> {
    let schema = only(columns, schema)?;
    for (place, field) in schema.fields().iter().enumerate() {
        let name = field.name();
        if schema.fields()[..place].iter().any(|other| other.name() == name) {
            return Err(format!("two of its columns have the name `{name}`"));
        }
        check_type(field, MAX_DEPTH).map_err(|why| format!("its column `{name}` {why}"))?;
    }
    Ok(())
}

fn check_type(field: &Field, depth: usize) -> Result<(), String> {
    let Some(depth) = depth.checked_sub(1) else { return Err("is nested too deeply".into()) };
    match field.data_type() {
        DataType::Union(..) => {
            Err("is a union, which has no JSON form (--columns leaves it out)".into())
        }
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _)
        | DataType::RunEndEncoded(_, item) => check_type(item, depth),
        DataType::Struct(fields) => fields.iter().try_for_each(|field| check_type(field, depth)),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields)
                if !matches!(
                    fields.first().map(|key| key.data_type()),
                    Some(DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
                ) =>
            {
                Err("is a map whose keys are no strings, which has no JSON form (--columns leaves \
                     it out)"
                    .into())
            }
            _ => check_type(entries, depth),
        },
        DataType::Dictionary(_, values) => {
            check_type(&Field::new(field.name(), values.as_ref().clone(), true), depth)
        }
        _ => Ok(()),
    }
}

/// The same schema with the values of dictionaries in place of dictionaries.
pub(super) fn without_dictionaries(schema: &SchemaRef) -> SchemaRef {
    let values = |of: &DataType| match of {
        DataType::Dictionary(_, values) => Some(values.as_ref().clone()),
        _ => None,
    };
    let fields = schema.fields().iter().map(|field| with_types(field, &values));
    Arc::new(Schema::new_with_metadata(fields.collect::<Fields>(), schema.metadata().clone()))
}

/// The same field with other types in it, wherever there is one instead of another.
pub(super) fn with_types(
    field: &FieldRef,
    instead: &dyn Fn(&DataType) -> Option<DataType>,
) -> FieldRef {
    let of = instead(field.data_type()).unwrap_or_else(|| field.data_type().clone());
    let inner = |field: &FieldRef| with_types(field, instead);
    let of = match &of {
        DataType::List(item) => DataType::List(inner(item)),
        DataType::LargeList(item) => DataType::LargeList(inner(item)),
        DataType::ListView(item) => DataType::ListView(inner(item)),
        DataType::LargeListView(item) => DataType::LargeListView(inner(item)),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(inner(item), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect()),
        DataType::Map(entries, sorted) => DataType::Map(inner(entries), *sorted),
        _ => of,
    };
    Arc::new(field.as_ref().clone().with_data_type(of))
}

/// The schema that a Parquet message type describes.
pub(super) fn parse(text: &str) -> Result<SchemaRef, String> {
    // The parser calls itself for each group, on a stack that has an end.
    let mut depth = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err("it is nested too deeply".into());
        }
    }
    let parsed = parse_message_type(text).map_err(told)?;
    let descriptor = SchemaDescriptor::new(Arc::new(parsed));
    parquet_to_arrow_schema(&descriptor, None).map(Arc::new).map_err(told)
}

/// Has these libraries do once what they need the system for: their hashers draw randomness.
pub(super) fn warm_up() {
    let act = || -> Option<()> {
        let values: DictionaryArray<Int32Type> = ["a", "b"].into_iter().collect();
        let keys = Int32Array::from(vec![1, 2]);
        let batch = RecordBatch::try_from_iter([
            ("a", Arc::new(values) as arrow_array::ArrayRef),
            ("b", Arc::new(keys) as _),
        ]);
        let batch = batch.ok()?;
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).ok()?;
        writer.write(&batch).ok()?;
        let bytes = writer.into_inner().ok()?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).ok()?;
        reader.build().ok()?.for_each(drop);
        Some(())
    };
    std::hint::black_box(act());
}
