//! Processes that read and write tables, as the kernel sees them: locked like any worker, with
//! their files and nothing else.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};

use super::outer::{Call, Outer};
use super::{assert_locked, available, children, command, has_the_floor, stderr};

/// The job, with a plugin that keeps records of more than 640 bytes: all of these.
const PLUGIN: [&str; 2] = ["--plugin", "plugins/longer/longer.wat"];

/// A table that is far more, as lines and as what it is, than goes into a pipe: whoever reads or
/// writes it is waited for.
fn table() -> tempfile::TempPath {
    let mut lines = tempfile::Builder::new().suffix(".ndjson").tempfile().unwrap();
    for number in 0..800 {
        let text = "words ".repeat(16 << 10);
        writeln!(lines, "{{\"number\":{number},\"text\":\"{text}\"}}").unwrap();
    }
    let table = tempfile::Builder::new().suffix(".arrow").tempfile().unwrap().into_temp_path();
    let mut makes = command(&PLUGIN);
    let made = makes.arg(lines.path()).arg("-o").arg(&table).output().unwrap();
    assert!(made.status.success(), "{}", stderr(&made));
    table
}

/// Starts a run that reads this table and writes to a pipe, and waits for its first bytes.
fn begin(table: &tempfile::TempPath, more: &[&str], outer: Option<&Outer>) -> Child {
    let mut begins = command(&[&PLUGIN[..], &["--workers", "2", "--quiet"], more].concat());
    begins.arg(table).stdout(Stdio::piped());
    if let Some(outer) = outer {
        outer.around(&mut begins);
    }
    let mut running = begins.spawn().unwrap();
    running.stdout.as_mut().unwrap().read_exact(&mut [0; 4]).unwrap();
    running
}

/// Lets it go on to its end.
fn finish(mut running: Child) {
    let mut output = running.stdout.take().unwrap();
    std::io::copy(&mut output, &mut File::options().write(true).open("/dev/null").unwrap())
        .unwrap();
    assert!(running.wait().unwrap().success());
}

fn are_locked(more: &[&str], outer: Option<&Outer>) {
    if !has_the_floor() {
        return;
    }
    let table = table();
    let running = begin(&table, more, outer);
    let workers = children(running.id(), "table");
    assert!(!workers.is_empty(), "nobody is at the table");
    for worker in &workers {
        assert_locked(worker, running.id());
        has_only_what_it_was_given(worker);
    }
    finish(running);
}

/// Its descriptors are nothing, its slot, its files, and its two sockets; where there are
/// namespaces it has its own.
#[track_caller]
fn has_only_what_it_was_given(worker: &str) {
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{worker}/fd")) else {
        // Whoever is not root may not look into a process that has given something up.
        assert!(!rustix::process::geteuid().is_root());
        return;
    };
    for descriptor in descriptors {
        let descriptor = descriptor.unwrap();
        let leads_to = std::fs::read_link(descriptor.path()).unwrap();
        let leads_to = leads_to.to_string_lossy();
        let number = descriptor.file_name().into_string().unwrap();
        let is_given = match number.parse().unwrap() {
            0..=2 => leads_to == "/dev/null",
            3 | 4 => leads_to.starts_with("/memfd:slot-"),
            // The table, or lines that become one, and the table whose schema that gets.
            5 | 6 if !leads_to.starts_with("socket:") => {
                leads_to.ends_with(".arrow") || leads_to.ends_with(" (deleted)")
            }
            _ => leads_to.starts_with("socket:"),
        };
        assert!(is_given, "{number} leads to {leads_to}");
    }
    let has_namespaces = available().iter().any(|(layer, there)| layer == "namespaces" && *there);
    for kind in ["user", "mnt", "net", "ipc"] {
        let of = |pid| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
        assert_eq!(of(worker) != of("self"), has_namespaces, "{kind}");
    }
}

#[test]
fn those_that_read_a_table_are_locked_as_the_kernel_sees_it() {
    are_locked(&["--to", "ndjson"], None);
}

#[test]
fn one_that_writes_a_table_is_locked_as_the_kernel_sees_it() {
    are_locked(&["--to", "arrow"], None);
}

#[test]
fn those_at_tables_are_locked_as_well_inside_of_a_filter_that_is_not_ours() {
    let harmless = Outer::refusing(&[Call::Any(libc::SYS_acct)], libc::EPERM);
    are_locked(&["--to", "ndjson"], Some(&harmless));
    are_locked(&["--to", "arrow"], Some(&harmless));
}
