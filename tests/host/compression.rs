//! Compressed inputs and outputs, made and read by other tools.

use std::fs::File;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::inputs::make_fifo;
use crate::run::{Scene, same};
use crate::wat;

/// What a tool makes of these bytes; `None` where it is not installed.
fn tool(command: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut words = command.split_whitespace();
    let child = Command::new(words.next().unwrap())
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = child.ok()?;
    let (mut stdin, bytes) = (child.stdin.take().unwrap(), bytes.to_vec());
    let feeder = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    assert!(output.status.success(), "{command}");
    Some(output.stdout)
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    tool("gzip -c", bytes).unwrap()
}

/// By the command line tool where there is one.
fn zstd(bytes: &[u8]) -> Vec<u8> {
    tool("zstd -q -c", bytes).unwrap_or_else(|| zstd::encode_all(bytes, 0).unwrap())
}

fn lines(from: u32, to: u32) -> String {
    (from..to).map(|number| format!("{{\"number\":{number},\"text\":\"some words\"}}\n")).collect()
}

#[test]
fn compressed_files_and_streams_are_read() {
    let text = lines(0, 20_000);
    let scene = Scene::new();
    for (name, packed) in
        [("a.ndjson.gz", gzip(text.as_bytes())), ("a.ndjson.zst", zstd(text.as_bytes()))]
    {
        scene.file(name, &packed);
        for workers in ["1", "3"] {
            let host = scene.host(&wat::keeps_all()).args("--range-size 10000 --workers");
            host.arg(workers).arg(name).run().exits(0).writes(&text);
        }
        // By its first bytes, whatever the name is.
        scene.file("data.ndjson", &packed);
        scene.host(&wat::keeps_all()).arg("data.ndjson").run().exits(0).writes(&text);
        let host = scene.host(&wat::keeps_all()).args("--from ndjson").stdin(&packed);
        host.run().exits(0).writes(&text);
    }
}

#[test]
fn several_members_and_frames_are_one_input() {
    let (one, two) = (lines(0, 1000), lines(1000, 3000));
    let scene = Scene::new();
    // In the middle of a record.
    let (half, other) = two.as_bytes().split_at(777);
    let three = [one.as_bytes(), half, other];
    for (name, pack) in [("a.ndjson.gz", gzip as fn(&[u8]) -> Vec<u8>), ("a.ndjson.zst", zstd)] {
        scene.file(name, three.map(pack).concat());
        let ran = scene.host(&wat::keeps_all()).arg(name).run();
        ran.exits(0).writes(one.clone() + &two);
    }
}

#[test]
fn a_compressed_array_is_an_array() {
    let scene = Scene::new();
    scene.file("a.json.gz", gzip(b"[1, {\"a\": 2}, 3]"));
    let ran = scene.host(&wat::keeps_all()).arg("a.json.gz").run();
    ran.exits(0).writes("[\n1,\n{\"a\": 2},\n3\n]\n");
}

#[test]
fn an_empty_compressed_file_has_no_records() {
    let scene = Scene::new();
    scene.file("a.ndjson.gz", gzip(b"")).file("a.ndjson.zst", zstd(b""));
    for name in ["a.ndjson.gz", "a.ndjson.zst"] {
        scene.host(&wat::keeps_all()).arg(name).run().exits(0).writes("");
    }
}

#[test]
fn a_compressed_file_that_breaks_off_keeps_what_came_before() {
    let text = lines(0, 50_000);
    let scene = Scene::new();
    for (name, packed) in
        [("a.ndjson.gz", gzip(text.as_bytes())), ("a.ndjson.zst", zstd(text.as_bytes()))]
    {
        scene.file(name, &packed[..packed.len() - 10]);
        let ran = scene.host(&wat::keeps_all()).args("--workers 2").arg(name).run();
        ran.exits(1).says(&format!("cannot go on reading {name}: it is compressed with "));
        ran.says("ends in the middle of that");
        assert!(text.as_bytes().starts_with(&ran.stdout));
        assert!(ran.stdout.is_empty() || ran.stdout.ends_with(b"\n"), "a record was cut");
    }
}

#[test]
fn a_damaged_compressed_file_is_named() {
    let scene = Scene::new();
    for (name, mut packed) in
        [("gzip", gzip(lines(0, 1000).as_bytes())), ("zstd", zstd(lines(0, 1000).as_bytes()))]
    {
        let middle = packed.len() / 2;
        packed[middle..middle + 20].fill(0xff);
        scene.file("a.ndjson", &packed);
        let ran = scene.host(&wat::keeps_all()).arg("a.ndjson").run();
        let said = format!("reading a.ndjson: it is compressed with {name}, and that is damaged");
        ran.exits(1).says(&said);
    }
}

#[test]
fn a_dictionary_is_refused_in_words() {
    // A frame that names dictionary 7, with one block that is not compressed.
    let frame = b"\x28\xb5\x2f\xfd\x01\x00\x07\x11\x00\x001\n";
    let scene = Scene::new();
    scene.file("a.ndjson.zst", frame);
    let ran = scene.host(&wat::keeps_all()).arg("a.ndjson.zst").run();
    ran.exits(1).says("it is compressed with zstd and a dictionary, which is not supported");
}

#[test]
fn a_compressed_stream_is_known_however_slowly_it_comes() {
    let scene = Scene::new();
    let path = scene.path("pipe");
    make_fifo(&path);
    let child = scene.host(&wat::keeps_all()).arg("pipe").start();
    let mut pipe = File::options().read(true).write(true).open(&path).unwrap();
    let packed = gzip(b"1\n2\n");
    for byte in packed.chunks(1) {
        pipe.write_all(byte).unwrap();
        // Gives the program the time to read the one byte; it must not matter.
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    drop(pipe);
    let ended = child.wait_with_output().unwrap();
    same(&ended.stdout, b"1\n2\n");
}

#[test]
fn output_is_compressed_as_its_name_says() {
    let text = lines(0, 10_000);
    let scene = Scene::new();
    scene.file("data.ndjson", &text);
    for (name, unpack) in [("out.ndjson.gz", "gzip -dc"), ("out.ndjson.zst", "zstd -q -dc")] {
        let host = scene.host(&wat::keeps_all()).args("data.ndjson -o").arg(name);
        host.run().exits(0).writes("").account().holds(&[("kept", 10_000)]);
        let packed = scene.read(name);
        assert!(packed.len() < text.len() / 5);
        if let Some(unpacked) = tool(unpack, &packed) {
            same(&unpacked, text.as_bytes());
        }
        // And the program reads what it has written.
        scene.host(&wat::keeps_all()).arg(name).run().exits(0).writes(&text);
    }
}

#[test]
fn what_a_failed_job_leaves_can_be_unpacked() {
    let scene = Scene::new();
    scene.file("data.ndjson", "1\n2\n!\n3\n");
    let ran = scene.host(&wat::traps()).args("data.ndjson -o out.ndjson.gz").run();
    ran.exits(1).says("out.ndjson.gz.partial");
    let packed = scene.read("out.ndjson.gz.partial");
    same(&tool("gzip -dc", &packed).unwrap(), b"1\n2\n");
}
