//! Finding the array that a JSON Pointer names inside a JSON text, and following the
//! text behind it to its end. Every byte is looked at once, from the first to the last;
//! no more is held than the name of one member.

use std::sync::Arc;

use memchr::memchr2;

use super::{Fault, JsonSplitter, Pointer, Step};

/// What has come of looking for the array.
#[derive(Debug)]
pub(crate) enum Seek {
    /// Its `[` stands just before this byte.
    Found { start: u64 },
    /// Everything shown was looked at, up to this byte: go on from there.
    More { seen: u64 },
    /// The structure is broken here.
    Fault(Fault),
    /// There is no such array, and why.
    Missing(String),
    /// The text is whole.
    End,
}

/// An object or array that is open here and that the pointer leads into.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Open {
    Object,
    /// Holds how many commas have passed: the index of the element in progress.
    Array(u64),
}

/// Whether a value is the one that the pointer leads into.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Role {
    OnTheWay,
    Aside,
}

/// What may stand here.
#[derive(Clone, Debug)]
enum Expects {
    Value(Role),
    /// Just after a `[`: an element or `]`.
    FirstElement,
    /// Just after a `{`: a name or `}`.
    FirstName,
    /// After a comma in an object.
    Name,
    /// The rest of a name; the byte before was a backslash that counts, or not.
    InName {
        escaped: bool,
    },
    Colon(Role),
    /// A comma, or what closes; at the outermost level, nothing.
    AfterValue,
    /// The rest of a value that the pointer does not lead into.
    Passing(JsonSplitter),
}

/// Follows a JSON text to the array that a pointer names. Offsets count from the
/// input's start.
#[derive(Clone, Debug)]
pub(crate) struct Seeker {
    pointer: Arc<Pointer>,
    /// The next byte to look at.
    at: u64,
    /// What is open, from the outside in; never more than the pointer has steps.
    open: Vec<Open>,
    expects: Expects,
    /// The name in progress as it is written, with quotes, as far as it can matter.
    name: Vec<u8>,
    /// The array was found; what follows is only checked.
    found: bool,
}

/// Why the next byte is not gone past.
enum Halt {
    Found,
    Fault(&'static str),
    Missing(String),
}

impl Seeker {
    /// For a text that begins at `start`.
    pub fn new(pointer: Arc<Pointer>, start: u64) -> Seeker {
        Seeker {
            pointer,
            at: start,
            open: Vec::new(),
            expects: Expects::Value(Role::OnTheWay),
            name: Vec::new(),
            found: false,
        }
    }

    /// Goes on behind the array that was found.
    pub fn go_on_at(&mut self, closed: u64) {
        self.at = closed;
    }

    /// Where it goes on.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Looks on, at `bytes`, whose first stands at offset `base` of the input; `last`
    /// says that nothing follows them.
    pub fn seek(&mut self, base: u64, bytes: &[u8], last: bool) -> Seek {
        let shown = base + bytes.len() as u64;
        loop {
            if let Expects::Passing(splitter) = &mut self.expects {
                match splitter.next(base, bytes, last) {
                    Step::Record { end, .. } => {
                        self.at = end;
                        self.expects = Expects::AfterValue;
                    }
                    Step::More { seen, .. } => return Seek::More { seen },
                    Step::Fault(fault) => return Seek::Fault(fault),
                    // A value has begun: this is not its end.
                    Step::End => return self.end(shown),
                }
            }
            let rest = &bytes[(self.at - base) as usize..];
            let Some(&byte) = rest.first() else {
                return if last { self.end(shown) } else { Seek::More { seen: shown } };
            };
            let halt = match self.expects {
                Expects::InName { escaped } => {
                    self.name(rest, escaped);
                    continue;
                }
                _ if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') => {
                    self.at += 1;
                    continue;
                }
                _ => self.token(byte),
            };
            match halt {
                Ok(()) => {}
                Err(Halt::Found) => return Seek::Found { start: self.at },
                Err(Halt::Missing(why)) => return Seek::Missing(why),
                Err(Halt::Fault(what)) => {
                    return Seek::Fault(Fault { at: self.at, what: what.into() });
                }
            }
        }
    }

    /// Goes past one token, or the first byte of a name or of a value.
    fn token(&mut self, byte: u8) -> Result<(), Halt> {
        let next = match (&self.expects, byte) {
            (Expects::FirstElement, b']') | (Expects::FirstName, b'}') => return self.close(),
            (Expects::FirstElement, _) => return self.value(byte, self.role_of_element()),
            (Expects::Value(role), _) => return self.value(byte, *role),
            (Expects::FirstName | Expects::Name, b'"') => {
                self.name.clear();
                self.name.push(b'"');
                Expects::InName { escaped: false }
            }
            (Expects::FirstName | Expects::Name, _) => {
                return Err(Halt::Fault("a member's name is missing here"));
            }
            (Expects::Colon(role), b':') => Expects::Value(*role),
            (Expects::Colon(_), _) => {
                return Err(Halt::Fault("a colon is missing after a member's name"));
            }
            (_, byte) => match (self.open.last_mut(), byte) {
                (Some(Open::Object), b',') => Expects::Name,
                (Some(Open::Array(index)), b',') => {
                    *index += 1;
                    Expects::Value(self.role_of_element())
                }
                (Some(Open::Object), b'}') | (Some(Open::Array(_)), b']') => return self.close(),
                (Some(Open::Object), _) => {
                    return Err(Halt::Fault("a comma or `}` is missing after a member"));
                }
                (Some(Open::Array(_)), _) => {
                    return Err(Halt::Fault("a comma or `]` is missing after an array element"));
                }
                (None, _) => {
                    return Err(Halt::Fault(
                        "there is more after the JSON text; with --records an input is one text",
                    ));
                }
            },
        };
        self.expects = next;
        self.at += 1;
        Ok(())
    }

    /// Begins a value.
    fn value(&mut self, first: u8, role: Role) -> Result<(), Halt> {
        match first {
            b',' => return Err(Halt::Fault("a comma stands where a value is expected")),
            b':' => return Err(Halt::Fault("a colon stands where a value is expected")),
            b']' | b'}' => return Err(Halt::Fault("a bracket closes where a value is expected")),
            _ => {}
        }
        if role == Role::Aside {
            self.expects = Expects::Passing(JsonSplitter::sequence(self.at));
            return Ok(());
        }
        let steps = self.open.len();
        let token = self.pointer.tokens().get(steps);
        let (open, expects) = match (first, token) {
            (b'[', None) => {
                self.found = true;
                self.expects = Expects::AfterValue;
                self.at += 1;
                return Err(Halt::Found);
            }
            (b'{', Some(_)) => (Open::Object, Expects::FirstName),
            (b'[', Some(token)) if index(token).is_some() => {
                (Open::Array(0), Expects::FirstElement)
            }
            (b'[', Some(token)) => {
                let place = self.place(steps);
                return Err(Halt::Missing(format!("{place} is an array, and {token:?} no index")));
            }
            (other, _) => {
                return Err(Halt::Missing(format!("{} is {}", self.place(steps), kind(other))));
            }
        };
        self.open.push(open);
        self.expects = expects;
        self.at += 1;
        Ok(())
    }

    /// Goes past what closes the innermost object or array.
    fn close(&mut self) -> Result<(), Halt> {
        if !self.found {
            // The pointer leads into this and into nothing of what there was in it.
            let steps = self.open.len() - 1;
            let (place, token) = (self.place(steps), &self.pointer.tokens()[steps]);
            let empty = matches!(self.expects, Expects::FirstElement);
            return Err(Halt::Missing(match self.open[steps] {
                Open::Object => format!("{place} is an object without a member {token:?}"),
                Open::Array(_) if empty => format!("{place} is an array without elements"),
                Open::Array(0) => format!("{place} is an array with 1 element"),
                Open::Array(index) => format!("{place} is an array with {} elements", index + 1),
            }));
        }
        self.open.pop();
        self.expects = Expects::AfterValue;
        self.at += 1;
        Ok(())
    }

    /// Goes on in a member's name.
    fn name(&mut self, rest: &[u8], escaped: bool) {
        let quote = memchr2(b'"', b'\\', rest).filter(|_| !escaped);
        let (length, expects) = match quote {
            _ if escaped => (1, Expects::InName { escaped: false }),
            Some(found) if rest[found] == b'"' => (found + 1, Expects::Colon(Role::Aside)),
            Some(found) => (found + 1, Expects::InName { escaped: true }),
            None => (rest.len(), Expects::InName { escaped: false }),
        };
        self.at += length as u64;
        self.expects = expects;
        if self.found {
            return;
        }
        // A longer one cannot be the wanted one, however it is escaped.
        let token = &self.pointer.tokens()[self.open.len() - 1];
        let room = (3 + LONGEST_ESCAPE * token.len()).saturating_sub(self.name.len());
        self.name.extend_from_slice(&rest[..length.min(room)]);
        if let Expects::Colon(role) = &mut self.expects
            && serde_json::from_slice(&self.name).is_ok_and(|name: String| name == *token)
        {
            *role = Role::OnTheWay;
        }
    }

    fn role_of_element(&self) -> Role {
        let (Some(Open::Array(at)), false) = (self.open.last(), self.found) else {
            return Role::Aside;
        };
        let token = &self.pointer.tokens()[self.open.len() - 1];
        if index(token) == Some(*at) { Role::OnTheWay } else { Role::Aside }
    }

    /// What it means that the text ends here.
    fn end(&self, shown: u64) -> Seek {
        match self.expects {
            Expects::AfterValue if self.open.is_empty() => Seek::End,
            Expects::Value(_) if self.open.is_empty() => {
                Seek::Missing("there is no value in it".into())
            }
            _ => Seek::Fault(Fault {
                at: shown,
                what: "the input ends before its JSON text is whole".into(),
            }),
        }
    }

    /// What a message calls the value so many steps on the pointer's way.
    fn place(&self, steps: usize) -> String {
        match steps {
            0 => "the whole text".into(),
            _ => self.pointer.prefix(steps).to_string(),
        }
    }
}

/// A byte of a name takes so many where it is escaped (`\u0061`).
const LONGEST_ESCAPE: usize = 6;

/// The index that a step means where it leads into an array.
fn index(token: &str) -> Option<u64> {
    let plain = token == "0" || !token.starts_with(['0', '+']);
    token.parse().ok().filter(|_| plain)
}

/// What a value is that begins with this byte.
fn kind(first: u8) -> &'static str {
    match first {
        b'{' => "an object",
        b'[' => "an array",
        b'"' => "a string",
        b'n' => "null",
        b't' | b'f' => "true or false",
        _ => "a number",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_not_held() {
        let mut seeker = Seeker::new(Arc::new("/a".parse().unwrap()), 0);
        let text = format!("{{\"{}\": 1, \"a\": []}}", "x".repeat(1 << 20));
        assert!(matches!(seeker.seek(0, text.as_bytes(), true), Seek::Found { .. }));
        assert!(seeker.name.capacity() < 1000);
    }
}
