//! Tags of functions.

use super::name::FunctionRef;
use super::{Functions, FunctionsError};
use millrace_base::Scope;
use std::collections::BTreeMap;

/// AWS's ceiling for one function.
const TAGS_MAX: usize = 50;
const KEY_CHARS_MAX: usize = 128;
const VALUE_CHARS_MAX: usize = 256;

impl Functions {
    /// `TagResource`: adds tags, replacing those of the same keys.
    pub fn tag(&self, scope: &Scope, arn: &str, tags: BTreeMap<String, String>) -> Result<(), FunctionsError> {
        let reference = whole(scope, arn)?;
        check(&tags)?;
        self.change(&reference, |record| {
            record.tags.extend(tags);
            check(&record.tags)
        })
    }

    /// `UntagResource`: absent ones are no error.
    pub fn untag(&self, scope: &Scope, arn: &str, keys: &[String]) -> Result<(), FunctionsError> {
        let reference = whole(scope, arn)?;
        self.change(&reference, |record| {
            record.tags.retain(|key, _| !keys.contains(key));
            Ok(())
        })
    }

    /// `ListTags`.
    pub fn tags(&self, scope: &Scope, arn: &str) -> Result<BTreeMap<String, String>, FunctionsError> {
        let reference = whole(scope, arn)?;
        Ok(self.find(&reference)?.record.tags.clone())
    }
}

fn whole(scope: &Scope, arn: &str) -> Result<FunctionRef, FunctionsError> {
    let reference = FunctionRef::parse(scope, arn, None)?;
    match &reference.qualifier {
        None => Ok(reference),
        Some(_) => Err(FunctionsError::invalid(
            "Tags on function aliases and versions are not supported. Please specify a function ARN.",
        )),
    }
}

/// Refuses tags that AWS refuses.
pub(super) fn check(tags: &BTreeMap<String, String>) -> Result<(), FunctionsError> {
    if tags.len() > TAGS_MAX {
        return Err(FunctionsError::invalid(format!("Number of tags exceeds resource tag limit of {TAGS_MAX}.")));
    }
    for (key, value) in tags {
        if key.starts_with("aws:") {
            return Err(FunctionsError::invalid(format!("Tag key {key} is reserved: keys must not begin with aws:.")));
        }
        if key.is_empty() || key.chars().count() > KEY_CHARS_MAX || value.chars().count() > VALUE_CHARS_MAX {
            return Err(FunctionsError::invalid(format!(
                "The tag {key} is too long: keys have 1 to {KEY_CHARS_MAX} characters, values at most {VALUE_CHARS_MAX}."
            )));
        }
    }
    Ok(())
}
