//! The JSON Schema of a table's columns, as Flink's `json-glue` derives it (draft 7).
//!
//! Objects are closed (`additionalProperties` false): an open one could already hold anything under the name of a new column, so
//! that no column could ever be added under BACKWARD.

use crate::{Field, FormatError, SqlType, Typed};
use serde_json::{Map, Value, json};

/// The definition for `fields`.
pub fn derive_json(fields: &[Field]) -> Result<String, FormatError> {
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
    schema.extend(object(fields)?);
    Ok(Value::Object(schema).to_string())
}

fn object(fields: &[Field]) -> Result<Map<String, Value>, FormatError> {
    let mut properties = Map::new();
    for field in fields {
        let value = typed(&field.typed).map_err(|reason| FormatError::UnsupportedType {
            format: "json-glue",
            field: field.name.clone(),
            ty: field.typed.ty.to_string(),
            reason,
        })?;
        properties.insert(field.name.clone(), value);
    }
    let required: Vec<&str> =
        fields.iter().filter(|field| !field.typed.nullable).map(|field| field.name.as_str()).collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("additionalProperties".to_owned(), json!(false));
    schema.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    Ok(schema)
}

fn typed(typed: &Typed) -> Result<Value, String> {
    let nullable = typed.nullable;
    let scalar = |name: &str| if nullable { json!({"type": [name, "null"]}) } else { json!({"type": name}) };
    let formatted = |key: &str, value: &str| {
        let mut schema = scalar("string");
        schema[key] = json!(value);
        schema
    };
    let maybe = |schema: Value| if nullable { json!({"anyOf": [schema, {"type": "null"}]}) } else { schema };
    Ok(match &typed.ty {
        SqlType::Boolean => scalar("boolean"),
        SqlType::TinyInt | SqlType::SmallInt | SqlType::Int | SqlType::BigInt => scalar("integer"),
        SqlType::Float | SqlType::Double | SqlType::Decimal(..) => scalar("number"),
        SqlType::Char(_) | SqlType::Varchar(_) | SqlType::Time(_) => scalar("string"),
        // Flink says `time` and `date-time` of these, which what it writes (`2026-01-31 08:05:00`) is not: a reader that validates
        // would refuse every record.
        SqlType::Timestamp(_) | SqlType::TimestampLtz(_) => scalar("string"),
        SqlType::Date => formatted("format", "date"),
        SqlType::Binary(_) | SqlType::Varbinary(_) => formatted("contentEncoding", "base64"),
        SqlType::Array(item) => maybe(json!({"type": "array", "items": self::typed(item)?})),
        SqlType::Map(key, value) if matches!(key.ty, SqlType::Char(_) | SqlType::Varchar(_)) => {
            maybe(json!({"type": "object", "additionalProperties": self::typed(value)?}))
        }
        SqlType::Row(fields) => maybe(Value::Object(object(fields).map_err(|error| error.to_string())?)),
        SqlType::Map(..) => return Err("the keys of a JSON object are texts".to_owned()),
        _ => return Err("JSON Schema has no such type".to_owned()),
    })
}
