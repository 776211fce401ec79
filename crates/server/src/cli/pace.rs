//! Progress of long work, in one line: how much, how fast, how long still.

use millrace_base::Millis;
use std::io::{IsTerminal, Write};

/// Progress towards a total that is known.
pub struct Pace {
    total: u64,
    begun: Millis,
    /// Where it stood when it was looked at first: work of an earlier run says nothing about this one's rate.
    first: Option<u64>,
    done: u64,
    told: Millis,
    tell_every: Millis,
    terminal: bool,
}

impl Pace {
    /// Of `total` records; told every `tell_every` milliseconds where nobody sees a line change.
    pub fn new(total: u64, now: Millis, tell_every: Millis) -> Self {
        let terminal = std::io::stdout().is_terminal();
        Self { total, begun: now, first: None, done: 0, told: now, tell_every, terminal }
    }

    /// Another total, as more arrives.
    pub fn of(&mut self, total: u64) {
        self.total = total;
    }

    /// Shows where it stands.
    pub fn show(&mut self, done: u64, now: Millis, note: &str) {
        self.first.get_or_insert(done);
        self.done = done;
        if self.terminal {
            print!("\r\x1b[2K{}{note}", self.line(now));
            // Nobody reads it when this fails.
            let _ = std::io::stdout().flush();
        } else if now - self.told >= self.tell_every {
            self.told = now;
            println!("{}{note}", self.line(now));
        }
    }

    /// Shows the whole.
    pub fn end(&self, now: Millis) {
        if self.terminal {
            print!("\r\x1b[2K");
        }
        let seconds = (now - self.begun) as f64 / 1000.0;
        println!("{} records in {seconds:.1} s, up to the tip", thousands(self.done));
    }

    fn line(&self, now: Millis) -> String {
        let seconds = ((now - self.begun) as f64 / 1000.0).max(0.001);
        let rate = (self.done - self.first.unwrap_or(0).min(self.done)) as f64 / seconds;
        let left = self.total.saturating_sub(self.done);
        let eta = match rate {
            _ if left == 0 => "at the tip".to_owned(),
            rate if rate < 1.0 => "time left unknown".to_owned(),
            rate => format!("{} left", duration(left as f64 / rate)),
        };
        format!("{} of {} records, {}/s, {eta}", thousands(self.done), thousands(self.total), thousands(rate as u64))
    }
}

/// `1234567` as `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn duration(seconds: f64) -> String {
    let seconds = seconds.ceil() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_time_left_are_those_of_this_run() {
        let mut pace = Pace::new(10_000, 0, 1_000_000);
        pace.show(4_000, 10, "");
        pace.show(6_000, 2_000, "");
        assert_eq!(pace.line(2_000), "6,000 of 10,000 records, 1,000/s, 4 s left");
        pace.show(10_000, 3_000, "");
        assert!(pace.line(3_000).ends_with("at the tip"));
        assert_eq!((thousands(7), thousands(1_234_567)), ("7".to_owned(), "1,234,567".to_owned()));
        assert_eq!(
            (duration(59.2), duration(61.0), duration(7_300.0)),
            ("1 min 0 s".into(), "1 min 1 s".into(), "2 h 1 min".into())
        );
    }
}
