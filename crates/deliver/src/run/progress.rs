//! What of a delivery stream's source is delivered, as the catalog keeps it.

use crate::DeliverError;
use crate::definition::DeliveryStream;
use millrace_base::{Millis, Scope};
use millrace_catalog::Catalog;
use millrace_schema::Field;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The catalog's table of progress, under `account/region/name`.
pub(crate) const TABLE: &str = "firehose-progress";

/// The next index by shard number. A shard that is absent stands at 0.
pub(crate) type Positions = BTreeMap<u32, u64>;

/// Which buffer a record goes to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Lane {
    /// Records with these values of the prefix's partition keys, in the order of the prefix.
    Records(Vec<String>),
    /// Records whose partition keys cannot be found, or that their function could not transform.
    Failures,
    /// Records as they came, for the backup, beside what a function made of them.
    Source,
}

/// The definition and columns that records are delivered under.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Applied {
    pub(crate) stream: DeliveryStream,
    /// The Glue table's columns, when records are converted.
    pub(crate) columns: Option<Vec<Field>>,
}

/// Lanes of which all records before `to` are on their way into objects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cut {
    /// When it was made.
    pub(crate) at: Millis,
    pub(crate) lanes: Vec<Lane>,
    pub(crate) to: Positions,
}

/// How far a delivery stream is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) applied: Applied,
    /// Which stream of the source's name is read.
    pub(crate) incarnation: u64,
    /// Everything before is delivered.
    pub(crate) base: Positions,
    /// Lanes that were cut behind `base`, and up to where.
    pub(crate) delivered: Vec<(Lane, Positions)>,
    /// What is being delivered.
    pub(crate) cut: Option<Cut>,
    /// Whether the staged stream is read, not the source: then the positions are that stream's.
    #[serde(default)]
    pub(crate) staged: bool,
    /// Where `applied` begins: every record before is in objects of the definition before it, no record behind it is. Absent
    /// in what older versions have kept.
    #[serde(default)]
    pub(crate) began: Option<Positions>,
}

/// The catalog's key of a delivery stream.
pub(crate) fn catalog_key(scope: &Scope, name: &str) -> String {
    format!("{scope}/{name}")
}

impl Progress {
    pub(crate) fn load(catalog: &Catalog, key: &str) -> Result<Option<Self>, DeliverError> {
        Ok(catalog.get(TABLE, key)?)
    }

    pub(crate) fn save(&self, catalog: &Catalog, key: &str) -> Result<(), DeliverError> {
        Ok(catalog.put(TABLE, key, self)?)
    }

    /// Whether a record of a lane is still to be delivered.
    pub(crate) fn is_pending(&self, lane: &Lane, shard: u32, index: u64) -> bool {
        let behind = |positions: &Positions| index >= positions.get(&shard).copied().unwrap_or(0);
        behind(&self.base) && self.delivered.iter().all(|(other, to)| other != lane || behind(to))
    }

    /// Whether the shards are read up to everything that was delivered: then nothing behind `read` is delivered already.
    pub(crate) fn is_caught_up(&self, read: &Positions) -> bool {
        let behind = |(shard, to): (&u32, &u64)| read.get(shard).is_some_and(|read| read < to);
        !self.delivered.iter().any(|(_, to)| to.iter().any(behind))
    }

    /// Marks the cut as delivered; `pending` is the first index that still waits of every shard that has one, `read` how far
    /// the shards are read.
    pub(crate) fn complete(&mut self, pending: &Positions, read: &Positions) {
        let Some(cut) = self.cut.take() else { return };
        for lane in cut.lanes {
            let mut to = cut.to.clone();
            if let Some(at) = self.delivered.iter().position(|(other, _)| *other == lane) {
                // After a restart the shards may be read again up to less than this lane was delivered to before.
                for (shard, before) in self.delivered.swap_remove(at).1 {
                    let to = to.entry(shard).or_insert(before);
                    *to = before.max(*to);
                }
            }
            self.delivered.push((lane, to));
        }
        for (shard, read) in read {
            self.base.insert(*shard, pending.get(shard).copied().unwrap_or(*read));
        }
        let base = &self.base;
        self.delivered.retain(|(_, to)| to.iter().any(|(shard, to)| *to > base.get(shard).copied().unwrap_or(0)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::DeliveryStreamDefinition;

    fn lane(key: &str) -> Lane {
        Lane::Records(vec![key.to_owned()])
    }

    fn progress() -> Progress {
        let definition = DeliveryStreamDefinition {
            delivery_stream_name: "d".to_owned(),
            delivery_stream_type: Default::default(),
            kinesis_stream_source_configuration: None,
            extended_s3_destination_configuration: None,
            amazonopensearchservice_destination_configuration: None,
            tags: Vec::new(),
        };
        let stream = DeliveryStream { definition, version_id: 1, create_timestamp: 0, last_update_timestamp: None };
        let applied = Applied { stream, columns: None };
        let base = Positions::new();
        Progress { applied, incarnation: 0, base, delivered: Vec::new(), cut: None, staged: false, began: None }
    }

    fn complete(progress: &mut Progress, key: &str, to: &[(u32, u64)], pending: &[(u32, u64)]) {
        let to: Positions = to.iter().copied().collect();
        progress.cut = Some(Cut { at: 0, lanes: vec![lane(key)], to: to.clone() });
        progress.complete(&pending.iter().copied().collect(), &to);
    }

    #[test]
    fn a_lane_that_was_cut_further_stays_delivered() {
        let mut progress = progress();
        // `a` is delivered up to 20 while `b` waits from 3 on; then a restart has read up to 12 only when `a` is cut again.
        complete(&mut progress, "a", &[(0, 20), (1, 5)], &[(0, 3)]);
        assert!(progress.is_pending(&lane("b"), 0, 3) && !progress.is_pending(&lane("a"), 0, 19));
        assert!(!progress.is_caught_up(&[(0, 12), (1, 8)].into()));
        complete(&mut progress, "a", &[(0, 12), (1, 8)], &[(0, 3)]);
        assert!(!progress.is_pending(&lane("a"), 0, 19));
        assert!(!progress.is_pending(&lane("a"), 1, 7) && progress.is_pending(&lane("a"), 1, 8));
        complete(&mut progress, "b", &[(0, 20), (1, 8)], &[]);
        assert!(progress.delivered.is_empty());
        assert_eq!(progress.base, [(0, 20), (1, 8)].into());
    }
}
