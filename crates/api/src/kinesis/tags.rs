//! A stream's tags, kept in the catalog under the stream's incarnation, so that a stream made again has none.

use super::Kinesis;
use crate::wire::{Fault, Text, kinds};
use millrace_catalog::CatalogError;
use millrace_log::StreamInfo;
use std::collections::BTreeMap;

const TABLE: &str = "kinesis-tags";
/// AWS's ceiling for one stream.
const TAGS_MAX: usize = 50;

/// A stream's tags.
pub type Tags = BTreeMap<String, String>;

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
            kinds::INVALID_ARGUMENT.because(format!("A stream cannot have more than {TAGS_MAX} tags, not {count}."))
        );
    }
    Ok(())
}

fn place(stream: &StreamInfo) -> String {
    format!("{}/{:016x}", stream.key, stream.incarnation)
}

impl Kinesis {
    /// All tags of a stream.
    pub(super) fn tags(&self, stream: &StreamInfo) -> Result<Tags, Fault> {
        Ok(self.catalog.get(TABLE, &place(stream))?.unwrap_or_default())
    }

    /// Changes a stream's tags in one step.
    pub(super) fn change_tags(&self, stream: &StreamInfo, change: impl FnOnce(&mut Tags)) -> Result<(), Fault> {
        self.catalog.update(|catalog| {
            let mut tags: Tags = catalog.get(TABLE, &place(stream))?.unwrap_or_default();
            change(&mut tags);
            validate([].into_iter(), tags.len())?;
            Ok(catalog.put(TABLE, &place(stream), &tags)?)
        })
    }

    /// Adds tags, replacing those of the same keys.
    pub(super) fn add_tags(&self, stream: &StreamInfo, added: &BTreeMap<Text, Text>) -> Result<(), Fault> {
        validate(added.keys().chain(added.values()), added.len())?;
        self.change_tags(stream, |tags| {
            tags.extend(added.iter().map(|(key, value)| (key.to_string(), value.to_string())));
        })
    }

    /// Takes tags away; absent ones are no error.
    pub(super) fn remove_tags(&self, stream: &StreamInfo, removed: &[Text]) -> Result<(), Fault> {
        self.change_tags(stream, |tags| tags.retain(|key, _| !removed.iter().any(|gone| gone.as_str() == key)))
    }

    /// Drops what is known of a deleted stream's tags.
    pub(super) fn forget_tags(&self, stream: &StreamInfo) -> Result<(), Fault> {
        self.catalog.delete(TABLE, &place(stream))?;
        Ok(())
    }
}

impl From<CatalogError> for Fault {
    fn from(error: CatalogError) -> Self {
        kinds::INTERNAL_FAILURE.because(error.to_string())
    }
}
