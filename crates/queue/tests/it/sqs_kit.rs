//! A world for queues: a simulated disk, clock and dice, and short words for what tests do often.

use futures::executor::block_on;
use millrace_base::{Clock, Disk, Scope};
use millrace_catalog::Catalog;
use millrace_queue::{
    Commit, Delivered, KeyRefusal, MessageKey, MessageKeys, NewMessage, QueueError, QueueKey, QueueOptions, QueueParts,
    Queues, ReceiveOptions, Sent,
};
use millrace_testkit::{SimClock, SimDice, SimDisk};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

pub const DIR: &str = "/data/queue";
pub const START: i64 = 1_700_000_000_000;

/// Keys of any name, which turn every bit: a double for the key ring. Clones are the same keys.
#[derive(Clone, Default)]
pub struct TurnedKeys {
    refused: Arc<Mutex<BTreeMap<String, KeyRefusal>>>,
}

impl TurnedKeys {
    /// From now on the key is refused with this reason, or used again.
    pub fn refuse(&self, key: &str, why: Option<KeyRefusal>) {
        let mut refused = self.refused.lock().unwrap();
        match why {
            Some(why) => refused.insert(key.to_owned(), why),
            None => refused.remove(key),
        };
    }

    fn usable(&self, key: &str) -> Result<(), KeyRefusal> {
        // An ARN's last word is the key's id.
        let id = key.rsplit('/').next().unwrap_or(key);
        self.refused.lock().unwrap().get(id).map_or(Ok(()), |why| Err(why.clone()))
    }

    /// Keys are in the default scope only.
    fn found(&self, scope: &Scope, key: &str) -> Result<(), KeyRefusal> {
        if *scope != Scope::default() {
            return Err(KeyRefusal::NotFound(format!("{scope} has no key {key}")));
        }
        self.usable(key)
    }
}

fn key_name(key: MessageKey<'_>) -> &str {
    match key {
        MessageKey::Named(name) => name,
        MessageKey::Managed => "managed",
    }
}

impl MessageKeys for TurnedKeys {
    fn check(&self, scope: &Scope, key: MessageKey<'_>) -> Result<(), KeyRefusal> {
        self.found(scope, key_name(key))
    }

    fn seal(
        &self,
        scope: &Scope,
        key: MessageKey<'_>,
        _: u32,
        place: &[u8],
        text: &[u8],
    ) -> Result<Vec<u8>, KeyRefusal> {
        self.found(scope, key_name(key))?;
        let name = key_name(key).as_bytes();
        let turned = text.iter().map(|byte| byte ^ 0xff);
        Ok([name.len() as u8]
            .into_iter()
            .chain(name.iter().copied())
            .chain(place.iter().copied())
            .chain(turned)
            .collect())
    }

    fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, KeyRefusal> {
        let (name, rest) = sealed[1..].split_at(sealed[0].into());
        self.usable(std::str::from_utf8(name).unwrap())?;
        let moved = || KeyRefusal::Failed("it was sealed elsewhere".to_owned());
        Ok(rest.strip_prefix(place).ok_or_else(moved)?.iter().map(|byte| byte ^ 0xff).collect())
    }
}

pub struct World {
    pub disk: SimDisk,
    pub clock: SimClock,
    pub options: QueueOptions,
    pub keys: TurnedKeys,
    seed: u64,
    lives: u64,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let options =
            QueueOptions { commit: Commit::Inline, segment_bytes: 4 << 10, cache_bytes: 2 << 10, is_sealed: false };
        Self {
            disk: SimDisk::new(seed),
            clock: SimClock::at(START),
            options,
            keys: TurnedKeys::default(),
            seed,
            lives: 0,
        }
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
            keys: Arc::new(self.keys.clone()),
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

/// Whether a text stands anywhere in the journal.
pub fn lies_plain(world: &World, text: &str) -> bool {
    let dir = Path::new(DIR);
    let files = world.disk.list(dir).unwrap();
    let holds = |name: &String| {
        let content = world.disk.read(&dir.join(name)).unwrap();
        content.windows(text.len()).any(|window| window == text.as_bytes())
    };
    files.iter().any(holds)
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
