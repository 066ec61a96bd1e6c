//! Times as they are written in records, in nanoseconds since the beginning of 1970.

use std::time::UNIX_EPOCH;

use humantime::{parse_duration, parse_rfc3339_weak};

use crate::order::{Number, Ordered};

const SECOND: i128 = 1_000_000_000;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// What a time that is a number counts, since the beginning of 1970.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Unit {
    Seconds,
    Milliseconds,
}

/// A time like `2024-01-01T12:00:00Z` or with `+01:00` (without either it is meant as with
/// `Z`), `10/Oct/2000:13:55:36 -0700` as in the logs of web servers, or a number; the value
/// is JSON.
///
/// # Errors
/// It is none of these, or a text from before 1970.
pub fn instant(value: &str, unit: Unit) -> Result<i128, String> {
    let nanoseconds = match Ordered::of(value) {
        Some(Ordered::Number(number)) => of_number(&number, unit),
        Some(Ordered::Text(text)) => of_text(&text),
        None => None,
    };
    nanoseconds.ok_or_else(|| {
        format!("{value} is no time like \"2024-01-01T12:00:00Z\", nor a number of such")
    })
}

fn of_number(number: &Number, unit: Unit) -> Option<i128> {
    let (places, size) = match unit {
        Unit::Seconds => (9, SECOND),
        Unit::Milliseconds => (6, SECOND / 1000),
    };
    let (whole, fraction) = number.parts(places)?;
    // 20 digits before the point and 9 behind it are less than 38.
    let size = whole as i128 * size + fraction as i128;
    Some(if number.is_negative() { -size } else { size })
}

fn of_text(text: &str) -> Option<i128> {
    let (local, offset) = if text.as_bytes().get(2) == Some(&b'/') {
        let (local, offset) = text.split_once(' ')?;
        let month = MONTHS.iter().position(|month| local.get(3..6) == Some(*month))? + 1;
        let (year, day, time) = (local.get(7..11)?, local.get(..2)?, local.get(12..)?);
        (format!("{year}-{month:02}-{day}T{time}"), offset)
    } else {
        // Behind the seconds.
        let end = text.get(19..)?.find(['Z', 'z', '+', '-']).map_or(text.len(), |at| at + 19);
        let (local, offset) = text.split_at(end);
        (local.to_owned(), offset)
    };
    let local = parse_rfc3339_weak(&local).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(local.as_nanos() as i128 - read_offset(offset)?)
}

/// How far ahead of UTC a time is, in nanoseconds.
fn read_offset(text: &str) -> Option<i128> {
    let sign = match text {
        "" | "Z" | "z" => return Some(0),
        _ if text.starts_with('+') => 1,
        _ if text.starts_with('-') => -1,
        _ => return None,
    };
    let digits = text[1..].replacen(':', "", 1);
    if digits.len() != 4 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let digits: i128 = digits.parse().ok()?;
    Some(sign * (digits / 100 * 60 + digits % 100) * 60 * SECOND)
}

/// A gap like `30m`, in nanoseconds.
///
/// # Errors
/// It is none, or none at all.
pub fn gap(text: &str) -> Result<i128, String> {
    match parse_duration(text) {
        Ok(gap) if !gap.is_zero() => Ok(gap.as_nanos() as i128),
        _ => Err(format!("`{text}` is no time like 30s, 30m or 1day")),
    }
}

/// Nanoseconds in seconds, as they are written in JSON.
pub fn seconds(nanoseconds: i128) -> String {
    let (whole, fraction) = (nanoseconds / SECOND, nanoseconds % SECOND);
    match fraction {
        0 => whole.to_string(),
        _ => format!("{whole}.{fraction:09}").trim_end_matches('0').to_owned(),
    }
}
