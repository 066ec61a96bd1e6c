//! From finished ranges to output: [`frontier`] puts them in order, [`sink`] writes, and
//! [`dead_letters`] takes what failed; [`table`] is for outputs that are tables.

mod check;
mod dead_letters;
mod frontier;
mod outputs;
mod sink;
mod table;
mod writer;

pub(crate) use check::{check, check_dead_letters, check_is_not_read};
pub(crate) use dead_letters::DeadLetters;
pub(crate) use frontier::{Begun, Commit, Expected, Failed, Finished, Frontier};
pub(crate) use outputs::Outputs;
use sink::Sink;
pub(crate) use sink::{beside, partial_name};
pub(crate) use table::{Tables, kind as table_kind};
