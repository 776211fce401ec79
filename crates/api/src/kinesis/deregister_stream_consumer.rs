//! DeregisterStreamConsumer: the consumer is gone when the call returns, and its subscriptions end.

use super::{Kinesis, tags};
use crate::http::Caller;
use crate::models::kinesis::DeregisterStreamConsumerInput;
use crate::wire::Fault;

pub fn call(kinesis: &Kinesis, caller: &Caller, input: DeregisterStreamConsumerInput) -> Result<(), Fault> {
    let (arn, stream, name) = (input.consumer_arn.as_ref(), input.stream_arn.as_ref(), input.consumer_name.as_ref());
    let consumer = kinesis.consumer(caller, arn, stream, name)?;
    kinesis.consumers.deregister(&consumer)?;
    kinesis.forget_tags(&tags::of_consumer(&consumer))?;
    kinesis.subscriptions.end(&consumer.arn().to_string());
    Ok(())
}
