//! The tree of a template, in which every node knows its line and column.

use serde_json::Number;
use std::fmt;

/// A place in a template's text. Both count from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it begins.
    pub at: Place,
}

/// What a node can be.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number and its own spelling, so that `1.10` given for a text stays `1.10`.
    Number(Number, String),
    /// A text.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the text.
    Map(Vec<(Key, Node)>),
    /// An intrinsic function by its long name (`Ref`, `Fn::Sub`, …) and its argument.
    Call(String, Box<Node>),
    /// What `AWS::NoValue` stands for: the member that holds it is left out.
    Absent,
}

/// A mapping's key and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key.
    pub name: String,
    /// Where it begins.
    pub at: Place,
}

impl Node {
    /// A text at a place.
    pub fn text(text: impl Into<String>, at: Place) -> Self {
        Self { value: Value::Text(text.into()), at }
    }

    /// The member of a mapping under `name`.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entries().iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    /// The members of a mapping; none when this is not a mapping.
    pub fn entries(&self) -> &[(Key, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The elements of a sequence; none when this is not a sequence.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The text of a text node.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A scalar as CloudFormation would put it into a text: numbers as spelled, booleans in lower case.
    pub fn scalar_text(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) | Value::Number(_, text) => Some(text.clone()),
            Value::Bool(value) => Some(value.to_string()),
            _ => None,
        }
    }

    /// What kind of value this is, for messages: "a text", "a mapping", ….
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(..) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
            Value::Call(..) => "a function",
            Value::Absent => "nothing",
        }
    }

    /// The node at a path of members and indices, or the nearest node above it that exists.
    pub fn nearest_to(&self, path: &str) -> &Node {
        let mut node = self;
        for part in path.split('.').filter(|part| !part.is_empty()) {
            let next = match part.parse::<usize>() {
                Ok(index) => node.items().get(index),
                Err(_) => node.get(part),
            };
            match next {
                Some(found) => node = found,
                None => break,
            }
        }
        node
    }
}
