//! A field's default, which a schema writes as JSON, in Avro's own encoding, so that it is read as if it had been written.

use super::schema::{AvroSchema, Type, TypeId};
use serde_json::Value;

/// The default as bytes. A union's default is of its first branch, or else of the first that takes it (Avro 1.12).
pub(super) fn encode_default(schema: &AvroSchema, ty: TypeId, default: &Value) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    encode(schema, ty, default, &mut out)?;
    Ok(out)
}

/// Appends a zigzag varint.
#[inline]
pub(super) fn put_long(value: i64, out: &mut Vec<u8>) {
    let mut value = ((value << 1) ^ (value >> 63)) as u64;
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends bytes with their length before them.
#[inline]
pub(super) fn put_bytes(value: &[u8], out: &mut Vec<u8>) {
    put_long(value.len() as i64, out);
    out.extend_from_slice(value);
}

fn encode(schema: &AvroSchema, ty: TypeId, value: &Value, out: &mut Vec<u8>) -> Result<(), String> {
    let refuse = || Err(format!("the reader's default {value} is no {}", schema.name(ty)));
    match (schema.get(ty), value) {
        (Type::Null, Value::Null) => {}
        (Type::Boolean, Value::Bool(value)) => out.push(u8::from(*value)),
        (Type::Int(_) | Type::Long(_), Value::Number(number)) => match number.as_i64() {
            Some(value) => put_long(value, out),
            None => return refuse(),
        },
        (Type::Float, Value::Number(number)) => {
            out.extend_from_slice(&(number.as_f64().unwrap_or(f64::NAN) as f32).to_le_bytes());
        }
        (Type::Double, Value::Number(number)) => {
            out.extend_from_slice(&number.as_f64().unwrap_or(f64::NAN).to_le_bytes());
        }
        (Type::String, Value::String(text)) => put_bytes(text.as_bytes(), out),
        (Type::Bytes | Type::Decimal { size: None, .. }, Value::String(text)) => put_bytes(&latin(text), out),
        (Type::Fixed(_) | Type::Uuid | Type::Decimal { .. }, Value::String(text)) => out.extend(latin(text)),
        (Type::Enum(symbols), Value::String(text)) => match symbols.iter().position(|symbol| symbol == text) {
            Some(symbol) => put_long(symbol as i64, out),
            None => return refuse(),
        },
        (Type::Array(item), Value::Array(items)) => {
            block(items.len(), out);
            items.iter().try_for_each(|value| encode(schema, *item, value, out))?;
            end(items.len(), out);
        }
        (Type::Map(item), Value::Object(entries)) => {
            block(entries.len(), out);
            for (key, value) in entries {
                put_bytes(key.as_bytes(), out);
                encode(schema, *item, value, out)?;
            }
            end(entries.len(), out);
        }
        (Type::Union(branches), value) => {
            for (index, branch) in branches.iter().enumerate() {
                let before = out.len();
                put_long(index as i64, out);
                if encode(schema, *branch, value, out).is_ok() {
                    return Ok(());
                }
                out.truncate(before);
            }
            return refuse();
        }
        (Type::Record(fields), Value::Object(members)) => {
            for field in fields {
                match members.get(&field.name).or(field.default.as_ref()) {
                    Some(value) => encode(schema, field.ty, value, out)?,
                    None => return refuse(),
                }
            }
        }
        _ => return refuse(),
    }
    Ok(())
}

/// Opens the one block of an array or map.
pub(super) fn block(len: usize, out: &mut Vec<u8>) {
    put_long(len as i64, out);
}

/// Ends an array or map; one without items ended with its own count of zero.
pub(super) fn end(len: usize, out: &mut Vec<u8>) {
    if len > 0 {
        put_long(0, out);
    }
}

/// A default of bytes is a text whose characters are the bytes.
fn latin(text: &str) -> Vec<u8> {
    text.chars().map(|character| character as u32 as u8).collect()
}
