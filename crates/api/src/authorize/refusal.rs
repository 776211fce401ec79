//! How each service says no: its code, its status, and the spelling of the action.

use crate::wire::{Fault, FaultKind, Model, kinds};
use millrace_access::{Denial, Principal};

const FORBIDDEN: FaultKind = FaultKind::new("AccessDenied", 403);
const FORBIDDEN_EXCEPTION: FaultKind = FaultKind::new("AccessDeniedException", 403);
const QUEUES: FaultKind = FaultKind::new("AccessDeniedException", 403).query("AccessDenied");
const TOPICS: FaultKind = FaultKind::new("AuthorizationError", 403);

/// What a service's actions begin with. Services are told by their models' names.
pub fn prefix(model: &Model) -> &'static str {
    match model.name {
        "Kinesis" | "Amazon Kinesis" => "kinesis",
        "Kinesis Analytics V2" | "Amazon Kinesis Analytics" => "kinesisanalytics",
        "Firehose" | "Amazon Kinesis Firehose" => "firehose",
        "AWS Glue" => "glue",
        "IAM" | "AWS Identity and Access Management" => "iam",
        "AWS STS" | "AWS Security Token Service" => "sts",
        "Amazon SQS" | "Amazon Simple Queue Service" => "sqs",
        "Amazon SNS" | "Amazon Simple Notification Service" => "sns",
        "AWS Lambda" => "lambda",
        "Amazon CloudWatch Logs" => "logs",
        "CloudWatch" | "Amazon CloudWatch" => "cloudwatch",
        "Amazon S3" => "s3",
        "KMS" | "AWS KMS" | "AWS Key Management Service" => "kms",
        // A policy can only name it by a star.
        _ => "millrace",
    }
}

/// The refusal of an action of `service`.
pub fn refusal(service: &str, denial: Denial, principal: &Principal, action: &str, resource: &str) -> Fault {
    let said = spelled(action);
    kind(service).because(denial.message(&principal.arn, &said, resource))
}

/// AWS writes SQS's actions in small letters and SNS's prefix in capitals.
fn spelled(action: &str) -> String {
    match action.split_once(':') {
        Some(("sqs", _)) => action.to_ascii_lowercase(),
        Some(("sns", operation)) => format!("SNS:{operation}"),
        _ => action.to_owned(),
    }
}

/// The kind of a service's refusals.
pub fn kind(service: &str) -> FaultKind {
    match service {
        "iam" | "sts" | "cloudwatch" | "s3" => FORBIDDEN,
        "lambda" => FORBIDDEN_EXCEPTION,
        "sqs" => QUEUES,
        "sns" => TOPICS,
        "glue" => kinds::ACCESS_DENIED.capital(),
        _ => kinds::ACCESS_DENIED,
    }
}
