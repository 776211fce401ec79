//! An Avro schema with its names resolved: types in one list that refer to each other by number, so that a recursive schema
//! is no special case.

use crate::FormatError;
use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, Name, RecordSchema, UuidSchema};
use std::collections::HashMap;

/// The number of a type in its schema.
pub(crate) type TypeId = usize;

/// A parsed schema.
#[derive(Debug)]
pub struct AvroSchema {
    pub(crate) types: Vec<Type>,
    pub(crate) root: TypeId,
}

/// What stands on the wire, and what it means.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Type {
    Null,
    Boolean,
    /// A varint of 32 bits.
    Int(Meaning),
    /// A varint of 64 bits.
    Long(Meaning),
    Float,
    Double,
    Bytes,
    String,
    Fixed(usize),
    /// A UUID as 16 bytes.
    Uuid,
    /// An unscaled number, big endian, two's complement; `size` bytes, or preceded by its length.
    Decimal {
        size: Option<usize>,
        precision: usize,
        scale: usize,
    },
    Enum(Vec<String>),
    Array(TypeId),
    Map(TypeId),
    Union(Vec<TypeId>),
    Record(Vec<RecordField>),
}

/// What a whole number stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Number,
    /// Days since 1970.
    Date,
    /// Of the day.
    TimeMillis,
    /// Of the day.
    TimeMicros,
    /// Since 1970 in units of 10^-digits seconds; a calendar time when `local`.
    Timestamp {
        digits: u8,
        local: bool,
    },
}

/// A field of a record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RecordField {
    pub(crate) name: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) ty: TypeId,
    pub(crate) default: Option<serde_json::Value>,
}

impl AvroSchema {
    /// Parses a definition; it must be a record.
    pub fn parse(definition: &str) -> Result<Self, FormatError> {
        let refuse = |reason: String| FormatError::BadDefinition { format: "Avro", reason };
        let parsed = Schema::parse_str(definition).map_err(|error| refuse(error.to_string()))?;
        let mut builder = Builder { types: Vec::new(), named: HashMap::new() };
        let root = builder.add(&parsed, None).map_err(refuse)?;
        if !matches!(builder.types[root], Type::Record(_)) {
            return Err(refuse("a table's rows are records, and this schema's type is no record".to_owned()));
        }
        Ok(Self { types: builder.types, root })
    }

    pub(crate) fn get(&self, id: TypeId) -> &Type {
        &self.types[id]
    }

    /// The fields of the whole.
    pub(crate) fn root_fields(&self) -> &[RecordField] {
        match self.get(self.root) {
            Type::Record(fields) => fields,
            _ => &[],
        }
    }

    /// The type in words, for errors.
    pub(crate) fn name(&self, id: TypeId) -> String {
        match self.get(id) {
            Type::Null => "null".to_owned(),
            Type::Boolean => "boolean".to_owned(),
            Type::Int(meaning) => format!("int{}", meaning.suffix()),
            Type::Long(meaning) => format!("long{}", meaning.suffix()),
            Type::Float => "float".to_owned(),
            Type::Double => "double".to_owned(),
            Type::Bytes => "bytes".to_owned(),
            Type::String => "string".to_owned(),
            Type::Fixed(size) => format!("fixed({size})"),
            Type::Uuid => "fixed (uuid)".to_owned(),
            Type::Decimal { precision, scale, .. } => format!("decimal({precision}, {scale})"),
            Type::Enum(_) => "enum".to_owned(),
            Type::Array(_) => "array".to_owned(),
            Type::Map(_) => "map".to_owned(),
            Type::Union(branches) => {
                let names: Vec<_> = branches.iter().map(|branch| self.name(*branch)).collect();
                format!("union of {}", names.join(", "))
            }
            Type::Record(_) => "record".to_owned(),
        }
    }
}

impl Meaning {
    fn suffix(self) -> &'static str {
        match self {
            Self::Number => "",
            Self::Date => " (date)",
            Self::TimeMillis => " (time-millis)",
            Self::TimeMicros => " (time-micros)",
            Self::Timestamp { digits: 3, .. } => " (timestamp-millis)",
            Self::Timestamp { digits: 6, .. } => " (timestamp-micros)",
            Self::Timestamp { .. } => " (timestamp-nanos)",
        }
    }
}

struct Builder {
    types: Vec<Type>,
    named: HashMap<String, TypeId>,
}

impl Builder {
    fn push(&mut self, ty: Type) -> TypeId {
        self.types.push(ty);
        self.types.len() - 1
    }

    /// Adds a named type, so that what refers to it finds it.
    fn named(&mut self, name: &Name, space: Option<&str>, ty: Type) -> TypeId {
        let id = self.push(ty);
        self.named.insert(name.fullname(space), id);
        id
    }

    fn add(&mut self, schema: &Schema, space: Option<&str>) -> Result<TypeId, String> {
        let ty = match schema {
            Schema::Record(record) => return self.record(record, space),
            Schema::Ref { name } => {
                let name = name.fullname(space);
                return self.named.get(&name).copied().ok_or_else(|| format!("there is no type '{name}'"));
            }
            Schema::Array(array) => Type::Array(self.add(&array.items, space)?),
            Schema::Map(map) => Type::Map(self.add(&map.types, space)?),
            Schema::Union(union) => {
                let branches: Result<_, _> = union.variants().iter().map(|branch| self.add(branch, space)).collect();
                Type::Union(branches?)
            }
            Schema::Enum(schema) => {
                return Ok(self.named(&schema.name, space, Type::Enum(schema.symbols.clone())));
            }
            Schema::Fixed(fixed) | Schema::Duration(fixed) => {
                return Ok(self.named(&fixed.name, space, Type::Fixed(fixed.size)));
            }
            Schema::Decimal(decimal) => {
                let (precision, scale) = (decimal.precision, decimal.scale);
                match &decimal.inner {
                    InnerDecimalSchema::Bytes => Type::Decimal { size: None, precision, scale },
                    InnerDecimalSchema::Fixed(fixed) => {
                        let ty = Type::Decimal { size: Some(fixed.size), precision, scale };
                        return Ok(self.named(&fixed.name, space, ty));
                    }
                }
            }
            Schema::Uuid(UuidSchema::Fixed(fixed)) => return Ok(self.named(&fixed.name, space, Type::Uuid)),
            Schema::Uuid(UuidSchema::String) => Type::String,
            Schema::Uuid(UuidSchema::Bytes) => Type::Bytes,
            plain => scalar(plain),
        };
        Ok(self.push(ty))
    }

    fn record(&mut self, record: &RecordSchema, space: Option<&str>) -> Result<TypeId, String> {
        let id = self.named(&record.name, space, Type::Record(Vec::new()));
        let own = record.name.fully_qualified_name(space);
        let own = own.namespace();
        let mut fields = Vec::with_capacity(record.fields.len());
        for field in &record.fields {
            fields.push(RecordField {
                name: field.name.clone(),
                aliases: field.aliases.clone(),
                ty: self.add(&field.schema, own)?,
                default: field.default.clone(),
            });
        }
        self.types[id] = Type::Record(fields);
        Ok(id)
    }
}

fn scalar(schema: &Schema) -> Type {
    let stamp = |digits, local| Type::Long(Meaning::Timestamp { digits, local });
    match schema {
        Schema::Boolean => Type::Boolean,
        Schema::Int => Type::Int(Meaning::Number),
        Schema::Long => Type::Long(Meaning::Number),
        Schema::Float => Type::Float,
        Schema::Double => Type::Double,
        Schema::String => Type::String,
        Schema::Date => Type::Int(Meaning::Date),
        Schema::TimeMillis => Type::Int(Meaning::TimeMillis),
        Schema::TimeMicros => Type::Long(Meaning::TimeMicros),
        Schema::TimestampMillis => stamp(3, false),
        Schema::TimestampMicros => stamp(6, false),
        Schema::TimestampNanos => stamp(9, false),
        Schema::LocalTimestampMillis => stamp(3, true),
        Schema::LocalTimestampMicros => stamp(6, true),
        Schema::LocalTimestampNanos => stamp(9, true),
        Schema::Null => Type::Null,
        // `bytes`, and `big-decimal`, which is bytes that carry their own scale.
        _ => Type::Bytes,
    }
}
