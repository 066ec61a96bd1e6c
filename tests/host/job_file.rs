//! Job files (`--job FILE`) and variables of the environment: what they say, what goes before
//! what, and what is said of mistakes in them.

use std::fs::create_dir;

use crate::run::{Host, Ran, Scene, same};
use crate::wat;

/// A directory with a plugin that stops at `!`, data, and a job file with this text.
fn scene(text: &str) -> Scene {
    let scene = Scene::new();
    scene.file("plugin.wat", wat::rejects()).file("data.ndjson", "1\n2\n\"!\"\n4\n");
    scene.file("job.toml", text);
    scene
}

fn host(scene: &Scene, arguments: &str) -> Host {
    scene.bare().args("--job job.toml").args(arguments)
}

/// What a dry run tells.
#[track_caller]
fn plan(ran: &Ran) -> String {
    String::from_utf8(ran.exits(0).stdout.clone()).unwrap()
}

const ALL: &str = "plugin = 'plugin.wat'\ninputs = ['data.ndjson']\n";

#[test]
fn a_job_file_says_what_flags_say() {
    let text = format!(
        "{ALL}
        workers = 2  # a number
        range-size = '64KiB'
        max-record = 1_048_576
        timeout = '5s'
        on-error = 'skip'
        max-errors = 1
        clock-start = 2024-01-31T12:00:00Z
        sandbox-require = ['seccomp']
        output = 'kept.ndjson'
        verbose = true
        quiet = false
        param = {{ type = 'PushEvent', n = 7, yes = true, '1:only' = 'first' }}
        "
    );
    let scene = scene(&text);
    let ran = host(&scene, "").run();
    ran.exits(0).says("worker 0 is online").says("1 skipped");
    same(&scene.read("kept.ndjson"), b"1\n2\n4\n");
    let told = plan(&host(&scene, "--dry-run").run());
    for line in [
        "type = PushEvent",
        "n = 7",
        "yes = true",
        "only = first",
        "data.ndjson: 10 B, JSON lines",
        "limits: memory 256.0 MiB, timeout 5s, record 1.0 MiB",
        "output: kept.ndjson",
    ] {
        assert!(told.contains(line), "{line:?} is not in {told}");
    }
}

#[test]
fn several_of_a_kind_are_an_array_and_keep_their_order() {
    let scene = scene(
        "plugin = ['plugin.wat', 'second.wat']\ninputs = ['b.json', 'data.ndjson']\n\
         on-error = 'skip'\nmax-errors = '50%'\nto = 'ndjson'",
    );
    scene.file("second.wat", wat::map(wat::SAME)).file("b.json", "[\"b\"]");
    host(&scene, "").run().exits(0).writes("\"b\"\n1\n2\n4\n");
}

#[test]
fn columns_are_a_text_or_an_array_of_names() {
    for columns in ["'id,\"last, first\"'", "['id', 'last, first']"] {
        let scene = scene(&format!("plugin = 'plugin.wat'\nto = 'csv'\ncolumns = {columns}"));
        let ran = host(&scene, "").stdin(r#"{"last, first":"A","id":1}"#).run();
        ran.exits(0).writes("id,\"last, first\"\n1,A\n");
    }
}

#[test]
fn paths_in_a_job_file_begin_where_it_lies() {
    let scene = Scene::new();
    create_dir(scene.path("jobs")).unwrap();
    scene.file("jobs/plugin.wat", wat::keeps_all()).file("jobs/-data.ndjson", "1\n");
    scene.file("outside.ndjson", "2\n").file("jobs/names", "x");
    let text = "plugin = 'plugin.wat'\ninputs = ['-data.ndjson', '../outside.ndjson', '-']\n\
                output = 'out.ndjson'\nstats = 'stats.json'\ncache = 'off'\nplugin-log = 'none'\n\
                data = { who = 'names' }";
    scene.file("jobs/job.toml", text);
    let ran = scene.bare().args("--job jobs/job.toml").stdin("3\n").run();
    ran.exits(0);
    same(&scene.read("jobs/out.ndjson"), b"1\n2\n3\n");
    assert!(scene.path("jobs/stats.json").exists());
    assert_eq!(scene.names(), ["jobs", "outside.ndjson"]);
    // From where it lies itself, too, where a name alone would be taken for a flag.
    let directory = scene.path("jobs");
    let ran = scene.host_in(&directory).args("--job job.toml -o again.ndjson").stdin("3\n").run();
    ran.exits(0);
    same(&scene.read("jobs/again.ndjson"), b"1\n2\n3\n");
    // What is typed begins where one is.
    let ran = scene.bare().args("--job jobs/job.toml -o typed.ndjson outside.ndjson").run();
    ran.exits(0);
    same(&scene.read("typed.ndjson"), b"2\n");
}

#[test]
fn what_is_typed_goes_before_a_variable_and_that_before_the_file() {
    let scene = scene(&format!("{ALL}workers = 3\nrange-size = '16KiB'\nlimit = 2\n"));
    scene.file("data.ndjson", format!("1\n2\n\"!\"\n4\n{}", "5\n".repeat(50_000)));
    let workers = |host: Host| {
        let told = plan(&host.args("--dry-run").run());
        told.lines().find(|line| line.starts_with("workers: ")).unwrap().to_owned()
    };
    let ran = |arguments: &str| host(&scene, arguments);
    assert!(workers(ran("")).starts_with("workers: 3 at most"));
    assert!(workers(ran("").env("HOST_WORKERS", "2")).starts_with("workers: 2 at most"));
    let typed = ran("--workers 1").env("HOST_WORKERS", "2");
    assert!(workers(typed).starts_with("workers: 1 at most"));
    // A variable without a value says nothing.
    assert!(workers(ran("").env("HOST_WORKERS", "")).starts_with("workers: 3 at most"));
    // What is wrong with a value does not matter where it does not count.
    assert!(workers(ran("--workers 1").env("HOST_WINDOW", "1MiB")).ends_with("16.0 KiB each"));
    ran("").run().exits(0).writes("1\n2\n");
    ran("--limit 1").run().exits(0).writes("1\n");
    ran("--only 4").run().exits(0).writes("4\n");
}

#[test]
fn inputs_and_plugins_that_are_typed_stand_for_all_of_the_file() {
    let scene = scene(ALL);
    scene.file("other.ndjson", "5\n").file("drops.wat", wat::drops_all());
    host(&scene, "other.ndjson").run().exits(0).writes("5\n");
    host(&scene, "-- other.ndjson").run().exits(0).writes("5\n");
    host(&scene, "-").stdin("6\n").run().exits(0).writes("6\n");
    host(&scene, "--plugin drops.wat").run().exits(0).writes("");
}

#[test]
fn parameters_and_side_data_are_replaced_name_by_name() {
    let scene = scene(&format!(
        "{ALL}param = {{ type = 'A', keep = 'x' }}\ndata = ['who=names', 'what=names']"
    ));
    scene.file("names", "x").file("others", "xyz");
    let told = plan(&host(&scene, "--param type=B --data who=others --dry-run").run());
    for line in ["type = B", "keep = x", "who: others, 3 B", "what: names, 1 B"] {
        assert!(told.contains(line), "{line:?} is not in {told}");
    }
    assert!(!told.contains("type = A") && !told.contains("who: names"), "{told}");
}

#[test]
fn what_is_typed_displaces_what_contradicts_it() {
    let text = format!(
        "{ALL}output = 'out.ndjson'\nverbose = true\ndead-letters = 'dead'\nreal-clock = true"
    );
    let scene = scene(&text);
    host(&scene, "--output-dir many --on-error skip -q --clock-start 0").run().exits(4);
    assert_eq!(scene.names(), ["data.ndjson", "job.toml", "many", "plugin.wat"]);
    host(&scene, "--on-error dead-letter").run().exits(4);
    assert!(scene.path("dead").exists());
    // A switch is turned off by its variable.
    let ran = host(&scene, "--limit 1").env("HOST_VERBOSE", "false").run();
    ran.exits(0).never_says("online");
    host(&scene, "--limit 1").run().exits(0).says("online");
    let ran = host(&scene, "--limit 1").env("HOST_QUIET", "1").run();
    assert_eq!(ran.exits(0).stderr, "");
}

#[test]
fn a_dry_run_tells_where_what_is_not_typed_is_from() {
    let scene =
        scene(&format!("{ALL}workers = 3\nquiet = false\n[param]\ntype = 'A'\nb = 'it is'"));
    let ran = host(&scene, "--workers 1 --dry-run").env("HOST_WINDOW", "8MiB").run();
    let told = plan(&ran);
    let (_, told) = told.split_once("not typed:\n").unwrap();
    assert_eq!(
        told,
        "  --plugin=plugin.wat (job.toml, line 1)\n  data.ndjson (job.toml, line 2)\n  \
         --param=type=A (job.toml, line 6)\n  --param=b=it is (job.toml, line 7)\n  \
         --window=8MiB (HOST_WINDOW)\n"
    );
    let typed = scene.host_with("plugin.wat").args("--dry-run data.ndjson").run();
    assert!(!plan(&typed).contains("not typed"));
}

#[test]
fn a_file_is_only_read_where_it_is_named() {
    let scene = Scene::new();
    for name in ["host.toml", "job.toml", ".host.toml"] {
        scene.file(name, "this is no job");
    }
    scene.host(&wat::keeps_all()).stdin("1\n").run().exits(0).writes("1\n");
}

#[test]
fn what_is_wrong_in_a_file_is_told_with_its_line_and_what_would_be_right() {
    for (line, why) in [
        ("workerz = 2", "line 3: there is no key workerz; did you mean workers?"),
        ("range_size = '1MiB'", "line 3: there is no key range_size; did you mean range-size?"),
        ("input = 'a'", "line 3: there is no key input; did you mean inputs?"),
        ("xyzzy = 1", "line 3: there is no key xyzzy: keys are inputs and what --help tells"),
        ("[limits]\nmemory = '1GiB'", "line 3: there is no key limits"),
        ("help = true", "line 3: there is no key help"),
        ("job = 'other.toml'", "line 3: a job file cannot name another"),
        ("workers = 'many'", "line 3: workers = many: invalid digit"),
        ("workers = -1", "line 3: workers = -1: invalid digit"),
        ("workers = true", "line 3: workers: a text or a number is expected, and this is true or"),
        ("workers = [1]", "line 3: workers: a text or a number is expected, and this is an array"),
        ("memory = '64QiB'", "line 3: memory = 64QiB: "),
        ("timeout = 10", "line 3: timeout = 10: "),
        ("on-error = 'skpi'", "one of fail, skip, dead-letter is expected; did you mean skip?"),
        ("on-error = 1", "line 3: on-error = 1: one of fail, skip, dead-letter is expected"),
        ("verbose = 'yes'", "line 3: verbose: true or false is expected, and this is a text"),
        ("\n\nverbose = 1", "line 5: verbose: true or false is expected, and this is a number"),
        ("output = ''", "line 3: output = : there is no value"),
        ("param = 'type'", "line 3: param: a table of names and values, or NAME=VALUE is expected"),
        (
            "param = { type = [1] }",
            "line 3: param: a text or a number is expected, and this is an array",
        ),
        (
            "params = { type = 'A' }",
            "line 3: params: a text or a number is expected, and this is a",
        ),
        ("data = { '' = 'a' }", "line 3: data = =a: NAME=FILE is wanted"),
        ("sandbox-require = ['moat']", "line 3: sandbox-require = moat: there is no layer `moat`"),
        ("workers = 1\nworkers = 2", "line 4: this is no TOML: duplicate key"),
        ("workers = ", "line 3: this is no TOML: "),
        ("workers", "line 3: this is no TOML: "),
        ("quiet = true\nverbose = true", "line 4: verbose cannot be used with quiet (job.toml, li"),
        ("output-dir = 'd'\noutput = 'o'", "line 4: output cannot be used with output-dir"),
        ("workers = 0", "must be 1 to 1024 (--workers); it was said by --workers=0 (job.toml, lin"),
        ("on-error = 'skip'\ndead-letters = 'd'", "--dead-letters=d (job.toml, line 4)"),
        ("limit = 99999999999999999999999999999999999999999", "a number with fewer digits"),
    ] {
        let scene = scene(&format!("{ALL}{line}\n"));
        let ran = host(&scene, "").run();
        ran.exits(2).writes("").says("error: ").says("job.toml").says(why);
        assert_eq!(scene.names(), ["data.ndjson", "job.toml", "plugin.wat"], "{line}");
    }
}

#[test]
fn a_file_that_is_none_is_refused() {
    let scene = scene("");
    let job = |name: &str| scene.bare().args("--job").arg(name).run();
    job("missing.toml").exits(2).says("error: --job missing.toml: No such file");
    job(".").exits(2).says("--job .: ");
    scene.file("bytes", [0xff, 0xfe]).file("long", vec![b'#'; 2 << 20]);
    job("bytes").exits(2).says("--job bytes: ");
    job("long").exits(2).says("--job long: it is longer than 1 MiB");
    job("/dev/zero").exits(2).says("it is longer than 1 MiB");
    // An empty one says nothing.
    job("job.toml").exits(2).says("--plugin <FILE>");
}

#[test]
fn variables_are_for_the_machine_and_not_for_what_a_job_does() {
    let scene = scene(ALL);
    for name in ["HOST_OUTPUT", "HOST_LIMIT", "HOST_SHOW_RECORDS", "HOST_PLUGIN", "HOST_JOB"] {
        let ran = host(&scene, "").env(name, "1").run();
        ran.exits(1).writes("1\n2\n").never_says(wat::REASON);
    }
    assert_eq!(scene.names(), ["data.ndjson", "job.toml", "plugin.wat"]);
    for (name, value, why) in [
        ("HOST_WORKERS", "many", "error: HOST_WORKERS=many: invalid digit"),
        ("HOST_WORKERS", "0", "(--workers); it was said by --workers=0 (HOST_WORKERS)"),
        ("HOST_MEMORY", "big", "error: HOST_MEMORY=big: "),
        ("HOST_QUIET", "maybe", "error: HOST_QUIET=maybe: true or false is expected"),
        ("HOST_SANDBOX", "on", "error: HOST_SANDBOX=on: one of auto, strict, off is expected"),
        ("HOST_ERRORS", "xml", "error: HOST_ERRORS=xml: one of text, json is expected"),
    ] {
        host(&scene, "").env(name, value).run().exits(2).writes("").says(why);
    }
}

#[test]
fn no_variable_takes_the_sandbox_away() {
    let scene = scene(ALL);
    let ran = host(&scene, "").env("HOST_SANDBOX", "off").run();
    ran.exits(2).writes("").says("only for a flag (--sandbox=off) or a job file to say");
    let ran = host(&scene, "--limit 1").env("HOST_SANDBOX", "auto").run();
    ran.exits(0).never_says("the sandbox is off");
}

#[test]
fn retry_and_merge_take_job_files_and_refuse_what_means_nothing_there() {
    let scene = scene(&format!("{ALL}dead-letters = 'dead'\nmax-errors = 1"));
    host(&scene, "").run().exits(0).writes("1\n2\n4\n");
    scene.file("fixed.wat", wat::map(wat::SAME));
    scene.file("retry.toml", "plugin = 'fixed.wat'\ninputs = ['dead']\nrange-size = '1MiB'");
    let ran = scene.bare().args("retry --job retry.toml").run();
    let result = r#"{"file":"data.ndjson","record":3,"offset":4,"length":3,"result":["!"]}"#;
    ran.exits(0).writes(format!("{result}\n"));
    scene.file("reduce.wat", wat::reduce());
    scene.file("data.ndjson", "1\n2\n");
    let part = "--plugin reduce.wat --partial-state -o one.state data.ndjson";
    scene.bare().args(part).run().exits(0);
    scene.file("merge.toml", "plugin = 'reduce.wat'\ninputs = ['one.state']\nworkers = 1");
    let merged = scene.bare().args("merge --job merge.toml").env("HOST_RANGE_SIZE", "1MiB").run();
    let whole = scene.bare().args("--plugin reduce.wat data.ndjson").run();
    merged.exits(0).writes(&whole.exits(0).stdout);
    for (name, line, why) in [
        ("merge", "limit = 1", "line 2: limit means nothing where states are merged"),
        ("retry", "from = 'csv'", "line 2: from means nothing where dead letters are run again"),
    ] {
        scene.file("wrong.toml", format!("plugin = 'fixed.wat'\n{line}\n"));
        let ran = scene.bare().arg(name).args("--job wrong.toml dead").run();
        ran.exits(2).writes("").says("error: wrong.toml, ").says(why);
    }
}

#[test]
fn what_tries_a_plugin_is_not_changed_by_variables() {
    let scene = Scene::new();
    std::fs::create_dir_all(scene.path("cases/first")).unwrap();
    scene.file("plugin.wat", wat::rejects());
    scene.file("cases/first/input.ndjson", "1\n\"!\"\n");
    scene.file("cases/first/expected.ndjson", "1\n");
    scene.file("cases/first/expected_error", "1\nerror: record 2 of input.ndjson\n");
    let host = scene.bare().arg("test");
    let host =
        host.env("HOST_WORKERS", "none").env("HOST_MAX_RECORD", "1").env("HOST_ERRORS", "json");
    let ran = host.run();
    let told = String::from_utf8(ran.exits(0).stdout.clone()).unwrap();
    assert_eq!(told, "ok      first\n1 case: 1 as expected\n");
}
