//! Pauses between tries: twice as long each time, up to a maximum, and never the same for two that fail together.

use millrace_base::{Dice, Millis};

const FIRST_MS: u64 = 250;
const LONGEST_MS: u64 = 30_000;
/// A function that is busy is free again soon, and who waits for longer than others would starve.
const BUSY_TRIES: u32 = 4;

/// The pause after so many tries that failed, at least 1: between half of the nominal pause and all of it.
pub(crate) fn pause(dice: &dyn Dice, tries: u32) -> Millis {
    let nominal = FIRST_MS.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(LONGEST_MS);
    (nominal / 2 + dice.roll() % (nominal / 2 + 1)) as Millis
}

/// The pause after so many calls that never reached the function: 2 seconds at most.
pub(crate) fn pause_of_busy(dice: &dyn Dice, tries: u32) -> Millis {
    pause(dice, tries.min(BUSY_TRIES))
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
        let shortest = |tries| pause(&Fixed(0), tries);
        assert_eq!([1, 2, 3, 8, 99].map(shortest), [125, 250, 500, 15_000, 15_000]);
        assert_eq!(pause(&Fixed(125), 1), 250);
        assert_eq!(pause(&Fixed(126), 1), 125);
        assert_eq!(pause_of_busy(&Fixed(1000), 99), 2_000);
    }
}
