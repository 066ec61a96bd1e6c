//! Node's `cluster` tutorial in this library: a worker for each core, results as they
//! come, and one worker's death that ends nothing. Run it from the repository:
//! `cargo run --release --example cluster`

use std::process::Command;

use host::{Event, Job, Output};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    host::init(); // a worker begins and ends here
    let job = Job::builder("plugins/filter/filter.wasm").file("data/events.ndjson");
    let job = job.output(Output::Path("target/pushes.ndjson".into())).build()?;
    let mut first = true;
    let account = host::run(&job, &mut |event| match event {
        Event::Online { worker, pid, .. } => {
            println!("worker {worker} (process {pid}) is online");
            if std::mem::take(&mut first) {
                let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
            }
        }
        Event::Message { worker, used, .. } => println!("worker {worker} kept {used} records"),
        Event::Exit { worker, exit, .. } => println!("worker {worker} is gone: {exit}"),
        _ => {}
    })?;
    println!("{account}");
    assert_eq!((account.read(), account.restarts), (1000, 1));
    Ok(())
}
