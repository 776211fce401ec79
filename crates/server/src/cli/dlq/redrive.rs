//! `millrace dlq redrive QUEUE`: brings back what failed.
//!
//! A failed batch is read from the stream again and given to its function, or to another; an asynchronous event is given to
//! its function again. Its message is deleted only when the function succeeded with all of it. Messages that a queue gave up
//! go back by a move task.

use super::super::client::{CliError, Client};
use super::records::{self, Record};
use super::{Chosen, counted, encoded};
use crate::dlq::DeadLetter;
use crate::dlq::failure::{Batch, Event, Failure};
use clap::Args;
use serde_json::{Value, json};
use std::time::Duration;

/// Records of one call: below Lambda's 6 MB of payload, with what the event adds to each.
const CALL_BYTES_MAX: usize = 5_000_000;
/// What the event adds to a record's data.
const RECORD_OVERHEAD: usize = 600;
/// A move task is looked at so often.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Bring back what failed: to its queue, or to its function with the same records
#[derive(Debug, Clone, Args)]
#[command(after_help = "What comes back:\n  \
    a failed batch of a stream   its records are read from the stream again and given to the function that failed, or to\n  \
                                 the one that --to names; the message is deleted when the function succeeded with all of\n  \
                                 them (an answer with batchItemFailures is a failure)\n  \
    a failed asynchronous event  the function is called with it again\n  \
    a message of a queue         goes back to the queue that gave it up (StartMessageMoveTask)\n\n\
    Examples:\n  \
    millrace dlq redrive enrich-failed\n  \
    millrace dlq redrive enrich-failed --to enrich-fixed --id 5e1f09c3\n  \
    millrace dlq redrive work-dead --rate 50")]
pub struct RedriveArgs {
    #[command(flatten)]
    chosen: Chosen,
    /// Call this function (name or ARN) instead of the one that failed
    #[arg(long, value_name = "FUNCTION")]
    to: Option<String>,
    /// Move at most so many messages of a queue in a second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=500))]
    rate: Option<u32>,
}

/// What came of it.
#[derive(Default)]
struct Tally {
    done: u64,
    failed: u64,
    /// Messages that a queue gave up.
    of_queues: u64,
    other: u64,
}

/// Runs the command.
pub async fn run(args: RedriveArgs) -> Result<(), CliError> {
    let client = Client::new(&args.chosen.endpoint)?;
    let letters = args.chosen.all(&client).await?;
    if letters.is_empty() {
        println!("there is nothing to bring back");
        return Ok(());
    }
    let mut tally = Tally::default();
    for letter in &letters {
        let outcome = match Failure::of(letter) {
            Failure::Batch(batch) => again(&client, &batch, args.to.as_deref()).await,
            Failure::Event(event) => once_more(&client, &event, args.to.as_deref()).await,
            Failure::Message(_) => {
                tally.of_queues += 1;
                continue;
            }
            Failure::Other => {
                tally.other += 1;
                continue;
            }
        };
        report(&args.chosen, &client, letter, outcome, &mut tally).await?;
    }
    if tally.of_queues > 0 {
        move_back(&client, &args, &tally).await?;
    }
    if tally.other > 0 {
        println!(
            "{} left: they do not say what failed, so there is nothing to repeat",
            counted(tally.other, "message")
        );
    }
    if tally.done + tally.failed > 0 {
        println!("{} brought back, {} failed again", counted(tally.done, "message"), tally.failed);
    }
    if tally.failed + tally.other > 0 { Err(CliError::Shown) } else { Ok(()) }
}

async fn report(
    chosen: &Chosen,
    client: &Client,
    letter: &DeadLetter,
    outcome: Result<String, CliError>,
    tally: &mut Tally,
) -> Result<(), CliError> {
    match outcome {
        Ok(what) => {
            chosen.discard(client, std::slice::from_ref(letter)).await?;
            tally.done += 1;
            println!("{}  {what}", letter.id);
            Ok(())
        }
        Err(error @ (CliError::NoServer { .. } | CliError::NoAnswer { .. } | CliError::Untrusted { .. })) => Err(error),
        Err(error) => {
            tally.failed += 1;
            println!("{}  stays: {error}", letter.id);
            Ok(())
        }
    }
}

/// Gives a batch's records to a function.
async fn again(client: &Client, batch: &Batch, to: Option<&str>) -> Result<String, CliError> {
    let records = records::of(client, batch, usize::MAX).await?;
    let is_whole = records.first().is_some_and(|first| first.sequence == batch.start)
        && records.last().is_some_and(|last| last.sequence == batch.end);
    if !is_whole {
        let message = format!(
            "the stream no longer holds all of its records ({} of {}): they are older than its retention",
            records.len(),
            batch.size
        );
        return Err(CliError::Input(message));
    }
    let function = to.unwrap_or(&batch.called.function);
    let path = format!("/2015-03-31/functions/{}/configuration", encoded(function));
    let configuration: Value = client.aws_get("lambda", &path).await?;
    let role = configuration["Role"].as_str().unwrap_or_default();
    for part in parts(&records) {
        call(client, function, &records::event(batch, part, role)).await?;
    }
    let more = (records.len() as u64).saturating_sub(batch.size);
    let note = match more {
        0 => String::new(),
        more => format!(", {} between them that had not failed among them", counted(more, "record")),
    };
    Ok(format!("{} given to {function}{note}", counted(records.len() as u64, "record")))
}

/// Cuts records into calls that fit.
fn parts(records: &[Record]) -> Vec<&[Record]> {
    let (mut parts, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (at, record) in records.iter().enumerate() {
        let size = record.data.len() + record.key.len() + RECORD_OVERHEAD;
        if at > start && bytes + size > CALL_BYTES_MAX {
            parts.push(&records[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += size;
    }
    parts.push(&records[start..]);
    parts
}

async fn once_more(client: &Client, event: &Event, to: Option<&str>) -> Result<String, CliError> {
    let function = to.unwrap_or(&event.called.function);
    call(client, function, &event.payload).await?;
    Ok(format!("event given to {function}"))
}

/// Calls a function; an error of its own and records that it names as failed are failures.
async fn call(client: &Client, function: &str, event: &Value) -> Result<(), CliError> {
    let path = format!("/2015-03-31/functions/{}/invocations", encoded(function));
    let (error, answer) = client.invoke(&path, event).await?;
    let parsed: Value = serde_json::from_slice(&answer).unwrap_or_default();
    if let Some(kind) = error {
        let message = parsed["errorMessage"].as_str().unwrap_or("it said nothing more");
        return Err(CliError::Input(format!("{function} failed ({kind}): {message}")));
    }
    let failed = parsed["batchItemFailures"].as_array().map_or(0, Vec::len);
    if failed > 0 {
        let first = parsed["batchItemFailures"][0]["itemIdentifier"].as_str().unwrap_or("without a number");
        let message = format!("{function} names {} as failed, the first is {first}", counted(failed as u64, "record"));
        return Err(CliError::Input(message));
    }
    Ok(())
}

/// Has the server move messages back to the queues that gave them up, and waits for it.
async fn move_back(client: &Client, args: &RedriveArgs, tally: &Tally) -> Result<(), CliError> {
    if !args.chosen.ids.is_empty() || args.to.is_some() {
        let message = "messages of a queue go back all together, and only to their queue: leave out --id and --to";
        return Err(CliError::Input(message.into()));
    }
    if tally.other + tally.failed > 0 {
        let message = format!(
            "{} of a queue stay: {} here cannot go back to a queue; bring those back or drop them first",
            counted(tally.of_queues, "message"),
            counted(tally.other + tally.failed, "message")
        );
        return Err(CliError::Input(message));
    }
    let account = client.account();
    let source = format!("arn:aws:sqs:{}:{account}:{}", client.region(), args.chosen.queue);
    let mut start = json!({ "SourceArn": source });
    if let Some(rate) = args.rate {
        start["MaxNumberOfMessagesPerSecond"] = rate.into();
    }
    client.call("sqs", "AmazonSQS.StartMessageMoveTask", &start).await?;
    loop {
        let asked = json!({ "SourceArn": source });
        let answer = client.call("sqs", "AmazonSQS.ListMessageMoveTasks", &asked).await?;
        let task = &answer["Results"][0];
        let moved = task["ApproximateNumberOfMessagesMoved"].as_u64().unwrap_or(0);
        match task["Status"].as_str() {
            Some("RUNNING") => tokio::time::sleep(LOOK_EVERY).await,
            Some("COMPLETED") => {
                println!("{} moved back to where they came from", counted(moved, "message"));
                return Ok(());
            }
            _ => {
                let why = task["FailureReason"].as_str().unwrap_or("it was cancelled");
                return Err(CliError::Input(format!("{} moved, then it ended: {why}", counted(moved, "message"))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_stay_below_lambda_s_limit() {
        let record =
            |bytes: usize| Record { sequence: "1".into(), key: "k".into(), data: "x".repeat(bytes), arrived: 0.0 };
        let records = [record(3_000_000), record(1_900_000), record(200_000), record(6_000_000)];
        let sizes: Vec<usize> = parts(&records).iter().map(|part| part.len()).collect();
        assert_eq!(sizes, [2, 1, 1]);
    }
}
