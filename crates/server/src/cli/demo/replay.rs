//! Puts flights through the HTTP door and times their way to the index.

use crate::cli::client::{CliError, Client};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Most of the week is replayed in batches of this many events, as fast as they are taken …
const BATCH: usize = 100;
/// … and its last events one by one, at this pace, each timed until a search finds it.
const TIMED: usize = 200;
const TIMED_EVERY: Duration = Duration::from_millis(10);
/// How often a search asks for a timed event.
const ASK_EVERY: Duration = Duration::from_millis(3);
/// An event that no search finds for so long is a fault.
const FOUND_WITHIN: Duration = Duration::from_secs(30);

/// What the replay measured.
pub struct Replayed {
    /// Events put.
    pub events: usize,
    /// Events a second while batches were put.
    pub rate: f64,
    /// From the put until a search finds the event, in order of length.
    pub delays: Vec<Duration>,
}

/// Replays the flights. Time is measured here, on the machine's own clock.
#[allow(clippy::disallowed_methods, reason = "the demo measures real time")]
pub async fn run(client: &Client, search: &str, flights: &[String]) -> Result<Replayed, CliError> {
    let style = ProgressStyle::with_template("   {bar:40} {pos}/{len} events, {per_sec}");
    let bar = ProgressBar::new(flights.len() as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let (bulk, timed) = flights.split_at(flights.len().saturating_sub(TIMED));
    let started = Instant::now();
    for batch in bulk.chunks(BATCH) {
        put(client, batch).await?;
        bar.inc(batch.len() as u64);
    }
    let rate = bulk.len() as f64 / started.elapsed().as_secs_f64();
    let http = reqwest::Client::new();
    let mut waiting = Vec::new();
    let mut pace = tokio::time::interval(TIMED_EVERY);
    for flight in timed {
        pace.tick().await;
        let begun = Instant::now();
        put(client, std::slice::from_ref(flight)).await?;
        bar.inc(1);
        waiting.push(tokio::spawn(found(http.clone(), search.to_owned(), field(flight, "event_id")?, begun)));
    }
    bar.finish();
    let mut delays = Vec::new();
    for one in waiting {
        delays.push(one.await.map_err(|error| CliError::Input(error.to_string()))??);
    }
    delays.sort();
    Ok(Replayed { events: flights.len(), rate, delays })
}

fn field(flight: &str, name: &str) -> Result<String, CliError> {
    let event: Value = serde_json::from_str(flight).map_err(|error| CliError::Input(error.to_string()))?;
    Ok(event[name].as_str().unwrap_or_default().to_owned())
}

/// Puts a batch; events of one airport stay in order.
async fn put(client: &Client, flights: &[String]) -> Result<(), CliError> {
    let mut records = Vec::with_capacity(flights.len());
    for flight in flights {
        let data = base64_simd::STANDARD.encode_to_string(flight);
        records.push(json!({ "Data": data, "PartitionKey": field(flight, "origin")? }));
    }
    let answer = client.kinesis("PutRecords", &json!({ "StreamName": "flights", "Records": records })).await?;
    match answer["FailedRecordCount"].as_u64() {
        Some(0) => Ok(()),
        _ => Err(CliError::Input(format!("some flights were not taken: {answer}"))),
    }
}

/// Asks for an event until a search finds it.
#[allow(clippy::disallowed_methods, reason = "the demo measures real time")]
async fn found(http: reqwest::Client, search: String, id: String, begun: Instant) -> Result<Duration, CliError> {
    let query = json!({ "query": { "term": { "event_id.keyword": id } } });
    loop {
        let asked = http.post(format!("{search}/flights/_count?ignore_unavailable=true")).json(&query).send().await;
        let answer: Value = match asked {
            Ok(answer) => answer.json().await.unwrap_or_default(),
            Err(error) => return Err(CliError::Input(format!("the index does not answer: {error}"))),
        };
        if answer["count"].as_u64().unwrap_or(0) > 0 {
            return Ok(begun.elapsed());
        }
        if begun.elapsed() > FOUND_WITHIN {
            return Err(CliError::Input(format!("flight {id} was put but no search finds it: {answer}")));
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}
