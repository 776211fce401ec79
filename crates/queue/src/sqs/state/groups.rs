//! The message groups of a FIFO queue: one at a time of each, in order.
//!
//! A group whose messages are in flight gives nothing. Otherwise it stands in `ready` under its first message's number,
//! if that message is visible, so that the group that waits longest comes first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Messages that a receive takes of one group; AWS gives ten at most.
const FIRST_MAX: usize = 16;

/// The groups of a queue.
#[derive(Default)]
pub(crate) struct Groups {
    groups: BTreeMap<Arc<str>, Group>,
    ready: BTreeMap<u64, Arc<str>>,
}

#[derive(Default)]
struct Group {
    /// All messages of the group, in order.
    members: BTreeSet<u64>,
    in_flight: usize,
    /// Its key in `ready`.
    ready_as: Option<u64>,
}

impl Groups {
    /// The one copy of a group's name.
    pub(crate) fn intern(&self, name: &str) -> Arc<str> {
        self.groups.get_key_value(name).map_or_else(|| name.into(), |(name, _)| name.clone())
    }

    /// Adds a message.
    pub(crate) fn insert(&mut self, name: &Arc<str>, no: u64, in_flight: bool) {
        let group = self.groups.entry(name.clone()).or_default();
        group.members.insert(no);
        group.in_flight += usize::from(in_flight);
    }

    /// Takes a message away.
    pub(crate) fn remove(&mut self, name: &Arc<str>, no: u64, in_flight: bool) {
        let Some(group) = self.groups.get_mut(name) else { return };
        group.members.remove(&no);
        group.in_flight -= usize::from(in_flight).min(group.in_flight);
        if group.members.is_empty() {
            if let Some(key) = group.ready_as {
                self.ready.remove(&key);
            }
            self.groups.remove(name);
        }
    }

    /// A message of the group goes into flight, or comes back.
    pub(crate) fn fly(&mut self, name: &Arc<str>, in_flight: bool) {
        if let Some(group) = self.groups.get_mut(name) {
            group.in_flight = if in_flight { group.in_flight + 1 } else { group.in_flight.saturating_sub(1) };
        }
    }

    /// Puts a group in its place after a change. True: it has something to give.
    pub(crate) fn settle(&mut self, name: &Arc<str>, is_visible: impl Fn(u64) -> bool) -> bool {
        let Some(group) = self.groups.get_mut(name) else { return false };
        let head = group.members.first().copied().filter(|no| group.in_flight == 0 && is_visible(*no));
        if group.ready_as != head {
            if let Some(key) = group.ready_as {
                self.ready.remove(&key);
            }
            if let Some(key) = head {
                self.ready.insert(key, name.clone());
            }
            group.ready_as = head;
        }
        head.is_some()
    }

    /// The first messages of the group that waits longest.
    pub(crate) fn first_ready(&self) -> Option<Vec<u64>> {
        let (_, name) = self.ready.first_key_value()?;
        Some(self.groups.get(name)?.members.iter().copied().take(FIRST_MAX).collect())
    }

    /// True when some group has something to give.
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }
}
