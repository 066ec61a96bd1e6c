//! Which plugins are taken, and what is said about those that are not.

use std::process::Command;

use crate::run::{Ran, Scene, repository};
use crate::wat;

/// Runs the program with a plugin file of these bytes.
fn with_plugin(name: &str, plugin: impl AsRef<[u8]>) -> Ran {
    let scene = Scene::new();
    scene.file(name, plugin).file("data.ndjson", "1\n");
    scene.host_with(name).arg("data.ndjson").run()
}

/// Nothing was started, nothing written, and the error names the plugin.
#[track_caller]
fn refused(name: &str, plugin: impl AsRef<[u8]>, why: &str) {
    let ran = with_plugin(name, plugin);
    ran.exits(2).writes("").says(&format!("error: cannot use the plugin {name}: ")).says(why);
    assert_eq!(ran.stderr.lines().filter(|line| line.starts_with("error")).count(), 1);
}

const EVENTS: &str = "{\"type\":\"ForkEvent\"}\n{\"type\":\"PushEvent\", \"id\":1}\n";

#[test]
fn a_module_with_metadata_is_taken() {
    let scene = Scene::new();
    scene.file("data.ndjson", EVENTS);
    let ran = scene.host_with(repository("plugins/filter/filter.wasm")).arg("data.ndjson").run();
    ran.exits(0).writes("{\"type\":\"PushEvent\", \"id\":1}\n");
}

#[test]
fn a_component_is_taken() {
    let scene = Scene::new();
    scene.file("data.ndjson", EVENTS);
    let component = repository("tests/fixtures/filter.component.wasm");
    let ran = scene.host_with(component).arg("data.ndjson").run();
    ran.exits(0).writes("{\"type\":\"PushEvent\", \"id\":1}\n");
}

#[test]
fn module_and_component_fail_with_the_same_words() {
    let scene = Scene::new();
    scene.file("data.ndjson", "{\"type\":\"PushEvent\"}\n{\"kind\":1}\n");
    let said = |plugin: &str| {
        let host = scene.host_with(repository(plugin)).args("--show-records data.ndjson");
        let ran = host.run();
        ran.exits(1).says("record 2 of data.ndjson (byte 21, 10 long) was rejected");
        let words = ran.stderr.lines().find(|line| line.contains("the plugin says"));
        words.unwrap().to_owned()
    };
    let module = said("plugins/filter/filter.wasm");
    assert_eq!(said("tests/fixtures/filter.component.wasm"), module);
}

#[test]
fn the_cities_plugin_keeps_swiss_cities() {
    let scene = Scene::new();
    scene.file("data.json", "[{\"name\":\"Bern\",\"country\":\"CH\"},{\"country\":\"FR\"}]");
    let ran = scene.host_with(repository("plugins/cities/cities.wasm")).arg("data.json").run();
    ran.exits(0).writes("[\n{\"name\":\"Bern\",\"country\":\"CH\"}\n]\n");
}

#[test]
fn text_is_taken() {
    let scene = Scene::new();
    let (short, long) = ("x".repeat(640), "y".repeat(641));
    scene.file("data.ndjson", format!("{short}\n{long}\n{short}\n"));
    let ran = scene.host_with(repository("plugins/longer/longer.wat")).arg("data.ndjson").run();
    ran.exits(0).writes(format!("{long}\n"));
}

#[test]
fn text_is_known_by_its_first_characters_and_not_by_its_name() {
    let text = format!(";; a comment first\n{}", wat::keeps_all());
    with_plugin("filter.wasm", text).exits(0).writes("1\n");
}

#[test]
fn the_function_after_the_answer_is_called() {
    let plugin = wat::filter_with(
        "",
        r#"(global $freed (mut i32) (i32.const 1))
           (func (export "cabi_post_keep") (param i32) (global.set $freed (i32.const 1)))"#,
        "(if (i32.eqz (global.get $freed)) (then unreachable))
         (global.set $freed (i32.const 0))
         (call $yes)",
    );
    let ran = Scene::new().host(&plugin).args("--from ndjson").stdin("1\n2\n3\n").run();
    ran.exits(0).writes("1\n2\n3\n").account().holds(&[("restart", 0)]);
}

#[test]
fn a_reactor_is_initialised_before_its_first_record() {
    let plugin = wat::filter_with(
        "",
        r#"(global $ready (mut i32) (i32.const 0))
           (func (export "_initialize") (global.set $ready (i32.const 1)))"#,
        "(if (i32.eqz (global.get $ready)) (then unreachable)) (call $yes)",
    );
    with_plugin("plugin.wat", plugin).exits(0).writes("1\n");
}

#[test]
fn an_import_that_is_not_offered_is_named() {
    let import = r#"(import "env" "secret" (func (param i32)))"#;
    let plugin = wat::filter_with(import, "", "(call $yes)");
    refused("plugin.wat", plugin, "it imports `secret` of `env`, and this program offers only");
}

#[test]
fn imports_beyond_five_are_counted() {
    let imports: String =
        (0..8).map(|number| format!("(import \"env\" \"f{number}\" (func))")).collect();
    let plugin = wat::filter_with(&imports, "", "(call $yes)");
    refused("plugin.wat", plugin, "`f4` of `env` and 3 more");
}

#[test]
fn a_component_with_an_unknown_import_is_refused() {
    let plugin = r#"(component (import "wasi:http/outgoing-handler@0.2.0" (instance)))"#;
    refused("plugin.wat", plugin, "it imports `wasi:http/outgoing-handler@0.2.0`");
    refused("plugin.wat", plugin, "build it without HTTP (componentize-js: `disableFeatures:");
}

#[test]
fn the_log_import_with_another_type_is_refused() {
    let import = r#"(import "host:plugin/log@0.1.0" "write" (func (param i64)))"#;
    let plugin = wat::filter_with(import, "", "(call $yes)");
    refused("plugin.wat", plugin, "with another type than (i32 level");
}

#[test]
fn a_module_without_keep_is_told_what_a_filter_exports() {
    let plugin = wat::keeps_all().replace("\"keep\"", "\"judge\"");
    refused("plugin.wat", &plugin, "a filter exports `keep: func(record: string) -> ");
    refused("plugin.wat", &plugin, "this one exports `memory`, `cabi_realloc`, `judge`");
    refused("plugin.wat", "(module)", "this one exports nothing");
    refused("plugin.wat", "(component)", "this one exports nothing");
}

#[test]
fn keep_with_another_signature_is_refused() {
    let keep = r#"(func (export "keep") (param i64) (result i32) (i32.const 0))"#;
    let plugin = wat::keeps_all().replace("\"keep\"", "\"other\"");
    let plugin = plugin.strip_suffix(')').unwrap().to_owned() + keep + ")";
    refused("plugin.wat", plugin, "it exports `keep` with another signature");
    let plugin = r#"(module (memory (export "keep") 1))"#;
    refused("plugin.wat", plugin, "it exports `keep` with another signature");
}

#[test]
fn a_component_whose_keep_has_another_type_is_refused() {
    let plugin = r#"(component
        (core module $m (func (export "keep") (param i32) (result i32) (local.get 0)))
        (core instance $i (instantiate $m))
        (func (export "keep") (param "record" u32) (result bool)
          (canon lift (core func $i "keep"))))"#;
    refused("plugin.wat", plugin, "it exports `keep` with another type than");
}

#[test]
fn a_module_without_memory_is_refused() {
    let plugin = wat::keeps_all().replace("(export \"memory\")", "");
    refused("plugin.wat", plugin, "it exports no 32-bit memory named `memory`");
}

#[test]
fn a_module_that_gives_no_room_for_records_is_refused() {
    let plugin = wat::keeps_all().replace("(export \"cabi_realloc\")", "");
    refused("plugin.wat", plugin, "it exports no `cabi_realloc");
}

#[test]
fn a_truncated_module_is_refused() {
    let whole = std::fs::read(repository("plugins/filter/filter.wasm")).unwrap();
    for length in [5, 8, 100, whole.len() / 2, whole.len() - 1] {
        let ran = with_plugin("plugin.wasm", &whole[..length]);
        ran.exits(2).writes("").says("error: cannot use the plugin plugin.wasm: it ");
    }
    refused("plugin.wasm", &whole[..whole.len() / 2], "it is damaged");
}

#[test]
fn a_truncated_component_is_refused() {
    let whole = std::fs::read(repository("tests/fixtures/filter.component.wasm")).unwrap();
    refused("plugin.wasm", &whole[..whole.len() / 2], "it is damaged");
}

#[test]
fn bytes_that_are_no_webassembly_are_refused() {
    let bytes: Vec<u8> = (1..=255).rev().cycle().take(5000).collect();
    refused("plugin.wasm", bytes, "it is no WebAssembly");
    refused("plugin.wasm", "#!/bin/sh\nexit 0\n", "it is no WebAssembly");
}

#[test]
fn an_empty_file_is_refused() {
    refused("plugin.wasm", "", "it is empty");
}

#[test]
fn text_with_an_error_is_refused_with_its_place() {
    let ran = with_plugin("plugin.wat", "(module\n  (func (export \"keep\") (parm i32)))");
    ran.exits(2).writes("").says("its text has an error at line 2, column 26");
}

#[test]
fn the_place_of_an_error_in_text_is_shown_readably() {
    let ran = with_plugin("plugin.wat", "(module\n  (func (export \"keep\") (parm i32)))");
    ran.exits(2).never_says("\\n");
}

#[test]
fn an_already_compiled_plugin_is_refused() {
    // The header of a 64-bit ELF file with the marks that wasmtime gives to its own.
    let mut cwasm = b"\x7fELF\x02\x01\x01\xc8".to_vec();
    cwasm.resize(64, 0);
    cwasm[16] = 1;
    cwasm[20] = 1;
    cwasm[48] = 1;
    cwasm[52] = 64;
    refused("plugin.cwasm", &cwasm, "it is an already compiled plugin (.cwasm)");
    refused("plugin.wasm", &cwasm, "give the .wasm that it was made from");
}

#[test]
fn directories_pipes_and_devices_are_no_plugins() {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("directory")).unwrap();
    assert!(Command::new("mkfifo").arg(scene.path("pipe")).status().unwrap().success());
    for name in ["directory", "pipe", "/dev/zero", "/dev/stdin"] {
        let ran = scene.host_with(name).stdin("1").run();
        let why = format!("cannot use the plugin {name}: it is not a file");
        ran.exits(2).writes("").says(&why);
    }
}

#[test]
fn a_plugin_may_have_256_mebibytes() {
    let scene = Scene::new();
    // Nothing of it is on the disk.
    let file = std::fs::File::create(scene.path("plugin.wasm")).unwrap();
    file.set_len((256 << 20) + 1).unwrap();
    let ran = scene.host_with("plugin.wasm").stdin("1").run();
    ran.exits(2).writes("").says("cannot use the plugin plugin.wasm: it is larger than 256 MiB");
    file.set_len(256 << 20).unwrap();
    let ran = scene.host_with("plugin.wasm").stdin("1").run();
    ran.exits(2).writes("").never_says("larger");
}

#[test]
fn a_plugin_that_is_not_there_is_named() {
    let ran = Scene::new().host_with("missing.wasm").stdin("1").run();
    ran.exits(2).writes("").says("cannot use the plugin missing.wasm: No such file or directory");
}

#[test]
fn a_refused_plugin_leaves_the_output_file_alone() {
    let scene = Scene::new();
    scene.file("out.ndjson", "old").file("data.ndjson", "1\n");
    scene.host("(module)").args("-o out.ndjson data.ndjson").run().exits(2);
    assert_eq!(scene.read("out.ndjson"), b"old");
    assert_eq!(scene.names(), ["data.ndjson", "out.ndjson", "plugin.wat"]);
}

#[test]
fn words_of_a_plugin_in_a_refusal_do_not_command_the_terminal() {
    let import = r#"(import "env" "\1b[31mred" (func))"#;
    let plugin = wat::filter_with(import, "", "(call $yes)");
    refused("plugin.wat", plugin, r"`\u{1b}[31mred` of `env`");
}

#[test]
fn a_start_function_that_traps_ends_the_job_and_blames_no_record() {
    let scene = Scene::new();
    scene.file("data.ndjson", "1\n2\n");
    for on_error in ["fail", "skip"] {
        let host = scene.host(&wat::starts_with("unreachable"));
        let ran = host.args("data.ndjson --on-error").arg(on_error).run();
        ran.exits(1).writes("").says("the plugin plugin.wat cannot be started: ");
        ran.says("unreachable");
        ran.never_says("record 1").account().holds(&[("record read", 0)]);
    }
}

#[test]
fn an_initialiser_that_traps_ends_the_job_and_blames_no_record() {
    let initialise = "(func (export \"_initialize\") unreachable)";
    let ran = with_plugin("plugin.wat", wat::filter_with("", initialise, "(call $yes)"));
    ran.exits(1).writes("").says("the plugin plugin.wat cannot be started: ");
    ran.never_says("record 1").account().holds(&[("record read", 0)]);
}

#[test]
fn a_start_function_without_end_ends_the_job_and_blames_no_record() {
    let scene = Scene::new();
    scene.file("data.ndjson", "1\n2\n");
    let host = scene.host(&wat::starts_with("(loop $again (br $again))"));
    let ran = host.args("--timeout 200ms --on-error skip data.ndjson").run();
    ran.exits(1).writes("").says("the plugin plugin.wat cannot be started: ").says("--timeout");
    ran.never_says("record 1").account().holds(&[("record read", 0)]);
}
