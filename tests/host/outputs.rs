//! Where the output goes: a file that appears whole, or standard output as it comes.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use crate::run::{Host, Scene};
use crate::wat;

fn scene() -> Scene {
    let scene = Scene::new();
    scene.file("data.ndjson", "one\ntwo!\nthree\n").file("good.ndjson", "one\ntwo\n");
    scene
}

fn into_file(scene: &Scene, plugin: &str, arguments: &str) -> Host {
    scene.host(plugin).args("-o out.ndjson").args(arguments)
}

#[test]
fn a_file_holds_the_whole_output_and_stdout_nothing() {
    let scene = scene();
    let ran = into_file(&scene, &wat::keeps_all(), "good.ndjson").run();
    ran.exits(0).writes("").account().holds(&[("record written", 2)]);
    assert_eq!(scene.read("out.ndjson"), b"one\ntwo\n");
    assert_eq!(scene.names(), ["data.ndjson", "good.ndjson", "out.ndjson", "plugin.wat"]);
}

#[test]
fn a_file_is_replaced_and_keeps_its_permissions() {
    let scene = scene();
    scene.file("out.ndjson", "something old and much longer than what is new");
    let path = scene.path("out.ndjson");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    into_file(&scene, &wat::keeps_all(), "good.ndjson").run().exits(0);
    assert_eq!(scene.read("out.ndjson"), b"one\ntwo\n");
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn an_empty_output_is_a_file_too() {
    let scene = scene();
    into_file(&scene, &wat::drops_all(), "good.ndjson").run().exits(0);
    assert_eq!(scene.read("out.ndjson"), b"");
}

#[test]
fn a_failed_job_leaves_the_file_alone_and_the_part_before_beside_it() {
    let scene = scene();
    scene.file("out.ndjson", "old");
    let ran = into_file(&scene, &wat::traps(), "data.ndjson").run();
    ran.exits(1).writes("").says("record 2 of data.ndjson");
    ran.says("what stands before it is in").says("out.ndjson.partial");
    assert_eq!(scene.read("out.ndjson"), b"old");
    assert_eq!(scene.read("out.ndjson.partial"), b"one\n");
}

#[test]
fn a_failed_job_makes_no_file() {
    let scene = scene();
    into_file(&scene, &wat::traps(), "data.ndjson").run().exits(1);
    assert!(!scene.path("out.ndjson").exists());
    assert_eq!(scene.read("out.ndjson.partial"), b"one\n");
}

#[test]
fn a_table_is_not_made_where_an_input_is() {
    let scene = scene();
    scene.file("out.parquet.table", "{\"a\":1}\n");
    let host = scene.host(&wat::keeps_all()).args("--from ndjson -o out.parquet out.parquet.table");
    host.run().exits(2).says("out.parquet.table, which would be written, is an input of this job");
    assert_eq!(scene.read("out.parquet.table"), b"{\"a\":1}\n");
}

#[test]
fn the_next_run_begins_the_partial_file_again() {
    let scene = scene();
    scene.file("out.ndjson.partial", "a longer rest of some run before this one\n");
    into_file(&scene, &wat::traps(), "data.ndjson").run().exits(1);
    assert_eq!(scene.read("out.ndjson.partial"), b"one\n");
    into_file(&scene, &wat::keeps_all(), "data.ndjson").run().exits(0);
    assert_eq!(scene.read("out.ndjson"), b"one\ntwo!\nthree\n");
    assert!(!scene.path("out.ndjson.partial").exists());
}

#[test]
fn a_job_with_skipped_records_is_whole() {
    let scene = scene();
    into_file(&scene, &wat::traps(), "--on-error skip data.ndjson").run().exits(4);
    assert_eq!(scene.read("out.ndjson"), b"one\nthree\n");
    assert!(!scene.path("out.ndjson.partial").exists());
}

#[test]
fn a_job_that_fails_at_once_leaves_nothing_behind() {
    let scene = scene();
    scene.file("first.ndjson", "!\n");
    let ran = into_file(&scene, &wat::traps(), "first.ndjson").run();
    ran.exits(1).never_says(".partial");
    assert!(!scene.path("out.ndjson").exists() && !scene.path("out.ndjson.partial").exists());
}

#[test]
fn what_is_read_is_never_replaced() {
    let scene = scene();
    let before = scene.read("data.ndjson");
    std::fs::hard_link(scene.path("data.ndjson"), scene.path("again.ndjson")).unwrap();
    scene.file("plugin.wat", wat::keeps_all());
    for (output, flags, what) in [
        ("data.ndjson", "", "an input"),
        ("again.ndjson", "", "an input"),
        ("./data.ndjson", "--dry-run", "an input"),
        ("plugin.wat", "", "a plugin"),
        ("good.ndjson", "--data side=good.ndjson", "side data (--data)"),
    ] {
        let host = scene.host_with("plugin.wat").args(&format!("{flags} -o {output} data.ndjson"));
        host.run().exits(2).says(&format!("it is {what} of this job; choose another output"));
    }
    for flag in ["--stats", "--joblog", "--metrics", "--report"] {
        let host = scene.host_with("plugin.wat").args(&format!("{flag} data.ndjson data.ndjson"));
        host.run().exits(2).says("this one is an input");
        let host = scene.host_with("plugin.wat").args(&format!("{flag} plugin.wat data.ndjson"));
        host.run().exits(2).says("this one is a plugin");
    }
    assert_eq!(scene.read("data.ndjson"), before);
    assert_eq!(scene.read("plugin.wat"), wat::keeps_all().as_bytes());
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let scene = scene();
    let says = "nowhere/a/out: No such file or directory (os error 2); there is no directory \
                nowhere/a (mkdir -p nowhere/a makes it)";
    for flags in ["-o nowhere/a/out", "--dry-run -o nowhere/a/out", "--dead-letters nowhere/a/out"]
    {
        let host = scene.host(&wat::keeps_all()).args(flags).arg("data.ndjson");
        host.run().exits(2).says(says);
    }
}

#[test]
fn an_input_that_the_output_would_overwrite_is_refused() {
    // As when somebody goes on with what a failed run left.
    let scene = scene();
    scene.file("out.ndjson.partial", "one\ntwo\n");
    let ran = into_file(&scene, &wat::keeps_all(), "out.ndjson.partial").run();
    if ran.code == 0 {
        assert_eq!(scene.read("out.ndjson"), b"one\ntwo\n");
    } else {
        ran.exits(2).says("out.ndjson.partial");
        assert_eq!(scene.read("out.ndjson.partial"), b"one\ntwo\n");
    }
}

#[test]
fn a_link_stays_one_and_its_target_is_replaced() {
    let scene = scene();
    std::fs::create_dir(scene.path("there")).unwrap();
    scene.file("there/real.ndjson", "old");
    std::os::unix::fs::symlink("there/real.ndjson", scene.path("out.ndjson")).unwrap();
    into_file(&scene, &wat::keeps_all(), "good.ndjson").run().exits(0);
    assert!(std::fs::symlink_metadata(scene.path("out.ndjson")).unwrap().is_symlink());
    assert_eq!(scene.read("there/real.ndjson"), b"one\ntwo\n");
}

#[test]
fn a_device_is_written_directly() {
    let scene = scene();
    let ran = scene.host(&wat::keeps_all()).args("-o /dev/null good.ndjson").run();
    ran.exits(0).writes("").account().holds(&[("record written", 2)]);
    scene.host(&wat::keeps_all()).args("-o /dev/stdout good.ndjson").run().writes("one\ntwo\n");
}

#[test]
fn a_second_run_with_the_same_output_is_refused() {
    let scene = scene();
    scene.file("out.ndjson", "old").file("out.ndjson.partial", "of another run\n");
    let partial = OpenOptions::new().write(true).open(scene.path("out.ndjson.partial")).unwrap();
    partial.lock().unwrap();
    let ran = into_file(&scene, &wat::keeps_all(), "good.ndjson").run();
    ran.exits(2).writes("").says("cannot write to out.ndjson: another run is writing");
    assert_eq!(scene.read("out.ndjson.partial"), b"of another run\n");
    assert_eq!(scene.read("out.ndjson"), b"old");
    partial.unlock().unwrap();
    into_file(&scene, &wat::keeps_all(), "good.ndjson").run().exits(0);
    assert_eq!(scene.read("out.ndjson"), b"one\ntwo\n");
}

#[test]
fn an_output_that_cannot_be_is_refused() {
    let scene = scene();
    std::fs::create_dir(scene.path("directory")).unwrap();
    for output in ["directory", "missing/out.ndjson", ".."] {
        let ran = scene.host(&wat::keeps_all()).args("good.ndjson -o").arg(output).run();
        ran.exits(2).writes("").says(&format!("cannot write to {output}: "));
    }
}

#[test]
fn a_full_disk_ends_the_job() {
    let scene = scene();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ran = scene.host(&wat::keeps_all()).arg("good.ndjson").stdout(full).run();
    ran.exits(1).says("error: cannot write the output: No space left on device").account();
    let ran = scene.host(&wat::keeps_all()).args("-o /dev/full good.ndjson").run();
    ran.exits(1).says("No space left on device");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let scene = Scene::new();
    scene.file("data.ndjson", "some words to fill a pipe\n".repeat(400_000));
    let mut child = scene.host(&wat::keeps_all()).arg("data.ndjson").start();
    let mut stdout = child.stdout.take().unwrap();
    let mut first = [0; 26];
    std::io::Read::read_exact(&mut stdout, &mut first).unwrap();
    drop(stdout);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(&first, b"some words to fill a pipe\n");
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!((ended.status.code(), said.as_str()), (Some(0), ""));
}

#[test]
fn a_stdout_that_nobody_reads_is_no_error() {
    let scene = scene();
    let ran = scene.host(&wat::keeps_all()).arg("good.ndjson").stdout(closed_pipe()).run();
    assert_eq!(ran.exits(0).stderr, "");
}

#[test]
fn a_closed_stdout_does_not_hide_a_failure_that_came_first() {
    let scene = scene();
    let ran = scene.host("(module)").arg("good.ndjson").stdout(closed_pipe()).run();
    ran.exits(2).says("cannot use the plugin");
}

#[test]
fn a_closed_stderr_changes_nothing() {
    let scene = scene();
    let ran = scene.host(&wat::keeps_all()).arg("good.ndjson").stderr(closed_pipe()).run();
    ran.exits(0).writes("one\ntwo\n");
    let ran = scene.host(&wat::traps()).arg("data.ndjson").stderr(closed_pipe()).run();
    ran.exits(1).writes("one\n");
    let ran = scene.host("(module)").arg("data.ndjson").stderr(closed_pipe()).run();
    ran.exits(2).writes("");
}

/// A pipe that nobody reads.
fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn output_is_appended_to_a_redirected_file() {
    let scene = scene();
    scene.file("log", "before\n");
    let log = |scene: &Scene| File::options().append(true).open(scene.path("log")).unwrap();
    scene.host(&wat::keeps_all()).arg("good.ndjson").stdout(log(&scene)).run().exits(0);
    assert_eq!(scene.read("log"), b"before\none\ntwo\n");
}
