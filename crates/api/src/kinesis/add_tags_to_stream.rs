//! AddTagsToStream: adds tags, or replaces their values.

use super::{Kinesis, tags};
use crate::http::Caller;
use crate::models::kinesis::AddTagsToStreamInput;
use crate::wire::Fault;

pub fn call(kinesis: &Kinesis, caller: &Caller, input: AddTagsToStreamInput) -> Result<(), Fault> {
    let stream = kinesis.stream(caller, input.stream_name.as_ref(), input.stream_arn.as_ref())?;
    kinesis.add_tags(&tags::of_stream(&stream), &input.tags)
}
