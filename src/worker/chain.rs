//! The plugins of a job, one behind the other, in this worker: what one lets through or
//! makes of a record goes on to the next, and at the end into the output, into the state of
//! a reduce, or to a command.

use crate::job::Isolation;
use crate::protocol::{Operation, Place, Start};
use crate::runtime::{Guest, Instance, Made, Plugin, RecordPlugin, Trapped, Verdict};

use super::command::Command;
use super::fold::Fold;
use super::output::NotWritten;
use super::text::Text;

/// An instance may keep this part of what it may have.
const SMALL: u64 = 4;

/// One plugin of the chain.
struct Link {
    /// Its place among the job's plugins, from 0.
    number: u8,
    plugin: RecordPlugin,
    /// It takes many records at once.
    is_batch: bool,
    /// None before the first record, and after a trap.
    instance: Option<Box<dyn Instance>>,
    /// Bytes of memory that an instance may keep; known after its first record.
    mark: Option<usize>,
    made: Made,
}

/// The chain; it has one plugin at least.
pub(super) struct Chain {
    links: Vec<Link>,
    /// Whether every link has an instance.
    links_live: bool,
    has_batch: bool,
    uses_wasi: bool,
    /// The reduce at the end, if there is one.
    fold: Option<Fold>,
    /// The command at the end, if there is one.
    command: Option<Command>,
    isolation: Isolation,
    /// Bytes of memory that every instance may keep.
    small: usize,
}

/// What comes out at the end of the chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Out<T> {
    /// The record itself.
    Same,
    /// Something that a plugin has made of it.
    Made(T),
}

/// Why nothing comes out for a record.
#[derive(Debug)]
pub(super) enum Stopped {
    /// A plugin, the n-th of the job from 0, rejected it, in these words.
    Rejected { plugin: u8, why: String },
    /// A plugin trapped.
    Trapped { plugin: u8, trapped: Trapped },
    /// What came out could not be written.
    NotWritten(NotWritten),
}

/// Where what comes out is written, if it does not go into a state.
pub(super) type Write<'a> = dyn FnMut(Out<&str>) -> Result<(), NotWritten> + 'a;

/// What comes out for one record of several.
pub(super) type Outs = Result<Vec<Out<String>>, Stopped>;

impl Chain {
    /// A reduce or a command has to be the last.
    pub fn new(plugins: Vec<(Operation, Plugin)>, start: &Start) -> Chain {
        let Start { max_output, max_state, isolation, memory, .. } = *start;
        let small = usize::try_from(memory / SMALL).unwrap_or(usize::MAX);
        let mut chain = Chain {
            links: Vec::new(),
            links_live: false,
            has_batch: false,
            uses_wasi: plugins.iter().any(|(_, plugin)| plugin.uses_wasi()),
            fold: None,
            command: None,
            isolation,
            small,
        };
        // A job has few: that was checked.
        for (number, (operation, plugin)) in (0..=u8::MAX).zip(plugins) {
            match (operation, plugin) {
                (_, Plugin::Command(plugin)) => {
                    chain.command = Some(Command::new(number, plugin));
                }
                (Operation::Reduce, Plugin::Records(plugin)) => {
                    chain.fold = Some(Fold::new(number, plugin, max_state.max(max_output)));
                }
                (_, Plugin::Records(plugin)) => {
                    let is_batch = operation == Operation::Batch;
                    chain.has_batch |= is_batch;
                    let made = Made::new(max_output);
                    let link = Link { number, plugin, is_batch, instance: None, mark: None, made };
                    chain.links.push(link);
                }
            }
        }
        chain.links_live = chain.links.is_empty();
        chain
    }

    /// Whether a plugin takes many records at once.
    pub fn takes_many(&self) -> bool {
        self.has_batch || self.command.is_some()
    }

    /// The command at the end.
    pub fn command(&mut self) -> Option<&mut Command> {
        self.command.as_mut()
    }

    /// Whether all records of a range are to come together.
    pub fn takes_ranges(&self) -> bool {
        self.command.is_some()
    }

    /// Whether a plugin sees the world through WASI, and has to be told of each record.
    pub fn uses_wasi(&self) -> bool {
        self.uses_wasi
    }

    /// Tells those plugins that another record begins, or the first of several that go
    /// through together: the one at this offset of this input.
    #[inline(never)]
    pub fn begin_record(&mut self, position: (u32, u64)) {
        self.guests().for_each(|guest| guest.begin_record(position));
    }

    /// The reduce at the end.
    pub fn fold(&mut self) -> Option<&mut Fold> {
        self.fold.as_mut()
    }

    /// Whether each record meets fresh instances.
    pub fn isolates_records(&self) -> bool {
        self.isolation == Isolation::Record
    }

    /// Lets go of instances as `--isolate` wants it where a range begins.
    pub fn begin_range(&mut self) {
        if self.isolation != Isolation::Worker {
            self.forget();
        }
    }

    /// Writes what the plugins have logged of the record that stands there. Then it lets go of
    /// instances as `--isolate` wants it after a record, and of those whose memory, which never
    /// shrinks, has grown past its mark.
    pub fn end_record(&mut self, text: &mut Text<'_>, record: Place) {
        if self.fold.is_some() || self.command.is_some() {
            self.write_log(text, Some(record));
        }
        let Chain { links, links_live, isolation, small, .. } = self;
        for link in links {
            let Some(instance) = &mut link.instance else { continue };
            let guest = instance.guest();
            if guest.logged() {
                text.write_log(guest, Some(record));
            }
            let claimed = guest.claimed();
            // What is large from the beginning would be large again.
            let mark = *link.mark.get_or_insert((*small).max(claimed.saturating_mul(2)));
            if *isolation == Isolation::Record || claimed > mark {
                link.instance = None;
                link.mark = None;
                *links_live = false;
            }
        }
    }

    /// Lets go of every instance, so that the next record meets fresh ones.
    pub fn forget(&mut self) {
        self.forget_links();
        if let Some(command) = &mut self.command {
            command.forget();
        }
        if let Some(fold) = &mut self.fold {
            fold.forget();
        }
    }

    /// Lets go of every instance but that of a reduce, which has a state.
    pub fn forget_links(&mut self) {
        self.links_live = self.links.is_empty();
        for link in &mut self.links {
            link.instance = None;
            link.mark = None;
        }
    }

    /// Whether every plugin has an instance.
    pub fn is_alive(&self) -> bool {
        self.links_live
            && self.fold.as_ref().is_none_or(Fold::is_alive)
            && self.command.as_ref().is_none_or(Command::is_alive)
    }

    /// Makes the instances that are missing.
    pub fn come_alive(&mut self) -> Result<(), Trapped> {
        for link in self.links.iter_mut().filter(|link| link.instance.is_none()) {
            link.instance = Some(link.plugin.instantiate()?);
        }
        self.links_live = true;
        self.command.as_mut().map_or(Ok(()), Command::come_alive)?;
        self.fold.as_mut().map_or(Ok(()), Fold::come_alive)
    }

    /// Sends one record through; `write` gets what comes out, unless a reduce does. Gives
    /// how many records that were. `next` is the length of the record that will be sent
    /// through next, where that is known, or 0. After a trap nobody but the log may be
    /// asked: see [`Chain::forget_links`].
    pub fn process(
        &mut self,
        record: &str,
        next: usize,
        write: &mut Write<'_>,
    ) -> Result<u64, Stopped> {
        let Chain { links, fold, .. } = self;
        let Some(fold) = fold else {
            let mut write = |out: Out<&str>| write(out).map_err(Stopped::NotWritten);
            return feed(links, record, next, true, &mut write);
        };
        fold.begin();
        feed(links, record, next, true, &mut |out| fold.add(out.text(record)))
    }

    /// Sends many records through all plugins but a reduce. Gives what comes out for each.
    ///
    /// # Errors
    /// A trap, on whichever of the records.
    pub fn process_many(&mut self, records: &[&str]) -> Result<Vec<Outs>, Stopped> {
        let mut all: Vec<Outs> = records.iter().map(|_| Ok(vec![Out::Same])).collect();
        for link in &mut self.links {
            if link.is_batch {
                feed_batch(link, records, &mut all)?;
            } else {
                feed_each(link, records, &mut all)?;
            }
        }
        Ok(all)
    }

    /// Puts what came out for one record where it belongs, as [`Chain::process`] does.
    pub fn deliver(
        &mut self,
        record: &str,
        outs: Outs,
        write: &mut Write<'_>,
    ) -> Result<u64, Stopped> {
        let outs = outs?;
        if let Some(fold) = &mut self.fold {
            fold.begin();
        }
        for out in &outs {
            match &mut self.fold {
                Some(fold) => fold.add(out.text(record))?,
                None => {
                    let out = match out {
                        Out::Same => Out::Same,
                        Out::Made(text) => Out::Made(text.as_str()),
                    };
                    write(out).map_err(Stopped::NotWritten)?;
                }
            }
        }
        Ok(outs.len() as u64)
    }

    /// The most memory that one of the instances has, in bytes.
    pub fn memory(&mut self) -> usize {
        self.guests().map(|guest| guest.claimed()).max().unwrap_or_default()
    }

    /// Writes what the plugins have logged, of a record if it was of one alone.
    pub fn write_log(&mut self, text: &mut Text<'_>, record: Option<Place>) {
        for guest in self.guests().filter(|guest| guest.logged()) {
            text.write_log(guest, record);
        }
    }

    /// Forgets what the plugins have logged: they will see the record again, and say it
    /// again.
    pub fn forget_log(&mut self) {
        for guest in self.guests() {
            drop(guest.take_log());
        }
    }

    fn guests(&mut self) -> impl Iterator<Item = &mut Guest> {
        let links = self.links.iter_mut().filter_map(|link| link.instance.as_mut());
        let instances = links.chain(self.fold.as_mut().and_then(Fold::instance));
        let command = self.command.as_mut().and_then(Command::guest);
        instances.map(|instance| instance.guest()).chain(command)
    }
}

impl<T: AsRef<str>> Out<T> {
    /// What came out for a record.
    pub fn text<'a>(&'a self, record: &'a str) -> &'a str {
        match self {
            Out::Same => record,
            Out::Made(text) => text.as_ref(),
        }
    }
}

/// Sends a record through the rest of a chain. `next` is the length of the one that will be
/// sent to it next, where that is known, or 0.
fn feed(
    links: &mut [Link],
    record: &str,
    next: usize,
    same: bool,
    end: &mut dyn FnMut(Out<&str>) -> Result<(), Stopped>,
) -> Result<u64, Stopped> {
    let Some((link, rest)) = links.split_first_mut() else {
        let out = if same { Out::Same } else { Out::Made(record) };
        return end(out).map(|()| 1);
    };
    // The caller has seen to that.
    let Some(instance) = &mut link.instance else { return Ok(0) };
    link.made.clear();
    let plugin = link.number;
    let trapped = |trapped| Stopped::Trapped { plugin, trapped };
    match instance.call(record, next, &mut link.made).map_err(trapped)? {
        Verdict::Keep => feed(rest, record, 0, same, end),
        // Nothing follows a reduce, and it is not among the links.
        Verdict::Drop | Verdict::Folded => Ok(0),
        Verdict::Replace => {
            let mut count = 0;
            for text in link.made.iter() {
                count += feed(rest, text, 0, false, end)?;
            }
            Ok(count)
        }
        Verdict::Reject(why) => Err(Stopped::Rejected { plugin, why }),
    }
}

/// Sends everything that there is of the records so far through a plugin one by one.
fn feed_each(link: &mut Link, records: &[&str], all: &mut [Outs]) -> Result<(), Stopped> {
    for (record, outs) in records.iter().zip(all) {
        let Ok(before) = outs else { continue };
        let mut after = Vec::new();
        let mut rejected = None;
        for out in std::mem::take(before) {
            let text = out.text(record);
            let mut keep = |part: Out<&str>| {
                after.push(match part {
                    Out::Same => out.clone(),
                    Out::Made(text) => Out::Made(text.to_owned()),
                });
                Ok(())
            };
            match feed(std::slice::from_mut(link), text, 0, true, &mut keep) {
                Ok(_) => {}
                Err(trapped @ Stopped::Trapped { .. }) => return Err(trapped),
                Err(stopped) => {
                    rejected = Some(stopped);
                    break;
                }
            }
        }
        *outs = rejected.map_or(Ok(after), Err);
    }
    Ok(())
}

/// Sends everything that there is of the records so far through a batch at once.
fn feed_batch(link: &mut Link, records: &[&str], all: &mut [Outs]) -> Result<(), Stopped> {
    // The caller has seen to that.
    let Some(instance) = &mut link.instance else { return Ok(()) };
    let texts: Vec<&str> = records
        .iter()
        .zip(all.iter())
        .filter_map(|(record, outs)| Some((record, outs.as_ref().ok()?)))
        .flat_map(|(record, outs)| outs.iter().map(|out| out.text(record)))
        .collect();
    if texts.is_empty() {
        return Ok(());
    }
    link.made.clear();
    let plugin = link.number;
    let answers = instance.call_many(&texts, &mut link.made);
    let answers = answers.map_err(|trapped| Stopped::Trapped { plugin, trapped })?;
    let mut answers = answers.into_iter();
    let mut made = link.made.iter();
    for outs in all.iter_mut() {
        let Ok(before) = outs else { continue };
        let mut after = Ok(Vec::new());
        // There is one answer for each text: that was checked.
        for answer in answers.by_ref().take(before.len()) {
            match (answer, &mut after) {
                (Ok(count), Ok(after)) => {
                    let texts = made.by_ref().take(count);
                    after.extend(texts.map(|text| Out::Made(text.to_owned())));
                }
                // Of a record that is rejected nothing comes out.
                (Ok(count), Err(_)) => made.by_ref().take(count).for_each(drop),
                (Err(why), Ok(_)) => after = Err(Stopped::Rejected { plugin, why }),
                (Err(_), Err(_)) => {}
            }
        }
        *outs = after;
    }
    Ok(())
}
