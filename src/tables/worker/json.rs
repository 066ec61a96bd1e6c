//! The JSON form of rows: which value has which. It is written down in docs/tables.md.
//!
//! Most is as the `arrow-json` crate has it. Otherwise: numbers that are none (NaN,
//! infinities) are strings and not null; a point in time is shown in UTC whatever its time
//! zone; a duration is a number; what cannot be shown is an error and not a text about it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float16Type, Float32Type, Float64Type};
use arrow_array::{Array, ArrowPrimitiveType, PrimitiveArray, RecordBatch};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_json::writer::{LineDelimited, NullableEncoder, make_encoder};
use arrow_json::{Encoder, EncoderFactory, EncoderOptions, WriterBuilder};
use arrow_schema::{ArrowError, DataType, FieldRef, Fields, Schema, SchemaRef};

use super::schema::{told, with_types, without_dictionaries};

/// Turns rows into JSON lines.
#[derive(Default)]
pub(super) struct JsonLines {
    form: Arc<Form>,
    /// The schema of what came last, and that of its JSON form.
    schemas: Option<(SchemaRef, SchemaRef)>,
}

impl JsonLines {
    /// Appends rows, a line for each.
    pub fn write(&mut self, batch: &RecordBatch, into: &mut Vec<u8>) -> Result<(), String> {
        if batch.num_columns() == 0 {
            // Rows of nothing.
            into.extend(std::iter::repeat_n(b"{}\n", batch.num_rows()).flatten());
            return Ok(());
        }
        let schema = batch.schema();
        let known = self.schemas.take().filter(|(of, _)| Arc::ptr_eq(of, &schema));
        let (_, json) = self.schemas.insert(known.unwrap_or_else(|| {
            let json = Arc::new(json_schema(&schema));
            (schema, json)
        }));
        let batch = cast(batch, json)?;
        let mut writer = WriterBuilder::new()
            .with_explicit_nulls(true)
            .with_encoder_factory(Arc::clone(&self.form) as Arc<dyn EncoderFactory>)
            .build::<_, LineDelimited>(into);
        writer.write(&batch).map_err(told)?;
        match self.form.failed.swap(false, Ordering::Relaxed) {
            true => Err("it has a date or time that is too far away to be written".into()),
            false => Ok(()),
        }
    }
}

/// The same columns in another schema that differs only in types.
pub(super) fn cast(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, String> {
    if batch.schema_ref().fields() == schema.fields() {
        return Ok(batch.clone());
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (column, field) in batch.columns().iter().zip(schema.fields()) {
        columns.push(match column.data_type() == field.data_type() {
            true => Arc::clone(column),
            false => cast_with_options(column, field.data_type(), &options)
                .map_err(|error| format!("the column `{}`: {error}", field.name()))?,
        });
    }
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(told)
}

/// The schema whose values stand in JSON for those of another.
pub(super) fn json_schema(schema: &SchemaRef) -> Schema {
    let form = |of: &DataType| match of {
        DataType::Timestamp(unit, Some(_)) => {
            Some(DataType::Timestamp(*unit, Some("+00:00".into())))
        }
        DataType::Duration(_) => Some(DataType::Int64),
        DataType::Interval(_) => Some(DataType::Utf8),
        DataType::RunEndEncoded(_, values) => Some(values.data_type().clone()),
        _ => None,
    };
    let plain = without_dictionaries(schema);
    Schema::new(plain.fields().iter().map(|field| with_types(field, &form)).collect::<Fields>())
}

/// What is written otherwise than `arrow-json` does by itself.
#[derive(Debug, Default)]
struct Form {
    /// Something could not be written.
    failed: Arc<AtomicBool>,
}

impl EncoderFactory for Form {
    fn make_default_encoder<'a>(
        &self,
        field: &'a FieldRef,
        array: &'a dyn Array,
        _: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        static PLAIN: LazyLock<EncoderOptions> = LazyLock::new(EncoderOptions::default);
        let plain = |array: &'a dyn Array| make_encoder(field, array, &PLAIN);
        let encoder: Box<dyn Encoder + 'a> = match array.data_type() {
            DataType::Float16 => numbers(array.as_primitive::<Float16Type>(), plain(array)?),
            DataType::Float32 => numbers(array.as_primitive::<Float32Type>(), plain(array)?),
            DataType::Float64 => numbers(array.as_primitive::<Float64Type>(), plain(array)?),
            temporal if temporal.is_temporal() => {
                Box::new(Checked { plain: plain(array)?, failed: Arc::clone(&self.failed) })
            }
            _ => return Ok(None),
        };
        Ok(Some(NullableEncoder::new(encoder, array.nulls().cloned())))
    }
}

/// Writes numbers, those as strings that JSON has no number for.
struct Numbers<'a, T: ArrowPrimitiveType> {
    array: &'a PrimitiveArray<T>,
    plain: NullableEncoder<'a>,
}

fn numbers<'a, T>(array: &'a PrimitiveArray<T>, plain: NullableEncoder<'a>) -> Box<dyn Encoder + 'a>
where
    T: ArrowPrimitiveType,
    T::Native: Into<f64>,
{
    Box::new(Numbers { array, plain })
}

impl<T> Encoder for Numbers<'_, T>
where
    T: ArrowPrimitiveType,
    T::Native: Into<f64>,
{
    fn encode(&mut self, place: usize, out: &mut Vec<u8>) {
        let value: f64 = self.array.value(place).into();
        out.extend_from_slice(match value {
            _ if value.is_finite() => return self.plain.encode(place, out),
            _ if value.is_nan() => b"\"NaN\"",
            _ if value > 0.0 => b"\"Infinity\"",
            _ => b"\"-Infinity\"",
        });
    }
}

/// Writes dates and times, and notes where one could not be.
struct Checked<'a> {
    plain: NullableEncoder<'a>,
    failed: Arc<AtomicBool>,
}

impl Encoder for Checked<'_> {
    fn encode(&mut self, place: usize, out: &mut Vec<u8>) {
        let start = out.len();
        self.plain.encode(place, out);
        // That is how the formatter speaks of what it cannot show.
        if out[start..].starts_with(b"\"ERROR") {
            self.failed.store(true, Ordering::Relaxed);
        }
    }
}
