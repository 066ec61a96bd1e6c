//! What the person who runs a plugin has told it, with good errors where it makes no
//! sense.
#![allow(dead_code, reason = "no plugin needs all of it")]

use crate::host::plugin::params;
use crate::members::Field;

/// A parameter that has to be there.
///
/// # Errors
/// It is not; `example` is a value for it.
pub fn wanted(name: &str, example: &str) -> Result<String, String> {
    params::get(name).ok_or_else(|| format!("it has to be told more: --param {name}={example}"))
}

/// A list of paths that has to be there.
pub fn fields(name: &str, example: &str) -> Result<Vec<Field>, String> {
    Field::parse_list(&wanted(name, example)?).map_err(wrong(name))
}

/// A path that has to be there.
pub fn field(name: &str, example: &str) -> Result<Field, String> {
    Field::parse(&wanted(name, example)?).map_err(wrong(name))
}

/// One of several words; the first where nothing is said.
pub fn choice<T: Copy>(name: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let told = params::get(name);
    let told = told.as_deref().or(choices.first().map(|(word, _)| *word)).unwrap_or_default();
    match choices.iter().find(|(word, _)| *word == told) {
        Some((_, meaning)) => Ok(*meaning),
        None => {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            let (last, others) = words.split_last().unwrap_or((&"", &[]));
            Err(format!("the parameter `{name}` is {} or {last}, not `{told}`", others.join(", ")))
        }
    }
}

/// Puts the name of a parameter before what is wrong with it.
pub fn wrong(name: &str) -> impl Fn(String) -> String {
    move |why| format!("the parameter `{name}`: {why}")
}
