//! {{name}}: counts the records, and those whose member "type" is what `--param type=...`
//! says.

mod panics;

use std::borrow::Cow;
use std::cell::Cell;

use host::plugin::params;
use serde::{Deserialize, Serialize};

wit_bindgen::generate!({ path: "wit", world: "reduce" });

/// What is read of a record. Members that are not named here are passed over.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Cow<'a, str>>,
}

/// The records are shared out among several instances of this plugin. Each has a state of its
/// own, and `host` merges them, in the order of the input.
#[derive(Copy, Clone, Default, Serialize, Deserialize)]
struct State {
    records: u64,
    matching: u64,
}

thread_local! {
    static OWN: Cell<State> = Cell::default();
}

/// The state that bytes hold.
fn read(bytes: &[u8]) -> Result<State, String> {
    serde_json::from_slice(bytes).map_err(|_| "the state is none of this plugin".to_owned())
}

/// A state as text. Any bytes would do that `read` can read.
fn write(state: State) -> Result<String, String> {
    serde_json::to_string(&state).map_err(|error| error.to_string())
}

struct Plugin;

impl Guest for Plugin {
    /// Called with each record, which is the text of one JSON value. An error is shown to the
    /// user, who decides what becomes of records that are rejected; the state has to be as
    /// before then.
    fn add(record: String) -> Result<(), String> {
        let wanted = params::get("type")
            .ok_or("the parameter `type` is missing (--param type=VALUE)")?;
        let event: Event = serde_json::from_str(&record).map_err(|error| error.to_string())?;
        let mut state = OWN.get();
        state.records += 1;
        state.matching += u64::from(event.kind.is_some_and(|kind| kind == wanted));
        OWN.set(state);
        Ok(())
    }

    /// Gives the state of the records so far, as bytes. The next `add` is the first again.
    fn take() -> Vec<u8> {
        write(OWN.take()).unwrap_or_default().into_bytes()
    }

    /// Makes one state of two.
    fn merge(left: Vec<u8>, right: Vec<u8>) -> Result<Vec<u8>, String> {
        let (left, right) = (read(&left)?, read(&right)?);
        let merged = State {
            records: left.records + right.records,
            matching: left.matching + right.matching,
        };
        Ok(write(merged)?.into_bytes())
    }

    /// Called once, with the state of all records: what comes out.
    fn finish(state: Vec<u8>) -> Result<Vec<String>, String> {
        Ok(vec![write(read(&state)?)?])
    }
}

export!(Plugin);
