//! Picks members of JSON objects and renames them.
//!
//! `--param fields=id,actor.login:user` makes of
//! `{"id": 1, "actor": {"login": "ann"}, "type": "PushEvent"}` the record
//! `{"id":1,"user":"ann"}`. Values pass byte for byte as they are written; a member that
//! is not there is left out. How a plugin is put together is explained in
//! `plugins/filter`.

#[path = "../../shared/members.rs"]
mod members;
#[path = "../../shared/panics.rs"]
mod panics;

use std::sync::OnceLock;

use host::plugin::params;
use members::{Field, Object, Search};

wit_bindgen::generate!({
    path: "../../wit",
    world: "%map",
});

/// What is wanted of each record.
struct Wanted {
    fields: Vec<Field>,
    search: Search,
}

impl Wanted {
    fn read() -> Result<Wanted, String> {
        let fields = params::get("fields")
            .ok_or("it has to be told which members to pick: --param fields=id,actor.login:user")?;
        let fields =
            Field::parse_list(&fields).map_err(|why| format!("the parameter `fields`: {why}"))?;
        let search = Search::new(fields.iter().map(|field| &field.path[..]));
        Ok(Wanted { fields, search })
    }
}

struct Map;

impl Guest for Map {
    /// The record with the wanted members alone. An error for what is no JSON object.
    fn apply(record: String) -> Result<Option<String>, String> {
        static WANTED: OnceLock<Result<Wanted, String>> = OnceLock::new();
        panics::report();
        let wanted = WANTED.get_or_init(Wanted::read).as_ref().map_err(String::clone)?;
        let found = wanted.search.find(&record, wanted.fields.len())?;
        let mut object = Object::default();
        for (field, value) in wanted.fields.iter().zip(found) {
            if let Some(value) = value {
                object.push(&field.name, value.get());
            }
        }
        Ok(Some(object.finish()))
    }
}

export!(Map);
