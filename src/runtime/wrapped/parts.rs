//! What a component consists of, as far as it can consist of that and wrap one module.

use wasmparser::{
    CanonicalFunction, CanonicalOption, ComponentAlias, ComponentExternalKind, ComponentTypeRef,
    Encoding, Export, ExternalKind, Instance, Parser, Payload, Result,
};

use super::glue::Import;

/// A component's index spaces.
#[derive(Default)]
pub(super) struct Parts<'a> {
    modules: Vec<&'a [u8]>,
    pub instances: Vec<Instance<'a>>,
    core_functions: Vec<CoreFunction<'a>>,
    /// Each by the instance that exports it, and its name there.
    pub memories: Vec<(u32, &'a str)>,
    tables: Vec<(u32, &'a str)>,
    functions: Vec<Function<'a>>,
    /// The instances that are imported, by name.
    interfaces: Vec<&'a str>,
    /// The functions that are exported.
    pub exports: Vec<(&'a str, u32)>,
}

/// A core function of a component.
#[derive(Clone)]
pub(super) enum CoreFunction<'a> {
    /// What an instance exports.
    Export { instance: u32, name: &'a str },
    /// A function of the component, made into one that a module can call.
    Lowered { function: u32, options: Box<[CanonicalOption]> },
}

/// A function of a component.
#[derive(Clone)]
pub(super) enum Function<'a> {
    Imported {
        interface: &'a str,
        name: &'a str,
    },
    /// A module's function, made into one of the component.
    Lifted {
        core: u32,
        options: Box<[CanonicalOption]>,
    },
}

/// Reads a component; nothing if it has what none that wraps a module has, or is damaged.
pub(super) fn read(component: &[u8]) -> Option<Parts<'_>> {
    let mut parts = Parts::default();
    for section in sections(component) {
        match section.ok()? {
            Payload::ModuleSection { unchecked_range, .. } => {
                parts.modules.push(component.get(unchecked_range)?);
            }
            section => parts.add(section)?,
        }
    }
    Some(parts)
}

/// The sections of a component itself, and none of those of the modules in it.
pub(super) fn sections(component: &[u8]) -> impl Iterator<Item = Result<Payload<'_>>> {
    let mut nested = false;
    Parser::new(0).parse_all(component).filter(move |payload| match payload {
        Ok(Payload::ModuleSection { .. }) => {
            nested = true;
            true
        }
        Ok(Payload::End(_)) => {
            nested = false;
            false
        }
        _ => !nested,
    })
}

impl<'a> Parts<'a> {
    fn add(&mut self, payload: Payload<'a>) -> Option<()> {
        match payload {
            Payload::Version { encoding: Encoding::Component, .. }
            | Payload::CustomSection(_)
            | Payload::CoreTypeSection(_)
            | Payload::ComponentTypeSection(_) => {}
            Payload::InstanceSection(section) => {
                for instance in section {
                    self.instances.push(instance.ok()?);
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import.ok()?;
                    match import.ty {
                        ComponentTypeRef::Instance(_) => self.interfaces.push(import.name.name),
                        ComponentTypeRef::Type(_) => {}
                        _ => return None,
                    }
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section {
                    self.add_alias(alias.ok()?)?;
                }
            }
            Payload::ComponentCanonicalSection(section) => {
                for function in section {
                    self.add_canonical(function.ok()?)?;
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let export = export.ok()?;
                    match export.kind {
                        // An export is one more function that others can name.
                        ComponentExternalKind::Func => {
                            self.exports.push((export.name.name, export.index));
                            self.functions.push(self.function(export.index)?.clone());
                        }
                        ComponentExternalKind::Type => {}
                        _ => return None,
                    }
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn add_alias(&mut self, alias: ComponentAlias<'a>) -> Option<()> {
        match alias {
            ComponentAlias::CoreInstanceExport { kind, instance_index: instance, name } => {
                match kind {
                    ExternalKind::Func => {
                        self.core_functions.push(CoreFunction::Export { instance, name });
                    }
                    ExternalKind::Memory => self.memories.push((instance, name)),
                    ExternalKind::Table => self.tables.push((instance, name)),
                    _ => return None,
                }
            }
            ComponentAlias::InstanceExport { kind, instance_index, name } => match kind {
                ComponentExternalKind::Func => {
                    let interface = self.interfaces.get(instance_index as usize)?;
                    self.functions.push(Function::Imported { interface, name });
                }
                ComponentExternalKind::Type => {}
                _ => return None,
            },
            ComponentAlias::Outer { .. } => return None,
        }
        Some(())
    }

    fn add_canonical(&mut self, function: CanonicalFunction) -> Option<()> {
        match function {
            CanonicalFunction::Lift { core_func_index: core, options, .. } => {
                self.functions.push(Function::Lifted { core, options });
            }
            CanonicalFunction::Lower { func_index: function, options } => {
                self.core_functions.push(CoreFunction::Lowered { function, options });
            }
            _ => return None,
        }
        Some(())
    }

    /// The numbers of all core instances.
    pub fn instance_numbers(&self) -> impl Iterator<Item = u32> + use<> {
        0..u32::try_from(self.instances.len()).unwrap_or(u32::MAX)
    }

    pub fn module(&self, index: u32) -> Option<&'a [u8]> {
        self.modules.get(index as usize).copied()
    }

    pub fn function(&self, index: u32) -> Option<&Function<'a>> {
        self.functions.get(index as usize)
    }

    pub fn core_function(&self, index: u32) -> Option<&CoreFunction<'a>> {
        self.core_functions.get(index as usize)
    }

    /// The module that an instance is one of.
    pub fn instantiated(&self, instance: u32) -> Option<u32> {
        match self.instances.get(instance as usize)? {
            Instance::Instantiate { module_index, .. } => Some(*module_index),
            Instance::FromExports(_) => None,
        }
    }

    /// The function that an instance was given for an import.
    pub fn given_function(&self, instance: u32, import: Import<'a>) -> Option<CoreFunction<'a>> {
        let name = import.1;
        Some(match self.given(instance, import.0)? {
            (instance, Instance::Instantiate { .. }) => CoreFunction::Export { instance, name },
            (_, Instance::FromExports(exports)) => {
                self.core_function(find(exports, ExternalKind::Func, name)?)?.clone()
            }
        })
    }

    /// The table that an instance was given for an import: by the instance that exports it,
    /// and its name there.
    pub fn given_table(&self, instance: u32, import: Import<'a>) -> Option<(u32, &'a str)> {
        let name = import.1;
        match self.given(instance, import.0)? {
            (instance, Instance::Instantiate { .. }) => Some((instance, name)),
            (_, Instance::FromExports(exports)) => {
                self.tables.get(find(exports, ExternalKind::Table, name)? as usize).copied()
            }
        }
    }

    /// What an instance was given to import from under a name.
    fn given(&self, instance: u32, name: &str) -> Option<(u32, &Instance<'a>)> {
        let Instance::Instantiate { args, .. } = self.instances.get(instance as usize)? else {
            return None;
        };
        let index = args.iter().find(|argument| argument.name == name)?.index;
        Some((index, self.instances.get(index as usize)?))
    }
}

fn find(exports: &[Export<'_>], kind: ExternalKind, name: &str) -> Option<u32> {
    exports.iter().find(|export| (export.kind, export.name) == (kind, name)).map(|one| one.index)
}
