//! {{name}}: appends a member "source" with the value of `--param source=...`.

mod panics;

use host::plugin::params;

wit_bindgen::generate!({ path: "wit", world: "%map" });

struct Plugin;

impl Guest for Plugin {
    /// Called with each record, which is the text of one JSON value. What it returns comes
    /// out in its place; `None` would drop the record. An error is shown to the user, who
    /// decides what becomes of records that are rejected.
    fn apply(record: String) -> Result<Option<String>, String> {
        let source = params::get("source")
            .ok_or("the parameter `source` is missing (--param source=VALUE)")?;
        // The members stay as they are written: numbers keep their digits.
        let before = record
            .strip_suffix('}')
            .filter(|before| before.starts_with('{'))
            .ok_or("the record is not a JSON object")?
            .trim_end();
        let comma = if before == "{" { "" } else { "," };
        let source = serde_json::Value::from(source);
        Ok(Some(format!(r#"{before}{comma}"source":{source}}}"#)))
    }
}

export!(Plugin);
