//! Between template nodes and plain JSON.

use crate::node::{Key, Node, Place, Value};
use serde_json::{Map, Value as Json};

/// A node as JSON. A call that is still open becomes its long form again.
pub(crate) fn to_json(node: &Node) -> Json {
    match &node.value {
        Value::Null | Value::Absent => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Number(number, _) => Json::Number(number.clone()),
        Value::Text(text) => Json::String(text.clone()),
        Value::List(items) => Json::Array(items.iter().map(to_json).collect()),
        Value::Map(entries) => {
            Json::Object(entries.iter().map(|(key, node)| (key.name.clone(), to_json(node))).collect())
        }
        Value::Call(function, argument) => {
            let mut call = Map::new();
            call.insert(function.clone(), to_json(argument));
            Json::Object(call)
        }
    }
}

/// JSON as a node that stands at `at`.
pub(crate) fn from_json(json: &Json, at: Place) -> Node {
    let value = match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => Value::Number(number.clone(), number.to_string()),
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(items) => Value::List(items.iter().map(|item| from_json(item, at)).collect()),
        Json::Object(members) => {
            let one = |(name, member): (&String, &Json)| (Key { name: name.clone(), at }, from_json(member, at));
            Value::Map(members.iter().map(one).collect())
        }
    };
    Node { value, at }
}
