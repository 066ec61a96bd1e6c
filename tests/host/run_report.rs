//! `--report`: the page says what the account says, whichever way the run ended, and nothing
//! that it holds can become more than text. (`tests/browser/` looks at it as a reader does.)

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::run::{Scene, repository};
use crate::wat;

/// A plugin's or a file's words that would be a script if they could.
const ATTACK: &str = "</script><img src=x onerror=alert(1)>";

/// The data in a page. It has its own script and no other, and nothing of the data outside of
/// their element.
fn data_of(page: &str) -> Value {
    assert!(page.starts_with("<!doctype html>\n") && page.ends_with("</html>\n"));
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("</script").count(), 2);
    let (_, data) = page.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    let (data, _) = data.split_once("</script>").unwrap();
    assert!(!data.contains('<'));
    serde_json::from_str(data).unwrap()
}

fn data(scene: &Scene) -> Value {
    data_of(&String::from_utf8(scene.read("run.html")).unwrap())
}

/// The sum of a list of numbers, some of which may be parts of ones.
fn sum(list: &Value) -> u64 {
    list.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).sum::<f64>().round()
        as u64
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

#[test]
fn the_page_says_what_the_account_says() {
    let scene = Scene::new();
    let data_file: String = (0..500).map(|n| if n % 50 == 7 { "!\n" } else { "fine\n" }).collect();
    scene.file("data.ndjson", &data_file);
    let arguments = "--dead-letters d --max-errors 10 --workers 3 --range-size 100 -o out.ndjson";
    let host = scene.host(&wat::traps()).args(arguments);
    host.args("--stats stats.json --report run.html data.ndjson").run().exits(0);
    let told = data(&scene);
    let stats: Value = serde_json::from_slice(&scene.read("stats.json")).unwrap();
    assert_eq!(told["stats"], stats);
    assert_eq!(told["inputs"]["0"], "data.ndjson");
    assert_eq!(told["plugins"][0]["file"], "plugin.wat");
    // What was done over time, by whom, and in which ranges, is all that was done.
    let buckets = &told["buckets"];
    assert_eq!((sum(&buckets["records"]), sum(&buckets["failed"])), (500, 10));
    let of_workers = |name: &str| -> u64 {
        list(&stats["workers"]).iter().map(|worker| worker[name].as_u64().unwrap()).sum()
    };
    // Bytes are whole in each stretch of time.
    let rounded = list(&buckets["read"]).len() as u64;
    assert!(sum(&buckets["read"]).abs_diff(of_workers("input_bytes")) <= rounded);
    assert!(sum(&buckets["written"]).abs_diff(490 * 5) <= rounded);
    assert_eq!(told["ranges"]["count"], of_workers("ranges"));
    assert_eq!(told["merged"], false);
    let spans: Vec<&Value> =
        list(&told["workers"]).iter().flat_map(|own| list(&own["spans"])).collect();
    let of_spans = |at: usize| -> u64 { spans.iter().map(|span| span[at].as_u64().unwrap()).sum() };
    assert_eq!((of_spans(5), of_spans(6), of_spans(7)), (500, 10, 490 * 5));
    for worker in list(&told["workers"]) {
        let [life] = &list(&worker["lives"])[..] else { panic!("no worker died: {worker}") };
        assert!(life["online"].as_u64() < life["ended"].as_u64() && life["death"].is_null());
    }
    // Every record but those that failed was measured.
    let times = &told["times"];
    assert_eq!(times["count"], 490);
    assert_eq!(list(&times["counts"]).iter().map(|bin| bin[1].as_u64().unwrap()).sum::<u64>(), 490);
    assert!(times["quantiles"]["0.5"].as_u64() <= times["max"].as_u64());
    assert_eq!(times["slowest"][0]["took"], times["max"]);
    assert_eq!(times["slowest"][0]["record"]["input"], "data.ndjson");
    let [group] = &list(&told["failures"]["groups"])[..] else { panic!("there is one cause") };
    assert_eq!((&group["kind"], &group["count"]), (&"trap".into(), &10.into()));
    let first = &group["examples"][0];
    assert_eq!((&first["number"], &first["offset"]), (&8.into(), &35.into()));
    assert_eq!((&first["length"], &first["attempts"]), (&1.into(), &2.into()));
}

#[test]
fn only_its_owner_can_read_it_and_it_is_replaced_as_a_whole() {
    let scene = Scene::new();
    scene.file("data.ndjson", "one\n");
    let run = || scene.host(&wat::keeps_all()).args("--report run.html data.ndjson").run();
    let mode = || scene.path("run.html").metadata().unwrap().permissions().mode() & 0o777;
    run().exits(0);
    assert_eq!(mode(), 0o600);
    let first = data(&scene)["began"].clone();
    assert!(first.as_str().unwrap().ends_with('Z'));
    std::fs::set_permissions(scene.path("run.html"), Permissions::from_mode(0o644)).unwrap();
    run().exits(0);
    assert_eq!(mode(), 0o600);
    assert_eq!(data(&scene)["stats"]["records"]["read"], 1);
    assert_eq!(scene.names(), ["data.ndjson", "plugin.wat", "run.html"]);
}

#[test]
fn a_run_that_failed_has_a_page_too() {
    let scene = Scene::new();
    scene.file("data.ndjson", "one\n!\nthree\n");
    let host = || scene.host(&wat::traps()).args("--report run.html");
    host().arg("data.ndjson").run().exits(1).writes("one\n");
    let told = data(&scene);
    assert_eq!(told["stats"]["exit_code"], 1);
    assert!(told["stats"]["error"].as_str().unwrap().contains("record 2 of data.ndjson"));
    let group = &told["failures"]["groups"][0];
    assert_eq!((&group["count"], &group["examples"][0]["number"]), (&1.into(), &2.into()));
    host().args("--on-error skip data.ndjson").run().exits(4);
    assert_eq!(data(&scene)["stats"]["exit_code"], 4);
    host().arg("missing.ndjson").run().exits(2);
    let told = data(&scene);
    assert_eq!((&told["stats"]["exit_code"], &told["times"]), (&2.into(), &Value::Null));
    assert!(told["stats"]["error"].as_str().unwrap().contains("missing.ndjson"));
    let host = scene.host(&wat::loops()).args("--job-timeout 300ms --report run.html data.ndjson");
    host.run().exits(1);
    assert!(data(&scene)["stats"]["error"].as_str().unwrap().contains("--job-timeout"));
}

#[test]
fn deaths_are_told_with_what_was_lost() {
    let scene = Scene::new();
    scene.file("data.ndjson", "one\n!\nthree\n");
    let arguments = "--timeout 100ms --on-error skip --max-errors 1 --report run.html data.ndjson";
    scene.host(&wat::loops()).args(arguments).run().exits(0);
    let told = data(&scene);
    let workers = list(&told["workers"]);
    assert_eq!(workers.iter().map(|worker| worker["died"].as_u64().unwrap()).sum::<u64>(), 2);
    let lives = workers.iter().flat_map(|worker| list(&worker["lives"]));
    let deaths: Vec<_> = lives.filter(|life| !life["death"].is_null()).collect();
    assert_eq!(deaths.len(), 2);
    for life in deaths {
        assert!(life["death"].as_str().unwrap().contains("--timeout"));
        // It was at the second record, and had used up its time.
        assert!(life["lost"][0] == 0 && life["lost"][1].as_u64() <= Some(4));
        assert!(life["took"].as_u64().unwrap() >= 100_000);
    }
}

#[test]
fn many_ranges_are_put_together() {
    let scene = Scene::new();
    scene.file("data.ndjson", "0\n".repeat(20_000));
    let arguments = "--range-size 4 --quiet --report run.html data.ndjson";
    scene.host(&wat::keeps_all()).args(arguments).run().exits(0);
    let page = String::from_utf8(scene.read("run.html")).unwrap();
    let told = data_of(&page);
    assert_eq!(told["merged"], true);
    assert!(told["ranges"]["count"].as_u64().unwrap() > 4000);
    assert_eq!(sum(&told["buckets"]["records"]), 20_000);
    assert!(list(&told["buckets"]["records"]).len() <= 600);
    assert!(list(&told["workers"]).iter().all(|worker| worker["spans"].is_null()));
    assert_eq!(told["times"]["count"], 20_000);
    assert!(page.len() < 200_000, "it has {} bytes", page.len());
}

#[test]
fn nothing_that_others_wrote_becomes_more_than_text() {
    let scene = Scene::new();
    let name = format!("{ATTACK}.ndjson");
    std::fs::create_dir(scene.path("<")).unwrap();
    scene.file(&name, format!("{ATTACK}<!--\n"));
    let (_, plugin) = ATTACK.split_once('/').unwrap();
    // It says what the record is.
    scene.file(
        plugin,
        wat::filter("(call $answer (i32.const 1) (local.get $at) (local.get $length))"),
    );
    let host = scene.host_with(plugin).args("--show-records --report run.html");
    host.arg("--param").arg(format!("name={ATTACK}")).arg(&name).run().exits(1);
    let told = data(&scene);
    assert_eq!(told["inputs"]["0"], name);
    assert!(told["command"].as_str().unwrap().contains(&format!("'name={ATTACK}'")));
    assert!(told["stats"]["error"].as_str().unwrap().contains(&name));
    assert_eq!(told["plugins"][0]["file"], plugin);
    let group = &told["failures"]["groups"][0];
    let (words, example) = (group["words"].as_str().unwrap(), &group["examples"][0]);
    assert_eq!(words, format!("{ATTACK}<!--"));
    assert_eq!((&example["words"], &example["text"]), (&words.into(), &words.into()));
    assert_eq!((&example["input"], &group["plugin"]), (&name.into(), &plugin.into()));
}

#[test]
fn what_is_private_is_shown_only_to_those_who_ask() {
    let scene = Scene::new();
    let records = "one\n\"private-4711!\"\n\"private-4711?\"\n";
    scene.file("data.ndjson", records);
    let rejects = wat::rejects();
    let traps = wat::filter("(call $deep (local.get $at) (local.get $length)) drop (call $yes)");
    let traps =
        traps.replace("(module", "(module (func $deep (param i32 i32) (result i32) unreachable)");
    for (plugin, kind) in [(rejects, "rejected"), (traps, "trap")] {
        for source in ["file", "stream"] {
            let host = |flags: &str| {
                let host = scene.host(&plugin).args("--on-error skip --param key=private-4711");
                let host = host.args("--report run.html").args(flags);
                match source {
                    "file" => host.arg("data.ndjson"),
                    _ => host.args("--from ndjson").stdin(records),
                }
            };
            host("").run().exits(4);
            let told = data(&scene);
            let text = told.to_string();
            for private in ["private-4711", "secret", "deep"] {
                assert!(!text.contains(private), "{private}, {kind} of a {source}: {text}");
            }
            let held = list(&told["failures"]["held_back"]);
            assert_eq!((held.len(), &held[0]), (2, &"the records".into()), "{kind} of a {source}");
            assert!(
                told["hides_words"] == true
                    && told["command"].as_str().unwrap().contains("'key=…'")
            );
            host("--show-records").run().exits(4);
            let told = data(&scene);
            assert!(
                list(&told["failures"]["held_back"]).is_empty() && told["hides_words"] == false
            );
            assert!(told["command"].as_str().unwrap().contains("key=private-4711"));
            let group = &told["failures"]["groups"][0];
            let texts: Vec<_> = list(&group["examples"]).iter().map(|one| &one["text"]).collect();
            assert_eq!(group["kind"], kind);
            assert!(texts.contains(&&"\"private-4711!\"".into()), "{kind} of a {source}: {group}");
            match kind {
                "trap" => assert_eq!(group["backtrace"][0], "0: deep"),
                _ => assert_eq!(group["words"], wat::REASON),
            }
        }
    }
}

#[test]
fn of_a_long_record_only_its_beginning_is_shown() {
    let scene = Scene::new();
    let record = format!("\"{}!\"", "é".repeat(5000));
    for letters in ["--on-error skip", "--dead-letters dead.ndjson"] {
        let host = scene.host(&wat::traps()).args(letters).args("--show-records --report run.html");
        host.stdin(&record).run().exits(4);
        let example = data(&scene)["failures"]["groups"][0]["examples"][0].clone();
        assert_eq!((&example["cut"], &example["length"]), (&true.into(), &10_003.into()));
        let text = example["text"].as_str().unwrap();
        assert!(text.starts_with("\"éé") && text.len() < 1100);
    }
    // A dead letter has all of it.
    let letter: Value = serde_json::from_slice(&scene.read("dead.ndjson")).unwrap();
    assert_eq!(letter["text"], record);
}

#[test]
fn it_takes_no_other_files_place() {
    let scene = Scene::new();
    scene.file("data.ndjson", "one\n").file("empty.html", "");
    let host =
        |file: &str| scene.host(&wat::keeps_all()).args("--report").arg(file).arg("data.ndjson");
    scene.file("other", "other");
    for file in ["other", ".", "/dev/null"] {
        let ran = host(file).run();
        ran.exits(2)
            .writes("")
            .says(&format!("cannot write to {file}: what is there is no report"));
    }
    assert_eq!(scene.read("other"), b"other");
    host("no/such/run.html").run().exits(2).writes("").says("cannot write to no/such/run.html");
    host("out").args("-o out").run().exits(2).says("--report needs a file of its own");
    // What came to be meanwhile stays, too.
    let ran = host("stats").args("--stats ./stats").run();
    ran.exits(0).writes("one\n").says("warning: cannot write stats: what is there is no report");
    assert!(serde_json::from_slice::<Value>(&scene.read("stats")).is_ok());
    host("empty.html").run().exits(0).writes("one\n");
    assert_ne!(scene.read("empty.html"), b"");
}

#[test]
fn every_operation_and_subcommand_has_a_page() {
    let scene = Scene::new();
    scene.file("data.ndjson", "one\ntwo!\nthree\n");
    let count = repository("plugins/count-by/count-by.wasm");
    scene.file("events.ndjson", "{\"type\":\"a\"}\n{\"type\":\"b\"}\n{\"type\":\"a\"}\n");
    let counted = |words: &str| scene.bare().args(words).arg("--plugin").arg(&count);
    let host = counted("--partial-state -o state --report run.html events.ndjson");
    host.args("--param by=type").run().exits(0);
    assert_eq!(data(&scene)["times"]["count"], 3);
    let host = counted("merge --report run.html state");
    host.args("--param by=type").run().exits(0);
    assert_eq!(data(&scene)["ranges"]["count"], 0);
    scene
        .host(&wat::batch())
        .args("--dead-letters dead --report run.html data.ndjson")
        .run()
        .exits(4);
    assert_eq!(data(&scene)["stats"]["records"]["dead_lettered"], 1);
    let again = scene.bare().args("retry --plugin plugin.wat --report run.html dead");
    again.run().exits(1);
    assert_eq!(data(&scene)["failures"]["groups"][0]["count"], 1);
}
