//! One queue in memory: which messages there are, which can be received, and when the others can.

use super::dedup::{DEDUP_MS, Dedups};
use super::groups::Groups;
use crate::sqs::{Counters, Counts, Depth, QueueInfo};
use ahash::AHashMap;
use millrace_base::Millis;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use tokio::sync::Notify;

/// Attempts that a queue remembers; beyond it the oldest is forgotten.
const ATTEMPTS_MAX: usize = 10_000;

/// Where a message's record lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) segment: u64,
    pub(crate) offset: u32,
    pub(crate) len: u32,
}

/// What a message is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It can be received (FIFO: once its group's turn comes).
    Visible,
    /// It was not received yet and waits for its time.
    Delayed,
    /// It was received and waits for its deletion or its time.
    InFlight,
    /// It is on its way to another queue.
    Leaving,
}

/// A message, without its content.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) place: Place,
    pub(crate) sent: Millis,
    pub(crate) visible_at: Millis,
    pub(crate) first_received: Millis,
    /// When it was last received, in this life of the process.
    pub(crate) last_received: Millis,
    pub(crate) received: u32,
    /// What `received` was when the message entered this queue.
    pub(crate) base: u32,
    pub(crate) nonce: u32,
    pub(crate) stage: Stage,
    /// FIFO only.
    pub(crate) group: Option<Arc<str>>,
}

/// What a receive is after.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Want {
    pub(crate) max: usize,
    pub(crate) visibility_ms: Millis,
    /// Messages that were received so often are given up, not delivered.
    pub(crate) receives_max: Option<u32>,
    pub(crate) now: Millis,
}

/// What a receive found.
#[derive(Default)]
pub(crate) struct Picked {
    pub(crate) messages: Vec<(u64, Message)>,
    /// Messages that were received too often: they are to leave now.
    pub(crate) given_up: Vec<u64>,
    /// Messages that outlived their retention: they are to go now.
    pub(crate) expired: Vec<u64>,
}

/// Receives of a FIFO queue that may be repeated: number and nonce of what each got.
#[derive(Default)]
pub(crate) struct Attempts {
    by_id: AHashMap<String, Vec<(u64, u32)>>,
    by_time: VecDeque<(Millis, String)>,
}

impl Attempts {
    /// What the attempt got.
    pub(crate) fn find(&mut self, id: &str, now: Millis) -> Option<Vec<(u64, u32)>> {
        while self.by_time.len() > ATTEMPTS_MAX || self.by_time.front().is_some_and(|(at, _)| at + DEDUP_MS <= now) {
            let Some((_, id)) = self.by_time.pop_front() else { break };
            self.by_id.remove(&id);
        }
        self.by_id.get(id).cloned()
    }

    /// Remembers an attempt that got something.
    pub(crate) fn insert(&mut self, id: &str, messages: Vec<(u64, u32)>, now: Millis) {
        if !messages.is_empty() && self.by_id.insert(id.to_owned(), messages).is_none() {
            self.by_time.push_back((now, id.to_owned()));
        }
    }
}

pub(crate) struct Queue {
    pub(crate) info: Arc<QueueInfo>,
    pub(crate) messages: BTreeMap<u64, Message>,
    ages: BTreeSet<(Millis, u64)>,
    /// When delayed messages and messages in flight become visible.
    timers: BTreeSet<(Millis, u64)>,
    /// Standard: what is visible.
    ready: BTreeSet<u64>,
    groups: Groups,
    pub(crate) dedups: Dedups,
    pub(crate) attempts: Attempts,
    in_flight: usize,
    delayed: usize,
    pub(crate) counters: Counters,
    pub(crate) purged: Option<Millis>,
    pub(crate) arrival: Arc<Notify>,
}

impl Queue {
    pub(crate) fn new(info: Arc<QueueInfo>) -> Self {
        Self {
            info,
            messages: BTreeMap::new(),
            ages: BTreeSet::new(),
            timers: BTreeSet::new(),
            ready: BTreeSet::new(),
            groups: Groups::default(),
            dedups: Dedups::default(),
            attempts: Attempts::default(),
            in_flight: 0,
            delayed: 0,
            counters: Counters::default(),
            purged: None,
            arrival: Arc::new(Notify::new()),
        }
    }

    pub(crate) fn group(&self, name: &[u8]) -> Option<Arc<str>> {
        let name = self.info.is_fifo().then(|| String::from_utf8_lossy(name))?;
        Some(self.groups.intern(&name))
    }

    /// Adds a message whose stage says what it is doing.
    pub(crate) fn insert(&mut self, no: u64, message: Message) {
        self.ages.insert((message.sent, no));
        self.enter(no, &message);
        if let Some(group) = &message.group {
            self.groups.insert(group, no, holds(message.stage));
        }
        let (group, visible) = (message.group.clone(), message.stage == Stage::Visible);
        self.messages.insert(no, message);
        let visible = group.map_or(visible, |group| self.settle(&group));
        if visible {
            self.arrival.notify_one();
        }
    }

    /// Takes a message away.
    pub(crate) fn remove(&mut self, no: u64) -> Option<Message> {
        let message = self.messages.remove(&no)?;
        self.ages.remove(&(message.sent, no));
        self.leave(no, &message);
        if let Some(group) = &message.group {
            self.groups.remove(group, no, holds(message.stage));
            if self.settle(group) {
                self.arrival.notify_one();
            }
        }
        Some(message)
    }

    /// Changes what a message is doing.
    pub(crate) fn restage(&mut self, no: u64, stage: Stage, visible_at: Millis) {
        let Some(mut message) = self.messages.remove(&no) else { return };
        self.leave(no, &message);
        let (held, holds_now) = (holds(message.stage), holds(stage));
        (message.stage, message.visible_at) = (stage, visible_at);
        self.enter(no, &message);
        let group = message.group.clone();
        self.messages.insert(no, message);
        let mut visible = stage == Stage::Visible;
        if let Some(group) = group {
            if held != holds_now {
                self.groups.fly(&group, holds_now);
            }
            visible = self.settle(&group);
        }
        if visible {
            self.arrival.notify_one();
        }
    }

    fn enter(&mut self, no: u64, message: &Message) {
        match message.stage {
            Stage::Visible if message.group.is_none() => drop(self.ready.insert(no)),
            Stage::Visible => {}
            Stage::Delayed => self.delayed += 1,
            Stage::InFlight | Stage::Leaving => self.in_flight += 1,
        }
        if matches!(message.stage, Stage::Delayed | Stage::InFlight) {
            self.timers.insert((message.visible_at, no));
        }
    }

    fn leave(&mut self, no: u64, message: &Message) {
        match message.stage {
            Stage::Visible if message.group.is_none() => drop(self.ready.remove(&no)),
            Stage::Visible => {}
            Stage::Delayed => self.delayed -= 1,
            Stage::InFlight | Stage::Leaving => self.in_flight -= 1,
        }
        self.timers.remove(&(message.visible_at, no));
    }

    fn settle(&mut self, group: &Arc<str>) -> bool {
        let messages = &self.messages;
        self.groups.settle(group, |no| messages.get(&no).is_some_and(|m| m.stage == Stage::Visible))
    }

    /// Shows what has become visible.
    pub(crate) fn promote(&mut self, now: Millis) {
        while let Some(&(at, no)) = self.timers.first().filter(|(at, _)| *at <= now) {
            self.restage(no, Stage::Visible, at);
        }
    }

    /// When the next message becomes visible by itself.
    pub(crate) fn next_timer(&self) -> Option<Millis> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Receives messages; each gets the next of `nonces`.
    pub(crate) fn take(&mut self, want: Want, mut nonce: impl FnMut() -> u32) -> Picked {
        self.promote(want.now);
        let mut picked = Picked::default();
        while picked.messages.len() < want.max {
            let nos = self.next_nos(want.max - picked.messages.len(), want.receives_max);
            if nos.is_empty() {
                break;
            }
            for no in nos {
                if self.is_expired(no, want.now) {
                    self.restage(no, Stage::Leaving, want.now);
                    picked.expired.push(no);
                } else if self.is_spent(no, want.receives_max) {
                    self.restage(no, Stage::Leaving, want.now);
                    picked.given_up.push(no);
                } else if let Some(message) = self.receive(no, want, nonce()) {
                    picked.messages.push((no, message));
                }
            }
        }
        if want.visibility_ms == 0 {
            let nos: Vec<u64> = picked.messages.iter().map(|(no, _)| *no).collect();
            nos.into_iter().for_each(|no| self.restage(no, Stage::Visible, want.now));
        }
        self.counters.received += picked.messages.len() as u64;
        self.counters.empty_receives += u64::from(picked.messages.is_empty());
        picked
    }

    /// The next messages to be received; of a FIFO queue, of one group.
    fn next_nos(&self, max: usize, receives_max: Option<u32>) -> Vec<u64> {
        if !self.info.is_fifo() {
            return self.ready.iter().copied().take(max).collect();
        }
        let Some(members) = self.groups.first_ready() else { return Vec::new() };
        let visible = |no: &u64| self.messages.get(no).is_some_and(|m| m.stage == Stage::Visible);
        let mut nos: Vec<u64> = members.into_iter().take(max).take_while(visible).collect();
        // A message that is to leave blocks those behind it until it has left.
        if let Some(spent) = nos.iter().position(|no| self.is_spent(*no, receives_max)) {
            nos.truncate(spent.max(1));
        }
        nos
    }

    fn receive(&mut self, no: u64, want: Want, nonce: u32) -> Option<Message> {
        let now = want.now;
        self.restage(no, Stage::InFlight, now + want.visibility_ms);
        let message = self.messages.get_mut(&no)?;
        message.received += 1;
        message.nonce = nonce;
        message.last_received = now;
        if message.first_received == 0 {
            message.first_received = now;
        }
        Some(message.clone())
    }

    fn is_spent(&self, no: u64, receives_max: Option<u32>) -> bool {
        let Some(max) = receives_max else { return false };
        self.messages.get(&no).is_some_and(|m| m.received.saturating_sub(m.base) >= max)
    }

    fn is_expired(&self, no: u64, now: Millis) -> bool {
        self.messages.get(&no).is_some_and(|m| m.sent + self.retention_ms() <= now)
    }

    fn retention_ms(&self) -> Millis {
        Millis::from(self.info.settings.retention_secs) * 1000
    }

    /// Messages that outlived their retention, at most `max`; those on their way elsewhere are left alone.
    pub(crate) fn expired(&self, now: Millis, max: usize) -> Vec<u64> {
        let end = now - self.retention_ms();
        let old = self.ages.range(..=(end, u64::MAX)).map(|(_, no)| *no);
        old.filter(|no| self.messages.get(no).is_some_and(|m| m.stage != Stage::Leaving)).take(max).collect()
    }

    /// Visible messages in order, at most `max`.
    pub(crate) fn visible(&self, max: usize) -> Vec<u64> {
        let visible = self.messages.iter().filter(|(_, m)| m.stage == Stage::Visible);
        visible.map(|(no, _)| *no).take(max).collect()
    }

    pub(crate) fn depth(&self) -> Depth {
        Depth {
            visible: self.messages.len() - self.in_flight - self.delayed,
            in_flight: self.in_flight,
            delayed: self.delayed,
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts { depth: self.depth(), oldest_sent: self.ages.first().map(|(sent, _)| *sent), counters: self.counters }
    }

    /// True when a receive would find something.
    pub(crate) fn has_visible(&self) -> bool {
        if self.info.is_fifo() { self.groups.has_ready() } else { !self.ready.is_empty() }
    }
}

fn holds(stage: Stage) -> bool {
    matches!(stage, Stage::InFlight | Stage::Leaving)
}
