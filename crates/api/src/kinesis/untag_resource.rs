//! UntagResource: takes tags away from the stream or consumer with this ARN.

use super::Kinesis;
use crate::http::Caller;
use crate::models::kinesis::UntagResourceInput;
use crate::wire::Fault;

pub fn call(kinesis: &Kinesis, caller: &Caller, input: UntagResourceInput) -> Result<(), Fault> {
    let place = kinesis.tagged(caller, &input.resource_arn)?;
    kinesis.remove_tags(&place, &input.tag_keys)
}
