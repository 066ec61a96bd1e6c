//! {{name}}: keeps the records whose member "type" is what `--param type=...` says.

mod panics;

use std::borrow::Cow;

use host::plugin::params;
use serde::Deserialize;

wit_bindgen::generate!({ path: "wit", world: "filter" });

/// What is read of a record. Members that are not named here are passed over.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Cow<'a, str>>,
}

struct Plugin;

impl Guest for Plugin {
    /// Called with each record, which is the text of one JSON value. True keeps it. An error
    /// is shown to the user, who decides what becomes of records that are rejected.
    fn keep(record: String) -> Result<bool, String> {
        let wanted = params::get("type")
            .ok_or("the parameter `type` is missing (--param type=VALUE)")?;
        let event: Event = serde_json::from_str(&record).map_err(|error| error.to_string())?;
        Ok(event.kind.is_some_and(|kind| kind == wanted))
    }
}

export!(Plugin);
