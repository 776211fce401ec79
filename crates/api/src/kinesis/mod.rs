//! Amazon Kinesis Data Streams over a [`Log`]: one file per operation, named as AWS names it.

mod add_tags_to_stream;
mod create_stream;
mod decrease_stream_retention_period;
mod delete_stream;
mod describe;
mod describe_limits;
mod describe_stream;
mod describe_stream_summary;
mod faults;
mod get_records;
mod get_shard_iterator;
mod increase_stream_retention_period;
mod iterator;
mod list_shards;
mod list_streams;
mod list_tags_for_resource;
mod list_tags_for_stream;
mod put_record;
mod put_records;
mod remove_tags_from_stream;
mod seal;
mod tag_resource;
mod tags;
mod untag_resource;

use crate::http::{Call, Caller, Reply, Service, blocking};
use crate::models::kinesis::MODEL;
use crate::wire::{Fault, Model, Text};
use async_trait::async_trait;
use millrace_base::{Arn, Clock};
use millrace_catalog::Catalog;
use millrace_log::{Log, StreamInfo, StreamKey};
use seal::Seal;
use std::sync::Arc;

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Kinesis {
    log: Arc<dyn Log>,
    catalog: Catalog,
    clock: Arc<dyn Clock>,
    seal: Arc<Seal>,
}

impl Kinesis {
    /// The service over `log`; `key` signs its iterators and tokens.
    pub fn new(log: Arc<dyn Log>, catalog: Catalog, clock: Arc<dyn Clock>, key: &[u8; 32]) -> Self {
        Self { log, catalog, clock, seal: Arc::new(Seal::new(key)) }
    }

    /// The stream that a request names by `StreamName`, `StreamARN` or both.
    fn key(&self, caller: &Caller, name: Option<&Text>, arn: Option<&Text>) -> Result<StreamKey, Fault> {
        let Some(arn) = arn else {
            let name = name.ok_or_else(faults::no_stream_named)?;
            return Ok(StreamKey { scope: caller.scope.clone(), name: name.as_str().into() });
        };
        let parsed: Arn = arn.parse().map_err(|_| faults::bad_arn(arn))?;
        let named = parsed.resource.strip_prefix("stream/").filter(|named| !named.contains('/'));
        let named = named.ok_or_else(|| faults::bad_arn(arn))?;
        if let Some(name) = name.filter(|name| name.as_str() != named) {
            return Err(faults::names_differ(name, arn));
        }
        let key = StreamKey { name: named.into(), scope: parsed.scope };
        // Scopes do not see each other's streams, so a stranger's stream is not there.
        if key.scope == caller.scope { Ok(key) } else { Err(faults::no_stream(&key)) }
    }

    fn stream(&self, caller: &Caller, name: Option<&Text>, arn: Option<&Text>) -> Result<Arc<StreamInfo>, Fault> {
        self.log.stream(&self.key(caller, name, arn)?).map_err(faults::of_log)
    }
}

#[async_trait]
impl Service for Kinesis {
    fn model(&self) -> &'static Model {
        &MODEL
    }

    async fn call(&self, call: Call) -> Result<Reply, Fault> {
        match call.operation.as_str() {
            "PutRecords" => put_records::call(self, call).await,
            "PutRecord" => put_record::call(self, call).await,
            "GetRecords" => blocking(self, call, get_records::call).await,
            "GetShardIterator" => blocking(self, call, get_shard_iterator::call).await,
            "ListShards" => blocking(self, call, list_shards::call).await,
            "DescribeStream" => blocking(self, call, describe_stream::call).await,
            "DescribeStreamSummary" => blocking(self, call, describe_stream_summary::call).await,
            "ListStreams" => blocking(self, call, list_streams::call).await,
            "CreateStream" => blocking(self, call, create_stream::call).await,
            "DeleteStream" => blocking(self, call, delete_stream::call).await,
            "IncreaseStreamRetentionPeriod" => blocking(self, call, increase_stream_retention_period::call).await,
            "DecreaseStreamRetentionPeriod" => blocking(self, call, decrease_stream_retention_period::call).await,
            "DescribeLimits" => blocking(self, call, describe_limits::call).await,
            "AddTagsToStream" => blocking(self, call, add_tags_to_stream::call).await,
            "RemoveTagsFromStream" => blocking(self, call, remove_tags_from_stream::call).await,
            "ListTagsForStream" => blocking(self, call, list_tags_for_stream::call).await,
            "TagResource" => blocking(self, call, tag_resource::call).await,
            "UntagResource" => blocking(self, call, untag_resource::call).await,
            "ListTagsForResource" => blocking(self, call, list_tags_for_resource::call).await,
            other => Err(faults::unsupported(other)),
        }
    }
}
