//! Keeps the push events of a file of GitHub events: the records whose `type`
//! is `"PushEvent"`.
//!
//! This is also the plugin to copy when you write your own. A filter needs
//! three things:
//!
//! 1. `wit_bindgen::generate!`, which reads the contract in `wit/` and turns it
//!    into Rust: a trait named [`Guest`] to implement, and the functions that
//!    the program offers (here [`log::write`]).
//! 2. An implementation of that trait: one function, [`keep`](Guest::keep).
//! 3. `export!`, which makes that function callable from outside.
//!
//! Everything else is ordinary Rust, with ordinary crates. `plugins/build.sh`
//! compiles it; the `.wasm` that Cargo writes is the finished plugin.

use std::borrow::Cow;
use std::panic;
use std::sync::Once;

use serde::Deserialize;

use host::plugin::log::{self, Level};

wit_bindgen::generate!({
    path: "../../wit",
    world: "filter",
});

/// What this plugin wants to know about a record. Fields that are not named
/// here are checked for being JSON and skipped; nothing is stored for them.
#[derive(Deserialize)]
struct Event<'a> {
    /// Borrowed from the record in the usual case. Only a text that is written
    /// with escapes (`"Push\u0045vent"`) has to be copied to be decoded, which
    /// is why this is a `Cow` and not a `&str`: a `&str` would refuse it.
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

/// The plugin. It has no fields because it remembers nothing: what it answers
/// depends on the record alone, so the result is the same however the records
/// are shared out among processes.
struct Filter;

impl Guest for Filter {
    /// True for a push event. An error for a record that is not a JSON object
    /// with exactly one `type`, a string: it can be neither kept nor dropped in
    /// good conscience, and what becomes of it is the user's choice.
    fn keep(record: String) -> Result<bool, String> {
        report_panics();
        let event: Event = serde_json::from_str(&record).map_err(|error| error.to_string())?;
        // serde also reads a struct from an array of its fields in order, and
        // `["PushEvent"]` is no event.
        if !record.trim_ascii_start().starts_with('{') {
            return Err("the record is not a JSON object".to_owned());
        }
        Ok(event.kind == "PushEvent")
    }
}

export!(Filter);

/// Sends the message of a panic to the log, where the plugin's author can read
/// it. Without this it is lost: on `wasm32-unknown-unknown` the standard library
/// has nowhere to print, and all that the program sees is a trap.
///
/// Called at the start of every record because a plugin has no `main`. After the
/// first time it costs one comparison.
fn report_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        panic::set_hook(Box::new(|info| log::write(Level::Error, &info.to_string())));
    });
}
