//! A real small file system that runs full: what is committed stays whole, the message
//! says where there is no room, and the run goes on once there is.

use std::process::Command;

use crate::run::{Scene, same};
use crate::wat;

/// Runs the program with its output on a file system that is too small, and with `--resume`
/// once that is larger. What there is goes into the scene: `err1`, `part`, `err2`, `result`.
/// None where nothing can be mounted.
fn run_full(scene: &Scene, output: &str, flags: &str) -> Option<()> {
    std::fs::create_dir(scene.path("small")).unwrap();
    let script = format!(
        r#"mount -t tmpfs -o size=400k tmpfs small || exit 99
        "$HOST" --plugin plugin.wat {flags} -o small/{output} 2> err1; [ $? = 1 ] || exit 1
        cp small/{output}.partial part || exit 2
        [ -e small/{output} ] && exit 3
        mount -o remount,size=64m small
        "$HOST" --plugin plugin.wat {flags} -o small/{output} --resume 2> err2 || exit 4
        cp small/{output} result && [ "$(ls small)" = {output} ] || ls small | grep dead || exit 5
        cp small/dead.ndjson dead 2> /dev/null; exit 0"#
    );
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", &script]).current_dir(scene.path(""));
    command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    let ran = command.env("HOST", env!("CARGO_BIN_EXE_host")).output().ok()?;
    match ran.status.code() {
        Some(0) => Some(()),
        Some(99) | Some(1)
            if std::env::var_os("CI").is_none() && ran.stderr.starts_with(b"unshare") =>
        {
            None
        }
        code => panic!(
            "{code:?}: {}{}",
            String::from_utf8_lossy(&ran.stderr),
            String::from_utf8_lossy(&scene.read("err1"))
        ),
    }
}

fn says(scene: &Scene, name: &str, text: &str) {
    let said = String::from_utf8(scene.read(name)).unwrap();
    assert!(said.contains(text), "{text:?} is not in {said}");
}

fn data() -> String {
    (0..20_000).map(|n| format!("{{\"number\":{n},\"of\":\"{}\"}}\n", n * 7919 % 20_011)).collect()
}

#[test]
fn a_full_disk_keeps_what_is_whole_and_the_run_goes_on() {
    let scene = Scene::new();
    scene.file("data.ndjson", data()).file("plugin.wat", wat::keeps_all());
    let flags = "--workers 2 --range-size 8KiB --fsync never data.ndjson";
    if run_full(&scene, "out.ndjson", flags).is_none() {
        return;
    }
    for text in ["cannot write the output: ", "out.ndjson.partial: No space left", "--resume"] {
        says(&scene, "err1", text);
    }
    let part = scene.read("part");
    assert!(part.len() > 100_000 && part.ends_with(b"\n") && data().as_bytes().starts_with(&part));
    let account = crate::account::Account::of(&String::from_utf8(scene.read("err1")).unwrap());
    let lines = part.iter().filter(|byte| **byte == b'\n').count();
    account.holds(&[("kept", lines as u64)]);
    same(&scene.read("result"), data().as_bytes());
}

#[test]
fn an_array_and_what_is_compressed_survive_it_too() {
    let data = data();
    let array = format!("[\n{}\n]\n", data.trim_end().replace('\n', ",\n"));
    let scene = Scene::new();
    scene.file("data.json", &array).file("plugin.wat", wat::keeps_all());
    if run_full(&scene, "out.json", "--range-size 8KiB data.json").is_none() {
        return;
    }
    let part = scene.read("part");
    let closed: serde_json::Value = serde_json::from_slice(&part).unwrap();
    assert!(closed.as_array().unwrap().len() > 1000);
    same(&scene.read("result"), array.as_bytes());

    // What cannot be made smaller: 20,000 random numbers.
    let random: String = (0..20_000u64)
        .map(|n| format!("{}\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31) ^ n))
        .collect();
    let scene = Scene::new();
    scene.file("data.ndjson", random.repeat(4)).file("plugin.wat", wat::keeps_all());
    let flags = "--range-size 8KiB --fsync range data.ndjson";
    run_full(&scene, "out.ndjson.gz", flags).unwrap();
    scene.file("result.ndjson.gz", scene.read("result"));
    let unpacked = scene.host_with("plugin.wat").args("--quiet result.ndjson.gz").run();
    unpacked.exits(0);
    same(&unpacked.stdout, random.repeat(4).as_bytes());
    scene.file("part.ndjson.gz", scene.read("part"));
    let ran = scene.host_with("plugin.wat").args("part.ndjson.gz").run();
    // What is in the file is whole, and the account speaks of that.
    let part = ran.exits(0).account().count("record read");
    let account = crate::account::Account::of(&String::from_utf8(scene.read("err1")).unwrap());
    account.holds(&[("kept", part)]);
}

#[test]
fn dead_letters_that_find_no_room_end_the_job() {
    let scene = Scene::new();
    let data = data().replace("\"of\":\"1", "\"of\":\"!");
    scene.file("data.ndjson", &data).file("plugin.wat", wat::rejects());
    let flags = "--dead-letters small/dead.ndjson --max-errors 100% --range-size 8KiB data.ndjson";
    if run_full(&scene, "out.ndjson", flags).is_none() {
        return;
    }
    says(&scene, "err1", "No space left");
    let kept: String = lines(&data, |line| !line.contains('!'));
    same(&scene.read("result"), kept.as_bytes());
    let letters = String::from_utf8(scene.read("dead")).unwrap();
    let texts: String = letters
        .lines()
        .map(|letter| serde_json::from_str::<serde_json::Value>(letter).unwrap())
        .map(|letter| format!("{}\n", letter["text"].as_str().unwrap()))
        .collect();
    same(texts.as_bytes(), lines(&data, |line| line.contains('!')).as_bytes());
}

fn lines(text: &str, wanted: impl Fn(&str) -> bool) -> String {
    text.lines().filter(|line| wanted(line)).map(|line| format!("{line}\n")).collect()
}
