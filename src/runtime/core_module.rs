//! A core module called under the canonical ABI by hand: what a component's adapter
//! would do, done here at about half its price.
//!
//! A string goes in by `cabi_realloc` and a copy. A `result<T, string>` comes out as the
//! address of a few bytes: a discriminant at +0; the value from +4 on, or the error
//! text's address at +4 and its length at +8. The value is, for
//! * nothing: nothing;
//! * `bool`: one byte;
//! * `option<string>`: a discriminant at +4, the text's address at +8, its length at +12;
//! * `list<string>`: the list's address at +4 and its length at +8; each element is an
//!   address and a length;
//! * `list<u8>`: the address of the bytes at +4 and their number at +8.
//!
//! A list that is the whole result comes out as its address at +0 and its length at +4.
//!
//! Source: the component model's CanonicalABI.md.

use wasmtime::{
    Engine, Error, Instance, InstancePre, Memory, Module, Result, Store, TypedFunc, WasmParams,
};

use super::driver::{self, Driver};
use super::guest::{self, refuel};
use super::operation::{Call, FINISH, Function, MERGE, TAKE};
use super::{Answer, Guest, Made, State, Terms, Trapped, Verdict, core_imports, trapped};
use crate::protocol::{MAX_TEXT, Operation};

/// Names that the canonical ABI gives to a module's exports.
pub(super) const MEMORY: &str = "memory";
pub(super) const REALLOC: &str = "cabi_realloc";
/// What a reactor wants called before anything else.
pub(super) const INITIALIZE: &str = "_initialize";

/// A loaded core module.
pub(crate) struct Plugin {
    prepared: InstancePre<Guest>,
    /// Asks it about records, unless it takes many at once.
    driver: Option<Module>,
    pub uses_wasi: bool,
    terms: Terms,
}

/// Compiles a module for [`load`]: its length, itself, and its driver.
pub(super) fn compile(engine: &Engine, module: &Module, call: &Call) -> Result<Vec<u8>> {
    let plugin = module.serialize()?;
    let mut artifact = (plugin.len() as u64).to_le_bytes().to_vec();
    artifact.extend(plugin);
    if let Some(driver) = driver::compile(engine, module, call)? {
        artifact.extend(driver.serialize()?);
    }
    Ok(artifact)
}

/// Takes apart what [`compile`] has put together.
fn parts(artifact: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = artifact.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)
}

/// Loads what [`compile`] has made: the module, and its driver if it has one.
#[allow(unsafe_code, reason = "loading a compiled plugin is loading native code")]
pub(super) fn load(engine: &Engine, artifact: &[u8]) -> Result<(Module, Option<Module>)> {
    // SAFETY: the artifact was made by our compile worker with this very engine
    // configuration. If the compile worker was broken into it is hostile: then it
    // is loaded in a locked worker process, which is taken to be hostile anyway,
    // and nowhere else.
    let load = |code: &[u8]| unsafe { Module::deserialize(engine, code) };
    let (plugin, driver) = parts(artifact).ok_or_else(|| Error::msg("it is cut off"))?;
    let module = load(plugin)?;
    let driver = if driver.is_empty() { None } else { Some(load(driver)?) };
    // Made now, because it takes a memory file, which a locked worker cannot make.
    module.initialize_copy_on_write_image()?;
    Ok((module, driver))
}

impl Plugin {
    pub(super) fn load(engine: &Engine, artifact: &[u8], terms: Terms) -> Result<Plugin> {
        let (module, driver) = load(engine, artifact)?;
        let prepared = core_imports::linker(engine, &module)?.instantiate_pre(&module)?;
        let uses_wasi = core_imports::uses_wasi(&module);
        let own_instances = u64::from(driver.is_some());
        Ok(Plugin { prepared, driver, uses_wasi, terms: Terms { own_instances, ..terms } })
    }

    pub fn instantiate(&self) -> std::result::Result<CoreInstance, Trapped> {
        let mut store = guest::store(self.prepared.module().engine(), &self.terms);
        match self.exports(&mut store) {
            Ok(exports) => Ok(CoreInstance {
                store,
                exports,
                room: Room::default(),
                operation: self.terms.operation,
                max_state: self.terms.max_state,
            }),
            Err(error) => Err(trapped(&error, store.data())),
        }
    }

    fn exports(&self, store: &mut Store<Guest>) -> Result<Exports> {
        refuel(store)?;
        let instance = self.prepared.instantiate(&mut *store)?;
        if let Some(initialize) = instance.get_func(&mut *store, INITIALIZE) {
            initialize.typed::<(), ()>(&*store)?.call(&mut *store, ())?;
        }
        Exports::of(&instance, self.driver.as_ref(), store, Call::of(self.terms.operation))
    }
}

/// A stretch of a plugin's memory.
pub(super) fn stretch(memory: &[u8], at: u32, length: u32) -> Result<&[u8]> {
    let found = memory.get(at as usize..).and_then(|rest| rest.get(..length as usize));
    found.ok_or_else(|| Error::msg("a string lies outside of the plugin's memory"))
}

/// A text that a plugin has made.
fn made_text(memory: &[u8], at: u32, length: u32) -> Result<&str> {
    let text = simdutf8::basic::from_utf8(stretch(memory, at, length)?);
    text.map_err(|_| Error::msg("the plugin's answer is not UTF-8 text"))
}

/// The first [`MAX_TEXT`] bytes of a string in a plugin's memory.
pub(super) fn read_text(memory: &[u8], at: u32, length: u32) -> Result<String> {
    let text = stretch(memory, at, length)?;
    Ok(String::from_utf8_lossy(&text[..text.len().min(MAX_TEXT)]).into_owned())
}

struct Exports {
    memory: Memory,
    realloc: TypedFunc<(u32, u32, u32, u32), u32>,
    records: RecordExport,
    /// What a reduce has besides.
    states: Option<StateExports>,
}

/// What is given the records.
enum RecordExport {
    /// One by one.
    One(Driver),
    /// A list of them.
    Many(Export<(u32, u32)>),
}

/// A place in the plugin's memory that it has given for the next record.
#[derive(Copy, Clone, Default)]
struct Room {
    at: u32,
    length: u32,
}

struct StateExports {
    take: Export<()>,
    merge: Export<(u32, u32, u32, u32)>,
    finish: Export<(u32, u32)>,
}

/// A function of a module, ready to be called.
struct Export<P> {
    meant: &'static Function,
    function: TypedFunc<P, u32>,
    post: Option<TypedFunc<u32, ()>>,
}

impl Exports {
    fn of(
        instance: &Instance,
        driver: Option<&Module>,
        store: &mut Store<Guest>,
        call: &Call,
    ) -> Result<Exports> {
        let memory = instance.get_memory(&mut *store, MEMORY);
        let states = match call.operation {
            Operation::Reduce => Some(StateExports {
                take: Export::of(instance, store, &call.functions[TAKE])?,
                merge: Export::of(instance, store, &call.functions[MERGE])?,
                finish: Export::of(instance, store, &call.functions[FINISH])?,
            }),
            _ => None,
        };
        Ok(Exports {
            memory: memory.ok_or_else(|| Error::msg("the module exports no memory"))?,
            realloc: instance.get_typed_func(&mut *store, REALLOC)?,
            records: match driver {
                Some(driver) => RecordExport::One(Driver::link(driver, instance, store, call)?),
                None => RecordExport::Many(Export::of(instance, store, call.first())?),
            },
            states,
        })
    }

    /// Puts bytes into the plugin's memory and gives their address.
    fn give(&self, store: &mut Store<Guest>, bytes: &[u8], align: u32) -> Result<u32> {
        self.give_in(store, bytes, align, Room::default())
    }

    /// The same, where the plugin has given room already. What has another size than that
    /// has it changed.
    fn give_in(
        &self,
        store: &mut Store<Guest>,
        bytes: &[u8],
        align: u32,
        room: Room,
    ) -> Result<u32> {
        let length = u32::try_from(bytes.len())?;
        let at = match room.length == length && length > 0 {
            true => room.at,
            false => self.realloc.call(&mut *store, (room.at, room.length, align, length))?,
        };
        let memory = self.memory.data_mut(&mut *store);
        let place = memory.get_mut(at as usize..).and_then(|rest| rest.get_mut(..bytes.len()));
        place
            .ok_or_else(|| Error::msg("`cabi_realloc` gave a place outside of the memory"))?
            .copy_from_slice(bytes);
        Ok(at)
    }
}

impl<P: WasmParams> Export<P> {
    fn of(
        instance: &Instance,
        store: &mut Store<Guest>,
        meant: &'static Function,
    ) -> Result<Export<P>> {
        let post = match instance.get_func(&mut *store, meant.post) {
            Some(post) => Some(post.typed(&*store)?),
            None => None,
        };
        let function = instance.get_typed_func(&mut *store, meant.export)?;
        Ok(Export { meant, function, post })
    }

    /// Calls the function and has its result read while it is there.
    fn call<T>(
        &self,
        store: &mut Store<Guest>,
        memory: &Memory,
        params: P,
        read: impl FnOnce(&Answered<'_>) -> Result<T>,
    ) -> Result<T> {
        let at = self.function.call(&mut *store, params)?;
        let value = read(&Answered::at(memory.data(&*store), at, self.meant)?)?;
        if let Some(post) = &self.post {
            post.call(&mut *store, at)?;
        }
        Ok(value)
    }
}

/// A live core module.
pub(crate) struct CoreInstance {
    store: Store<Guest>,
    exports: Exports,
    /// For the next record.
    room: Room,
    operation: Operation,
    max_state: u64,
}

impl CoreInstance {
    fn ask(&mut self, record: &str, next: usize, made: &mut Made) -> Result<Verdict> {
        let CoreInstance { store, exports, room, operation, .. } = self;
        let RecordExport::One(driver) = &exports.records else {
            return Err(Error::msg("it is not asked one by one"));
        };
        refuel(store)?;
        let at = exports.give_in(store, record.as_bytes(), 1, std::mem::take(room))?;
        // It fits: `give` has checked that.
        let length = record.len() as u32;
        // What is metered is each record's own.
        let next = if store.data().is_metered() { 0 } else { u32::try_from(next).unwrap_or(0) };
        match driver.ask(store, (at, length), next)? {
            driver::Answered::Plain { answer, room: at } => {
                *room = Room { at, length: next };
                Ok(match operation {
                    Operation::Filter if answer => Verdict::Keep,
                    Operation::Reduce => Verdict::Folded,
                    _ => Verdict::Drop,
                })
            }
            driver::Answered::At(result) => {
                let meant = Call::of(*operation).first();
                let answered = Answered::at(exports.memory.data(&*store), result, meant)?;
                let verdict = answered.verdict(*operation, made)?;
                *room = Room { at: driver.have_read(store, result, next)?, length: next };
                Ok(verdict)
            }
        }
    }

    fn ask_many(&mut self, records: &[&str], made: &mut Made) -> Result<Vec<Answer<usize>>> {
        let CoreInstance { store, exports, .. } = self;
        refuel(store)?;
        let mut list = Vec::with_capacity(8 * records.len());
        for record in records {
            let at = exports.give(store, record.as_bytes(), 1)?;
            list.extend(at.to_le_bytes());
            list.extend((record.len() as u32).to_le_bytes());
        }
        let at = exports.give(store, &list, 4)?;
        let length = u32::try_from(records.len())?;
        let RecordExport::Many(process) = &exports.records else {
            return Err(Error::msg("only a batch is asked about many"));
        };
        let answers = process.call(store, &exports.memory, (at, length), |answered| {
            answered.list(0, 12)?.map(|one| answered.texts_or_reason(one, made)).collect()
        })?;
        super::one_for_each(records, answers)
    }

    fn take_state(&mut self) -> Result<State> {
        let CoreInstance { store, exports, max_state, .. } = self;
        refuel(store)?;
        let states = exports.states()?;
        states.take.call(store, &exports.memory, (), |answered| answered.state(0, *max_state))
    }

    fn merge_states(&mut self, left: &[u8], right: &[u8]) -> Result<Answer<State>> {
        let CoreInstance { store, exports, max_state, .. } = self;
        refuel(store)?;
        let states = exports.states()?;
        let (left_at, right_at) = (exports.give(store, left, 1)?, exports.give(store, right, 1)?);
        let params = (left_at, left.len() as u32, right_at, right.len() as u32);
        states.merge.call(store, &exports.memory, params, |answered| {
            answered.or_reason(|answered| answered.state(4, *max_state))
        })
    }

    fn finish_state(&mut self, state: &[u8], made: &mut Made) -> Result<Answer<usize>> {
        let CoreInstance { store, exports, .. } = self;
        refuel(store)?;
        let states = exports.states()?;
        let at = exports.give(store, state, 1)?;
        states.finish.call(store, &exports.memory, (at, state.len() as u32), |answered| {
            answered.texts_or_reason(answered.result, made)
        })
    }
}

impl Exports {
    fn states(&self) -> Result<&StateExports> {
        self.states.as_ref().ok_or_else(|| Error::msg("the plugin is no reduce"))
    }
}

/// A result where the plugin has left it.
struct Answered<'a> {
    memory: &'a [u8],
    result: &'a [u8],
    export: &'static str,
}

impl<'a> Answered<'a> {
    fn at(memory: &'a [u8], at: u32, function: &Function) -> Result<Answered<'a>> {
        let export = function.export;
        let result = memory.get(at as usize..).and_then(|rest| rest.get(..function.result_bytes));
        match result {
            Some(result) if at.is_multiple_of(4) => Ok(Answered { memory, result, export }),
            _ => {
                let text = format!("`{export}` returned an address that holds no result");
                Err(Error::msg(text))
            }
        }
    }

    /// Reads what was said about a record; what the plugin has made goes to `made`.
    fn verdict(&self, operation: Operation, made: &mut Made) -> Result<Verdict> {
        let answer = self.or_reason(|answered| {
            let result = answered.result;
            Ok(match operation {
                Operation::Filter if result[4] == 0 => Verdict::Drop,
                Operation::Filter => Verdict::Keep,
                Operation::Map => match result[4] {
                    0 => Verdict::Drop,
                    1 => {
                        made.push(made_text(self.memory, word(result, 8), word(result, 12))?)?;
                        Verdict::Replace
                    }
                    other => return Err(answered.unknown(other)),
                },
                Operation::FlatMap => {
                    answered.texts(4, result, made)?;
                    Verdict::Replace
                }
                Operation::Reduce => Verdict::Folded,
                Operation::Batch | Operation::Command => {
                    return Err(Error::msg("it is not asked one by one"));
                }
            })
        })?;
        Ok(answer.unwrap_or_else(Verdict::Reject))
    }

    /// Reads the value of a `result<_, string>`, or the reason why there is none.
    fn or_reason<T>(&self, value: impl FnOnce(&Self) -> Result<T>) -> Result<Answer<T>> {
        match self.result[0] {
            0 => value(self).map(Ok),
            1 => self.reason(self.result).map(Err),
            other => Err(self.unknown(other)),
        }
    }

    /// Reads a `result<list<string>, string>`: gives how many texts went to `made`.
    fn texts_or_reason(&self, result: &[u8], made: &mut Made) -> Result<Answer<usize>> {
        match result[0] {
            0 => self.texts(4, result, made).map(Ok),
            1 => self.reason(result).map(Err),
            other => Err(self.unknown(other)),
        }
    }

    fn texts(&self, at: usize, result: &[u8], made: &mut Made) -> Result<usize> {
        let list = self.elements(word(result, at), word(result, at + 4), 8)?;
        let count = list.len();
        for element in list {
            made.push(made_text(self.memory, word(element, 0), word(element, 4))?)?;
        }
        Ok(count)
    }

    fn reason(&self, result: &[u8]) -> Result<String> {
        read_text(self.memory, word(result, 4), word(result, 8))
    }

    fn state(&self, at: usize, max_state: u64) -> Result<State> {
        let bytes = stretch(self.memory, word(self.result, at), word(self.result, at + 4))?;
        super::state(bytes, max_state)
    }

    /// The elements of the list whose address stands in the result at `at`.
    fn list(&self, at: usize, size: u32) -> Result<std::slice::ChunksExact<'a, u8>> {
        self.elements(word(self.result, at), word(self.result, at + 4), size)
    }

    fn elements(&self, at: u32, length: u32, size: u32) -> Result<std::slice::ChunksExact<'a, u8>> {
        let bytes = length.checked_mul(size).ok_or_else(|| Error::msg("an endless list"))?;
        Ok(stretch(self.memory, at, bytes)?.chunks_exact(size as usize))
    }

    fn unknown(&self, what: u8) -> Error {
        Error::msg(format!("`{}` returned the unknown discriminant {what}", self.export))
    }
}

/// The 32-bit number at a place that is known to be there.
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

impl super::Instance for CoreInstance {
    fn call(
        &mut self,
        record: &str,
        next: usize,
        made: &mut Made,
    ) -> std::result::Result<Verdict, Trapped> {
        self.ask(record, next, made).map_err(|error| trapped(&error, self.store.data()))
    }

    fn call_many(
        &mut self,
        records: &[&str],
        made: &mut Made,
    ) -> std::result::Result<Vec<Answer<usize>>, Trapped> {
        self.ask_many(records, made).map_err(|error| trapped(&error, self.store.data()))
    }

    fn take(&mut self) -> std::result::Result<State, Trapped> {
        self.take_state().map_err(|error| trapped(&error, self.store.data()))
    }

    fn merge(&mut self, left: &[u8], right: &[u8]) -> std::result::Result<Answer<State>, Trapped> {
        self.merge_states(left, right).map_err(|error| trapped(&error, self.store.data()))
    }

    fn finish(
        &mut self,
        state: &[u8],
        made: &mut Made,
    ) -> std::result::Result<Answer<usize>, Trapped> {
        self.finish_state(state, made).map_err(|error| trapped(&error, self.store.data()))
    }

    fn guest(&mut self) -> &mut Guest {
        self.store.data_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(memory: &[u8], at: u32, operation: Operation) -> (Result<Verdict>, Vec<String>) {
        let mut made = Made::new(1000);
        let answered = Answered::at(memory, at, Call::of(operation).first());
        let verdict = answered.and_then(|answered| answered.verdict(operation, &mut made));
        (verdict, made.iter().map(str::to_owned).collect())
    }

    fn filter(memory: &[u8], at: u32) -> Result<Verdict> {
        read(memory, at, Operation::Filter).0
    }

    #[test]
    fn results_are_read_as_the_canonical_abi_lays_them_out() {
        let mut memory = vec![0; 64];
        assert_eq!(filter(&memory, 0).unwrap(), Verdict::Drop);
        memory[4] = 1;
        assert_eq!(filter(&memory, 0).unwrap(), Verdict::Keep);
        memory[..12].copy_from_slice(&[1, 0, 0, 0, 32, 0, 0, 0, 3, 0, 0, 0]);
        memory[32..35].copy_from_slice(b"why");
        for operation in [Operation::Filter, Operation::Map, Operation::FlatMap, Operation::Reduce]
        {
            assert_eq!(read(&memory, 0, operation).0.unwrap(), Verdict::Reject("why".into()));
        }
        memory[0] = 0;
        assert_eq!(read(&memory, 0, Operation::Reduce).0.unwrap(), Verdict::Folded);
    }

    #[test]
    fn what_was_made_is_read_too() {
        let mut memory = vec![0; 64];
        assert_eq!(read(&memory, 0, Operation::Map).0.unwrap(), Verdict::Drop);
        memory[..16].copy_from_slice(&[0, 0, 0, 0, 1, 0, 0, 0, 32, 0, 0, 0, 3, 0, 0, 0]);
        memory[32..35].copy_from_slice(b"one");
        let (verdict, made) = read(&memory, 0, Operation::Map);
        assert_eq!((verdict.unwrap(), made), (Verdict::Replace, vec!["one".to_owned()]));
        memory[4..12].copy_from_slice(&[40, 0, 0, 0, 2, 0, 0, 0]);
        memory[40..56].copy_from_slice(&[32, 0, 0, 0, 3, 0, 0, 0, 33, 0, 0, 0, 2, 0, 0, 0]);
        let (verdict, made) = read(&memory, 0, Operation::FlatMap);
        assert_eq!((verdict.unwrap(), made), (Verdict::Replace, vec!["one".into(), "ne".into()]));
    }

    #[test]
    fn results_that_cannot_be_are_errors() {
        let mut memory = vec![0; 64];
        assert!(filter(&memory, 2).is_err(), "misaligned");
        assert!(filter(&memory, 56).is_err(), "past the end");
        assert!(filter(&memory, u32::MAX - 3).is_err(), "far past the end");
        memory[4..12].copy_from_slice(&[0, 0, 0, 0, 255, 255, 255, 255]);
        assert!(read(&memory, 0, Operation::FlatMap).0.is_err(), "a list past the end");
        memory[4..12].copy_from_slice(&[16, 0, 0, 0, 1, 0, 0, 0]);
        memory[16..24].copy_from_slice(&[60, 0, 0, 0, 5, 0, 0, 0]);
        assert!(read(&memory, 0, Operation::FlatMap).0.is_err(), "an element past the end");
        memory[4] = 2;
        assert!(read(&memory, 0, Operation::Map).0.is_err(), "discriminant of the option");
        memory[0] = 2;
        assert!(filter(&memory, 0).is_err(), "discriminant");
        memory[..12].copy_from_slice(&[1, 0, 0, 0, 60, 0, 0, 0, 255, 255, 255, 255]);
        assert!(filter(&memory, 0).is_err(), "text past the end");
    }

    #[test]
    fn a_list_of_one_text_over_and_over_is_bounded() {
        let mut memory = vec![0; 4096];
        memory[4..12].copy_from_slice(&[0, 1, 0, 0, 100, 0, 0, 0]);
        for element in memory[256..1056].chunks_exact_mut(8) {
            element.copy_from_slice(&[0, 8, 0, 0, 100, 0, 0, 0]);
        }
        let error = read(&memory, 0, Operation::FlatMap).0.unwrap_err();
        assert!(error.downcast_ref::<crate::runtime::TooMuch>().is_some());
    }
}
