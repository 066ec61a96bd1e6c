//! Outputs that are tables: what is committed are JSON lines, as in any output, which can be
//! rolled back and gone on with. When all of them are there a table is made of them.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::error::Error;
use crate::input::Inputs;
use crate::job::{Columns, Fsync, Input, Job, To};
use crate::range::InputId;
use crate::stop::Patience;
use crate::tables::{self, Kind, SchemaIs, TableWorkers, Task};

/// The longest schema that is read as text, in bytes.
const MAX_SCHEMA: u64 = 4 << 20;

/// Says which outputs of a job are tables, and how they are made.
#[derive(Clone)]
pub(crate) struct Tables {
    workers: TableWorkers,
    to: Option<To>,
    columns: Option<Columns>,
    schema: Schema,
    inputs: Arc<Inputs>,
    sync: bool,
    patience: Patience,
}

/// Where the schemas of a job's outputs come from.
#[derive(Clone)]
enum Schema {
    /// The user's word: the schema itself, or a table that has it.
    Given(SchemaIs, Option<Arc<File>>),
    /// Rows stay what they are.
    OfInputs(Vec<Kind>),
    Inferred,
}

impl Tables {
    /// `columns` are those of tables that are read, where not all are; `stay` says that records
    /// come out as they went in, or not at all.
    ///
    /// # Errors
    /// The file with the schema cannot be read.
    pub fn new(
        (job, columns): (&Job, Option<&Columns>),
        inputs: &Arc<Inputs>,
        stay: bool,
        workers: TableWorkers,
        patience: Patience,
    ) -> Result<Tables, Error> {
        let kinds: Option<Vec<Kind>> = inputs.iter().map(|opened| opened.table(job.from)).collect();
        let schema = match (&job.schema, kinds) {
            (Some(path), _) => given(path)?,
            (None, Some(kinds)) if stay && !kinds.is_empty() => Schema::OfInputs(kinds),
            (None, _) => Schema::Inferred,
        };
        Ok(Tables {
            workers,
            to: job.to,
            columns: columns.cloned(),
            schema,
            inputs: Arc::clone(inputs),
            sync: job.fsync != Fsync::Never,
            patience,
        })
    }

    /// How the output of this name, of this input if it is of one alone, becomes a table; none
    /// if it is no table.
    ///
    /// # Errors
    /// The input whose schema it gets cannot be read.
    pub fn of(&self, name: Option<&Path>, input: InputId) -> Result<Option<AsTable>, Error> {
        let Some(kind) = kind(self.to, name) else { return Ok(None) };
        let (schema, like) = match &self.schema {
            Schema::Given(schema, like) => (schema.clone(), like.clone()),
            Schema::OfInputs(kinds) => {
                let place = input.index().min(kinds.len() - 1);
                let columns = self.columns.as_ref().map(|columns| columns.names().to_vec());
                let schema = SchemaIs::OfTable { kind: kinds[place], columns };
                (schema, Some(Arc::new(self.inputs.open_once_more(input)?)))
            }
            Schema::Inferred => (SchemaIs::Inferred, None),
        };
        Ok(Some(AsTable {
            workers: self.workers.clone(),
            task: Task::Write { kind, schema },
            like,
            sync: self.sync,
            patience: self.patience.clone(),
        }))
    }
}

/// What kind of table an output of this name is, if it is one.
pub(crate) fn kind(to: Option<To>, name: Option<&Path>) -> Option<Kind> {
    match to {
        Some(to) => to.table(),
        None => Kind::of_name(name?),
    }
}

fn given(path: &Path) -> Result<Schema, Error> {
    let name = || format!("the schema {}", path.display());
    let unreadable = |source| Error::Input { name: name(), source };
    let file = File::open(path).map_err(unreadable)?;
    if let Some(kind) = Kind::of_name(path) {
        let schema = SchemaIs::OfTable { kind, columns: None };
        return Ok(Schema::Given(schema, Some(Arc::new(file))));
    }
    if file.metadata().map_err(unreadable)?.len() > MAX_SCHEMA {
        return Err(unreadable(io::Error::other("it is longer than any schema")));
    }
    let text = io::read_to_string(file).map_err(unreadable)?;
    Ok(Schema::Given(SchemaIs::Text(text), None))
}

/// How one output becomes a table.
pub(crate) struct AsTable {
    workers: TableWorkers,
    task: Task,
    like: Option<Arc<File>>,
    sync: bool,
    patience: Patience,
}

impl AsTable {
    /// Makes a table of the lines. `can_begin_again` says that `into` is a file of ours, which
    /// can be emptied; `progress` is told how much is done, from 0 to 1.
    ///
    /// # Errors
    /// [`Error::Table`], or the table cannot be written.
    pub fn make(
        &self,
        lines: &File,
        into: &mut File,
        can_begin_again: bool,
        progress: &mut dyn FnMut(f64),
    ) -> Result<(), Error> {
        let into = tables::Into { file: into, can_begin_again };
        let wait = &mut |done| {
            progress(done);
            self.patience.check()
        };
        tables::write(&self.workers, &self.task, (lines, self.like.as_deref()), into, wait)
    }

    /// Has the system write the table to the disk, if the job wants that.
    pub fn sync(&self, table: &File) -> io::Result<()> {
        if self.sync { table.sync_data() } else { Ok(()) }
    }
}

impl std::fmt::Debug for AsTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.task.fmt(f)
    }
}

impl Inputs {
    /// Opens an input that is a table once more, for its schema.
    fn open_once_more(&self, id: InputId) -> Result<File, Error> {
        match self.iter().nth(id.index()) {
            Some(opened) if matches!(opened.input(), Input::Path(_)) => opened.open_again(),
            _ => Err(Error::Usage(format!(
                "{} is read only once, and the output is to have its schema: name that (--schema)",
                self.name(id)
            ))),
        }
    }
}
