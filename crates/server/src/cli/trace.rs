//! `millrace trace ID`: one record's journey, with times.

use super::client::{CliError, Client, EndpointArgs};
use crate::trace::{Hop, HopEvent, Journey, TracedRecord};
use clap::Args;
use millrace_base::Millis;
use millrace_watch::journey::{Outcome, Range};

/// Show one record's journey: who put it where, and what each stage made of it, with times
#[derive(Debug, Clone, Args)]
#[command(after_help = "ID is one of:\n  \
    a trace id           4bf92f3577b34da6a3ce929d0e0e4736, a whole traceparent, or AWS's Root=1-…;\n                       \
    the producer's own if its request had one, else the request id of the answer\n  \
    a sequence number    as PutRecord, a function's event or `millrace tail` shows it\n  \
    any text             of the record's data, for example an order's number: the streams are searched\n\n\
    Examples:\n  \
    millrace trace 49668899999999999999999999999999999999999999999999999999\n  \
    millrace trace ord-1017 --stream orders --since 10m")]
pub struct TraceArgs {
    /// A trace id, a sequence number, or a text of the record
    id: String,
    /// Only records of this stream
    #[arg(long, value_name = "NAME")]
    stream: Option<String>,
    /// How far back a text is searched: 90s, 10m, 2h, 3d
    #[arg(long, default_value = "1h", value_name = "TIME", value_parser = span)]
    since: Millis,
    /// The journey as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

fn span(text: &str) -> Result<Millis, String> {
    let wrong = || format!("'{text}' is no span of time: write 90s, 10m, 2h or 3d");
    let seconds = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        _ => return Err(wrong()),
    };
    let number = &text[..text.len() - 1];
    number.parse::<Millis>().ok().and_then(|number| number.checked_mul(seconds * 1000)).ok_or_else(wrong)
}

/// Runs the command.
pub async fn run(args: TraceArgs) -> Result<(), CliError> {
    let client = Client::new(&args.endpoint)?;
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("id", &args.id).append_pair("since", &(now() - args.since).to_string());
    if let Some(stream) = &args.stream {
        query.append_pair("stream", stream);
    }
    let journey: Journey = client.get(&format!("/_millrace/trace?{}", query.finish())).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&journey).unwrap_or_default());
    } else {
        print(&journey);
    }
    match journey.records.is_empty() {
        true => Err(CliError::Input(format!(
            "no record with '{}' was found: --since looks further back, --stream and --region look elsewhere",
            args.id
        ))),
        false => Ok(()),
    }
}

fn now() -> Millis {
    use millrace_base::Clock;
    millrace_base::SystemClock.now()
}

fn print(journey: &Journey) {
    for record in &journey.records {
        println!("{}", record_line(record));
    }
    if journey.incomplete {
        println!("… and perhaps more: name the --stream, or a shorter --since");
    }
    let Some(first) = journey.hops.first().map(|hop| times(hop).0) else {
        if !journey.records.is_empty() {
            println!(
                "nothing is noted of its journey: notes are kept for some time only, and none with --telemetry off"
            );
        }
        return;
    };
    println!();
    for hop in &journey.hops {
        for line in hop_lines(hop, first) {
            println!("{line}");
        }
    }
}

fn record_line(record: &TracedRecord) -> String {
    let place = format!("{} / {} / {}", record.stream, record.shard, record.index);
    match (&record.sequence_number, &record.partition_key) {
        (Some(number), Some(key)) => format!("{place}   key {key}   {number}"),
        _ => format!("{place}   no longer in the stream"),
    }
}

fn times(hop: &Hop) -> (Millis, Millis) {
    match &hop.event {
        HopEvent::Put(put) => (put.began, put.ended),
        HopEvent::Step(step) => (step.began, step.ended),
    }
}

/// A hop's lines: when, how long after the beginning, what, and what came of it.
fn hop_lines(hop: &Hop, first: Millis) -> Vec<String> {
    let (began, ended) = times(hop);
    let clock = chrono::DateTime::from_timestamp_millis(began).unwrap_or_default().format("%H:%M:%S%.3f");
    let (stage, name, outcome, more) = match &hop.event {
        HopEvent::Put(put) => {
            let whose = if put.given { "the producer's" } else { "made here" };
            let trace = format!("trace {} ({whose})", put.trace);
            ("put", ranges(&put.placed), None, vec![trace])
        }
        HopEvent::Step(step) => {
            let mut more: Vec<String> = step.made.iter().map(|made| format!("→ {made}")).collect();
            if !step.led_to.is_empty() {
                more.push(format!("→ {}", ranges(&step.led_to)));
            }
            let again = if hop.repeats > 0 { format!(", and {} times more", hop.repeats) } else { String::new() };
            let outcome = match &step.outcome {
                Outcome::Done => None,
                Outcome::Failed(reason) => Some(format!("FAILED{again}, is tried again: {reason}")),
                Outcome::GivenUp(reason) => Some(format!("GIVEN UP: {reason}")),
            };
            (&*step.stage, format!("{} over {}", step.name, ranges(&step.read)), outcome, more)
        }
    };
    let indent = "  ".repeat(hop.depth);
    let mut lines =
        vec![format!("{clock}  {:>9}  {indent}{stage:9} {name}, {} ms", after(began - first), ended - began)];
    lines.extend(outcome.into_iter().chain(more).map(|line| format!("{:23}  {indent}{:9} {line}", "", "")));
    lines
}

fn after(millis: Millis) -> String {
    if millis < 10_000 { format!("+{millis} ms") } else { format!("+{}.{} s", millis / 1000, millis % 1000 / 100) }
}

/// `orders shard 2 17..42`, at most three of them. What a delivery stream keeps of its own is called what it is.
fn ranges(ranges: &[Range]) -> String {
    let one = |range: &Range| {
        let Range { scope, stream, shard, first, next } = range;
        match scope.region.split_once('.') {
            Some(("firehose", _)) => format!("direct puts to {stream} {first}..{next}"),
            Some(("firehose-staged", _)) => format!("what {stream} delivers {first}..{next}"),
            _ => format!("{stream} shard {} {first}..{next}", shard.0),
        }
    };
    let shown: Vec<String> = ranges.iter().take(3).map(one).collect();
    let more = ranges.len().saturating_sub(3);
    format!("{}{}", shown.join(", "), if more > 0 { format!(" and {more} more") } else { String::new() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_base::{Scope, ShardId};
    use millrace_watch::journey::Step;

    #[test]
    fn spans_are_read() {
        assert_eq!((span("90s"), span("2h")), (Ok(90_000), Ok(7_200_000)));
        assert!(span("").is_err() && span("5").is_err() && span("m").is_err() && span("5é").is_err());
    }

    #[test]
    fn a_hop_says_what_came_of_it() {
        let read =
            vec![Range { scope: Scope::default(), stream: "orders".into(), shard: ShardId(2), first: 1, next: 9 }];
        let step = Step {
            stage: "delivery".into(),
            name: "lake".into(),
            began: 61_500,
            ended: 61_520,
            outcome: Outcome::Failed("no such bucket".to_owned()),
            read,
            made: vec!["s3://lake/a".to_owned()],
            led_to: Vec::new(),
            each: Vec::new(),
        };
        let lines = hop_lines(&Hop { depth: 0, event: HopEvent::Step(step), repeats: 0 }, 61_000);
        assert_eq!(lines[0], "00:01:01.500    +500 ms  delivery  lake over orders shard 2 1..9, 20 ms");
        assert_eq!(lines[1].trim(), "FAILED, is tried again: no such bucket");
        assert_eq!(lines[2].trim(), "→ s3://lake/a");
    }
}
