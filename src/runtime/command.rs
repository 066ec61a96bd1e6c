//! A WASI command: a program that reads records as lines from standard input and prints
//! lines. Every run is one of a fresh instance, of a module with preview 1 or of a component
//! with WASI 0.2.

use std::sync::Arc;

use wasmtime::component::{self as wasmtime_component, ComponentExportIndex};
use wasmtime::{Engine, Error, InstancePre, Result, Store, TypedFunc};

use super::guest::{self, refuel};
use super::operation::Call;
use super::wasi::{Exit, Terminal, preview2};
use super::{
    Guest, Terms, Trapped, component, component_imports, core_imports, core_module, trapped,
};
use crate::protocol::{Abi, Operation};

/// A loaded command.
pub(crate) struct Command {
    program: Program,
    arguments: Arc<[String]>,
    environment: Arc<[String]>,
    terms: Terms,
}

impl Command {
    /// Loads a compiled one. `arguments` begin with its own name.
    pub(super) fn load(
        engine: &Engine,
        abi: Abi,
        artifact: &[u8],
        arguments: &[String],
        terms: Terms,
    ) -> Result<Command> {
        let params = terms.params.iter();
        Ok(Command {
            program: Program::load(engine, abi, artifact)?,
            arguments: arguments.into(),
            environment: params.map(|(name, value)| format!("{name}={value}")).collect(),
            terms,
        })
    }

    /// Makes an instance, for one run.
    pub fn instantiate(&self) -> std::result::Result<Process, Trapped> {
        let mut store = self.program.store(&self.terms);
        match refuel(&mut store).and_then(|()| self.program.instantiate(&mut store)) {
            Ok(start) => Ok(Process {
                store,
                start,
                arguments: Arc::clone(&self.arguments),
                environment: Arc::clone(&self.environment),
            }),
            Err(error) => Err(trapped(&error, store.data())),
        }
    }
}

/// What a command is, prepared to be instantiated.
enum Program {
    Module(InstancePre<Guest>),
    Component {
        prepared: wasmtime_component::InstancePre<Guest>,
        /// The function that it exports.
        run: ComponentExportIndex,
    },
}

impl Program {
    fn load(engine: &Engine, abi: Abi, artifact: &[u8]) -> Result<Program> {
        match abi {
            Abi::Core => {
                let (module, _) = core_module::load(engine, artifact)?;
                let linker = core_imports::linker(engine, &module)?;
                Ok(Program::Module(linker.instantiate_pre(&module)?))
            }
            Abi::Component => {
                let component = component::load(engine, artifact)?;
                let linker = component_imports::linker(engine, &component)?;
                let prepared = linker.instantiate_pre(&component)?;
                let (_, run) = preview2::run_of(&component)
                    .ok_or_else(|| Error::msg("the component does not export its operation"))?;
                Ok(Program::Component { prepared, run })
            }
        }
    }

    fn store(&self, terms: &Terms) -> Store<Guest> {
        match self {
            Program::Module(prepared) => guest::store(prepared.module().engine(), terms),
            Program::Component { prepared, .. } => component::store(prepared.engine(), terms),
        }
    }

    fn instantiate(&self, store: &mut Store<Guest>) -> Result<Start> {
        match self {
            Program::Module(prepared) => {
                let instance = prepared.instantiate(&mut *store)?;
                let start = Call::of(Operation::Command).first().export;
                instance.get_typed_func(store, start).map(Start::Module)
            }
            Program::Component { prepared, run } => {
                let instance = prepared.instantiate(&mut *store)?;
                instance.get_typed_func(store, run).map(Start::Component)
            }
        }
    }
}

/// Where an instance of a command begins.
enum Start {
    Module(TypedFunc<(), ()>),
    Component(wasmtime_component::TypedFunc<(), (std::result::Result<(), ()>,)>),
}

impl Start {
    fn call(&self, store: &mut Store<Guest>) -> Result<()> {
        match self {
            Start::Module(start) => start.call(store, ()),
            Start::Component(run) => match run.call(store, ())? {
                (Ok(()),) => Ok(()),
                (Err(()),) => Err(Error::msg("its `run` ended with an error")),
            },
        }
    }
}

/// An instance of a command, which runs once.
pub(crate) struct Process {
    store: Store<Guest>,
    start: Start,
    arguments: Arc<[String]>,
    environment: Arc<[String]>,
}

impl Process {
    /// Runs it with this as standard input; what it may print is limited, in bytes. Gives what
    /// it has printed.
    ///
    /// # Errors
    /// It trapped, printed too much, or ended with an error or another exit code than 0.
    pub fn run(&mut self, input: Vec<u8>, limit: usize) -> std::result::Result<Vec<u8>, Trapped> {
        *self.guest().terminal() = Some(Terminal {
            arguments: Arc::clone(&self.arguments),
            environment: Arc::clone(&self.environment),
            input,
            read: 0,
            printed: Vec::new(),
            limit,
        });
        let ended = refuel(&mut self.store).and_then(|()| self.start.call(&mut self.store));
        let ended = ended.or_else(|error| match error.downcast_ref() {
            Some(Exit { code: 0, .. }) => Ok(()),
            Some(Exit { code, .. }) => {
                Err(Error::msg(format!("it ended with the exit code {code}")))
            }
            None => Err(error),
        });
        match ended {
            Ok(()) => Ok(self
                .guest()
                .terminal()
                .take()
                .map_or_else(Vec::new, |terminal| terminal.printed)),
            Err(error) => Err(trapped(&error, self.store.data())),
        }
    }

    /// What it left behind besides.
    pub fn guest(&mut self) -> &mut Guest {
        self.store.data_mut()
    }
}
