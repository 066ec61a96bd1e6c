//! Making words of others fit to be shown: what a plugin or its author wrote may
//! hold control characters, which a terminal would obey. And numbers.

use crate::error::Grouped;

/// A number with its digits in groups of three, as people read it.
pub fn grouped(number: u64) -> String {
    Grouped(number).to_string()
}

/// `text` with control characters and invisible direction marks escaped, so that a
/// terminal that shows it does not obey it.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        let direction = matches!(character, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if character.is_control() || direction {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn a_terminal_is_not_commanded() {
        assert_eq!(printable("a\u{1b}[31mb\r\n"), "a\\u{1b}[31mb\\r\\n");
        assert_eq!(printable("grün \u{202e}"), "grün \\u{202e}");
    }
}
