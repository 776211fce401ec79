//! What new indices are like, and what becomes of old ones: index templates and lifecycle policies.
//!
//! # Format (v1)
//! `definitions.json` in the engine's folder, absent until there is one, replaced as a whole:
//! `{"format":1,"templates":{NAME:body},"policies":{ID:{"policy":body,"seq_no":n,"updated":ms}}}`.

mod lifecycle;
mod limits;
mod manage;
mod templates;

pub use lifecycle::{Due, Policies, Verdict};
pub use limits::{Figures, Known, Limits, Measure, size_text};
pub use templates::{Plan, Templates};

use crate::error::Error;
use millrace_base::{Disk, wildcard_matches};
use serde_json::{Value, json};
use std::path::Path;

/// The name of the file. What is written beside it while it is replaced begins with its name, too.
pub const FILE: &str = "definitions.json";

/// Templates and policies.
#[derive(Debug, Clone, Default)]
pub struct Definitions {
    /// What new indices are like.
    pub templates: Templates,
    /// What becomes of indices as they age.
    pub policies: Policies,
}

impl Definitions {
    /// Reads the file of an engine's folder; nothing when it is absent.
    pub fn load(disk: &dyn Disk, dir: &Path) -> Result<Self, Error> {
        let content = match disk.read(&dir.join(FILE)) {
            Ok(content) => content,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error.into()),
        };
        let damaged =
            |what: &str| Error::storage("_all", format!("{} is damaged: {what}; restore it", dir.join(FILE).display()));
        let value: Value = serde_json::from_slice(&content).map_err(|error| damaged(&error.to_string()))?;
        if value["format"] != 1 {
            return Err(damaged("it is of another version of Millrace"));
        }
        let policies = Policies::from_json(&value["policies"])?;
        Ok(Self { templates: Templates::from_json(&value["templates"]), policies })
    }

    /// Writes the file, durably.
    pub fn save(&self, disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
        let content = json!({"format": 1, "templates": self.templates.to_json(), "policies": self.policies.to_json()});
        Ok(disk.replace(&dir.join(FILE), content.to_string().as_bytes())?)
    }
}

/// Whether a name is one of some patterns (`*` stands for anything).
fn matches_any<'a>(patterns: impl IntoIterator<Item = &'a str>, name: &str) -> bool {
    patterns.into_iter().any(|pattern| wildcard_matches(pattern, name))
}

/// A list of patterns of index names, one at least.
fn read_patterns(value: &Value, what: &str) -> Result<Vec<String>, Error> {
    let one = value.as_str().map(|pattern| vec![pattern.to_owned()]);
    let many = || value.as_array()?.iter().map(|pattern| pattern.as_str().map(str::to_owned)).collect();
    let patterns: Option<Vec<String>> = one.or_else(many);
    patterns
        .filter(|patterns| !patterns.is_empty() && patterns.iter().all(|pattern| !pattern.is_empty()))
        .ok_or_else(|| Error::validation(format!("{what} has to name at least one pattern in [index_patterns]")))
}

/// The first member of an object that is none of the known ones is an error.
pub(crate) fn allow(body: &Value, known: &[&str], what: &str) -> Result<(), Error> {
    match body.as_object() {
        None => Err(Error::parsing(format!("{what} has to be an object"))),
        Some(body) => match body.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(Error::illegal_argument(format!(
                "{what} has an unknown field [{key}], or one not supported by Millrace yet"
            ))),
            None => Ok(()),
        },
    }
}
