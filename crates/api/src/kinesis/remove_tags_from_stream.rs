//! RemoveTagsFromStream: takes tags away.

use super::{Kinesis, tags};
use crate::http::Caller;
use crate::models::kinesis::RemoveTagsFromStreamInput;
use crate::wire::Fault;

pub fn call(kinesis: &Kinesis, caller: &Caller, input: RemoveTagsFromStreamInput) -> Result<(), Fault> {
    let stream = kinesis.stream(caller, input.stream_name.as_ref(), input.stream_arn.as_ref())?;
    kinesis.remove_tags(&tags::of_stream(&stream), &input.tag_keys)
}
