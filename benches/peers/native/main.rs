//! The yardstick: what a careful Rust programmer writes for these jobs, without plugins or
//! processes; on one thread, or on several by rayon.
//!
//! ```text
//! native JOB [FILE] [-o OUT] [--array] [--threads N]
//! ```
//!
//! JOB is one of `filter`, `map`, `flat-map`, `count-by` and `cities` (jobs.rs); standard input
//! and output serve where no file is named. Input is JSON by lines, or one array that is held in
//! memory whole.

mod jobs;
mod lines;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use jobs::{Counts, Job};
use rayon::prelude::*;
use serde_json::value::RawValue;

/// Bytes asked of the input at a time, for each thread.
const PIECE: usize = 1 << 20;

/// Pieces for each thread in a batch: no thread waits long for the last one of a batch.
const PIECES: usize = 4;

const USAGE: &str = "usage: native JOB [FILE] [-o OUT] [--array] [--threads N]";

struct Request {
    job: Job,
    input: Option<PathBuf>,
    output: Option<PathBuf>,
    array: bool,
    threads: usize,
}

fn main() -> Result<()> {
    let request = Request::parse(std::env::args().skip(1))?;
    let source: Box<dyn Read> = match &request.input {
        Some(path) => {
            let file =
                File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
            Box::new(file)
        }
        None => Box::new(io::stdin().lock()),
    };
    let mut sink: Box<dyn Write> = match &request.output {
        Some(path) => {
            let file =
                File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
            Box::new(file)
        }
        None => Box::new(io::stdout().lock()),
    };
    if request.threads > 1 || request.array {
        rayon::ThreadPoolBuilder::new().num_threads(request.threads).build_global()?;
    }
    let mut counts = Counts::new();
    match request.array {
        true => array(&request, source, &mut sink, &mut counts)?,
        false => by_lines(&request, source, &mut sink, &mut counts)?,
    }
    let mut last = Vec::new();
    jobs::push_counts(counts, &mut last)?;
    sink.write_all(&last)?;
    sink.flush().context("cannot write the output")
}

impl Request {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let job = Job::parse(&words.next().context(USAGE)?)?;
        let mut request = Self { job, input: None, output: None, array: false, threads: 1 };
        while let Some(word) = words.next() {
            match &*word {
                "-o" => request.output = Some(words.next().context(USAGE)?.into()),
                "--threads" => request.threads = words.next().context(USAGE)?.parse()?,
                "--array" => request.array = true,
                _ => {
                    ensure!(request.input.is_none(), USAGE);
                    request.input = Some(word.into());
                }
            }
        }
        Ok(request)
    }
}

fn by_lines(
    request: &Request,
    source: impl Read,
    sink: &mut impl Write,
    counts: &mut Counts,
) -> Result<()> {
    let mut seen = 0;
    let mut out = Vec::new();
    if request.threads == 1 {
        return lines::pieces(source, PIECE, |text| {
            out.clear();
            seen += records(request.job, lines::lines(text), &mut out, counts)
                .with_context(|| format!("in the piece after line {seen}"))?;
            Ok(sink.write_all(&out)?)
        });
    }
    lines::pieces(source, PIECE * PIECES * request.threads, |text| {
        let pieces = cut(text, PIECE);
        let results = pieces.into_par_iter().map(|piece| {
            let (mut out, mut counts) = (Vec::new(), Counts::new());
            records(request.job, lines::lines(piece), &mut out, &mut counts)?;
            Ok((out, counts))
        });
        add(results.collect::<Result<_>>()?, sink, counts)
    })
}

fn array(
    request: &Request,
    mut source: impl Read,
    sink: &mut impl Write,
    counts: &mut Counts,
) -> Result<()> {
    let mut text = Vec::new();
    source.read_to_end(&mut text).context("cannot read the input")?;
    let elements: Vec<&RawValue> = serde_json::from_slice(&text).context("no JSON array")?;
    let share = elements.len().div_ceil(request.threads * PIECES).max(1);
    let results = elements.par_chunks(share).map(|elements| {
        let (mut out, mut counts) = (Vec::new(), Counts::new());
        let elements = elements.iter().map(|element| element.get().as_bytes());
        records(request.job, elements, &mut out, &mut counts)?;
        Ok((out, counts))
    });
    add(results.collect::<Result<_>>()?, sink, counts)
}

/// Does the job with each record, and gives their number.
fn records<'a>(
    job: Job,
    records: impl Iterator<Item = &'a [u8]>,
    out: &mut Vec<u8>,
    counts: &mut Counts,
) -> Result<u64> {
    let mut seen = 0;
    for record in records {
        seen += 1;
        job.record(record, out, counts).with_context(|| format!("record {seen}"))?;
    }
    Ok(seen)
}

/// Writes what threads have made, in order, and adds up what they have counted.
fn add(results: Vec<(Vec<u8>, Counts)>, sink: &mut impl Write, counts: &mut Counts) -> Result<()> {
    for (out, counted) in results {
        sink.write_all(&out).context("cannot write the output")?;
        for (key, count) in counted {
            *counts.entry(key).or_default() += count;
        }
    }
    Ok(())
}

/// Cuts text of whole lines into pieces of about `size` bytes, of whole lines too.
fn cut(mut text: &[u8], size: usize) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while text.len() > size {
        let Some(end) = memchr::memchr(b'\n', &text[size..]) else { break };
        let (piece, rest) = text.split_at(size + end + 1);
        pieces.push(piece);
        text = rest;
    }
    pieces.push(text);
    pieces
}
