//! How far the source is staged, as the catalog keeps it, and the stream that is staged into.

use crate::DeliverError;
use crate::definition::LambdaProcessor;
use crate::run::Positions;
use millrace_base::{Millis, Scope};
use millrace_catalog::Catalog;
use millrace_log::{Log, LogError, StreamKey, StreamMode, StreamSpec};
use serde::{Deserialize, Serialize};

/// The catalog's table of staging, under `account/region/name`.
pub(crate) const TABLE: &str = "firehose-staging";
/// AWS keeps what it cannot deliver for a day.
const RETENTION_HOURS: u32 = 24;

/// Which records the function is being asked about: all from `base` to `to`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Batch {
    pub(crate) to: Positions,
    /// When it was written down.
    pub(crate) at: Millis,
}

/// How far the source is staged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StageProgress {
    /// The processor that was used last.
    pub(crate) lambda: LambdaProcessor,
    /// Which stream of the source's name is read.
    pub(crate) incarnation: u64,
    /// Everything before is staged.
    pub(crate) base: Positions,
    /// The number of the last batch.
    pub(crate) epoch: u64,
    pub(crate) batch: Option<Batch>,
    /// Nothing more is staged: the processor is gone from the definition.
    pub(crate) ended: bool,
}

impl StageProgress {
    pub(crate) fn new(lambda: LambdaProcessor, incarnation: u64, base: Positions) -> Self {
        Self { lambda, incarnation, base, epoch: 0, batch: None, ended: false }
    }

    pub(crate) fn load(catalog: &Catalog, key: &str) -> Result<Option<Self>, DeliverError> {
        Ok(catalog.get(TABLE, key)?)
    }

    pub(crate) fn save(&self, catalog: &Catalog, key: &str) -> Result<(), DeliverError> {
        Ok(catalog.put(TABLE, key, self)?)
    }
}

/// The stream that a delivery stream stages into, in a region that no caller can name, so that it is not listed.
pub(crate) fn staged_key(scope: &Scope, name: &str) -> StreamKey {
    let inner = Scope::new(&scope.account, &format!("firehose-staged.{}", scope.region));
    StreamKey { scope: inner, name: name.into() }
}

/// Makes the stream, empty, and gives its incarnation. One that is there was left by something a crash cut off.
pub(crate) fn create_staged_stream(log: &dyn Log, scope: &Scope, name: &str) -> Result<u64, DeliverError> {
    let key = staged_key(scope, name);
    let spec = StreamSpec {
        shard_count: 1,
        mode: StreamMode::Provisioned,
        retention_hours: RETENTION_HOURS,
        record_kib_max: 10240,
    };
    let info = match log.create_stream(&key, spec.clone()) {
        Err(LogError::StreamExists(_)) => {
            log.delete_stream(&key)?;
            log.create_stream(&key, spec)?
        }
        other => other?,
    };
    Ok(info.incarnation)
}
