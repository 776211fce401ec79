//! DeleteStream: the stream and its records are gone when the call returns.

use super::{Kinesis, faults};
use crate::http::Caller;
use crate::models::kinesis::DeleteStreamInput;
use crate::wire::Fault;

pub fn call(kinesis: &Kinesis, caller: &Caller, input: DeleteStreamInput) -> Result<(), Fault> {
    // `EnforceConsumerDeletion` needs no answer: without registered consumers both its values mean the same.
    let stream = kinesis.stream(caller, input.stream_name.as_ref(), input.stream_arn.as_ref())?;
    kinesis.log.delete_stream(&stream.key).map_err(faults::of_log)?;
    kinesis.forget_tags(&stream)
}
