//! Text → tokens, each with its place.

use crate::error::{Span, SqlError};

/// What a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenKind {
    /// A keyword or a bare name, as spelled.
    Word(String),
    /// A name in backquotes, without them.
    Quoted(String),
    /// A string literal, without its quotes.
    Text(String),
    /// A number without point or exponent.
    Integer(String),
    /// A number with a point and no exponent: an exact decimal.
    Decimal(String),
    /// A number with an exponent: a `DOUBLE`.
    Approximate(String),
    /// An operator or a bracket.
    Symbol(&'static str),
    /// The end of the text.
    End,
}

/// A token and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it is.
    pub span: Span,
}

/// Longest first, so that `<=` is not read as `<`.
const SYMBOLS: [&str; 28] = [
    "/*+", "<>", "!=", "<=", ">=", "=>", "||", "::", "(", ")", "[", "]", "{", "}", ",", ";", ".", "=", "<", ">", "+",
    "-", "*", "/", "%", "?", ":", "&",
];

/// All tokens of `source`, ended by [`TokenKind::End`].
pub fn tokens(source: &str) -> Result<Vec<Token>, SqlError> {
    let mut lexer = Lexer { source, at: 0, in_hint: false };
    let mut out = Vec::new();
    loop {
        let token = lexer.token()?;
        let end = token.kind == TokenKind::End;
        out.push(token);
        if end {
            return Ok(out);
        }
    }
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    in_hint: bool,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.source[self.at..]
    }

    fn span(&self, start: usize) -> Span {
        Span { start, end: self.at }
    }

    fn token(&mut self) -> Result<Token, SqlError> {
        self.skip_blank()?;
        let start = self.at;
        let Some(first) = self.rest().chars().next() else {
            return Ok(Token { kind: TokenKind::End, span: self.span(start) });
        };
        let follows_digit = self.rest()[first.len_utf8()..].starts_with(|c: char| c.is_ascii_digit());
        let kind = match first {
            '\'' => TokenKind::Text(self.quoted('\'', "string")?),
            '`' => TokenKind::Quoted(self.quoted('`', "name in backquotes")?),
            '"' => {
                self.at += 1;
                return Err(SqlError::syntax(self.span(start), "double quotes mean nothing in Flink SQL")
                    .help("write names in backquotes (`name`) and strings in single quotes ('text')"));
            }
            c if c.is_ascii_digit() || (c == '.' && follows_digit) => self.number(),
            c if c.is_alphabetic() || c == '_' => self.word(start)?,
            _ => TokenKind::Symbol(self.symbol(first)?),
        };
        Ok(Token { kind, span: self.span(start) })
    }

    fn skip_blank(&mut self) -> Result<(), SqlError> {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start().len();
            if blank > 0 {
                self.at += blank;
            } else if rest.starts_with("--") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("/*") && !rest.starts_with("/*+") {
                let start = self.at;
                let Some(length) = rest.find("*/") else {
                    return Err(SqlError::syntax(Span { start, end: start + 2 }, "this comment has no end")
                        .help("close it with */"));
                };
                self.at += length + 2;
            } else {
                return Ok(());
            }
        }
    }

    fn quoted(&mut self, quote: char, what: &str) -> Result<String, SqlError> {
        let start = self.at;
        let mut out = String::new();
        let mut chars = self.source[start + 1..].char_indices().peekable();
        while let Some((offset, c)) = chars.next() {
            if c != quote {
                out.push(c);
            } else if chars.next_if(|(_, next)| *next == quote).is_some() {
                out.push(quote);
            } else {
                self.at = start + 1 + offset + 1;
                return Ok(out);
            }
        }
        Err(SqlError::syntax(Span { start, end: start + 1 }, format!("this {what} has no end"))
            .help(format!("close it with {quote}; inside, the quote is written twice")))
    }

    fn digits(&mut self) {
        let rest = self.rest();
        self.at += rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    }

    fn number(&mut self) -> TokenKind {
        let start = self.at;
        self.digits();
        let point = self.rest().starts_with('.');
        if point {
            self.at += 1;
            self.digits();
        }
        let rest = self.rest();
        let exponent = rest.strip_prefix(['e', 'E']).map(|tail| tail.strip_prefix(['+', '-']).unwrap_or(tail));
        if let Some(tail) = exponent.filter(|tail| tail.starts_with(|c: char| c.is_ascii_digit())) {
            self.at += rest.len() - tail.len();
            self.digits();
            return TokenKind::Approximate(self.source[start..self.at].to_owned());
        }
        let text = self.source[start..self.at].to_owned();
        if point { TokenKind::Decimal(text) } else { TokenKind::Integer(text) }
    }

    fn word(&mut self, start: usize) -> Result<TokenKind, SqlError> {
        let rest = self.rest();
        self.at += rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').unwrap_or(rest.len());
        let text = self.span(start).text(self.source).to_owned();
        let escaped = self.rest().starts_with('\'') && matches!(text.as_str(), "E" | "e" | "X" | "x" | "N" | "n");
        let unicode = self.rest().starts_with("&'") && text.eq_ignore_ascii_case("u");
        if escaped || unicode {
            return Err(SqlError::not_supported(self.span(start), format!("the string prefix {text}")));
        }
        Ok(TokenKind::Word(text))
    }

    fn symbol(&mut self, first: char) -> Result<&'static str, SqlError> {
        if self.in_hint && self.rest().starts_with("*/") {
            self.in_hint = false;
            self.at += 2;
            return Ok("*/");
        }
        let found = SYMBOLS.iter().find(|symbol| self.rest().starts_with(**symbol));
        let Some(symbol) = found else {
            let span = Span { start: self.at, end: self.at + first.len_utf8() };
            return Err(SqlError::syntax(span, format!("the character '{first}' has no meaning here")));
        };
        self.in_hint |= *symbol == "/*+";
        self.at += symbol.len();
        Ok(symbol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(source: &str) -> Vec<TokenKind> {
        tokens(source).unwrap().into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn numbers_keep_their_kind() {
        assert_eq!(
            kinds("1 1.50 .5 1e3 2E-1 3."),
            [
                TokenKind::Integer("1".into()),
                TokenKind::Decimal("1.50".into()),
                TokenKind::Decimal(".5".into()),
                TokenKind::Approximate("1e3".into()),
                TokenKind::Approximate("2E-1".into()),
                TokenKind::Decimal("3.".into()),
                TokenKind::End
            ]
        );
    }

    #[test]
    fn quotes_are_doubled_and_comments_vanish() {
        assert_eq!(
            kinds("'it''s' -- no\n/* no */ `a``b` 'ü'"),
            [
                TokenKind::Text("it's".into()),
                TokenKind::Quoted("a`b".into()),
                TokenKind::Text("ü".into()),
                TokenKind::End
            ]
        );
    }

    #[test]
    fn an_open_string_is_reported_where_it_starts() {
        let error = tokens("SELECT 'abc").unwrap_err();
        assert_eq!((error.span.start, error.message.as_str()), (7, "this string has no end"));
    }
}
