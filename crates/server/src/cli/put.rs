//! `millrace put STREAM`: each line of standard input becomes a record.
//!
//! Lines are put in order, in batches. A batch goes out when it is full or when no line came for a moment, so that both a
//! large file and a slow pipe do well. Of a batch that was taken in part only the failed records are put again.

use super::client::{CliError, Client, EndpointArgs};
use clap::Args;
use millrace_base::{Dice, SystemDice};
use serde_json::{Value, json};
use std::io::{BufRead, IsTerminal, Write};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// AWS's limit on the records of one PutRecords.
const BATCH_RECORDS_MAX: usize = 500;
/// Below AWS's limit of 10 MiB on a request, because base64 adds a third and small batches are answered sooner.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// How long a batch that is not full waits for another line.
const LINGER_MS: u64 = 20;
/// Tries without a single record taken before giving up; with the doubling pause below about half a minute.
const TRIES_MAX: u32 = 10;
/// The code of a record that its stream's schema refuses.
const REFUSED: &str = "InvalidArgumentException";
const PAUSE_MS_MIN: u64 = 50;
const PAUSE_MS_MAX: u64 = 5_000;
/// How often progress is shown on a terminal.
const SHOW_MS: u128 = 200;

/// Put lines of standard input into a stream, one record a line
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    echo '{\"hello\": 1}' | millrace put events\n  \
    zcat flights.ndjson.gz | millrace put flights --key-field carrier\n\n\
    Records with the same partition key stay in order; without --key or --key-field each record gets a random one.")]
pub struct PutArgs {
    /// The stream's name
    pub stream: String,
    /// Take the partition key from this member of each line, which must then be a JSON object
    #[arg(long, value_name = "NAME", conflicts_with = "key")]
    pub key_field: Option<String>,
    /// Give every record this partition key
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Say nothing but errors
    #[arg(long, short)]
    pub quiet: bool,
    #[command(flatten)]
    pub endpoint: EndpointArgs,
}

struct Line {
    number: u64,
    data: Vec<u8>,
}

/// Runs the command: reads to the end of standard input.
pub async fn run(args: PutArgs) -> Result<(), CliError> {
    let client = Client::new(&args.endpoint)?;
    // The stream is looked up first, so that a misspelt name is told before anything is read.
    client.kinesis("DescribeStreamSummary", &json!({"StreamName": args.stream})).await?;
    let (sender, mut lines) = mpsc::channel(2 * BATCH_RECORDS_MAX);
    let reader = tokio::task::spawn_blocking(move || read_lines(&sender));
    let mut tally = Tally::new(&args);
    while let Some(batch) = next_batch(&mut lines).await {
        let last = batch.last().map_or(0, |line| line.number);
        let records: Result<Vec<_>, CliError> =
            batch.iter().map(|line| Ok((line.number, record(line, &args)?))).collect();
        put(&client, &args.stream, records?, &mut tally).await.map_err(|error| tally.explain(error, last))?;
        tally.show(false);
    }
    tally.show(true);
    match reader.await {
        Ok(read) => read.map_err(|source| CliError::Io { what: "standard input cannot be read", source }),
        Err(_) => Err(CliError::Input("the reader of standard input died".to_owned())),
    }
}

/// Sends every line that is not empty; ends early when nobody receives any more.
fn read_lines(sender: &mpsc::Sender<Line>) -> std::io::Result<()> {
    let mut input = std::io::stdin().lock();
    for number in 1.. {
        let mut data = Vec::new();
        if input.read_until(b'\n', &mut data)? == 0 {
            break;
        }
        while matches!(data.last(), Some(b'\n' | b'\r')) {
            data.pop();
        }
        if !data.is_empty() && sender.blocking_send(Line { number, data }).is_err() {
            break;
        }
    }
    Ok(())
}

async fn next_batch(lines: &mut mpsc::Receiver<Line>) -> Option<Vec<Line>> {
    let first = lines.recv().await?;
    let mut bytes = first.data.len();
    let mut batch = vec![first];
    while batch.len() < BATCH_RECORDS_MAX && bytes < BATCH_BYTES_MAX {
        match tokio::time::timeout(Duration::from_millis(LINGER_MS), lines.recv()).await {
            Ok(Some(line)) => {
                bytes += line.data.len();
                batch.push(line);
            }
            Ok(None) | Err(_) => break,
        }
    }
    Some(batch)
}

fn record(line: &Line, args: &PutArgs) -> Result<Value, CliError> {
    let key = match (&args.key, &args.key_field) {
        (Some(key), _) => key.clone(),
        (None, Some(field)) => key_of(line, field)?,
        (None, None) => format!("{:016x}", SystemDice.roll()),
    };
    let data = base64_simd::STANDARD.encode_to_string(&line.data);
    Ok(json!({"Data": data, "PartitionKey": key}))
}

fn key_of(line: &Line, field: &str) -> Result<String, CliError> {
    let wrong = |what: String| CliError::Input(format!("line {}: {what}", line.number));
    let value: Value =
        serde_json::from_slice(&line.data).map_err(|error| wrong(format!("--key-field needs JSON: {error}")))?;
    match value.get(field) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(Value::Bool(value)) => Ok(value.to_string()),
        Some(_) => Err(wrong(format!("the member '{field}' is no text or number, so it cannot be the partition key"))),
        None => Err(wrong(format!("there is no member '{field}' to be the partition key"))),
    }
}

/// Puts one batch, each record with its line's number; what fails is put again, alone. What the stream's schema refuses would
/// be refused for ever: it ends the command, after the others of its batch are put.
async fn put(client: &Client, stream: &str, mut records: Vec<(u64, Value)>, tally: &mut Tally) -> Result<(), CliError> {
    let (mut tries, mut pause) = (0, PAUSE_MS_MIN);
    let mut refused = None;
    loop {
        let asked: Vec<&Value> = records.iter().map(|(_, record)| record).collect();
        let answer = client.kinesis("PutRecords", &json!({"StreamName": stream, "Records": asked})).await?;
        let results = answer.get("Records").and_then(Value::as_array).cloned().unwrap_or_default();
        if results.len() != records.len() {
            let reason = format!("{} results for {} records", results.len(), records.len());
            return Err(CliError::Answer { endpoint: client.endpoint().to_owned(), reason });
        }
        let (mut taken, mut failure, mut again) = (0, None, Vec::new());
        for ((line, record), result) in std::mem::take(&mut records).into_iter().zip(&results) {
            match text(result, "ErrorCode") {
                "" => taken += 1,
                REFUSED => {
                    refused.get_or_insert_with(|| format!("line {line}: {}", text(result, "ErrorMessage")));
                }
                _ => {
                    failure = Some(result);
                    again.push((line, record));
                }
            }
        }
        tally.put += taken;
        let Some(failure) = failure else { return refused.map_or(Ok(()), |why| Err(CliError::Input(why))) };
        tries = if taken > 0 { 0 } else { tries + 1 };
        if tries == TRIES_MAX {
            let text = |name: &str| text(failure, name).to_owned();
            return Err(CliError::Aws { code: text("ErrorCode"), message: text("ErrorMessage") });
        }
        records = again;
        tally.retried += records.len() as u64;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        pause = if tries == 0 { PAUSE_MS_MIN } else { (pause * 2).min(PAUSE_MS_MAX) };
    }
}

/// A member's text; none is empty.
fn text<'a>(result: &'a Value, name: &str) -> &'a str {
    result.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Counts, and tells people.
struct Tally {
    stream: String,
    quiet: bool,
    live: bool,
    put: u64,
    retried: u64,
    started: Instant,
    shown: Instant,
}

impl Tally {
    #[allow(clippy::disallowed_methods, reason = "a person watches: this is the machine's own time")]
    fn new(args: &PutArgs) -> Self {
        let now = Instant::now();
        let live = std::io::stderr().is_terminal() && !args.quiet;
        Self { stream: args.stream.clone(), quiet: args.quiet, live, put: 0, retried: 0, started: now, shown: now }
    }

    #[allow(clippy::disallowed_methods, reason = "a person watches: this is the machine's own time")]
    fn show(&mut self, last: bool) {
        let due = self.live && self.shown.elapsed().as_millis() >= SHOW_MS;
        if self.quiet || !(last || due) {
            return;
        }
        self.shown = Instant::now();
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        let rate = self.put as f64 / seconds;
        let again = if self.retried > 0 { format!(", {} put again", self.retried) } else { String::new() };
        let line = format!("{} records into {} in {seconds:.1} s ({rate:.0}/s{again})", self.put, self.stream);
        let (before, after) = (if self.live { "\r\x1b[K" } else { "" }, if last { "\n" } else { "" });
        let mut out = std::io::stderr();
        // Nobody reads standard error: nothing is lost.
        let _ = write!(out, "{before}{line}{after}").and_then(|()| out.flush());
    }

    /// What is known about the records when a put fails half-way.
    fn explain(&self, error: CliError, last: u64) -> CliError {
        match error {
            CliError::NoServer { .. } | CliError::NoAnswer { .. } | CliError::Answer { .. } if self.put > 0 => {
                CliError::Input(format!(
                    "{error}\n{} records are in the stream; those up to line {last} may be, they were on their way",
                    self.put
                ))
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        Line { number: 7, data: text.as_bytes().to_vec() }
    }

    #[test]
    fn keys_come_from_a_member() {
        assert_eq!(key_of(&line(r#"{"carrier":"UA"}"#), "carrier").unwrap(), "UA");
        assert_eq!(key_of(&line(r#"{"n":12}"#), "n").unwrap(), "12");
        let error = key_of(&line(r#"{"n":12}"#), "carrier").unwrap_err().to_string();
        assert_eq!(error, "line 7: there is no member 'carrier' to be the partition key");
        assert!(key_of(&line("no json"), "n").unwrap_err().to_string().starts_with("line 7: --key-field needs JSON"));
    }
}
