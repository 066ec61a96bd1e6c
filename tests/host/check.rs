//! `host check`: what is said of plugins that can be run, and of others.

use std::fmt::Write as _;

use serde_json::Value;

use crate::run::{Scene, repository};
use crate::wat;

/// What is told of a plugin, given as text: as text and as JSON.
fn check(plugin: &str) -> (i32, String, Value) {
    let scene = Scene::new();
    scene.file("plugin.wat", plugin);
    let ran = scene.bare().args("check plugin.wat").run();
    assert_eq!(ran.stderr, "");
    let text = String::from_utf8(ran.stdout).unwrap();
    let json = scene.bare().args("check --json plugin.wat").run();
    assert_eq!((json.code, json.stderr.as_str()), (ran.code, ""));
    (ran.code, text, serde_json::from_slice(&json.stdout).unwrap())
}

#[test]
fn what_a_plugin_is_and_that_it_runs() {
    for (plugin, operation, kind) in [
        (wat::keeps_all(), "filter", "module"),
        (wat::map(wat::SAME), "map", "module"),
        (wat::flat_map(2), "flat-map", "module"),
        (wat::batch(), "batch", "module"),
        (wat::reduce(), "reduce", "module"),
        (wat::component(&wat::keeps_all(), "keep", "bool"), "filter", "component"),
        (wat::wrapping(&wat::keeps_all(), "keep", "bool"), "filter", "wrapped-module"),
        (
            r#"(module (memory (export "memory") 1) (func (export "_start")))"#.into(),
            "command",
            "module",
        ),
        (
            crate::commands::as_component(r#"(module (func (export "_start")))"#),
            "command",
            "component",
        ),
    ] {
        let (code, text, json) = check(&plugin);
        assert_eq!(code, 0, "{text}");
        assert!(
            text.starts_with(&format!("plugin.wat is a {operation}, and can be run\n")),
            "{text}"
        );
        assert_eq!((&json["operation"], &json["kind"]), (&operation.into(), &kind.into()));
        assert_eq!((&json["runs"], &json["why_not"]), (&true.into(), &Value::Null));
        assert!(json["compiled_bytes"].as_u64().unwrap() > 0 && json["compile_ms"].is_u64());
    }
}

#[test]
fn exports_imports_and_names() {
    let (_, text, json) = check(&wat::filter_with(wat::PARAMS, "", "(call $yes)"));
    assert!(text.contains("\n  imports    host:plugin/params@0.1.0: get\n"), "{text}");
    assert!(
        text.contains("\n  exports    memory\n             cabi_realloc\n             keep\n"),
        "{text}"
    );
    assert_eq!(json["imports"][0]["from"], "host:plugin/params@0.1.0");
    assert_eq!(json["imports"][0]["name"], "get");
    let scene = Scene::new();
    let ran = scene.bare().args("check --json").arg(repository("plugins/filter/filter.wasm")).run();
    let filter: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((&filter["function_names"], &filter["lines"]), (&true.into(), &false.into()));
    let hash = blake3_of(&std::fs::read(repository("plugins/filter/filter.wasm")).unwrap());
    assert_eq!(filter["blake3"], hash);
}

fn blake3_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

#[test]
fn why_a_plugin_cannot_be_run() {
    for (plugin, why) in [
        ("(module)", "it exports no operation"),
        ("(module", "its text has an error at line 1"),
        ("words", "it is no WebAssembly"),
        ("", "it is empty"),
        (r#"(module (import "env" "puts" (func (param i32))))"#, "it imports `puts` of `env`"),
    ] {
        let (code, text, json) = check(plugin);
        assert_eq!(code, 1, "{text}");
        assert!(text.starts_with(&format!("plugin.wat cannot be run: {why}")), "{text}");
        assert!(json["why_not"].as_str().unwrap().starts_with(why), "{json}");
        assert_eq!((&json["runs"], &json["operation"]), (&false.into(), &Value::Null));
    }
    // What it is is told all the same.
    let (_, text, json) = check(r#"(module (import "env" "puts" (func (param i32))))"#);
    assert!(text.contains("\n  imports    env: puts\n"), "{text}");
    assert_eq!(json["kind"], "module");
}

#[test]
fn names_are_counted_cut_and_made_fit_to_be_shown() {
    let mut plugin = "(module (memory (export \"\\1b[31m\") 1) (func $f)".to_owned();
    let long = "long".repeat(100);
    let _ = write!(plugin, "(export \"{long}\" (func $f))");
    for number in 0..2000 {
        let _ = write!(plugin, "(export \"e{number}\" (func $f))");
    }
    plugin += ")";
    let (code, text, json) = check(&plugin);
    assert_eq!(code, 1);
    assert!(!text.contains('\u{1b}') && text.contains("\\u{1b}[31m"), "{text}");
    assert_eq!(json["exports"][1], long[..200]);
    assert!(text.contains("\n             and 1502 more\n"), "{text}");
    assert_eq!(json["names_left_out"], 1502);
    assert_eq!(json["exports"].as_array().unwrap().len(), 500);
}

#[test]
fn what_is_no_file_is_refused() {
    let scene = Scene::new();
    for (arguments, why) in [("missing.wasm", "No such file"), (".", "it is not a file")] {
        let ran = scene.bare().arg("check").arg(arguments).run();
        assert_eq!(ran.code, 2);
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
    }
}

/// Whether something is repeatable: the exit code, and what is told about that.
fn repeatable(plugin: &str, data: &str, flags: &str) -> (i32, String) {
    let scene = Scene::new();
    scene.file("plugin.wat", plugin).file("data.json", data);
    let ran = scene.bare().args("check plugin.wat --repeatable data.json --").args(flags).run();
    let told = String::from_utf8(ran.stdout).unwrap() + &ran.stderr;
    let (_, told) = told.split_once("\n  backtraces ").unwrap();
    (ran.code, told.split_once('\n').unwrap().1.to_owned())
}

fn numbers(count: u32) -> String {
    (0..count).map(|number| format!("{{\"number\":{number}}}\n")).collect()
}

#[test]
fn what_can_be_repeated_is_said_to_be() {
    let array = format!("[{}]", numbers(200).trim_end().replace('\n', ","));
    for (plugin, data, flags) in [
        (wat::keeps_all(), numbers(200), "--limit 150"),
        (wat::keeps_all(), array, ""),
        (wat::batch(), numbers(200), ""),
        // That it fails is no difference.
        (wat::traps(), numbers(200) + "\"!\"\n", ""),
    ] {
        let (code, told) = repeatable(&plugin, &data, flags);
        assert_eq!(code, 0, "{told}");
        let ways = "the same came out twice in one worker, and\n  cut into ranges of 64 bytes, each \
                    for a fresh instance\n  each record for a fresh instance\n  cut into ranges of 64 \
                    bytes, in any order\n";
        assert_eq!(told, ways);
    }
    // What comes of all records has no order.
    let (code, told) = repeatable(&wat::reduce(), &numbers(200), "");
    assert_eq!((code, told.lines().count()), (0, 2), "{told}");
}

#[test]
fn what_depends_on_earlier_records_is_shown() {
    let plugin = wat::filter_with(
        "",
        "(global $seen (mut i32) (i32.const 0))",
        "(global.set $seen (i32.add (global.get $seen) (i32.const 1)))
         (if (i32.le_u (global.get $seen) (i32.const 3)) (then (return (call $yes))))
         (call $no)",
    );
    let (code, told) = repeatable(&plugin, &numbers(50), "");
    assert_eq!(code, 1);
    let differs = "it cannot be repeated: what came out differs\n- in one worker\n+ cut into ranges of \
                   64 bytes, each for a fresh instance\nline 4 of the output is\n- (nothing: it has \
                   ended before)\n+ {\"number\":";
    assert!(told.starts_with(differs), "{told}");
    assert!(told.contains("\nto repeat it:\n- host --workers 1 --plugin plugin.wat "), "{told}");
}

#[test]
fn a_different_end_is_a_difference() {
    let plugin = wat::filter_with(
        "",
        "(global $seen (mut i32) (i32.const 0))",
        "(global.set $seen (i32.add (global.get $seen) (i32.const 1)))
         (if (i32.eq (global.get $seen) (i32.const 3)) (then (return (call $rejected))))
         (call $yes)",
    );
    let (code, told) = repeatable(&plugin, &numbers(50), "");
    assert_eq!(code, 1);
    assert!(told.contains("it ended with\n- exit code 1 error: record 3 of data.json"), "{told}");
}

#[test]
fn flags_for_the_runs_write_nothing() {
    let (code, told) = repeatable(&wat::keeps_all(), &numbers(3), "-o mine");
    assert_eq!(
        (code, told.as_str()),
        (2, "error: --output means nothing where a plugin is tried\n")
    );
}
