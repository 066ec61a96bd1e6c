//! States as bytes: a line that says what it is and of which parameters, and behind it
//! what the plugin puts there. Lengths and integers are little-endian.
#![allow(dead_code, reason = "no plugin needs all of it")]

/// A state in the making.
pub struct Writer(Vec<u8>);

impl Writer {
    /// `plugin` is its name and the version of its layout; `label` tells states of some
    /// parameters from those of others, and has no line break.
    pub fn new(plugin: &str, label: &str) -> Writer {
        Writer(header(plugin, label).into_bytes())
    }

    /// A length in 4 bytes, and the bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        // It is a part of a record, and records are shorter than 4 GiB.
        self.0.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    pub fn u64(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub fn i128(&mut self, number: i128) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// A state that is read.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// # Errors
    /// It is the state of another plugin, or of other parameters.
    pub fn new(plugin: &str, label: &str, state: &'a [u8]) -> Result<Reader<'a>, String> {
        match state.strip_prefix(header(plugin, label).as_bytes()) {
            Some(rest) => Ok(Reader(rest)),
            None if state.starts_with(plugin.as_bytes()) => {
                Err("a state was made with other parameters than these".into())
            }
            None => Err(format!("a state is not one of {plugin}")),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn bytes(&mut self) -> Result<&'a [u8], String> {
        let length = u32::from_le_bytes(self.array()?) as usize;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or_else(damaged)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub fn text(&mut self) -> Result<&'a str, String> {
        std::str::from_utf8(self.bytes()?).map_err(|_| damaged())
    }

    pub fn u64(&mut self) -> Result<u64, String> {
        self.array().map(u64::from_le_bytes)
    }

    pub fn i128(&mut self) -> Result<i128, String> {
        self.array().map(i128::from_le_bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (array, rest) = self.0.split_first_chunk().ok_or_else(damaged)?;
        self.0 = rest;
        Ok(*array)
    }
}

pub fn damaged() -> String {
    "the state is damaged".to_owned()
}

fn header(plugin: &str, label: &str) -> String {
    format!("{plugin} {label}\n")
}
