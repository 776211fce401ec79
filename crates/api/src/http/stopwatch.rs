//! How long requests take.

use std::time::Instant;

/// How long a request takes.
pub(crate) struct Stopwatch(Instant);

#[allow(clippy::disallowed_methods, reason = "measures the machine; nothing is decided by it")]
impl Stopwatch {
    /// Starts it.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Milliseconds since the start.
    pub(crate) fn ms(&self) -> f64 {
        self.0.elapsed().as_secs_f64() * 1000.0
    }
}
