//! What the host keeps for one instance: its memory account and the lines it logs.

use std::sync::Arc;

use wasmtime::{Engine, ResourceLimiter, Store};

use super::Terms;
use super::TooMuch;
use super::core_imports::Exports;
use super::imports::{Data, Params};
use super::wasi::{Stream, Terminal, World};
use crate::protocol::{Level, MAX_TEXT, cut_text};

/// Bytes that one element of a table counts for.
const TABLE_ELEMENT: usize = 16;
/// Bytes that a line counts for besides its text.
const LINE_OVERHEAD: usize = 16;

/// The host's side of an instance.
#[derive(Debug)]
pub(crate) struct Guest {
    /// Bytes of memories and tables that the instance may still claim.
    left: usize,
    /// Bytes that it may claim in all.
    limit: usize,
    max_instances: usize,
    own_instances: usize,
    fuel: Option<u64>,
    max_log: usize,
    refused: bool,
    log: Vec<(Level, String)>,
    log_bytes: usize,
    lines_cut: u64,
    /// There is something to take: a line, or the beginning of one.
    logged: bool,
    params: Params,
    data: Data,
    /// What a core module exports for its imports.
    pub(super) exports: Exports,
    /// What it sees through WASI.
    world: World,
}

impl Guest {
    pub(super) fn new(terms: &Terms) -> Guest {
        let limit = usize::try_from(terms.memory).unwrap_or(usize::MAX);
        Guest {
            left: limit,
            limit,
            max_instances: usize::try_from(terms.max_instances).unwrap_or(usize::MAX),
            own_instances: usize::try_from(terms.own_instances).unwrap_or(usize::MAX),
            fuel: terms.fuel,
            max_log: terms.max_log,
            refused: false,
            log: Vec::new(),
            log_bytes: 0,
            lines_cut: 0,
            logged: false,
            params: Arc::clone(&terms.params),
            data: terms.data.clone(),
            exports: Exports::default(),
            world: World::new(terms.surroundings),
        }
    }

    /// Another record begins: the one at this offset of this input.
    pub fn begin_record(&mut self, position: (u32, u64)) {
        self.world.begin_record(position);
    }

    pub(super) fn world(&self) -> &World {
        &self.world
    }

    /// What a command finds besides: none before and after its run.
    pub(super) fn terminal(&mut self) -> &mut Option<Terminal> {
        self.world.terminal_mut()
    }

    pub(super) fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    /// Logs the lines that are ended by what the plugin prints. What is left waits for more.
    /// What a command prints to standard output is kept, up to its limit.
    pub(super) fn print(&mut self, stream: Stream, text: &[u8]) -> Result<(), TooMuch> {
        if let (Stream::Out, Some(terminal)) = (stream, self.world.terminal_mut()) {
            if terminal.limit - terminal.printed.len() < text.len() {
                return Err(TooMuch);
            }
            terminal.printed.extend_from_slice(text);
            return Ok(());
        }
        self.logged = true;
        for part in text.split_inclusive(|&byte| byte == b'\n') {
            if let Some(line) = self.world.print(stream, part, MAX_TEXT) {
                self.log_line(stream, &line);
            }
        }
        Ok(())
    }

    fn log_line(&mut self, stream: Stream, line: &[u8]) {
        if self.may_log() {
            self.log(stream.level(), &String::from_utf8_lossy(line));
        }
    }

    /// What the user has told the plugin.
    pub(super) fn params(&self) -> Params {
        Arc::clone(&self.params)
    }

    /// What the user has handed to the plugin.
    pub(super) fn side_data(&self) -> Data {
        self.data.clone()
    }

    /// Bytes of memories and tables that the instance has claimed.
    pub fn claimed(&self) -> usize {
        self.limit - self.left
    }

    /// Whether it is counted what the instance executes.
    pub(super) fn is_metered(&self) -> bool {
        self.fuel.is_some()
    }

    /// Whether a wish for more memory was ever refused.
    pub fn was_refused_memory(&self) -> bool {
        self.refused
    }

    /// Whether a line fits what one record may log; counts those that do not.
    pub fn may_log(&mut self) -> bool {
        let room = self.log_bytes + 2 * LINE_OVERHEAD <= self.max_log;
        self.lines_cut += u64::from(!room);
        room
    }

    /// Keeps a line (cut to its limit) until the worker takes it.
    pub fn log(&mut self, level: Level, text: &str) {
        let room = self.max_log.saturating_sub(self.log_bytes + LINE_OVERHEAD);
        let text = cut_text(text, MAX_TEXT.min(room));
        self.log_bytes += text.len() + LINE_OVERHEAD;
        self.logged = true;
        self.log.push((level, text.to_owned()));
    }

    /// Whether there is anything to take.
    pub fn logged(&self) -> bool {
        self.logged
    }

    /// Takes the lines logged since the last time and the number of those that did
    /// not fit.
    pub fn take_log(&mut self) -> (std::vec::Drain<'_, (Level, String)>, u64) {
        for (stream, line) in self.world.take_lines() {
            self.log_line(stream, &line);
        }
        self.log_bytes = 0;
        self.logged = false;
        (self.log.drain(..), std::mem::take(&mut self.lines_cut))
    }

    fn claim(&mut self, bytes: Option<usize>) -> bool {
        let granted = bytes.and_then(|bytes| self.left.checked_sub(bytes));
        match granted {
            Some(left) => self.left = left,
            None => self.refused = true,
        }
        granted.is_some()
    }
}

/// A store for one instance of a plugin.
pub(super) fn store(engine: &Engine, terms: &Terms) -> Store<Guest> {
    let mut store = Store::new(engine, Guest::new(terms));
    store.limiter(|guest| guest);
    if let Some(samples) = &terms.samples {
        samples.ask(&mut store);
    }
    store
}

/// Gives an instance what it may execute in its next call, if that is metered.
pub(super) fn refuel(store: &mut Store<Guest>) -> wasmtime::Result<()> {
    match store.data().fuel {
        Some(fuel) => store.set_fuel(fuel),
        None => Ok(()),
    }
}

impl ResourceLimiter for Guest {
    fn instances(&self) -> usize {
        self.max_instances.saturating_add(self.own_instances)
    }

    fn memories(&self) -> usize {
        self.max_instances
    }

    fn tables(&self) -> usize {
        self.max_instances
    }

    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Beyond the module's own maximum it fails without being the host's refusal.
        Ok(maximum.is_none_or(|maximum| desired <= maximum)
            && self.claim(desired.checked_sub(current)))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let bytes = desired.checked_sub(current).and_then(|more| more.checked_mul(TABLE_ELEMENT));
        Ok(maximum.is_none_or(|maximum| desired <= maximum) && self.claim(bytes))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::protocol::{MAX_LOG_OF_RECORD, Operation, Surroundings};

    /// With so many bytes of memory.
    pub fn guest(memory: u64) -> Guest {
        Guest::new(&Terms {
            operation: Operation::Filter,
            memory,
            max_output: 0,
            max_state: 0,
            max_instances: 1,
            own_instances: 0,
            fuel: None,
            max_log: MAX_LOG_OF_RECORD,
            params: Params::default(),
            data: Data::default(),
            surroundings: Surroundings::default(),
            samples: None,
        })
    }

    #[test]
    fn memory_is_granted_up_to_the_limit() {
        let mut guest = guest(100_000);
        assert!(guest.memory_growing(0, 65_536, None).unwrap());
        assert!(!guest.was_refused_memory());
        assert!(!guest.memory_growing(65_536, 131_072, None).unwrap());
        assert!(guest.was_refused_memory());
    }

    #[test]
    fn a_flood_of_lines_is_counted_and_left_out() {
        let mut guest = guest(0);
        for _ in 0..10_000 {
            if guest.may_log() {
                guest.log(Level::Info, "");
            }
        }
        let (lines, cut) = guest.take_log();
        let kept = lines.count();
        assert!(kept > 100 && kept * LINE_OVERHEAD <= MAX_LOG_OF_RECORD);
        assert_eq!(kept as u64 + cut, 10_000);
    }
}
