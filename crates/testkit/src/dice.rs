//! Dice that fall the same way for the same seed, on every machine and in every version.

use millrace_base::Dice;
use parking_lot::Mutex;

/// Seeded dice (SplitMix64, written out so that no library's update changes what a seed replays).
#[derive(Debug)]
pub struct SimDice {
    state: Mutex<u64>,
}

impl SimDice {
    /// The dice of a seed.
    pub fn new(seed: u64) -> Self {
        Self { state: Mutex::new(seed) }
    }

    /// A number below `end`, which is not 0. The bias is below 2^-32 for the small ends of tests.
    pub fn below(&self, end: u64) -> u64 {
        ((u128::from(self.roll()) * u128::from(end)) >> 64) as u64
    }

    /// True in one of `n` cases.
    pub fn one_in(&self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of a choice.
    pub fn pick<'a, T>(&self, choice: &'a [T]) -> &'a T {
        &choice[self.below(choice.len() as u64) as usize]
    }
}

impl Dice for SimDice {
    fn roll(&self) -> u64 {
        let mut state = self.state.lock();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_replays() {
        let rolls = |seed| {
            let dice = SimDice::new(seed);
            [dice.roll(), dice.below(10), dice.roll()]
        };
        assert_eq!(rolls(7), rolls(7));
        assert_ne!(rolls(7), rolls(8));
        // The published first output of SplitMix64 for the seed 0.
        assert_eq!(SimDice::new(0).roll(), 0xe220_a839_7b1d_cdaf);
    }
}
