//! How a message becomes a row of the reader's columns: resolved once, then followed for every record.
//!
//! A field that tracks presence and is absent is NULL; one that does not is its default, as proto3 has it. An empty repeated
//! field or map is NULL as in Flink, or empty when the column is NOT NULL.

use super::options::ProtobufOptions;
use super::read::read_message;
use crate::column::Column;
use crate::json::KeyRules;
use crate::rows::Fail;
use crate::{Field, FormatError, SqlType, Typed};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, Value};

/// A resolved pair of message and columns.
pub(crate) struct Plan {
    root: Message,
}

/// The fields of a message that somebody asked for.
pub(super) struct Message {
    /// By column.
    pub(super) slots: Vec<Slot>,
    /// Field number → slot, by number.
    numbers: Vec<(u32, usize)>,
    /// Whether any slot collects several values.
    pub(super) repeats: bool,
}

/// A column and what fills it.
pub(super) struct Slot {
    pub(super) name: String,
    pub(super) fill: Fill,
}

pub(super) enum Fill {
    /// The message has no such field.
    Missing,
    One {
        leaf: Leaf,
        absent: Option<Constant>,
    },
    Many(Leaf),
    Map {
        key: Leaf,
        key_default: Constant,
        value: Leaf,
        value_default: Constant,
    },
}

/// A value that stands for an absent field.
pub(super) enum Constant {
    Varint(u64),
    Fixed32(u32),
    Fixed64(u64),
    Bytes(Vec<u8>),
}

/// What stands on the wire and what the column makes of it.
pub(super) enum Leaf {
    Boolean,
    /// A number whose wire form is `Number`, into a whole number, date or time.
    Whole(Number),
    /// Milliseconds since 1970.
    Millis(Number),
    /// An enum's name; a number without one is printed as it is.
    EnumName(Vec<(i32, String)>),
    Float,
    Double,
    Text,
    Bytes,
    DecimalText,
    Row(Message),
    /// `google.protobuf.Timestamp`
    Timestamp,
    /// One of Google's wrappers around a scalar.
    Wrapped(Box<Leaf>, Box<Constant>),
}

/// How a whole number stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    Signed32,
    Signed64,
    Unsigned32,
    Unsigned64,
    Zigzag,
    Fixed32,
    Fixed64,
    SignedFixed32,
    SignedFixed64,
}

impl Plan {
    pub(crate) fn new(
        message: &MessageDescriptor,
        fields: &[Field],
        options: &ProtobufOptions,
        keys: &KeyRules,
    ) -> Result<Self, FormatError> {
        Ok(Self { root: Resolver { options, keys }.message(message, fields)? })
    }

    /// Reads one message into the columns, which all have `base` values before and one more after.
    pub(crate) fn read(&self, payload: &[u8], columns: &mut [Column]) -> Result<(), Fail> {
        read_message(&self.root, payload, columns)
    }
}

impl Message {
    #[inline]
    pub(super) fn slot(&self, number: u32) -> Option<usize> {
        self.numbers.binary_search_by_key(&number, |(number, _)| *number).ok().map(|found| self.numbers[found].1)
    }
}

/// The field of a column: by its name, its name in JSON, or its name with what Protobuf does not take replaced.
pub(super) fn field_of(message: &MessageDescriptor, column: &str, keys: &KeyRules) -> Option<FieldDescriptor> {
    let wanted = keys.mappings.get(column).map_or(column, String::as_str);
    let fold = |field: &FieldDescriptor| {
        keys.case_insensitive
            && (field.name().eq_ignore_ascii_case(wanted) || field.json_name().eq_ignore_ascii_case(wanted))
    };
    message
        .get_field_by_name(wanted)
        .or_else(|| message.get_field_by_json_name(wanted))
        .or_else(|| message.get_field_by_name(&super::derive::identifier(wanted)))
        .or_else(|| message.fields().find(fold))
}

struct Resolver<'a> {
    options: &'a ProtobufOptions,
    keys: &'a KeyRules,
}

impl Resolver<'_> {
    fn message(&self, message: &MessageDescriptor, fields: &[Field]) -> Result<Message, FormatError> {
        let mut slots = Vec::with_capacity(fields.len());
        let mut numbers = Vec::new();
        for (index, column) in fields.iter().enumerate() {
            let fill = match field_of(message, &column.name, self.keys) {
                Some(field) => {
                    numbers.push((field.number(), index));
                    self.fill(&field, &column.typed).map_err(|reason| refused(column, reason))?
                }
                None if column.typed.nullable => Fill::Missing,
                None => {
                    let reason =
                        format!("the message {} has no such field, and the column is NOT NULL", message.full_name());
                    return Err(FormatError::Value { field: column.name.clone(), reason });
                }
            };
            slots.push(Slot { name: column.name.clone(), fill });
        }
        numbers.sort_unstable();
        let repeats = slots.iter().any(|slot| !matches!(slot.fill, Fill::One { .. } | Fill::Missing));
        Ok(Message { slots, numbers, repeats })
    }

    fn fill(&self, field: &FieldDescriptor, typed: &Typed) -> Result<Fill, String> {
        if field.is_map() {
            let (SqlType::Map(key, value), Kind::Message(entry)) = (&typed.ty, field.kind()) else {
                return Err("the message has a map there".to_owned());
            };
            let (key_field, value_field) = (entry.map_entry_key_field(), entry.map_entry_value_field());
            return Ok(Fill::Map {
                key: self.leaf(&key_field.kind(), key)?,
                key_default: constant(&key_field),
                value: self.leaf(&value_field.kind(), value)?,
                value_default: constant(&value_field),
            });
        }
        if field.is_list() {
            let SqlType::Array(item) = &typed.ty else { return Err("the message repeats the field".to_owned()) };
            return Ok(Fill::Many(self.leaf(&field.kind(), item)?));
        }
        let leaf = self.leaf(&field.kind(), typed)?;
        let is_message = matches!(field.kind(), Kind::Message(_));
        let defaulted = !is_message && (!field.supports_presence() || self.options.read_default_values);
        Ok(Fill::One { leaf, absent: defaulted.then(|| constant(field)) })
    }

    fn leaf(&self, kind: &Kind, typed: &Typed) -> Result<Leaf, String> {
        use SqlType as Sql;
        let ty = &typed.ty;
        let text = matches!(ty, Sql::Char(_) | Sql::Varchar(_));
        let bytes = matches!(ty, Sql::Binary(_) | Sql::Varbinary(_));
        let whole = matches!(ty, Sql::TinyInt | Sql::SmallInt | Sql::Int | Sql::BigInt | Sql::Date | Sql::Time(_));
        Ok(match (kind, ty) {
            (Kind::Bool, Sql::Boolean) => Leaf::Boolean,
            (Kind::Float, Sql::Float | Sql::Double) => Leaf::Float,
            (Kind::Double, Sql::Double) => Leaf::Double,
            (Kind::String, Sql::Decimal(..)) => Leaf::DecimalText,
            (Kind::String, _) if text => Leaf::Text,
            (Kind::String | Kind::Bytes, _) if bytes => Leaf::Bytes,
            (Kind::Enum(kind), _) if text => {
                Leaf::EnumName(kind.values().map(|value| (value.number(), value.name().to_owned())).collect())
            }
            (Kind::Enum(_), _) if whole => Leaf::Whole(Number::Signed32),
            (Kind::Message(message), Sql::Timestamp(_) | Sql::TimestampLtz(_))
                if message.full_name() == "google.protobuf.Timestamp" =>
            {
                Leaf::Timestamp
            }
            (Kind::Message(message), Sql::Row(fields)) => {
                Leaf::Row(self.message(message, fields).map_err(|error| error.to_string())?)
            }
            (Kind::Message(message), _) if is_wrapper(message) => {
                let value = message.get_field(1).ok_or("the wrapper is empty")?;
                Leaf::Wrapped(Box::new(self.leaf(&value.kind(), typed)?), Box::new(constant(&value)))
            }
            (kind, Sql::Timestamp(_) | Sql::TimestampLtz(_)) => match number(kind) {
                Some(number) => Leaf::Millis(number),
                None => return Err(mismatch(kind)),
            },
            (kind, _) if whole => match number(kind) {
                Some(number) => Leaf::Whole(number),
                None => return Err(mismatch(kind)),
            },
            (kind, _) => return Err(mismatch(kind)),
        })
    }
}

fn mismatch(kind: &Kind) -> String {
    format!("the message has {kind:?} there")
}

fn refused(column: &Field, reason: String) -> FormatError {
    let ty = column.typed.ty.to_string();
    FormatError::UnsupportedType { format: "protobuf", field: column.name.clone(), ty, reason }
}

fn is_wrapper(message: &MessageDescriptor) -> bool {
    message.package_name() == "google.protobuf"
        && message.name().ends_with("Value")
        && message.name() != "Value"
        && message.name() != "ListValue"
        && message.name() != "NullValue"
}

pub(super) fn number(kind: &Kind) -> Option<Number> {
    Some(match kind {
        Kind::Int32 | Kind::Enum(_) => Number::Signed32,
        Kind::Int64 => Number::Signed64,
        Kind::Uint32 => Number::Unsigned32,
        Kind::Uint64 => Number::Unsigned64,
        Kind::Sint32 | Kind::Sint64 => Number::Zigzag,
        Kind::Fixed32 => Number::Fixed32,
        Kind::Fixed64 => Number::Fixed64,
        Kind::Sfixed32 => Number::SignedFixed32,
        Kind::Sfixed64 => Number::SignedFixed64,
        _ => return None,
    })
}

/// The field's default as it would stand on the wire.
fn constant(field: &FieldDescriptor) -> Constant {
    let zigzag = matches!(field.kind(), Kind::Sint32 | Kind::Sint64);
    let signed = |value: i64| Constant::Varint(if zigzag { super::wire::zigzag(value) } else { value as u64 });
    match (field.kind(), field.default_value()) {
        (Kind::Sfixed32, Value::I32(value)) => Constant::Fixed32(value as u32),
        (Kind::Sfixed64, Value::I64(value)) => Constant::Fixed64(value as u64),
        (Kind::Fixed32, Value::U32(value)) => Constant::Fixed32(value),
        (Kind::Fixed64, Value::U64(value)) => Constant::Fixed64(value),
        (_, Value::Bool(value)) => Constant::Varint(u64::from(value)),
        (_, Value::I32(value) | Value::EnumNumber(value)) => signed(i64::from(value)),
        (_, Value::I64(value)) => signed(value),
        (_, Value::U32(value)) => Constant::Varint(u64::from(value)),
        (_, Value::U64(value)) => Constant::Varint(value),
        (_, Value::F32(value)) => Constant::Fixed32(value.to_bits()),
        (_, Value::F64(value)) => Constant::Fixed64(value.to_bits()),
        (_, Value::String(text)) => Constant::Bytes(text.into_bytes()),
        (_, Value::Bytes(bytes)) => Constant::Bytes(bytes.to_vec()),
        _ => Constant::Bytes(Vec::new()),
    }
}
