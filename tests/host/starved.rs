//! Processes that get no time: stopped ones, and many more than there are cores. No record is
//! to blame for it, and none fails.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::run::{Scene, same};
use crate::wat;

fn records(count: usize) -> String {
    (0..count).map(|number| format!("{{\"number\":{number}}}\n")).collect()
}

/// Runs while every core has something else to do as well.
fn under_load<T>(run: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 * std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let result = run();
        over.store(true, Ordering::Relaxed);
        result
    })
}

#[test]
fn sixty_four_workers_on_few_busy_cores_fail_no_record() {
    let scene = Scene::new();
    let data = records(20_000);
    scene.file("data.ndjson", &data);
    let arguments = "--workers 64 --timeout 20ms --range-size 500 --stats stats.json data.ndjson";
    let ran = under_load(|| scene.host(&wat::keeps_all()).args(arguments).run());
    ran.exits(0).writes(&data).account().holds(&[("worker", 64), ("kept", 20_000)]);
}

#[test]
fn stopped_workers_are_replaced_and_fail_no_record() {
    let scene = Scene::new();
    let data = records(400_000);
    scene.file("data.ndjson", &data);
    let arguments = "--workers 2 --timeout 50ms --range-size 20KiB --verbose -o out.ndjson";
    let host = scene.host(&wat::keeps_all()).args(arguments).arg("data.ndjson");
    let mut child = host.start();
    // Whoever is there in the first moments is stopped, and nobody lets them go on.
    let mut stopped = Vec::new();
    while stopped.len() < 2 && child.try_wait().unwrap().is_none() {
        for worker in workers_of(child.id()) {
            let pid = Pid::from_raw(i32::try_from(worker).unwrap()).unwrap();
            if !stopped.contains(&worker) && kill_process(pid, Signal::STOP).is_ok() {
                stopped.push(worker);
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(stopped.len(), 2, "{said}");
    same(&scene.read("out.ndjson"), data.as_bytes());
    crate::account::Account::of(&said).holds(&[("kept", 400_000), ("failed", 0)]);
}

/// Worker processes of a run.
fn workers_of(supervisor: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_worker = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
        let name = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        parent == Some(&supervisor.to_string()) && name.starts_with(b"host: worker")
    };
    pids.filter(is_worker).collect()
}
