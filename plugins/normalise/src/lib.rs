//! Brings texts into one form, so that what is the same to a reader is the same to a
//! program.
//!
//! `--param fields=name --param steps=nfkc,accents,fold,space` makes of
//! `{"name":"  Ｚürich\u00a0HB "}` the record `{"name":"zurich hb"}`: each step is done to the
//! texts in these members, one after the other. What is no text stays as it is, and so does
//! every byte around it. How a plugin is put together is explained in `plugins/filter`.

#[path = "../../shared/members.rs"]
mod members;
#[path = "../../shared/panics.rs"]
mod panics;
mod steps;
#[path = "../../shared/told.rs"]
mod told;

use std::sync::OnceLock;

use members::{Search, quoted};
use serde_json::value::RawValue;
use steps::Step;

wit_bindgen::generate!({
    path: "../../wit",
    world: "%map",
});

/// What is done, and to which members.
struct Normaliser {
    search: Search,
    count: usize,
    steps: Vec<Step>,
}

impl Normaliser {
    fn read() -> Result<Normaliser, String> {
        let fields = told::fields("fields", "name,address.city")?;
        if let Some(field) = fields.iter().find(|field| field.path.last() != Some(&field.name)) {
            return Err(format!(
                "the parameter `fields`: a text stays in its place, and cannot be called `{}`",
                field.name
            ));
        }
        let steps = told::wanted("steps", "nfc,space")?;
        let steps = steps.split(',').map(Step::parse).collect::<Result<_, _>>();
        let search = Search::new(fields.iter().map(|field| &field.path[..]));
        Ok(Normaliser { search, count: fields.len(), steps: steps.map_err(told::wrong("steps"))? })
    }

    fn apply(&self, record: &str) -> Result<String, String> {
        let mut places: Vec<(&RawValue, String)> = Vec::new();
        for value in self.search.find(record, self.count)?.into_iter().flatten() {
            let Ok(text) = serde_json::from_str::<String>(value.get()) else { continue };
            let text = self.steps.iter().fold(text, |text, step| step.apply(&text));
            places.push((value, quoted(&text)));
        }
        Ok(members::replaced(record, places))
    }
}

struct Plugin;

impl Guest for Plugin {
    /// The record with its texts in one form. An error for what is no JSON object.
    fn apply(record: String) -> Result<Option<String>, String> {
        static NORMALISER: OnceLock<Result<Normaliser, String>> = OnceLock::new();
        panics::report();
        let normaliser = NORMALISER.get_or_init(Normaliser::read);
        normaliser.as_ref().map_err(String::clone)?.apply(&record).map(Some)
    }
}

export!(Plugin);
