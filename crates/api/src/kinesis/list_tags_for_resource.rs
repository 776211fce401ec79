//! ListTagsForResource: all tags of the stream or consumer with this ARN.

use super::Kinesis;
use crate::http::Caller;
use crate::models::kinesis::{ListTagsForResourceInput, ListTagsForResourceOutput, Tag};
use crate::wire::Fault;

pub fn call(
    kinesis: &Kinesis,
    caller: &Caller,
    input: ListTagsForResourceInput,
) -> Result<ListTagsForResourceOutput, Fault> {
    let place = kinesis.tagged(caller, &input.resource_arn)?;
    let tags = kinesis.tags(&place)?.into_iter();
    let tags = tags.map(|(key, value)| Tag { key: key.into(), value: Some(value.into()) });
    Ok(ListTagsForResourceOutput { tags: Some(tags.collect()) })
}
