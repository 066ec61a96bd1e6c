//! Words as a shell takes them, for commands that are shown to be copied.

use host::printable;

/// A word as a shell takes it.
pub fn quoted(word: impl AsRef<str>) -> String {
    let word = word.as_ref();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_=./,:@%+".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return printable(word);
    }
    format!("'{}'", printable(&word.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell_where_that_is_needed() {
        assert_eq!(quoted("type=PushEvent"), "type=PushEvent");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
