//! The Protobuf definition of a table's columns.
//!
//! Scalars are as Flink's `protobuf-glue` derives them; arrays, maps and rows, which it refuses, are `repeated`, `map` and nested
//! messages here. A column that may be NULL is `optional`, so that its absence is seen.

use crate::{Field, FormatError, SqlType, Typed};
use std::fmt::Write;

/// The text of a `.proto` file with one message of that name (made an identifier).
pub fn derive(fields: &[Field], message: &str) -> Result<String, FormatError> {
    let mut out = String::from("syntax = \"proto3\";\n\n");
    write_message(fields, &message_name(message), "", 0, &mut out)?;
    Ok(out)
}

fn message_name(name: &str) -> String {
    let name = name.replace(|character: char| !character.is_ascii_alphanumeric() && character != '_', "_");
    match name.chars().next() {
        None => "Message".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("M_{name}"),
        Some(_) => name,
    }
}

/// A column's name as Protobuf takes it.
pub(super) fn identifier(name: &str) -> String {
    let name = name.replace(|character: char| !character.is_ascii_alphanumeric() && character != '_', "_");
    match name.chars().next() {
        None => "_field".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("_{name}"),
        Some(_) => name,
    }
}

fn refused(path: &str, typed: &Typed, reason: &str) -> FormatError {
    let ty = typed.ty.to_string();
    FormatError::UnsupportedType { format: "protobuf", field: path.to_owned(), ty, reason: reason.to_owned() }
}

fn write_message(fields: &[Field], name: &str, path: &str, depth: usize, out: &mut String) -> Result<(), FormatError> {
    let pad = "  ".repeat(depth);
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{pad}message {name} {{");
    for (index, field) in fields.iter().enumerate() {
        let path = if path.is_empty() { field.name.clone() } else { format!("{path}.{}", field.name) };
        let own = identifier(&field.name);
        if let Some(other) = fields[..index].iter().find(|other| identifier(&other.name) == own) {
            let reason = format!("columns '{}' and '{}' are both '{own}' in Protobuf", other.name, field.name);
            return Err(refused(&path, &field.typed, &reason));
        }
        let (label, ty) = match &field.typed.ty {
            SqlType::Array(item) => ("repeated ", item_type(item, &own, &path, depth + 1, out)?),
            SqlType::Map(key, value) => {
                let value = item_type(value, &own, &path, depth + 1, out)?;
                ("", format!("map<{}, {value}>", key_type(key, &path)?))
            }
            SqlType::Row(_) => ("", item_type(&field.typed, &own, &path, depth + 1, out)?),
            _ if field.typed.nullable => ("optional ", scalar(&field.typed, &path)?),
            _ => ("", scalar(&field.typed, &path)?),
        };
        let json = if own == field.name { String::new() } else { format!(" [json_name = {:?}]", field.name) };
        let _ = writeln!(out, "{pad}  {label}{ty} {own} = {}{json};", index + 1);
    }
    let _ = writeln!(out, "{pad}}}");
    Ok(())
}

/// The type of an item, value or row; a row's message is declared where it is used.
fn item_type(typed: &Typed, own: &str, path: &str, depth: usize, out: &mut String) -> Result<String, FormatError> {
    match &typed.ty {
        SqlType::Row(fields) => {
            let name = format!("{}{}Row", own[..1].to_uppercase(), &own[1..]);
            write_message(fields, &name, path, depth, out)?;
            Ok(name)
        }
        _ => scalar(typed, path),
    }
}

fn key_type(typed: &Typed, path: &str) -> Result<String, FormatError> {
    match typed.ty {
        SqlType::Float | SqlType::Double | SqlType::Binary(_) | SqlType::Varbinary(_) => {
            Err(refused(path, typed, "a map's key is a text, a whole number or a boolean in Protobuf"))
        }
        _ => scalar(typed, path),
    }
}

fn scalar(typed: &Typed, path: &str) -> Result<String, FormatError> {
    Ok(match &typed.ty {
        SqlType::Boolean => "bool",
        SqlType::TinyInt | SqlType::SmallInt | SqlType::Int | SqlType::Date | SqlType::Time(_) => "int32",
        SqlType::BigInt | SqlType::Timestamp(_) | SqlType::TimestampLtz(_) => "int64",
        SqlType::Float => "float",
        SqlType::Double => "double",
        SqlType::Char(_) | SqlType::Varchar(_) | SqlType::Decimal(..) => "string",
        SqlType::Binary(_) | SqlType::Varbinary(_) => "bytes",
        SqlType::Array(_) | SqlType::Map(..) => {
            return Err(refused(
                path,
                typed,
                "Protobuf has no arrays or maps inside of arrays and maps: wrap it in a ROW",
            ));
        }
        _ => return Err(refused(path, typed, "Protobuf has no such type")),
    }
    .to_owned())
}
