//! ListTagsForStream: a stream's tags by key, a page at a time.

use super::{Kinesis, tags};
use crate::http::Caller;
use crate::models::kinesis::{ListTagsForStreamInput, ListTagsForStreamOutput, Tag};
use crate::wire::Fault;

/// AWS's page size: all tags that a stream can have.
const PAGE_TAGS: usize = 50;

pub fn call(
    kinesis: &Kinesis,
    caller: &Caller,
    input: ListTagsForStreamInput,
) -> Result<ListTagsForStreamOutput, Fault> {
    let stream = kinesis.stream(caller, input.stream_name.as_ref(), input.stream_arn.as_ref())?;
    let page = input.limit.map_or(PAGE_TAGS, |limit| limit.unsigned_abs() as usize);
    let after = input.exclusive_start_tag_key.as_deref();
    let all = kinesis.tags(&tags::of_stream(&stream))?;
    let mut rest = all.into_iter().filter(|(key, _)| after.is_none_or(|after| key.as_str() > after)).peekable();
    let tags =
        rest.by_ref().take(page).map(|(key, value)| Tag { key: key.into(), value: Some(value.into()) }).collect();
    Ok(ListTagsForStreamOutput { tags, has_more_tags: rest.peek().is_some() })
}
