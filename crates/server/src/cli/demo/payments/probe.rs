//! Times the way of single events: until a search finds them, and until a consumer of the stream has them.

use super::event::Event;
use super::load::{Line, Timed, is_final};
use super::pipeline::Pipeline;
use crate::cli::client::CliError;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc};

/// How often an event is timed.
const EVERY: Duration = Duration::from_millis(300);
/// How often a search asks for it.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// How often a consumer asks for records.
const READ_EVERY: Duration = Duration::from_millis(5);
/// An event that is not there after so long is given up on here; the audit will look for it.
const PATIENCE: Duration = Duration::from_secs(120);
/// Events that are waited for at once.
const WAITING_MAX: usize = 6;

/// Measured times.
#[derive(Debug, Default)]
pub struct Delays {
    /// From the making of an event until a search found it.
    pub visible: Mutex<Vec<Duration>>,
    /// From before the put until a consumer had the record.
    pub read: Mutex<Vec<Duration>>,
}

/// Times events until `timed` ends.
#[allow(clippy::disallowed_methods, reason = "delays are measured in real time")]
pub async fn searches(pipeline: Pipeline, line: Arc<Line>, mut timed: mpsc::Receiver<Timed>, delays: Arc<Delays>) {
    let room = Arc::new(Semaphore::new(WAITING_MAX));
    loop {
        tokio::time::sleep(EVERY).await;
        let Ok(place) = room.clone().acquire_owned().await else { return };
        line.wanted.store(true, Ordering::Relaxed);
        let Some(Timed { number, made }) = timed.recv().await else { return };
        let (pipeline, delays, id) = (pipeline.clone(), delays.clone(), line.ledger.id(number));
        tokio::spawn(async move {
            let query = json!({ "ids": { "values": [id] } });
            while made.elapsed() < PATIENCE {
                // The server may be away for a moment: that counts as a delay, as it would for people.
                if pipeline.count(&query).await.unwrap_or(0) > 0 {
                    delays.visible.lock().push(made.elapsed());
                    break;
                }
                tokio::time::sleep(ASK_EVERY).await;
            }
            drop(place);
        });
    }
}

/// Puts single events and reads them from the stream, until `singles` ends.
pub async fn reads(
    pipeline: Pipeline,
    line: Arc<Line>,
    mut singles: mpsc::Receiver<Event>,
    delays: Arc<Delays>,
) -> Result<(), CliError> {
    while let Some(event) = singles.recv().await {
        match read(&pipeline, &event).await {
            Ok(delay) => {
                line.ledger.acknowledged(std::iter::once(event.number));
                delays.read.lock().push(delay);
            }
            Err(error) if is_final(&error) => return Err(error),
            Err(_) => {
                // Whether it was written is not known; the usual way sees to it that it is.
                line.ledger.unknown(std::iter::once(event.number));
                line.deliver(vec![event]).await?;
            }
        }
    }
    Ok(())
}

/// Puts an event as one record while somebody reads its shard's end.
#[allow(clippy::disallowed_methods, reason = "delays are measured in real time")]
async fn read(pipeline: &Pipeline, event: &Event) -> Result<Duration, CliError> {
    let (client, stream) = (&pipeline.client, &pipeline.stream);
    let shards = client.kinesis("ListShards", &json!({ "StreamName": stream })).await?;
    let is_open = |shard: &&Value| shard["SequenceNumberRange"]["EndingSequenceNumber"].is_null();
    let shard = shards["Shards"].as_array().into_iter().flatten().find(is_open).cloned().unwrap_or_default();
    let from = json!({ "StreamName": stream, "ShardId": shard["ShardId"], "ShardIteratorType": "LATEST" });
    let mut iterator = client.kinesis("GetShardIterator", &from).await?["ShardIterator"].clone();
    let data = base64_simd::STANDARD.encode_to_string(&event.data);
    let put = json!({
        "StreamName": stream,
        "Data": data,
        "PartitionKey": event.bin,
        "ExplicitHashKey": shard["HashKeyRange"]["StartingHashKey"],
    });
    let started = Instant::now();
    let putting = client.kinesis("PutRecord", &put);
    let reading = async {
        loop {
            let page = client.kinesis("GetRecords", &json!({ "ShardIterator": iterator })).await?;
            let mut records = page["Records"].as_array().into_iter().flatten();
            if records.any(|record| record["Data"] == data.as_str()) {
                return Ok(started.elapsed());
            }
            if started.elapsed() > PATIENCE {
                return Err(CliError::Input("a record that was put could not be read".to_owned()));
            }
            iterator = page["NextShardIterator"].clone();
            tokio::time::sleep(READ_EVERY).await;
        }
    };
    let (_, delay) = tokio::try_join!(putting, reading)?;
    Ok(delay)
}
