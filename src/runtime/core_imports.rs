//! What core modules may import, under the canonical ABI: strings come as address and
//! length; an answer that does not fit a number is written to where the last parameter
//! says, and what it points to is put into memory that `cabi_realloc` gives.
//!
//! Source: the component model's CanonicalABI.md.

use std::borrow::Cow;

use wasmtime::{Caller, Engine, Error, Linker, Memory, Module, Result, TypedFunc, ValType};

use super::core_module::{MEMORY, REALLOC, read_text, stretch};
use super::guest::Guest;
use super::imports::{
    DATA, DATA_READ, DATA_SIZE, LOG, LOG_WRITE, PARAMS, PARAMS_GET, STORE_GET, STORE_GET_ALL,
    STORES,
};
use super::wasi::preview1;
use crate::protocol::Level;

/// A function that modules may import.
pub(super) struct Offer {
    pub interface: &'static str,
    pub name: &'static str,
    pub params: &'static [ValType],
    pub results: &'static [ValType],
    /// Its parameters, as a message says them.
    pub words: Cow<'static, str>,
}

const I32: ValType = ValType::I32;
const I64: ValType = ValType::I64;

const GETS_TEXT: &str = "(i32 address, i32 length, i32 address of the result)";

impl Offer {
    /// A function of the canonical ABI that gives nothing back.
    fn own(
        interface: &'static str,
        name: &'static str,
        params: &'static [ValType],
        words: &'static str,
    ) -> Offer {
        Offer { interface, name, params, results: &[], words: words.into() }
    }
}

/// All of them.
pub(super) fn offers() -> impl Iterator<Item = Offer> {
    let own = [
        Offer::own(LOG, LOG_WRITE, &[I32, I32, I32], "(i32 level, i32 address, i32 length)"),
        Offer::own(PARAMS, PARAMS_GET, &[I32, I32, I32], GETS_TEXT),
        Offer::own(DATA, DATA_SIZE, &[I32, I32, I32], GETS_TEXT),
        Offer::own(
            DATA,
            DATA_READ,
            &[I32, I32, I64, I32, I32],
            "(i32 address, i32 length, i64 offset, i32 length, i32 address of the result)",
        ),
    ];
    let stores = STORES.into_iter().flat_map(|interface| {
        let words = "(i32 address of the result)";
        [
            Offer::own(interface, STORE_GET, &[I32, I32, I32], GETS_TEXT),
            Offer::own(interface, STORE_GET_ALL, &[I32], words),
        ]
    });
    let preview1 = preview1::functions().map(|(name, params, results)| {
        let listed =
            |types: &[ValType]| types.iter().map(ValType::to_string).collect::<Vec<_>>().join(", ");
        let words = format!("({}) -> ({})", listed(params), listed(results));
        Offer { interface: preview1::MODULE, name, params, results, words: words.into() }
    });
    own.into_iter().chain(stores).chain(preview1)
}

/// What a module may import, ready to be linked to it.
pub(super) fn linker(engine: &Engine, module: &Module) -> Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    linker.func_wrap(LOG, LOG_WRITE, log_write)?;
    linker.func_wrap(PARAMS, PARAMS_GET, params_get)?;
    linker.func_wrap(DATA, DATA_SIZE, data_size)?;
    linker.func_wrap(DATA, DATA_READ, data_read)?;
    for store in STORES {
        linker.func_wrap(store, STORE_GET, store_get)?;
        linker.func_wrap(store, STORE_GET_ALL, store_get_all)?;
    }
    if uses_wasi(module) {
        preview1::add_to(&mut linker)?;
    }
    Ok(linker)
}

/// Whether a module imports anything of WASI preview 1.
pub(super) fn uses_wasi(module: &Module) -> bool {
    module.imports().any(|import| import.module() == preview1::MODULE)
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

/// `get(name) -> option<string>`.
fn params_get(mut caller: Caller<'_, Guest>, at: u32, length: u32, result: u32) -> Result<()> {
    let words = match param(&mut caller, at, length)? {
        Some((at, length)) => [1, at, length],
        None => [0; 3],
    };
    put(&mut caller, result, &words)
}

/// `get(key) -> result<option<string>, error>`; there never is an error.
fn store_get(mut caller: Caller<'_, Guest>, at: u32, length: u32, result: u32) -> Result<()> {
    let words = match param(&mut caller, at, length)? {
        Some((at, length)) => [0, 1, at, length],
        None => [0; 4],
    };
    put(&mut caller, result, &words)
}

/// `get-all() -> result<list<tuple<string, string>>, error>`; there never is an error.
fn store_get_all(mut caller: Caller<'_, Guest>, result: u32) -> Result<()> {
    let params = caller.data().params();
    let mut list = Vec::new();
    for text in params.iter().flat_map(|(name, value)| [name, value]) {
        let at = give(&mut caller, text.as_bytes(), 1)?;
        // It fits: `give` has checked that.
        list.extend([at, text.len() as u32]);
    }
    let bytes = bytes_of(&list);
    let at = give(&mut caller, &bytes, 4)?;
    put(&mut caller, result, &[0, at, u32::try_from(params.len())?, 0])
}

/// `size(name) -> option<u64>`.
fn data_size(mut caller: Caller<'_, Guest>, at: u32, length: u32, result: u32) -> Result<()> {
    let memory = memory_of(&mut caller)?;
    let data = caller.data().side_data();
    let size = name(memory.data(&caller), at, length)?.and_then(|name| data.size(name));
    let size = size.map_or([0; 4], |size| [1, 0, size as u32, (size >> 32) as u32]);
    put(&mut caller, result, &size)
}

/// `read(name, offset, length) -> option<list<u8>>`.
fn data_read(
    mut caller: Caller<'_, Guest>,
    at: u32,
    length: u32,
    offset: u64,
    most: u32,
    result: u32,
) -> Result<()> {
    let memory = memory_of(&mut caller)?;
    let data = caller.data().side_data();
    let found = name(memory.data(&caller), at, length)?;
    let found = found.and_then(|name| data.read(name, offset, most));
    let words = match found {
        Some(bytes) => [1, give(&mut caller, bytes, 1)?, bytes.len() as u32],
        None => [0; 3],
    };
    put(&mut caller, result, &words)
}

/// The parameter whose name lies at `at`, put into the plugin's memory: its address and
/// its length.
fn param(caller: &mut Caller<'_, Guest>, at: u32, length: u32) -> Result<Option<(u32, u32)>> {
    let memory = memory_of(caller)?;
    let params = caller.data().params();
    let value = name(memory.data(&*caller), at, length)?.and_then(|name| params.get(name));
    match value {
        Some(value) => Ok(Some((give(caller, value.as_bytes(), 1)?, value.len() as u32))),
        None => Ok(None),
    }
}

/// The name that lies at `at`. One that is not UTF-8 is nobody's.
fn name(memory: &[u8], at: u32, length: u32) -> Result<Option<&str>> {
    Ok(std::str::from_utf8(stretch(memory, at, length)?).ok())
}

/// Puts bytes into memory that the module provides, and gives their address.
fn give(caller: &mut Caller<'_, Guest>, bytes: &[u8], align: u32) -> Result<u32> {
    let realloc = realloc_of(caller)?;
    let length = u32::try_from(bytes.len())?;
    let at = realloc.call(&mut *caller, (0, 0, align, length))?;
    let memory = memory_of(caller)?;
    memory.write(&mut *caller, at as usize, bytes)?;
    Ok(at)
}

/// Writes an answer to where the module wants it.
fn put(caller: &mut Caller<'_, Guest>, at: u32, words: &[u32]) -> Result<()> {
    let memory = memory_of(caller)?;
    Ok(memory.write(&mut *caller, at as usize, &bytes_of(words))?)
}

fn bytes_of(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// What the one module of a store exports for its imports to work with. Looking it up by name
/// takes longer than most of them do, so it is done once.
#[derive(Default)]
pub(super) struct Exports {
    memory: Option<Memory>,
    realloc: Option<Realloc>,
}

impl std::fmt::Debug for Exports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exports").finish_non_exhaustive()
    }
}

/// Takes the address and size of old memory, an alignment and a new size; gives an address.
type Realloc = TypedFunc<(u32, u32, u32, u32), u32>;

/// The memory of the module that calls.
pub(super) fn memory_of(caller: &mut Caller<'_, Guest>) -> Result<Memory> {
    if let Some(memory) = caller.data().exports.memory {
        return Ok(memory);
    }
    let memory = caller.get_export(MEMORY).and_then(wasmtime::Extern::into_memory);
    let memory = memory.ok_or_else(|| Error::msg("the module exports no memory"))?;
    caller.data_mut().exports.memory = Some(memory);
    Ok(memory)
}

/// The function through which the module that calls gives memory.
fn realloc_of(caller: &mut Caller<'_, Guest>) -> Result<Realloc> {
    if let Some(realloc) = &caller.data().exports.realloc {
        return Ok(realloc.clone());
    }
    let realloc = caller.get_export(REALLOC).and_then(wasmtime::Extern::into_func);
    let realloc = realloc.ok_or_else(|| Error::msg("the module exports no `cabi_realloc`"))?;
    let realloc: Realloc = realloc.typed(&*caller)?;
    caller.data_mut().exports.realloc = Some(realloc.clone());
    Ok(realloc)
}
