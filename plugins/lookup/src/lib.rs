//! Adds members of a table's rows to records: a join.
//!
//! The table is side data of JSON lines, `--data table=countries.ndjson`. With
//! `--param on=country --param key=code --param fields=name:country_name` the record
//! `{"city": "Bern", "country": "CH"}` and the row `{"code": "CH", "name": "Switzerland"}`
//! give `{"city": "Bern", "country": "CH","country_name":"Switzerland"}`. For a record
//! without a row, `--param missing=` says what happens: `null` (the members are `null`),
//! `drop` or `reject`. How a plugin is put together is explained in `plugins/filter`.

#[path = "../../shared/members.rs"]
mod members;
#[path = "../../shared/panics.rs"]
mod panics;
mod table;
#[path = "../../shared/told.rs"]
mod told;

use std::sync::OnceLock;

use host::plugin::params;
use members::{Field, Object, Search};
use serde_json::value::RawValue;
use table::Table;

wit_bindgen::generate!({
    path: "../../wit",
    world: "%map",
});

/// What becomes of a record without a row.
#[derive(Copy, Clone)]
enum Missing {
    Null,
    Drop,
    Reject,
}

/// The table, and what is to be done with it.
struct Join {
    /// Finds what a record is looked up by, and behind it every member that would be
    /// there twice.
    search: Search,
    fields: Vec<Field>,
    missing: Missing,
    /// What is added to a record without a row.
    nulls: String,
    table: Table,
}

impl Join {
    fn read() -> Result<Join, String> {
        let on = told::field("on", "country")?;
        let key = match params::get("key") {
            Some(key) => Field::parse(&key).map_err(told::wrong("key"))?,
            None => on.clone(),
        };
        let fields = told::fields("fields", "name:country_name")?;
        let missing = told::choice(
            "missing",
            &[("null", Missing::Null), ("drop", Missing::Drop), ("reject", Missing::Reject)],
        )?;
        let names = fields.iter().map(|field| std::slice::from_ref(&field.name));
        let search = Search::new([&on.path[..]].into_iter().chain(names));
        let mut nulls = Object::default();
        for field in &fields {
            nulls.push(&field.name, "null");
        }
        let table = Table::read(&key, &fields)?;
        Ok(Join { search, fields, missing, nulls: nulls.into_members(), table })
    }

    fn apply(&self, record: &str) -> Result<Option<String>, String> {
        let found = self.search.find(record, self.fields.len() + 1)?;
        let (key, there) = found.split_first().ok_or("nothing is looked up")?;
        if let Some((field, _)) = self.fields.iter().zip(there).find(|(_, value)| value.is_some()) {
            return Err(format!("the record has a member `{}` of its own", field.name));
        }
        let row = key.and_then(|key: &RawValue| self.table.row(key.get()));
        let members = match (row, &self.missing) {
            (Some(row), _) => row,
            (None, Missing::Null) => &self.nulls,
            (None, Missing::Drop) => return Ok(None),
            (None, Missing::Reject) => return Err("the table has no row for the record".into()),
        };
        let mut object = Object::default();
        object.push_members(members::inside(record));
        object.push_members(members);
        Ok(Some(object.finish()))
    }
}

struct Lookup;

impl Guest for Lookup {
    /// The record with what its row says. An error for what is no JSON object, and for a
    /// record that has one of the members already.
    fn apply(record: String) -> Result<Option<String>, String> {
        static JOIN: OnceLock<Result<Join, String>> = OnceLock::new();
        panics::report();
        JOIN.get_or_init(Join::read).as_ref().map_err(String::clone)?.apply(&record)
    }
}

export!(Lookup);
