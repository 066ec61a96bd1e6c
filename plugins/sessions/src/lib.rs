//! Puts records into sessions: all of one key (a user, an address), as long as no pause
//! between two of them is longer than a gap.
//!
//! `--param by=actor.login --param time=created_at --param gap=30m` gives a record for each
//! session, in the order of the keys and of time:
//! `{"login":"ann","start":"2024-01-01T00:00:00Z","end":"2024-01-01T00:10:00Z","seconds":600,"count":3}`.
//! The records need not be in the order of time. How a plugin is put together is explained
//! in `plugins/filter`, and a reduce in `plugins/count-by`.
//!
//! All sessions are held until the end, because any record could still join two of them:
//! the state grows with their number ([`spans`]), and `--max-state` ends the job there.

#[path = "../../shared/members.rs"]
mod members;
#[path = "../../shared/order.rs"]
mod order;
#[path = "../../shared/panics.rs"]
mod panics;
mod spans;
#[path = "../../shared/state.rs"]
mod state;
mod time;
#[path = "../../shared/told.rs"]
mod told;

use std::cell::RefCell;
use std::collections::BTreeMap;

use members::{Field, Search};
use serde_json::value::RawValue;
use spans::{Span, Spans};
use time::Unit;

wit_bindgen::generate!({
    path: "../../wit",
    world: "reduce",
});

/// The members of a session besides its key.
const NAMES: [&str; 4] = ["start", "end", "seconds", "count"];

struct Plan {
    by: Vec<Field>,
    /// Finds the members of the key, and behind them the time.
    search: Search,
    unit: Unit,
    /// The longest pause within a session, in nanoseconds.
    gap: i128,
    /// Tells states of these parameters from those of others.
    label: String,
}

impl Plan {
    fn read() -> Result<Plan, String> {
        let by = told::fields("by", "actor.login")?;
        let time = told::field("time", "created_at")?;
        let gap = time::gap(&told::wanted("gap", "30m")?).map_err(told::wrong("gap"))?;
        let unit = told::choice("unit", &[("s", Unit::Seconds), ("ms", Unit::Milliseconds)])?;
        if let Some(field) = by.iter().find(|field| NAMES.contains(&&*field.name)) {
            return Err(format!(
                "a session has a member `{name}` of its own: --param by={name}:of_{name} gives \
                 the other another name",
                name = field.name
            ));
        }
        let search = Search::new(by.iter().chain([&time]).map(|field| &field.path[..]));
        let label = format!("{} {unit:?} {gap}", members::label(by.iter().chain([&time])));
        Ok(Plan { by, search, unit, gap, label })
    }

    /// The key of a record, and the session that it is by itself.
    fn of(&self, record: &str) -> Result<(String, Span), String> {
        let mut found = self.search.find(record, self.by.len() + 1)?;
        let time = found.pop().flatten().map(RawValue::get).filter(|time| *time != "null");
        let time = time.ok_or("the record has no time")?;
        let instant = time::instant(time, self.unit)?;
        Ok((members::key(&self.by, &found), Span::of(instant, time)))
    }
}

/// What this instance has put together since its state was taken.
#[derive(Default)]
struct Sessions {
    plan: Option<Result<Plan, String>>,
    by_key: BTreeMap<String, Spans>,
}

impl Sessions {
    fn plan(&mut self) -> Result<&Plan, String> {
        self.plan.get_or_insert_with(Plan::read).as_ref().map_err(String::clone)
    }
}

thread_local! {
    static SESSIONS: RefCell<Sessions> = RefCell::default();
}

struct Plugin;

impl Guest for Plugin {
    /// Puts the record into a session. An error for what is no JSON object, or has no time
    /// that can be read.
    fn add(record: String) -> Result<(), String> {
        panics::report();
        SESSIONS.with_borrow_mut(|sessions| {
            let plan = sessions.plan()?;
            let (gap, (key, span)) = (plan.gap, plan.of(&record)?);
            sessions.by_key.entry(key).or_default().add(span, gap);
            Ok(())
        })
    }

    fn take() -> Vec<u8> {
        SESSIONS.with_borrow_mut(|sessions| {
            let by_key = std::mem::take(&mut sessions.by_key);
            // Without parameters there is nothing in it.
            spans::encode(sessions.plan().map(|plan| &*plan.label).unwrap_or_default(), &by_key)
        })
    }

    fn merge(left: Vec<u8>, right: Vec<u8>) -> Result<Vec<u8>, String> {
        SESSIONS.with_borrow_mut(|sessions| {
            let plan = sessions.plan()?;
            let mut merged = spans::decode(&plan.label, &left)?;
            for (key, later) in spans::decode(&plan.label, &right)? {
                merged.entry(key).or_default().merge(later, plan.gap);
            }
            Ok(spans::encode(&plan.label, &merged))
        })
    }

    fn finish(state: Vec<u8>) -> Result<Vec<String>, String> {
        SESSIONS.with_borrow_mut(|sessions| {
            let by_key = spans::decode(&sessions.plan()?.label, &state)?;
            let records = by_key.iter().flat_map(|(key, spans)| spans.records(key));
            Ok(records.collect())
        })
    }
}

export!(Plugin);
