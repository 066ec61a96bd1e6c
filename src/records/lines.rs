//! Splitting lines: a record ends before a newline. Blank lines are no records among JSON
//! lines, and records like any other in plain text.

use memchr::memchr;

use super::Step;

/// What becomes of lines that hold nothing but spaces, tabs and carriage returns.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum BlankLines {
    /// They are no records.
    Vanish,
    /// They are records.
    Count,
}

/// Finds one line after the other. All offsets count from the input's start.
#[derive(Clone, Debug)]
pub(crate) struct LinesSplitter {
    /// First byte of the line in progress.
    line: u64,
    /// Bytes before this were already searched for a newline.
    searched: u64,
    blank: BlankLines,
}

impl LinesSplitter {
    pub fn new(start: u64, blank: BlankLines) -> Self {
        LinesSplitter { line: start, searched: start, blank }
    }

    #[inline]
    pub fn next(&mut self, base: u64, bytes: &[u8], last: bool) -> Step {
        let shown = base + bytes.len() as u64;
        loop {
            let from = (self.searched - base) as usize;
            let (end, next) = match memchr(b'\n', &bytes[from..]) {
                Some(at) => (self.searched + at as u64, self.searched + at as u64 + 1),
                None if last && self.line < shown => (shown, shown),
                None if last => return Step::End,
                None => {
                    self.searched = shown;
                    return Step::More { keep: self.line, seen: shown };
                }
            };
            let start = std::mem::replace(&mut self.line, next);
            self.searched = next;
            // A line whose beginning is no longer shown is long, not blank.
            if self.blank == BlankLines::Count
                || start < base
                || !is_blank(&bytes[(start - base) as usize..(end - base) as usize])
            {
                return Step::Record { start, end };
            }
        }
    }
}

/// Whether a line holds nothing but spaces, tabs and carriage returns.
fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, blank: BlankLines) -> Vec<(u64, u64)> {
        let mut splitter = LinesSplitter::new(0, blank);
        let mut found = Vec::new();
        while let Step::Record { start, end } = splitter.next(0, text.as_bytes(), true) {
            found.push((start, end));
        }
        found
    }

    #[test]
    fn blank_lines_vanish_and_a_carriage_return_stays() {
        let lines = |text| lines(text, BlankLines::Vanish);
        assert_eq!(lines("a\r\n\n \t\r\nb"), [(0, 2), (8, 9)]);
        assert_eq!(lines(""), []);
        assert_eq!(lines("\n\n"), []);
    }

    #[test]
    fn blank_lines_of_plain_text_are_lines() {
        let lines = |text| lines(text, BlankLines::Count);
        assert_eq!(lines("a\r\n\n \nb"), [(0, 2), (3, 3), (4, 5), (6, 7)]);
        assert_eq!(lines(""), []);
        assert_eq!(lines("\n\n"), [(0, 0), (1, 1)]);
    }

    #[test]
    fn a_line_is_found_however_the_bytes_arrive() {
        let text = b"abc\ndef";
        let mut splitter = LinesSplitter::new(0, BlankLines::Vanish);
        assert_eq!(splitter.next(0, &text[..2], false), Step::More { keep: 0, seen: 2 });
        assert_eq!(splitter.next(0, &text[..5], false), Step::Record { start: 0, end: 3 });
        assert_eq!(splitter.next(0, &text[..5], false), Step::More { keep: 4, seen: 5 });
        assert_eq!(splitter.next(4, &text[4..], true), Step::Record { start: 4, end: 7 });
        assert_eq!(splitter.next(4, &text[4..], true), Step::End);
    }
}
