//! Replaces the values of members that nobody should see.
//!
//! `--param fields=actor.login,email` makes of `{"actor": {"login": "ann"}, "id": 1}` the
//! record `{"actor": {"login": null}, "id": 1}`; `--param with=` gives another value, in
//! JSON. Everything else stays byte for byte. How a plugin is put together is explained
//! in `plugins/filter`.
//!
//! This is the plugin to copy for a *batch*: it is given many records in one call. In
//! Rust a call is cheap; what it is for is languages in which one is dear.

#[path = "../../shared/members.rs"]
mod members;
#[path = "../../shared/panics.rs"]
mod panics;
#[path = "../../shared/told.rs"]
mod told;

use std::sync::OnceLock;

use host::plugin::params;
use members::Search;
use serde_json::value::RawValue;

wit_bindgen::generate!({
    path: "../../wit",
    world: "batch",
});

/// What is to be replaced.
struct Wanted {
    search: Search,
    count: usize,
    /// What stands there instead.
    with: String,
}

impl Wanted {
    fn read() -> Result<Wanted, String> {
        let fields = told::fields("fields", "actor.login")?;
        let with = params::get("with").unwrap_or_else(|| "null".to_owned());
        if serde_json::from_str::<&RawValue>(&with).is_err() {
            return Err(format!("the parameter `with` is no JSON: {with}"));
        }
        let search = Search::new(fields.iter().map(|field| &field.path[..]));
        Ok(Wanted { search, count: fields.len(), with })
    }

    fn redact(&self, record: &str) -> Result<String, String> {
        let found = self.search.find(record, self.count)?;
        let values = found.into_iter().flatten();
        Ok(members::replaced(record, values.map(|value| (value, &self.with)).collect()))
    }
}

struct Redact;

impl Guest for Redact {
    /// Each record with the wanted members replaced; an error for what is no JSON object.
    fn process(records: Vec<String>) -> Vec<Result<Vec<String>, String>> {
        static WANTED: OnceLock<Result<Wanted, String>> = OnceLock::new();
        panics::report();
        let wanted = WANTED.get_or_init(Wanted::read);
        let outcome = |record: &String| {
            let wanted = wanted.as_ref().map_err(String::clone)?;
            Ok(vec![wanted.redact(record)?])
        };
        records.iter().map(outcome).collect()
    }
}

export!(Redact);
