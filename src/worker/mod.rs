//! The worker: greet, load the plugin, serve ranges until told to stop.

mod attempt;
mod batch;
mod chain;
mod fold;
mod output;
mod states;
mod text;

use std::fs::File;
use std::hash::RandomState;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::panic::PanicHookInfo;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, bail};

use crate::descriptors;
use crate::ipc::{self, Responses};
use crate::protocol::{Fatal, Layout, Request, Response, SLOTS, Setup, Start};
use crate::runtime::{self, Engine, Loaded};
use crate::sandbox::{self, Policy, WorkerDescriptors};
use crate::slots::WorkerSlot;

use attempt::Broken;
use batch::Batch;
use chain::Chain;
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
    let Request::Prepare { layout, sandbox, memory, plugins } = first else {
        bail!("the first request was no `Prepare`");
    };
    let inputs = artifacts.split_off(artifacts.len().min(plugins.into()));
    let slots = map(memories, layout)?;
    // What these need of the system they can get only now.
    let engine = runtime::engine().map_err(words)?;
    std::hint::black_box(RandomState::new());
    let first_input = descriptors::worker::PLUGINS + i32::from(plugins);
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
    let Request::Start(start) = ends.requests.recv()? else {
        bail!("the second request was no `Start`");
    };
    let mut worker = match load(&engine, setups, artifacts, &start) {
        Ok(chain) => Worker {
            start,
            chain,
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
    sandbox::seal(layers, &descriptors)?;
    send(&responses, Response::Online)?;
    loop {
        // An error means that the supervisor is gone: there is nothing to do then.
        match ends.requests.recv()? {
            Request::Stop => return Ok(()),
            request => match worker.serve(request)? {
                Ok(response) => send(&responses, response)?,
                Err(broken) => return send(&responses, Response::fatal(broken.what, &broken.text)),
            },
        }
    }
}

/// The compiled plugins and after them the input files.
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
    slots: Vec<WorkerSlot>,
    /// States that pass the slots.
    transits: [Transit; SLOTS],
    inputs: Vec<File>,
    /// Holds pieces of input files; kept to save its allocation.
    buffer: Vec<u8>,
    /// Records that wait to be processed together.
    batch: Batch,
}

/// Loads every plugin of the chain.
fn load(
    engine: &Engine,
    setups: File,
    artifacts: Vec<File>,
    start: &Start,
) -> anyhow::Result<Chain> {
    // By place, here and below: all workers share the place at which a file was left.
    let read = |file: &File, length: u64| -> anyhow::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(length)?];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    };
    let setups: Vec<Setup> = postcard::from_bytes(&read(&setups, start.setups)?)?;
    let plugins: anyhow::Result<Vec<_>> = setups
        .iter()
        .zip(&artifacts)
        .map(|(setup, artifact)| {
            let code = read(artifact, setup.artifact)?;
            let loaded = Loaded::load(engine, setup, start, setups.len(), &code).map_err(words)?;
            Ok((setup.operation, loaded))
        })
        .collect();
    Ok(Chain::new(plugins?, start.max_output, start.max_state))
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
            | Request::Stop => bail!("a request came out of turn"),
        })
    }
}
