//! What plugins see of time and randomness: the same in every run, unless the user wants
//! otherwise.

use std::time::SystemTime;

use crate::run::Scene;
use crate::wat;

const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3600 * SECOND;
/// 2000-01-01T00:00:00Z.
const START: u64 = 946_684_800 * SECOND;

/// Puts what is seen to 512: the wall clock, the same after an hour of sleep, and a random
/// number, each as sixteen letters, the lowest digit first.
const TELL: &str = r#"
(func $letters (param $at i32) (param $value i64)
  (local $end i32)
  (local.set $end (i32.add (local.get $at) (i32.const 16)))
  (loop $next
    (i32.store8 (local.get $at)
      (i32.add (i32.const 97) (i32.wrap_i64 (i64.and (local.get $value) (i64.const 15)))))
    (local.set $value (i64.shr_u (local.get $value) (i64.const 4)))
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (br_if $next (i32.lt_u (local.get $at) (local.get $end)))))
(func $tell
  (call $letters (i32.const 512) (call $wall))
  (call $sleep)
  (call $letters (i32.const 528) (call $wall))
  (call $letters (i32.const 544) (call $random)))"#;

const PREVIEW_1: &str = r#"
(import "wasi_snapshot_preview1" "clock_time_get"
  (func $clock (param i32 i64 i32) (result i32)))
(import "wasi_snapshot_preview1" "poll_oneoff"
  (func $poll (param i32 i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "random_get" (func $draw (param i32 i32) (result i32)))"#;

/// What is told, by the functions of preview 1.
fn through_preview_1() -> String {
    format!(
        r#"(func $wall (result i64)
  (if (call $clock (i32.const 0) (i64.const 0) (i32.const 256)) (then unreachable))
  (i64.load (i32.const 256)))
(func $sleep
  (i32.store (i32.const 336) (i32.const 1))
  (i64.store (i32.const 344) (i64.const {HOUR}))
  (if (call $poll (i32.const 320) (i32.const 384) (i32.const 1) (i32.const 256))
    (then unreachable)))
(func $random (result i64)
  (if (call $draw (i32.const 256) (i32.const 8)) (then unreachable))
  (i64.load (i32.const 256)))
{TELL}"#
    )
}

fn module() -> String {
    let tell = "(call $tell) (call $some (i32.const 512) (i32.const 48))";
    wat::map_with(PREVIEW_1, &through_preview_1(), tell)
}

fn command() -> String {
    let tell = through_preview_1();
    format!(
        r#"(module {PREVIEW_1}
(import "wasi_snapshot_preview1" "fd_write"
  (func $write (param i32 i32 i32 i32) (result i32)))
(memory (export "memory") 1)
{tell}
(func (export "_start")
  (call $tell)
  (i32.store (i32.const 600) (i32.const 512))
  (i32.store (i32.const 604) (i32.const 48))
  (if (call $write (i32.const 1) (i32.const 600) (i32.const 1) (i32.const 608))
    (then unreachable))))"#
    )
}

/// What a component does with what it has seen, and what it exports: as a map...
const MAPS: [&str; 3] = [
    "",
    r#"(func (export "made") (param i32 i32) (result i32)
    (call $tell)
    (i32.store (i32.const 16) (i32.const 0))
    (i32.store (i32.const 20) (i32.const 1))
    (i32.store (i32.const 24) (i32.const 512))
    (i32.store (i32.const 28) (i32.const 48))
    (i32.const 16))"#,
    r#"(func (export "apply") (param "record" string) (result (result (option string) (error string)))
  (canon lift (core func $i "made") (memory $m) (realloc (func $memory "cabi_realloc"))))"#,
];

/// ... and as a command.
const PRINTS: [&str; 3] = [
    r#"(import "wasi:io/error@0.2.3" (instance $error (export "error" (type (sub resource)))))
(alias export $error "error" (type $error-type))
(import "wasi:io/streams@0.2.3" (instance $streams
  (export "output-stream" (type $output (sub resource)))
  (alias outer $world $error-type (type $e))
  (type $stream-error (variant (case "last-operation-failed" (own $e)) (case "closed")))
  (export "stream-error" (type $failed (eq $stream-error)))
  (export "[method]output-stream.blocking-write-and-flush"
    (func (param "self" (borrow $output)) (param "contents" (list u8))
      (result (result (error $failed)))))))
(alias export $streams "output-stream" (type $output))
(import "wasi:cli/stdout@0.2.3" (instance $stdout
  (alias outer $world $output (type $o))
  (export "get-stdout" (func (result (own $o))))))"#,
    r#"(func (export "made") (result i32)
    (call $tell)
    (call $write (call $stdout) (i32.const 512) (i32.const 48) (i32.const 16))
    (i32.load8_u (i32.const 16)))"#,
    r#"(func $run (result (result)) (canon lift (core func $i "made")))
(instance $exported (export "run" (func $run)))
(export "wasi:cli/run@0.2.3" (instance $exported))"#,
];

fn component([imports, made, exports]: [&str; 3]) -> String {
    // What only a command imports.
    let (lowered, taken, given) = match imports {
        "" => ("", "", ""),
        _ => (
            r#"(core func $get-stdout (canon lower (func $stdout "get-stdout")))
(core func $write (canon lower
  (func $streams "[method]output-stream.blocking-write-and-flush") (memory $m)))"#,
            r#"(import "w" "stdout" (func $stdout (result i32)))
  (import "w" "write" (func $write (param i32 i32 i32 i32)))"#,
            r#"(export "stdout" (func $get-stdout)) (export "write" (func $write))"#,
        ),
    };
    format!(
        r#"(component $world
(import "wasi:io/poll@0.2.3" (instance $poll
  (export "pollable" (type $pollable (sub resource)))
  (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
(alias export $poll "pollable" (type $pollable))
(import "wasi:clocks/monotonic-clock@0.2.3" (instance $monotonic
  (alias outer $world $pollable (type $p))
  (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
(import "wasi:clocks/wall-clock@0.2.3" (instance $wall
  (type $record (record (field "seconds" u64) (field "nanoseconds" u32)))
  (export "datetime" (type $datetime (eq $record)))
  (export "now" (func (result $datetime)))))
(import "wasi:random/random@0.2.3" (instance $random
  (export "get-random-u64" (func (result u64)))))
{imports}
(core module $memory-module
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096)))
(core instance $memory (instantiate $memory-module))
(alias core export $memory "memory" (core memory $m))
(core func $block (canon lower (func $poll "[method]pollable.block")))
(core func $after (canon lower (func $monotonic "subscribe-duration")))
(core func $now (canon lower (func $wall "now") (memory $m)))
(core func $number (canon lower (func $random "get-random-u64")))
{lowered}
(core module $seer
  (import "memory" "memory" (memory 1))
  {taken}
  (import "w" "block" (func $block (param i32)))
  (import "w" "after" (func $after (param i64) (result i32)))
  (import "w" "now" (func $now (param i32)))
  (import "w" "number" (func $random (result i64)))
  (func $wall (result i64)
    (call $now (i32.const 256))
    (i64.add (i64.mul (i64.load (i32.const 256)) (i64.const {SECOND}))
      (i64.load32_u (i32.const 264))))
  (func $sleep (call $block (call $after (i64.const {HOUR}))))
  {TELL}
  {made})
(core instance $i (instantiate $seer
  (with "memory" (instance $memory))
  (with "w" (instance
    {given}
    (export "block" (func $block)) (export "after" (func $after))
    (export "now" (func $now)) (export "number" (func $number))))))
{exports})"#
    )
}

/// Everything that can see time and randomness.
fn kinds() -> [String; 4] {
    [module(), component(MAPS), command(), component(PRINTS)]
}

/// What was seen where a record was run.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
struct Seen {
    wall: u64,
    slept: u64,
    random: u64,
}

impl Seen {
    fn read(line: &str) -> Seen {
        let number = |letters: &str| {
            letters.bytes().rev().fold(0, |sum, letter| sum << 4 | u64::from(letter - b'a'))
        };
        assert_eq!(line.len(), 48, "{line:?}");
        let [wall, slept, random] = [0, 16, 32].map(|at| number(&line[at..at + 16]));
        Seen { wall, slept, random }
    }
}

/// What three records see, each of which is a range.
fn sees(plugin: &str, arguments: &str) -> Vec<Seen> {
    let scene = Scene::new();
    scene.file("in.txt", "one\ntwo\nthree\n");
    let ran = scene.host(plugin).args("--range-size 1").args(arguments).arg("in.txt").run();
    ran.exits(0);
    let seen = str::from_utf8(&ran.stdout).unwrap().lines().map(Seen::read);
    let seen: Vec<Seen> = seen.collect();
    assert_eq!(seen.len(), 3);
    let random = |place: usize| seen[place].random;
    assert!(random(0) != random(1) && random(1) != random(2) && random(2) != random(0));
    seen
}

/// Whether no record sees the same randomness.
fn is_other(one: &[Seen], other: &[Seen]) -> bool {
    one.iter().zip(other).all(|(one, other)| one.random != other.random)
}

#[track_caller]
fn starts_at(seen: &[Seen], start: u64) {
    for Seen { wall, slept, .. } in seen {
        assert!((start..start + SECOND).contains(wall), "{seen:?}");
        assert!((wall + HOUR..wall + HOUR + SECOND).contains(slept), "{seen:?}");
    }
}

#[test]
fn a_record_sees_the_same_in_every_run() {
    for plugin in kinds() {
        let seen = sees(&plugin, "");
        starts_at(&seen, START);
        for arguments in [
            "--workers 1",
            "--isolate record",
            "--seed 0",
            "--clock-start 2000-01-01T00:00:00Z",
            "--clock-start 946684800",
        ] {
            assert_eq!(sees(&plugin, arguments), seen, "{arguments}");
        }
    }
}

#[test]
fn the_clock_starts_where_it_is_told_to() {
    for plugin in kinds() {
        let before = sees(&plugin, "");
        let seen = sees(&plugin, "--clock-start 2024-01-31T12:00:00.5Z");
        starts_at(&seen, 1_706_702_400 * SECOND + SECOND / 2);
        assert!(!is_other(&seen, &before), "randomness has nothing to do with it");
        starts_at(&sees(&plugin, "--clock-start 0"), 0);
        // It does not go round at its end.
        let seen = sees(&plugin, "--clock-start 2554-07-21T23:34:33Z");
        assert!(seen.iter().all(|seen| seen.slept == u64::MAX), "{seen:?}");
    }
}

#[test]
fn another_seed_gives_other_randomness_and_the_same_the_same() {
    for plugin in kinds() {
        let seeds = ["", "--seed 1", "--seed 256", "--seed 18446744073709551615"];
        let seen = seeds.map(|seed| sees(&plugin, seed));
        for (place, seed) in seeds.iter().enumerate() {
            assert_eq!(sees(&plugin, seed), seen[place]);
            starts_at(&seen[place], START);
            assert!(seen[..place].iter().all(|before| is_other(before, &seen[place])), "{seed}");
        }
    }
}

#[test]
fn real_randomness_is_another_in_every_run() {
    for plugin in kinds() {
        let [first, second] = [(); 2].map(|()| sees(&plugin, "--real-random"));
        starts_at(&first, START);
        assert!(is_other(&first, &second) && is_other(&first, &sees(&plugin, "")));
    }
}

#[test]
fn a_record_that_is_tried_again_sees_the_same_real_randomness() {
    // It traps where a number is even: whether it does so again, alone, must not depend on
    // anything else.
    let odd = "(call $tell) \
        (if (i32.eqz (i32.and (i32.load8_u (i32.const 544)) (i32.const 1))) (then unreachable)) \
        (call $some (i32.const 512) (i32.const 48))";
    let plugin = wat::map_with(PREVIEW_1, &through_preview_1(), odd);
    let scene = Scene::new();
    scene.file("in.txt", "record\n".repeat(200));
    let ran = scene
        .host(&plugin)
        .args("--real-random --on-error skip --retries 3 --max-errors 100% in.txt")
        .run();
    ran.exits(0);
    let kept = ran.stdout.iter().filter(|&&byte| byte == b'\n').count();
    // Half of them, but for a chance of one in 10^11; nearly all if each attempt drew anew.
    assert!((50..150).contains(&kept), "{kept} kept");
}

#[test]
fn a_real_clock_is_the_machines_and_sleep_takes_none_of_it() {
    let now = || SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    for plugin in kinds() {
        // A second record in the same instance knows nothing of the sleep in the first.
        for arguments in ["", "--workers 1", "--isolate record"] {
            let seen = sees(&plugin, &format!("--real-clock {arguments}"));
            for Seen { wall, slept, .. } in &seen {
                // As long as no test may take.
                assert!(wall.abs_diff(now()) < HOUR / 2, "{seen:?}");
                assert!((slept - wall).abs_diff(HOUR) < HOUR / 2, "{seen:?}");
            }
            assert!(
                seen.iter().zip(sees(&plugin, "")).all(|(one, other)| one.random == other.random)
            );
        }
    }
}

#[test]
fn what_contradicts_itself_or_is_no_time_is_refused() {
    let scene = Scene::new();
    scene.file("in.txt", "one\n");
    for (arguments, says) in [
        ("--seed 1 --real-random", "cannot be used with"),
        ("--clock-start 0 --real-clock", "cannot be used with"),
        ("--clock-start yesterday", "wanted is a time from 1970 to 2554 in UTC"),
        ("--clock-start 2024-02-30T00:00:00Z", "like 2024-01-31T12:00:00Z"),
        ("--seed red", "--seed <N>"),
    ] {
        scene.host(&module()).args(arguments).arg("in.txt").run().exits(2).says(says);
    }
}

#[test]
fn dead_letters_and_states_have_their_time_too() {
    let scene = Scene::new();
    scene.file("in.txt", "!\n").file("module.wat", module()).file("reduce.wat", wat::reduce());
    let host = scene.host(&wat::rejects());
    host.args("--max-errors 1 --dead-letters dead.ndjson in.txt").run().exits(0);
    let ran = scene.bare().args("retry --plugin module.wat --clock-start 0 dead.ndjson").run();
    ran.exits(0);
    let line: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    starts_at(&[Seen::read(line["result"][0].as_str().unwrap())], 0);
    let host = scene.file("data.ndjson", "1\n2\n").host_with("reduce.wat");
    host.args("--partial-state -o one.state --seed 7 --real-clock data.ndjson").run().exits(0);
    let merge = scene.bare().args("merge --plugin reduce.wat --real-random --clock-start 5");
    merge.args("one.state one.state").run().exits(0).writes("1\n2\n1\n2\n");
}
