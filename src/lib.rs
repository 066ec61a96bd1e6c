//! Runs untrusted WebAssembly plugins over the records of files and streams, in one
//! sandboxed worker process for each core.
//!
//! A program that uses this library calls [`init`] first of all in its `main`,
//! because workers are started by executing the program again; then it makes a
//! [`Job`] and [`run`]s it:
//!
//! ```standalone_crate
//! use host::{Event, Job};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     host::init();
//!     let job = Job::builder("plugins/filter/filter.wasm")
//!         .file("data/events.ndjson")
//!         .output(host::Output::Path("target/pushes.ndjson".into()))
//!         .build()?;
//!     let account = host::run(&job, &mut |event| {
//!         if let Event::Online { worker, pid, .. } = event {
//!             println!("worker {worker} is online as process {pid}");
//!         }
//!     })?;
//!     assert_eq!(account.read(), 1000);
//!     assert_eq!(account.used + account.dropped, account.read());
//!     Ok(())
//! }
//! ```
//!
//! What a plugin is and has to export is written in the repository's `wit/`.

mod account;
mod compile;
mod compression;
mod dead_letter;
mod description;
mod descriptors;
mod error;
mod event;
mod fault;
#[cfg(fuzzing)]
pub mod fuzzing;
#[cfg(all(test, not(fuzzing)))]
mod fuzzing;
mod input;
mod ipc;
mod job;
mod journal;
mod output;
mod protocol;
mod range;
mod records;
mod results;
mod roles;
mod runtime;
mod sample;
mod sandbox;
mod side_data;
mod slots;
mod state_file;
mod stop;
mod supervisor;
mod tables;
mod text;
mod worker;
mod worker_handle;

pub use account::{Account, WorkerAccount};
pub use compile::{CacheUse, Checkup, Origin, check, default_cache, look_into_cache};
pub use description::{Description, PluginKind};
pub use error::{Error, FailureKind, RecordFailure};
pub use event::{Event, LoggedRecord, Reason};
pub use input::{From, Only};
pub use job::{
    Cache, Columns, Fsync, Input, Isolation, Job, JobBuilder, Limits, MaxErrors, Measure, OnError,
    Open, Order, Output, Randomness, Resume, ResumeVerify, Time, To, default_workers,
};
pub use range::{InputId, Range};
pub use records::Pointer;
pub use results::Results;
pub use roles::init;
pub use sandbox::{Finding, Layer, Layers, Sandbox, doctor};
pub use stop::Stop;
pub use supervisor::{ExplainedInput, ExplainedPlugin, Explanation, JobFailed, explain, run};
pub use text::{grouped, printable};
pub use worker_handle::Exit;
