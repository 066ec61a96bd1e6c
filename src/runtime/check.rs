//! Compiles a plugin and says in plain words what is wrong with one that this
//! program cannot run. Used by the compile worker alone.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Type};
use wasmtime::{Engine, ExternType, FuncType, Module, ValType};
use wit_parser::{Type as WitType, TypeDefKind, WorldItem};

use super::core_module::{INITIALIZE, MEMORY, POST_KEEP, REALLOC};
use super::{KEEP, LOG, LOG_WRITE, component};
use crate::protocol::Abi;

/// What a filter has to export, as a message says it.
const WANTED: &str = "keep: func(record: string) -> result<bool, string>";

/// Checks and compiles a plugin: its ABI and the artifact that a worker loads.
///
/// # Errors
/// A sentence that says what is wrong and what would be right.
pub(crate) fn compile(engine: &Engine, plugin: &[u8]) -> Result<(Abi, Vec<u8>), String> {
    let binary = binary(plugin)?;
    let broken = |error: wasmtime::Error| {
        format!("it is damaged, or needs WebAssembly features that are not offered: {error:#}")
    };
    let cannot = |error: wasmtime::Error| format!("it cannot be compiled: {error:#}");
    if wasmparser::Parser::is_component(&binary) {
        let component = Component::from_binary(engine, &binary).map_err(broken)?;
        check_component(engine, &component)?;
        Ok((Abi::Component, component.serialize().map_err(cannot)?))
    } else {
        let module = Module::from_binary(engine, &binary).map_err(broken)?;
        check_imports(&module)?;
        check_exports(&module)?;
        check_metadata(&binary)?;
        Ok((Abi::Core, module.serialize().map_err(cannot)?))
    }
}

/// The binary form of a plugin given as binary or text.
fn binary(plugin: &[u8]) -> Result<Vec<u8>, String> {
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
    let parameters = [ValType::I32, ValType::I32, ValType::I32];
    let write = FuncType::new(module.engine(), parameters, []);
    let mut unknown = Vec::new();
    for import in module.imports() {
        if (import.module(), import.name()) != (LOG, LOG_WRITE) {
            unknown.push(format!("`{}` of `{}`", import.name(), import.module()));
        } else if !matches!(import.ty(), ExternType::Func(ty) if FuncType::eq(&ty, &write)) {
            return Err(format!(
                "it imports `{LOG_WRITE}` of `{LOG}` with another type than \
                 (i32 level, i32 address, i32 length)"
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
    let wasi = if unknown.iter().any(|name| name.contains("wasi")) {
        " (WASI is not offered yet: build for wasm32-unknown-unknown)"
    } else {
        ""
    };
    Err(format!("it imports {shown}{more}, and this program offers only `{LOG}`{wasi}"))
}

fn check_exports(module: &Module) -> Result<(), String> {
    let i32s = |parameters: usize, results: usize| {
        let of = |count| std::iter::repeat_n(ValType::I32, count);
        FuncType::new(module.engine(), of(parameters), of(results))
    };
    let has = |name: &str, wanted: &FuncType| match module.get_export(name) {
        Some(ExternType::Func(ty)) => Some(FuncType::eq(&ty, wanted)),
        Some(_) => Some(false),
        None => None,
    };
    match has(KEEP, &i32s(2, 1)) {
        Some(true) => {}
        Some(false) => {
            return Err(format!(
                "it exports `{KEEP}` with another signature than `{WANTED}` has in a core \
                 module: (i32 address, i32 length) -> (i32 address of the result)"
            ));
        }
        None => {
            let exports: Vec<String> =
                module.exports().take(20).map(|export| format!("`{}`", export.name())).collect();
            return Err(missing_operation(&exports));
        }
    }
    match module.get_export(MEMORY) {
        Some(ExternType::Memory(memory)) if !memory.is_64() && !memory.is_shared() => {}
        _ => return Err(format!("it exports no 32-bit memory named `{MEMORY}`")),
    }
    if has(REALLOC, &i32s(4, 1)) != Some(true) {
        return Err(format!(
            "it exports no `{REALLOC}: (i32 old, i32 old size, i32 align, i32 new size) -> i32`, \
             through which records are handed to it"
        ));
    }
    if has(POST_KEEP, &i32s(1, 0)) == Some(false) {
        return Err(format!("its export `{POST_KEEP}` is not of the type (i32) -> ()"));
    }
    if has(INITIALIZE, &i32s(0, 0)) == Some(false) {
        return Err(format!("its export `{INITIALIZE}` is not of the type () -> ()"));
    }
    Ok(())
}

fn missing_operation(exports: &[String]) -> String {
    let exports = match exports {
        [] => "nothing".to_owned(),
        some => some.join(", "),
    };
    format!("it exports no operation: a filter exports `{WANTED}`; this one exports {exports}")
}

/// Where wit-bindgen left word of the types it was given, they must be ours: two
/// WIT types can have one core signature.
fn check_metadata(binary: &[u8]) -> Result<(), String> {
    let (stripped, bindgen) = wit_component::metadata::decode(binary)
        .map_err(|error| format!("its component-type section is damaged: {error:#}"))?;
    if stripped.is_none() {
        return Ok(());
    }
    let resolve = &bindgen.resolve;
    let keep = resolve.worlds[bindgen.world].exports.iter().find_map(|(key, item)| match item {
        WorldItem::Function(function) if resolve.name_world_key(key) == KEEP => Some(function),
        _ => None,
    });
    let Some(keep) = keep else {
        return Err(missing_operation(&[]));
    };
    let takes_string = matches!(&keep.params[..], [param] if param.ty == WitType::String);
    let gives_result = matches!(keep.result, Some(WitType::Id(id)) if matches!(
        &resolve.types[id].kind,
        TypeDefKind::Result(result)
            if result.ok == Some(WitType::Bool) && result.err == Some(WitType::String)
    ));
    if takes_string && gives_result { Ok(()) } else { Err(other_type()) }
}

fn other_type() -> String {
    format!("it exports `{KEEP}` with another type than `{WANTED}`")
}

fn check_component(engine: &Engine, component: &Component) -> Result<(), String> {
    let ty = component.component_type();
    let unknown: Vec<String> = ty
        .imports(engine)
        .filter(|(name, _)| *name != LOG)
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    refuse_unknown(&unknown)?;
    let linker = component::linker(engine).map_err(|error| format!("{error:#}"))?;
    linker
        .instantiate_pre(component)
        .map_err(|error| format!("its imports are not what this program offers: {error:#}"))?;
    let Some(keep) = ty.get_export(engine, KEEP) else {
        let exports: Vec<String> =
            ty.exports(engine).take(20).map(|(name, _)| format!("`{name}`")).collect();
        return Err(missing_operation(&exports));
    };
    let ComponentItem::ComponentFunc(keep) = keep.ty else {
        return Err(other_type());
    };
    let takes_string = keep.params().map(|(_, ty)| ty).eq([Type::String]);
    let mut results = keep.results();
    let gives_result = matches!(
        (results.next(), results.next()),
        (Some(Type::Result(result)), None)
            if result.ok() == Some(Type::Bool) && result.err() == Some(Type::String)
    );
    if takes_string && gives_result { Ok(()) } else { Err(other_type()) }
}
