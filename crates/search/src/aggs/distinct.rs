//! How many different values: exact up to OpenSearch's default `precision_threshold`, a HyperLogLog sketch above.

use std::collections::HashSet;

const EXACT_MAX: usize = 3000;
/// 2^14 registers: an error of about 0.8 %.
const REGISTER_BITS: u32 = 14;

/// A set of hashes, or a sketch of one.
#[derive(Debug, Clone)]
pub enum Distinct {
    /// All of them.
    Exact(HashSet<u64>),
    /// Registers.
    Sketch(Vec<u8>),
}

impl Default for Distinct {
    fn default() -> Self {
        Self::Exact(HashSet::new())
    }
}

/// The hash of a value, the same in every segment and every process.
pub fn hash(bytes: &[u8]) -> u64 {
    ahash::RandomState::with_seeds(0x6d69, 0x6c6c, 0x7261, 0x6365).hash_one(bytes)
}

impl Distinct {
    /// Adds a value by its hash.
    pub fn add(&mut self, hash: u64) {
        match self {
            Self::Exact(hashes) => {
                hashes.insert(hash);
                if hashes.len() > EXACT_MAX {
                    let mut registers = vec![0; 1 << REGISTER_BITS];
                    hashes.iter().for_each(|hash| raise(&mut registers, *hash));
                    *self = Self::Sketch(registers);
                }
            }
            Self::Sketch(registers) => raise(registers, hash),
        }
    }

    /// Adds all of another set.
    pub fn merge(&mut self, other: Self) {
        match (&mut *self, other) {
            (_, Self::Exact(hashes)) => hashes.into_iter().for_each(|hash| self.add(hash)),
            (Self::Sketch(registers), Self::Sketch(others)) => {
                registers.iter_mut().zip(others).for_each(|(register, other)| *register = (*register).max(other));
            }
            (Self::Exact(hashes), Self::Sketch(mut registers)) => {
                hashes.iter().for_each(|hash| raise(&mut registers, *hash));
                *self = Self::Sketch(registers);
            }
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        let registers = match self {
            Self::Exact(hashes) => return hashes.len() as u64,
            Self::Sketch(registers) => registers,
        };
        let m = registers.len() as f64;
        let sum: f64 = registers.iter().map(|register| (-f64::from(*register)).exp2()).sum();
        let estimate = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
        let empty = registers.iter().filter(|register| **register == 0).count() as f64;
        // Few values leave registers empty, and counting those is then the better estimate.
        let estimate = if estimate <= 2.5 * m && empty > 0.0 { m * (m / empty).ln() } else { estimate };
        estimate.round() as u64
    }
}

fn raise(registers: &mut [u8], hash: u64) {
    let register = (hash >> (64 - REGISTER_BITS)) as usize;
    let rank = ((hash << REGISTER_BITS) | 1 << (REGISTER_BITS - 1)).leading_zeros() as u8 + 1;
    registers[register] = registers[register].max(rank);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_then_close() {
        for count in [10u64, 3000, 10_000, 1_000_000] {
            let (mut left, mut right) = (Distinct::default(), Distinct::default());
            (0..count).for_each(|i| (if i % 2 == 0 { &mut left } else { &mut right }).add(hash(&i.to_le_bytes())));
            (0..count / 2).for_each(|i| left.add(hash(&i.to_le_bytes())));
            left.merge(right);
            let error = left.count().abs_diff(count) as f64 / count as f64;
            assert!(error <= if count <= 3000 { 0.0 } else { 0.03 }, "{count}: {}", left.count());
        }
    }
}
