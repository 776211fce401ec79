//! How a day goes: the share of the busiest hour's payments at each hour.

use clap::ValueEnum;

/// Shares of the hours from midnight on, of the busiest, at whose ends the next begins.
const HOURS: [f64; 24] = [
    0.26, 0.20, 0.17, 0.15, 0.16, 0.22, 0.34, 0.50, 0.62, 0.68, 0.73, 0.82, 0.95, 0.90, 0.80, 0.78, 0.84, 0.95, 1.00,
    0.92, 0.78, 0.62, 0.46, 0.34,
];

/// Which curve a run follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Curve {
    /// A day and a night, as long as the run: --rate is the busiest hour's.
    Day,
    /// The same rate throughout.
    Flat,
}

impl Curve {
    /// The share of the highest rate when `elapsed` (from 0 to 1) of the run is over.
    pub fn share(self, elapsed: f64) -> f64 {
        if self == Self::Flat {
            return 1.0;
        }
        // The run begins at six in the morning, when a day does.
        let hour = (elapsed.clamp(0.0, 1.0) * 24.0 + 6.0) % 24.0;
        let (from, part) = (hour as usize % 24, hour.fract());
        HOURS[from] + (HOURS[(from + 1) % 24] - HOURS[from]) * part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_a_peak_and_a_night() {
        let shares: Vec<f64> = (0..=100).map(|part| Curve::Day.share(f64::from(part) / 100.0)).collect();
        let highest = shares.iter().copied().fold(0.0, f64::max);
        let lowest = shares.iter().copied().fold(1.0, f64::min);
        assert!((0.98..=1.0).contains(&highest) && (0.1..0.2).contains(&lowest), "{lowest} to {highest}");
        assert_eq!(Curve::Flat.share(0.3), 1.0);
        assert!((shares[0] - shares[100]).abs() < 1e-9, "a day ends as it began");
    }
}
