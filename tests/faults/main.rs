//! Faults: processes of the program are made to die, stop, wait and fail at named points
//! (`src/fault/`), one by one and at random, and nothing may be lost by it: in the end the
//! output is that of an undisturbed run without the records on which the plugin is known
//! to fail, those are exactly the dead letters, and the account adds up.
//!
//! Needs a program that was built with the feature `faults`:
//! `cargo test --release --features faults --test faults`. `HOST_TEST_SEEDS=1..=300` says
//! which schedules are drawn at random, `HOST_TEST_POINTS=table` that only points with this word
//! in their names are tried one by one.

#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "the tests of the program share their plugins, and a test that cannot go on has failed"
)]
#[path = "../host/wat.rs"]
mod wat;

mod cities;
mod every_point;
mod points;
mod random;
mod scene;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut failed = Vec::new();
    type Test = fn() -> Result<String, String>;
    let tests: [(&str, Test); 4] = [
        ("the_list_of_points_is_complete", points::are_complete),
        ("a_fault_at_every_point_loses_nothing", every_point::test),
        ("four_of_all_cities_are_dead_letters", cities::test),
        ("random_schedules_lose_nothing", random::test),
    ];
    let wanted = std::env::args().nth(1).filter(|word| !word.starts_with('-'));
    for (name, test) in tests {
        if wanted.as_ref().is_some_and(|word| !name.contains(word.as_str())) {
            continue;
        }
        let began = std::time::Instant::now();
        let result = test();
        let took = began.elapsed().as_secs_f64();
        match result {
            Ok(text) => println!("passed  {name} ({took:.1} s)\n{text}"),
            Err(why) => {
                println!("FAILED  {name} ({took:.1} s)\n{why}");
                failed.push(name);
            }
        }
    }
    match failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
