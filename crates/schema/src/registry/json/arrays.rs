//! Arrays: their length, their items, what they must contain.

use super::cover::{Check, finding, list, refers_value, short};
use super::view::{Node, Part, View};
use crate::registry::finding::{Finding, rules};
use serde_json::Value;

rules! {
    LENGTH = "json-array-length-narrowed",
        new reads: "keep the old bounds of length, or wider ones",
        old reads: "keep the old bounds of length, or narrower ones";
    UNIQUE = "json-array-unique-added",
        new reads: "do not demand uniqueItems of arrays that were free to repeat",
        old reads: "keep uniqueItems: the old version refuses repeated items";
    CONTAINS = "json-array-contains-narrowed",
        new reads: "demand no more of \"contains\" than the old version did",
        old reads: "keep what the old version demands with \"contains\"";
    UNEVALUATED = "json-unevaluated-narrowed",
        new reads: "keep unevaluatedItems and unevaluatedProperties as they were, or drop them",
        old reads: "keep unevaluatedItems and unevaluatedProperties as they were";
}

impl Check {
    /// What a reader demands of arrays and does not follow.
    pub(super) fn arrays<'a>(
        &mut self,
        part: Part<'a>,
        demands: &View<'a>,
        writer: &View<'a>,
        at: &str,
    ) -> Vec<Finding> {
        let mut found = length(part, writer, at);
        let is_unique = |part: &Part<'_>| part.map.get("uniqueItems") == Some(&Value::Bool(true));
        let at_most_one = writer.least("maxItems").is_some_and(|most| most <= 1);
        if is_unique(&part) && !at_most_one && !writer.parts.iter().any(is_unique) {
            let why = "arrays with repeated items can be written".to_owned();
            found.extend(finding(&UNIQUE, at, "no uniqueItems".to_owned(), "uniqueItems".to_owned(), why));
        }
        found.extend(self.items(part, writer, at));
        found.extend(self.contains(part, writer, at));
        if let Some(rest) = part.node("unevaluatedItems") {
            found.extend(self.unevaluated_items(rest, demands, writer, at));
        }
        found
    }

    fn items<'a>(&mut self, part: Part<'a>, writer: &View<'a>, at: &str) -> Vec<Finding> {
        let (first, rest) = part.items();
        let of_writer = writer.parts.iter().map(|part| part.items().0.len()).max().unwrap_or(0);
        let named = first.len().max(of_writer);
        let most = writer.least("maxItems").map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
        let mut found = Vec::new();
        for index in 0..named.min(most) {
            let Some(node) = first.get(index).copied().or(rest) else { continue };
            found.extend(self.cover(node, &writer.item(Some(index)), &format!("{at}/{index}")));
        }
        if let Some(rest) = rest.filter(|_| most > named) {
            found.extend(self.cover(rest, &writer.item(None), &format!("{at}/*")));
        }
        found
    }

    fn contains<'a>(&mut self, part: Part<'a>, writer: &View<'a>, at: &str) -> Vec<Finding> {
        let Some(wanted) = part.node("contains") else { return Vec::new() };
        let (least, most) = (part.count("minContains").unwrap_or(1), part.count("maxContains"));
        if least == 0 && most.is_none() {
            return Vec::new();
        }
        let same = |own: &Part<'_>| {
            own.map.get("contains") == Some(wanted.value)
                && !refers_value(wanted.value)
                && own.count("minContains").unwrap_or(1) >= least
                && most.is_none_or(|most| own.count("maxContains").is_some_and(|own| own <= most))
        };
        if writer.parts.iter().any(same) {
            return Vec::new();
        }
        if most.is_none() {
            let own: Vec<Part<'a>> = writer.parts.clone();
            for own in own.iter().filter(|own| own.count("minContains").unwrap_or(1) >= least) {
                let Some(node) = own.node("contains") else { continue };
                if self.cover(wanted, &View::of(node), at).is_empty() {
                    return Vec::new();
                }
            }
            let no_names = writer.parts.iter().all(|part| part.items().0.is_empty());
            let enough = writer.most("minItems").unwrap_or(0) >= least;
            if enough && no_names && self.cover(wanted, &writer.item(None), at).is_empty() {
                return Vec::new();
            }
        }
        let own: Vec<&Value> = writer.parts.iter().filter_map(|part| part.map.get("contains")).collect();
        let own = if own.is_empty() { "no contains".to_owned() } else { format!("contains {}", list(&own)) };
        let why = "arrays without such items, or with too many, can be written".to_owned();
        finding(&CONTAINS, at, own, format!("contains {}", short(wanted.value)), why)
    }

    /// Items that no part of the reader's conjunction looks at.
    fn unevaluated_items<'a>(
        &mut self,
        rest: Node<'a>,
        demands: &View<'a>,
        writer: &View<'a>,
        at: &str,
    ) -> Vec<Finding> {
        let named = demands.parts.iter().map(|part| part.items().0.len()).max().unwrap_or(0);
        let all = demands.parts.iter().any(|part| part.items().1.is_some());
        let most = writer.least("maxItems").unwrap_or(u64::MAX);
        if all || usize::try_from(most).is_ok_and(|most| most <= named) || rest.value == &Value::Bool(true) {
            return Vec::new();
        }
        let of_writer = writer.parts.iter().map(|part| part.items().0.len()).max().unwrap_or(0);
        let mut found = Vec::new();
        for index in named..of_writer.max(named) {
            found.extend(self.cover(rest, &writer.item(Some(index)), at));
        }
        found.extend(self.cover(rest, &writer.item(None), at));
        if found.is_empty() {
            return found;
        }
        let why = "items that the reader does not name can be written".to_owned();
        finding(&UNEVALUATED, at, "items".to_owned(), format!("unevaluatedItems {}", short(rest.value)), why)
    }
}

fn length(part: Part<'_>, writer: &View<'_>, at: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(wanted) = part.count("minItems") {
        let own = writer.most("minItems").unwrap_or(0);
        if wanted > own {
            let why = "shorter arrays can be written".to_owned();
            found.extend(finding(&LENGTH, at, format!("minItems {own}"), format!("minItems {wanted}"), why));
        }
    }
    if let Some(wanted) = part.count("maxItems") {
        let own = writer.least("maxItems");
        if own.is_none_or(|own| own > wanted) {
            let own = own.map_or_else(|| "no maxItems".to_owned(), |own| format!("maxItems {own}"));
            let why = "longer arrays can be written".to_owned();
            found.extend(finding(&LENGTH, at, own, format!("maxItems {wanted}"), why));
        }
    }
    found
}
