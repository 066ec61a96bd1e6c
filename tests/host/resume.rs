//! Going on where an earlier run stopped: the output is the same as if it had never
//! stopped, and whatever is different is refused by its name.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use flate2::write::GzEncoder;
use serde_json::Value;

use crate::run::{Host, Ran, Scene, same};
use crate::wat;

/// A run that stops at the record with a `!`, with a range for every few records.
fn stops(scene: &Scene, arguments: &str) -> Ran {
    let host = scene.host(&wat::traps()).args("--range-size 40 --fsync range");
    let ran = host.args(arguments).run();
    ran.exits(1).says("to go on from there: the same command with --resume");
    ran
}

/// Another that goes on with a plugin that has been repaired.
fn resume(scene: &Scene, arguments: &str) -> Host {
    scene.file("plugin.wat", wat::keeps_all());
    scene.host_with("plugin.wat").args("--range-size 40 --resume --accept-plugin").args(arguments)
}

/// Both, one after the other; then the output and its kind are what one run gives.
fn goes_on(scene: &Scene, output: &str, arguments: &str) {
    scene.file("whole.wat", wat::keeps_all());
    let whole = format!("whole-{output}");
    scene.host_with("whole.wat").args(&format!("-o {whole} {arguments}")).run().exits(0);
    for workers in [1, 3] {
        let arguments = format!("--workers {workers} -o {output} {arguments}");
        stops(scene, &arguments);
        let ran = resume(scene, &arguments).run();
        ran.exits(0).says("host: going on at byte").says(" of them before this run; ");
        let names = scene.names();
        let left = names.iter().find(|name| name.contains(".partial") || name.contains(".journal"));
        assert_eq!(left, None);
        same(&unpacked(scene, output), &unpacked(scene, &whole));
    }
}

/// A file as `host` reads it, compressed or not.
fn unpacked(scene: &Scene, name: &str) -> Vec<u8> {
    if !name.ends_with(".gz") && !name.ends_with(".zst") {
        return scene.read(name);
    }
    let host = scene.host_with("whole.wat").args("--quiet --from lines").arg(name);
    host.run().exits(0).stdout.clone()
}

/// Lines, one of which has a `!`.
fn lines(count: usize, marked: usize) -> String {
    (1..=count)
        .map(|n| format!("{{\"n\":{n},\"m\":\"{}\"}}\n", if n == marked { '!' } else { '-' }))
        .collect()
}

#[test]
fn a_run_that_begins_anew_says_so_and_leaves_no_journal_of_the_other() {
    for flags in ["", "--limit 3"] {
        let scene = Scene::new();
        scene.file("data.ndjson", lines(60, 37));
        stops(&scene, "-o out.ndjson data.ndjson");
        scene.file("whole.wat", wat::keeps_all());
        let host = scene.host_with("whole.wat").args(flags).args("-o out.ndjson data.ndjson");
        host.run().exits(0).says(
            "an earlier run had stopped (out.ndjson.journal); this one begins from the beginning \
             (--resume goes on)",
        );
        assert!(!scene.path("out.ndjson.journal").exists(), "{flags}");
        assert!(!scene.path("out.ndjson.partial").exists());
    }
}

#[test]
fn every_format_goes_on_where_it_stopped() {
    let records = lines(60, 37);
    let array = format!("[{}]", records.trim_end().replace('\n', ",\n "));
    let rows = format!("n,m\n{}", records.replace(['{', '}'], "").replace("\"n\":", ""));
    let rows = rows.replace(",\"m\":", ",");
    for (input, output, text, flags) in [
        ("data.ndjson", "out.ndjson", records.clone(), ""),
        ("data.json", "out.json", array.clone(), ""),
        ("data.json", "out.ndjson", array.clone(), "--to ndjson"),
        ("data.json", "out.json", records.clone(), ""),
        ("data.json", "out.json", format!("{{\"a\":{{\"b\":{array}}}}}"), "--records /a/b"),
        ("data.csv", "out.csv", rows.clone(), ""),
        ("data.csv", "out.ndjson", rows, "--to ndjson"),
        ("data.txt", "out.txt", records.replace('\n', "\n\n"), ""),
        ("data.ndjson", "out.ndjson.gz", records.clone(), ""),
        ("data.json", "out.json.zst", array, ""),
    ] {
        let scene = Scene::new();
        scene.file(input, text);
        goes_on(&scene, output, &format!("{flags} {input}"));
    }
}

#[test]
fn compressed_and_many_inputs_go_on_too() {
    let scene = Scene::new();
    let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(lines(80, 55).as_bytes()).unwrap();
    scene.file("data.ndjson.gz", packed.finish().unwrap());
    goes_on(&scene, "out.ndjson", "data.ndjson.gz");
    let scene = Scene::new();
    for number in 0..90 {
        scene.file(&format!("d{number:02}.ndjson"), lines(4, if number == 77 { 3 } else { 0 }));
    }
    goes_on(&scene, "out.ndjson", "d*.ndjson");
    goes_on(&scene, "out.json", "d*.ndjson --to json");
}

#[test]
fn a_record_that_failed_keeps_its_number_when_it_fails_again() {
    let scene = Scene::new();
    scene.file("a.ndjson", lines(5, 0)).file("b.ndjson", lines(50, 31));
    let arguments = "-o out.ndjson a.ndjson b.ndjson";
    let first = stops(&scene, arguments);
    first.says("record 31 of b.ndjson").account().holds(&[("record read", 36), ("failed", 1)]);
    let again =
        scene.host_with("plugin.wat").args("--range-size 40 --resume").args(arguments).run();
    again.exits(1).says("record 31 of b.ndjson").says("35 records are done");
    again.account().holds(&[("record read", 36), ("failed", 1), ("kept", 35)]);
    let skip = "--range-size 40 --resume --on-error skip --max-errors 1";
    let rest = scene.host_with("plugin.wat").args(skip).args(arguments).run();
    rest.exits(0).account().holds(&[("record read", 55), ("skipped", 1), ("kept", 54)]);
    let wanted = lines(5, 0) + &lines(50, 31);
    let wanted: String =
        wanted.lines().filter(|line| !line.contains('!')).map(|line| format!("{line}\n")).collect();
    same(&scene.read("out.ndjson"), wanted.as_bytes());
}

/// Starts a run that hangs at the record with a `!` and ends it there, without mercy, when
/// what stands before it is in the journal.
fn killed(scene: &Scene, arguments: &str, before: u64) {
    let host = scene.host(&wat::loops()).args("--fsync range --range-size 40 --timeout 1h");
    let mut child = host.args(arguments).start();
    while journal_at(scene) < before {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
}

/// The byte that the last whole entry speaks of.
fn journal_at(scene: &Scene) -> u64 {
    let Ok(text) = fs::read_to_string(scene.path("out.ndjson.journal")) else { return 0 };
    let mut entries = text.lines().filter_map(|line| {
        let value: Value = serde_json::from_str(line.split_once(' ')?.1).ok()?;
        value["entry"]["offset"].as_u64()
    });
    entries.next_back().unwrap_or(0)
}

#[test]
fn a_killed_run_goes_on_and_loses_nothing() {
    let scene = Scene::new();
    let data = lines(200, 150);
    let marked = data.find('!').unwrap() as u64;
    scene.file("data.ndjson", &data).file("out.ndjson", "old");
    let dead = "--dead-letters dead.ndjson --max-errors 1";
    let arguments = format!("{dead} -o out.ndjson --workers 2 data.ndjson");
    killed(&scene, &arguments, marked - 60);
    assert_eq!(scene.read("out.ndjson"), b"old", "it has its name only when it is whole");
    // What was written after the journal is dealt with once more, not twice.
    for name in ["out.ndjson.partial", "dead.ndjson"] {
        let mut file = File::options().append(true).open(scene.path(name)).unwrap();
        file.write_all(b"half a rec").unwrap();
    }
    let host = scene.host_with("plugin.wat").args("--timeout 100ms --resume").args(&arguments);
    let ran = host.run();
    ran.exits(0).account().holds(&[("record read", 200), ("dead-lettered", 1), ("timeout", 1)]);
    let wanted: String =
        data.lines().filter(|line| !line.contains('!')).map(|line| format!("{line}\n")).collect();
    same(&scene.read("out.ndjson"), wanted.as_bytes());
    let letters = scene.read("dead.ndjson");
    let letter: Value = serde_json::from_slice(&letters).unwrap();
    assert_eq!(letter["record"], 150);
}

#[test]
fn without_a_journal_it_starts_from_the_beginning() {
    let scene = Scene::new();
    scene.file("data.ndjson", lines(30, 0)).file("out.ndjson.partial", "rest of something");
    let host = scene.host(&wat::keeps_all()).args("--resume -o out.ndjson data.ndjson");
    host.run().exits(0).never_says("going on");
    same(&scene.read("out.ndjson"), lines(30, 0).as_bytes());
    assert_eq!(scene.names(), ["data.ndjson", "out.ndjson", "plugin.wat"]);
}

#[test]
fn without_resume_it_starts_anew() {
    let scene = Scene::new();
    scene.file("data.ndjson", lines(60, 37));
    stops(&scene, "-o out.ndjson data.ndjson");
    scene.host(&wat::keeps_all()).args("-o out.ndjson data.ndjson").run().exits(0);
    same(&scene.read("out.ndjson"), lines(60, 37).as_bytes());
    assert_eq!(scene.names(), ["data.ndjson", "out.ndjson", "plugin.wat"]);
}

#[test]
fn what_cannot_be_gone_on_with_is_refused_at_once() {
    let scene = Scene::new();
    scene.file("data.ndjson", lines(3, 0));
    let refused = |arguments: &str, why: &str| {
        let ran = scene.host(&wat::keeps_all()).args("--resume").args(arguments).run();
        ran.exits(2).writes("").says(why);
    };
    refused("data.ndjson", "only an output that goes to one file");
    refused("--output-dir out data.ndjson", "only an output that goes to one file");
    refused("-o out.ndjson --unordered data.ndjson", "--unordered");
    refused("-o out.ndjson --limit 2 data.ndjson", "--limit");
    refused("-o out.ndjson", "standard input is no file that can be read once more");
    refused("-o out.ndjson /dev/null", "/dev/null is no file that can be read once more");
    let ran = scene.host(&wat::reduce()).args("--resume -o out.ndjson data.ndjson").run();
    ran.exits(2).says("a reduce has one result");
    let ran = scene.host(&wat::reduce()).args("--accept-plugin -o out.ndjson data.ndjson").run();
    ran.exits(2).says("--resume");
}

/// What a run says that would go on with something else, which stays as it is.
#[track_caller]
fn refuses(scene: &Scene, arguments: &str, why: &str) {
    let before = scene.read("out.ndjson.partial");
    let ran = resume(scene, arguments).run();
    ran.exits(2).says("cannot go on from").says("out.ndjson.journal: ").says(why);
    ran.says("without --resume the run starts from the beginning");
    assert_eq!(scene.read("out.ndjson.partial"), before);
}

#[test]
fn what_is_different_is_named() {
    let scene = Scene::new();
    scene.file("data.ndjson", lines(60, 37)).file("side", "one").file("else.ndjson", "{}\n");
    let run = "--param a=1 --data s=side --dead-letters d -o out.ndjson data.ndjson";
    let stop = |scene: &Scene| {
        let host = scene.host(&wat::loops()).args("--fsync range --range-size 40 --timeout 1h");
        let mut child = host.args(run).start();
        while journal_at(scene) < 500 {
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    };
    stop(&scene);
    let swapped = |from: &str, to: &str| run.replace(from, to);
    refuses(&scene, &swapped("-o", "--to json -o"), "--to was ndjson and is json now");
    refuses(&scene, &swapped("-o", "--from lines -o"), "--from was by name and is lines now");
    let time = "--clock-start was 2000-01-01T00:00:00Z and is ";
    for (flag, why) in [
        ("--seed 7", "--seed was 0 and is 7 now".to_owned()),
        ("--clock-start 86400", format!("{time}1970-01-02T00:00:00Z now")),
        ("--clock-start 2024-01-31T12:00:00.5Z", format!("{time}2024-01-31T12:00:00.500000000Z")),
        ("--real-clock", format!("{time}the machine's time (--real-clock) now")),
    ] {
        refuses(&scene, &swapped("-o", &format!("{flag} -o")), &why);
    }
    refuses(&scene, &swapped("-letters d", "-letters e"), "dead letters were written to d");
    refuses(&scene, &swapped("data.ndjson", "data.ndjson else.ndjson"), "there were 1 inputs");
    refuses(&scene, &swapped("data.ndjson", "else.ndjson"), "else.ndjson stands where data.ndjson");
    scene.file("side", "two");
    refuses(&scene, run, "side data (--data) is not what it was");
    scene.file("side", "one");
    // Without --accept-plugin:
    let resume = |arguments: &str| {
        let host = scene.host_with("plugin.wat").args("--range-size 40 --resume --timeout 50ms");
        host.args("--max-errors 1").args(arguments).run()
    };
    scene.file("plugin.wat", wat::keeps_all());
    resume(run).exits(2).says("the plugin plugin.wat is not the one").says("--accept-plugin");
    scene.file("plugin.wat", wat::loops());
    resume(&swapped("a=1", "a=2")).exits(2).says("is told something else").says("--param");
    resume(run).exits(0);
    assert_eq!(
        scene.read("out.ndjson").len(),
        lines(60, 0).len() - "{\"n\":37,\"m\":\"!\"}\n".len()
    );
}

#[test]
fn real_time_goes_on_and_real_randomness_does_not() {
    for flags in ["--real-clock", "--clock-start 7 --seed 7"] {
        let scene = Scene::new();
        scene.file("data.ndjson", lines(60, 37));
        goes_on(&scene, "out.ndjson", &format!("{flags} data.ndjson"));
    }
    let scene = Scene::new();
    scene.file("data.ndjson", lines(60, 37));
    let host = scene.host(&wat::traps()).args("--real-random -o out.ndjson data.ndjson");
    host.run().exits(1).never_says("--resume");
    let ran = resume(&scene, "--real-random -o out.ndjson data.ndjson").run();
    ran.exits(2).says("--resume: what is left would be run with other randomness");
    ran.says("a --seed of your own stays the same");
}

#[test]
fn a_refusal_leaves_what_is_compressed_as_it_was() {
    let scene = Scene::new();
    scene.file("data.ndjson", lines(60, 37));
    stops(&scene, "-o out.ndjson.gz data.ndjson");
    let before = scene.read("out.ndjson.gz.partial");
    let ran = resume(&scene, "--to json -o out.ndjson.gz data.ndjson").run();
    ran.exits(2).says("--to was ndjson and is json now");
    assert_eq!(scene.read("out.ndjson.gz.partial"), before);
}

/// Puts another file in the place of the input: while that is there, it cannot have its inode.
fn anew(scene: &Scene, data: &str) {
    scene.file("new", data);
    fs::rename(scene.path("new"), scene.path("data.ndjson")).unwrap();
}

#[test]
fn inputs_have_to_be_what_they_were() {
    let data = lines(60, 37);
    let stopped = |verify: &str| {
        let scene = Scene::new();
        scene.file("data.ndjson", &data);
        stops(&scene, &format!("{verify} -o out.ndjson data.ndjson"));
        // The clock that files are stamped with ticks in milliseconds.
        std::thread::sleep(Duration::from_millis(20));
        scene
    };
    let run = "-o out.ndjson data.ndjson";
    let full = "--resume-verify full -o out.ndjson data.ndjson";

    let scene = stopped("");
    scene.file("data.ndjson", &data);
    refuses(&scene, run, "data.ndjson was changed since");
    anew(&scene, &data);
    refuses(&scene, run, "data.ndjson is another file than before");
    refuses(&scene, full, "has to be given from the beginning");
    scene.file("data.ndjson", &data[..data.len() - 1]);
    refuses(&scene, run, "bytes and has ");

    // A hash of all that is done proves it.
    let scene = stopped("--resume-verify full");
    anew(&scene, &data);
    refuses(&scene, run, "another file");
    let changed = data.replace("\"n\":5,", "\"n\":6,");
    scene.file("data.ndjson", &changed);
    refuses(&scene, full, "data.ndjson has other bytes than before");
    scene.file("data.ndjson", &data);
    resume(&scene, full).run().exits(0);
    same(&scene.read("out.ndjson"), data.as_bytes());
}

/// Appends to a file, whose inode stays.
fn append(scene: &Scene, name: &str, text: &str) {
    let mut file = File::options().append(true).open(scene.path(name)).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[test]
fn inputs_that_have_grown_need_a_word() {
    // The last record was not committed before it grew.
    for (end, more) in [("", "{\"n\":61}\n"), ("{\"n\":61", "}\n{\"n\":62}")] {
        let scene = Scene::new();
        let data = lines(60, 37) + end;
        scene.file("data.ndjson", &data);
        stops(&scene, "-o out.ndjson data.ndjson");
        append(&scene, "data.ndjson", more);
        refuses(&scene, "-o out.ndjson data.ndjson", "data.ndjson has grown from");
        resume(&scene, "--allow-append -o out.ndjson data.ndjson").run().exits(0);
        let whole = data + more;
        same(&scene.read("out.ndjson"), format!("{}\n", whole.trim_end()).as_bytes());
    }
}

/// A run whose output is whole and cannot get its name; then something else can.
fn nameless(scene: &Scene, arguments: &str) {
    // Of an earlier run; it would be taken for this one's.
    let _ = fs::remove_file(scene.path("out.ndjson.journal"));
    let host = scene.host(&wat::loops()).args("--fsync range --range-size 40 --timeout 300ms");
    let mut child = host.args(arguments).start();
    // While it is at the record with a `!`.
    while journal_at(scene) < 400 {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        std::thread::sleep(Duration::from_millis(2));
    }
    fs::create_dir(scene.path("out.ndjson")).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    fs::remove_dir(scene.path("out.ndjson")).unwrap();
}

#[test]
fn an_output_that_only_lacks_its_name_gets_it() {
    let scene = Scene::new();
    scene.file("data.ndjson", lines(60, 37));
    let run = "--on-error skip --max-errors 1 -o out.ndjson data.ndjson";
    nameless(&scene, run);
    let ran = scene.host_with("plugin.wat").args("--resume").args(run).run();
    ran.exits(0).account().holds(&[("record read", 60), ("skipped", 1)]);
    let wanted = lines(60, 37).replace("{\"n\":37,\"m\":\"!\"}\n", "");
    same(&scene.read("out.ndjson"), wanted.as_bytes());
    assert_eq!(scene.names(), ["data.ndjson", "out.ndjson", "plugin.wat"]);
}

#[test]
fn a_record_that_was_committed_must_not_grow() {
    let scene = Scene::new();
    let run = "--on-error skip --max-errors 1 -o out.ndjson data.ndjson";
    let grown = |end: &str, more: &str| {
        scene.file("data.ndjson", lines(60, 37) + end);
        nameless(&scene, run);
        append(&scene, "data.ndjson", more);
        let allow = "--allow-append --timeout 100ms --resume";
        scene.host_with("plugin.wat").args(allow).args(run).run()
    };
    let ran = grown("{\"n\":61", ",\"m\":2}\n");
    ran.exits(2).says("the last record of data.ndjson is in the output, and has grown");
    grown("{\"n\":61}\n", "{\"n\":62}\n").exits(0);
    let wanted = lines(60, 37).replace("{\"n\":37,\"m\":\"!\"}\n", "");
    same(&scene.read("out.ndjson"), (wanted + "{\"n\":61}\n{\"n\":62}\n").as_bytes());
    // What stands before the input that the run has come to cannot grow.
    let scene = Scene::new();
    scene.file("a.ndjson", "{\"n\":1}\n").file("b.ndjson", lines(9, 3));
    let run = "-o out.ndjson a.ndjson b.ndjson";
    stops(&scene, run);
    append(&scene, "a.ndjson", "{\"n\":3}\n");
    refuses(&scene, &format!("--allow-append {run}"), "what was added would be missing");
}

#[test]
fn a_torn_or_changed_end_is_not_trusted() {
    let scene = Scene::new();
    let data = lines(200, 150);
    scene.file("data.ndjson", &data);
    let run = "-o out.ndjson data.ndjson";
    stops(&scene, run);
    let journal = scene.read("out.ndjson.journal");
    let partial = scene.read("out.ndjson.partial");
    // The journal may end anywhere, and so may the output where the machine went down.
    for (journal_end, partial_end) in [
        (journal.len() - 1, partial.len()),
        (journal.len() - 700, partial.len()),
        (journal.len(), partial.len() - 1),
        (journal.len(), partial.len() / 2),
        (journal.len() - 1500, partial.len() * 2 / 3),
    ] {
        scene.file("out.ndjson.journal", &journal[..journal_end]);
        scene.file("out.ndjson.partial", &partial[..partial_end]);
        resume(&scene, run).run().exits(0).says("going on at byte");
        same(&scene.read("out.ndjson"), data.as_bytes());
    }
    scene.file("out.ndjson.journal", &journal);
    scene.file("out.ndjson.partial", "x".repeat(partial.len()));
    refuses(&scene, run, "the output is not what it speaks of");
    scene.file("out.ndjson.journal", "something else");
    refuses(&scene, run, "it is no journal of this program");
}
