//! Event patterns: the language in which event source mappings, topics and rules say which events they want.
//!
//! A pattern is a JSON object of the event's shape whose leaves are arrays of what may stand there. Two stages use it, Lambda's
//! `FilterCriteria` and SNS's `FilterPolicy`, hence its place.
//!
//! # Language (Amazon EventBridge, "Comparison operators for use in event patterns")
//! ```text
//! pattern  := { name: node, … }                     every field must hold
//! node     := pattern | [ test, … ]                 one test must hold
//! "$or"    := [ pattern, pattern, … ]               one of at least two patterns must hold
//! test     := string | number | true | false | null
//!           | {"prefix": text} | {"suffix": text}   text := string | {"equals-ignore-case": string}
//!           | {"equals-ignore-case": string} | {"wildcard": string} | {"cidr": string} | {"exists": true | false}
//!           | {"numeric": ["=", n]} | {"numeric": ["<" or "<=", n]} | {"numeric": [">" or ">=", n (, "<" or "<=", n)]}
//!           | {"anything-but": string | number | [string or number, …]
//!                            | {"prefix" or "suffix" or "equals-ignore-case" or "wildcard": string | [string, …]}}
//! ```
//!
//! # What it means
//! - An event's array stands for its elements: one of them has to hold. Fields of one sub-pattern have to hold *in the same
//!   element*.
//! - Numbers are compared as numbers: `300`, `300.0` and `3.0e2` are one value. `"300"` is a text.
//! - `exists` looks at leaves: an absent field, an object and an empty array do not exist, `null` does.
//!   `{"exists": false}` asks the whole event, not the element at hand.
//! - `anything-but` needs a leaf that is something else; an absent field is not.
//! - A `$or` that is not an array of two or more objects which look like patterns is a field of that name, as on AWS.
//! - `{}` matches every event.
//!
//! # Where it is wider than AWS
//! Numbers are not limited to ±5.0e9; `anything-but` takes texts and numbers in one list.

mod error;
mod parse;

pub use error::PatternError;

use serde_json::{Number, Value};
use std::cmp::Ordering;
use std::net::IpAddr;

/// A compiled event pattern. Cheap to ask, made once.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    root: Group,
}

impl Pattern {
    /// Compiles a pattern's JSON text.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let value: Value = serde_json::from_str(text).map_err(|error| PatternError::Json(error.to_string()))?;
        Self::from_json(&value)
    }

    /// Compiles a pattern that has been read already.
    pub fn from_json(value: &Value) -> Result<Self, PatternError> {
        Ok(Self { root: parse::pattern(value)? })
    }

    /// True when the event is one that the pattern asks for.
    pub fn matches(&self, event: &Value) -> bool {
        self.root.holds(Some(event), event)
    }
}

/// One object of a pattern: all its fields hold, and one group of each `$or`.
#[derive(Debug, Clone, Default, PartialEq)]
struct Group {
    fields: Vec<(String, Node)>,
    alternatives: Vec<Vec<Group>>,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Group(Group),
    Leaf(Leaf),
}

/// One array of a pattern: one test holds for one leaf, or nothing is there and that is wanted.
#[derive(Debug, Clone, Default, PartialEq)]
struct Leaf {
    tests: Vec<Test>,
    /// The way from the event's root, when `{"exists": false}` is among the tests.
    absent: Option<Vec<String>>,
}

/// What one leaf of an event is asked.
#[derive(Debug, Clone, PartialEq)]
enum Test {
    Exists,
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    /// The needle is in lower case, as in all that ignore case.
    TextIgnoreCase(String),
    Prefix(String),
    PrefixIgnoreCase(String),
    Suffix(String),
    SuffixIgnoreCase(String),
    Wildcard(Wildcard),
    Range {
        bottom: Option<Bound>,
        top: Option<Bound>,
    },
    Cidr(Cidr),
    AnythingBut(Vec<Test>),
}

#[derive(Debug, Clone, PartialEq)]
struct Bound {
    value: Number,
    inclusive: bool,
}

/// The texts between the asterisks; one piece means that there is no asterisk.
#[derive(Debug, Clone, PartialEq)]
struct Wildcard {
    pieces: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Cidr {
    network: IpAddr,
    mask_bits: u32,
}

impl Group {
    /// `here` is the value at this group's place, `None` where the event has none: what must be absent may still hold.
    fn holds(&self, here: Option<&Value>, event: &Value) -> bool {
        if let Some(Value::Array(items)) = here
            && !items.is_empty()
        {
            return items.iter().any(|item| self.holds(Some(item), event));
        }
        self.fields.iter().all(|(name, node)| node.holds(here.and_then(|value| value.get(name)), event))
            && self.alternatives.iter().all(|groups| groups.iter().any(|group| group.holds(here, event)))
    }
}

impl Node {
    fn holds(&self, here: Option<&Value>, event: &Value) -> bool {
        match self {
            Self::Group(group) => group.holds(here, event),
            Self::Leaf(leaf) => {
                leaf.tests.iter().any(|test| here.is_some_and(|value| any_leaf(value, &|leaf| test.holds(leaf))))
                    || leaf.absent.as_ref().is_some_and(|path| !exists(event, path))
            }
        }
    }
}

impl Test {
    fn holds(&self, leaf: &Value) -> bool {
        match self {
            Self::Exists => true,
            Self::AnythingBut(tests) => !tests.iter().any(|test| test.holds(leaf)),
            Self::Null => leaf.is_null(),
            Self::Bool(wanted) => leaf.as_bool() == Some(*wanted),
            Self::Number(wanted) => {
                leaf.as_number().is_some_and(|number| compare(number, wanted) == Some(Ordering::Equal))
            }
            Self::Range { bottom, top } => leaf.as_number().is_some_and(|number| {
                bottom.as_ref().is_none_or(|bound| bound.allows(number, Ordering::Greater))
                    && top.as_ref().is_none_or(|bound| bound.allows(number, Ordering::Less))
            }),
            _ => leaf.as_str().is_some_and(|text| self.holds_for_text(text)),
        }
    }

    fn holds_for_text(&self, text: &str) -> bool {
        match self {
            Self::Text(wanted) => text == wanted,
            Self::TextIgnoreCase(wanted) => text.to_lowercase() == *wanted,
            Self::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Self::PrefixIgnoreCase(prefix) => text.to_lowercase().starts_with(prefix.as_str()),
            Self::Suffix(suffix) => text.ends_with(suffix.as_str()),
            Self::SuffixIgnoreCase(suffix) => text.to_lowercase().ends_with(suffix.as_str()),
            Self::Wildcard(wildcard) => wildcard.holds(text),
            Self::Cidr(cidr) => text.parse().is_ok_and(|address| cidr.contains(address)),
            _ => false,
        }
    }
}

impl Bound {
    fn allows(&self, number: &Number, side: Ordering) -> bool {
        compare(number, &self.value).is_some_and(|order| order == side || (self.inclusive && order == Ordering::Equal))
    }
}

impl Wildcard {
    fn holds(&self, text: &str) -> bool {
        let [first, between @ .., last] = self.pieces.as_slice() else {
            return self.pieces.first().is_some_and(|only| only == text);
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
        // The leftmost place for each piece leaves the most room for the next ones, so nothing has to be tried twice.
        for piece in between {
            match rest.find(piece.as_str()) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => return false,
            }
        }
        rest.ends_with(last.as_str())
    }
}

impl Cidr {
    fn contains(self, address: IpAddr) -> bool {
        match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let host_bits = u32::BITS - self.mask_bits;
                network.to_bits().checked_shr(host_bits) == address.to_bits().checked_shr(host_bits)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let host_bits = u128::BITS - self.mask_bits;
                network.to_bits().checked_shr(host_bits) == address.to_bits().checked_shr(host_bits)
            }
            _ => false,
        }
    }
}

/// True when `test` holds for the value or, when it is an array, for one of its elements. Objects are no leaves.
fn any_leaf(value: &Value, test: &dyn Fn(&Value) -> bool) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| any_leaf(item, test)),
        Value::Object(_) => false,
        leaf => test(leaf),
    }
}

fn exists(value: &Value, path: &[String]) -> bool {
    match (value, path) {
        (Value::Array(items), _) => items.iter().any(|item| exists(item, path)),
        (leaf, []) => !leaf.is_object(),
        (_, [name, rest @ ..]) => value.get(name).is_some_and(|field| exists(field, rest)),
    }
}

/// Integers are compared exactly, all else as doubles.
fn compare(left: &Number, right: &Number) -> Option<Ordering> {
    match (integer(left), integer(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

fn integer(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}
