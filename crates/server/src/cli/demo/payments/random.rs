//! Seeded randomness: the same seed makes the same day, on every machine.

/// A generator of random numbers (splitmix64): a few nanoseconds a number, good enough for an invented world.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// All that follows from a seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Sixty-four random bits.
    pub fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        scatter(self.state)
    }

    /// A number from 0 up to, and without, 1.
    pub fn part(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number from 0 up to, and without, `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        // A multiplication instead of a division; the bias is far below what anybody could see.
        ((u128::from(self.roll()) * u128::from(end)) >> 64) as u64
    }

    /// True with this probability.
    pub fn is(&mut self, probability: f64) -> bool {
        self.part() < probability
    }

    /// A number around 0 with a deviation of about 1: the sum of four even ones.
    pub fn around(&mut self) -> f64 {
        let bits = self.roll();
        let sum: u64 = (0..4).map(|part| (bits >> (part * 16)) & 0xffff).sum();
        // Four even numbers from 0 to 1 have the mean 2 and the variance 1/3.
        (sum as f64 / 65_536.0 - 2.0) * 3.0_f64.sqrt()
    }
}

/// Scatters a number over all 64 bits, the same way every time.
pub fn scatter(number: u64) -> u64 {
    let mut mixed = number;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Picks one of many by their weights, in the same short time however many there are (Walker's aliases).
#[derive(Debug, Clone)]
pub struct Picks {
    /// For each place: the part of it that is its own, and whose the rest is.
    places: Vec<(f64, usize)>,
}

impl Picks {
    /// A choice among `weights`, none of which is negative and one of which is more than nothing.
    pub fn new(weights: &[f64]) -> Self {
        let mean = weights.iter().sum::<f64>() / weights.len() as f64;
        let mut places: Vec<(f64, usize)> =
            weights.iter().enumerate().map(|(index, weight)| (weight / mean, index)).collect();
        let (mut poor, mut rich): (Vec<usize>, Vec<usize>) =
            (0..places.len()).partition(|index| places[*index].0 < 1.0);
        while let (Some(small), Some(large)) = (poor.pop(), rich.pop()) {
            places[small].1 = large;
            places[large].0 -= 1.0 - places[small].0;
            if places[large].0 < 1.0 { poor.push(large) } else { rich.push(large) }
        }
        Self { places }
    }

    /// The index of the one that was picked.
    pub fn pick(&self, random: &mut Random) -> usize {
        let place = random.below(self.places.len() as u64) as usize;
        let (own, other) = self.places[place];
        if random.part() < own { place } else { other }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_itself() {
        let (mut one, mut same, mut other) = (Random::new(7), Random::new(7), Random::new(8));
        let rolls: Vec<u64> = (0..4).map(|_| one.roll()).collect();
        assert_eq!(rolls, (0..4).map(|_| same.roll()).collect::<Vec<_>>());
        assert_ne!(rolls[0], other.roll());
    }

    #[test]
    fn picks_follow_the_weights() {
        let picks = Picks::new(&[1.0, 0.0, 6.0, 3.0]);
        let (mut random, mut seen) = (Random::new(1), [0_u32; 4]);
        for _ in 0..100_000 {
            seen[picks.pick(&mut random)] += 1;
        }
        assert_eq!(seen[1], 0);
        for (index, expected) in [(0, 10_000), (2, 60_000), (3, 30_000)] {
            assert!(seen[index].abs_diff(expected) < 600, "{seen:?}");
        }
    }

    #[test]
    fn what_lies_around_zero_deviates_by_one() {
        let mut random = Random::new(3);
        let values: Vec<f64> = (0..100_000).map(|_| random.around()).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }
}
