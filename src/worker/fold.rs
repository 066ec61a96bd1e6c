//! The reduce at the end of a chain: records go into the state of its instance, and the
//! state comes out.

use crate::runtime::{Answer, Instance, Made, RecordPlugin, State, Trapped, Verdict};

use super::chain::Stopped;

/// A reduce and what is in its state.
pub(super) struct Fold {
    /// Its place among the job's plugins, from 0.
    number: u8,
    plugin: RecordPlugin,
    instance: Option<Box<dyn Instance>>,
    /// Texts that the record in progress has put into the state.
    of_record: u64,
    /// Takes what the plugin makes, which is only records at the very end.
    made: Made,
}

impl Fold {
    /// `max_made` is what may be made of a state, in bytes.
    pub fn new(number: u8, plugin: RecordPlugin, max_made: u64) -> Fold {
        Fold { number, plugin, instance: None, of_record: 0, made: Made::new(max_made) }
    }

    /// The instance, if there is one.
    pub fn instance(&mut self) -> Option<&mut Box<dyn Instance>> {
        self.instance.as_mut()
    }

    pub fn is_alive(&self) -> bool {
        self.instance.is_some()
    }

    /// Makes an instance, whose state is that of no records, if there is none.
    pub fn come_alive(&mut self) -> Result<(), Trapped> {
        if self.instance.is_none() {
            self.instance = Some(self.plugin.instantiate()?);
        }
        Ok(())
    }

    /// Lets go of the instance and its state.
    pub fn forget(&mut self) {
        self.instance = None;
        self.of_record = 0;
    }

    /// Notes that another record begins.
    pub fn begin(&mut self) {
        self.of_record = 0;
    }

    /// Whether the state is there, and nothing in it is of the record in progress.
    pub fn is_whole(&self) -> bool {
        self.instance.is_some() && self.of_record == 0
    }

    /// Puts a text into the state.
    pub fn add(&mut self, text: &str) -> Result<(), Stopped> {
        // The caller has seen to that.
        let Some(instance) = &mut self.instance else { return Ok(()) };
        let plugin = self.number;
        // Before the next text its state may be taken, and there is to be nothing else then.
        match instance.call(text, 0, &mut self.made) {
            Ok(Verdict::Reject(why)) => Err(Stopped::Rejected { plugin, why }),
            Ok(_) => {
                self.of_record += 1;
                Ok(())
            }
            Err(trapped) => {
                self.instance = None;
                Err(Stopped::Trapped { plugin, trapped })
            }
        }
    }

    /// Takes the state and leaves that of no records.
    pub fn take(&mut self) -> Result<State, Trapped> {
        self.live(|instance, _| instance.take())
    }

    /// Merges two states.
    pub fn merge(&mut self, left: &[u8], right: &[u8]) -> Result<Answer<State>, Trapped> {
        self.live(|instance, _| instance.merge(left, right))
    }

    /// Makes records of a state, which [`Fold::made`] gives then.
    pub fn finish(&mut self, state: &[u8]) -> Result<Answer<usize>, Trapped> {
        self.live(|instance, made| {
            made.clear();
            instance.finish(state, made)
        })
    }

    /// What was made at last.
    pub fn made(&self) -> impl Iterator<Item = &str> {
        self.made.iter()
    }

    /// Has a live instance do something; after a trap it is gone.
    fn live<T>(
        &mut self,
        call: impl FnOnce(&mut dyn Instance, &mut Made) -> Result<T, Trapped>,
    ) -> Result<T, Trapped> {
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            None => self.plugin.instantiate()?,
        };
        let value = call(instance.as_mut(), &mut self.made)?;
        self.instance = Some(instance);
        Ok(value)
    }
}
