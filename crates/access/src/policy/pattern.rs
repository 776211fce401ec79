//! Texts with wildcards and variables, as they stand in actions, resources and condition values.
//!
//! `*` is any characters, `?` is one. `${key}` is a value of the request, `${key, 'other'}` the same with a value for when the
//! request has none; `${*}`, `${?}` and `${$}` are those characters themselves. Variables are known since the policy language
//! of 2012-10-17; in an older document they are plain text.

use super::context::Context;
use std::borrow::Cow;

/// How a pattern's letters are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// `*` and `?` stand for other characters.
    pub wildcards: bool,
    /// `${…}` stands for a value of the request.
    pub variables: bool,
}

/// One piece of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    /// `*`
    Many,
    /// `?`
    One,
    Variable {
        /// In lower case, as keys are looked up.
        key: Box<str>,
        default: Option<Box<str>>,
    },
}

/// A text with wildcards and variables, read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    pieces: Box<[Piece]>,
    has_variables: bool,
}

impl Pattern {
    /// Reads `text`.
    pub fn new(text: &str, reading: Reading) -> Self {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            let variable = if reading.variables { variable(rest) } else { None };
            if let Some((piece, len)) = variable {
                match piece {
                    Piece::Text(text) => plain.push_str(&text),
                    piece => push(&mut pieces, &mut plain, piece),
                }
                rest = &rest[len..];
                continue;
            }
            match letter {
                '*' if reading.wildcards => push(&mut pieces, &mut plain, Piece::Many),
                '?' if reading.wildcards => push(&mut pieces, &mut plain, Piece::One),
                letter => plain.push(letter),
            }
            rest = &rest[letter.len_utf8()..];
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain.into()));
        }
        let has_variables = pieces.iter().any(|piece| matches!(piece, Piece::Variable { .. }));
        Self { pieces: pieces.into(), has_variables }
    }

    /// True when `text` fits. A variable without a value fits nothing.
    pub fn matches(&self, text: &str, context: &dyn Context) -> bool {
        if !self.has_variables {
            return fits(&self.pieces, text);
        }
        self.resolved(context).is_some_and(|pieces| fits(&pieces, text))
    }

    /// True when `text` fits, upper and lower case being the same.
    pub fn matches_ignoring_case(&self, text: &str, context: &dyn Context) -> bool {
        let lower = |pieces: &[Piece]| -> Vec<Piece> {
            let lower = |piece: &Piece| match piece {
                Piece::Text(text) => Piece::Text(text.to_lowercase().into()),
                other => other.clone(),
            };
            pieces.iter().map(lower).collect()
        };
        self.resolved(context).is_some_and(|pieces| fits(&lower(&pieces), &text.to_lowercase()))
    }

    /// The pieces with values in place of variables.
    fn resolved(&self, context: &dyn Context) -> Option<Cow<'_, [Piece]>> {
        if !self.has_variables {
            return Some(Cow::Borrowed(&self.pieces));
        }
        let value = |piece: &Piece| match piece {
            Piece::Variable { key, default } => {
                let found = context.values(key).and_then(|values| values.single().map(str::to_owned));
                found.map(Into::into).or_else(|| default.clone()).map(Piece::Text)
            }
            other => Some(other.clone()),
        };
        self.pieces.iter().map(value).collect::<Option<Vec<_>>>().map(Cow::Owned)
    }
}

fn push(pieces: &mut Vec<Piece>, plain: &mut String, piece: Piece) {
    if !plain.is_empty() {
        pieces.push(Piece::Text(std::mem::take(plain).into()));
    }
    // Two stars in a row say no more than one.
    if piece != Piece::Many || pieces.last() != Some(&Piece::Many) {
        pieces.push(piece);
    }
}

/// The variable that `text` begins with, and its length.
fn variable(text: &str) -> Option<(Piece, usize)> {
    let inner = text.strip_prefix("${")?;
    let end = inner.find('}')?;
    let (inner, len) = (&inner[..end], end + 3);
    let piece = match inner.split_once(',') {
        _ if matches!(inner, "*" | "?" | "$") => Piece::Text(inner.into()),
        Some((key, default)) => {
            let default = default.trim().strip_prefix('\'')?.strip_suffix('\'')?;
            Piece::Variable { key: key.trim().to_lowercase().into(), default: Some(default.into()) }
        }
        None => Piece::Variable { key: inner.trim().to_lowercase().into(), default: None },
    };
    Some((piece, len))
}

/// Whether `text` is made of `pieces`: greedy, going back to the last star only, which is enough for such patterns.
fn fits(pieces: &[Piece], text: &str) -> bool {
    let (mut at, mut rest) = (0, text);
    let mut retry: Option<(usize, &str)> = None;
    loop {
        let step = match pieces.get(at) {
            None if rest.is_empty() => return true,
            // What ends with a text may end with a later one of the same.
            None => None,
            Some(Piece::Many) => {
                if at + 1 == pieces.len() {
                    return true;
                }
                retry = Some((at + 1, rest));
                at += 1;
                continue;
            }
            Some(Piece::One) => rest.chars().next().map(|letter| &rest[letter.len_utf8()..]),
            Some(Piece::Text(wanted)) => rest.strip_prefix(&**wanted),
            Some(Piece::Variable { .. }) => None,
        };
        if let Some(left) = step {
            (at, rest) = (at + 1, left);
            continue;
        }
        let Some((piece, from)) = retry else { return false };
        let Some(letter) = from.chars().next() else { return false };
        let from = &from[letter.len_utf8()..];
        retry = Some((piece, from));
        (at, rest) = (piece, from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Facts;

    const FULL: Reading = Reading { wildcards: true, variables: true };

    fn fits(pattern: &str, text: &str) -> bool {
        let facts = Facts::from_iter([("aws:username", "jane"), ("aws:principaltag/team", "a*")]);
        Pattern::new(pattern, FULL).matches(text, &facts)
    }

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a?c", "aéc", true),
            ("*ab", "aab", true),
            ("*ab", "aabx", false),
            ("a**", "a", true),
            ("", "", true),
            ("", "x", false),
            ("abc", "ABC", false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn variables() {
        assert!(fits("home/${aws:UserName}/*", "home/jane/x"));
        assert!(!fits("home/${aws:username}/*", "home/joan/x"));
        // A wildcard in a value is no wildcard.
        assert!(fits("${aws:PrincipalTag/team}", "a*") && !fits("${aws:PrincipalTag/team}", "ab"));
        assert!(fits("x-${aws:PrincipalTag/none, 'all'}", "x-all"));
        assert!(!fits("x-${aws:PrincipalTag/none}", "x-"));
        assert!(fits("a${*}b${?}${$}", "a*b?$") && !fits("a${*}b", "axb"));
        let old = Pattern::new("${aws:username}", Reading { wildcards: true, variables: false });
        assert!(old.matches("${aws:username}", &Facts::default()) && !old.matches("jane", &Facts::default()));
        assert!(Pattern::new("Ab*", FULL).matches_ignoring_case("aBc", &Facts::default()));
    }
}
