//! Descriptors that a worker inherits, at numbers known to both sides. A worker
//! opens nothing itself.

use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::net::{SocketAddrUnix, getpeername};

/// The first number after standard input, output and error, which are `/dev/null`.
pub(crate) const FIRST: RawFd = 3;

/// What stands where in a worker.
pub(crate) mod worker {
    use super::{FIRST, RawFd};
    use crate::protocol::SLOTS;

    /// What is to be known about each plugin.
    pub(crate) const SETUPS: RawFd = FIRST;

    /// The input memory of a slot; its output memory follows it.
    pub(crate) const fn slot(index: usize) -> RawFd {
        SETUPS + 1 + 2 * index as RawFd
    }

    /// The first of the compiled plugins; the side data follows the last, and the input
    /// files follow that.
    pub(crate) const PLUGINS: RawFd = slot(SLOTS);
}

/// What stands where in a table worker.
pub(crate) mod table {
    use super::{FIRST, RawFd};

    /// The input memory of its slot.
    pub(crate) const INPUT: RawFd = FIRST;
    /// The output memory of its slot.
    pub(crate) const OUTPUT: RawFd = FIRST + 1;
    /// The first of its files: what it reads.
    pub(crate) const FILES: RawFd = FIRST + 2;
}

/// What stands where in a compile worker.
pub(crate) mod compile {
    use super::{FIRST, RawFd};

    /// The plugin as the user named it.
    pub(crate) const PLUGIN: RawFd = FIRST;
    /// Empty memory for the compiled plugin.
    pub(crate) const ARTIFACT: RawFd = FIRST + 1;
    /// Memory for a text that is too long for a response.
    pub(crate) const REPORT: RawFd = FIRST + 2;
}

/// Takes over the inherited descriptor with this number, or says that it is not
/// open. Each number may be taken once: whoever takes it owns it.
#[allow(unsafe_code, reason = "a number inherited across exec has no owner in the type system")]
pub(crate) fn take(number: RawFd) -> std::io::Result<OwnedFd> {
    // SAFETY: only looked at, and closed by nobody else: the roles take each number
    // once, at their start, before anything else could have opened it.
    let inherited = unsafe { OwnedFd::from_raw_fd(number) };
    match rustix::io::fcntl_setfd(&inherited, rustix::io::FdFlags::CLOEXEC) {
        Ok(()) => Ok(inherited),
        Err(error) => {
            // It was not open, so there is nothing to close.
            std::mem::forget(inherited);
            Err(error.into())
        }
    }
}

/// The numbers of all descriptors that are open in this process.
pub(crate) fn open() -> std::io::Result<Vec<RawFd>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        numbers.extend(entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()));
    }
    Ok(numbers)
}

/// The path of the Unix socket that this descriptor is connected to: empty if the
/// other end has no name, `None` if it is no connected socket.
#[allow(unsafe_code, reason = "a number found in a list has no owner in the type system")]
pub(crate) fn socket_peer(number: RawFd) -> Option<Vec<u8>> {
    // SAFETY: borrowed for one question. If it was closed meanwhile the answer is an
    // error, and no other thread of a starting worker opens descriptors.
    let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
    let peer = SocketAddrUnix::try_from(getpeername(descriptor).ok()??).ok()?;
    Some(peer.path_bytes().unwrap_or_default().to_vec())
}
