//! The order in which resources are created: what others refer to comes first.

use crate::error::Problems;
use crate::error::hint;
use crate::node::{Node, Value};
use crate::sub::{Piece, pieces};
use crate::template::ResourceNode;
use std::collections::{BTreeMap, BTreeSet};

/// The resources that a folded node still refers to.
pub(crate) fn references(node: &Node, found: &mut BTreeSet<String>) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| references(item, found)),
        Value::Map(entries) => entries.iter().for_each(|(_, member)| references(member, found)),
        Value::Call(function, argument) => match function.as_str() {
            "Ref" => found.extend(argument.as_text().map(str::to_owned)),
            "Fn::GetAtt" => {
                found.extend(argument.items().first().and_then(Node::as_text).map(str::to_owned));
            }
            "Fn::Sub" => substituted(argument, found),
            _ => references(argument, found),
        },
        _ => {}
    }
}

fn substituted(argument: &Node, found: &mut BTreeSet<String>) {
    let (text, variables) = match argument.items() {
        [text, variables] => (text.as_text(), Some(variables)),
        _ => (argument.as_text(), None),
    };
    if let Some(variables) = variables {
        references(variables, found);
    }
    for piece in pieces(text.unwrap_or_default()).unwrap_or_default() {
        if let Piece::Name(name) = piece {
            let own = variables.is_some_and(|variables| variables.get(&name).is_some());
            if !own {
                found.insert(name.split('.').next().unwrap_or_default().to_owned());
            }
        }
    }
}

/// Adds `DependsOn` to what a resource's properties refer to; names that do not exist are problems.
pub(crate) fn explicit(
    resource: &ResourceNode,
    all: &BTreeMap<String, String>,
    into: &mut BTreeSet<String>,
    problems: &mut Problems,
) {
    for (name, at) in &resource.depends_on {
        if all.contains_key(name) {
            into.insert(name.clone());
        } else {
            let path = format!("Resources.{}.DependsOn", resource.id);
            let message = format!("there is no resource '{name}'{}", hint(name, all.keys().map(String::as_str)));
            problems.add(*at, &path, message);
        }
    }
}

/// Sorts resources so that each comes after what it needs, otherwise in the template's order. The error is a cycle, as
/// the names that form it, the first repeated at the end.
pub(crate) fn sort(needs: &[(String, BTreeSet<String>)]) -> Result<Vec<usize>, Vec<String>> {
    let index: BTreeMap<&str, usize> = needs.iter().enumerate().map(|(i, (id, _))| (id.as_str(), i)).collect();
    let mut sorted = Vec::with_capacity(needs.len());
    let mut state = vec![Visit::New; needs.len()];
    for start in 0..needs.len() {
        let mut above = Vec::new();
        visit(start, needs, &index, &mut state, &mut above, &mut sorted)?;
    }
    Ok(sorted)
}

#[derive(Clone, Copy, PartialEq)]
enum Visit {
    New,
    Open,
    Done,
}

/// Depth first; the depth is bounded by the number of resources, which the template bounds.
fn visit(
    at: usize,
    needs: &[(String, BTreeSet<String>)],
    index: &BTreeMap<&str, usize>,
    state: &mut [Visit],
    above: &mut Vec<usize>,
    sorted: &mut Vec<usize>,
) -> Result<(), Vec<String>> {
    match state[at] {
        Visit::Done => return Ok(()),
        Visit::Open => {
            let begin = above.iter().position(|other| *other == at).unwrap_or_default();
            let mut cycle: Vec<String> = above[begin..].iter().map(|i| needs[*i].0.clone()).collect();
            cycle.push(needs[at].0.clone());
            return Err(cycle);
        }
        Visit::New => {}
    }
    state[at] = Visit::Open;
    above.push(at);
    for name in &needs[at].1 {
        if let Some(next) = index.get(name.as_str()) {
            visit(*next, needs, index, state, above, sorted)?;
        }
    }
    above.pop();
    state[at] = Visit::Done;
    sorted.push(at);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(pairs: &[(&str, &[&str])]) -> Vec<(String, BTreeSet<String>)> {
        pairs.iter().map(|(id, on)| (id.to_string(), on.iter().map(|o| o.to_string()).collect())).collect()
    }

    #[test]
    fn what_is_needed_comes_first_else_the_order_stays() {
        let sorted = sort(&needs(&[("B", &["C"]), ("A", &[]), ("C", &[])])).unwrap();
        assert_eq!(sorted, vec![2, 0, 1]);
    }

    #[test]
    fn a_cycle_is_named() {
        let cycle = sort(&needs(&[("A", &["B"]), ("B", &["C"]), ("C", &["B"])])).unwrap_err();
        assert_eq!(cycle, vec!["B", "C", "B"]);
    }
}
