//! The worker: greet, load the plugin, serve ranges until told to stop.

mod attempt;
mod batch;
mod chain;
mod clock;
mod command;
mod fold;
mod outcome;
mod output;
mod rows;
mod states;
mod text;
#[cfg(test)]
mod workloads;

use std::fs::File;
use std::hash::RandomState;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::panic::PanicHookInfo;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::descriptors;
use crate::fault;
use crate::ipc::{self, Responses};
use crate::protocol::{Fatal, Layout, Request, Response, SLOTS, Setups, Start};
use crate::runtime::{self, Bytes, Common, Data, Engine, Plugin};
use crate::sample::Sample;
use crate::sandbox::{self, Policy, Seal, WorkerDescriptors};
use crate::slots::{Sealed, WorkerSlot};

#[cfg(any(test, fuzzing))]
pub(crate) use rows::fuzz as fuzz_letters;

use attempt::Broken;
use batch::Batch;
use chain::Chain;
use clock::Clock;
use rows::Rows;
use states::Transit;

/// The worker's life.
pub(crate) fn serve(guard: &str) -> anyhow::Result<()> {
    let setups = File::from(descriptors::take(descriptors::worker::SETUPS)?);
    let mut memories = Vec::new();
    for slot in 0..SLOTS {
        let input = descriptors::take(descriptors::worker::slot(slot))?;
        let output = descriptors::take(descriptors::worker::slot(slot) + 1)?;
        memories.push((input, output));
    }
    let mut artifacts = inherited_files();
    let (ends, first) = ipc::greet(guard)?;
    let responses = Arc::new(Mutex::new(ends.responses));
    report_panics(&responses);
    let Request::Prepare { layout, sandbox, memory, plugins, data, settings } = first else {
        bail!("the first request was no `Prepare`");
    };
    let mut side_data = artifacts.split_off(artifacts.len().min(plugins.into()));
    let inputs = side_data.split_off(side_data.len().min(data.into()));
    let slots = map(memories, layout)?;
    let artifacts = map_sealed(artifacts).context("cannot map the compiled plugins")?;
    let side_data = map_sealed(side_data).context("cannot map the side data")?;
    // What these need of the system they can get only now.
    let engine = runtime::engine(settings).map_err(words)?;
    runtime::tick(&engine, settings).context("cannot set a timer")?;
    make_room_on_the_stack(settings.stack);
    std::hint::black_box(RandomState::new());
    let first_input = descriptors::worker::PLUGINS + i32::from(plugins) + i32::from(data);
    let descriptors = WorkerDescriptors {
        requests: ends.numbers.requests,
        responses: ends.numbers.responses,
        inputs: first_input..first_input + inputs.len() as i32,
    };
    let policy = Policy::Worker(descriptors.clone());
    let layers = match sandbox::enter(sandbox, &policy, memory) {
        Ok(layers) => layers,
        Err(missing) => {
            return send(&responses, Response::fatal(Fatal::Sandbox, &missing.to_string()));
        }
    };
    send(&responses, Response::Locked { layers })?;
    let seal = Seal::new(layers, &descriptors)?;
    let second = ends.requests.recv()?;
    fault::after_request(&second);
    let Request::Start(start) = second else {
        bail!("the second request was no `Start`");
    };
    let mut worker = match load(&engine, setups, artifacts, side_data, &start) {
        Ok(Loaded { chain, columns, sample, clock }) => Worker {
            rows: Rows::new(start.framing, columns),
            start,
            chain,
            sample,
            clock,
            slots,
            transits: Default::default(),
            inputs,
            buffer: Vec::new(),
            batch: Batch::default(),
        },
        Err(error) => {
            let text = format!("{error:#}");
            return send(&responses, Response::fatal(Fatal::Instantiate, &text));
        }
    };
    seal.apply()?;
    send(&responses, Response::Online)?;
    loop {
        // An error means that the supervisor is gone: there is nothing to do then.
        let request = ends.requests.recv()?;
        fault::after_request(&request);
        match request {
            // The kernel takes back at once what would be given back piece by piece.
            Request::Stop => std::process::exit(0),
            request => match worker.serve(request)? {
                Ok(response) => send(&responses, response)?,
                Err(broken) => return send(&responses, Response::fatal(broken.what, &broken.text)),
            },
        }
    }
}

/// Stack of this program's own beneath a plugin's calls, in bytes.
const OWN_STACK: u64 = 4 << 20;

/// Lets the stack of this thread, the only one, grow as far as a plugin's calls may need.
/// Where that is not allowed, a plugin that needs it crashes its worker.
fn make_room_on_the_stack(plugin: u64) {
    let Rlimit { current, maximum } = getrlimit(Resource::Stack);
    let wanted = plugin + OWN_STACK;
    let wanted = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if current.is_some_and(|current| current < wanted) {
        let _ = setrlimit(Resource::Stack, Rlimit { current: Some(wanted), maximum });
    }
}

/// The compiled plugins, after them the side data, and after that the input files.
fn inherited_files() -> Vec<File> {
    (descriptors::worker::PLUGINS..)
        .map_while(|number| descriptors::take(number).ok())
        .map(File::from)
        .collect()
}

fn map(memories: Vec<(OwnedFd, OwnedFd)>, layout: Layout) -> anyhow::Result<Vec<WorkerSlot>> {
    let mapped: std::io::Result<Vec<_>> =
        memories.iter().map(|(input, output)| WorkerSlot::map(input, output, layout)).collect();
    mapped.context("cannot map the slots")
}

/// Maps memory that nobody can change, while that is still allowed.
fn map_sealed(files: Vec<File>) -> std::io::Result<Vec<Sealed>> {
    files.into_iter().map(|file| Sealed::map(&file.into())).collect()
}

type Channel = Arc<Mutex<Responses>>;

fn send(channel: &Channel, response: Response) -> anyhow::Result<()> {
    let responses = channel.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(responses.send(response)?)
}

/// Lets a panic of this program be heard: only its place, because its message may
/// hold bytes of a record.
fn report_panics(channel: &Channel) {
    let channel = Arc::clone(channel);
    std::panic::set_hook(Box::new(move |panic: &PanicHookInfo<'_>| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        if let Ok(responses) = channel.try_lock() {
            // The process ends either way, and its end will be noticed.
            let _ =
                responses.send(Response::fatal(Fatal::Internal, &format!("a panic at {place}")));
        }
    }));
}

fn words(error: runtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:#}")
}

/// Everything that a worker has once it is online.
struct Worker {
    start: Start,
    chain: Chain,
    sample: Option<Sample>,
    clock: Option<Clock>,
    slots: Vec<WorkerSlot>,
    /// States that pass the slots.
    transits: [Transit; SLOTS],
    inputs: Vec<File>,
    /// Holds pieces of input files; kept to save its allocation.
    buffer: Vec<u8>,
    /// Records that wait to be processed together.
    batch: Batch,
    rows: Rows,
}

/// What there is once all plugins are loaded.
struct Loaded {
    chain: Chain,
    /// Names of the output's columns, where the user has named some.
    columns: Option<Vec<String>>,
    /// Which records are processed, where not all are.
    sample: Option<Sample>,
    /// Measures what records take, where that is wanted.
    clock: Option<Clock>,
}

/// Loads every plugin of the chain.
fn load(
    engine: &Engine,
    setups: File,
    artifacts: Vec<Sealed>,
    side_data: Vec<Sealed>,
    start: &Start,
) -> anyhow::Result<Loaded> {
    let mut bytes = vec![0; usize::try_from(start.setups)?];
    // By place: all workers share the place at which a file was left.
    setups.read_exact_at(&mut bytes, 0)?;
    let setups: Setups = postcard::from_bytes(&bytes)?;
    let side_data = side_data.into_iter().map(|mapped| Box::new(mapped) as Bytes);
    let data = Data::new(setups.data.iter().cloned().zip(side_data).collect());
    let clock = Clock::new(setups.measure);
    let samples = clock.as_ref().and_then(Clock::samples);
    let plugins: anyhow::Result<Vec<_>> = setups
        .plugins
        .iter()
        .zip(&artifacts)
        .map(|(setup, artifact)| {
            let common = Common { start, setups: &setups, data: &data, samples };
            let plugin = Plugin::load(engine, setup, common, artifact.as_ref());
            Ok((setup.operation, plugin.map_err(words)?))
        })
        .collect();
    let chain = Chain::new(plugins?, start);
    Ok(Loaded { chain, columns: setups.columns, sample: setups.sample, clock })
}

impl Worker {
    /// Does what is asked; the outer error is a request that cannot be meant.
    fn serve(&mut self, request: Request) -> anyhow::Result<Result<Response, Broken>> {
        Ok(match request {
            Request::Process(process) => attempt::run(self, process).map(Response::Done),
            Request::States(states) => states::serve(self, states).map(Response::Piece),
            Request::Fetch { nonce, slot } => states::fetch(self, nonce, slot).map(Response::Piece),
            Request::Prepare { .. }
            | Request::Start(_)
            | Request::Compile { .. }
            | Request::Table { .. }
            | Request::Rows { .. }
            | Request::Stop => bail!("a request came out of turn"),
        })
    }
}
