//! Tags of streams and of consumers: AWS's rules for them, over the log's [`TagStore`].

use super::{Kinesis, contract};
use crate::http::Caller;
use crate::wire::{Fault, Text, kinds};
use millrace_catalog::CatalogError;
use millrace_log::{StreamConsumer, StreamInfo, TagStore, Tags};
use std::collections::BTreeMap;

/// AWS's ceiling for one resource.
const TAGS_MAX: usize = 50;

/// Refuses tags that AWS would refuse, beyond what the model says; `count` is how many there will be.
pub fn validate<'a>(texts: impl Iterator<Item = &'a Text>, count: usize) -> Result<(), Fault> {
    let allowed = |letter: char| letter.is_alphanumeric() || letter.is_whitespace() || "_.:/=+-%@".contains(letter);
    for text in texts {
        if !text.chars().all(allowed) {
            return Err(kinds::INVALID_ARGUMENT.because(
                "Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . : / = + - % @.",
            ));
        }
        if text.starts_with("aws:") {
            return Err(
                kinds::INVALID_ARGUMENT.because(format!("Tag key {text} is reserved: keys must not begin with aws:."))
            );
        }
    }
    if count > TAGS_MAX {
        return Err(
            kinds::INVALID_ARGUMENT.because(format!("A resource cannot have more than {TAGS_MAX} tags, not {count}."))
        );
    }
    Ok(())
}

/// Where a stream's tags are kept.
pub fn of_stream(stream: &StreamInfo) -> String {
    TagStore::of_stream(stream)
}

/// Where a consumer's tags are kept.
pub fn of_consumer(consumer: &StreamConsumer) -> String {
    TagStore::of_consumer(consumer)
}

impl Kinesis {
    /// Where the tags of the stream or consumer with an ARN are kept.
    pub(super) fn tagged(&self, caller: &Caller, arn: &Text) -> Result<String, Fault> {
        if arn.contains("/consumer/") {
            return Ok(of_consumer(&self.consumer_of(caller, arn)?));
        }
        Ok(of_stream(&*self.stream(caller, None, Some(arn))?))
    }

    /// All tags that are kept in a place.
    pub(super) fn tags(&self, place: &str) -> Result<Tags, Fault> {
        Ok(self.tag_store().get(place)?)
    }

    /// Changes tags in one step.
    pub(super) fn change_tags(&self, place: &str, change: impl FnOnce(&mut Tags)) -> Result<(), Fault> {
        self.tag_store().change(place, |tags| {
            change(tags);
            validate([].into_iter(), tags.len())
        })
    }

    /// Adds tags, replacing those of the same keys.
    pub(super) fn add_tags(&self, place: &str, added: &BTreeMap<Text, Text>) -> Result<(), Fault> {
        validate(added.keys().chain(added.values()), added.len())?;
        self.tag_store().change(place, |tags| {
            contract::check_added(tags, added)?;
            tags.extend(added.iter().map(|(key, value)| (key.to_string(), value.to_string())));
            validate([].into_iter(), tags.len())
        })
    }

    /// Takes tags away; absent ones are no error.
    pub(super) fn remove_tags(&self, place: &str, removed: &[Text]) -> Result<(), Fault> {
        self.change_tags(place, |tags| tags.retain(|key, _| !removed.iter().any(|gone| gone.as_str() == key)))
    }

    /// Drops the tags of a resource that is gone.
    pub(super) fn forget_tags(&self, place: &str) -> Result<(), Fault> {
        Ok(self.tag_store().forget(place)?)
    }

    fn tag_store(&self) -> TagStore {
        TagStore::new(self.catalog.clone())
    }
}

impl From<CatalogError> for Fault {
    fn from(error: CatalogError) -> Self {
        kinds::INTERNAL_FAILURE.because(error.to_string())
    }
}
