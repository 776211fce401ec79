//! How finely points are kept, and for how long.

use millrace_base::Millis;

/// How wide a kept point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolution {
    /// A second, kept for three hours.
    Second,
    /// A minute, kept for fifteen days.
    Minute,
    /// An hour, kept for 455 days.
    Hour,
}

/// A minute.
pub const MINUTE_MS: Millis = 60_000;
const HOUR_MS: Millis = 60 * MINUTE_MS;

impl Resolution {
    /// All, from the finest.
    pub const ALL: [Self; 3] = [Self::Second, Self::Minute, Self::Hour];

    /// The width of a point.
    pub const fn width_ms(self) -> Millis {
        match self {
            Self::Second => 1000,
            Self::Minute => MINUTE_MS,
            Self::Hour => HOUR_MS,
        }
    }

    /// How long points are kept: as long as CloudWatch keeps them.
    pub const fn kept_ms(self) -> Millis {
        match self {
            Self::Second => 3 * HOUR_MS,
            Self::Minute => 15 * 24 * HOUR_MS,
            Self::Hour => 455 * 24 * HOUR_MS,
        }
    }

    /// The beginning of the point that a moment belongs to.
    pub const fn floor(self, moment: Millis) -> Millis {
        moment - moment.rem_euclid(self.width_ms())
    }

    /// The finest points that periods of `period_ms` from `start` on can be made of and that are still kept; `None` when there are
    /// none that fine.
    pub fn serving(period_ms: Millis, start: Millis, now: Millis) -> Option<Self> {
        let fits = |resolution: &Self| period_ms % resolution.width_ms() == 0;
        let fitting = Self::ALL.into_iter().rev().filter(fits);
        // The coarsest that fits is the cheapest, but the newest points are the same in all of them, so minutes are preferred
        // to hours while they are kept: their borders are where the query's are.
        let mut fitting: Vec<Self> = fitting.collect();
        fitting.retain(|resolution| *resolution != Self::Hour || start.saturating_add(Self::Minute.kept_ms()) < now);
        fitting.first().copied()
    }
}
