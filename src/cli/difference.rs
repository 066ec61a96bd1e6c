//! What differs between two texts, for a person to read.

use std::time::Duration;

use anstyle::{AnsiColor, Effects, Style};
use host::printable;
use similar::{ChangeTag, InlineChangeMode, InlineChangeOptions, TextDiff};

/// Lines around a difference that are shown with it.
const AROUND: usize = 2;
/// How many lines are shown at most.
const SHOWN: usize = 60;
/// How long to look for the smallest difference of large texts: after that, a larger one is
/// shown.
const PATIENCE: Duration = Duration::from_secs(1);

/// The lines that differ, each after the sign of what it is: `-` is expected and missing, `+`
/// came out and is not expected. Within lines that are alike, what differs is emphasised.
/// Empty where there is no difference.
pub fn show(expected: &str, found: &str) -> String {
    let difference = TextDiff::configure().timeout(PATIENCE).diff_lines(expected, found);
    let mut within = InlineChangeOptions::new();
    // JSON has no spaces between words.
    within.mode(InlineChangeMode::Chars).semantic_cleanup(true);
    let mut lines = Vec::new();
    for group in difference.grouped_ops(AROUND) {
        for (place, operation) in group.iter().enumerate() {
            if place == 0 {
                lines.push(format!("line {}:", operation.old_range().start + 1));
            }
            for change in difference.iter_inline_changes_with_options(operation, within) {
                let (sign, style) = match change.tag() {
                    ChangeTag::Equal => (' ', Style::new()),
                    ChangeTag::Delete => ('-', AnsiColor::Red.on_default()),
                    ChangeTag::Insert => ('+', AnsiColor::Green.on_default()),
                };
                let mut line = format!("{style}{sign} ");
                for (emphasised, text) in change.iter_strings_lossy() {
                    let text = printable(text.trim_end_matches('\n'));
                    if emphasised {
                        let strong = style.effects(Effects::BOLD | Effects::UNDERLINE);
                        line += &format!("{style:#}{strong}{text}{strong:#}{style}");
                    } else {
                        line += &text;
                    }
                }
                line += &format!("{style:#}");
                if change.missing_newline() {
                    line += "   (without a line break)";
                }
                lines.push(line);
            }
        }
    }
    if let Some(more) = lines.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        lines.truncate(SHOWN);
        lines.push(format!("... and {more} lines more"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without what a terminal makes colours of.
    fn plain(expected: &str, found: &str) -> String {
        anstream::adapter::strip_str(&show(expected, found)).to_string()
    }

    #[test]
    fn what_is_missing_and_what_is_new_is_shown_with_the_lines_around_it() {
        assert_eq!(plain("a\nb\n", "a\nb\n"), "");
        assert_eq!(
            plain("1\n2\n3\n4\n5\n6\n", "1\n2\n3\nx\n5\n6\n7\n"),
            "line 2:\n  2\n  3\n- 4\n+ x\n  5\n  6\n+ 7"
        );
        // One line less is one difference, and not one in each line after it.
        assert_eq!(plain("1\n2\n3\n4\n", "2\n3\n4\n"), "line 1:\n- 1\n  2\n  3");
        assert_eq!(plain("a\n", "a"), "line 1:\n- a\n+ a   (without a line break)");
    }

    #[test]
    fn what_differs_within_a_line_is_emphasised() {
        let shown = show("{\"name\":\"one\",\"n\":1}\n", "{\"name\":\"six\",\"n\":1}\n");
        let strong = AnsiColor::Green.on_default().effects(Effects::BOLD | Effects::UNDERLINE);
        assert!(shown.contains(&format!("{strong}six{strong:#}")), "{shown}");
    }

    #[test]
    fn long_differences_are_cut_and_nothing_in_them_reaches_the_terminal() {
        let many: String = (0..1000).map(|n| format!("\u{1b}[2J{n}\n")).collect();
        let shown = plain("", &many);
        assert!(shown.ends_with("... and 941 lines more"), "{shown}");
        assert!(!show("", &many).contains("\u{1b}[2J"));
    }
}
