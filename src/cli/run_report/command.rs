//! The command of a run, as one would type it.

use std::ffi::OsString;

use crate::cli::called;
use crate::cli::shell::quoted;

use super::Private;

/// What stands for what is held back.
const HIDDEN: &str = "…";

/// The command of a run.
pub struct Command {
    pub text: String,
    /// Something that plugins are told was held back: it may be secret.
    pub hides_words: bool,
}

impl Command {
    /// The words are those of this process, its name first.
    pub fn new(words: impl Iterator<Item = OsString>, private: Private) -> Command {
        let mut words = words;
        let text = called::name_in(words.next().as_deref());
        let mut command = Command { text, hides_words: false };
        let mut words = words.map(|word| word.to_string_lossy().into_owned());
        let mut all_are_inputs = private == Private::Shown;
        while let Some(word) = words.next() {
            all_are_inputs |= word == "--";
            let (flag, value) = match word.split_once('=') {
                _ if all_are_inputs => (word.as_str(), None),
                Some((flag, value)) => (flag, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            if all_are_inputs || !matches!(flag, "--param" | "--arg") {
                command.add(&word);
                continue;
            }
            command.add(flag);
            if let Some(value) = value.or_else(|| words.next()) {
                command.hides_words = true;
                // A parameter's name says what it is; a word of a command has none.
                let name = value.split_once('=').filter(|_| flag == "--param");
                command.add(
                    &name.map_or_else(|| HIDDEN.to_owned(), |(name, _)| format!("{name}={HIDDEN}")),
                );
            }
        }
        command
    }

    fn add(&mut self, word: &str) {
        self.text.push(' ');
        self.text += &quoted(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(words: &str, private: Private) -> String {
        Command::new(words.split(' ').map(OsString::from), private).text
    }

    #[test]
    fn what_plugins_are_told_is_held_back() {
        let words = "/bin/host --plugin p.wasm --param 2:key=se=cret --param=token=secret --arg \
                     secret --arg=secret -o it's.json -- --param a=b";
        assert_eq!(
            shown(words, Private::HeldBack),
            r"host --plugin p.wasm --param '2:key=…' --param 'token=…' --arg '…' --arg '…' -o 'it'\''s.json' -- --param a=b"
        );
        assert!(
            shown(words, Private::Shown).contains("--param 2:key=se=cret --param=token=secret")
        );
    }
}
