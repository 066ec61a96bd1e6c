//! Compiles a plugin and says in plain words what is wrong with one that this
//! program cannot run. Used by the compile worker alone.

use wasmtime::component::types::{self, ComponentItem};
use wasmtime::component::{Component, Type};
use wasmtime::{Engine, ExternType, FuncType, Module, ValType};
use wit_parser::WorldItem;

use super::core_module::{self, INITIALIZE, MEMORY, REALLOC};
use super::operation::{CALLS, Call, Function};
use super::wasi::{preview1, preview2};
use super::wrapped::{self, Wrapped};
use super::{component_imports, core_imports, imports};
use crate::protocol::{Abi, Operation};

/// A plugin that can be run.
pub(crate) struct Checked {
    pub abi: Abi,
    pub operation: Operation,
    /// What a worker loads.
    pub artifact: Vec<u8>,
}

/// Checks and compiles a plugin.
///
/// # Errors
/// A sentence that says what is wrong and what would be right.
pub(crate) fn compile(engine: &Engine, plugin: &[u8]) -> Result<Checked, String> {
    let binary = binary(plugin)?;
    if wasmparser::Parser::is_component(&binary) {
        if let Some(wrapped) = wrapped::find(&binary)
            && let Some(checked) = compile_wrapped(engine, &wrapped)
        {
            return Ok(checked);
        }
        let component = Component::from_binary(engine, &binary).map_err(broken)?;
        let operation = check_component(engine, &component)?;
        let artifact = component.serialize().map_err(cannot)?;
        Ok(Checked { abi: Abi::Component, operation, artifact })
    } else {
        compile_module(engine, &binary)
    }
}

fn compile_module(engine: &Engine, binary: &[u8]) -> Result<Checked, String> {
    let module = Module::from_binary(engine, binary).map_err(broken)?;
    check_imports(&module)?;
    let call = check_exports(&module)?;
    check_metadata(binary, call)?;
    let artifact = core_module::compile(engine, &module, call).map_err(cannot)?;
    Ok(Checked { abi: Abi::Core, operation: call.operation, artifact })
}

/// Checks a component and compiles the module that it wraps; nothing if either is not as it
/// should be.
fn compile_wrapped(engine: &Engine, wrapped: &Wrapped<'_>) -> Option<Checked> {
    let component = Component::from_binary(engine, &wrapped.hollow).ok()?;
    let operation = check_component(engine, &component).ok()?;
    let checked = compile_module(engine, wrapped.module).ok()?;
    (checked.operation == operation).then_some(checked)
}

fn broken(error: wasmtime::Error) -> String {
    format!("it is damaged, or needs WebAssembly features that are not offered: {error:#}")
}

fn cannot(error: wasmtime::Error) -> String {
    format!("it cannot be compiled: {error:#}")
}

/// The binary form of a plugin given as binary or text.
pub(super) fn binary(plugin: &[u8]) -> Result<Vec<u8>, String> {
    if plugin.starts_with(b"\0asm") {
        return Ok(plugin.to_vec());
    }
    if Engine::detect_precompiled(plugin).is_some() {
        return Err("it is an already compiled plugin (.cwasm), which is native code and cannot \
                    be checked; give the .wasm that it was made from"
            .into());
    }
    let text = std::str::from_utf8(plugin).ok();
    let looks_like_text =
        text.is_some_and(|text| matches!(text.trim_start().as_bytes(), [b'(' | b';', ..]));
    match text {
        Some(text) if looks_like_text => {
            wat::parse_str(text).map_err(|error| text_error(&error.to_string()))
        }
        _ if plugin.is_empty() => Err("it is empty".into()),
        _ => Err("it is no WebAssembly: neither a module or component (which begins with the \
                  bytes 00 61 73 6d) nor text (which begins with a parenthesis)"
            .into()),
    }
}

/// The first line of wat's message and the place from its picture of the text, which
/// is `--> NAME:LINE:COLUMN`.
fn text_error(message: &str) -> String {
    let what = message.lines().next().unwrap_or(message);
    let place = message.lines().find_map(|line| {
        let mut parts = line.trim().strip_prefix("--> ")?.rsplitn(3, ':');
        Some((parts.next()?, parts.next()?))
    });
    match place {
        Some((column, line)) => {
            format!("its text has an error at line {line}, column {column}: {what}")
        }
        None => format!("its text has an error: {what}"),
    }
}

fn check_imports(module: &Module) -> Result<(), String> {
    let mut unknown = Vec::new();
    for import in module.imports() {
        let offered = core_imports::offers()
            .find(|offer| (import.module(), import.name()) == (offer.interface, offer.name));
        let Some(offer) = offered else {
            unknown.push(format!("`{}` of `{}`", import.name(), import.module()));
            continue;
        };
        let (params, results) = (offer.params.iter().cloned(), offer.results.iter().cloned());
        let wanted = FuncType::new(module.engine(), params, results);
        if !matches!(import.ty(), ExternType::Func(ty) if FuncType::eq(&ty, &wanted)) {
            return Err(format!(
                "it imports `{}` of `{}` with another type than {}",
                offer.name, offer.interface, offer.words
            ));
        }
    }
    refuse_unknown(&unknown)
}

fn refuse_unknown(unknown: &[String]) -> Result<(), String> {
    if unknown.is_empty() {
        return Ok(());
    }
    let shown = unknown[..unknown.len().min(5)].join(", ");
    let more = match unknown.len().saturating_sub(5) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let http = if unknown.iter().any(|name| name.contains(preview2::HTTP)) {
        ": there is no network, so build it without HTTP (componentize-js: `disableFeatures: \
         ['http', 'fetch-event']`)"
    } else {
        ""
    };
    let offered = imports::offered().chain([preview1::MODULE]).chain(preview2::PACKAGES);
    let offered: Vec<String> = offered.map(|name| format!("`{name}`")).collect();
    Err(format!(
        "it imports {shown}{more}, and this program offers only {}{http}",
        offered.join(", ")
    ))
}

/// Finds the operation among the names of a plugin's exports.
fn find_operation<'a>(exports: impl Iterator<Item = &'a str>) -> Result<&'static Call, String> {
    let exports: Vec<&str> = exports.collect();
    let name = |function: &Function| exports.iter().find(|export| function.is(export)).copied();
    let has = |function: &&Function| name(function).is_some();
    let mut found = CALLS.iter().filter(|call| call.functions.iter().all(|one| has(&one)));
    match (found.next(), found.next()) {
        (Some(call), None) => Ok(call),
        (Some(one), Some(other)) => Err(format!(
            "it exports both `{}` and `{}`: a plugin has one operation",
            name(one.first()).unwrap_or_default(),
            name(other.first()).unwrap_or_default()
        )),
        (None, _) => match CALLS.iter().find(|call| has(&call.first())) {
            Some(begun) => {
                let missing = begun.functions.iter().find(|one| !has(one));
                let missing = missing.map_or("", |one| one.wit);
                Err(format!("it exports `{}` but not `{missing}`", begun.first().export))
            }
            None => Err(missing_operation(&exports)),
        },
    }
}

fn check_exports(module: &Module) -> Result<&'static Call, String> {
    let i32s = |parameters: usize, results: usize| {
        let of = |count| std::iter::repeat_n(ValType::I32, count);
        FuncType::new(module.engine(), of(parameters), of(results))
    };
    let has = |name: &str, wanted: &FuncType| match module.get_export(name) {
        Some(ExternType::Func(ty)) => Some(FuncType::eq(&ty, wanted)),
        Some(_) => Some(false),
        None => None,
    };
    let call = find_operation(module.exports().map(|export| export.name()))?;
    for function in call.functions {
        let params = function.core_params();
        if has(function.export, &i32s(params, function.core_results())) != Some(true) {
            if call.operation == Operation::Command {
                return Err("it exports `_start`, which of a command is a function that takes \
                            nothing and gives nothing"
                    .into());
            }
            let words = vec!["i32 address, i32 length"; params / 2].join(", ");
            return Err(format!(
                "it exports `{}` with another signature than `{}` has in a core module: \
                 ({words}) -> (i32 address of the result)",
                function.export, function.wit
            ));
        }
        if has(function.post, &i32s(1, 0)) == Some(false) {
            return Err(format!("its export `{}` is not of the type (i32) -> ()", function.post));
        }
    }
    match module.get_export(MEMORY) {
        Some(ExternType::Memory(memory)) if !memory.is_64() && !memory.is_shared() => {}
        _ => return Err(format!("it exports no 32-bit memory named `{MEMORY}`")),
    }
    if call.operation == Operation::Command {
        return Ok(call);
    }
    if has(REALLOC, &i32s(4, 1)) != Some(true) {
        return Err(format!(
            "it exports no `{REALLOC}: (i32 old, i32 old size, i32 align, i32 new size) -> i32`, \
             through which records are handed to it"
        ));
    }
    if has(INITIALIZE, &i32s(0, 0)) == Some(false) {
        return Err(format!("its export `{INITIALIZE}` is not of the type () -> ()"));
    }
    Ok(call)
}

/// How many exports a message names.
const NAMED: usize = 20;

fn missing_operation(exports: &[&str]) -> String {
    let named: Vec<String> = exports.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
    let exports = if named.is_empty() { "nothing".to_owned() } else { named.join(", ") };
    let [filter, map, flat_map, batch, reduce, command] = CALLS.map(|call| call.first().wit);
    format!(
        "it exports no operation: a filter exports `{filter}`, a map `{map}`, a flat-map \
         `{flat_map}`, a batch `{batch}`, a reduce `{reduce}` and more, a command of WASI \
         `{command}`, or as a component `wasi:cli/run@0.2`; this one exports {exports}"
    )
}

/// Where wit-bindgen left word of the types it was given, they must be ours: two
/// WIT types can have one core signature.
fn check_metadata(binary: &[u8], call: &Call) -> Result<(), String> {
    let (stripped, bindgen) = wit_component::metadata::decode(binary)
        .map_err(|error| format!("its component-type section is damaged: {error:#}"))?;
    if stripped.is_none() {
        return Ok(());
    }
    let resolve = &bindgen.resolve;
    let exports = &resolve.worlds[bindgen.world].exports;
    for ours in call.functions {
        let theirs = exports.iter().find_map(|(key, item)| match item {
            WorldItem::Function(function) if resolve.name_world_key(key) == ours.export => {
                Some(function)
            }
            _ => None,
        });
        let Some(theirs) = theirs else {
            return Err(missing_operation(&[]));
        };
        let fits = theirs.params.len() == ours.params.len()
            && theirs.params.iter().zip(ours.params).all(|(one, ty)| ty.is_wit(resolve, one.ty))
            && theirs.result.is_some_and(|result| ours.result.is_wit(resolve, result));
        if !fits {
            return Err(other_type(ours));
        }
    }
    Ok(())
}

fn other_type(function: &Function) -> String {
    format!("it exports `{}` with another type than `{}`", function.export, function.wit)
}

fn check_component(engine: &Engine, component: &Component) -> Result<Operation, String> {
    let ty = component.component_type();
    let unknown: Vec<String> = ty
        .imports(engine)
        .filter(|(name, _)| !imports::offered().any(|offered| offered == *name))
        .filter(|(name, _)| !preview2::offers(name))
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    refuse_unknown(&unknown)?;
    let linker =
        component_imports::linker(engine, component).map_err(|error| format!("{error:#}"))?;
    linker
        .instantiate_pre(component)
        .map_err(|error| format!("its imports are not what this program offers: {error:#}"))?;
    let call = find_operation(ty.exports(engine).map(|(name, _)| name))?;
    if call.operation == Operation::Command {
        return check_run(component);
    }
    for ours in call.functions {
        let theirs = ty.get_export(engine, ours.export).map(|export| export.ty);
        let Some(ComponentItem::ComponentFunc(theirs)) = theirs else {
            return Err(other_type(ours));
        };
        let params: Vec<_> = theirs.params().map(|(_, ty)| ty).collect();
        let results: Vec<_> = theirs.results().collect();
        let fits = params.len() == ours.params.len()
            && params.iter().zip(ours.params).all(|(one, ty)| ty.is_component(one))
            && matches!(&results[..], [result] if ours.result.is_component(result));
        if !fits {
            return Err(other_type(ours));
        }
    }
    Ok(call.operation)
}

fn check_run(component: &Component) -> Result<Operation, String> {
    let fits = preview2::run_of(component).is_some_and(|(ty, _)| {
        let results: Vec<_> = ty.results().collect();
        let says_nothing = |result: &types::ResultType| result.ok().or(result.err()).is_none();
        ty.params().len() == 0
            && matches!(&results[..], [Type::Result(result)] if says_nothing(result))
    });
    if !fits {
        return Err(
            "it exports `wasi:cli/run`, which of a command holds `run: func() -> result`".into()
        );
    }
    Ok(Operation::Command)
}

/// Takes bytes for a plugin's file: it is compiled, or refused in words that are not endless.
#[cfg(any(test, fuzzing))]
#[allow(clippy::panic, reason = "a panic tells the fuzzer")]
pub(crate) fn fuzz(data: &[u8]) {
    use crate::protocol::{Metering, Settings};

    thread_local! {
        static ENGINE: Engine = super::engine(Settings { metering: Metering::None, stack: 512 << 10 })
            .unwrap_or_else(|error| panic!("{error}"));
    }
    ENGINE.with(|engine| match compile(engine, data) {
        Ok(checked) => assert!(!checked.artifact.is_empty()),
        Err(why) => assert!(!why.is_empty()),
    });
}
