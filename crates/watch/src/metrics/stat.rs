//! CloudWatch's statistics by their names: `Sum`, `p99.9`, `tm90`, `WM(10%:90%)`, `PR(:300)`, `IQM`.

use super::sketch::Sketch;
use super::summary::Summary;
use std::fmt;
use std::str::FromStr;

/// A statistic that a period's values are reduced to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stat {
    /// How many values.
    SampleCount,
    /// Their mean.
    Average,
    /// All together.
    Sum,
    /// The smallest.
    Minimum,
    /// The largest.
    Maximum,
    /// The value below which so many percent lie.
    Percentile(f64),
    /// Something of the values within bounds.
    Within(Within, Bounds),
}

/// What is made of the values within bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// `TM`: their mean.
    TrimmedMean,
    /// `WM`: the mean, where values beyond the bounds count as the bounds.
    WinsorizedMean,
    /// `TC`: how many.
    TrimmedCount,
    /// `TS`: their sum.
    TrimmedSum,
    /// `PR`: how many percent of all values.
    PercentileRank,
}

/// Bounds, in percent of the values or as values. The lower is exclusive, the upper inclusive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bounds {
    /// From and to so many percent.
    Percent(f64, f64),
    /// From and to these values.
    Values(f64, f64),
}

/// A text that names no statistic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no statistic: SampleCount, Average, Sum, Minimum, Maximum, pNN, tmNN, tcNN, tsNN, wmNN, IQM, \
     TM(a:b), TC(a:b), TS(a:b), WM(a:b) with percentages or values, and PR(a:b) with values, are"
)]
pub struct UnknownStat(pub String);

impl FromStr for Stat {
    type Err = UnknownStat;

    fn from_str(text: &str) -> Result<Self, UnknownStat> {
        let plain = match text {
            "SampleCount" => Some(Self::SampleCount),
            "Average" => Some(Self::Average),
            "Sum" => Some(Self::Sum),
            "Minimum" => Some(Self::Minimum),
            "Maximum" => Some(Self::Maximum),
            "IQM" => Some(Self::Within(Within::TrimmedMean, Bounds::Percent(25.0, 75.0))),
            _ => None,
        };
        plain.or_else(|| extended(text)).ok_or_else(|| UnknownStat(text.to_owned()))
    }
}

fn extended(text: &str) -> Option<Stat> {
    let letters = text.find(|letter: char| !letter.is_ascii_alphabetic())?;
    let (kind, rest) = text.split_at(letters);
    let kind = match kind.to_ascii_lowercase().as_str() {
        "p" => return percent(rest).map(Stat::Percentile),
        "tm" => Within::TrimmedMean,
        "wm" => Within::WinsorizedMean,
        "tc" => Within::TrimmedCount,
        "ts" => Within::TrimmedSum,
        "pr" => Within::PercentileRank,
        _ => return None,
    };
    let bounds = match rest.strip_prefix('(') {
        Some(inner) => bounds(inner.strip_suffix(')')?)?,
        None => Bounds::Percent(0.0, percent(rest)?),
    };
    let is_fitting = kind != Within::PercentileRank || matches!(bounds, Bounds::Values(..));
    is_fitting.then_some(Stat::Within(kind, bounds))
}

fn percent(text: &str) -> Option<f64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|percent| is_plain && (0.0..=100.0).contains(percent))
}

/// `a:b`, where either may be left out.
fn bounds(text: &str) -> Option<Bounds> {
    let (low, high) = text.split_once(':')?;
    if low.contains('%') || high.contains('%') {
        let one = |text: &str, absent| if text.is_empty() { Some(absent) } else { percent(text.strip_suffix('%')?) };
        let (low, high) = (one(low, 0.0)?, one(high, 100.0)?);
        return (low < high).then_some(Bounds::Percent(low, high));
    }
    if low.is_empty() && high.is_empty() {
        return None;
    }
    let one = |text: &str, absent| if text.is_empty() { Some(absent) } else { text.parse::<f64>().ok() };
    let (low, high) = (one(low, f64::NEG_INFINITY)?, one(high, f64::INFINITY)?);
    (low < high).then_some(Bounds::Values(low, high))
}

impl fmt::Display for Stat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percentile(percent) => write!(f, "p{percent}"),
            Self::Within(kind, Bounds::Percent(0.0, high)) => write!(f, "{}{high}", kind.letters().to_lowercase()),
            Self::Within(kind, Bounds::Percent(low, high)) => write!(f, "{}({low}%:{high}%)", kind.letters()),
            Self::Within(kind, Bounds::Values(low, high)) => {
                let one = |value: f64| if value.is_finite() { value.to_string() } else { String::new() };
                write!(f, "{}({}:{})", kind.letters(), one(*low), one(*high))
            }
            plain => write!(f, "{plain:?}"),
        }
    }
}

impl Within {
    fn letters(self) -> &'static str {
        match self {
            Self::TrimmedMean => "TM",
            Self::WinsorizedMean => "WM",
            Self::TrimmedCount => "TC",
            Self::TrimmedSum => "TS",
            Self::PercentileRank => "PR",
        }
    }
}

impl Stat {
    /// The statistic of some values. `None` when there are none, or when it needs a distribution and that is not known.
    pub fn of(&self, values: &Summary) -> Option<f64> {
        let known = &values.statistics;
        if values.is_empty() {
            return None;
        }
        match *self {
            Self::SampleCount => Some(known.count),
            Self::Average => Some(known.sum / known.count),
            Self::Sum => Some(known.sum),
            Self::Minimum => Some(known.min),
            Self::Maximum => Some(known.max),
            Self::Percentile(percent) => {
                let value = percentile(values.distribution()?, known.count * percent / 100.0)?;
                Some(value.clamp(known.min, known.max))
            }
            Self::Within(kind, bounds) => within(values, kind, bounds),
        }
    }
}

/// The value that the `rank`th of all values has, from 1.
fn percentile(sketch: &Sketch, rank: f64) -> Option<f64> {
    let mut seen = 0.0;
    let mut last = None;
    for bin in sketch.bins() {
        seen += bin.count;
        last = Some(bin.value);
        // Counts add up with small errors.
        if seen >= rank * (1.0 - 1e-9) {
            return last;
        }
    }
    last
}

fn within(values: &Summary, kind: Within, bounds: Bounds) -> Option<f64> {
    let sketch = values.distribution()?;
    let known = &values.statistics;
    let (mut count, mut sum, mut seen) = (0.0, 0.0, 0.0);
    for bin in sketch.bins() {
        let value = bin.value.clamp(known.min, known.max);
        let inside = match bounds {
            Bounds::Percent(low, high) => {
                let from = (known.count * low / 100.0).max(seen);
                let to = (known.count * high / 100.0).min(seen + bin.count);
                (to - from).max(0.0)
            }
            Bounds::Values(low, high) => bin.count * f64::from(u8::from(value > low && value <= high)),
        };
        seen += bin.count;
        count += inside;
        sum += inside * value;
    }
    match kind {
        Within::TrimmedCount => Some(count),
        Within::TrimmedSum => Some(sum),
        Within::TrimmedMean => (count > 0.0).then(|| sum / count),
        Within::PercentileRank => Some(count / known.count * 100.0),
        Within::WinsorizedMean => Some(winsorized(values, sketch, bounds)?.clamp(known.min, known.max)),
    }
}

fn winsorized(values: &Summary, sketch: &Sketch, bounds: Bounds) -> Option<f64> {
    let known = &values.statistics;
    let (low, high) = match bounds {
        Bounds::Values(low, high) => (low, high),
        Bounds::Percent(low, high) => {
            (percentile(sketch, known.count * low / 100.0)?, percentile(sketch, known.count * high / 100.0)?)
        }
    };
    let sum: f64 = sketch.bins().map(|bin| bin.value.clamp(low, high) * bin.count).sum();
    Some(sum / known.count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Statistics;

    /// One to a hundred.
    fn hundred() -> Summary {
        let mut values = Summary::default();
        (1..=100).for_each(|value| values.add(f64::from(value), 1.0));
        values
    }

    #[test]
    fn statistics_of_one_to_a_hundred() {
        let cases = [
            ("SampleCount", 100.0),
            ("Average", 50.5),
            ("Sum", 5050.0),
            ("Minimum", 1.0),
            ("Maximum", 100.0),
            ("p0", 1.0),
            ("p50", 50.0),
            ("p99", 99.0),
            ("p99.9", 100.0),
            ("p100", 100.0),
            ("tm90", 45.5),
            ("TM(10%:90%)", 50.5),
            ("TM(90%:)", 95.5),
            ("TM(:50)", 25.5),
            ("IQM", 50.5),
            ("tc90", 90.0),
            ("TC(0.5:10)", 10.0),
            ("ts50", 1275.0),
            ("wm90", 49.95),
            ("PR(:30)", 30.0),
            ("PR(10:30)", 20.0),
        ];
        for (name, expected) in cases {
            let found = name.parse::<Stat>().unwrap().of(&hundred()).unwrap();
            assert!((found - expected).abs() <= expected.abs() * 0.01, "{name}: {found}, expected {expected}");
        }
    }

    #[test]
    fn what_names_no_statistic_is_refused() {
        for text in
            ["sum", "", "p", "p101", "p-1", "q99", "TM(90%:10%)", "TM(:)", "PR(10%:20%)", "tm", "TM(5", "p1e1", "é9"]
        {
            assert!(text.parse::<Stat>().is_err(), "{text}");
        }
        for text in ["p99.9", "tm90", "TM(10%:90%)", "PR(:300)", "WM(1:5)", "Sum", "tc10"] {
            assert_eq!(text.parse::<Stat>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn percentiles_need_single_values() {
        let mut values = Summary::from(Statistics { count: 3.0, sum: 6.0, min: 1.0, max: 3.0 });
        assert_eq!(Stat::Percentile(50.0).of(&values), None);
        assert_eq!(Stat::Average.of(&values), Some(2.0));
        values = Summary::from(Statistics::of_many(7.0, 3.0));
        assert_eq!(Stat::Percentile(50.0).of(&values), Some(7.0));
        assert_eq!(Stat::Sum.of(&Summary::default()), None);
    }
}
