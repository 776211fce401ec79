//! DeleteStream: the stream, its records and its consumers are gone when the call returns.

use super::{Kinesis, faults, tags};
use crate::http::Caller;
use crate::models::kinesis::DeleteStreamInput;
use crate::wire::{Fault, kinds};

pub fn call(kinesis: &Kinesis, caller: &Caller, input: DeleteStreamInput) -> Result<(), Fault> {
    let stream = kinesis.stream(caller, input.stream_name.as_ref(), input.stream_arn.as_ref())?;
    let consumers = kinesis.consumers.list(&stream)?;
    if !consumers.is_empty() && input.enforce_consumer_deletion != Some(true) {
        return Err(kinds::RESOURCE_IN_USE.because(format!(
            "Stream {} under account {} has {} registered consumers: deregister them first, or set \
             EnforceConsumerDeletion.",
            stream.key.name,
            stream.key.scope.account,
            consumers.len()
        )));
    }
    kinesis.log.delete_stream(&stream.key).map_err(faults::of_log)?;
    kinesis.contracts.forget(&stream.key);
    kinesis.consumers.forget(&stream.key)?;
    if let Some(seals) = &kinesis.seals {
        seals.stop(&stream.key.scope, &stream.key.name)?;
    }
    if let Some(policies) = &kinesis.policies {
        let arn = stream.key.scope.arn("kinesis", &format!("stream/{}", stream.key.name)).to_string();
        policies.forget(&arn, stream.incarnation)?;
    }
    kinesis.monitoring.forget(&stream.key)?;
    consumers.iter().try_for_each(|consumer| kinesis.forget_tags(&tags::of_consumer(consumer)))?;
    kinesis.forget_tags(&tags::of_stream(&stream))
}
