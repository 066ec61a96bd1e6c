//! No privileges, and no way to get any.

use std::io;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set, set_capabilities, set_no_new_privs,
};

/// Gives up every capability and the ability to gain some by executing a program.
/// Other processes of the same user can no longer attach to this one.
pub(super) fn drop_all() -> io::Result<()> {
    set_no_new_privs(true)?;
    // Kernels before 4.3 have no ambient set, and then nothing to clear.
    let _ = clear_ambient_capability_set();
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}
