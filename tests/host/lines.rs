//! Plain text: a record is a line, whatever is on it.

use crate::run::Scene;
use crate::wat;

#[test]
fn every_line_is_a_record_and_blank_ones_too() {
    let scene = Scene::new();
    scene.file("data.txt", "one\n\n  \r\n\ttwo\n\n");
    let ran = scene.host(&wat::keeps_all()).arg("data.txt").run();
    ran.exits(0).writes("one\n\n  \r\n\ttwo\n\n").account().holds(&[("record read", 5)]);
    let ran = scene.host(&wat::drops_all()).arg("data.txt").run();
    ran.exits(0).writes("").account().holds(&[("dropped", 5)]);
}

#[test]
fn a_last_line_gets_its_newline_and_an_input_its_byte_order_mark_off() {
    for (text, wanted, count) in [
        ("\u{feff}a\nb", "a\nb\n", 2),
        ("\u{feff}", "", 0),
        ("", "", 0),
        ("\n", "\n", 1),
        ("\r", "\r\n", 1),
        ("a\n\u{feff}b\n", "a\n\u{feff}b\n", 2),
    ] {
        let scene = Scene::new();
        scene.file("data.txt", text);
        let host = || scene.host(&wat::keeps_all());
        let ran = host().arg("data.txt").run();
        ran.exits(0).writes(wanted).account().holds(&[("record read", count)]);
        let ran = host().args("--from lines").stdin(text).run();
        ran.exits(0).writes(wanted).account().holds(&[("record read", count)]);
    }
}

#[test]
fn no_way_of_cutting_makes_or_loses_a_blank_line() {
    // Some lines trap and are tried alone, so that ranges begin and end everywhere.
    let lines: String = (0..400)
        .map(|number| match number % 7 {
            0 | 3 | 4 => "\n".to_owned(),
            5 => format!("{number} !\n"),
            _ => format!("line {number}\r\n"),
        })
        .collect();
    let text = format!("{lines}last");
    let good: String = text.split_inclusive('\n').filter(|line| !line.contains('!')).collect();
    let wanted = format!("{good}\n");
    let scene = Scene::new();
    scene.file("data.txt", &text);
    for workers in ["1", "2", "3", "8"] {
        for range_size in ["1", "7", "100", "1MiB"] {
            let arguments = format!(
                "--workers {workers} --range-size {range_size} --on-error skip --max-errors 100%"
            );
            for plugin in [wat::traps(), wat::rejects()] {
                let ran = scene.host(&plugin).args(&arguments).arg("data.txt").run();
                ran.exits(0).writes(&wanted);
                ran.account().holds(&[("record read", 401), ("skipped", 57)]);
            }
            let ran =
                scene.host(&wat::rejects()).args(&arguments).args("--from lines").stdin(&text);
            ran.run().exits(0).writes(&wanted);
        }
    }
}

#[test]
fn a_line_that_is_too_long_takes_its_newline_along() {
    let long = "x".repeat(100_000);
    let text = format!("a\n{long}\n\nb\n{long}");
    let scene = Scene::new();
    scene.file("data.txt", &text);
    for workers in ["--workers 1", "--workers 3 --range-size 10"] {
        let arguments = format!("--max-record 1000 --on-error skip --max-errors 2 {workers}");
        let host = || scene.host(&wat::keeps_all()).args(&arguments);
        for ran in [host().arg("data.txt").run(), host().args("--from lines").stdin(&text).run()] {
            ran.exits(0).writes("a\n\nb\n");
            ran.account().holds(&[("record read", 5), ("too long", 2)]);
        }
    }
    let ran = scene.host(&wat::keeps_all()).args("--max-record 1000 data.txt").run();
    ran.exits(1).says("record 2 of data.txt (byte 2, 100,000 long) is longer");
    let host = scene.host(&wat::keeps_all()).args("--max-record 1000 --from lines");
    let ran = host.stdin(&text).run();
    ran.exits(1).says("record 2 of standard input (byte 2, 100,000 long) is longer");
}

#[test]
fn lines_that_are_no_text_are_malformed() {
    let scene = Scene::new();
    scene.file("data.txt", b"a\n\xff\nb\n");
    let ran = scene.host(&wat::keeps_all()).arg("data.txt").run();
    ran.exits(1).writes("a\n").says("record 2 of data.txt (byte 2, 1 long) is malformed");
}

#[test]
fn compressed_text_is_told_by_its_inner_name() {
    let scene = Scene::new();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, b"a\n\nb").unwrap();
    scene.file("data.txt.gz", encoder.finish().unwrap());
    scene.host(&wat::keeps_all()).arg("data.txt.gz").run().exits(0).writes("a\n\nb\n");
}
