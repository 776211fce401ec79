//! `millrace dlq`: looks at what failed, and brings it back.

mod drop;
mod list;
mod records;
mod redrive;
mod show;
mod words;

use super::client::{CliError, Client, EndpointArgs};
use crate::dlq::DeadLetter;
use clap::{Args, Subcommand};
use serde_json::json;

/// Messages that one request asks for.
const PAGE: usize = 500;

/// Look at what failed and bring it back: dead-letter queues and failure destinations
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    millrace dlq list                            queues that take failures, how deep, how old, fed by what\n  \
    millrace dlq show enrich-failed              what failed, why, when, and the records of the stream behind it\n  \
    millrace dlq redrive enrich-failed           the same function once more, with the same records\n  \
    millrace dlq redrive enrich-failed --to fix  another function instead\n  \
    millrace dlq drop enrich-failed --id 5e1f…   give one up for good\n\n\
    A message leaves the queue only when what it stands for was done: a function that fails again leaves it there.")]
pub struct DlqArgs {
    #[command(subcommand)]
    command: DlqCommand,
}

#[derive(Debug, Clone, Subcommand)]
enum DlqCommand {
    /// List the queues that take what failed elsewhere
    List(list::ListArgs),
    /// Show what lies in a queue: what failed, why, when, and which records
    Show(show::ShowArgs),
    /// Bring back what failed: to its queue, or to its function with the same records
    Redrive(redrive::RedriveArgs),
    /// Delete messages for good
    Drop(drop::DropArgs),
}

/// Which messages of which queue.
#[derive(Debug, Clone, Args)]
struct Chosen {
    /// The queue's name
    queue: String,
    /// Only the messages with these ids, or that begin so
    #[arg(long = "id", value_name = "MESSAGE_ID")]
    ids: Vec<String>,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// Runs the command.
pub async fn run(args: DlqArgs) -> Result<(), CliError> {
    match args.command {
        DlqCommand::List(args) => list::run(args).await,
        DlqCommand::Show(args) => show::run(args).await,
        DlqCommand::Redrive(args) => redrive::run(args).await,
        DlqCommand::Drop(args) => drop::run(args).await,
    }
}

impl Chosen {
    /// A page of the queue's messages after `after` that were chosen, and where the next page begins.
    async fn page(&self, client: &Client, after: Option<&str>) -> Result<(Vec<DeadLetter>, Option<String>), CliError> {
        let after = after.map(|handle| format!("&after={handle}")).unwrap_or_default();
        let path = format!("/_millrace/dlq/{}?max={PAGE}{after}", self.queue);
        let mut letters: Vec<DeadLetter> = client.get(&path).await?;
        let next = letters.last().map(|letter| letter.handle.clone()).filter(|_| letters.len() == PAGE);
        letters.retain(|letter| self.ids.is_empty() || self.ids.iter().any(|id| letter.id.starts_with(id.as_str())));
        Ok((letters, next))
    }

    /// All messages that were chosen. An id that no message has is an error.
    async fn all(&self, client: &Client) -> Result<Vec<DeadLetter>, CliError> {
        let (mut all, mut after) = (Vec::new(), None::<String>);
        loop {
            let (letters, next) = self.page(client, after.as_deref()).await?;
            all.extend(letters);
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        match self.ids.iter().find(|id| !all.iter().any(|letter| letter.id.starts_with(id.as_str()))) {
            Some(id) => Err(self.unknown(id)),
            None => Ok(all),
        }
    }

    fn unknown(&self, id: &str) -> CliError {
        let queue = &self.queue;
        CliError::Input(format!("{queue} has no message '{id}': `millrace dlq show {queue}` shows their ids"))
    }

    /// Deletes messages from the queue.
    async fn discard(&self, client: &Client, letters: &[DeadLetter]) -> Result<u64, CliError> {
        let path = format!("/_millrace/dlq/{}/discard", self.queue);
        let mut discarded = 0;
        for part in letters.chunks(PAGE) {
            let handles: Vec<&str> = part.iter().map(|letter| letter.handle.as_str()).collect();
            let answer: serde_json::Value = client.post(&path, &json!({ "handles": handles })).await?;
            discarded += answer["discarded"].as_u64().unwrap_or(0);
        }
        Ok(discarded)
    }
}

/// `3 messages`, `1 message`.
fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A function's name or ARN in a path: colons are part of a segment as they are; what is not is escaped.
fn encoded(function: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b':' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    function.bytes().map(escape).collect()
}

/// A moment as people read it.
fn moment(millis: i64) -> String {
    let moment = chrono::DateTime::from_timestamp_millis(millis).unwrap_or_default();
    moment.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_named_in_paths() {
        assert_eq!(encoded("arn:aws:lambda:eu:1:function:f"), "arn:aws:lambda:eu:1:function:f");
        assert_eq!(encoded("a b/$LATEST"), "a%20b%2F%24LATEST");
    }
}
