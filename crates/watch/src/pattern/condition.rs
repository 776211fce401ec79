//! Conditions: comparisons of values with texts and numbers, joined by `&&`, `||` and parentheses.

use super::lex::{Token, tokens};
use millrace_base::wildcard_matches;
use serde_json::Value;
use std::borrow::Cow;

/// How deep parentheses may be nested.
const DEPTH_MAX: usize = 32;

/// What conditions are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Selectors: `$.a.b[0]`.
    Json,
    /// Names of fields.
    Field,
}

/// A condition that was read.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Test(Selector, Test),
}

/// What is compared.
#[derive(Debug, Clone, PartialEq)]
pub enum Selector {
    Field(String),
    Path(Vec<Step>),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    Member(String),
    Item(usize),
    EachItem,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    Equal(Operand),
    NotEqual(Operand),
    /// The sign and the number.
    Order(&'static str, f64),
    IsNull,
    Is(bool),
    Exists(bool),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    Number(f64),
    /// With stars for any letters.
    Text(String),
}

/// Reads a condition.
pub fn parse(text: &str, subject: Subject) -> Result<Condition, String> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0, subject, depth: 0 };
    let condition = parser.any()?;
    match parser.peek() {
        None => Ok(condition),
        Some(token) => Err(format!("{} stands where '&&', '||' or the end was expected", show(token))),
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    subject: Subject,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(other)) if *other == sign);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted));
        self.at += usize::from(found);
        found
    }

    fn any(&mut self) -> Result<Condition, String> {
        let mut parts = vec![self.all()?];
        while self.take("||") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::Any(parts) })
    }

    fn all(&mut self) -> Result<Condition, String> {
        let mut parts = vec![self.one()?];
        while self.take("&&") {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::All(parts) })
    }

    fn one(&mut self) -> Result<Condition, String> {
        if self.take("(") {
            self.depth += 1;
            if self.depth > DEPTH_MAX {
                return Err(format!("parentheses are nested more than {DEPTH_MAX} deep"));
            }
            let inner = self.any()?;
            self.depth -= 1;
            return if self.take(")") { Ok(inner) } else { Err("')' is missing".to_owned()) };
        }
        let selector = match (self.tokens.get(self.at), self.subject) {
            (Some(Token::Word(word)), Subject::Json) => path(word)?,
            (Some(Token::Word(word)), Subject::Field) => Selector::Field(word.clone()),
            (Some(token), _) => return Err(format!("{} stands where a selector was expected", show(token))),
            (None, _) => return Err("a selector is missing".to_owned()),
        };
        self.at += 1;
        Ok(Condition::Test(selector, self.test()?))
    }

    fn test(&mut self) -> Result<Test, String> {
        if self.word("IS") {
            return match () {
                () if self.word("NULL") => Ok(Test::IsNull),
                () if self.word("TRUE") => Ok(Test::Is(true)),
                () if self.word("FALSE") => Ok(Test::Is(false)),
                () => Err("IS is followed by NULL, TRUE or FALSE".to_owned()),
            };
        }
        if self.word("NOT") {
            return if self.word("EXISTS") {
                Ok(Test::Exists(false))
            } else {
                Err("NOT is followed by EXISTS".to_owned())
            };
        }
        if self.word("EXISTS") {
            return Ok(Test::Exists(true));
        }
        let sign = match self.peek() {
            Some(Token::Sign(sign)) if !["&&", "||", "(", ")"].contains(sign) => *sign,
            Some(token) => return Err(format!("{} stands where a comparison was expected", show(token))),
            None => return Err("a comparison is missing".to_owned()),
        };
        self.at += 1;
        let operand = self.operand()?;
        match (sign, operand) {
            ("=", operand) => Ok(Test::Equal(operand)),
            ("!=", operand) => Ok(Test::NotEqual(operand)),
            (sign, Operand::Number(number)) => Ok(Test::Order(sign, number)),
            (sign, Operand::Text(text)) => Err(format!("'{sign}' compares numbers, and '{text}' is none")),
        }
    }

    fn operand(&mut self) -> Result<Operand, String> {
        let operand = match self.peek() {
            Some(Token::Quoted(text)) => Operand::Text(text.clone()),
            Some(Token::Word(word)) => word.parse().map_or_else(|_| Operand::Text(word.clone()), Operand::Number),
            Some(token) => return Err(format!("{} stands where a value was expected", show(token))),
            None => return Err("a value is missing".to_owned()),
        };
        self.at += 1;
        Ok(operand)
    }
}

fn show(token: &Token) -> String {
    match token {
        Token::Sign(sign) => format!("'{sign}'"),
        Token::Quoted(text) | Token::Word(text) => format!("'{text}'"),
    }
}

/// `$.a.b[0]['c'][*]`.
fn path(text: &str) -> Result<Selector, String> {
    let mut rest = text.strip_prefix('$').ok_or_else(|| format!("'{text}' must begin with $, as in $.{text}"))?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (step, after) = inner.split_once(']').ok_or_else(|| format!("']' is missing in '{text}'"))?;
            steps.push(match step.trim() {
                "*" => Step::EachItem,
                quoted if quoted.starts_with(['\'', '"']) => Step::Member(quoted.trim_matches(['\'', '"']).to_owned()),
                number => Step::Item(number.parse().map_err(|_| format!("'{number}' in '{text}' is no index"))?),
            });
            rest = after;
        } else if let Some(inner) = rest.strip_prefix('.') {
            let end = inner.find(['.', '[']).unwrap_or(inner.len());
            if end > 0 {
                steps.push(Step::Member(inner[..end].to_owned()));
            }
            rest = &inner[end..];
        } else {
            return Err(format!("'{rest}' in '{text}' is not understood"));
        }
    }
    Ok(Selector::Path(steps))
}

impl Condition {
    /// Whether it holds of what `find` gives for its selectors.
    pub fn holds<'a>(&self, find: &dyn Fn(&Selector) -> Vec<Cow<'a, Value>>) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(find)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(find)),
            Self::Test(selector, Test::Exists(wanted)) => find(selector).is_empty() != *wanted,
            Self::Test(selector, test) => find(selector).iter().any(|value| test.holds(value)),
        }
    }
}

impl Selector {
    /// The values that it selects in a document.
    pub fn find<'a>(&self, document: &'a Value) -> Vec<Cow<'a, Value>> {
        let Self::Path(steps) = self else { return Vec::new() };
        let mut found = vec![document];
        for step in steps {
            found = found
                .into_iter()
                .flat_map(|value| match step {
                    Step::Member(name) => value.get(name).into_iter().collect::<Vec<_>>(),
                    Step::Item(place) => value.get(place).into_iter().collect(),
                    Step::EachItem => value.as_array().into_iter().flatten().collect(),
                })
                .collect();
        }
        found.into_iter().map(Cow::Borrowed).collect()
    }
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Equal(operand) => operand.equals(value),
            Self::NotEqual(operand) => !value.is_null() && !operand.equals(value),
            Self::Order(sign, bound) => number(value).is_some_and(|number| match *sign {
                "<" => number < *bound,
                "<=" => number <= *bound,
                ">" => number > *bound,
                _ => number >= *bound,
            }),
            Self::IsNull => value.is_null(),
            Self::Is(wanted) => value.as_bool() == Some(*wanted),
            Self::Exists(wanted) => *wanted,
        }
    }
}

impl Operand {
    fn equals(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Number(wanted), _) => number(value) == Some(*wanted),
            (Self::Text(pattern), Value::String(text)) => wildcard_matches(pattern, text),
            (Self::Text(pattern), Value::Number(number)) => wildcard_matches(pattern, &number.to_string()),
            (Self::Text(pattern), Value::Bool(value)) => {
                wildcard_matches(pattern, if *value { "true" } else { "false" })
            }
            _ => false,
        }
    }
}

/// A number, also one that is written as a text, as fields between spaces are.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}
