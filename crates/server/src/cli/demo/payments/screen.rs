//! What a person sees while the day goes on: one line at a time, with the time since the start.

use std::time::Instant;

/// Prints lines; copies print to the same place.
#[derive(Debug, Clone)]
pub struct Screen {
    started: Instant,
    is_quiet: bool,
}

impl Screen {
    /// A screen whose clock begins now.
    #[allow(clippy::disallowed_methods, reason = "people watch in real time")]
    pub fn new() -> Self {
        Self { started: Instant::now(), is_quiet: false }
    }

    /// One that shows nothing.
    #[cfg(test)]
    pub fn quiet() -> Self {
        Self { is_quiet: true, ..Self::new() }
    }

    /// Shows a line.
    pub fn say(&self, text: &str) {
        if !self.is_quiet {
            let seconds = self.started.elapsed().as_secs();
            println!("   {:>3}:{:02}  {text}", seconds / 60, seconds % 60);
        }
    }
}

/// The time, in milliseconds since 1970.
#[allow(clippy::disallowed_methods, reason = "events and alarms carry the real time")]
pub fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}
