//! Tokens → syntax tree: recursive descent for statements, precedence climbing for expressions.

mod expr;
mod function;
mod query;
mod special;
mod statement;
mod table;
mod types;

use crate::error::{Span, SqlError};
use crate::lex::{Token, TokenKind, tokens};
use crate::tree::{Ident, ObjectName, Statement, Text};
use crate::words::is_reserved;
use millrace_base::nearest;

/// Nesting beyond which a statement is refused, so that no text can exhaust the stack.
const DEPTH_MAX: usize = 64;

/// A whole script: statements ended by semicolons. The places are those in `source`.
pub fn parse(source: &str) -> Result<Vec<Statement>, SqlError> {
    let mut parser = Parser { source, tokens: tokens(source)?, at: 0, depth: 0 };
    let mut statements = Vec::new();
    loop {
        while parser.eat_symbol(";").is_some() {}
        if parser.peek().kind == TokenKind::End {
            return Ok(statements);
        }
        statements.push(parser.statement()?);
        if parser.peek().kind != TokenKind::End && parser.peek_symbol() != Some(";") {
            return Err(parser.unexpected("';' or the end of the statement"));
        }
    }
}

/// The places of the statements that a semicolon ends, for a prompt that reads line by line. What follows the last of
/// them is not whole yet. Text that cannot be read is one statement, so that parsing it reports why.
pub fn split(source: &str) -> Vec<Span> {
    let Ok(tokens) = tokens(source) else { return Vec::new() };
    let (mut out, mut start, mut in_set) = (Vec::new(), None, false);
    let word = |at: usize, wanted: &str| matches!(tokens.get(at).map(|token| &token.kind), Some(TokenKind::Word(word)) if word.eq_ignore_ascii_case(wanted));
    for (at, token) in tokens.iter().enumerate() {
        let symbol = matches!(token.kind, TokenKind::Symbol(";"));
        in_set |= word(at, "STATEMENT") && word(at + 1, "SET");
        if symbol && in_set && at > 0 && word(at - 1, "END") {
            in_set = false;
        }
        match start {
            None if !symbol && token.kind != TokenKind::End => start = Some(token.span.start),
            Some(first) if symbol && !in_set => {
                out.push(Span { start: first, end: token.span.end });
                start = None;
            }
            _ => {}
        }
    }
    out
}

pub(crate) struct Parser<'a> {
    source: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.nth(0)
    }

    fn nth(&self, ahead: usize) -> &Token {
        &self.tokens[(self.at + ahead).min(self.tokens.len() - 1)]
    }

    fn span(&self) -> Span {
        self.peek().span
    }

    /// The place of what was read last.
    fn last_span(&self) -> Span {
        self.tokens[self.at.saturating_sub(1)].span
    }

    /// From `start` to what was read last.
    fn since(&self, start: Span) -> Span {
        start.to(self.last_span())
    }

    fn advance(&mut self) -> Token {
        let token = self.peek().clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn peek_symbol(&self) -> Option<&'static str> {
        match self.peek().kind {
            TokenKind::Symbol(symbol) => Some(symbol),
            _ => None,
        }
    }

    fn nth_is_symbol(&self, ahead: usize, symbol: &str) -> bool {
        matches!(self.nth(ahead).kind, TokenKind::Symbol(found) if found == symbol)
    }

    fn eat_symbol(&mut self, symbol: &str) -> Option<Span> {
        (self.peek_symbol() == Some(symbol)).then(|| self.advance().span)
    }

    fn expect_symbol(&mut self, symbol: &str) -> Result<Span, SqlError> {
        self.eat_symbol(symbol).ok_or_else(|| self.unexpected(&format!("'{symbol}'")))
    }

    fn nth_is_word(&self, ahead: usize, wanted: &str) -> bool {
        matches!(&self.nth(ahead).kind, TokenKind::Word(word) if word.eq_ignore_ascii_case(wanted))
    }

    /// True when the next words are these.
    fn at_words(&self, wanted: &[&str]) -> bool {
        wanted.iter().enumerate().all(|(ahead, word)| self.nth_is_word(ahead, word))
    }

    fn at_any_word(&self, wanted: &[&str]) -> bool {
        wanted.iter().any(|word| self.nth_is_word(0, word))
    }

    /// Reads these words when they all follow.
    fn eat_words(&mut self, wanted: &[&str]) -> Option<Span> {
        if !self.at_words(wanted) {
            return None;
        }
        let start = self.span();
        self.at += wanted.len();
        Some(self.since(start))
    }

    fn eat(&mut self, word: &str) -> bool {
        self.eat_words(&[word]).is_some()
    }

    fn expect(&mut self, wanted: &str) -> Result<Span, SqlError> {
        let start = self.span();
        for word in wanted.split(' ') {
            if !self.eat(word) {
                return Err(self.unexpected(wanted));
            }
        }
        Ok(self.since(start))
    }

    /// "expected this, found that", with the keyword that may have been meant.
    fn unexpected(&self, wanted: &str) -> SqlError {
        let token = self.peek();
        let found = match &token.kind {
            TokenKind::End => {
                return SqlError::syntax(token.span, format!("the text ends where {wanted} is expected"));
            }
            _ => token.span.text(self.source),
        };
        let error = SqlError::syntax(token.span, format!("expected {wanted}, found '{found}'"));
        match &token.kind {
            TokenKind::Word(word) => match nearest(word, wanted.split([' ', ',']).filter(|w| w.len() > 2)) {
                Some(meant) if !meant.eq_ignore_ascii_case(word) => error.help(format!("did you mean {meant}?")),
                _ => error,
            },
            _ => error,
        }
    }

    fn reserved(&self, word: &str, span: Span) -> SqlError {
        SqlError::syntax(span, format!("'{word}' is a reserved word"))
            .help(format!("to use it as a name, write it in backquotes: `{word}`"))
    }

    /// A name that may be a column, table, alias.
    fn ident(&mut self, what: &str) -> Result<Ident, SqlError> {
        let token = self.peek().clone();
        match token.kind {
            TokenKind::Quoted(name) => {
                self.advance();
                Ok(Ident { name, span: token.span })
            }
            TokenKind::Word(word) if is_reserved(&word) => Err(self.reserved(&word, token.span)),
            TokenKind::Word(name) => {
                self.advance();
                Ok(Ident { name, span: token.span })
            }
            TokenKind::Text(text) => {
                Err(self.unexpected(what).help(format!("names are written bare or in backquotes: `{text}`")))
            }
            _ => Err(self.unexpected(what)),
        }
    }

    /// True when a name (not a reserved word) follows.
    fn at_ident(&self) -> bool {
        match &self.peek().kind {
            TokenKind::Quoted(_) => true,
            TokenKind::Word(word) => !is_reserved(word),
            _ => false,
        }
    }

    fn object_name(&mut self, what: &str) -> Result<ObjectName, SqlError> {
        let mut parts = vec![self.ident(what)?];
        while self.eat_symbol(".").is_some() {
            parts.push(self.ident(what)?);
        }
        let span = self.since(parts[0].span);
        Ok(ObjectName { parts, span })
    }

    fn text(&mut self, what: &str) -> Result<Text, SqlError> {
        match self.peek().kind.clone() {
            TokenKind::Text(value) => Ok(Text { value, span: self.advance().span }),
            TokenKind::Word(_) | TokenKind::Integer(_) | TokenKind::Quoted(_) => {
                let found = self.span().text(self.source).to_owned();
                Err(self.unexpected(what).help(format!("write it in single quotes: '{found}'")))
            }
            _ => Err(self.unexpected(what)),
        }
    }

    /// `item, item …`
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T, SqlError>) -> Result<Vec<T>, SqlError> {
        let mut out = vec![item(self)?];
        while self.eat_symbol(",").is_some() {
            out.push(item(self)?);
        }
        Ok(out)
    }

    /// `(item, item …)`
    fn brackets<T>(&mut self, item: impl FnMut(&mut Self) -> Result<T, SqlError>) -> Result<Vec<T>, SqlError> {
        self.expect_symbol("(")?;
        let out = self.list(item)?;
        self.expect_symbol(")")?;
        Ok(out)
    }

    /// Runs `parse` one level deeper.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, SqlError>) -> Result<T, SqlError> {
        if self.depth >= DEPTH_MAX {
            return Err(SqlError::syntax(self.span(), format!("this is nested more than {DEPTH_MAX} levels deep")));
        }
        self.depth += 1;
        let out = parse(self);
        self.depth -= 1;
        out
    }
}
