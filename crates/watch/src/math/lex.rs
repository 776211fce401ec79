//! The words of an expression.

use super::error::Wrong;

/// A word.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Number(f64),
    /// A letter, then letters, digits and underscores.
    Name(String),
    /// In single or double quotes.
    Text(String),
    /// `+`, `<=`, `(` and the like.
    Sign(&'static str),
}

/// Longer ones first.
const SIGNS: [&str; 19] =
    ["==", "!=", "<=", ">=", "&&", "||", "<", ">", "+", "-", "*", "/", "^", "(", ")", "[", "]", ",", "!"];

/// Words with the byte at which each begins.
pub(super) fn lex(text: &str) -> Result<Vec<(Token, usize)>, Wrong> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        let rest = &text[at..];
        let (token, len) = if letter.is_whitespace() {
            at += letter.len_utf8();
            continue;
        } else if letter.is_ascii_digit() || letter == '.' {
            number(rest).ok_or_else(|| Wrong::at(at, "a number is not written right"))?
        } else if letter.is_ascii_alphabetic() || letter == '_' {
            let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            let len = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
            (Token::Name(rest[..len].to_owned()), len)
        } else if letter == '\'' || letter == '"' {
            quoted(rest, letter).ok_or_else(|| Wrong::at(at, "a text does not end"))?
        } else {
            let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
            let sign = sign.ok_or_else(|| Wrong::at(at, format!("'{letter}' means nothing here")))?;
            (Token::Sign(sign), sign.len())
        };
        tokens.push((token, at));
        at += len;
    }
    Ok(tokens)
}

fn number(rest: &str) -> Option<(Token, usize)> {
    let mut len = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(rest.len());
    // An exponent belongs to it only with its digits: 1e5, 2E-3.
    let tail = rest[len..].strip_prefix(['e', 'E']);
    if let Some(tail) = tail {
        let digits = tail.strip_prefix(['+', '-']).unwrap_or(tail);
        let count = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
        if count > 0 {
            len += 1 + (tail.len() - digits.len()) + count;
        }
    }
    let value: f64 = rest[..len].parse().ok()?;
    value.is_finite().then_some((Token::Number(value), len))
}

/// A text; a backslash keeps the quote behind it, and stays otherwise: search terms have backslashes of their own.
fn quoted(rest: &str, quote: char) -> Option<(Token, usize)> {
    let mut text = String::new();
    let mut letters = rest.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if letter == quote {
            return Some((Token::Text(text), at + 1));
        }
        if letter == '\\' && letters.peek().is_some_and(|(_, next)| *next == quote) {
            letters.next();
            text.push(quote);
            continue;
        }
        text.push(letter);
    }
    None
}
