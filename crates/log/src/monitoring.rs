//! Enhanced monitoring: which metrics of their shards streams are asked to show. Facts in the catalog, and in memory for those
//! who count.
//!
//! The table is `kinesis-monitoring`, the keys are `account/region/stream`. What is kept belongs to one incarnation of a
//! stream: one that was created again under the same name begins without.

use crate::{Log, LogError, StreamInfo, StreamKey};
use millrace_catalog::{Catalog, CatalogError};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

const TABLE: &str = "kinesis-monitoring";

/// A metric of a single shard, under AWS's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "AWS's names say it")]
pub enum ShardMetric {
    IncomingBytes,
    IncomingRecords,
    OutgoingBytes,
    OutgoingRecords,
    WriteProvisionedThroughputExceeded,
    ReadProvisionedThroughputExceeded,
    IteratorAgeMilliseconds,
}

impl ShardMetric {
    /// All of them, in AWS's order.
    pub const ALL: [Self; 7] = [
        Self::IncomingBytes,
        Self::IncomingRecords,
        Self::OutgoingBytes,
        Self::OutgoingRecords,
        Self::WriteProvisionedThroughputExceeded,
        Self::ReadProvisionedThroughputExceeded,
        Self::IteratorAgeMilliseconds,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IncomingBytes => "IncomingBytes",
            Self::IncomingRecords => "IncomingRecords",
            Self::OutgoingBytes => "OutgoingBytes",
            Self::OutgoingRecords => "OutgoingRecords",
            Self::WriteProvisionedThroughputExceeded => "WriteProvisionedThroughputExceeded",
            Self::ReadProvisionedThroughputExceeded => "ReadProvisionedThroughputExceeded",
            Self::IteratorAgeMilliseconds => "IteratorAgeMilliseconds",
        }
    }

    /// The metric of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }
}

/// What is kept of a stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    stream: StreamKey,
    incarnation: u64,
    metrics: BTreeSet<ShardMetric>,
}

/// What streams show of their shards. Cheap to clone.
#[derive(Clone)]
pub struct Monitoring {
    catalog: Catalog,
    kept: Arc<RwLock<HashMap<StreamKey, Kept>>>,
}

impl Monitoring {
    /// As the catalog has it.
    pub fn open(catalog: Catalog) -> Result<Self, CatalogError> {
        let kept = catalog.list::<Kept>(TABLE, "")?.into_iter().map(|(_, kept)| (kept.stream.clone(), kept)).collect();
        Ok(Self { catalog, kept: Arc::new(RwLock::new(kept)) })
    }

    /// What a stream shows, in AWS's order.
    pub fn of(&self, stream: &StreamInfo) -> BTreeSet<ShardMetric> {
        let kept = self.kept.read();
        let found = kept.get(&stream.key).filter(|kept| kept.incarnation == stream.incarnation);
        found.map(|kept| kept.metrics.clone()).unwrap_or_default()
    }

    /// Whether the stream of a name shows a metric. A look into memory.
    pub fn shows(&self, stream: &StreamKey, metric: ShardMetric) -> bool {
        self.kept.read().get(stream).is_some_and(|kept| kept.metrics.contains(&metric))
    }

    /// Whether the stream of a name shows anything of its shards. A look into memory.
    pub fn shows_any(&self, stream: &StreamKey) -> bool {
        let kept = self.kept.read();
        !kept.is_empty() && kept.get(stream).is_some_and(|kept| !kept.metrics.is_empty())
    }

    /// Sets what a stream shows; durable on return.
    pub fn set(&self, stream: &StreamInfo, metrics: BTreeSet<ShardMetric>) -> Result<(), CatalogError> {
        let kept = Kept { stream: stream.key.clone(), incarnation: stream.incarnation, metrics };
        self.catalog.put(TABLE, &stream.key.to_string(), &kept)?;
        self.kept.write().insert(stream.key.clone(), kept);
        Ok(())
    }

    /// Forgets the streams that are gone, however they went.
    pub fn prune(&self, log: &dyn Log) -> Result<(), CatalogError> {
        let kept: Vec<_> = self.kept.read().values().map(|kept| (kept.stream.clone(), kept.incarnation)).collect();
        let gone = |(stream, incarnation): &(StreamKey, u64)| match log.stream(stream) {
            Ok(info) => info.incarnation != *incarnation,
            Err(error) => matches!(error, LogError::NoStream(_)),
        };
        kept.iter().filter(|kept| gone(kept)).try_for_each(|(stream, _)| self.forget(stream))
    }

    /// Forgets a stream that was deleted.
    pub fn forget(&self, stream: &StreamKey) -> Result<(), CatalogError> {
        if self.kept.write().remove(stream).is_some() {
            self.catalog.delete(TABLE, &stream.to_string())?;
        }
        Ok(())
    }
}
