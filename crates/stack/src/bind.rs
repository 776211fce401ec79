//! A template bound to a stack's name and parameters: everything checked that can be checked before anything is changed.

use crate::StackError;
use crate::condition;
use crate::error::hint;
use crate::error::{Problem, Problems};
use crate::fold::{KnownMap, Scene};
use crate::json::to_json;
use crate::node::{Node, Place};
use crate::order;
use crate::parameter;
use crate::resource::ResourceType;
use crate::schema;
use crate::template::{Policy, ResourceNode, Template};
use millrace_base::Scope;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Which stack a template is bound to.
#[derive(Debug, Clone)]
pub struct StackName {
    /// Its account and region.
    pub scope: Scope,
    /// Its name within them.
    pub name: String,
    /// Its ARN, the value of `AWS::StackId`.
    pub id: String,
}

/// A template with its parameters: resources in the order of creation.
#[derive(Debug, Clone)]
pub struct Bound {
    pub(crate) file: String,
    pub(crate) scene: Scene,
    /// The parameters' values as texts; those with `NoEcho` as `****`.
    pub(crate) parameters_shown: BTreeMap<String, String>,
    pub(crate) resources: Vec<BoundResource>,
    pub(crate) outputs: Vec<(String, Option<String>, Node)>,
}

/// A resource whose properties are folded except for references to other resources.
#[derive(Debug, Clone)]
pub struct BoundResource {
    /// Its name in the template.
    pub id: String,
    /// For example `AWS::Kinesis::Stream`.
    pub type_name: String,
    /// Where its name stands.
    pub at: Place,
    /// What it needs, by logical id.
    pub needs: BTreeSet<String>,
    pub(crate) properties: Node,
    pub(crate) deletion: Policy,
    pub(crate) replacement: Policy,
}

impl Template {
    /// Binds the template: checks parameters, evaluates conditions, folds functions, checks every property against AWS's
    /// schema and sorts the resources.
    pub fn bind(&self, stack: StackName, parameters: &BTreeMap<String, String>) -> Result<Bound, StackError> {
        let mut problems = Problems::new(&self.file);
        let values = parameter::values(&self.parameters, parameters, &mut problems);
        let resource_types: BTreeMap<String, String> =
            self.resources.iter().map(|r| (r.id.clone(), r.type_name.clone())).collect();
        for parameter in self.parameters.iter().filter(|parameter| resource_types.contains_key(&parameter.name)) {
            problems.add(parameter.at, "Parameters", format!("'{}' is also the name of a resource", parameter.name));
        }
        let parameters_shown = self.shown(&values);
        let mut scene = Scene {
            stack,
            parameters: values,
            mappings: self.mappings.clone(),
            condition_nodes: self.conditions.clone(),
            conditions: BTreeMap::new(),
            resource_types,
            left_out: BTreeMap::new(),
        };
        condition::evaluate_all(&mut scene, &mut problems);
        let kept: Vec<&ResourceNode> = self.keep(&mut scene, &mut problems);
        let resources = kept.iter().map(|resource| bind_resource(resource, &scene, &mut problems)).collect();
        let outputs = self.bind_outputs(&scene, &mut problems);
        let resources = sorted(resources, &mut problems);
        problems.finish()?;
        Ok(Bound { file: self.file.clone(), scene, parameters_shown, resources, outputs })
    }

    fn shown(&self, values: &BTreeMap<String, Node>) -> BTreeMap<String, String> {
        let secret = |name: &str| self.parameters.iter().any(|parameter| parameter.name == name && parameter.no_echo);
        let text = |node: &Node| {
            let parts = node.items().iter().filter_map(Node::scalar_text).collect::<Vec<_>>();
            node.scalar_text().unwrap_or_else(|| parts.join(","))
        };
        values
            .iter()
            .map(|(name, node)| (name.clone(), if secret(name) { "****".to_owned() } else { text(node) }))
            .collect()
    }

    /// The resources whose conditions hold; the others are noted in the scene.
    fn keep(&self, scene: &mut Scene, problems: &mut Problems) -> Vec<&ResourceNode> {
        let mut kept = Vec::new();
        for resource in &self.resources {
            let path = format!("Resources.{}.Condition", resource.id);
            match holds(&resource.condition, &path, scene, problems) {
                true => kept.push(resource),
                false => {
                    let name = resource.condition.as_ref().map(|(name, _)| name.clone()).unwrap_or_default();
                    scene.left_out.insert(resource.id.clone(), name);
                }
            }
        }
        kept
    }

    fn bind_outputs(&self, scene: &Scene, problems: &mut Problems) -> Vec<(String, Option<String>, Node)> {
        let mut outputs = Vec::new();
        for output in &self.outputs {
            let path = format!("Outputs.{}", output.id);
            if holds(&output.condition, &path, scene, problems) {
                let value = scene.fold(&output.value, &format!("{path}.Value"), &KnownMap::new(), problems);
                outputs.push((output.id.clone(), output.description.clone(), value));
            }
        }
        outputs
    }
}

fn holds(condition: &Option<(String, Place)>, path: &str, scene: &Scene, problems: &mut Problems) -> bool {
    let Some((name, at)) = condition else { return true };
    if let Some(value) = scene.conditions.get(name) {
        return *value;
    }
    let known = scene.conditions.keys().map(String::as_str);
    problems.add(*at, path, format!("there is no condition '{name}'{}", hint(name, known)));
    true
}

fn bind_resource(resource: &ResourceNode, scene: &Scene, problems: &mut Problems) -> BoundResource {
    let path = format!("Resources.{}.Properties", resource.id);
    let properties = scene.fold(&resource.properties, &path, &KnownMap::new(), problems);
    schema::check(&resource.type_name, &properties, &path, problems);
    let mut needs = BTreeSet::new();
    order::references(&properties, &mut needs);
    order::explicit(resource, &scene.resource_types, &mut needs, problems);
    BoundResource {
        id: resource.id.clone(),
        type_name: resource.type_name.clone(),
        at: resource.at,
        needs,
        properties,
        deletion: resource.deletion,
        replacement: resource.replacement,
    }
}

fn sorted(resources: Vec<BoundResource>, problems: &mut Problems) -> Vec<BoundResource> {
    let needs: Vec<_> = resources.iter().map(|resource| (resource.id.clone(), resource.needs.clone())).collect();
    match order::sort(&needs) {
        Ok(order) => order.into_iter().map(|index| resources[index].clone()).collect(),
        Err(cycle) => {
            let at = resources.iter().find(|resource| cycle.first() == Some(&resource.id)).map(|resource| resource.at);
            let message = format!("these resources need each other in a circle: {}", cycle.join(" → "));
            problems.add(at.unwrap_or_default(), "Resources", message);
            resources
        }
    }
}

impl Bound {
    /// The resources in the order in which they are created.
    pub fn resources(&self) -> &[BoundResource] {
        &self.resources
    }

    /// Checks that every resource has an adapter, and that the adapter honours every property that is given.
    pub fn check(&self, types: &BTreeMap<String, Arc<dyn ResourceType>>) -> Result<(), StackError> {
        let mut problems = Problems::new(&self.file);
        for resource in &self.resources {
            let path = format!("Resources.{}", resource.id);
            let Some(adapter) = types.get(&resource.type_name) else {
                problems.add(resource.at, &path, format!("{} is not supported yet", resource.type_name));
                continue;
            };
            let mut refused = Vec::new();
            unsupported(&resource.properties, "", adapter.properties(), &mut refused);
            for (member, at) in refused {
                let message = format!("{} has this property, but Millrace does not support it yet", resource.type_name);
                problems.add(at, &format!("{path}.Properties.{member}"), message);
            }
        }
        problems.finish()
    }

    /// The properties of a resource, with what exists put in for references. References to what does not exist yet become
    /// `{"Ref": …}` or `{"Fn::…": …}` again.
    pub(crate) fn properties(
        &self,
        resource: &BoundResource,
        known: &KnownMap,
    ) -> Result<serde_json::Value, StackError> {
        let mut problems = Problems::new(&self.file);
        let path = format!("Resources.{}.Properties", resource.id);
        let folded = self.scene.fold(&resource.properties, &path, known, &mut problems);
        // Now that texts are known, patterns and enumerations can be held against them.
        schema::check(&resource.type_name, &folded, &path, &mut problems);
        problems.finish()?;
        Ok(schema::typed(&resource.type_name, &folded))
    }

    /// The outputs, once everything exists.
    pub(crate) fn outputs(&self, known: &KnownMap) -> Result<BTreeMap<String, String>, StackError> {
        let mut problems = Problems::new(&self.file);
        let mut values = BTreeMap::new();
        for (id, _, node) in &self.outputs {
            let folded = self.scene.fold(node, &format!("Outputs.{id}.Value"), known, &mut problems);
            let text = folded.scalar_text().unwrap_or_else(|| to_json(&folded).to_string());
            values.insert(id.clone(), text);
        }
        problems.finish()?;
        Ok(values)
    }

    /// A problem at a member of a resource's properties (or at the resource itself when `member` is empty).
    pub(crate) fn problem(&self, resource: &BoundResource, member: &str, message: String) -> Problem {
        let path = format!("Resources.{}", resource.id);
        let (at, path) = match member {
            "" => (resource.at, path),
            member => (resource.properties.nearest_to(member).at, format!("{path}.Properties.{member}")),
        };
        Problem { file: self.file.clone(), at, path, message }
    }
}

/// The topmost members that no pattern of an adapter covers, with their places.
fn unsupported(node: &Node, path: &str, patterns: &[&str], found: &mut Vec<(String, Place)>) {
    let below = |member: &str| if path.is_empty() { member.to_owned() } else { format!("{path}.{member}") };
    let named = node.entries().iter().map(|(key, member)| (key.name.clone(), key.at, member));
    let counted = node.items().iter().enumerate().map(|(index, item)| (index.to_string(), item.at, item));
    for (name, at, member) in named.chain(counted) {
        let path = below(&name);
        let covers = patterns.iter().map(|pattern| covers(pattern, &path)).max().unwrap_or(Cover::None);
        match covers {
            Cover::Whole => {}
            Cover::Part => unsupported(member, &path, patterns, found),
            Cover::None => found.push((path, at)),
        }
    }
}

/// How far a pattern covers a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cover {
    /// Not at all.
    None,
    /// Something below it.
    Part,
    /// It, and everything below it.
    Whole,
}

/// `A.B` covers `A.B` and everything below it; `*` is one member or index.
fn covers(pattern: &str, member: &str) -> Cover {
    let mut given = member.split('.');
    for part in pattern.split('.') {
        match given.next() {
            None => return Cover::Part,
            Some(name) if part == "*" || part == name => {}
            Some(_) => return Cover::None,
        }
    }
    Cover::Whole
}

#[cfg(test)]
mod tests {
    use super::{Cover, covers};

    #[test]
    fn patterns_cover_what_is_below_them() {
        assert_eq!(covers("Tags", "Tags.0.Key"), Cover::Whole);
        assert_eq!(covers("A.*.B", "A.3.B"), Cover::Whole);
        assert_eq!(covers("A.*.B", "A.3.C"), Cover::None);
        assert_eq!(covers("A.B", "A"), Cover::Part);
    }
}
