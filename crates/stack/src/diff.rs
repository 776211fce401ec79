//! What a deploy would change: the template's resolved properties against the stack's state.

use crate::StackError;
use crate::bind::{Bound, BoundResource};
use crate::fold::KnownMap;
use crate::node::Place;
use crate::schema;
use crate::state::{ResourceState, StackState};
use serde_json::Value;
use std::fmt;

/// What becomes of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It does not exist yet.
    Create,
    /// These properties change; the resource stays.
    Update(Vec<String>),
    /// These properties change and AWS's schema says that only a new resource can have them.
    Replace(Vec<String>),
    /// It is no longer in the template.
    Delete,
    /// Nothing changes.
    Keep,
}

/// One resource of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its name in the template.
    pub logical_id: String,
    /// Its type.
    pub type_name: String,
    /// What becomes of it.
    pub action: Action,
    /// Where it stands in the template; none for what is deleted.
    pub at: Option<Place>,
}

/// Everything that a deploy would do, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// One step for each resource.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Compares. References to what is created or replaced are not known yet; a property that holds one counts as changed.
    pub(crate) fn of(bound: &Bound, state: Option<&StackState>) -> Result<Self, StackError> {
        let mut known = state.map(StackState::known).unwrap_or_default();
        let mut steps = Vec::new();
        for resource in bound.resources() {
            let deployed = state.and_then(|state| state.resource(&resource.id)).filter(|deployed| deployed.is_there());
            let action = decide(bound, resource, deployed, &known)?;
            if matches!(action, Action::Create | Action::Replace(_)) {
                known.remove(&resource.id);
            }
            steps.push(Step {
                logical_id: resource.id.clone(),
                type_name: resource.type_name.clone(),
                action,
                at: Some(resource.at),
            });
        }
        let dropped = state.iter().flat_map(|state| state.resources.iter().rev());
        for gone in dropped.filter(|gone| !bound.resources().iter().any(|resource| resource.id == gone.logical_id)) {
            steps.push(Step {
                logical_id: gone.logical_id.clone(),
                type_name: gone.type_name.clone(),
                action: Action::Delete,
                at: None,
            });
        }
        Ok(Self { steps })
    }

    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.steps.iter().all(|step| step.action == Action::Keep)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            let (word, why) = match &step.action {
                Action::Create => ("create", String::new()),
                Action::Update(changed) => ("update", format!(": {}", changed.join(", "))),
                Action::Replace(changed) => ("replace", format!(": {}", changed.join(", "))),
                Action::Delete => ("delete", String::new()),
                Action::Keep => ("keep", String::new()),
            };
            writeln!(f, "{word:<8}{} ({}){why}", step.logical_id, step.type_name)?;
        }
        Ok(())
    }
}

/// What becomes of one resource, given what exists.
pub(crate) fn decide(
    bound: &Bound,
    resource: &BoundResource,
    deployed: Option<&ResourceState>,
    known: &KnownMap,
) -> Result<Action, StackError> {
    let Some(deployed) = deployed else { return Ok(Action::Create) };
    let new = bound.properties(resource, known)?;
    if deployed.type_name != resource.type_name {
        return Ok(Action::Replace(vec!["Type".to_owned()]));
    }
    let changed = changed(&deployed.properties, &new);
    if changed.is_empty() {
        return Ok(Action::Keep);
    }
    let create_only = schema::of_type(&resource.type_name).map(|schema| schema.create_only()).unwrap_or_default();
    let is_below = |path: &String| {
        create_only
            .iter()
            .any(|only| path == only || path.starts_with(&format!("{only}.")) || only.starts_with(&format!("{path}.")))
    };
    let replacing: Vec<String> = changed.iter().filter(|path| is_below(path)).cloned().collect();
    Ok(if replacing.is_empty() { Action::Update(changed) } else { Action::Replace(replacing) })
}

/// Whether a replacement would have to carry the name that the old resource still has: the path of that name.
pub(crate) fn same_name(type_name: &str, old: &Value, new: &Value) -> Option<String> {
    let paths = schema::of_type(type_name)?.identifiers();
    let named: Vec<&String> = paths.iter().filter(|path| at(new, path).is_some()).collect();
    let all_same = !named.is_empty() && named.iter().all(|path| at(old, path) == at(new, path));
    // The last one is the innermost name: a table's own, after its database's.
    named.last().filter(|_| all_same && named.iter().any(|path| path.ends_with("Name"))).map(|path| path.to_string())
}

fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, part| value.get(part))
}

/// The paths at which two property trees differ; the whole list where a list differs.
pub(crate) fn changed(old: &Value, new: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    differ(old, new, "", &mut paths);
    paths
}

fn differ(old: &Value, new: &Value, path: &str, paths: &mut Vec<String>) {
    let (Value::Object(before), Value::Object(after)) = (old, new) else {
        if old != new {
            paths.push(path.to_owned());
        }
        return;
    };
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for (name, value) in before {
        match after.get(name) {
            Some(other) => differ(value, other, &below(name), paths),
            None => paths.push(below(name)),
        }
    }
    for name in after.keys().filter(|name| !before.contains_key(*name)) {
        paths.push(below(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changes_are_named_by_their_paths() {
        let old = json!({"A": {"B": 1, "C": [1]}, "D": 1});
        let new = json!({"A": {"B": 1, "C": [2]}, "E": 1});
        assert_eq!(changed(&old, &new), ["A.C", "D", "E"]);
        assert!(changed(&old, &old).is_empty());
    }

    #[test]
    fn a_name_that_is_given_and_kept_blocks_a_replacement() {
        let stream = "AWS::Kinesis::Stream";
        assert_eq!(same_name(stream, &json!({"Name": "a"}), &json!({"Name": "a"})), Some("Name".to_owned()));
        assert_eq!(same_name(stream, &json!({"Name": "a"}), &json!({"Name": "b"})), None);
        assert_eq!(same_name(stream, &json!({}), &json!({})), None);
        // It lies in a function, but AWS gives it its id: a replacement does not meet the one before.
        let permission = json!({"FunctionName": "f"});
        assert_eq!(same_name("AWS::Lambda::Permission", &permission, &permission), None);
    }
}
