//! What the attacks have in common: who attacks, and what has to come of it.

mod artifact;
mod calls;
mod channel;
mod forbidden;
mod native;
mod outside;
mod plugin;
mod table;

use std::borrow::Cow;

use anyhow::Result;

pub use artifact::overwrite;
pub use channel::ENDED;
pub use native::{Native, Stage};
pub use plugin::keeps_all;
pub use table::{ROWS, rows};

/// Who attacks, and how.
#[derive(Copy, Clone, Debug)]
pub enum By {
    /// A process of the program's, over the channel. There is mostly no sandbox in this run:
    /// what is attacked is what stands if the sandbox falls.
    Process(Who, fn(&str) -> Result<()>),
    /// The plugin, which this function writes; its input has some [marked] records.
    ///
    /// [marked]: crate::MARK
    Plugin(fn() -> String),
    /// Native code in the first worker, or the first that is at a table, which is locked as in
    /// any run.
    Native(Stage, Native),
    /// Machine code that a compile worker, which was broken into, leaves in the compiled
    /// plugin for that plugin's start function.
    Artifact(fn() -> Vec<u8>),
    /// Somebody outside, while the job runs.
    Outside(Outside),
}

/// Which process is the hostile one.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Who {
    /// The first worker that is started.
    FirstWorker,
    /// Every worker, replacements too.
    EveryWorker,
    /// The first compile worker.
    FirstCompile,
    /// Every compile worker.
    EveryCompile,
    /// The first process that reads or writes a table.
    FirstTable,
    /// Every one of them.
    EveryTable,
}

/// What of a job is a table.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Table {
    Input,
    Output,
}

/// Something that happens to a running job.
#[derive(Copy, Clone, Debug)]
pub struct Outside {
    /// The plugin, where it is not the usual one; then the input has marked records.
    pub plugin: Option<fn() -> String>,
    /// Done by the supervisor's program before it runs the job.
    pub before: fn(),
    /// Done by it at the first message of a worker.
    pub meanwhile: fn(),
}

/// What has to come of an attack. In every case the supervisor lives, its memory has not
/// grown, no descriptor, thread, process or socket of it is left over, and no record is
/// written twice.
#[derive(Copy, Clone, Debug)]
pub enum Outcome {
    /// The worker is replaced, for a reason that reads like this, and the output is
    /// whole.
    Replaced(&'static str),
    /// As above; which of two reasons it is depends on who is quicker.
    ReplacedEither(&'static str, &'static str),
    /// The worker is replaced for this reason or not at all, and the output is whole.
    ReplacedPerhaps(&'static str),
    /// A process that reads or writes a table is replaced, for a reason that reads like
    /// this, and the output is whole.
    TableReplaced(&'static str),
    /// Nobody is replaced, and the output is whole.
    Harmless,
    /// Every marked record fails in this way, and all others are in the output.
    SetAside(&'static str),
    /// The job ends with this exit code and an error that reads like this.
    Ends(i32, &'static str),
    /// The supervisor is killed, and no process of it is left a second later.
    SupervisorDies,
}

#[derive(Clone, Debug)]
pub struct Attack {
    /// Also the name of the executable, by which a worker knows what to do.
    pub name: Cow<'static, str>,
    pub by: By,
    pub outcome: Outcome,
    /// CPU time that a record may take, in milliseconds: the supervisor's other limits
    /// follow from it.
    pub timeout: u64,
    /// Ends only when one of the supervisor's limits is reached: begun first.
    pub waits: bool,
    /// Memory that the whole run may have, in MiB, where a control group can be had.
    pub machine: Option<u64>,
    /// What its input and output hold are rows.
    pub rows: bool,
    pub table: Option<Table>,
    /// The sandbox is on, although it is a process that attacks.
    pub locked: bool,
    /// Other workers begin when it has two ranges in hand, or they may have done them all.
    pub needs_two: bool,
}

impl Attack {
    const fn new(name: &'static str, by: By, outcome: Outcome) -> Attack {
        let name = Cow::Borrowed(name);
        Attack {
            name,
            by,
            outcome,
            timeout: 10_000,
            waits: false,
            machine: None,
            rows: false,
            table: None,
            locked: false,
            needs_two: false,
        }
    }

    /// The same by other processes.
    const fn by(mut self, who: Who) -> Attack {
        if let By::Process(_, act) = self.by {
            self.by = By::Process(who, act);
        }
        self
    }

    const fn waits(mut self) -> Attack {
        self.waits = true;
        self
    }

    const fn timeout(mut self, timeout: u64) -> Attack {
        self.timeout = timeout;
        self
    }

    const fn machine(mut self, megabytes: u64) -> Attack {
        self.machine = Some(megabytes);
        self
    }

    /// The same where all is rows, under a plugin that keeps them all.
    const fn rows(mut self) -> Attack {
        self.rows = true;
        self
    }

    /// The same where this is a table, under a plugin that keeps all.
    const fn table(mut self, table: Table) -> Attack {
        self.table = Some(table);
        self
    }

    /// The same with the sandbox.
    const fn locked(mut self) -> Attack {
        self.locked = true;
        self
    }

    /// The same when it has two ranges in hand.
    const fn needs_two(mut self) -> Attack {
        self.needs_two = true;
        self
    }

    /// Whether the input has marked records.
    pub fn is_marked(&self) -> bool {
        self.rows || matches!(self.by, By::Plugin(_) | By::Outside(Outside { plugin: Some(_), .. }))
    }

    /// The text of the plugin, where it is not the usual one.
    pub fn plugin(&self) -> Option<String> {
        match self.by {
            _ if self.table.is_some() => Some(keeps_all()),
            By::Plugin(text) | By::Outside(Outside { plugin: Some(text), .. }) => Some(text()),
            By::Artifact(_) => Some(artifact::plugin()),
            By::Process(..) if self.rows => Some(keeps_all()),
            By::Process(..) | By::Native(..) | By::Outside(_) => None,
        }
    }
}

/// All attacks, in the order of the README.
pub fn all() -> Vec<Attack> {
    let lists = [
        channel::ATTACKS,
        table::ATTACKS,
        plugin::ATTACKS,
        artifact::ATTACKS,
        native::ATTACKS,
        outside::ATTACKS,
    ];
    lists.into_iter().flatten().cloned().chain(native::forbidden_calls()).collect()
}
