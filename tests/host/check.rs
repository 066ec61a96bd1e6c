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
