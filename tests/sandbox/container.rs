//! Inside of the seccomp profile that container engines put around everything by default, for
//! a user without privileges: what runs there, with what, and what the doctor says. (What else
//! a container is, an ordinary user, a read-only root but for one directory, no home, little
//! memory, this suite meets in `.ci/environments`.)

use super::outer::{Call, Outer};
use super::{JOB, available, command, stderr};

/// What the default profile (of moby's `profiles/seccomp/default.json`) refuses to those who
/// have no capabilities. It lists what is allowed; these are the rest, as far as they could
/// matter to a program like this one.
const REFUSED: &[Call] = &[
    Call::Any(libc::SYS_unshare),
    Call::Any(libc::SYS_setns),
    Call::Any(libc::SYS_mount),
    Call::Any(libc::SYS_umount2),
    Call::Any(libc::SYS_pivot_root),
    Call::Any(libc::SYS_fsopen),
    Call::Any(libc::SYS_fsmount),
    Call::Any(libc::SYS_fsconfig),
    Call::Any(libc::SYS_fspick),
    Call::Any(libc::SYS_move_mount),
    Call::Any(libc::SYS_open_tree),
    Call::Any(libc::SYS_mount_setattr),
    Call::Any(libc::SYS_sethostname),
    Call::Any(libc::SYS_setdomainname),
    Call::Any(libc::SYS_bpf),
    Call::Any(libc::SYS_perf_event_open),
    Call::Any(libc::SYS_userfaultfd),
    Call::Any(libc::SYS_io_uring_setup),
    Call::Any(libc::SYS_keyctl),
    Call::Any(libc::SYS_add_key),
    Call::Any(libc::SYS_request_key),
    Call::Any(libc::SYS_kcmp),
    Call::Any(libc::SYS_open_by_handle_at),
    Call::Any(libc::SYS_syslog),
    Call::Any(libc::SYS_acct),
    Call::Any(libc::SYS_swapon),
    Call::Any(libc::SYS_reboot),
    Call::Any(libc::SYS_settimeofday),
    Call::Any(libc::SYS_clock_settime),
    Call::Clone(libc::CLONE_NEWUSER),
    Call::Clone(libc::CLONE_NEWNS),
    Call::Clone(libc::CLONE_NEWNET),
    Call::Clone(libc::CLONE_NEWPID),
    Call::Clone(libc::CLONE_NEWIPC),
    Call::Clone(libc::CLONE_NEWUTS),
    Call::Clone(libc::CLONE_NEWCGROUP),
];

/// The program with arguments, inside.
fn inside(arguments: &[&str]) -> std::process::Output {
    let mut command = command(arguments);
    // It cannot look at the flags of this one, and says that there is none.
    Outer::refusing(&[Call::Any(libc::SYS_clone3)], libc::ENOSYS).around(&mut command);
    Outer::refusing(REFUSED, libc::EPERM).around(&mut command);
    command.output().unwrap()
}

fn run(more: &[&str]) -> std::process::Output {
    inside(&[&JOB[..], more].concat())
}

#[test]
fn under_the_default_profile_everything_but_namespaces_is_there() {
    let by_itself: Vec<String> =
        available().into_iter().filter(|(_, there)| !there).map(|(layer, _)| layer).collect();
    let ran = run(&["--verbose"]);
    let said = stderr(&ran);
    assert_eq!(ran.status.code(), Some(0), "{said}");
    assert_eq!(ran.stdout.iter().filter(|byte| **byte == b'\n').count(), 190);
    for layer in ["rlimits", "no-new-privs", "seccomp", "landlock"] {
        let there = said.contains(layer) || by_itself.iter().any(|lacking| lacking == layer);
        assert!(there, "{layer} is not in {said}");
    }
    assert!(said.contains("runs without namespaces"), "{said}");
}

#[test]
fn under_the_default_profile_strict_is_refused_and_the_doctor_knows() {
    let ran = run(&["--sandbox", "strict"]);
    assert_eq!(ran.status.code(), Some(3), "{}", stderr(&ran));
    assert!(ran.stdout.is_empty());
    let told = inside(&["doctor", "--json"]);
    assert_eq!(told.status.code(), Some(0), "{}", stderr(&told));
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    let layers = told["layers"].as_array().unwrap();
    let namespaces = layers.iter().find(|layer| layer["layer"] == "namespaces").unwrap();
    assert_eq!(namespaces["available"], false);
    assert!(namespaces["remedy"].as_str().unwrap().contains("`unshare`"));
    assert_eq!(told["strict"], "refuses to run");
    // Nothing that could be kept for the next run has a place there.
    assert!(told["cache"].is_null(), "{told}");
}

#[test]
fn under_the_default_profile_limits_hold() {
    let ran = run(&["--memory-budget", "256MiB", "--job-timeout", "10m"]);
    assert_eq!(ran.status.code(), Some(0), "{}", stderr(&ran));
    assert_eq!(ran.stdout.iter().filter(|byte| **byte == b'\n').count(), 190);
}
