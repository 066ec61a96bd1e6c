//! {{name}}: makes a record of each word of the member that `--param member=...` names.

mod panics;

use host::plugin::params;
use serde_json::{Value, json};

wit_bindgen::generate!({ path: "wit", world: "flat-map" });

struct Plugin;

impl Guest for Plugin {
    /// Called with each record, which is the text of one JSON value. The texts that it
    /// returns come out in its place; if there are none, the record is dropped. An error is
    /// shown to the user, who decides what becomes of records that are rejected.
    fn expand(record: String) -> Result<Vec<String>, String> {
        let name = params::get("member")
            .ok_or("the parameter `member` is missing (--param member=NAME)")?;
        let value: Value = serde_json::from_str(&record).map_err(|error| error.to_string())?;
        let object = value.as_object().ok_or("the record is not a JSON object")?;
        let Some(member) = object.get(&name) else { return Ok(Vec::new()) };
        let text = member.as_str().ok_or("the member is not a string")?;
        let words = text.split(' ').filter(|word| !word.is_empty());
        Ok(words.map(|word| json!({ "word": word }).to_string()).collect())
    }
}

export!(Plugin);
