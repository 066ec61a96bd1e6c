//! What splitters and readers must keep true of any bytes: for fuzzers.
#![allow(clippy::panic, reason = "a panic tells the fuzzer")]

use std::sync::Arc;

use super::csv::{Delimiter, Header, Others, RowReader, RowWriter};
use super::{
    ElementsSplitter, Format, JsonSplitter, Pointer, Seek, Seeker, Splitter, Step, is_one_value,
    write_compact,
};

/// What a splitter says of a whole text.
#[derive(PartialEq, Eq, Debug)]
struct Split {
    records: Vec<(u64, u64)>,
    fault: Option<u64>,
}

/// Splits a text that is shown in pieces which end at `cuts`.
fn split(mut splitter: Splitter, text: &[u8], cuts: &[usize]) -> Split {
    let mut found = Split { records: Vec::new(), fault: None };
    let mut base = 0;
    for end in cuts.iter().copied().chain([text.len()]) {
        let last = end == text.len();
        loop {
            let bytes = &text[base as usize..end.max(base as usize)];
            match splitter.next(base, bytes, last) {
                Step::Record { start, end } => {
                    let before = found.records.last().map_or(0, |(_, end)| *end);
                    assert!(before <= start && start <= end && end <= text.len() as u64);
                    found.records.push((start, end));
                }
                Step::More { keep, seen } => {
                    assert!(base <= keep && keep <= seen && seen <= end.max(base as usize) as u64);
                    assert!(!last, "it wants more than there is");
                    base = keep;
                    break;
                }
                Step::End => break,
                Step::Fault(fault) => {
                    assert!(fault.at <= text.len() as u64);
                    found.fault = Some(fault.at);
                    return found;
                }
            }
        }
    }
    found
}

/// Takes a byte for a format, two for places of cuts, and the rest for a text: it has the same
/// records however it is cut, in their order.
pub(crate) fn splitters(data: &[u8]) {
    let Some((head, text)) = data.split_first_chunk::<3>() else { return };
    let formats = [
        Format::Ndjson,
        Format::Lines,
        Format::JsonSequence,
        Format::JsonArray,
        Format::Csv,
        Format::Tsv,
    ];
    let format = formats[usize::from(head[0]) % formats.len()];
    let new = || match format {
        Format::JsonArray => Splitter::Json(JsonSplitter::array(0)),
        format => Splitter::for_range(format, 0),
    };
    let whole = split(new(), text, &[]);
    let mut cuts: Vec<usize> =
        head[1..].iter().map(|at| usize::from(*at) * text.len() / 255).collect();
    cuts.sort_unstable();
    assert_eq!(split(new(), text, &cuts), whole);
    let every: Vec<usize> = (0..text.len().min(300)).collect();
    assert_eq!(split(new(), text, &every), whole);
}

/// Takes a line for a pointer and the rest for a text: the elements found there are the same
/// however the text is cut.
pub(crate) fn pointers(data: &[u8]) {
    let Some(end) = data.iter().position(|byte| *byte == b'\n') else { return };
    let Ok(pointer) = std::str::from_utf8(&data[..end]).unwrap_or("?").parse::<Pointer>() else {
        return;
    };
    let (pointer, text) = (Arc::new(pointer), &data[end + 1..]);
    let look = |cuts: &[usize]| {
        let mut seeker = Seeker::new(Arc::clone(&pointer), 0);
        let mut base = 0;
        for end in cuts.iter().copied().chain([text.len()]) {
            let last = end == text.len();
            let bytes = &text[base as usize..end.max(base as usize)];
            match seeker.seek(base, bytes, last) {
                Seek::Found { start } => {
                    assert_eq!(text[start as usize - 1], b'[');
                    return Ok((start, seeker));
                }
                Seek::More { seen } => {
                    assert!(!last && base <= seen);
                    base = seen;
                }
                Seek::Fault(fault) => return Err(format!("a fault at {}", fault.at)),
                Seek::Missing(why) => return Err(why),
                Seek::End => return Err("the end".into()),
            }
        }
        Err("nothing".into())
    };
    let every: Vec<usize> = (0..text.len().min(300)).collect();
    match (look(&[]), look(&every)) {
        (Ok((start, seeker)), Ok((again, _))) => {
            assert_eq!(start, again);
            let elements = |cuts: &[usize]| {
                let mut splitter = ElementsSplitter::new(seeker.clone());
                let mut found = Vec::new();
                let mut base = start;
                for end in cuts.iter().copied().chain([text.len()]) {
                    let end = end.max(base as usize);
                    loop {
                        let bytes = &text[base as usize..end];
                        match splitter.next(base, bytes, end == text.len()) {
                            Step::Record { start, end } => found.push((start, end)),
                            Step::More { keep, .. } => {
                                base = keep;
                                break;
                            }
                            Step::End => break,
                            Step::Fault(fault) => {
                                found.push((fault.at, u64::MAX));
                                return found;
                            }
                        }
                    }
                }
                found
            };
            assert_eq!(elements(&[]), elements(&every));
        }
        (Err(one), Err(other)) => assert_eq!(one, other),
        (one, other) => panic!("{:?} and {:?}", one.err(), other.err()),
    }
}

/// Takes a line for a header and the rest for a row: what plugins see of it is JSON, and comes
/// out as a row with the same fields.
pub(crate) fn rows(data: &[u8]) {
    let Some((first, data)) = data.split_first() else { return };
    let delimiter = if first % 2 == 0 { Delimiter::Comma } else { Delimiter::Tab };
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let Ok(row) = std::str::from_utf8(&data[(end + 1).min(data.len())..]) else { return };
    let header = Header::parse(&data[..end], delimiter).ok();
    let reader = RowReader::new(delimiter, header.as_ref());
    let mut json = String::new();
    if reader.read(row, &mut json).is_err() {
        return;
    }
    let value: serde_json::Value =
        serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
    assert_eq!(value.is_object(), header.is_some());
    let names = header.as_ref().map(|header| header.names().to_vec());
    let writer = RowWriter::new(delimiter, names.as_deref());
    let mut written = String::new();
    if writer.write(&json, Others::Refused, &mut written).is_ok() {
        let mut again = String::new();
        let read = reader.read(&written, &mut again);
        assert!(read.is_ok() && again == json, "{row:?} became {written:?}: {again} and {json}");
    }
}

/// Takes bytes for a JSON text: what is held for one value, and what is left of it without its
/// white space, is what serde_json says.
pub(crate) fn json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let parsed: Result<serde_json::Value, _> = serde_json::from_str(text);
    if let Ok(value) = &parsed {
        assert!(is_one_value(text));
        let mut compact = vec![0; text.len()];
        let length = write_compact(data, &mut compact).unwrap_or_else(|| panic!("no room"));
        let again: serde_json::Value =
            serde_json::from_slice(&compact[..length]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(again, *value);
    }
    let mut small = vec![0; text.len() / 2];
    let _ = write_compact(data, &mut small);
}
