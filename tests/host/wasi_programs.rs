//! Ordinary programs of C and Zig, run as commands, see the world that WASI preview 1 and their
//! languages' libraries promise: compiled anew, in every layer of the sandbox that the machine
//! has. What they should tell stands in data/wasi/, line by line with the source of each fact.
//! data/wasi/check does the same with a program of Go, which is too large to be kept.

use crate::run::{Host, Ran, Scene};

const C: &[u8] = include_bytes!("data/wasi/c.wasm");
const ZIG: &[u8] = include_bytes!("data/wasi/zig.wasm");
const COMMON: &str = include_str!("data/wasi/common.txt");

/// The program, with nothing compiled before.
fn cold(scene: &Scene, program: &[u8]) -> Host {
    scene.file("behaviour.wasm", program);
    scene.host_with("behaviour.wasm").args("--cache off --from lines --to lines")
}

/// Runs it over one record with these arguments.
fn told(program: &[u8], arguments: &[&str], flags: &str) -> Ran {
    let scene = Scene::new();
    scene.file("in.txt", "first\n");
    let host = cold(&scene, program).args(flags).arg("in.txt");
    arguments.iter().fold(host, |host, argument| host.arg("--arg").arg(argument)).run()
}

/// Expected texts without their comments.
fn expected(texts: &[&str]) -> String {
    let lines = texts.iter().flat_map(|text| text.lines());
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_libraries_of_c_and_zig_find_the_world_that_they_expect() {
    for (program, own) in
        [(C, include_str!("data/wasi/c.txt")), (ZIG, include_str!("data/wasi/zig.txt"))]
    {
        let scene = Scene::new();
        let long = "x".repeat(500_000);
        scene.file("in.txt", format!("first\nsecond\n\n{long}\nno newline"));
        let host = cold(&scene, program)
            .args("--workers 1 --range-size 8MiB --param A=1 --param EMPTY= --param EQ=a=b in.txt");
        let arguments = ["", "with space", "Köln"];
        let host = arguments.iter().fold(host, |host, argument| host.arg("--arg").arg(argument));
        let ran = host.run();
        ran.exits(0).writes(expected(&[COMMON, own]));
        ran.account_of_any().holds(&[("kept", 5)]);
    }
}

#[test]
fn every_function_answers_what_the_specification_says() {
    let wanted = include_str!("data/wasi/raw.txt");
    let ran = told(C, &["raw"], "--plugin-log stderr");
    // Where a descriptor is put in the place of standard error, it is standard output.
    ran.exits(0).writes(expected(&[wanted])).never_says("fd_renumber");
    ran.account_of_any().holds(&[("kept", 1)]);
}

#[test]
fn what_is_printed_comes_out_whole_however_large() {
    for program in [C, ZIG] {
        let ran = told(program, &["large"], "--plugin-log stderr");
        ran.exits(0).writes(format!("{}\n", "x".repeat((1 << 20) - 1)));
        ran.says("plugin warn, record 1 of in.txt: to stderr\n")
            .says("plugin warn, record 1 of in.txt: and more\n");
    }
}

#[test]
fn zero_is_the_only_end_that_is_no_failure() {
    for program in [C, ZIG] {
        for way in ["exit", "return"] {
            told(program, &["end", way, "0"], "").exits(0).writes("");
        }
    }
    // An exit code of WASI has 32 bits, and none of them is lost.
    for (program, way, code) in [
        (C, "return", "1"),
        (C, "return", "256"),
        (C, "exit", "42"),
        (C, "exit", "255"),
        (C, "exit", "256"),
        (C, "exit", "65536"),
        (C, "_Exit", "3"),
        (ZIG, "return", "42"),
        (ZIG, "exit", "255"),
        (ZIG, "exit", "256"),
    ] {
        let ran = told(program, &["end", way, code], "--show-records");
        ran.exits(1).writes("").says("record 1 of in.txt");
        ran.says(&format!("it ended with the exit code {code}\n"));
    }
    for program in [C, ZIG] {
        let ran = told(program, &["end", "abort", "0"], "");
        ran.exits(1).writes("").says("wasm `unreachable` instruction executed");
    }
    let ran = told(ZIG, &["end", "error", "0"], "--plugin-log stderr");
    ran.exits(1).says("error: OnPurpose").says("it ended with the exit code 1\n");
}

#[test]
fn randomness_is_the_same_with_the_same_seed_and_another_with_another() {
    for program in [C, ZIG] {
        let drawn = |flags| {
            let ran = told(program, &["random"], flags);
            ran.exits(0);
            ran.stdout
        };
        let seeds = [drawn(""), drawn("--seed 1"), drawn("--seed 2")];
        assert_eq!(seeds[0].len(), 65, "{:?}", seeds[0]);
        assert_eq!(seeds, [drawn(""), drawn("--seed 1"), drawn("--seed 2")]);
        assert!(seeds[0] != seeds[1] && seeds[1] != seeds[2] && seeds[0] != seeds[2]);
    }
}

#[test]
fn every_range_meets_the_same_world() {
    let scene = Scene::new();
    scene.file("in.txt", "first\n".repeat(5));
    let ran = cold(&scene, C).args("--workers 2 --range-size 1 in.txt").run();
    ran.exits(0).account_of_any().holds(&[("kept", 5)]);
    let own = include_str!("data/wasi/c.txt");
    let one = expected(&[COMMON, own])
        .replace("500020 bytes", "0 bytes")
        .replace("args: [behaviour] [] [with space] [Köln]", "args: [behaviour]")
        .replace("environ: [A=1] [EMPTY=] [EQ=a=b]", "environ:");
    ran.writes(one.repeat(5));
}
