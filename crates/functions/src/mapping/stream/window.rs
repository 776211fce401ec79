//! Which records make the next batch, with and without tumbling windows.
//!
//! A window takes the records that arrived in it, call by call, and hands a state from call to call; when the next record
//! belongs to a later window, or its time is over, a last call without records ends it. It ends early when its state grows
//! beyond AWS's limit. The state is part of the checkpoint, so that after a kill the window goes on from the same record.

use super::lane::{Batch, Lane};
use super::shard::{Shard, Step};
use crate::mapping::answer;
use crate::mapping::event::PAYLOAD_BYTES_MAX;
use crate::mapping::progress::OpenWindow;
use bytes::Bytes;
use millrace_base::Millis;

/// The largest state (AWS quota).
const STATE_BYTES_MAX: usize = 1 << 20;
/// How long after its end a window waits for records that arrived in it and are not readable yet.
const LATE_MS: Millis = 500;
/// How long a lane's part of a gathered batch waits for more while another lane's is called. A call has its price, however few
/// records it carries: of those that come fast there are more in it, and none waits for long.
const PART_MS: Millis = 400;

impl Shard {
    /// What a lane is to call next, if it is time.
    pub(super) fn next_batch(&mut self, lane: usize, now: Millis, step: &mut Step) -> Option<Batch> {
        if let Some(part) = self.lanes[lane].parts.pop_front() {
            return Some(part);
        }
        if self.window.is_none() && self.applied.tumbling_ms() == 0 {
            return self.gather(lane, Millis::MAX, now, step);
        }
        self.next_of_window(lane, now, step)
    }

    /// The waiting records that arrived before `end`, when there are enough or they waited long enough.
    fn gather(&mut self, lane: usize, end: Millis, now: Millis, step: &mut Step) -> Option<Batch> {
        let (batch_size, batching_ms) = (self.applied.settings.batch_size, self.applied.batching_ms());
        let waiting = &self.lanes[lane];
        let first = waiting.waiting().front().filter(|item| item.arrival < end)?;
        let is_old = self.is_too_old(first, now);
        let full = waiting.waiting().len() >= batch_size
            || waiting.waiting_bytes >= PAYLOAD_BYTES_MAX
            || waiting.waiting().back().is_some_and(|item| item.arrival >= end)
            || self.ended
            || now >= end;
        let patience = match waiting.is_ripe {
            true if self.lanes.iter().any(Lane::is_calling) => batching_ms.min(PART_MS),
            true => 0,
            false => batching_ms,
        };
        let due = waiting.since + patience;
        if !full && !is_old && now < due {
            step.wake(due);
            return None;
        }
        let age_max = self.applied.settings.age_max().unwrap_or(Millis::MAX);
        let belongs =
            |item: &crate::mapping::event::Item| item.arrival < end && (now - item.arrival > age_max) == is_old;
        Some(Batch::of(self.lanes[lane].take(batch_size, belongs, now)))
    }

    fn next_of_window(&mut self, lane: usize, now: Millis, step: &mut Step) -> Option<Batch> {
        let length = self.applied.tumbling_ms();
        if self.window.is_none() {
            let arrival = self.lanes[lane].waiting().front()?.arrival;
            // A record that is late for its window counts to the next one.
            let start = (arrival - arrival.rem_euclid(length)).max(self.window_floor);
            let (end, state) = (start - start.rem_euclid(length) + length, answer::no_state());
            self.window = Some(OpenWindow { start, end, state, ends_early: false, last: (0, arrival) });
            self.window_changes += 1;
        }
        let window = self.window.as_ref()?;
        let end = window.end;
        let closing = |early| Some(Batch { closes: Some(early), ..Batch::default() });
        if window.ends_early {
            return closing(true);
        }
        if length == 0 {
            return closing(false);
        }
        match self.lanes[lane].waiting().front() {
            Some(first) if first.arrival >= end => closing(false),
            Some(_) => self.gather(lane, end, now, step),
            None if now >= end + LATE_MS && !step.again => closing(false),
            None => {
                step.wake(end + LATE_MS);
                None
            }
        }
    }

    /// Takes over the state that a call of the window left.
    pub(super) fn note_window(&mut self, batch: &Batch, payload: &Bytes) {
        if let Some(early) = batch.closes {
            return self.close_window(early);
        }
        let (Some(window), Some(last)) = (&mut self.window, batch.items.last()) else { return };
        window.state = answer::state(payload);
        window.ends_early = window.state.get().len() > STATE_BYTES_MAX;
        window.last = (last.spot.index, last.arrival);
        self.window_changes += 1;
    }

    /// The last call of the window is behind us. A window that ended early goes on without its state.
    pub(super) fn close_window(&mut self, early: bool) {
        self.window_changes += 1;
        match (&mut self.window, early) {
            (Some(window), true) => (window.state, window.ends_early) = (answer::no_state(), false),
            (Some(window), false) => {
                self.window_floor = window.end;
                self.window = None;
            }
            (None, _) => {}
        }
    }
}
