//! JSON Pointer (RFC 6901): names one place inside a JSON text.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// A place inside a JSON text: `/items`, `/data/0/rows`, or nothing for the whole text.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Pointer {
    /// Names of members and indexes of elements on the way, without escapes.
    tokens: Vec<String>,
}

impl Pointer {
    pub(crate) fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// The pointer to what lies on the way to this one's place, so many steps in.
    pub(crate) fn prefix(&self, steps: usize) -> Pointer {
        Pointer { tokens: self.tokens[..steps].to_vec() }
    }
}

impl FromStr for Pointer {
    type Err = Error;

    fn from_str(text: &str) -> Result<Pointer, Error> {
        let wrong = |why: &str| {
            Error::Usage(format!("{text:?} is no JSON Pointer: {why} (--records /items)"))
        };
        if text.is_empty() {
            return Ok(Pointer::default());
        }
        let steps = text.strip_prefix('/').ok_or_else(|| wrong("it does not begin with /"))?;
        let unescape = |token: &str| {
            // What follows each `~` has to be 0 or 1.
            let mut escapes = token.split('~').skip(1);
            escapes
                .all(|after| after.starts_with(['0', '1']))
                .then(|| token.replace("~1", "/").replace("~0", "~"))
                .ok_or_else(|| wrong("~ stands for itself as ~0, and / as ~1"))
        };
        let tokens = steps.split('/').map(unescape).collect::<Result<_, Error>>()?;
        Ok(Pointer { tokens })
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for token in &self.tokens {
            write!(f, "/{}", token.replace('~', "~0").replace('/', "~1"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_was_read() {
        for (text, tokens) in [
            ("", vec![]),
            ("/", vec![""]),
            ("/a/0", vec!["a", "0"]),
            ("/a~1b/~0~01/", vec!["a/b", "~~1", ""]),
        ] {
            let pointer: Pointer = text.parse().unwrap();
            assert_eq!(pointer.tokens(), tokens);
            assert_eq!(pointer.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        for text in ["items", "/a~", "/a~2", "/~~0", "#/a"] {
            assert!(text.parse::<Pointer>().is_err(), "{text}");
        }
    }
}
