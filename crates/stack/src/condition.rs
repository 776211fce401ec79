//! Conditions: each is evaluated once, from parameters and pseudo parameters alone.

use crate::error::Problems;
use crate::error::hint;
use crate::fold::Scene;
use crate::node::{Node, Value};

/// Evaluates every condition of the scene's template into the scene.
pub(crate) fn evaluate_all(scene: &mut Scene, problems: &mut Problems) {
    for (key, _) in scene.condition_nodes.clone() {
        let mut above = Vec::new();
        named(scene, &key.name, &mut above, problems);
    }
}

/// The value of a named condition, which must exist; `above` are the conditions being evaluated.
fn named(scene: &mut Scene, name: &str, above: &mut Vec<String>, problems: &mut Problems) -> bool {
    if let Some(known) = scene.conditions.get(name) {
        return *known;
    }
    let Some(node) = scene.condition_nodes.iter().find(|(key, _)| key.name == name).map(|(_, node)| node.clone())
    else {
        return false;
    };
    let path = format!("Conditions.{name}");
    if above.iter().any(|other| other == name) {
        problems.add(node.at, &path, format!("depends on itself: {} → {name}", above.join(" → ")));
        return false;
    }
    above.push(name.to_owned());
    let value = evaluate(scene, &node, &path, above, problems);
    above.pop();
    scene.conditions.insert(name.to_owned(), value);
    value
}

fn evaluate(scene: &mut Scene, node: &Node, path: &str, above: &mut Vec<String>, problems: &mut Problems) -> bool {
    let (function, argument) = match &node.value {
        Value::Call(function, argument) => (function.as_str(), argument.as_ref()),
        Value::Map(entries) if entries.len() == 1 && entries[0].0.name == "Condition" => ("Condition", &entries[0].1),
        _ => {
            let message = format!("takes Fn::Equals, Fn::And, Fn::Or, Fn::Not or Condition, not {}", node.kind());
            problems.add(node.at, path, message);
            return false;
        }
    };
    let count = argument.items().len();
    match function {
        "Condition" => reference(scene, argument, path, above, problems),
        "Fn::Equals" if count == 2 => {
            let left = scene.fold(&argument.items()[0], path, &Default::default(), problems);
            let right = scene.fold(&argument.items()[1], path, &Default::default(), problems);
            for side in [&left, &right] {
                if matches!(side.value, Value::Call(..)) {
                    problems.add(side.at, path, "a condition cannot look at resources, only at parameters");
                }
            }
            match (left.scalar_text(), right.scalar_text()) {
                (Some(left), Some(right)) => left == right,
                _ => left.value == right.value,
            }
        }
        "Fn::Not" if count == 1 => !evaluate(scene, &argument.items()[0], path, above, problems),
        "Fn::And" | "Fn::Or" if (2..=10).contains(&count) => {
            // No short cut: a mistake in a later part is told whatever the earlier ones say.
            let mut values = Vec::new();
            for item in argument.items() {
                values.push(evaluate(scene, item, path, above, problems));
            }
            if function == "Fn::And" { values.iter().all(|value| *value) } else { values.contains(&true) }
        }
        "Fn::Equals" | "Fn::Not" | "Fn::And" | "Fn::Or" => {
            let takes = match function {
                "Fn::Equals" => "a list of 2 values",
                "Fn::Not" => "a list of 1 condition",
                _ => "a list of 2 to 10 conditions",
            };
            problems.add(node.at, path, format!("{function} takes {takes}"));
            false
        }
        other => {
            problems.add(node.at, path, format!("{other} gives no truth value"));
            false
        }
    }
}

fn reference(scene: &mut Scene, argument: &Node, path: &str, above: &mut Vec<String>, problems: &mut Problems) -> bool {
    let name = argument.as_text().unwrap_or_default();
    if !scene.condition_nodes.iter().any(|(key, _)| key.name == name) {
        let known = scene.condition_nodes.iter().map(|(key, _)| key.name.as_str());
        problems.add(argument.at, path, format!("there is no condition '{name}'{}", hint(name, known)));
        return false;
    }
    named(scene, name, above, problems)
}
