//! Landlock: every right that the kernel knows is handled, and none is granted.

use std::io;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetStatus, Scope,
};

/// The newest version whose rights are named here; older kernels handle fewer.
const NEWEST: ABI = ABI::V6;

/// Gives up every right in the file system, on TCP, and to signal or connect to
/// processes outside.
pub(super) fn enter() -> io::Result<()> {
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(NEWEST)))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(NEWEST)))
        .and_then(Ruleset::create)
        .map_err(io::Error::other)?;
    let status = ruleset.restrict_self().map_err(io::Error::other)?;
    match status.ruleset {
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        RulesetStatus::NotEnforced => Err(io::Error::other(trouble())),
    }
}

/// The newest version that this kernel has.
#[allow(unsafe_code, reason = "the crate tells the version, but not the error")]
pub(super) fn version() -> io::Result<i64> {
    const VERSION: u64 = 1;
    // SAFETY: asks for a number, and touches no memory.
    match unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0_u64, 0_u64, VERSION) } {
        -1 => Err(io::Error::last_os_error()),
        version => Ok(version),
    }
}

/// Why there is no Landlock.
fn trouble() -> String {
    match version() {
        Ok(_) => "it is there, but this process may not use it".into(),
        Err(error) => match error.raw_os_error() {
            Some(libc::ENOSYS) => "the kernel has no Landlock".into(),
            Some(libc::EOPNOTSUPP) => "Landlock is switched off in the kernel (lsm=)".into(),
            _ => format!("asking for Landlock is refused: {error}"),
        },
    }
}
