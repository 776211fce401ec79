//! `millrace tail STREAM`: prints records as they come, from every shard, until Ctrl-C.
//!
//! Each shard is read by its own task; when one ends because it was split or merged, its children are read from their
//! beginning, a merged child after both of its parents. Records of one partition key keep their order.

use super::client::{CliError, Client, EndpointArgs};
use clap::Args;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// AWS allows five reads a second and shard.
const PAUSE_MS: u64 = 200;
/// Records that wait to be printed; readers stop when a slow terminal holds them up.
const WAITING_MAX: usize = 1_000;
/// Bounds what one answer brings into memory.
const READ_RECORDS_MAX: u32 = 1_000;

/// Print a stream's records as they come
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    millrace tail flights --from-start\n  \
    millrace tail flights --at 2013-01-01T10:00:00Z --json | jq .PartitionKey\n\n\
    Without --from-start or --at only what is put from now on is printed.")]
pub struct TailArgs {
    /// The stream's name
    pub stream: String,
    /// Begin with the oldest record that is kept
    #[arg(long, conflicts_with = "at")]
    pub from_start: bool,
    /// Begin with the first record that arrived at this time or later (2013-01-01T10:00:00Z, or seconds since 1970)
    #[arg(long, value_name = "TIMESTAMP", value_parser = timestamp)]
    pub at: Option<f64>,
    /// Print each record as one JSON object with its shard, sequence number, partition key and arrival time
    #[arg(long)]
    pub json: bool,
    /// End after this many records
    #[arg(long, short = 'n', value_name = "N")]
    pub limit: Option<u64>,
    #[command(flatten)]
    pub endpoint: EndpointArgs,
}

pub fn timestamp(text: &str) -> Result<f64, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Ok(seconds);
    }
    chrono::DateTime::parse_from_rfc3339(text)
        .map(|time| time.timestamp_millis() as f64 / 1000.0)
        .map_err(|_| "a time is written 2013-01-01T10:00:00Z, or as seconds since 1970".to_owned())
}

/// What a shard's task tells.
enum Told {
    /// Printed lines' bytes.
    Records(Vec<Vec<u8>>),
    /// The shard has ended; its children and their parents.
    Ended { shard: String, children: Vec<(String, BTreeSet<String>)> },
    /// The task cannot go on.
    Failed(CliError),
}

/// Runs the command until Ctrl-C, `--limit`, a closed output or an error.
pub async fn run(args: TailArgs) -> Result<(), CliError> {
    let client = Client::new(&args.endpoint)?;
    let (sender, mut told) = mpsc::channel(WAITING_MAX / READ_RECORDS_MAX as usize + 1);
    let mut tasks = JoinSet::new();
    let reader = Reader { client: client.clone(), stream: args.stream.clone(), json: args.json, sender };
    let Shards { first, mut expected, last } = first_shards(&client, &args).await?;
    for shard in first {
        // The iterators are taken before anything is awaited from outside: what is put from now on is seen.
        let iterator = reader.iterator(&shard, &args).await?;
        tasks.spawn(reader.clone().read(shard, iterator));
    }
    let mut ended = BTreeSet::new();
    let mut begun = BTreeSet::new();
    let mut left = args.limit.unwrap_or(u64::MAX);
    let mut out = std::io::stdout();
    while left > 0 {
        let next = tokio::select! {
            next = told.recv() => next,
            _ = tokio::signal::ctrl_c() => break,
        };
        match next {
            None => break,
            Some(Told::Failed(error)) => return Err(error),
            Some(Told::Records(lines)) => {
                let printed = left.min(lines.len() as u64) as usize;
                left -= printed as u64;
                if !print(&mut out, &lines[..printed])? {
                    break;
                }
            }
            Some(Told::Ended { shard, children }) => {
                ended.insert(shard);
                for (child, parents) in children {
                    let is_read = |parent: &String| expected.contains(parent) || *parent > last;
                    let waits = parents.iter().any(|parent| is_read(parent) && !ended.contains(parent));
                    if !waits && begun.insert(child.clone()) {
                        expected.insert(child.clone());
                        let iterator = reader.iterator_of(&child, start_of_child(&args)).await?;
                        tasks.spawn(reader.clone().read(child, iterator));
                    }
                }
            }
        }
    }
    tasks.abort_all();
    Ok(())
}

/// False when nobody reads the output any more, which ends the command as it ends `cat`.
fn print(out: &mut impl Write, lines: &[Vec<u8>]) -> Result<bool, CliError> {
    let mut bytes = Vec::new();
    for line in lines {
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
    }
    match out.write_all(&bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(source) => Err(CliError::Io { what: "standard output cannot be written", source }),
    }
}

/// The shards of a stream when the command begins.
struct Shards {
    /// Those to begin with: the open ones for what is new, else those whose parents are gone.
    first: Vec<String>,
    /// Those that will be read, now or after their parents.
    expected: BTreeSet<String>,
    /// The latest one. Ids are given in order, so whatever is greater came later, and will be read after its parents.
    last: String,
}

/// Where a child of a shard that has ended is read from.
fn start_of_child(args: &TailArgs) -> Value {
    match args.at {
        // It may have been there before that time.
        Some(at) => json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": at}),
        None => json!({"ShardIteratorType": "TRIM_HORIZON"}),
    }
}

async fn first_shards(client: &Client, args: &TailArgs) -> Result<Shards, CliError> {
    let mut shards: BTreeMap<String, Value> = BTreeMap::new();
    let mut body = json!({"StreamName": args.stream});
    loop {
        let answer = client.kinesis("ListShards", &body).await?;
        for shard in answer.get("Shards").and_then(Value::as_array).into_iter().flatten() {
            shards.insert(text(shard, "ShardId"), shard.clone());
        }
        match answer.get("NextToken").and_then(Value::as_str) {
            Some(token) => body = json!({"NextToken": token}),
            None => break,
        }
    }
    let from_now = !args.from_start && args.at.is_none();
    let begins = |shard: &Value| match from_now {
        true => shard.pointer("/SequenceNumberRange/EndingSequenceNumber").is_none_or(Value::is_null),
        false => ["ParentShardId", "AdjacentParentShardId"].iter().all(|name| !shards.contains_key(&text(shard, name))),
    };
    let first: Vec<String> = shards.iter().filter(|(_, shard)| begins(shard)).map(|(id, _)| id.clone()).collect();
    let last = shards.keys().next_back().cloned().unwrap_or_default();
    let expected = if from_now { first.iter().cloned().collect() } else { shards.into_keys().collect() };
    Ok(Shards { first, expected, last })
}

#[derive(Clone)]
struct Reader {
    client: Client,
    stream: String,
    json: bool,
    sender: mpsc::Sender<Told>,
}

impl Reader {
    async fn iterator(&self, shard: &str, args: &TailArgs) -> Result<String, CliError> {
        let start = match (args.from_start, args.at) {
            (true, _) => json!({"ShardIteratorType": "TRIM_HORIZON"}),
            (false, Some(at)) => json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": at}),
            (false, None) => json!({"ShardIteratorType": "LATEST"}),
        };
        self.iterator_of(shard, start).await
    }

    async fn iterator_of(&self, shard: &str, mut body: Value) -> Result<String, CliError> {
        body["StreamName"] = json!(self.stream);
        body["ShardId"] = json!(shard);
        Ok(text(&self.client.kinesis("GetShardIterator", &body).await?, "ShardIterator"))
    }

    /// Reads one shard to its end.
    async fn read(self, shard: String, mut iterator: String) {
        loop {
            let body = json!({"ShardIterator": iterator, "Limit": READ_RECORDS_MAX});
            let answer = match self.client.kinesis("GetRecords", &body).await {
                Ok(answer) => answer,
                Err(CliError::Aws { code, .. }) if code == "ProvisionedThroughputExceededException" => {
                    tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
                    continue;
                }
                Err(error) => {
                    // The receiver may be gone, because another shard failed first.
                    let _ = self.sender.send(Told::Failed(error)).await;
                    return;
                }
            };
            let records = answer.get("Records").and_then(Value::as_array).cloned().unwrap_or_default();
            let caught_up = records.is_empty();
            let lines = records.iter().map(|record| line(record, &shard, self.json)).collect();
            if !caught_up && self.sender.send(Told::Records(lines)).await.is_err() {
                return;
            }
            match answer.get("NextShardIterator").and_then(Value::as_str) {
                Some(next) => iterator = next.to_owned(),
                None => {
                    let children = children(&answer);
                    let _ = self.sender.send(Told::Ended { shard, children }).await;
                    return;
                }
            }
            if caught_up {
                tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
            }
        }
    }
}

fn children(answer: &Value) -> Vec<(String, BTreeSet<String>)> {
    let list = answer.get("ChildShards").and_then(Value::as_array);
    let one = |child: &Value| {
        let parents = child.get("ParentShards").and_then(Value::as_array);
        let parents = parents.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        (text(child, "ShardId"), parents)
    };
    list.into_iter().flatten().map(one).collect()
}

/// A record as a line: its bytes as they are, or an object in which JSON stays JSON, text text, and anything else base64.
fn line(record: &Value, shard: &str, as_json: bool) -> Vec<u8> {
    let encoded = text(record, "Data");
    let data = base64_simd::STANDARD.decode_to_vec(&encoded).unwrap_or_default();
    if !as_json {
        return data;
    }
    let mut object = json!({
        "ShardId": shard,
        "SequenceNumber": record.get("SequenceNumber"),
        "PartitionKey": record.get("PartitionKey"),
        "ApproximateArrivalTimestamp": arrival(record),
    });
    match (serde_json::from_slice::<Value>(&data), String::from_utf8(data)) {
        (Ok(value), _) => object["Data"] = value,
        (Err(_), Ok(text)) => object["Data"] = json!(text),
        (Err(_), Err(_)) => object["DataBase64"] = json!(encoded),
    }
    object.to_string().into_bytes()
}

/// The arrival time as people read it, in UTC with milliseconds.
fn arrival(record: &Value) -> Option<String> {
    let seconds = record.get("ApproximateArrivalTimestamp")?.as_f64()?;
    let time = chrono::DateTime::from_timestamp_millis((seconds * 1000.0).round() as i64)?;
    Some(time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
}

fn text(value: &Value, member: &str) -> String {
    value.get(member).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_both_forms() {
        assert_eq!(timestamp("2013-01-01T00:00:01.5Z"), Ok(1_356_998_401.5));
        assert_eq!(timestamp("12.5"), Ok(12.5));
        assert!(timestamp("yesterday").is_err());
    }

    #[test]
    fn json_lines_show_data_as_what_it_is() {
        let record = |data: &[u8]| {
            let data = base64_simd::STANDARD.encode_to_string(data);
            json!({"Data": data, "PartitionKey": "k", "SequenceNumber": "1", "ApproximateArrivalTimestamp": 1.25})
        };
        let shown = |data: &[u8]| String::from_utf8(line(&record(data), "shardId-0", true)).unwrap();
        assert!(
            shown(b"{\"a\":1}")
                .ends_with(r#""ApproximateArrivalTimestamp":"1970-01-01T00:00:01.250Z","Data":{"a":1}}"#)
        );
        assert!(shown(b"plain").ends_with(r#""Data":"plain"}"#));
        assert!(shown(&[0xff]).ends_with(r#""DataBase64":"/w=="}"#));
        assert_eq!(line(&record(b"plain"), "shardId-0", false), b"plain");
    }

    #[test]
    fn a_merged_child_names_both_parents() {
        let answer = json!({"ChildShards": [{"ShardId": "c", "ParentShards": ["a", "b"]}]});
        let expected = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
        assert_eq!(children(&answer), vec![("c".to_owned(), expected)]);
    }
}
