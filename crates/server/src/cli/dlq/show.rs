//! `millrace dlq show QUEUE`: what failed, why, when, and the records behind it.

use super::super::client::{CliError, Client};
use super::{Chosen, counted, moment, records, words};
use crate::dlq::DeadLetter;
use crate::dlq::failure::{Batch, Called, Event, Failure};
use clap::Args;
use serde_json::{Value, json};

/// Characters of a payload or record that are shown.
const SHOWN_CHARS_MAX: usize = 2000;

/// Show what lies in a queue: what failed, why, when, and which records
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Looking does not disturb: messages stay visible to others, and their receive counts as they are.\n\n\
    Examples:\n  \
    millrace dlq show enrich-failed\n  \
    millrace dlq show enrich-failed --limit 1 --records 100\n  \
    millrace dlq show enrich-failed --json | jq .body"
)]
pub struct ShowArgs {
    #[command(flatten)]
    chosen: Chosen,
    /// Show at most so many messages
    #[arg(long, short = 'n', default_value_t = 20, value_name = "N")]
    limit: usize,
    /// Show at most so many of each failed batch's records; 0 does not read the stream
    #[arg(long, default_value_t = 5, value_name = "N")]
    records: usize,
    /// One JSON object a message, with its records
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub async fn run(args: ShowArgs) -> Result<(), CliError> {
    let client = Client::new(&args.chosen.endpoint)?;
    let (mut shown, mut after) = (0, None::<String>);
    loop {
        let (letters, next) = args.chosen.page(&client, after.as_deref()).await?;
        for letter in letters {
            if shown == args.limit {
                if !args.json {
                    println!("and more: --limit shows them");
                }
                return Ok(());
            }
            shown += 1;
            let failure = Failure::of(&letter);
            let found = match &failure {
                Failure::Batch(batch) if args.records > 0 => Some(records::of(&client, batch, args.records).await),
                _ => None,
            };
            let said = match &failure {
                Failure::Batch(batch) => words::of(&client, batch).await,
                _ => Vec::new(),
            };
            if args.json { print_json(&letter, found, &said) } else { print(&letter, &failure, found, &said) }
        }
        match next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    if shown == 0 {
        if let Some(id) = args.chosen.ids.first() {
            return Err(args.chosen.unknown(id));
        }
        if !args.json {
            println!("{} holds nothing", args.chosen.queue);
        }
    }
    Ok(())
}

type Found = Option<Result<Vec<records::Record>, CliError>>;

fn print_json(letter: &DeadLetter, found: Found, said: &[String]) {
    let body = serde_json::from_str(&letter.body).unwrap_or_else(|_| Value::from(letter.body.as_str()));
    let records = found.and_then(Result::ok).map(|records| {
        let one = |record: &records::Record| {
            json!({ "SequenceNumber": record.sequence, "PartitionKey": record.key, "Data": record.shown() })
        };
        records.iter().map(one).collect::<Vec<_>>()
    });
    let shown = json!({
        "id": letter.id,
        "sent": letter.sent,
        "received": letter.received,
        "source": letter.source,
        "body": body,
        "records": records,
        "log": said,
    });
    println!("{shown}");
}

fn print(letter: &DeadLetter, failure: &Failure, found: Found, said: &[String]) {
    println!("message {}", letter.id);
    println!("  sent      {}, received {}", moment(letter.sent), counted(u64::from(letter.received), "time"));
    match failure {
        Failure::Batch(batch) => print_batch(batch, found, said),
        Failure::Event(event) => print_event(event),
        Failure::Message(source) => {
            println!("  from      {source}, which gave it up");
            println!("  body      {}", cut(&letter.body));
        }
        Failure::Other => println!("  body      {}", cut(&letter.body)),
    }
    println!();
}

fn print_called(called: &Called) {
    let error = called.error.as_ref().map(|error| format!(", the function's error: {error}")).unwrap_or_default();
    println!("  function  {}", called.function);
    println!("  why       {} after {}{error}", called.condition, counted(called.tries, "call"));
    println!("  when      {}", called.at);
    println!("  request   {}", called.request);
}

fn print_batch(batch: &Batch, found: Found, said: &[String]) {
    print_called(&batch.called);
    for (at, line) in said.iter().enumerate() {
        println!("  {:8}  {line}", if at == 0 { "said" } else { "" });
    }
    println!("  stream    {}", batch.stream);
    println!("  shard     {}", batch.shard);
    println!("  records   {}, {} to {}", counted(batch.size, "record"), batch.arrived.0, batch.arrived.1);
    println!("            {} to", batch.start);
    println!("            {}", batch.end);
    match found {
        None => {}
        Some(Err(error)) => println!("            cannot be read: {error}"),
        Some(Ok(records)) if records.is_empty() => {
            println!("            no longer in the stream: they are older than its retention");
        }
        Some(Ok(records)) => {
            for record in &records {
                println!("  - {} {}", record.key, cut(&record.shown()));
            }
            if (records.len() as u64) < batch.size {
                println!("    … {} of {}: --records shows more", records.len(), batch.size);
            }
        }
    }
}

fn print_event(event: &Event) {
    print_called(&event.called);
    println!("  event     {}", cut(&event.payload.to_string()));
    if !event.answer.is_null() {
        println!("  answer    {}", cut(&event.answer.to_string()));
    }
}

/// As much of a text as is shown.
pub fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
