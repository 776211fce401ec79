//! How values are distributed: counts in bins whose width grows with the value.
//!
//! A bin's key is a double's exponent and the first [`MANTISSA_BITS`] bits of its mantissa, so a bin is at most 1/64 as wide as
//! its values are large, and its middle is at most 0.8 % from any of them. Finding a bin is a shift, and two sketches merge by
//! adding counts: exactly, in any order. A ready-made sketch (`sketches-ddsketch`) was tried: its bins cannot be seen, and trimmed
//! means need them.

/// How finely a power of two is divided: 64 bins.
const MANTISSA_BITS: u32 = 6;
const SHIFT: u32 = 52 - MANTISSA_BITS;
/// How many bins are kept: 512 are eight powers of two to the finest, or 100 decades of a handful of values. Beyond them the bins of
/// the smallest values become one.
pub const BINS_MAX: usize = 512;

/// Sketches with fewer bins are never made coarser: they are small as they are.
const FINE_BINS: usize = 32;
/// How many neighbours become one in a coarser sketch.
const COARSER: i32 = 4;

/// Counts by bin.
#[derive(Debug, Clone, Default)]
pub struct Sketch {
    /// Keys in ascending order, which is that of their values.
    bins: Vec<(i32, f64)>,
    /// Where the last value went: often the next goes there too.
    hint: usize,
}

impl PartialEq for Sketch {
    fn eq(&self, other: &Self) -> bool {
        self.bins == other.bins
    }
}

/// A bin as it is read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// The middle of its values.
    pub value: f64,
    /// How many values.
    pub count: f64,
}

impl Sketch {
    /// Of bins in ascending order of their keys, as they were stored.
    pub(super) fn of_bins(bins: Vec<(i32, f64)>) -> Self {
        Self { bins, hint: 0 }
    }

    /// Adds a value so many times.
    #[inline]
    pub fn add(&mut self, value: f64, count: f64) {
        let key = key(value);
        if let Some((found, counted)) = self.bins.get_mut(self.hint)
            && *found == key
        {
            *counted += count;
            return;
        }
        self.add_key(key, count);
    }

    fn add_key(&mut self, key: i32, count: f64) {
        match self.bins.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(place) => {
                self.bins[place].1 += count;
                self.hint = place;
            }
            Err(place) => {
                self.bins.insert(place, (key, count));
                self.hint = place;
                self.shrink();
            }
        }
    }

    /// Adds another's values.
    pub fn merge(&mut self, other: &Self) {
        if self.bins.is_empty() {
            self.bins.clone_from(&other.bins);
            return;
        }
        for (key, count) in &other.bins {
            self.add_key(*key, *count);
        }
    }

    fn shrink(&mut self) {
        while self.bins.len() > BINS_MAX {
            let (_, count) = self.bins.remove(0);
            self.bins[0].1 += count;
            self.hint = 0;
        }
    }

    /// A quarter of the bins: four neighbours become the one that has most. A value is then shown at most 6 % wrong.
    pub(super) fn coarsen(&mut self) {
        if self.bins.len() <= FINE_BINS {
            return;
        }
        let groups = self.bins.chunk_by(|(left, _), (right, _)| left.div_euclid(COARSER) == right.div_euclid(COARSER));
        let merged = groups.map(|group| {
            let heaviest = group.iter().max_by(|left, right| left.1.total_cmp(&right.1));
            (heaviest.map_or(0, |(key, _)| *key), group.iter().map(|(_, count)| count).sum())
        });
        self.bins = merged.collect();
        self.hint = 0;
    }

    /// How many values.
    pub fn count(&self) -> f64 {
        self.bins.iter().map(|(_, count)| count).sum()
    }

    /// Its bins, in ascending order of their values.
    pub fn bins(&self) -> impl DoubleEndedIterator<Item = Bin> + '_ {
        self.bins.iter().map(|(key, count)| Bin { value: middle(*key), count: *count })
    }

    /// Keys and counts, as they are stored.
    pub(super) fn raw(&self) -> &[(i32, f64)] {
        &self.bins
    }
}

#[inline]
fn key(value: f64) -> i32 {
    // Sixty-three bits without the sign, shifted by 46: seventeen are left.
    let size = (value.abs().to_bits() >> SHIFT) as i32;
    if value < 0.0 { -size } else { size }
}

/// The middle of a bin.
fn middle(key: i32) -> f64 {
    let size = u64::from(key.unsigned_abs());
    if size == 0 {
        return 0.0;
    }
    let low = f64::from_bits(size << SHIFT);
    // A bin begins at a number with few bits, as whole numbers up to 64 are: those are shown as they are.
    let middle =
        if low.fract() == 0.0 && low <= 64.0 { low } else { low + (f64::from_bits((size + 1) << SHIFT) - low) / 2.0 };
    if key < 0 { -middle } else { middle }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_base::Dice;
    use millrace_testkit::SimDice;

    #[test]
    fn the_middle_is_near_every_value() {
        let dice = SimDice::new(1);
        for _ in 0..100_000 {
            let exponent = dice.below(60) as i32 - 30;
            let value = (1.0 + dice.below(1 << 40) as f64 / (1u64 << 40) as f64) * 2f64.powi(exponent);
            let near = middle(key(value));
            assert!((near - value).abs() <= value / 64.0, "{value} is shown as {near}");
            assert_eq!(middle(key(-value)), -near);
        }
        assert_eq!(middle(key(0.0)), 0.0);
        for whole in 1..=64 {
            assert_eq!(middle(key(f64::from(whole))), f64::from(whole));
        }
    }

    #[test]
    fn merging_is_adding_in_any_order() {
        for seed in 0..50 {
            let dice = SimDice::new(seed);
            let (mut whole, mut parts) = (Sketch::default(), vec![Sketch::default(); 3]);
            for _ in 0..300 {
                let value = (dice.below(2_000_001) as f64 - 1_000_000.0) / 777.0;
                whole.add(value, 1.0);
                parts[dice.below(3) as usize].add(value, 1.0);
            }
            parts.rotate_left(dice.below(3) as usize);
            let mut merged = Sketch::default();
            parts.iter().for_each(|part| merged.merge(part));
            assert_eq!(merged, whole, "seed {seed}");
            assert!(merged.raw().is_sorted_by_key(|(key, _)| *key));
            let _ = dice.roll();
        }
    }

    #[test]
    fn a_coarser_sketch_has_the_same_values_nearly() {
        let dice = SimDice::new(9);
        let mut sketch = Sketch::default();
        (0..5000).for_each(|_| sketch.add(1.5f64.powf(dice.below(1000) as f64 / 100.0), 1.0));
        let fine = sketch.clone();
        sketch.coarsen();
        assert!(sketch.raw().len() * 3 < fine.raw().len(), "{} of {}", sketch.raw().len(), fine.raw().len());
        assert_eq!(sketch.count(), fine.count());
        assert!(sketch.raw().is_sorted_by_key(|(key, _)| *key));
        let at = |sketch: &Sketch, rank: f64| {
            let mut seen = 0.0;
            sketch
                .bins()
                .find(|bin| {
                    seen += bin.count;
                    seen >= rank
                })
                .unwrap()
                .value
        };
        for rank in (0..5000).step_by(50) {
            let (found, exact) = (at(&sketch, f64::from(rank)), at(&fine, f64::from(rank)));
            assert!((found - exact).abs() <= exact.abs() * 0.06, "{rank}: {found}, exactly {exact}");
        }
        let mut small = Sketch::default();
        (0..20).for_each(|value| small.add(f64::from(value), 1.0));
        let before = small.clone();
        small.coarsen();
        assert_eq!(small, before);
    }

    #[test]
    fn bins_have_a_ceiling() {
        let mut sketch = Sketch::default();
        for exponent in -300..300 {
            for part in 0..8 {
                sketch.add((1.0 + f64::from(part) / 8.0) * 2f64.powi(exponent), 1.0);
            }
        }
        assert_eq!(sketch.raw().len(), BINS_MAX);
        assert_eq!(sketch.count(), 4800.0);
    }
}
