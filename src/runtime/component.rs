//! A component, called through wasmtime's component model.

use wasmtime::component::{Component, ComponentType, Func, InstancePre, Lift, Linker};
use wasmtime::{Engine, Error, Result, Store, StoreContextMut};

use super::{Filter, Guest, KEEP, LOG, LOG_WRITE, Trapped, Verdict, trapped};
use crate::protocol;

/// A loaded component.
pub(crate) struct Plugin {
    prepared: InstancePre<Guest>,
    memory: u64,
}

impl Plugin {
    #[allow(unsafe_code, reason = "loading a compiled plugin is loading native code")]
    pub fn load(engine: &Engine, artifact: &[u8], memory: u64) -> Result<Plugin> {
        // SAFETY: as for core modules: made by our compile worker, and only ever loaded
        // in a locked worker process, which is taken to be hostile.
        let component = unsafe { Component::deserialize(engine, artifact)? };
        component.initialize_copy_on_write_image()?;
        Ok(Plugin { prepared: linker(engine)?.instantiate_pre(&component)?, memory })
    }

    pub fn instantiate(&self) -> std::result::Result<ComponentFilter, Trapped> {
        let mut store = Store::new(self.prepared.engine(), Guest::new(self.memory));
        store.limiter(|guest| guest);
        let instance = self.prepared.instantiate(&mut store);
        let keep = instance.and_then(|instance| {
            let keep = instance.get_func(&mut store, KEEP);
            keep.ok_or_else(|| Error::msg("the component exports no `keep`"))
        });
        match keep {
            Ok(keep) => Ok(ComponentFilter { store, keep }),
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
    Ok(linker)
}

/// A live component.
pub(crate) struct ComponentFilter {
    store: Store<Guest>,
    keep: Func,
}

impl ComponentFilter {
    fn call(&mut self, record: &str) -> Result<std::result::Result<bool, String>> {
        // A typed function is tied to the lifetime of its parameters, so it cannot be
        // kept from one record to the next.
        let keep = self.keep.typed::<(&str,), (std::result::Result<bool, String>,)>(&self.store)?;
        keep.call(&mut self.store, (record,)).map(|(answer,)| answer)
    }
}

impl Filter for ComponentFilter {
    fn keep(&mut self, record: &str) -> std::result::Result<Verdict, Trapped> {
        match self.call(record) {
            Ok(Ok(true)) => Ok(Verdict::Keep),
            Ok(Ok(false)) => Ok(Verdict::Drop),
            Ok(Err(why)) => Ok(Verdict::Reject(why)),
            Err(error) => Err(trapped(&error, self.store.data())),
        }
    }

    fn guest(&mut self) -> &mut Guest {
        self.store.data_mut()
    }
}
