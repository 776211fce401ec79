//! SQS: queues, by URL, name or ARN. A batch needs what one message needs.

use super::input::Input;
use super::needs::{Need, Needs};
use millrace_base::Scope;

pub fn needs(operation: &str, input: &Input<'_>) -> Needs {
    let action = format!("sqs:{}", operation.strip_suffix("Batch").unwrap_or(operation));
    let named = |name: &str, owner: Option<&str>| {
        let scope = owner.map(|owner| Scope::new(owner, &input.scope.region));
        scope.as_ref().unwrap_or(input.scope).arn("sqs", name).to_string()
    };
    let resource = match operation {
        "ListQueues" => "*".to_owned(),
        "CreateQueue" => named(input.text("QueueName").unwrap_or("*"), None),
        "GetQueueUrl" => named(input.text("QueueName").unwrap_or("*"), input.text("QueueOwnerAWSAccountId")),
        "ListMessageMoveTasks" => input.text("SourceArn").unwrap_or("*").to_owned(),
        "StartMessageMoveTask" => return move_task(action, input),
        // The queue stands in the task's handle, which nobody here can read: it takes a grant on every queue.
        "CancelMessageMoveTask" => "*".to_owned(),
        _ => match input.text("QueueUrl").map(queue) {
            Some(Some((account, name))) => named(name, Some(account)),
            // Not an address of a queue: the operation says so, to those who may ask about every queue.
            _ => "*".to_owned(),
        },
    };
    Need::on(action, resource).into()
}

/// Account and name of `http://HOST/ACCOUNT/NAME`.
fn queue(url: &str) -> Option<(&str, &str)> {
    let mut parts = url.trim_end_matches('/').rsplit('/');
    let (name, account) = (parts.next()?, parts.next()?);
    (account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit())).then_some((account, name))
}

/// Moving takes messages from one queue and puts them into another (AWS lists these permissions with the operation).
fn move_task(action: String, input: &Input<'_>) -> Needs {
    let source = input.text("SourceArn").unwrap_or("*");
    let mut all = vec![Need::on(action, source)];
    all.extend(
        ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"].map(|action| Need::on(action, source)),
    );
    if let Some(destination) = input.text("DestinationArn") {
        all.push(Need::on("sqs:SendMessage", destination));
    }
    Needs::All(all)
}
