//! Keeps a share of the records, chosen by the hash of a member.
//!
//! `--param key=actor.login --param share=10%` keeps all records of about a tenth of the
//! logins and none of the others: the same ones in every run, file and machine, and what a
//! smaller share keeps a larger one keeps too. `--param part=3/10` keeps the third of ten
//! parts, of which each record is in exactly one. Without a key the record itself is hashed.
//! How a plugin is put together is explained in `plugins/filter`.
//!
//! The hash is XXH64 of the member's JSON text without needless escapes or white space
//! (`"ann"`, with the quotes; several stand in lines), with `--param seed=`, or 0. It is
//! compared with the share of 2^64.

#[path = "../../shared/members.rs"]
mod members;
#[path = "../../shared/panics.rs"]
mod panics;
#[path = "../../shared/told.rs"]
mod told;

use std::ops::Range;
use std::sync::OnceLock;

use host::plugin::params;
use members::{Field, Search, canonical};
use serde_json::value::RawValue;
use twox_hash::XxHash64;

wit_bindgen::generate!({
    path: "../../wit",
    world: "filter",
});

/// How many hashes there are.
const ALL: u128 = 1 << 64;

/// Which records are kept.
struct Sample {
    /// What is hashed, and how many members that are; none for the whole record.
    key: Option<(Search, usize)>,
    seed: u64,
    /// The hashes of what is kept.
    kept: Range<u128>,
}

impl Sample {
    fn read() -> Result<Sample, String> {
        let key = match params::get("key") {
            None => None,
            Some(key) => {
                let fields = Field::parse_list(&key).map_err(told::wrong("key"))?;
                let paths = fields.iter().map(|field| &field.path[..]);
                Some((Search::new(paths), fields.len()))
            }
        };
        let kept = match (params::get("share"), params::get("part")) {
            (Some(share), None) => 0..read_share(&share).map_err(told::wrong("share"))?,
            (None, Some(part)) => read_part(&part).map_err(told::wrong("part"))?,
            (None, None) => {
                return Err("it has to be told how many: --param share=10%, or part=1/10".into());
            }
            (Some(_), Some(_)) => {
                return Err("`share` and `part` each say how many, and one is enough".into());
            }
        };
        let seed = match params::get("seed") {
            None => 0,
            Some(seed) => seed.parse().map_err(|_| {
                format!("the parameter `seed` is a number from 0 to 2^64 - 1, and not `{seed}`")
            })?,
        };
        Ok(Sample { key, seed, kept })
    }

    fn keeps(&self, record: &str) -> Result<bool, String> {
        let hash = match &self.key {
            None => XxHash64::oneshot(self.seed, record.as_bytes()),
            Some((search, count)) => {
                let found = search.find(record, *count)?;
                let values = found.iter().map(|value| value.map_or("null", RawValue::get));
                let key = values.map(canonical).collect::<Vec<_>>().join("\n");
                XxHash64::oneshot(self.seed, key.as_bytes())
            }
        };
        Ok(self.kept.contains(&u128::from(hash)))
    }
}

/// Where the hashes of a share end that is written `10%` or `0.1`.
fn read_share(text: &str) -> Result<u128, String> {
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse(),
    };
    match share {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok((share * ALL as f64) as u128),
        _ => Err(format!("`{text}` is no share like 10% or 0.1, above 0 and up to all")),
    }
}

/// The hashes of a part that is written `3/10`.
fn read_part(text: &str) -> Result<Range<u128>, String> {
    let numbers = text
        .split_once('/')
        .and_then(|(number, of)| Some((number.parse::<u32>().ok()?, of.parse::<u32>().ok()?)));
    match numbers {
        Some((number, of)) if (1..=of).contains(&number) => {
            let end = |number: u32| ALL * u128::from(number) / u128::from(of);
            Ok(end(number - 1)..end(number))
        }
        _ => Err(format!("`{text}` is no part like 3/10, from 1/10 to 10/10")),
    }
}

struct Plugin;

impl Guest for Plugin {
    /// True for what belongs to the sample. An error for what is no JSON object, where a
    /// member of it is hashed.
    fn keep(record: String) -> Result<bool, String> {
        static SAMPLE: OnceLock<Result<Sample, String>> = OnceLock::new();
        panics::report();
        SAMPLE.get_or_init(Sample::read).as_ref().map_err(String::clone)?.keeps(&record)
    }
}

export!(Plugin);
