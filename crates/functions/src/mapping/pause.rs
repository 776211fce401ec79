//! Pauses between tries: twice as long each time, up to a maximum, and never the same for two that fail together.

use millrace_base::{Dice, Millis};

const FIRST_MS: u64 = 250;

/// What is waited for, hence how long at most.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pause {
    /// A function that failed.
    Failed,
    /// A function that could not be called: it is free again soon, and who waits for longer than others would starve.
    Busy,
    /// A destination or a queue that does not answer: somebody is mending it.
    Away,
}

impl Pause {
    fn longest_ms(self) -> u64 {
        match self {
            Self::Failed => 30_000,
            Self::Busy => 2_000,
            Self::Away => 5_000,
        }
    }

    /// How long after so many tries that failed, at least 1: between half of the nominal pause and all of it.
    pub(crate) fn after(self, tries: u32, dice: &dyn Dice) -> Millis {
        let nominal = FIRST_MS.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(self.longest_ms());
        (nominal / 2 + dice.roll() % (nominal / 2 + 1)) as Millis
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u64);
    impl Dice for Fixed {
        fn roll(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let shortest = |tries| Pause::Failed.after(tries, &Fixed(0));
        assert_eq!([1, 2, 3, 8, 99].map(shortest), [125, 250, 500, 15_000, 15_000]);
        assert_eq!(Pause::Failed.after(1, &Fixed(125)), 250);
        assert_eq!(Pause::Failed.after(1, &Fixed(126)), 125);
        assert_eq!(Pause::Busy.after(99, &Fixed(1_000)), 2_000);
        assert_eq!(Pause::Away.after(99, &Fixed(2_500)), 5_000);
    }
}
