//! SQS through HTTP: messages that are sent, received and deleted, ten at a time, over several connections.
//!
//! Ours acknowledges from disk; the peer, moto's server, keeps messages in a Python list. Both are measured in messages a
//! second, and in messages a second of the server's own CPU time, which does not count the load generator.

use super::http::{Connection, bytes_of};
use super::report::Row;
use super::server::Server;
use super::{Setup, median, peer};
use serde_json::Value;
use std::time::{Duration, Instant};

const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(5);
const CONNECTIONS: usize = 16;
const BODY_BYTES: usize = 1000;
const BATCH: usize = 10;

/// What a round came to.
struct Round {
    per_second: f64,
    per_core: f64,
}

/// Measures ours beside moto's server.
pub fn run(setup: &Setup) -> Result<Row, String> {
    let other = peer::moto()?;
    let (mut ours, mut per_core) = (Vec::new(), Vec::new());
    let (mut theirs, mut their_core) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let measured = load(&Server::millrace(&setup.millrace, &setup.cache)?)?;
        let said = format!("{:.0} messages/s, {:.0} a core", measured.per_second, measured.per_core);
        ours.push(measured.per_second);
        per_core.push(measured.per_core);
        if let Some(program) = &other {
            let measured = load(&Server::start(program, &[])?)?;
            println!("round {round}: millrace {said}; peer {:.0} messages/s", measured.per_second);
            theirs.push(measured.per_second);
            their_core.push(measured.per_core);
        } else {
            println!("round {round}: millrace {said}");
        }
    }
    let core = median(&mut per_core);
    let peer_core = other.is_some().then(|| format!(", peer's {:.0}", median(&mut their_core)));
    Ok(Row {
        bench: "queue: send, receive, delete 10 × 1 KB, 16 connections",
        unit: "messages/s",
        millrace: median(&mut ours),
        peer: other.is_some().then(|| ("moto 5.2.5 server, memory only", median(&mut theirs))),
        higher_is_better: true,
        notes: format!("millrace on disk, {core:.0} messages/s a core{}", peer_core.unwrap_or_default()),
    })
}

/// Messages that went all the way, in a round.
fn load(server: &Server) -> Result<Round, String> {
    let mut client = Client::new(server.port);
    let answer = client.json("CreateQueue", r#"{"QueueName":"bench"}"#)?;
    let url = answer["QueueUrl"].as_str().ok_or("CreateQueue gave no QueueUrl")?.to_owned();
    let (cpu, started) = (server.cpu_secs(), Instant::now());
    let port = server.port;
    let workers: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let url = url.clone();
            std::thread::spawn(move || work(port, &url, started + ROUND))
        })
        .collect();
    let mut messages = 0;
    for worker in workers {
        messages += worker.join().map_err(|_| "a load thread panicked".to_owned())??;
    }
    let (wall, cpu) = (started.elapsed().as_secs_f64(), server.cpu_secs() - cpu);
    Ok(Round { per_second: messages as f64 / wall, per_core: messages as f64 / cpu.max(0.01) })
}

/// One connection's work: send ten, receive up to ten, delete them; how many were deleted.
fn work(port: u16, url: &str, end: Instant) -> Result<usize, String> {
    let mut client = Client::new(port);
    let body = "x".repeat(BODY_BYTES);
    let entries: Vec<String> = (0..BATCH).map(|at| format!(r#"{{"Id":"{at}","MessageBody":"{body}"}}"#)).collect();
    let send = request("SendMessageBatch", &format!(r#"{{"QueueUrl":"{url}","Entries":[{}]}}"#, entries.join(",")));
    let receive = request("ReceiveMessage", &format!(r#"{{"QueueUrl":"{url}","MaxNumberOfMessages":10}}"#));
    let mut deleted = 0;
    while Instant::now() < end {
        client.call(&send)?;
        let answer = client.call(&receive)?;
        let handles = handles(&answer)?;
        if handles.is_empty() {
            continue;
        }
        let entries: Vec<String> = handles
            .iter()
            .enumerate()
            .map(|(at, handle)| format!(r#"{{"Id":"{at}","ReceiptHandle":"{handle}"}}"#))
            .collect();
        let delete = format!(r#"{{"QueueUrl":"{url}","Entries":[{}]}}"#, entries.join(","));
        client.call(&request("DeleteMessageBatch", &delete))?;
        deleted += handles.len();
    }
    Ok(deleted)
}

/// The receipt handles of an answer. Bodies are long, so the JSON is searched, not parsed.
fn handles(answer: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(answer).map_err(|error| format!("ReceiveMessage: {error}"))?;
    let after_names = text.split(r#""ReceiptHandle":"#).skip(1);
    let values = after_names.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
    Ok(values.map(str::to_owned).collect())
}

/// A request to SQS as bytes.
pub fn request(operation: &str, body: &str) -> Vec<u8> {
    bytes_of("sqs", "application/x-amz-json-1.0", &format!("AmazonSQS.{operation}"), body)
}

/// A client that keeps its connection if the server does: moto's closes each.
pub struct Client {
    port: u16,
    kept: Option<Connection>,
}

impl Client {
    /// A client of the server on a port; it connects with its first call.
    pub fn new(port: u16) -> Self {
        Self { port, kept: None }
    }

    /// The body of the answer; a broken connection is opened again by the next call.
    pub fn call(&mut self, request: &[u8]) -> Result<Vec<u8>, String> {
        let mut connection = match self.kept.take() {
            Some(kept) => kept,
            None => Connection::open(self.port)?,
        };
        let answer = connection.call(request)?.to_vec();
        self.kept = (!connection.is_closed()).then_some(connection);
        Ok(answer)
    }

    /// Makes and sends one request and reads the answer as JSON.
    pub fn json(&mut self, operation: &str, body: &str) -> Result<Value, String> {
        let answer = self.call(&request(operation, body))?;
        serde_json::from_slice(&answer).map_err(|error| format!("{operation}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn handles_are_found_in_both_servers_json() {
        let answer = br#"{"Messages":[{"ReceiptHandle": "a1","Body":"x"},{"Body":"y","ReceiptHandle":"b2"}]}"#;
        assert_eq!(super::handles(answer), Ok(vec!["a1".to_owned(), "b2".to_owned()]));
        assert_eq!(super::handles(b"{}"), Ok(Vec::new()));
    }
}
