//! A job that is told to stop while it runs: what is finished is in the output, and the account
//! says what that is. Run it from the repository: `cargo run --release --example cancel`

use std::iter::repeat_with;

use host::{Error, From, Job};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    host::init(); // a worker begins and ends here
    let longer = Job::builder("plugins/longer/longer.wat").from(From::Lines);
    // As many as are wanted: the job would never end by itself.
    let mut number = 0;
    let endless = repeat_with(move || {
        number += 1;
        format!("{number:0>width$}", width = number % 1000)
    });
    let mut results = longer.feed(endless, |_| {})?;
    let stop = results.stop();
    let mut kept = 0;
    let failed = loop {
        match results.next().ok_or("it ended by itself")? {
            Ok(line) => {
                assert!(line.len() > 640);
                kept += 1;
                if kept == 1000 {
                    stop.stop(); // from any thread
                }
            }
            Err(failed) => break failed,
        }
    };
    assert!(matches!(failed.error, Error::Interrupted));
    assert_eq!(failed.account.used, kept);
    println!("{failed}; {}", failed.account);
    Ok(())
}
