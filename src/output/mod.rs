//! From finished ranges to output: [`frontier`] puts them in order, [`sink`] writes.

mod frontier;
mod sink;
mod writer;

pub(crate) use frontier::{Commit, Expected, Finished, Frontier};
pub(crate) use sink::{Sink, partial_name};
