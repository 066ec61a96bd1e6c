//! Seccomp: from a policy, which is data, to filters in the kernel.

use std::io;

use seccompiler::{BpfProgram, TargetArch, apply_filter, compile_from_json};
use serde_json::{Value, json};

use super::{Policy, WorkerDescriptors, compile_worker, worker};

/// One system call that is allowed, under all of the conditions.
#[derive(Copy, Clone, Debug)]
pub(super) struct Allow {
    /// The call's name.
    pub call: &'static str,
    /// What its arguments must be.
    pub when: &'static [When],
}

/// A condition on an argument, counted from 0.
#[derive(Copy, Clone, Debug)]
pub(super) enum When {
    /// The argument (32 bits) is this.
    Is(u8, u64),
    /// The argument's bits under the mask (first) are these (second).
    Masked(u8, u64, u64),
    /// The first argument is the descriptor on which requests come.
    OnRequests,
    /// The first argument is the descriptor on which responses go.
    OnResponses,
    /// The first argument is one of the input files.
    OnInputs,
    /// The first argument is this process.
    OnItself,
}

/// A call that is allowed whatever its arguments are.
pub(super) const fn any(call: &'static str) -> Allow {
    when(call, &[])
}

/// A call that is allowed if its arguments are as they should be.
pub(super) const fn when(call: &'static str, when: &'static [When]) -> Allow {
    Allow { call, when }
}

/// The first filter: what a role needs until everything is loaded, and for good if it
/// is a compile worker.
pub(super) fn enter_first(policy: &Policy) -> io::Result<()> {
    // A filter has one answer for what it matches, so what is to be refused without being
    // fatal has a filter of its own. It comes first, because the other may allow no third.
    let (refused, allowed, descriptors): (_, &[_], _) = match policy {
        Policy::Worker(descriptors) => (
            worker::REFUSED,
            &[worker::SERVING, worker::PROCESS, worker::LOADING],
            Some(descriptors),
        ),
        Policy::CompileWorker => {
            (compile_worker::REFUSED, &[worker::PROCESS, compile_worker::COMPILING], None)
        }
    };
    apply(&assemble(&[refused], None, Otherwise::Refuse, native()?)?)?;
    apply(&assemble(allowed, descriptors, Otherwise::Kill, native()?)?)
}

/// A filter that is not yet in force.
pub(super) struct Filter(BpfProgram);

impl Filter {
    pub fn apply(&self) -> io::Result<()> {
        apply(&self.0)
    }
}

/// The second filter: what is left while a plugin runs.
pub(super) fn second(descriptors: &WorkerDescriptors) -> io::Result<Filter> {
    let lists = [worker::SERVING, worker::PROCESS];
    assemble(&lists, Some(descriptors), Otherwise::Kill, native()?).map(Filter)
}

/// What happens to calls.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(super) enum Otherwise {
    /// Those on the list are allowed, any other ends the process.
    Kill,
    /// Those on the list are refused (they do not exist), any other is allowed.
    Refuse,
}

fn native() -> io::Result<TargetArch> {
    TargetArch::try_from(std::env::consts::ARCH).map_err(io::Error::other)
}

fn apply(program: &BpfProgram) -> io::Result<()> {
    apply_filter(program).map_err(io::Error::other)
}

/// Makes a program for a processor out of lists of allowed (or refused) calls.
pub(super) fn assemble(
    lists: &[&[Allow]],
    descriptors: Option<&WorkerDescriptors>,
    otherwise: Otherwise,
    arch: TargetArch,
) -> io::Result<BpfProgram> {
    let all: Vec<&Allow> = lists.iter().copied().flatten().collect();
    // seccompiler takes several rules for one call together, and one without conditions
    // vanishes among those with some: it has to stand alone.
    let in_any_case = |call| all.iter().any(|allow| allow.call == call && allow.when.is_empty());
    let allowed = all.iter().filter(|one| one.when.is_empty() || !in_any_case(one.call));
    let rules: Vec<Value> = allowed.flat_map(|allow| rules(allow, descriptors)).collect();
    let (matched, unmatched) = match otherwise {
        Otherwise::Kill => (json!("allow"), json!("kill_process")),
        Otherwise::Refuse => (json!({ "errno": libc::ENOSYS }), json!("allow")),
    };
    let policy = json!({
        "policy": { "mismatch_action": unmatched, "match_action": matched, "filter": rules }
    });
    let text = policy.to_string();
    let mut programs = compile_from_json(text.as_bytes(), arch).map_err(io::Error::other)?;
    programs.remove("policy").ok_or_else(|| io::Error::other("the policy came to nothing"))
}

/// The rules for one call: as many as there are descriptors that it may be made on.
fn rules(allow: &Allow, descriptors: Option<&WorkerDescriptors>) -> Vec<Value> {
    let mut choices: Vec<Vec<Value>> = vec![Vec::new()];
    for when in allow.when {
        let allowed: Vec<Value> = match (when, descriptors) {
            (When::Is(index, value), _) => vec![condition(*index, json!("eq"), *value)],
            (When::Masked(index, mask, value), _) => {
                vec![condition(*index, json!({ "masked_eq": mask }), *value)]
            }
            (When::OnItself, _) => vec![is(std::process::id().into())],
            (When::OnRequests, Some(on)) => vec![is(descriptor(on.requests))],
            (When::OnResponses, Some(on)) => vec![is(descriptor(on.responses))],
            (When::OnInputs, Some(on)) => on.inputs.clone().map(|fd| is(descriptor(fd))).collect(),
            // A role without descriptors: none may be used.
            (When::OnRequests | When::OnResponses | When::OnInputs, None) => Vec::new(),
        };
        choices = choices
            .iter()
            .flat_map(|before| {
                allowed.iter().map(|one| [before.as_slice(), std::slice::from_ref(one)].concat())
            })
            .collect();
    }
    choices
        .into_iter()
        .map(|conditions| match conditions.as_slice() {
            [] => json!({ "syscall": allow.call }),
            _ => json!({ "syscall": allow.call, "args": conditions }),
        })
        .collect()
}

fn is(value: u64) -> Value {
    condition(0, json!("eq"), value)
}

/// Descriptors are small and not negative.
fn descriptor(number: i32) -> u64 {
    u64::from(number.unsigned_abs())
}

fn condition(index: u8, op: Value, value: u64) -> Value {
    // Flags and descriptors are 32 bits wide; the kernel ignores what is above.
    json!({ "index": index, "type": "dword", "op": op, "val": value })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of the calls that a program compares the call with: seccompiler makes
    /// a jump for each.
    fn compared(program: &BpfProgram) -> Vec<u32> {
        const JUMP_IF_EQUAL: u16 = 0x15;
        program.iter().filter(|one| one.code == JUMP_IF_EQUAL).map(|one| one.k).collect()
    }

    #[test]
    fn every_policy_can_be_assembled_for_every_processor() {
        let descriptors = WorkerDescriptors { requests: 4, responses: 3, inputs: 8..10 };
        for arch in [TargetArch::x86_64, TargetArch::aarch64] {
            for lists in [
                &[worker::SERVING, worker::PROCESS][..],
                &[worker::SERVING, worker::PROCESS, worker::LOADING],
                &[worker::PROCESS, compile_worker::COMPILING],
            ] {
                let program = assemble(lists, Some(&descriptors), Otherwise::Kill, arch).unwrap();
                assert!(program.len() > 40, "{arch:?}");
            }
        }
    }

    /// Numbers on aarch64, from the kernel's table (include/uapi/asm-generic/unistd.h).
    #[test]
    fn the_policy_for_aarch64_names_the_calls_that_it_should() {
        let expected = [
            ("write", 64),
            ("pread64", 67),
            ("recvmsg", 212),
            ("sendmsg", 211),
            ("mmap", 222),
            ("mprotect", 226),
            ("munmap", 215),
            ("mremap", 216),
            ("brk", 214),
            ("madvise", 233),
            ("rt_sigreturn", 139),
            ("rt_sigaction", 134),
            ("rt_sigprocmask", 135),
            ("sigaltstack", 132),
            ("tgkill", 131),
            ("gettid", 178),
            ("getpid", 172),
            ("futex", 98),
            ("sched_yield", 124),
            ("clock_gettime", 113),
            ("restart_syscall", 128),
            ("close", 57),
            ("exit", 93),
            ("exit_group", 94),
            // Loading.
            ("memfd_create", 279),
            ("ftruncate", 46),
            ("fcntl", 25),
            ("prlimit64", 261),
            ("prctl", 167),
            ("seccomp", 277),
            // Compiling.
            ("clone", 220),
            ("clone3", 435),
            ("set_robust_list", 99),
            ("rseq", 293),
            ("sched_getaffinity", 123),
            ("getrandom", 278),
        ];
        let descriptors = WorkerDescriptors { requests: 4, responses: 3, inputs: 8..9 };
        let mut seen = Vec::new();
        for lists in [
            &[worker::SERVING, worker::PROCESS][..],
            &[worker::SERVING, worker::PROCESS, worker::LOADING],
            &[worker::PROCESS, compile_worker::COMPILING],
            &[worker::REFUSED],
            &[compile_worker::REFUSED],
        ] {
            let program =
                assemble(lists, Some(&descriptors), Otherwise::Kill, TargetArch::aarch64).unwrap();
            let numbers = compared(&program);
            let names: Vec<&str> = lists.iter().copied().flatten().map(|one| one.call).collect();
            for (name, number) in expected {
                // A number of a call that is not listed may be a flag of one that is.
                if names.contains(&name) {
                    assert!(numbers.contains(&number), "{name} is missing");
                }
            }
            seen.extend(names);
        }
        for name in &seen {
            assert!(expected.iter().any(|(known, _)| known == name), "{name} has no number here");
        }
        assert!(expected.iter().all(|(name, _)| seen.contains(name)));
    }
}
