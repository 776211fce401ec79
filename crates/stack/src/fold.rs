//! Folding: replaces every intrinsic function by its value, as far as values are known.
//!
//! It runs twice. When a template is bound, parameters, pseudo parameters, mappings and conditions are known and
//! references to resources stay as calls. When a resource's turn comes, what it refers to exists and nothing stays.

use crate::bind::StackName;
use crate::error::Problems;
use crate::error::hint;
use crate::json::from_json;
use crate::node::{Key, Node, Place, Value};
use crate::schema;
use crate::sub::{Piece, pieces};
use std::collections::BTreeMap;

/// What references to a resource that exists resolve to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    pub(crate) physical_id: String,
    pub(crate) attributes: BTreeMap<String, serde_json::Value>,
}

/// The resources that exist, by logical id.
pub(crate) type KnownMap = BTreeMap<String, Known>;

/// What the names in a template mean.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) stack: StackName,
    pub(crate) parameters: BTreeMap<String, Node>,
    pub(crate) mappings: Option<Node>,
    pub(crate) condition_nodes: Vec<(Key, Node)>,
    pub(crate) conditions: BTreeMap<String, bool>,
    /// Every declared resource and its type, also those that a condition leaves out.
    pub(crate) resource_types: BTreeMap<String, String>,
    /// The resources that a condition leaves out, and that condition.
    pub(crate) left_out: BTreeMap<String, String>,
}

const FUNCTIONS: [&str; 9] =
    ["Ref", "Fn::GetAtt", "Fn::Sub", "Fn::Join", "Fn::Select", "Fn::Split", "Fn::Base64", "Fn::FindInMap", "Fn::If"];

const PSEUDO: [&str; 7] = [
    "AWS::AccountId",
    "AWS::NoValue",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
];

/// One folding of one member: where it stands in the template, what exists, and what went wrong.
struct Folding<'a> {
    scene: &'a Scene,
    path: &'a str,
    known: &'a KnownMap,
    problems: &'a mut Problems,
}

impl Scene {
    /// Folds `node`. `path` is its path for messages.
    pub(crate) fn fold(&self, node: &Node, path: &str, known: &KnownMap, problems: &mut Problems) -> Node {
        Folding { scene: self, path, known, problems }.fold(node)
    }

    fn pseudo(&self, name: &str) -> Option<String> {
        Some(match name {
            "AWS::AccountId" => self.stack.scope.account.to_string(),
            "AWS::Partition" => "aws".to_owned(),
            "AWS::Region" => self.stack.scope.region.to_string(),
            "AWS::StackId" => self.stack.id.clone(),
            "AWS::StackName" => self.stack.name.clone(),
            "AWS::URLSuffix" => "amazonaws.com".to_owned(),
            _ => return None,
        })
    }
}

impl Folding<'_> {
    fn add(&mut self, at: Place, message: impl Into<String>) {
        self.problems.add(at, self.path, message);
    }

    fn below(&mut self, member: &str, node: &Node) -> Node {
        let path = format!("{}.{member}", self.path);
        Folding { scene: self.scene, path: &path, known: self.known, problems: self.problems }.fold(node)
    }

    fn fold(&mut self, node: &Node) -> Node {
        let value = match &node.value {
            Value::Call(function, argument) => return self.call(function, argument, node.at),
            Value::List(items) => {
                let folded = items.iter().enumerate().map(|(index, item)| self.below(&index.to_string(), item));
                Value::List(folded.filter(|item| item.value != Value::Absent).collect())
            }
            Value::Map(entries) => {
                let folded = entries.iter().map(|(key, member)| (key.clone(), self.below(&key.name, member)));
                Value::Map(folded.filter(|(_, member)| member.value != Value::Absent).collect())
            }
            Value::Text(text) if text.contains("{{resolve:") => {
                self.add(node.at, "dynamic references ({{resolve:…}}) are not supported yet");
                return node.clone();
            }
            Value::Null => {
                self.add(node.at, "has no value: give one, or remove it");
                return node.clone();
            }
            other => other.clone(),
        };
        Node { value, at: node.at }
    }

    fn call(&mut self, function: &str, argument: &Node, at: Place) -> Node {
        match function {
            "Ref" => self.reference(argument, at),
            "Fn::GetAtt" => self.get_att(argument, at),
            "Fn::Sub" => self.sub(argument, at),
            "Fn::Join" => self.join(argument, at),
            "Fn::Select" => self.select(argument, at),
            "Fn::Split" => self.split(argument, at),
            "Fn::Base64" => self.base64(argument, at),
            "Fn::FindInMap" => self.find_in_map(argument, at),
            "Fn::If" => self.branch(argument, at),
            "Condition" => self.wrong(at, "!Condition stands only inside Conditions"),
            other => {
                let message = match other {
                    "Fn::ImportValue" | "Fn::GetAZs" | "Fn::Cidr" | "Fn::Transform" | "Fn::Length"
                    | "Fn::ToJsonString" | "Fn::ForEach" => format!("{other} is not supported yet"),
                    _ => format!("there is no function {other}{}", hint(other, FUNCTIONS)),
                };
                self.wrong(at, message)
            }
        }
    }

    /// Records a problem and stands in for the value that is not there.
    fn wrong(&mut self, at: Place, message: impl Into<String>) -> Node {
        self.add(at, message);
        // Null passes every check that follows, so that one mistake is told once.
        Node { value: Value::Null, at }
    }

    fn reference(&mut self, argument: &Node, at: Place) -> Node {
        let Some(name) = argument.as_text() else {
            return self.wrong(at, format!("Ref takes a name, not {}", argument.kind()));
        };
        self.name(name, at)
    }

    /// What `Ref` makes of a name.
    fn name(&mut self, name: &str, at: Place) -> Node {
        if name == "AWS::NoValue" {
            return Node { value: Value::Absent, at };
        }
        if let Some(text) = self.scene.pseudo(name) {
            return Node::text(text, at);
        }
        if let Some(parameter) = self.scene.parameters.get(name) {
            return Node { value: parameter.value.clone(), at };
        }
        if let Some(known) = self.known.get(name) {
            return Node::text(&known.physical_id, at);
        }
        if self.exists(name, at) {
            return Node { value: Value::Call("Ref".to_owned(), Box::new(Node::text(name, at))), at };
        }
        Node { value: Value::Null, at }
    }

    /// Whether a resource of that name is part of the stack; says so when not.
    fn exists(&mut self, name: &str, at: Place) -> bool {
        if let Some(condition) = self.scene.left_out.get(name) {
            self.add(at, format!("'{name}' is left out because its condition {condition} is false"));
            return false;
        }
        if self.scene.resource_types.contains_key(name) {
            return true;
        }
        let message = if name.starts_with("AWS::") {
            format!("there is no pseudo parameter '{name}'{}", hint(name, PSEUDO))
        } else {
            let names = self.scene.resource_types.keys().chain(self.scene.parameters.keys()).map(String::as_str);
            format!("there is no resource or parameter '{name}'{}", hint(name, names))
        };
        self.add(at, message);
        false
    }

    fn get_att(&mut self, argument: &Node, at: Place) -> Node {
        let parts = argument.items();
        let [resource, attribute] = parts else {
            return self.wrong(at, "Fn::GetAtt takes a resource and an attribute, for example !GetAtt Lake.Arn");
        };
        let attribute = self.fold(attribute);
        match (resource.as_text(), attribute.as_text()) {
            (Some(resource), Some(attribute)) => self.attribute(resource, attribute, at),
            _ => self.wrong(at, "Fn::GetAtt takes the names of a resource and of an attribute"),
        }
    }

    fn attribute(&mut self, resource: &str, attribute: &str, at: Place) -> Node {
        if let Some(known) = self.known.get(resource) {
            return match known.attributes.get(attribute) {
                Some(value) => from_json(value, at),
                None => self.wrong(at, format!("the attribute {resource}.{attribute} is not supported yet")),
            };
        }
        if !self.exists(resource, at) {
            return Node { value: Value::Null, at };
        }
        let type_name = self.scene.resource_types.get(resource).map(String::as_str).unwrap_or_default();
        if let Some(attributes) = schema::attributes(type_name)
            && !attributes.iter().any(|known| known == attribute)
        {
            let names = attributes.iter().map(String::as_str);
            let message = match attributes.is_empty() {
                true => format!("{type_name} has no attributes; !Ref {resource} gives its name"),
                false => format!("{type_name} has no attribute '{attribute}'{}", hint(attribute, names)),
            };
            return self.wrong(at, message);
        }
        let parts = vec![Node::text(resource, at), Node::text(attribute, at)];
        Node { value: Value::Call("Fn::GetAtt".to_owned(), Box::new(Node { value: Value::List(parts), at })), at }
    }

    fn sub(&mut self, argument: &Node, at: Place) -> Node {
        let (text, variables) = match (&argument.value, argument.items()) {
            (Value::Text(text), _) => (text.as_str(), None),
            (Value::List(_), [text, variables]) if text.as_text().is_some() => {
                (text.as_text().unwrap_or_default(), Some(variables))
            }
            _ => return self.wrong(at, "Fn::Sub takes a text, or a list of a text and a mapping of names"),
        };
        let pieces = match pieces(text) {
            Ok(pieces) => pieces,
            Err(message) => return self.wrong(at, message),
        };
        let variables = variables.map(|variables| self.fold(variables));
        // `done` is the result when nothing stays open, `rest` the text with what is known put in when something does.
        let (mut done, mut rest) = (String::new(), String::new());
        let mut open = false;
        for piece in pieces {
            let (name, value) = match piece {
                Piece::Literal(literal) => {
                    rest.push_str(&literal.replace("${", "${!"));
                    done.push_str(&literal);
                    continue;
                }
                Piece::Name(name) => (name.clone(), self.substitute(&name, variables.as_ref(), at)),
            };
            match (value.scalar_text(), &value.value) {
                (Some(text), _) => {
                    rest.push_str(&text.replace("${", "${!"));
                    done.push_str(&text);
                }
                (None, Value::Call(..)) => {
                    rest.push_str(&format!("${{{name}}}"));
                    open = true;
                }
                (None, Value::Absent | Value::Null) => {}
                (None, _) => self.add(at, format!("{} cannot be put into a text", value.kind())),
            }
        }
        if !open {
            return Node::text(done, at);
        }
        let text = Node::text(rest, argument.at);
        let argument = match variables {
            Some(variables) => Node { value: Value::List(vec![text, variables]), at: argument.at },
            None => text,
        };
        Node { value: Value::Call("Fn::Sub".to_owned(), Box::new(argument)), at }
    }

    fn substitute(&mut self, name: &str, variables: Option<&Node>, at: Place) -> Node {
        if let Some(variable) = variables.and_then(|variables| variables.get(name)) {
            return self.fold(variable);
        }
        match name.split_once('.') {
            Some((resource, attribute)) => self.attribute(resource, attribute, at),
            None => self.name(name, at),
        }
    }

    fn join(&mut self, argument: &Node, at: Place) -> Node {
        let [delimiter, list] = argument.items() else {
            return self.wrong(at, "Fn::Join takes a delimiter and a list");
        };
        let (delimiter, list) = (self.fold(delimiter), self.fold(list));
        let Some(delimiter_text) = delimiter.as_text() else {
            return self.wrong(at, "Fn::Join takes a text as its delimiter");
        };
        let is_open = |node: &Node| matches!(node.value, Value::Call(..));
        if is_open(&list) || list.items().iter().any(is_open) {
            return again("Fn::Join", vec![delimiter, list], at);
        }
        if list.value == Value::Null || list.items().iter().any(|item| item.value == Value::Null) {
            return Node { value: Value::Null, at };
        }
        let texts: Option<Vec<String>> = list.items().iter().map(Node::scalar_text).collect();
        match (&list.value, texts) {
            (Value::List(_), Some(texts)) => Node::text(texts.join(delimiter_text), at),
            _ => self.wrong(at, "Fn::Join takes a list of texts"),
        }
    }

    fn select(&mut self, argument: &Node, at: Place) -> Node {
        let [index, list] = argument.items() else {
            return self.wrong(at, "Fn::Select takes an index and a list");
        };
        let (index, list) = (self.fold(index), self.fold(list));
        let number = index.scalar_text().and_then(|text| text.parse::<usize>().ok());
        match (number, &list.value) {
            (None, _) => self.wrong(at, "Fn::Select takes an index from 0 on"),
            (_, Value::Call(..)) => again("Fn::Select", vec![index, list], at),
            (Some(number), Value::List(items)) => match items.get(number) {
                Some(item) => item.clone(),
                None => self.wrong(at, format!("Fn::Select asks for index {number} of a list of {}", items.len())),
            },
            _ => self.wrong(at, format!("Fn::Select takes a list, not {}", list.kind())),
        }
    }

    fn split(&mut self, argument: &Node, at: Place) -> Node {
        let [delimiter, text] = argument.items() else {
            return self.wrong(at, "Fn::Split takes a delimiter and a text");
        };
        let (delimiter, text) = (self.fold(delimiter), self.fold(text));
        if matches!(text.value, Value::Call(..)) {
            return again("Fn::Split", vec![delimiter, text], at);
        }
        match (delimiter.as_text().filter(|delimiter| !delimiter.is_empty()), text.scalar_text()) {
            (Some(delimiter), Some(text)) => {
                let parts = text.split(delimiter).map(|part| Node::text(part, at)).collect();
                Node { value: Value::List(parts), at }
            }
            _ => self.wrong(at, "Fn::Split takes a delimiter and a text"),
        }
    }

    fn base64(&mut self, argument: &Node, at: Place) -> Node {
        let text = self.fold(argument);
        match (&text.value, text.scalar_text()) {
            (_, Some(text)) => Node::text(base64(text.as_bytes()), at),
            (Value::Call(..), _) => Node { value: Value::Call("Fn::Base64".to_owned(), Box::new(text)), at },
            _ => self.wrong(at, "Fn::Base64 takes a text"),
        }
    }

    fn find_in_map(&mut self, argument: &Node, at: Place) -> Node {
        let [map, top, second] = argument.items() else {
            return self.wrong(at, "Fn::FindInMap takes a mapping's name, a key and a second key");
        };
        let keys = [self.fold(map), self.fold(top), self.fold(second)];
        let mut node = self.scene.mappings.clone();
        for (depth, key) in keys.iter().enumerate() {
            let Some(name) = key.scalar_text() else {
                return self.wrong(at, "Fn::FindInMap takes names that do not depend on resources");
            };
            let above = node.unwrap_or(Node { value: Value::Map(Vec::new()), at });
            node = above.get(&name).cloned();
            if node.is_none() {
                let what = ["mapping", "key", "second key"][depth];
                let known = above.entries().iter().map(|(key, _)| key.name.as_str());
                return self.wrong(at, format!("Fn::FindInMap finds no {what} '{name}'{}", hint(&name, known)));
            }
        }
        let mut found = node.unwrap_or(Node { value: Value::Absent, at });
        found.at = at;
        found
    }

    fn branch(&mut self, argument: &Node, at: Place) -> Node {
        let [condition, yes, no] = argument.items() else {
            return self.wrong(at, "Fn::If takes a condition's name and two values");
        };
        let name = condition.as_text().unwrap_or_default();
        match self.scene.conditions.get(name) {
            Some(true) => self.fold(yes),
            Some(false) => self.fold(no),
            None => {
                let known = self.scene.conditions.keys().map(String::as_str);
                self.wrong(condition.at, format!("there is no condition '{name}'{}", hint(name, known)))
            }
        }
    }
}

/// A call that waits for a resource.
fn again(function: &str, parts: Vec<Node>, at: Place) -> Node {
    Node { value: Value::Call(function.to_owned(), Box::new(Node { value: Value::List(parts), at })), at }
}

/// RFC 4648 with padding; here because templates are the only place of this crate that need it.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * index) & 63) as usize];
            text.push(if index <= chunk.len() { letter as char } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn base64_pads() {
        assert_eq!(super::base64(b"M"), "TQ==");
        assert_eq!(super::base64(b"Ma"), "TWE=");
        assert_eq!(super::base64(b"Man"), "TWFu");
    }
}
