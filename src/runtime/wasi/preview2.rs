//! WASI 0.2, the interface that components are built against by Python, JavaScript, Rust, Go
//! and others: every interface of it but `wasi:http` is there, and none reaches anything.
//!
//! Standard input is at its end, lines on standard output and error are logged. There are no
//! arguments, no environment and no directories; what would make a socket or look up a name
//! answers with an error. Nothing blocks: where a plugin waits, time goes on. A command, which
//! exports `wasi:cli/run`, has records on standard input, arguments, parameters as its
//! environment, and what it prints to standard output is kept.
//!
//! A component gets the functions that it asks for under the version that it asks for, so
//! that one list serves every 0.2.x.
//!
//! Source: the WIT packages of WASI 0.2 for names, types and what functions answer.

use wasmtime::component::types::{self, ComponentItem};
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentType, Linker, LinkerInstance, Lower, Resource,
    ResourceTable, ResourceType, Type, Val,
};
use wasmtime::{Engine, Error, Result, StoreContextMut};

use super::descriptors::End;
use super::{Clock, Exit, SECOND, Stream, TICK};
use crate::runtime::guest::Guest;

/// The packages, as messages name them.
pub(in crate::runtime) const PACKAGES: [&str; 6] = [
    "wasi:cli@0.2",
    "wasi:clocks@0.2",
    "wasi:filesystem@0.2",
    "wasi:io@0.2",
    "wasi:random@0.2",
    "wasi:sockets@0.2",
];

/// The package that is not offered.
pub(in crate::runtime) const HTTP: &str = "wasi:http/";

/// The interfaces, without their versions.
pub(in crate::runtime) const INTERFACES: [&str; 27] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    STDIN,
    STDOUT,
    STDERR,
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    FILES,
    "wasi:filesystem/preopens",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/random",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:sockets/instance-network",
    "wasi:sockets/network",
    LOOKUP,
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// What a command exports, without its version, and the function in it.
const RUN: &str = "wasi:cli/run";
const RUN_FUNCTION: &str = "run";

const STDIN: &str = "wasi:cli/stdin";
const STDOUT: &str = "wasi:cli/stdout";
const STDERR: &str = "wasi:cli/stderr";
const FILES: &str = "wasi:filesystem/types";
const LOOKUP: &str = "wasi:sockets/ip-name-lookup";

/// Resources that an instance may hold at once.
const MOST_HELD: usize = 10_000;
/// Bytes that may be written to a stream before it is asked again.
const MOST_WRITTEN: u64 = 64 << 10;
/// Bytes that are read from a stream at once.
const MOST_READ: u64 = 64 << 10;
/// Random bytes that can be asked for at once.
const MOST_RANDOM: u64 = 16 << 20;

/// The resources that an instance holds.
#[derive(Debug)]
pub(super) struct Held(ResourceTable);

impl Default for Held {
    fn default() -> Held {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MOST_HELD);
        Held(table)
    }
}

/// Something to wait for: it is ready from then on, by the monotonic clock.
#[derive(Copy, Clone)]
struct Pollable {
    deadline: u64,
}

/// Standard input.
struct Input;

/// Standard output or error.
#[derive(Copy, Clone)]
struct Output(Stream);

struct TerminalInput;

struct TerminalOutput;

/// The network, which reaches nobody.
struct Network;

/// A resource that no plugin ever gets.
enum Nothing {}

/// `wasi:clocks/wall-clock.datetime`
#[derive(Copy, Clone, ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

impl Datetime {
    fn of(nanoseconds: u64) -> Datetime {
        let rest = (nanoseconds % SECOND) as u32;
        Datetime { seconds: nanoseconds / SECOND, nanoseconds: rest }
    }
}

/// `wasi:io/streams.stream-error`, of which there is only one.
#[derive(ComponentType, Lower)]
#[allow(dead_code, reason = "the type has to be named, and not every value of it is made")]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<Nothing>),
    #[component(name = "closed")]
    Closed,
}

type Streamed<T> = std::result::Result<T, StreamError>;

type Caller<'a> = StoreContextMut<'a, Guest>;

/// The name without its version, if that is a release of 0.2.
fn unversioned(interface: &str) -> Option<&str> {
    let (name, version) = interface.split_once("@0.2.")?;
    version.bytes().all(|byte| byte.is_ascii_digit()).then_some(name)
}

/// The name without its version, of an interface that is offered.
fn interface(import: &str) -> Option<&'static str> {
    let name = unversioned(import)?;
    INTERFACES.into_iter().find(|offered| *offered == name)
}

/// Whether an export of this name makes a component a command.
pub(in crate::runtime) fn is_run(export: &str) -> bool {
    unversioned(export) == Some(RUN)
}

/// The type of the function that a component exports as a command, and where it is.
pub(in crate::runtime) fn run_of(
    component: &Component,
) -> Option<(types::ComponentFunc, ComponentExportIndex)> {
    let ty = component.component_type();
    let (name, _) = ty.exports(component.engine()).find(|(name, _)| is_run(name))?;
    let interface = component.get_export_index(None, name)?;
    match component.get_export(Some(&interface), RUN_FUNCTION)? {
        (ComponentItem::ComponentFunc(ty), function) => Some((ty, function)),
        _ => None,
    }
}

/// Whether an import of this name is offered.
pub(in crate::runtime) fn offers(import: &str) -> bool {
    interface(import).is_some()
}

/// Whether a component imports anything of it.
pub(in crate::runtime) fn is_used(engine: &Engine, component: &Component) -> bool {
    component.component_type().imports(engine).any(|(name, _)| offers(name))
}

/// Makes what a component imports of it ready to be linked. What it does not have stays
/// missing.
pub(in crate::runtime) fn add_to(linker: &mut Linker<Guest>, component: &Component) -> Result<()> {
    let engine = linker.engine().clone();
    for (import, item) in component.component_type().imports(&engine) {
        if let (Some(interface), ComponentItem::ComponentInstance(ty)) =
            (interface(import), item.ty)
        {
            let mut instance = linker.instance(import)?;
            for (name, item) in ty.exports(&engine) {
                match item.ty {
                    ComponentItem::Resource(_) => add_resource(&mut instance, name)?,
                    ComponentItem::ComponentFunc(_) => {
                        add_function(&mut instance, interface, name)?;
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

fn add_resource(instance: &mut LinkerInstance<'_, Guest>, name: &str) -> Result<()> {
    fn add<T: Send + 'static>(instance: &mut LinkerInstance<'_, Guest>, name: &str) -> Result<()> {
        instance.resource(name, ResourceType::host::<T>(), |mut caller, number| {
            let Held(table) = &mut caller.data_mut().world_mut().held;
            table.delete(Resource::<T>::new_own(number))?;
            Ok(())
        })
    }
    match name {
        "pollable" => add::<Pollable>(instance, name),
        "input-stream" => add::<Input>(instance, name),
        "output-stream" => add::<Output>(instance, name),
        "terminal-input" => add::<TerminalInput>(instance, name),
        "terminal-output" => add::<TerminalOutput>(instance, name),
        "network" => add::<Network>(instance, name),
        _ => add::<Nothing>(instance, name),
    }
}

/// Gives an instance another resource.
fn hold<T: Send + 'static>(caller: &mut Caller<'_>, one: T) -> Result<Resource<T>> {
    let Held(table) = &mut caller.data_mut().world_mut().held;
    table.push(one).map_err(|_| {
        Error::msg(format!(
            "it holds {MOST_HELD} resources of WASI (streams, pollables) and asks for another; \
             it has to drop those that it no longer needs"
        ))
    })
}

fn get<T: Copy + 'static>(caller: &Caller<'_>, one: &Resource<T>) -> Result<T> {
    Ok(*caller.data().world().held.0.get(one)?)
}

fn add_function(
    instance: &mut LinkerInstance<'_, Guest>,
    interface: &'static str,
    name: &str,
) -> Result<()> {
    match (interface, name) {
        ("wasi:cli/environment", "get-environment") => {
            instance.func_wrap(name, |caller: Caller<'_>, (): ()| {
                let params = caller.data().world().terminal().map(|_| caller.data().params());
                let environment = params.iter().flat_map(|params| params.iter());
                let environment = environment.map(|(name, value)| (name.clone(), value.clone()));
                Ok((environment.collect::<Vec<(String, String)>>(),))
            })
        }
        ("wasi:cli/environment", "get-arguments") => {
            instance.func_wrap(name, |caller: Caller<'_>, (): ()| {
                let terminal = caller.data().world().terminal();
                Ok((terminal.map_or_else(Vec::new, |terminal| terminal.arguments.to_vec()),))
            })
        }
        ("wasi:cli/environment", "initial-cwd") => {
            instance.func_wrap(name, |_, (): ()| Ok((None::<String>,)))
        }
        ("wasi:cli/exit", "exit") => instance
            .func_wrap(name, |_, (status,): (std::result::Result<(), ()>,)| {
                exit(u8::from(status.is_err()))
            }),
        ("wasi:cli/exit", "exit-with-code") => {
            instance.func_wrap(name, |_, (code,): (u8,)| exit(code))
        }
        (STDIN, "get-stdin") => {
            instance.func_wrap(name, |mut caller, (): ()| Ok((hold(&mut caller, Input)?,)))
        }
        (STDOUT, "get-stdout") => instance
            .func_wrap(name, |mut caller, (): ()| Ok((hold(&mut caller, Output(Stream::Out))?,))),
        (STDERR, "get-stderr") => instance
            .func_wrap(name, |mut caller, (): ()| Ok((hold(&mut caller, Output(Stream::Err))?,))),
        ("wasi:cli/terminal-stdin", "get-terminal-stdin") => {
            add_terminal(instance, name, End::Input, || TerminalInput)
        }
        ("wasi:cli/terminal-stdout", "get-terminal-stdout") => {
            add_terminal(instance, name, End::Output(Stream::Out), || TerminalOutput)
        }
        ("wasi:cli/terminal-stderr", "get-terminal-stderr") => {
            add_terminal(instance, name, End::Output(Stream::Err), || TerminalOutput)
        }
        ("wasi:clocks/monotonic-clock" | "wasi:clocks/wall-clock", _) => {
            add_clock(instance, interface, name)
        }
        ("wasi:filesystem/preopens", "get-directories") => {
            instance.func_wrap(name, |_, (): ()| Ok((Vec::<(Resource<Nothing>, String)>::new(),)))
        }
        ("wasi:io/poll" | "wasi:io/error", _) => add_poll(instance, name),
        ("wasi:io/streams", _) => add_stream(instance, name),
        ("wasi:random/random" | "wasi:random/insecure" | "wasi:random/insecure-seed", _) => {
            add_random(instance, name)
        }
        ("wasi:sockets/instance-network", "instance-network") => {
            instance.func_wrap(name, |mut caller, (): ()| Ok((hold(&mut caller, Network)?,)))
        }
        (FILES | LOOKUP, _) => add_refusal(instance, interface, name),
        (sockets, _) if sockets.starts_with("wasi:sockets/") => {
            add_refusal(instance, interface, name)
        }
        _ => Ok(()),
    }
}

fn exit(code: u8) -> Result<()> {
    Err(Exit { function: "exit", code: code.into() }.into())
}

/// Adds a function that gives a terminal if that is what a standard stream is.
fn add_terminal<T: Send + Sync + 'static>(
    instance: &mut LinkerInstance<'_, Guest>,
    name: &str,
    end: End,
    terminal: fn() -> T,
) -> Result<()> {
    instance.func_wrap(name, move |mut caller, (): ()| {
        let is_terminal = caller.data().world().is_terminal(end);
        let terminal = is_terminal.then(|| hold(&mut caller, terminal()));
        Ok((terminal.transpose()?,))
    })
}

/// Adds a function that does nothing but say so, as its type allows.
fn add_refusal(
    instance: &mut LinkerInstance<'_, Guest>,
    interface: &'static str,
    name: &str,
) -> Result<()> {
    let function = name.to_owned();
    instance.func_new(name, move |mut caller, ty: types::ComponentFunc, values, results| {
        // What was lent has to be given back, and what was given is at its end.
        for value in values {
            if let Val::Resource(resource) = value {
                resource.resource_drop(&mut caller)?;
            }
        }
        for (ty, result) in ty.results().zip(results) {
            *result = refusal(interface, &ty).ok_or_else(|| {
                Error::msg(format!(
                    "it called `{function}` of `{interface}`, which no plugin has anything for"
                ))
            })?;
        }
        Ok(())
    })
}

/// What a function answers that has nothing to give: an error, or that there is none.
fn refusal(interface: &str, ty: &Type) -> Option<Val> {
    let wanted = match interface {
        FILES => "unsupported",
        LOOKUP => "permanent-resolver-failure",
        _ => "not-supported",
    };
    match ty {
        Type::Option(_) => Some(Val::Option(None)),
        Type::Result(ty) => match ty.err() {
            Some(Type::Enum(codes)) if codes.names().any(|name| name == wanted) => {
                Some(Val::Result(Err(Some(Box::new(Val::Enum(wanted.to_owned()))))))
            }
            _ => None,
        },
        _ => None,
    }
}

fn add_clock(instance: &mut LinkerInstance<'_, Guest>, interface: &str, name: &str) -> Result<()> {
    match (interface, name) {
        ("wasi:clocks/wall-clock", "now") => instance.func_wrap(name, |mut caller, (): ()| {
            Ok((Datetime::of(caller.data_mut().world_mut().read(Clock::Wall)),))
        }),
        ("wasi:clocks/wall-clock", "resolution") => {
            instance.func_wrap(name, |_, (): ()| Ok((Datetime::of(TICK),)))
        }
        (_, "now") => instance.func_wrap(name, |mut caller, (): ()| {
            Ok((caller.data_mut().world_mut().read(Clock::Monotonic),))
        }),
        (_, "resolution") => instance.func_wrap(name, |_, (): ()| Ok((TICK,))),
        (_, "subscribe-instant") => instance
            .func_wrap(name, |caller, (time,): (u64,)| Ok((subscribe(caller, time, true)?,))),
        (_, "subscribe-duration") => instance
            .func_wrap(name, |caller, (time,): (u64,)| Ok((subscribe(caller, time, false)?,))),
        _ => Ok(()),
    }
}

fn subscribe(mut caller: Caller<'_>, time: u64, absolute: bool) -> Result<Resource<Pollable>> {
    let deadline = caller.data().world().deadline(Clock::Monotonic, time, absolute);
    hold(&mut caller, Pollable { deadline })
}

fn add_poll(instance: &mut LinkerInstance<'_, Guest>, name: &str) -> Result<()> {
    match name {
        "[method]pollable.ready" => {
            instance.func_wrap(name, |mut caller, (one,): (Resource<Pollable>,)| {
                // Who asks again and again waits: time has to go on for that.
                let now = caller.data_mut().world_mut().read(Clock::Monotonic);
                Ok((get(&caller, &one)?.deadline <= now,))
            })
        }
        "[method]pollable.block" => {
            instance.func_wrap(name, |mut caller, (one,): (Resource<Pollable>,)| {
                let Pollable { deadline } = get(&caller, &one)?;
                caller.data_mut().world_mut().sleep_until(deadline);
                Ok(())
            })
        }
        "poll" => instance.func_wrap(name, |caller, (all,): (Vec<Resource<Pollable>>,)| {
            Ok((poll(caller, &all)?,))
        }),
        "[method]error.to-debug-string" => {
            instance.func_wrap(name, |_, (_,): (Resource<Nothing>,)| Ok((String::new(),)))
        }
        _ => Ok(()),
    }
}

/// Lets time go on to where one of them is ready, and gives which are.
fn poll(mut caller: Caller<'_>, all: &[Resource<Pollable>]) -> Result<Vec<u32>> {
    let deadlines = all.iter().map(|one| Ok(get(&caller, one)?.deadline));
    let deadlines = deadlines.collect::<Result<Vec<u64>>>()?;
    let first = deadlines.iter().min().ok_or_else(|| {
        Error::msg("it called `poll` with nothing to wait for, which would never end")
    })?;
    let world = caller.data_mut().world_mut();
    world.sleep_until(*first);
    let now = world.now();
    let ready = (0u32..).zip(&deadlines).filter(|(_, deadline)| **deadline <= now);
    Ok(ready.map(|(at, _)| at).collect())
}

fn add_stream(instance: &mut LinkerInstance<'_, Guest>, name: &str) -> Result<()> {
    match name {
        "[method]input-stream.read" | "[method]input-stream.blocking-read" => {
            instance.func_wrap(name, |mut caller, (_, length): (Resource<Input>, u64)| {
                Ok((take_input(&mut caller, length).map(<[u8]>::to_vec),))
            })
        }
        "[method]input-stream.skip" | "[method]input-stream.blocking-skip" => {
            instance.func_wrap(name, |mut caller, (_, length): (Resource<Input>, u64)| {
                Ok((take_input(&mut caller, length).map(|skipped| skipped.len() as u64),))
            })
        }
        "[method]input-stream.subscribe" => {
            instance.func_wrap(name, |mut caller, (_,): (Resource<Input>,)| {
                Ok((hold(&mut caller, Pollable { deadline: 0 })?,))
            })
        }
        "[method]output-stream.subscribe" => {
            instance.func_wrap(name, |mut caller, (_,): (Resource<Output>,)| {
                Ok((hold(&mut caller, Pollable { deadline: 0 })?,))
            })
        }
        "[method]output-stream.check-write" => instance
            .func_wrap(name, |_, (_,): (Resource<Output>,)| Ok((Streamed::Ok(MOST_WRITTEN),))),
        "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush" => {
            instance.func_wrap(name, |caller, (to, text): (Resource<Output>, Vec<u8>)| {
                write(caller, &to, &text)
            })
        }
        "[method]output-stream.write-zeroes"
        | "[method]output-stream.blocking-write-zeroes-and-flush" => {
            instance.func_wrap(name, |caller, (to, length): (Resource<Output>, u64)| {
                if length > MOST_WRITTEN {
                    return Err(Error::msg(format!(
                        "it writes {length} zeroes at once, more than the {MOST_WRITTEN} that \
                         `check-write` allows"
                    )));
                }
                write(caller, &to, &vec![0; length as usize])
            })
        }
        "[method]output-stream.flush" | "[method]output-stream.blocking-flush" => {
            instance.func_wrap(name, |_, (_,): (Resource<Output>,)| Ok((Streamed::Ok(()),)))
        }
        "[method]output-stream.splice" | "[method]output-stream.blocking-splice" => instance
            .func_wrap(
                name,
                |mut caller, (to, _, length): (Resource<Output>, Resource<Input>, u64)| {
                    let part = take_input(&mut caller, length).map(<[u8]>::to_vec);
                    let Ok(part) = part else { return Ok((Err(StreamError::Closed),)) };
                    let (written,) = write(caller, &to, &part)?;
                    Ok((written.map(|()| part.len() as u64),))
                },
            ),
        _ => Ok(()),
    }
}

/// Takes some of standard input, whichever of its streams it is asked of; those are closed
/// where nothing is left.
fn take_input<'a>(caller: &'a mut Caller<'_>, length: u64) -> Streamed<&'a [u8]> {
    let world = caller.data_mut().world_mut();
    world.take_input(length.min(MOST_READ)).ok_or(StreamError::Closed)
}

fn write(mut caller: Caller<'_>, to: &Resource<Output>, text: &[u8]) -> Result<(Streamed<()>,)> {
    let Output(stream) = get(&caller, to)?;
    caller.data_mut().print(stream, text)?;
    Ok((Ok(()),))
}

fn add_random(instance: &mut LinkerInstance<'_, Guest>, name: &str) -> Result<()> {
    match name {
        "get-random-bytes" | "get-insecure-random-bytes" => {
            instance.func_wrap(name, |mut caller, (length,): (u64,)| {
                if length > MOST_RANDOM {
                    return Err(Error::msg(format!(
                        "it asks for {length} random bytes at once, more than {MOST_RANDOM}"
                    )));
                }
                let mut bytes = vec![0; length as usize];
                caller.data_mut().world_mut().fill(&mut bytes);
                Ok((bytes,))
            })
        }
        "get-random-u64" | "get-insecure-random-u64" => {
            instance.func_wrap(name, |mut caller, (): ()| Ok((random(&mut caller),)))
        }
        "insecure-seed" => instance.func_wrap(name, |mut caller, (): ()| {
            Ok(((random(&mut caller), random(&mut caller)),))
        }),
        _ => Ok(()),
    }
}

fn random(caller: &mut Caller<'_>) -> u64 {
    let mut bytes = [0; 8];
    caller.data_mut().world_mut().fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_release_of_0_2_is_offered_and_no_other_version() {
        for import in ["wasi:io/poll@0.2.0", "wasi:io/poll@0.2.12", "wasi:cli/exit@0.2.3"] {
            assert!(offers(import), "{import}");
        }
        for import in [
            "wasi:io/poll",
            "wasi:io/poll@0.3.0",
            "wasi:io/poll@0.2.0-rc-2023-12-05",
            "wasi:http/types@0.2.3",
            "wasi:config/store@0.2.0-draft",
            "other:io/poll@0.2.0",
        ] {
            assert!(!offers(import), "{import}");
        }
        assert!(is_run("wasi:cli/run@0.2.0") && is_run("wasi:cli/run@0.2.12"));
        assert!(!is_run("wasi:cli/run@0.3.0") && !is_run("wasi:cli/run"));
        for interface in INTERFACES {
            let package = interface.split('/').next().unwrap();
            assert!(PACKAGES.contains(&&*format!("{package}@0.2")), "{interface}");
        }
    }
}
