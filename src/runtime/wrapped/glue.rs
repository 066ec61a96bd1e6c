//! The small modules with which a component ties its module to what that imports.
//!
//! A function can only be lowered for a module once its memory is there, and the module can
//! only be made once it has its imports. So it is given a *shim*, whose functions call what
//! stands in a table; a *fixup* fills that table in the end. A *starter* has the module
//! initialized when all that is done.

use wasmparser::{
    ElementItems, ElementKind, ExternalKind, FunctionBody, Operator, Parser, Payload, TypeRef,
};

/// What a shim exports.
pub(super) struct Slots<'a> {
    pub table: &'a str,
    /// The function that calls what stands at each place of the table.
    pub names: Vec<&'a str>,
}

/// Reads a shim; nothing if the module is anything else.
pub(super) fn shim(module: &[u8]) -> Option<Slots<'_>> {
    let mut table = None;
    let mut functions: Vec<(u32, &str)> = Vec::new();
    let mut places = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload.ok()? {
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export.ok()?;
                    match export.kind {
                        ExternalKind::Func => functions.push((export.index, export.name)),
                        ExternalKind::Table => table = Some(export.name),
                        _ => return None,
                    }
                }
            }
            Payload::CodeSectionEntry(body) => places.push(called_place(&body)?),
            Payload::TableSection(section) if section.count() == 1 => {}
            Payload::Version { .. }
            | Payload::TypeSection(_)
            | Payload::FunctionSection(_)
            | Payload::CodeSectionStart { .. }
            | Payload::CustomSection(_)
            | Payload::End(_) => {}
            _ => return None,
        }
    }
    // Function by function, place by place.
    let in_order = (0..).zip(&places).all(|(index, &place): (u32, _)| place == index);
    let named = (0..).zip(&functions).all(|(index, &(function, _)): (u32, _)| function == index);
    let names: Vec<&str> = functions.into_iter().map(|(_, name)| name).collect();
    (in_order && named && names.len() == places.len()).then_some(Slots { table: table?, names })
}

/// The place in the table that a function calls with its own parameters.
fn called_place(body: &FunctionBody<'_>) -> Option<u32> {
    if body.get_locals_reader().ok()?.get_count() != 0 {
        return None;
    }
    let mut operators = body.get_operators_reader().ok()?.into_iter();
    let mut given = 0;
    let place = loop {
        match operators.next()?.ok()? {
            Operator::LocalGet { local_index } if local_index == given => given += 1,
            Operator::I32Const { value } => break u32::try_from(value).ok()?,
            _ => return None,
        }
    };
    let is_call = matches!(operators.next()?.ok()?, Operator::CallIndirect { table_index: 0, .. });
    let ends = matches!(operators.next()?.ok()?, Operator::End) && operators.next().is_none();
    (is_call && ends).then_some(place)
}

/// What a module imports, by the names of whom it is from and of itself.
pub(super) type Import<'a> = (&'a str, &'a str);

/// What a fixup imports.
pub(super) struct Filled<'a> {
    pub table: Import<'a>,
    /// What it puts at each place of the table.
    pub slots: Vec<Import<'a>>,
}

/// Reads a fixup; nothing if the module is anything else.
pub(super) fn fixup(module: &[u8]) -> Option<Filled<'_>> {
    let mut table = None;
    let mut functions: Vec<Import<'_>> = Vec::new();
    let mut filled = false;
    for payload in Parser::new(0).parse_all(module) {
        match payload.ok()? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.ok()?;
                    let name = (import.module, import.name);
                    match import.ty {
                        TypeRef::Func(_) => functions.push(name),
                        TypeRef::Table(_) if table.is_none() => table = Some(name),
                        _ => return None,
                    }
                }
            }
            Payload::ElementSection(section) if section.count() == 1 => {
                let segment = section.into_iter().next()?.ok()?;
                filled = fills_in_order(segment.kind, segment.items, functions.len())?;
            }
            Payload::Version { .. }
            | Payload::TypeSection(_)
            | Payload::CustomSection(_)
            | Payload::End(_) => {}
            _ => return None,
        }
    }
    filled.then_some(Filled { table: table?, slots: functions })
}

/// Whether a segment puts so many functions, in their order, at the beginning of the table.
fn fills_in_order(kind: ElementKind<'_>, items: ElementItems<'_>, count: usize) -> Option<bool> {
    let ElementKind::Active { table_index: None | Some(0), offset_expr } = kind else {
        return None;
    };
    let mut offset = offset_expr.get_operators_reader().into_iter();
    let at_start = matches!(offset.next()?.ok()?, Operator::I32Const { value: 0 })
        && matches!(offset.next()?.ok()?, Operator::End);
    let ElementItems::Functions(items) = items else {
        return None;
    };
    let items: Vec<u32> = items.into_iter().collect::<Result<_, _>>().ok()?;
    let in_order = (0..).zip(&items).all(|(place, &function): (u32, _)| function == place);
    Some(at_start && in_order && items.len() == count)
}

/// Reads a starter: the function that it imports, which is all that it calls. Nothing if the
/// module is anything else.
pub(super) fn starter(module: &[u8]) -> Option<Import<'_>> {
    let mut imported = None;
    let mut starts = false;
    for payload in Parser::new(0).parse_all(module) {
        match payload.ok()? {
            Payload::ImportSection(section) if section.count() == 1 => {
                let import = section.into_imports().next()?.ok()?;
                imported =
                    matches!(import.ty, TypeRef::Func(_)).then_some((import.module, import.name));
            }
            Payload::StartSection { func: 0, .. } => starts = true,
            Payload::Version { .. }
            | Payload::TypeSection(_)
            | Payload::CustomSection(_)
            | Payload::End(_) => {}
            _ => return None,
        }
    }
    imported.filter(|_| starts)
}
