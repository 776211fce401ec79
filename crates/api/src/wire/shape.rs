//! What a type does to be read and written in every format.

use super::{Checks, Members, Rule, Text, Timestamp};
use bytes::Bytes;
use std::collections::BTreeMap;

/// How deep values may be nested; deeper input is refused before it can exhaust the stack.
pub const DEPTH_MAX: usize = 64;

/// Input that is not of the expected form. The text is what AWS says about it, empty where AWS says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(pub String);

/// What stands next in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A string.
    Text,
    /// A byte string.
    Bytes,
    /// A list.
    List,
    /// A structure or map.
    Map,
    /// None of these.
    Other,
}

impl Malformed {
    /// The complaint that `found` stands where a value of Java's type `expected` was to be. The words are those of AWS's
    /// Coral framework (source: kinesalite's validations).
    pub fn mismatch(found: Kind, expected: &str) -> Self {
        let article = if expected == "Blob" { "a" } else { "an" };
        let class = match found {
            Kind::Number => "com.amazon.coral.value.json.numbers.TruncatingBigNumber",
            Kind::Boolean => "java.lang.Boolean",
            Kind::Text => "java.lang.String",
            Kind::Bytes => "java.nio.HeapByteBuffer",
            Kind::List => return Self(format!("Unrecognized collection type class java.lang.{expected}")),
            Kind::Map => return Self("Start of structure or map found where not expected.".to_owned()),
            Kind::Other => return Self(String::new()),
        };
        Self(format!("class {class} can not be converted to {article} {expected}"))
    }
}

/// A pull parser of one format. Every method reads exactly one token or fails.
pub trait Reader {
    /// What is next; nothing is taken.
    fn kind(&mut self) -> Result<Kind, Malformed>;
    /// Takes a null, if one is next.
    fn null(&mut self) -> Result<bool, Malformed>;
    /// A string.
    fn text(&mut self) -> Result<Text, Malformed>;
    /// A blob.
    fn blob(&mut self) -> Result<Bytes, Malformed>;
    /// A whole number; `expected` is the Java type to complain with.
    fn integer(&mut self, expected: &'static str) -> Result<i64, Malformed>;
    /// A number.
    fn double(&mut self) -> Result<f64, Malformed>;
    /// True or false.
    fn boolean(&mut self) -> Result<bool, Malformed>;
    /// A moment.
    fn timestamp(&mut self) -> Result<Timestamp, Malformed>;
    /// The beginning of a structure or map.
    fn open_map(&mut self) -> Result<(), Malformed>;
    /// The next key of the innermost map, or its end.
    fn next_key(&mut self) -> Result<Option<Text>, Malformed>;
    /// The beginning of a list.
    fn open_list(&mut self) -> Result<(), Malformed>;
    /// True when the innermost list has another item; false at its end.
    fn next_item(&mut self) -> Result<bool, Malformed>;
    /// Passes over one value of any kind.
    fn skip(&mut self) -> Result<(), Malformed>;
    /// Fails when anything follows the value.
    fn finish(&mut self) -> Result<(), Malformed>;
}

/// Writes one format. Maps and lists are told their size first.
pub trait Writer {
    /// A string.
    fn text(&mut self, text: &str);
    /// A blob.
    fn blob(&mut self, blob: &[u8]);
    /// A whole number.
    fn integer(&mut self, number: i64);
    /// A number.
    fn double(&mut self, number: f64);
    /// True or false.
    fn boolean(&mut self, value: bool);
    /// A moment.
    fn timestamp(&mut self, moment: Timestamp);
    /// A map of `len` entries begins: each is a `key`, then a value; `close_map` ends it.
    fn open_map(&mut self, len: usize);
    /// A structure of `len` members begins: the same as a map, where the format does not tell them apart.
    fn open_structure(&mut self, len: usize) {
        self.open_map(len);
    }
    /// A key of the innermost map or structure.
    fn key(&mut self, key: &str);
    /// The innermost map ends.
    fn close_map(&mut self);
    /// A list of `len` items begins: an `item` before each, `close_list` after all.
    fn open_list(&mut self, len: usize);
    /// An item of the innermost list follows.
    fn item(&mut self);
    /// The innermost list ends.
    fn close_list(&mut self);
}

/// A type of a service model.
pub trait Shape: Sized + Default + Members {
    /// Reads a value; rules broken inside it are noted in `checks`.
    fn read(reader: &mut dyn Reader, checks: &mut Checks) -> Result<Self, Malformed>;
    /// Writes the value.
    fn write(&self, writer: &mut dyn Writer);
    /// Notes which of `rule`'s constraints the value itself breaks.
    fn check(&self, _rule: &Rule, _checks: &mut Checks) {}
    /// The value in an error message, in Java's manner.
    fn show(&self) -> String {
        String::new()
    }
}

/// The output of operations that answer with nothing.
impl Shape for () {
    fn read(reader: &mut dyn Reader, _: &mut Checks) -> Result<Self, Malformed> {
        reader.skip()
    }

    fn write(&self, _: &mut dyn Writer) {}
}

/// A member that Millrace does not serve yet: refused by its place, unless it says nothing (null, false, empty, a number
/// not above zero), which is what many clients send for members that their users never set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unsupported;

impl Shape for Unsupported {
    fn read(reader: &mut dyn Reader, checks: &mut Checks) -> Result<Self, Malformed> {
        if !says_nothing(reader)? {
            checks.unsupported();
        }
        Ok(Self)
    }

    fn write(&self, _: &mut dyn Writer) {}
}

fn says_nothing(reader: &mut dyn Reader) -> Result<bool, Malformed> {
    let mut nothing = true;
    match reader.kind()? {
        Kind::Boolean => nothing = !reader.boolean()?,
        Kind::Number => nothing = reader.double()? <= 0.0,
        Kind::Text => nothing = reader.text()?.is_empty(),
        Kind::List => {
            reader.open_list()?;
            while reader.next_item()? {
                nothing &= says_nothing(reader)?;
            }
        }
        Kind::Map => {
            reader.open_map()?;
            while reader.next_key()?.is_some() {
                nothing &= says_nothing(reader)?;
            }
        }
        Kind::Bytes | Kind::Other => reader.skip()?,
    }
    Ok(nothing)
}

impl Shape for Text {
    fn read(reader: &mut dyn Reader, _: &mut Checks) -> Result<Self, Malformed> {
        reader.text()
    }

    fn write(&self, writer: &mut dyn Writer) {
        writer.text(self);
    }

    fn check(&self, rule: &Rule, checks: &mut Checks) {
        // Characters are counted only when the bytes do not settle it already.
        let bytes = self.byte_len() as i64;
        if bytes > rule.max || bytes < rule.min.saturating_mul(4) {
            rule.check_length(self.chars().count(), &|| self.show(), checks);
        }
        rule.check_text(self, checks);
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Shape for Bytes {
    fn read(reader: &mut dyn Reader, _: &mut Checks) -> Result<Self, Malformed> {
        reader.blob()
    }

    fn write(&self, writer: &mut dyn Writer) {
        writer.blob(self);
    }

    fn check(&self, rule: &Rule, checks: &mut Checks) {
        rule.check_length(self.len(), &|| self.show(), checks);
    }

    fn show(&self) -> String {
        format!("java.nio.HeapByteBuffer[pos=0 lim={0} cap={0}]", self.len())
    }
}

impl Shape for i32 {
    fn read(reader: &mut dyn Reader, _: &mut Checks) -> Result<Self, Malformed> {
        let number = reader.integer("Integer")?;
        Self::try_from(number).map_err(|_| Malformed(format!("{number} does not fit into an Integer")))
    }

    fn write(&self, writer: &mut dyn Writer) {
        writer.integer(i64::from(*self));
    }

    fn check(&self, rule: &Rule, checks: &mut Checks) {
        rule.check_range(i64::from(*self), checks);
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Shape for i64 {
    fn read(reader: &mut dyn Reader, _: &mut Checks) -> Result<Self, Malformed> {
        reader.integer("Long")
    }

    fn write(&self, writer: &mut dyn Writer) {
        writer.integer(*self);
    }

    fn check(&self, rule: &Rule, checks: &mut Checks) {
        rule.check_range(*self, checks);
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Shape for f64 {
    fn read(reader: &mut dyn Reader, _: &mut Checks) -> Result<Self, Malformed> {
        reader.double()
    }

    fn write(&self, writer: &mut dyn Writer) {
        writer.double(*self);
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Shape for bool {
    fn read(reader: &mut dyn Reader, _: &mut Checks) -> Result<Self, Malformed> {
        reader.boolean()
    }

    fn write(&self, writer: &mut dyn Writer) {
        writer.boolean(*self);
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Shape for Timestamp {
    fn read(reader: &mut dyn Reader, _: &mut Checks) -> Result<Self, Malformed> {
        reader.timestamp()
    }

    fn write(&self, writer: &mut dyn Writer) {
        writer.timestamp(*self);
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}

/// Shapes that hold themselves do so in a box.
impl<T: Shape> Shape for Box<T> {
    fn read(reader: &mut dyn Reader, checks: &mut Checks) -> Result<Self, Malformed> {
        T::read(reader, checks).map(Self::new)
    }

    fn write(&self, writer: &mut dyn Writer) {
        (**self).write(writer);
    }

    fn check(&self, rule: &Rule, checks: &mut Checks) {
        (**self).check(rule, checks);
    }

    fn show(&self) -> String {
        (**self).show()
    }
}

impl<T: Shape> Shape for Vec<T> {
    fn read(reader: &mut dyn Reader, checks: &mut Checks) -> Result<Self, Malformed> {
        let mut items = Self::new();
        reader.open_list()?;
        while reader.next_item()? {
            checks.enter_item(items.len());
            if reader.null()? {
                checks.missing();
                items.push(T::default());
            } else {
                items.push(T::read(reader, checks)?);
            }
            checks.leave();
        }
        Ok(items)
    }

    fn write(&self, writer: &mut dyn Writer) {
        writer.open_list(self.len());
        for item in self {
            writer.item();
            item.write(writer);
        }
        writer.close_list();
    }

    fn check(&self, rule: &Rule, checks: &mut Checks) {
        rule.check_length(self.len(), &|| self.show(), checks);
        if let Some(member) = rule.member {
            for (place, item) in self.iter().enumerate() {
                checks.enter_item(place);
                item.check(member, checks);
                checks.leave();
            }
        }
    }

    fn show(&self) -> String {
        format!("[{}]", self.iter().map(Shape::show).collect::<Vec<_>>().join(", "))
    }
}

impl<T: Shape> Shape for BTreeMap<Text, T> {
    fn read(reader: &mut dyn Reader, checks: &mut Checks) -> Result<Self, Malformed> {
        let mut entries = Self::new();
        reader.open_map()?;
        while let Some(key) = reader.next_key()? {
            let value = if reader.null()? { T::default() } else { T::read(reader, checks)? };
            entries.insert(key, value);
        }
        Ok(entries)
    }

    fn write(&self, writer: &mut dyn Writer) {
        writer.open_map(self.len());
        for (key, value) in self {
            writer.key(key);
            value.write(writer);
        }
        writer.close_map();
    }

    fn check(&self, rule: &Rule, checks: &mut Checks) {
        let show = || self.show();
        rule.check_length(self.len(), &show, checks);
        if let Some(member) = rule.key {
            member.check_each(self.keys(), "Map keys", &show, checks);
        }
        if let Some(member) = rule.member {
            member.check_each(self.values(), "Map value", &show, checks);
        }
    }

    fn show(&self) -> String {
        let entries: Vec<_> = self.iter().map(|(key, value)| format!("{key}={}", value.show())).collect();
        format!("{{{}}}", entries.join(", "))
    }
}
