//! Reading a stream: one split a shard, woken by the append.

use super::shards::Shards;
use super::{schemas, stream};
use crate::connect::{
    ConnectError, Environment, Options, Position, Restored, SourceFactory, SourceSplits, Split, SplitRead,
};
use crate::graph::ConnectorSpec;
use arrow::array::{ArrayRef, StringArray, TimestampMillisecondArray};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use chrono::DateTime;
use millrace_base::{Millis, SequenceNumber};
use millrace_log::{Bookmark, Log, LogError, Record, Shard, ShardReader, StreamKey};
use millrace_schema::glue::Schemas;
use millrace_schema::registry::Registry;
use millrace_schema::{Decoder, Field, SqlType, format};
use std::collections::BTreeMap;
use std::sync::Arc;

/// About how many bytes one read takes from the log.
const READ_BYTES_MAX: usize = 4 << 20;

/// The `kinesis` source.
#[derive(Default)]
pub(in crate::connect) struct KinesisSource {
    pub(in crate::connect) registry: Option<Registry>,
}

impl SourceFactory for KinesisSource {
    fn open(
        &self,
        spec: &ConnectorSpec,
        environment: &Environment,
        parallelism: usize,
        restored: &BTreeMap<String, Restored>,
    ) -> Result<SourceSplits, ConnectError> {
        let options = Options::new(spec);
        let (log, info) = stream(&options, environment)?;
        let start = Start::read(&options)?;
        options.format()?;
        // How a remote stream is polled: the log wakes its readers, so there is nothing to tune.
        options.tuning(&["source.reader.type", "source.shard.get-records.max-record-count", "aws.endpoint"]);
        options.end()?;
        let mut subtasks: Vec<Vec<Box<dyn Split>>> = (0..parallelism).map(|_| Vec::new()).collect();
        let schemas = schemas(self.registry.as_ref(), environment);
        let shards = Shards::new(spec, environment, log, info.key.clone(), start, schemas);
        for (subtask, split) in shards.begin(&info, parallelism, restored)? {
            subtasks[subtask % parallelism].push(split);
        }
        Ok(SourceSplits { subtasks, concurrent: true, following: Some(Arc::new(shards)) })
    }

    fn is_bounded(&self) -> bool {
        false
    }
}

/// Where a shard is read from when no checkpoint says it.
pub(super) enum Start {
    Latest,
    TrimHorizon,
    At(Millis),
}

impl Start {
    /// Flink's names: `source.init.position` of the present source, `scan.stream.initpos` of the older one.
    fn read(options: &Options<'_>) -> Result<Self, ConnectError> {
        let position = options.get("source.init.position");
        let older = options.get("scan.stream.initpos");
        let stamp = options.get("source.init.timestamp");
        let older_stamp = options.get("scan.stream.initpos-timestamp");
        match position.or(older).unwrap_or("LATEST") {
            "LATEST" => Ok(Self::Latest),
            "TRIM_HORIZON" => Ok(Self::TrimHorizon),
            "AT_TIMESTAMP" => {
                let text = stamp.or(older_stamp).ok_or_else(|| {
                    options.error("AT_TIMESTAMP needs 'source.init.timestamp', for example '2026-01-31T12:00:00Z'")
                })?;
                instant(text).map(Self::At).ok_or_else(|| {
                    options.error(format!(
                        "'source.init.timestamp' = '{text}' is no time: write 2026-01-31T12:00:00.000Z or seconds since 1970"
                    ))
                })
            }
            other => {
                Err(options.error(format!("no position '{other}' to start from: LATEST, TRIM_HORIZON or AT_TIMESTAMP")))
            }
        }
    }

    pub(super) fn index(&self, log: &dyn Log, key: &StreamKey, shard: &Shard) -> Result<u64, LogError> {
        match self {
            Self::Latest => Ok(log.bounds(key, shard.id)?.tail),
            Self::TrimHorizon => Ok(log.bounds(key, shard.id)?.trim),
            Self::At(time) => log.index_at(key, shard.id, *time),
        }
    }
}

fn instant(text: &str) -> Option<Millis> {
    let dated =
        DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.3f%z"));
    match dated {
        Ok(moment) => Some(moment.timestamp_millis()),
        Err(_) => text.parse::<f64>().ok().map(|seconds| (seconds * 1000.0) as Millis),
    }
}

/// A shard that is read.
pub(super) struct ShardSplit {
    table: String,
    id: String,
    shard: Shard,
    reader: Box<dyn ShardReader>,
    mark: Bookmark,
    decoder: Box<dyn Decoder>,
    /// Its name.
    format: String,
    fields: Vec<Field>,
    metadata: Vec<(usize, Meta)>,
}

/// What a record tells beside its payload.
#[derive(Clone, Copy)]
enum Meta {
    Timestamp,
    ShardId,
    SequenceNumber,
}

impl ShardSplit {
    pub(super) fn new(
        spec: &ConnectorSpec,
        shard: &Shard,
        reader: Box<dyn ShardReader>,
        mark: Bookmark,
        schemas: Option<&Schemas>,
    ) -> Result<Self, ConnectError> {
        let metadata = spec.metadata.iter().map(|(column, key)| Ok((*column, Meta::read(spec, *column, key)?)));
        let metadata = metadata.collect::<Result<Vec<_>, ConnectError>>()?;
        let is_metadata = |i: usize| metadata.iter().any(|(column, _)| *column == i);
        let physical: Vec<Field> =
            spec.fields.iter().enumerate().filter(|(i, _)| !is_metadata(*i)).map(|(_, field)| field.clone()).collect();
        let format = spec.options.get("format").map_or("json", String::as_str);
        let decoder = format::decoder_with(format, &spec.options, &physical, schemas)
            .map_err(|error| ConnectError::option(&spec.table, error.to_string()))?;
        Ok(Self {
            table: spec.table.clone(),
            id: shard.id.to_string(),
            shard: shard.clone(),
            reader,
            mark,
            decoder,
            format: format.to_owned(),
            fields: spec.fields.clone(),
            metadata,
        })
    }

    fn sequence(&self, record: &Record) -> SequenceNumber {
        self.shard.number(record.index, record.arrival)
    }

    /// The decoded rows with the metadata columns put in their places. `kept` are the records that gave a row.
    fn assemble(&self, decoded: RecordBatch, kept: &[&Record]) -> Result<RecordBatch, ConnectError> {
        if self.metadata.is_empty() {
            return Ok(decoded);
        }
        let mut physical = decoded.columns().iter().cloned();
        let columns: Vec<ArrayRef> = (0..self.fields.len())
            .filter_map(|i| match self.metadata.iter().find(|(column, _)| *column == i) {
                Some((_, meta)) => Some(self.column(*meta, kept)),
                None => physical.next(),
            })
            .collect();
        RecordBatch::try_new(format::schema_of(&self.fields), columns)
            .map_err(|error| ConnectError::option(&self.table, error.to_string()))
    }

    fn column(&self, meta: Meta, kept: &[&Record]) -> ArrayRef {
        match meta {
            Meta::Timestamp => Arc::new(
                TimestampMillisecondArray::from_iter_values(kept.iter().map(|record| record.arrival))
                    .with_timezone("UTC"),
            ),
            Meta::ShardId => Arc::new(StringArray::from_iter_values(kept.iter().map(|_| &self.id))),
            Meta::SequenceNumber => {
                Arc::new(StringArray::from_iter_values(kept.iter().map(|record| self.sequence(record).to_string())))
            }
        }
    }
}

impl Meta {
    fn read(spec: &ConnectorSpec, column: usize, key: &str) -> Result<Self, ConnectError> {
        let field = &spec.fields[column];
        let (meta, fits, wants) = match key {
            "timestamp" => {
                (Self::Timestamp, matches!(field.typed.ty, SqlType::TimestampLtz(0..=3)), "TIMESTAMP_LTZ(3)")
            }
            "shard-id" => (Self::ShardId, matches!(field.typed.ty, SqlType::Varchar(_)), "STRING"),
            "sequence-number" => (Self::SequenceNumber, matches!(field.typed.ty, SqlType::Varchar(_)), "STRING"),
            _ => {
                return Err(ConnectError::option(
                    &spec.table,
                    format!("no metadata key '{key}': timestamp, shard-id or sequence-number"),
                ));
            }
        };
        if fits {
            return Ok(meta);
        }
        let reason = format!("the metadata key '{key}' is {wants}, but column '{}' is {}", field.name, field.typed.ty);
        Err(ConnectError::option(&spec.table, reason))
    }
}

#[async_trait]
impl Split for ShardSplit {
    fn id(&self) -> &str {
        &self.id
    }

    fn read(&mut self, rows_max: usize) -> Result<SplitRead, ConnectError> {
        // Whoever reads on has handed on what was read before.
        self.mark.set(self.reader.position());
        let found = self
            .reader
            .read(rows_max, READ_BYTES_MAX)
            .map_err(|error| ConnectError::Log { table: self.table.clone(), error })?;
        let mut kept = Vec::with_capacity(found.records.len());
        for record in &found.records {
            let before = self.decoder.len();
            if let Err(error) = self.decoder.push(&record.data) {
                let place = format!("{} at {}", self.id, self.sequence(record));
                return Err(ConnectError::Data {
                    table: self.table.clone(),
                    place,
                    error,
                    format: Some(self.format.clone()),
                });
            }
            if self.decoder.len() > before {
                kept.push(record);
            }
        }
        if kept.is_empty() {
            return Ok(SplitRead { batch: None, ended: found.ended });
        }
        let decoded = self.decoder.finish();
        Ok(SplitRead { batch: Some(self.assemble(decoded, &kept)?), ended: found.ended })
    }

    fn position(&self) -> Position {
        self.reader.position()
    }

    async fn wait(&mut self) -> Result<(), ConnectError> {
        self.reader.wait().await.map_err(|error| ConnectError::Log { table: self.table.clone(), error })
    }
}
