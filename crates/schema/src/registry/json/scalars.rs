//! Numbers and strings: bounds, multiples, lengths, patterns, formats.

use super::cover::{NUMBER, STRING, finding};
use super::types::TypeSet;
use super::view::{Part, View};
use crate::registry::finding::Finding;

/// How far from a whole number a quotient may be: what is left of decimal fractions.
const QUOTIENT_ERROR: f64 = 1e-9;
/// Patterns that every string matches.
const PATTERNS_OF_ALL: [&str; 5] = ["", ".*", "^", "$", "^.*"];

/// A bound of numbers: the number, and whether it is left out itself.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bound {
    at: f64,
    is_exclusive: bool,
}

/// The lower bounds of a part (`sign` 1) or its upper ones as lower ones of the negative numbers (`sign` -1).
fn bounds(part: Part<'_>, sign: f64) -> Vec<Bound> {
    let (plain, exclusive) = if sign > 0.0 { ("minimum", "exclusiveMinimum") } else { ("maximum", "exclusiveMaximum") };
    // In draft 4 the exclusive bound is a remark on the plain one.
    let remark = part.map.get(exclusive).and_then(serde_json::Value::as_bool).unwrap_or(false);
    let mut bounds: Vec<Bound> =
        part.number(plain).map(|at| Bound { at: at * sign, is_exclusive: remark }).into_iter().collect();
    bounds.extend(part.number(exclusive).map(|at| Bound { at: at * sign, is_exclusive: true }));
    bounds
}

/// The next whole number that a bound admits.
fn whole(bound: Bound) -> Bound {
    let next = if bound.is_exclusive { bound.at.floor() + 1.0 } else { bound.at.ceil() };
    Bound { at: next, is_exclusive: false }
}

fn sharpest(view: &View<'_>, sign: f64) -> Option<Bound> {
    let only_whole = is_whole(view);
    let all = view.parts.iter().flat_map(|part| bounds(*part, sign));
    let all = all.map(|bound| if only_whole { whole(bound) } else { bound });
    all.reduce(|one, other| if implies(one, other) { one } else { other })
}

fn is_whole(view: &View<'_>) -> bool {
    view.types().and(TypeSet::NUMBER) == TypeSet::INTEGER
}

fn implies(own: Bound, wanted: Bound) -> bool {
    own.at > wanted.at || own.at == wanted.at && (own.is_exclusive || !wanted.is_exclusive)
}

/// What a reader demands of numbers and does not follow.
pub(super) fn numbers(part: Part<'_>, writer: &View<'_>, at: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for (sign, what) in [(1.0, "minimum"), (-1.0, "maximum")] {
        let own = sharpest(writer, sign);
        for bound in bounds(part, sign) {
            let wanted = if is_whole(writer) { whole(bound) } else { bound };
            if own.is_some_and(|own| implies(own, wanted)) {
                continue;
            }
            let words = |bound: Bound| {
                format!("{}{what} {}", if bound.is_exclusive { "exclusive " } else { "" }, bound.at * sign)
            };
            let writes = own.map_or_else(|| format!("no {what}"), words);
            let why = format!("numbers beyond the reader's {what} can be written");
            found.extend(finding(&NUMBER, at, writes, words(bound), why));
        }
    }
    if let Some(wanted) = part.number("multipleOf") {
        let is_multiple = |own: f64| (own / wanted - (own / wanted).round()).abs() < QUOTIENT_ERROR;
        let own: Vec<f64> = writer.parts.iter().filter_map(|part| part.number("multipleOf")).collect();
        let whole = is_whole(writer) && is_multiple(1.0);
        if !whole && !own.iter().any(|own| is_multiple(*own)) {
            let writes = own.first().map_or_else(|| "any number".to_owned(), |own| format!("multiples of {own}"));
            let why = format!("numbers that are no multiples of {wanted} can be written");
            found.extend(finding(&NUMBER, at, writes, format!("multiples of {wanted}"), why));
        }
    }
    found
}

/// Whether two schemas of numbers have no number in common.
pub(super) fn ranges_apart(left: &View<'_>, right: &View<'_>) -> bool {
    let apart = |low: Option<Bound>, high: Option<Bound>| match (low, high) {
        (Some(low), Some(high)) => {
            let high_at = -high.at;
            low.at > high_at || low.at == high_at && (low.is_exclusive || high.is_exclusive)
        }
        _ => false,
    };
    apart(sharpest(left, 1.0), sharpest(right, -1.0)) || apart(sharpest(right, 1.0), sharpest(left, -1.0))
}

/// What a reader demands of strings and does not follow.
pub(super) fn strings(part: Part<'_>, writer: &View<'_>, at: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut sharper = |keyword: &str, own: Option<String>, wanted: String, why: &str| {
        let own = own.map_or_else(|| format!("no {keyword}"), |own| format!("{keyword} {own}"));
        found.extend(finding(&STRING, at, own, format!("{keyword} {wanted}"), why.to_owned()));
    };
    if let Some(wanted) = part.count("minLength") {
        let own = writer.most("minLength");
        if wanted > own.unwrap_or(0) {
            sharper("minLength", own.map(|own| own.to_string()), wanted.to_string(), "shorter strings can be written");
        }
    }
    if let Some(wanted) = part.count("maxLength") {
        let own = writer.least("maxLength");
        if own.is_none_or(|own| own > wanted) {
            sharper("maxLength", own.map(|own| own.to_string()), wanted.to_string(), "longer strings can be written");
        }
    }
    for keyword in ["pattern", "format"] {
        let Some(wanted) = part.text(keyword) else { continue };
        let free = if keyword == "pattern" { PATTERNS_OF_ALL.contains(&wanted) } else { !part.doc.asserts_formats() };
        let own: Vec<&str> = writer.parts.iter().filter_map(|part| part.text(keyword)).collect();
        let known = keyword == "pattern" || super::is_known_format(wanted);
        if !free && known && !own.contains(&wanted) {
            let first = own.first().map(|own| (*own).to_owned());
            sharper(keyword, first, wanted.to_owned(), "strings of another form can be written");
        }
    }
    found
}
