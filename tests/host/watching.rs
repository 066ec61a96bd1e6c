//! `--watch`: another plugin, another run, and what differs.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};

use rustix::process::{Pid, Signal, kill_process};

use crate::run::Scene;
use crate::wat;

const DATA: &str = "one\ntwo!\nthree\n";

#[test]
fn another_plugin_is_run_and_what_differs_is_shown() {
    let scene = Scene::new();
    scene.file("data.txt", DATA);
    let replace = |plugin: &str| {
        // In one go, as no build does it, and with another length or time in any case.
        scene.file("new", plugin);
        fs::rename(scene.path("new"), scene.path("plugin.wat")).unwrap();
    };
    let host = scene.host(&wat::keeps_all()).args("data.txt --watch --workers 1");
    let mut host = host.heeds_signals().start();
    let mut stdout = BufReader::new(host.stdout.take().unwrap());
    let mut shows = |wanted: &str| {
        let mut shown = String::new();
        while shown.len() < wanted.len() && stdout.read_line(&mut shown).unwrap() > 0 {}
        assert_eq!(shown, wanted);
    };
    shows(DATA);
    replace(&wat::where_marked("(return (call $no))"));
    shows("line 1:\n  one\n- two!\n  three\n");
    // One that cannot be run says why, and nothing comes of it.
    replace("(module");
    shows("line 1:\n- one\n- three\n");
    // The same comes of what fails at its first record.
    replace(&wat::traps().replace("(i32.const 33)", "(i32.const 110)"));
    replace(&wat::keeps_all());
    shows("line 1:\n+ one\n+ two!\n+ three\n");
    kill_process(Pid::from_child(&host), Signal::INT).unwrap();
    let mut said = String::new();
    host.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(host.wait().unwrap().code(), Some(130), "{said}");
    assert!(said.contains("waiting for another plugin.wat"), "{said}");
    assert!(said.contains("error: cannot use the plugin plugin.wat: its text"), "{said}");
    assert!(said.matches("3 records read: ").count() >= 3, "{said}");
    assert_eq!(scene.names(), ["data.txt", "plugin.wat"]);
}

#[test]
fn what_cannot_be_run_again_is_refused() {
    let scene = Scene::new();
    scene.file("data.txt", DATA);
    for (arguments, why) in [
        ("--watch", "standard input only once"),
        ("--watch - data.txt", "standard input only once"),
        ("--watch data.txt -o out.txt", "cannot be used with '--output"),
        ("--watch data.txt --resume", "cannot be used with"),
        ("--watch data.txt --limit 1 --only 1", "cannot be used with"),
        ("--watch data.txt --workers 0", "--workers"),
    ] {
        let host = scene.host(&wat::keeps_all()).args(arguments);
        host.stdin(DATA).run().exits(2).says(why).writes("");
    }
}
