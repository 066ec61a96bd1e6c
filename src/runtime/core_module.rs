//! A core module called under the canonical ABI by hand: what a component's adapter
//! would do, done here at about half its price.
//!
//! A string goes in by `cabi_realloc` and a copy. `result<bool, string>` comes out
//! as the address of 12 bytes: a discriminant at +0; at +4 the bool, or the error
//! text's address, and at +8 that text's length. Source: the component model's
//! CanonicalABI.md.

use wasmtime::{
    Caller, Engine, Error, Instance, InstancePre, Linker, Memory, Module, Result, Store, TypedFunc,
};

use super::{Filter, Guest, KEEP, LOG, LOG_WRITE, Trapped, Verdict, trapped};
use crate::protocol::{Level, MAX_TEXT};

/// Names that the canonical ABI gives to a module's exports.
pub(super) const MEMORY: &str = "memory";
pub(super) const REALLOC: &str = "cabi_realloc";
pub(super) const POST_KEEP: &str = "cabi_post_keep";
/// What a reactor wants called before anything else.
pub(super) const INITIALIZE: &str = "_initialize";

/// Bytes of a `result<bool, string>` in memory.
const RESULT_BYTES: usize = 12;

/// A loaded core module.
pub(crate) struct Plugin {
    prepared: InstancePre<Guest>,
    memory: u64,
}

impl Plugin {
    #[allow(unsafe_code, reason = "loading a compiled plugin is loading native code")]
    pub fn load(engine: &Engine, artifact: &[u8], memory: u64) -> Result<Plugin> {
        // SAFETY: the artifact was made by our compile worker with this very engine
        // configuration. If the compile worker was broken into it is hostile: then it
        // is loaded in a locked worker process, which is taken to be hostile anyway,
        // and nowhere else.
        let module = unsafe { Module::deserialize(engine, artifact)? };
        // Made now, because it takes a memory file, which a locked worker cannot make.
        module.initialize_copy_on_write_image()?;
        Ok(Plugin { prepared: linker(engine)?.instantiate_pre(&module)?, memory })
    }

    pub fn instantiate(&self) -> std::result::Result<CoreFilter, Trapped> {
        let mut store = Store::new(self.prepared.module().engine(), Guest::new(self.memory));
        store.limiter(|guest| guest);
        match self.exports(&mut store) {
            Ok(exports) => Ok(CoreFilter { store, exports }),
            Err(error) => Err(trapped(&error, store.data())),
        }
    }

    fn exports(&self, store: &mut Store<Guest>) -> Result<Exports> {
        let instance = self.prepared.instantiate(&mut *store)?;
        if let Some(initialize) = instance.get_func(&mut *store, INITIALIZE) {
            initialize.typed::<(), ()>(&*store)?.call(&mut *store, ())?;
        }
        Exports::of(&instance, store)
    }
}

/// What modules may import, ready to be linked or checked against.
pub(super) fn linker(engine: &Engine) -> Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    linker.func_wrap(LOG, LOG_WRITE, log_write)?;
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
    let memory = caller.get_export(MEMORY).and_then(wasmtime::Extern::into_memory);
    let memory = memory.ok_or_else(|| Error::msg("the module exports no memory"))?;
    let (bytes, guest) = memory.data_and_store_mut(&mut caller);
    let text = read_text(bytes, at, length)?;
    guest.log(level, &text);
    Ok(())
}

/// The first [`MAX_TEXT`] bytes of a string in a plugin's memory.
fn read_text(memory: &[u8], at: u32, length: u32) -> Result<String> {
    let (at, length) = (at as usize, length as usize);
    let text = memory.get(at..).and_then(|rest| rest.get(..length));
    let text = text.ok_or_else(|| Error::msg("a string lies outside of the plugin's memory"))?;
    Ok(String::from_utf8_lossy(&text[..length.min(MAX_TEXT)]).into_owned())
}

struct Exports {
    memory: Memory,
    realloc: TypedFunc<(u32, u32, u32, u32), u32>,
    keep: TypedFunc<(u32, u32), u32>,
    post_keep: Option<TypedFunc<u32, ()>>,
}

impl Exports {
    fn of(instance: &Instance, store: &mut Store<Guest>) -> Result<Exports> {
        let memory = instance.get_memory(&mut *store, MEMORY);
        let post_keep = match instance.get_func(&mut *store, POST_KEEP) {
            Some(post_keep) => Some(post_keep.typed(&*store)?),
            None => None,
        };
        Ok(Exports {
            memory: memory.ok_or_else(|| Error::msg("the module exports no memory"))?,
            realloc: instance.get_typed_func(&mut *store, REALLOC)?,
            keep: instance.get_typed_func(&mut *store, KEEP)?,
            post_keep,
        })
    }
}

/// A live core module.
pub(crate) struct CoreFilter {
    store: Store<Guest>,
    exports: Exports,
}

impl CoreFilter {
    fn call(&mut self, record: &str) -> Result<Verdict> {
        let CoreFilter { store, exports } = self;
        let length = u32::try_from(record.len())?;
        let at = exports.realloc.call(&mut *store, (0, 0, 1, length))?;
        let memory = exports.memory.data_mut(&mut *store);
        let place = memory.get_mut(at as usize..).and_then(|rest| rest.get_mut(..record.len()));
        place
            .ok_or_else(|| Error::msg("`cabi_realloc` gave a place outside of the memory"))?
            .copy_from_slice(record.as_bytes());
        let result = exports.keep.call(&mut *store, (at, length))?;
        let verdict = read_verdict(exports.memory.data(&*store), result)?;
        if let Some(post_keep) = &exports.post_keep {
            post_keep.call(&mut *store, result)?;
        }
        Ok(verdict)
    }
}

fn read_verdict(memory: &[u8], at: u32) -> Result<Verdict> {
    let result = memory.get(at as usize..).and_then(|rest| rest.get(..RESULT_BYTES));
    let result = match result {
        Some(result) if at.is_multiple_of(4) => result,
        _ => return Err(Error::msg("`keep` returned an address that holds no result")),
    };
    let word = |at: usize| {
        u32::from_le_bytes([result[at], result[at + 1], result[at + 2], result[at + 3]])
    };
    match result[0] {
        0 if result[4] == 0 => Ok(Verdict::Drop),
        0 => Ok(Verdict::Keep),
        1 => Ok(Verdict::Reject(read_text(memory, word(4), word(8))?)),
        other => Err(Error::msg(format!("`keep` returned the unknown discriminant {other}"))),
    }
}

impl Filter for CoreFilter {
    fn keep(&mut self, record: &str) -> std::result::Result<Verdict, Trapped> {
        self.call(record).map_err(|error| trapped(&error, self.store.data()))
    }

    fn guest(&mut self) -> &mut Guest {
        self.store.data_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read_as_the_canonical_abi_lays_them_out() {
        let mut memory = vec![0; 64];
        assert_eq!(read_verdict(&memory, 0).unwrap(), Verdict::Drop);
        memory[4] = 1;
        assert_eq!(read_verdict(&memory, 0).unwrap(), Verdict::Keep);
        memory[..12].copy_from_slice(&[1, 0, 0, 0, 32, 0, 0, 0, 3, 0, 0, 0]);
        memory[32..35].copy_from_slice(b"why");
        assert_eq!(read_verdict(&memory, 0).unwrap(), Verdict::Reject("why".into()));
    }

    #[test]
    fn results_that_cannot_be_are_errors() {
        let mut memory = vec![0; 64];
        assert!(read_verdict(&memory, 2).is_err(), "misaligned");
        assert!(read_verdict(&memory, 56).is_err(), "past the end");
        assert!(read_verdict(&memory, u32::MAX - 3).is_err(), "far past the end");
        memory[0] = 2;
        assert!(read_verdict(&memory, 0).is_err(), "discriminant");
        memory[..12].copy_from_slice(&[1, 0, 0, 0, 60, 0, 0, 0, 255, 255, 255, 255]);
        assert!(read_verdict(&memory, 0).is_err(), "text past the end");
    }
}
