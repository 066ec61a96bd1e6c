//! `host new`: what it writes, and what it refuses. That every project builds and does what
//! its case says is the work of `.ci/languages`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::run::Scene;

#[test]
fn a_project_has_all_that_it_needs_with_its_name_in_it() {
    let scene = Scene::new();
    let ran = scene.bare().args("new count-words --lang c --op filter").run();
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.starts_with(b"count-words: a filter in c\n"), "{}", ran.stderr);
    let text = |path: &str| fs::read_to_string(scene.path("count-words").join(path)).unwrap();
    let mode = fs::metadata(scene.path("count-words/build.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o100, 0o100, "the script cannot be run");
    assert!(text("build.sh").contains("count-words.wasm"));
    assert!(text("README.md").starts_with("# count-words\n"));
    assert!(text("plugin.c").contains("EXPORT_FILTER("));
    assert!(text("host.h").contains("host:plugin/"));
    assert_eq!(text("cases/first/args"), "--param\ntype=PushEvent\n");
    let (input, expected) = (text("cases/first/input.ndjson"), text("cases/first/expected.ndjson"));
    assert!(expected.lines().count() > 1 && input.lines().count() > expected.lines().count());
}

#[test]
fn a_command_has_nothing_of_the_calls_of_a_plugin() {
    let scene = Scene::new();
    assert_eq!(scene.bare().args("new look --lang c --op command").run().code, 0);
    assert!(scene.path("look/plugin.c").exists());
    assert!(!scene.path("look/host.h").exists());
}

#[test]
fn the_list_names_what_can_be_written_and_the_rest_is_refused() {
    let scene = Scene::new();
    let ran = scene.bare().args("new --list").run();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let list = String::from_utf8(ran.stdout).unwrap();
    assert!(include_str!("../../docs/first-plugin.md").contains(&list), "the docs have another");
    let mut lines = list.lines();
    let operations: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(operations, ["filter", "map", "flat-map", "batch", "reduce", "command"]);
    let mut languages = 0;
    let table = lines.by_ref().take_while(|line| !line.is_empty());
    for (language, cells) in table.map(|line| line.split_once(' ').unwrap()) {
        languages += 1;
        for (operation, cell) in operations.iter().zip(cells.split_whitespace()) {
            let name = format!("{language}-{operation}");
            let arguments = format!("new {name} --lang {language} --op {operation}");
            let ran = scene.bare().args(&arguments).run();
            let written = scene.path(&name).join("build.sh").exists();
            match cell {
                "yes" => assert!(ran.code == 0 && written, "{name}: {}", ran.stderr),
                _ => {
                    assert_eq!((ran.code, scene.path(&name).exists()), (2, false), "{name}");
                    assert!(ran.stderr.contains("host new --list"), "{}", ran.stderr);
                }
            }
        }
    }
    assert_eq!(languages, 7, "{list}");
    // What is left out has its reason.
    let reasons: Vec<&str> = lines.collect();
    assert!(reasons.iter().all(|line| line.starts_with("no ") && line.contains(": ")), "{list}");
    let blanks = list.split_whitespace().filter(|cell| *cell == "-").count();
    assert_eq!(reasons.len(), blanks, "{list}");
}

#[test]
fn what_is_there_already_is_left_as_it_is() {
    let scene = Scene::new();
    fs::create_dir(scene.path("empty")).unwrap();
    scene.file("file", "mine");
    std::os::unix::fs::symlink("nowhere", scene.path("link")).unwrap();
    for name in ["empty", "file", "link"] {
        let ran = scene.bare().args(&format!("new {name} --lang c --op map")).run();
        assert_eq!(ran.code, 2, "{name}");
        assert!(ran.stderr.contains(&format!("{name}: it is there already")), "{}", ran.stderr);
    }
    assert_eq!(scene.names(), ["empty", "file", "link"]);
    assert_eq!(fs::read_dir(scene.path("empty")).unwrap().count(), 0);
    assert_eq!(scene.read("file"), b"mine");
}

#[test]
fn names_and_words_that_cannot_be_are_refused() {
    let scene = Scene::new();
    for name in ["Words", "../words", "/tmp/words", "count_words", "words.", "2words", "w\u{1b}"] {
        let ran = scene.bare().arg("new").arg(name).args("--lang c --op map").run();
        assert_eq!(ran.code, 2, "{name}");
        assert!(ran.stderr.contains("a plugin cannot be called"), "{}", ran.stderr);
        assert!(!ran.stderr.contains('\u{1b}'));
    }
    for arguments in [
        "new",
        "new words",
        "new words --lang c",
        "new words --op map",
        "new words --lang cobol --op map",
        "new words --lang c --op batch",
        "new words --lang c --op sort",
        "new words --lang c --op map --list",
        "new words more --lang c --op map",
    ] {
        let ran = scene.bare().args(arguments).run();
        assert_eq!(ran.code, 2, "{arguments}");
        assert!(ran.stderr.starts_with("error:"), "{}", ran.stderr);
    }
    let ran = scene.bare().args("new words").run();
    ran.says("--lang assemblyscript|c|go|").says("--op filter|map|");
    assert!(scene.names().is_empty());
}
