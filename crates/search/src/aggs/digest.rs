//! Percentiles: exact for few values, a t-digest (Dunning and Ertl, 2019) for many.

/// About this many centroids: five times OpenSearch's default, for an error well below 1 % at the median.
const COMPRESSION: f64 = 500.0;
/// So many values are kept as they are before they are compressed.
const EXACT_MAX: usize = 4096;

/// A sketch of a distribution.
#[derive(Debug, Clone, Default)]
pub struct Digest {
    /// Means and weights, sorted by mean once [`Self::sort`] has been called.
    centroids: Vec<(f64, f64)>,
    weight: f64,
    min: f64,
    max: f64,
}

impl Digest {
    /// Adds a value.
    pub fn add(&mut self, value: f64) {
        if self.weight == 0.0 {
            (self.min, self.max) = (value, value);
        }
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.weight += 1.0;
        self.centroids.push((value, 1.0));
        if self.centroids.len() > EXACT_MAX {
            self.compress();
        }
    }

    /// Adds all of another sketch.
    pub fn merge(&mut self, other: Self) {
        if other.weight == 0.0 {
            return;
        }
        if self.weight == 0.0 {
            *self = other;
            return;
        }
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.weight += other.weight;
        self.centroids.extend(other.centroids);
        if self.centroids.len() > EXACT_MAX {
            self.compress();
        }
    }

    /// The value below which a part (0 to 1) of the values lie; `None` when there are no values.
    pub fn quantile(&mut self, part: f64) -> Option<f64> {
        if self.weight == 0.0 {
            return None;
        }
        self.sort();
        let target = part * self.weight;
        let mut below = 0.0;
        let mut previous: Option<(f64, f64)> = None;
        for (mean, weight) in &self.centroids {
            // A centroid stands at the middle of its weight; between two of them the values are spread evenly.
            let center = below + weight / 2.0;
            if target <= center {
                let Some((previous_center, previous_mean)) = previous else {
                    let share = if *weight > 1.0 { target / center } else { 1.0 };
                    return Some(self.min + (mean - self.min) * share);
                };
                let share = (target - previous_center) / (center - previous_center);
                return Some(previous_mean + (mean - previous_mean) * share);
            }
            previous = Some((center, *mean));
            below += weight;
        }
        Some(self.max)
    }

    fn sort(&mut self) {
        self.centroids.sort_by(|a, b| a.0.total_cmp(&b.0));
    }

    fn compress(&mut self) {
        self.sort();
        let scale = |part: f64| COMPRESSION / std::f64::consts::TAU * (2.0 * part - 1.0).clamp(-1.0, 1.0).asin();
        let mut merged: Vec<(f64, f64)> = Vec::with_capacity(COMPRESSION as usize * 2);
        let mut below = 0.0;
        let mut start = scale(0.0);
        for (mean, weight) in self.centroids.drain(..) {
            let end = scale((below + weight) / self.weight);
            match merged.last_mut() {
                Some(last) if end - start <= 1.0 => {
                    last.1 += weight;
                    last.0 += (mean - last.0) * weight / last.1;
                }
                _ => {
                    merged.push((mean, weight));
                    start = scale(below / self.weight);
                }
            }
            below += weight;
        }
        self.centroids = merged;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_exact() {
        let mut digest = Digest::default();
        [4.0, 1.0, 3.0, 2.0].into_iter().for_each(|value| digest.add(value));
        let got: Vec<_> = [0.0, 0.25, 0.5, 0.75, 0.99].map(|part| digest.quantile(part).unwrap()).into();
        assert_eq!(got, [1.0, 1.5, 2.5, 3.5, 4.0]);
        assert_eq!(Digest::default().quantile(0.5), None);
    }

    #[test]
    fn many_values_are_close_and_small() {
        let mut digest = Digest::default();
        (0..1_000_000u64).for_each(|i| digest.add((i * 7_919 % 1_000_000) as f64));
        for part in [0.01, 0.25, 0.5, 0.75, 0.99] {
            let error = (digest.quantile(part).unwrap() - part * 1e6).abs() / 1e6;
            assert!(error < 0.005, "{part}: {error}");
        }
        assert!(digest.centroids.len() <= EXACT_MAX);
    }
}
