//! {{name}}: appends a member "source" with the value of `--param source=...`.

mod panics;

use host::plugin::params;

wit_bindgen::generate!({ path: "wit", world: "batch" });

struct Plugin;

impl Guest for Plugin {
    /// Called with many records at once, each the text of one JSON value: one outcome for each,
    /// in the same order. Its texts come out in the record's place; if there are none, the
    /// record is dropped. An error is shown to the user, who decides what becomes of records
    /// that are rejected.
    fn process(records: Vec<String>) -> Vec<Result<Vec<String>, String>> {
        let Some(source) = params::get("source") else {
            let why = "the parameter `source` is missing (--param source=VALUE)";
            return vec![Err(why.to_owned()); records.len()];
        };
        let source = serde_json::Value::from(source);
        let append = |record: String| {
            // The members stay as they are written: numbers keep their digits.
            let before = record
                .strip_suffix('}')
                .filter(|before| before.starts_with('{'))
                .ok_or("the record is not a JSON object")?
                .trim_end();
            let comma = if before == "{" { "" } else { "," };
            Ok(vec![format!(r#"{before}{comma}"source":{source}}}"#)])
        };
        records.into_iter().map(append).collect()
    }
}

export!(Plugin);
