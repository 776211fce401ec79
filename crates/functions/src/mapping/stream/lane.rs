//! One of a shard's lanes: batches that are called one after the other, so that records of one key stay in order.

use crate::mapping::event::Item;
use crate::mapping::failure::LastCall;
use crate::mapping::ports::FailureRecord;
use millrace_base::Millis;
use std::collections::VecDeque;
use std::sync::Arc;

/// A batch that was tried so often in vain holds its lane up: worth a word to people.
const STUCK_TRIES: u32 = 5;

/// Records that go to the function together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) items: Vec<Item>,
    /// Calls in which its first record failed.
    pub(super) failures: u32,
    /// Calls that had these records.
    pub(super) invokes: u32,
    /// When the last call began.
    pub(super) began: Millis,
    /// Calls in a row that never reached the function.
    pub(super) unreached: u32,
    pub(super) last: Option<LastCall>,
    /// What went wrong last.
    pub(super) problem: String,
    /// Set on the last call of a window, which has no records: whether the window ends early.
    pub(super) closes: Option<bool>,
}

impl Batch {
    pub(super) fn of(items: Vec<Item>) -> Self {
        Self { items, ..Self::default() }
    }

    /// The same history with other records.
    pub(super) fn with(&self, items: Vec<Item>) -> Self {
        Self {
            items,
            failures: self.failures,
            invokes: self.invokes,
            began: self.began,
            unreached: 0,
            last: self.last.clone(),
            problem: String::new(),
            closes: self.closes,
        }
    }

    /// Takes the records from `at` on out, with the history.
    pub(super) fn split_off(&mut self, at: usize) -> Self {
        let rest = self.items.split_off(at);
        self.with(rest)
    }
}

/// What a lane is at.
#[derive(Debug, Default)]
pub(super) enum Work {
    /// Nothing.
    #[default]
    Idle,
    /// The function has the batch.
    Calling(Batch),
    /// The batch is tried again then.
    Pausing(Batch, Millis),
    /// The destination gets the record of the batch.
    Delivering(Lost),
    /// The same, tried again then.
    Undelivered(Lost, Millis),
}

/// A batch that was given up.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) batch: Batch,
    pub(super) record: Arc<FailureRecord>,
    /// Deliveries that failed.
    pub(super) tries: u32,
}

/// A queue of records and the batch that is worked on.
#[derive(Debug, Default)]
pub(super) struct Lane {
    waiting: VecDeque<Item>,
    /// What the waiting records' events take, roughly.
    pub(super) waiting_bytes: usize,
    /// When the first of the waiting records came: its batching window starts here.
    pub(super) since: Millis,
    /// Whether the shard has gathered a full batch of which these are a part.
    pub(super) is_ripe: bool,
    /// Parts of a batch that was split, to be called before anything that waits.
    pub(super) parts: VecDeque<Batch>,
    pub(super) work: Work,
}

impl Lane {
    pub(super) fn push(&mut self, item: Item, now: Millis) {
        if self.waiting.is_empty() {
            self.since = now;
        }
        self.waiting_bytes += item.event_bytes();
        self.waiting.push_back(item);
    }

    pub(super) fn waiting(&self) -> &VecDeque<Item> {
        &self.waiting
    }

    /// Takes records from the front: at most `max`, for as long as `takes` holds.
    pub(super) fn take(&mut self, max: usize, takes: impl Fn(&Item) -> bool, now: Millis) -> Vec<Item> {
        let count = self.waiting.iter().take(max).take_while(|item| takes(item)).count();
        let items: Vec<Item> = self.waiting.drain(..count).collect();
        self.waiting_bytes -= items.iter().map(Item::event_bytes).sum::<usize>();
        (self.since, self.is_ripe) = (now, false);
        items
    }

    /// Puts records back that did not fit.
    pub(super) fn put_back(&mut self, items: Vec<Item>) {
        for item in items.into_iter().rev() {
            self.waiting_bytes += item.event_bytes();
            self.waiting.push_front(item);
        }
    }

    /// Keeps the waiting records that pass; returns the tickets of the others.
    pub(super) fn sift(&mut self, passes: impl Fn(&Item) -> bool) -> Vec<u64> {
        let (kept, dropped): (VecDeque<_>, VecDeque<_>) = self.waiting.drain(..).partition(passes);
        self.waiting_bytes = kept.iter().map(Item::event_bytes).sum();
        self.waiting = kept;
        dropped.into_iter().map(|item| item.ticket).collect()
    }

    /// Whether the function has a batch of it.
    pub(super) fn is_calling(&self) -> bool {
        matches!(self.work, Work::Calling(_))
    }

    /// Whether nothing of it is on its way.
    pub(super) fn is_still(&self) -> bool {
        !matches!(self.work, Work::Calling(_) | Work::Delivering(_))
    }

    /// Why it does not get on, after more than a moment.
    pub(super) fn trouble(&self) -> Option<&str> {
        let stuck = match &self.work {
            Work::Calling(batch) | Work::Pausing(batch, _) => {
                (batch.failures.max(batch.unreached) >= STUCK_TRIES).then_some(batch)
            }
            Work::Delivering(lost) | Work::Undelivered(lost, _) => (lost.tries > 0).then_some(&lost.batch),
            Work::Idle => None,
        };
        stuck.map(|batch| batch.problem.as_str())
    }

    /// Whether it has nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.parts.is_empty() && matches!(self.work, Work::Idle)
    }

    /// All its records, in no order; only when it is still.
    pub(super) fn into_items(self) -> Vec<Item> {
        let mut items: Vec<Item> = self.waiting.into();
        items.extend(self.parts.into_iter().flat_map(|batch| batch.items));
        match self.work {
            Work::Pausing(batch, _) => items.extend(batch.items),
            Work::Undelivered(lost, _) => items.extend(lost.batch.items),
            Work::Idle | Work::Calling(_) | Work::Delivering(_) => {}
        }
        items
    }
}
