//! A world for queues: a simulated disk, clock and dice, and short words for what tests do often.

use futures::executor::block_on;
use millrace_base::{Clock, Scope};
use millrace_catalog::Catalog;
use millrace_queue::{
    Commit, Delivered, NewMessage, QueueError, QueueKey, QueueOptions, QueueParts, Queues, ReceiveOptions, Sent,
};
use millrace_testkit::{SimClock, SimDice, SimDisk};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

pub const DIR: &str = "/data/queue";
pub const START: i64 = 1_700_000_000_000;

pub struct World {
    pub disk: SimDisk,
    pub clock: SimClock,
    pub options: QueueOptions,
    seed: u64,
    lives: u64,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let options =
            QueueOptions { commit: Commit::Inline, segment_bytes: 4 << 10, cache_bytes: 2 << 10, is_sealed: false };
        Self { disk: SimDisk::new(seed), clock: SimClock::at(START), options, seed, lives: 0 }
    }

    /// Opens the queues as the next process would.
    pub fn open(&mut self) -> Result<Queues, String> {
        self.lives += 1;
        let catalog = Catalog::open(&self.disk, Path::new("/data/catalog.redb")).map_err(|e| e.to_string())?;
        let parts = QueueParts {
            clock: Arc::new(self.clock.clone()),
            dice: Arc::new(SimDice::new(self.seed ^ (self.lives << 32))),
            disk: crate::over(&self.disk),
            catalog,
            dir: DIR.into(),
        };
        Queues::open(parts, self.options.clone()).map_err(|error| {
            assert!(!matches!(error, QueueError::Corrupt { .. }), "seed {}: {error}", self.seed);
            error.to_string()
        })
    }

    pub fn now(&self) -> i64 {
        self.clock.now()
    }

    pub fn pass_secs(&self, secs: i64) {
        self.clock.advance(secs * 1000);
    }
}

pub fn key(name: &str) -> QueueKey {
    QueueKey::new(&Scope::default(), name)
}

pub fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub fn redrive(target: &str, count: u32) -> String {
    format!(r#"{{"deadLetterTargetArn":"{}","maxReceiveCount":{count}}}"#, key(target).arn())
}

pub fn create(queues: &Queues, name: &str, attributes: &[(&str, &str)]) {
    queues.create(&key(name), &map(attributes), &BTreeMap::new()).unwrap();
}

pub fn send(queues: &Queues, name: &str, bodies: &[&str]) -> Vec<Sent> {
    let messages = bodies.iter().map(|body| NewMessage::of((*body).to_owned())).collect();
    block_on(queues.send(&key(name), messages)).unwrap()
}

pub fn fifo(body: &str, group: &str, id: Option<&str>) -> NewMessage {
    NewMessage {
        group_id: Some(group.into()),
        deduplication_id: id.map(str::to_owned),
        ..NewMessage::of(body.to_owned())
    }
}

pub fn receive(queues: &Queues, name: &str, max: usize) -> Vec<Delivered> {
    try_receive(queues, name, max, None).unwrap()
}

pub fn try_receive(
    queues: &Queues,
    name: &str,
    max: usize,
    visibility: Option<u32>,
) -> Result<Vec<Delivered>, QueueError> {
    block_on(queues.receive(&key(name), ReceiveOptions { max, visibility, wait: Some(0), attempt_id: None }))
}

pub fn bodies(messages: &[Delivered]) -> Vec<String> {
    messages.iter().map(body).collect()
}

pub fn body(message: &Delivered) -> String {
    String::from_utf8(message.body.to_vec()).unwrap()
}

pub fn delete(queues: &Queues, name: &str, message: &Delivered) -> Result<(), QueueError> {
    block_on(queues.delete(&key(name), vec![message.receipt_handle.clone()]))?.remove(0)
}

/// Visible, in flight, delayed.
pub fn depth(queues: &Queues, name: &str) -> (usize, usize, usize) {
    let depth = queues.counts(&key(name)).unwrap().depth;
    (depth.visible, depth.in_flight, depth.delayed)
}
