//! What components may import.

use wasmtime::component::{Component, ComponentType, Lift, Linker, Lower};
use wasmtime::{Engine, Result, StoreContextMut};

use super::guest::Guest;
use super::imports::{
    DATA, DATA_READ, DATA_SIZE, LOG, LOG_WRITE, PARAMS, PARAMS_GET, STORE_GET, STORE_GET_ALL,
    STORES,
};
use super::wasi::preview2;
use crate::protocol;

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

/// `wasi:config/store.error`, of which there never is one.
#[derive(Clone, ComponentType, Lower)]
#[allow(dead_code, reason = "the type has to be named, and no value of it is made")]
#[component(variant)]
enum StoreError {
    #[component(name = "upstream")]
    Upstream(String),
    #[component(name = "io")]
    Io(String),
}

type Stored<T> = std::result::Result<T, StoreError>;

/// What a component may import, ready to be linked to it or checked against.
pub(super) fn linker(engine: &Engine, component: &Component) -> Result<Linker<Guest>> {
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
    let mut data = linker.instance(DATA)?;
    data.func_wrap(DATA_SIZE, |store: StoreContextMut<'_, Guest>, (name,): (String,)| {
        Ok((store.data().side_data().size(&name),))
    })?;
    data.func_wrap(
        DATA_READ,
        |store: StoreContextMut<'_, Guest>, (name, offset, length): (String, u64, u32)| {
            let data = store.data().side_data();
            Ok((data.read(&name, offset, length).map(<[u8]>::to_vec),))
        },
    )?;
    for name in STORES {
        let mut instance = linker.instance(name)?;
        instance.func_wrap(
            STORE_GET,
            |store: StoreContextMut<'_, Guest>, (name,): (String,)| {
                let value = store.data().params().get(&name).cloned();
                Ok((Stored::Ok(value),))
            },
        )?;
        instance.func_wrap(STORE_GET_ALL, |store: StoreContextMut<'_, Guest>, (): ()| {
            let params = store.data().params();
            let all: Vec<(String, String)> =
                params.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
            Ok((Stored::Ok(all),))
        })?;
    }
    preview2::add_to(&mut linker, component)?;
    Ok(linker)
}
