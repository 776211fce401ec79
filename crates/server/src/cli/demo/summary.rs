//! The demo's summary: what a person wants to see of each way out of the pipeline.

use super::replay::Replayed;
use crate::cli::client::{CliError, Client};
use crate::server::Server;
use millrace_deliver::ObjectInfo;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Rows of the windowed table that are shown.
const TOP: usize = 8;
/// Objects of the lake that are shown, one line each.
const OBJECTS_SHOWN: usize = 9;
/// What flows must have come to rest for so long …
const QUIET: Duration = Duration::from_millis(2_500);
/// … and is given up on after.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until everything has arrived, then shows it.
pub async fn show(server: &Server, client: &Client, search: &str, replayed: &Replayed) -> Result<(), CliError> {
    let bucket = format!("flights-lake-{}-{}", millrace_base::Scope::DEFAULT_ACCOUNT, client.region());
    let index = Index { http: reqwest::Client::new(), search };
    let objects = settled(server, &index, &bucket, replayed.events as u64).await?;
    windows(&index).await?;
    lake(&bucket, &objects);
    searches(&index).await?;
    late(client).await?;
    speed(replayed);
    Ok(())
}

struct Index<'a> {
    http: reqwest::Client,
    search: &'a str,
}

impl Index<'_> {
    async fn ask(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        let failed = |error: reqwest::Error| CliError::Input(format!("the index does not answer: {error}"));
        let answer = self.http.post(format!("{}/{path}", self.search)).json(body).send().await.map_err(failed)?;
        answer.json().await.map_err(failed)
    }

    async fn count(&self, index: &str) -> Result<u64, CliError> {
        let answer = self.ask(&format!("{index}/_count?ignore_unavailable=true"), &json!({})).await?;
        Ok(answer["count"].as_u64().unwrap_or(0))
    }
}

/// Waits until every event is in the index and nothing more comes into the lake and the windowed table.
async fn settled(server: &Server, index: &Index<'_>, bucket: &str, events: u64) -> Result<Vec<ObjectInfo>, CliError> {
    let (mut before, mut quiet, mut waited) = (None, Duration::ZERO, Duration::ZERO);
    let nap = Duration::from_millis(100);
    loop {
        let objects = server.store.list(bucket, "flights/").await;
        let objects = objects.map_err(|error| CliError::Input(error.to_string()))?;
        let now = (index.count("flights").await?, index.count("departures").await?, objects.len());
        quiet = if before == Some(now) { quiet + nap } else { Duration::ZERO };
        if now.0 >= events && now.1 > 0 && now.2 > 0 && quiet >= QUIET {
            return Ok(objects);
        }
        if waited > PATIENCE {
            let seen = format!("{} of {events} events in the index, {} windows, {} objects", now.0, now.1, now.2);
            return Err(CliError::Input(format!("the pipeline did not come to rest within a minute: {seen}")));
        }
        before = Some(now);
        waited += nap;
        tokio::time::sleep(nap).await;
    }
}

async fn windows(index: &Index<'_>) -> Result<(), CliError> {
    let body = json!({ "size": TOP, "sort": [{ "departures": "desc" }, { "window_start": "asc" }] });
    let answer = index.ask("departures/_search", &body).await?;
    println!(
        "\n   Flink SQL: departures per airport and hour, the busiest of {} windows",
        answer["hits"]["total"]["value"]
    );
    println!(
        "   {:<18} {:<7} {:>10} {:>10} {:>10} {:>10}",
        "hour", "airport", "departures", "cancelled", "avg delay", "max delay"
    );
    for hit in answer["hits"]["hits"].as_array().into_iter().flatten() {
        let row = &hit["_source"];
        let hour = row["window_start"].as_str().unwrap_or_default().get(..16).unwrap_or_default().replace('T', " ");
        let airport = row["origin"].as_str().unwrap_or_default();
        let minutes = |name: &str| row[name].as_i64().map_or_else(String::new, |minutes| format!("{minutes} min"));
        println!(
            "   {hour:<18} {airport:<7} {:>10} {:>10} {:>10} {:>10}",
            row["departures"],
            row["cancelled"],
            minutes("delay_avg_min"),
            minutes("delay_max_min")
        );
    }
    Ok(())
}

fn lake(bucket: &str, objects: &[ObjectInfo]) {
    let bytes: u64 = objects.iter().map(|object| object.size).sum();
    println!("\n   Firehose: {} Parquet objects, {} in all, s3://{bucket}/", objects.len(), size(bytes));
    let mut folders: BTreeMap<&str, Vec<&ObjectInfo>> = BTreeMap::new();
    for object in objects {
        let folder = object.key.rsplit_once('/').map_or("", |(folder, _)| folder);
        folders.entry(folder).or_default().push(object);
    }
    for (folder, objects) in folders.iter().take(OBJECTS_SHOWN) {
        println!("   ├─ {folder}/");
        for object in objects.iter().take(1) {
            let name = object.key.rsplit('/').next().unwrap_or_default();
            let more = if objects.len() > 1 { format!("  (+{} more)", objects.len() - 1) } else { String::new() };
            println!("   │    {name}  {}{more}", size(object.size));
        }
    }
    if folders.len() > OBJECTS_SHOWN {
        println!("   └─ … {} more folders", folders.len() - OBJECTS_SHOWN);
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

async fn searches(index: &Index<'_>) -> Result<(), CliError> {
    let query = "dest:LAX AND dep_delay_min:>120";
    let body =
        json!({ "size": 3, "query": { "query_string": { "query": query } }, "sort": [{ "dep_delay_min": "desc" }] });
    let answer = index.ask("flights/_search", &body).await?;
    println!("\n   Search: {query}  →  {} hits, the longest first", answer["hits"]["total"]["value"]);
    for hit in answer["hits"]["hits"].as_array().into_iter().flatten() {
        let flight = &hit["_source"];
        let text = |name: &str| flight[name].as_str().unwrap_or_default().to_owned();
        println!(
            "   {}{} {} → {}, scheduled {}, {} minutes late",
            text("carrier"),
            flight["flight"],
            text("origin"),
            text("dest"),
            text("scheduled_at"),
            flight["dep_delay_min"]
        );
    }
    let body = json!({ "size": 0, "aggs": { "carriers": {
        "terms": { "field": "carrier.keyword", "size": 5 },
        "aggs": { "delay": { "avg": { "field": "dep_delay_min" } } }
    } } });
    let answer = index.ask("flights/_search", &body).await?;
    println!("\n   Aggregation: carriers by flights, with their average delay");
    for bucket in answer["aggregations"]["carriers"]["buckets"].as_array().into_iter().flatten() {
        let carrier = bucket["key"].as_str().unwrap_or_default();
        let delay = bucket["delay"]["value"].as_f64().unwrap_or(0.0);
        println!("   {carrier:<4} {:>6} flights {delay:>7.1} min", bucket["doc_count"].to_string());
    }
    Ok(())
}

async fn late(client: &Client) -> Result<(), CliError> {
    let (count, first) = records(client, "late-flights").await?;
    println!("\n   Late: {count} events came after their window had closed and were kept in the stream late-flights");
    if let Some(first) = first {
        let event: Value = serde_json::from_str(&first).unwrap_or_default();
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        println!(
            "   for example {}, scheduled {}, departed {}",
            text("event_id"),
            text("scheduled_at"),
            text("departed_at")
        );
    }
    Ok(())
}

/// The number of records in a stream, and the first of them.
async fn records(client: &Client, stream: &str) -> Result<(usize, Option<String>), CliError> {
    let (mut count, mut first) = (0, None);
    let shards = client.kinesis("ListShards", &json!({ "StreamName": stream })).await?;
    for shard in shards["Shards"].as_array().into_iter().flatten() {
        let from = json!({ "StreamName": stream, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON" });
        let mut iterator = client.kinesis("GetShardIterator", &from).await?["ShardIterator"].clone();
        loop {
            let page = client.kinesis("GetRecords", &json!({ "ShardIterator": iterator })).await?;
            let records = page["Records"].as_array().map_or(&[][..], Vec::as_slice);
            if let (None, Some(record)) = (&first, records.first()) {
                let data = base64_simd::STANDARD.decode_to_vec(record["Data"].as_str().unwrap_or_default());
                first = data.ok().and_then(|data| String::from_utf8(data).ok());
            }
            count += records.len();
            iterator = page["NextShardIterator"].clone();
            if records.is_empty() || iterator.is_null() {
                break;
            }
        }
    }
    Ok((count, first))
}

fn speed(replayed: &Replayed) {
    let at = |part: f64| {
        let place = ((replayed.delays.len() as f64 * part) as usize).min(replayed.delays.len().saturating_sub(1));
        replayed.delays.get(place).map_or(0.0, |delay| delay.as_secs_f64() * 1000.0)
    };
    println!(
        "\n   Speed: {} events, {:.0} events/s through the HTTP door, each on disk before it was acknowledged",
        replayed.events, replayed.rate
    );
    println!(
        "   Put → searchable: p50 {:.0} ms, p99 {:.0} ms ({} events timed)",
        at(0.5),
        at(0.99),
        replayed.delays.len()
    );
}

/// The commands to look further.
pub fn look_further(server: &Server, data: &Path, search: &str) {
    println!("\n4. Look further, in another terminal");
    println!("   export AWS_ENDPOINT_URL=http://{} AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any", server.address);
    println!("   export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1");
    println!("   aws kinesis list-streams");
    println!("   millrace tail departures --from-start");
    println!("   millrace sql");
    println!("   curl '{search}/flights/_search?q=dest:LAX&size=1&pretty'");
    println!("   ls -R {}", data.join("lake").display());
}
