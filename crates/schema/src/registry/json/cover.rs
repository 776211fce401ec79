//! Whether all that a writer's schema allows is accepted by a reader's: every demand of the reader must follow from the
//! writer's.
//!
//! The proof is structural and errs on one side alone: what it cannot prove is a finding. A finding names the demand that is
//! new or sharper, and where.

use super::types::TypeSet;
use super::view::{Document, Node, Part, View};
use crate::registry::finding::{Finding, Rule, STEPS_MAX, rules};
use jsonschema::Validator;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};

rules! {
    REFUSED = "json-nothing-accepted",
        new reads: "replace the schema false by one that accepts what was written",
        old reads: "write nothing here: the old version refuses every value";
    TYPE = "json-type-narrowed",
        new reads: "keep the old types in the new version's \"type\"",
        old reads: "write no types that the old version does not list";
    VALUES = "json-values-narrowed",
        new reads: "keep the old values in the new version's enum",
        old reads: "write no values that the old version does not list";
    NUMBER = "json-number-narrowed",
        new reads: "keep the old bounds, or wider ones",
        old reads: "keep the old bounds, or narrower ones";
    STRING = "json-string-narrowed",
        new reads: "keep the old length, pattern and format, or drop them",
        old reads: "keep the old length, pattern and format, or sharpen them";
    CHOICE = "json-alternative-missing",
        new reads: "keep every alternative of the old version in the new one's anyOf or oneOf",
        old reads: "write no alternative that the old version does not have";
    OVERLAP = "json-alternatives-overlap",
        new reads: "make the alternatives exclude each other (a const or a type), or use anyOf",
        old reads: "make sure that what is written fits one of the old version's alternatives only";
    NOT = "json-not-narrowed",
        new reads: "exclude nothing with \"not\" that the old version allowed",
        old reads: "write nothing that the old version excludes with \"not\"";
    CONDITION = "json-condition-narrowed",
        new reads: "make the conditions accept what the old version accepted",
        old reads: "write only what the old version's conditions accept";
    OPAQUE = "json-not-compared",
        new reads: "write the schema without this reference, or keep it as it is",
        old reads: "write the schema without this reference, or keep it as it is";
    EFFORT = "too-involved",
        new reads: "take the schema apart, or use the mode NONE for this step",
        old reads: "take the schema apart, or use the mode NONE for this step";
}

/// How deep attempts may stand in attempts.
const DEPTH_MAX: usize = 96;

/// One comparison, with what is known already.
#[derive(Default)]
pub(super) struct Check {
    /// Pairs that hold, or are being looked at further up, which is as good while nothing else is found.
    seen: HashSet<(usize, Vec<usize>)>,
    order: Vec<(usize, Vec<usize>)>,
    patterns: HashMap<(String, String), bool>,
    depth: usize,
    /// How much was done.
    pub steps: u32,
}

/// What a finding says of both sides.
pub(super) fn finding(rule: &'static Rule, at: &str, writer: String, reader: String, why: String) -> Vec<Finding> {
    let at = if at.is_empty() { "/".to_owned() } else { at.to_owned() };
    vec![Finding { rule, at, writer, reader, why }]
}

impl Check {
    /// What of `reader` does not follow from `writer`.
    pub fn cover<'a>(&mut self, reader: Node<'a>, writer: &View<'a>, at: &str) -> Vec<Finding> {
        self.steps += 1;
        if self.steps > STEPS_MAX || self.depth > DEPTH_MAX {
            let why = "the comparison has become too long".to_owned();
            return finding(&EFFORT, at, "the writer's schema".to_owned(), short(reader.value), why);
        }
        if writer.is_never || writer.types() == TypeSet::NONE || writer.values().is_some_and(|values| values.is_empty())
        {
            return Vec::new();
        }
        let key = key(reader, writer);
        if !self.seen.insert(key.clone()) {
            return Vec::new();
        }
        let mark = self.order.len();
        self.order.push(key);
        self.depth += 1;
        let found = self.demands(reader, writer, at);
        self.depth -= 1;
        if !found.is_empty() {
            for key in self.order.drain(mark..) {
                self.seen.remove(&key);
            }
        }
        found
    }

    fn demands<'a>(&mut self, reader: Node<'a>, writer: &View<'a>, at: &str) -> Vec<Finding> {
        let demands = View::of(reader);
        if demands.is_never {
            let why = "the reader's schema accepts nothing here".to_owned();
            return finding(&REFUSED, at, writer.types().to_string(), "false".to_owned(), why);
        }
        if demands.is_opaque {
            let why = "a reference leads nowhere that is known".to_owned();
            return finding(&OPAQUE, at, "the writer's schema".to_owned(), short(reader.value), why);
        }
        if let Some(found) = self.listed(reader, writer, at) {
            return found;
        }
        let mut found = Vec::new();
        for part in &demands.parts {
            found.extend(self.part(*part, &demands, writer, at));
        }
        found
    }

    /// Values that the writer lists are simply tried.
    fn listed<'a>(&mut self, reader: Node<'a>, writer: &View<'a>, at: &str) -> Option<Vec<Finding>> {
        let values = writer.values()?;
        let validator = validator(reader)?;
        let bad: Vec<&Value> = values.iter().copied().filter(|value| !validator.is_valid(value)).collect();
        if bad.is_empty() {
            return Some(Vec::new());
        }
        let names = list(&bad);
        let why = format!("{names} can be written, and the reader does not accept it");
        let accepts = View::of(reader).values().map_or_else(|| short(reader.value), |values| list(&values));
        Some(finding(&VALUES, at, list(&values), accepts, why))
    }

    /// One object of the reader's conjunction. Where it does not follow as it is, the writer's alternatives are tried one
    /// by one.
    fn part<'a>(&mut self, part: Part<'a>, demands: &View<'a>, writer: &View<'a>, at: &str) -> Vec<Finding> {
        if writer.parts.iter().any(|other| other.map == part.map && !refers(part.map)) {
            return Vec::new();
        }
        let found = self.keywords(part, demands, writer, at);
        if found.is_empty() || self.depth > DEPTH_MAX {
            return found;
        }
        let Some(branches) = self.branches(part, writer) else { return found };
        self.depth += 1;
        let mut split = Vec::new();
        for branch in &branches {
            if branch.is_never || branch.types() == TypeSet::NONE {
                continue;
            }
            self.steps += 1;
            if self.steps > STEPS_MAX {
                split.clone_from(&found);
                break;
            }
            let of_branch = match branch.values() {
                Some(values) if self.all_valid(part, &values) => Vec::new(),
                _ => self.part(part, demands, branch, at),
            };
            split.extend(of_branch);
        }
        self.depth -= 1;
        split.dedup();
        split
    }

    fn all_valid(&self, part: Part<'_>, values: &[&Value]) -> bool {
        let whole = Value::Object(part.map.clone());
        let validator = validator(Node { value: &whole, doc: part.doc });
        validator.is_some_and(|validator| values.iter().all(|value| validator.is_valid(value)))
    }

    /// The writer's alternatives: the branches of its next anyOf or oneOf, or its types where the reader has alternatives.
    fn branches<'a>(&self, part: Part<'a>, writer: &View<'a>) -> Option<Vec<View<'a>>> {
        for choice in &writer.parts {
            for keyword in ["oneOf", "anyOf"] {
                let nodes = choice.nodes(keyword);
                let id = std::ptr::from_ref(choice.map).addr() + usize::from(keyword == "oneOf");
                if nodes.is_empty() || writer.split.contains(&id) {
                    continue;
                }
                let branch = |(index, node): (usize, &Node<'a>)| {
                    let mut view = writer.with(*node);
                    view.split.insert(id);
                    if keyword == "oneOf" {
                        let others = nodes.iter().enumerate().filter(|(other, _)| *other != index);
                        view.excluded.extend(others.map(|(_, node)| *node));
                    }
                    view
                };
                return Some(nodes.iter().enumerate().map(branch).collect());
            }
        }
        let has_choice = ["anyOf", "oneOf"].iter().any(|keyword| part.map.contains_key(*keyword));
        let types = writer.types().each();
        if !has_choice || types.len() < 2 || writer.values().is_some() {
            return None;
        }
        let only = |set: TypeSet| View { only: Some(set), ..writer.clone() };
        Some(types.into_iter().map(only).collect())
    }

    fn keywords<'a>(&mut self, part: Part<'a>, demands: &View<'a>, writer: &View<'a>, at: &str) -> Vec<Finding> {
        let types = writer.types();
        let missing = types.without(part.types());
        let mut found = Vec::new();
        if missing != TypeSet::NONE {
            let why = format!("{missing} can be written, and the reader accepts {}", part.types());
            found.extend(finding(&TYPE, at, types.to_string(), part.types().to_string(), why));
            if !types.has(part.types()) {
                return found;
            }
        }
        if let Some(values) = part.values() {
            let why = "the reader accepts listed values alone, and the writer is not bound to them".to_owned();
            let writes = writer.values().map_or_else(|| types.to_string(), |values| list(&values));
            let within = writer.values().is_some_and(|own| own.iter().all(|value| values.contains(value)));
            if !within {
                found.extend(finding(&VALUES, at, writes, list(&values), why));
            }
        }
        if types.has(TypeSet::NUMBER) {
            found.extend(super::scalars::numbers(part, writer, at));
        }
        if types.has(TypeSet::STRING) {
            found.extend(super::scalars::strings(part, writer, at));
        }
        if types.has(TypeSet::ARRAY) {
            found.extend(self.arrays(part, demands, writer, at));
        }
        if types.has(TypeSet::OBJECT) {
            found.extend(self.objects(part, demands, writer, at));
        }
        found.extend(self.any_of(part, writer, at));
        found.extend(self.one_of(part, writer, at));
        found.extend(self.not(part, writer, at));
        found.extend(self.condition(part, writer, at));
        found
    }

    fn any_of<'a>(&mut self, part: Part<'a>, writer: &View<'a>, at: &str) -> Vec<Finding> {
        let branches = part.nodes("anyOf");
        let mut best: Option<Vec<Finding>> = None;
        for branch in &branches {
            let found = self.cover(*branch, writer, at);
            if found.is_empty() {
                return found;
            }
            if View::of(*branch).types().has(writer.types())
                && best.as_ref().is_none_or(|best| best.len() > found.len())
            {
                best = Some(found);
            }
        }
        self.no_branch(&branches, best, writer, at)
    }

    /// Nothing when there are no branches; what is wrong with the only branch of the type, or that none fits.
    fn no_branch<'a>(
        &mut self,
        branches: &[Node<'a>],
        best: Option<Vec<Finding>>,
        writer: &View<'a>,
        at: &str,
    ) -> Vec<Finding> {
        if branches.is_empty() {
            return Vec::new();
        }
        let alike = branches.iter().filter(|branch| View::of(**branch).types().has(writer.types())).count();
        if let (Some(best), 1) = (best, alike) {
            return best;
        }
        let accepts = list(&branches.iter().map(|branch| branch.value).collect::<Vec<_>>());
        let why = "no alternative of the reader accepts all that can be written here".to_owned();
        finding(&CHOICE, at, describe(writer), accepts, why)
    }

    fn one_of<'a>(&mut self, part: Part<'a>, writer: &View<'a>, at: &str) -> Vec<Finding> {
        let branches = part.nodes("oneOf");
        let mut overlap = None;
        let mut best: Option<Vec<Finding>> = None;
        for (index, branch) in branches.iter().enumerate() {
            let found = self.cover(*branch, writer, at);
            if !found.is_empty() {
                if View::of(*branch).types().has(writer.types()) {
                    best = Some(found);
                }
                continue;
            }
            let others = branches.iter().enumerate().filter(|(other, _)| *other != index);
            match others.map(|(_, other)| *other).find(|other| !self.is_disjoint(writer, *other)) {
                None => return Vec::new(),
                Some(other) => overlap = Some((*branch, other)),
            }
        }
        let Some((branch, other)) = overlap else { return self.no_branch(&branches, best, writer, at) };
        let accepts = format!("oneOf with {} and {}", short(branch.value), short(other.value));
        let why = "what is written may fit two alternatives of the reader, of which exactly one must fit".to_owned();
        finding(&OVERLAP, at, describe(writer), accepts, why)
    }

    fn not<'a>(&mut self, part: Part<'a>, writer: &View<'a>, at: &str) -> Vec<Finding> {
        let Some(not) = part.node("not") else { return Vec::new() };
        if self.is_disjoint(writer, not) {
            return Vec::new();
        }
        let why = "what the reader excludes can be written".to_owned();
        finding(&NOT, at, describe(writer), format!("not {}", short(not.value)), why)
    }

    fn condition<'a>(&mut self, part: Part<'a>, writer: &View<'a>, at: &str) -> Vec<Finding> {
        let Some(test) = part.node("if") else { return Vec::new() };
        let (then, other) = (part.node("then"), part.node("else"));
        let own = writer.parts.iter().find(|own| own.map.get("if") == Some(test.value) && !refers_value(test.value));
        let (mut if_true, mut if_false) = (writer.with(test), writer.clone());
        if let Some(own) = own {
            own.node("then").into_iter().for_each(|node| if_true.add(node));
            own.node("else").into_iter().for_each(|node| if_false.add(node));
        }
        let mut found = then.map(|then| self.cover(then, &if_true, at)).unwrap_or_default();
        if let Some(other) = other
            && !self.cover(test, writer, at).is_empty()
        {
            found.extend(self.cover(other, &if_false, at));
        }
        if found.is_empty() {
            return found;
        }
        let why = format!("a condition of the reader's may refuse what is written ({})", found[0].why);
        finding(&CONDITION, at, describe(writer), format!("if {}", short(test.value)), why)
    }

    /// Whether no value is accepted by both. `false` when that is not proved.
    pub fn is_disjoint<'a>(&mut self, left: &View<'a>, right: Node<'a>) -> bool {
        self.steps += 1;
        if self.steps > STEPS_MAX || self.depth > DEPTH_MAX {
            return false;
        }
        self.depth += 1;
        let is_disjoint = self.are_apart(left, right);
        self.depth -= 1;
        is_disjoint
    }

    fn are_apart<'a>(&mut self, left: &View<'a>, right: Node<'a>) -> bool {
        let view = View::of(right);
        if view.is_never || left.is_never || !left.types().has(view.types()) {
            return true;
        }
        if let (Some(values), Some(validator)) = (left.values(), validator(right))
            && !values.iter().any(|value| validator.is_valid(value))
        {
            return true;
        }
        // What another branch of a oneOf excludes, or a `not`, and what is within that.
        let nots = left.parts.iter().filter_map(|part| part.node("not"));
        let excluded: Vec<Node<'a>> = left.excluded.iter().copied().chain(nots).collect();
        if excluded.into_iter().any(|node| self.cover(node, &view, "").is_empty()) {
            return true;
        }
        let types = left.types().and(view.types());
        if types.is_within(TypeSet::NUMBER) && super::scalars::ranges_apart(left, &view) {
            return true;
        }
        if types.is_within(TypeSet::OBJECT) && self.properties_apart(left, &view) {
            return true;
        }
        ["anyOf", "oneOf"].iter().any(|keyword| {
            let of_right = view.parts.iter().map(|part| part.nodes(keyword)).find(|nodes| !nodes.is_empty());
            of_right.is_some_and(|nodes| nodes.into_iter().all(|node| self.is_disjoint(left, node)))
        })
    }

    /// A property that one side demands, and whose schemas exclude each other.
    fn properties_apart<'a>(&mut self, left: &View<'a>, right: &View<'a>) -> bool {
        let required = left.parts.iter().chain(&right.parts).flat_map(|part| part.names("required"));
        let names: HashSet<&str> = required.collect();
        names.into_iter().any(|name| {
            let (own, other) = (self.property(left, name), self.property(right, name));
            if own.is_never || other.is_never || !own.types().has(other.types()) {
                return true;
            }
            match (own.values(), other.values()) {
                (Some(own), Some(other)) => !own.iter().any(|value| other.contains(value)),
                _ => false,
            }
        })
    }

    /// Whether a pattern of the definition's matches a text.
    pub fn matches(&mut self, pattern: &str, text: &str) -> bool {
        let key = (pattern.to_owned(), text.to_owned());
        let matches = || jsonschema::is_valid(&json!({ "pattern": pattern }), &json!(text));
        *self.patterns.entry(key).or_insert_with(matches)
    }
}

fn key(reader: Node<'_>, writer: &View<'_>) -> (usize, Vec<usize>) {
    let mut parts: Vec<usize> = writer.parts.iter().map(|part| std::ptr::from_ref(part.map).addr()).collect();
    parts.extend(writer.split.iter().map(|id| id.wrapping_mul(31)));
    parts.sort_unstable();
    parts.extend(writer.only.map(|only| only.bits()));
    (std::ptr::from_ref(reader.value).addr(), parts)
}

/// A validator of one schema inside of a document.
pub(super) fn validator(node: Node<'_>) -> Option<Validator> {
    let Document { root, draft, .. } = node.doc;
    let mut schema = node.value.clone();
    if let (Value::Object(schema), Value::Object(root)) = (&mut schema, root) {
        for shared in ["$defs", "definitions"] {
            if let Some(definitions) = root.get(shared) {
                schema.entry(shared).or_insert_with(|| definitions.clone());
            }
        }
        // A reference to the whole document would now mean this part of it.
        if !std::ptr::eq(node.value, node.doc.root) && refers_elsewhere(&Value::Object(schema.clone())) {
            return None;
        }
    }
    jsonschema::options().with_draft(*draft).offline().build(&schema).ok()
}

/// Whether there are references that do not lead into the shared definitions.
fn refers_elsewhere(value: &Value) -> bool {
    match value {
        Value::Object(object) => object.iter().any(|(key, value)| match value {
            Value::String(target) if key.ends_with("ef") && key.starts_with('$') => {
                !target.starts_with("#/$defs/") && !target.starts_with("#/definitions/")
            }
            _ => refers_elsewhere(value),
        }),
        Value::Array(values) => values.iter().any(refers_elsewhere),
        _ => false,
    }
}

pub(super) fn refers(map: &Map<String, Value>) -> bool {
    map.iter().any(|(key, value)| key.starts_with("$") && key.ends_with("ef") || refers_value(value))
}

pub(super) fn refers_value(value: &Value) -> bool {
    match value {
        Value::Object(object) => refers(object),
        Value::Array(values) => values.iter().any(refers_value),
        _ => false,
    }
}

/// A schema in a few words.
pub(super) fn short(value: &Value) -> String {
    /// Long enough for a type with its bounds.
    const CHARS_MAX: usize = 80;
    let text = value.to_string();
    if text.chars().count() <= CHARS_MAX {
        return text;
    }
    let start: String = text.chars().take(CHARS_MAX).collect();
    format!("{start}…")
}

pub(super) fn list(values: &[&Value]) -> String {
    /// More than people read in one line.
    const VALUES_MAX: usize = 8;
    let mut names: Vec<String> = values.iter().take(VALUES_MAX).map(|value| short(value)).collect();
    if values.len() > VALUES_MAX {
        names.push(format!("and {} more", values.len() - VALUES_MAX));
    }
    names.join(", ")
}

pub(super) fn describe(view: &View<'_>) -> String {
    match view.parts.as_slice() {
        [part] => short(&Value::Object(part.map.clone())),
        _ => view.types().to_string(),
    }
}
