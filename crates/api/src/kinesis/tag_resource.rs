//! TagResource: adds tags to the stream or consumer with this ARN, or replaces their values.

use super::Kinesis;
use crate::http::Caller;
use crate::models::kinesis::TagResourceInput;
use crate::wire::Fault;

pub fn call(kinesis: &Kinesis, caller: &Caller, input: TagResourceInput) -> Result<(), Fault> {
    let place = kinesis.tagged(caller, &input.resource_arn)?;
    kinesis.add_tags(&place, &input.tags)
}
