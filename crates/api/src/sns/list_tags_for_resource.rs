//! ListTagsForResource.

use super::{Sns, tagged};
use crate::http::Caller;
use crate::models::sns::{ListTagsForResourceRequest, ListTagsForResourceResponse, Tag};
use crate::wire::Fault;

pub fn call(sns: &Sns, _: &Caller, input: ListTagsForResourceRequest) -> Result<ListTagsForResourceResponse, Fault> {
    let tags = sns.topics.tags(&tagged(&input.resource_arn)?)?;
    let tags = tags.into_iter().map(|(key, value)| Tag { key: key.into(), value: value.into() }).collect();
    Ok(ListTagsForResourceResponse { tags: Some(tags) })
}
