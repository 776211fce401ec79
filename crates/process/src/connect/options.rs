//! The `WITH` options of a table, read so that none is overlooked.

use super::ConnectError;
use crate::graph::ConnectorSpec;
use std::cell::RefCell;

/// Reads options by name and finally refuses those that nobody asked for.
pub struct Options<'a> {
    spec: &'a ConnectorSpec,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Options<'a> {
    /// Over a table's options. `connector` and `format` are known, and so are a format's own options (the format checks
    /// them).
    pub fn new(spec: &'a ConnectorSpec) -> Self {
        Self { spec, known: RefCell::new(vec!["connector", "format"]) }
    }

    /// An option's value, if it is given.
    pub fn get(&self, name: &'static str) -> Option<&'a str> {
        self.known.borrow_mut().push(name);
        self.spec.options.get(name).map(String::as_str)
    }

    /// An option that must be given.
    pub fn required(&self, name: &'static str, example: &str) -> Result<&'a str, ConnectError> {
        self.get(name)
            .ok_or_else(|| self.error(format!("the option '{name}' is missing, for example '{name}' = '{example}'")))
    }

    /// The format; this connector needs one.
    pub fn format(&self) -> Result<&'a str, ConnectError> {
        self.required("format", "json")
    }

    /// Options that tune a remote service and mean nothing here: taken so that a script runs as it is (documented).
    pub fn tuning(&self, names: &[&'static str]) {
        self.known.borrow_mut().extend_from_slice(names);
    }

    /// Refuses options that were not asked for, naming the nearest that exists.
    pub fn end(self) -> Result<(), ConnectError> {
        let known = self.known.borrow();
        let format = self.spec.options.get("format").map(|format| format!("{format}.")).unwrap_or_default();
        let is_known = |key: &str| known.contains(&key) || (!format.is_empty() && key.starts_with(&format));
        match self.spec.options.keys().find(|key| !is_known(key)) {
            None => Ok(()),
            Some(key) => {
                let connector = &self.spec.connector;
                let hint = millrace_base::did_you_mean(key, known.iter().copied());
                let hint = hint.unwrap_or_else(|| format!("known options are {}", known.join(", ")));
                Err(self.error(format!("the {connector} connector has no option '{key}'; {hint}")))
            }
        }
    }

    /// An error about this table's options.
    pub fn error(&self, reason: impl Into<String>) -> ConnectError {
        ConnectError::option(&self.spec.table, reason)
    }
}
