//! What plugins can ask for: side data, and parameters by WASI's name for them; as core
//! modules and as components.

use crate::run::{Ran, Scene};
use crate::wat;

const DATA: &str = r#"
(import "host:plugin/data@0.1.0" "size" (func $size (param i32 i32 i32)))
(import "host:plugin/data@0.1.0" "read" (func $read (param i32 i32 i64 i32 i32)))"#;

/// Answers with up to so many bytes of the data called like the record, from an offset.
fn reads(offset: u64, length: u32) -> String {
    let body = format!(
        "(call $read (local.get $at) (local.get $length) (i64.const {offset}) \
           (i32.const {length}) (i32.const 32)) \
         (if (i32.eqz (i32.load8_u (i32.const 32))) (then (return (call $none)))) \
         (call $some (i32.load (i32.const 36)) (i32.load (i32.const 40)))"
    );
    wat::map_with(DATA, "", &body)
}

/// Keeps the record if the data called like it has so many bytes.
fn measures(bytes: u64) -> String {
    let body = format!(
        "(call $size (local.get $at) (local.get $length) (i32.const 32)) \
         (if (i32.eqz (i32.load8_u (i32.const 32))) (then (return (call $no)))) \
         (if (i64.eq (i64.load (i32.const 40)) (i64.const {bytes})) (then (return (call $yes)))) \
         (call $no)"
    );
    wat::filter_with(DATA, "", &body)
}

#[test]
fn side_data_is_read_by_name() {
    let scene = Scene::new();
    scene.file("a", "0123456789").file("b", "").file("names.ndjson", "table\nempty\nother\n");
    let data = "--data table=a --data empty=b names.ndjson --on-error skip";
    for (offset, length, wanted) in
        [(0, 10, "0123456789\n"), (0, 4, "0123\n"), (8, 100, "89\n"), (0, u32::MAX, "0123456789\n")]
    {
        let ran = scene.host(&reads(offset, length)).args(data).run();
        // What is empty is no record.
        ran.exits(4).writes(wanted).account().holds(&[("dropped", 1), ("output", 1)]);
    }
    for offset in [10, 11, u64::MAX / 2, u64::MAX] {
        let ran = scene.host(&reads(offset, 1)).args(data).run();
        ran.exits(4).writes("").account().holds(&[("dropped", 1), ("output", 2)]);
    }
    for (bytes, wanted) in [(10, "table\n"), (0, "empty\n"), (7, "")] {
        scene.host(&measures(bytes)).args(data).run().exits(0).writes(wanted);
    }
}

#[test]
fn every_worker_and_every_plugin_reads_the_same_data() {
    let scene = Scene::new();
    let table = "0123456789".repeat(100_000);
    scene
        .file("a", &table)
        .file("size.wat", measures(1_000_000))
        .file("last.wat", reads(999_990, 99));
    scene.file("names.ndjson", "table\n".repeat(5000));
    for workers in ["1", "2", "8"] {
        let host = scene.bare().args("--plugin size.wat --plugin last.wat --data table=a");
        let host = host.args("names.ndjson --range-size 1000 --workers").arg(workers);
        host.run().exits(0).writes("0123456789\n".repeat(5000));
    }
}

#[test]
fn side_data_that_cannot_be_had_ends_the_run_before_it_starts() {
    let scene = Scene::new();
    scene.file("a", "0123456789").file("b", "0123456789");
    std::fs::create_dir(scene.path("directory")).unwrap();
    for (arguments, why) in [
        ("--data table=missing", "cannot read missing: No such file"),
        ("--data table=directory", "cannot read directory: it is not a file"),
        ("--data table=/dev/zero", "cannot read /dev/zero: it is not a file"),
        (
            "--data table=a --data more=b --max-data 19B",
            "cannot read a: all side data together is more",
        ),
        ("--data table=a --data table=b", "--data table: there are two files of this name"),
        ("--data table", "NAME=FILE is wanted"),
        ("--data =a", "NAME=FILE is wanted"),
    ] {
        let ran = scene.host(&measures(10)).args(arguments).stdin("1").run();
        ran.exits(2).says(why).writes("");
    }
    let ran = scene.host(&measures(10)).args("--data 1=a --data b=b --max-data 20B").stdin("1");
    ran.run().exits(0).writes("1\n");
}

#[test]
fn what_is_read_counts_as_memory_of_the_instance() {
    let scene = Scene::new();
    scene.file("a", "x".repeat(1 << 20));
    let host = scene.host(&reads(0, 1 << 20)).args("--data 1=a --memory 512KiB");
    host.stdin("1").run().exits(1).says("made the plugin want more memory than --memory");
}

/// A component around a module, which asks through these instances.
fn component(imports: &str, lowered: &str, with: &str, module: &str) -> String {
    let module = module.strip_prefix("(module").unwrap();
    format!(
        r#"(component
{imports}
;; The functions that are lowered need the module's memory, and it needs them: a table
;; that is filled later stands between.
(core module $shim
  (table (export "table") 8 8 funcref)
  (type $get (func (param i32 i32 i32)))
  (type $read (func (param i32 i32 i64 i32 i32)))
  (func (export "get") (param i32 i32 i32)
    (call_indirect (type $get) (local.get 0) (local.get 1) (local.get 2) (i32.const 0)))
  (func (export "read") (param i32 i32 i64 i32 i32)
    (call_indirect (type $read) (local.get 0) (local.get 1) (local.get 2) (local.get 3)
      (local.get 4) (i32.const 1))))
(core instance $shim (instantiate $shim))
(core module $m {module}
(core instance $i (instantiate $m {with}))
{lowered}
(func (export "apply") (param "record" string)
  (result (result (option string) (error string)))
  (canon lift (core func $i "apply") (memory $i "memory") (realloc (func $i "cabi_realloc")))))"#
    )
}

const FILL: &str = r#"
(core module $fill
  (import "shim" "table" (table 8 8 funcref))
  (import "" "f" (func $f PARAMS))
  (elem (i32.const PLACE) func $f))
(core instance (instantiate $fill
  (with "shim" (instance $shim))
  (with "" (instance (export "f" (func $lowered))))))"#;

#[test]
fn components_read_side_data() {
    let imports = r#"(import "host:plugin/data@0.1.0" (instance $data
  (export "size" (func (param "name" string) (result (option u64))))
  (export "read" (func (param "name" string) (param "offset" u64) (param "length" u32)
    (result (option (list u8)))))))"#;
    let lowered = r#"(core func $lowered (canon lower (func $data "read") (memory $i "memory")
  (realloc (func $i "cabi_realloc"))))"#;
    let fill = FILL.replace("PARAMS", "(param i32 i32 i64 i32 i32)").replace("PLACE", "1");
    let with = r#"(with "host:plugin/data@0.1.0" (instance (export "read" (func $shim "read"))))"#;
    let module = reads(2, 3).replace(
        r#"(import "host:plugin/data@0.1.0" "size" (func $size (param i32 i32 i32)))"#,
        "",
    );
    let plugin = component(imports, &format!("{lowered}{fill}"), with, &module);
    let scene = Scene::new();
    scene.file("a", "0123456789");
    let host = scene.host(&plugin).args("--data 7=a").stdin("7 8");
    host.run().exits(0).writes("234\n").account().holds(&[("dropped", 1)]);
}

/// Answers with the parameter called like the record, as `wasi:config/store` gives it.
fn stored(interface: &str) -> String {
    let import = format!(r#"(import "{interface}" "get" (func $get (param i32 i32 i32)))"#);
    wat::map_with(
        &import,
        "",
        "(call $get (local.get $at) (local.get $length) (i32.const 32)) \
         (if (i32.load8_u (i32.const 32)) (then unreachable)) \
         (if (i32.eqz (i32.load8_u (i32.const 36))) (then (return (call $none)))) \
         (call $some (i32.load (i32.const 40)) (i32.load (i32.const 44)))",
    )
}

const STORES: [&str; 2] = ["wasi:config/store@0.2.0-rc.1", "wasi:config/store@0.2.0-draft"];

fn told(ran: &Ran) {
    ran.exits(0).writes("\"one\"\n[2]\n").account().holds(&[("kept", 2), ("dropped", 1)]);
}

#[test]
fn parameters_have_a_name_of_wasi_too() {
    for interface in STORES {
        let scene = Scene::new();
        let host = scene.host(&stored(interface)).args("--param 1=\"one\" --param 2=[2]");
        told(&host.stdin("1 2 3").run());
    }
}

#[test]
fn components_ask_for_parameters() {
    let fill = FILL.replace("PARAMS", "(param i32 i32 i32)").replace("PLACE", "0");
    let lowered = |instance: &str| {
        format!(
            r#"(core func $lowered (canon lower (func ${instance} "get") (memory $i "memory")
  (realloc (func $i "cabi_realloc")))){fill}"#
        )
    };
    for interface in STORES {
        let imports = format!(
            r#"(import "{interface}" (instance $store
  (type (variant (case "upstream" string) (case "io" string)))
  (export "error" (type (eq 0)))
  (export "get" (func (param "key" string) (result (result (option string) (error 1)))))))"#
        );
        let with = format!(r#"(with "{interface}" (instance (export "get" (func $shim "get"))))"#);
        let plugin = component(&imports, &lowered("store"), &with, &stored(interface));
        let scene = Scene::new();
        let host = scene.host(&plugin).args("--param 1=\"one\" --param 2=[2]");
        told(&host.stdin("1 2 3").run());
    }
    let interface = "host:plugin/params@0.1.0";
    let imports = format!(
        r#"(import "{interface}" (instance $params
  (export "get" (func (param "name" string) (result (option string))))))"#
    );
    let with = format!(r#"(with "{interface}" (instance (export "get" (func $shim "get"))))"#);
    let module = wat::map_with(
        &format!(r#"(import "{interface}" "get" (func $get (param i32 i32 i32)))"#),
        "",
        "(call $get (local.get $at) (local.get $length) (i32.const 32)) \
         (if (i32.eqz (i32.load8_u (i32.const 32))) (then (return (call $none)))) \
         (call $some (i32.load (i32.const 36)) (i32.load (i32.const 40)))",
    );
    let plugin = component(&imports, &lowered("params"), &with, &module);
    let scene = Scene::new();
    let host = scene.host(&plugin).args("--param 1=\"one\" --param 2=[2]");
    told(&host.stdin("1 2 3").run());
}

#[test]
fn all_parameters_can_be_had_at_once() {
    let import = format!(r#"(import "{}" "get-all" (func $all (param i32)))"#, STORES[0]);
    // The second pair's value.
    let plugin = wat::map_with(
        &import,
        "",
        "(call $all (i32.const 32)) \
         (if (i32.load8_u (i32.const 32)) (then unreachable)) \
         (if (i32.ne (i32.load (i32.const 40)) (i32.const 2)) (then unreachable)) \
         (call $some (i32.load offset=24 (i32.load (i32.const 36))) \
           (i32.load offset=28 (i32.load (i32.const 36))))",
    );
    // Here `cabi_realloc` gives one place over and over, so only the list is whole: the
    // length of the second value is right.
    let scene = Scene::new();
    let host = scene.host(&plugin).args("--param a=1 --param b=12345 --from ndjson");
    let ran = host.stdin("x\n").run();
    ran.exits(0);
    assert_eq!(ran.stdout.len(), 6);
}

#[test]
fn an_import_of_another_type_is_told_with_the_right_one() {
    let import = r#"(import "host:plugin/data@0.1.0" "size" (func $size (param i32 i32)))"#;
    let plugin = wat::filter_with(import, "", "(call $yes)");
    let ran = Scene::new().host(&plugin).stdin("1").run();
    ran.exits(2).says("it imports `size` of `host:plugin/data@0.1.0` with another type than (i32");
    let import = r#"(import "host:plugin/data@0.1.0" "write" (func (param i32 i32)))"#;
    let ran = Scene::new().host(&wat::filter_with(import, "", "(call $yes)")).stdin("1").run();
    ran.exits(2).says("it imports `write` of `host:plugin/data@0.1.0`, and this program offers");
}
