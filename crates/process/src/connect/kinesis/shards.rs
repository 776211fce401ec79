//! Which shards of a stream a job reads, and when: children after their parents.
//!
//! A fresh job that begins with the latest records reads the shards that are open; any other one begins with the oldest
//! shards there are. A restored job goes on with the shards of its checkpoint. A shard that is in no checkpoint was either
//! read to its end, and then a descendant of it is in the checkpoint, or it came later, and follows its parents. Parents
//! that have outlived the retention are not waited for.

use super::source::{ShardSplit, Start};
use crate::connect::{ConnectError, Environment, Following, Restored, Split};
use crate::graph::ConnectorSpec;
use millrace_base::ShardId;
use millrace_log::{Log, LogError, ReaderKind, Shard, StreamInfo, StreamKey, StreamReader};
use millrace_schema::glue::Schemas;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Splits, each with the subtask that reads it.
type Assigned = Vec<(usize, Box<dyn Split>)>;

/// The shards of a table that is read.
pub(super) struct Shards {
    spec: ConnectorSpec,
    log: Arc<dyn Log>,
    key: StreamKey,
    start: Start,
    who: StreamReader,
    schemas: Option<Schemas>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    given: BTreeSet<ShardId>,
    /// Those of `given` that have ended.
    ended: BTreeSet<ShardId>,
}

impl Shards {
    pub(super) fn new(
        spec: &ConnectorSpec,
        environment: &Environment,
        log: Arc<dyn Log>,
        key: StreamKey,
        start: Start,
        schemas: Option<Schemas>,
    ) -> Self {
        let who = StreamReader {
            kind: ReaderKind::Application,
            scope: environment.scope.clone(),
            name: environment.job.clone(),
            mapping: None,
            consumer: None,
        };
        Self { spec: spec.clone(), log, key, start, who, schemas, seen: Mutex::default() }
    }

    /// The splits to begin with, each with its subtask.
    pub(super) fn begin(
        &self,
        info: &StreamInfo,
        parallelism: usize,
        restored: &BTreeMap<String, Restored>,
    ) -> Result<Assigned, ConnectError> {
        let mut seen = self.seen.lock();
        let mut splits = Assigned::new();
        if restored.is_empty() {
            let first: Vec<&Shard> = match self.start {
                Start::Latest => info.shards.iter().filter(|shard| shard.closed.is_none()).collect(),
                Start::TrimHorizon | Start::At(_) => eldest(info),
            };
            for (place, shard) in first.into_iter().enumerate() {
                let index = self.start.index(&*self.log, &self.key, shard).map_err(|error| self.failed(error))?;
                splits.push((place % parallelism, self.open(&mut seen, shard, index)?));
            }
            return Ok(splits);
        }
        let lost = restored.values().find(|saved| !saved.ended).and_then(|saved| saved.subtask).unwrap_or(0);
        let read = ancestors(info, restored);
        let orphans: BTreeSet<ShardId> = eldest(info).iter().map(|shard| shard.id).collect();
        for (place, shard) in info.shards.iter().enumerate() {
            if let Some(saved) = restored.get(&shard.id.to_string()) {
                let subtask = saved.subtask.unwrap_or(place % parallelism);
                splits.push((subtask, self.open(&mut seen, shard, saved.position)?));
                if saved.ended {
                    seen.ended.insert(shard.id);
                }
            } else if read.contains(&shard.id) {
                seen.given.insert(shard.id);
                seen.ended.insert(shard.id);
            } else if orphans.contains(&shard.id) {
                // What it follows expired before this job had read it to the end.
                splits.push((lost, self.open(&mut seen, shard, 0)?));
            }
        }
        Ok(splits)
    }

    fn open(&self, seen: &mut Seen, shard: &Shard, index: u64) -> Result<Box<dyn Split>, ConnectError> {
        let reader = self.log.reader(&self.key, shard.id, index).map_err(|error| self.failed(error))?;
        let mark = self.log.readership().enter(self.who.clone(), &self.key, shard.id, index);
        let split = ShardSplit::new(&self.spec, shard, reader, mark, self.schemas.as_ref())?;
        seen.given.insert(shard.id);
        Ok(Box::new(split))
    }

    fn failed(&self, error: LogError) -> ConnectError {
        ConnectError::Log { table: self.spec.table.clone(), error }
    }
}

/// The shards whose parents are gone, if they had any.
fn eldest(info: &StreamInfo) -> Vec<&Shard> {
    info.shards.iter().filter(|shard| parents(info, shard).next().is_none()).collect()
}

/// The parents of a shard that are still listed.
fn parents<'a>(info: &'a StreamInfo, shard: &'a Shard) -> impl Iterator<Item = ShardId> + 'a {
    let listed = |id: &ShardId| info.shards.binary_search_by_key(id, |shard| shard.id).is_ok();
    shard.parent.iter().chain(&shard.adjacent_parent).copied().filter(listed)
}

fn children(info: &StreamInfo, id: ShardId) -> impl Iterator<Item = &Shard> {
    info.shards.iter().filter(move |shard| shard.parent == Some(id) || shard.adjacent_parent == Some(id))
}

/// The ancestors of the shards in a checkpoint.
fn ancestors(info: &StreamInfo, restored: &BTreeMap<String, Restored>) -> BTreeSet<ShardId> {
    let mut ancestors = BTreeSet::new();
    // Children have greater ids than their parents, so one pass finds them all.
    for shard in info.shards.iter().rev() {
        if ancestors.contains(&shard.id) || restored.contains_key(&shard.id.to_string()) {
            ancestors.extend(parents(info, shard));
        }
    }
    ancestors
}

impl Following for Shards {
    fn follow(&self, ended: &str) -> Result<Vec<Box<dyn Split>>, ConnectError> {
        let Ok(id) = ended.parse::<ShardId>() else { return Ok(Vec::new()) };
        let mut seen = self.seen.lock();
        let info = self.log.stream(&self.key).map_err(|error| self.failed(error))?;
        seen.ended.insert(id);
        let mut splits = Vec::new();
        for child in children(&info, id) {
            let awaits = parents(&info, child).any(|parent| !seen.ended.contains(&parent));
            if awaits || seen.given.contains(&child.id) {
                continue;
            }
            let index = match self.start {
                // The latest records were asked for when this shard was not there yet.
                Start::Latest => 0,
                _ => self.start.index(&*self.log, &self.key, child).map_err(|error| self.failed(error))?,
            };
            splits.push(self.open(&mut seen, child, index)?);
        }
        // What has left the list is never asked about again.
        let oldest = info.shards.first().map_or(id, |shard| shard.id.min(id));
        let Seen { given, ended } = &mut *seen;
        given.retain(|id| *id >= oldest);
        ended.retain(|id| *id >= oldest);
        Ok(splits)
    }

    fn is_awaited(&self, ended: &str) -> bool {
        let (Ok(id), Ok(info)) = (ended.parse::<ShardId>(), self.log.stream(&self.key)) else { return false };
        let seen = self.seen.lock();
        children(&info, id).any(|child| !seen.given.contains(&child.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_base::Scope;
    use millrace_log::{Closed, HashRange, StreamMode, StreamSpec};

    /// 0 and 1 merged to 2; 2 split to 3 and 4; 4 split to 5 and 6. The first is `first`.
    fn info(first: u32) -> StreamInfo {
        let shard = |id: u32, parent: Option<u32>, adjacent: Option<u32>, closed: bool| Shard {
            id: ShardId(id),
            parent: parent.map(ShardId),
            adjacent_parent: adjacent.map(ShardId),
            range: HashRange { start: 0, end: 0 },
            created_secs: 0,
            closed: closed.then_some(Closed { tail: 0, at_secs: 0 }),
        };
        let mut shards = vec![
            shard(0, None, None, true),
            shard(1, None, None, true),
            shard(2, Some(0), Some(1), true),
            shard(3, Some(2), None, false),
            shard(4, Some(2), None, true),
            shard(5, Some(4), None, false),
            shard(6, Some(4), None, false),
        ];
        shards.retain(|shard| shard.id.0 >= first);
        StreamInfo {
            key: StreamKey { scope: Scope::default(), name: "s".into() },
            incarnation: 1,
            created: 0,
            spec: StreamSpec {
                shard_count: 3,
                mode: StreamMode::Provisioned,
                retention_hours: 24,
                record_kib_max: 1024,
            },
            shards,
        }
    }

    #[test]
    fn reading_begins_with_the_eldest_there_are() {
        let ids = |first| eldest(&info(first)).iter().map(|shard| shard.id.0).collect::<Vec<_>>();
        assert_eq!(ids(0), [0, 1]);
        assert_eq!(ids(1), [1]);
        assert_eq!(ids(2), [2]);
        assert_eq!(ids(3), [3, 4]);
    }

    #[test]
    fn what_has_descendants_in_a_checkpoint_was_read() {
        let saved = |ids: &[u32]| -> BTreeMap<String, Restored> {
            let restored = Restored { position: 0, subtask: None, ended: false };
            ids.iter().map(|id| (ShardId(*id).to_string(), restored)).collect()
        };
        let read = |ids| ancestors(&info(0), &saved(ids)).iter().map(|id| id.0).collect::<Vec<_>>();
        assert_eq!(read(&[0, 1]), [0; 0]);
        assert_eq!(read(&[3, 4]), [0, 1, 2]);
        assert_eq!(read(&[6]), [0, 1, 2, 4]);
    }
}
