//! Running plugins: the only user of wasmtime. Two ways to call a plugin (a core
//! module under the canonical ABI, a component) stand behind one interface, and the
//! supervisor's process runs neither.

mod check;
mod component;
mod core_module;
mod guest;
mod made;
mod operation;

use std::sync::Arc;

use wasmtime::{Config, Trap};

use crate::error::FailureKind;
use crate::protocol::{Abi, MAX_LOG_OF_RECORD, Operation, Setup, Start};

pub(crate) use check::{Checked, compile};
pub(crate) use guest::Guest;
use guest::Params;
pub(crate) use made::{Made, TooMuch};
pub(crate) use wasmtime::{Engine, Error};

/// The interface through which plugins log, as modules and components import it.
const LOG: &str = "host:plugin/log@0.1.0";
/// Its one function.
const LOG_WRITE: &str = "write";
/// The interface through which plugins ask for parameters.
const PARAMS: &str = "host:plugin/params@0.1.0";
/// Its one function.
const PARAMS_GET: &str = "get";

/// What a plugin says about a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It stays as it is.
    Keep,
    Drop,
    /// What was [`Made`] of it takes its place.
    Replace,
    /// It cannot be judged; the plugin's words.
    Reject(String),
}

/// The plugin stopped in the middle of a call. Its instance is of no further use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Trapped {
    /// [`FailureKind::Trap`], [`FailureKind::Memory`] or [`FailureKind::Output`].
    pub kind: FailureKind,
    /// What happened, in wasmtime's words.
    pub text: String,
}

/// A live instance of a plugin that sees one record at a time.
pub(crate) trait Instance {
    /// Asks about one record. `made` is empty before, and holds what was made of it
    /// after [`Verdict::Replace`].
    fn call(&mut self, record: &str, made: &mut Made) -> Result<Verdict, Trapped>;
    /// What the plugin left behind besides its answer.
    fn guest(&mut self) -> &mut Guest;
}

/// What holds for every instance of a plugin.
#[derive(Clone, Debug)]
struct Terms {
    operation: Operation,
    /// What an instance may use, in bytes.
    memory: u64,
    /// What it may make of one record, in bytes.
    max_output: u64,
    /// What it may log of one record, in bytes.
    max_log: usize,
    params: Params,
}

/// A compiled plugin, loaded and ready to be instantiated.
pub(crate) enum Loaded {
    Core(core_module::Plugin),
    Component(component::Plugin),
}

impl Loaded {
    /// Loads what [`compile`] made.
    ///
    /// `plugins` is how many there are in the chain: they share what a record may log.
    /// `artifact` is native code: whoever calls this runs it.
    pub fn load(
        engine: &Engine,
        setup: &Setup,
        start: &Start,
        plugins: usize,
        artifact: &[u8],
    ) -> wasmtime::Result<Loaded> {
        let terms = Terms {
            operation: setup.operation,
            memory: start.memory,
            max_output: start.max_output,
            max_log: MAX_LOG_OF_RECORD / plugins.max(1),
            params: Arc::new(setup.params.clone()),
        };
        Ok(match setup.abi {
            Abi::Core => Loaded::Core(core_module::Plugin::load(engine, artifact, terms)?),
            Abi::Component => Loaded::Component(component::Plugin::load(engine, artifact, terms)?),
        })
    }

    /// Makes a fresh instance; the plugin's start function runs.
    pub fn instantiate(&self) -> Result<Box<dyn Instance>, Trapped> {
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
    let kind = match error.downcast_ref::<TooMuch>() {
        Some(_) => FailureKind::Output,
        None if guest.was_refused_memory() => FailureKind::Memory,
        None => FailureKind::Trap,
    };
    let text = match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    Trapped { kind, text }
}
