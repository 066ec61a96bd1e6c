//! A WASI command: a program that reads records as lines from standard input and prints
//! lines. Every run is one of a fresh instance.

use std::sync::Arc;

use wasmtime::{Engine, Error, InstancePre, Result, Store, TypedFunc};

use super::guest::{self, refuel};
use super::operation::Call;
use super::wasi::{Exit, Terminal};
use super::{Guest, Terms, Trapped, core_imports, core_module, trapped};
use crate::protocol::Operation;

/// A loaded command.
pub(crate) struct Command {
    prepared: InstancePre<Guest>,
    arguments: Arc<[String]>,
    environment: Arc<[String]>,
    terms: Terms,
}

impl Command {
    /// Loads a compiled one. `arguments` begin with its own name.
    pub(super) fn load(
        engine: &Engine,
        artifact: &[u8],
        arguments: &[String],
        terms: Terms,
    ) -> Result<Command> {
        let (module, _) = core_module::load(engine, artifact)?;
        let params = terms.params.iter();
        Ok(Command {
            prepared: core_imports::linker(engine, &module)?.instantiate_pre(&module)?,
            arguments: arguments.into(),
            environment: params.map(|(name, value)| format!("{name}={value}")).collect(),
            terms,
        })
    }

    /// Makes an instance, for one run.
    pub fn instantiate(&self) -> std::result::Result<Process, Trapped> {
        let mut store = guest::store(self.prepared.module().engine(), &self.terms);
        match self.start_of(&mut store) {
            Ok(start) => Ok(Process {
                store,
                start,
                arguments: Arc::clone(&self.arguments),
                environment: Arc::clone(&self.environment),
            }),
            Err(error) => Err(trapped(&error, store.data())),
        }
    }

    fn start_of(&self, store: &mut Store<Guest>) -> Result<TypedFunc<(), ()>> {
        refuel(store)?;
        let instance = self.prepared.instantiate(&mut *store)?;
        let start = Call::of(Operation::Command).first().export;
        instance.get_typed_func(&mut *store, start)
    }
}

/// An instance of a command, which runs once.
pub(crate) struct Process {
    store: Store<Guest>,
    start: TypedFunc<(), ()>,
    arguments: Arc<[String]>,
    environment: Arc<[String]>,
}

impl Process {
    /// Runs it with this as standard input; what it may print is limited, in bytes. Gives what
    /// it has printed.
    ///
    /// # Errors
    /// It trapped, printed too much, or ended with another exit code than 0.
    pub fn run(&mut self, input: Vec<u8>, limit: usize) -> std::result::Result<Vec<u8>, Trapped> {
        *self.guest().terminal() = Some(Terminal {
            arguments: Arc::clone(&self.arguments),
            environment: Arc::clone(&self.environment),
            input,
            read: 0,
            printed: Vec::new(),
            limit,
        });
        let ended = refuel(&mut self.store).and_then(|()| self.start.call(&mut self.store, ()));
        let ended = ended.or_else(|error| match error.downcast_ref() {
            Some(Exit(0)) => Ok(()),
            Some(Exit(code)) => Err(Error::msg(format!("it ended with the exit code {code}"))),
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
