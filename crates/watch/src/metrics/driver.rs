//! The second hand: folds counters, writes to disk, and tells what goes wrong.

#![allow(clippy::disallowed_methods, reason = "the driver of a thread waits for the next second")]

use super::error::MetricsError;
use super::state::State;
use super::store::Store;
use super::{MINUTE_MS, Metrics, SERIES_MAX};
use millrace_base::{Clock, Disk};
use parking_lot::{Condvar, Mutex};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What may wait to be told.
const TROUBLES_MAX: usize = 100;

/// What metrics stand on.
pub struct MetricsParts {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where they are kept.
    pub disk: Arc<dyn Disk>,
    /// The folder.
    pub dir: PathBuf,
    /// What blocks may take together; beyond it the oldest seconds go first.
    pub bytes_max: u64,
}

/// Ends the thread.
#[derive(Default)]
pub(super) struct Closing {
    closed: Mutex<bool>,
    changed: Condvar,
}

impl Metrics {
    /// The default of [`MetricsParts::bytes_max`]: two weeks of about a thousand busy metrics.
    pub const BYTES_MAX: u64 = 2 << 30;

    /// The metrics of a folder. Nothing is written before [`Metrics::start`].
    pub fn open(parts: MetricsParts) -> Result<Self, MetricsError> {
        let now = parts.clock.now();
        let mut state = State::new(now, SERIES_MAX);
        let (store, troubles) = Store::open(parts.disk, parts.dir, parts.bytes_max, now, &mut state)?;
        Ok(Self::of(parts.clock, state, Some(store), troubles))
    }

    /// Steps every second, on a thread of its own, until [`Metrics::close`]. `report` is told what goes wrong.
    pub fn start(&self, report: impl Fn(&MetricsError) + Send + 'static) -> std::io::Result<()> {
        let metrics = self.clone();
        std::thread::Builder::new().name("metrics".to_owned()).spawn(move || metrics.run(report)).map(|_| ())
    }

    /// What a second brings: counters are folded, and what is due is written. The thread does nothing else; a simulation calls it
    /// itself. Blocking.
    pub fn step(&self) -> Result<(), MetricsError> {
        let now = self.clock.now();
        self.shared.state.lock().fold(now);
        self.shared.store.as_ref().map_or(Ok(()), |store| store.step(now, &self.shared.state))
    }

    /// Writes what was counted and ends the thread. Blocking.
    pub fn close(&self) -> Result<(), MetricsError> {
        *self.shared.closing.closed.lock() = true;
        self.shared.closing.changed.notify_all();
        let now = self.clock.now();
        self.shared.state.lock().fold(now);
        self.shared.store.as_ref().map_or(Ok(()), |store| store.close(now, &self.shared.state))
    }

    /// Notes what is to be told.
    pub(super) fn trouble(&self, error: MetricsError) {
        let mut troubles = self.shared.troubles.lock();
        if troubles.len() < TROUBLES_MAX {
            troubles.push(error);
        }
    }

    fn run(&self, report: impl Fn(&MetricsError)) {
        let mut minute = 0;
        let mut told: Option<String> = None;
        loop {
            let now = self.clock.now();
            if now / MINUTE_MS != minute {
                minute = now / MINUTE_MS;
                self.tell_refused(&report);
                told = None;
            }
            if let Err(error) = self.step() {
                self.trouble(error);
            }
            for error in std::mem::take(&mut *self.shared.troubles.lock()) {
                // The same every second is told once a minute.
                let text = error.to_string();
                if told.as_ref() != Some(&text) {
                    report(&error);
                    told = Some(text);
                }
            }
            // A little after the second: what is folded then was counted in it.
            let now = self.clock.now();
            let wait = Duration::from_millis((1000 - now.rem_euclid(1000)) as u64);
            let mut closed = self.shared.closing.closed.lock();
            if !*closed {
                self.shared.closing.changed.wait_for(&mut closed, wait);
            }
            if *closed {
                return;
            }
        }
    }

    fn tell_refused(&self, report: &impl Fn(&MetricsError)) {
        let refused = std::mem::take(&mut self.shared.state.lock().refused);
        if refused > 0 {
            report(&MetricsError::TooMany { refused, series_max: SERIES_MAX });
        }
    }
}
