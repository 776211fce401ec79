//! Places in the text, and errors that point at them.
//!
//! An error says what is wrong, shows the line with a caret under the place, and names the cure:
//!
//! ```text
//! error: column 'amont' is not in scope
//!  --> job.sql:3:8
//!   |
//! 3 | SELECT amont FROM orders
//!   |        ^^^^^
//!   = help: did you mean 'amount'?
//! ```

use std::fmt;

/// A range of bytes in the script, end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// From the start of `self` to the end of `other`.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// The text it covers.
    pub fn text(self, source: &str) -> &str {
        source.get(self.start..self.end).unwrap_or_default()
    }

    /// Line and column of its start, both from 1; the column counts characters.
    pub fn line_column(self, source: &str) -> (usize, usize) {
        let before = source.get(..self.start.min(source.len())).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// What a person can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text is no SQL: fix the spelling.
    Syntax,
    /// The text is SQL, but names, types or options do not fit: fix the statement.
    Invalid,
    /// Flink can do it and Millrace cannot yet: say it in another way, or wait.
    NotSupported,
}

/// An error with its place in the script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default())]
pub struct SqlError {
    /// What can be done about it.
    pub kind: ErrorKind,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// Where.
    pub span: Span,
    /// The cure, when one is known.
    pub help: Option<String>,
}

impl SqlError {
    /// Text that is no SQL.
    pub fn syntax(span: Span, message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Syntax, message: message.into(), span, help: None }
    }

    /// Names, types or options that do not fit.
    pub fn invalid(span: Span, message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Invalid, message: message.into(), span, help: None }
    }

    /// Something that Flink has and Millrace has not yet.
    pub fn not_supported(span: Span, what: impl fmt::Display) -> Self {
        Self { kind: ErrorKind::NotSupported, message: format!("{what} is not supported yet"), span, help: None }
    }

    /// Adds the cure.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the cure when there is one.
    #[must_use]
    pub fn help_with(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// The error for a terminal: message, place, the line with carets, cure. `name` is the script's name.
    pub fn render(&self, name: &str, source: &str) -> String {
        let (line, column) = self.span.line_column(source);
        let text = source.lines().nth(line - 1).unwrap_or_default();
        let shown = text.replace('\t', " ");
        let room = shown.chars().count().saturating_sub(column - 1).max(1);
        let carets = "^".repeat(self.span.text(source).chars().take_while(|c| *c != '\n').count().clamp(1, room));
        let gutter = " ".repeat(line.to_string().len());
        let pad = " ".repeat(column - 1);
        let mut out = format!(
            "error: {}\n{gutter}--> {name}:{line}:{column}\n{gutter} |\n{line} | {shown}\n{gutter} | {pad}{carets}",
            self.message
        );
        if let Some(help) = &self.help {
            out.push_str(&format!("\n{gutter} = help: {help}"));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_points_at_its_place() {
        let source = "SELECT a,\n\tamont FROM orders";
        let start = source.find("amont").unwrap();
        let error = SqlError::invalid(Span { start, end: start + 5 }, "column 'amont' is not in scope")
            .help("did you mean 'amount'?");
        assert_eq!(
            error.render("job.sql", source),
            "error: column 'amont' is not in scope\n --> job.sql:2:2\n  |\n2 |  amont FROM orders\n  |  ^^^^^\n  = help: did you mean 'amount'?"
        );
    }

    #[test]
    fn a_place_at_the_end_of_the_text_still_has_a_caret() {
        let error = SqlError::syntax(Span { start: 6, end: 6 }, "the statement ends too early");
        assert!(error.render("x", "SELECT").ends_with("1 | SELECT\n  |       ^"));
    }
}
