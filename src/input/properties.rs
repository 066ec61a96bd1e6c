//! What holds for every input, cut by the real cutters: the records of its ranges, read as
//! workers read them, are those of the input.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use super::{Cut, CutRules, From, HeaderRules, Inputs, Named, Needs, Source, Wanted, start};
use crate::job::{FirstRow, Input};
use crate::protocol::AfterFailure;
use crate::range::InputId;
use crate::records::properties::{Sample, samples};
use crate::records::{Format, Item, RangeReader, Record};
use crate::tables::TableWorkers;

/// An input as it was found.
fn named(path: &Path) -> Named {
    Named { input: Input::Path(path.to_owned()), below: PathBuf::new() }
}

/// Cuts the only input and gives the records of all ranges.
fn records(sample: &Sample, inputs: Inputs, file: Option<&File>, range_size: u64) -> Vec<String> {
    let found = records_from(sample, inputs, file, range_size, 0);
    found.into_iter().map(|(_, record)| record).collect()
}

/// Table workers that nobody asks for.
fn no_tables() -> TableWorkers {
    let settings =
        crate::protocol::Settings { metering: crate::protocol::Metering::None, stack: 0 };
    let directory = Arc::new(crate::ipc::SocketDirectory::new().unwrap());
    TableWorkers::new(directory, crate::sandbox::Sandbox::Off.plan(), settings, 0, 1)
}

/// The same where everything before a place is done. With each record goes the place
/// where it is done.
fn records_from(
    sample: &Sample,
    inputs: Inputs,
    file: Option<&File>,
    range_size: u64,
    place: u64,
) -> Vec<(u64, String)> {
    let from = match sample.format {
        Format::Ndjson => From::Ndjson,
        Format::JsonSequence | Format::JsonArray => From::Json,
        Format::Lines => From::Lines,
        Format::Csv => From::Csv,
        Format::Tsv => From::Tsv,
        Format::DeadLetters => From::DeadLetters,
    };
    let rules = CutRules {
        from: Some(from),
        records: None,
        wanted: Wanted::All,
        from_place: (place > 0).then_some((InputId(0), place)),
        range_size,
        max_record: 1 << 20,
        window: crate::compression::WINDOW,
        after_failure: AfterFailure::GoOn,
        table_columns: None,
    };
    let headers = HeaderRules { first_row: FirstRow::Record, needs: Needs::Nothing };
    let cutter = start(&Arc::new(inputs), rules, headers, no_tables()).unwrap();
    let mut found = Vec::new();
    let mut at = place;
    let mut buffer = Vec::new();
    for cut in cutter.arriving().unwrap().iter().flatten() {
        let (range, source) = match cut {
            Cut::Begin { format, .. } => {
                assert_eq!(format, sample.format);
                continue;
            }
            Cut::Range { range, source } => (range, source),
            other => panic!("{other:?}"),
        };
        assert!(at <= range.start && range.start < range.end, "{range:?} after {at}");
        at = range.end;
        let stretch = (range.start, range.end);
        let mut reader = match (&source, file) {
            (Source::Bytes(bytes), _) => {
                RangeReader::from_memory(bytes, sample.format, range.start, 1 << 20)
            }
            (Source::File { .. }, Some(file)) => {
                RangeReader::from_file(file, &mut buffer, sample.format, stretch, 1 << 20)
            }
            (Source::File { .. }, None) => panic!("a stream is no file"),
        };
        'range: loop {
            let mut piece = reader.piece().unwrap();
            while let Some(item) = piece.next() {
                match item {
                    Item::Record(Record { start, bytes, .. }) => {
                        let newline = u64::from(sample.format == Format::Lines);
                        let done = (start + bytes.len() as u64 + newline).min(range.end);
                        found.push((done, sample.shown(bytes)));
                    }
                    Item::End => break 'range,
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    found
}

/// The text as a compressed file, which is read like a stream.
fn packed(text: &str) -> Inputs {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let mut packer = flate2::write::GzEncoder::new(&mut file, flate2::Compression::fast());
    packer.write_all(text.as_bytes()).unwrap();
    packer.finish().unwrap();
    Inputs::open(&[named(file.path())], None).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn ranges_of_a_file_hold_its_records(sample in samples(), range_size in 1..40u64) {
        // What begins with `[` is an array, and an empty file is read like a stream.
        prop_assume!(sample.format != Format::JsonSequence || !sample.text.trim_start().starts_with('['));
        prop_assume!(!sample.text.is_empty());
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(sample.text.as_bytes()).unwrap();
        let inputs = Inputs::open(&[named(file.path())], None).unwrap();
        let found = records(&sample, inputs, Some(file.as_file()), range_size);
        prop_assert_eq!(found, sample.records());
    }

    #[test]
    fn what_is_done_is_not_cut_again(
        sample in samples(),
        range_size in 1..40u64,
        later_range_size in 1..40u64,
        which in any::<prop::sample::Index>(),
        as_stream in any::<bool>(),
    ) {
        prop_assume!(sample.format != Format::JsonSequence || !sample.text.trim_start().starts_with('['));
        prop_assume!(!sample.records().is_empty());
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(sample.text.as_bytes()).unwrap();
        let open = || Inputs::open(&[named(file.path())], None).unwrap();
        let all = records_from(&sample, open(), Some(file.as_file()), range_size, 0);
        let done = which.index(all.len());
        let place = all[done].0;
        let rest: Vec<String> =
            all.into_iter().skip(done + 1).map(|(_, record)| record).collect();
        let (inputs, other) = match as_stream {
            true => (packed(&sample.text), None),
            false => (open(), Some(file.as_file())),
        };
        let found = records_from(&sample, inputs, other, later_range_size, place);
        let found: Vec<String> = found.into_iter().map(|(_, record)| record).collect();
        prop_assert_eq!(found, rest);
    }

    #[test]
    fn ranges_of_a_stream_hold_its_records(
        sample in samples(),
        range_size in 1..40u64,
        writes in proptest::collection::vec(1..10usize, 1..8),
    ) {
        prop_assume!(sample.format != Format::JsonSequence || !sample.text.trim_start().starts_with('['));
        let (reader, mut writer) = std::io::pipe().unwrap();
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
        let inputs = Inputs::open(&[named(path.as_ref())], None).unwrap();
        drop(reader);
        let text = sample.text.clone();
        let wrote = std::thread::spawn(move || {
            let (mut rest, mut writes) = (text.as_bytes(), writes.iter().cycle());
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(*writes.next().unwrap()));
                writer.write_all(now).unwrap();
                rest = later;
            }
        });
        let found = records(&sample, inputs, None, range_size);
        wrote.join().unwrap();
        prop_assert_eq!(found, sample.records());
    }
}
