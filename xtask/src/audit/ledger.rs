//! What the clients of an audit know: what was acknowledged, delivered, deleted, and what of it must not have happened.
//!
//! A life is the time from a start of the server to its death. An answer belongs to the life of its connection, so that
//! one read late, after a kill, is not taken for a delivery by the restarted server.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::time::{Duration, Instant};

/// How long a delivered message is hidden, in this audit.
pub const VISIBILITY: Duration = Duration::from_secs(20);
/// How many FIFO groups there are; each belongs to one connection, which sends in order.
pub const GROUPS: usize = FIFO_SENDERS * GROUPS_EACH;
/// How many connections send to the FIFO queue.
pub const FIFO_SENDERS: usize = 4;
/// How many messages a batch has.
pub const BATCH: usize = 10;
const GROUPS_EACH: usize = 75;

/// All that is known. Messages have the ids `0..total`: first those of the standard queue, then those of the FIFO queue.
pub struct Ledger {
    standard: usize,
    sent: Vec<Sent>,
    /// By `MessageId`: a standard queue may hold a body twice, if a send was repeated whose answer was lost.
    copies: HashMap<u128, Copy>,
    /// The last message of each group that was delivered for the first time, plus one.
    last: Vec<usize>,
    faults: BTreeMap<&'static str, (usize, String)>,
    /// The figures.
    pub counts: Counts,
}

/// What an audit counts.
#[derive(Clone, Copy, Default)]
pub struct Counts {
    /// Messages whose send was acknowledged.
    pub sent: usize,
    /// Messages, copies too, whose deletion was acknowledged.
    pub deleted: usize,
    /// Messages of batches that were sent again, since their acknowledgement was lost.
    pub resent: usize,
    /// Bodies that the standard queue held twice because of that.
    pub twice: usize,
    /// All deliveries.
    pub deliveries: usize,
    /// Deliveries of a message delivered before, whose deletion was not acknowledged.
    pub repeated: usize,
}

/// A message as its sender knows it.
#[derive(Clone, Default)]
struct Sent {
    tries: usize,
    copies: usize,
    /// The `MessageId` of the acknowledgement.
    message: Option<u128>,
}

/// A message as its receivers know it.
struct Copy {
    id: usize,
    life: usize,
    began: Instant,
    /// The life in which its deletion was acknowledged.
    deleted: Option<usize>,
}

impl Ledger {
    /// Nothing was sent yet.
    pub fn new(standard: usize, total: usize) -> Self {
        Self {
            standard,
            sent: vec![Sent::default(); total],
            copies: HashMap::with_capacity(total),
            last: vec![0; GROUPS],
            faults: BTreeMap::new(),
            counts: Counts::default(),
        }
    }

    /// These are about to be sent, perhaps again.
    pub fn trying(&mut self, ids: Range<usize>) {
        for sent in &mut self.sent[ids] {
            self.counts.resent += usize::from(sent.tries > 0);
            sent.tries += 1;
        }
    }

    /// The server acknowledged a send.
    pub fn acknowledged(&mut self, id: usize, message: u128) {
        self.sent[id].message = Some(message);
        self.counts.sent += 1;
    }

    /// A message was received in a life, by a request that began then.
    pub fn delivered(&mut self, id: usize, message: u128, life: usize, began: Instant) {
        self.counts.deliveries += 1;
        if self.sent.get(id).is_none_or(|sent| sent.tries == 0) {
            return self.fault("delivered, though never sent", id);
        }
        let Some(copy) = self.copies.get_mut(&message) else {
            self.copies.insert(message, Copy { id, life, began, deleted: None });
            return self.first(id);
        };
        let other_body = copy.id != id;
        let deleted = copy.deleted.is_some_and(|deleted| life >= deleted);
        let hidden = copy.life == life && copy.began.elapsed() < VISIBILITY;
        if life >= copy.life {
            (copy.life, copy.began) = (life, began);
        }
        if other_body {
            self.fault("delivered with another body", id);
        }
        if deleted {
            self.fault("delivered after its acknowledged deletion", id);
        } else if hidden {
            self.fault("delivered again within its visibility timeout", id);
        } else {
            self.counts.repeated += 1;
        }
    }

    /// The first delivery of a copy.
    fn first(&mut self, id: usize) {
        let sent = &mut self.sent[id];
        sent.copies += 1;
        let (copies, tries) = (sent.copies, sent.tries);
        if copies > tries {
            self.fault("there more often than it was sent", id);
        }
        if let Some(number) = id.checked_sub(self.standard) {
            let last = &mut self.last[group(number)];
            let in_order = *last <= id;
            *last = id + 1;
            if copies > 1 {
                self.fault("there twice within a deduplication id", id);
            } else if !in_order {
                self.fault("delivered out of its group's order", id);
            }
        } else {
            self.counts.twice += usize::from(copies > 1);
        }
    }

    /// The server acknowledged a deletion in a life.
    pub fn deleted(&mut self, message: u128, life: usize) {
        if let Some(copy) = self.copies.get_mut(&message) {
            self.counts.deleted += usize::from(copy.deleted.is_none());
            copy.deleted.get_or_insert(life);
        }
    }

    /// True when all that was to be sent is acknowledged.
    pub fn is_sent(&self) -> bool {
        self.counts.sent == self.sent.len()
    }

    /// Once the queues are empty: acknowledged messages that were never delivered are lost. How many.
    pub fn count_lost(&mut self) -> usize {
        let known = |message: &Option<u128>| message.is_some_and(|message| self.copies.contains_key(&message));
        let lost: Vec<usize> = (0..self.sent.len()).filter(|&id| !known(&self.sent[id].message)).collect();
        lost.iter().for_each(|&id| self.fault("acknowledged and never delivered", id));
        lost.len()
    }

    /// Messages are in a queue where there were none before the server was restarted.
    pub fn came_back(&mut self, count: usize, queue: &str) {
        if count > 0 {
            self.faults.insert("in an emptied queue again after the last restart", (count, queue.to_owned()));
        }
    }

    /// Notes what must not happen.
    fn fault(&mut self, what: &'static str, id: usize) {
        let example = if id < self.standard { format!("message {id}") } else { format!("FIFO message {id}") };
        self.faults.entry(what).or_insert((0, example)).0 += 1;
    }

    /// What must not happen and did, a line each.
    pub fn faults(&self) -> Vec<String> {
        let lines = self.faults.iter();
        lines.map(|(what, (count, example))| format!("{count} × {what} (first: {example})")).collect()
    }
}

/// The group of a FIFO message, counted from the queue's first. A batch has messages of four groups of one connection.
pub fn group(number: usize) -> usize {
    let (batch, at) = (number / BATCH, number % BATCH);
    let turn = (batch / FIFO_SENDERS * BATCH + at) / 3 % GROUPS_EACH;
    turn * FIFO_SENDERS + batch % FIFO_SENDERS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two standard messages (0, 1), then FIFO messages; all acknowledged with their id as `MessageId`.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::new(2, 10);
        ledger.trying(0..10);
        (0..10).for_each(|id| ledger.acknowledged(id, id as u128));
        ledger
    }

    fn faults(act: impl Fn(&mut Ledger, Instant)) -> String {
        let mut ledger = ledger();
        act(&mut ledger, Instant::now());
        ledger.faults().join("; ")
    }

    #[test]
    fn what_was_not_delivered_is_lost() {
        let mut ledger = ledger();
        (0..9).for_each(|id| ledger.delivered(id, id as u128, 0, Instant::now()));
        assert_eq!((ledger.count_lost(), ledger.faults().len()), (1, 1));
    }

    #[test]
    fn what_was_deleted_does_not_come_back_but_an_answer_may_be_read_late() {
        let again = |life| {
            faults(move |ledger, now| {
                ledger.delivered(0, 0, 1, now);
                ledger.deleted(0, 1);
                ledger.delivered(0, 0, life, now);
            })
        };
        assert_eq!(again(0), "");
        assert!(again(1).contains("after its acknowledged deletion"));
        assert!(again(2).contains("after its acknowledged deletion"));
    }

    #[test]
    fn repeats_need_a_kill_or_the_timeout() {
        let again = |life, at: fn(Instant) -> Instant| {
            faults(move |ledger, now| {
                ledger.delivered(0, 0, 0, at(now));
                ledger.delivered(0, 0, life, now);
            })
        };
        assert_eq!(again(1, |now| now), "");
        assert_eq!(again(0, |now| now.checked_sub(VISIBILITY).unwrap()), "");
        assert!(again(0, |now| now).contains("within its visibility timeout"));
    }

    #[test]
    fn copies_need_a_send_each_and_fifo_has_none() {
        let twice = |id: usize| {
            faults(move |ledger, now| {
                ledger.trying(id..id + 1);
                ledger.delivered(id, id as u128, 0, now);
                ledger.delivered(id, 77, 0, now);
            })
        };
        assert_eq!(twice(0), "");
        assert!(twice(2).contains("deduplication id"));
        let unsent = faults(|ledger, now| (0..2).for_each(|copy| ledger.delivered(0, copy, 0, now)));
        assert!(unsent.contains("more often than it was sent"));
    }

    #[test]
    fn a_group_keeps_its_order() {
        // The FIFO messages 0 to 2 are of one group, 3 is of the next.
        assert_eq!((group(0), group(2), group(3), group(10)), (0, 0, 4, 1));
        assert!(
            faults(|ledger, now| [3, 2].into_iter().for_each(|id| ledger.delivered(id, id as u128, 0, now)))
                .contains("order")
        );
        assert_eq!(
            faults(|ledger, now| [5, 2].into_iter().for_each(|id| ledger.delivered(id, id as u128, 0, now))),
            ""
        );
    }
}
