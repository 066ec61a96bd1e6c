//! Which records of the inputs are wanted, where not all are. The cutter asks this of
//! each record that it finds.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Grouped};

/// Names one record of an input, as messages do.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Only {
    /// By its number in the input, from 1.
    Number(u64),
    /// By the offset of a byte in it, from 0.
    Offset(u64),
}

impl FromStr for Only {
    type Err = Error;

    fn from_str(text: &str) -> Result<Only, Error> {
        // As messages print it, with its digits in groups.
        let number = |text: &str| text.replace(',', "").parse();
        let parsed = match text.strip_prefix('@') {
            Some(offset) => number(offset).map(Only::Offset),
            None => number(text).map(Only::Number),
        };
        parsed.map_err(|_| {
            Error::Usage(format!(
                "{text:?} is no record: its number is wanted (48,211), or a byte in it \
                 (@28,442,870)"
            ))
        })
    }
}

impl fmt::Display for Only {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Only::Number(number) => write!(f, "{}", Grouped(*number)),
            Only::Offset(offset) => write!(f, "@{}", Grouped(*offset)),
        }
    }
}

/// Which records are wanted.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Wanted {
    All,
    /// So many of all inputs together.
    First(u64),
    Only(Only),
}

/// What is to be done with a record that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Pick {
    Take,
    /// Take it, and look for no other.
    TakeLast,
    PassOver,
    /// What is wanted does not exist, and why.
    Missing(String),
}

/// Counts records and says which are wanted.
#[derive(Debug)]
pub(super) struct Picker {
    wanted: Wanted,
    /// Records that were found.
    found: u64,
    /// Where the last of them ends.
    end: u64,
}

impl Picker {
    pub fn new(wanted: Wanted) -> Picker {
        Picker { wanted, found: 0, end: 0 }
    }

    /// Whether it has to be asked about every record.
    pub fn is_choosy(&self) -> bool {
        self.wanted != Wanted::All
    }

    /// Whether no further record is wanted.
    pub fn has_enough(&self) -> bool {
        matches!(self.wanted, Wanted::First(number) if self.found >= number)
    }

    /// Judges the next record.
    pub fn pick(&mut self, start: u64, end: u64) -> Pick {
        self.found += 1;
        let before = std::mem::replace(&mut self.end, end);
        match self.wanted {
            Wanted::All => Pick::Take,
            Wanted::First(number) if self.found < number => Pick::Take,
            Wanted::Only(Only::Number(number)) if self.found < number => Pick::PassOver,
            Wanted::Only(Only::Offset(offset)) if offset >= end => Pick::PassOver,
            Wanted::Only(Only::Offset(offset)) if offset < start => {
                let next = format!("record {} begins at {}", Grouped(self.found), Grouped(start));
                let offset = Grouped(offset);
                Pick::Missing(match self.found {
                    1 => format!("byte {offset} stands before the first record: {next}"),
                    _ => format!(
                        "byte {offset} stands between records: record {} ends before byte {}, \
                         {next}",
                        Grouped(self.found - 1),
                        Grouped(before)
                    ),
                })
            }
            Wanted::First(_) | Wanted::Only(_) => Pick::TakeLast,
        }
    }

    /// How many records stand before the only one.
    pub fn passed_over(&self) -> Option<u64> {
        matches!(self.wanted, Wanted::Only(_)).then(|| self.found.saturating_sub(1))
    }

    /// What is missing where the input ends here.
    pub fn missing(&self) -> Option<String> {
        let Wanted::Only(only) = self.wanted else { return None };
        let records = match self.found {
            0 => return Some("it has no record at all".into()),
            1 => "1 record".to_owned(),
            many => format!("{} records", Grouped(many)),
        };
        Some(match only {
            Only::Number(number) => {
                format!("it has {records}, and no record {}", Grouped(number))
            }
            Only::Offset(offset) => format!(
                "it has {records}, and the last ends before byte {}; byte {} is in none",
                Grouped(self.end),
                Grouped(offset)
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_named_as_messages_name_it() {
        for (text, only) in [
            ("48211", Only::Number(48_211)),
            ("48,211", Only::Number(48_211)),
            ("@0", Only::Offset(0)),
            ("@28,442,870", Only::Offset(28_442_870)),
        ] {
            assert_eq!(text.parse::<Only>().unwrap(), only);
        }
        for text in ["", "@", "-1", "1.5", "x", "@@1"] {
            assert!(text.parse::<Only>().is_err(), "{text}");
        }
    }

    fn picks(wanted: Wanted) -> Vec<Pick> {
        let mut picker = Picker::new(wanted);
        [(0, 5), (6, 10), (12, 20)].map(|(start, end)| picker.pick(start, end)).to_vec()
    }

    #[test]
    fn what_is_wanted_is_taken() {
        use Pick::{PassOver, Take, TakeLast};
        assert_eq!(picks(Wanted::All), [Take, Take, Take]);
        assert_eq!(picks(Wanted::First(2))[..2], [Take, TakeLast]);
        assert_eq!(picks(Wanted::Only(Only::Number(3))), [PassOver, PassOver, TakeLast]);
        assert_eq!(picks(Wanted::Only(Only::Offset(6)))[..2], [PassOver, TakeLast]);
        assert_eq!(picks(Wanted::Only(Only::Offset(9)))[..2], [PassOver, TakeLast]);
        assert_eq!(picks(Wanted::Only(Only::Offset(20))), [PassOver, PassOver, PassOver]);
        assert!(matches!(picks(Wanted::Only(Only::Offset(11)))[2], Pick::Missing(_)));
    }
}
