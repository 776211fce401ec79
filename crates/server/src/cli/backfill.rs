//! `millrace backfill`: rebuilds one view of a stream, an index or a lake, beside the live one, and puts it in its place.
//!
//! A thin client of `/_millrace/backfill`: the server does the work, so that this command may be stopped and started again.

use super::client::{CliError, Client, EndpointArgs};
use super::pace::{Pace, thousands};
use super::tail::timestamp;
use crate::backfill::{Consent, LakeChoice, Phase, Request, Start, Through, View};
use clap::{Args, Subcommand};
use millrace_base::{Clock, Millis, SystemClock, calendar};
use serde_json::json;
use std::time::Duration;

/// How often the server is asked how far it is.
const LOOK: Duration = Duration::from_millis(300);
/// How often progress is told to somebody who is not at a terminal.
const TELL_MS: Millis = 5_000;

/// Options of `millrace backfill`.
#[derive(Debug, Args)]
#[command(after_help = HELP, args_conflicts_with_subcommands = true)]
pub struct BackfillArgs {
    #[command(subcommand)]
    command: Option<Other>,
    #[command(flatten)]
    job: JobArgs,
}

#[derive(Debug, Subcommand)]
enum Other {
    /// Show all backfills
    List(EndpointArgs),
    /// End a backfill and remove what it built beside
    Cancel(CancelArgs),
}

#[derive(Debug, Args)]
struct CancelArgs {
    #[command(flatten)]
    endpoint: EndpointArgs,
    /// Its id, as the list shows it
    id: String,
}

#[derive(Debug, Args)]
struct JobArgs {
    #[command(flatten)]
    endpoint: EndpointArgs,
    /// The stream that is read again
    #[arg(long, value_name = "NAME")]
    stream: Option<String>,
    /// Begin with what arrived then (2026-01-31T12:00:00Z, or seconds since 1970); without it with the oldest record kept
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Millis>,
    /// Leave out what arrived then or later; without it everything up to the tip
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<Millis>,
    /// The view: an index or an alias. With --function what names the function's indices, like 'orders-*'
    #[arg(long, value_name = "INDEX")]
    to_index: Option<String>,
    /// The view: the lake that this delivery stream writes, or the one that writes to s3://BUCKET/PREFIX
    #[arg(long, value_name = "DELIVERY", conflicts_with_all = ["to_index", "function", "to", "no_lake", "drop_old"])]
    to_lake: Option<String>,
    /// A document's id is this member of the record; without it the record's shard and sequence number. In a lake it tells which
    /// records are in the stream, too, where objects lie on both sides of the beginning
    #[arg(long, value_name = "FIELD", conflicts_with = "function")]
    id_field: Option<String>,
    /// The function that writes the view: a copy of it is called with the records, as a mapping would
    #[arg(long, value_name = "NAME", requires = "index_variable")]
    function: Option<String>,
    /// The variable of the function's environment that its index names begin with; the copy has another value there
    #[arg(long, value_name = "VARIABLE", requires = "function")]
    index_variable: Option<String>,
    /// Read these objects for what the stream no longer has; without it an index is built from those of the stream's delivery
    /// streams, and a lake keeps what it has
    #[arg(long, value_name = "s3://BUCKET/PREFIX", conflicts_with = "no_lake")]
    from_lake: Option<String>,
    /// Do not read the lake: what the stream no longer has is an error
    #[arg(long)]
    no_lake: bool,
    /// Delete the index that is replaced
    #[arg(long)]
    drop_old: bool,
    /// Put what was rebuilt in its place even if it has fewer documents or records than the live one
    #[arg(long)]
    allow_fewer: bool,
    /// Do a finished or failed backfill once more, from the beginning
    #[arg(long)]
    again: bool,
    /// Start it and do not wait
    #[arg(long)]
    detach: bool,
}

const HELP: &str = "\
Rebuild an index from the stream's own records, whose ids are a field of theirs:
  millrace backfill --stream orders --to-index orders --id-field order_id --drop-old
Rebuild what a function writes: it makes its index names from a variable of its environment (here INDEX_PREFIX)
  millrace backfill --stream orders --function enrich --index-variable INDEX_PREFIX --to-index 'orders-*' --drop-old
From long ago: what the stream no longer has is read in the lake, where its delivery streams put it
  millrace backfill --stream orders --from 2026-01-01T00:00:00Z --to-index orders --id-field order_id --drop-old
Rebuild the Parquet or JSON that a delivery stream wrote, by its format, prefix and table as they are now
  millrace backfill --stream orders --to-lake orders-to-lake
  millrace backfill --stream orders --to-lake s3://lake/orders/ --from 2026-01-31T12:00:00Z --id-field order_id
  millrace backfill --stream orders --to-lake orders-to-lake --from-lake s3://raw/orders/ --id-field order_id
  millrace backfill list

The new index is built beside (backfill-ID-…) with the live one's mapping; at the tip the live name moves over in one step.
A lake is built beside, too (_backfill/ID/…). The delivery stream goes over to a new version of its definition, which it keeps; what it
wrote before is replaced (it goes first, so that nobody sees a record twice), what it writes from then on is not touched.
Older objects stay as they are.
The same command goes on after a crash or a stop, of this command or of the server, and says so when all is done.";

fn time(text: &str) -> Result<Millis, String> {
    timestamp(text).map(|seconds| (seconds * 1000.0).round() as Millis)
}

/// Runs `millrace backfill`.
pub async fn run(args: BackfillArgs) -> Result<(), CliError> {
    match args.command {
        Some(Other::List(endpoint)) => list(&Client::new(&endpoint)?).await,
        Some(Other::Cancel(args)) => {
            let client = Client::new(&args.endpoint)?;
            let view: View = client.post(&format!("/_millrace/backfill/{}/cancel", args.id), &json!({})).await?;
            println!("{} is {}", view.job.id, view.status());
            Ok(())
        }
        None => rebuild(args.job).await,
    }
}

async fn list(client: &Client) -> Result<(), CliError> {
    let views: Vec<View> = client.get("/_millrace/backfill").await?;
    if views.is_empty() {
        println!("no backfills: `millrace backfill --help` shows how to start one");
    }
    for view in views {
        let job = &view.job;
        let (began, records) = (calendar::timestamp(job.created, "Z"), thousands(job.records));
        let (stream, to) = (&job.spec.stream, job.spec.view());
        println!("{}  {began}  {stream} to {to}: {records} records, {}", job.id, view.status());
        if let Some(why) = &job.trouble {
            println!("          it tries again: {why}");
        }
    }
    Ok(())
}

fn request(args: &JobArgs) -> Result<Request, CliError> {
    let missing = |option: &str, what: &str| CliError::Input(format!("{option} is missing: {what}"));
    let stream = args.stream.clone().ok_or_else(|| missing("--stream NAME", "which stream is read again"))?;
    if args.to_index.is_none() && args.to_lake.is_none() {
        return Err(missing("--to-index INDEX or --to-lake DELIVERY", "which view is rebuilt"));
    }
    let through = match (&args.function, &args.index_variable, &args.id_field) {
        (Some(name), Some(variable), _) => Through::Function { name: name.clone(), variable: variable.clone() },
        (_, _, Some(field)) => Through::Field(field.clone()),
        _ => Through::Position,
    };
    let lake = match &args.from_lake {
        Some(text) => prefix(text)?,
        None if args.no_lake => LakeChoice::Never,
        None => LakeChoice::Auto,
    };
    Ok(Request {
        stream,
        from: args.from.map_or(Start::TrimHorizon, Start::At),
        to: args.to,
        lake,
        index: args.to_index.clone().unwrap_or_default(),
        to_lake: args.to_lake.clone(),
        through,
        consent: Consent { drop_old: args.drop_old, allow_fewer: args.allow_fewer },
        again: args.again,
    })
}

fn prefix(text: &str) -> Result<LakeChoice, CliError> {
    let (bucket, prefix) = text
        .strip_prefix("s3://")
        .map(|rest| rest.split_once('/').unwrap_or((rest, "")))
        .filter(|(bucket, _)| !bucket.is_empty())
        .ok_or_else(|| CliError::Input(format!("--from-lake {text} is no place: write s3://BUCKET/PREFIX")))?;
    Ok(LakeChoice::Prefix { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
}

async fn rebuild(args: JobArgs) -> Result<(), CliError> {
    let client = Client::new(&args.endpoint)?;
    let request = request(&args)?;
    let body = serde_json::to_value(&request).map_err(|error| CliError::Input(error.to_string()))?;
    let view: View = client.post("/_millrace/backfill", &body).await?;
    if view.job.phase == Phase::Done {
        println!("done already; --again does it once more");
        return report(&view);
    }
    let (id, spec) = (&view.job.id, &view.job.spec);
    let what = if spec.to_lake.is_some() { "the lake of " } else { "" };
    println!(
        "backfill {id} rebuilds {what}{} from stream {}; stopping this command does not stop it",
        spec.view(),
        spec.stream
    );
    if !view.job.lake.objects.is_empty() {
        println!("what the stream no longer has is read from {} objects of the lake", view.job.lake.objects.len());
    }
    if args.detach {
        println!("the same command, or `millrace backfill list`, shows how far it is");
        return Ok(());
    }
    follow(&client, id).await
}

async fn follow(client: &Client, id: &str) -> Result<(), CliError> {
    let path = format!("/_millrace/backfill/{id}");
    let mut pace = Pace::new(0, SystemClock.now(), TELL_MS);
    let mut told = None;
    loop {
        let view: View = client.get(&path).await?;
        let (job, at) = (&view.job, SystemClock.now());
        pace.of(job.records + view.remaining);
        match &job.phase {
            Phase::Done => {
                pace.show(job.records, at, "");
                pace.end(at);
                return report(&view);
            }
            Phase::Failed(why) => return Err(CliError::Input(format!("backfill {id} failed: {why}"))),
            Phase::Cancelled => return Err(CliError::Input(format!("somebody cancelled backfill {id}"))),
            _ => pace.show(job.records, at, &format!(" ({})", view.status())),
        }
        if job.trouble != told {
            if let Some(why) = &job.trouble {
                println!("\nit tries again: {why}");
            }
            told.clone_from(&job.trouble);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn report(view: &View) -> Result<(), CliError> {
    let job = &view.job;
    // Which ones is found out only once a lake's job works.
    if job.to_lake.is_some() && !job.lake.objects.is_empty() {
        println!("what the stream no longer has was read from {} objects of the lake", job.lake.objects.len());
    }
    job.swaps.iter().for_each(|swap| println!("{swap}"));
    if job.refused > 0 {
        let fate = if job.to_lake.is_some() { "could not be delivered, and lie in" } else { "gave no document:" };
        println!("{} records {fate}", thousands(job.refused));
        job.samples.iter().for_each(|sample| println!("  {sample}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_lake_is_a_bucket_and_a_prefix() {
        let place = |bucket: &str, prefix: &str| LakeChoice::Prefix { bucket: bucket.into(), prefix: prefix.into() };
        assert_eq!(prefix("s3://b/raw/dt=").unwrap(), place("b", "raw/dt="));
        assert_eq!(prefix("s3://b").unwrap(), place("b", ""));
        assert!(prefix("b/raw").is_err() && prefix("s3:///x").is_err());
    }
}
