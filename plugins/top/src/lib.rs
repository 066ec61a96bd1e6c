//! Keeps the records with the largest values of a member, or the smallest.
//!
//! `--param by=count --param k=3` gives the three records whose `count` is the largest, the
//! largest first; `--param order=smallest` the three smallest. Of records with equal values
//! those that stand first in the input count more. Numbers are compared exactly as they
//! are written, and texts stand behind all numbers (a text that holds nothing but a number
//! is one, as in CSV). A record without the member, or with `null` there, is passed over.
//! How a plugin is put together is explained in `plugins/filter`, and a reduce in
//! `plugins/count-by`.

#[path = "../../shared/members.rs"]
mod members;
#[path = "../../shared/order.rs"]
mod order;
#[path = "../../shared/panics.rs"]
mod panics;
mod ranking;
#[path = "../../shared/state.rs"]
mod state;
#[path = "../../shared/told.rs"]
mod told;

use std::cell::RefCell;

use members::{Field, Search};
use order::Ordered;
use ranking::{First, Ranking, Rules};
use serde_json::value::RawValue;

wit_bindgen::generate!({
    path: "../../wit",
    world: "reduce",
});

/// What the records are ranked by.
struct Plan {
    by: Field,
    search: Search,
    rules: Rules,
}

impl Plan {
    fn read() -> Result<Plan, String> {
        let by = told::field("by", "payload.size")?;
        let k = told::wanted("k", "10")?;
        let first =
            told::choice("order", &[("largest", First::Largest), ("smallest", First::Smallest)])?;
        let k = match k.parse() {
            Ok(k) if k > 0 => k,
            _ => {
                return Err(format!(
                    "the parameter `k` is how many records are kept, from 1 on, and not `{k}`"
                ));
            }
        };
        let search = Search::new([&by.path[..]]);
        let label = format!("{} {k} {first:?}", members::label([&by]));
        Ok(Plan { by, search, rules: Rules { k, first, label } })
    }
}

/// What this instance has ranked since its state was taken.
#[derive(Default)]
struct Top {
    plan: Option<Result<Plan, String>>,
    ranking: Ranking,
}

impl Top {
    fn plan(&mut self) -> Result<&Plan, String> {
        self.plan.get_or_insert_with(Plan::read).as_ref().map_err(String::clone)
    }

    fn add(&mut self, record: String) -> Result<(), String> {
        let Top { plan, ranking } = self;
        let plan = plan.get_or_insert_with(Plan::read).as_ref().map_err(|why| why.clone())?;
        let value = plan.search.find(&record, 1)?.into_iter().flatten().next();
        if let Some(ordered) = Ordered::of_member(&plan.by.name, value)? {
            let written = value.map(RawValue::get).unwrap_or_default().to_owned();
            ranking.add(&plan.rules, ordered, written, record);
        }
        Ok(())
    }
}

thread_local! {
    static TOP: RefCell<Top> = RefCell::default();
}

struct Plugin;

impl Guest for Plugin {
    /// Ranks the record. An error for what is no JSON object, and where the member is
    /// neither a number nor a text.
    fn add(record: String) -> Result<(), String> {
        panics::report();
        TOP.with_borrow_mut(|top| top.add(record))
    }

    fn take() -> Vec<u8> {
        TOP.with_borrow_mut(|top| {
            let ranking = std::mem::take(&mut top.ranking);
            // Without parameters nothing was ranked.
            ranking.encode(top.plan().map(|plan| &*plan.rules.label).unwrap_or_default())
        })
    }

    fn merge(left: Vec<u8>, right: Vec<u8>) -> Result<Vec<u8>, String> {
        TOP.with_borrow_mut(|top| {
            let rules = &top.plan()?.rules;
            let mut ranking = Ranking::decode(&rules.label, &left)?;
            ranking.merge(rules, Ranking::decode(&rules.label, &right)?);
            Ok(ranking.encode(&rules.label))
        })
    }

    fn finish(state: Vec<u8>) -> Result<Vec<String>, String> {
        TOP.with_borrow_mut(|top| Ok(Ranking::decode(&top.plan()?.rules.label, &state)?.records()))
    }
}

export!(Plugin);
