//! How long a record takes from the moment its `PutRecord` is sent until a reader's `GetRecords` has it, over HTTP.
//!
//! One putter at a steady pace, one reader that asks again as soon as it has its answer. The peer keeps records in memory.

use super::http::Connection;
use super::report::Row;
use super::server::Server;
use super::{Setup, peer, percentile};
use std::time::{Duration, Instant};

const PUTS: usize = 2_000;
const PACE: Duration = Duration::from_millis(5);
const ROUNDS: usize = 3;
/// The first records warm both sides up and are not counted.
const WARM_UP: usize = 200;

/// Alternates rounds and compares the 99th percentile of all rounds together.
pub fn run(setup: &Setup) -> Result<Row, String> {
    let other = peer::ferrokinesis()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.extend(delays(&Server::millrace(&setup.millrace, &setup.cache)?)?);
        if let Some(binary) = &other {
            theirs.extend(delays(&peer::start(binary)?)?);
        }
    }
    let (p50, p99) = (percentile(&mut ours, 50.0), percentile(&mut ours, 99.0));
    let peer_p50 = percentile(&mut theirs, 50.0);
    Ok(Row {
        bench: "latency: PutRecord → GetRecords, p99",
        unit: "ms",
        millrace: p99,
        peer: other.is_some().then(|| ("ferrokinesis 0.7.0, memory only", percentile(&mut theirs, 99.0))),
        higher_is_better: false,
        notes: format!("p50 {p50:.2} ms, peer's p50 {peer_p50:.2} ms; {} puts at {PACE:?}", PUTS * ROUNDS),
    })
}

/// The delays of one round in milliseconds.
fn delays(server: &Server) -> Result<Vec<f64>, String> {
    server.create_stream("latency", 1)?;
    let port = server.port;
    let mut reader = Connection::open(port)?;
    let place = r#"{"StreamName":"latency","ShardId":"shardId-000000000000","ShardIteratorType":"LATEST"}"#;
    let iterator = text(&reader.json("GetShardIterator", place)?["ShardIterator"])?;
    let started = Instant::now();
    let putter = std::thread::spawn(move || put(port, started));
    let delays = read(&mut reader, iterator, started)?;
    putter.join().map_err(|_| "the putter panicked".to_owned())??;
    Ok(delays)
}

/// Puts records whose data is the time at which they were sent.
fn put(port: u16, started: Instant) -> Result<(), String> {
    let mut connection = Connection::open(port)?;
    for index in 0..PUTS {
        let due = PACE * u32::try_from(index).map_err(|error| error.to_string())?;
        std::thread::sleep(due.saturating_sub(started.elapsed()));
        let data = base64_simd::STANDARD.encode_to_string(started.elapsed().as_nanos().to_string());
        let body = format!(r#"{{"StreamName":"latency","PartitionKey":"k","Data":"{data}"}}"#);
        connection.json("PutRecord", &body)?;
    }
    Ok(())
}

fn read(reader: &mut Connection, mut iterator: String, started: Instant) -> Result<Vec<f64>, String> {
    let mut delays = Vec::with_capacity(PUTS);
    let patience = PACE * PUTS as u32 * 2 + Duration::from_secs(10);
    while delays.len() < PUTS {
        let answer = reader.json("GetRecords", &format!(r#"{{"ShardIterator":"{iterator}"}}"#))?;
        let now = started.elapsed();
        for record in answer["Records"].as_array().into_iter().flatten() {
            delays.push((now.as_nanos() as f64 - sent_nanos(record)?) / 1e6);
        }
        iterator = text(&answer["NextShardIterator"])?;
        if now > patience {
            return Err(format!("after {patience:?} only {} of {PUTS} records were read", delays.len()));
        }
    }
    Ok(delays.split_off(WARM_UP))
}

fn sent_nanos(record: &serde_json::Value) -> Result<f64, String> {
    let data = base64_simd::STANDARD.decode_to_vec(text(&record["Data"])?).map_err(|error| error.to_string())?;
    String::from_utf8_lossy(&data).parse().map_err(|error| format!("a record that was never put: {error}"))
}

fn text(value: &serde_json::Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("expected a text in the answer, found {value}"))
}
