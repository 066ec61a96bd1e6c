//! The table: rows by their key, each kept as the members that it adds to a record.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde_json::value::RawValue;

use crate::host::plugin::data;
use crate::members::{Field, Object, Search, canonical};

/// The side data that the table is.
const NAME: &str = "table";
/// Bytes that are read at once.
const PIECE: u32 = 1 << 20;

pub struct Table(HashMap<String, String>);

impl Table {
    /// Reads the table.
    ///
    /// # Errors
    /// There is none, a row is no JSON object or has no key, or two have the same.
    pub fn read(key: &Field, fields: &[Field]) -> Result<Table, String> {
        let size = data::size(NAME).ok_or("there is no table: --data table=FILE hands it over")?;
        let paths = [&key.path[..]].into_iter().chain(fields.iter().map(|field| &field.path[..]));
        let search = Search::new(paths);
        let mut rows = HashMap::new();
        let mut held: Vec<u8> = Vec::new();
        let (mut offset, mut line) = (0, 0);
        while offset < size {
            let piece = data::read(NAME, offset, PIECE).unwrap_or_default();
            if piece.is_empty() {
                return Err("the table ends before its end".into());
            }
            offset += piece.len() as u64;
            held.extend_from_slice(&piece);
            // What stands behind the last newline waits for more.
            let end = held.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let end = if offset < size { end } else { held.len() };
            for row in held[..end].split(|byte| *byte == b'\n') {
                line += 1;
                if row.trim_ascii().is_empty() {
                    continue;
                }
                add(&mut rows, &search, fields, row)
                    .map_err(|why| format!("the table, line {line}: {why}"))?;
            }
            // The part behind the last newline was counted as a line.
            line -= u64::from(held[..end].ends_with(b"\n") || end == 0);
            held.drain(..end);
        }
        Ok(Table(rows))
    }

    /// The members that the row with this key adds.
    pub fn row(&self, key: &str) -> Option<&str> {
        self.0.get(&*canonical(key)).map(String::as_str)
    }
}

fn add(
    rows: &mut HashMap<String, String>,
    search: &Search,
    fields: &[Field],
    row: &[u8],
) -> Result<(), String> {
    let row = std::str::from_utf8(row).map_err(|_| "it is not UTF-8 text")?;
    let found = search.find(row, fields.len() + 1)?;
    let (key, values) = found.split_first().ok_or("nothing is looked for")?;
    let key = canonical(key.ok_or("it has no key")?.get()).into_owned();
    let mut members = Object::default();
    for (field, value) in fields.iter().zip(values) {
        members.push(&field.name, value.map_or("null", RawValue::get));
    }
    match rows.entry(key) {
        Entry::Vacant(place) => {
            place.insert(members.into_members());
            Ok(())
        }
        Entry::Occupied(place) => Err(format!("another row has the key {} too", place.key())),
    }
}
