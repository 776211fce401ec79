//! What Kinesis says when something is wrong. The texts of AWS are AWS's (source: recordings and kinesalite).

use crate::wire::{Fault, kinds};
use millrace_base::ShardId;
use millrace_log::{LogError, StreamInfo, StreamKey, StreamMode};

/// A failed log operation, as the client sees it.
pub fn of_log(error: LogError) -> Fault {
    match error {
        LogError::NoStream(key) => no_stream(&key),
        LogError::StreamExists(key) => {
            let StreamKey { scope, name } = key;
            kinds::RESOURCE_IN_USE.because(format!("Stream {name} under account {} already exists.", scope.account))
        }
        LogError::NoShard(key, shard) => no_shard(&key, shard),
        LogError::ShardClosed(key, shard) => not_eligible(&key, shard),
        LogError::BadReshard { .. } => kinds::INVALID_ARGUMENT.because(error.to_string()),
        LogError::TooLarge { .. } => kinds::INVALID_ARGUMENT.because(error.to_string()),
        other => kinds::INTERNAL_FAILURE.because(other.to_string()),
    }
}

pub fn no_stream(key: &StreamKey) -> Fault {
    let StreamKey { scope, name } = key;
    kinds::RESOURCE_NOT_FOUND.because(format!("Stream {name} under account {} not found.", scope.account))
}

pub fn no_shard(key: &StreamKey, shard: ShardId) -> Fault {
    let StreamKey { scope, name } = key;
    let message = format!("Shard {shard} in stream {name} under account {} does not exist", scope.account);
    kinds::RESOURCE_NOT_FOUND.because(message)
}

/// A shard id that is not of the form that shard ids have.
pub fn bad_shard_id(key: &StreamKey, shard: &str) -> Fault {
    let StreamKey { scope, name } = key;
    let message = format!("Could not find shard {shard} in stream {name} under account {}.", scope.account);
    kinds::RESOURCE_NOT_FOUND.because(message)
}

/// A closed shard that is to be split or merged.
pub fn not_eligible(key: &StreamKey, shard: ShardId) -> Fault {
    let StreamKey { scope, name } = key;
    kinds::INVALID_ARGUMENT.because(format!(
        "Shard {shard} in stream {name} under account {} has already been merged or split, and thus is not eligible for \
         merging or splitting.",
        scope.account
    ))
}

/// Refuses to change the shards of a stream whose shards are the service's affair.
pub fn provisioned(stream: &StreamInfo) -> Result<(), Fault> {
    let StreamKey { scope, name } = &stream.key;
    match stream.spec.mode {
        StreamMode::Provisioned => Ok(()),
        StreamMode::OnDemand => Err(kinds::VALIDATION.because(format!(
            "Request is invalid. Stream {name} under account {} is in On-Demand mode.",
            scope.account
        ))),
    }
}

/// AWS's ceiling for one stream.
pub const SHARDS_MAX: u32 = 10_000;

/// Refuses more open shards than a stream may have.
pub fn room_for_shards(count: u32) -> Result<(), Fault> {
    if count > SHARDS_MAX {
        let message = format!("ShardCount {count} is above the limit of {SHARDS_MAX} shards for one stream.");
        return Err(kinds::LIMIT_EXCEEDED.because(message));
    }
    Ok(())
}

pub fn no_consumer(consumer: &str, account: &str) -> Fault {
    kinds::RESOURCE_NOT_FOUND.because(format!("Consumer {consumer}, account {account} not found."))
}

pub fn no_stream_named() -> Fault {
    kinds::INVALID_ARGUMENT.because("Either StreamName or StreamARN must be provided.")
}

pub fn bad_arn(arn: &str) -> Fault {
    kinds::INVALID_ARGUMENT.because(format!("StreamARN {arn} is not the ARN of a stream."))
}

pub fn names_differ(name: &str, arn: &str) -> Fault {
    kinds::INVALID_ARGUMENT.because(format!("StreamName {name} and StreamARN {arn} name different streams."))
}

/// A member that was required until AUTO record distribution came, which Millrace does not have yet.
pub fn missing(member: &str) -> Fault {
    let text = format!("Value null at '{member}' failed to satisfy constraint: Member must not be null");
    kinds::VALIDATION.because(format!("1 validation error detected: {text}"))
}

pub fn bad_explicit_hash_key(given: &str) -> Fault {
    let rule = "ExplicitHashKey must be in the range: [0, 2^128-1]";
    kinds::INVALID_ARGUMENT.because(format!("Invalid ExplicitHashKey. {rule}. Specified value was {given}"))
}

pub fn record_too_large(member: &str, bytes: usize, kib_max: u32) -> Fault {
    kinds::INVALID_ARGUMENT.because(format!(
        "The record at '{member}' has {bytes} bytes (data and partition key), more than the stream's maximum record \
         size of {kib_max} KiB."
    ))
}

/// The answer to `DryRun` when the request would have been carried out.
pub fn dry_run() -> Fault {
    kinds::DRY_RUN.because("The request was rejected because the DryRun parameter was specified.")
}

/// AWS has it, Millrace does not.
pub fn unsupported(what: &str) -> Fault {
    kinds::UNSUPPORTED
        .because(format!("Millrace does not support {what} yet: docs/compat/kinesis.md lists what it does."))
}

/// Millrace has the operation, but not this parameter.
pub fn unsupported_parameter(operation: &str, parameter: &str) -> Fault {
    kinds::UNSUPPORTED.because(format!("Millrace does not support {parameter} of {operation} yet: leave it out."))
}
