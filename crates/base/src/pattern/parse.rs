//! JSON to a compiled pattern.

use super::{Bound, Cidr, Group, Leaf, Node, PatternError, Test, Wildcard, compare};
use serde_json::{Map, Number, Value};
use std::cmp::Ordering;
use std::net::IpAddr;

const OR: &str = "$or";
/// Objects that begin with one of these are tests, so an array of them under `$or` is a field's array of tests.
const TEST_NAMES: [&str; 8] =
    ["exists", "equals-ignore-case", "prefix", "suffix", "anything-but", "wildcard", "numeric", "cidr"];

/// The whole pattern.
pub(super) fn pattern(value: &Value) -> Result<Group, PatternError> {
    let fields = value.as_object().ok_or(PatternError::NotAnObject)?;
    group(fields, &mut Vec::new())
}

/// `path` is the way from the root, needed by tests for what is absent.
fn group(fields: &Map<String, Value>, path: &mut Vec<String>) -> Result<Group, PatternError> {
    let mut group = Group::default();
    for (name, value) in fields {
        if name == OR
            && let Some(alternatives) = alternatives(value)
        {
            group
                .alternatives
                .push(alternatives.into_iter().map(|fields| self::group(fields, path)).collect::<Result<_, _>>()?);
            continue;
        }
        path.push(name.clone());
        let node = node(name, value, path)?;
        path.pop();
        group.fields.push((name.clone(), node));
    }
    Ok(group)
}

/// The patterns of a `$or`; `None` when it is a field's name.
fn alternatives(value: &Value) -> Option<Vec<&Map<String, Value>>> {
    let items = value.as_array().filter(|items| items.len() >= 2)?;
    items
        .iter()
        .map(|item| {
            let fields = item.as_object()?;
            let is_test = fields.keys().next().is_none_or(|name| TEST_NAMES.contains(&name.as_str()));
            (!is_test).then_some(fields)
        })
        .collect()
}

fn node(name: &str, value: &Value, path: &mut Vec<String>) -> Result<Node, PatternError> {
    match value {
        Value::Object(fields) if fields.is_empty() => Err(PatternError::EmptyObject),
        Value::Object(fields) => group(fields, path).map(Node::Group),
        Value::Array(tests) if tests.is_empty() => Err(PatternError::EmptyArray),
        Value::Array(tests) => leaf(tests, path).map(Node::Leaf),
        _ => Err(PatternError::NotATest(name.to_owned())),
    }
}

fn leaf(values: &[Value], path: &[String]) -> Result<Leaf, PatternError> {
    let mut leaf = Leaf::default();
    for value in values {
        match value {
            Value::Null => leaf.tests.push(Test::Null),
            Value::Bool(wanted) => leaf.tests.push(Test::Bool(*wanted)),
            Value::Array(_) => return Err(PatternError::NotAValue),
            Value::Object(fields) => match only_entry(fields)? {
                ("exists", Value::Bool(false)) => leaf.absent = Some(path.to_vec()),
                (name, operand) => leaf.tests.push(test(name, operand)?),
            },
            plain => leaf.tests.push(plain_value(plain).ok_or(PatternError::NotAValue)?),
        }
    }
    Ok(leaf)
}

fn only_entry(fields: &Map<String, Value>) -> Result<(&str, &Value), PatternError> {
    let mut entries = fields.iter();
    match (entries.next(), entries.next()) {
        (Some((name, value)), None) => Ok((name.as_str(), value)),
        _ => Err(PatternError::OneKey),
    }
}

fn plain_value(value: &Value) -> Option<Test> {
    match value {
        Value::String(text) => Some(Test::Text(text.clone())),
        Value::Number(number) => Some(Test::Number(number.clone())),
        _ => None,
    }
}

fn test(name: &str, operand: &Value) -> Result<Test, PatternError> {
    match name {
        "prefix" => affix("prefix", operand, Test::Prefix, Test::PrefixIgnoreCase),
        "suffix" => affix("suffix", operand, Test::Suffix, Test::SuffixIgnoreCase),
        "equals-ignore-case" => Ok(Test::TextIgnoreCase(text("equals-ignore-case", operand)?.to_lowercase())),
        "wildcard" => wildcard(text("wildcard", operand)?).map(Test::Wildcard),
        "cidr" => cidr(text("cidr", operand)?).map(Test::Cidr),
        "numeric" => numeric(operand.as_array().ok_or(PatternError::NumericNotArray)?),
        "anything-but" => anything_but(operand).map(Test::AnythingBut),
        "exists" if *operand == Value::Bool(true) => Ok(Test::Exists),
        "exists" => Err(PatternError::Exists),
        _ => Err(PatternError::UnknownMatch(name.to_owned())),
    }
}

fn text<'a>(name: &'static str, operand: &'a Value) -> Result<&'a str, PatternError> {
    operand.as_str().ok_or(PatternError::NotText(name))
}

fn affix(
    name: &'static str,
    operand: &Value,
    exact: fn(String) -> Test,
    ignore_case: fn(String) -> Test,
) -> Result<Test, PatternError> {
    let Value::Object(fields) = operand else {
        return Ok(exact(text(name, operand)?.to_owned()));
    };
    match only_entry(fields)? {
        ("equals-ignore-case", operand) => Ok(ignore_case(text("equals-ignore-case", operand)?.to_lowercase())),
        (other, _) => Err(PatternError::UnknownMatch(other.to_owned())),
    }
}

fn anything_but(operand: &Value) -> Result<Vec<Test>, PatternError> {
    match operand {
        Value::Array(values) if values.is_empty() => Err(PatternError::EmptyArray),
        Value::Array(values) => {
            values.iter().map(|value| plain_value(value).ok_or(PatternError::AnythingBut)).collect()
        }
        Value::Object(fields) => {
            let (name, operand) = only_entry(fields)?;
            if !matches!(name, "prefix" | "suffix" | "equals-ignore-case" | "wildcard") {
                return Err(PatternError::AnythingButMatch(name.to_owned()));
            }
            let operands = match operand {
                Value::Array(operands) if operands.is_empty() => return Err(PatternError::EmptyArray),
                Value::Array(operands) => operands.as_slice(),
                one => std::slice::from_ref(one),
            };
            if matches!(name, "prefix" | "suffix") && operands.iter().any(|operand| *operand == "") {
                return Err(PatternError::AnythingButEmpty);
            }
            operands.iter().map(|operand| test(name, operand)).collect()
        }
        plain => plain_value(plain).map(|test| vec![test]).ok_or(PatternError::AnythingBut),
    }
}

fn numeric(members: &[Value]) -> Result<Test, PatternError> {
    let mut members = members.iter();
    let operator = match members.next() {
        Some(Value::String(operator)) => operator.as_str(),
        Some(other) => return Err(PatternError::NumericMember(other.to_string())),
        None => return Err(PatternError::NumericMember("]".to_owned())),
    };
    if !matches!(operator, "=" | "<" | "<=" | ">" | ">=") {
        return Err(PatternError::NumericOperator(operator.to_owned()));
    }
    let value = operand(if operator == "=" { "equals" } else { operator }, members.next())?;
    let bound = Bound { inclusive: operator.ends_with('='), value: value.clone() };
    let range = match operator {
        "=" => Test::Number(value),
        "<" | "<=" => Test::Range { bottom: None, top: Some(bound) },
        _ => Test::Range { top: upper_bound(&bound, &mut members)?, bottom: Some(bound) },
    };
    match members.next() {
        Some(_) => Err(PatternError::NumericTooMany),
        None => Ok(range),
    }
}

fn upper_bound<'a>(
    bottom: &Bound,
    members: &mut impl Iterator<Item = &'a Value>,
) -> Result<Option<Bound>, PatternError> {
    let operator = match members.next() {
        None => return Ok(None),
        Some(Value::String(operator)) if matches!(operator.as_str(), "<" | "<=") => operator,
        Some(Value::String(operator)) => return Err(PatternError::NumericRange(operator.clone())),
        Some(other) => return Err(PatternError::NumericRange(other.to_string())),
    };
    let value = operand(operator, members.next())?;
    if compare(&bottom.value, &value) != Some(Ordering::Less) {
        return Err(PatternError::NumericEmpty);
    }
    Ok(Some(Bound { inclusive: operator == "<=", value }))
}

fn operand(operator: &str, value: Option<&Value>) -> Result<Number, PatternError> {
    value.and_then(Value::as_number).cloned().ok_or_else(|| PatternError::NumericOperand(operator.to_owned()))
}

/// `*` stands for any text; `\*` and `\\` for themselves.
fn wildcard(text: &str) -> Result<Wildcard, PatternError> {
    let mut pieces = vec![String::new()];
    let mut after_asterisk = false;
    let mut chars = text.chars().enumerate();
    while let Some((at, char)) = chars.next() {
        let literal = match char {
            '*' if after_asterisk => return Err(PatternError::WildcardTwice(at)),
            '*' => {
                pieces.push(String::new());
                after_asterisk = true;
                continue;
            }
            '\\' => match chars.next() {
                Some((_, escaped @ ('*' | '\\'))) => escaped,
                _ => return Err(PatternError::WildcardEscape(at)),
            },
            plain => plain,
        };
        after_asterisk = false;
        if let Some(piece) = pieces.last_mut() {
            piece.push(literal);
        }
    }
    Ok(Wildcard { pieces })
}

fn cidr(text: &str) -> Result<Cidr, PatternError> {
    let (address, mask) = match text.split_once('/') {
        Some((_, mask)) if mask.contains('/') => return Err(PatternError::CidrSlash),
        Some((address, mask)) => (address, Some(mask)),
        None => (text, None),
    };
    let network: IpAddr = address.parse().map_err(|_| PatternError::CidrAddress(address.to_owned()))?;
    let bits_max = if network.is_ipv4() { u32::BITS } else { u128::BITS };
    let mask_bits = mask.map_or(Ok(bits_max), |mask| mask.parse().map_err(|_| PatternError::CidrMask))?;
    if mask_bits > bits_max {
        return Err(PatternError::CidrMaskBits(bits_max));
    }
    Ok(Cidr { network, mask_bits })
}
