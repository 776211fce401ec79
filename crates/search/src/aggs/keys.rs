//! From a column's values to the keys of buckets, and from keys to the numbers of buckets.

use super::partial::Key;
use super::request::Interval;
use crate::date::{Unit, Zone};
use crate::values::Values;
use std::collections::HashMap;
use tantivy::columnar::StrColumn;

/// Above this many possible keys a table is not worth its memory, below a single parent and below many.
const TABLE_MAX: u64 = 1 << 20;
const INNER_TABLE_MAX: u64 = 512;
/// No bucket yet.
const NONE: u32 = u32::MAX;

/// How a value makes a key.
pub enum Keying {
    /// The ordinal of a string.
    Ordinal(StrColumn),
    /// An integer, a date, a boolean.
    Integer,
    /// A double.
    Real,
    /// The number of a stretch of fixed time.
    Fixed { interval: i64, offset: i64, zone: Zone },
    /// The local start of a unit of the calendar; with the stretch of UTC that the last key was right for.
    Calendar { unit: Unit, offset: i64, zone: Zone, known: (i64, i64, i64) },
    /// The number of a stretch of numbers.
    Width { interval: f64, offset: f64 },
}

impl Keying {
    /// The keying of a histogram of dates.
    pub fn of_interval(interval: Interval, offset: i64, zone: Zone) -> Self {
        match interval {
            Interval::Fixed(interval) => Self::Fixed { interval, offset, zone },
            Interval::Calendar(unit) => Self::Calendar { unit, offset, zone, known: (0, 0, 0) },
        }
    }

    /// The key of a value.
    pub fn key(&mut self, values: &Values, raw: u64) -> i64 {
        match self {
            Self::Ordinal(_) => raw as i64,
            Self::Integer => values.integer(raw),
            Self::Real => tantivy::f64_to_u64(values.real(raw)) as i64,
            Self::Width { interval, offset } => ((values.real(raw) - *offset) / *interval).floor() as i64,
            _ => self.key_of_date(values.integer(raw)),
        }
    }

    fn key_of_date(&mut self, utc: i64) -> i64 {
        match self {
            Self::Fixed { interval, offset, zone } => (zone.to_local(utc) - *offset).div_euclid(*interval),
            Self::Calendar { unit, offset, zone, known } => {
                if utc < known.0 || utc >= known.1 {
                    let key = unit.floor(zone.to_local(utc) - *offset);
                    let end = unit.add(key, 1).unwrap_or(i64::MAX - 1);
                    *known = (zone.to_utc(key.saturating_add(*offset)), zone.to_utc(end.saturating_add(*offset)), key);
                    // Where the clock is changed the stretch may miss the moment itself.
                    if utc < known.0 || utc >= known.1 {
                        known.1 = known.0;
                    }
                    return key;
                }
                known.2
            }
            _ => utc,
        }
    }

    /// The key of what stands for a missing value; `None` for one that a column cannot hold.
    pub fn key_of_missing(&mut self, integer: Option<i64>, real: Option<f64>) -> Option<i64> {
        match self {
            // One past the last ordinal.
            Self::Ordinal(column) => i64::try_from(column.num_terms()).ok(),
            Self::Integer => integer,
            Self::Real => real.map(|real| tantivy::f64_to_u64(real) as i64),
            Self::Width { interval, offset } => real.map(|real| ((real - *offset) / *interval).floor() as i64),
            _ => integer.map(|utc| self.key_of_date(utc)),
        }
    }

    /// The least key and how many there may be, when that is known.
    fn span(&mut self, values: &Values) -> Option<(i64, u64)> {
        match self {
            Self::Ordinal(column) => Some((0, column.num_terms() as u64 + 1)),
            Self::Fixed { zone: Zone::Fixed(_), .. } | Self::Width { .. } => {
                let (least, most) = values.bounds();
                let (least, most) = (self.key(values, least), self.key(values, most));
                Some((least, u64::try_from(most.checked_sub(least)?).ok()? + 1))
            }
            _ => None,
        }
    }

    /// The keys of buckets as they are known outside this segment.
    pub fn outside(&self, keys: &[i64]) -> std::io::Result<Vec<Key>> {
        let outside = |key: &i64| match self {
            Self::Ordinal(_) => unreachable!("ordinals are looked up below"),
            Self::Integer => Key::Integer(*key),
            Self::Real => Key::Real(*key as u64),
            Self::Fixed { interval, offset, zone } => Key::Integer(zone.to_utc(key * interval + offset)),
            Self::Calendar { offset, zone, .. } => Key::Integer(zone.to_utc(key + offset)),
            Self::Width { interval, offset } => Key::Real(tantivy::f64_to_u64(*key as f64 * interval + offset)),
        };
        let Self::Ordinal(column) = self else { return Ok(keys.iter().map(outside).collect()) };
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_unstable_by_key(|at| keys[*at]);
        let mut distinct: Vec<u64> = order.iter().map(|at| keys[*at] as u64).collect();
        distinct.dedup();
        distinct.retain(|ord| (*ord as usize) < column.num_terms());
        let mut texts = HashMap::with_capacity(distinct.len());
        let mut ords = distinct.iter();
        column.dictionary().sorted_ords_to_term_cb(&distinct, |term| {
            texts.insert(ords.next().copied().unwrap_or_default() as i64, String::from_utf8_lossy(term).into_owned());
        })?;
        Ok(keys.iter().map(|key| Key::Text(texts.get(key).cloned().unwrap_or_default())).collect())
    }
}

/// Numbers of buckets by parent and key: a table where keys are dense, else a hash map.
pub enum Slots {
    /// `slots[parent * size + key - base]`
    Table { base: i64, size: usize, slots: Vec<u32> },
    /// With the last answer, since neighbours often fall into one bucket.
    Map { slots: HashMap<(u32, i64), u32, ahash::RandomState>, last: ((u32, i64), u32) },
}

impl Slots {
    /// Slots for a keying of a column; `inner` when there are many parents.
    pub fn new(keying: &mut Keying, values: Option<&Values>, inner: bool) -> Self {
        let most = if inner { INNER_TABLE_MAX } else { TABLE_MAX };
        match values.and_then(|values| keying.span(values)).filter(|(_, size)| *size <= most) {
            Some((base, size)) => Self::Table { base, size: size as usize, slots: Vec::new() },
            None => Self::Map { slots: HashMap::default(), last: ((NONE, 0), NONE) },
        }
    }

    /// The number of a bucket; a new one is `fresh`.
    pub fn bucket(&mut self, parent: u32, key: i64, fresh: u32) -> u32 {
        if let Self::Table { base, size, slots } = self {
            let place = usize::try_from(key - *base).unwrap_or(usize::MAX);
            if place < *size {
                let at = parent as usize * *size + place;
                if at >= slots.len() {
                    slots.resize((parent as usize + 1) * *size, NONE);
                }
                if slots[at] == NONE {
                    slots[at] = fresh;
                }
                return slots[at];
            }
            // A missing value's key may lie outside the column's: go on with a map.
            let mut map = HashMap::default();
            for (at, bucket) in slots.iter().enumerate().filter(|(_, bucket)| **bucket != NONE) {
                map.insert(((at / *size) as u32, *base + (at % *size) as i64), *bucket);
            }
            *self = Self::Map { slots: map, last: ((NONE, 0), NONE) };
        }
        let Self::Map { slots, last } = self else { unreachable!("a table was just made a map") };
        if last.0 != (parent, key) {
            *last = ((parent, key), *slots.entry((parent, key)).or_insert(fresh));
        }
        last.1
    }
}
