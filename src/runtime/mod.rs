//! Running plugins: the only user of wasmtime. Two ways to call a plugin (a core
//! module under the canonical ABI, a component) stand behind one interface, and the
//! supervisor's process runs neither.

mod backtrace;
mod check;
mod command;
mod component;
mod component_imports;
mod core_imports;
mod core_module;
mod describe;
mod driver;
mod guest;
mod imports;
mod made;
mod operation;
#[cfg(test)]
mod reference;
mod samples;
mod wasi;
mod wrapped;

use std::hash::{Hash as _, Hasher};
use std::sync::Arc;

use wasmtime::{Config, Trap, WasmBacktraceDetails};

use crate::error::FailureKind;
use crate::protocol::{
    Abi, MAX_LOG_OF_RECORD, Metering, Operation, Settings, Setup, Setups, Start, Surroundings,
};

use backtrace::backtrace;
#[cfg(any(test, fuzzing))]
pub(crate) use check::fuzz as fuzz_plugins;
pub(crate) use check::{Checked, compile};
pub(crate) use command::{Command, Process};
pub(crate) use describe::describe;
pub(crate) use guest::Guest;
use imports::Params;
pub(crate) use imports::{Bytes, Data};
pub(crate) use made::{Made, TooMuch};
pub(crate) use samples::Samples;
pub(crate) use wasmtime::{Engine, Error};

/// What a plugin says about a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It stays as it is.
    Keep,
    Drop,
    /// What was [`Made`] of it takes its place.
    Replace,
    /// It is part of the state now.
    Folded,
    /// It cannot be judged; the plugin's words.
    Reject(String),
}

/// What a plugin answers, or the reason that it gives for not answering.
pub(crate) type Answer<T> = Result<T, String>;

/// What a reduce has folded records into. Its layout is the plugin's own.
pub(crate) type State = Vec<u8>;

/// The plugin stopped in the middle of a call. Its instance is of no further use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Trapped {
    /// [`FailureKind::Trap`], [`FailureKind::Memory`] or [`FailureKind::Output`].
    pub kind: FailureKind,
    /// What happened, in wasmtime's words.
    pub text: String,
    /// Where it was, a line for each function, the innermost first; empty if that is not
    /// known.
    pub backtrace: String,
}

impl Trapped {
    /// What happened, where no record can be blamed, with the limit that it was.
    pub fn without_record(self) -> String {
        match self.kind {
            FailureKind::Memory => format!("it wants more than --memory allows: {}", self.text),
            _ => self.text,
        }
    }
}

/// A live instance of a plugin. What its operation does not have traps.
pub(crate) trait Instance {
    /// Asks about one record. `next` is the length in bytes of the one that it will be asked
    /// about after that, where that is known, or 0: room for it can be made on the way.
    /// `made` is empty before, and holds what was made of the record after
    /// [`Verdict::Replace`].
    fn call(&mut self, record: &str, next: usize, made: &mut Made) -> Result<Verdict, Trapped>;
    /// Asks a batch about many. `made` is empty before, and holds what was made of all of
    /// them after; the answers say how many texts belong to each.
    fn call_many(
        &mut self,
        records: &[&str],
        made: &mut Made,
    ) -> Result<Vec<Answer<usize>>, Trapped>;
    /// Takes the state of what a reduce has folded since the last time.
    fn take(&mut self) -> Result<State, Trapped>;
    /// Has a reduce merge two states.
    fn merge(&mut self, left: &[u8], right: &[u8]) -> Result<Answer<State>, Trapped>;
    /// Has a reduce make records of a state; gives how many went to `made`.
    fn finish(&mut self, state: &[u8], made: &mut Made) -> Result<Answer<usize>, Trapped>;
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
    /// What it may fold records into, in bytes.
    max_state: u64,
    /// Core modules that it may consist of; as many memories and tables.
    max_instances: u64,
    /// Modules of this program's own that are linked to it.
    own_instances: u64,
    /// What it may execute for one record, in wasmtime's units.
    fuel: Option<u64>,
    /// What it may log of one record, in bytes.
    max_log: usize,
    params: Params,
    data: Data,
    surroundings: Surroundings,
    /// Where it is noted in which functions it is, if that is wanted.
    samples: Option<Samples>,
}

/// What all plugins of a job have in common.
#[derive(Copy, Clone)]
pub(crate) struct Common<'a> {
    pub start: &'a Start,
    pub setups: &'a Setups,
    pub data: &'a Data,
    pub samples: Option<&'a Samples>,
}

/// A compiled plugin, loaded and ready to be instantiated.
pub(crate) enum Plugin {
    Records(RecordPlugin),
    Command(Command),
}

/// One that is asked about records.
pub(crate) enum RecordPlugin {
    Core(core_module::Plugin),
    Component(component::Plugin),
}

impl Plugin {
    /// Loads what [`compile`] made.
    ///
    /// `setup` is its own among all, which share what a record may log. `artifact` is
    /// native code: whoever calls this runs it.
    pub fn load(
        engine: &Engine,
        setup: &Setup,
        Common { start, setups, data, samples }: Common<'_>,
        artifact: &[u8],
    ) -> wasmtime::Result<Plugin> {
        let terms = Terms {
            operation: setup.operation,
            memory: start.memory,
            max_output: start.max_output,
            max_state: start.max_state,
            max_instances: start.max_instances,
            own_instances: 0,
            fuel: start.fuel,
            max_log: MAX_LOG_OF_RECORD / setups.plugins.len().max(1),
            params: Arc::new(setup.params.clone()),
            data: data.clone(),
            surroundings: setups.surroundings,
            samples: samples.cloned(),
        };
        if setup.operation == Operation::Command {
            let command = Command::load(engine, setup.abi, artifact, &setups.arguments, terms);
            return command.map(Plugin::Command);
        }
        Ok(Plugin::Records(match setup.abi {
            Abi::Core => RecordPlugin::Core(core_module::Plugin::load(engine, artifact, terms)?),
            Abi::Component => {
                RecordPlugin::Component(component::Plugin::load(engine, artifact, terms)?)
            }
        }))
    }

    /// Whether it sees time, randomness and the rest of the world through WASI: then it has to
    /// be told where each record begins ([`Guest::begin_record`]).
    pub fn uses_wasi(&self) -> bool {
        match self {
            Plugin::Records(RecordPlugin::Core(plugin)) => plugin.uses_wasi,
            Plugin::Records(RecordPlugin::Component(plugin)) => plugin.uses_wasi,
            Plugin::Command(_) => true,
        }
    }
}

impl RecordPlugin {
    /// Makes a fresh instance; the plugin's start function runs.
    pub fn instantiate(&self) -> Result<Box<dyn Instance>, Trapped> {
        Ok(match self {
            RecordPlugin::Core(plugin) => Box::new(plugin.instantiate()?),
            RecordPlugin::Component(plugin) => Box::new(plugin.instantiate()?),
        })
    }
}

/// The engine of workers and compile workers: both must use the same settings, or
/// what one compiles the other refuses to load.
pub(crate) fn engine(settings: Settings) -> wasmtime::Result<Engine> {
    Engine::new(&config(settings))
}

fn config(settings: Settings) -> Config {
    let mut config = Config::new();
    config.consume_fuel(settings.metering == Metering::Fuel);
    config.epoch_interruption(settings.metering == Metering::Ticks);
    let stack = usize::try_from(settings.stack).unwrap_or(usize::MAX);
    config.max_wasm_stack(stack);
    // Nothing here is asynchronous, but wasmtime wants such stacks to be no smaller.
    config.async_stack_size(stack.saturating_add(1 << 20));
    // A plugin's answers must not depend on the processor's choice of NaN bits.
    config.cranelift_nan_canonicalization(true);
    // Debug information goes into what is compiled, so that a backtrace can name lines.
    config.wasm_backtrace_details(WasmBacktraceDetails::Enable);
    config
}

/// Starts the timer of this process by which it is found out where plugins are, if that is
/// wanted.
pub(crate) fn tick(engine: &Engine, settings: Settings) -> std::io::Result<()> {
    if settings.metering == Metering::Ticks { samples::tick(engine) } else { Ok(()) }
}

/// Hashes what decides whether a compiled plugin can be loaded: wasmtime's version, the
/// settings of [`engine`], the processor.
pub(crate) fn hash_settings(settings: Settings, hasher: &mut impl Hasher) -> wasmtime::Result<()> {
    let mut config = config(settings);
    // The only difference: this engine takes over no signals, because the process that asks
    // runs no plugin.
    config.signals_based_traps(false);
    Engine::new(&config)?.precompile_compatibility_hash().hash(hasher);
    Ok(())
}

/// A state that a plugin has given, if it is not too large.
fn state(bytes: impl Into<State> + AsRef<[u8]>, max_state: u64) -> wasmtime::Result<State> {
    let length = bytes.as_ref().len() as u64;
    if length > max_state {
        return Err(Error::msg(format!(
            "its state has {length} bytes, more than --max-state allows"
        )));
    }
    Ok(bytes.into())
}

/// What a batch has answered, if there is one answer for each record.
fn one_for_each<T>(records: &[&str], answers: Vec<T>) -> wasmtime::Result<Vec<T>> {
    if answers.len() != records.len() {
        return Err(Error::msg(format!(
            "`process` returned {} outcomes for {} records",
            answers.len(),
            records.len()
        )));
    }
    Ok(answers)
}

/// What wasmtime says when an instance would consist of too much.
const TOO_MANY: &str = "resource limit exceeded";

/// Puts an error of a call into words and tells memory from other reasons.
fn trapped(error: &Error, guest: &Guest) -> Trapped {
    let trap = error.downcast_ref::<Trap>();
    let kind = match error.downcast_ref::<TooMuch>() {
        Some(_) => FailureKind::Output,
        None if trap == Some(&Trap::OutOfFuel) => FailureKind::Fuel,
        None if guest.was_refused_memory() => FailureKind::Memory,
        None => FailureKind::Trap,
    };
    let text = match trap {
        Some(Trap::StackOverflow) => "its calls need more than --stack allows".to_owned(),
        Some(Trap::OutOfFuel) => "it executes more than --fuel allows".to_owned(),
        Some(trap) => trap.to_string(),
        None => match error.root_cause().to_string() {
            text if text.starts_with(TOO_MANY) => {
                format!("it consists of more than --max-instances allows ({text})")
            }
            text => text,
        },
    };
    Trapped { kind, text, backtrace: backtrace(error) }
}
