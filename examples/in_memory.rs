//! Records that the program has itself, and results that it gets back one by one: each is
//! answered while the next is not there yet. Run it from the repository:
//! `cargo run --release --example in_memory`

use std::sync::mpsc::channel;

use host::{Event, Job};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    host::init(); // a worker begins and ends here
    let (records, fed) = channel::<String>();
    let map = Job::builder("plugins/map/map.wasm").param("fields", "name,born:year");
    let mut results = map.workers(1).feed(fed, |event| {
        if let Event::Online { pid, .. } = event {
            println!("process {pid} waits for records");
        }
    })?;
    for (name, born) in [("Ada", 1815), ("Grace", 1906), ("Barbara", 1939)] {
        records.send(format!(r#"{{"name":"{name}","born":{born},"field":"computing"}}"#))?;
        let result = results.next().ok_or("there should be a result")??;
        assert_eq!(result, format!(r#"{{"name":"{name}","year":{born}}}"#));
        println!("{result}");
    }
    drop(records);
    assert!(results.next().is_none());
    let account = results.account().ok_or("the job has ended")?;
    assert_eq!(account.used, 3);
    println!("{account}");
    Ok(())
}
