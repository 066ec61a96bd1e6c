//! Shared memory between the supervisor and one worker's place. A slot carries one
//! range: its bytes on the way in (streams), its output and text on the way out.
//!
//! Two memory files make a slot:
//! * *input*: one page of control words, then bytes. The supervisor writes; sealed
//!   so that no later mapping can, nor anyone change its size.
//! * *output*: one page with the progress word, the text area, the output area.
//!   The worker writes; sealed against any change of size. The supervisor never
//!   makes a Rust reference into it, because a worker may change it at any time: it
//!   copies out.
//!
//! Sizes are generous (the longest record must fit); only touched pages cost memory.
#![allow(unsafe_code, reason = "shared memory is made of raw mappings")]

use std::ffi::c_void;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::protocol::{Layout, TEXT_BYTES};

/// Bytes before the payload of either memory.
const PAGE: usize = 4096;

/// What a worker is doing in a slot, as its progress word says.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// No plugin code runs.
    Idle,
    /// The plugin is being instantiated: its start function may run.
    Instantiating,
    /// The plugin gives, merges or finishes states.
    AtState,
    /// The plugin is at the record that begins at this offset of the input.
    Record(u64),
}

impl Progress {
    fn word(self) -> u64 {
        match self {
            Progress::Idle => u64::MAX,
            Progress::Instantiating => u64::MAX - 1,
            Progress::AtState => u64::MAX - 2,
            Progress::Record(offset) => offset,
        }
    }

    fn from_word(word: u64) -> Progress {
        match word {
            u64::MAX => Progress::Idle,
            w if w == u64::MAX - 1 => Progress::Instantiating,
            w if w == u64::MAX - 2 => Progress::AtState,
            offset => Progress::Record(offset),
        }
    }
}

/// A mapping of a whole memory file.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping is memory like any other; what is shared with another process
// is only touched through atomics, raw copies, or by the side that owns it.
unsafe impl Send for Mapping {}

impl Mapping {
    /// What is written on one side is seen on the other.
    fn new(file: &OwnedFd, length: usize, protection: ProtFlags) -> io::Result<Mapping> {
        Mapping::with(file, length, protection, MapFlags::SHARED)
    }

    fn with(
        file: &OwnedFd,
        length: usize,
        protection: ProtFlags,
        flags: MapFlags,
    ) -> io::Result<Mapping> {
        // SAFETY: a new mapping at a place of the kernel's choice; the file has
        // `length` bytes and is (or will be, before others see it) sealed to them.
        let start = unsafe { mmap(ptr::null_mut(), length, protection, flags, file, 0)? };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Mapping { start, length })
    }

    /// The word at the start of the page of words, `index` words in.
    fn word(&self, index: usize) -> &AtomicU64 {
        assert!(index < PAGE / 8);
        // SAFETY: inside the first page, aligned because mappings are page-aligned,
        // and only ever accessed as an atomic.
        unsafe { &*self.start.as_ptr().cast::<AtomicU64>().add(index) }
    }

    /// The address of a byte, after a check that `length` bytes follow it.
    fn at(&self, offset: usize, length: usize) -> *mut u8 {
        let end = offset.checked_add(length);
        assert!(end.is_some_and(|end| end <= self.length), "outside of the slot");
        // SAFETY: inside the mapping, as just checked.
        unsafe { self.start.as_ptr().add(offset) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nothing borrowed from it outlives it. A
        // failure would leave it mapped, which is harmless.
        let _ = unsafe { munmap(self.start.as_ptr().cast::<c_void>(), self.length) };
    }
}

fn memory(name: &str, length: usize) -> io::Result<OwnedFd> {
    let file = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&file, length as u64)?;
    Ok(file)
}

fn sizes(layout: Layout) -> io::Result<(usize, usize)> {
    let too_large = |_| io::Error::from(io::ErrorKind::OutOfMemory);
    let input = usize::try_from(layout.input).map_err(too_large)?;
    let output = usize::try_from(layout.output).map_err(too_large)?;
    Ok((PAGE + input, PAGE + TEXT_BYTES + output))
}

const READ_WRITE: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);
const FIXED_SIZE: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

/// A slot as the supervisor sees it. It outlives the workers that use it.
#[derive(Debug)]
pub(crate) struct SupervisorSlot {
    input: Mapping,
    output: Mapping,
    input_file: OwnedFd,
    output_file: OwnedFd,
}

impl SupervisorSlot {
    /// Makes the two memories, maps and seals them.
    pub fn new(layout: Layout) -> io::Result<SupervisorSlot> {
        let (input_bytes, output_bytes) = sizes(layout)?;
        let input_file = memory("slot-input", input_bytes)?;
        let output_file = memory("slot-output", output_bytes)?;
        let input = Mapping::new(&input_file, input_bytes, READ_WRITE)?;
        let output = Mapping::new(&output_file, output_bytes, READ_WRITE)?;
        // After this only the mapping above can write; whoever receives the file
        // cannot map it writable, write it or change its size.
        fcntl_add_seals(&input_file, FIXED_SIZE | SealFlags::FUTURE_WRITE)?;
        fcntl_add_seals(&output_file, FIXED_SIZE)?;
        let slot = SupervisorSlot { input, output, input_file, output_file };
        slot.forget_progress();
        Ok(slot)
    }

    /// The two files, input first, for a worker to inherit.
    pub fn files(&self) -> [&OwnedFd; 2] {
        [&self.input_file, &self.output_file]
    }

    /// How many bytes there is room for on the way in.
    pub fn input_room(&self) -> usize {
        self.input.length - PAGE
    }

    /// Puts a header and a range's bytes, one behind the other, where the worker reads
    /// them.
    ///
    /// # Errors
    /// More bytes than the slot has room for.
    pub fn fill(&mut self, parts: [&[u8]; 2]) -> io::Result<()> {
        if parts[0].len() + parts[1].len() > self.input_room() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut at = PAGE;
        for bytes in parts {
            let target = self.input.at(at, bytes.len());
            // SAFETY: `target` has room for the bytes, as checked; no reference into the
            // mapping exists on this side, and the worker reads it only after the
            // request that follows.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) };
            at += bytes.len();
        }
        Ok(())
    }

    /// Copies bytes that were put where the worker reads them; `None` if there cannot be
    /// so many. The worker cannot have changed them.
    pub fn copy_input(&self, offset: u64, length: u64) -> Option<Vec<u8>> {
        let (offset, length) = (usize::try_from(offset).ok()?, usize::try_from(length).ok()?);
        let end = offset.checked_add(length)?;
        (end <= self.input_room()).then(|| copy(&self.input, PAGE + offset, length, Vec::new()))
    }

    /// Asks the worker to stop (or not) after the record in progress.
    pub fn ask_to_yield(&self, yes: Yield) {
        self.input.word(0).store(u64::from(yes == Yield::Now), Ordering::Release);
    }

    /// What the worker says it is doing.
    pub fn progress(&self) -> Progress {
        Progress::from_word(self.output.word(0).load(Ordering::Acquire))
    }

    /// Clears the progress of a worker that is gone.
    pub fn forget_progress(&self) {
        self.output.word(0).store(Progress::Idle.word(), Ordering::Release);
    }

    /// Copies the first `length` bytes of output to `room`, in place of what is there; `None`
    /// if there cannot be so many.
    pub fn copy_output(&self, length: u64, room: Vec<u8>) -> Option<Vec<u8>> {
        let length = usize::try_from(length).ok()?;
        (length <= self.output.length - PAGE - TEXT_BYTES)
            .then(|| copy(&self.output, PAGE + TEXT_BYTES, length, room))
    }

    /// Copies the first `length` bytes of text, `None` if there cannot be so many.
    pub fn copy_text(&self, length: u32) -> Option<Vec<u8>> {
        let length = length as usize;
        (length <= TEXT_BYTES).then(|| copy(&self.output, PAGE, length, Vec::new()))
    }
}

/// Copies bytes out of a mapping, in place of what is in `bytes`.
fn copy(mapping: &Mapping, offset: usize, length: usize, mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.clear();
    if bytes.capacity() < length {
        // Whole pages, so that there is room for a little more the next time.
        let room = if length < PAGE { length } else { length.next_multiple_of(PAGE) };
        bytes = Vec::with_capacity(room);
    }
    let source = mapping.at(offset, length);
    // SAFETY: source and target have `length` bytes; they do not overlap; bytes
    // have no invalid value, so a worker that writes meanwhile only garbles its
    // own output.
    unsafe {
        ptr::copy_nonoverlapping(source, bytes.as_mut_ptr(), length);
        bytes.set_len(length);
    }
    bytes
}

/// Whether a worker should stop after the record in progress.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Yield {
    No,
    Now,
}

/// A slot as its worker sees it.
#[derive(Debug)]
pub(crate) struct WorkerSlot {
    input: Mapping,
    output: Mapping,
}

/// The parts of a slot that one attempt uses.
pub(crate) struct Parts<'a> {
    pub control: Control<'a>,
    pub input: &'a [u8],
    pub text: &'a mut [u8],
    pub output: &'a mut [u8],
}

/// The two words through which supervisor and worker watch each other.
#[derive(Copy, Clone)]
pub(crate) struct Control<'a> {
    asked: &'a AtomicU64,
    progress: &'a AtomicU64,
}

impl Control<'_> {
    /// Says what this worker is about to do.
    pub fn announce(self, progress: Progress) {
        self.progress.store(progress.word(), Ordering::Release);
    }

    /// Whether the supervisor wants the attempt to end soon.
    pub fn asked_to_yield(self) -> bool {
        self.asked.load(Ordering::Acquire) != 0
    }
}

impl WorkerSlot {
    /// Maps the inherited memories; the files can be closed afterwards.
    pub fn map(input: impl AsFd, output: impl AsFd, layout: Layout) -> io::Result<WorkerSlot> {
        let (input_bytes, output_bytes) = sizes(layout)?;
        let input = input.as_fd().try_clone_to_owned()?;
        let output = output.as_fd().try_clone_to_owned()?;
        Ok(WorkerSlot {
            input: Mapping::new(&input, input_bytes, ProtFlags::READ)?,
            output: Mapping::new(&output, output_bytes, READ_WRITE)?,
        })
    }

    /// Everything an attempt needs; `length` bytes of input were put there.
    pub fn parts(&mut self, length: usize) -> Parts<'_> {
        let text_start = self.output.at(PAGE, TEXT_BYTES);
        let output_length = self.output.length - PAGE - TEXT_BYTES;
        let output_start = self.output.at(PAGE + TEXT_BYTES, output_length);
        let input_start = self.input.at(PAGE, length);
        // SAFETY: three stretches that do not overlap each other or the pages of
        // words. The borrow of `self` keeps this side from making them twice. The
        // supervisor writes the input only before the request that leads here, and
        // only reads the output.
        unsafe {
            Parts {
                control: Control { asked: self.input.word(0), progress: self.output.word(0) },
                input: std::slice::from_raw_parts(input_start, length),
                text: std::slice::from_raw_parts_mut(text_start, TEXT_BYTES),
                output: std::slice::from_raw_parts_mut(output_start, output_length),
            }
        }
    }
}

/// The bytes of a sealed memory file, where they are: nothing is copied.
#[derive(Debug)]
pub(crate) struct Sealed(Option<Mapping>);

// SAFETY: nobody can write these bytes.
unsafe impl Sync for Sealed {}

impl Sealed {
    /// Maps the memory; the file can be closed afterwards.
    ///
    /// # Errors
    /// It is not sealed against writing and shrinking: then its bytes could change, or go.
    pub fn map(memory: &OwnedFd) -> io::Result<Sealed> {
        let needed = SealFlags::WRITE | SealFlags::SHRINK;
        if !rustix::fs::fcntl_get_seals(memory)?.contains(needed) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let length = rustix::fs::fstat(memory)?.st_size;
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
        // There is no mapping of nothing.
        // A private one has the same pages; a shared one of memory that is sealed
        // against writing is refused by kernels before 6.7.
        let map = || Mapping::with(memory, length, ProtFlags::READ, MapFlags::PRIVATE);
        let mapping = (length > 0).then(map);
        Ok(Sealed(mapping.transpose()?))
    }
}

impl AsRef<[u8]> for Sealed {
    fn as_ref(&self) -> &[u8] {
        let Some(mapping) = &self.0 else { return &[] };
        // SAFETY: the mapping is as long as this says and lives as long as `self`; its
        // bytes cannot change, because the file is sealed.
        unsafe { std::slice::from_raw_parts(mapping.start.as_ptr(), mapping.length) }
    }
}

/// Memory for something that one process makes and others only read: a compiled
/// plugin, a report.
pub(crate) fn handover(name: &str) -> io::Result<OwnedFd> {
    memory(name, 0)
}

/// Makes handed-over memory unchangeable for good.
///
/// # Errors
/// Somebody still has it mapped for writing.
pub(crate) fn seal(memory: &OwnedFd) -> io::Result<()> {
    Ok(fcntl_add_seals(memory, FIXED_SIZE | SealFlags::WRITE)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout { input: 10_000, output: 10_000 };

    #[test]
    fn bytes_pass_both_ways() {
        let mut ours = SupervisorSlot::new(LAYOUT).unwrap();
        let [input, output] = ours.files();
        let mut theirs = WorkerSlot::map(input, output, LAYOUT).unwrap();
        ours.fill([b"rec", b"ord"]).unwrap();
        ours.ask_to_yield(Yield::Now);
        let parts = theirs.parts(6);
        assert_eq!(parts.input, b"record");
        assert!(parts.control.asked_to_yield());
        parts.control.announce(Progress::Record(7));
        parts.output[..3].copy_from_slice(b"out");
        parts.text[..4].copy_from_slice(b"text");
        assert_eq!(ours.progress(), Progress::Record(7));
        assert_eq!(ours.copy_output(3, Vec::new()).unwrap(), b"out");
        assert_eq!(ours.copy_text(4).unwrap(), b"text");
        assert_eq!(ours.copy_input(3, 3).unwrap(), b"ord");
    }

    #[test]
    fn lengths_that_cannot_be_are_refused() {
        let mut slot = SupervisorSlot::new(LAYOUT).unwrap();
        assert!(slot.copy_output(10_000, Vec::new()).is_some());
        assert!(slot.copy_output(10_001, Vec::new()).is_none());
        assert!(slot.copy_output(u64::MAX, Vec::new()).is_none());
        assert!(slot.copy_text(TEXT_BYTES as u32 + 1).is_none());
        assert!(slot.copy_input(9_999, 1).is_some());
        assert!(slot.copy_input(9_999, 2).is_none());
        assert!(slot.copy_input(u64::MAX, 2).is_none());
        assert!(slot.fill([&[0], &[0; 10_000]]).is_err());
    }

    #[test]
    fn a_worker_can_neither_write_its_input_nor_resize_anything() {
        let slot = SupervisorSlot::new(LAYOUT).unwrap();
        let [input, output] = slot.files();
        let length = PAGE + 10_000;
        assert!(Mapping::new(input, length, READ_WRITE).is_err());
        assert!(rustix::io::write(input, b"x").is_err());
        for file in [input, output] {
            assert!(ftruncate(file, 0).is_err());
            assert!(ftruncate(file, 1 << 20).is_err());
            assert!(fcntl_add_seals(file, SealFlags::WRITE).is_err());
        }
    }

    #[test]
    fn only_what_is_sealed_is_mapped_to_be_read() {
        let memory = handover("test").unwrap();
        rustix::io::write(&memory, b"abc").unwrap();
        assert!(Sealed::map(&memory).is_err());
        seal(&memory).unwrap();
        assert_eq!(Sealed::map(&memory).unwrap().as_ref(), b"abc");
    }

    #[test]
    fn sealed_memory_does_not_change() {
        let memory = handover("test").unwrap();
        rustix::io::write(&memory, b"abc").unwrap();
        seal(&memory).unwrap();
        assert!(rustix::io::write(&memory, b"x").is_err());
        assert!(ftruncate(&memory, 1).is_err());
    }
}
