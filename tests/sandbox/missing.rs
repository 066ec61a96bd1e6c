//! Each layer made unavailable: a run that demands it is refused before the plugin is
//! read, any other tells that it does without, and the doctor says exactly what is
//! missing, why, and what to change.

use std::io::Write as _;
use std::process::Output;
use std::sync::LazyLock;

use serde_json::Value;

use super::outer::{Call, Outer};
use super::{JOB, available, command, host, note, stderr};

const ALL: [&str; 5] = ["rlimits", "no-new-privs", "seccomp", "namespaces", "landlock"];
/// Those without which nothing runs.
const FLOOR: [&str; 3] = ["rlimits", "no-new-privs", "seccomp"];

/// What this machine lacks by itself.
static LACKING: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let found = available();
    let lacks = |layer: &&str| found.iter().any(|(name, there)| name == layer && !there);
    let lacking: Vec<&str> = ALL.into_iter().filter(lacks).collect();
    for layer in &lacking {
        note(&format!("this machine does not allow {layer}"));
    }
    lacking
});

/// How a layer is taken away, and what the doctor has to say about it.
struct Taken {
    layer: &'static str,
    /// Refusing these takes it away.
    calls: &'static [Call],
    /// Other layers that cannot be had without them.
    follow: &'static [&'static str],
    /// What stands in the way when the calls are refused with this error number.
    trouble: [(i32, &'static str); 2],
    /// What has to be changed, in part.
    remedy: &'static str,
}

#[test]
fn without_rlimits() {
    check(&Taken {
        layer: "rlimits",
        calls: &[Call::PrlimitThatSets, Call::Any(libc::SYS_setrlimit)],
        follow: &[],
        trouble: [
            (libc::EPERM, "Operation not permitted (os error 1)"),
            (libc::ENOSYS, "Function not implemented (os error 38)"),
        ],
        remedy: "a seccomp profile that allows `prlimit64`",
    });
}

#[test]
fn without_no_new_privs() {
    check(&Taken {
        layer: "no-new-privs",
        calls: &[Call::Prctl(libc::PR_SET_NO_NEW_PRIVS)],
        // Both begin with it: the kernel wants that of a process without privileges.
        follow: &["seccomp", "landlock"],
        trouble: [
            (libc::EPERM, "Operation not permitted (os error 1)"),
            (libc::ENOSYS, "Function not implemented (os error 38)"),
        ],
        remedy: "Linux 3.5 or later",
    });
}

#[test]
fn without_seccomp() {
    check(&Taken {
        layer: "seccomp",
        calls: &[Call::Any(libc::SYS_seccomp), Call::Prctl(libc::PR_SET_SECCOMP)],
        follow: &[],
        trouble: [
            (libc::EPERM, "Error calling `seccomp`: Operation not permitted (os error 1)"),
            (libc::ENOSYS, "Error calling `seccomp`: Function not implemented (os error 38)"),
        ],
        remedy: "a seccomp profile that allows `seccomp` and `prctl`",
    });
}

#[test]
fn without_namespaces() {
    check(&Taken {
        layer: "namespaces",
        calls: &[Call::Any(libc::SYS_unshare)],
        follow: &[],
        trouble: [
            (libc::EPERM, "user namespaces are not permitted here"),
            (libc::ENOSYS, "Function not implemented (os error 38)"),
        ],
        remedy: "a seccomp profile that allows `unshare`",
    });
}

#[test]
fn without_mounts_in_a_namespace() {
    // What AppArmor does on some systems: a namespace can be had, but no use made of it.
    check(&Taken {
        layer: "namespaces",
        calls: &[Call::Any(libc::SYS_mount)],
        follow: &[],
        trouble: [
            (
                libc::EPERM,
                "there is a user namespace, but no mounting in it: Operation not permitted (os \
                 error 1)",
            ),
            (
                libc::EACCES,
                "there is a user namespace, but no mounting in it: Permission denied (os error 13)",
            ),
        ],
        remedy: "AppArmor profile",
    });
}

#[test]
fn without_landlock() {
    check(&Taken {
        layer: "landlock",
        calls: &[Call::Any(libc::SYS_landlock_create_ruleset)],
        follow: &[],
        trouble: [
            (libc::EPERM, "asking for Landlock is refused: Operation not permitted (os error 1)"),
            (libc::ENOSYS, "the kernel has no Landlock"),
        ],
        remedy: "a seccomp profile that allows the `landlock_` calls",
    });
}

fn check(taken: &Taken) {
    for (error, trouble) in taken.trouble {
        let place = Place::without(taken, error);
        // What the machine lacks by itself it lacks for reasons of its own.
        let is_taken = place.outer.is_some() && !LACKING.contains(&taken.layer);
        let trouble = is_taken.then_some(trouble);
        place.the_doctor_is_exact(taken, trouble);
        place.what_is_demanded_is_refused(taken.layer);
        place.what_is_not_demanded_is_told();
    }
}

/// Where the program has to do without some layers.
struct Place {
    outer: Option<Outer>,
    missing: Vec<&'static str>,
}

impl Place {
    fn without(taken: &Taken, error: i32) -> Place {
        if LACKING.contains(&"no-new-privs") || LACKING.contains(&"seccomp") {
            // No filter can be put around anything here. The machine itself is the place.
            return Place { outer: None, missing: LACKING.clone() };
        }
        let is_missing = |layer: &&str| {
            *layer == taken.layer || taken.follow.contains(layer) || LACKING.contains(layer)
        };
        Place {
            outer: Some(Outer::refusing(taken.calls, error)),
            missing: ALL.into_iter().filter(is_missing).collect(),
        }
    }

    fn host(&self, arguments: &[&str]) -> Output {
        let mut command = command(arguments);
        if let Some(outer) = &self.outer {
            outer.around(&mut command);
        }
        command.output().unwrap()
    }

    fn lacks_any(&self, layers: &[&str]) -> bool {
        self.missing.iter().any(|layer| layers.contains(layer))
    }

    fn the_doctor_is_exact(&self, taken: &Taken, trouble: Option<&str>) {
        let json = self.host(&["doctor", "--json"]);
        let text = self.host(&["doctor"]);
        let refused = self.lacks_any(&FLOOR);
        for output in [&json, &text] {
            assert_eq!(output.status.code(), Some(if refused { 3 } else { 0 }));
        }
        let told: Value = serde_json::from_slice(&json.stdout).unwrap();
        let text = String::from_utf8(text.stdout).unwrap();
        let layers = told["layers"].as_array().unwrap();
        let names: Vec<&str> = layers.iter().map(|one| one["layer"].as_str().unwrap()).collect();
        assert_eq!(names, ALL);
        for layer in layers {
            let name = layer["layer"].as_str().unwrap();
            let missing = self.missing.contains(&name);
            assert_eq!(layer["available"], !missing, "{name} without {}: {told:#}", taken.layer);
            assert_eq!(layer["demanded"], FLOOR.contains(&name));
            assert_eq!(layer["trouble"].is_string(), missing);
            let state = match layer["trouble"].as_str() {
                None => format!("\n  {name:<14}yes"),
                Some(trouble) => format!("\n  {name:<14}NO: {trouble}"),
            };
            assert!(text.contains(&state), "{state} is not in {text}");
            let remedy = format!("to have it: {}", layer["remedy"].as_str().unwrap());
            assert_eq!(text.contains(&remedy), missing, "{text}");
            if let (true, Some(trouble)) = (name == taken.layer, trouble) {
                assert_eq!(layer["trouble"], trouble);
                assert!(remedy.contains(taken.remedy), "{remedy}");
            }
        }
        let auto = if refused { "refuses to run" } else { "runs with less than everything" };
        assert_eq!((&told["auto"], &told["strict"]), (&auto.into(), &"refuses to run".into()));
        assert!(text.contains(&format!("--sandbox=auto {auto}; --sandbox=strict refuses to run")));
    }

    /// The plugin is one that nobody could read without refusing it.
    fn what_is_demanded_is_refused(&self, layer: &str) {
        let mut plugin = tempfile::NamedTempFile::new().unwrap();
        plugin.write_all(b"no plugin at all").unwrap();
        let job = ["--plugin", plugin.path().to_str().unwrap(), "data/events.ndjson"];
        let run = |more: &[&str]| self.host(&[&job[..], more].concat());
        let refused = |output: Output, demanded: &[&str]| {
            let told = stderr(&output);
            assert_eq!(output.status.code(), Some(3), "{told}");
            assert_eq!(output.stdout, b"");
            let named = told.split_once("cannot be had as demanded: ").unwrap().1;
            let named = named.split_once(':').unwrap().0;
            assert!(demanded.contains(&named) && self.missing.contains(&named), "{told}");
        };
        refused(run(&["--sandbox", "strict"]), &ALL);
        refused(run(&["--sandbox-require", layer]), &[&FLOOR[..], &[layer]].concat());
        if self.lacks_any(&FLOOR) {
            refused(run(&[]), &FLOOR);
        } else {
            // Now it was read.
            assert_eq!(run(&[]).status.code(), Some(2));
        }
    }

    /// And whoever wants no sandbox can go on as before.
    fn what_is_not_demanded_is_told(&self) {
        let without_walls = [&JOB[..], &["--sandbox", "off"]].concat();
        let usual = host(&without_walls).stdout;
        assert_eq!(self.host(&without_walls).stdout, usual);
        if self.lacks_any(&FLOOR) {
            return;
        }
        let output = self.host(&JOB);
        let told = stderr(&output);
        assert!(output.status.success(), "{told}");
        assert_eq!(output.stdout, usual);
        let lines: Vec<&str> = told.lines().filter(|line| line.contains("without")).collect();
        let missing = self.missing.join(", ");
        let expected =
            format!("warning: the sandbox runs without {missing} (`host doctor` tells why)");
        assert_eq!(lines, [expected]);
    }
}
