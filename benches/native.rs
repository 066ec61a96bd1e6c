//! The yardstick: what a careful Rust programmer writes for this one job, without plugins,
//! processes or threads.
//!
//! ```text
//! native [FILE] [-o OUT]        standard input and output where no file is named
//! ```
//!
//! Keeps the lines whose `type` is `PushEvent`, byte for byte. Lines are found by `memchr` in a
//! buffer filled by reads of one mebibyte; each line is parsed whole by `serde_json`, but only
//! `type` is kept of it, borrowed from the line where it holds no escape.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use memchr::{memchr_iter, memrchr};
use serde::Deserialize;

/// Bytes asked of the input at a time, and collected before they are written.
const BUFFER: usize = 1 << 20;

const KEPT: &str = "PushEvent";

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

fn main() -> Result<()> {
    let (input, output) = arguments()?;
    let source: Box<dyn Read> = match &input {
        Some(path) => {
            let file =
                File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
            Box::new(file)
        }
        None => Box::new(io::stdin().lock()),
    };
    let sink: Box<dyn Write> = match &output {
        Some(path) => {
            let file =
                File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
            Box::new(file)
        }
        None => Box::new(io::stdout().lock()),
    };
    let mut sink = BufWriter::with_capacity(BUFFER, sink);
    filter(source, &mut sink)?;
    sink.flush().context("cannot write the output")
}

fn arguments() -> Result<(Option<PathBuf>, Option<PathBuf>)> {
    let mut input = None;
    let mut output = None;
    let mut args = std::env::args_os().skip(1);
    while let Some(arg) = args.next() {
        if arg == "-o" {
            output = Some(args.next().context("-o needs a file")?.into());
        } else if input.is_none() {
            input = Some(arg.into());
        } else {
            bail!("usage: native [FILE] [-o OUT]");
        }
    }
    Ok((input, output))
}

fn filter(mut source: impl Read, sink: &mut impl Write) -> Result<()> {
    let mut buffer = vec![0; 2 * BUFFER];
    // Bytes at the front of the buffer that begin a line not seen to its end yet.
    let mut held = 0;
    let mut lines = 0;
    loop {
        if buffer.len() - held < BUFFER {
            // A line longer than the buffer.
            buffer.resize(buffer.len() * 2, 0);
        }
        let read = match source.read(&mut buffer[held..held + BUFFER]) {
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => continue,
            read => read.context("cannot read the input")?,
        };
        if read == 0 {
            return keep_pushes(&buffer[..held], &mut lines, sink);
        }
        let filled = held + read;
        // What was held has been searched for a line's end already.
        let whole = memrchr(b'\n', &buffer[held..filled]).map_or(0, |at| held + at + 1);
        keep_pushes(&buffer[..whole], &mut lines, sink)?;
        buffer.copy_within(whole..filled, 0);
        held = filled - whole;
    }
}

/// Writes those lines of `text` that are kept. `lines` counts on, for the error message.
fn keep_pushes(text: &[u8], lines: &mut u64, sink: &mut impl Write) -> Result<()> {
    let mut start = 0;
    // A last line without a line break ends with the text.
    let unended = (text.last() != Some(&b'\n')).then_some(text.len());
    for end in memchr_iter(b'\n', text).chain(unended) {
        let line = &text[start..end];
        start = end + 1;
        *lines += 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let event: Event = serde_json::from_slice(line)
            .with_context(|| format!("line {lines} is not an event"))?;
        if event.kind == KEPT {
            sink.write_all(line)?;
            sink.write_all(b"\n")?;
        }
    }
    Ok(())
}
