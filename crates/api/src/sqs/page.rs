//! Lists of queues, a page at a time. A token is the last name that was given.

use super::Door;
use crate::wire::{Fault, Text};
use millrace_queue::{QueueError, QueueInfo};
use std::sync::Arc;

/// AWS's page.
const PAGE: usize = 1000;

/// The URLs of a page of queues, which are in order of name, and the next page's token.
pub fn urls(
    door: &Door,
    queues: Vec<Arc<QueueInfo>>,
    token: Option<&Text>,
    max: Option<i32>,
) -> Result<(Vec<Text>, Option<Text>), Fault> {
    let size = max.map_or(Ok(PAGE), |max| {
        let size = usize::try_from(max).ok().filter(|size| (1..=PAGE).contains(size));
        size.ok_or_else(|| QueueError::invalid(max, "MaxResults", "MaxResults must be between 1 and 1000"))
    })?;
    let after = token.map(|token| open(token)).transpose()?;
    let behind = |info: &Arc<QueueInfo>| after.as_deref().is_none_or(|after| &*info.key.name > after);
    let mut rest = queues.into_iter().filter(behind).peekable();
    let page: Vec<Arc<QueueInfo>> = rest.by_ref().take(size).collect();
    // Without a page size AWS gives no token.
    let is_more = rest.peek().is_some() && max.is_some();
    let next = page.last().filter(|_| is_more).map(|info| {
        let token = base64_simd::URL_SAFE_NO_PAD.encode_to_string(info.key.name.as_bytes());
        Text::from(token)
    });
    Ok((page.iter().map(|info| door.url(&info.key)).collect(), next))
}

fn open(token: &str) -> Result<String, Fault> {
    let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(token.as_bytes()).ok();
    let name = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    name.ok_or_else(|| QueueError::invalid(token, "NextToken", "It is not a token that was given out.").into())
}
