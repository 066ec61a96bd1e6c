//! Memory that output was copied to, kept for what comes next: to touch memory for the first
//! time costs more than the copy.

use crate::protocol::SLOTS;

/// The largest piece that is kept, in bytes. Most ranges make less.
const LARGEST: usize = 2 << 20;

/// Memory to copy output to.
#[derive(Debug)]
pub(super) struct Spare {
    buffers: Vec<Vec<u8>>,
    most: usize,
}

impl Spare {
    /// For as much as so many workers can answer at once.
    pub fn for_workers(workers: usize) -> Spare {
        Spare { buffers: Vec::new(), most: workers.saturating_mul(SLOTS) }
    }

    /// One of the pieces, empty, or a new one.
    pub fn take(&mut self) -> Vec<u8> {
        self.buffers.pop().unwrap_or_default()
    }

    /// Keeps a piece that is no longer needed, unless there are enough.
    pub fn give(&mut self, mut buffer: Vec<u8>) {
        if self.buffers.len() < self.most && (1..=LARGEST).contains(&buffer.capacity()) {
            buffer.clear();
            self.buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_much_is_kept() {
        let mut spare = Spare::for_workers(1);
        assert_eq!(spare.take().capacity(), 0);
        spare.give(Vec::with_capacity(LARGEST + 1));
        for _ in 0..SLOTS + 1 {
            spare.give(vec![7; 10]);
        }
        for _ in 0..SLOTS {
            let buffer = spare.take();
            assert!(buffer.is_empty() && buffer.capacity() >= 10);
        }
        assert_eq!(spare.take().capacity(), 0);
    }
}
