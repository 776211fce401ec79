//! What of a delivery stream's source is delivered, as the catalog keeps it.

use crate::definition::DeliveryStream;
use crate::DeliverError;
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
    /// Records whose partition keys cannot be found.
    Failures,
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

    /// Marks the cut as delivered; `pending` is the first index that still waits of every shard that has one, `read` how far
    /// the shards are read.
    pub(crate) fn complete(&mut self, pending: &Positions, read: &Positions) {
        let Some(cut) = self.cut.take() else { return };
        self.delivered.retain(|(lane, _)| !cut.lanes.contains(lane));
        self.delivered.extend(cut.lanes.into_iter().map(|lane| (lane, cut.to.clone())));
        for (shard, read) in read {
            self.base.insert(*shard, pending.get(shard).copied().unwrap_or(*read));
        }
        let base = &self.base;
        self.delivered.retain(|(_, to)| to.iter().any(|(shard, to)| *to > base.get(shard).copied().unwrap_or(0)));
    }
}
