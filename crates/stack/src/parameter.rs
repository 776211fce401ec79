//! Template parameters: their declaration, and the checking of the values that are given for them.

use crate::error::Problems;
use crate::error::hint;
use crate::node::{Key, Node, Place, Value};
use regex::Regex;
use std::collections::BTreeMap;

const MEMBERS: [&str; 11] = [
    "Type",
    "Default",
    "Description",
    "AllowedValues",
    "AllowedPattern",
    "ConstraintDescription",
    "MinLength",
    "MaxLength",
    "MinValue",
    "MaxValue",
    "NoEcho",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    TextList,
    NumberList,
}

/// A declared parameter.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) at: Place,
    pub(crate) no_echo: bool,
    kind: Kind,
    default: Option<String>,
    allowed_values: Vec<String>,
    allowed_pattern: Option<Regex>,
    constraint: Option<String>,
    length: (Option<f64>, Option<f64>),
    value: (Option<f64>, Option<f64>),
}

impl Parameter {
    /// Reads one member of `Parameters`.
    pub(crate) fn read(key: &Key, node: &Node, problems: &mut Problems) -> Self {
        let path = format!("Parameters.{}", key.name);
        for (member, _) in node.entries() {
            let name = member.name.as_str();
            if !MEMBERS.contains(&name) {
                problems.add(member.at, &path, format!("a parameter has no member '{name}'{}", hint(name, MEMBERS)));
            }
        }
        let text = |name: &str| node.get(name).and_then(Node::scalar_text);
        let mut number = |name: &str| {
            let given = node.get(name)?;
            let number = given.scalar_text().and_then(|text| text.parse().ok());
            if number.is_none() {
                problems.add(given.at, &format!("{path}.{name}"), format!("takes a number, not {}", given.kind()));
            }
            number
        };
        let length = (number("MinLength"), number("MaxLength"));
        let value = (number("MinValue"), number("MaxValue"));
        Self {
            name: key.name.clone(),
            at: key.at,
            no_echo: text("NoEcho").as_deref() == Some("true"),
            kind: kind(key, node, &path, problems),
            default: text("Default"),
            allowed_values: node
                .get("AllowedValues")
                .map(|values| values.items().iter().filter_map(Node::scalar_text).collect())
                .unwrap_or_default(),
            allowed_pattern: pattern(node, &path, problems),
            constraint: text("ConstraintDescription"),
            length,
            value,
        }
    }

    /// The value, checked: what was given, else the default.
    pub(crate) fn value(&self, given: Option<&str>, problems: &mut Problems) -> Node {
        let path = format!("Parameters.{}", self.name);
        let Some(text) = given.map(str::to_owned).or_else(|| self.default.clone()) else {
            let message = format!("has no default: give it with --parameter {}=VALUE", self.name);
            problems.add(self.at, &path, message);
            return Node::text("", self.at);
        };
        let parts: Vec<String> = match self.kind {
            Kind::Text | Kind::Number => vec![text.clone()],
            Kind::TextList | Kind::NumberList => text.split(',').map(|part| part.trim().to_owned()).collect(),
        };
        for part in &parts {
            if let Some(wrong) = self.wrong(part) {
                let shown = if self.no_echo { "****" } else { part.as_str() };
                let why = self.constraint.clone().unwrap_or(wrong);
                problems.add(self.at, &path, format!("'{shown}' cannot be its value: {why}"));
            }
        }
        match self.kind {
            Kind::Text => Node::text(text, self.at),
            Kind::Number => self.number(&text),
            Kind::TextList => self.list(parts, |part| Node::text(part, self.at)),
            Kind::NumberList => self.list(parts, |part| self.number(&part)),
        }
    }

    fn list(&self, parts: Vec<String>, one: impl Fn(String) -> Node) -> Node {
        Node { value: Value::List(parts.into_iter().map(one).collect()), at: self.at }
    }

    fn number(&self, text: &str) -> Node {
        match serde_json::from_str(text.trim()) {
            Ok(number) => Node { value: Value::Number(number, text.trim().to_owned()), at: self.at },
            Err(_) => Node::text(text, self.at),
        }
    }

    /// Why `part` is not allowed, if it is not.
    fn wrong(&self, part: &str) -> Option<String> {
        if !self.allowed_values.is_empty() && !self.allowed_values.iter().any(|value| value == part) {
            return Some(format!("AllowedValues are {}", self.allowed_values.join(", ")));
        }
        if matches!(self.kind, Kind::Number | Kind::NumberList) {
            let Ok(number) = part.trim().parse::<f64>() else {
                return Some("it is not a number".to_owned());
            };
            return outside(number, self.value, "its value");
        }
        if let Some(pattern) = &self.allowed_pattern
            && !pattern.is_match(part)
        {
            return Some(format!("AllowedPattern is {}", pattern.as_str()));
        }
        outside(part.chars().count() as f64, self.length, "its length")
    }
}

fn outside(number: f64, (min, max): (Option<f64>, Option<f64>), what: &str) -> Option<String> {
    match (min, max) {
        (Some(min), _) if number < min => Some(format!("{what} is at least {min}")),
        (_, Some(max)) if number > max => Some(format!("{what} is at most {max}")),
        _ => None,
    }
}

fn kind(key: &Key, node: &Node, path: &str, problems: &mut Problems) -> Kind {
    let Some(named) = node.get("Type") else {
        problems.add(key.at, path, "the member Type is missing, for example Type: String");
        return Kind::Text;
    };
    match named.as_text() {
        Some("String") => Kind::Text,
        Some("Number") => Kind::Number,
        Some("CommaDelimitedList" | "List<String>") => Kind::TextList,
        Some("List<Number>") => Kind::NumberList,
        other => {
            let message = format!(
                "the parameter type '{}' is not supported: take String, Number, CommaDelimitedList or List<Number>",
                other.unwrap_or(named.kind())
            );
            problems.add(named.at, &format!("{path}.Type"), message);
            Kind::Text
        }
    }
}

/// The pattern must match the whole value, as CloudFormation's does.
fn pattern(node: &Node, path: &str, problems: &mut Problems) -> Option<Regex> {
    let given = node.get("AllowedPattern")?;
    let text = given.scalar_text()?;
    match Regex::new(&format!("^(?:{text})$")) {
        Ok(regex) => Some(regex),
        Err(error) => {
            let message = format!("this pattern cannot be used: {}", error.to_string().replace('\n', " "));
            problems.add(given.at, &format!("{path}.AllowedPattern"), message);
            None
        }
    }
}

/// Checks every declared parameter and refuses names that are not declared.
pub(crate) fn values(
    parameters: &[Parameter],
    given: &BTreeMap<String, String>,
    problems: &mut Problems,
) -> BTreeMap<String, Node> {
    for name in given.keys() {
        if !parameters.iter().any(|parameter| parameter.name == *name) {
            let known = parameters.iter().map(|parameter| parameter.name.as_str());
            let message = format!("the template has no parameter '{name}'{}", hint(name, known));
            problems.add(Place { line: 1, column: 1 }, "Parameters", message);
        }
    }
    let value = |parameter: &Parameter| {
        let given = given.get(&parameter.name).map(String::as_str);
        (parameter.name.clone(), parameter.value(given, problems))
    };
    parameters.iter().map(value).collect()
}
