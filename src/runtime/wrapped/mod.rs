//! Components that do nothing but wrap one core module, which is what `wit-component` makes
//! of a module: its functions are lifted as they are, what it imports is lowered for it, and
//! what else there is only ties the two together. Such a module can be taken out and called
//! by itself under the canonical ABI, which costs some 300 ns a record less.
//!
//! Everything that the component says is looked at; where anything is not exactly what calling
//! the module would do as well, the component is run as one.
//!
//! Source: the component model's Binary.md and CanonicalABI.md.

mod glue;
mod parts;

use wasm_encoder::{CodeSection, Component, Function, Module, RawSection};
use wasmparser::{CanonicalOption, Instance, Parser, Payload, Result};

use super::core_module::{INITIALIZE, MEMORY, REALLOC};
use super::operation::CALLS;
use glue::Import;
use parts::{CoreFunction, Function as ComponentFunction, Parts};

/// The one module of a component.
pub(super) struct Wrapped<'a> {
    pub module: &'a [u8],
    /// The component with a module whose functions are empty: whether the rest of it is valid
    /// and what its types are can be seen without compiling the module twice.
    pub hollow: Vec<u8>,
}

/// Finds the module that a component wraps; nothing if it is more than that, or damaged.
pub(super) fn find(component: &[u8]) -> Option<Wrapped<'_>> {
    let parts = parts::read(component)?;
    let index = Wrapper::of(&parts)?.module()?;
    Some(Wrapped { module: parts.module(index)?, hollow: hollow_component(component, index).ok()? })
}

/// A component, and the instance in it that is not glue.
struct Wrapper<'a, 'b> {
    parts: &'b Parts<'a>,
    /// The instance of the module whose functions are exported.
    main: u32,
    /// What its imports are called through, if there is such glue.
    shim: Option<Shim<'a>>,
    /// There is glue that has it initialized.
    has_starter: bool,
}

impl<'a, 'b> Wrapper<'a, 'b> {
    fn of(parts: &'b Parts<'a>) -> Option<Wrapper<'a, 'b>> {
        let (_, first) = *parts.exports.first()?;
        let ComponentFunction::Lifted { core, .. } = parts.function(first)? else {
            return None;
        };
        let CoreFunction::Export { instance, .. } = *parts.core_function(*core)? else {
            return None;
        };
        let has_starter = has_starter(parts, instance);
        Some(Wrapper { parts, main: instance, shim: Shim::of(parts), has_starter })
    }

    /// The index of the module, if there is nothing in the component but it and glue, and that
    /// ties it to nothing but what it asks for.
    fn module(&self) -> Option<u32> {
        let index = self.parts.instantiated(self.main)?;
        let main = Outside::of(self.parts.module(index)?).ok()?;
        let fits = self.exports_are_its_own(&main)?
            && self.imports_are_what_they_are_called(&main)?
            // What it wants called first is called exactly if it is there.
            && main.exports.contains(&INITIALIZE) == self.has_starter
            && self.instances_of_modules() == 1 + self.instances_of_glue();
        fits.then_some(index)
    }

    /// How many instances of modules there are.
    fn instances_of_modules(&self) -> usize {
        let is_one = |instance: &&Instance<'_>| matches!(instance, Instance::Instantiate { .. });
        self.parts.instances.iter().filter(is_one).count()
    }

    /// How many of them are nothing but glue: a shim and its fixup, a starter.
    fn instances_of_glue(&self) -> usize {
        2 * usize::from(self.shim.is_some()) + usize::from(self.has_starter)
    }

    /// Whether each export is the module's function of the same name, called as we do it.
    fn exports_are_its_own(&self, main: &Outside<'_>) -> Option<bool> {
        for &(name, function) in &self.parts.exports {
            let ComponentFunction::Lifted { core, options } = self.parts.function(function)? else {
                return Some(false);
            };
            let post = CALLS.iter().flat_map(|call| call.functions).find(|one| one.export == name);
            let post = post.map(|function| function.post);
            let cleans_up = options.iter().any(|one| matches!(one, CanonicalOption::PostReturn(_)));
            if !self.is_main(*core, name)
                || !self.are_usual(options, post)
                || post.is_some_and(|post| main.exports.contains(&post)) != cleans_up
            {
                return Some(false);
            }
        }
        Some(true)
    }

    /// Whether a core function is this export of the module.
    fn is_main(&self, function: u32, wanted: &str) -> bool {
        matches!(self.parts.core_function(function),
            Some(CoreFunction::Export { instance, name }) if (*instance, *name) == (self.main, wanted))
    }

    /// Whether the options of a function are those of the canonical ABI by hand.
    fn are_usual(&self, options: &[CanonicalOption], post: Option<&str>) -> bool {
        options.iter().all(|option| match *option {
            CanonicalOption::UTF8 => true,
            CanonicalOption::Memory(memory) => {
                self.parts.memories.get(memory as usize) == Some(&(self.main, MEMORY))
            }
            CanonicalOption::Realloc(function) => self.is_main(function, REALLOC),
            CanonicalOption::PostReturn(function) => {
                post.is_some_and(|post| self.is_main(function, post))
            }
            _ => false,
        })
    }

    /// Whether what the module imports is, by whatever way, the component's own import of the
    /// same name.
    fn imports_are_what_they_are_called(&self, main: &Outside<'_>) -> Option<bool> {
        for &(module, name) in &main.imports {
            let mut function = self.parts.given_function(self.main, (module, name))?;
            if let (Some(shim), CoreFunction::Export { instance, name }) = (&self.shim, &function)
                && *instance == shim.instance
            {
                function = self.parts.given_function(shim.fixup, shim.filled_by(name)?)?;
            }
            let CoreFunction::Lowered { function, options } = function else {
                return Some(false);
            };
            let is_it = matches!(self.parts.function(function)?,
                ComponentFunction::Imported { interface, name: own } if (*interface, *own) == (module, name));
            if !is_it || !self.are_usual(&options, None) {
                return Some(false);
            }
        }
        Some(true)
    }
}

/// Whether an instance has the main one initialized.
fn has_starter(parts: &Parts<'_>, main: u32) -> bool {
    let initializes = |instance: u32| {
        let first = glue::starter(parts.module(parts.instantiated(instance)?)?)?;
        match parts.given_function(instance, first)? {
            CoreFunction::Export { instance, name } => Some((instance, name) == (main, INITIALIZE)),
            CoreFunction::Lowered { .. } => None,
        }
    };
    parts.instance_numbers().any(|instance| initializes(instance) == Some(true))
}

/// Functions that only call what stands in a table, and the instance that fills it.
struct Shim<'a> {
    instance: u32,
    fixup: u32,
    /// By the place in the table: the name of the function that calls it,
    names: Vec<&'a str>,
    /// and what the fixup imports to be put there.
    by: Vec<Import<'a>>,
}

impl<'a> Shim<'a> {
    /// The pair of instances through which a module's imports are called.
    fn of(parts: &Parts<'a>) -> Option<Shim<'a>> {
        let read = |instance| parts.module(parts.instantiated(instance)?);
        let mut instances = parts.instance_numbers();
        let (instance, slots) = instances.find_map(|one| Some((one, glue::shim(read(one)?)?)))?;
        parts.instance_numbers().find_map(|fixup| {
            let filled = glue::fixup(read(fixup)?)?;
            let table = parts.given_table(fixup, filled.table)?;
            let fits = table == (instance, slots.table) && filled.slots.len() == slots.names.len();
            fits.then(|| Shim { instance, fixup, names: slots.names.clone(), by: filled.slots })
        })
    }

    /// What a function of this name calls.
    fn filled_by(&self, name: &str) -> Option<Import<'a>> {
        let place = self.names.iter().position(|one| *one == name)?;
        self.by.get(place).copied()
    }
}

/// What a module imports, and the names of what it exports.
struct Outside<'a> {
    imports: Vec<Import<'a>>,
    exports: Vec<&'a str>,
}

impl<'a> Outside<'a> {
    fn of(module: &'a [u8]) -> Result<Outside<'a>> {
        let mut outside = Outside { imports: Vec::new(), exports: Vec::new() };
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        outside.imports.push((import.module, import.name));
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        outside.exports.push(export?.name);
                    }
                }
                _ => {}
            }
        }
        Ok(outside)
    }
}

/// The component with one of its modules hollowed out.
fn hollow_component(component: &[u8], module: u32) -> Result<Vec<u8>> {
    let mut hollow = Component::new();
    let mut modules = 0;
    for section in parts::sections(component) {
        let section = section?;
        if let Payload::ModuleSection { unchecked_range, .. } = &section {
            let bytes = &component[unchecked_range.clone()];
            let hollowed = if modules == module { hollow_module(bytes)? } else { bytes.into() };
            hollow.section(&RawSection { id: 1, data: &hollowed });
            modules += 1;
        } else if let Some((id, range)) = section.as_section() {
            hollow.section(&RawSection { id, data: &component[range] });
        }
    }
    Ok(hollow.finish())
}

/// A module of the same type in which no function does anything.
fn hollow_module(module: &[u8]) -> Result<Vec<u8>> {
    let mut hollow = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::CodeSectionStart { count, .. } => {
                let mut code = CodeSection::new();
                for _ in 0..count {
                    let mut body = Function::new([]);
                    body.instructions().unreachable().end();
                    code.function(&body);
                }
                hollow.section(&code);
            }
            Payload::CustomSection(_) | Payload::CodeSectionEntry(_) => {}
            payload => {
                if let Some((id, range)) = payload.as_section() {
                    hollow.section(&RawSection { id, data: &module[range] });
                }
            }
        }
    }
    Ok(hollow.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Abi, Metering, Settings};
    use crate::runtime::{compile, engine};

    /// A component as `wit-component` makes one of a filter that logs and wants to be
    /// initialized.
    const WRAPPING: &str = include_str!("../../../fuzz/seeds/plugins/wrapping");

    /// How a component is run, and whether the module in it was found.
    fn run_as(text: &str) -> (Abi, bool) {
        let engine = engine(Settings { metering: Metering::None, stack: 1 << 20 }).unwrap();
        let checked =
            compile(&engine, text.as_bytes()).unwrap_or_else(|why| panic!("{why}\n{text}"));
        (checked.abi, find(&wat::parse_str(text).unwrap()).is_some())
    }

    #[test]
    fn what_only_wraps_a_module_is_run_as_the_module() {
        assert_eq!(run_as(WRAPPING), (Abi::Core, true));
        // As `wit-component` does it since 0.259: the fixup is given the shim itself.
        let direct = WRAPPING
            .replace(r#"(import "" "$imports" (table"#, r#"(import "shim" "$imports" (table"#)
            .replace(r#"(export "$imports" (table $table)) (export "0""#, r#"(export "0""#)
            .replace(
                r#"$fixup (with "" (instance $fill))"#,
                r#"$fixup (with "" (instance $fill)) (with "shim" (instance $shim))"#,
            );
        assert_ne!(direct, WRAPPING);
        assert_eq!(run_as(&direct), (Abi::Core, true));
    }

    #[test]
    fn what_is_anything_more_is_run_as_a_component() {
        for (from, to) in [
            // Another function than the one of this name.
            (r#"$main "keep" (core"#, r#"$main "other" (core"#),
            // Two instances.
            (
                r#"(alias core export $main "keep""#,
                r#"(core instance (instantiate $shim)) (alias core export $main "keep""#,
            ),
            // A module beside it that does something.
            (
                r#"(alias core export $main "keep""#,
                r#"(core module $more (func $f) (start $f)) (core instance (instantiate $more))
                   (alias core export $main "keep""#,
            ),
            // Other ways to pass texts, and to clean up.
            ("string-encoding=utf8\n", "string-encoding=utf16\n"),
            ("(memory $memory) string-encoding=utf8)", "(memory $memory) string-encoding=utf16)"),
            ("\n    (post-return $post)", ""),
            (
                r#"(alias core export $main "cabi_realloc" (core func $realloc))"#,
                r#"(core module $room (func (export "cabi_realloc")
                     (param i32 i32 i32 i32) (result i32) (i32.const 2048)))
                   (core instance $room (instantiate $room))
                   (alias core export $room "cabi_realloc" (core func $realloc))"#,
            ),
            // Never initialized, or by something else.
            (r#"(core instance (instantiate $starter (with "" (instance $begin))))"#, ""),
            (r#"(export "" (func $initialize))"#, r#"(export "" (func $never))"#),
            // A shim that does not do exactly what it is for.
            (
                "(local.get 0) (local.get 1) (local.get 2) (i32.const 0))",
                "(local.get 0) (local.get 2) (local.get 1) (i32.const 0))",
            ),
            (
                "(type $write (func (param i32 i32 i32)))\n",
                "(type $write (func (param i32 i32 i32)))(global $g (mut i32) (i32.const 0))\n",
            ),
            (
                r#"(func (export "0") (param i32 i32 i32)"#,
                r#"(func (export "0") (param i32 i32 i32) (local i32)"#,
            ),
            // A fixup that fills another place, or more than the table.
            (
                "(elem (i32.const 0) func $0))",
                "(elem (i32.const 0) func $0) (elem (i32.const 0) func $0))",
            ),
            ("(elem (i32.const 0) func $0))", "(func $f) (start $f) (elem (i32.const 0) func $0))"),
            // The table of another shim.
            (
                r#"(alias core export $shim "$imports" (core table $table))"#,
                r#"(core instance $shim2 (instantiate $shim))
                   (alias core export $shim2 "$imports" (core table $table))"#,
            ),
        ] {
            assert_eq!(WRAPPING.matches(from).count(), 1, "{from}");
            let mut text = WRAPPING.replace(from, to);
            if to.contains("$never") {
                let begin = "(core instance $begin";
                let never = r#"(core module $idle (func (export "idle")))
                    (core instance $idle (instantiate $idle))
                    (alias core export $idle "idle" (core func $never))"#;
                text = text.replace(begin, &format!("{never}\n{begin}"));
            }
            assert_eq!(run_as(&text), (Abi::Component, false), "{from}");
        }
    }

    #[test]
    fn a_module_that_asks_for_one_thing_and_is_given_another_is_not_taken_out() {
        // What it calls `debug` is `write`.
        let text = WRAPPING
            .replace(r#"(import "host:plugin/log@0.1.0" "write""#, r#"(import "log" "debug""#)
            .replace(r#"(export "write" (func $shimmed))"#, r#"(export "debug" (func $shimmed))"#)
            .replace(r#"(with "host:plugin/log@0.1.0""#, r#"(with "log""#);
        assert_eq!(run_as(&text), (Abi::Component, false));
    }

    #[test]
    fn a_module_with_another_operation_than_its_component_is_not_taken_out() {
        // The module has two, of which the component has one.
        let text = WRAPPING.replace(r#"(export "other")"#, r#"(export "apply")"#);
        assert_eq!(run_as(&text), (Abi::Component, true));
    }

    #[test]
    fn a_damaged_component_is_refused_though_its_module_is_whole() {
        let engine = engine(Settings { metering: Metering::None, stack: 1 << 20 }).unwrap();
        let wrong = WRAPPING.replace("result bool", "result u32");
        let why = compile(&engine, wrong.as_bytes()).err().unwrap();
        assert!(why.contains("another type than"), "{why}");
        let module =
            WRAPPING.replace("(result i32) (i32.const 16)))", "(result i32) (i64.const 16)))");
        let why = compile(&engine, module.as_bytes()).err().unwrap();
        assert!(why.contains("damaged"), "{why}");
    }

    #[test]
    fn nothing_is_found_in_what_is_cut_off() {
        let whole = wat::parse_str(WRAPPING).unwrap();
        for end in 0..whole.len() {
            let _ = find(&whole[..end]);
        }
        assert!(find(b"").is_none());
    }
}
