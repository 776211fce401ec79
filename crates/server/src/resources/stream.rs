//! `AWS::Kinesis::Stream`.

use super::read;
use async_trait::async_trait;
use millrace_access::{StreamSealError, StreamSeals};
use millrace_api::kinesis::check_contract_tags;
use millrace_catalog::CatalogError;
use millrace_log::format::stream_dir_name;
use millrace_log::{Log, LogError, StreamKey, StreamMode, StreamSpec, TagStore, Tags};
use millrace_stack::{Context, Created, ResourceError, ResourceType, Updated};
use serde_json::Value;
use std::sync::Arc;

/// AWS's default of a provisioned stream that names no shard count, and of an on-demand one.
const ON_DEMAND_SHARDS: u32 = 4;
const RETENTION_HOURS_DEFAULT: u32 = 24;
const RECORD_KIB_DEFAULT: u32 = 1024;

/// Streams of the log.
pub(super) struct Stream {
    pub(super) log: Arc<dyn Log>,
    pub(super) tags: TagStore,
    pub(super) seals: StreamSeals,
}

fn key(ctx: &Context, name: &str) -> StreamKey {
    StreamKey { scope: ctx.scope.clone(), name: name.into() }
}

fn number(properties: &Value, path: &str) -> Option<u32> {
    read::at(properties, path)?.as_u64().and_then(|number| u32::try_from(number).ok())
}

fn spec(properties: &Value) -> Result<StreamSpec, ResourceError> {
    let shards = number(properties, "ShardCount");
    let mode = match read::text(properties, "StreamModeDetails.StreamMode") {
        Some("ON_DEMAND") => StreamMode::OnDemand,
        _ => StreamMode::Provisioned,
    };
    let shard_count = match (mode, shards) {
        (StreamMode::OnDemand, None) => ON_DEMAND_SHARDS,
        (StreamMode::OnDemand, Some(_)) => {
            return Err(ResourceError::property("ShardCount", "an ON_DEMAND stream has no shard count: remove it"));
        }
        (StreamMode::Provisioned, Some(shards)) => shards,
        (StreamMode::Provisioned, None) if read::at(properties, "StreamModeDetails").is_none() => 1,
        (StreamMode::Provisioned, None) => {
            return Err(ResourceError::property("", "a PROVISIONED stream needs its ShardCount"));
        }
    };
    let retention_hours = number(properties, "RetentionPeriodHours").unwrap_or(RETENTION_HOURS_DEFAULT);
    if retention_hours < RETENTION_HOURS_DEFAULT {
        return Err(ResourceError::property("RetentionPeriodHours", "a stream keeps records for 24 hours at least"));
    }
    let record_kib_max = number(properties, "MaxRecordSizeInKiB").unwrap_or(RECORD_KIB_DEFAULT);
    Ok(StreamSpec { shard_count, mode, retention_hours, record_kib_max })
}

fn failed(error: LogError) -> ResourceError {
    match error {
        LogError::StreamExists(key) => ResourceError::Exists(format!(
            "a stream named '{}' exists already and is not of this stack: delete it, or give this one another Name",
            key.name
        )),
        other => ResourceError::Failed(other.to_string()),
    }
}

fn created(ctx: &Context, name: &str) -> Created {
    Created::new(name, [("Arn", ctx.scope.arn("kinesis", &format!("stream/{name}")).to_string())])
}

impl Stream {
    /// Lets the template's tags take the place of those that it had; tags that somebody added by hand stay.
    fn retag(&self, key: &StreamKey, old: &Value, new: &Value) -> Result<(), ResourceError> {
        let (before, after) = (read::tags(read::at(old, "Tags")), read::tags(read::at(new, "Tags")));
        if before == after {
            return Ok(());
        }
        let place = TagStore::of_stream(&*self.log.stream(key).map_err(failed)?);
        let change = |tags: &mut Tags| {
            tags.retain(|key, _| !before.contains_key(key));
            tags.extend(after);
            Ok::<_, CatalogError>(())
        };
        self.tags.change(&place, change).map_err(|error| ResourceError::Failed(error.to_string()))
    }

    /// Starts or stops the stream's encryption by a key of its own, as the template says.
    fn encrypt(&self, key: &StreamKey, old: &Value, new: &Value) -> Result<(), ResourceError> {
        let of = |properties| read::text(properties, "StreamEncryption.KeyId").map(str::to_owned);
        let (before, after) = (of(old), of(new));
        if before == after {
            return Ok(());
        }
        let stream = self.log.stream(key).map_err(failed)?;
        match after {
            Some(key_id) => {
                let folder = stream_dir_name(stream.incarnation, &key.name).into();
                let started = self.seals.start(&key.scope, &key.name, stream.incarnation, folder, &key_id);
                started.map_err(|error| match error {
                    StreamSealError::Key(error) => ResourceError::property("StreamEncryption.KeyId", error.to_string()),
                    other => ResourceError::Failed(other.to_string()),
                })?;
            }
            None => self.seals.stop(&key.scope, &key.name).map_err(|error| ResourceError::Failed(error.to_string()))?,
        }
        self.log.begin_segment(key).map_err(failed)
    }

    /// Splits and merges as `UpdateShardCount` does, within its limits: what is refused here would be refused on AWS.
    fn scale(&self, key: &StreamKey, count: u32) -> Result<(), ResourceError> {
        let open = self.log.stream(key).map_err(failed)?.spec.shard_count;
        if count > open.saturating_mul(2) || count < open.div_ceil(2) {
            let message = format!(
                "a stream of {open} open shards can be scaled to {} at least and {} at most in one step, not to {count}: \
                 go there in several",
                open.div_ceil(2),
                open.saturating_mul(2)
            );
            return Err(ResourceError::property("ShardCount", message));
        }
        self.log.set_shard_count(key, count).map(|_| ()).map_err(failed)
    }
}

#[async_trait]
impl ResourceType for Stream {
    fn properties(&self) -> &'static [&'static str] {
        &[
            "Name",
            "ShardCount",
            "StreamModeDetails.StreamMode",
            "RetentionPeriodHours",
            "MaxRecordSizeInKiB",
            "StreamEncryption.EncryptionType",
            "StreamEncryption.KeyId",
            "Tags",
        ]
    }

    fn check(&self, _ctx: &Context, properties: &Value) -> Result<(), ResourceError> {
        spec(properties)?;
        let tags = read::tags(read::at(properties, "Tags").filter(|tags| !read::has_open(tags)));
        let tags = tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        check_contract_tags(tags).map_err(|wrong| ResourceError::property("Tags", wrong))
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let name = read::name(ctx, properties, "Name");
        match self.log.create_stream(&key(ctx, &name), spec(properties)?) {
            Err(LogError::StreamExists(_)) if ctx.resuming => {}
            other => drop(other.map_err(failed)?),
        }
        self.retag(&key(ctx, &name), &Value::Null, properties)?;
        self.encrypt(&key(ctx, &name), &Value::Null, properties)?;
        Ok(created(ctx, &name))
    }

    async fn update(
        &self,
        ctx: &Context,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Updated, ResourceError> {
        let (before, after) = (spec(old)?, spec(new)?);
        let key = key(ctx, physical_id);
        if before.record_kib_max != after.record_kib_max {
            let message =
                "the largest record of a stream cannot be changed yet: give the stream another Name to get a new one";
            return Err(ResourceError::property("MaxRecordSizeInKiB", message));
        }
        if before.mode != after.mode {
            self.log.set_mode(&key, after.mode).map_err(failed)?;
        }
        // Shards that somebody has split or merged since stay as they are while the template says nothing new.
        let is_new = before.shard_count != after.shard_count || before.mode != after.mode;
        if is_new && after.mode == StreamMode::Provisioned {
            self.scale(&key, after.shard_count)?;
        }
        if before.retention_hours != after.retention_hours {
            self.log.set_retention(&key, after.retention_hours).map_err(failed)?;
        }
        self.retag(&key, old, new)?;
        self.encrypt(&key, old, new)?;
        Ok(Updated::InPlace(created(ctx, physical_id)))
    }

    async fn delete(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<(), ResourceError> {
        let key = key(ctx, physical_id);
        let place = self.log.stream(&key).map(|stream| TagStore::of_stream(&stream));
        match self.log.delete_stream(&key) {
            Err(LogError::NoStream(_)) => return Ok(()),
            other => other.map_err(failed)?,
        }
        self.seals.stop(&key.scope, &key.name).map_err(|error| ResourceError::Failed(error.to_string()))?;
        let forgotten = place.map_or(Ok(()), |place| self.tags.forget(&place));
        forgotten.map_err(|error| ResourceError::Failed(error.to_string()))
    }

    async fn exists(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<bool, ResourceError> {
        match self.log.stream(&key(ctx, physical_id)) {
            Err(LogError::NoStream(_)) => Ok(false),
            other => other.map(|_| true).map_err(failed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn properties_become_a_spec() {
        let one = spec(&json!({"ShardCount": 3, "RetentionPeriodHours": 48})).unwrap();
        assert_eq!((one.shard_count, one.retention_hours, one.record_kib_max), (3, 48, 1024));
        let on_demand = spec(&json!({"StreamModeDetails": {"StreamMode": "ON_DEMAND"}})).unwrap();
        assert_eq!((on_demand.mode, on_demand.shard_count), (StreamMode::OnDemand, 4));
        assert!(spec(&json!({"ShardCount": 1, "StreamModeDetails": {"StreamMode": "ON_DEMAND"}})).is_err());
        assert!(spec(&json!({"RetentionPeriodHours": 3, "ShardCount": 1})).is_err());
    }
}
