//! Limits of the kernel on one process.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Policy;

/// Descriptors that a worker may have open: what it inherits, its channel, and one to
/// load the plugin with. Locked workers cannot open any.
const DESCRIPTORS: u64 = 256;

/// Sets what is limited from the beginning. `memory` bounds the data of the process,
/// in bytes: what it maps privately and writably. (Not its address space, of which
/// wasmtime reserves gigabytes without touching them.)
///
/// The limit on processes counts for ordinary users only: the kernel exempts root.
pub(super) fn enter(policy: &Policy, memory: u64) -> io::Result<()> {
    if let Policy::Worker(_) = policy {
        // It is a single thread, and that is what it stays.
        set(Resource::Nproc, 0)?;
    }
    set(Resource::Core, 0)?;
    set(Resource::Nofile, DESCRIPTORS)?;
    set(Resource::Data, memory)?;
    // POSIX message queues and locked memory are of no use to a worker.
    set(Resource::Msgqueue, 0)?;
    set(Resource::Memlock, 0)
}

/// Sets what loading the plugin still needed: afterwards no file can grow by a byte.
pub(super) fn seal() -> io::Result<()> {
    set(Resource::Fsize, 0)
}

/// Sets both limits: a process without privileges cannot raise them again. Where one is
/// stricter already it stays so.
fn set(resource: Resource, limit: u64) -> io::Result<()> {
    let limit = getrlimit(resource).maximum.map_or(limit, |hard| hard.min(limit));
    Ok(setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?)
}
