//! What can be done to a text.

use unicode_normalization::UnicodeNormalization as _;

/// One of the things that can be done.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Step {
    Nfc,
    Nfd,
    Nfkc,
    Nfkd,
    Fold,
    Accents,
    Space,
}

impl Step {
    /// By its name.
    pub fn parse(name: &str) -> Result<Step, String> {
        Ok(match name {
            "nfc" => Step::Nfc,
            "nfd" => Step::Nfd,
            "nfkc" => Step::Nfkc,
            "nfkd" => Step::Nfkd,
            "fold" => Step::Fold,
            "accents" => Step::Accents,
            "space" => Step::Space,
            _ => {
                return Err(format!(
                    "`{name}` is no step; there are nfc, nfd, nfkc, nfkd, fold, accents and space"
                ));
            }
        })
    }

    pub fn apply(self, text: &str) -> String {
        match self {
            // The forms of Unicode: composed or decomposed (d), and with what only looks
            // different, as full-width letters and ligatures, made the same (k).
            Step::Nfc => text.nfc().collect(),
            Step::Nfd => text.nfd().collect(),
            Step::Nfkc => text.nfkc().collect(),
            Step::Nfkd => text.nfkd().collect(),
            // Without the difference of large and small letters; `ß` becomes `ss`.
            Step::Fold => caseless::default_case_fold_str(text),
            Step::Accents => text.nfd().filter(|letter| !is_accent(*letter)).nfc().collect(),
            // One space for any run of white space, and none at either end.
            Step::Space => text.split_whitespace().collect::<Vec<_>>().join(" "),
        }
    }
}

/// A mark above, below or through a letter of Latin, Greek or Cyrillic. Those of other
/// scripts make another letter or are vowels, and stay.
fn is_accent(letter: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&letter)
}
