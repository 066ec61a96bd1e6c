//! Values in an order: numbers by their size, compared exactly as they are written, and
//! behind them texts by their characters.
#![allow(dead_code, reason = "no plugin needs all of it")]

use std::cmp::Ordering;

use serde_json::value::RawValue;

/// A number or a text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Ordered {
    Number(Number),
    Text(String),
}

impl Ordered {
    /// Reads a value of JSON. A text that holds nothing but a number is one, because a row
    /// of CSV has nothing else. None for what has no order.
    pub fn of(value: &str) -> Option<Ordered> {
        let number = |text: &str| Number::parse(text).map(Ordered::Number);
        match value.as_bytes().first()? {
            b'"' => {
                let text: String = serde_json::from_str(value).ok()?;
                Some(number(&text).unwrap_or(Ordered::Text(text)))
            }
            _ => number(value),
        }
    }

    /// A value that was found in a record; none where there is none, or `null`.
    ///
    /// # Errors
    /// It is neither a number nor a text; `name` says what.
    pub fn of_member(name: &str, value: Option<&RawValue>) -> Result<Option<Ordered>, String> {
        match value.map(RawValue::get) {
            None | Some("null") => Ok(None),
            Some(value) => Ordered::of(value)
                .map(Some)
                .ok_or_else(|| format!("`{name}` is neither a number nor a text")),
        }
    }
}

/// A number as it is written in JSON: 0.DIGITS times ten to the power of `point`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Number {
    negative: bool,
    /// From 0 to 9, without zeros at either end; none for zero.
    digits: Vec<u8>,
    point: i64,
}

impl Number {
    /// None for what is no number of JSON, or one whose exponent has more digits than any
    /// that means something.
    pub fn parse(text: &str) -> Option<Number> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
            None => (text, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return None,
            Some(halves) => halves,
            None => (mantissa, ""),
        };
        let is_digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
        if !is_digits(whole) || !is_digits(fraction) || whole.is_empty() {
            return None;
        }
        if whole.len() > 1 && whole.starts_with('0') {
            return None;
        }
        let digits = whole.bytes().chain(fraction.bytes()).map(|digit| digit - b'0');
        let mut digits: Vec<u8> = digits.collect();
        let leading = digits.iter().take_while(|digit| **digit == 0).count();
        digits.drain(..leading);
        while digits.last() == Some(&0) {
            digits.pop();
        }
        if digits.is_empty() {
            return Some(Number { negative: false, digits, point: 0 });
        }
        let point = exponent + whole.len() as i64 - leading as i64;
        Some(Number { negative, digits, point })
    }

    /// What stands before the point and behind it, as an integer each, the second one with
    /// `places` digits: 12.5 with two places is 12 and 50. Both are without the sign.
    ///
    /// None where it has more than 20 digits before the point, or more than `places` behind
    /// it; those are at most 38.
    pub fn parts(&self, places: u32) -> Option<(u128, u128)> {
        let behind = self.digits.len() as i64 - self.point;
        if self.point > 20 || behind > i64::from(places) {
            return None;
        }
        let (mut whole, mut fraction) = (0, 0);
        for at in 0..self.point {
            whole = whole * 10 + self.digit(at);
        }
        for at in self.point..self.point + i64::from(places) {
            fraction = fraction * 10 + self.digit(at);
        }
        Some((whole, fraction))
    }

    fn digit(&self, at: i64) -> u128 {
        let digit = usize::try_from(at).ok().and_then(|at| self.digits.get(at));
        u128::from(digit.copied().unwrap_or(0))
    }

    pub fn is_negative(&self) -> bool {
        self.negative
    }

    pub fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// Whether nothing stands behind the point.
    pub fn is_integer(&self) -> bool {
        self.digits.len() as i64 <= self.point || self.is_zero()
    }

    /// The digits without zeros at either end, and the power of ten of the last one.
    pub fn significant(&self) -> (&[u8], i64) {
        (&self.digits, self.point - self.digits.len() as i64)
    }
}

fn read_exponent(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let is_digits = digits.bytes().all(|digit| digit.is_ascii_digit());
    if digits.is_empty() || !is_digits || digits.len() > 15 {
        return None;
    }
    digits.parse::<i64>().ok().map(|exponent| sign * exponent)
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        let sign = |number: &Number| match (number.is_zero(), number.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let size = || self.point.cmp(&other.point).then_with(|| self.digits.cmp(&other.digits));
        sign(self).cmp(&sign(other)).then_with(|| match sign(self) {
            0 => Ordering::Equal,
            1 => size(),
            _ => size().reverse(),
        })
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
