//! What can be an input, and what is said about what cannot.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::run::{Scene, repository};
use crate::wat;

/// A named pipe. Tests open it for reading too, so that they need not wait for the
/// program to open it.
pub fn make_fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// Runs with this input, which cannot be used: nothing is started.
#[track_caller]
fn refused(scene: &Scene, arguments: &str, name: &str, why: &str) {
    let ran = scene.host(&wat::keeps_all()).args(arguments).run();
    ran.exits(2).writes("").says(&format!("error: cannot read {name}: ")).says(why);
}

#[test]
fn stdin_is_read_where_no_input_is_named() {
    let scene = Scene::new();
    scene.host(&wat::keeps_all()).stdin("{}{}").run().exits(0).writes("{}\n{}\n");
}

#[test]
fn a_dash_is_stdin() {
    let scene = Scene::new();
    scene.host(&wat::keeps_all()).arg("-").stdin("[1]").run().exits(0).writes("[\n1\n]\n");
}

#[test]
fn stdin_may_be_a_file() {
    let scene = Scene::new();
    scene.file("data", "{\"a\":1}\n{\"b\":2}\n");
    let file = File::open(scene.path("data")).unwrap();
    let ran = scene.host(&wat::keeps_all()).stdin_file(file).run();
    ran.exits(0).writes("{\"a\":1}\n{\"b\":2}\n");
}

#[test]
fn stdin_that_is_a_file_is_read_from_where_it_stands() {
    let scene = Scene::new();
    scene.file("data", "a header\n1\n2\n");
    let mut file = File::open(scene.path("data")).unwrap();
    file.seek(SeekFrom::Start(9)).unwrap();
    let ran = scene.host(&wat::keeps_all()).args("--from ndjson").stdin_file(file).run();
    ran.exits(0).writes("1\n2\n").account().holds(&[("record read", 2)]);
}

#[test]
fn a_fifo_is_an_input() {
    let scene = Scene::new();
    let (path, text) = (scene.path("pipe.ndjson"), "{\"a\": 1}\n".repeat(100_000));
    make_fifo(&path);
    std::thread::scope(|scope| {
        scope.spawn(|| std::fs::write(&path, &text).unwrap());
        let ran = scene.host(&wat::keeps_all()).arg("pipe.ndjson").run();
        ran.exits(0).writes(&text).account().holds(&[("kept", 100_000)]);
    });
}

#[test]
fn results_come_out_before_a_slow_stream_goes_on() {
    let scene = Scene::new();
    let path = scene.path("pipe.ndjson");
    make_fifo(&path);
    let mut child = scene.host(&wat::keeps_all()).arg("pipe.ndjson").start();
    let mut pipe = File::options().read(true).write(true).open(&path).unwrap();
    let mut stdout = child.stdout.take().unwrap();
    for line in ["first\n", "second\n", "third\n"] {
        pipe.write_all(line.as_bytes()).unwrap();
        let mut seen = vec![0; line.len()];
        stdout.read_exact(&mut seen).unwrap();
        assert_eq!(seen, line.as_bytes());
    }
    drop(pipe);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn more_inputs_than_workers_inherit_keep_their_order() {
    let scene = Scene::new();
    let mut host = scene.host(&wat::keeps_all()).args("--workers 3");
    let mut wanted = String::new();
    for number in 0..70 {
        let (name, text) = (format!("{number}.ndjson"), format!("{number}\n\"{number} again\"\n"));
        scene.file(&name, &text);
        host = host.arg(name);
        wanted += &text;
    }
    host.run().exits(0).writes(wanted).account().holds(&[("kept", 140)]);
}

#[test]
fn a_failure_beyond_the_inherited_inputs_is_named() {
    let scene = Scene::new();
    let mut host = scene.host(&wat::traps());
    for number in 0..70 {
        let name = format!("{number}.json");
        scene.file(&name, if number == 68 { " [1, \"!\"]" } else { "[0]" });
        host = host.arg(name);
    }
    let ran = host.run();
    ran.exits(1).says("record 2 of 68.json (byte 5, 3 long)").account().holds(&[("kept", 69)]);
}

#[test]
fn a_file_that_claims_to_be_empty_is_read_all_the_same() {
    let scene = Scene::new();
    let ran = scene.host(&wat::keeps_all()).args("--from ndjson /proc/self/status").run();
    ran.exits(0);
    assert!(ran.stdout.starts_with(b"Name:"));
}

#[test]
fn the_same_input_may_be_named_twice() {
    let scene = Scene::new();
    scene.file("a.ndjson", "1\n");
    scene.host(&wat::keeps_all()).args("a.ndjson a.ndjson").run().exits(0).writes("1\n1\n");
}

#[test]
fn a_directory_on_stdin_is_refused() {
    let scene = Scene::new();
    let directory = File::open(scene.path(".")).unwrap();
    let ran = scene.host(&wat::keeps_all()).stdin_file(directory).run();
    ran.exits(2).writes("").says("cannot read standard input: it is a directory");
}

#[test]
fn an_input_that_breaks_off_ends_the_job() {
    let scene = Scene::new();
    scene.file("a.ndjson", "1\n");
    let ran = scene.host(&wat::keeps_all()).args("a.ndjson /proc/self/mem").run();
    ran.exits(1).writes("1\n").says("error: cannot go on reading /proc/self/mem: ").account();
}

#[test]
fn white_space_without_end_before_the_first_value_costs_little() {
    let scene = Scene::new();
    scene.file("data.json", format!("{}[1]", " ".repeat(60 << 20)));
    scene.host(&wat::keeps_all()).arg("data.json").run().exits(0).writes("[\n1\n]\n");
}

#[test]
fn a_missing_input_is_refused_before_the_others_are_read() {
    let scene = Scene::new();
    scene.file("a.ndjson", "1\n");
    refused(&scene, "a.ndjson b.ndjson", "b.ndjson", "No such file or directory");
}

#[test]
fn stdin_can_be_named_only_once() {
    let ran = Scene::new().host(&wat::keeps_all()).args("- -").stdin("1").run();
    ran.exits(2).writes("").says("standard input (-) can be read only once");
}

#[test]
fn an_input_name_does_not_command_the_terminal() {
    let scene = Scene::new();
    let ran = scene.host(&wat::keeps_all()).arg("\u{1b}[31mred.json").run();
    ran.exits(2).says(r"cannot read \u{1b}[31mred.json").never_says("\u{1b}");
}

#[test]
fn the_data_in_the_repository_runs() {
    let scene = Scene::new();
    let (plugin, data) =
        (repository("plugins/filter/filter.wasm"), repository("data/events.ndjson"));
    let text = std::fs::read(&data).unwrap();
    let records = crate::reference::records(&text, crate::reference::Layout::Lines);
    let wanted: Vec<&[u8]> = records
        .into_iter()
        .filter(|record| crate::reference::member_is(record, "type", "PushEvent"))
        .collect();
    let ran = scene.host_with(plugin).arg(data).run();
    ran.exits(0).writes(crate::reference::render(&wanted, crate::reference::Layout::Lines));
}

#[test]
fn a_long_record_in_a_stream_does_not_make_the_next_range_too_long() {
    // As long as a record may be, and then short ones, all there at once: a file beyond
    // those that workers read by themselves.
    let scene = Scene::new();
    let mut names = String::new();
    for number in 0..64 {
        let name = format!("{number:02}.ndjson");
        scene.file(&name, "1\n");
        names += &format!(" {name}");
    }
    let long = format!("{}\n{}", "x".repeat(3 << 20), "2\n".repeat(4 << 20));
    scene.file("long.ndjson", &long);
    let host = scene.host(&wat::keeps_all()).args(&names).args("long.ndjson --workers 1");
    let ran = host.args("--max-record 3MiB --range-size 64KiB").run();
    ran.exits(0).writes(format!("{}{long}", "1\n".repeat(64)));
}
