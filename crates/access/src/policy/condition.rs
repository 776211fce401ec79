//! Conditions: an operator, a key of the request, and the values that it may or may not have.

use super::context::{Context, Values};
use super::grammar::{Malformed, syntax, texts};
use super::operator::{Operator, Wanted};
use serde_json::Value;

/// How the values of a key that has several are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    /// No set operator: one of them must match.
    Value,
    /// `ForAllValues:`: each of them; none is fine.
    All,
    /// `ForAnyValue:`: at least one.
    Any,
}

/// One key under one operator. All conditions of a statement must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    key: Box<str>,
    operator: Operator,
    negated: bool,
    if_exists: bool,
    over: Over,
    wanted: Box<[Wanted]>,
}

impl Condition {
    /// Reads a statement's `Condition`.
    pub fn read_all(conditions: &Value, variables: bool) -> Result<Box<[Self]>, Malformed> {
        let Value::Object(operators) = conditions else {
            return Err(Malformed("Condition must be an object of operators.".to_owned()));
        };
        let mut all = Vec::new();
        for (name, keys) in operators {
            let Value::Object(keys) = keys else {
                return Err(Malformed(format!("Condition operator {name} must be an object of keys.")));
            };
            for (key, values) in keys {
                all.push(Self::read(name, key, values, variables)?);
            }
        }
        Ok(all.into())
    }

    fn read(name: &str, key: &str, values: &Value, variables: bool) -> Result<Self, Malformed> {
        let (over, bare) = match name.split_once(':') {
            Some((set, rest)) if set.eq_ignore_ascii_case("ForAllValues") => (Over::All, rest),
            Some((set, rest)) if set.eq_ignore_ascii_case("ForAnyValue") => (Over::Any, rest),
            _ => (Over::Value, name),
        };
        let suffix_at = bare.len().saturating_sub("IfExists".len());
        let if_exists = bare.get(suffix_at..).is_some_and(|suffix| suffix.eq_ignore_ascii_case("IfExists"));
        let bare = if if_exists { &bare[..suffix_at] } else { bare };
        let known = Operator::of_name(bare).filter(|(operator, _)| !(if_exists && *operator == Operator::Null));
        let (operator, negated) = known.ok_or_else(|| Malformed(format!("Invalid Condition type : {name}.")))?;
        let wanted = |text: &String| {
            let bad = || Malformed(format!("Invalid value '{text}' of {key} for the condition operator {name}."));
            Wanted::new(operator, text, variables).ok_or_else(bad)
        };
        let values = texts(values, &format!("The value of {key} under {name}"))?;
        if values.is_empty() {
            return Err(syntax(&format!("The condition on {key} under {name} has no values.")));
        }
        let wanted = values.iter().map(wanted).collect::<Result<_, _>>()?;
        Ok(Self { key: key.to_lowercase().into(), operator, negated, if_exists, over, wanted })
    }

    /// Whether the condition holds.
    pub fn holds(&self, context: &dyn Context) -> bool {
        let given = context.values(&self.key);
        if self.operator == Operator::Null {
            let absent = given.is_none_or(|given| given.all().is_empty());
            return self.wanted.contains(&Wanted::Bool(absent));
        }
        let given = given.unwrap_or_else(|| Values::Many(Vec::new()));
        let given = given.all();
        if given.is_empty() {
            return match self.over {
                Over::All => true,
                Over::Any => self.if_exists,
                Over::Value => self.if_exists || self.negated,
            };
        }
        let matches = |value: &str| self.wanted.iter().any(|wanted| wanted.matches(value, context));
        match self.over {
            Over::Value => given.iter().any(|value| matches(value)) != self.negated,
            Over::All => given.iter().all(|value| matches(value) != self.negated),
            Over::Any => given.iter().any(|value| matches(value) != self.negated),
        }
    }
}
