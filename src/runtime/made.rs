//! Records that a plugin has made of one, on their way out of it.

/// Bytes that a record counts for besides its text, so that empty ones are not free.
const OVERHEAD: usize = 8;

/// A plugin's answer was larger than is allowed.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the plugin made more of one record than --max-output allows")]
pub(crate) struct TooMuch;

/// Texts, one after the other, of a bounded size together. Used again for each record.
#[derive(Debug)]
pub(crate) struct Made {
    text: String,
    ends: Vec<usize>,
    limit: usize,
}

impl Made {
    /// For at most `limit` bytes.
    pub fn new(limit: u64) -> Made {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Made { text: String::new(), ends: Vec::new(), limit }
    }

    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    pub fn push(&mut self, text: &str) -> Result<(), TooMuch> {
        let size = self.text.len() + text.len() + (self.ends.len() + 1) * OVERHEAD;
        if size > self.limit.saturating_add(OVERHEAD) {
            return Err(TooMuch);
        }
        self.text.push_str(text);
        self.ends.push(self.text.len());
        Ok(())
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.text[start..*end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_out_as_they_went_in() {
        let mut made = Made::new(100);
        for text in ["one", "", "three"] {
            made.push(text).unwrap();
        }
        assert_eq!(made.iter().collect::<Vec<_>>(), ["one", "", "three"]);
        made.clear();
        assert_eq!(made.iter().count(), 0);
    }

    #[test]
    fn neither_long_nor_many_texts_pass_the_limit() {
        let mut made = Made::new(100);
        assert_eq!(made.push(&"x".repeat(101)), Err(TooMuch));
        made.push(&"x".repeat(100)).unwrap();
        made.clear();
        let pushed = std::iter::repeat_with(|| made.push("")).take_while(Result::is_ok).count();
        assert_eq!(pushed, 13);
    }
}
