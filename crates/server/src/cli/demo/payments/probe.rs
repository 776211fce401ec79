//! Times the way of single events: until a search finds them, and until a consumer of the stream has them.

use super::event::Event;
use super::load::{Line, Timed, is_final};
use super::pipeline::{IDS_AT_ONCE, Pipeline};
use crate::cli::client::CliError;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How often an event is timed.
const EVERY: Duration = Duration::from_millis(300);
/// How often a search asks for it.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// How often a consumer asks for records.
const READ_EVERY: Duration = Duration::from_millis(5);
/// A record that a consumer does not have after so long is none that it will get.
const PATIENCE: Duration = Duration::from_secs(120);

/// Measured times.
#[derive(Debug, Default)]
pub struct Delays {
    /// From the making of an event until a search found it.
    pub visible: Mutex<Vec<Duration>>,
    /// From before the put until a consumer had the record.
    pub read: Mutex<Vec<Duration>>,
}

/// Times events until `timed` ends. All that wait are asked for together, so that an index that keeps many waiting does not
/// leave fewer of them timed.
pub async fn searches(pipeline: Pipeline, line: Arc<Line>, mut timed: mpsc::Receiver<Timed>, delays: Arc<Delays>) {
    let waiting = Mutex::new(Vec::new());
    let asking = async {
        loop {
            tokio::time::sleep(ASK_EVERY).await;
            ask(&pipeline, &line, &waiting, &delays).await;
        }
    };
    let gathering = async {
        loop {
            tokio::time::sleep(EVERY).await;
            line.wanted.store(true, Ordering::Relaxed);
            let Some(event) = timed.recv().await else { return };
            waiting.lock().push(event);
        }
    };
    tokio::select! {
        () = asking => {}
        () = gathering => {}
    }
}

/// Asks once for all that wait.
async fn ask(pipeline: &Pipeline, line: &Line, waiting: &Mutex<Vec<Timed>>, delays: &Delays) {
    let id = |event: &Timed| line.ledger.id(event.number);
    let ids: Vec<String> = waiting.lock().iter().take(IDS_AT_ONCE as usize).map(id).collect();
    if ids.is_empty() {
        return;
    }
    // The server may be away for a moment: that counts as a delay, as it would for people.
    let Ok(found) = pipeline.found(&ids).await else { return };
    let mut visible = delays.visible.lock();
    waiting.lock().retain(|event| {
        let is_there = found.contains(&id(event));
        if is_there {
            visible.push(event.made.elapsed());
        }
        !is_there
    });
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
