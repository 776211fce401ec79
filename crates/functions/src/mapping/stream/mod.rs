//! Mappings of Kinesis streams: one machine a shard, started when its parents are done.
//!
//! ```text
//! ShardReader ─► de-aggregate ─► filter ─► lanes (hash of the key) ─► batch ─► function
//!      ▲                                                               │ fails: pause, split, give up
//!      │ woken by the append                                           ▼
//! checkpoint = lowest record that is not done ◄── done ◄── destination (durable first)
//! ```

use millrace_base::Arn;
use millrace_log::StreamKey;

mod applied;
mod call;
mod lane;
mod lineage;
mod shard;
mod tickets;
mod window;

pub(crate) use applied::Applied;
pub(crate) use lineage::{Ready, ready, starts};
#[cfg(test)]
pub(crate) use shard::{Outcome, Task};
pub(crate) use shard::{Shard, Step};

/// What stands between a stream and its consumer in an ARN.
const CONSUMER: &str = "/consumer/";

/// Whether an ARN names a registered consumer of a stream.
pub(crate) fn is_consumer(source: &Arn) -> bool {
    source.resource.contains(CONSUMER)
}

/// The stream that an ARN of a stream or a consumer names.
pub(crate) fn key(source: &Arn) -> StreamKey {
    let name = source.name().split(CONSUMER).next().unwrap_or_default();
    StreamKey { scope: source.scope.clone(), name: name.into() }
}
