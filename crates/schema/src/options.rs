//! Reading a format's options out of a table's `WITH` clause, and refusing what no format knows.

use crate::FormatError;
use millrace_base::did_you_mean;
use std::collections::BTreeMap;

/// The options of one format. Every option that is asked for is known; [`Options::end`] refuses the others.
pub(crate) struct Options<'a> {
    format: &'static str,
    with: &'a BTreeMap<String, String>,
    known: Vec<String>,
}

impl<'a> Options<'a> {
    pub(crate) fn new(format: &'static str, with: &'a BTreeMap<String, String>) -> Self {
        Self { format, with, known: Vec::new() }
    }

    /// The option's text, if it is given.
    pub(crate) fn get(&mut self, name: &str) -> Option<&'a str> {
        let key = format!("{}.{name}", self.format);
        let value = self.with.get(&key).map(String::as_str);
        self.known.push(key);
        value
    }

    pub(crate) fn text(&mut self, name: &str, default: &str) -> String {
        self.get(name).unwrap_or(default).to_owned()
    }

    pub(crate) fn flag(&mut self, name: &str, default: bool) -> Result<bool, FormatError> {
        match self.get(name) {
            None => Ok(default),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(_) => Err(self.refuse(name, "true or false is expected")),
        }
    }

    /// An option of exactly one ASCII character, where `\t` may be written as an escape.
    pub(crate) fn character(&mut self, name: &str) -> Result<Option<u8>, FormatError> {
        match self.get(name) {
            None => Ok(None),
            Some("\\t") => Ok(Some(b'\t')),
            Some(text) => match text.as_bytes() {
                [byte] if byte.is_ascii() => Ok(Some(*byte)),
                _ => Err(self.refuse(name, "one ASCII character is expected")),
            },
        }
    }

    /// The error for an option's value.
    pub(crate) fn refuse(&self, name: &str, expected: &str) -> FormatError {
        let key = format!("{}.{name}", self.format);
        let value = self.with.get(&key).cloned().unwrap_or_default();
        FormatError::BadOption { key, value, expected: expected.to_owned() }
    }

    /// Refuses options of this format that nobody asked for.
    pub(crate) fn end(self) -> Result<(), FormatError> {
        let prefix = format!("{}.", self.format);
        match self.with.keys().find(|key| key.starts_with(&prefix) && !self.known.contains(key)) {
            None => Ok(()),
            Some(key) => Err(FormatError::UnknownOption {
                key: key.clone(),
                hint: did_you_mean(key, self.known.iter().map(String::as_str))
                    .map(|hint| format!("; {hint}"))
                    .unwrap_or_default(),
                available: if self.known.is_empty() { "none".to_owned() } else { self.known.join(", ") },
            }),
        }
    }
}
