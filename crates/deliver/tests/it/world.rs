//! A whole pipeline of simulated parts: disk, clock, log, catalog, lake and index.

use async_trait::async_trait;
use bytes::Bytes;
use flate2::read::GzDecoder;
use millrace_base::{Disk, Scope};
use millrace_catalog::Catalog;
use millrace_deliver::{
    Bucket, Buckets, BulkError, BulkIndex, Deliveries, DocumentOutcome, IndexDocument, LocalLake, ObjectInfo,
    ObjectStore, Parts, Runner, Stager, StoreError, Transform, TransformError, Unobserved,
};
use millrace_log::{Commit, LocalLog, LogOptions, LogParts, NewRecord, StreamKey, StreamMode, StreamSpec};
use millrace_schema::registry::Registry;
use millrace_schema::tables::Tables;
use millrace_testkit::{SimClock, SimDice, SimDisk};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub const START: i64 = 1_769_846_700_000;
pub const ROLE: &str = "arn:aws:iam::000000000000:role/firehose";

/// Everything that one process has open.
pub struct World {
    pub disk: SimDisk,
    pub clock: SimClock,
    pub parts: Parts,
    pub index: Arc<FakeIndex>,
    pub function: Arc<FakeFunction>,
    pub store: Arc<FlakyStore>,
    pub scope: Scope,
}

/// A store that can be told to fail.
pub struct FlakyStore {
    pub inner: LocalLake,
    pub fails: Mutex<u32>,
    pub puts: Mutex<Vec<String>>,
}

/// An index that keeps documents by index and id, and fails when told to.
#[derive(Default)]
pub struct FakeIndex {
    pub documents: Mutex<BTreeMap<(String, String), Bytes>>,
    pub down: Mutex<u32>,
    pub refuses: Mutex<Option<(u16, &'static str)>>,
}

/// What a function does with an event.
type Handler = Box<dyn FnMut(&Value) -> Result<Value, TransformError> + Send>;

/// A function that does what it is told, and remembers the events. Told nothing, it gives every record back.
#[derive(Default)]
pub struct FakeFunction {
    pub handler: Mutex<Option<Handler>>,
    pub events: Mutex<Vec<Value>>,
}

impl FakeFunction {
    pub fn does(&self, handler: impl FnMut(&Value) -> Result<Value, TransformError> + Send + 'static) {
        *self.handler.lock() = Some(Box::new(handler));
    }
}

#[async_trait]
impl Transform for FakeFunction {
    async fn transform(&self, lambda_arn: &str, event: Bytes) -> Result<Bytes, TransformError> {
        assert!(lambda_arn.starts_with("arn:aws:lambda:us-east-1:000000000000:function:"));
        let event: Value = serde_json::from_slice(&event).unwrap();
        self.events.lock().push(event.clone());
        let answer = match &mut *self.handler.lock() {
            Some(handler) => handler(&event)?,
            None => answer(&event, |_| json!({})),
        };
        Ok(Bytes::from(answer.to_string()))
    }
}

/// An answer: each record is Ok as it came, with what `change` says of its text.
pub fn answer(event: &Value, mut change: impl FnMut(&str) -> Value) -> Value {
    let record = |record: &Value| {
        let text = decoded(&record["data"]);
        let mut answered = json!({ "recordId": record["recordId"], "result": "Ok", "data": record["data"] });
        answered.as_object_mut().unwrap().extend(change(&text).as_object().unwrap().clone());
        answered
    };
    json!({ "records": event["records"].as_array().unwrap().iter().map(record).collect::<Vec<_>>() })
}

/// The text behind a base64.
pub fn decoded(value: &Value) -> String {
    String::from_utf8(base64_simd::STANDARD.decode_to_vec(value.as_str().unwrap()).unwrap()).unwrap()
}

/// The base64 of a text.
pub fn encoded(text: &str) -> String {
    base64_simd::STANDARD.encode_to_string(text)
}

#[async_trait]
impl ObjectStore for FlakyStore {
    async fn put(&self, bucket: &str, key: &str, content: Bytes) -> Result<(), StoreError> {
        if *self.fails.lock() > 0 {
            *self.fails.lock() -= 1;
            let reason = "the store is away".to_owned();
            return Err(StoreError::Failed { bucket: bucket.to_owned(), key: key.to_owned(), reason });
        }
        self.puts.lock().push(key.to_owned());
        self.inner.put(bucket, key, content).await
    }
    async fn get(&self, bucket: &str, key: &str) -> Result<Bytes, StoreError> {
        self.inner.get(bucket, key).await
    }
    async fn head(&self, bucket: &str, key: &str) -> Result<ObjectInfo, StoreError> {
        self.inner.head(bucket, key).await
    }
    async fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        self.inner.list(bucket, prefix).await
    }
    async fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError> {
        self.inner.delete(bucket, key).await
    }
}

#[async_trait]
impl BulkIndex for FakeIndex {
    async fn bulk(&self, _: &str, index: &str, documents: &[IndexDocument]) -> Result<Vec<DocumentOutcome>, BulkError> {
        if *self.down.lock() > 0 {
            *self.down.lock() -= 1;
            return Err(BulkError("connection refused".to_owned()));
        }
        let refused = *self.refuses.lock();
        let one = |document: &IndexDocument| {
            let text = String::from_utf8_lossy(&document.source);
            if let Some((status, _)) = refused.filter(|(_, text_part)| text.contains(text_part)) {
                return DocumentOutcome::Failed { status, reason: "mapper_parsing_exception".to_owned() };
            }
            let id = document.id.clone().unwrap_or_else(|| self.documents.lock().len().to_string());
            self.documents.lock().insert((index.to_owned(), id), document.source.clone());
            DocumentOutcome::Indexed
        };
        Ok(documents.iter().map(one).collect())
    }
}

impl World {
    /// A process on an empty disk, with the bucket `lake` and the stream `orders` of two shards.
    pub fn new(seed: u64) -> Self {
        let world = Self::open(SimDisk::new(seed), SimClock::at(START), Arc::default());
        let bucket = Bucket { name: "lake".into(), scope: world.scope.clone(), created: START };
        Buckets::new(world.parts.catalog.clone()).create(&bucket).unwrap();
        let spec =
            StreamSpec { shard_count: 2, mode: StreamMode::Provisioned, retention_hours: 24, record_kib_max: 1024 };
        world.parts.log.create_stream(&world.orders(), spec).unwrap();
        world
    }

    /// A process on what is there.
    pub fn open(disk: SimDisk, clock: SimClock, index: Arc<FakeIndex>) -> Self {
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let catalog = Catalog::open(shared.as_ref(), Path::new("/data/catalog")).unwrap();
        let parts = LogParts {
            clock: Arc::new(clock.clone()),
            disk: shared.clone(),
            catalog: catalog.clone(),
            dir: "/data/log".into(),
        };
        let options = LogOptions { commit: Commit::Inline, segment_bytes: 1 << 20, ..LogOptions::default() };
        let log = LocalLog::open(parts, options).unwrap();
        let lake = LocalLake::open(shared, Path::new("/data/lake"), Buckets::new(catalog.clone())).unwrap();
        let store = Arc::new(FlakyStore { inner: lake, fails: Mutex::new(0), puts: Mutex::default() });
        let function = Arc::<FakeFunction>::default();
        let parts = Parts {
            tables: Tables::new(catalog.clone()),
            registry: Registry::new(catalog.clone(), Arc::new(clock.clone()), Arc::new(SimDice::new(11))),
            catalog,
            log,
            store: store.clone(),
            index: index.clone(),
            transform: function.clone(),
            clock: Arc::new(clock.clone()),
            permits: Arc::new(millrace_deliver::Unlimited),
            observer: Arc::new(Unobserved),
        };
        Self { disk, clock, parts, index, function, store, scope: Scope::default() }
    }

    pub fn orders(&self) -> StreamKey {
        StreamKey { scope: Scope::default(), name: "orders".into() }
    }

    pub fn deliveries(&self) -> Deliveries {
        Deliveries::open(self.parts.clone())
    }

    pub fn runner(&self, name: &str) -> Runner {
        Runner::open(self.parts.clone(), &self.scope, name, Arc::new(AtomicBool::new(false))).unwrap()
    }

    /// Both halves of a delivery stream.
    pub fn halves(&self, name: &str) -> (Runner, Stager) {
        let runner = self.runner(name);
        let stager = Stager::open(self.parts.clone(), &self.scope, name, runner.stats());
        (runner, stager)
    }

    /// Steps both halves until nothing is left to do now.
    pub fn settle_both(&self, (runner, stager): &mut (Runner, Stager)) {
        while block(stager.step()).worked | block(runner.step()).worked {}
    }

    /// Appends records to the stream; false when the log refused.
    pub fn append(&self, records: &[(u128, String)]) -> bool {
        let record = |(hash, data): &(u128, String)| NewRecord {
            partition_key: Bytes::from_static(b"k"),
            explicit_hash: Some(*hash << 120),
            data: Bytes::from(data.clone().into_bytes()),
        };
        block(self.parts.log.append(&self.orders(), records.iter().map(record).collect(), None)).is_ok()
    }

    /// Steps until nothing is left to do now.
    pub fn settle(&self, runner: &mut Runner) {
        while block(runner.step()).worked {}
    }

    /// All objects of the bucket.
    pub fn objects(&self) -> BTreeMap<String, Bytes> {
        let infos = block(self.store.list("lake", "")).unwrap();
        infos.into_iter().map(|info| (info.key.clone(), block(self.store.get("lake", &info.key)).unwrap())).collect()
    }
}

/// Runs a future to its end on this thread.
pub fn block<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// A delivery stream `d` from the stream `orders` into the bucket `lake`, with more members.
pub fn s3(more: Value) -> Value {
    let mut s3 = json!({
        "RoleARN": ROLE,
        "BucketARN": "arn:aws:s3:::lake",
        "BufferingHints": { "SizeInMBs": 1, "IntervalInSeconds": 60 },
        "ErrorOutputPrefix": "errors/!{firehose:error-output-type}/",
    });
    s3.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({
        "DeliveryStreamName": "d",
        "DeliveryStreamType": "KinesisStreamAsSource",
        "KinesisStreamSourceConfiguration":
            { "KinesisStreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/orders", "RoleARN": ROLE },
        "ExtendedS3DestinationConfiguration": s3,
    })
}

/// The members that split records by `.c`.
pub fn partitioned() -> Value {
    json!({
        "BufferingHints": { "SizeInMBs": 64, "IntervalInSeconds": 60 },
        "Prefix": "c=!{partitionKeyFromQuery:c}/!{timestamp:yyyy}/",
        "DynamicPartitioningConfiguration": { "Enabled": true },
        "ProcessingConfiguration": { "Enabled": true, "Processors": [
            { "Type": "MetadataExtraction", "Parameters": [
                { "ParameterName": "MetadataExtractionQuery", "ParameterValue": "{c: .c}" },
                { "ParameterName": "JsonParsingEngine", "ParameterValue": "JQ-1.6" } ] },
            { "Type": "AppendDelimiterToRecord", "Parameters": [
                { "ParameterName": "Delimiter", "ParameterValue": "\\n" } ] } ] },
    })
}

/// A Lambda processor with these parameters, and others behind it.
pub fn lambda(parameters: &[(&str, &str)], more: &[Value]) -> Value {
    let arn = ("LambdaArn", "arn:aws:lambda:us-east-1:000000000000:function:enrich");
    let parameter = |(name, value): &(&str, &str)| json!({ "ParameterName": name, "ParameterValue": value });
    let parameters: Vec<_> = [arn].iter().chain(parameters).map(parameter).collect();
    let mut processors = vec![json!({ "Type": "Lambda", "Parameters": parameters })];
    processors.extend(more.iter().cloned());
    json!({ "Enabled": true, "Processors": processors })
}

/// The members that convert records by the table `db.orders`.
pub fn converted() -> Value {
    json!({
        "BufferingHints": { "SizeInMBs": 64, "IntervalInSeconds": 60 },
        "DataFormatConversionConfiguration": {
            "SchemaConfiguration": { "DatabaseName": "db", "TableName": "orders", "RoleARN": ROLE },
            "InputFormatConfiguration": { "Deserializer": { "OpenXJsonSerDe": {} } },
            "OutputFormatConfiguration": { "Serializer": { "ParquetSerDe": {} } },
        },
    })
}

/// The table `db.orders (id bigint, c string)`.
pub fn create_table(tables: &Tables, scope: &Scope) {
    use millrace_schema::tables::{Column, Database, Table};
    tables.create_database(scope, Database { name: "db".into(), ..Database::default() }).unwrap();
    let mut table = Table { name: "orders".into(), database_name: "db".into(), ..Table::default() };
    let column = |name: &str, ty: &str| Column { name: name.into(), ty: Some(ty.into()), comment: None };
    table.storage_descriptor.columns = vec![column("id", "bigint"), column("c", "string")];
    tables.create_table(scope, table).unwrap();
}

/// The content of a gzip file.
pub fn gunzip(content: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(content).read_to_string(&mut text).unwrap();
    text
}

/// The lines of an object in the error prefix, as JSON, with `rawData` decoded.
pub fn failures(content: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(content).unwrap();
    let line = |line| {
        let mut failure: Value = serde_json::from_str(line).unwrap();
        let raw = base64_simd::STANDARD.decode_to_vec(failure["rawData"].as_str().unwrap()).unwrap();
        failure["rawData"] = String::from_utf8(raw).unwrap().into();
        failure
    };
    text.lines().map(line).collect()
}

/// The ids in a Parquet file of the table `db.orders`.
pub fn parquet_ids(content: &Bytes) -> Vec<i64> {
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    let reader = ParquetRecordBatchReaderBuilder::try_new(content.clone()).unwrap().build().unwrap();
    reader.flat_map(|batch| batch.unwrap().column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
}
