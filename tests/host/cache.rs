//! Compiled plugins that are kept: who may have put them there, what is done about those
//! that are not what they were, and what happens where there is no place for them.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::run::{Host, Ran, Scene};
use crate::wat;

const COMPILED: &str = "was compiled (";
const KEPT: &str = "was taken from the cache (";

/// A scene whose cache is its own.
fn scene() -> Scene {
    let scene = Scene::new();
    scene.file("data.ndjson", "1\n2\n3\n");
    scene
}

fn with_cache(scene: &Scene, plugin: &str) -> Host {
    scene.host(plugin).args("--cache cache --verbose data.ndjson")
}

/// Runs a plugin that keeps all; how it came by the compiled plugin has to be this.
#[track_caller]
fn keeps_all(scene: &Scene, how: &str) -> Ran {
    let ran = with_cache(scene, &wat::keeps_all()).run();
    ran.exits(0).writes("1\n2\n3\n").says(how);
    ran
}

fn entries(scene: &Scene) -> Vec<PathBuf> {
    let all = fs::read_dir(scene.path("cache")).unwrap();
    let mut paths: Vec<PathBuf> = all.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn only_entry(scene: &Scene) -> PathBuf {
    let entries = entries(scene);
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries[0].clone()
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o777
}

fn age(path: &Path, hours: u64) {
    let time = SystemTime::now() - Duration::from_secs(hours * 60 * 60);
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn what_was_compiled_is_kept_for_the_next_run() {
    let scene = scene();
    keeps_all(&scene, COMPILED);
    assert_eq!(mode(&scene.path("cache")), 0o700);
    assert_eq!(mode(&only_entry(&scene)), 0o600);
    keeps_all(&scene, KEPT);
    // By its bytes, not by its name.
    fs::rename(scene.path("plugin.wat"), scene.path("other.wat")).unwrap();
    let arguments = "--cache cache --verbose data.ndjson";
    scene.host_with("other.wat").args(arguments).run().exits(0).says(KEPT);
    with_cache(&scene, &wat::drops_all()).run().exits(0).writes("").says(COMPILED);
    assert_eq!(entries(&scene).len(), 2);
}

#[test]
fn each_plugin_of_a_chain_is_kept() {
    let scene = scene();
    scene.file("map.wat", wat::map(wat::SAME));
    let run = || with_cache(&scene, &wat::keeps_all()).args("--plugin map.wat").run();
    assert_eq!(run().exits(0).stderr.matches(COMPILED).count(), 2);
    assert_eq!(run().exits(0).writes("1\n2\n3\n").stderr.matches(KEPT).count(), 2);
}

#[test]
fn where_it_is_by_default_and_how_it_is_turned_off() {
    let scene = scene();
    let host = || scene.host(&wat::keeps_all()).args("--verbose data.ndjson");
    let home = scene.path("home");
    fs::create_dir(&home).unwrap();
    let at_home = || host().env_remove("XDG_CACHE_HOME").env("HOME", &home);
    at_home().args("--cache off").run().exits(0).says(COMPILED);
    assert!(!home.join(".cache").exists());
    at_home().run().exits(0).says(COMPILED);
    assert_eq!(fs::read_dir(home.join(".cache/host")).unwrap().count(), 1);
    at_home().run().exits(0).says(KEPT);
    // A name that is relative is not what the variable is for.
    host().env("XDG_CACHE_HOME", "caches").env("HOME", &home).run().exits(0).says(KEPT);
    assert!(!scene.path("caches").exists());
    // No home, or one where nothing can be made: then it is done without.
    host().env_remove("XDG_CACHE_HOME").env_remove("HOME").run().exits(0).says(COMPILED);
    host().env("XDG_CACHE_HOME", "/proc/caches").run().exits(0).says(COMPILED);
    scene.file("plain", "");
    host().env("XDG_CACHE_HOME", scene.path("plain")).run().exits(0).says(COMPILED);
}

#[test]
fn a_named_place_that_cannot_be_had_is_an_error() {
    let scene = scene();
    scene.file("plain", "");
    for (name, why) in [
        ("plain", "Not a directory"),
        ("plain/below", "Not a directory"),
        ("/proc/caches", "No such file or directory"),
    ] {
        let ran = scene.host(&wat::keeps_all()).args("data.ndjson --cache").arg(name).run();
        ran.exits(2).writes("").says(name).says(why).says("--cache DIR|off");
    }
}

#[test]
fn what_is_damaged_is_made_again() {
    let scene = scene();
    keeps_all(&scene, COMPILED);
    let entry = only_entry(&scene);
    let whole = fs::read(&entry).unwrap();
    let length = whole.len();
    let cut = [0, 1, 16, 127, 128, 129, length / 2, length - 33, length - 32, length - 1];
    for bytes in cut {
        fs::write(&entry, &whole[..bytes]).unwrap();
        keeps_all(&scene, COMPILED);
        assert!(fs::read(&entry).unwrap() == whole, "not made again after {bytes} bytes");
    }
    // The head (its text, the key, the kind of plugin, the length), the code, the hash.
    for at in [0, 1, 17, 40, 49, 50, 51, 52, 100, 127, 128, length / 2, length - 33, length - 1] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(&entry, &changed).unwrap();
        keeps_all(&scene, COMPILED);
    }
    fs::write(&entry, [&whole[..], b"x"].concat()).unwrap();
    keeps_all(&scene, COMPILED);
    // A gigabyte that is not there.
    File::options().write(true).open(&entry).unwrap().set_len(1 << 40).unwrap();
    keeps_all(&scene, COMPILED);
    keeps_all(&scene, KEPT);
}

#[test]
fn an_entry_of_another_plugin_is_not_taken_for_this_one() {
    let scene = scene();
    keeps_all(&scene, COMPILED);
    let of_keeps_all = only_entry(&scene);
    with_cache(&scene, &wat::drops_all()).run().exits(0).writes("");
    let of_drops_all = entries(&scene).into_iter().find(|path| *path != of_keeps_all).unwrap();
    fs::copy(&of_drops_all, &of_keeps_all).unwrap();
    keeps_all(&scene, COMPILED);
    keeps_all(&scene, KEPT);
}

#[test]
fn a_compiled_plugin_with_a_good_head_for_another_plugin_is_refused_by_its_key() {
    let scene = scene();
    with_cache(&scene, &wat::drops_all()).run().exits(0);
    let drops_all = fs::read(only_entry(&scene)).unwrap();
    fs::remove_file(only_entry(&scene)).unwrap();
    keeps_all(&scene, COMPILED);
    let entry = only_entry(&scene);
    let kept = fs::read(&entry).unwrap();
    // The key is right, and the code is another's: the hash of both does not fit.
    let forged = [&kept[..50], &drops_all[50..]].concat();
    fs::write(&entry, forged).unwrap();
    keeps_all(&scene, COMPILED);
}

#[test]
fn a_place_that_others_could_write_to_is_not_used() {
    let scene = scene();
    let place = scene.path("cache");
    fs::create_dir(&place).unwrap();
    for mode in [0o777, 0o1777, 0o720, 0o702] {
        fs::set_permissions(&place, Permissions::from_mode(mode)).unwrap();
        let ran = with_cache(&scene, &wat::keeps_all()).run();
        ran.exits(2).says("others can write to it");
    }
    assert_eq!(entries(&scene).len(), 0);
    // One that was not named is done without.
    let home = scene.path("caches");
    fs::create_dir_all(home.join("host")).unwrap();
    fs::set_permissions(home.join("host"), Permissions::from_mode(0o777)).unwrap();
    let host = scene.host(&wat::keeps_all()).args("--verbose data.ndjson");
    host.env("XDG_CACHE_HOME", &home).run().exits(0).says(COMPILED);
    assert_eq!(fs::read_dir(home.join("host")).unwrap().count(), 0);
    // Others that can only look are no danger.
    fs::set_permissions(&place, Permissions::from_mode(0o755)).unwrap();
    keeps_all(&scene, COMPILED);
}

#[test]
fn somebody_elses_place_and_entries_are_not_used() {
    if !is_root() {
        return;
    }
    let scene = scene();
    fs::create_dir(scene.path("cache")).unwrap();
    fs::set_permissions(scene.path("cache"), Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::chown(scene.path("cache"), Some(65534), None).unwrap();
    with_cache(&scene, &wat::keeps_all()).run().exits(2).says("it belongs to somebody else");
    std::os::unix::fs::chown(scene.path("cache"), Some(0), None).unwrap();
    keeps_all(&scene, COMPILED);
    std::os::unix::fs::chown(only_entry(&scene), Some(65534), None).unwrap();
    keeps_all(&scene, COMPILED);
    assert_eq!(only_entry(&scene).metadata().unwrap().uid(), 0);
}

#[test]
fn a_link_to_another_directory_is_not_followed() {
    let scene = scene();
    let other = scene.path("other");
    fs::create_dir(&other).unwrap();
    symlink(&other, scene.path("cache")).unwrap();
    let ran = with_cache(&scene, &wat::keeps_all()).run();
    ran.exits(2).says("it is a link; name the directory itself");
    assert_eq!(fs::read_dir(&other).unwrap().count(), 0);
    fs::remove_file(scene.path("cache")).unwrap();
    symlink(scene.path("nothing"), scene.path("cache")).unwrap();
    with_cache(&scene, &wat::keeps_all()).run().exits(2);
}

#[test]
fn a_link_in_an_entrys_place_goes_and_what_it_leads_to_stays() {
    let scene = scene();
    keeps_all(&scene, COMPILED);
    let entry = only_entry(&scene);
    fs::rename(&entry, scene.path("precious")).unwrap();
    let precious = fs::read(scene.path("precious")).unwrap();
    symlink(scene.path("precious"), &entry).unwrap();
    keeps_all(&scene, COMPILED);
    assert!(fs::read(scene.path("precious")).unwrap() == precious);
    assert!(!entry.is_symlink());
    keeps_all(&scene, KEPT);
}

#[test]
fn pipes_and_directories_in_an_entrys_place_stop_nobody() {
    let scene = scene();
    keeps_all(&scene, COMPILED);
    let entry = only_entry(&scene);
    fs::remove_file(&entry).unwrap();
    assert!(Command::new("mkfifo").arg(&entry).status().unwrap().success());
    keeps_all(&scene, COMPILED);
    keeps_all(&scene, KEPT);
    fs::remove_file(&entry).unwrap();
    fs::create_dir(&entry).unwrap();
    fs::write(entry.join("something"), "").unwrap();
    keeps_all(&scene, COMPILED);
    keeps_all(&scene, COMPILED);
    assert_eq!(entries(&scene), [entry]);
}

#[test]
fn many_runs_at_once_use_one_place() {
    let scene = scene();
    scene.file("keep.wat", wat::keeps_all()).file("drop.wat", wat::drops_all());
    std::thread::scope(|scope| {
        for number in 0..12 {
            let scene = &scene;
            scope.spawn(move || {
                let (plugin, output) = [("keep.wat", "1\n2\n3\n"), ("drop.wat", "")][number % 2];
                let host = scene.host_with(plugin).args("--cache cache --workers 1 data.ndjson");
                host.run().exits(0).writes(output);
            });
        }
    });
    assert_eq!(entries(&scene).len(), 2, "{:?}", entries(&scene));
    keeps_all(&scene, KEPT);
}

#[test]
fn what_was_not_used_for_long_goes_when_there_is_too_much() {
    let scene = scene();
    keeps_all(&scene, COMPILED);
    let used = only_entry(&scene);
    let place = scene.path("cache");
    // Files with holes: nothing of them is on the disk.
    let large = |digit: &str, hours: u64| {
        let path = place.join(format!("{}.artifact", digit.repeat(64)));
        File::create(&path).unwrap().set_len(900 << 20).unwrap();
        age(&path, hours);
        path
    };
    let (old, newer, newest) = (large("a", 50), large("b", 40), large("c", 10));
    let foreign = place.join("notes.txt");
    File::create(&foreign).unwrap().set_len(3 << 30).unwrap();
    age(&foreign, 1000);
    let abandoned = place.join("unfinished-0123456789abcdef");
    fs::write(&abandoned, "x").unwrap();
    age(&abandoned, 2);
    let under_way = place.join("unfinished-fedcba9876543210");
    fs::write(&under_way, "x").unwrap();
    age(&used, 60);
    // Being used makes it new.
    keeps_all(&scene, KEPT);
    with_cache(&scene, &wat::drops_all()).run().exits(0);
    assert!(!old.exists() && newer.exists() && newest.exists());
    assert!(foreign.exists() && !abandoned.exists() && under_way.exists());
    keeps_all(&scene, KEPT);
}

#[test]
fn a_plugin_that_changes_meanwhile_is_kept_as_what_it_was() {
    let scene = scene();
    let (keep, drop) = (wat::keeps_all(), wat::drops_all());
    // Written over in place, and as long as the other: only the bytes tell.
    let length = keep.len().max(drop.len());
    let padded = |text: &str| format!("{text}{}", " ".repeat(length - text.len()));
    let (keep, drop) = (padded(&keep), padded(&drop));
    scene.file("plugin.wat", &keep);
    let file = File::options().write(true).open(scene.path("plugin.wat")).unwrap();
    for round in 0..30_u64 {
        let child = scene.host_with("plugin.wat").args("--cache cache data.ndjson").start();
        std::thread::sleep(Duration::from_millis(round));
        let next = if round % 2 == 0 { &drop } else { &keep };
        file.write_all_at(next.as_bytes(), 0).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        // Whatever was read then: what is kept under either's name is that.
        scene.file("keep.wat", &keep).file("drop.wat", &drop);
        for (name, wanted) in [("keep.wat", "1\n2\n3\n"), ("drop.wat", "")] {
            let host = scene.host_with(name).args("--cache cache data.ndjson");
            host.run().exits(0).writes(wanted);
        }
        entries(&scene).iter().for_each(|entry| fs::remove_file(entry).unwrap());
    }
}

#[test]
fn a_full_or_read_only_place_is_done_without() {
    let scene = scene();
    scene.file("plugin.wat", wat::keeps_all());
    fs::create_dir(scene.path("small")).unwrap();
    let script = r#"mount -t tmpfs -o size=8k,mode=700 tmpfs small || exit 99
        run() { "$HOST" --plugin plugin.wat --cache small --verbose data.ndjson > out 2> err; }
        run || exit 1; grep -q "was compiled" err || exit 2; [ "$(wc -l < out)" = 3 ] || exit 3
        [ -z "$(ls -A small)" ] || exit 4
        mount -o remount,size=64m small || exit 5
        run && run || exit 6; grep -q "from the cache" err || exit 7
        mount -o remount,ro small || exit 8
        run || exit 9; grep -q "from the cache" err || exit 10
        echo '(; another ;)' >> plugin.wat
        run || exit 11; grep -q "was compiled" err || exit 12"#;
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", script]).current_dir(scene.path(""));
    let ran = command.env("HOST", env!("CARGO_BIN_EXE_host")).output().unwrap();
    match ran.status.code() {
        Some(0) => {}
        Some(99 | 1) if std::env::var_os("CI").is_none() && ran.stderr.starts_with(b"unshare") => {}
        code => panic!("{code:?}: {}", String::from_utf8_lossy(&scene.read("err"))),
    }
}

#[test]
fn the_doctor_tells_what_is_kept() {
    let scene = scene();
    let home = scene.path("caches");
    let host = scene.host(&wat::keeps_all()).args("data.ndjson");
    host.env("XDG_CACHE_HOME", &home).run().exits(0);
    let doctor = |arguments: &str| {
        let ran = scene.bare().args(arguments).env("XDG_CACHE_HOME", &home).run();
        String::from_utf8(ran.stdout).unwrap()
    };
    let told = doctor("doctor");
    let place = home.join("host").display().to_string();
    assert!(told.contains(&place) && told.contains("1 of them, "), "{told}");
    let told: serde_json::Value = serde_json::from_str(&doctor("doctor --json")).unwrap();
    assert_eq!(told["cache"]["path"], place);
    assert_eq!(told["cache"]["entries"], 1);
    assert!(told["cache"]["bytes"].as_u64().unwrap() > 1000);
    fs::set_permissions(home.join("host"), Permissions::from_mode(0o777)).unwrap();
    assert!(doctor("doctor").contains("NO: others can write to it"));
}
