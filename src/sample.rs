//! A sample of the records: which are in it follows from where each stands, so that it is the
//! same in every run, however the input is cut and by whomever it is processed.

use serde::{Deserialize, Serialize};

/// Which records are processed, where that is a share of all.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Another gives another sample.
    seed: u64,
    /// What is drawn for a record that is in it is no larger.
    limit: u64,
}

impl Sample {
    /// `rate` is the share of all records, from 0 to 1.
    pub fn new(rate: f64, seed: u64) -> Sample {
        // 1 becomes the largest number that there is.
        Sample { seed, limit: (rate * 2_f64.powi(64)) as u64 }
    }

    /// Whether the record that begins at this offset of this input is in it.
    pub fn has(&self, input: u32, offset: u64) -> bool {
        mix(mix(self.seed ^ u64::from(input)).wrapping_add(offset)) <= self.limit
    }
}

/// Spreads numbers evenly over all there are: the finalizer of SplitMix64 (Steele, Lea and
/// Flood, "Fast splittable pseudorandom number generators", 2014).
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_the_share_that_it_should_have() {
        for (rate, seed, input) in [(0.5, 0, 0), (0.1, 0, 1), (0.01, 7, 0), (0.001, 1 << 60, 3)] {
            let sample = Sample::new(rate, seed);
            let count = (0..1_000_000).filter(|n| sample.has(input, n * 61)).count() as f64;
            // Five standard deviations.
            let far = 5.0 * (1_000_000.0 * rate * (1.0 - rate)).sqrt();
            assert!((count - 1_000_000.0 * rate).abs() < far, "{count} at {rate}");
        }
    }

    #[test]
    fn it_can_have_all_and_is_another_for_every_seed_and_input() {
        assert!((0..10_000).all(|offset| Sample::new(1.0, 5).has(0, offset)));
        let which = |seed, input| {
            let sample = Sample::new(0.5, seed);
            (0..64).filter(|offset| sample.has(input, *offset)).collect::<Vec<_>>()
        };
        assert_eq!(which(0, 0), which(0, 0));
        assert_ne!(which(0, 0), which(1, 0));
        assert_ne!(which(0, 0), which(0, 1));
    }
}
