//! Time as the pipeline sees it: milliseconds since 1970-01-01T00:00:00Z, from an injected [`Clock`].

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01T00:00:00Z. Negative before it.
pub type Millis = i64;

/// Where the time comes from. Injected, so that a simulation can stop it, jump it and replay it.
pub trait Clock: Send + Sync + 'static {
    /// The wall-clock time now. It may go backwards; whoever needs order uses positions, never this.
    fn now(&self) -> Millis;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the machine's clock")]
    fn now(&self) -> Millis {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => since.as_millis() as Millis,
            Err(before) => -(before.duration().as_millis() as Millis),
        }
    }
}
