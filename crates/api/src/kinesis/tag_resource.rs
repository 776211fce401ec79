//! TagResource: AddTagsToStream by the stream's ARN.

use super::Kinesis;
use crate::http::Caller;
use crate::models::kinesis::TagResourceInput;
use crate::wire::Fault;

pub fn call(kinesis: &Kinesis, caller: &Caller, input: TagResourceInput) -> Result<(), Fault> {
    let stream = kinesis.stream(caller, None, Some(&input.resource_arn))?;
    kinesis.add_tags(&stream, &input.tags)
}
