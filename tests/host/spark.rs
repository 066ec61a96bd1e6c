//! `host spark` up to where Spark takes over: what it is told, and what is found wrong before.
//! (`tests/spark/check.py` has the rest, on a cluster.)

use std::fs;

use serde_json::{Value, json};

use crate::run::{Ran, Scene, repository};
use crate::wat;

/// Somewhere with a Spark that nobody starts.
fn scene() -> Scene {
    let scene = Scene::new();
    fs::create_dir_all(scene.path("spark/bin")).unwrap();
    scene.file("spark/bin/spark-submit", "#!/bin/sh\nexit 99\n");
    scene.file("plugin.wat", wat::keeps_all());
    scene
}

fn spark(scene: &Scene, arguments: &str) -> Ran {
    let home = scene.path("spark");
    scene.bare().arg("spark").args(arguments).env("SPARK_HOME", home).run()
}

/// The command that would run, and what the driver would be told.
#[track_caller]
fn printed(scene: &Scene, arguments: &str) -> (String, Value) {
    let ran = spark(scene, &format!("--print {arguments}"));
    ran.exits(0);
    let text = String::from_utf8(ran.stdout.clone()).unwrap();
    let mut parts = text.splitn(3, "\n\n");
    let command = parts.next().unwrap().to_owned();
    let told = serde_json::from_str(parts.next().unwrap()).unwrap();
    assert!(parts.next().unwrap().starts_with("package host.spark;"));
    (command, told)
}

#[test]
fn the_command_carries_what_tasks_need_and_what_is_meant_for_spark() {
    let scene = scene();
    fs::create_dir(scene.path("other")).unwrap();
    scene.file("other/plugin.wat", wat::keeps_all());
    scene.file("some,words.txt", "a\n").file("all.json", "{\"x\":\"y\"}");
    let (command, told) = printed(
        &scene,
        "--master yarn --plugin plugin.wat --plugin other/plugin.wat --param 2:a=b=c \
         --params all.json --data words=some,words.txt --timeout 2s --show-records \
         --on-error skip --max-errors 1% s3a://in/a.ndjson.gz s3a://in/b out \
         -- --conf spark.executor.memory=1g",
    );
    let files = command.split(" --files ").nth(1).unwrap().split(' ').next().unwrap();
    let names: Vec<_> = files.split(',').map(|file| file.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["host", "plugin.wat", "2-plugin.wat", "all.json", "some_words.txt"]);
    assert!(command.contains(" --class host.spark.Driver --master yarn --name host "), "{command}");
    assert!(command.contains(" --conf spark.executor.memory=1g /"), "{command}");
    let arguments: Vec<_> = told["arguments"].as_array().unwrap().iter().collect();
    for wanted in [
        "--plugin=plugin.wat",
        "--plugin=2-plugin.wat",
        "--param=2:a=b=c",
        "--params=all.json",
        "--data=words=some_words.txt",
        "--timeout=2s",
        "--show-records",
        "--on-error=skip",
    ] {
        assert!(arguments.contains(&&json!(wanted)), "{wanted} is not in {arguments:?}");
    }
    assert_eq!(told["inputs"], json!(["s3a://in/a.ndjson.gz", "s3a://in/b"]));
    assert_eq!((&told["output"], &told["maxErrors"]), (&json!("out"), &json!("1%")));
    assert_eq!((&told["from"], &told["to"]), (&json!("ndjson"), &json!("ndjson")));
    assert_eq!((&told["filters"], &told["reduces"]), (&json!(true), &json!(false)));
}

#[test]
fn of_several_plugins_the_last_merges() {
    let scene = scene();
    let reduce = repository("plugins/count-by/count-by.wasm");
    let arguments = format!(
        "--plugin plugin.wat --plugin {} --param 2:by=type --param 1:x=y --param z=1 in out",
        reduce.display()
    );
    let (_, told) = printed(&scene, &arguments);
    assert_eq!(told["reduces"], json!(true));
    let merge: Vec<_> =
        told["mergeArguments"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let of_plugins: Vec<_> = merge.into_iter().filter(|word| word.starts_with("--p")).collect();
    assert_eq!(of_plugins, ["--plugin=count-by.wasm", "--param=by=type", "--param=z=1"]);
}

#[test]
fn names_say_what_is_read_and_written() {
    let scene = scene();
    for (uris, from, to) in [
        ("a.ndjson out", "ndjson", "ndjson"),
        ("a.json out", "ndjson", "ndjson"),
        ("a.log out", "lines", "lines"),
        ("hdfs:///a.csv/ out", "csv", "csv"),
        ("a.tsv.gz out.ndjson", "tsv", "ndjson"),
        ("a.parquet hdfs:///out.parquet", "parquet", "parquet"),
        ("--from lines a.csv out", "lines", "lines"),
        ("--to parquet a.ndjson out", "ndjson", "parquet"),
    ] {
        let (_, told) = printed(&scene, &format!("--plugin plugin.wat {uris}"));
        assert_eq!((&told["from"], &told["to"]), (&json!(from), &json!(to)), "{uris}");
    }
}

#[test]
fn what_cannot_be_is_said_before_spark_is_asked() {
    let scene = scene();
    scene.file("traps.wat", "(module)");
    for (arguments, why) in [
        ("--plugin plugin.wat", "URI"),
        ("--plugin plugin.wat in", "IN OUT"),
        ("in out", "--plugin"),
        ("--plugin none.wasm in out", "none.wasm"),
        ("--plugin traps.wat in out", "traps.wat"),
        ("--plugin plugin.wat --memory lots in out", "not a size"),
        ("--plugin plugin.wat --workers 2 in out", "--workers means nothing where Spark reads"),
        ("--plugin plugin.wat --from arrow in out", "--from ndjson|lines|csv|tsv|parquet"),
        ("--plugin plugin.wat --to json in out", "--to ndjson|lines|csv|tsv|parquet"),
        ("--plugin plugin.wat --columns a in out", "--to csv"),
        ("--plugin plugin.wat in out.csv", "--columns a,b,c"),
        ("--plugin plugin.wat --data x=spark in out", "is a directory"),
        ("--plugin plugin.wat --on-error dead-letter in out", "--dead-letters"),
        ("--plugin plugin.wat --on-error skip --dead-letters d in out", "contradicts"),
        ("--plugin plugin.wat --columns a,a in out.csv", "--columns"),
    ] {
        let ran = spark(&scene, arguments);
        assert_eq!(ran.code, 2, "{arguments}: {}", ran.stderr);
        ran.says(why);
    }
    let none = scene.bare().args("spark --plugin plugin.wat in out").env_remove("SPARK_HOME");
    let ran = none.env("PATH", "/nowhere").run();
    ran.exits(2).says("there is no spark-submit: set SPARK_HOME");
    let none = scene.bare().args("spark --plugin plugin.wat in out").env("SPARK_HOME", "/nowhere");
    none.run().exits(2).says("SPARK_HOME has no /nowhere/bin/spark-submit");
}

#[test]
fn what_spark_submit_exits_with_is_the_exit_code() {
    use std::os::unix::fs::PermissionsExt as _;
    let scene = scene();
    let program = scene.path("spark/bin/spark-submit");
    spark(&scene, "--plugin plugin.wat in out").exits(2).says("cannot be run");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    spark(&scene, "--plugin plugin.wat in out").exits(99);
}

#[test]
fn standard_input_has_the_name_that_it_is_given() {
    let scene = Scene::new();
    let named = |arguments: &str| {
        let host = scene.host(&wat::traps()).args(arguments);
        host.stdin("{\"a\":1}\n{\"b\":\"!\"}\n").run()
    };
    let ran = named("--from ndjson --stdin-name part-7");
    ran.exits(1).says("record 2 of part-7 (byte 8, 9 long)").never_says("--only");
    named("--from ndjson --stdin-name part-7 --dead-letters dead --max-errors 1").exits(0);
    let letter: Value = serde_json::from_slice(&scene.read("dead")).unwrap();
    assert_eq!(letter["file"], json!("part-7"));
    scene.file("data.ndjson", "1\n");
    named("--stdin-name x data.ndjson").exits(2).says("standard input is not read");
}
