//! Headers of inputs that are rows: each is read before the first range of its input is
//! cut, and has to fit what the output needs of it.

use std::sync::Arc;

use crate::error::Error;
use crate::job::{Columns, FirstRow};
use crate::records::csv::{Delimiter, Header};
use crate::text::printable;

/// What is done with the first rows of inputs.
#[derive(Clone, Debug)]
pub(crate) struct HeaderRules {
    pub first_row: FirstRow,
    pub needs: Needs,
}

/// What the output needs of headers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Needs {
    /// Nothing: it takes what comes.
    Nothing,
    /// They are all the same, because the first becomes that of the output.
    Same,
    /// They have these columns, which are picked from the rows.
    Columns(Columns),
}

/// The headers of a job.
pub(super) struct Headers {
    rules: HeaderRules,
    /// The first one and the name of its input.
    first: Option<(String, Arc<Header>)>,
}

impl Headers {
    pub fn new(rules: HeaderRules) -> Headers {
        Headers { rules, first: None }
    }

    /// Whether the first row of an input is its header.
    pub fn are_there(&self) -> bool {
        self.rules.first_row == FirstRow::Header
    }

    /// What it means that a header is longer than a record may be.
    pub fn too_long(name: String) -> Error {
        Error::Header { name, why: "is longer than --max-record allows".into() }
    }

    /// Takes in the header of an input of this name.
    ///
    /// # Errors
    /// It does not tell its columns apart, or is not what the output needs.
    pub fn take(
        &mut self,
        name: &str,
        row: &[u8],
        delimiter: Delimiter,
    ) -> Result<Arc<Header>, Error> {
        let wrong = |why: &str| Error::Header { name: name.to_owned(), why: printable(why) };
        let header = Header::parse(row, delimiter).map_err(|bad| {
            wrong(&format!("{bad}; --no-header takes the first row for a record"))
        })?;
        match &self.rules.needs {
            Needs::Nothing => {}
            Needs::Same => {
                let (first_name, first) =
                    self.first.get_or_insert_with(|| (name.to_owned(), Arc::new(header.clone())));
                if let Some(difference) = difference(&header, first) {
                    return Err(wrong(&format!(
                        "differs from that of {first_name}: {difference}; --columns says which \
                         columns the output has, and --to ndjson needs none"
                    )));
                }
            }
            Needs::Columns(columns) => {
                let missing = columns.names().iter().find(|name| !header.names().contains(name));
                if let Some(missing) = missing {
                    return Err(wrong(&format!("has no column `{missing}` (--columns)")));
                }
            }
        }
        Ok(Arc::new(header))
    }
}

/// Where a header differs from the first one.
fn difference(header: &Header, first: &Header) -> Option<String> {
    let (names, others) = (header.names(), first.names());
    let pairs = names.iter().zip(others).zip(1..);
    for ((name, other), column) in pairs {
        if name != other {
            return Some(format!("its column {column} is `{name}` and not `{other}`"));
        }
    }
    let (has, wants) = (names.len(), others.len());
    if let Some(name) = names.get(wants) {
        return Some(format!("its column {} is `{name}`, which that has not", wants + 1));
    }
    others.get(has).map(|name| format!("it has no column {}, which is `{name}`", has + 1))
}
