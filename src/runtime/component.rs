//! A component, called through wasmtime's component model.

use wasmtime::component::{Component, ComponentType, Func, InstancePre, Lift, Linker};
use wasmtime::{Engine, Error, Result, Store, StoreContextMut};

use super::operation::Call;
use super::{
    Guest, Instance, LOG, LOG_WRITE, Made, PARAMS, PARAMS_GET, Terms, Trapped, Verdict, trapped,
};
use crate::protocol::{self, Operation};

/// What wasmtime may copy out of a component in one call besides what may be made of a
/// record, in bytes: lines of log, reasons.
const OTHER_COPIES: usize = 1 << 20;

/// A loaded component.
pub(crate) struct Plugin {
    prepared: InstancePre<Guest>,
    terms: Terms,
}

impl Plugin {
    #[allow(unsafe_code, reason = "loading a compiled plugin is loading native code")]
    pub(super) fn load(engine: &Engine, artifact: &[u8], terms: Terms) -> Result<Plugin> {
        // SAFETY: as for core modules: made by our compile worker, and only ever loaded
        // in a locked worker process, which is taken to be hostile.
        let component = unsafe { Component::deserialize(engine, artifact)? };
        component.initialize_copy_on_write_image()?;
        Ok(Plugin { prepared: linker(engine)?.instantiate_pre(&component)?, terms })
    }

    pub fn instantiate(&self) -> std::result::Result<ComponentInstance, Trapped> {
        let mut store = Store::new(self.prepared.engine(), Guest::new(&self.terms));
        store.limiter(|guest| guest);
        // A list can name one text over and over: what is copied has to be bounded.
        let copies = usize::try_from(self.terms.max_output).unwrap_or(usize::MAX);
        store.set_hostcall_fuel(copies.saturating_mul(2).saturating_add(OTHER_COPIES));
        let call = Call::of(self.terms.operation);
        let instance = self.prepared.instantiate(&mut store);
        let function = instance.and_then(|instance| {
            let function = instance.get_func(&mut store, call.export);
            function.ok_or_else(|| Error::msg("the component does not export its operation"))
        });
        match function {
            Ok(function) => Ok(ComponentInstance { store, function, call }),
            Err(error) => Err(trapped(&error, store.data())),
        }
    }
}

/// `host:plugin/log.level`, as the component model passes it.
#[derive(Copy, Clone, ComponentType, Lift)]
#[allow(dead_code, reason = "values are only ever made by lifting them from a plugin's memory")]
#[component(enum)]
#[repr(u8)]
enum Level {
    #[component(name = "error")]
    Error,
    #[component(name = "warn")]
    Warn,
    #[component(name = "info")]
    Info,
    #[component(name = "debug")]
    Debug,
    #[component(name = "trace")]
    Trace,
}

/// What components may import, ready to be linked or checked against.
pub(super) fn linker(engine: &Engine) -> Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    linker.instance(LOG)?.func_wrap(
        LOG_WRITE,
        |mut store: StoreContextMut<'_, Guest>, (level, text): (Level, String)| {
            let guest = store.data_mut();
            if guest.may_log() {
                let level = match level {
                    Level::Error => protocol::Level::Error,
                    Level::Warn => protocol::Level::Warn,
                    Level::Info => protocol::Level::Info,
                    Level::Debug => protocol::Level::Debug,
                    Level::Trace => protocol::Level::Trace,
                };
                guest.log(level, &text);
            }
            Ok(())
        },
    )?;
    linker.instance(PARAMS)?.func_wrap(
        PARAMS_GET,
        |store: StoreContextMut<'_, Guest>, (name,): (String,)| {
            Ok((store.data().params().get(&name).cloned(),))
        },
    )?;
    Ok(linker)
}

/// A live component.
pub(crate) struct ComponentInstance {
    store: Store<Guest>,
    function: Func,
    call: &'static Call,
}

/// What a function of ours answers.
type Answer<T> = std::result::Result<T, String>;

impl ComponentInstance {
    fn ask(&mut self, record: &str, made: &mut Made) -> Result<Verdict> {
        Ok(match self.call.operation {
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
                    for text in texts {
                        made.push(&text)?;
                    }
                    Verdict::Replace
                }
                Err(why) => Verdict::Reject(why),
            },
        })
    }

    fn answer<T: Lift + Send + Sync + 'static>(&mut self, record: &str) -> Result<Answer<T>> {
        // A typed function is tied to the lifetime of its parameters, so it cannot be
        // kept from one record to the next.
        let function = self.function.typed::<(&str,), (Answer<T>,)>(&self.store)?;
        function.call(&mut self.store, (record,)).map(|(answer,)| answer)
    }
}

impl Instance for ComponentInstance {
    fn call(&mut self, record: &str, made: &mut Made) -> std::result::Result<Verdict, Trapped> {
        self.ask(record, made).map_err(|error| trapped(&error, self.store.data()))
    }

    fn guest(&mut self) -> &mut Guest {
        self.store.data_mut()
    }
}
