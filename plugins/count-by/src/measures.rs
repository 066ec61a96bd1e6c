//! What is told of the records with one key besides how many they are: the sum, the mean,
//! the smallest and the largest of a member.
//!
//! A member that is not there or `null` is left out. What is added up has to be a number;
//! the smallest and the largest can be texts too, which stand behind all numbers. A text
//! that holds nothing but a number is one, because a row of CSV has nothing else.

use std::fmt;

use serde_json::value::RawValue;

use crate::host::plugin::params;
use crate::members::{Field, quoted};
use crate::order::Ordered;
use crate::state::{Reader, Writer, damaged};
use crate::sum::Sum;
use crate::told;

/// A member that is measured, and how.
pub struct Wanted {
    pub kind: Kind,
    pub field: Field,
}

/// How a member is measured.
#[derive(Copy, Clone, PartialEq, Eq)]
pub enum Kind {
    Sum,
    Mean,
    Min,
    Max,
}

/// What was measured, of one record or of many.
pub enum Measure {
    Sum(Sum),
    /// The sum, and how many were added up.
    Mean(Sum, u64),
    Min(Option<Extreme>),
    Max(Option<Extreme>),
}

/// The smallest or the largest; of several that are equal it is the first.
pub struct Extreme {
    value: Ordered,
    /// As it was written in the record.
    written: String,
}

impl Wanted {
    /// What the parameters ask for: sums first, then means, smallest and largest.
    pub fn read() -> Result<Vec<Wanted>, String> {
        let mut all = Vec::new();
        for kind in [Kind::Sum, Kind::Mean, Kind::Min, Kind::Max] {
            let name = kind.to_string();
            if let Some(fields) = params::get(&name) {
                let fields = Field::parse_list(&fields).map_err(told::wrong(&name))?;
                all.extend(fields.into_iter().map(|field| Wanted { kind, field }));
            }
        }
        Ok(all)
    }

    pub fn quoted_name(&self) -> String {
        quoted(&self.field.name)
    }

    /// What the value in one record adds.
    pub fn of(&self, value: Option<&RawValue>) -> Result<Measure, String> {
        let name = &self.field.name;
        let ordered = Ordered::of_member(name, value)?;
        let number = || match &ordered {
            None => Ok(None),
            Some(Ordered::Text(_)) => Err(format!("`{name}` is no number and cannot be added up")),
            Some(Ordered::Number(number)) => Sum::of(number).map(Some).ok_or_else(|| {
                format!(
                    "`{name}` has more than 20 digits before the point or 36 behind it and \
                     cannot be added up"
                )
            }),
        };
        Ok(match self.kind {
            Kind::Sum => Measure::Sum(number()?.unwrap_or_default()),
            Kind::Mean => {
                let number = number()?;
                Measure::Mean(number.unwrap_or_default(), u64::from(number.is_some()))
            }
            Kind::Min => Measure::Min(Extreme::of(ordered, value)),
            Kind::Max => Measure::Max(Extreme::of(ordered, value)),
        })
    }
}

impl Kind {
    pub fn read(self, state: &mut Reader) -> Result<Measure, String> {
        Ok(match self {
            Kind::Sum => Measure::Sum(Sum::read(state)?),
            Kind::Mean => Measure::Mean(Sum::read(state)?, state.u64()?),
            Kind::Min => Measure::Min(Extreme::read(state)?),
            Kind::Max => Measure::Max(Extreme::read(state)?),
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Sum => "sum",
            Kind::Mean => "mean",
            Kind::Min => "min",
            Kind::Max => "max",
        })
    }
}

impl Measure {
    /// Adds what stands behind it in the input.
    pub fn add(&mut self, later: Measure) {
        match (self, later) {
            (Measure::Sum(sum), Measure::Sum(more)) => sum.add(more),
            (Measure::Mean(sum, count), Measure::Mean(more, times)) => {
                sum.add(more);
                *count += times;
            }
            (Measure::Min(least), Measure::Min(Some(other))) => {
                if least.as_ref().is_none_or(|least| other.value < least.value) {
                    *least = Some(other);
                }
            }
            (Measure::Max(most), Measure::Max(Some(other))) => {
                if most.as_ref().is_none_or(|most| other.value > most.value) {
                    *most = Some(other);
                }
            }
            // Measures stand in one order everywhere, and nothing changes none.
            _ => {}
        }
    }

    /// As it is written in JSON.
    pub fn value(&self) -> String {
        let null = || "null".to_owned();
        match self {
            Measure::Sum(sum) => sum.value(),
            Measure::Mean(_, 0) | Measure::Min(None) | Measure::Max(None) => null(),
            Measure::Mean(sum, count) => {
                serde_json::to_string(&sum.divided_by(*count)).unwrap_or_else(|_| null())
            }
            Measure::Min(Some(extreme)) | Measure::Max(Some(extreme)) => extreme.written.clone(),
        }
    }

    pub fn write(&self, state: &mut Writer) {
        match self {
            Measure::Sum(sum) => sum.write(state),
            Measure::Mean(sum, count) => {
                sum.write(state);
                state.u64(*count);
            }
            // No value is written without a letter.
            Measure::Min(None) | Measure::Max(None) => state.bytes(b""),
            Measure::Min(Some(extreme)) | Measure::Max(Some(extreme)) => {
                state.bytes(extreme.written.as_bytes());
            }
        }
    }
}

impl Extreme {
    fn of(value: Option<Ordered>, written: Option<&RawValue>) -> Option<Extreme> {
        Some(Extreme { value: value?, written: written?.get().to_owned() })
    }

    fn read(state: &mut Reader) -> Result<Option<Extreme>, String> {
        match state.text()? {
            "" => Ok(None),
            written => {
                let value = Ordered::of(written).ok_or_else(damaged)?;
                Ok(Some(Extreme { value, written: written.to_owned() }))
            }
        }
    }
}
