//! `--errors json`: what is said on standard error, for programs.

use serde_json::{Value, json};

use crate::run::{Ran, Scene};
use crate::wat;

/// The objects on standard error, one on each line.
#[track_caller]
fn objects(ran: &Ran) -> Vec<Value> {
    let parse = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
        assert!(value["kind"].is_string() && value["message"].is_string(), "{line}");
        value
    };
    ran.stderr.lines().map(parse).collect()
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// Those members of an object that are wanted are as wanted.
#[track_caller]
fn holds(object: &Value, wanted: Value) {
    for (name, value) in wanted.as_object().unwrap() {
        assert_eq!(object[name], *value, "{name} of {object}");
    }
}

fn scene() -> Scene {
    let scene = Scene::new();
    scene.file("data.ndjson", format!("1\n2\n{}", "\"!\"\n".repeat(10)));
    scene
}

#[test]
fn a_record_that_fails_is_told_with_its_place_and_what_can_be_done() {
    let ran = scene().host(&wat::traps()).args("--errors json -o out data.ndjson").run();
    let objects = objects(ran.exits(1));
    let [error, account] = &objects[..] else { panic!("{objects:?}") };
    holds(
        error,
        json!({
            "kind": "error", "error": "record", "failure": "trap", "input": "data.ndjson",
            "record": 3, "byte": 4, "length": 3, "attempts": 2, "plugin": "plugin.wat",
            "partial": "out.partial", "exit_code": 1, "backtrace": null, "plugin_says": null,
        }),
    );
    let message = "record 3 of data.ndjson (byte 4, 3 long) made the plugin trap: ";
    assert!(error["message"].as_str().unwrap().starts_with(message), "{error}");
    let remedies = error["remedies"].as_array().unwrap();
    assert_eq!(remedies[0], "to see what the plugin says of it: --only 3");
    assert_eq!(remedies[2], "to go on from there: the same command with --resume");
    holds(account, json!({"kind": "account", "exit_code": 1}));
    holds(&account["account"], json!({"failures": {"trap": 1}, "unread_bytes": 37}));
    holds(&account["account"]["records"], json!({"read": 3, "used": 2, "failed": 1}));
}

#[test]
fn every_record_that_is_left_out_is_told() {
    for (flags, kind) in [("--on-error skip", "skipped"), ("--dead-letters dead", "dead-letter")] {
        let scene = scene();
        let host = scene.host(&wat::rejects()).args("--errors=json data.ndjson");
        let objects = objects(host.args(flags).run().exits(4));
        let told = of_kind(&objects, kind);
        assert_eq!(told.len(), 10);
        for (number, object) in (3..).zip(told) {
            let byte = 4 + (number - 3) * 4;
            holds(object, json!({"failure": "rejected", "record": number, "byte": byte}));
        }
        let (account, error) = (of_kind(&objects, "account")[0], of_kind(&objects, "error")[0]);
        assert_eq!(account["account"]["records"]["failed"], 0);
        holds(account, json!({"exit_code": 4}));
        holds(error, json!({"error": "too-many-failures", "exit_code": 4}));
        assert_eq!(
            error["dead_letters"],
            if kind == "skipped" { json!(null) } else { json!("dead") }
        );
    }
}

#[test]
fn what_a_plugin_says_is_only_there_for_those_who_ask() {
    let scene = scene();
    let host =
        |flags: &str| scene.host(&wat::rejects()).args("--errors json data.ndjson").args(flags);
    let said = "secret \u{1b}[31mwords\n";
    for flags in ["", "--on-error skip", "--verbose"] {
        host(flags).run().never_says("secret");
    }
    let shown = host("--show-records").run();
    holds(&objects(&shown)[0], json!({"plugin_says": said}));
    // Nothing on the way commands a terminal.
    assert!(!shown.stderr.contains('\u{1b}'));
    let shown = host("--show-records --on-error skip").run();
    holds(of_kind(&objects(&shown), "skipped")[0], json!({"plugin_says": said}));
    let traps = scene.host(&wat::traps()).args("--errors json --show-records data.ndjson").run();
    assert!(!objects(&traps)[0]["backtrace"].as_array().unwrap().is_empty());
    let logs = scene.host(&wat::logs()).args("--errors json --plugin-log stderr data.ndjson").run();
    let objects = objects(logs.exits(0));
    let log = of_kind(&objects, "log")[0];
    holds(log, json!({"message": said, "level": "warn", "input": "data.ndjson", "record": 3}));
}

#[test]
fn usage_errors_are_told_alike() {
    let scene = scene();
    scene.file("job.toml", "workerz = 1\n").file("plugin.wat", wat::keeps_all());
    for (arguments, wanted) in [
        (
            "--errors json --workerz 2 --plugin plugin.wat",
            json!({
                "message": "unexpected argument '--workerz' found", "error": "usage",
                "remedies": ["a similar argument exists: '--workers'"], "exit_code": 2,
            }),
        ),
        // The flag counts wherever it stands.
        (
            "--plugin plugin.wat --on-error skpi --errors=json",
            json!({"remedies": ["a similar value exists: 'skip'"], "exit_code": 2}),
        ),
        (
            "--errors json",
            json!({"message": "the following required arguments were not provided: --plugin <FILE>"}),
        ),
        (
            "--errors json --job job.toml",
            json!({"message": "job.toml, line 1: there is no key workerz; did you mean workers?"}),
        ),
        (
            "--errors json --plugin plugin.wat missing.json",
            json!({"error": "input", "input": "missing.json", "exit_code": 2}),
        ),
        (
            "--errors json --plugin missing.wasm data.ndjson",
            json!({"error": "plugin", "plugin": "missing.wasm", "exit_code": 2}),
        ),
        (
            "merge --errors json --plugin plugin.wat --limit 1 data.ndjson",
            json!({"message": "--limit means nothing where states are merged", "exit_code": 2}),
        ),
        (
            "retry --errors json --plugin plugin.wat",
            json!({"message": "the following required arguments were not provided: <DEAD>..."}),
        ),
    ] {
        let ran = scene.bare().args(arguments).run();
        let objects = objects(ran.exits(2).writes(""));
        let [object] = &objects[..] else { panic!("{objects:?}") };
        holds(object, json!({"kind": "error"}));
        holds(object, wanted);
    }
}

#[test]
fn a_variable_or_a_job_file_can_ask_for_it_and_text_is_the_default() {
    let scene = scene();
    let host = || scene.host(&wat::keeps_all()).arg("data.ndjson");
    assert!(objects(host().env("HOST_ERRORS", "json").run().exits(0))[0]["account"].is_object());
    scene.file("job.toml", "errors = 'json'");
    assert_eq!(objects(host().args("--job job.toml").run().exits(0)).len(), 1);
    // What is typed goes before.
    let ran = host().args("--errors text --job job.toml").env("HOST_ERRORS", "json").run();
    ran.exits(0).says("host: 12 records read: ");
    // A subcommand that knows no such flag hears the variable.
    let ran = scene.bare().args("check missing.wasm").env("HOST_ERRORS", "json").run();
    holds(&objects(ran.exits(2))[0], json!({"error": "plugin", "exit_code": 2}));
    // A word behind the end of all flags is none of them.
    host().args("-- --errors json").run().exits(2).says("error: cannot read --errors");
}

#[test]
fn both_forms_say_the_same() {
    let scene = scene();
    for (plugin, arguments) in [
        (wat::traps(), "data.ndjson"),
        (wat::rejects(), "--on-error skip -q data.ndjson"),
        (wat::rejects(), "--on-error skip --max-errors 10 --verbose --workers 1 data.ndjson"),
        (wat::logs(), "--plugin-log stderr --only 3 data.ndjson"),
        (wat::keeps_all(), "--sandbox off data.ndjson"),
        ("(module)".to_owned(), "data.ndjson"),
        (wat::keeps_all(), "--only 99 data.ndjson"),
        (wat::keeps_all(), "-o missing/out data.ndjson"),
        (wat::keeps_all(), "data.ndjson --from json --to csv --columns a"),
    ] {
        let run = |more: &str| scene.host(&plugin).args(arguments).args(more).run();
        let (text, json) = (run(""), run("--errors json"));
        assert_eq!(text.code, json.code);
        assert_eq!(text.stdout, json.stdout);
        // Times and process ids differ from run to run.
        let shape = |text: &str| text.replace(|letter: char| letter.is_ascii_digit(), "");
        let text = shape(&text.stderr);
        let mut rest = text.as_str();
        for object in objects(&json) {
            let message = shape(&host::printable(object["message"].as_str().unwrap()));
            let at = rest.find(&message);
            let at = at.unwrap_or_else(|| panic!("{message} is not in {rest}, of {text}"));
            rest = &rest[at + message.len()..];
            for remedy in object["remedies"].as_array().into_iter().flatten() {
                let remedy = shape(remedy.as_str().unwrap());
                assert!(rest.contains(&remedy), "{remedy} is not in {rest}");
            }
        }
    }
}

#[test]
fn what_happens_to_workers_is_told_to_those_who_ask() {
    let ran = scene().host(&wat::keeps_all()).args("--errors json --verbose data.ndjson").run();
    let objects = objects(ran.exits(0));
    let events: Vec<_> = of_kind(&objects, "event");
    let named = |name: &str| events.iter().find(|event| event["event"] == name).unwrap();
    assert!(named("online")["process"].is_u64() && named("online")["worker"].is_u64());
    assert!(named("online")["sandbox"].as_array().unwrap().contains(&json!("seccomp")));
    assert!(named("exit")["process"].is_u64());
    let ran = scene().host(&wat::keeps_all()).args("--errors json --quiet data.ndjson").run();
    assert_eq!(ran.exits(0).stderr, "");
}
