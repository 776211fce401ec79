//! What is known of a request beside who asks for what: the values of condition keys.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// The values of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values<'a> {
    /// A key that has one value.
    One(Cow<'a, str>),
    /// A key that has any number of them.
    Many(Vec<Cow<'a, str>>),
}

impl<'a> Values<'a> {
    /// One value.
    pub fn one(value: impl Into<Cow<'a, str>>) -> Self {
        Self::One(value.into())
    }

    /// All of them.
    pub fn all(&self) -> &[Cow<'a, str>] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }

    /// The value of a key that has one: only such keys stand in variables.
    pub fn single(&self) -> Option<&str> {
        match self {
            Self::One(value) => Some(value),
            Self::Many(values) => match &values[..] {
                [value] => Some(value),
                _ => None,
            },
        }
    }
}

/// Where condition keys find their values. Looked up when a policy asks, so that what no policy asks for costs nothing.
pub trait Context {
    /// The values of a key, which is in lower case; nothing when the request does not have it.
    fn values(&self, key: &str) -> Option<Values<'_>>;
}

/// A context that is written down.
#[derive(Debug, Clone, Default)]
pub struct Facts(BTreeMap<String, Vec<String>>);

impl Facts {
    /// Notes a key's values.
    pub fn put(&mut self, key: &str, values: Vec<String>) {
        self.0.insert(key.to_lowercase(), values);
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Facts {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(facts: I) -> Self {
        Self(facts.into_iter().map(|(key, value)| (key.to_lowercase(), vec![value.to_owned()])).collect())
    }
}

impl Context for Facts {
    fn values(&self, key: &str) -> Option<Values<'_>> {
        let values = self.0.get(key)?;
        Some(match &values[..] {
            [value] => Values::one(value.as_str()),
            values => Values::Many(values.iter().map(|value| Cow::Borrowed(value.as_str())).collect()),
        })
    }
}
