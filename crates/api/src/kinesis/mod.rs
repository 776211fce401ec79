//! Amazon Kinesis Data Streams over a [`Log`]: one file per operation, named as AWS names it.

mod add_tags_to_stream;
mod consumers;
mod contract;
mod create_stream;
mod decrease_stream_retention_period;
mod delete_stream;
mod deregister_stream_consumer;
mod describe;
mod describe_limits;
mod describe_stream;
mod describe_stream_consumer;
mod describe_stream_summary;
mod encryption;
mod enhanced_monitoring;
mod faults;
mod get_records;
mod get_shard_iterator;
mod increase_stream_retention_period;
mod iterator;
mod list_shards;
mod list_stream_consumers;
mod list_streams;
mod list_tags_for_resource;
mod list_tags_for_stream;
mod merge_shards;
mod observer;
mod position;
mod put_record;
mod put_records;
mod quota;
mod register_stream_consumer;
mod remove_tags_from_stream;
mod resource_policy;
mod seal;
mod split_shard;
mod start_stream_encryption;
mod stop_stream_encryption;
mod subscribe_to_shard;
mod subscription;
mod tag_resource;
mod tags;
mod untag_resource;
mod update_shard_count;
mod update_stream_mode;

use crate::authorize::Need;
use crate::http::{Call, Caller, Reply, Service, blocking};
use crate::models::kinesis::MODEL;
use crate::wire::{Fault, Model, Text};
use async_trait::async_trait;
use contract::Contracts;
pub use contract::check_contract_tags;
use millrace_access::{ResourcePolicies, StreamSeals};
use millrace_base::{Arn, Clock, ShardId};
use millrace_catalog::Catalog;
use millrace_log::{Consumers, Log, Monitoring, Shard, StreamInfo, StreamKey};
use millrace_schema::registry::Registry;
pub use observer::{Got, KinesisObserver, Pushed, Put, Subscribed, Unlike, Unobserved};
use quota::Quotas;
use seal::Seal;
use std::sync::Arc;
use subscription::Subscriptions;

/// What the service does beside AWS's operations.
#[derive(Clone)]
pub struct KinesisOptions {
    /// Is told of what goes through.
    pub observer: Arc<dyn KinesisObserver>,
    /// Which shard metrics streams show.
    pub monitoring: Monitoring,
    /// Keep AWS's quotas of a shard: what exceeds them is refused.
    pub quotas: bool,
    /// Streams that are encrypted by keys of their own; `None` where there is no key ring.
    pub seals: Option<StreamSeals>,
    /// Streams' and consumers' own policies; `None` where none are kept.
    pub policies: Option<ResourcePolicies>,
}

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Kinesis {
    log: Arc<dyn Log>,
    catalog: Catalog,
    clock: Arc<dyn Clock>,
    seal: Arc<Seal>,
    consumers: Consumers,
    subscriptions: Arc<Subscriptions>,
    observer: Arc<dyn KinesisObserver>,
    monitoring: Monitoring,
    quotas: Option<Arc<Quotas>>,
    seals: Option<StreamSeals>,
    policies: Option<ResourcePolicies>,
    contracts: Arc<Contracts>,
}

impl Kinesis {
    /// The service over `log`; `key` signs its iterators and tokens, `registry` has the schemas that streams name.
    pub fn new(
        log: Arc<dyn Log>,
        catalog: Catalog,
        clock: Arc<dyn Clock>,
        key: &[u8; 32],
        registry: Registry,
        options: KinesisOptions,
    ) -> Self {
        let contracts = Arc::new(Contracts::new(catalog.clone(), registry));
        let (seal, consumers) = (Arc::new(Seal::new(key)), Consumers::new(catalog.clone()));
        let KinesisOptions { observer, monitoring, quotas, seals, policies } = options;
        let quotas = quotas.then(Arc::default);
        let subscriptions = Arc::default();
        Self {
            log,
            catalog,
            clock,
            seal,
            consumers,
            subscriptions,
            observer,
            monitoring,
            quotas,
            seals,
            policies,
            contracts,
        }
    }

    /// Ends what SubscribeToShard has begun: the clients find the end, and subscribe again elsewhere or later.
    pub fn end_subscriptions(&self) {
        self.subscriptions.close();
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

    /// A shard that is to be read.
    fn shard_to_read<'a>(&self, stream: &'a StreamInfo, text: &str) -> Result<&'a Shard, Fault> {
        let id: ShardId = text.parse().map_err(|_| faults::bad_shard_id(&stream.key, text))?;
        let shard = stream.shards.iter().find(|shard| shard.id == id);
        shard.ok_or_else(|| faults::no_shard(&stream.key, id))
    }

    /// A shard that is to be split or merged.
    fn shard<'a>(&self, stream: &'a StreamInfo, text: &str) -> Result<&'a Shard, Fault> {
        let found = stream.shards.iter().find(|shard| shard.id.to_string() == text);
        found.ok_or_else(|| faults::bad_shard_id(&stream.key, text))
    }
}

/// Asks whether a caller may do this to a stream that only the operation could find.
fn allow(caller: &Caller, action: &str, stream: &StreamKey) -> Result<(), Fault> {
    let arn = stream.scope.arn("kinesis", &format!("stream/{}", stream.name)).to_string();
    caller.guard.allow(&caller.scope, &Need::on(action, arn))
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
            "EnableEnhancedMonitoring" => blocking(self, call, enhanced_monitoring::enable).await,
            "DisableEnhancedMonitoring" => blocking(self, call, enhanced_monitoring::disable).await,
            "DescribeLimits" => blocking(self, call, describe_limits::call).await,
            "AddTagsToStream" => blocking(self, call, add_tags_to_stream::call).await,
            "RemoveTagsFromStream" => blocking(self, call, remove_tags_from_stream::call).await,
            "ListTagsForStream" => blocking(self, call, list_tags_for_stream::call).await,
            "TagResource" => blocking(self, call, tag_resource::call).await,
            "UntagResource" => blocking(self, call, untag_resource::call).await,
            "ListTagsForResource" => blocking(self, call, list_tags_for_resource::call).await,
            "SplitShard" => blocking(self, call, split_shard::call).await,
            "MergeShards" => blocking(self, call, merge_shards::call).await,
            "UpdateShardCount" => blocking(self, call, update_shard_count::call).await,
            "UpdateStreamMode" => blocking(self, call, update_stream_mode::call).await,
            "RegisterStreamConsumer" => blocking(self, call, register_stream_consumer::call).await,
            "DeregisterStreamConsumer" => blocking(self, call, deregister_stream_consumer::call).await,
            "DescribeStreamConsumer" => blocking(self, call, describe_stream_consumer::call).await,
            "ListStreamConsumers" => blocking(self, call, list_stream_consumers::call).await,
            "StartStreamEncryption" => blocking(self, call, start_stream_encryption::call).await,
            "StopStreamEncryption" => blocking(self, call, stop_stream_encryption::call).await,
            "PutResourcePolicy" => blocking(self, call, resource_policy::put).await,
            "GetResourcePolicy" => blocking(self, call, resource_policy::get).await,
            "DeleteResourcePolicy" => blocking(self, call, resource_policy::delete).await,
            "SubscribeToShard" => subscribe_to_shard::call(self, call).await,
            other => Err(faults::unsupported(other)),
        }
    }
}
