//! What is seen of a plugin without running it.

use serde::{Deserialize, Serialize};

/// What a plugin's file holds.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Description {
    /// What kind of WebAssembly it is.
    pub kind: PluginKind,
    /// What it imports: from where, and under which name; of a component each interface.
    pub imports: Vec<(String, String)>,
    /// What it exports, by name; of a module only functions and memories.
    pub exports: Vec<String>,
    /// How many imports and exports there are beyond those that are named.
    pub more: u64,
    /// Whether its functions have names, which backtraces then show.
    pub names: bool,
    /// Whether it knows the files and lines that its code was made of.
    pub lines: bool,
}

/// Kinds of WebAssembly.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PluginKind {
    /// A core module.
    #[default]
    Module,
    /// A component.
    Component,
    /// A component that only wraps one module, which is run as that module.
    WrappedModule,
}

/// What a compile worker reports where it was asked to describe a plugin.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Described {
    /// Why it cannot be run.
    pub refused: Option<String>,
    /// `None` if it is no WebAssembly at all.
    pub description: Option<Description>,
}
