//! DescribeStreamConsumer: one registered consumer.

use super::consumers::ACTIVE;
use super::{Kinesis, describe};
use crate::http::Caller;
use crate::models::kinesis::{ConsumerDescription, DescribeStreamConsumerInput, DescribeStreamConsumerOutput};
use crate::wire::{Fault, Text, Timestamp};

pub fn call(
    kinesis: &Kinesis,
    caller: &Caller,
    input: DescribeStreamConsumerInput,
) -> Result<DescribeStreamConsumerOutput, Fault> {
    let (arn, stream, name) = (input.consumer_arn.as_ref(), input.stream_arn.as_ref(), input.consumer_name.as_ref());
    let consumer = kinesis.consumer(caller, arn, stream, name)?;
    Ok(DescribeStreamConsumerOutput {
        consumer_description: ConsumerDescription {
            consumer_name: Text::from(&*consumer.name),
            consumer_arn: consumer.arn().to_string().into(),
            consumer_status: ACTIVE,
            consumer_creation_timestamp: Timestamp(consumer.created),
            stream_arn: describe::arn(&consumer.stream),
        },
    })
}
