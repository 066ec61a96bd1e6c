//! The jobs: what becomes of one record, read by `serde_json` into a struct that holds what the
//! job wants and no more.

use std::borrow::Cow;
use std::collections::HashMap;

use anyhow::{Result, bail};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What is done with the records.
#[derive(Clone, Copy)]
pub enum Job {
    /// Keeps the push events, byte for byte.
    Filter,
    /// `id`, `actor.login` as `user`, and `type`.
    Map,
    /// A record for each of `payload.commits`, with `id`.
    FlatMap,
    /// How often each `type` is there.
    CountBy,
    /// Keeps the cities of Switzerland, byte for byte.
    Cities,
}

/// How often each key was seen.
pub type Counts = HashMap<String, u64>;

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct City<'a> {
    #[serde(borrow)]
    country: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Picked<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    actor: Option<Actor<'a>>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Actor<'a> {
    #[serde(borrow)]
    login: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Pushed<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: Option<Payload<'a>>,
}

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow, default)]
    commits: Vec<&'a RawValue>,
}

impl Job {
    /// The job of that name.
    pub fn parse(name: &str) -> Result<Self> {
        Ok(match name {
            "filter" => Self::Filter,
            "map" => Self::Map,
            "flat-map" => Self::FlatMap,
            "count-by" => Self::CountBy,
            "cities" => Self::Cities,
            _ => bail!("there is no job {name:?}"),
        })
    }

    /// Appends what becomes of a record to `out`, each result with a line break, or counts it.
    pub fn record(self, record: &[u8], out: &mut Vec<u8>, counts: &mut Counts) -> Result<()> {
        match self {
            Self::Filter => {
                let event: Event = serde_json::from_slice(record)?;
                if event.kind == "PushEvent" {
                    push(out, &[record, b"\n"]);
                }
            }
            Self::Cities => {
                let city: City = serde_json::from_slice(record)?;
                if city.country == "CH" {
                    push(out, &[record, b"\n"]);
                }
            }
            Self::Map => {
                let picked: Picked = serde_json::from_slice(record)?;
                let login = picked.actor.and_then(|actor| actor.login);
                push_object(out, &[("id", picked.id), ("user", login), ("type", picked.kind)]);
            }
            Self::FlatMap => {
                let pushed: Pushed = serde_json::from_slice(record)?;
                for commit in pushed.payload.iter().flat_map(|payload| &payload.commits) {
                    push_object(out, &[("id", pushed.id), ("commit", Some(commit))]);
                }
            }
            Self::CountBy => {
                let event: Event = serde_json::from_slice(record)?;
                match counts.get_mut(&*event.kind) {
                    Some(count) => *count += 1,
                    None => drop(counts.insert(event.kind.into_owned(), 1)),
                }
            }
        }
        Ok(())
    }
}

/// Appends a record for each key, in the order of the keys.
pub fn push_counts(counts: Counts, out: &mut Vec<u8>) -> Result<()> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort();
    for (key, count) in counts {
        let key = serde_json::to_string(&key)?;
        push(out, &[br#"{"type":"#, key.as_bytes(), br#","count":"#]);
        push(out, &[count.to_string().as_bytes(), b"}\n"]);
    }
    Ok(())
}

fn push_object(out: &mut Vec<u8>, members: &[(&str, Option<&RawValue>)]) {
    let mut before = "{\"";
    for (name, value) in members {
        if let Some(value) = value {
            push(out, &[before.as_bytes(), name.as_bytes(), b"\":", value.get().as_bytes()]);
            before = ",\"";
        }
    }
    push(out, &[b"}\n"]);
}

fn push(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}
