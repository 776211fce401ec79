//! Tags of keys.

use super::{Kms, page};
use crate::http::Caller;
use crate::models::kms::{
    ListResourceTagsRequest, ListResourceTagsResponse, Tag, TagResourceRequest, UntagResourceRequest, faults,
};
use crate::wire::Fault;
use std::collections::BTreeMap;

/// AWS's quota.
const TAGS_MAX: usize = 50;

/// Tags by name, none twice.
pub fn checked(tags: Vec<Tag>) -> Result<BTreeMap<String, String>, Fault> {
    let count = tags.len();
    let tags: BTreeMap<_, _> =
        tags.into_iter().map(|tag| (tag.tag_key.to_string(), tag.tag_value.to_string())).collect();
    if tags.len() < count {
        return Err(faults::TAG_EXCEPTION.because("Duplicate tag keys"));
    }
    if count > TAGS_MAX {
        return Err(faults::TAG_EXCEPTION.because("Too many tags"));
    }
    Ok(tags)
}

pub fn tag(kms: &Kms, caller: &Caller, input: TagResourceRequest) -> Result<(), Fault> {
    let tags = checked(input.tags)?;
    let key = kms.key(caller, &input.key_id)?;
    let after = kms.ring.edit(&key.id, |key| {
        let mut after = key.tags.clone();
        after.extend(tags);
        if after.len() <= TAGS_MAX {
            key.tags = after.clone();
        }
        Ok(after.len())
    })?;
    if after > TAGS_MAX { Err(faults::TAG_EXCEPTION.because("Too many tags")) } else { Ok(()) }
}

pub fn untag(kms: &Kms, caller: &Caller, input: UntagResourceRequest) -> Result<(), Fault> {
    let key = kms.key(caller, &input.key_id)?;
    let edited = kms.ring.edit(&key.id, |key| {
        key.tags.retain(|name, _| !input.tag_keys.iter().any(|gone| gone.as_str() == name));
        Ok(())
    });
    Ok(edited?)
}

pub fn list(kms: &Kms, caller: &Caller, input: ListResourceTagsRequest) -> Result<ListResourceTagsResponse, Fault> {
    let key = kms.key(caller, &input.key_id)?;
    let all: Vec<_> = key.tags.iter().collect();
    let (tags, next_marker) = page(all, |(name, _)| (*name).clone(), input.marker.as_ref(), input.limit);
    let tags =
        tags.into_iter().map(|(name, value)| Tag { tag_key: name.as_str().into(), tag_value: value.as_str().into() });
    let tags = Some(tags.collect());
    Ok(ListResourceTagsResponse { tags, truncated: Some(next_marker.is_some()), next_marker })
}
