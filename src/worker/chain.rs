//! The plugins of a job, one behind the other, in this worker: what one lets through or
//! makes of a record goes on to the next.

use crate::runtime::{Instance, Loaded, Made, Trapped, Verdict};

use super::output::NotWritten;
use super::text::Text;

/// One plugin of the chain.
pub(super) struct Link {
    plugin: Loaded,
    /// None before the first record, and after a trap.
    instance: Option<Box<dyn Instance>>,
    made: Made,
}

/// The chain; it has one plugin at least.
pub(super) struct Chain(Vec<Link>);

/// What comes out at the end of the chain.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Out<'a> {
    /// The record itself.
    Same,
    /// Something that a plugin has made of it.
    Made(&'a str),
}

/// Why nothing comes out for a record.
#[derive(Debug)]
pub(super) enum Stopped {
    /// A plugin rejected it, in these words.
    Rejected(String),
    /// A plugin trapped.
    Trapped(Trapped),
    /// What came out could not be written.
    NotWritten(NotWritten),
}

impl Chain {
    pub fn new(plugins: Vec<Loaded>, max_output: u64) -> Chain {
        let link = |plugin| Link { plugin, instance: None, made: Made::new(max_output) };
        Chain(plugins.into_iter().map(link).collect())
    }

    /// Lets go of every instance, so that the next record meets fresh ones.
    pub fn forget(&mut self) {
        for link in &mut self.0 {
            link.instance = None;
        }
    }

    /// Whether every plugin has an instance.
    pub fn is_alive(&self) -> bool {
        self.0.iter().all(|link| link.instance.is_some())
    }

    /// Makes the instances that are missing.
    pub fn come_alive(&mut self) -> Result<(), Trapped> {
        for link in self.0.iter_mut().filter(|link| link.instance.is_none()) {
            link.instance = Some(link.plugin.instantiate()?);
        }
        Ok(())
    }

    /// Sends one record through; `write` gets what comes out. Gives how many records that
    /// were. After a trap nobody but the log may be asked: see [`Chain::forget`].
    pub fn process(
        &mut self,
        record: &str,
        write: &mut dyn FnMut(Out<'_>) -> Result<(), NotWritten>,
    ) -> Result<u64, Stopped> {
        feed(&mut self.0, record, true, write)
    }

    /// Writes what the plugins have logged.
    pub fn write_log(&mut self, text: &mut Text<'_>) {
        for instance in self.0.iter_mut().filter_map(|link| link.instance.as_mut()) {
            if instance.guest().logged() {
                text.write_log(instance.guest());
            }
        }
    }

    /// Forgets what the plugins have logged: they will see the record again, and say it
    /// again.
    pub fn forget_log(&mut self) {
        for instance in self.0.iter_mut().filter_map(|link| link.instance.as_mut()) {
            drop(instance.guest().take_log());
        }
    }
}

/// Sends a record through the rest of a chain.
fn feed(
    links: &mut [Link],
    record: &str,
    same: bool,
    write: &mut dyn FnMut(Out<'_>) -> Result<(), NotWritten>,
) -> Result<u64, Stopped> {
    let Some((link, rest)) = links.split_first_mut() else {
        let out = if same { Out::Same } else { Out::Made(record) };
        return write(out).map(|()| 1).map_err(Stopped::NotWritten);
    };
    // The caller has seen to that.
    let Some(instance) = &mut link.instance else { return Ok(0) };
    link.made.clear();
    match instance.call(record, &mut link.made).map_err(Stopped::Trapped)? {
        Verdict::Keep => feed(rest, record, same, write),
        Verdict::Drop => Ok(0),
        Verdict::Replace => {
            let mut count = 0;
            for text in link.made.iter() {
                count += feed(rest, text, false, write)?;
            }
            Ok(count)
        }
        Verdict::Reject(why) => Err(Stopped::Rejected(why)),
    }
}
