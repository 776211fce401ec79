//! What is in memory: the fold of the journal over the queues that the catalog knows.

mod dedup;
mod groups;
mod queue;

pub(crate) use dedup::DEDUP_MS;
pub(crate) use queue::{Message, Picked, Place, Queue, Stage, Want};

use crate::sqs::format::{Dedup, Note, PutHead, Record};
use crate::sqs::{QueueError, QueueInfo, QueueKey};
use dedup::DEDUP_BYTES;
use millrace_base::Millis;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How much of a segment is still needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) bytes: u64,
    pub(crate) live: u64,
}

/// Everything that is known of queues.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) names: BTreeMap<QueueKey, u64>,
    pub(crate) queues: BTreeMap<u64, Queue>,
    pub(crate) segments: BTreeMap<u64, Usage>,
    /// The next message's number.
    pub(crate) next_no: u64,
    /// Receives that are not noted on disk yet, and since when.
    pub(crate) notes: BTreeSet<(u64, u64)>,
    pub(crate) notes_since: Option<Millis>,
    /// False while the journal is read at the start: then the journal knows more than memory does.
    pub(crate) is_live: bool,
}

impl State {
    /// The queue of a name.
    pub(crate) fn queue(&self, key: &QueueKey) -> Result<&Queue, QueueError> {
        let id = self.names.get(key).and_then(|id| self.queues.get(id));
        id.ok_or_else(|| QueueError::NoQueue(key.clone()))
    }

    /// The queue of a name.
    pub(crate) fn queue_mut(&mut self, key: &QueueKey) -> Result<&mut Queue, QueueError> {
        let id = self.names.get(key).copied();
        id.and_then(|id| self.queues.get_mut(&id)).ok_or_else(|| QueueError::NoQueue(key.clone()))
    }

    /// Adds a queue, or changes what is known of it.
    pub(crate) fn define(&mut self, info: Arc<QueueInfo>) {
        self.names.insert(info.key.clone(), info.incarnation);
        match self.queues.get_mut(&info.incarnation) {
            Some(queue) => queue.info = info,
            None => drop(self.queues.insert(info.incarnation, Queue::new(info))),
        }
    }

    /// Forgets a queue and its messages.
    pub(crate) fn drop_queue(&mut self, key: &QueueKey) -> Option<Queue> {
        let queue = self.names.remove(key).and_then(|id| self.queues.remove(&id))?;
        queue.messages.values().for_each(|message| self.free(message.place));
        queue.dedups.segments().for_each(|segment| self.release(segment, DEDUP_BYTES));
        self.notes.retain(|(id, _)| *id != queue.info.incarnation);
        // Whoever waits for its messages learns that it is gone.
        queue.arrival.notify_waiters();
        Some(queue)
    }

    /// Carries out a record that lies at `place`.
    pub(crate) fn apply(&mut self, record: Record, place: Place, now: Millis) {
        match record {
            Record::Put(put) => self.put(put, place, now),
            Record::Remove { queue, no } => drop(self.remove(queue, no)),
            Record::Moved { from_queue, from_no, put } => {
                self.remove(from_queue, from_no);
                self.put(put, place, now);
            }
            // It was made of what is in memory.
            Record::Note(_) if self.is_live => {}
            Record::Note(note) => self.note(note, now),
            Record::Purge { queue, before_no } => self.purge(queue, before_no),
            Record::Dedup(dedup) => self.dedup(dedup, place.segment, now),
        }
    }

    fn put(&mut self, put: PutHead, place: Place, now: Millis) {
        self.next_no = self.next_no.max(put.no + 1);
        let Some(queue) = self.queues.get_mut(&put.queue) else { return };
        let known = queue.messages.get(&put.no).map(|message| message.place);
        if let Some(old) = known.filter(|_| self.is_live) {
            // A copy that compaction made: what is in memory is newer, but for where it lies.
            queue.messages.entry(put.no).and_modify(|message| message.place = place);
            self.free(old);
        } else {
            if let Some(old) = known {
                queue.remove(put.no);
                release(&mut self.segments, old.segment, old.len.into());
            }
            let stage = match put.nonce {
                _ if put.visible_at <= now => Stage::Visible,
                0 => Stage::Delayed,
                _ => Stage::InFlight,
            };
            let message = Message {
                place,
                sent: put.sent,
                visible_at: put.visible_at,
                first_received: put.first_received,
                last_received: 0,
                received: put.received,
                base: put.base,
                nonce: put.nonce,
                stage,
                group: queue.group(&put.group),
            };
            queue.insert(put.no, message);
        }
        self.keep(place.segment, u64::from(place.len));
        if put.dedup != 0 {
            let PutHead { queue, dedup: key, no, message_id, sent, .. } = put;
            self.dedup(Dedup { queue, key, no, message_id, sent }, place.segment, now);
        }
    }

    /// Takes a message away and frees its bytes.
    fn remove(&mut self, queue: u64, no: u64) -> Option<Message> {
        let message = self.queues.get_mut(&queue)?.remove(no)?;
        self.free(message.place);
        self.notes.remove(&(queue, no));
        Some(message)
    }

    fn note(&mut self, note: Note, now: Millis) {
        let Some(queue) = self.queues.get_mut(&note.queue) else { return };
        let Some(message) = queue.messages.get_mut(&note.no) else { return };
        (message.received, message.nonce) = (note.received, note.nonce);
        message.first_received = note.first_received;
        let stage = if note.visible_at <= now { Stage::Visible } else { Stage::InFlight };
        queue.restage(note.no, stage, note.visible_at);
    }

    fn purge(&mut self, queue: u64, before_no: u64) {
        let Some(found) = self.queues.get(&queue) else { return };
        let nos: Vec<u64> = found.messages.range(..before_no).map(|(no, _)| *no).collect();
        nos.into_iter().for_each(|no| drop(self.remove(queue, no)));
    }

    fn dedup(&mut self, dedup: Dedup, segment: u64, now: Millis) {
        if dedup.sent + DEDUP_MS <= now {
            return;
        }
        let Some(queue) = self.queues.get_mut(&dedup.queue) else { return };
        let old = queue.dedups.insert(dedup, segment);
        self.keep(segment, DEDUP_BYTES);
        if let Some(old) = old {
            self.release(old, DEDUP_BYTES);
        }
    }

    /// Forgets deduplication ids that are too old.
    pub(crate) fn expire_dedups(&mut self, now: Millis) {
        let segments: Vec<u64> = self.queues.values_mut().flat_map(|queue| queue.dedups.expire(now)).collect();
        segments.into_iter().for_each(|segment| self.release(segment, DEDUP_BYTES));
    }

    fn free(&mut self, place: Place) {
        self.release(place.segment, u64::from(place.len));
    }

    fn keep(&mut self, segment: u64, bytes: u64) {
        self.segments.entry(segment).or_default().live += bytes;
    }

    fn release(&mut self, segment: u64, bytes: u64) {
        release(&mut self.segments, segment, bytes);
    }
}

fn release(segments: &mut BTreeMap<u64, Usage>, segment: u64, bytes: u64) {
    if let Some(usage) = segments.get_mut(&segment) {
        usage.live = usage.live.saturating_sub(bytes);
    }
}
