//! 64 bytes at once: a bit for each byte, the lowest for the first.

use wide::u8x64;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 64;

/// The first bytes of a text.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Block {
    bytes: u8x64,
    /// How many they are; what stands behind them is a space.
    pub length: usize,
}

impl Block {
    /// As many as there are, up to [`BLOCK`].
    pub fn of(text: &[u8]) -> Block {
        match text.first_chunk::<BLOCK>() {
            Some(bytes) => Block { bytes: u8x64::from(*bytes), length: BLOCK },
            None => {
                let mut bytes = [b' '; BLOCK];
                bytes[..text.len()].copy_from_slice(text);
                Block { bytes: u8x64::from(bytes), length: text.len() }
            }
        }
    }

    /// Which bytes are this one.
    pub fn is(&self, byte: u8) -> u64 {
        self.bytes.simd_eq(u8x64::splat(byte)).to_bitmask()
    }

    /// Which bytes are this one once these bits of theirs are set.
    pub fn is_with(&self, bits: u8, byte: u8) -> u64 {
        (self.bytes | u8x64::splat(bits)).simd_eq(u8x64::splat(byte)).to_bitmask()
    }
}

/// The bits of so many first bytes.
pub(crate) fn first(length: usize) -> u64 {
    if length >= BLOCK { u64::MAX } else { (1 << length) - 1 }
}

/// The places of the bits that are set, the lowest first.
#[cfg(test)]
pub(crate) fn places(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = bits.trailing_zeros();
        bits &= bits.wrapping_sub(1);
        (place < u64::BITS).then_some(place as usize)
    })
}

/// Sets every bit that has an odd number of set bits at and below it: from each first quote up
/// to its second, in other words.
pub(crate) fn fill(bits: u64) -> u64 {
    [1, 2, 4, 8, 16, 32].iter().fold(bits, |bits, shift| bits ^ bits << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_stand_for_bytes() {
        let text: Vec<u8> = (0..200).collect();
        for byte in 0..=255 {
            let place = |at: u8| if at < 64 { 1_u64 << at } else { 0 };
            assert_eq!(Block::of(&text).is(byte), place(byte));
        }
        let short = Block::of(b"{[ }");
        assert_eq!((short.length, short.is_with(0x20, b'{'), short.is(b'}')), (4, 0b11, 0b1000));
        assert_eq!(short.is(b' ') & first(short.length), 0b100);
    }

    #[test]
    fn places_are_those_of_set_bits() {
        assert_eq!(places(1 << 63 | 0b101).collect::<Vec<_>>(), [0, 2, 63]);
        assert_eq!(places(u64::MAX).count(), 64);
        assert_eq!(places(0).count(), 0);
    }

    #[test]
    fn what_is_between_is_filled() {
        assert_eq!(fill(0b0100_0010), 0b0011_1110);
        assert_eq!(fill(1), u64::MAX);
        assert_eq!(fill(0), 0);
    }
}
