//! Looking into a value by its names on the wire: what finds the resource of a call in its input, whatever the operation.
//!
//! Nothing is read or copied for it: a look costs what is looked at, so the records of a `PutRecords` cost nothing.

use super::{Text, Timestamp, Unsupported};
use bytes::Bytes;
use std::collections::BTreeMap;

/// A value that can be looked into. What it is not, it does not have.
pub trait Members {
    /// A structure's member, or a map's entry.
    fn member(&self, _name: &str) -> Option<&dyn Members> {
        None
    }

    /// A text.
    fn text(&self) -> Option<&str> {
        None
    }

    /// A truth value.
    fn flag(&self) -> Option<bool> {
        None
    }

    /// A list's items.
    fn items(&self) -> Vec<&dyn Members> {
        Vec::new()
    }

    /// A map's keys.
    fn keys(&self) -> Vec<&str> {
        Vec::new()
    }
}

impl Members for () {}
impl Members for Unsupported {}
impl Members for Bytes {}
impl Members for Timestamp {}
impl Members for i32 {}
impl Members for i64 {}
impl Members for f64 {}

impl Members for bool {
    fn flag(&self) -> Option<bool> {
        Some(*self)
    }
}

impl Members for Text {
    fn text(&self) -> Option<&str> {
        Some(self.as_str())
    }
}

impl<T: Members> Members for Box<T> {
    fn member(&self, name: &str) -> Option<&dyn Members> {
        (**self).member(name)
    }

    fn text(&self) -> Option<&str> {
        (**self).text()
    }

    fn items(&self) -> Vec<&dyn Members> {
        (**self).items()
    }

    fn keys(&self) -> Vec<&str> {
        (**self).keys()
    }
}

impl<T: Members> Members for Vec<T> {
    fn items(&self) -> Vec<&dyn Members> {
        self.iter().map(|item| item as &dyn Members).collect()
    }
}

impl<T: Members> Members for BTreeMap<Text, T> {
    fn member(&self, name: &str) -> Option<&dyn Members> {
        let found = self.iter().find(|(key, _)| key.as_str() == name);
        found.map(|(_, value)| value as &dyn Members)
    }

    fn keys(&self) -> Vec<&str> {
        self.keys().map(Text::as_str).collect()
    }
}
