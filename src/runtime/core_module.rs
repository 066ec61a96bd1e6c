//! A core module called under the canonical ABI by hand: what a component's adapter
//! would do, done here at about half its price.
//!
//! A string goes in by `cabi_realloc` and a copy. A `result<T, string>` comes out as the
//! address of a few bytes: a discriminant at +0; the value from +4 on, or the error
//! text's address at +4 and its length at +8. The value is, for
//! * `bool`: one byte;
//! * `option<string>`: a discriminant at +4, the text's address at +8, its length at +12;
//! * `list<string>`: the list's address at +4 and its length at +8; each element is an
//!   address and a length.
//!
//! Source: the component model's CanonicalABI.md.

use wasmtime::{
    Caller, Engine, Error, Instance, InstancePre, Linker, Memory, Module, Result, Store, TypedFunc,
};

use super::operation::Call;
use super::{Guest, LOG, LOG_WRITE, Made, PARAMS, PARAMS_GET, Terms, Trapped, Verdict, trapped};
use crate::protocol::{Level, MAX_TEXT, Operation};

/// Names that the canonical ABI gives to a module's exports.
pub(super) const MEMORY: &str = "memory";
pub(super) const REALLOC: &str = "cabi_realloc";
/// What a reactor wants called before anything else.
pub(super) const INITIALIZE: &str = "_initialize";

/// A loaded core module.
pub(crate) struct Plugin {
    prepared: InstancePre<Guest>,
    terms: Terms,
}

impl Plugin {
    #[allow(unsafe_code, reason = "loading a compiled plugin is loading native code")]
    pub(super) fn load(engine: &Engine, artifact: &[u8], terms: Terms) -> Result<Plugin> {
        // SAFETY: the artifact was made by our compile worker with this very engine
        // configuration. If the compile worker was broken into it is hostile: then it
        // is loaded in a locked worker process, which is taken to be hostile anyway,
        // and nowhere else.
        let module = unsafe { Module::deserialize(engine, artifact)? };
        // Made now, because it takes a memory file, which a locked worker cannot make.
        module.initialize_copy_on_write_image()?;
        Ok(Plugin { prepared: linker(engine)?.instantiate_pre(&module)?, terms })
    }

    pub fn instantiate(&self) -> std::result::Result<CoreInstance, Trapped> {
        let mut store = Store::new(self.prepared.module().engine(), Guest::new(&self.terms));
        store.limiter(|guest| guest);
        match self.exports(&mut store) {
            Ok(exports) => {
                Ok(CoreInstance { store, exports, call: Call::of(self.terms.operation) })
            }
            Err(error) => Err(trapped(&error, store.data())),
        }
    }

    fn exports(&self, store: &mut Store<Guest>) -> Result<Exports> {
        let instance = self.prepared.instantiate(&mut *store)?;
        if let Some(initialize) = instance.get_func(&mut *store, INITIALIZE) {
            initialize.typed::<(), ()>(&*store)?.call(&mut *store, ())?;
        }
        Exports::of(&instance, store, Call::of(self.terms.operation))
    }
}

/// What modules may import, ready to be linked or checked against.
pub(super) fn linker(engine: &Engine) -> Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    linker.func_wrap(LOG, LOG_WRITE, log_write)?;
    linker.func_wrap(PARAMS, PARAMS_GET, params_get)?;
    Ok(linker)
}

fn log_write(mut caller: Caller<'_, Guest>, level: u32, at: u32, length: u32) -> Result<()> {
    if !caller.data_mut().may_log() {
        return Ok(());
    }
    let level = match level {
        0 => Level::Error,
        1 => Level::Warn,
        2 => Level::Info,
        3 => Level::Debug,
        4 => Level::Trace,
        other => {
            return Err(Error::msg(format!("`log` was called with the unknown level {other}")));
        }
    };
    let memory = memory_of(&mut caller)?;
    let (bytes, guest) = memory.data_and_store_mut(&mut caller);
    let text = read_text(bytes, at, length)?;
    guest.log(level, &text);
    Ok(())
}

/// `get(name) -> option<string>`: the answer is written to where `result` says.
fn params_get(mut caller: Caller<'_, Guest>, at: u32, length: u32, result: u32) -> Result<()> {
    let memory = memory_of(&mut caller)?;
    let params = caller.data().params();
    let name = stretch(memory.data(&caller), at, length)?;
    let value = std::str::from_utf8(name).ok().and_then(|name| params.get(name));
    let mut words = [0, 0, 0];
    if let Some(value) = value {
        let realloc = caller.get_export(REALLOC).and_then(wasmtime::Extern::into_func);
        let realloc = realloc.ok_or_else(|| Error::msg("the module exports no `cabi_realloc`"))?;
        let realloc = realloc.typed::<(u32, u32, u32, u32), u32>(&caller)?;
        let length = u32::try_from(value.len())?;
        let at = realloc.call(&mut caller, (0, 0, 1, length))?;
        memory.write(&mut caller, at as usize, value.as_bytes())?;
        words = [1, at, length];
    }
    let bytes: Vec<u8> = words.iter().flat_map(|word: &u32| word.to_le_bytes()).collect();
    Ok(memory.write(&mut caller, result as usize, &bytes)?)
}

/// The memory of the module that calls.
fn memory_of(caller: &mut Caller<'_, Guest>) -> Result<Memory> {
    let memory = caller.get_export(MEMORY).and_then(wasmtime::Extern::into_memory);
    memory.ok_or_else(|| Error::msg("the module exports no memory"))
}

/// A stretch of a plugin's memory.
fn stretch(memory: &[u8], at: u32, length: u32) -> Result<&[u8]> {
    let found = memory.get(at as usize..).and_then(|rest| rest.get(..length as usize));
    found.ok_or_else(|| Error::msg("a string lies outside of the plugin's memory"))
}

/// A text that a plugin has made.
fn made_text(memory: &[u8], at: u32, length: u32) -> Result<&str> {
    let text = simdutf8::basic::from_utf8(stretch(memory, at, length)?);
    text.map_err(|_| Error::msg("the plugin's answer is not UTF-8 text"))
}

/// The first [`MAX_TEXT`] bytes of a string in a plugin's memory.
fn read_text(memory: &[u8], at: u32, length: u32) -> Result<String> {
    let text = stretch(memory, at, length)?;
    Ok(String::from_utf8_lossy(&text[..text.len().min(MAX_TEXT)]).into_owned())
}

struct Exports {
    memory: Memory,
    realloc: TypedFunc<(u32, u32, u32, u32), u32>,
    operation: TypedFunc<(u32, u32), u32>,
    post: Option<TypedFunc<u32, ()>>,
}

impl Exports {
    fn of(instance: &Instance, store: &mut Store<Guest>, call: &Call) -> Result<Exports> {
        let memory = instance.get_memory(&mut *store, MEMORY);
        let post = match instance.get_func(&mut *store, call.post) {
            Some(post) => Some(post.typed(&*store)?),
            None => None,
        };
        Ok(Exports {
            memory: memory.ok_or_else(|| Error::msg("the module exports no memory"))?,
            realloc: instance.get_typed_func(&mut *store, REALLOC)?,
            operation: instance.get_typed_func(&mut *store, call.export)?,
            post,
        })
    }
}

/// A live core module.
pub(crate) struct CoreInstance {
    store: Store<Guest>,
    exports: Exports,
    call: &'static Call,
}

impl CoreInstance {
    fn ask(&mut self, record: &str, made: &mut Made) -> Result<Verdict> {
        let CoreInstance { store, exports, call } = self;
        let length = u32::try_from(record.len())?;
        let at = exports.realloc.call(&mut *store, (0, 0, 1, length))?;
        let memory = exports.memory.data_mut(&mut *store);
        let place = memory.get_mut(at as usize..).and_then(|rest| rest.get_mut(..record.len()));
        place
            .ok_or_else(|| Error::msg("`cabi_realloc` gave a place outside of the memory"))?
            .copy_from_slice(record.as_bytes());
        let result = exports.operation.call(&mut *store, (at, length))?;
        let verdict = read_verdict(exports.memory.data(&*store), result, call, made)?;
        if let Some(post) = &exports.post {
            post.call(&mut *store, result)?;
        }
        Ok(verdict)
    }
}

/// Reads the result that lies at `at`; what the plugin has made goes to `made`.
fn read_verdict(memory: &[u8], at: u32, call: &Call, made: &mut Made) -> Result<Verdict> {
    let result = memory.get(at as usize..).and_then(|rest| rest.get(..call.result_bytes));
    let result = match result {
        Some(result) if at.is_multiple_of(4) => result,
        _ => {
            let export = call.export;
            let text = format!("`{export}` returned an address that holds no result");
            return Err(Error::msg(text));
        }
    };
    let word = |at: usize| word(result, at);
    let unknown = |what: u8| {
        Error::msg(format!("`{}` returned the unknown discriminant {what}", call.export))
    };
    match (result[0], call.operation) {
        (0, Operation::Filter) => Ok(if result[4] == 0 { Verdict::Drop } else { Verdict::Keep }),
        (0, Operation::Map) => match result[4] {
            0 => Ok(Verdict::Drop),
            1 => {
                made.push(made_text(memory, word(8), word(12))?)?;
                Ok(Verdict::Replace)
            }
            other => Err(unknown(other)),
        },
        (0, Operation::FlatMap) => {
            let bytes = word(8).checked_mul(8).ok_or_else(|| Error::msg("an endless list"))?;
            for element in stretch(memory, word(4), bytes)?.chunks_exact(8) {
                made.push(made_text(memory, self::word(element, 0), self::word(element, 4))?)?;
            }
            Ok(Verdict::Replace)
        }
        (1, _) => Ok(Verdict::Reject(read_text(memory, word(4), word(8))?)),
        (other, _) => Err(unknown(other)),
    }
}

/// The 32-bit number at a place that is known to be there.
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

impl super::Instance for CoreInstance {
    fn call(&mut self, record: &str, made: &mut Made) -> std::result::Result<Verdict, Trapped> {
        self.ask(record, made).map_err(|error| trapped(&error, self.store.data()))
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
        let verdict = read_verdict(memory, at, Call::of(operation), &mut made);
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
        for operation in [Operation::Filter, Operation::Map, Operation::FlatMap] {
            assert_eq!(read(&memory, 0, operation).0.unwrap(), Verdict::Reject("why".into()));
        }
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
