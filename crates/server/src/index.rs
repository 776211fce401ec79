//! The search room as others use it: the target of delivery streams and of the SQL connector `opensearch`.
//!
//! # What the SQL sink's `prepare` gives (v1)
//! JSON lines, one document each: `{"id": …, "doc": …}`, with `doc` null for a deletion.

use async_trait::async_trait;
use bytes::Bytes;
use millrace_base::Remedy;
use millrace_deliver::{BulkError, BulkIndex, DocumentOutcome, IndexDocument};
use millrace_process::connect::{ConnectError, Environment, Options, RowKind, Rows, Sink, SinkFactory};
use millrace_process::graph::ConnectorSpec;
use millrace_schema::{Encoder, format};
use millrace_search::{Action, BulkOp, Condition, Engine, Error, Refresh, Write};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Delivery into the server's own index, whatever the domain.
pub struct DeliveredIndex(pub Arc<Engine>);

#[async_trait]
impl BulkIndex for DeliveredIndex {
    async fn bulk(
        &self,
        _domain_arn: &str,
        index: &str,
        documents: &[IndexDocument],
    ) -> Result<Vec<DocumentOutcome>, BulkError> {
        let (engine, index) = (self.0.clone(), index.to_owned());
        let writes = documents.iter().map(|document| put(document.id.clone(), document.source.clone())).collect();
        let work = move || engine.write(&index, writes, Refresh::Soon);
        let written = tokio::task::spawn_blocking(work).await.map_err(|error| BulkError(error.to_string()))?;
        let outcomes = written.map_err(|error| BulkError(error.to_string()))?;
        Ok(outcomes.into_iter().map(outcome).collect())
    }
}

fn put(id: Option<String>, source: Bytes) -> Write {
    Write { id, action: Action::Index(source), condition: Condition::default() }
}

fn outcome(result: Result<millrace_search::Done, Error>) -> DocumentOutcome {
    match result {
        Ok(_) => DocumentOutcome::Indexed,
        Err(error) => DocumentOutcome::Failed { status: error.status, reason: error.to_string() },
    }
}

/// The SQL connector `opensearch`.
pub struct OpenSearchSink {
    /// This server's index.
    pub engine: Arc<Engine>,
    /// Where its API answers: what `hosts` must name.
    pub address: SocketAddr,
}

impl OpenSearchSink {
    /// Rows must not land here when the script means another cluster.
    fn is_here(&self, host: &str) -> bool {
        let authority = host.split_once("://").map_or(host, |(_, rest)| rest).trim_end_matches('/');
        let name = authority.rsplit_once(':').map_or(authority, |(name, _)| name).trim_matches(['[', ']']);
        let is_local = |ip: IpAddr| ip.is_loopback() || ip == self.address.ip();
        name == "localhost" || name.parse().is_ok_and(is_local)
    }
}

struct IndexSink {
    table: String,
    engine: Arc<Engine>,
    index: String,
    encoder: Box<dyn Encoder>,
    key: Vec<usize>,
    delimiter: String,
    uid: String,
    pending: Vec<u8>,
    rows: u64,
}

#[derive(Serialize, Deserialize)]
struct Document {
    id: String,
    doc: Option<Box<RawValue>>,
}

impl SinkFactory for OpenSearchSink {
    fn open(&self, spec: &ConnectorSpec, environment: &Environment, uid: &str) -> Result<Box<dyn Sink>, ConnectError> {
        let options = Options::new(spec);
        let hosts = options.required("hosts", "http://127.0.0.1:9200")?;
        if let Some(host) = hosts.split(';').find(|host| !self.is_here(host)) {
            let cure = format!("name this server's index, http://{}", self.address);
            return Err(
                options.error(format!("'hosts': {host} is another cluster, which is not supported yet; {cure}"))
            );
        }
        let index = options.required("index", "orders")?.to_owned();
        if index.contains('{') {
            return Err(options.error(format!("'index' = '{index}': names made of columns are not supported yet")));
        }
        match options.get("format").unwrap_or("json") {
            "json" => {}
            other => return Err(options.error(format!("documents are JSON: 'format' cannot be '{other}'"))),
        }
        let delimiter = options.get("document-id.key-delimiter").unwrap_or("_").to_owned();
        // How a remote cluster is called; here a checkpoint's rows are one bulk.
        options.tuning(&[
            "username",
            "password",
            "allow-insecure",
            "failure-handler",
            "sink.delivery-guarantee",
            "sink.flush-on-checkpoint",
            "sink.bulk-flush.max-actions",
            "sink.bulk-flush.max-size",
            "sink.bulk-flush.interval",
            "sink.bulk-flush.backoff.strategy",
            "sink.bulk-flush.backoff.max-retries",
            "sink.bulk-flush.backoff.delay",
            "connection.path-prefix",
            "connection.request-timeout",
            "connection.timeout",
            "socket.timeout",
        ]);
        options.end()?;
        let encoder = format::encoder("json", &spec.options, &spec.fields)
            .map_err(|error| sink_error(&spec.table, error.to_string(), Remedy::FixRequest))?;
        Ok(Box::new(IndexSink {
            table: spec.table.clone(),
            engine: self.engine.clone(),
            index,
            encoder,
            key: spec.primary_key.clone(),
            delimiter,
            uid: format!("{}-{uid}", environment.job),
            pending: Vec::new(),
            rows: 0,
        }))
    }

    fn accepts_updates(&self) -> bool {
        true
    }
}

fn sink_error(table: &str, reason: String, remedy: Remedy) -> ConnectError {
    ConnectError::Sink { table: table.to_owned(), reason, remedy }
}

impl IndexSink {
    fn add(&mut self, rows: &Rows, row: usize) -> Result<(), ConnectError> {
        let removes = matches!(rows.kind(row), RowKind::Delete | RowKind::UpdateBefore);
        if removes && rows.kind(row) == RowKind::UpdateBefore {
            return Ok(()); // The row after the update overwrites it.
        }
        let id = if self.key.is_empty() {
            self.rows += 1;
            String::new()
        } else {
            let values = rows.values(row);
            self.key.iter().map(|&column| values[column].as_str()).collect::<Vec<_>>().join(&self.delimiter)
        };
        let mut text = Vec::new();
        self.encoder.encode(&rows.batch, row, &mut text).map_err(|error| ConnectError::Data {
            table: self.table.clone(),
            place: rows.render(row),
            error,
            format: None,
        })?;
        let doc = if removes { None } else { Some(self.raw(text)?) };
        let line = serde_json::to_vec(&Document { id, doc });
        self.pending.extend(line.map_err(|error| sink_error(&self.table, error.to_string(), Remedy::Report))?);
        self.pending.push(b'\n');
        Ok(())
    }

    fn raw(&self, text: Vec<u8>) -> Result<Box<RawValue>, ConnectError> {
        let text = String::from_utf8_lossy(&text).into_owned();
        RawValue::from_string(text).map_err(|error| sink_error(&self.table, error.to_string(), Remedy::Report))
    }

    /// The operation of a prepared line. Without a key the id is the row's place in its epoch, so that it is the same when
    /// the commit is repeated.
    fn operation(&self, epoch: u64, place: usize, line: &str) -> Result<BulkOp, ConnectError> {
        let document: Document =
            serde_json::from_str(line).map_err(|error| sink_error(&self.table, error.to_string(), Remedy::FixData))?;
        let id = if document.id.is_empty() { format!("{}-{epoch}-{place}", self.uid) } else { document.id };
        let action = match document.doc {
            Some(doc) => Action::Index(Bytes::from(doc.get().to_owned())),
            None => Action::Delete,
        };
        let write = Write { id: Some(id), action, condition: Condition::default() };
        Ok(BulkOp { index: self.index.clone(), write })
    }
}

impl Sink for IndexSink {
    fn write(&mut self, rows: &Rows) -> Result<(), ConnectError> {
        (0..rows.batch.num_rows()).try_for_each(|row| self.add(rows, row))
    }

    fn prepare(&mut self, _: u64) -> Result<Vec<u8>, ConnectError> {
        Ok(std::mem::take(&mut self.pending))
    }

    fn commit(&mut self, epoch: u64, prepared: &[u8]) -> Result<(), ConnectError> {
        let text = String::from_utf8_lossy(prepared);
        let operations = text.lines().enumerate().map(|(place, line)| self.operation(epoch, place, line));
        let operations = operations.collect::<Result<Vec<_>, _>>()?;
        if operations.is_empty() {
            return Ok(());
        }
        let results = self.engine.bulk(operations, Refresh::Soon);
        let results = results.map_err(|error| sink_error(&self.table, error.to_string(), Remedy::Retry))?;
        let refused = results.into_iter().find_map(|result| result.err().filter(|error| error.status != 404));
        match refused {
            None => Ok(()),
            Some(error) => {
                let remedy = if error.status == 429 || error.status >= 500 { Remedy::Retry } else { Remedy::FixData };
                Err(sink_error(&self.table, format!("index '{}' refused a document: {error}", self.index), remedy))
            }
        }
    }
}
