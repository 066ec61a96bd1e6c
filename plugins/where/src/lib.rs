//! Keeps the records whose value at a path is the wanted one.
//!
//! `--param path=actor.login --param is=ann` keeps `{"actor":{"login":"ann"}}`. A string is
//! compared by what it says, anything else by its JSON without white space between its tokens
//! (`is=12`, `is=true`). Where there is no such member the record is dropped. How a plugin is
//! put together is explained in `plugins/filter`.

#[path = "../../shared/members.rs"]
mod members;
#[path = "../../shared/panics.rs"]
mod panics;

use std::sync::OnceLock;

use host::plugin::params;
use members::{Field, Search};
use serde_json::value::RawValue;

wit_bindgen::generate!({
    path: "../../wit",
    world: "filter",
});

/// Which records are kept.
struct Wanted {
    search: Search,
    /// The value as it is given, and as a JSON string.
    value: String,
    string: String,
}

impl Wanted {
    fn read() -> Result<Wanted, String> {
        let path = params::get("path")
            .ok_or("the parameter `path` is missing (--param path=actor.login)")?;
        let fields =
            Field::parse_list(&path).map_err(|why| format!("the parameter `path`: {why}"))?;
        let (Some(value), [field]) = (params::get("is"), &fields[..]) else {
            let why = "one path and one value are wanted: --param path=actor.login --param is=ann";
            return Err(why.to_owned());
        };
        let search = Search::new([&field.path[..]]);
        Ok(Wanted { search, string: members::quoted(&value), value })
    }

    fn is(&self, found: &RawValue) -> bool {
        let found = found.get();
        if !found.starts_with('"') {
            return members::canonical(found) == self.value;
        }
        // What has no escapes is written in one way only.
        found == self.string || found.contains('\\') && members::canonical(found) == self.string
    }
}

struct Where;

impl Guest for Where {
    /// True for a record with the wanted value. An error for what is no JSON object.
    fn keep(record: String) -> Result<bool, String> {
        static WANTED: OnceLock<Result<Wanted, String>> = OnceLock::new();
        panics::report();
        let wanted = WANTED.get_or_init(Wanted::read).as_ref().map_err(String::clone)?;
        let found = wanted.search.find(&record, 1)?;
        Ok(found[0].is_some_and(|found| wanted.is(found)))
    }
}

export!(Where);
