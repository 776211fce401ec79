//! What a schema says of one value, with `$ref` and `allOf` taken apart: a conjunction of plain objects.

use super::Definition;
use super::types::TypeSet;
use jsonschema::Draft;
use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap};

/// How many references may follow each other before a definition is taken for a circle.
const REFERENCES_MAX: usize = 64;

/// A definition whose references can be followed.
pub(super) struct Document<'a> {
    pub root: &'a Value,
    pub draft: Draft,
    /// Schemas by their `$id` (or `id`), and by `#` and their `$anchor`.
    ids: HashMap<String, &'a Value>,
}

impl<'a> Document<'a> {
    pub fn new(definition: &'a Definition) -> Self {
        let mut ids = HashMap::new();
        collect_ids(&definition.root, &mut ids);
        Self { root: &definition.root, draft: definition.draft, ids }
    }

    /// Whether keywords beside a `$ref` count.
    fn has_siblings(&self) -> bool {
        matches!(self.draft, Draft::Draft201909 | Draft::Draft202012)
    }

    /// Whether `format` is a demand or a remark.
    pub fn asserts_formats(&self) -> bool {
        !self.has_siblings()
    }

    fn target(&self, reference: &str) -> Option<&'a Value> {
        let (base, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let whole = match base {
            "" => self.root,
            base => self.ids.get(base).or_else(|| self.ids.get(&format!("#{base}"))).copied().or_else(|| {
                // A relative id, as `address.json` of `https://shop/address.json`.
                self.ids.iter().find(|(id, _)| id.ends_with(&format!("/{base}"))).map(|(_, value)| *value)
            })?,
        };
        match fragment {
            "" => Some(whole),
            pointer if pointer.starts_with('/') => whole.pointer(&unescape(pointer)),
            anchor => self.ids.get(&format!("#{anchor}")).copied(),
        }
    }
}

fn collect_ids<'a>(value: &'a Value, ids: &mut HashMap<String, &'a Value>) {
    match value {
        Value::Object(object) => {
            for (key, sign) in [("$id", ""), ("id", ""), ("$anchor", "#"), ("$dynamicAnchor", "#")] {
                if let Some(Value::String(id)) = object.get(key) {
                    ids.insert(format!("{sign}{}", id.trim_end_matches('#')), value);
                }
            }
            object.values().for_each(|value| collect_ids(value, ids));
        }
        Value::Array(values) => values.iter().for_each(|value| collect_ids(value, ids)),
        _ => {}
    }
}

/// Percent signs of a URI's fragment.
fn unescape(pointer: &str) -> String {
    pointer.replace("%25", "%").replace("%22", "\"").replace("%20", " ").replace("%5E", "^")
}

/// A schema in its document.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    pub value: &'a Value,
    pub doc: &'a Document<'a>,
}

impl PartialEq for Node<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.value, other.value)
    }
}

/// An object schema in its document, whose `$ref` and `allOf` are other parts.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub map: &'a Map<String, Value>,
    pub doc: &'a Document<'a>,
}

impl<'a> Part<'a> {
    pub fn node(self, keyword: &str) -> Option<Node<'a>> {
        self.map.get(keyword).map(|value| Node { value, doc: self.doc })
    }

    pub fn nodes(self, keyword: &str) -> Vec<Node<'a>> {
        let values = self.map.get(keyword).and_then(Value::as_array).into_iter().flatten();
        values.map(|value| Node { value, doc: self.doc }).collect()
    }

    pub fn number(self, keyword: &str) -> Option<f64> {
        self.map.get(keyword).and_then(Value::as_f64)
    }

    pub fn count(self, keyword: &str) -> Option<u64> {
        let value = self.map.get(keyword)?;
        // 2.0 is a count too.
        value.as_u64().or_else(|| value.as_f64().filter(|count| *count >= 0.0).map(|count| count as u64))
    }

    pub fn text(self, keyword: &str) -> Option<&'a str> {
        self.map.get(keyword).and_then(Value::as_str)
    }

    pub fn object(self, keyword: &str) -> impl Iterator<Item = (&'a String, Node<'a>)> {
        let doc = self.doc;
        let members = self.map.get(keyword).and_then(Value::as_object).into_iter().flatten();
        members.map(move |(name, value)| (name, Node { value, doc }))
    }

    pub fn names(self, keyword: &str) -> impl Iterator<Item = &'a str> {
        self.map.get(keyword).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// The values that `const` and `enum` leave, or nothing when there is neither.
    pub fn values(self) -> Option<Vec<&'a Value>> {
        let constant = self.map.get("const").filter(|_| !matches!(self.doc.draft, Draft::Draft4));
        constant.map(|value| vec![value]).or_else(|| Some(self.map.get("enum")?.as_array()?.iter().collect()))
    }

    /// The types that `type` leaves.
    pub fn types(self) -> TypeSet {
        match self.map.get("type") {
            Some(Value::String(name)) => TypeSet::named(name),
            Some(Value::Array(_)) => self.names("type").map(TypeSet::named).fold(TypeSet::NONE, TypeSet::or),
            _ => TypeSet::ALL,
        }
    }

    /// The schemas of an array's first items, and that of all others.
    pub fn items(self) -> (Vec<Node<'a>>, Option<Node<'a>>) {
        match self.map.get("items") {
            Some(Value::Array(_)) => (self.nodes("items"), self.node("additionalItems")),
            _ => (self.nodes("prefixItems"), self.node("items")),
        }
    }
}

/// All that must hold of one value.
#[derive(Clone, Default)]
pub(super) struct View<'a> {
    pub parts: Vec<Part<'a>>,
    /// Nothing can hold: there is a `false` among the schemas.
    pub is_never: bool,
    /// Something is said that is not understood, so that nothing can be concluded from what is missing.
    pub is_opaque: bool,
    /// Types that were left when the view was split.
    pub only: Option<TypeSet>,
    /// Choices that were split already.
    pub split: BTreeSet<usize>,
    /// Schemas that do not hold, because another branch of their `oneOf` does.
    pub excluded: Vec<Node<'a>>,
}

impl<'a> View<'a> {
    pub fn of(node: Node<'a>) -> Self {
        let mut view = Self::default();
        view.add(node);
        view
    }

    /// Demands one more schema.
    pub fn add(&mut self, node: Node<'a>) {
        self.expand(node, 0);
    }

    pub fn with(&self, node: Node<'a>) -> Self {
        let mut view = self.clone();
        view.add(node);
        view
    }

    fn expand(&mut self, node: Node<'a>, depth: usize) {
        let Node { value, doc } = node;
        if depth > REFERENCES_MAX {
            self.is_opaque = true;
            return;
        }
        let map = match value {
            Value::Bool(true) => return,
            Value::Object(map) => map,
            _ => {
                self.is_never = true;
                return;
            }
        };
        if self.parts.iter().any(|part| std::ptr::eq(part.map, map)) {
            return;
        }
        let part = Part { map, doc };
        let reference = ["$ref", "$dynamicRef", "$recursiveRef"].iter().find_map(|keyword| part.text(keyword));
        if let Some(reference) = reference {
            match doc.target(reference) {
                Some(value) => self.expand(Node { value, doc }, depth + 1),
                None => self.is_opaque = true,
            }
            if !doc.has_siblings() {
                return;
            }
        }
        self.parts.push(part);
        part.nodes("allOf").into_iter().for_each(|node| self.expand(node, depth + 1));
    }

    /// The types that are left.
    pub fn types(&self) -> TypeSet {
        let mut types = self.only.unwrap_or(TypeSet::ALL);
        for part in &self.parts {
            types = types.and(part.types());
            if let Some(values) = part.values() {
                types = types.and(values.into_iter().map(TypeSet::of).fold(TypeSet::NONE, TypeSet::or));
            }
        }
        types
    }

    /// The values that are left, when they are listed.
    pub fn values(&self) -> Option<Vec<&'a Value>> {
        let mut lists = self.parts.iter().filter_map(|part| part.values());
        let mut values = lists.next()?;
        lists.for_each(|list| values.retain(|value| list.contains(value)));
        let types = self.types();
        values.retain(|value| TypeSet::of(value).and(types) != TypeSet::NONE);
        Some(values)
    }

    /// The largest of the parts' lower bounds.
    pub fn most(&self, keyword: &str) -> Option<u64> {
        self.parts.iter().filter_map(|part| part.count(keyword)).max()
    }

    /// The smallest of the parts' upper bounds.
    pub fn least(&self, keyword: &str) -> Option<u64> {
        self.parts.iter().filter_map(|part| part.count(keyword)).min()
    }

    pub fn requires(&self, name: &str) -> bool {
        self.parts.iter().any(|part| part.names("required").any(|other| other == name))
    }

    /// What must hold of an array's item; `None` is one behind all that are named.
    pub fn item(&self, index: Option<usize>) -> Self {
        let mut view = Self::default();
        for part in &self.parts {
            let (first, rest) = part.items();
            let node = index.and_then(|index| first.get(index).copied()).or(rest);
            node.into_iter().for_each(|node| view.add(node));
        }
        view
    }
}
