//! `millrace dlq list`: the queues that take what failed elsewhere.

use super::super::client::{CliError, Client, EndpointArgs};
use crate::dlq::{DeadLetterQueue, Feed};
use clap::Args;

/// List the queues that take what failed elsewhere
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "A queue is listed when a redrive policy, the failure destination of an event source mapping or of a \
    function, or a function's dead-letter configuration names it, and as long as what it holds first came from one that no longer does.\n\nExamples:\n  \
    millrace dlq list\n  \
    millrace dlq list --json | jq 'select(.messages > 0)'"
)]
pub struct ListArgs {
    /// One JSON object a queue
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// Runs the command.
pub async fn run(args: ListArgs) -> Result<(), CliError> {
    let client = Client::new(&args.endpoint)?;
    let queues: Vec<DeadLetterQueue> = client.get("/_millrace/dlq").await?;
    if args.json {
        for queue in &queues {
            println!("{}", serde_json::to_string(queue).unwrap_or_default());
        }
        return Ok(());
    }
    if queues.is_empty() {
        println!("nothing names a dead-letter queue or a failure destination in region {}", client.region());
        return Ok(());
    }
    let width = queues.iter().map(|queue| queue.name.len()).max().unwrap_or(0).max("QUEUE".len());
    println!("{:width$}  {:>8}  {:>7}  FED BY", "QUEUE", "MESSAGES", "OLDEST");
    for queue in &queues {
        let age = queue.oldest.map_or_else(|| "-".to_owned(), |sent| age((queue.now - sent) / 1000));
        let mut feeds = queue.feeds.iter().map(named);
        let first = feeds.next().unwrap_or_default();
        println!("{:width$}  {:>8}  {age:>7}  {first}", queue.name, queue.messages);
        for more in feeds {
            println!("{:width$}  {:>8}  {:>7}  {more}", "", "", "");
        }
    }
    Ok(())
}

fn named(feed: &Feed) -> String {
    let last = |arn: &str| arn.rsplit([':', '/']).next().unwrap_or(arn).to_owned();
    match feed {
        Feed::Queue(name, count) => format!("queue {name} after {}", super::counted(u64::from(*count), "receive")),
        Feed::Mapping(source, function) => {
            let (_, name) = source.split_once(":stream/").unwrap_or(("", source));
            format!("function {} on {}", last(function), if name.is_empty() { source } else { name })
        }
        Feed::Events(function) => format!("function {function}'s asynchronous events"),
        Feed::FormerQueue(source) => {
            format!("queue {}, which was deleted or names another queue now", last(source))
        }
        Feed::FormerMapping(source, function) => {
            let names = named(&Feed::Mapping(source.clone(), unqualified(function).to_owned()));
            format!("{names}, a mapping that was deleted or names another destination now")
        }
        Feed::FormerEvents(function) => {
            let name = last(unqualified(function));
            format!("function {name}'s asynchronous events, which go elsewhere now")
        }
    }
}

/// A function's ARN without the version that it was called by.
fn unqualified(function: &str) -> &str {
    function.match_indices(':').nth(6).map_or(function, |(end, _)| &function[..end])
}

/// An age with one unit, as wide as people look.
fn age(secs: i64) -> String {
    match secs.max(0) {
        secs if secs < 120 => format!("{secs} s"),
        secs if secs < 7_200 => format!("{} min", secs / 60),
        secs if secs < 172_800 => format!("{} h", secs / 3_600),
        secs => format!("{} d", secs / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_one_unit() {
        assert_eq!([0, 119, 120, 7_200, 172_800].map(age), ["0 s", "119 s", "2 min", "2 h", "2 d"]);
    }

    #[test]
    fn feeds_are_named_as_people_name_them() {
        let stream = "arn:aws:kinesis:us-east-1:000000000000:stream/flights".to_owned();
        let function = "arn:aws:lambda:us-east-1:000000000000:function:enrich".to_owned();
        assert_eq!(named(&Feed::Mapping(stream, function)), "function enrich on flights");
        let events = Feed::FormerEvents("arn:aws:lambda:us-east-1:000000000000:function:enrich:$LATEST".into());
        assert!(named(&events).starts_with("function enrich's asynchronous events, "));
        assert_eq!(named(&Feed::Queue("work".into(), 1)), "queue work after 1 receive");
    }
}
