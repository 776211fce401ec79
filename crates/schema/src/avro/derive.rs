//! The Avro schema of a table's columns, as Flink derives it.

use crate::{Field, FormatError, SqlType, Typed};
use serde_json::{Value, json};

/// The name of the outermost record, when nobody gives another: Flink's.
const RECORD: &str = "org.apache.flink.avro.generated.record";

/// The definition for `fields`, compact, under `name` (`namespace.record`), or Flink's name. `legacy_timestamps` is
/// `avro.timestamp_mapping.legacy`: TIMESTAMP is `timestamp-…` then, else `local-timestamp-…`.
pub fn derive(fields: &[Field], name: Option<&str>, legacy_timestamps: bool) -> Result<String, FormatError> {
    let derivation = Derivation { legacy_timestamps };
    derivation.record(fields, name.unwrap_or(RECORD), "").map(|schema| schema.to_string())
}

struct Derivation {
    legacy_timestamps: bool,
}

impl Derivation {
    fn record(&self, fields: &[Field], name: &str, path: &str) -> Result<Value, FormatError> {
        let (space, short) = name.rsplit_once('.').map_or((None, name), |(space, short)| (Some(space), short));
        let mut members = Vec::with_capacity(fields.len());
        for field in fields {
            let path = if path.is_empty() { field.name.clone() } else { format!("{path}.{}", field.name) };
            if !is_name(&field.name) {
                let reason = "Avro's names are letters, digits and underscores, and do not begin with a digit";
                return Err(refused(&path, &field.typed, reason));
            }
            let ty = self.typed(&field.typed, &format!("{name}_{}", field.name), &path)?;
            members.push(match field.typed.nullable {
                true => json!({"name": field.name, "type": ty, "default": null}),
                false => json!({"name": field.name, "type": ty}),
            });
        }
        Ok(match space {
            Some(space) => json!({"type": "record", "name": short, "namespace": space, "fields": members}),
            None => json!({"type": "record", "name": short, "fields": members}),
        })
    }

    fn typed(&self, typed: &Typed, name: &str, path: &str) -> Result<Value, FormatError> {
        let ty = self.plain(typed, name, path)?;
        Ok(if typed.nullable && typed.ty != SqlType::Null { json!(["null", ty]) } else { ty })
    }

    fn plain(&self, typed: &Typed, name: &str, path: &str) -> Result<Value, FormatError> {
        let logical = |ty: &str, logical: &str| json!({"type": ty, "logicalType": logical});
        Ok(match &typed.ty {
            SqlType::Null => json!("null"),
            SqlType::Boolean => json!("boolean"),
            SqlType::TinyInt | SqlType::SmallInt | SqlType::Int => json!("int"),
            SqlType::BigInt => json!("long"),
            SqlType::Float => json!("float"),
            SqlType::Double => json!("double"),
            SqlType::Char(_) | SqlType::Varchar(_) => json!("string"),
            SqlType::Binary(_) | SqlType::Varbinary(_) => json!("bytes"),
            SqlType::Decimal(precision, scale) => {
                json!({"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale})
            }
            SqlType::Date => logical("int", "date"),
            SqlType::Time(_) => logical("int", "time-millis"),
            SqlType::Timestamp(precision) => {
                let local = if self.legacy_timestamps { "" } else { "local-" };
                logical("long", &format!("{local}{}", unit(*precision)))
            }
            SqlType::TimestampLtz(precision) => logical("long", unit(*precision)),
            SqlType::Array(item) => json!({"type": "array", "items": self.typed(item, name, path)?}),
            SqlType::Map(key, value) if matches!(key.ty, SqlType::Char(_) | SqlType::Varchar(_)) => {
                json!({"type": "map", "values": self.typed(value, name, path)?})
            }
            SqlType::Row(fields) => self.record(fields, name, path)?,
            SqlType::Map(..) => return Err(refused(path, typed, "Avro's maps have texts as keys")),
            SqlType::IntervalMonths | SqlType::IntervalMillis => {
                return Err(refused(path, typed, "Flink's avro format has no intervals: use BIGINT"));
            }
        })
    }
}

fn unit(precision: u8) -> &'static str {
    if precision <= 3 { "timestamp-millis" } else { "timestamp-micros" }
}

fn is_name(name: &str) -> bool {
    let plain = |character: char| character.is_ascii_alphanumeric() || character == '_';
    name.chars().all(plain) && !name.starts_with(|first: char| first.is_ascii_digit()) && !name.is_empty()
}

fn refused(field: &str, typed: &Typed, reason: &str) -> FormatError {
    FormatError::UnsupportedType {
        format: "avro",
        field: field.to_owned(),
        ty: typed.ty.to_string(),
        reason: reason.to_owned(),
    }
}
