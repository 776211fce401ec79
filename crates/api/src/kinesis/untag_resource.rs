//! UntagResource: RemoveTagsFromStream by the stream's ARN.

use super::Kinesis;
use crate::http::Caller;
use crate::models::kinesis::UntagResourceInput;
use crate::wire::Fault;

pub fn call(kinesis: &Kinesis, caller: &Caller, input: UntagResourceInput) -> Result<(), Fault> {
    let stream = kinesis.stream(caller, None, Some(&input.resource_arn))?;
    kinesis.remove_tags(&stream, &input.tag_keys)
}
