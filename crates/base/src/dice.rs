//! Randomness, injected so that one seed replays a run.

use rand::TryRng;

/// Where randomness comes from.
pub trait Dice: Send + Sync + 'static {
    /// Sixty-four uniformly random bits.
    fn roll(&self) -> u64;

    /// A random version-4 UUID in its hyphenated form, as AWS's request ids are.
    fn uuid(&self) -> String {
        let high = (self.roll() & !0xf000) | 0x4000;
        let low = (self.roll() & !(0b11 << 62)) | (0b10 << 62);
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        )
    }
}

/// The operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemDice;

impl Dice for SystemDice {
    fn roll(&self) -> u64 {
        rand::rngs::SysRng.try_next_u64().unwrap_or_else(|error| {
            // Without randomness ids would collide silently, which is worse than stopping.
            panic!("the operating system gives no randomness: {error}")
        })
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
    fn uuid_carries_version_and_variant() {
        assert_eq!(Fixed(u64::MAX).uuid(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(Fixed(0).uuid(), "00000000-0000-4000-8000-000000000000");
    }
}
