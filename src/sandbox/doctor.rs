//! What this machine allows: each layer is tried by itself, in a process of its own.

use crate::error::Error;
use crate::roles;

use super::{Layer, Layers, Plan, Policy, enter};

/// What the trial of one layer has shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The layer.
    pub layer: Layer,
    /// Whether a run without it is refused, unless the user asks for that.
    pub demanded: bool,
    /// Why it cannot be had; nothing if it can.
    pub trouble: Option<String>,
}

impl Finding {
    /// What the layer is for.
    pub fn purpose(&self) -> &'static str {
        match self.layer {
            Layer::Rlimits => "limits on memory, open files and core dumps of a worker",
            Layer::NoNewPrivs => "a worker has no privileges and cannot gain any",
            Layer::Seccomp => {
                "a worker can make a few dozen harmless system calls; any other ends it"
            }
            Layer::Namespaces => {
                "a worker is alone: no files, no network, no users but its own empty ones"
            }
            Layer::Landlock => "a worker has no right to any file, port or foreign process",
        }
    }

    /// What could be changed to get the layer.
    pub fn remedy(&self) -> &'static str {
        match self.layer {
            Layer::Rlimits => "in a container, use a seccomp profile that allows `prlimit64`",
            Layer::NoNewPrivs => {
                "use Linux 3.5 or later; in a container, a seccomp profile that allows `prctl`"
            }
            Layer::Seccomp => {
                "use a kernel with seccomp filters (CONFIG_SECCOMP_FILTER); in a container, a \
                 seccomp profile that allows `seccomp` and `prctl`"
            }
            Layer::Namespaces => {
                "allow unprivileged user namespaces: sysctl kernel.unprivileged_userns_clone=1 \
                 (Debian), kernel.apparmor_restrict_unprivileged_userns=0 or an AppArmor profile \
                 (Ubuntu), user.max_user_namespaces above 0; in a container, a seccomp profile \
                 that allows `unshare`, `mount` and `pivot_root`"
            }
            Layer::Landlock => {
                "use Linux 5.13 or later with `landlock` in its list of security modules (lsm=); \
                 in a container, a seccomp profile that allows the `landlock_` calls"
            }
        }
    }
}

/// Tries every layer on this machine.
///
/// # Errors
/// A process for a trial cannot be started, or [`crate::init`] was not called.
pub fn doctor() -> Result<Vec<Finding>, Error> {
    let try_one = |layer| {
        let trouble = roles::probe(layer)?;
        Ok(Finding { layer, demanded: Layers::FLOOR.has(layer), trouble })
    };
    Layer::ALL.into_iter().map(try_one).collect()
}

/// Tries a layer on this process, which must end soon afterwards.
pub(crate) fn probe(layer: Layer) -> Result<(), String> {
    let plan = Plan { wanted: layer.into(), demanded: layer.into() };
    match enter(plan, &Policy::CompileWorker, 4 << 30) {
        Ok(_) => Ok(()),
        Err(missing) => Err(missing.source.to_string()),
    }
}
