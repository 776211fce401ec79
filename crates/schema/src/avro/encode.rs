//! The encoder: rows out of columns, in Avro's binary encoding, by any schema that the columns fit.

use super::default::{block, encode_default, end, put_bytes, put_long};
use super::schema::{AvroSchema, Meaning, RecordField, Type, TypeId};
use crate::format::Encoder;
use crate::json::{moment, value};
use crate::{Field, FormatError, SqlType, Typed};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType,
};
use arrow::record_batch::RecordBatch;

/// Writes each row as one bare record.
pub struct AvroEncoder {
    root: Vec<Member>,
}

/// A field of the schema: the column it comes from, or the bytes that stand for it always.
enum Member {
    Column { index: usize, name: String, value: Put },
    Constant(Vec<u8>),
}

/// A value, and the union around it if there is one.
struct Put {
    /// The branch of NULL, if NULL can be written.
    null: Option<usize>,
    /// The branch of the value, when there is a union.
    branch: Option<usize>,
    leaf: Leaf,
}

enum Leaf {
    Null,
    Boolean,
    Whole(SqlType),
    Float,
    FloatToDouble,
    Double,
    Text,
    Bytes,
    Fixed(usize),
    Enum(Vec<String>),
    Decimal { size: Option<usize> },
    Moment { precision: u8, digits: u8 },
    TimeMicros,
    List(Box<Put>),
    Map(Box<Put>),
    Row(Vec<Member>),
}

type Written = Result<(), FormatError>;

impl AvroEncoder {
    /// An encoder of the fields by the definition: every field of the schema needs a column of its name, a default, or NULL.
    pub fn new(fields: &[Field], definition: &str) -> Result<Self, FormatError> {
        let schema = AvroSchema::parse(definition)?;
        let root = members(&schema, schema.root_fields(), fields)?;
        Ok(Self { root })
    }
}

impl Encoder for AvroEncoder {
    fn encode(&mut self, batch: &RecordBatch, row: usize, out: &mut Vec<u8>) -> Written {
        write_members(&self.root, batch.columns(), row, out)
    }
}

fn refused(field: &str, ty: &SqlType, reason: String) -> FormatError {
    FormatError::UnsupportedType { format: "avro", field: field.to_owned(), ty: ty.to_string(), reason }
}

fn members(schema: &AvroSchema, targets: &[RecordField], fields: &[Field]) -> Result<Vec<Member>, FormatError> {
    if let Some(lost) = fields.iter().find(|field| !targets.iter().any(|target| target.name == field.name)) {
        let reason = "the schema that is written has no field of this name".to_owned();
        return Err(FormatError::Value { field: lost.name.clone(), reason });
    }
    targets.iter().map(|target| member(schema, target, fields)).collect()
}

fn member(schema: &AvroSchema, target: &RecordField, fields: &[Field]) -> Result<Member, FormatError> {
    if let Some(index) = fields.iter().position(|field| field.name == target.name) {
        let field = &fields[index];
        let value = put(schema, target.ty, &field.name, &field.typed)?;
        return Ok(Member::Column { index, name: field.name.clone(), value });
    }
    let missing = |reason: String| FormatError::Value { field: target.name.clone(), reason };
    let default = target.default.clone().unwrap_or(serde_json::Value::Null);
    encode_default(schema, target.ty, &default).map(Member::Constant).map_err(|_| {
        missing("the schema that is written needs this field, and the table has no column of its name".to_owned())
    })
}

fn put(schema: &AvroSchema, ty: TypeId, name: &str, typed: &Typed) -> Result<Put, FormatError> {
    let Type::Union(branches) = schema.get(ty) else {
        let leaf = leaf(schema, ty, name, typed)?;
        return Ok(Put { null: None, branch: None, leaf });
    };
    let null = branches.iter().position(|branch| *schema.get(*branch) == Type::Null);
    let mut reason = None;
    for (index, branch) in branches.iter().enumerate().filter(|(index, _)| Some(*index) != null) {
        match leaf(schema, *branch, name, typed) {
            Ok(leaf) => return Ok(Put { null, branch: Some(index), leaf }),
            Err(error) => reason = reason.or(Some(error)),
        }
    }
    Err(reason.unwrap_or_else(|| refused(name, &typed.ty, "the schema has only null there".to_owned())))
}

fn leaf(schema: &AvroSchema, ty: TypeId, name: &str, typed: &Typed) -> Result<Leaf, FormatError> {
    use SqlType as Sql;
    let text = matches!(typed.ty, Sql::Char(_) | Sql::Varchar(_));
    let bytes = matches!(typed.ty, Sql::Binary(_) | Sql::Varbinary(_));
    let small = matches!(typed.ty, Sql::TinyInt | Sql::SmallInt | Sql::Int | Sql::Date | Sql::Time(_));
    Ok(match (schema.get(ty), &typed.ty) {
        (Type::Null, Sql::Null) => Leaf::Null,
        (Type::Boolean, Sql::Boolean) => Leaf::Boolean,
        (Type::Long(Meaning::TimeMicros), Sql::Time(_)) => Leaf::TimeMicros,
        (Type::Long(meaning), Sql::Timestamp(precision) | Sql::TimestampLtz(precision)) => {
            let digits = match meaning {
                Meaning::Timestamp { digits, .. } => *digits,
                _ => 3,
            };
            Leaf::Moment { precision: *precision, digits }
        }
        (Type::Int(_) | Type::Long(_), _) if small => Leaf::Whole(typed.ty.clone()),
        (Type::Long(_), Sql::BigInt) => Leaf::Whole(Sql::BigInt),
        (Type::Float, Sql::Float) => Leaf::Float,
        (Type::Double, Sql::Float) => Leaf::FloatToDouble,
        (Type::Double, Sql::Double) => Leaf::Double,
        (Type::String, _) if text => Leaf::Text,
        (Type::Bytes, _) if bytes => Leaf::Bytes,
        (Type::Fixed(size), _) if bytes => Leaf::Fixed(*size),
        (Type::Enum(symbols), _) if text => Leaf::Enum(symbols.clone()),
        (Type::Decimal { size, scale, .. }, Sql::Decimal(_, own)) if i8::try_from(*scale) == Ok(*own) => {
            Leaf::Decimal { size: *size }
        }
        (Type::Array(item), Sql::Array(from)) => Leaf::List(Box::new(put(schema, *item, name, from)?)),
        (Type::Map(item), Sql::Map(key, from)) if matches!(key.ty, Sql::Char(_) | Sql::Varchar(_)) => {
            Leaf::Map(Box::new(put(schema, *item, name, from)?))
        }
        (Type::Record(targets), Sql::Row(from)) => Leaf::Row(members(schema, targets, from)?),
        _ => return Err(refused(name, &typed.ty, format!("the schema has {} there", schema.name(ty)))),
    })
}

fn write_members(members: &[Member], columns: &[ArrayRef], row: usize, out: &mut Vec<u8>) -> Written {
    for member in members {
        match member {
            Member::Constant(bytes) => out.extend_from_slice(bytes),
            Member::Column { index, name, value } => {
                value.write(&columns[*index], row, out).map_err(|error| match error {
                    FormatError::Value { field, reason } if field.is_empty() => {
                        FormatError::Value { field: name.clone(), reason }
                    }
                    FormatError::Value { field, reason } => {
                        FormatError::Value { field: format!("{name}.{field}"), reason }
                    }
                    other => other,
                })?
            }
        }
    }
    Ok(())
}

fn bad(reason: impl Into<String>) -> FormatError {
    FormatError::Value { field: String::new(), reason: reason.into() }
}

impl Put {
    fn write(&self, array: &ArrayRef, row: usize, out: &mut Vec<u8>) -> Written {
        if array.is_null(row) && !matches!(self.leaf, Leaf::Null) {
            let Some(null) = self.null else {
                return Err(bad("is NULL, and the schema that is written has no null there"));
            };
            put_long(null as i64, out);
            return Ok(());
        }
        if let Some(branch) = self.branch {
            put_long(branch as i64, out);
        }
        self.leaf.write(array, row, out)
    }
}

impl Leaf {
    fn write(&self, array: &ArrayRef, row: usize, out: &mut Vec<u8>) -> Written {
        match self {
            Self::Null => {}
            Self::Boolean => out.push(u8::from(array.as_boolean().value(row))),
            Self::Whole(ty) => put_long(whole(ty, array, row), out),
            Self::Float => out.extend_from_slice(&value::<Float32Type>(array, row).to_le_bytes()),
            Self::FloatToDouble => {
                out.extend_from_slice(&f64::from(value::<Float32Type>(array, row)).to_le_bytes());
            }
            Self::Double => out.extend_from_slice(&value::<Float64Type>(array, row).to_le_bytes()),
            Self::Text => put_bytes(array.as_string::<i32>().value(row).as_bytes(), out),
            Self::Bytes => put_bytes(array.as_binary::<i32>().value(row), out),
            Self::Fixed(size) => {
                let bytes = array.as_binary::<i32>().value(row);
                if bytes.len() != *size {
                    return Err(bad(format!("has {} bytes, and the schema's fixed has {size}", bytes.len())));
                }
                out.extend_from_slice(bytes);
            }
            Self::Enum(symbols) => {
                let text = array.as_string::<i32>().value(row);
                let symbol = symbols.iter().position(|symbol| symbol == text);
                put_long(symbol.ok_or_else(|| bad(format!("'{text}' is no symbol of the schema's enum")))? as i64, out);
            }
            Self::Decimal { size } => return decimal(value::<Decimal128Type>(array, row), *size, out),
            Self::Moment { precision, digits } => {
                let stamp = moment(array, row, *precision).in_unit(*digits);
                put_long(stamp.ok_or_else(|| bad("the time is beyond what the schema's unit holds"))?, out);
            }
            Self::TimeMicros => put_long(i64::from(value::<Time32MillisecondType>(array, row)) * 1000, out),
            Self::List(item) => {
                let list = array.as_list::<i32>();
                let (from, to) = span(list.value_offsets(), row);
                block(to - from, out);
                (from..to).try_for_each(|at| item.write(list.values(), at, out))?;
                end(to - from, out);
            }
            Self::Map(item) => {
                let map = array.as_map();
                let (from, to) = span(map.value_offsets(), row);
                let keys = map.keys().as_string::<i32>();
                block(to - from, out);
                for at in from..to {
                    put_bytes(keys.value(at).as_bytes(), out);
                    item.write(map.values(), at, out)?;
                }
                end(to - from, out);
            }
            Self::Row(members) => return write_members(members, array.as_struct().columns(), row, out),
        }
        Ok(())
    }
}

fn span(offsets: &[i32], row: usize) -> (usize, usize) {
    (offsets[row] as usize, offsets[row + 1] as usize)
}

fn whole(ty: &SqlType, array: &ArrayRef, row: usize) -> i64 {
    match ty {
        SqlType::TinyInt => i64::from(value::<Int8Type>(array, row)),
        SqlType::SmallInt => i64::from(value::<Int16Type>(array, row)),
        SqlType::Date => i64::from(value::<Date32Type>(array, row)),
        SqlType::Time(_) => i64::from(value::<Time32MillisecondType>(array, row)),
        SqlType::BigInt => value::<Int64Type>(array, row),
        _ => i64::from(value::<Int32Type>(array, row)),
    }
}

/// The unscaled value, big endian, in as few bytes as hold its sign too, or in exactly `size`.
fn decimal(unscaled: i128, size: Option<usize>, out: &mut Vec<u8>) -> Written {
    let bytes = unscaled.to_be_bytes();
    let sign: u8 = if unscaled < 0 { 0xff } else { 0 };
    let first = bytes.iter().position(|byte| *byte != sign).unwrap_or(15);
    let first = if (bytes[first] ^ sign) & 0x80 != 0 { first - 1 } else { first };
    match size {
        None => put_bytes(&bytes[first..], out),
        Some(size) if size >= 16 - first => {
            out.extend(std::iter::repeat_n(sign, size.saturating_sub(16)));
            out.extend_from_slice(&bytes[16 - size.min(16)..]);
        }
        Some(size) => return Err(bad(format!("the number does not fit the schema's {size} bytes"))),
    }
    Ok(())
}
