//! The library as a program uses it that has records in its own memory. The program is this
//! one: workers begin in its `main`, so it has no test harness.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed, and one has to panic"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::channel;
use std::thread;

use host::{Cache, Error, Event, From, Job, JobBuilder, JobFailed, OnError, Results, To};

fn main() -> ExitCode {
    host::init();
    let tests: [(&str, fn()); 10] = [
        ("results come in order", results_come_in_order),
        ("a result comes before there is another record", a_result_comes_at_once),
        ("two jobs run at once", two_jobs_run_at_once),
        ("a reduce gives what it made at the end", a_reduce_gives_its_result_at_the_end),
        ("a record that fails is the last result", a_record_that_fails_is_the_last_result),
        ("a record that is no line is named", a_record_that_is_no_line_is_named),
        ("what is dropped stops", what_is_dropped_stops),
        ("enough ends records without an end", enough_ends_endless_records),
        ("a panic of the program's stays one", a_panic_stays_one),
        ("what cannot be is refused", what_cannot_be_is_refused),
    ];
    let wanted = std::env::args().nth(1).filter(|word| !word.starts_with('-'));
    let mut failed = 0;
    for (name, test) in tests {
        if wanted.as_ref().is_some_and(|wanted| !name.contains(wanted)) {
            continue;
        }
        let passed = catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += u8::from(!passed);
    }
    ExitCode::from(failed)
}

fn plugin(name: &str) -> JobBuilder {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    Job::builder(repository.join(format!("plugins/{name}"))).cache(Cache::Off)
}

/// Keeps lines of more than 640 bytes.
fn longer() -> JobBuilder {
    plugin("longer/longer.wat").from(From::Lines).workers(2)
}

fn numbered(number: usize) -> String {
    format!(r#"{{"n":{number},"even":{}}}"#, number.is_multiple_of(2))
}

fn all(results: &mut Results) -> Result<Vec<String>, Box<JobFailed>> {
    results.collect()
}

fn results_come_in_order() {
    let map = plugin("map/map.wasm").param("fields", "n:number").workers(3).range_size(10_000);
    let mut online = 0;
    let (told, heard) = channel();
    let mut results = map
        .feed((0..50_000).map(numbered), move |event| {
            if let Event::Online { .. } = event {
                online += 1;
                told.send(online).unwrap();
            }
        })
        .unwrap();
    let wanted: Vec<_> = (0..50_000).map(|number| format!(r#"{{"number":{number}}}"#)).collect();
    assert!(results.account().is_none());
    assert_eq!(all(&mut results).unwrap(), wanted);
    assert!(results.next().is_none());
    assert_eq!(results.account().unwrap().used, 50_000);
    assert!(heard.iter().max() >= Some(1));
}

fn a_result_comes_at_once() {
    let (records, fed) = channel::<String>();
    let mut results = longer().feed(fed, |_| {}).unwrap();
    for number in 0..20 {
        let line = format!("{number}{}", "-".repeat(700));
        records.send("short".into()).unwrap();
        records.send(line.clone()).unwrap();
        assert_eq!(results.next().unwrap().unwrap(), line);
    }
    drop(records);
    assert!(results.next().is_none());
    assert_eq!(results.account().unwrap().dropped, 20);
}

fn two_jobs_run_at_once() {
    let kept = |which: char| {
        let lines = (0..2000).map(move |n| which.to_string().repeat(n % 1000));
        longer().feed(lines, |_| {}).unwrap()
    };
    let (a, b) = (kept('a'), kept('b'));
    let mut count = 0;
    for (a, b) in a.zip(b) {
        let (a, b) = (a.unwrap(), b.unwrap());
        assert!(a.bytes().all(|byte| byte == b'a') && b.bytes().all(|byte| byte == b'b'));
        assert_eq!(a.len(), b.len());
        count += 1;
    }
    assert_eq!(count, 2 * (999 - 640));
}

fn a_reduce_gives_its_result_at_the_end() {
    let count = plugin("count-by/count-by.wasm").param("by", "even").workers(2);
    let mut results = count.feed((0..1001).map(numbered), |_| {}).unwrap();
    let wanted = [r#"{"even":false,"count":500}"#, r#"{"even":true,"count":501}"#];
    assert_eq!(all(&mut results).unwrap(), wanted);
}

fn a_record_that_fails_is_the_last_result() {
    let records = || (0..100).map(|n| if n == 70 { "no JSON".into() } else { numbered(n) });
    let map = || plugin("map/map.wasm").param("fields", "n");
    let mut results = map().feed(records(), |_| {}).unwrap();
    let mut last = None;
    let before = results.by_ref().map_while(|result| result.map_err(|why| last = Some(why)).ok());
    assert_eq!(before.count(), 70);
    let Some(Error::Record(record)) = last.map(|failed| failed.error) else { panic!("no record") };
    assert_eq!((record.number, record.input.as_str()), (Some(71), "the records fed"));
    assert!(results.next().is_none());
    // It can be left out as well.
    let mut results = map().on_error(OnError::Skip).feed(records(), |_| {}).unwrap();
    assert_eq!(all(&mut results).unwrap().len(), 99);
    assert_eq!(results.account().unwrap().set_aside(), 1);
}

fn a_record_that_is_no_line_is_named() {
    let mut results = longer().feed(["one", "two", "thr\nee"], |_| {}).unwrap();
    let failed = all(&mut results).unwrap_err();
    assert!(failed.to_string().contains("record 3 of the records fed has a newline at its byte 3"));
}

fn what_is_dropped_stops() {
    let (told, heard) = channel();
    let endless = (0_u64..).map(move |number| {
        let _ = told.send(());
        format!("{number:0>700}")
    });
    let mut results = longer().feed(endless, |_| {}).unwrap();
    assert!(results.next().unwrap().is_ok());
    drop(results);
    // Its records are not asked for any more: what tells of them is gone.
    assert!(heard.iter().count() > 0);
}

fn enough_ends_endless_records() {
    let endless = (0_u64..).map(|number| format!("{number:0>700}"));
    let mut results = longer().limit(10).feed(endless, |_| {}).unwrap();
    assert_eq!(all(&mut results).unwrap().len(), 10);
}

fn a_panic_stays_one() {
    let records = (0..10).map(|number| if number == 5 { panic!("on purpose") } else { "short" });
    let mut results = longer().feed(records, |_| {}).unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| results.next())).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"on purpose"));
    // And none of the iterator's own, after that.
    drop(results);
    let events = |_: Event<'_>| panic!("on purpose");
    let mut results = longer().feed(["short"], events).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| results.next())).is_err());
}

fn what_cannot_be_is_refused() {
    let none = || Vec::<String>::new();
    for (builder, why) in [
        (longer().from(From::Csv), "records that a program feeds are JSON or lines"),
        (longer().to(To::Json), "results that a program gets are JSON or lines"),
        (longer().workers(0), "--workers"),
    ] {
        let error = builder.feed(none(), |_| {}).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
    let mut results = plugin("none.wasm").feed(none(), |_| {}).unwrap();
    let failed = all(&mut results).unwrap_err();
    assert!(matches!(failed.error, Error::Plugin { .. }), "{failed}");
    // Nothing fed, nothing made; from another thread as well.
    let mut results = longer().feed(none(), |_| {}).unwrap();
    assert!(thread::spawn(move || all(&mut results).unwrap()).join().unwrap().is_empty());
}
