//! Sums without rounding, so that they are the same however the records are shared out:
//! 0.1 + 0.2 is 0.3 here, and no order of adding gives anything else.

use crate::order::Number;
use crate::state::{Reader, Writer, damaged};

/// Digits behind the point that are kept.
const PLACES: u32 = 36;
const ONE: u128 = 10_u128.pow(PLACES);

/// A sum of numbers with up to 20 digits before the point and 36 behind it. There are not
/// as many records as it would take to make it overflow.
#[derive(Copy, Clone, Default)]
pub struct Sum {
    /// What stands before the point, rounded down: -1.5 is -2 and a half.
    whole: i128,
    /// What is added to it, in 10^-36; always less than [`ONE`].
    fraction: u128,
}

impl Sum {
    /// None for a number with more digits than can be added up.
    pub fn of(number: &Number) -> Option<Sum> {
        let (whole, fraction) = number.parts(PLACES)?;
        let whole = i128::try_from(whole).ok()?;
        Some(match (number.is_negative(), fraction) {
            (false, _) => Sum { whole, fraction },
            (true, 0) => Sum { whole: -whole, fraction: 0 },
            (true, _) => Sum { whole: -whole - 1, fraction: ONE - fraction },
        })
    }

    pub fn add(&mut self, other: Sum) {
        self.whole += other.whole;
        self.fraction += other.fraction;
        if self.fraction >= ONE {
            self.whole += 1;
            self.fraction -= ONE;
        }
    }

    /// As it is written in JSON.
    pub fn value(self) -> String {
        let Sum { whole, fraction } = self;
        if fraction == 0 {
            return whole.to_string();
        }
        let (sign, whole, fraction) = match whole < 0 {
            true => ("-", -(whole + 1), ONE - fraction),
            false => ("", whole, fraction),
        };
        let fraction = format!("{fraction:0places$}", places = PLACES as usize);
        format!("{sign}{whole}.{}", fraction.trim_end_matches('0'))
    }

    /// A share of it, as near as a number with 53 bits comes.
    pub fn divided_by(self, count: u64) -> f64 {
        // A number that was just written can be read.
        let sum: f64 = self.value().parse().unwrap_or_default();
        sum / count as f64
    }

    pub fn write(self, state: &mut Writer) {
        state.i128(self.whole);
        state.i128(self.fraction as i128);
    }

    pub fn read(state: &mut Reader) -> Result<Sum, String> {
        let (whole, fraction) = (state.i128()?, state.i128()?);
        match u128::try_from(fraction) {
            Ok(fraction) if fraction < ONE => Ok(Sum { whole, fraction }),
            _ => Err(damaged()),
        }
    }
}
