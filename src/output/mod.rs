//! From finished ranges to output: [`frontier`] puts them in order, [`sink`] writes.

mod check;
mod frontier;
mod outputs;
mod sink;
mod writer;

pub(crate) use check::check;
pub(crate) use frontier::{Begun, Commit, Expected, Finished, Frontier};
pub(crate) use outputs::Outputs;
use sink::Sink;
pub(crate) use sink::partial_name;
