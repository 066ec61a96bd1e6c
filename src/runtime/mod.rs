//! Running plugins: the only user of wasmtime. Two ways to call a plugin (a core
//! module under the canonical ABI, a component) stand behind one interface, and the
//! supervisor's process runs neither.

mod check;
mod component;
mod core_module;
mod guest;

use wasmtime::{Config, Trap};

use crate::error::FailureKind;
use crate::protocol::Abi;

pub(crate) use check::compile;
pub(crate) use guest::Guest;
pub(crate) use wasmtime::{Engine, Error};

/// The interface through which plugins log, as modules and components import it.
const LOG: &str = "host:plugin/log@0.1.0";
/// Its one function.
const LOG_WRITE: &str = "write";
/// The function that a filter exports.
const KEEP: &str = "keep";

/// What a filter says about a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Keep,
    Drop,
    /// It cannot be judged; the plugin's words.
    Reject(String),
}

/// The plugin stopped in the middle of a call. Its instance is of no further use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Trapped {
    /// [`FailureKind::Trap`] or [`FailureKind::Memory`].
    pub kind: FailureKind,
    /// What happened, in wasmtime's words.
    pub text: String,
}

/// A live instance of a filter.
pub(crate) trait Filter {
    /// Asks about one record.
    fn keep(&mut self, record: &str) -> Result<Verdict, Trapped>;
    /// What the plugin left behind besides its answer.
    fn guest(&mut self) -> &mut Guest;
}

/// A compiled plugin, loaded and ready to be instantiated.
pub(crate) enum Loaded {
    Core(core_module::Plugin),
    Component(component::Plugin),
}

impl Loaded {
    /// Loads what [`compile`] made; an instance may use `memory` bytes.
    ///
    /// `artifact` is native code: whoever calls this runs it.
    pub fn load(
        engine: &Engine,
        abi: Abi,
        artifact: &[u8],
        memory: u64,
    ) -> wasmtime::Result<Loaded> {
        Ok(match abi {
            Abi::Core => Loaded::Core(core_module::Plugin::load(engine, artifact, memory)?),
            Abi::Component => Loaded::Component(component::Plugin::load(engine, artifact, memory)?),
        })
    }

    /// Makes a fresh instance; the plugin's start function runs.
    pub fn instantiate(&self) -> Result<Box<dyn Filter>, Trapped> {
        Ok(match self {
            Loaded::Core(plugin) => Box::new(plugin.instantiate()?),
            Loaded::Component(plugin) => Box::new(plugin.instantiate()?),
        })
    }
}

/// The engine of workers and compile workers: both must use the same settings, or
/// what one compiles the other refuses to load.
pub(crate) fn engine() -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    // A plugin's answers must not depend on the processor's choice of NaN bits.
    config.cranelift_nan_canonicalization(true);
    Engine::new(&config)
}

/// Puts an error of a call into words and tells memory from other reasons.
fn trapped(error: &Error, guest: &Guest) -> Trapped {
    let kind = if guest.was_refused_memory() { FailureKind::Memory } else { FailureKind::Trap };
    let text = match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    Trapped { kind, text }
}
