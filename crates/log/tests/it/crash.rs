//! Seeded simulation: random work on a disk that fails and a process that dies; an auditor knows what must be there.

use crate::kit::{World, append, key, read_all, record, spec};
use millrace_base::{Disk, ShardId};
use millrace_log::{LocalLog, Log, LogError, Producer, Shard, ShardReader, StreamKey, hash_key};
use millrace_testkit::{Call, SimDice};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

const STREAMS: usize = 3;
const SHARDS: u32 = 3;
/// Open ones.
const SHARDS_MAX: usize = 9;

/// What the auditor knows of a stream.
#[derive(Default, Clone)]
struct Known {
    /// By shard, what must be there: the texts of acknowledged records, in order.
    acknowledged: BTreeMap<u32, Vec<String>>,
    /// What an unacknowledged append would have added: all of it or nothing may be there.
    doubtful: Option<Vec<(String, u32)>>,
    /// By shard, how many of the records have expired.
    expired: BTreeMap<u32, usize>,
    /// The shards as they were last acknowledged, but for those that have expired.
    shards: Vec<Shard>,
    /// A change of shards that was not acknowledged: it may have happened or not.
    doubtful_change: Option<Change>,
    /// The last epoch of the stream's producer: acknowledged, and doubtful.
    epoch: (u64, u64),
    exists: bool,
    /// True when a creation or deletion was not acknowledged.
    existence_doubtful: bool,
}

impl Known {
    fn created(shards: &[Shard]) -> Self {
        let acknowledged = shards.iter().map(|shard| (shard.id.0, Vec::new())).collect();
        Self { exists: true, shards: shards.to_vec(), acknowledged, ..Self::default() }
    }

    fn count(&self, shard: u32) -> usize {
        self.acknowledged.get(&shard).map_or(0, Vec::len)
    }

    /// Takes over a list of shards that follows the present one.
    fn change(&mut self, seed: u64, shards: &[Shard]) {
        for was in &self.shards {
            let is = shards
                .iter()
                .find(|shard| shard.id == was.id)
                .unwrap_or_else(|| panic!("seed {seed}: {was:?} is gone"));
            assert_eq!(
                (is.range, is.parent, is.created_secs),
                (was.range, was.parent, was.created_secs),
                "seed {seed}"
            );
            assert!(was.closed.is_none() || is.closed == was.closed, "seed {seed}");
        }
        let last = self.shards.last().map_or(0, |shard| shard.id.0);
        let born = |id: ShardId| shards.iter().find(|shard| shard.id == id).unwrap().created_secs;
        for shard in shards {
            if let Some(closed) = shard.closed {
                assert_eq!(closed.tail, self.count(shard.id.0) as u64, "seed {seed}: {shard:?}");
            }
            if shard.id.0 > last {
                self.acknowledged.insert(shard.id.0, Vec::new());
                for parent in shard.parent.iter().chain(&shard.adjacent_parent) {
                    assert!(born(*parent) < shard.created_secs, "seed {seed}");
                }
            }
        }
        let mut open: Vec<_> = shards.iter().filter(|shard| shard.closed.is_none()).map(|shard| shard.range).collect();
        open.sort_by_key(|range| range.start);
        assert_eq!((open[0].start, open.last().unwrap().end), (0, u128::MAX), "seed {seed}");
        assert!(open.windows(2).all(|pair| pair[0].end + 1 == pair[1].start), "seed {seed}");
        self.shards = shards.to_vec();
    }
}

/// A change of shards.
#[derive(Debug, Clone, Copy)]
enum Change {
    Split(ShardId, u128),
    Merge(ShardId, ShardId),
    Scale(u32),
}

impl Change {
    fn apply(self, log: &LocalLog, key: &StreamKey) -> Result<Vec<Shard>, LogError> {
        let info = match self {
            Self::Split(shard, start) => log.split_shard(key, shard, start),
            Self::Merge(shard, adjacent) => log.merge_shards(key, shard, adjacent),
            Self::Scale(count) => log.set_shard_count(key, count),
        };
        info.map(|info| info.shards.clone())
    }

    /// Whether a list is what this change makes of another one.
    fn made(self, after: &[Shard]) -> bool {
        let open = |shards: &[Shard]| shards.iter().filter(|shard| shard.closed.is_none()).count();
        let children = |id| after.iter().filter(move |s| s.parent == Some(id) || s.adjacent_parent == Some(id));
        match self {
            Self::Split(id, start) => children(id).count() == 2 && children(id).any(|child| child.range.start == start),
            Self::Merge(id, adjacent) => {
                let [child] = children(id).collect::<Vec<_>>()[..] else { return false };
                child.adjacent_parent == Some(adjacent)
            }
            Self::Scale(count) => open(after) == count as usize,
        }
    }
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
    changed: u64,
    changes_kept: u64,
    changes_lost: u64,
    ended: u64,
    forgotten: u64,
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
                6 | 7 => self.reshard(&log, stream),
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
            Ok(info) => {
                assert!(!known.exists && !self.poisoned);
                *known = Known::created(&info.shards);
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
        self.followers.retain(|(of, _), _| *of != stream);
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
            known.expired = known.acknowledged.iter().map(|(shard, texts)| (*shard, texts.len())).collect();
            let before = known.shards.len();
            known.shards.retain(|shard| shard.closed.is_none());
            self.tally.forgotten += (before - known.shards.len()) as u64;
        }
        log.trim_expired().is_ok()
    }

    /// Reads on where a follower stands: exactly what was acknowledged, no matter how the log fares.
    fn follow(&mut self, log: &LocalLog, stream: usize) -> bool {
        let known = &self.known[stream];
        if !known.exists {
            return true;
        }
        let shard = self.dice.pick(&known.shards).id.0;
        let reader = self.followers.entry((stream, shard)).or_insert_with(|| {
            let index = self.dice.below(1 + known.count(shard) as u64);
            log.reader(&key(&name(stream)), ShardId(shard), index).unwrap()
        });
        let Ok(batch) = reader.read(1 + self.dice.below(20) as usize, 1 + self.dice.below(2000) as usize) else {
            // A dead process reads nothing.
            return self.world.disk.list(Path::new(crate::kit::DIR)).is_ok();
        };
        for record in &batch.records {
            let text = &known.acknowledged[&shard][record.index as usize];
            assert_eq!(record.data, text.as_bytes(), "seed {}", self.seed);
        }
        self.tally.followed += batch.records.len() as u64;
        let is_tail = batch.next == known.count(shard) as u64;
        assert_eq!(is_tail, batch.next_arrival.is_none(), "seed {}", self.seed);
        let closed = known.shards.iter().any(|of| of.id.0 == shard && of.closed.is_some());
        assert_eq!(batch.ended, is_tail && closed, "seed {}", self.seed);
        self.tally.ended += u64::from(batch.ended);
        true
    }

    /// Splits, merges or scales. A reader of a shard that expires meanwhile finds its end.
    fn reshard(&mut self, log: &LocalLog, stream: usize) -> bool {
        let key = key(&name(stream));
        let known = &mut self.known[stream];
        if !known.exists {
            return true;
        }
        let mut open: Vec<_> = known.shards.iter().filter(|shard| shard.closed.is_none()).collect();
        open.sort_by_key(|shard| shard.range.start);
        let at = self.dice.below(open.len() as u64) as usize;
        let range = open[at].range;
        let inside = (range.end - range.start) / 5 * u128::from(1 + self.dice.below(4));
        let change = match self.dice.below(5) {
            0 | 1 if open.len() < SHARDS_MAX => Change::Split(open[at].id, range.start + inside),
            2 | 3 if at + 1 < open.len() => Change::Merge(open[at].id, open[at + 1].id),
            _ => Change::Scale(1 + self.dice.below(6) as u32),
        };
        match change.apply(log, &key) {
            Ok(shards) => {
                assert!(!self.poisoned, "seed {}: {change:?}", self.seed);
                self.tally.changed += u64::from(shards != known.shards);
                known.change(self.seed, &shards);
                assert!(change.made(&shards), "seed {}: {change:?}", self.seed);
            }
            Err(_) if self.poisoned => {}
            Err(LogError::DiskFull { .. }) => self.tally.full += 1,
            Err(_) => {
                known.doubtful_change = Some(change);
                self.poisoned = true;
                self.tally.failed += 1;
            }
        }
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
                    let open = known.shards.iter().find(|s| takes(s, &text)).unwrap();
                    assert_eq!(placed.shard, open.id, "seed {}", self.seed);
                    assert!(placed.sequence > open.starting_number(), "seed {}", self.seed);
                    let shard = known.acknowledged.get_mut(&placed.shard.0).unwrap();
                    assert_eq!(placed.sequence.index, shard.len() as u64, "seed {}", self.seed);
                    shard.push(text);
                    self.tally.acknowledged += 1;
                }
                known.epoch.0 = producer.map_or(known.epoch.0, |p| p.epoch);
            }
            // Nothing of it was kept, and the log goes on.
            Err(LogError::DiskFull { .. }) => self.tally.full += 1,
            Err(_) => {
                let shard_of = |text: &String| known.shards.iter().find(|s| takes(s, text)).unwrap().id.0;
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
                *known = if exists { Known::created(&log.stream(&key).unwrap().shards) } else { Known::default() };
            }
            known.existence_doubtful = false;
            if !exists {
                continue;
            }
            let info = log.stream(&key).unwrap();
            let change = known.doubtful_change.take();
            if info.shards == known.shards {
                self.tally.changes_lost += u64::from(change.is_some());
            } else {
                self.tally.changes_kept += 1;
                assert!(change.is_some_and(|change| change.made(&info.shards)), "seed {}: {change:?}", self.seed);
                known.change(self.seed, &info.shards);
            }
            let found: Vec<Vec<String>> = info.shards.iter().map(|shard| texts(log, &key, shard.id)).collect();
            for shard in &info.shards {
                let expired = known.expired.get(&shard.id.0).copied().unwrap_or(0) as u64;
                assert_eq!(log.bounds(&key, shard.id).unwrap().trim, expired, "seed {}", self.seed);
            }
            let doubtful = known.doubtful.take().unwrap_or_default();
            let mut with = known.acknowledged.clone();
            for (text, shard) in doubtful {
                with.get_mut(&shard).unwrap().push(text);
            }
            let left = |all: &BTreeMap<u32, Vec<String>>| -> Vec<Vec<String>> {
                let expired = |shard: u32| known.expired.get(&shard).copied().unwrap_or(0);
                info.shards.iter().map(|shard| all[&shard.id.0][expired(shard.id.0)..].to_vec()).collect()
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

/// Whether a shard takes what is written under a text as its key.
fn takes(shard: &Shard, text: &str) -> bool {
    let hash = hash_key(text.as_bytes());
    shard.closed.is_none() && shard.range.start <= hash && hash <= shard.range.end
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
    let seeds = crate::seeds(2000);
    for seed in 0..seeds {
        simulate(seed, &mut tally);
    }
    println!("{tally:?}");
    let Tally { acknowledged, full, failed, doubtful_kept, doubtful_lost, expired, followed, .. } = tally;
    let Tally { changed, changes_kept, changes_lost, ended, forgotten, .. } = tally;
    let all = [acknowledged, full, failed, doubtful_kept, doubtful_lost, expired, followed];
    // A change is one commit of the catalog: it is kept without a word when death comes between the last write of the commit
    // and its sync, and the crash spares that write. That is one seed in a hundred.
    let changes_kept = changes_kept + u64::from(seeds < 1000);
    let all = [&all[..], &[changed, changes_kept, changes_lost, ended, forgotten]].concat();
    assert!(all.iter().all(|count| *count > 0), "something never happened: {all:?}");
}
