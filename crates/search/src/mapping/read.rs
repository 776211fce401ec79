//! A document's JSON, read once: no tree of it is made, and objects that are not mapped are passed over.

use super::document::{Leaf, Walk};
use crate::error::Error;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};
use std::borrow::Cow;
use std::fmt;

/// Hands the values of a JSON text to a walk.
pub(super) fn read(walk: &mut Walk<'_>, json: &[u8]) -> Result<(), Error> {
    let no_json = |why: &dyn fmt::Display| Error::mapper_parsing(format!("failed to parse: {why}"));
    // Looked at once as a whole, and not word by word.
    let text = std::str::from_utf8(json).map_err(|error| no_json(&error))?;
    let mut from = serde_json::Deserializer::from_str(text);
    let read = At { walk: &mut *walk, depth: 0 }.deserialize(&mut from).and_then(|()| from.end());
    match (read, walk.failed.take()) {
        (_, Some(error)) => Err(error),
        (Err(error), None) => Err(no_json(&error)),
        (Ok(()), None) => Ok(()),
    }
}

/// The value at the walk's path, below so many objects.
struct At<'w, 'a> {
    walk: &'w mut Walk<'a>,
    depth: usize,
}

impl At<'_, '_> {
    /// Of what is inside an object; a document itself must be one.
    fn inside<E: serde::de::Error>(&mut self) -> Result<(), E> {
        match self.depth {
            0 => Err(self.fail(Error::mapper_parsing("failed to parse: a document is a JSON object"))),
            _ => Ok(()),
        }
    }

    fn leaf<E: serde::de::Error>(mut self, leaf: &Leaf<'_>) -> Result<(), E> {
        self.inside()?;
        self.walk.leaf(leaf).map_err(|error| self.fail(error))
    }

    /// An error of ours, which goes past the one of the reader.
    fn fail<E: serde::de::Error>(&mut self, error: Error) -> E {
        let text = error.reason.clone();
        self.walk.failed = Some(error);
        E::custom(text)
    }
}

impl<'de> DeserializeSeed<'de> for At<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_, '_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E: serde::de::Error>(mut self) -> Result<(), E> {
        self.inside()
    }

    fn visit_bool<E: serde::de::Error>(self, truth: bool) -> Result<(), E> {
        self.leaf(&Leaf::Bool(truth))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<(), E> {
        self.leaf(&Leaf::Number(number.into()))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<(), E> {
        self.leaf(&Leaf::Number(number.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<(), E> {
        let number = Number::from_f64(number).ok_or_else(|| E::custom("a number is out of range"))?;
        self.leaf(&Leaf::Number(number))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.leaf(&Leaf::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        self.inside()?;
        while items.next_element_seed(At { walk: &mut *self.walk, depth: self.depth })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        if self.depth > 0 && self.walk.known().is_some() {
            let value: Value = serde::Deserialize::deserialize(MapAccessDeserializer::new(members))?;
            let error = self.walk.unfit(&value.to_string(), "an object where the field has a value of its own");
            return Err(self.fail(error));
        }
        if self.depth > 0 && self.walk.is_unmapped() {
            while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        let mut names: Vec<Cow<'de, str>> = Vec::new();
        while let Some(name) = members.next_key_seed(Name)? {
            if names.contains(&name) {
                let reason = format!("failed to parse: Duplicate field '{name}'");
                return Err(self.fail(Error::mapper_parsing(reason)));
            }
            let above = self.walk.enter(&name, self.depth + 1).map_err(|error| self.fail(error))?;
            members.next_value_seed(At { walk: &mut *self.walk, depth: self.depth + 1 })?;
            self.walk.leave(above);
            names.push(name);
        }
        Ok(())
    }
}

/// A member's name, which is part of the text unless something in it is escaped.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Cow<'de, str>, D::Error> {
        from.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a member's name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}
