//! Looking into a plugin: what it is, imports and exports.

use wasmparser::{ExternalKind, Parser, Payload};

use super::check::binary;
use super::wrapped;
use crate::description::{Description, PluginKind};
use crate::protocol::cut_text;

/// How many imports and how many exports are named.
const NAMED: usize = 500;
/// How much of a name is told, in bytes.
const NAME: usize = 200;

/// What a plugin's file holds, as far as it can be read; nothing if it is no WebAssembly.
pub(crate) fn describe(plugin: &[u8]) -> Option<Description> {
    let binary = binary(plugin).ok()?;
    let mut seen = Description::default();
    if Parser::is_component(&binary) {
        seen.kind = match wrapped::find(&binary) {
            Some(_) => PluginKind::WrappedModule,
            None => PluginKind::Component,
        };
    }
    // How deep in modules and components of a component the parser is.
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(&binary) {
        // What comes before damage is told.
        let Ok(payload) = payload else { break };
        match payload {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            // Wherever it stands, it is for backtraces.
            Payload::CustomSection(section) => match section.name() {
                "name" => seen.names = true,
                ".debug_line" => seen.lines = true,
                _ => {}
            },
            payload if depth == 1 => seen.add(payload),
            _ => {}
        }
    }
    Some(seen)
}

impl Description {
    fn add(&mut self, payload: Payload<'_>) {
        match payload {
            Payload::ImportSection(section) => {
                for import in section.into_imports().flatten() {
                    self.import(import.module, import.name);
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section.into_iter().flatten() {
                    self.import(import.name.name, "");
                }
            }
            Payload::ExportSection(section) => {
                for export in section.into_iter().flatten() {
                    if matches!(export.kind, ExternalKind::Func | ExternalKind::Memory) {
                        self.export(export.name);
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section.into_iter().flatten() {
                    self.export(export.name.name);
                }
            }
            _ => {}
        }
    }

    fn import(&mut self, from: &str, name: &str) {
        match self.imports.len() < NAMED {
            true => self.imports.push((cut_text(from, NAME).into(), cut_text(name, NAME).into())),
            false => self.more += 1,
        }
    }

    fn export(&mut self, name: &str) {
        match self.exports.len() < NAMED {
            true => self.exports.push(cut_text(name, NAME).into()),
            false => self.more += 1,
        }
    }
}
