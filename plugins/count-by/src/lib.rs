//! Counts records by the value of a member, or of several, and adds up others.
//!
//! `--param by=type` gives a record for each value that `type` has, in the order of their
//! JSON text: `{"type":"PushEvent","count":190}`. A member that is not there counts as
//! `null`. With `--param sum=payload.size:bytes` each also says what that member is in all
//! ([`measures`]). How a plugin is put together is explained in `plugins/filter`.
//!
//! This is the plugin to copy for a *reduce*. Records are shared out among processes, so
//! what is counted is a *state* that can be handed over and merged ([`groups`]).

mod groups;
mod measures;
#[path = "../../shared/members.rs"]
mod members;
#[path = "../../shared/order.rs"]
mod order;
#[path = "../../shared/panics.rs"]
mod panics;
#[path = "../../shared/state.rs"]
mod state;
mod sum;
#[path = "../../shared/told.rs"]
mod told;

use std::cell::RefCell;
use std::collections::HashMap;

use groups::{COUNT, Group};
use measures::{Measure, Wanted};
use members::{Field, Search};
use serde_json::value::RawValue;

wit_bindgen::generate!({
    path: "../../wit",
    world: "reduce",
});

/// What is counted by, and what is measured.
struct Plan {
    by: Vec<Field>,
    wanted: Vec<Wanted>,
    /// Finds the members that it is counted by, and behind them those that are measured.
    search: Search,
}

impl Plan {
    fn read() -> Result<Plan, String> {
        let by = told::fields("by", "type")?;
        let wanted = Wanted::read()?;
        if by.iter().any(|field| field.name == COUNT) {
            return Err("a member called `count` needs another name: --param by=count:of".into());
        }
        let mut names: Vec<&str> = by.iter().map(|field| &*field.name).chain([COUNT]).collect();
        for Wanted { kind, field } in &wanted {
            if names.contains(&&*field.name) {
                return Err(format!(
                    "two members of the result are called `{name}`, and one needs another name: \
                     --param {kind}={name}:{kind}_{name}",
                    name = field.name
                ));
            }
            names.push(&field.name);
        }
        let fields = by.iter().chain(wanted.iter().map(|wanted| &wanted.field));
        let search = Search::new(fields.map(|field| &field.path[..]));
        Ok(Plan { by, wanted, search })
    }

    /// The members of a record that it is counted by, as they stand in an object, and what
    /// it adds to the measures.
    fn of(&self, record: &str) -> Result<(String, Box<[Measure]>), String> {
        let found = self.search.find(record, self.by.len() + self.wanted.len())?;
        let key = members::key(&self.by, &found);
        let measures = match self.wanted.is_empty() {
            true => Box::default(),
            false => self.measures_of(&found[self.by.len()..])?,
        };
        Ok((key, measures))
    }

    /// Kept apart, so that counting alone stays as fast as it is.
    #[inline(never)]
    fn measures_of(&self, found: &[Option<&RawValue>]) -> Result<Box<[Measure]>, String> {
        self.wanted.iter().zip(found).map(|(wanted, value)| wanted.of(*value)).collect()
    }

    /// What tells states of some parameters from those of others.
    fn label(&self) -> String {
        let fields = self.by.iter().chain(self.wanted.iter().map(|wanted| &wanted.field));
        let mut label = members::label(fields);
        for Wanted { kind, .. } in &self.wanted {
            label.push_str(&format!(" {kind}"));
        }
        label
    }
}

/// What this instance has counted since its state was taken.
#[derive(Default)]
struct Counter {
    plan: Option<Result<Plan, String>>,
    groups: HashMap<String, Group>,
}

impl Counter {
    fn plan(&mut self) -> Result<&Plan, String> {
        self.plan.get_or_insert_with(Plan::read).as_ref().map_err(String::clone)
    }
}

thread_local! {
    static COUNTER: RefCell<Counter> = RefCell::default();
}

struct CountBy;

impl Guest for CountBy {
    /// Counts the record. An error for what is no JSON object, and where something else
    /// than a number is to be added up.
    fn add(record: String) -> Result<(), String> {
        panics::report();
        COUNTER.with_borrow_mut(|counter| {
            let (key, measures) = counter.plan()?.of(&record)?;
            counter.groups.entry(key).or_default().add(Group { count: 1, measures });
            Ok(())
        })
    }

    fn take() -> Vec<u8> {
        COUNTER.with_borrow_mut(|counter| {
            let groups = std::mem::take(&mut counter.groups);
            // Without a parameter nothing was counted.
            let label = counter.plan().map(Plan::label).unwrap_or_default();
            groups::encode(&label, groups)
        })
    }

    fn merge(left: Vec<u8>, right: Vec<u8>) -> Result<Vec<u8>, String> {
        COUNTER.with_borrow_mut(|counter| {
            let plan = counter.plan()?;
            groups::merge(&plan.label(), &plan.wanted, &left, &right)
        })
    }

    fn finish(state: Vec<u8>) -> Result<Vec<String>, String> {
        COUNTER.with_borrow_mut(|counter| {
            let plan = counter.plan()?;
            groups::records(&plan.label(), &plan.wanted, &state)
        })
    }
}

export!(CountBy);
