//! Namespaces: the process becomes alone in a user, file system, network and IPC of
//! its own, and all of them are empty.
//!
//! No PID namespace: it takes a second fork, so that the parent's death is noticed
//! late and an abort looks like another signal; seccomp leaves no call that could use
//! another process's number.

use std::io;
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, mount_remount, unmount,
};
use rustix::process::{Signal, getppid, pivot_root, set_parent_process_death_signal};
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Leaves every namespace of the supervisor that can be left without a fork, and
/// stands in an empty, read-only root afterwards.
pub(super) fn enter() -> io::Result<()> {
    let parent = getppid();
    leave()?;
    // A change of credentials clears the wish to die with the parent.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != parent {
        return Err(io::Error::other("the supervisor is gone"));
    }
    empty_root().map_err(|error| {
        io::Error::other(format!("there is a user namespace, but no mounting in it: {error}"))
    })
}

#[allow(unsafe_code, reason = "unsharing is unsafe where a file table might be shared")]
fn leave() -> io::Result<()> {
    let all = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS;
    // SAFETY: the file table is not unshared, which is what the call is unsafe for.
    unsafe { unshare_unsafe(all) }.map_err(|error| match error {
        // The kernel's own word for it speaks of a device.
        Errno::NOSPC => io::Error::other("the limit on user namespaces is reached"),
        Errno::PERM => io::Error::other("user namespaces are not permitted here"),
        other => other.into(),
    })
}

/// Puts an empty file system in the root's place. The old root is unmounted, not
/// merely out of sight.
fn empty_root() -> io::Result<()> {
    // Nothing of what follows may be seen outside.
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    // Any directory will do: it is only the place to mount on, and is left behind.
    let place = std::env::temp_dir();
    let place = if place.is_dir() { place.as_path() } else { Path::new("/") };
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("none", place, "tmpfs", flags, c"size=4k,nr_inodes=1,mode=0555")?;
    std::env::set_current_dir(place)?;
    // The old root is stacked on the new one and taken away from there.
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    std::env::set_current_dir("/")?;
    Ok(mount_remount("/", flags | MountFlags::RDONLY | MountFlags::BIND, c"")?)
}
