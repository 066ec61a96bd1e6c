//! Components that wrap one module, run as that module: what comes out is what comes of the
//! module, and of the same component run as a component.

use std::path::PathBuf;

use wasmparser::{Parser, Payload};

use crate::run::{Ran, Scene, repository};
use crate::wat;

/// What `wit-component` makes of a module, as every toolchain for components does.
fn component_of(module: &[u8]) -> Vec<u8> {
    let encoder = wit_component::ComponentEncoder::default().module(module).unwrap();
    encoder.validate(true).encode().unwrap()
}

/// The same with an empty module beside it, of which there is an instance: that is more than
/// one module wrapped, and is run as a component.
fn with_more(component: &[u8]) -> Vec<u8> {
    let mut depth = 0;
    let mut modules = 0;
    for payload in Parser::new(0).parse_all(component) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } => {
                modules += u8::from(depth == 0);
                depth += 1;
            }
            Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            _ => {}
        }
    }
    let module = b"\x01\x08\0asm\x01\0\0\0";
    // One instance, of the module with this number, which is given nothing.
    let instance = [2, 4, 1, 0, modules, 0];
    [component, module, &instance].concat()
}

fn plugin(name: &str) -> Vec<u8> {
    std::fs::read(repository(&format!("plugins/{name}/{name}.wasm"))).unwrap()
}

/// Runs a plugin over a file of the scene in its three forms, which must not differ.
fn in_three_forms(scene: &Scene, module: &[u8], arguments: &str) -> Ran {
    let component = component_of(module);
    scene.file("module.wasm", module);
    scene.file("wrapping.wasm", &component);
    scene.file("more.wasm", with_more(&component));
    let run = |plugin: &str| scene.host_with(plugin).args(arguments).run();
    let counts = |ran: &Ran| {
        ["kept", "dropped", "rejected", "trap", "skipped"]
            .map(|what| ran.account_of_any().count(what))
    };
    let wanted = run("module.wasm");
    for plugin in ["wrapping.wasm", "more.wasm"] {
        let ran = run(plugin);
        ran.exits(wanted.code);
        assert!(ran.stdout == wanted.stdout, "{plugin} makes something else");
        assert_eq!(counts(&ran), counts(&wanted), "{plugin}");
    }
    wanted
}

#[test]
fn the_plugins_of_this_repository_do_the_same_in_three_forms() {
    let events: PathBuf = repository("data/events.ndjson");
    let events = std::fs::read_to_string(events).unwrap();
    for (name, flags, kept) in [
        ("filter", "", 190),
        ("map", "--param fields=id,actor.login:user", 1000),
        ("flat-map", "--param array=payload.commits --param keep=id --param as=commit", 883),
        ("redact", "--param fields=actor.login,payload.commits", 1000),
        ("count-by", "--param by=type", 1000),
    ] {
        let scene = Scene::new();
        scene.file("in.ndjson", &events);
        let arguments = format!("in.ndjson --workers 2 --range-size 64KiB {flags}");
        let ran = in_three_forms(&scene, &plugin(name), &arguments);
        ran.exits(0).account_of_any().holds(&[("kept", kept)]);
    }
}

#[test]
fn side_data_and_parameters_reach_the_module_in_a_component() {
    let scene = Scene::new();
    scene.file("table", "{\"code\":\"DE\",\"name\":\"Germany\"}\n");
    scene.file("in.ndjson", "{\"country\":\"DE\"}\n{\"country\":\"FR\"}\n".repeat(300));
    let flags = "--data table=table --param on=country --param key=code --param fields=name";
    let ran = in_three_forms(&scene, &plugin("lookup"), &format!("in.ndjson {flags}"));
    assert!(String::from_utf8_lossy(&ran.stdout).contains("Germany"));
}

#[test]
fn a_failing_record_fails_in_every_form() {
    let scene = Scene::new();
    scene.file("in.ndjson", "{\"type\":\"PushEvent\"}\n[]\n{\"type\":1}\n".repeat(50));
    let arguments = "in.ndjson --from ndjson --on-error skip --max-errors 100% --range-size 200";
    in_three_forms(&scene, &plugin("filter"), arguments);
    let wrapping = wat::wrapping(&wat::traps(), "keep", "bool");
    let ran = scene.host(&wrapping).args("--from ndjson").stdin("1\n!\n2\n").run();
    ran.exits(1).writes("1\n").says("record 2 of standard input (byte 2, 1 long)");
}

#[test]
fn what_the_module_in_a_component_logs_is_its_records() {
    // Logs the record.
    let imports = r#"(import "host:plugin/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#;
    let module = wat::filter_with(
        imports,
        "",
        "(call $log (i32.const 2) (local.get $at) (local.get $length)) (call $yes)",
    );
    let binary = with_contract(&::wat::parse_str(module).unwrap(), "filter");
    let scene = Scene::new();
    scene.file("in.ndjson", "11\n22\n");
    in_three_forms(&scene, &binary, "in.ndjson").exits(0).account().holds(&[("kept", 2)]);
    for form in ["module.wasm", "wrapping.wasm", "more.wasm"] {
        let log = format!("{form}.log");
        scene.host_with(form).args("in.ndjson --plugin-log").arg(&log).run().exits(0);
        assert_eq!(
            String::from_utf8(scene.read(&log)).unwrap(),
            "info, record 1 of in.ndjson: 11\ninfo, record 2 of in.ndjson: 22\n"
        );
    }
}

#[test]
fn a_module_that_wants_to_be_initialized_is_in_every_form() {
    // Keeps everything, once `_initialize` was called exactly once.
    let module = wat::filter_with(
        "",
        r#"(global $calls (mut i32) (i32.const 0))
           (func (export "_initialize")
             (global.set $calls (i32.add (global.get $calls) (i32.const 1))))"#,
        "(if (i32.ne (global.get $calls) (i32.const 1)) (then unreachable)) (call $yes)",
    );
    let binary = with_contract(&::wat::parse_str(module).unwrap(), "filter");
    let scene = Scene::new();
    scene.file("in.ndjson", "1\n2\n");
    in_three_forms(&scene, &binary, "in.ndjson").exits(0).account().holds(&[("kept", 2)]);
}

/// A module with word of the world that it is made for, which `wit-component` wants.
fn with_contract(module: &[u8], world: &str) -> Vec<u8> {
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_dir(repository("wit")).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let mut module = module.to_vec();
    let encoding = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding).unwrap();
    module
}
