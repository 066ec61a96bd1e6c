//! The second wall: what a worker process gives up before a plugin's code is near.
//!
//! Each layer has a file. What system calls a role keeps is data, in one file for
//! each role ([`worker`], [`compile_worker`]), so that it can be read by itself. A
//! process locks itself; the supervisor asks the kernel whether it has ([`verify`]).

#[cfg(test)]
mod attacks;
mod compile_worker;
mod doctor;
mod landlock;
mod layers;
mod namespaces;
mod privileges;
mod rlimits;
mod seccomp;
mod verify;
mod worker;

use std::io;
use std::os::fd::RawFd;

use serde::{Deserialize, Serialize};

pub(crate) use doctor::probe;
pub use doctor::{Finding, doctor};
pub use layers::{Layer, Layers};
pub(crate) use verify::{Locked, verify};

/// How the layers of a job are chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sandbox {
    /// Every layer that the machine allows; those that it must allow in any case,
    /// and those named here, are demanded.
    Auto {
        /// Demanded besides [`Layers::FLOOR`].
        require: Layers,
    },
    /// Every layer is demanded.
    Strict,
    /// None: WebAssembly is the only wall.
    Off,
}

impl Sandbox {
    pub(crate) fn plan(self) -> Plan {
        match self {
            Sandbox::Auto { require } => {
                Plan { wanted: Layers::ALL, demanded: Layers::FLOOR.with(require) }
            }
            Sandbox::Strict => Plan { wanted: Layers::ALL, demanded: Layers::ALL },
            Sandbox::Off => Plan { wanted: Layers::NONE, demanded: Layers::NONE },
        }
    }
}

/// What a process is to do to itself.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Layers to be tried.
    pub wanted: Layers,
    /// Layers without which the process must not go on.
    pub demanded: Layers,
}

/// A demanded layer that cannot be had here.
#[derive(Debug, thiserror::Error)]
#[error("{layer}: {source}")]
pub(crate) struct Missing {
    pub layer: Layer,
    pub source: io::Error,
}

/// Which role's system calls are kept.
#[derive(Clone, Debug)]
pub(crate) enum Policy {
    /// A worker's, by the numbers of the descriptors that it talks through.
    Worker(WorkerDescriptors),
    /// A compile worker's.
    CompileWorker,
}

/// Descriptors that a locked worker may still use, each in one way.
#[derive(Clone, Debug)]
pub(crate) struct WorkerDescriptors {
    /// Requests are received here.
    pub requests: RawFd,
    /// Responses are sent here.
    pub responses: RawFd,
    /// Input files: read by place.
    pub inputs: std::ops::Range<RawFd>,
}

/// Locks this process: every layer of the plan in order, down to the first filter of
/// system calls. `memory` is how many bytes the process may claim for its data.
///
/// # Errors
/// The first demanded layer that cannot be had. The process must end then.
pub(crate) fn enter(plan: Plan, policy: &Policy, memory: u64) -> Result<Layers, Missing> {
    let mut in_force = Layers::NONE;
    let mut step = |layer: Layer, done: io::Result<()>| match done {
        Ok(()) => {
            in_force = in_force.with(layer.into());
            Ok(())
        }
        Err(source) if plan.demanded.has(layer) => Err(Missing { layer, source }),
        Err(_) => Ok(()),
    };
    let wants = |layer| plan.wanted.has(layer);
    if wants(Layer::Rlimits) {
        step(Layer::Rlimits, rlimits::enter(policy, memory))?;
    }
    if wants(Layer::Namespaces) {
        step(Layer::Namespaces, namespaces::enter())?;
    }
    if wants(Layer::NoNewPrivs) {
        step(Layer::NoNewPrivs, privileges::drop_all())?;
    }
    if wants(Layer::Landlock) {
        step(Layer::Landlock, landlock::enter())?;
    }
    if wants(Layer::Seccomp) {
        step(Layer::Seccomp, seccomp::enter_first(policy))?;
    }
    Ok(in_force)
}

/// What locks a worker for good: nothing may become executable, nothing may grow but
/// memory. Applied when everything is loaded and before any code of the plugin runs.
pub(crate) struct Seal {
    layers: Layers,
    filter: seccomp::Filter,
}

impl Seal {
    /// Made beforehand, while the worker waits.
    pub fn new(layers: Layers, descriptors: &WorkerDescriptors) -> io::Result<Seal> {
        Ok(Seal { layers, filter: seccomp::second(descriptors)? })
    }

    pub fn apply(self) -> io::Result<()> {
        if self.layers.has(Layer::Rlimits) {
            rlimits::seal()?;
        }
        if self.layers.has(Layer::Seccomp) {
            self.filter.apply()?;
        }
        Ok(())
    }
}
