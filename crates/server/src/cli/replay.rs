//! `millrace replay`: begins an application again from a snapshot, and shows how it comes back to the tip.
//!
//! A thin client of AWS's API: CreateApplicationSnapshot (of what is there now), StopApplication, StartApplication with
//! `RESTORE_FROM_CUSTOM_SNAPSHOT`. What is read and written again, and how far it is, comes from
//! `/_millrace/applications`.

use super::client::{CliError, Client, EndpointArgs};
use super::pace::{Pace, thousands};
use crate::applications::{PlannedShard, Readings, ReplayPlan};
use clap::Args;
use millrace_base::{Clock, SystemClock, calendar};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How often the server is asked how far it is.
const LOOK: Duration = Duration::from_millis(300);
/// How often progress is told to somebody who is not at a terminal.
const TELL_MS: i64 = 5_000;
/// A job that cannot be opened for so long is told, and left to go on trying.
const FAILING_MS_MAX: i64 = 60_000;

/// Options of `millrace replay`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct ReplayArgs {
    #[command(flatten)]
    endpoint: EndpointArgs,
    /// The application
    #[arg(long, value_name = "NAME")]
    application: String,
    /// The snapshot to begin from
    #[arg(long, value_name = "NAME")]
    snapshot: String,
    /// Only say what would be read and written again
    #[arg(long)]
    dry_run: bool,
    /// Keep no snapshot of the state that is there now
    #[arg(long)]
    forget_present: bool,
}

const HELP: &str = "\
A snapshot is the state of an application's queries together with the positions that they had read up to:
  aws kinesisanalyticsv2 create-application-snapshot --application-name A --snapshot-name before-the-change
  aws kinesisanalyticsv2 list-application-snapshots --application-name A
  millrace replay --application A --snapshot before-the-change --dry-run
  millrace replay --application A --snapshot before-the-change

The application stops, goes back to the snapshot's state and reads from there again. Tables with a PRIMARY KEY in an index
are overwritten with the same documents; streams and files get their rows again, which is said before anything is done.
Records that the stream no longer keeps cannot be replayed: `millrace backfill` rebuilds a view from the lake.";

/// Runs `millrace replay`.
pub async fn run(args: ReplayArgs) -> Result<(), CliError> {
    let client = Client::new(&args.endpoint)?;
    let (application, snapshot) = (&args.application, &args.snapshot);
    let path = format!("/_millrace/applications/{application}/replay?snapshot={snapshot}");
    let plan: ReplayPlan = client.get(&path).await?;
    show(application, snapshot, &plan);
    if let Some(lost) = &plan.lost {
        return Err(CliError::Input(lost.clone()));
    }
    if args.dry_run {
        return Ok(());
    }
    if plan.running {
        if !args.forget_present {
            keep_present(&client, application).await?;
        }
        call(&client, "StopApplication", &json!({ "ApplicationName": application })).await?;
    }
    let restore = json!({ "ApplicationRestoreType": "RESTORE_FROM_CUSTOM_SNAPSHOT", "SnapshotName": snapshot });
    let run = json!({ "ApplicationRestoreConfiguration": restore });
    call(&client, "StartApplication", &json!({ "ApplicationName": application, "RunConfiguration": run })).await?;
    println!("started from snapshot {snapshot}; stopping this command does not stop the application");
    follow(&client, application, &plan).await
}

async fn call(client: &Client, operation: &str, body: &Value) -> Result<Value, CliError> {
    client.call("kinesisanalytics", &format!("KinesisAnalytics_20180523.{operation}"), body).await
}

/// So that there is a way back. An application whose jobs fail has no state to keep.
async fn keep_present(client: &Client, application: &str) -> Result<(), CliError> {
    let name = format!("before-replay-{}", SystemClock.now());
    let body = json!({ "ApplicationName": application, "SnapshotName": name });
    match call(client, "CreateApplicationSnapshot", &body).await {
        Ok(_) => println!("what is there now is kept as snapshot {name}"),
        Err(CliError::Aws { code, message }) if code == "InvalidRequestException" => {
            println!("what is there now is not kept: {message}");
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

fn show(application: &str, snapshot: &str, plan: &ReplayPlan) {
    println!("{application} goes back to snapshot {snapshot} of {}", calendar::timestamp(plan.taken, "Z"));
    for shard in &plan.shards {
        let (records, from) = (thousands(shard.tail - shard.from), thousands(shard.from));
        println!("  reads {records} records of {} {} again, from index {from}", shard.stream, shard.shard);
    }
    for sink in &plan.sinks {
        let mark = if sink.overwrites { "same again" } else { "SEEN AGAIN" };
        println!("  {mark}: {} writes {}", sink.table, sink.effect);
    }
}

/// Shows progress until everything that was there at the start is read again.
async fn follow(client: &Client, application: &str, plan: &ReplayPlan) -> Result<(), CliError> {
    let total: u64 = plan.shards.iter().map(|shard| shard.tail - shard.from).sum();
    let mut pace = Pace::new(total, SystemClock.now(), TELL_MS);
    let mut trouble: Option<(i64, String)> = None;
    loop {
        let now: Readings = client.get(&format!("/_millrace/applications/{application}/readings")).await?;
        let at = SystemClock.now();
        if !now.running {
            return Err(CliError::Input(format!("somebody stopped application {application} meanwhile")));
        }
        let done = read_again(&plan.shards, &now);
        pace.show(done, at, "");
        if done >= total && !now.readings.is_empty() {
            pace.end(at);
            return Ok(());
        }
        trouble = now.failure.map(|why| trouble.take().filter(|(_, known)| *known == why).unwrap_or((at, why)));
        if let Some((_, why)) = trouble.as_ref().filter(|(since, _)| at - since > FAILING_MS_MAX) {
            let message = format!("the application cannot go on, and keeps trying: {why}");
            return Err(CliError::Input(message));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// How many of the planned records were read. A shard that nobody reads was read to its end when it is closed, and is still
/// to be begun when it is open.
fn read_again(shards: &[PlannedShard], now: &Readings) -> u64 {
    if now.readings.is_empty() {
        return 0;
    }
    // Two jobs may read one shard: what counts is the slower one.
    let mut slowest: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for reading in &now.readings {
        let next = slowest.entry((&reading.stream, &reading.shard)).or_insert(reading.next);
        *next = reading.next.min(*next);
    }
    let read = |shard: &PlannedShard| match slowest.get(&(shard.stream.as_str(), shard.shard.as_str())) {
        Some(next) => next.clamp(&shard.from, &shard.tail) - shard.from,
        None if shard.closed => shard.tail - shard.from,
        None => 0,
    };
    shards.iter().map(read).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applications::Reading;

    #[test]
    fn a_shard_that_nobody_reads_is_done_when_it_is_closed() {
        let shard = |id: &str, from, tail, closed| PlannedShard {
            stream: "s".to_owned(),
            shard: id.to_owned(),
            from,
            tail,
            closed,
        };
        let shards = [shard("0", 10, 30, true), shard("1", 0, 5, false), shard("2", 0, 7, false)];
        let reading = |id: &str, next| Reading { stream: "s".to_owned(), shard: id.to_owned(), next };
        let now = |readings| Readings { running: true, failure: None, readings };
        assert_eq!(read_again(&shards, &now(vec![])), 0);
        assert_eq!(read_again(&shards, &now(vec![reading("0", 15), reading("1", 2)])), 7);
        assert_eq!(read_again(&shards, &now(vec![reading("1", 9), reading("1", 3), reading("2", 7)])), 20 + 3 + 7);
    }
}
