//! A component, called through wasmtime's component model.

use wasmtime::component::{Component, ComponentNamedList, Func, InstancePre, Lift, Lower};
use wasmtime::{Engine, Error, Result, Store};

use super::guest::{self, refuel};
use super::operation::{Call, FINISH, Function, MERGE, TAKE};
use super::wasi::preview2;
use super::{
    Answer, Guest, Instance, Made, State, Terms, Trapped, Verdict, component_imports, trapped,
};
use crate::protocol::Operation;

/// What wasmtime may copy out of a component in one call besides what may be made of a
/// record, in bytes: lines of log, reasons.
const OTHER_COPIES: usize = 1 << 20;

/// A loaded component.
pub(crate) struct Plugin {
    prepared: InstancePre<Guest>,
    pub uses_wasi: bool,
    terms: Terms,
}

/// Loads a compiled component.
#[allow(unsafe_code, reason = "loading a compiled plugin is loading native code")]
pub(super) fn load(engine: &Engine, artifact: &[u8]) -> Result<Component> {
    // SAFETY: as for core modules: made by our compile worker, and only ever loaded
    // in a locked worker process, which is taken to be hostile.
    let component = unsafe { Component::deserialize(engine, artifact)? };
    component.initialize_copy_on_write_image()?;
    Ok(component)
}

/// A store for one instance of a component.
pub(super) fn store(engine: &Engine, terms: &Terms) -> Store<Guest> {
    let mut store = guest::store(engine, terms);
    // A list can name one text over and over: what is copied has to be bounded.
    let most = match terms.operation {
        Operation::Reduce => terms.max_state.max(terms.max_output),
        _ => terms.max_output,
    };
    let copies = usize::try_from(most).unwrap_or(usize::MAX);
    store.set_hostcall_fuel(copies.saturating_mul(2).saturating_add(OTHER_COPIES));
    store
}

impl Plugin {
    pub(super) fn load(engine: &Engine, artifact: &[u8], terms: Terms) -> Result<Plugin> {
        let component = load(engine, artifact)?;
        Ok(Plugin {
            prepared: component_imports::linker(engine, &component)?.instantiate_pre(&component)?,
            uses_wasi: preview2::is_used(engine, &component),
            terms,
        })
    }

    pub fn instantiate(&self) -> std::result::Result<ComponentInstance, Trapped> {
        let mut store = store(self.prepared.engine(), &self.terms);
        let call = Call::of(self.terms.operation);
        let fuelled = refuel(&mut store);
        let instance = fuelled.and_then(|()| self.prepared.instantiate(&mut store));
        let functions: Result<Vec<Func>> = instance.and_then(|instance| {
            let find = |function: &Function| {
                let found = instance.get_func(&mut store, function.export);
                found.ok_or_else(|| Error::msg("the component does not export its operation"))
            };
            call.functions.iter().map(find).collect()
        });
        match functions {
            Ok(functions) => Ok(ComponentInstance {
                store,
                functions,
                operation: self.terms.operation,
                max_state: self.terms.max_state,
            }),
            Err(error) => Err(trapped(&error, store.data())),
        }
    }
}

/// A live component.
pub(crate) struct ComponentInstance {
    store: Store<Guest>,
    /// As the operation lists them.
    functions: Vec<Func>,
    operation: Operation,
    max_state: u64,
}

impl ComponentInstance {
    fn ask(&mut self, record: &str, made: &mut Made) -> Result<Verdict> {
        Ok(match self.operation {
            Operation::Filter => match self.answer::<bool>(record)? {
                Ok(true) => Verdict::Keep,
                Ok(false) => Verdict::Drop,
                Err(why) => Verdict::Reject(why),
            },
            Operation::Map => match self.answer::<Option<String>>(record)? {
                Ok(Some(text)) => {
                    made.push(&text)?;
                    Verdict::Replace
                }
                Ok(None) => Verdict::Drop,
                Err(why) => Verdict::Reject(why),
            },
            Operation::FlatMap => match self.answer::<Vec<String>>(record)? {
                Ok(texts) => {
                    push_all(&texts, made)?;
                    Verdict::Replace
                }
                Err(why) => Verdict::Reject(why),
            },
            Operation::Reduce => match self.answer::<()>(record)? {
                Ok(()) => Verdict::Folded,
                Err(why) => Verdict::Reject(why),
            },
            Operation::Batch | Operation::Command => {
                return Err(Error::msg("it is not asked one by one"));
            }
        })
    }

    fn answer<T: Lift + Send + Sync + 'static>(&mut self, record: &str) -> Result<Answer<T>> {
        self.call_function::<_, Answer<T>>(0, (record,))
    }

    fn call_function<P, T>(&mut self, function: usize, params: P) -> Result<T>
    where
        P: ComponentNamedList + Lower,
        T: Lift + Send + Sync + 'static,
    {
        // A typed function is tied to the lifetime of its parameters, so it cannot be
        // kept from one record to the next.
        refuel(&mut self.store)?;
        let function = self.functions[function].typed::<P, (T,)>(&self.store)?;
        function.call(&mut self.store, params).map(|(answer,)| answer)
    }

    fn ask_many(&mut self, records: &[&str], made: &mut Made) -> Result<Vec<Answer<usize>>> {
        let answers = self.call_function::<_, Vec<Answer<Vec<String>>>>(0, (records,))?;
        let count = |answer: Answer<Vec<String>>| match answer {
            Ok(texts) => push_all(&texts, made).map(Ok),
            Err(why) => Ok(Err(why)),
        };
        super::one_for_each(records, answers.into_iter().map(count).collect::<Result<_>>()?)
    }

    fn merge_states(&mut self, left: &[u8], right: &[u8]) -> Result<Answer<State>> {
        match self.call_function::<_, Answer<State>>(MERGE, (left, right))? {
            Ok(state) => super::state(state, self.max_state).map(Ok),
            Err(why) => Ok(Err(why)),
        }
    }

    fn finish_state(&mut self, state: &[u8], made: &mut Made) -> Result<Answer<usize>> {
        match self.call_function::<_, Answer<Vec<String>>>(FINISH, (state,))? {
            Ok(texts) => push_all(&texts, made).map(Ok),
            Err(why) => Ok(Err(why)),
        }
    }

    fn in_words<T>(&self, result: Result<T>) -> std::result::Result<T, Trapped> {
        result.map_err(|error| trapped(&error, self.store.data()))
    }
}

/// Moves texts to `made` and gives their number.
fn push_all(texts: &[String], made: &mut Made) -> Result<usize> {
    for text in texts {
        made.push(text)?;
    }
    Ok(texts.len())
}

impl Instance for ComponentInstance {
    fn call(
        &mut self,
        record: &str,
        _next: usize,
        made: &mut Made,
    ) -> std::result::Result<Verdict, Trapped> {
        let verdict = self.ask(record, made);
        self.in_words(verdict)
    }

    fn call_many(
        &mut self,
        records: &[&str],
        made: &mut Made,
    ) -> std::result::Result<Vec<Answer<usize>>, Trapped> {
        let answers = self.ask_many(records, made);
        self.in_words(answers)
    }

    fn take(&mut self) -> std::result::Result<State, Trapped> {
        let state = self.call_function::<_, State>(TAKE, ());
        self.in_words(state.and_then(|state| super::state(state, self.max_state)))
    }

    fn merge(&mut self, left: &[u8], right: &[u8]) -> std::result::Result<Answer<State>, Trapped> {
        let merged = self.merge_states(left, right);
        self.in_words(merged)
    }

    fn finish(
        &mut self,
        state: &[u8],
        made: &mut Made,
    ) -> std::result::Result<Answer<usize>, Trapped> {
        let finished = self.finish_state(state, made);
        self.in_words(finished)
    }

    fn guest(&mut self) -> &mut Guest {
        self.store.data_mut()
    }
}
