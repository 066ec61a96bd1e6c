//! Asking the kernel whether a process has locked itself: its own word does not
//! count.

use std::io;

use super::{Layer, Layers, Plan};

/// How far a process must be.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Locked {
    /// Down to the first filter of system calls.
    First,
    /// For good.
    ForGood,
    /// A compile worker, which has two filters from the beginning.
    Compiling,
}

/// Checks that `pid`, which says that these layers are in force, has what the plan
/// demands, and that it is not wrong where the kernel can tell.
///
/// # Errors
/// What is not as it should be. The process may also have ended meanwhile, which the
/// caller has to find out.
pub(crate) fn verify(pid: u32, plan: Plan, layers: Layers, locked: Locked) -> Result<(), String> {
    let missing = plan.demanded.without(layers);
    if !missing.is_empty() {
        return Err(format!("it has no {missing}"));
    }
    let theirs = Status::of(&pid.to_string()).map_err(|error| {
        format!(
            "its state cannot be seen (/proc/{pid}/status: {error}); is /proc mounted with \
             `hidepid`?"
        )
    })?;
    let ours = Status::of("self").map_err(|error| error.to_string())?;
    let filters = match locked {
        Locked::First | Locked::Compiling => 2,
        Locked::ForGood => 3,
    };
    // A filter holds for the thread that installs it and those that it starts.
    if !layers.is_empty() && theirs.threads != 1 {
        return Err(format!(
            "it had {} threads when it was locked; `host::init()` must be the first call in `main`",
            theirs.threads
        ));
    }
    if layers.has(Layer::Seccomp) {
        if theirs.seccomp != 2 {
            return Err("it has no filter of system calls".into());
        }
        // Kernels before 5.9 do not count; then the mode is what can be known.
        if let (Some(theirs), ours) = (theirs.filters, ours.filters.unwrap_or(0))
            && theirs != ours + filters
        {
            return Err(format!("it has {} filters of system calls, not {filters}", theirs - ours));
        }
    }
    if layers.has(Layer::NoNewPrivs) && (!theirs.no_new_privs || theirs.capabilities != 0) {
        return Err("it has kept privileges".into());
    }
    Ok(())
}

/// What `/proc/PID/status` says about a process's locks.
#[derive(Debug, PartialEq, Eq)]
struct Status {
    threads: u64,
    seccomp: u64,
    filters: Option<u64>,
    no_new_privs: bool,
    capabilities: u64,
}

impl Status {
    fn of(pid: &str) -> io::Result<Status> {
        Status::parse(&std::fs::read_to_string(format!("/proc/{pid}/status"))?)
    }

    fn parse(text: &str) -> io::Result<Status> {
        let field = |name: &str| {
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
        };
        let number = |name: &str, radix| {
            let value = field(name).and_then(|value| u64::from_str_radix(value, radix).ok());
            value.ok_or_else(|| io::Error::other(format!("the kernel does not tell `{name}`")))
        };
        Ok(Status {
            threads: number("Threads", 10)?,
            seccomp: number("Seccomp", 10)?,
            filters: number("Seccomp_filters", 10).ok(),
            no_new_privs: number("NoNewPrivs", 10)? == 1,
            capabilities: number("CapEff", 16)? | number("CapPrm", 16)? | number("CapInh", 16)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Sandbox;

    #[test]
    fn the_kernels_words_are_understood() {
        let text = "Name:\thost\nThreads:\t1\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n\
                    CapEff:\t000001ffffffffff\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\n";
        let status = Status::parse(text).unwrap();
        assert_eq!(status.filters, Some(3));
        assert_eq!(status.capabilities, 0x1ff_ffff_ffff);
        assert!(Status::parse("Name:\thost\n").is_err());
    }

    #[test]
    fn a_process_that_is_not_locked_is_found_out() {
        let own = std::process::id();
        let off = Sandbox::Off.plan();
        assert!(verify(own, off, Layers::NONE, Locked::First).is_ok());
        assert!(verify(own, off, Layers::FLOOR, Locked::ForGood).is_err());
        assert!(verify(own, Sandbox::Strict.plan(), Layers::FLOOR, Locked::First).is_err());
    }
}
