//! Makes a record of each element of an array.
//!
//! `--param array=payload.commits --param keep=id --param as=commit` makes of
//! `{"id": 7, "payload": {"commits": [{"sha": "a"}, {"sha": "b"}]}}` the records
//! `{"id":7,"commit":{"sha": "a"}}` and `{"id":7,"commit":{"sha": "b"}}`. Without `as` the
//! members of an element that is an object stand beside those that are kept. A record
//! whose array is missing, `null` or empty vanishes. How a plugin is put together is
//! explained in `plugins/filter`.

#[path = "../../shared/members.rs"]
mod members;
#[path = "../../shared/panics.rs"]
mod panics;

use std::sync::OnceLock;

use host::plugin::params;
use members::{Field, Object, Search};
use serde_json::value::RawValue;

wit_bindgen::generate!({
    path: "../../wit",
    world: "flat-map",
});

/// What is wanted of each record.
struct Wanted {
    /// Members that go along with every element.
    keep: Vec<Field>,
    /// Finds them, and the array behind them.
    search: Search,
    /// How an element is called.
    name: Option<String>,
}

impl Wanted {
    fn read() -> Result<Wanted, String> {
        let array = params::get("array")
            .ok_or("it has to be told where the array is: --param array=payload.commits")?;
        let array = Field::parse(&array).map_err(|why| format!("the parameter `array`: {why}"))?;
        let keep = match params::get("keep") {
            Some(keep) => {
                Field::parse_list(&keep).map_err(|why| format!("the parameter `keep`: {why}"))?
            }
            None => Vec::new(),
        };
        let name = params::get("as");
        if let Some(name) =
            name.as_ref().filter(|name| keep.iter().any(|field| field.name == **name))
        {
            return Err(format!("`{name}` is a kept member, and the parameter `as` too"));
        }
        let paths = keep.iter().chain([&array]).map(|field| &field.path[..]);
        Ok(Wanted { search: Search::new(paths), keep, name })
    }
}

struct FlatMap;

impl Guest for FlatMap {
    /// A record for each element. An error for what is no JSON object, has something
    /// other than an array in the array's place, or an element without members where
    /// members are wanted.
    fn expand(record: String) -> Result<Vec<String>, String> {
        static WANTED: OnceLock<Result<Wanted, String>> = OnceLock::new();
        panics::report();
        let wanted = WANTED.get_or_init(Wanted::read).as_ref().map_err(String::clone)?;
        let mut found = wanted.search.find(&record, wanted.keep.len() + 1)?;
        let array = found.pop().flatten().map_or("null", RawValue::get);
        if array == "null" {
            return Ok(Vec::new());
        }
        let elements: Vec<&RawValue> =
            serde_json::from_str(array).map_err(|_| "what is to be taken apart is no array")?;
        elements
            .into_iter()
            .map(|element| {
                let mut object = Object::default();
                for (field, value) in wanted.keep.iter().zip(&found) {
                    if let Some(value) = value {
                        object.push(&field.name, value.get());
                    }
                }
                match &wanted.name {
                    Some(name) => object.push(name, element.get()),
                    None if element.get().starts_with('{') => {
                        object.push_members(members::inside(element.get()));
                    }
                    None => {
                        let why = "an element has no members of its own: give it a name with \
                                   --param as=NAME";
                        return Err(why.to_owned());
                    }
                }
                Ok(object.finish())
            })
            .collect()
    }
}

export!(FlatMap);
