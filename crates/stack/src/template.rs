//! A template's sections, read from its tree: which members there are, and that each is of the right shape.

use crate::StackError;
use crate::error::Problems;
use crate::error::hint;
use crate::json::from_json;
use crate::node::{Key, Node, Place, Value};
use crate::parameter::Parameter;
use crate::parse::parse;
use crate::schema;
use millrace_base::nearest;
use std::collections::BTreeMap;

/// CloudFormation's own limit (AWS quota: 500 resources in a template).
const RESOURCES_MAX: usize = 500;

const SECTIONS: [&str; 11] = [
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Mappings",
    "Conditions",
    "Resources",
    "Outputs",
    "Rules",
    "Transform",
    "Hooks",
];

const RESOURCE_MEMBERS: [&str; 9] = [
    "Type",
    "Properties",
    "DependsOn",
    "Condition",
    "DeletionPolicy",
    "UpdateReplacePolicy",
    "Metadata",
    "CreationPolicy",
    "UpdatePolicy",
];

/// A template whose structure is sound. Its functions are not looked at before it is bound to parameters.
#[derive(Debug, Clone)]
pub struct Template {
    /// The file's name, for messages.
    pub(crate) file: String,
    /// The `Description`.
    pub(crate) description: Option<String>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) mappings: Option<Node>,
    pub(crate) conditions: Vec<(Key, Node)>,
    pub(crate) resources: Vec<ResourceNode>,
    pub(crate) outputs: Vec<OutputNode>,
}

/// What becomes of a resource that leaves the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Policy {
    Delete,
    Retain,
    /// Deleted when its own creation is undone, retained otherwise.
    RetainExceptOnCreate,
}

#[derive(Debug, Clone)]
pub(crate) struct ResourceNode {
    pub(crate) id: String,
    pub(crate) at: Place,
    pub(crate) type_name: String,
    pub(crate) properties: Node,
    pub(crate) depends_on: Vec<(String, Place)>,
    pub(crate) condition: Option<(String, Place)>,
    pub(crate) deletion: Policy,
    pub(crate) replacement: Policy,
}

#[derive(Debug, Clone)]
pub(crate) struct OutputNode {
    pub(crate) id: String,
    pub(crate) description: Option<String>,
    pub(crate) value: Node,
    pub(crate) condition: Option<(String, Place)>,
}

impl Template {
    /// Reads a template. `file` is the name that messages carry; YAML and JSON are told apart by themselves.
    pub fn parse(file: &str, text: &str) -> Result<Self, StackError> {
        let root = parse(file, text)?;
        let mut problems = Problems::new(file);
        let template = Self::read(file, &root, &mut problems);
        problems.finish()?;
        Ok(template)
    }

    /// The template's `Description`.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The names of its parameters.
    pub fn parameter_names(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(|parameter| parameter.name.as_str())
    }

    /// The local files and folders that the template names where AWS takes an object of a bucket, in order of the text: the
    /// same that `aws cloudformation package` uploads.
    pub fn local_paths(&self) -> Vec<String> {
        let code = self.resources.iter().filter_map(|resource| resource.properties.get(packaged(&resource.type_name)?));
        let mut paths: Vec<String> = code.filter_map(Node::as_text).map(str::to_owned).collect();
        paths.dedup();
        paths
    }

    /// Puts what was made of local paths where they stood.
    pub fn package(&mut self, made: &BTreeMap<String, serde_json::Value>) {
        for resource in &mut self.resources {
            let Some(property) = packaged(&resource.type_name) else { continue };
            let Value::Map(entries) = &mut resource.properties.value else { continue };
            for (_, node) in entries.iter_mut().filter(|(key, _)| key.name == property) {
                if let Some(package) = node.as_text().and_then(|path| made.get(path)) {
                    *node = from_json(package, node.at);
                }
            }
        }
    }

    fn read(file: &str, root: &Node, problems: &mut Problems) -> Self {
        if !matches!(root.value, Value::Map(_)) {
            let message = format!("a template is a mapping with the member Resources, not {}", root.kind());
            problems.add(root.at, "", message);
        }
        for (key, node) in root.entries() {
            section(key, node, problems);
        }
        let resources: Vec<ResourceNode> = match root.get("Resources") {
            Some(node) => node.entries().iter().map(|(key, node)| resource(key, node, problems)).collect(),
            None => Vec::new(),
        };
        if resources.is_empty() && problems.is_empty() {
            problems.add(root.at, "", "the template has no Resources: name at least one");
        }
        if resources.len() > RESOURCES_MAX {
            let message =
                format!("{} resources are more than the {RESOURCES_MAX} that CloudFormation takes", resources.len());
            problems.add(root.at, "Resources", message);
        }
        let entries = |name: &str| root.get(name).map(Node::entries).unwrap_or_default();
        Self {
            file: file.to_owned(),
            description: root.get("Description").and_then(Node::as_text).map(str::to_owned),
            parameters: entries("Parameters").iter().map(|(k, n)| Parameter::read(k, n, problems)).collect(),
            mappings: root.get("Mappings").cloned(),
            conditions: entries("Conditions").to_vec(),
            resources,
            outputs: entries("Outputs").iter().map(|(k, n)| output(k, n, problems)).collect(),
        }
    }
}

/// The property that may be a local path instead of an object of a bucket.
fn packaged(type_name: &str) -> Option<&'static str> {
    match type_name {
        "AWS::Lambda::Function" => Some("Code"),
        "AWS::Lambda::LayerVersion" => Some("Content"),
        _ => None,
    }
}

fn section(key: &Key, node: &Node, problems: &mut Problems) {
    match key.name.as_str() {
        "AWSTemplateFormatVersion" => {
            if node.scalar_text().as_deref() != Some("2010-09-09") {
                problems.add(node.at, &key.name, "the only version there is, is 2010-09-09");
            }
        }
        "Description" => {
            if node.as_text().is_none() {
                problems.add(node.at, &key.name, format!("takes a text, not {}", node.kind()));
            }
        }
        "Rules" | "Transform" | "Hooks" => {
            let message = format!("the section {} is not supported yet: remove it", key.name);
            problems.add(key.at, "", message);
        }
        name if SECTIONS.contains(&name) => {
            if !matches!(node.value, Value::Map(_)) {
                problems.add(node.at, name, format!("takes a mapping, not {}", node.kind()));
            }
        }
        name => {
            let message = format!("a template has no section '{name}'{}", hint(name, SECTIONS));
            problems.add(key.at, "", message);
        }
    }
}

fn resource(key: &Key, node: &Node, problems: &mut Problems) -> ResourceNode {
    let path = format!("Resources.{}", key.name);
    if !key.name.bytes().all(|b| b.is_ascii_alphanumeric()) || key.name.is_empty() {
        problems.add(key.at, &path, "a resource's name is made of letters and digits only");
    }
    if !matches!(node.value, Value::Map(_)) {
        problems.add(node.at, &path, format!("takes a mapping with the member Type, not {}", node.kind()));
    }
    for (member, _) in node.entries() {
        let name = member.name.as_str();
        if !RESOURCE_MEMBERS.contains(&name) {
            let message = format!("a resource has no member '{name}'{}", hint(name, RESOURCE_MEMBERS));
            problems.add(member.at, &path, message);
        }
        if matches!(name, "CreationPolicy" | "UpdatePolicy") {
            problems.add(member.at, &path, format!("{name} is not supported yet: remove it"));
        }
    }
    let absent = Node { value: Value::Map(Vec::new()), at: key.at };
    let properties = node.get("Properties").filter(|node| node.value != Value::Null).cloned().unwrap_or(absent);
    if !matches!(properties.value, Value::Map(_)) {
        let message = format!("takes a mapping, not {}", properties.kind());
        problems.add(properties.at, &format!("{path}.Properties"), message);
    }
    ResourceNode {
        id: key.name.clone(),
        at: key.at,
        type_name: type_name(key, node, &path, problems),
        properties,
        depends_on: depends_on(node, &path, problems),
        condition: condition_name(node, &path, problems),
        deletion: policy(node, "DeletionPolicy", &path, problems),
        replacement: policy(node, "UpdateReplacePolicy", &path, problems),
    }
}

fn type_name(key: &Key, node: &Node, path: &str, problems: &mut Problems) -> String {
    let Some(named) = node.get("Type") else {
        if matches!(node.value, Value::Map(_)) {
            problems.add(key.at, path, "the member Type is missing, for example Type: AWS::Kinesis::Stream");
        }
        return String::new();
    };
    let Some(name) = named.as_text() else {
        problems.add(named.at, &format!("{path}.Type"), format!("takes a text, not {}", named.kind()));
        return String::new();
    };
    if schema::of_type(name).is_none() {
        // Without the part that all share, which would make any two types look alike.
        let bare = |name: &'static str| name.strip_prefix("AWS::").unwrap_or(name);
        let message = match nearest(name.strip_prefix("AWS::").unwrap_or(name), schema::type_names().map(bare)) {
            Some(near) => format!("there is no resource type '{name}'; did you mean 'AWS::{near}'?"),
            None => {
                let all = schema::type_names().collect::<Vec<_>>().join(", ");
                format!("Millrace has no resource type '{name}' yet; it has {all}")
            }
        };
        problems.add(named.at, &format!("{path}.Type"), message);
    }
    name.to_owned()
}

fn depends_on(node: &Node, path: &str, problems: &mut Problems) -> Vec<(String, Place)> {
    let Some(named) = node.get("DependsOn") else { return Vec::new() };
    let all = if named.as_text().is_some() { std::slice::from_ref(named) } else { named.items() };
    if all.is_empty() {
        let message = "takes the name of a resource or a list of names";
        problems.add(named.at, &format!("{path}.DependsOn"), message);
    }
    let mut names = Vec::new();
    for one in all {
        match one.as_text() {
            Some(name) => names.push((name.to_owned(), one.at)),
            None => problems.add(one.at, &format!("{path}.DependsOn"), "takes the name of a resource"),
        }
    }
    names
}

fn condition_name(node: &Node, path: &str, problems: &mut Problems) -> Option<(String, Place)> {
    let named = node.get("Condition")?;
    let name = named.as_text();
    if name.is_none() {
        problems.add(named.at, &format!("{path}.Condition"), "takes the name of a condition");
    }
    name.map(|name| (name.to_owned(), named.at))
}

fn policy(node: &Node, member: &str, path: &str, problems: &mut Problems) -> Policy {
    let Some(named) = node.get(member) else { return Policy::Delete };
    match named.as_text() {
        Some("Delete") => Policy::Delete,
        Some("Retain") => Policy::Retain,
        Some("RetainExceptOnCreate") if member == "DeletionPolicy" => Policy::RetainExceptOnCreate,
        _ => {
            problems.add(named.at, &format!("{path}.{member}"), "takes Delete or Retain for this type of resource");
            Policy::Delete
        }
    }
}

fn output(key: &Key, node: &Node, problems: &mut Problems) -> OutputNode {
    let path = format!("Outputs.{}", key.name);
    for (member, _) in node.entries() {
        let name = member.name.as_str();
        let known = ["Value", "Description", "Condition", "Export"];
        if name == "Export" {
            problems.add(member.at, &path, "Export is not supported yet: stacks do not see each other's outputs");
        } else if !known.contains(&name) {
            problems.add(member.at, &path, format!("an output has no member '{name}'{}", hint(name, known)));
        }
    }
    let value = node.get("Value").cloned().unwrap_or_else(|| {
        problems.add(key.at, &path, "the member Value is missing");
        Node::text("", key.at)
    });
    OutputNode {
        id: key.name.clone(),
        description: node.get("Description").and_then(Node::as_text).map(str::to_owned),
        value,
        condition: condition_name(node, &path, problems),
    }
}
