//! Seeded simulation: random work on a disk that fails and in a process that dies; an auditor knows what must be there.
//!
//! Held over all seeds: nothing acknowledged is lost and nothing deleted comes back; no message is given to two receivers
//! within its visibility; FIFO order per group; deduplication through restarts; a message is in exactly one queue whatever
//! happens while it moves to or from the dead-letter queue; receive counts survive once they were noted.

use crate::sqs_kit::{World, body, fifo, key, map, redrive};
use futures::executor::block_on;
use millrace_queue::{Delivered, NewMessage, QueueError, Queues, ReceiveOptions};
use millrace_testkit::{Call, SimDice};
use std::collections::{BTreeMap, BTreeSet, HashMap};

const QUEUES: [&str; 4] = ["work", "dead", "order.fifo", "dead.fifo"];
const RECEIVES_MAX: u32 = 2;
const DEDUP_MS: i64 = 300_000;

/// What the auditor knows of a message.
#[derive(Debug, Clone, Default)]
struct Known {
    acknowledged: bool,
    /// Deleted for sure, or perhaps.
    deleted: bool,
    perhaps_deleted: bool,
    /// In this life, hidden until then.
    held_until: i64,
    receives: u32,
    /// What must have survived.
    receives_noted: u32,
    /// Where it was last seen.
    queue: usize,
}

/// What came about over all seeds: a simulation in which nothing happens proves nothing.
#[derive(Debug, Default)]
struct Tally {
    sent: u64,
    received: u64,
    deleted: u64,
    given_up: u64,
    moved_back: u64,
    duplicates: u64,
    full: u64,
    failed: u64,
    doubtful_kept: u64,
    doubtful_lost: u64,
    cleaned: u64,
    purged: u64,
    expired: u64,
}

struct Run<'a> {
    tally: &'a mut Tally,
    seed: u64,
    dice: SimDice,
    world: World,
    known: BTreeMap<String, Known>,
    /// By deduplication id: when, and the body that was kept.
    dedups: HashMap<String, (i64, String)>,
    receipts: Vec<(usize, String, Delivered)>,
    last_sequence: HashMap<usize, String>,
    created: BTreeSet<usize>,
    written: usize,
    /// The disk of this life may fill up.
    is_limited: bool,
    /// Everything sent before may have expired.
    expired_before: i64,
}

impl<'a> Run<'a> {
    fn new(seed: u64, tally: &'a mut Tally) -> Self {
        Self {
            tally,
            seed,
            dice: SimDice::new(seed ^ 0x5eed),
            world: World::new(seed),
            known: BTreeMap::new(),
            dedups: HashMap::new(),
            receipts: Vec::new(),
            last_sequence: HashMap::new(),
            created: BTreeSet::new(),
            written: 0,
            is_limited: false,
            expired_before: 0,
        }
    }

    fn life(&mut self) {
        // It dies or fails while it starts; the next one starts from the same disk.
        let Ok(queues) = self.world.open() else { return };
        self.known.values_mut().for_each(|known| known.held_until = 0);
        self.receipts.retain(|_| self.dice.one_in(2));
        if self.create(&queues).is_err() || self.audit(&queues, true).is_none() {
            return;
        }
        self.misfortune();
        for _ in 0..self.dice.below(60) {
            self.world.clock.advance(self.dice.below(4000) as i64);
            let queue = self.dice.below(4) as usize;
            match self.dice.below(24) {
                0..=7 => self.send(&queues, (queue % 2) * 2),
                8..=14 => self.receive(&queues, queue),
                15..=18 => self.delete(&queues),
                19 => self.change_visibility(&queues),
                20 => self.move_back(&queues, queue),
                21 if self.dice.one_in(6) => self.purge(&queues, queue),
                22 if self.dice.one_in(12) => self.expire(&queues),
                _ => self.upkeep(&queues),
            }
            if self.dice.one_in(8) && self.audit(&queues, false).is_none() {
                break;
            }
        }
    }

    fn misfortune(&mut self) {
        let disk = &self.world.disk;
        let misfortune = self.dice.below(6);
        self.is_limited = misfortune == 4;
        match misfortune {
            0 | 1 => disk.die_after(1 + self.dice.below(120)),
            2 => disk.fail(Call::Write, 1 + self.dice.below(30), ".mrq"),
            3 => disk.fail(Call::Sync, 1 + self.dice.below(30), ".mrq"),
            4 => disk.set_capacity(Some(disk.used() + self.dice.below(8 << 10))),
            _ => {}
        }
    }

    fn create(&mut self, queues: &Queues) -> Result<(), QueueError> {
        let dead = redrive("dead", RECEIVES_MAX);
        let dead_fifo = redrive("dead.fifo", RECEIVES_MAX);
        for at in [1, 3, 0, 2] {
            let mut attributes = match at {
                0 => map(&[("RedrivePolicy", &dead)]),
                1 => map(&[]),
                2 => map(&[("FifoQueue", "true"), ("RedrivePolicy", &dead_fifo)]),
                _ => map(&[("FifoQueue", "true")]),
            };
            // In every other world queues have keys, and messages move from one key to another, to none and from none.
            if self.seed % 2 == 1 && at != 2 {
                attributes.insert("KmsMasterKeyId".to_owned(), format!("key-{at}"));
            }
            queues.create(&key(QUEUES[at]), &attributes, &BTreeMap::new())?;
            self.created.insert(at);
        }
        Ok(())
    }

    fn failed(&mut self, error: &QueueError) {
        match error {
            QueueError::DiskFull { .. } => self.tally.full += 1,
            QueueError::Corrupt { .. } => panic!("seed {}: {error}", self.seed),
            _ => self.tally.failed += 1,
        }
    }

    fn send(&mut self, queues: &Queues, queue: usize) {
        let mut messages = Vec::new();
        let mut bodies: Vec<(String, Option<String>)> = Vec::new();
        for _ in 0..1 + self.dice.below(3) {
            self.written += 1;
            let text = format!("{} {}", self.written, "x".repeat(self.dice.below(300) as usize));
            if queue < 2 {
                let delay_secs = self.dice.one_in(4).then(|| self.dice.below(20) as u32);
                messages.push(NewMessage { delay_secs, ..NewMessage::of(text.clone()) });
                bodies.push((text, None));
            } else {
                let id = format!("id-{}", self.dice.below(200));
                messages.push(fifo(&text, &format!("g{}", self.dice.below(3)), Some(&id)));
                bodies.push((text, Some(id)));
            }
        }
        let now = self.world.now();
        match block_on(queues.send(&key(QUEUES[queue]), messages)) {
            Ok(sent) => {
                for (sent, (text, id)) in sent.iter().zip(bodies) {
                    self.acknowledged(queue, sent.is_duplicate, &sent.sequence_number, text, id, now);
                }
            }
            Err(error) => {
                self.failed(&error);
                let full = matches!(error, QueueError::DiskFull { .. });
                for (text, _) in bodies.into_iter().filter(|_| !full) {
                    self.known.insert(text, Known::default());
                }
            }
        }
    }

    fn acknowledged(
        &mut self,
        queue: usize,
        is_duplicate: bool,
        sequence: &Option<String>,
        text: String,
        id: Option<String>,
        now: i64,
    ) {
        let earlier = id.as_ref().and_then(|id| self.dedups.get(id)).filter(|(at, _)| now < at + DEDUP_MS);
        // A message of which nobody knows whether it was kept may have taken the id.
        if let Some((_, earlier)) = earlier.filter(|(_, earlier)| self.known[earlier].acknowledged) {
            assert!(is_duplicate, "seed {}: {text} repeats {earlier}", self.seed);
        }
        if is_duplicate {
            assert!(earlier.is_some(), "seed {}: {text} repeats nothing", self.seed);
            self.tally.duplicates += 1;
            return;
        }
        if let Some(sequence) = sequence {
            let last = self.last_sequence.insert(queue, sequence.clone());
            assert!(last.is_none_or(|last| last < *sequence), "seed {}", self.seed);
        }
        if let Some(id) = id {
            self.dedups.insert(id, (now, text.clone()));
        }
        self.tally.sent += 1;
        self.known.insert(text, Known { acknowledged: true, ..Known::default() });
    }

    fn receive(&mut self, queues: &Queues, queue: usize) {
        let now = self.world.now();
        let name = QUEUES[queue];
        let Ok(before) = queues.peek(&key(name), None, usize::MAX) else { return };
        let visibility = self.dice.below(12) as u32;
        let max = 1 + self.dice.below(10) as usize;
        let options = ReceiveOptions { max, visibility: Some(visibility), wait: Some(0), attempt_id: None };
        let messages = match block_on(queues.receive(&key(name), options)) {
            Ok(messages) => messages,
            Err(error) => return self.failed(&error),
        };
        assert!(messages.len() <= max);
        if queue >= 2 {
            self.check_order(&before, &messages, now);
        }
        for message in messages {
            let text = body(&message);
            let known = self.known.get_mut(&text).unwrap_or_else(|| panic!("seed {}: unknown {text}", self.seed));
            assert!(!known.deleted, "seed {}: {text} was deleted", self.seed);
            assert!(known.held_until <= now, "seed {}: {text} is held until {}", self.seed, known.held_until);
            assert!(message.system.sent >= self.expired_before, "seed {}: {text} has expired", self.seed);
            if queue == 0 || queue == 2 {
                assert!(message.system.receive_count <= RECEIVES_MAX, "seed {}: {text}", self.seed);
            }
            known.held_until = now + i64::from(visibility) * 1000;
            known.receives = message.system.receive_count;
            self.tally.received += 1;
            self.receipts.push((queue, text, message));
        }
    }

    /// What a FIFO queue gives of a group is what comes first in it, and only while nothing of the group is in flight.
    fn check_order(&self, before: &[Delivered], messages: &[Delivered], now: i64) {
        let mut by_group: BTreeMap<&str, Vec<&Delivered>> = BTreeMap::new();
        for message in messages {
            by_group.entry(message.system.group_id.as_deref().unwrap()).or_default().push(message);
        }
        for (group, given) in by_group {
            let of_group = before.iter().filter(|m| m.system.group_id.as_deref() == Some(group));
            let held = of_group.clone().find(|m| self.known[&body(m)].held_until > now);
            assert!(held.is_none(), "seed {}: group {group} is in flight", self.seed);
            let stays = |m: &&Delivered| given.iter().any(|g| g.message_id == m.message_id);
            let skipped: Vec<_> = of_group.clone().take_while(|m| !stays(m)).collect();
            for message in skipped {
                // Only what was given up or has expired may be passed over.
                let gone = message.system.receive_count >= RECEIVES_MAX || message.system.sent < self.expired_before;
                assert!(gone, "seed {}: {} was passed over", self.seed, body(message));
            }
            let order: Vec<_> = of_group.filter(stays).map(|m| &m.message_id).collect();
            let got: Vec<_> = given.iter().map(|m| &m.message_id).collect();
            assert_eq!(order, got, "seed {}", self.seed);
        }
    }

    fn delete(&mut self, queues: &Queues) {
        if self.receipts.is_empty() {
            return;
        }
        let at = self.dice.below(self.receipts.len() as u64) as usize;
        let (queue, text, message) = self.receipts.swap_remove(at);
        let handle = message.receipt_handle.clone();
        // Is it still where it was received?
        let Ok(before) = queues.peek(&key(QUEUES[queue]), None, usize::MAX) else { return };
        let there = before.iter().any(|m| m.message_id == message.message_id);
        match block_on(queues.delete(&key(QUEUES[queue]), vec![handle])).map(|mut outcomes| outcomes.remove(0)) {
            Ok(Ok(())) if there => {
                self.known.get_mut(&text).unwrap().deleted = true;
                self.tally.deleted += 1;
            }
            Ok(Ok(())) => {}
            Ok(Err(QueueError::ReceiptExpired(_))) => assert!(queue >= 2),
            // A queue that was never durable was made again.
            Ok(Err(QueueError::InvalidReceipt(_))) => {}
            Ok(Err(error)) => panic!("seed {}: {error}", self.seed),
            Err(error) => {
                self.failed(&error);
                if !matches!(error, QueueError::DiskFull { .. }) && there {
                    self.known.get_mut(&text).unwrap().perhaps_deleted = true;
                }
            }
        }
    }

    fn change_visibility(&mut self, queues: &Queues) {
        if self.receipts.is_empty() {
            return;
        }
        let at = self.dice.below(self.receipts.len() as u64) as usize;
        let (queue, text, message) = &self.receipts[at];
        let secs = self.dice.below(10) as u32;
        let change = vec![(message.receipt_handle.clone(), secs)];
        if let Ok(outcomes) = block_on(queues.change_visibility(&key(QUEUES[*queue]), change))
            && outcomes[0].is_ok()
        {
            self.known.get_mut(text).unwrap().held_until = self.world.now() + i64::from(secs) * 1000;
        }
    }

    fn upkeep(&mut self, queues: &Queues) {
        let segments = self.world.disk.files().iter().filter(|(path, _)| path.ends_with("000000000001.mrq")).count();
        self.world.clock.advance(250);
        self.recount(queues, false);
        queues.upkeep();
        self.recount(queues, true);
        let left = self.world.disk.files().iter().filter(|(path, _)| path.ends_with("000000000001.mrq")).count();
        self.tally.cleaned += u64::from(segments > left);
    }

    /// Learns how often messages count as received: one that moved back is a new one. After upkeep all of it is noted, unless
    /// the disk is full.
    fn recount(&mut self, queues: &Queues, noted: bool) {
        let noted = noted && queues.healthy().is_ok() && !self.is_limited;
        for (queue, name) in QUEUES.iter().enumerate() {
            for message in queues.peek(&key(name), None, usize::MAX).unwrap_or_default() {
                let Some(known) = self.known.get_mut(&body(&message)) else { continue };
                known.queue = queue;
                known.receives = message.system.receive_count;
                known.receives_noted = if noted { known.receives } else { known.receives_noted.min(known.receives) };
            }
        }
    }

    fn move_back(&mut self, queues: &Queues, queue: usize) {
        let source = QUEUES[queue | 1];
        let rate = self.dice.one_in(2).then_some(5);
        match queues.start_move(&key(source), None, rate) {
            Ok(_) | Err(QueueError::Unsupported(_)) => {}
            Err(error) => self.failed(&error),
        }
        for _ in 0..self.dice.below(4) {
            self.world.clock.advance(400);
            self.recount(queues, false);
            queues.upkeep();
            self.recount(queues, false);
        }
        let moved = queues.moves(&key(source)).unwrap_or_default();
        self.tally.moved_back += moved.iter().map(|task| task.moved).sum::<u64>();
    }

    fn purge(&mut self, queues: &Queues, queue: usize) {
        let Ok(before) = queues.peek(&key(QUEUES[queue]), None, usize::MAX) else { return };
        let purged = block_on(queues.purge(&key(QUEUES[queue])));
        let doubtful = match &purged {
            Ok(()) => false,
            Err(QueueError::PurgeInProgress(_) | QueueError::DiskFull { .. }) => return,
            Err(_) => true,
        };
        for message in before {
            let known = self.known.get_mut(&body(&message)).unwrap();
            known.deleted |= !doubtful;
            known.perhaps_deleted |= doubtful;
            self.tally.purged += u64::from(!doubtful);
        }
    }

    /// Five days pass: everything is older than its retention.
    fn expire(&mut self, queues: &Queues) {
        self.world.pass_secs(5 * 86_400);
        self.expired_before = self.world.now() - 4 * 86_400_000;
        queues.upkeep();
        self.tally.expired += 1;
    }

    /// Looks at everything there is. `None`: the process is dead.
    fn audit(&mut self, queues: &Queues, is_start: bool) -> Option<()> {
        let mut found: BTreeMap<String, (usize, Delivered)> = BTreeMap::new();
        for (queue, name) in QUEUES.iter().enumerate() {
            let messages = match queues.peek(&key(name), None, usize::MAX) {
                Ok(messages) => messages,
                Err(error @ QueueError::Corrupt { .. }) => panic!("seed {}: {error}", self.seed),
                Err(_) => return None,
            };
            for message in messages {
                let text = body(&message);
                let twice = found.insert(text.clone(), (queue, message));
                assert!(twice.is_none(), "seed {}: {text} is there twice", self.seed);
            }
        }
        for (text, (queue, message)) in &found {
            let known = self.known.get_mut(text).unwrap_or_else(|| panic!("seed {}: unknown {text}", self.seed));
            assert!(!known.deleted, "seed {}: {text} came back", self.seed);
            let count = message.system.receive_count;
            if *queue == 1 || *queue == 3 {
                assert!(count >= RECEIVES_MAX, "seed {}: {text} was given up after {count}", self.seed);
                self.tally.given_up += 1;
            }
            // One that moved back is a new one, even if the move was not known to be on disk.
            let moved_back = known.queue % 2 == 1 && queue % 2 == 0;
            known.queue = *queue;
            if is_start {
                let noted = if moved_back { 0 } else { known.receives_noted };
                assert!(count >= noted, "seed {}: {text} was received {noted} times, not {count}", self.seed);
                (known.receives, known.receives_noted) = (count, count);
            }
            if !known.acknowledged {
                self.tally.doubtful_kept += 1;
                known.acknowledged = true;
                if let Some(id) = &message.system.deduplication_id {
                    self.dedups.insert(id.clone(), (message.system.sent, text.clone()));
                }
            }
            known.perhaps_deleted &= !is_start;
        }
        let (seed, expired_before) = (self.seed, self.expired_before);
        let mut lost = Vec::new();
        for (text, known) in &mut self.known {
            if found.contains_key(text) || known.deleted {
                continue;
            }
            if !known.acknowledged {
                // Not there at the start means not there ever.
                lost.extend(is_start.then(|| text.clone()));
                continue;
            }
            let fine = known.perhaps_deleted || expired_before > 0;
            assert!(fine, "seed {seed}: {text} is lost");
            known.deleted = is_start || !known.perhaps_deleted;
        }
        for text in lost {
            self.tally.doubtful_lost += 1;
            self.known.remove(&text);
        }
        Some(())
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_given_twice() {
    let seeds = crate::seeds(500);
    let mut tally = Tally::default();
    for seed in 0..seeds {
        let mut own = Tally::default();
        let mut run = Run::new(seed, &mut own);
        for _ in 0..5 {
            run.life();
            run.world.disk.set_capacity(None);
            if run.dice.one_in(2) { run.world.disk.crash() } else { run.world.disk.kill() }
        }
        run.life();
        add(&mut tally, &own);
    }
    let Tally { sent, received, deleted, given_up, moved_back, duplicates, failed, cleaned, full, .. } = &tally;
    for count in [sent, received, deleted, given_up, moved_back, duplicates, failed, cleaned, full] {
        assert!(*count > seeds / 20, "{tally:?}");
    }
    let Tally { doubtful_kept, doubtful_lost, purged, expired, .. } = &tally;
    for count in [doubtful_kept, doubtful_lost, purged, expired] {
        assert!(*count > 0, "{tally:?}");
    }
}

fn add(sum: &mut Tally, own: &Tally) {
    sum.sent += own.sent;
    sum.received += own.received;
    sum.deleted += own.deleted;
    sum.given_up += own.given_up;
    sum.moved_back += own.moved_back;
    sum.duplicates += own.duplicates;
    sum.full += own.full;
    sum.failed += own.failed;
    sum.doubtful_kept += own.doubtful_kept;
    sum.doubtful_lost += own.doubtful_lost;
    sum.cleaned += own.cleaned;
    sum.purged += own.purged;
    sum.expired += own.expired;
}
