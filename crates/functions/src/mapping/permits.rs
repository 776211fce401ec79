//! What a mapping and an invocation may do: asked in the name of the function's role each time that an edge is used, and of a
//! shard that is read every tenth of a second.

use super::ports::{FailureRecord, MappingParts, QueueFault, QueueMessage};
use super::stream::{self, Applied};
use crate::FunctionKey;
use millrace_base::Arn;

/// One use of one edge.
#[derive(Debug, Clone, Copy)]
pub struct Edge<'a> {
    /// The function.
    pub function: &'a FunctionKey,
    /// The version or alias of it that acts.
    pub qualifier: Option<&'a str>,
    /// For example `kinesis:GetRecords`.
    pub action: &'a str,
    /// The ARN of what is used.
    pub resource: &'a str,
}

/// Decides. Asked once a batch, so an answer is a look into memory.
pub trait Permits: Send + Sync + 'static {
    /// `Err` says in AWS's words why the role may not.
    fn check(&self, edge: &Edge<'_>) -> Result<(), String>;
}

/// Everything may be done: without identities nobody's role says otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unlimited;

impl Permits for Unlimited {
    fn check(&self, _: &Edge<'_>) -> Result<(), String> {
        Ok(())
    }
}

/// Receives from a queue, if the function may: before, and again when messages came, which may be hours later.
pub(crate) async fn receive(
    parts: &MappingParts,
    applied: &Applied,
    queue: &Arn,
    max: usize,
) -> Result<Vec<QueueMessage>, QueueFault> {
    may_read(parts, applied, queue).map_err(QueueFault)?;
    let received = parts.queues.receive(queue, max).await?;
    if let Err(reason) = may_read(parts, applied, queue) {
        let handles = received.into_iter().map(|message| message.receipt_handle).collect();
        parts.queues.change_visibility(queue, handles, 0).await?;
        return Err(QueueFault(reason));
    }
    Ok(received)
}

const STREAM: [&str; 4] =
    ["kinesis:DescribeStream", "kinesis:ListShards", "kinesis:GetShardIterator", "kinesis:GetRecords"];
const CONSUMER: [&str; 1] = ["kinesis:SubscribeToShard"];
const QUEUE: [&str; 3] = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];

/// Whether the mapping's function may read `source`; else why not, as `LastProcessingResult` says it.
pub(crate) fn may_read(parts: &MappingParts, applied: &Applied, source: &Arn) -> Result<(), String> {
    let resource = source.to_string();
    let (actions, words): (&[&str], _) = match &*source.service {
        "sqs" => (&QUEUE, format!("The function execution role does not have permissions to read {resource}")),
        _ if stream::is_consumer(source) => (&CONSUMER, cannot_access(&resource, "SubscribeToShard")),
        _ => (&STREAM, cannot_access(&resource, "GetRecords, GetShardIterator, DescribeStream and ListShards")),
    };
    let check = |action: &&str| check(parts, applied, action, &resource);
    actions.iter().try_for_each(check).map_err(|reason| format!("{words} ({reason})"))
}

fn cannot_access(stream: &str, actions: &str) -> String {
    format!(
        "Cannot access stream {stream}. Please ensure the role can perform the {actions} actions on your stream in IAM."
    )
}

/// Whether the mapping's function may send what was given up.
pub(crate) fn may_send(
    parts: &MappingParts,
    applied: &Applied,
    destination: &Arn,
    record: &FailureRecord,
) -> Result<(), String> {
    let (action, resource) = sending(destination, record);
    check(parts, applied, action, &resource)
}

/// What it takes to send a record of what was given up.
pub(crate) fn sending(destination: &Arn, record: &FailureRecord) -> (&'static str, String) {
    match &*destination.service {
        "sqs" => ("sqs:SendMessage", destination.to_string()),
        "sns" => ("sns:Publish", destination.to_string()),
        "s3" => ("s3:PutObject", format!("{destination}/{}", record.object_key)),
        "lambda" => ("lambda:InvokeFunction", destination.to_string()),
        _ => ("events:PutEvents", destination.to_string()),
    }
}

fn check(parts: &MappingParts, applied: &Applied, action: &str, resource: &str) -> Result<(), String> {
    let settings = &applied.settings;
    let qualifier = settings.qualifier.as_deref();
    parts.permits.check(&Edge { function: &settings.function, qualifier, action, resource })
}
