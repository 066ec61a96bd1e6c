//! What becomes of the formats of a job's inputs in its output, and which of that cannot
//! be: judged before anything starts.

use crate::error::Error;
use crate::input::{From, HeaderRules, Inputs, Needs};
use crate::job::{Columns, FirstRow, Job, Output, To, Wanted};
use crate::protocol::Framing;
use crate::records::Format;
use crate::records::csv::Delimiter;

use super::answer::Results;

/// The formats of a job.
#[derive(Copy, Clone, Debug)]
pub(super) struct Formats {
    /// The output is rows.
    rows_go: bool,
    /// What comes of the records of a range, whose formats are known now.
    pub results: Results,
    /// Records of an input are rows.
    pub rows_come: bool,
}

impl Formats {
    /// `results` is what comes of records by their plugins alone.
    ///
    /// # Errors
    /// [`Error::Usage`] for formats that do not go together.
    pub fn new(job: &Job, inputs: &Inputs, results: Results) -> Result<Formats, Error> {
        let formats: Vec<(String, From)> = inputs
            .iter()
            .map(|opened| (opened.name(), job.from.unwrap_or_else(|| opened.format_by_name())))
            .collect();
        // States that are merged have no format that the output could follow.
        let first = formats.first().map_or(From::Ndjson, |(_, from)| *from);
        let own = matches!(job.output, Output::Directory(_));
        let to = |from| job.to.unwrap_or(To::unchanged(if own { from } else { first }));
        let to_rows = |from| to(from).is_rows() && job.wanted == Wanted::Records;
        let rows_go = formats.iter().any(|(_, from)| to_rows(*from)) || to_rows(first);
        if own && rows_go {
            // Each of the others has an output that this is not about.
            for (name, from) in formats.iter().filter(|(_, from)| to_rows(*from)) {
                check(job, &[(name.clone(), *from)], true, results)?;
            }
        } else {
            check(job, &formats, rows_go, results)?;
        }
        let picks = job.columns.is_some() && rows_go;
        let converts = picks || formats.iter().any(|(_, from)| converts(*from, to(*from)));
        let results = match results {
            Results::Same | Results::Made | Results::Printed
                if job.from == Some(From::DeadLetters) =>
            {
                Results::Outcomes
            }
            Results::Same if converts => Results::Converted,
            other => other,
        };
        let rows_come = formats.iter().any(|(_, from)| from.is_rows());
        Ok(Formats { rows_go, results, rows_come })
    }

    /// Columns of tables that are read, where not all are: what else the user picks is of the
    /// output.
    pub fn table_columns<'j>(&self, job: &'j Job) -> Option<&'j Columns> {
        job.columns.as_ref().filter(|_| !self.rows_go)
    }

    /// What is done with headers.
    pub fn headers(&self, job: &Job) -> HeaderRules {
        let stays = matches!(self.results, Results::Same | Results::Converted);
        let needs = match &job.columns {
            Some(_) if !self.rows_go => Needs::Nothing,
            Some(columns) if stays => Needs::Columns(columns.clone()),
            None if self.rows_go && !matches!(job.output, Output::Directory(_)) => Needs::Same,
            _ => Needs::Nothing,
        };
        HeaderRules { first_row: job.first_row, needs }
    }
}

/// Whether a record that is only let through may become longer on its way.
fn converts(from: From, to: To) -> bool {
    let to = match to {
        // Which is made of lines.
        To::Parquet | To::Arrow | To::ArrowStream => To::Ndjson,
        other => other,
    };
    match (from, to) {
        (
            From::Json | From::Ndjson | From::Parquet | From::Arrow,
            To::Json | To::Ndjson | To::Lines,
        )
        | (From::Lines, To::Lines)
        | (From::Csv, To::Csv | To::Lines)
        | (From::Tsv, To::Tsv | To::Lines) => false,
        // What comes of it has its position besides.
        (From::DeadLetters, _) => true,
        (
            From::Json
            | From::Ndjson
            | From::Lines
            | From::Csv
            | From::Tsv
            | From::Parquet
            | From::Arrow,
            _,
        ) => true,
    }
}

fn check(
    job: &Job,
    formats: &[(String, From)],
    rows_go: bool,
    results: Results,
) -> Result<(), Error> {
    let usage = |text: String| Err(Error::Usage(text));
    let has_names = job.first_row == FirstRow::Header;
    let first_that = |is: fn(From) -> bool| {
        formats.iter().find(|(_, from)| is(*from)).map(|(name, _)| name.as_str())
    };
    let some_rows = first_that(From::is_rows);
    if !rows_go {
        if job.columns.is_some() && first_that(|from| from.table().is_some()).is_none() {
            return usage(
                "--columns says which columns CSV or TSV output has, or which of a table's are \
                 read; the output is neither (--to csv), and no input is a table (--from parquet)"
                    .into(),
            );
        }
        if !has_names && some_rows.is_none() {
            return usage(
                "--no-header is about CSV and TSV, and neither is read or written".into(),
            );
        }
        return Ok(());
    }
    if results == Results::Same {
        if let Some(name) = first_that(|from| from == From::Lines) {
            return usage(format!(
                "a line has no columns: what a filter keeps of {name} cannot become CSV or TSV \
                 (--to lines, --to ndjson, or a plugin that makes rows)"
            ));
        }
        if let (Some(name), false, true) = (some_rows, has_names, job.columns.is_some()) {
            return usage(format!(
                "--columns picks columns by their names, and with --no-header those of {name} \
                 have none"
            ));
        }
    }
    if job.columns.is_some() || !has_names {
        return Ok(());
    }
    if results == Results::State {
        return usage(
            "what a reduce makes has columns of its own; name them (--columns a,b,c), or choose \
             another format for the output (--to ndjson)"
                .into(),
        );
    }
    match first_that(|from| !from.is_rows()) {
        Some(name) => usage(format!(
            "{name} has no header that could name the columns of the output; name them \
             (--columns a,b,c), say --no-header for rows without names, or choose another format \
             for it (--to ndjson, --to lines)"
        )),
        None => Ok(()),
    }
}

/// How output is framed, given how the first input is laid out.
pub(super) fn framing(job: &Job, format: Format) -> Framing {
    match (job.to, format) {
        (Some(To::Ndjson | To::Parquet | To::Arrow | To::ArrowStream), _)
        | (None, Format::Ndjson | Format::DeadLetters) => Framing::Lines,
        (Some(To::Lines), _) | (None, Format::Lines) => Framing::Text,
        (Some(To::Csv), _) | (None, Format::Csv) => Framing::Rows(Delimiter::Comma),
        (Some(To::Tsv), _) | (None, Format::Tsv) => Framing::Rows(Delimiter::Tab),
        (Some(To::Json) | None, Format::JsonArray) => Framing::Elements,
        (Some(To::Json) | None, Format::JsonSequence) | (Some(To::Json), _) => Framing::Values,
    }
}
