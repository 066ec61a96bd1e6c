//! Keeps records that a JSON Schema holds for, and rejects all others with the reason.
//!
//! The schema is `--data schema=FILE`. Of a record that breaks it each place is named with
//! the rule: `` `/age` breaks `maximum`: it is more than 150 ``. What is understood is a part
//! of JSON Schema 2020-12 ([`rules`]); a schema with anything else is refused, so that no
//! rule is passed over in silence. How a plugin is put together is explained in
//! `plugins/filter`.

mod compile;
mod judge;
#[path = "../../shared/order.rs"]
mod order;
#[path = "../../shared/panics.rs"]
mod panics;
mod rules;

use std::sync::OnceLock;

use host::plugin::data;
use rules::Schema;
use serde_json::Value;

wit_bindgen::generate!({
    path: "../../wit",
    world: "filter",
});

/// The side data that the schema is.
const NAME: &str = "schema";
/// Bytes that are read at once.
const PIECE: u32 = 1 << 20;

/// Reads the schema.
///
/// # Errors
/// There is none, or it is none.
fn read() -> Result<Schema, String> {
    let size = data::size(NAME).ok_or("there is no schema: --data schema=FILE hands it over")?;
    let mut text = Vec::new();
    while (text.len() as u64) < size {
        let piece = data::read(NAME, text.len() as u64, PIECE).unwrap_or_default();
        if piece.is_empty() {
            return Err("the schema ends before its end".into());
        }
        text.extend_from_slice(&piece);
    }
    let schema: Value =
        serde_json::from_slice(&text).map_err(|why| format!("the schema is no JSON: {why}"))?;
    compile::schema(&schema)
}

struct Plugin;

impl Guest for Plugin {
    /// True for a record that the schema holds for. An error for any other, which says
    /// where it breaks what.
    fn keep(record: String) -> Result<bool, String> {
        static SCHEMA: OnceLock<Result<Schema, String>> = OnceLock::new();
        panics::report();
        let schema = SCHEMA.get_or_init(read).as_ref().map_err(String::clone)?;
        let record = serde_json::from_str(&record).map_err(|why| why.to_string())?;
        judge::judge(schema, &record).map(|()| true)
    }
}

export!(Plugin);
