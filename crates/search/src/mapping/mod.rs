//! Mappings: what each field of an index is.
//!
//! Fields are kept flat, by their dotted path; objects are the prefixes of paths. A mapping only ever grows: by an explicit
//! mapping, or by the first document that has a field ([`Document`]).

mod document;
mod explicit;
mod read;
mod values;

pub use document::Document;
pub use values::{FieldValue, Iter, Number, Values};

use crate::date::DateFormat;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// Strings longer than this are not kept as `.keyword` of a dynamically mapped text (as OpenSearch does).
const DYNAMIC_IGNORE_ABOVE: usize = 256;
/// OpenSearch's `index.mapping.total_fields.limit`.
const FIELDS_MAX: usize = 1000;

/// The type of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Analyzed text.
    Text,
    /// A whole string.
    Keyword,
    /// 64 bits, signed.
    Long,
    /// 32 bits, signed.
    Integer,
    /// 16 bits, signed.
    Short,
    /// 8 bits, signed.
    Byte,
    /// A double.
    Double,
    /// A float; kept as the double nearest to it.
    Float,
    /// True or false.
    Boolean,
    /// Milliseconds since 1970.
    Date(DateFormat),
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its type.
    pub kind: Kind,
    /// Keyword: longer strings are not indexed (characters).
    pub ignore_above: Option<usize>,
    /// Multi-fields: the same value, indexed another way.
    pub subfields: BTreeMap<String, Field>,
}

/// What to do with a field that the mapping does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dynamic {
    /// Map it.
    #[default]
    True,
    /// Keep it in `_source` only.
    False,
    /// Refuse the document.
    Strict,
}

/// All fields of an index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mappings {
    /// What to do with unknown fields.
    pub dynamic: Dynamic,
    fields: BTreeMap<String, Field>,
    /// Objects that were declared without properties.
    objects: BTreeSet<String>,
}

impl Kind {
    /// OpenSearch's name of the type.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Keyword => "keyword",
            Self::Long => "long",
            Self::Integer => "integer",
            Self::Short => "short",
            Self::Byte => "byte",
            Self::Double => "double",
            Self::Float => "float",
            Self::Boolean => "boolean",
            Self::Date(_) => "date",
        }
    }

    /// True for whole numbers.
    pub fn is_integral(&self) -> bool {
        matches!(self, Self::Long | Self::Integer | Self::Short | Self::Byte)
    }

    /// True when values lie in the column of strings.
    pub fn is_keyword(&self) -> bool {
        matches!(self, Self::Keyword)
    }
}

impl Field {
    /// A field of a type, with nothing else said.
    pub fn of(kind: Kind) -> Self {
        Self { kind, ignore_above: None, subfields: BTreeMap::new() }
    }

    /// What a string becomes by default: text, and a keyword beside it.
    fn dynamic_text() -> Self {
        let keyword = Self { ignore_above: Some(DYNAMIC_IGNORE_ABOVE), ..Self::of(Kind::Keyword) };
        Self { subfields: BTreeMap::from([("keyword".to_owned(), keyword)]), ..Self::of(Kind::Text) }
    }

    fn to_json(&self) -> Value {
        let mut out = json!({"type": self.kind.name()});
        if let Kind::Date(format) = &self.kind
            && !format.is_default()
        {
            out["format"] = json!(format.as_str());
        }
        if let Some(limit) = self.ignore_above {
            out["ignore_above"] = json!(limit);
        }
        if !self.subfields.is_empty() {
            out["fields"] = self.subfields.iter().map(|(name, field)| (name.clone(), field.to_json())).collect();
        }
        out
    }
}

impl Mappings {
    /// The field of a path, multi-fields included.
    pub fn field(&self, path: &str) -> Option<&Field> {
        self.fields.get(path).or_else(|| {
            let (parent, name) = path.rsplit_once('.')?;
            self.fields.get(parent)?.subfields.get(name)
        })
    }

    /// Every field with its path, multi-fields included, in order of path.
    pub fn all(&self) -> impl Iterator<Item = (String, &Field)> {
        self.fields.iter().flat_map(|(path, field)| {
            let subfields = field.subfields.iter().map(move |(name, sub)| (format!("{path}.{name}"), sub));
            std::iter::once((path.clone(), field)).chain(subfields)
        })
    }

    /// True when the path is an object: something lies below it.
    pub fn is_object(&self, path: &str) -> bool {
        self.objects.contains(path) || lies_below(&self.fields, path)
    }

    /// True when a path or a part of it is a field with a value, so that nothing can lie below it.
    fn has_leaf_above(&self, path: &str) -> Option<String> {
        path.match_indices('.')
            .map(|(at, _)| &path[..at])
            .find(|above| self.fields.contains_key(*above))
            .map(str::to_owned)
    }

    /// The mapping as `GET _mapping` shows it.
    pub fn to_json(&self) -> Value {
        let mut root = Map::new();
        match self.dynamic {
            Dynamic::True => {}
            Dynamic::False => drop(root.insert("dynamic".to_owned(), json!("false"))),
            Dynamic::Strict => drop(root.insert("dynamic".to_owned(), json!("strict"))),
        }
        for path in &self.objects {
            let object = place(&mut root, path);
            object.entry("type").or_insert_with(|| json!("object"));
        }
        for (path, field) in &self.fields {
            let slot = place(&mut root, path);
            if let Value::Object(map) = field.to_json() {
                slot.extend(map);
            }
        }
        Value::Object(root)
    }
}

/// Whether any field lies below a path.
fn lies_below(fields: &BTreeMap<String, Field>, path: &str) -> bool {
    let behind = fields.range::<str, _>((Bound::Excluded(path), Bound::Unbounded));
    let mut rests = behind.map_while(|(known, _)| known.strip_prefix(path));
    rests.any(|rest| rest.starts_with('.'))
}

/// The map that stands for a path, made on the way.
fn place<'a>(root: &'a mut Map<String, Value>, path: &str) -> &'a mut Map<String, Value> {
    let mut map = root;
    for part in path.split('.') {
        let properties = child(map, "properties");
        map = child(properties, part);
    }
    map
}

fn child<'a>(map: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let slot = map.entry(key).or_insert_with(|| json!({}));
    if !slot.is_object() {
        *slot = json!({});
    }
    slot.as_object_mut().expect("it was just made an object")
}
