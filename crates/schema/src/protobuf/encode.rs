//! The encoder: rows out of columns, as messages; fields by their numbers, as the official writers order them.
//!
//! A NULL column leaves its field unset. Inside of arrays and maps, where Protobuf has no NULL, it is the type's default.

use super::options::ProtobufOptions;
use super::plan::{Number, field_of, number};
use super::wire::{put_varint, zigzag};
use crate::format::Encoder;
use crate::json::{KeyRules, moment, value};
use crate::number::print_decimal;
use crate::{Field, FormatError, SqlType, Typed};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType,
};
use arrow::record_batch::RecordBatch;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

/// Writes each row as one message.
pub struct ProtobufEncoder {
    root: Vec<Member>,
    null_text: String,
}

/// A field and the column it comes from.
struct Member {
    index: usize,
    name: String,
    number: u32,
    shape: Shape,
}

enum Shape {
    /// Written even when it is the type's default, if the field tracks presence.
    One {
        leaf: Leaf,
        presence: bool,
    },
    Packed(Leaf),
    Many(Leaf),
    Map {
        key: Leaf,
        value: Leaf,
    },
}

struct Leaf {
    ty: SqlType,
    to: To,
}

enum To {
    Bool,
    Whole(Number),
    Float,
    Double,
    Text,
    Bytes,
    Decimal(i8),
    EnumName(Vec<(i32, String)>),
    /// `google.protobuf.Timestamp`
    Timestamp(u8),
    Row(Vec<Member>),
}

type Written = Result<(), FormatError>;

impl ProtobufEncoder {
    /// An encoder of the fields as the message; every column needs a field.
    pub fn new(fields: &[Field], message: &MessageDescriptor, options: &ProtobufOptions) -> Result<Self, FormatError> {
        let null_text = options.write_null_string_literal.clone();
        Ok(Self { root: members(message, fields)?, null_text })
    }
}

impl Encoder for ProtobufEncoder {
    fn encode(&mut self, batch: &RecordBatch, row: usize, out: &mut Vec<u8>) -> Written {
        write_members(&self.root, batch.columns(), row, &self.null_text, out)
    }
}

fn members(message: &MessageDescriptor, fields: &[Field]) -> Result<Vec<Member>, FormatError> {
    let mut members = Vec::with_capacity(fields.len());
    for (index, column) in fields.iter().enumerate() {
        let missing = || FormatError::Value {
            field: column.name.clone(),
            reason: format!("the message {} has no field of this name", message.full_name()),
        };
        let field = field_of(message, &column.name, &KeyRules::default()).ok_or_else(missing)?;
        let shape = shape(&field, &column.typed).map_err(|reason| FormatError::UnsupportedType {
            format: "protobuf",
            field: column.name.clone(),
            ty: column.typed.ty.to_string(),
            reason,
        })?;
        members.push(Member { index, name: column.name.clone(), number: field.number(), shape });
    }
    members.sort_by_key(|member| member.number);
    Ok(members)
}

fn shape(field: &FieldDescriptor, typed: &Typed) -> Result<Shape, String> {
    match (&typed.ty, field.kind()) {
        (SqlType::Map(key, value), Kind::Message(entry)) if field.is_map() => Ok(Shape::Map {
            key: leaf(&entry.map_entry_key_field().kind(), key)?,
            value: leaf(&entry.map_entry_value_field().kind(), value)?,
        }),
        (SqlType::Array(item), kind) if field.is_list() => {
            let leaf = leaf(&kind, item)?;
            Ok(if field.is_packed() { Shape::Packed(leaf) } else { Shape::Many(leaf) })
        }
        (_, kind) if !field.is_list() && !field.is_map() => {
            Ok(Shape::One { leaf: leaf(&kind, typed)?, presence: field.supports_presence() })
        }
        _ => Err("the message has another shape there".to_owned()),
    }
}

fn leaf(kind: &Kind, typed: &Typed) -> Result<Leaf, String> {
    use SqlType as Sql;
    let small = matches!(typed.ty, Sql::TinyInt | Sql::SmallInt | Sql::Int | Sql::Date | Sql::Time(_));
    let long = matches!(typed.ty, Sql::BigInt | Sql::Timestamp(_) | Sql::TimestampLtz(_));
    let text = matches!(typed.ty, Sql::Char(_) | Sql::Varchar(_));
    let is_64 = matches!(kind, Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64);
    let to = match (kind, &typed.ty) {
        (Kind::Bool, Sql::Boolean) => To::Bool,
        (Kind::Float, Sql::Float) => To::Float,
        (Kind::Double, Sql::Float | Sql::Double) => To::Double,
        (Kind::String, Sql::Decimal(_, scale)) => To::Decimal(*scale),
        (Kind::String, _) if text => To::Text,
        (Kind::Bytes, Sql::Binary(_) | Sql::Varbinary(_)) => To::Bytes,
        (Kind::Enum(kind), _) if text => {
            To::EnumName(kind.values().map(|value| (value.number(), value.name().to_owned())).collect())
        }
        (Kind::Message(message), Sql::Timestamp(precision) | Sql::TimestampLtz(precision))
            if message.full_name() == "google.protobuf.Timestamp" =>
        {
            To::Timestamp(*precision)
        }
        (Kind::Message(message), Sql::Row(fields)) => {
            To::Row(members(message, fields).map_err(|error| error.to_string())?)
        }
        (kind, _) if small || (long && is_64) => To::Whole(number(kind).ok_or("the message has no number there")?),
        _ => return Err(format!("the message has {kind:?} there")),
    };
    Ok(Leaf { ty: typed.ty.clone(), to })
}

fn bad(reason: impl Into<String>) -> FormatError {
    FormatError::Value { field: String::new(), reason: reason.into() }
}

fn write_members(members: &[Member], columns: &[ArrayRef], row: usize, null: &str, out: &mut Vec<u8>) -> Written {
    for member in members {
        let array = &columns[member.index];
        if array.is_null(row) {
            continue;
        }
        member.write(array, row, null, out).map_err(|error| match error {
            FormatError::Value { field, reason } if field.is_empty() => {
                FormatError::Value { field: member.name.clone(), reason }
            }
            FormatError::Value { field, reason } => {
                FormatError::Value { field: format!("{}.{field}", member.name), reason }
            }
            other => other,
        })?;
    }
    Ok(())
}

impl Member {
    fn write(&self, array: &ArrayRef, row: usize, null: &str, out: &mut Vec<u8>) -> Written {
        match &self.shape {
            Shape::One { leaf, presence } => {
                let start = out.len();
                put_varint(u64::from(self.number) << 3 | leaf.wire_type(), out);
                let value = out.len();
                leaf.write(array, row, null, out)?;
                // A default of a field without presence is not written.
                if !presence && out[value..].iter().all(|byte| *byte == 0) && !matches!(leaf.to, To::Row(_)) {
                    out.truncate(start);
                }
                Ok(())
            }
            Shape::Packed(leaf) => {
                let list = array.as_list::<i32>();
                let mut packed = Vec::new();
                for at in span(list.value_offsets(), row) {
                    leaf.write(list.values(), at, null, &mut packed)?;
                }
                if !packed.is_empty() {
                    put_varint(u64::from(self.number) << 3 | 2, out);
                    put_sized(&packed, out);
                }
                Ok(())
            }
            Shape::Many(leaf) => {
                let list = array.as_list::<i32>();
                for at in span(list.value_offsets(), row) {
                    put_varint(u64::from(self.number) << 3 | leaf.wire_type(), out);
                    leaf.write(list.values(), at, null, out)?;
                }
                Ok(())
            }
            Shape::Map { key, value } => {
                let map = array.as_map();
                let mut entry = Vec::new();
                for at in span(map.value_offsets(), row) {
                    entry.clear();
                    put_varint(1 << 3 | key.wire_type(), &mut entry);
                    key.write(map.keys(), at, null, &mut entry)?;
                    put_varint(2 << 3 | value.wire_type(), &mut entry);
                    value.write(map.values(), at, null, &mut entry)?;
                    put_varint(u64::from(self.number) << 3 | 2, out);
                    put_sized(&entry, out);
                }
                Ok(())
            }
        }
    }
}

fn span(offsets: &[i32], row: usize) -> std::ops::Range<usize> {
    offsets[row] as usize..offsets[row + 1] as usize
}

fn put_sized(bytes: &[u8], out: &mut Vec<u8>) {
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

impl Leaf {
    fn wire_type(&self) -> u64 {
        match &self.to {
            To::Bool | To::EnumName(_) => 0,
            To::Whole(Number::Fixed32 | Number::SignedFixed32) | To::Float => 5,
            To::Whole(Number::Fixed64 | Number::SignedFixed64) | To::Double => 1,
            To::Whole(_) => 0,
            To::Text | To::Bytes | To::Decimal(_) | To::Timestamp(_) | To::Row(_) => 2,
        }
    }

    fn write(&self, array: &ArrayRef, row: usize, null: &str, out: &mut Vec<u8>) -> Written {
        let absent = array.is_null(row);
        match &self.to {
            To::Bool => out.push(u8::from(!absent && array.as_boolean().value(row))),
            To::Whole(number) => put_number(*number, if absent { 0 } else { whole(&self.ty, array, row)? }, out),
            To::Float => {
                let value = if absent { 0.0 } else { value::<Float32Type>(array, row) };
                out.extend_from_slice(&value.to_le_bytes());
            }
            To::Double => out.extend_from_slice(&self.double(array, row, absent).to_le_bytes()),
            To::Text if absent => put_sized(null.as_bytes(), out),
            To::Text => put_sized(array.as_string::<i32>().value(row).as_bytes(), out),
            To::EnumName(_) if absent => out.push(0),
            To::EnumName(names) => {
                let name = array.as_string::<i32>().value(row);
                let found = names.iter().find(|(_, other)| other == name);
                let (number, _) = found.ok_or_else(|| bad(format!("'{name}' is no value of the message's enum")))?;
                put_varint(i64::from(*number) as u64, out);
            }
            To::Bytes | To::Decimal(_) | To::Timestamp(_) | To::Row(_) if absent => out.push(0),
            To::Bytes => put_sized(array.as_binary::<i32>().value(row), out),
            To::Decimal(scale) => {
                let mut text = Vec::new();
                print_decimal(value::<Decimal128Type>(array, row), *scale, &mut text);
                put_sized(&text, out);
            }
            To::Timestamp(precision) => {
                let moment = moment(array, row, *precision);
                let mut message = Vec::new();
                put_varint(1 << 3, &mut message);
                put_varint(moment.secs as u64, &mut message);
                put_varint(2 << 3, &mut message);
                put_varint(u64::from(moment.nanos), &mut message);
                put_sized(&message, out);
            }
            To::Row(members) => {
                let mut message = Vec::new();
                write_members(members, array.as_struct().columns(), row, null, &mut message)?;
                put_sized(&message, out);
            }
        }
        Ok(())
    }

    fn double(&self, array: &ArrayRef, row: usize, absent: bool) -> f64 {
        match self.ty {
            _ if absent => 0.0,
            SqlType::Float => f64::from(value::<Float32Type>(array, row)),
            _ => value::<Float64Type>(array, row),
        }
    }
}

fn put_number(number: Number, value: i64, out: &mut Vec<u8>) {
    match number {
        Number::Zigzag => put_varint(zigzag(value), out),
        Number::Fixed32 | Number::SignedFixed32 => out.extend_from_slice(&(value as u32).to_le_bytes()),
        Number::Fixed64 | Number::SignedFixed64 => out.extend_from_slice(&value.to_le_bytes()),
        Number::Unsigned32 => put_varint(u64::from(value as u32), out),
        _ => put_varint(value as u64, out),
    }
}

fn whole(ty: &SqlType, array: &ArrayRef, row: usize) -> Result<i64, FormatError> {
    Ok(match ty {
        SqlType::TinyInt => i64::from(value::<Int8Type>(array, row)),
        SqlType::SmallInt => i64::from(value::<Int16Type>(array, row)),
        SqlType::Date => i64::from(value::<Date32Type>(array, row)),
        SqlType::Time(_) => i64::from(value::<Time32MillisecondType>(array, row)),
        SqlType::BigInt => value::<Int64Type>(array, row),
        SqlType::Timestamp(precision) | SqlType::TimestampLtz(precision) => {
            let stamp = moment(array, row, *precision).in_unit(3);
            stamp.ok_or_else(|| bad("the time is beyond 64 bits of milliseconds"))?
        }
        _ => i64::from(value::<Int32Type>(array, row)),
    })
}
