//! The descriptors that a module has through WASI preview 1: standard input, output and error,
//! what each may still be used for, and what becomes of them when they are closed or moved.

use super::Stream;

/// Rights, as `typenames.witx` numbers them: to use the function of that name.
pub(super) const FD_READ: u64 = 1 << 1;
pub(super) const FD_FDSTAT_SET_FLAGS: u64 = 1 << 3;
pub(super) const FD_WRITE: u64 = 1 << 6;
pub(super) const FD_FILESTAT_GET: u64 = 1 << 21;
/// To wait for reading or writing, as far as that may be done.
pub(super) const POLL_FD_READWRITE: u64 = 1 << 27;

/// What a descriptor leads to.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum End {
    Input,
    Output(Stream),
}

/// An open descriptor.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct Descriptor {
    pub end: End,
    /// What it may be used for. Rights can only become fewer.
    pub rights: u64,
    /// Whether it blocks and the like, which makes no difference here; it is remembered.
    pub flags: u16,
}

/// Those that are open, by number. None is ever added.
#[derive(Debug)]
pub(super) struct Descriptors([Option<Descriptor>; 3]);

impl Default for Descriptors {
    fn default() -> Descriptors {
        let open = |end, right| {
            let rights = right | FD_FDSTAT_SET_FLAGS | FD_FILESTAT_GET | POLL_FD_READWRITE;
            Some(Descriptor { end, rights, flags: 0 })
        };
        Descriptors([
            open(End::Input, FD_READ),
            open(End::Output(Stream::Out), FD_WRITE),
            open(End::Output(Stream::Err), FD_WRITE),
        ])
    }
}

impl Descriptors {
    /// The one of this number, if it is open.
    pub fn get(&self, number: u32) -> Option<Descriptor> {
        *self.0.get(number as usize)?
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, number: u32) -> Option<&mut Descriptor> {
        self.0.get_mut(number as usize)?.as_mut()
    }

    /// Closes one; nothing if it is not open.
    pub fn close(&mut self, number: u32) -> Option<()> {
        self.0.get_mut(number as usize)?.take().map(|_| ())
    }

    /// Puts one in the place of another, which is closed by that; nothing if one of them is
    /// not open.
    pub fn renumber(&mut self, from: u32, to: u32) -> Option<()> {
        self.get(to)?;
        let moved = self.get(from)?;
        self.close(from)?;
        self.0[to as usize] = Some(moved);
        Some(())
    }
}
