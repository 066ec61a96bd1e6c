//! A filter of system calls around the whole program, such as a container has one: it
//! takes a layer of the sandbox away from `host` and everything that `host` starts.
#![allow(unsafe_code, reason = "a process is restricted between fork and exec")]

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};

/// A system call that is refused.
#[derive(Copy, Clone, Debug)]
pub enum Call {
    /// Whatever its arguments are.
    Any(i64),
    /// `prctl` with this for its first argument.
    Prctl(i32),
    /// `prlimit64` where it sets a limit. Everybody may go on asking for one, which the
    /// start of a Rust program does.
    PrlimitThatSets,
    /// `clone` with this flag.
    Clone(i32),
}

impl Call {
    fn number(self) -> i64 {
        match self {
            Call::Any(number) => number,
            Call::Prctl(_) => libc::SYS_prctl,
            Call::PrlimitThatSets => libc::SYS_prlimit64,
            Call::Clone(_) => libc::SYS_clone,
        }
    }

    /// None if the call is refused in any case.
    fn rule(self) -> Option<SeccompRule> {
        let (argument, width, comparison, value) = match self {
            Call::Any(_) => return None,
            Call::Prctl(option) => {
                (0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, u64::from(option.unsigned_abs()))
            }
            Call::PrlimitThatSets => (2, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0),
            Call::Clone(flag) => {
                let flag = u64::from(flag.unsigned_abs());
                (0, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(flag), flag)
            }
        };
        let condition = SeccompCondition::new(argument, width, comparison, value).unwrap();
        Some(SeccompRule::new(vec![condition]).unwrap())
    }
}

/// A filter that can be put around programs.
pub struct Outer(BpfProgram);

impl Outer {
    /// Refuses the calls with an error number and allows all others.
    pub fn refusing(calls: &[Call], error: i32) -> Outer {
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
        for call in calls {
            rules.entry(call.number()).or_default().extend(call.rule());
        }
        let refuse = SeccompAction::Errno(error.unsigned_abs());
        let processor = std::env::consts::ARCH.try_into().unwrap();
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, processor).unwrap();
        Outer(filter.try_into().unwrap())
    }

    /// Lets the program start inside of the filter.
    pub fn around(&self, command: &mut Command) {
        let program = self.0.clone();
        let enter = move || apply_filter(&program).map_err(|_| std::io::Error::last_os_error());
        // SAFETY: between fork and exec this makes two system calls on memory that exists
        // already; it takes no lock and allocates nothing.
        unsafe { command.pre_exec(enter) };
    }
}
