//! Avro's binary encoding, read through and dropped: whether the bytes are one value of a schema, and nothing else.
//!
//! A recursive schema lets a record nest without end, and an array of nulls takes no bytes: depth and steps have ceilings, so
//! that a hostile record costs neither stack nor minutes.

use crate::registry::avro;
use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, Name, UuidSchema};
use std::collections::HashMap;

/// A value nested deeper than this is refused.
const DEPTH_MAX: usize = 200;
/// Values that take no bytes may be this many in a record, beyond one for each byte.
const EMPTY_VALUES_MAX: usize = 100_000;

/// The number of a type.
type Id = usize;

/// A schema with its names resolved.
#[derive(Debug)]
pub(super) struct Types {
    types: Vec<Type>,
    root: Id,
}

#[derive(Debug)]
enum Type {
    Null,
    Boolean,
    Int,
    Long,
    /// So many bytes.
    Fixed(usize),
    Bytes,
    Text,
    Enum(usize),
    Array(Id),
    Map(Id),
    Union(Vec<Id>),
    Record(Vec<(String, Id)>),
}

impl Types {
    /// Parses a definition.
    pub(super) fn parse(definition: &str) -> Result<Self, String> {
        let schema = avro::parse(definition).map_err(|error| error.to_string())?;
        let mut builder = Builder { types: Vec::new(), named: HashMap::new() };
        let root = builder.add(&schema)?;
        Ok(Self { types: builder.types, root })
    }

    /// Whether the bytes are one value, and nothing else.
    pub(super) fn check(&self, payload: &[u8]) -> Result<(), String> {
        let mut walk =
            Walk { bytes: payload, at: 0, steps: payload.len() + EMPTY_VALUES_MAX, depth: 0, path: Vec::new() };
        let done = walk.value(self, self.root).and_then(|()| match payload.len() - walk.at {
            0 => Ok(()),
            left => Err(format!("{left} bytes are left behind the value")),
        });
        done.map_err(|reason| match walk.path.is_empty() {
            true => format!("{reason} (byte {})", walk.at),
            false => format!("at {}: {reason} (byte {})", walk.path.join("."), walk.at),
        })
    }
}

struct Builder {
    types: Vec<Type>,
    named: HashMap<Name, Id>,
}

impl Builder {
    fn add(&mut self, schema: &Schema) -> Result<Id, String> {
        // The place is taken first, so that a recursive type finds itself.
        let id = self.types.len();
        self.types.push(Type::Null);
        if let Some(name) = schema.name() {
            if let Schema::Ref { .. } = schema {
                self.types.pop();
                return self.named.get(name).copied().ok_or_else(|| format!("the type {name} is not defined"));
            }
            self.named.insert(name.clone(), id);
        }
        self.types[id] = match schema {
            Schema::Null | Schema::Ref { .. } => Type::Null,
            Schema::Boolean => Type::Boolean,
            Schema::Int | Schema::Date | Schema::TimeMillis => Type::Int,
            Schema::Float => Type::Fixed(4),
            Schema::Double => Type::Fixed(8),
            Schema::Bytes | Schema::BigDecimal | Schema::Uuid(UuidSchema::Bytes) => Type::Bytes,
            Schema::String | Schema::Uuid(UuidSchema::String) => Type::Text,
            Schema::Fixed(fixed) | Schema::Duration(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
                Type::Fixed(fixed.size)
            }
            Schema::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Bytes => Type::Bytes,
                InnerDecimalSchema::Fixed(fixed) => Type::Fixed(fixed.size),
            },
            Schema::Enum(symbols) => Type::Enum(symbols.symbols.len()),
            Schema::Array(array) => Type::Array(self.add(&array.items)?),
            Schema::Map(map) => Type::Map(self.add(&map.types)?),
            Schema::Union(union) => {
                Type::Union(union.variants().iter().map(|variant| self.add(variant)).collect::<Result<_, _>>()?)
            }
            Schema::Record(record) => {
                let fields = record.fields.iter().map(|field| Ok((field.name.clone(), self.add(&field.schema)?)));
                Type::Record(fields.collect::<Result<_, String>>()?)
            }
            // All other logical types are longs.
            _ => Type::Long,
        };
        Ok(id)
    }
}

/// A place in a record. The path is that of the value being read; it stays where an error was found.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    steps: usize,
    depth: usize,
    path: Vec<String>,
}

impl Walk<'_> {
    fn value(&mut self, types: &Types, id: Id) -> Result<(), String> {
        self.steps = self.steps.checked_sub(1).ok_or("the record has more values than bytes")?;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("the value is nested deeper than {DEPTH_MAX} levels"));
        }
        match &types.types[id] {
            Type::Null => {}
            Type::Boolean => match self.take(1)? {
                [0 | 1] => {}
                other => return Err(format!("a boolean is neither 0 nor 1 but {}", other[0])),
            },
            Type::Int => {
                let value = self.long()?;
                i32::try_from(value).map_err(|_| format!("{value} is no int of 32 bits"))?;
            }
            Type::Long => drop(self.long()?),
            Type::Fixed(size) => drop(self.take(*size)?),
            Type::Bytes => drop(self.sized()?),
            Type::Text => self.text().map(drop)?,
            Type::Enum(symbols) => drop(self.index(*symbols, "symbol of its enum")?),
            Type::Array(item) => self.blocks(|walk, number| walk.below(|| number.to_string(), types, *item))?,
            Type::Map(value) => self.blocks(|walk, _| {
                let key = walk.text()?.to_owned();
                walk.below(|| key, types, *value)
            })?,
            Type::Union(branches) => {
                let branch = self.index(branches.len(), "branch of its union")?;
                self.value(types, branches[branch])?;
            }
            Type::Record(fields) => {
                for (name, field) in fields {
                    self.below(|| name.clone(), types, *field)?;
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// A value with a name of its own.
    fn below(&mut self, name: impl FnOnce() -> String, types: &Types, id: Id) -> Result<(), String> {
        // Scalars need their path only when they are wrong, which is rare.
        let (at, depth) = (self.at, self.depth);
        if matches!(types.types[id], Type::Array(_) | Type::Map(_) | Type::Union(_) | Type::Record(_)) {
            self.path.push(name());
            self.value(types, id)?;
            self.path.pop();
            return Ok(());
        }
        let done = self.value(types, id);
        if done.is_err() {
            self.path.push(name());
            (self.at, self.depth) = (at, depth);
        }
        done
    }

    fn blocks(&mut self, mut item: impl FnMut(&mut Self, u64) -> Result<(), String>) -> Result<(), String> {
        let mut number = 0;
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                // The block's length in bytes, for those who skip it.
                self.long()?;
            }
            for _ in 0..count.unsigned_abs() {
                item(self, number)?;
                number += 1;
            }
        }
    }

    fn take(&mut self, len: usize) -> Result<&[u8], String> {
        let found = self.at.checked_add(len).and_then(|end| self.bytes.get(self.at..end));
        let found = found.ok_or_else(|| {
            format!("{len} bytes are wanted and {} are left: the record ends too early", self.bytes.len() - self.at)
        })?;
        self.at += len;
        Ok(found)
    }

    /// A zigzag varint.
    fn long(&mut self) -> Result<i64, String> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err("a number is longer than ten bytes".to_owned())
    }

    fn sized(&mut self) -> Result<&[u8], String> {
        let len = self.long()?;
        let len = usize::try_from(len).map_err(|_| format!("a length is negative: {len}"))?;
        self.take(len)
    }

    fn text(&mut self) -> Result<&str, String> {
        std::str::from_utf8(self.sized()?).map_err(|_| "a string is not UTF-8".to_owned())
    }

    fn index(&mut self, len: usize, what: &str) -> Result<usize, String> {
        let index = self.long()?;
        let found = usize::try_from(index).ok().filter(|index| *index < len);
        found.ok_or_else(|| format!("there is no {what} with number {index}, there are {len}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: &str = r#"{"type": "record", "name": "Order", "fields": [
        {"name": "id", "type": "long"},
        {"name": "paid", "type": "boolean"},
        {"name": "note", "type": ["null", "string"]},
        {"name": "lines", "type": {"type": "array", "items": {"type": "record", "name": "Line", "fields": [
            {"name": "sku", "type": "string"}, {"name": "count", "type": "int"}]}}}]}"#;

    /// id 1, paid, no note, one line: "a" twice.
    const GOOD: &[u8] = &[2, 1, 0, 2, 2, b'a', 4, 0];

    #[test]
    fn a_value_conforms_and_what_is_around_it_does_not() {
        let types = Types::parse(ORDER).unwrap();
        assert_eq!(types.check(GOOD), Ok(()));
        for end in 0..GOOD.len() {
            assert!(types.check(&GOOD[..end]).unwrap_err().contains("too early"), "{end}");
        }
        assert_eq!(types.check(&[GOOD, &[0]].concat()).unwrap_err(), "1 bytes are left behind the value (byte 8)");
    }

    #[test]
    fn a_wrong_value_is_named_by_its_path() {
        let types = Types::parse(ORDER).unwrap();
        let wrong = |at: usize, byte: u8| {
            let mut bytes = GOOD.to_vec();
            bytes[at] = byte;
            types.check(&bytes).unwrap_err()
        };
        assert!(wrong(1, 7).starts_with("at paid: a boolean is neither 0 nor 1 but 7"), "{}", wrong(1, 7));
        assert!(wrong(2, 4).starts_with("at note: there is no branch of its union with number 2"), "{}", wrong(2, 4));
        assert!(wrong(5, 0xff).starts_with("at lines.0.sku: a string is not UTF-8"), "{}", wrong(5, 0xff));
        assert!(wrong(4, 99).starts_with("at lines.0.sku: a length is negative"), "{}", wrong(4, 99));
        assert!(types.check(b"{\"id\": 1}").is_err());
    }

    #[test]
    fn hostile_records_cost_nothing() {
        let list = r#"{"type": "record", "name": "L", "fields": [{"name": "next", "type": ["null", "L"]}]}"#;
        let deep = vec![2; 1 << 20];
        assert!(Types::parse(list).unwrap().check(&deep).unwrap_err().contains("nested deeper"));
        let nulls = Types::parse(r#"{"type": "array", "items": "null"}"#).unwrap();
        assert!(nulls.check(&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0]).unwrap_err().contains("more values"));
        assert_eq!(nulls.check(&[20, 0]), Ok(()));
    }
}
