//! Fixed amounts of a worker's work, in this process and without a sandbox, for counting
//! their instructions: `benches/instructions.py` runs each under callgrind. As tests they are
//! passed over; each also checks that it did what it says.

use std::fs::File;
use std::io::Write as _;

use crate::job::{Isolation, Measure};
use crate::protocol::{
    AfterFailure, Batches, Framing, From, Layout, Metering, Mode, Process, Retries, Settings,
    Setup, Setups, Start, Surroundings,
};
use crate::range::{InputId, Nonce, Range};
use crate::records::{Format, Item, RangeReader};
use crate::runtime::{self, Common, Data, Plugin};
use crate::slots::{SupervisorSlot, WorkerSlot};

use super::Worker;
use super::attempt;
use super::batch::Batch;
use super::chain::Chain;
use super::rows::Rows;

/// How often the records of the repository go through.
const TIMES: usize = 10;
const RECORDS: u64 = 1000;

/// What is counted: the instructions of what this calls.
#[inline(never)]
fn counted<T>(work: impl FnOnce() -> T) -> T {
    work()
}

fn events() -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/data/events.ndjson");
    std::fs::read_to_string(file).unwrap()
}

fn plugin(name: &str) -> Vec<u8> {
    let file = format!("{}/plugins/{name}/{name}.wasm", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(file).unwrap()
}

/// Says yes or no to every record at once, in a buffer that is always the same.
fn constant(answer: u8) -> Vec<u8> {
    format!(
        r#"(module (memory (export "memory") 2)
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
          (func (export "keep") (param i32 i32) (result i32)
            (i32.store8 (i32.const 20) (i32.const {answer}))
            (i32.const 16)))"#
    )
    .into_bytes()
}

/// Finds all records of a text.
fn split(text: &str, format: Format, start: usize, wanted: u64) {
    let mut found = 0;
    counted(|| {
        for _ in 0..TIMES {
            let bytes = &text.as_bytes()[start..];
            let mut reader = RangeReader::from_memory(bytes, format, start as u64, 1 << 20);
            'range: loop {
                let mut piece = reader.piece().unwrap();
                while let Some(item) = piece.next() {
                    match item {
                        Item::Record(_) => found += 1,
                        Item::End => break 'range,
                        other => panic!("{other:?}"),
                    }
                }
            }
        }
    });
    assert_eq!(found, wanted * TIMES as u64);
}

/// Sends events through a plugin; gives how many were used.
fn process(plugin: &[u8], params: &[(&str, &str)]) -> u64 {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(events().as_bytes()).unwrap();
    let mut worker = worker(plugin, params, file);
    let end = worker.inputs[0].metadata().unwrap().len();
    let process = Process {
        nonce: Nonce(1),
        slot: 0,
        range: Range { input: InputId(0), start: 0, end },
        from: From::File { index: 0 },
        format: Format::Ndjson,
        header: 0,
        mode: Mode::Through,
        batches: Batches::Many,
        framing: Framing::Lines,
    };
    let mut run =
        || attempt::run(&mut worker, process).unwrap_or_else(|broken| panic!("{}", broken.text));
    // Until the instance is there.
    run();
    let mut used = 0;
    counted(|| {
        for _ in 0..TIMES {
            let done = run();
            assert_eq!(done.used + done.dropped, RECORDS);
            used = done.used;
        }
    });
    used
}

/// A worker as it is once it is online.
fn worker(plugin: &[u8], params: &[(&str, &str)], input: File) -> Worker {
    let settings = Settings { metering: Metering::None, stack: 1 << 20 };
    let engine = runtime::engine(settings).unwrap();
    let checked = runtime::compile(&engine, plugin).unwrap();
    let start = Start {
        memory: 256 << 20,
        max_record: 64 << 20,
        max_output: 64 << 20,
        max_state: 64 << 20,
        max_instances: 100,
        fuel: None,
        setups: 0,
        after_failure: AfterFailure::Stop,
        retries: Retries::None,
        isolation: Isolation::Worker,
        framing: Framing::Lines,
    };
    let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let setup = Setup {
        abi: checked.abi,
        operation: checked.operation,
        artifact: checked.artifact.len() as u64,
        params: params.collect(),
    };
    let code = &checked.artifact;
    let setups = Setups {
        plugins: vec![setup],
        data: Vec::new(),
        arguments: Vec::new(),
        surroundings: Surroundings::default(),
        sample: None,
        measure: Measure::Nothing,
        columns: None,
    };
    let (setup, data) = (&setups.plugins[0], Data::default());
    let common = Common { start: &start, setups: &setups, data: &data, samples: None };
    let loaded = Plugin::load(&engine, setup, common, code).unwrap();
    let layout = Layout { input: 1 << 16, output: 4 << 20 };
    let slot = SupervisorSlot::new(layout).unwrap();
    let [input_memory, output_memory] = slot.files();
    let slot = WorkerSlot::map(input_memory, output_memory, layout).unwrap();
    Worker {
        rows: Rows::new(Framing::Lines, None),
        chain: Chain::new(vec![(checked.operation, loaded)], &start),
        sample: None,
        clock: None,
        start,
        slots: vec![slot],
        transits: Default::default(),
        inputs: vec![input],
        buffer: Vec::new(),
        batch: Batch::default(),
    }
}

#[test]
#[ignore = "for benches/instructions.py"]
fn lines() {
    split(&events(), Format::Ndjson, 0, RECORDS);
}

#[test]
#[ignore = "for benches/instructions.py"]
fn array() {
    let text = format!("[{}]", events().trim_end().replace('\n', ","));
    split(&text, Format::JsonArray, 1, RECORDS);
}

#[test]
#[ignore = "for benches/instructions.py"]
fn rows() {
    let row = "\"a field in quotes\",7,\"one with \"\" in it\",plain text,2026-11-25\n";
    split(&row.repeat(10_000), Format::Csv, 0, 10_000);
}

#[test]
#[ignore = "for benches/instructions.py"]
fn drop_all() {
    assert_eq!(process(&constant(0), &[]), 0);
}

#[test]
#[ignore = "for benches/instructions.py"]
fn keep_all() {
    assert_eq!(process(&constant(1), &[]), RECORDS);
}

#[test]
#[ignore = "for benches/instructions.py"]
fn filter() {
    assert_eq!(process(&plugin("filter"), &[]), 190);
}

#[test]
#[ignore = "for benches/instructions.py"]
fn map() {
    assert_eq!(process(&plugin("map"), &[("fields", "id,type,actor.login:user")]), RECORDS);
}
