//! What an expression says, as a tree, and how it is read.
//!
//! ```text
//! or      := and (('OR' | '||') and)*
//! and     := compare (('AND' | '&&') compare)*
//! compare := sum (('==' | '!=' | '<=' | '>=' | '<' | '>') sum)*
//! sum     := product (('+' | '-') product)*
//! product := unary (('*' | '/') unary)*
//! unary   := '-' unary | power
//! power   := primary ('^' unary)?
//! primary := number | text | id | NAME '(' (or (',' or)*)? ')' | NAME | '(' or ')' | '[' or (',' or)* ']'
//! ```
//! An id begins with a small letter, a function's name or word (`REPEAT`, `DESC`) with a capital.

use super::error::Wrong;
use super::lex::{Token, lex};

/// How deep expressions nest.
const DEPTH_MAX: usize = 64;
/// CloudWatch's ceiling of an expression's length.
const EXPRESSION_CHARS_MAX: usize = 2048;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    Number(f64),
    Text(String),
    /// Another query.
    Id(String),
    /// A word that some functions take: `REPEAT`, `LINEAR`, `AVG`, `DESC`.
    Word(String),
    Call(String, Vec<Expr>),
    Array(Vec<Expr>),
    Minus(Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
}

/// What stands between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    LessOrEqual,
    GreaterOrEqual,
    Less,
    Greater,
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
}

/// Operators of each level, the loosest first.
const LEVELS: [&[(&str, Operator)]; 5] = [
    &[("OR", Operator::Or), ("||", Operator::Or)],
    &[("AND", Operator::And), ("&&", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide)],
];

/// Reads an expression.
pub(super) fn parse(text: &str) -> Result<Expr, Wrong> {
    if text.chars().count() > EXPRESSION_CHARS_MAX {
        return Err(Wrong::new(format!("it is longer than {EXPRESSION_CHARS_MAX} characters")));
    }
    let mut parser = Parser { tokens: lex(text)?, at: 0, depth: 0, len: text.len() };
    if parser.tokens.is_empty() {
        return Err(Wrong::new("it is empty"));
    }
    let tree = parser.binary(0)?;
    match parser.tokens.get(parser.at) {
        None => Ok(tree),
        Some((_, at)) => Err(Wrong::at(*at, "an operator or the end is missing here")),
    }
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
    len: usize,
}

impl Parser {
    fn is_next(&self, wanted: &str) -> bool {
        match self.tokens.get(self.at) {
            Some((Token::Sign(sign), _)) => *sign == wanted,
            Some((Token::Name(name), _)) => name == wanted,
            _ => false,
        }
    }

    fn take(&mut self, wanted: &str) -> bool {
        let is_next = self.is_next(wanted);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, wanted: &str) -> Result<(), Wrong> {
        if self.take(wanted) { Ok(()) } else { Err(self.wrong(format!("'{wanted}' is missing"))) }
    }

    fn wrong(&self, what: impl std::fmt::Display) -> Wrong {
        Wrong::at(self.tokens.get(self.at).map_or(self.len, |(_, at)| *at), what)
    }

    fn binary(&mut self, level: usize) -> Result<Expr, Wrong> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        loop {
            let found = operators.iter().find(|(sign, _)| self.is_next(sign));
            let Some((_, operator)) = found else { return Ok(left) };
            self.at += 1;
            let right = self.binary(level + 1)?;
            left = Expr::Binary(*operator, Box::new(left), Box::new(right));
        }
    }

    fn unary(&mut self) -> Result<Expr, Wrong> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.wrong("it nests too deeply"));
        }
        let tree = if self.take("-") {
            Expr::Minus(Box::new(self.unary()?))
        } else {
            let base = self.primary()?;
            if self.take("^") { Expr::Binary(Operator::Power, Box::new(base), Box::new(self.unary()?)) } else { base }
        };
        self.depth -= 1;
        Ok(tree)
    }

    fn primary(&mut self) -> Result<Expr, Wrong> {
        let Some((token, at)) = self.tokens.get(self.at).cloned() else {
            return Err(self.wrong("a value is missing at the end"));
        };
        self.at += 1;
        match token {
            Token::Number(number) => Ok(Expr::Number(number)),
            Token::Text(text) => Ok(Expr::Text(text)),
            Token::Sign("(") => {
                let inner = self.binary(0)?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Sign("[") => Ok(Expr::Array(self.list("]")?)),
            Token::Name(name) if self.take("(") => Ok(Expr::Call(name, self.list(")")?)),
            Token::Name(name) if name.starts_with(|letter: char| letter.is_ascii_lowercase()) => Ok(Expr::Id(name)),
            Token::Name(name) => Ok(Expr::Word(name)),
            Token::Sign(sign) => Err(Wrong::at(at, format!("a value is missing before '{sign}'"))),
        }
    }

    /// Values up to a closing sign.
    fn list(&mut self, end: &str) -> Result<Vec<Expr>, Wrong> {
        let mut values = Vec::new();
        if self.take(end) {
            return Ok(values);
        }
        loop {
            values.push(self.binary(0)?);
            if self.take(end) {
                return Ok(values);
            }
            self.expect(",")?;
        }
    }
}

impl Expr {
    /// The queries that it names.
    pub(super) fn ids(&self, found: &mut Vec<String>) {
        match self {
            Self::Id(id) => found.push(id.clone()),
            Self::Call(_, inner) | Self::Array(inner) => inner.iter().for_each(|expr| expr.ids(found)),
            Self::Minus(inner) => inner.ids(found),
            Self::Binary(_, left, right) => {
                left.ids(found);
                right.ids(found);
            }
            Self::Number(_) | Self::Text(_) | Self::Word(_) => {}
        }
    }
}
