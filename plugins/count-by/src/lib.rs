//! Counts records by the value of a member, or of several.
//!
//! `--param by=type` gives a record for each value that `type` has, in the order of their
//! JSON text: `{"type":"PushEvent","count":190}`. A member that is not there counts as
//! `null`. How a plugin is put together is explained in `plugins/filter`.
//!
//! This is the plugin to copy for a *reduce*. Records are shared out among processes, so
//! what is counted is a *state* that can be handed over and merged ([`state`]).

#[path = "../../shared/members.rs"]
mod members;
#[path = "../../shared/panics.rs"]
mod panics;
mod state;

use std::cell::RefCell;
use std::collections::HashMap;

use host::plugin::params;
use members::{Field, Object, Search};
use serde_json::value::RawValue;

wit_bindgen::generate!({
    path: "../../wit",
    world: "reduce",
});

/// What is counted by.
struct Keys {
    fields: Vec<Field>,
    search: Search,
}

impl Keys {
    fn read() -> Result<Keys, String> {
        let by = params::get("by").ok_or("it has to be told what to count by: --param by=type")?;
        let fields = Field::parse_list(&by).map_err(|why| format!("the parameter `by`: {why}"))?;
        if fields.iter().any(|field| field.name == state::COUNT) {
            return Err("a member called `count` needs another name: --param by=count:of".into());
        }
        let search = Search::new(fields.iter().map(|field| &field.path[..]));
        Ok(Keys { fields, search })
    }

    /// The members of a record that it is counted by, as they stand in an object.
    fn of(&self, record: &str) -> Result<String, String> {
        let mut members = Object::default();
        for (field, value) in self.fields.iter().zip(self.search.find(record, self.fields.len())?) {
            let value = members::canonical(value.map_or("null", RawValue::get));
            members.push(&field.name, &value);
        }
        Ok(members.into_members())
    }

    /// What tells states of one parameter from those of another.
    fn label(&self) -> String {
        let mut label = String::new();
        for field in &self.fields {
            label.push_str(&members::quoted(&field.path.join("\0")));
            label.push_str(&members::quoted(&field.name));
        }
        label
    }
}

/// What this instance has counted since its state was taken.
#[derive(Default)]
struct Counter {
    keys: Option<Result<Keys, String>>,
    counts: HashMap<String, u64>,
}

impl Counter {
    fn keys(&mut self) -> Result<&Keys, String> {
        self.keys.get_or_insert_with(Keys::read).as_ref().map_err(String::clone)
    }
}

thread_local! {
    static COUNTER: RefCell<Counter> = RefCell::default();
}

struct CountBy;

impl Guest for CountBy {
    /// Counts the record. An error for what is no JSON object.
    fn add(record: String) -> Result<(), String> {
        panics::report();
        COUNTER.with_borrow_mut(|counter| {
            let key = counter.keys()?.of(&record)?;
            *counter.counts.entry(key).or_default() += 1;
            Ok(())
        })
    }

    fn take() -> Vec<u8> {
        COUNTER.with_borrow_mut(|counter| {
            let counts = std::mem::take(&mut counter.counts);
            // Without a parameter nothing was counted.
            let label = counter.keys().map(Keys::label).unwrap_or_default();
            state::encode(&label, counts)
        })
    }

    fn merge(left: Vec<u8>, right: Vec<u8>) -> Result<Vec<u8>, String> {
        let label = COUNTER.with_borrow_mut(|counter| counter.keys().map(Keys::label))?;
        state::merge(&label, &left, &right)
    }

    fn finish(state: Vec<u8>) -> Result<Vec<String>, String> {
        let label = COUNTER.with_borrow_mut(|counter| counter.keys().map(Keys::label))?;
        state::records(&label, &state)
    }
}

export!(CountBy);
