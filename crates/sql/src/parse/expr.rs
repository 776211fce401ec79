//! Expressions, by precedence climbing. The binding powers are those of Calcite, Flink's parser.

use super::Parser;
use crate::error::{Span, SqlError};
use crate::lex::TokenKind;
use crate::tree::{CallOptions, Expr, ExprKind, Ident};
use crate::words::{is_reserved, is_reserved_function};

const OR: u8 = 22;
const AND: u8 = 24;
const NOT: u8 = 26;
const IS: u8 = 28;
const COMPARE: u8 = 30;
const BETWEEN: u8 = 32;
const ADD: u8 = 40;
const MULTIPLY: u8 = 60;
const SIGN: u8 = 80;

/// Functions that are written without brackets.
const BARE: [&str; 5] = ["CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP"];

impl Parser<'_> {
    pub(super) fn expr(&mut self) -> Result<Expr, SqlError> {
        self.climb(0)
    }

    fn climb(&mut self, least: u8) -> Result<Expr, SqlError> {
        self.nested(|p| {
            let mut left = p.prefix()?;
            while let Some(next) = p.infix(&left, least)? {
                left = next;
            }
            Ok(left)
        })
    }

    fn prefix(&mut self) -> Result<Expr, SqlError> {
        let start = self.span();
        if self.eat("NOT") {
            let inner = self.climb(NOT)?;
            return Ok(Expr::operator("NOT", vec![inner], self.since(start)));
        }
        if self.eat_symbol("-").is_some() {
            let inner = self.climb(SIGN)?;
            return Ok(Expr::operator("-", vec![inner], self.since(start)));
        }
        if self.eat_symbol("+").is_some() {
            return self.climb(SIGN);
        }
        let primary = self.primary()?;
        self.postfix(primary)
    }

    /// An operand without operators after it.
    pub(super) fn primary_only(&mut self) -> Result<Expr, SqlError> {
        let primary = self.primary()?;
        self.postfix(primary)
    }

    /// `e[i]`, `(e).field`
    fn postfix(&mut self, mut expr: Expr) -> Result<Expr, SqlError> {
        loop {
            if self.eat_symbol("[").is_some() {
                let index = self.expr()?;
                self.expect_symbol("]")?;
                let span = self.since(expr.span);
                expr = Expr { kind: ExprKind::Index(Box::new(expr), Box::new(index)), span };
            } else if self.peek_symbol() == Some(".") {
                self.advance();
                let name = self.ident("a field's name")?;
                let span = self.since(expr.span);
                expr = Expr { kind: ExprKind::Field(Box::new(expr), name), span };
            } else {
                return Ok(expr);
            }
        }
    }

    /// The operator after `left`, when it binds tighter than `least`.
    fn infix(&mut self, left: &Expr, least: u8) -> Result<Option<Expr>, SqlError> {
        if let Some((name, power)) = self.binary_operator() {
            if power <= least {
                return Ok(None);
            }
            self.advance();
            let right = self.climb(power)?;
            return Ok(Some(binary(name, left, right)));
        }
        if self.at_words(&["IS"]) {
            return if IS > least { self.is_test(left).map(Some) } else { Ok(None) };
        }
        let negated = self.at_words(&["NOT"]);
        let ahead = usize::from(negated);
        let found = ["BETWEEN", "IN", "LIKE", "SIMILAR"].into_iter().find(|word| self.nth_is_word(ahead, word));
        let Some(word) = found.filter(|_| BETWEEN > least) else { return Ok(None) };
        self.at += ahead + 1;
        let inner = match word {
            "BETWEEN" => self.between(left)?,
            "IN" => return self.in_list(left, negated).map(Some),
            "LIKE" => self.like("LIKE", left)?,
            _ => {
                self.expect("TO")?;
                self.like("SIMILAR TO", left)?
            }
        };
        let span = inner.span;
        Ok(Some(if negated { Expr::operator("NOT", vec![inner], span) } else { inner }))
    }

    fn binary_operator(&self) -> Option<(&'static str, u8)> {
        match &self.peek().kind {
            TokenKind::Symbol(symbol) => match *symbol {
                "=" | "<" | ">" | "<=" | ">=" | "<>" => Some((symbol, COMPARE)),
                "!=" => Some(("<>", COMPARE)),
                "+" | "-" => Some((symbol, ADD)),
                "*" | "/" | "%" | "||" => Some((symbol, MULTIPLY)),
                _ => None,
            },
            TokenKind::Word(word) if word.eq_ignore_ascii_case("AND") => Some(("AND", AND)),
            TokenKind::Word(word) if word.eq_ignore_ascii_case("OR") => Some(("OR", OR)),
            _ => None,
        }
    }

    fn is_test(&mut self, left: &Expr) -> Result<Expr, SqlError> {
        self.expect("IS")?;
        let not = if self.eat("NOT") { "NOT " } else { "" };
        for word in ["NULL", "TRUE", "FALSE", "UNKNOWN"] {
            if self.eat(word) {
                return Ok(Expr::operator(&format!("IS {not}{word}"), vec![left.clone()], self.since(left.span)));
            }
        }
        if self.eat_words(&["DISTINCT", "FROM"]).is_some() {
            let right = self.climb(BETWEEN)?;
            let span = left.span.to(right.span);
            return Ok(Expr::operator(&format!("IS {not}DISTINCT FROM"), vec![left.clone(), right], span));
        }
        if self.eat("JSON") {
            let kind = ["VALUE", "OBJECT", "ARRAY", "SCALAR"].into_iter().find(|word| self.eat(word));
            let name = kind.map_or_else(|| format!("IS {not}JSON"), |kind| format!("IS {not}JSON {kind}"));
            return Ok(Expr::operator(&name, vec![left.clone()], self.since(left.span)));
        }
        Err(self.unexpected("NULL, TRUE, FALSE, UNKNOWN, DISTINCT FROM or JSON"))
    }

    fn between(&mut self, left: &Expr) -> Result<Expr, SqlError> {
        let symmetric = self.eat("SYMMETRIC");
        if !symmetric {
            self.eat("ASYMMETRIC");
        }
        let low = self.climb(BETWEEN)?;
        self.expect("AND")?;
        let high = self.climb(BETWEEN)?;
        let span = left.span.to(high.span);
        let within = |low: &Expr, high: &Expr| {
            let above = Expr::operator(">=", vec![left.clone(), low.clone()], span);
            let below = Expr::operator("<=", vec![left.clone(), high.clone()], span);
            Expr::operator("AND", vec![above, below], span)
        };
        let straight = within(&low, &high);
        Ok(if symmetric { Expr::operator("OR", vec![straight, within(&high, &low)], span) } else { straight })
    }

    fn in_list(&mut self, left: &Expr, negated: bool) -> Result<Expr, SqlError> {
        if self.nth_is_symbol(0, "(") && (self.nth_is_word(1, "SELECT") || self.nth_is_word(1, "WITH")) {
            return Err(SqlError::not_supported(self.nth(1).span, "IN (SELECT …)").help("list the values"));
        }
        let list = self.brackets(Self::expr)?;
        let kind = ExprKind::InList(Box::new(left.clone()), list, negated);
        Ok(Expr { kind, span: self.since(left.span) })
    }

    fn like(&mut self, name: &str, left: &Expr) -> Result<Expr, SqlError> {
        let mut args = vec![left.clone(), self.climb(BETWEEN)?];
        if self.eat("ESCAPE") {
            args.push(self.climb(BETWEEN)?);
        }
        Ok(Expr::operator(name, args, self.since(left.span)))
    }

    fn primary(&mut self) -> Result<Expr, SqlError> {
        let token = self.peek().clone();
        let literal = |kind| Ok(Expr { kind, span: token.span });
        match token.kind.clone() {
            TokenKind::Integer(text) => {
                self.advance();
                literal(ExprKind::Integer(text))
            }
            TokenKind::Decimal(text) => {
                self.advance();
                literal(ExprKind::Decimal(text))
            }
            TokenKind::Approximate(text) => {
                self.advance();
                literal(ExprKind::Approximate(text))
            }
            TokenKind::Text(text) => {
                self.advance();
                literal(ExprKind::Text(text))
            }
            TokenKind::Symbol("(") => self.bracketed(),
            TokenKind::Quoted(_) => self.name_or_call(),
            TokenKind::Word(word) => self.word(&word, token.span),
            _ => Err(self.unexpected("an expression")),
        }
    }

    fn bracketed(&mut self) -> Result<Expr, SqlError> {
        let start = self.expect_symbol("(")?;
        if self.at_any_word(&["SELECT", "WITH"]) {
            return Err(SqlError::not_supported(self.span(), "a subquery as a value"));
        }
        let mut items = self.list(Self::expr)?;
        self.expect_symbol(")")?;
        if items.len() == 1 {
            let mut inner = items.remove(0);
            inner.span = self.since(start);
            return Ok(inner);
        }
        Ok(Expr { kind: ExprKind::Row(items), span: self.since(start) })
    }

    fn word(&mut self, word: &str, span: Span) -> Result<Expr, SqlError> {
        let upper = word.to_ascii_uppercase();
        let call_next = self.nth_is_symbol(1, "(");
        let constant = match upper.as_str() {
            "NULL" => Some(ExprKind::Null),
            "TRUE" => Some(ExprKind::Boolean(true)),
            "FALSE" => Some(ExprKind::Boolean(false)),
            "UNKNOWN" => Some(ExprKind::Null),
            _ => None,
        };
        if let Some(kind) = constant {
            self.advance();
            return Ok(Expr { kind, span });
        }
        if let Some(special) = self.special(&upper, call_next)? {
            return Ok(special);
        }
        if BARE.contains(&upper.as_str()) {
            self.advance();
            if call_next {
                self.skip_precision()?;
            }
            return Ok(Expr::call(&upper, Vec::new(), self.since(span)));
        }
        if call_next && (is_reserved_function(word) || !is_reserved(word)) {
            self.advance();
            return self.call(upper, span);
        }
        if call_next {
            return Err(SqlError::not_supported(span, format!("the function {upper}")));
        }
        self.name_or_call()
    }

    /// `CURRENT_TIMESTAMP(3)`
    fn skip_precision(&mut self) -> Result<(), SqlError> {
        self.expect_symbol("(")?;
        if matches!(self.peek().kind, TokenKind::Integer(_)) {
            self.advance();
        }
        self.expect_symbol(")")?;
        Ok(())
    }

    fn name_or_call(&mut self) -> Result<Expr, SqlError> {
        let first = self.ident("an expression")?;
        if self.peek_symbol() == Some("(") {
            return self.call(first.name.to_ascii_uppercase(), first.span);
        }
        let start = first.span;
        let mut parts: Vec<Ident> = vec![first];
        while self.peek_symbol() == Some(".") {
            self.advance();
            parts.push(self.ident("a column's name")?);
        }
        Ok(Expr { kind: ExprKind::Name(parts), span: self.since(start) })
    }

    /// The brackets of a call and what follows them.
    pub(super) fn call(&mut self, name: String, start: Span) -> Result<Expr, SqlError> {
        self.expect_symbol("(")?;
        let mut options = CallOptions::default();
        let mut args = Vec::new();
        if self.eat_symbol("*").is_some() {
            options.star = true;
        } else if self.peek_symbol() != Some(")") {
            options.distinct = self.eat("DISTINCT");
            if !options.distinct {
                self.eat("ALL");
            }
            args = self.list(Self::expr)?;
        }
        self.expect_symbol(")")?;
        if self.eat("FILTER") {
            self.expect_symbol("(")?;
            self.expect("WHERE")?;
            options.filter = Some(Box::new(self.expr()?));
            self.expect_symbol(")")?;
        }
        for (words, what) in
            [(&["OVER"][..], "OVER"), (&["WITHIN", "GROUP"], "WITHIN GROUP"), (&["IGNORE"], "IGNORE NULLS")]
        {
            if self.at_words(words) {
                return Err(SqlError::not_supported(self.span(), what));
            }
        }
        Ok(Expr { kind: ExprKind::Call(name, args, options), span: self.since(start) })
    }
}

fn binary(name: &str, left: &Expr, right: Expr) -> Expr {
    let span = left.span.to(right.span);
    Expr::operator(name, vec![left.clone(), right], span)
}
