//! Objects: required properties, their schemas, and content models that are open or closed.

use super::arrays::UNEVALUATED;
use super::cover::{Check, finding, short, validator};
use super::view::{Node, Part, View};
use crate::registry::finding::{Finding, rules};
use serde_json::{Value, json};
use std::collections::BTreeSet;

rules! {
    REQUIRED = "json-required-added",
        new reads: "make the property optional, or require it one version later and under a mode that looks forward only",
        old reads: "keep the property required: the old version refuses objects without it";
    OPEN = "json-property-added-to-open-content",
        new reads: "the old version let any value stand under this name: leave the schema of the new property out (true), or first close the old version with \"additionalProperties\": false",
        old reads: "keep the property's schema: without it any value can be written under this name; or close the new version with \"additionalProperties\": false";
    CLOSED = "json-property-refused",
        new reads: "keep the property, or open the new version's additionalProperties",
        old reads: "write no property that the old version's additionalProperties refuses; first open it for the readers";
    COUNT = "json-properties-count-narrowed",
        new reads: "keep the old minProperties and maxProperties, or wider ones",
        old reads: "keep the old minProperties and maxProperties, or narrower ones";
    NAMES = "json-property-names-narrowed",
        new reads: "accept all the names that the old version allowed",
        old reads: "write only names that the old version accepts";
    DEPENDENCY = "json-dependency-added",
        new reads: "demand no further properties of objects that were complete before",
        old reads: "keep what the old version demands together";
}

impl Check {
    /// What a reader demands of objects and does not follow.
    pub(super) fn objects<'a>(
        &mut self,
        part: Part<'a>,
        demands: &View<'a>,
        writer: &View<'a>,
        at: &str,
    ) -> Vec<Finding> {
        let mut found = Vec::new();
        for name in part.names("required").filter(|name| !writer.requires(name)) {
            let why = format!("objects without '{name}' can be written");
            found.extend(finding(&REQUIRED, &child(at, name), "optional".to_owned(), "required".to_owned(), why));
        }
        found.extend(self.named(part, writer, at));
        found.extend(self.patterned(part, writer, at));
        if let Some(rest) = part.node("additionalProperties") {
            let declared: BTreeSet<&str> = part.object("properties").map(|(name, _)| name.as_str()).collect();
            let patterns: Vec<&str> = part.object("patternProperties").map(|(name, _)| name.as_str()).collect();
            found.extend(self.undeclared(rest, &declared, &patterns, writer, at));
        }
        if let Some(rest) = part.node("unevaluatedProperties") {
            found.extend(self.unevaluated(rest, demands, writer, at));
        }
        found.extend(self.count(part, writer, at));
        found.extend(self.names(part, writer, at));
        found.extend(self.dependencies(part, writer, at));
        found
    }

    fn named<'a>(&mut self, part: Part<'a>, writer: &View<'a>, at: &str) -> Vec<Finding> {
        let mut found = Vec::new();
        for (name, node) in part.object("properties") {
            let own = self.property(writer, name);
            let path = child(at, name);
            let of_property = self.cover(node, &own, &path);
            if !of_property.is_empty() && own.parts.is_empty() && !own.is_never {
                let why = format!("the writer does not say what '{name}' is, so any value can be written there");
                found.extend(finding(&OPEN, &path, "any value".to_owned(), short(node.value), why));
            } else {
                found.extend(of_property);
            }
        }
        found
    }

    fn patterned<'a>(&mut self, part: Part<'a>, writer: &View<'a>, at: &str) -> Vec<Finding> {
        let mut found = Vec::new();
        for (pattern, node) in part.object("patternProperties") {
            for name in property_names(writer) {
                if self.matches(pattern, name) {
                    let own = self.property(writer, name);
                    found.extend(self.cover(node, &own, &child(at, name)));
                }
            }
            let path = child(at, &format!("({pattern})"));
            // The names of one pattern are covered by what the same pattern says; others may overlap with any.
            let mut own = View::default();
            for part in &writer.parts {
                let same = part.object("patternProperties").find(|(other, _)| *other == pattern);
                match same {
                    Some((_, node)) => own.add(node),
                    None => self.rest_of(*part).into_iter().for_each(|node| own.add(node)),
                }
            }
            found.extend(self.cover(node, &own, &path));
        }
        found
    }

    /// What a part says of names that it neither declares nor matches, unless another pattern of it might match them.
    fn rest_of<'a>(&self, part: Part<'a>) -> Option<Node<'a>> {
        let has_patterns = part.object("patternProperties").next().is_some();
        part.node("additionalProperties").filter(|_| !has_patterns)
    }

    /// Names that the reader does not declare.
    fn undeclared<'a>(
        &mut self,
        rest: Node<'a>,
        declared: &BTreeSet<&str>,
        patterns: &[&str],
        writer: &View<'a>,
        at: &str,
    ) -> Vec<Finding> {
        let mut found = Vec::new();
        for name in property_names(writer) {
            if declared.contains(name) || patterns.iter().any(|pattern| self.matches(pattern, name)) {
                continue;
            }
            let own = self.property(writer, name);
            let of_property = self.cover(rest, &own, &child(at, name));
            found.extend(self.refused(of_property, &child(at, name), rest));
        }
        let mut own = View::default();
        for part in &writer.parts {
            part.node("additionalProperties").into_iter().for_each(|node| own.add(node));
            let is_free = writer.parts.iter().all(|part| !has_choices(*part));
            part.node("unevaluatedProperties").filter(|_| is_free).into_iter().for_each(|node| own.add(node));
        }
        let path = child(at, "*");
        let of_rest = self.cover(rest, &own, &path);
        found.extend(self.refused(of_rest, &path, rest));
        // Names of the writer's patterns are looked at by their own schema alone: sound, if strict.
        let of_patterns = writer.parts.iter().flat_map(|part| part.object("patternProperties"));
        for (pattern, node) in of_patterns.collect::<Vec<_>>() {
            if !patterns.contains(&pattern.as_str()) {
                let path = child(at, &format!("({pattern})"));
                let of_pattern = self.cover(rest, &View::of(node), &path);
                found.extend(self.refused(of_pattern, &path, rest));
            }
        }
        found
    }

    fn refused(&self, found: Vec<Finding>, path: &str, rest: Node<'_>) -> Vec<Finding> {
        if found.is_empty() || rest.value != &Value::Bool(false) {
            return found;
        }
        let why =
            "the reader is closed (additionalProperties false), and does not declare what can be written".to_owned();
        finding(&CLOSED, path, "accepted".to_owned(), "refused".to_owned(), why)
    }

    fn unevaluated<'a>(&mut self, rest: Node<'a>, demands: &View<'a>, writer: &View<'a>, at: &str) -> Vec<Finding> {
        if demands.parts.iter().any(|part| part.map.contains_key("additionalProperties")) {
            return Vec::new();
        }
        let declared = property_names(demands);
        let patterns: Vec<&str> = demands
            .parts
            .iter()
            .flat_map(|part| part.object("patternProperties"))
            .map(|(name, _)| name.as_str())
            .collect();
        let found = self.undeclared(rest, &declared, &patterns, writer, at);
        if found.is_empty() {
            return found;
        }
        let why = format!("properties that the reader does not name can be written ({})", found[0].at);
        let reader = format!("unevaluatedProperties {}", short(rest.value));
        finding(&UNEVALUATED, at, "properties".to_owned(), reader, why)
    }

    fn count<'a>(&mut self, part: Part<'a>, writer: &View<'a>, at: &str) -> Vec<Finding> {
        let mut found = Vec::new();
        let required: BTreeSet<&str> = writer.parts.iter().flat_map(|part| part.names("required")).collect();
        if let Some(wanted) = part.count("minProperties") {
            let own = writer.most("minProperties").unwrap_or(0).max(required.len() as u64);
            if wanted > own {
                let why = "objects with fewer properties can be written".to_owned();
                let (own, wanted) = (format!("minProperties {own}"), format!("minProperties {wanted}"));
                found.extend(finding(&COUNT, at, own, wanted, why));
            }
        }
        if let Some(wanted) = part.count("maxProperties") {
            let closed = self.closed_names(writer).map(|names| names.len() as u64);
            let own = writer.least("maxProperties").into_iter().chain(closed).min();
            if own.is_none_or(|own| own > wanted) {
                let own = own.map_or_else(|| "no maxProperties".to_owned(), |own| format!("maxProperties {own}"));
                let why = "objects with more properties can be written".to_owned();
                found.extend(finding(&COUNT, at, own, format!("maxProperties {wanted}"), why));
            }
        }
        found
    }

    /// All names that an object may have, when they are listed.
    fn closed_names<'a>(&mut self, view: &View<'a>) -> Option<BTreeSet<&'a str>> {
        let closed = view.parts.iter().any(|part| {
            part.map.get("additionalProperties") == Some(&Value::Bool(false))
                && part.object("patternProperties").next().is_none()
        });
        let names = closed.then(|| property_names(view))?;
        Some(names.into_iter().filter(|name| !self.property(view, name).is_never).collect())
    }

    fn names<'a>(&mut self, part: Part<'a>, writer: &View<'a>, at: &str) -> Vec<Finding> {
        let Some(wanted) = part.node("propertyNames") else { return Vec::new() };
        if let (Some(names), Some(validator)) = (self.closed_names(writer), validator(wanted))
            && names.iter().all(|name| validator.is_valid(&json!(name)))
        {
            return Vec::new();
        }
        let mut own = View { only: Some(super::types::TypeSet::STRING), ..View::default() };
        writer.parts.iter().filter_map(|part| part.node("propertyNames")).for_each(|node| own.add(node));
        if self.cover(wanted, &own, at).is_empty() {
            return Vec::new();
        }
        let why = "other names of properties can be written".to_owned();
        finding(&NAMES, at, "other names".to_owned(), format!("propertyNames {}", short(wanted.value)), why)
    }

    fn dependencies<'a>(&mut self, part: Part<'a>, writer: &View<'a>, at: &str) -> Vec<Finding> {
        let mut found = Vec::new();
        for keyword in ["dependencies", "dependentRequired", "dependentSchemas"] {
            for (name, node) in part.object(keyword) {
                if self.property(writer, name).is_never {
                    continue;
                }
                let path = child(at, name);
                match node.value {
                    Value::Array(wanted) => found.extend(together(name, wanted, writer, &path)),
                    _ => found.extend(self.dependent_schema(name, node, writer, &path)),
                }
            }
        }
        found
    }

    fn dependent_schema<'a>(&mut self, name: &str, node: Node<'a>, writer: &View<'a>, at: &str) -> Vec<Finding> {
        let mut own = writer.clone();
        for keyword in ["dependencies", "dependentSchemas"] {
            let same = writer.parts.iter().flat_map(|part| part.object(keyword)).filter(|(other, _)| *other == name);
            same.filter(|(_, node)| !node.value.is_array()).for_each(|(_, node)| own.add(node));
        }
        let found = self.cover(node, &own, at);
        if found.is_empty() {
            return found;
        }
        let why =
            format!("objects with '{name}' that the reader's dependency refuses can be written ({})", found[0].why);
        finding(&DEPENDENCY, at, "free".to_owned(), short(node.value), why)
    }

    /// What a view says of one property.
    pub(super) fn property<'a>(&mut self, view: &View<'a>, name: &str) -> View<'a> {
        let mut property = View::default();
        let mut is_declared = false;
        for part in &view.parts {
            let mut is_named = false;
            if let Some((_, node)) = part.object("properties").find(|(other, _)| *other == name) {
                property.add(node);
                is_named = true;
            }
            for (pattern, node) in part.object("patternProperties") {
                if self.matches(pattern, name) {
                    property.add(node);
                    is_named = true;
                }
            }
            match part.node("additionalProperties").filter(|_| !is_named) {
                Some(node) => {
                    property.add(node);
                    is_declared = true;
                }
                None => is_declared |= is_named,
            }
        }
        if !is_declared && view.parts.iter().all(|part| !has_choices(*part)) {
            view.parts.iter().filter_map(|part| part.node("unevaluatedProperties")).for_each(|node| property.add(node));
        }
        property
    }
}

/// Whether other schemas may name properties too.
fn has_choices(part: Part<'_>) -> bool {
    ["anyOf", "oneOf", "if", "dependentSchemas", "not"].iter().any(|keyword| part.map.contains_key(*keyword))
}

fn property_names<'a>(view: &View<'a>) -> BTreeSet<&'a str> {
    view.parts.iter().flat_map(|part| part.object("properties")).map(|(name, _)| name.as_str()).collect()
}

/// Properties that must come together.
fn together(name: &str, wanted: &[Value], writer: &View<'_>, at: &str) -> Vec<Finding> {
    let own: BTreeSet<&str> = ["dependencies", "dependentRequired"]
        .iter()
        .flat_map(|keyword| writer.parts.iter().flat_map(|part| part.object(keyword)))
        .filter(|(other, _)| *other == name)
        .flat_map(|(_, node)| node.value.as_array().into_iter().flatten().filter_map(Value::as_str))
        .collect();
    let missing: Vec<&str> = wanted
        .iter()
        .filter_map(Value::as_str)
        .filter(|other| !own.contains(other) && !writer.requires(other))
        .collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let why = format!("objects with '{name}' and without {} can be written", missing.join(", "));
    finding(&DEPENDENCY, at, "free".to_owned(), format!("with {}", missing.join(", ")), why)
}

/// The path of a property, as a JSON pointer writes it.
fn child(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}
