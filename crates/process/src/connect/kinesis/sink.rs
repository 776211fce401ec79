//! Writing a stream: the rows of an epoch are appended whole under the job's producer epoch.
//!
//! # What `prepare` gives (v1, little endian)
//! ```text
//! prepared := record*      record := key_len(4) key data_len(4) data
//! ```

use super::{schemas, stream};
use crate::connect::{ConnectError, Environment, Options, RowKind, Rows, Sink, SinkFactory, render};
use crate::graph::ConnectorSpec;
use bytes::Bytes;
use millrace_log::{Log, NewRecord, Producer, StreamKey};
use millrace_schema::registry::Registry;
use millrace_schema::{Encoder, format};
use std::sync::Arc;

/// Epochs are split into appends of about this many bytes; the low bits of a producer's epoch count them.
const APPEND_BYTES_MAX: usize = 8 << 20;
const APPEND_BITS: u32 = 16;

/// The `kinesis` sink.
#[derive(Default)]
pub(in crate::connect) struct KinesisSink {
    pub(in crate::connect) registry: Option<Registry>,
}

struct StreamSink {
    table: String,
    log: Arc<dyn Log>,
    key: StreamKey,
    producer: Arc<str>,
    encoder: Box<dyn Encoder>,
    keys: Vec<usize>,
    delimiter: String,
    pending: Vec<u8>,
    epoch_rows: u64,
    epoch: u64,
}

impl SinkFactory for KinesisSink {
    fn open(&self, spec: &ConnectorSpec, environment: &Environment, uid: &str) -> Result<Box<dyn Sink>, ConnectError> {
        let options = Options::new(spec);
        let (log, info) = stream(&options, environment)?;
        let name = options.format()?;
        let delimiter = options.get("sink.partitioner-field-delimiter").unwrap_or("|").to_owned();
        if let Some(other) = options.get("sink.partitioner").filter(|partitioner| *partitioner != "random") {
            let cure = "leave it out: rows go by PARTITIONED BY columns, else evenly over the shards";
            return Err(options.error(format!("'sink.partitioner' = '{other}' is not supported yet; {cure}")));
        }
        // How a remote service is called: here a commit is one append.
        options.tuning(&[
            "sink.batch.max-size",
            "sink.requests.max-inflight",
            "sink.requests.max-buffered",
            "sink.flush-buffer.size",
            "sink.flush-buffer.timeout",
            "sink.fail-on-error",
            "source.init.position",
            "source.init.timestamp",
            "scan.stream.initpos",
            "scan.stream.initpos-timestamp",
            "aws.endpoint",
        ]);
        options.end()?;
        let schemas = schemas(self.registry.as_ref(), environment);
        let encoder = format::encoder_with(name, &spec.options, &spec.fields, schemas.as_ref())
            .map_err(|error| ConnectError::option(&spec.table, error.to_string()))?;
        Ok(Box::new(StreamSink {
            table: spec.table.clone(),
            log,
            key: info.key.clone(),
            producer: format!("{}/{uid}", environment.job).into(),
            encoder,
            keys: spec.partition_by.clone(),
            delimiter,
            pending: Vec::new(),
            epoch_rows: 0,
            epoch: 0,
        }))
    }
}

impl StreamSink {
    /// The key of PARTITIONED BY columns, else one that spreads rows evenly and is the same when they are written again.
    fn partition_key(&self, rows: &Rows, row: usize) -> String {
        if self.keys.is_empty() {
            return format!("{}-{}-{}", self.producer, self.epoch, self.epoch_rows);
        }
        let parts = self.keys.iter().map(|&key| render::plain(rows.batch.column(key), row).unwrap_or_default());
        parts.collect::<Vec<_>>().join(&self.delimiter)
    }

    fn push(&mut self, part: &[u8]) {
        self.pending.extend_from_slice(&(part.len() as u32).to_le_bytes());
        self.pending.extend_from_slice(part);
    }

    fn append(&self, records: Vec<NewRecord>, epoch: u64) -> Result<(), ConnectError> {
        let producer = Producer { id: self.producer.clone(), epoch };
        let appended = futures::executor::block_on(self.log.append(&self.key, records, Some(producer)));
        appended.map(|_| ()).map_err(|error| ConnectError::Log { table: self.table.clone(), error })
    }
}

impl Sink for StreamSink {
    fn write(&mut self, rows: &Rows) -> Result<(), ConnectError> {
        let mut text = Vec::new();
        for row in 0..rows.batch.num_rows() {
            if rows.kind(row) != RowKind::Insert {
                let reason = "a stream takes only new rows, but this query updates rows it gave before; \
                              window it, or write to a table that takes updates";
                return Err(ConnectError::option(&self.table, reason));
            }
            text.clear();
            self.encoder.encode(&rows.batch, row, &mut text).map_err(|error| ConnectError::Data {
                table: self.table.clone(),
                place: rows.render(row),
                error,
                format: None,
            })?;
            let key = self.partition_key(rows, row);
            self.push(key.as_bytes());
            self.push(&text);
            self.epoch_rows += 1;
        }
        Ok(())
    }

    fn prepare(&mut self, epoch: u64) -> Result<Vec<u8>, ConnectError> {
        self.epoch = epoch;
        self.epoch_rows = 0;
        Ok(std::mem::take(&mut self.pending))
    }

    fn commit(&mut self, epoch: u64, prepared: &[u8]) -> Result<(), ConnectError> {
        let damaged = || ConnectError::option(&self.table, "the checkpoint holds damaged rows for this stream");
        let whole = Bytes::copy_from_slice(prepared);
        let (mut at, mut records, mut bytes, mut part) = (0, Vec::new(), 0, 1);
        while at < whole.len() {
            let mut take = || {
                let len = whole.get(at..at + 4).and_then(|len| len.try_into().ok()).map(u32::from_le_bytes)? as usize;
                let found = (at + 4 + len <= whole.len()).then(|| whole.slice(at + 4..at + 4 + len))?;
                at += 4 + len;
                Some(found)
            };
            let (partition_key, data) = take().zip(take()).ok_or_else(damaged)?;
            bytes += partition_key.len() + data.len();
            records.push(NewRecord { partition_key, explicit_hash: None, data });
            if bytes >= APPEND_BYTES_MAX {
                self.append(std::mem::take(&mut records), epoch << APPEND_BITS | part)?;
                (bytes, part) = (0, part + 1);
            }
        }
        if records.is_empty() { Ok(()) } else { self.append(records, epoch << APPEND_BITS | part) }
    }
}
