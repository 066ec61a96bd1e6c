//! Finding a schema that all records fit, by what is in them. Nothing is stretched to fit:
//! where two records contradict each other both are named.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Schema};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// The largest whole number up to which a 64-bit floating-point number has each one.
const WIDEST: u64 = 1 << 53;

/// What is known of the columns of all records so far.
#[derive(Debug, Default)]
pub(super) struct Inference {
    columns: Columns,
    records: u64,
}

/// Names in the order in which they first came.
#[derive(Debug, Default)]
struct Columns {
    places: HashMap<String, usize>,
    all: Vec<(String, Column)>,
}

/// What is known of the values in one place.
#[derive(Debug, Default)]
struct Column {
    shape: Shape,
    /// The first record that showed it.
    since: u64,
}

#[derive(Debug, Default)]
enum Shape {
    /// Nothing but null.
    #[default]
    Unknown,
    Bool,
    Number(Numbers),
    Text,
    List(Box<Column>),
    Object(Columns),
}

/// Records that first showed a number of a sort.
#[derive(Copy, Clone, Debug, Default)]
struct Numbers {
    negative: Option<u64>,
    /// Beyond what fits 63 bits.
    large: Option<u64>,
    /// A whole number that a floating-point number cannot tell from its neighbours.
    wide: Option<u64>,
    fraction: Option<u64>,
}

impl Inference {
    /// Looks at the next record.
    ///
    /// # Errors
    /// It is no object, or contradicts one before.
    pub fn record(&mut self, line: &[u8]) -> Result<(), String> {
        self.records += 1;
        let mut column =
            Column { shape: Shape::Object(std::mem::take(&mut self.columns)), since: 1 };
        let look = Look { column: &mut column, record: self.records, path: &Path::Top };
        let mut deserializer = serde_json::Deserializer::from_slice(line);
        let looked = look.deserialize(&mut deserializer).and_then(|()| deserializer.end());
        if let Shape::Object(columns) = column.shape {
            self.columns = columns;
        }
        let words = |error: serde_json::Error| {
            // Where in the line it is means nothing to whoever reads this.
            let text = error.to_string();
            text.split(" at line ").next().unwrap_or_default().to_owned()
        };
        looked.map_err(|error| format!("record {} {}", self.records, words(error)))
    }

    /// The schema of all records.
    ///
    /// # Errors
    /// There is none that loses nothing.
    pub fn schema(&self) -> Result<Schema, String> {
        Ok(Schema::new(self.columns.fields(&Path::Top)?))
    }
}

/// Where in a record something stands.
enum Path<'a> {
    Top,
    Member(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Top => Ok(()),
            Path::Member(Path::Top, name) => f.write_str(name),
            Path::Member(path, name) => write!(f, "{path}.{name}"),
            Path::Item(path) => write!(f, "{path}[]"),
        }
    }
}

impl Columns {
    fn of(&mut self, name: String) -> &mut Column {
        let Columns { places, all } = self;
        let place = *places.entry(name.clone()).or_insert_with(|| {
            all.push((name, Column::default()));
            all.len() - 1
        });
        &mut all[place].1
    }

    fn fields(&self, path: &Path<'_>) -> Result<Fields, String> {
        let field = |(name, column): &(String, Column)| {
            let data_type = column.data_type(&Path::Member(path, name))?;
            Ok(Field::new(name, data_type, true))
        };
        self.all.iter().map(field).collect()
    }
}

impl Column {
    fn data_type(&self, path: &Path<'_>) -> Result<DataType, String> {
        Ok(match &self.shape {
            Shape::Unknown => DataType::Null,
            Shape::Bool => DataType::Boolean,
            Shape::Text => DataType::Utf8,
            Shape::Number(numbers) => numbers.data_type(path)?,
            Shape::List(item) => {
                let item = item.data_type(&Path::Item(path))?;
                DataType::List(Arc::new(Field::new_list_field(item, true)))
            }
            Shape::Object(columns) => DataType::Struct(columns.fields(path)?),
        })
    }

    /// Takes in that a record shows this shape; gives what is known of it.
    fn become_shape(&mut self, shape: Shape, record: u64, path: &Path<'_>) -> Result<(), String> {
        if matches!(self.shape, Shape::Unknown) {
            (self.shape, self.since) = (shape, record);
            return Ok(());
        }
        if std::mem::discriminant(&self.shape) == std::mem::discriminant(&shape) {
            return Ok(());
        }
        let (now, before, since) = (shape.name(), self.shape.name(), self.since);
        Err(match path {
            Path::Top => format!("is {now}, and a row of a table is an object"),
            _ => format!(
                "has {now} in `{path}`, where record {since} has {before}: no column holds both \
                 (--schema names one that does)"
            ),
        })
    }
}

impl Shape {
    fn name(&self) -> &'static str {
        match self {
            Shape::Unknown => "null",
            Shape::Bool => "true or false",
            Shape::Number(_) => "a number",
            Shape::Text => "a string",
            Shape::List(_) => "an array",
            Shape::Object(_) => "an object",
        }
    }
}

impl Numbers {
    fn data_type(self, path: &Path<'_>) -> Result<DataType, String> {
        let both = |record, what: &str, other, what_other: &str| {
            Err(format!(
                "record {record} has {what} in `{path}`, where record {other} has {what_other}: no \
                 type of number holds both exactly (--schema names one)"
            ))
        };
        match self {
            Numbers { fraction: Some(fraction), wide: Some(wide), .. } => {
                both(wide, "a whole number beyond 2^53", fraction, "a fraction")
            }
            Numbers { fraction: Some(_), .. } => Ok(DataType::Float64),
            Numbers { large: Some(large), negative: Some(negative), .. } => {
                both(large, "a number beyond 2^63", negative, "a negative one")
            }
            Numbers { large: Some(_), .. } => Ok(DataType::UInt64),
            _ => Ok(DataType::Int64),
        }
    }
}

/// Looks at one value.
struct Look<'a> {
    column: &'a mut Column,
    record: u64,
    path: &'a Path<'a>,
}

impl Look<'_> {
    fn is<E: serde::de::Error>(&mut self, shape: Shape) -> Result<(), E> {
        self.column.become_shape(shape, self.record, self.path).map_err(E::custom)
    }

    fn number<E: serde::de::Error>(
        mut self,
        show: impl FnOnce(&mut Numbers, u64),
    ) -> Result<(), E> {
        self.is(Shape::Number(Numbers::default()))?;
        if let Shape::Number(numbers) = &mut self.column.shape {
            show(numbers, self.record);
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: serde::de::Error>(mut self) -> Result<(), E> {
        match self.path {
            Path::Top => self.is(Shape::Unknown),
            _ => Ok(()),
        }
    }

    fn visit_bool<E: serde::de::Error>(mut self, _: bool) -> Result<(), E> {
        self.is(Shape::Bool)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.number(|numbers, record| {
            numbers.negative.get_or_insert(record);
            if value.unsigned_abs() > WIDEST {
                numbers.wide.get_or_insert(record);
            }
        })
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.number(|numbers, record| {
            if value > WIDEST {
                numbers.wide.get_or_insert(record);
            }
            if i64::try_from(value).is_err() {
                numbers.large.get_or_insert(record);
            }
        })
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.number(|numbers, record| {
            numbers.fraction.get_or_insert(record);
        })
    }

    fn visit_str<E: serde::de::Error>(mut self, _: &str) -> Result<(), E> {
        self.is(Shape::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        self.is(Shape::List(Box::default()))?;
        let Look { column, record, path } = self;
        let Shape::List(column) = &mut column.shape else { return Ok(()) };
        let path = &Path::Item(path);
        while items.next_element_seed(Look { column, record, path })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        self.is(Shape::Object(Columns::default()))?;
        let Look { column, record, path } = self;
        let Shape::Object(columns) = &mut column.shape else { return Ok(()) };
        while let Some(name) = members.next_key::<String>()? {
            let column = columns.of(name.clone());
            let path = &Path::Member(path, &name);
            members.next_value_seed(Look { column, record, path })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn infer(lines: &[&str]) -> Result<String, String> {
        let mut inference = Inference::default();
        for line in lines {
            inference.record(line.as_bytes())?;
        }
        let schema = inference.schema()?;
        let field =
            |field: &arrow_schema::FieldRef| format!("{}: {}", field.name(), field.data_type());
        Ok(schema.fields().iter().map(field).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn columns_come_in_the_order_in_which_they_are_first_seen() {
        let schema = infer(&[r#"{"z":1,"a":null}"#, r#"{"m":true,"a":"x","z":2.5}"#]).unwrap();
        assert_eq!(schema, "z: Float64; a: Utf8; m: Boolean");
    }

    #[test]
    fn nested_values_are_followed() {
        let schema = infer(&[
            r#"{"a":[],"b":{"c":[{"d":1},null,{"e":null}]}}"#,
            r#"{"a":[[1],[]],"b":null}"#,
        ]);
        let schema = schema.unwrap();
        assert!(schema.starts_with("a: List(List(Int64)"), "{schema}");
        assert!(schema.contains(r#"Struct("c": List(Struct("d": Int64, "e": Null"#), "{schema}");
    }

    #[test]
    fn numbers_are_of_a_type_that_holds_them_exactly() {
        for (lines, wanted) in [
            (&[r#"{"n":1}"#, r#"{"n":-9223372036854775808}"#][..], "n: Int64"),
            (&[r#"{"n":18446744073709551615}"#], "n: UInt64"),
            (&[r#"{"n":9007199254740992}"#, r#"{"n":1e3}"#], "n: Float64"),
        ] {
            assert_eq!(infer(lines).unwrap(), wanted);
        }
        let wide = infer(&[r#"{"n":9007199254740993}"#, r#"{"n":0.5}"#]).unwrap_err();
        assert!(wide.starts_with("record 1 has a whole number beyond 2^53 in `n`, where record 2"));
        let signs = infer(&[r#"{"n":-1}"#, r#"{"n":18446744073709551615}"#]).unwrap_err();
        assert!(signs.contains("beyond 2^63"), "{signs}");
    }

    #[test]
    fn what_contradicts_names_both_records() {
        let lines = [r#"{"a":{"b":[1]}}"#, r#"{"a":{"b":[null]}}"#, r#"{"a":{"b":["x"]}}"#];
        assert_eq!(
            infer(&lines).unwrap_err(),
            "record 3 has a string in `a.b[]`, where record 1 has a number: no column holds both \
             (--schema names one that does)"
        );
        for (line, what) in [("[1]", "an array"), ("null", "null"), ("1", "a number")] {
            let wanted = format!("record 1 is {what}, and a row of a table is an object");
            assert_eq!(infer(&[line]).unwrap_err(), wanted);
        }
        assert!(infer(&["{\"a\":1} x"]).is_err());
    }
}
