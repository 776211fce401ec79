//! Durable puts: `PutRecords` of 500 records of 1 KB into 8 shards over 4 connections, acknowledged from disk.
//!
//! The peer keeps records in memory only. The same client with the same request bytes loads both.

use super::http::{Connection, request};
use super::report::Row;
use super::server::Server;
use super::{Setup, median, orders::Random, peer};
use std::fmt::Write as _;
use std::io::{Seek, SeekFrom, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 4;
const SHARDS: usize = 8;
/// Records of one request.
pub const RECORDS: usize = 500;
const RECORD_BYTES: usize = 1024;
const ROUNDS: usize = 3;
const WARM_UP: Duration = Duration::from_secs(1);
const MEASURE: Duration = Duration::from_secs(5);
/// Different requests of a connection, so that no batch repeats the one before it.
const REQUESTS: usize = 4;

/// Alternates rounds and compares records per second.
pub fn run(setup: &Setup) -> Result<Row, String> {
    let other = peer::ferrokinesis()?;
    let (mut ours, mut theirs, mut peak) = (Vec::new(), Vec::new(), 0.0f64);
    for round in 1..=ROUNDS {
        let server = Server::millrace(&setup.millrace, &setup.cache)?;
        ours.push(load(&server)?);
        peak = peak.max(server.peak_mb());
        drop(server);
        if let Some(binary) = &other {
            theirs.push(load(&peer::start(binary)?)?);
        }
        println!("round {round}: millrace {:.0} records/s, peer {:.0} records/s", ours[round - 1], last(&theirs));
    }
    let sync_ms = fdatasync_ms(&setup.cache).map_err(|error| format!("measuring fdatasync: {error}"))?;
    Ok(Row {
        bench: "log: PutRecords 500 × 1 KB, 8 shards, 4 connections",
        unit: "records/s",
        millrace: median(&mut ours),
        peer: other.is_some().then(|| ("ferrokinesis 0.7.0, memory only", median(&mut theirs))),
        higher_is_better: true,
        notes: format!("millrace on disk, fdatasync {sync_ms:.2} ms, peak {peak:.0} MB"),
    })
}

fn last(values: &[f64]) -> f64 {
    values.last().copied().unwrap_or(0.0)
}

/// Records acknowledged per second.
fn load(server: &Server) -> Result<f64, String> {
    server.create_stream("bench", SHARDS)?;
    let port = server.port;
    let workers: Vec<_> = (0..CONNECTIONS)
        .map(|seed| {
            let requests = requests(seed as u64);
            std::thread::spawn(move || put(port, &requests))
        })
        .collect();
    let mut records = 0usize;
    for worker in workers {
        records += worker.join().map_err(|_| "a load thread panicked".to_owned())??;
    }
    Ok(records as f64 / MEASURE.as_secs_f64())
}

/// One connection's work: the records acknowledged in the measured time.
fn put(port: u16, requests: &[Vec<u8>]) -> Result<usize, String> {
    let mut connection = Connection::open(port)?;
    let started = Instant::now();
    let mut records = 0;
    for request in requests.iter().cycle() {
        let sent = started.elapsed();
        let answer = connection.call(request)?;
        if !holds(answer, b"\"FailedRecordCount\":0") {
            return Err("some records of a batch were refused".to_owned());
        }
        let acknowledged = started.elapsed();
        if acknowledged > WARM_UP + MEASURE {
            break;
        }
        if sent >= WARM_UP {
            records += RECORDS;
        }
    }
    Ok(records)
}

/// The field stands first or last in both servers' answers, so both ends are looked at and the middle is not.
fn holds(answer: &[u8], field: &[u8]) -> bool {
    let end = answer.len().min(64);
    let found = |part: &[u8]| part.windows(field.len()).any(|window| window == field);
    found(&answer[..end]) || found(&answer[answer.len() - end..])
}

fn requests(seed: u64) -> Vec<Vec<u8>> {
    batches(seed, "bench").iter().map(|body| request("PutRecords", body)).collect()
}

/// The bodies of different `PutRecords` requests.
pub fn batches(seed: u64, stream: &str) -> Vec<String> {
    let mut random = Random::new(seed + 1);
    let batch = |random: &mut Random| {
        let mut body = format!(r#"{{"StreamName":"{stream}","Records":["#);
        for index in 0..RECORDS {
            let data: Vec<u8> = (0..RECORD_BYTES / 8).flat_map(|_| random.next().to_le_bytes()).collect();
            let data = base64_simd::STANDARD.encode_to_string(&data);
            let comma = if index == 0 { "" } else { "," };
            let key = random.next() % 1_000_000;
            let _to_a_string = write!(body, r#"{comma}{{"Data":"{data}","PartitionKey":"key-{key}"}}"#);
        }
        body.push_str("]}");
        body
    };
    (0..REQUESTS).map(|_| batch(&mut random)).collect()
}

/// What a sync of 4 KB costs here, in milliseconds: the figure that bounds every durable log.
fn fdatasync_ms(folder: &Path) -> std::io::Result<f64> {
    let path = folder.join("fdatasync");
    let mut file = std::fs::File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..200 {
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&[7; 4096])?;
        let started = Instant::now();
        file.sync_data()?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    std::fs::remove_file(path)?;
    Ok(median(&mut times))
}
