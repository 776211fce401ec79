//! A period's summary in few bytes: the same on disk, in the journal and in memory.
//!
//! # Format (v1, little endian)
//! ```text
//! point  := flags(1) time values bins?
//! time   := signed            periods since the point before it, in units of the resolution; the first since 1970
//! values := value             ONE: a single value
//!         | number value      SAME: how many, and the value that they all have
//!         | number{4}         SEVERAL: count, sum, min, max
//! value, number := signed (WHOLE) | f64(8)
//! bins   := len(varint) (key-step(signed) count)*    keys in ascending order, each as the step from the one before it
//! count  := varint (WHOLE_COUNTS) | f64(8)
//! signed := zigzag varint     varint := seven bits a byte, the lowest first, at most ten bytes
//! ```
//! A busy counter's point takes about 10 bytes, a latency's with fifty bins about 130.
//!
//! # Limits
//! A point has at most `BINS_MAX` bins, so it takes at most `POINT_BYTES_MAX` bytes.

use super::sketch::{BINS_MAX, Sketch};
use super::summary::{Statistics, Summary};
use millrace_base::Millis;

const ONE: u8 = 0;
const SAME: u8 = 1;
const SEVERAL: u8 = 2;
const SHAPE: u8 = 0b11;
const BINS: u8 = 1 << 2;
const WHOLE: u8 = 1 << 3;
const WHOLE_COUNTS: u8 = 1 << 4;
/// Beyond it a double is not every whole number.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
/// Flags, time, four numbers, and bins of ten and eight bytes.
#[cfg(test)]
pub(super) const POINT_BYTES_MAX: usize = 1 + 10 + 4 * 10 + 2 + BINS_MAX * 18;

/// Appends points to bytes.
#[derive(Debug, Default, Clone)]
pub(super) struct PointWriter {
    /// What was written.
    pub(super) bytes: Vec<u8>,
    last: i64,
}

impl PointWriter {
    /// Appends a point of the period that begins at `moment`.
    pub(super) fn push(&mut self, moment: Millis, width_ms: Millis, summary: &Summary) {
        let time = moment.div_euclid(width_ms);
        let Statistics { count, sum, min, max } = summary.statistics;
        let is_same = min == max && sum == min * count && summary.sketch.raw().len() == 1;
        let shape = match is_same {
            true if count == 1.0 => ONE,
            true => SAME,
            false => SEVERAL,
        };
        let bins = summary.sketch.raw();
        let has_bins = shape == SEVERAL && !bins.is_empty();
        let whole = [count, sum, min, max].iter().all(|number| is_whole(*number));
        let whole_counts = bins.iter().all(|(_, count)| is_whole(*count) && *count >= 0.0);
        let flag = |is: bool, bit: u8| if is { bit } else { 0 };
        self.bytes.push(shape | flag(has_bins, BINS) | flag(whole, WHOLE) | flag(whole_counts, WHOLE_COUNTS));
        signed(&mut self.bytes, time - self.last);
        self.last = time;
        let numbers = match shape {
            ONE => &[min][..],
            SAME => &[count, min],
            _ => &[count, sum, min, max],
        };
        for number in numbers {
            if whole { signed(&mut self.bytes, *number as i64) } else { double(&mut self.bytes, *number) }
        }
        if has_bins {
            self.push_bins(bins, whole_counts);
        }
    }

    fn push_bins(&mut self, bins: &[(i32, f64)], whole: bool) {
        varint(&mut self.bytes, bins.len() as u64);
        let mut last = 0;
        for (key, count) in bins {
            signed(&mut self.bytes, i64::from(key - last));
            last = *key;
            if whole { varint(&mut self.bytes, *count as u64) } else { double(&mut self.bytes, *count) }
        }
    }
}

/// Reads what a [`PointWriter`] wrote; ends early where bytes make no sense.
pub(super) struct Points<'a> {
    bytes: &'a [u8],
    width_ms: Millis,
    last: i64,
}

impl<'a> Points<'a> {
    pub(super) fn new(bytes: &'a [u8], width_ms: Millis) -> Self {
        Self { bytes, width_ms, last: 0 }
    }

    fn point(&mut self) -> Option<(Millis, Summary)> {
        let flags = self.byte()?;
        self.last = self.last.checked_add(self.signed()?)?;
        let moment = self.last.checked_mul(self.width_ms)?;
        let statistics = match flags & SHAPE {
            ONE => Statistics::of(self.number(flags)?),
            SAME => {
                let count = self.number(flags)?;
                Statistics::of_many(self.number(flags)?, count)
            }
            _ => Statistics {
                count: self.number(flags)?,
                sum: self.number(flags)?,
                min: self.number(flags)?,
                max: self.number(flags)?,
            },
        };
        if flags & SHAPE != SEVERAL {
            return Some((moment, Summary::from(statistics)));
        }
        let sketch = if flags & BINS == 0 { Sketch::default() } else { self.sketch(flags)? };
        Some((moment, Summary { statistics, sketch }))
    }

    fn sketch(&mut self, flags: u8) -> Option<Sketch> {
        let len = usize::try_from(self.varint()?).ok().filter(|len| *len <= BINS_MAX)?;
        let mut bins = Vec::with_capacity(len);
        let mut key = 0i32;
        for _ in 0..len {
            key = key.checked_add(i32::try_from(self.signed()?).ok()?)?;
            let count = if flags & WHOLE_COUNTS == 0 { self.double()? } else { self.varint()? as f64 };
            bins.push((key, count));
        }
        Some(Sketch::of_bins(bins))
    }

    fn number(&mut self, flags: u8) -> Option<f64> {
        if flags & WHOLE == 0 { self.double() } else { Some(self.signed()? as f64) }
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn double(&mut self) -> Option<f64> {
        let (first, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(f64::from_le_bytes(*first))
    }

    fn varint(&mut self) -> Option<u64> {
        let (value, rest) = read_varint(self.bytes)?;
        self.bytes = rest;
        Some(value)
    }

    fn signed(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }
}

impl Iterator for Points<'_> {
    type Item = (Millis, Summary);

    fn next(&mut self) -> Option<Self::Item> {
        self.point()
    }
}

fn is_whole(number: f64) -> bool {
    number.fract() == 0.0 && number.abs() < WHOLE_MAX
}

fn double(bytes: &mut Vec<u8>, number: f64) {
    bytes.extend_from_slice(&number.to_le_bytes());
}

fn signed(bytes: &mut Vec<u8>, value: i64) {
    varint(bytes, ((value << 1) ^ (value >> 63)) as u64);
}

/// Appends a number, seven bits a byte.
pub(super) fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Reads a number, and what follows it.
pub(super) fn read_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for (place, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[place + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_base::Dice;
    use millrace_testkit::SimDice;

    fn random(dice: &SimDice) -> Summary {
        let mut summary = Summary::default();
        for _ in 0..=dice.below(20) {
            let value = dice.below(1000) as f64 / if dice.one_in(2) { 1.0 } else { 7.0 };
            match dice.below(4) {
                0 => summary.add(-value, 2.5),
                1 => summary.add_statistics(&Statistics { count: 3.0, sum: value, min: 0.0, max: value }),
                _ => summary.add(value, 1.0),
            }
        }
        summary
    }

    #[test]
    fn points_come_back_as_they_were() {
        for seed in 0..300 {
            let dice = SimDice::new(seed);
            let mut moment = 1_700_000_000_000 - dice.below(1000) as Millis * 1000;
            let points: Vec<(Millis, Summary)> = (0..dice.below(30))
                .map(|_| {
                    moment += (dice.below(100) as Millis - 20) * 1000;
                    (moment, random(&dice))
                })
                .collect();
            let mut writer = PointWriter::default();
            points.iter().for_each(|(moment, summary)| writer.push(*moment, 1000, summary));
            let read: Vec<_> = Points::new(&writer.bytes, 1000).collect();
            assert_eq!(read, points, "seed {seed}");
            // Cut anywhere, or filled with rubbish, it gives fewer points or others, and never panics.
            let mut bytes = writer.bytes.clone();
            bytes.truncate(dice.below(bytes.len() as u64 + 1) as usize);
            assert!(Points::new(&bytes, 1000).count() <= points.len());
            bytes.iter_mut().for_each(|byte| *byte ^= (dice.roll() & 0x81) as u8);
            let _ = Points::new(&bytes, 1000).count();
        }
    }

    #[test]
    fn points_are_small() {
        let mut writer = PointWriter::default();
        let mut one = Summary::default();
        one.add(1.0, 5000.0);
        (0..60).for_each(|second| writer.push(1_700_000_000_000 + second * 1000, 1000, &one));
        assert!(writer.bytes.len() < 60 * 6, "{}", writer.bytes.len());
        let mut full = Summary::default();
        (0..BINS_MAX).for_each(|place| full.add(1.5f64.powi(place as i32) / 3.0, 0.3));
        let mut writer = PointWriter::default();
        writer.push(i64::MAX / 2, 1, &full);
        assert!(writer.bytes.len() <= POINT_BYTES_MAX);
    }

    #[test]
    fn the_first_version_stays_readable() {
        let mut writer = PointWriter::default();
        let mut several = Summary::of(3.0);
        several.add(4.5, 2.0);
        writer.push(60_000, 60_000, &Summary::of(7.0));
        writer.push(180_000, 60_000, &several);
        let hex: String = writer.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, FIXTURE);
        let read: Vec<_> = Points::new(&writer.bytes, 60_000).collect();
        assert_eq!(read, [(60_000, Summary::of(7.0)), (180_000, several)]);
    }

    /// Two points of v1. It never changes: a new format gets a new version.
    const FIXTURE: &str = "18020e1604000000000000084000000000000028400000000000000840000000000000124002c08008015002";
}
