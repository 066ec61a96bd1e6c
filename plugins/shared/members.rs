//! Members of JSON objects, found by path and passed on byte for byte. Shared by the
//! plugins here: each takes this file in as a module of its own.
//!
//! A path is written `actor.login`. A backslash takes the meaning from a dot, comma,
//! colon or backslash that belongs to a name.
#![allow(dead_code, reason = "no plugin needs all of it")]

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A member that is wanted: where it is, and how it is called then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    pub path: Vec<String>,
    pub name: String,
}

impl Field {
    /// Reads `actor.login` or `actor.login:user`. Without a name of its own it is called
    /// like the last step of its path.
    pub fn parse(text: &str) -> Result<Field, String> {
        let fields = Field::parse_list(text)?;
        match <[Field; 1]>::try_from(fields) {
            Ok([field]) => Ok(field),
            Err(_) => Err(format!("`{text}` is several paths, and one is wanted")),
        }
    }

    /// Reads several of them with commas between. No two may have one name.
    pub fn parse_list(text: &str) -> Result<Vec<Field>, String> {
        let mut fields: Vec<Field> = Vec::new();
        for part in split(text, ',') {
            let mut halves = split(&part, ':').into_iter();
            let path: Vec<String> = split(&halves.next().unwrap_or_default(), '.')
                .iter()
                .map(|step| plain(step))
                .collect();
            let name = halves.next().map(|name| plain(&name));
            let name = name.or_else(|| path.last().cloned()).unwrap_or_default();
            if halves.next().is_some() || path.iter().any(String::is_empty) || name.is_empty() {
                return Err(format!(
                    "`{part}` is no path like `actor.login` or `actor.login:user`"
                ));
            }
            if fields.iter().any(|field| field.name == name) {
                return Err(format!("two fields are called `{name}`"));
            }
            fields.push(Field { path, name });
        }
        Ok(fields)
    }
}

/// The parts between separators that have no backslash before them.
fn split(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == separator {
            parts.push(String::new());
            continue;
        }
        // The list is never empty.
        let Some(part) = parts.last_mut() else { continue };
        part.push(letter);
        if letter == '\\' {
            part.extend(letters.next());
        }
    }
    parts
}

/// A name without the backslashes that keep its letters from being separators.
fn plain(text: &str) -> String {
    let mut name = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => name.extend(letters.next()),
            _ => name.push(letter),
        }
    }
    name
}

/// Paths that are looked for together, in one pass over a record.
#[derive(Default, Debug)]
pub struct Search {
    /// The places in the answer that this value belongs to.
    slots: Vec<usize>,
    members: Vec<(String, Search)>,
}

impl Search {
    pub fn new<'a>(paths: impl IntoIterator<Item = &'a [String]>) -> Search {
        let mut root = Search::default();
        for (slot, path) in paths.into_iter().enumerate() {
            root.add(path, slot);
        }
        root
    }

    fn add(&mut self, path: &[String], slot: usize) {
        let Some((step, rest)) = path.split_first() else { return self.slots.push(slot) };
        let place = match self.members.iter().position(|(name, _)| name == step) {
            Some(place) => place,
            None => {
                self.members.push((step.clone(), Search::default()));
                self.members.len() - 1
            }
        };
        self.members[place].1.add(rest, slot);
    }

    /// Finds the values in a record, in the order of the paths. Of members that occur
    /// twice the last counts.
    ///
    /// # Errors
    /// The record is no JSON object.
    pub fn find<'a>(
        &self,
        record: &'a str,
        count: usize,
    ) -> Result<Vec<Option<&'a RawValue>>, String> {
        let mut found = vec![None; count];
        if !record.trim_ascii_start().starts_with('{') {
            return Err("the record is not a JSON object".to_owned());
        }
        self.look_into(record, &mut found).map_err(|error| error.to_string())?;
        Ok(found)
    }

    fn look_into<'a>(
        &self,
        value: &'a str,
        found: &mut [Option<&'a RawValue>],
    ) -> Result<(), serde_json::Error> {
        let mut text = serde_json::Deserializer::from_str(value);
        Look { search: self, found }.deserialize(&mut text)?;
        text.end()
    }
}

/// Goes through the members of an object. What is no object has none; but a number there must be
/// one that a double can hold.
struct Look<'s, 'f, 'a> {
    search: &'s Search,
    found: &'f mut [Option<&'a RawValue>],
}

impl<'a> Visitor<'a> for Look<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut members: M) -> Result<(), M::Error> {
        while let Some(wanted) = members.next_key_seed(Name(&self.search.members))? {
            let Some(search) = wanted else {
                members.next_value::<IgnoredAny>()?;
                continue;
            };
            if search.slots.is_empty() {
                // Only what is inside is wanted.
                members.next_value_seed(Look { search, found: self.found })?;
                continue;
            }
            let value: &RawValue = members.next_value()?;
            for slot in &search.slots {
                self.found[*slot] = Some(value);
            }
            if !search.members.is_empty() {
                search.look_into(value.get(), self.found).map_err(serde::de::Error::custom)?;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut elements: S) -> Result<(), S::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

impl<'a> DeserializeSeed<'a> for Look<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'a>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

/// Finds a member by its name.
struct Name<'s>(&'s [(String, Search)]);

impl<'a, 's> DeserializeSeed<'a> for Name<'s> {
    type Value = Option<&'s Search>;

    fn deserialize<D: serde::Deserializer<'a>>(self, name: D) -> Result<Self::Value, D::Error> {
        name.deserialize_str(self)
    }
}

impl<'s> Visitor<'_> for Name<'s> {
    type Value = Option<&'s Search>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        let member = self.0.iter().find(|(wanted, _)| wanted == name);
        Ok(member.map(|(_, search)| search))
    }
}

/// Text of a JSON object in the making.
#[derive(Default, Debug)]
pub struct Object(String);

impl Object {
    /// Adds a member; the value is JSON.
    pub fn push(&mut self, name: &str, value: &str) {
        self.0.reserve(name.len() + value.len() + "{\"\":}".len());
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        if name.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
            self.0.push('"');
            self.0.push_str(name);
            self.0.push('"');
        } else {
            self.0.push_str(&quoted(name));
        }
        self.0.push(':');
        self.0.push_str(value);
    }

    /// Adds members as they stand between the braces of another object.
    pub fn push_members(&mut self, members: &str) {
        if !members.trim_ascii().is_empty() {
            self.0.push(if self.0.is_empty() { '{' } else { ',' });
            self.0.push_str(members);
        }
    }

    /// The members without the braces.
    pub fn into_members(mut self) -> String {
        if !self.0.is_empty() {
            self.0.remove(0);
        }
        self.0
    }

    pub fn finish(mut self) -> String {
        self.0.push_str(if self.0.is_empty() { "{}" } else { "}" });
        self.0
    }
}

/// The values of members as they stand in an object, each as it is compared with others:
/// records belong together where this is the same. One that is not there is `null`.
pub fn key(fields: &[Field], found: &[Option<&RawValue>]) -> String {
    let mut members = Object::default();
    for (field, value) in fields.iter().zip(found) {
        let value = canonical(value.map_or("null", RawValue::get));
        members.push(&field.name, &value);
    }
    members.into_members()
}

/// Tells lists of fields from each other.
pub fn label<'f>(fields: impl IntoIterator<Item = &'f Field>) -> String {
    let mut label = String::new();
    for field in fields {
        label.push_str(&quoted(&field.path.join("\0")));
        label.push_str(&quoted(&field.name));
    }
    label
}

/// A record with other texts in the places of values that were found in it. Where one
/// contains another, the larger one goes.
pub fn replaced<T: AsRef<str>>(record: &str, mut places: Vec<(&RawValue, T)>) -> String {
    places.sort_unstable_by_key(|(value, _)| value.get().as_ptr());
    let mut replaced = String::with_capacity(record.len());
    let mut done = 0;
    for (value, text) in places {
        // A value is a part of the record's text.
        let start = value.get().as_ptr().addr() - record.as_ptr().addr();
        if start >= done {
            replaced.push_str(&record[done..start]);
            replaced.push_str(text.as_ref());
            done = start + value.get().len();
        }
    }
    replaced.push_str(&record[done..]);
    replaced
}

/// A text as a JSON string.
pub fn quoted(text: &str) -> String {
    // A string can always be written.
    serde_json::to_string(text).unwrap_or_default()
}

/// What stands between the braces of an object.
pub fn inside(object: &str) -> &str {
    let object = object.trim_ascii();
    object.strip_prefix('{').and_then(|object| object.strip_suffix('}')).unwrap_or_default()
}

/// A value as it is compared with others: a string without needless escapes, anything
/// else without the white space between its tokens. Numbers are compared as written.
pub fn canonical(value: &str) -> Cow<'_, str> {
    if is_canonical(value) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(made_canonical(value))
}

/// Of what most values are, so that few have to be taken apart.
fn is_canonical(value: &str) -> bool {
    match value.as_bytes() {
        [b'"', rest @ ..] => !rest.contains(&b'\\'),
        [b'{' | b'[', ..] => false,
        _ => true,
    }
}

fn made_canonical(value: &str) -> String {
    if let Ok(text) = serde_json::from_str::<String>(value) {
        return quoted(&text);
    }
    let mut canonical = String::with_capacity(value.len());
    let (mut in_string, mut escaped) = (false, false);
    for letter in value.chars() {
        match letter {
            ' ' | '\t' | '\r' | '\n' if !in_string => continue,
            '"' if !escaped => in_string = !in_string,
            _ => {}
        }
        escaped = letter == '\\' && !escaped;
        canonical.push(letter);
    }
    canonical
}
