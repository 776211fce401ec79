//! RegisterStreamConsumer: a consumer that can subscribe to the shards of a stream.

use super::consumers::{CREATING, describe};
use super::{Kinesis, tags};
use crate::http::Caller;
use crate::models::kinesis::{RegisterStreamConsumerInput, RegisterStreamConsumerOutput};
use crate::wire::{Fault, kinds};
use millrace_log::ConsumerError;

/// AWS's ceiling for a stream (provisioned, or on demand without Advantage).
const CONSUMERS_MAX: usize = 20;

pub fn call(
    kinesis: &Kinesis,
    caller: &Caller,
    input: RegisterStreamConsumerInput,
) -> Result<RegisterStreamConsumerOutput, Fault> {
    let stream = kinesis.stream(caller, None, Some(&input.stream_arn))?;
    if let Some(tags) = &input.tags {
        tags::validate(tags.keys().chain(tags.values()), tags.len())?;
    }
    let now = kinesis.clock.now();
    let consumer = kinesis.consumers.register(&stream, &input.consumer_name, now, CONSUMERS_MAX);
    let consumer = consumer.map_err(|error| match error {
        ConsumerError::Exists(_) => kinds::RESOURCE_IN_USE.because(format!(
            "Consumer {} under stream {} already exists for account {}.",
            input.consumer_name, stream.key.name, stream.key.scope.account
        )),
        ConsumerError::TooMany { count, .. } => kinds::LIMIT_EXCEEDED.because(format!(
            "Stream {} under account {} has {count} registered consumers, and the limit is {CONSUMERS_MAX}: deregister \
             one first.",
            stream.key.name, stream.key.scope.account
        )),
        ConsumerError::Catalog(error) => error.into(),
    })?;
    if let Some(tags) = &input.tags {
        kinesis.add_tags(&tags::of_consumer(&consumer), tags)?;
    }
    Ok(RegisterStreamConsumerOutput { consumer: describe(&consumer, CREATING) })
}
