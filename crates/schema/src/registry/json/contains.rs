//! Whether a reader's schema accepts every instance that a writer's schema accepts: the verdict, and the reasons.
//!
//! Two judges are asked. The library's canonical forms decide containment exactly for most schemas, and say so when they
//! cannot. Our structural proof ([`super::cover`]) decides the rest, erring towards "refused", and finds the place and the
//! rule for people.

use super::Definition;
use super::cover::{Check, EFFORT, finding, short};
use super::view::{Document, Node, View};
use crate::registry::finding::{Finding, STEPS_MAX, rules};
use jsonschema::canonical::{self, CanonicalSchema, Containment};

rules! {
    NARROWED = "json-narrowed",
        new reads: "accept in the new version all that the old one accepted",
        old reads: "allow in the new version only what the old one accepts";
}

/// Where `reader` refuses what `writer` allows.
pub(super) fn findings(writer: &Definition, reader: &Definition) -> Vec<Finding> {
    if writer.draft == reader.draft && writer.root == reader.root {
        return Vec::new();
    }
    let exact = exact(writer, reader);
    if exact == Containment::Yes {
        return Vec::new();
    }
    let found = structural(writer, reader);
    if !found.is_empty() || exact == Containment::Unknown {
        return found;
    }
    let why = "some instances that can be written are refused by the reader".to_owned();
    finding(&NARROWED, "", short(&writer.root), short(&reader.root), why)
}

/// What follows from the keywords alone. Empty is a proof; a finding may be over-careful.
pub(super) fn structural(writer: &Definition, reader: &Definition) -> Vec<Finding> {
    let (from, into) = (Document::new(writer), Document::new(reader));
    let mut check = Check::default();
    let view = View::of(Node { value: from.root, doc: &from });
    let mut found = check.cover(Node { value: into.root, doc: &into }, &view, "");
    if check.steps > STEPS_MAX {
        let why = format!("the schemas were not compared in {STEPS_MAX} steps");
        return finding(&EFFORT, "", short(&writer.root), short(&reader.root), why);
    }
    let mut seen = Vec::new();
    found.retain(|finding| {
        let is_new = !seen.contains(finding);
        seen.push(finding.clone());
        is_new
    });
    found
}

/// What the library's canonical forms prove.
pub(super) fn exact(writer: &Definition, reader: &Definition) -> Containment {
    // Two documents' `#` are two things, which the library does not mix; and it compares within one draft.
    let canonical = |definition: &Definition| -> Option<CanonicalSchema> {
        canonical::options().with_draft(definition.draft).offline().canonicalize(&definition.root).ok()
    };
    if writer.draft != reader.draft {
        return Containment::Unknown;
    }
    let (Some(writer), Some(reader)) = (canonical(writer), canonical(reader)) else { return Containment::Unknown };
    reader.covers(&writer).unwrap_or(Containment::Unknown)
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    /// Neither judge may call compatible what the other refutes; and ours must carry its weight where theirs is silent.
    #[test]
    fn the_two_judges_never_contradict_each_other() {
        let (mut decided, mut proved) = (0, 0);
        for line in include_str!("../../../tests/compat/json.jsonl").lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let (old, new) =
                (parse(row["old"].as_str().unwrap()).unwrap(), parse(row["new"].as_str().unwrap()).unwrap());
            for (writer, reader) in [(&old, &new), (&new, &old)] {
                let (exact, ours) = (exact(writer, reader), structural(writer, reader));
                assert!(exact != Containment::No || !ours.is_empty(), "{} is refuted and proved", row["name"]);
                decided += usize::from(exact != Containment::Unknown);
                proved += usize::from(exact == Containment::Yes && ours.is_empty());
            }
        }
        assert!(
            decided > 200 && proved > 80,
            "the library decided {decided} answers, and ours proved {proved} of its yes"
        );
    }
}
