//! All delivery streams: their definitions, and the threads that run them.

use crate::definition::{DeliveryStream, DeliveryStreamDefinition, DeliveryStreamType, Destination};
use crate::run::{Applied, PROGRESS, Parts, Positions, Progress, StatsSnapshot, catalog_key};
use crate::stage::{STAGING, StageProgress, create_staged_stream, staged_key};
use crate::workers::Workers;
use crate::{DeliverError, describe};
use bytes::Bytes;
use millrace_base::{Arn, Scope};
use millrace_catalog::Catalog;
use millrace_log::{LogError, NewRecord, Placed, ReaderKind, StreamKey, StreamMode, StreamReader, StreamSpec};
use millrace_schema::tables::Tables;
use serde_json::Value;
use std::sync::Arc;
use tokio::runtime::Handle;

/// The catalog's table of definitions, under `account/region/name`.
const TABLE: &str = "firehose-delivery-stream";
/// AWS's limits of `PutRecordBatch`.
const BATCH_RECORDS_MAX: usize = 500;
const BATCH_BYTES_MAX: usize = 4 << 20;
const RECORD_BYTES_MAX: usize = 1000 << 10;
/// AWS keeps what it cannot deliver for a day.
const DIRECT_RETENTION_HOURS: u32 = 24;

/// The delivery streams of all scopes. Cheap to clone.
#[derive(Clone)]
pub struct Deliveries {
    parts: Parts,
    workers: Arc<Workers>,
}

/// A page of names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeliveryStreamNames {
    /// In order.
    pub names: Vec<String>,
    /// Whether there are more.
    pub has_more: bool,
}

/// A delivery stream that runs.
#[derive(Debug, Clone)]
pub struct RunningDelivery {
    /// Its account and region.
    pub scope: Scope,
    /// Its name.
    pub name: String,
    /// Its counters.
    pub stats: StatsSnapshot,
}

impl Deliveries {
    /// The delivery streams that the catalog keeps; none runs yet.
    pub fn open(parts: Parts) -> Self {
        Self { workers: Arc::new(Workers::new(parts.clone())), parts }
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Runs all delivery streams, and from now on every new one, on threads of their own that use `runtime` for the network.
    pub fn start(&self, runtime: Handle) -> Result<(), DeliverError> {
        self.workers.enable(runtime);
        for (_, stream) in self.parts.catalog.list::<(Scope, DeliveryStream)>(TABLE, "")? {
            self.workers.start(&stream.0, &stream.1.definition.delivery_stream_name);
        }
        Ok(())
    }

    /// Stops all delivery streams where they are. What is buffered is read again at the next start.
    pub async fn shutdown(&self) {
        self.workers.stop_all().await;
    }

    /// Creates a delivery stream from the body of `CreateDeliveryStream`. A Kinesis stream is read from its end, as on AWS.
    pub fn create(&self, scope: &Scope, body: Value) -> Result<Arn, DeliverError> {
        let definition = DeliveryStreamDefinition::from_json(body)?;
        let name = definition.delivery_stream_name.clone();
        let key = catalog_key(scope, &name);
        if self.parts.catalog.get::<(Scope, DeliveryStream)>(TABLE, &key)?.is_some() {
            return Err(taken(scope, &name));
        }
        let stream = DeliveryStream {
            definition,
            version_id: 1,
            create_timestamp: self.parts.clock.now(),
            last_update_timestamp: None,
        };
        let applied = Applied::of(stream.clone(), scope, &self.parts.tables)?;
        let (incarnation, base) = self.first_positions(scope, &stream.definition)?;
        let began = Some(base.clone());
        let (mut progress, mut stage) =
            (Progress { applied, incarnation, base, delivered: Vec::new(), cut: None, staged: false, began }, None);
        if let Some(lambda) = stream.definition.lambda() {
            let base = std::mem::take(&mut progress.base);
            stage = Some(StageProgress::new(lambda, progress.incarnation, base));
            progress.incarnation = create_staged_stream(&*self.parts.log, scope, &name)?;
            progress.staged = true;
        }
        self.parts.catalog.update(|transaction| {
            if transaction.get::<(Scope, DeliveryStream)>(TABLE, &key)?.is_some() {
                return Err(taken(scope, &name));
            }
            transaction.put(PROGRESS, &key, &progress)?;
            if let Some(stage) = &stage {
                transaction.put(STAGING, &key, stage)?;
            }
            Ok(transaction.put(TABLE, &key, &(scope, &stream))?)
        })?;
        self.workers.start(scope, &name);
        Ok(scope.arn("firehose", &format!("deliverystream/{name}")))
    }

    /// The incarnation of the source and where to begin in it; makes the log of a direct-put stream.
    fn first_positions(
        &self,
        scope: &Scope,
        definition: &DeliveryStreamDefinition,
    ) -> Result<(u64, Positions), DeliverError> {
        let log = &self.parts.log;
        let source = source_key(scope, definition)?;
        if definition.delivery_stream_type == DeliveryStreamType::DirectPut {
            let spec = StreamSpec {
                shard_count: 1,
                mode: StreamMode::Provisioned,
                retention_hours: DIRECT_RETENTION_HOURS,
                record_kib_max: 1024,
            };
            let info = match log.create_stream(&source, spec.clone()) {
                Err(LogError::StreamExists(_)) => {
                    // Left by a creation that a crash cut off before it was acknowledged.
                    log.delete_stream(&source)?;
                    log.create_stream(&source, spec)?
                }
                other => other?,
            };
            return Ok((info.incarnation, Positions::new()));
        }
        let info = log.stream(&source).map_err(|error| match error {
            LogError::NoStream(key) => DeliverError::NotFound(format!(
                "Stream {} under account {} not found: create it before its delivery stream.",
                key.name, key.scope.account
            )),
            other => other.into(),
        })?;
        let tail = |shard: &millrace_log::Shard| Ok((shard.id.0, log.bounds(&source, shard.id)?.tail));
        Ok((info.incarnation, info.shards.iter().map(tail).collect::<Result<_, LogError>>()?))
    }

    /// The definition and version of a delivery stream.
    pub fn get(&self, scope: &Scope, name: &str) -> Result<DeliveryStream, DeliverError> {
        current(&self.parts.catalog, scope, name)
    }

    /// The `DeliveryStreamDescription` of `DescribeDeliveryStream`; timestamps are seconds.
    pub fn describe(&self, scope: &Scope, name: &str) -> Result<Value, DeliverError> {
        describe::description(scope, &self.get(scope, name)?)
    }

    /// Names in order, after `after`, of one type if given; `limit` defaults to AWS's 10.
    pub fn list(
        &self,
        scope: &Scope,
        after: Option<&str>,
        kind: Option<DeliveryStreamType>,
        limit: Option<usize>,
    ) -> Result<DeliveryStreamNames, DeliverError> {
        let all = self.parts.catalog.list::<(Scope, DeliveryStream)>(TABLE, &format!("{scope}/"))?;
        let mut names: Vec<_> = all
            .into_iter()
            .map(|(_, (_, stream))| stream.definition)
            .filter(|definition| kind.is_none_or(|kind| definition.delivery_stream_type == kind))
            .map(|definition| definition.delivery_stream_name)
            .filter(|name| after.is_none_or(|after| name.as_str() > after))
            .collect();
        let limit = limit.unwrap_or(10);
        let has_more = names.len() > limit;
        names.truncate(limit);
        Ok(DeliveryStreamNames { names, has_more })
    }

    /// Changes the destination by the members of an `UpdateDestination` body that end in `DestinationUpdate`. What was read
    /// before is delivered as before.
    pub fn update_destination(
        &self,
        scope: &Scope,
        name: &str,
        current_version_id: &str,
        destination_id: &str,
        update: Value,
    ) -> Result<(), DeliverError> {
        if destination_id != DeliveryStreamDefinition::DESTINATION_ID {
            return Err(DeliverError::InvalidArgument(format!("Destination Id {destination_id} not found")));
        }
        let old = self.get(scope, name)?;
        let definition = old.definition.updated(update)?;
        let version_id = old.version_id + 1;
        let stream = DeliveryStream {
            definition,
            version_id,
            last_update_timestamp: Some(self.parts.clock.now()),
            ..old.clone()
        };
        Applied::of(stream.clone(), scope, &self.parts.tables)?;
        let key = catalog_key(scope, name);
        self.parts.catalog.update(|transaction| {
            let now = transaction.get::<(Scope, DeliveryStream)>(TABLE, &key)?.map(|(_, stream)| stream.version_id);
            if now != Some(old.version_id) || current_version_id != old.version_id.to_string() {
                return Err(DeliverError::ConcurrentModification(format!(
                    "Cannot update firehose: {name} since the current version id: {} and specified version id: \
                     {current_version_id} do not match",
                    now.unwrap_or_default()
                )));
            }
            Ok(transaction.put(TABLE, &key, &(scope, &stream))?)
        })?;
        self.workers.reload(scope, name);
        Ok(())
    }

    /// Deletes a delivery stream; what is buffered is discarded, as on AWS.
    pub async fn delete(&self, scope: &Scope, name: &str) -> Result<(), DeliverError> {
        let stream = self.get(scope, name)?;
        self.workers.stop(scope, name).await;
        let key = catalog_key(scope, name);
        self.parts.catalog.update(|transaction| {
            transaction.delete(TABLE, &key)?;
            transaction.delete(STAGING, &key)?;
            transaction.delete(PROGRESS, &key)
        })?;
        match self.parts.log.delete_stream(&staged_key(scope, name)) {
            Ok(()) | Err(LogError::NoStream(_)) => {}
            Err(error) => return Err(error.into()),
        }
        if stream.definition.delivery_stream_type == DeliveryStreamType::DirectPut {
            match self.parts.log.delete_stream(&source_key(scope, &stream.definition)?) {
                Ok(()) | Err(LogError::NoStream(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Puts records into a direct-put delivery stream; they are durable when this returns. Placed in order.
    pub async fn put_record_batch(
        &self,
        scope: &Scope,
        name: &str,
        records: Vec<Bytes>,
    ) -> Result<DirectPuts, DeliverError> {
        let stream = self.get(scope, name)?;
        if stream.definition.delivery_stream_type != DeliveryStreamType::DirectPut {
            return Err(DeliverError::InvalidArgument(
                "This operation is not permitted on KinesisStreamAsSource delivery stream type.".to_owned(),
            ));
        }
        let bytes: usize = records.iter().map(Bytes::len).sum();
        if records.is_empty() || records.len() > BATCH_RECORDS_MAX || bytes > BATCH_BYTES_MAX {
            return Err(DeliverError::InvalidArgument(format!(
                "Records size exceeds {} MB limit or its number is not 1 to {BATCH_RECORDS_MAX}",
                BATCH_BYTES_MAX >> 20
            )));
        }
        if let Some(record) = records.iter().find(|record| record.len() > RECORD_BYTES_MAX) {
            return Err(DeliverError::InvalidArgument(format!(
                "A record has {} bytes; at most {RECORD_BYTES_MAX} are allowed",
                record.len()
            )));
        }
        let key = Bytes::from_static(b"0");
        let record = |data| NewRecord { partition_key: key.clone(), explicit_hash: None, data };
        let stream = source_key(scope, &stream.definition)?;
        let placed = self.parts.log.append(&stream, records.into_iter().map(record).collect(), None).await?;
        Ok(DirectPuts { stream, placed })
    }

    /// Every delivery stream that runs, with its counters.
    pub fn running(&self) -> Vec<RunningDelivery> {
        self.workers.all()
    }

    /// The counters of a delivery stream that runs.
    pub fn stats(&self, scope: &Scope, name: &str) -> Option<StatsSnapshot> {
        self.workers.stats(scope, name)
    }
}

/// Where direct puts were written.
#[derive(Debug)]
pub struct DirectPuts {
    /// The delivery stream's own buffer.
    pub stream: StreamKey,
    /// In the order of the records.
    pub placed: Vec<Placed>,
}

impl DirectPuts {
    /// The records' ids, in order.
    pub fn record_ids(&self) -> impl Iterator<Item = String> {
        self.placed.iter().map(|placed| placed.sequence.to_string())
    }
}

impl Applied {
    /// A definition with the columns that its table has now.
    pub(crate) fn of(stream: DeliveryStream, scope: &Scope, tables: &Tables) -> Result<Self, DeliverError> {
        let Destination::S3(s3) = stream.definition.destination()? else { return Ok(Self { stream, columns: None }) };
        let Some(conversion) = s3.conversion() else { return Ok(Self { stream, columns: None }) };
        let schema = &conversion.schema_configuration;
        let account = schema.catalog_id.as_deref().unwrap_or(&scope.account);
        let owner = Scope::new(account, schema.region.as_deref().unwrap_or(&scope.region));
        let (database, table) = (schema.database_name.as_deref(), schema.table_name.as_deref());
        let table = tables.table(&owner, database.unwrap_or(""), table.unwrap_or("")).map_err(|error| {
            DeliverError::InvalidArgument(format!("The schema is invalid. Error parsing the schema. Error: {error}"))
        })?;
        let columns = Some(table.fields()?);
        Ok(Self { stream, columns })
    }
}

/// The definition of a delivery stream.
pub(crate) fn current(catalog: &Catalog, scope: &Scope, name: &str) -> Result<DeliveryStream, DeliverError> {
    let found = catalog.get::<(Scope, DeliveryStream)>(TABLE, &catalog_key(scope, name))?;
    found
        .map(|(_, stream)| stream)
        .ok_or_else(|| DeliverError::NotFound(format!("Firehose {name} under account {} not found.", scope.account)))
}

/// The region, which no caller can name, where delivery streams keep direct puts until they are delivered.
pub fn direct_puts_scope(scope: &Scope) -> Scope {
    Scope::new(&scope.account, &format!("firehose.{}", scope.region))
}

/// The stream of the log that a delivery stream reads. Direct puts have one of their own, in a region that no caller can
/// name, so that it is not listed among the account's streams.
pub(crate) fn source_key(scope: &Scope, definition: &DeliveryStreamDefinition) -> Result<StreamKey, DeliverError> {
    match &definition.kinesis_stream_source_configuration {
        None => {
            let name = definition.delivery_stream_name.as_str().into();
            Ok(StreamKey { scope: direct_puts_scope(scope), name })
        }
        Some(source) => {
            let arn: Arn = source
                .kinesis_stream_arn
                .parse()
                .map_err(|error| DeliverError::InvalidArgument(format!("KinesisStreamARN: {error}")))?;
            let name = arn.name().into();
            Ok(StreamKey { scope: arn.scope, name })
        }
    }
}

/// A delivery stream as a reader of its stream.
pub(crate) fn reader_of(scope: &Scope, name: &str) -> StreamReader {
    StreamReader { kind: ReaderKind::Delivery, scope: scope.clone(), name: name.into(), mapping: None, consumer: None }
}

fn taken(scope: &Scope, name: &str) -> DeliverError {
    DeliverError::InUse(format!("Firehose {name} under accountId {} already exists", scope.account))
}
