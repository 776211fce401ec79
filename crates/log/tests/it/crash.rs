//! Seeded simulation: random work on a disk that fails and a process that dies; an auditor knows what must be there.

use crate::kit::{World, append, key, read_all, record, spec};
use millrace_base::{Disk, ShardId};
use millrace_log::{LocalLog, Log, LogError, Producer, ShardReader};
use millrace_testkit::{Call, SimDice};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

const STREAMS: usize = 3;
const SHARDS: u32 = 3;

/// What the auditor knows of a stream.
#[derive(Default, Clone)]
struct Known {
    /// By shard, what must be there: the texts of acknowledged records, in order.
    acknowledged: [Vec<String>; SHARDS as usize],
    /// What an unacknowledged append would have added: all of it or nothing may be there.
    doubtful: Option<Vec<(String, usize)>>,
    /// By shard, how many of the records have expired.
    expired: [usize; SHARDS as usize],
    /// The last epoch of the stream's producer: acknowledged, and doubtful.
    epoch: (u64, u64),
    exists: bool,
    /// True when a creation or deletion was not acknowledged.
    existence_doubtful: bool,
}

/// What came about over all seeds: a simulation in which nothing happens proves nothing.
#[derive(Debug, Default)]
struct Tally {
    acknowledged: u64,
    full: u64,
    failed: u64,
    doubtful_kept: u64,
    doubtful_lost: u64,
    expired: u64,
    followed: u64,
}

struct Run<'a> {
    tally: &'a mut Tally,
    seed: u64,
    dice: SimDice,
    world: World,
    known: Vec<Known>,
    written: usize,
    /// True when a write of this life has failed: no other may succeed.
    poisoned: bool,
    /// Readers that follow the shards.
    followers: HashMap<(usize, u32), Box<dyn ShardReader>>,
}

fn name(stream: usize) -> String {
    format!("stream-{stream}")
}

impl<'a> Run<'a> {
    fn new(seed: u64, tally: &'a mut Tally) -> Self {
        let known = vec![Known::default(); STREAMS];
        Self {
            tally,
            seed,
            dice: SimDice::new(seed ^ 0x5eed),
            world: World::new(seed),
            known,
            written: 0,
            poisoned: false,
            followers: HashMap::new(),
        }
    }

    /// One life of the process: work until it ends, by a crash, a kill, or a good night.
    fn life(&mut self) {
        let log = match self.world.open() {
            Ok(log) => log,
            // It dies or fails while it starts; the next one starts from the same disk.
            Err(error) => {
                assert!(!matches!(error, LogError::Corrupt { .. }), "seed {}: {error}", self.seed);
                return;
            }
        };
        assert!(log.damaged().is_empty(), "seed {}: {:?}", self.seed, log.damaged());
        self.audit(&log);
        self.misfortune();
        self.poisoned = false;
        self.followers.clear();
        for _ in 0..self.dice.below(40) {
            self.world.clock.advance(self.dice.below(1000) as i64 - 200);
            let stream = self.dice.below(STREAMS as u64) as usize;
            let acted = match self.dice.below(20) {
                0 => self.create(&log, stream),
                1 if self.dice.one_in(4) => self.delete(&log, stream),
                2 => log.trim_expired().is_ok(),
                3 if self.dice.one_in(3) => self.expire(&log),
                4 | 5 => self.follow(&log, stream),
                _ if self.known[stream].exists => self.append(&log, stream),
                _ => self.create(&log, stream),
            };
            if !acted {
                break;
            }
        }
    }

    fn misfortune(&mut self) {
        let disk = &self.world.disk;
        match self.dice.below(6) {
            0 | 1 => disk.die_after(1 + self.dice.below(150)),
            2 => disk.fail(Call::Write, 1 + self.dice.below(30), ".log"),
            3 => disk.fail(Call::Sync, 1 + self.dice.below(30), ".log"),
            4 => disk.set_capacity(Some(disk.used() + self.dice.below(8 << 10))),
            _ => {}
        }
    }

    fn create(&mut self, log: &LocalLog, stream: usize) -> bool {
        let known = &mut self.known[stream];
        match log.create_stream(&key(&name(stream)), spec(SHARDS)) {
            Ok(_) => {
                assert!(!known.exists && !self.poisoned);
                *known = Known { exists: true, ..Known::default() };
                true
            }
            Err(LogError::StreamExists(_)) => {
                assert!(known.exists);
                true
            }
            Err(_) => {
                known.existence_doubtful = !known.exists;
                false
            }
        }
    }

    fn delete(&mut self, log: &LocalLog, stream: usize) -> bool {
        (0..SHARDS).for_each(|shard| drop(self.followers.remove(&(stream, shard))));
        let known = &mut self.known[stream];
        match log.delete_stream(&key(&name(stream))) {
            Ok(()) => {
                assert!(known.exists);
                *known = Known::default();
                true
            }
            Err(LogError::NoStream(_)) => {
                assert!(!known.exists);
                true
            }
            Err(_) => {
                known.existence_doubtful = true;
                false
            }
        }
    }

    /// Lets everything expire.
    fn expire(&mut self, log: &LocalLog) -> bool {
        if self.poisoned {
            return true;
        }
        self.world.clock.advance(30 * 3_600_000);
        self.tally.expired += 1;
        for known in &mut self.known {
            known.expired = std::array::from_fn(|shard| known.acknowledged[shard].len());
        }
        log.trim_expired().is_ok()
    }

    /// Reads on where a follower stands: exactly what was acknowledged, no matter how the log fares.
    fn follow(&mut self, log: &LocalLog, stream: usize) -> bool {
        let shard = self.dice.below(SHARDS.into()) as u32;
        let known = &self.known[stream];
        if !known.exists {
            return true;
        }
        let reader = self.followers.entry((stream, shard)).or_insert_with(|| {
            let index = self.dice.below(1 + known.acknowledged[shard as usize].len() as u64);
            log.reader(&key(&name(stream)), ShardId(shard), index).unwrap()
        });
        let Ok(batch) = reader.read(1 + self.dice.below(20) as usize, 1 + self.dice.below(2000) as usize) else {
            // A dead process reads nothing.
            return self.world.disk.list(Path::new(crate::kit::DIR)).is_ok();
        };
        for record in &batch.records {
            let text = &known.acknowledged[shard as usize][record.index as usize];
            assert_eq!(record.data, text.as_bytes(), "seed {}", self.seed);
        }
        self.tally.followed += batch.records.len() as u64;
        let is_tail = batch.next == known.acknowledged[shard as usize].len() as u64;
        assert_eq!(is_tail, batch.next_arrival.is_none(), "seed {}", self.seed);
        true
    }

    /// The outcome of a failed append is doubtful until the next life.
    fn append(&mut self, log: &LocalLog, stream: usize) -> bool {
        let key = key(&name(stream));
        let texts: Vec<String> = (0..1 + self.dice.below(6))
            .map(|_| {
                self.written += 1;
                format!("{} {}", self.written, "x".repeat(self.dice.below(200) as usize))
            })
            .collect();
        let records = texts.iter().map(|text| record(text, text.clone())).collect();
        let known = &mut self.known[stream];
        let epoch = known.epoch.0 + self.dice.below(3);
        let producer = self.dice.one_in(2).then(|| Producer { id: "producer".into(), epoch });
        let is_repeat = producer.is_some() && epoch <= known.epoch.0 && known.epoch.0 > 0;
        // Epoch 0 is never written, so that "none yet" and "the first" need no telling apart.
        let producer = producer.filter(|p| p.epoch > 0);
        let routed = |shard: u32| log.stream(&key).unwrap().shards[shard as usize].range;
        let outcome = append(log, &key, records, producer.clone());
        if self.poisoned {
            assert!(outcome.is_err() || is_repeat, "seed {}", self.seed);
            return true;
        }
        match outcome {
            Ok(placed) if placed.is_empty() => assert!(is_repeat, "seed {}", self.seed),
            Ok(placed) => {
                assert!(!is_repeat, "seed {}", self.seed);
                for (text, placed) in texts.into_iter().zip(placed) {
                    let shard = &mut known.acknowledged[placed.shard.0 as usize];
                    assert_eq!(placed.sequence.index, shard.len() as u64, "seed {}", self.seed);
                    shard.push(text);
                    self.tally.acknowledged += 1;
                }
                known.epoch.0 = producer.map_or(known.epoch.0, |p| p.epoch);
            }
            // Nothing of it was kept, and the log goes on.
            Err(LogError::DiskFull { .. }) => self.tally.full += 1,
            Err(_) => {
                let shard_of = |text: &String| {
                    let hash = millrace_log::hash_key(text.as_bytes());
                    (0..SHARDS).find(|s| routed(*s).start <= hash && hash <= routed(*s).end).unwrap() as usize
                };
                if !is_repeat {
                    known.doubtful = Some(texts.iter().map(|text| (text.clone(), shard_of(text))).collect());
                    known.epoch.1 = producer.map_or(0, |p| p.epoch);
                }
                self.poisoned = true;
                self.tally.failed += 1;
            }
        }
        true
    }

    /// Every acknowledged record is there, once, in order; a doubtful append is there whole or not at all.
    fn audit(&mut self, log: &LocalLog) {
        for stream in 0..STREAMS {
            let key = key(&name(stream));
            let known = &mut self.known[stream];
            let exists = log.stream(&key).is_ok();
            if exists != known.exists {
                assert!(
                    known.existence_doubtful,
                    "seed {}: {key} should{} exist",
                    self.seed,
                    if exists { " not" } else { "" }
                );
                *known = Known { exists, ..Known::default() };
            }
            known.existence_doubtful = false;
            if !exists {
                continue;
            }
            let found: Vec<Vec<String>> = (0..SHARDS).map(|shard| texts(log, &key, ShardId(shard))).collect();
            for (shard, expired) in known.expired.iter().enumerate() {
                assert_eq!(
                    log.bounds(&key, ShardId(shard as u32)).unwrap().trim,
                    *expired as u64,
                    "seed {}",
                    self.seed
                );
            }
            let doubtful = known.doubtful.take().unwrap_or_default();
            let mut with = known.acknowledged.clone();
            for (text, shard) in doubtful {
                with[shard].push(text);
            }
            let left = |all: &[Vec<String>]| -> Vec<Vec<String>> {
                all.iter().zip(known.expired).map(|(texts, expired)| texts[expired..].to_vec()).collect()
            };
            if found == left(&known.acknowledged) {
                self.tally.doubtful_lost += u64::from(with != known.acknowledged);
            } else {
                self.tally.doubtful_kept += 1;
                assert_eq!(found, left(&with), "seed {}: {key}", self.seed);
                known.acknowledged = with;
                known.epoch.0 = known.epoch.0.max(known.epoch.1);
            }
            known.epoch.1 = 0;
        }
    }
}

fn texts(log: &LocalLog, key: &millrace_log::StreamKey, shard: ShardId) -> Vec<String> {
    let records = read_all(log, key, shard, 0).unwrap();
    let found: Vec<_> = records.iter().map(|r| String::from_utf8(r.data.to_vec()).unwrap()).collect();
    // A reader that starts anywhere sees the same from there on.
    let middle = found.len() / 2;
    let again = read_all(log, key, shard, records.get(middle).map_or(0, |r| r.index)).unwrap();
    assert!(again.iter().map(|r| r.data.to_vec()).eq(found[middle..].iter().map(|t| t.as_bytes().to_vec())));
    found
}

fn simulate(seed: u64, tally: &mut Tally) {
    let mut run = Run::new(seed, tally);
    for _ in 0..6 {
        run.life();
        run.world.disk.set_capacity(None);
        if run.dice.one_in(4) { run.world.disk.kill() } else { run.world.disk.crash() }
    }
    let log: Arc<LocalLog> = run.world.open().unwrap();
    run.audit(&log);
}

/// `MILLRACE_SEED=n` replays one seed; `MILLRACE_SEEDS=n` tries so many.
#[test]
fn whatever_happens_every_acknowledged_record_is_there_once_in_order() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("MILLRACE_SEED") {
        return simulate(seed, &mut Tally::default());
    }
    let mut tally = Tally::default();
    for seed in 0..number("MILLRACE_SEEDS").unwrap_or(2000) {
        simulate(seed, &mut tally);
    }
    println!("{tally:?}");
    let Tally { acknowledged, full, failed, doubtful_kept, doubtful_lost, expired, followed } = tally;
    let all = [acknowledged, full, failed, doubtful_kept, doubtful_lost, expired, followed];
    assert!(all.iter().all(|count| *count > 0), "something never happened: {all:?}");
}
