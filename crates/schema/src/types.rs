//! The SQL types of Apache Flink and how each is held in Arrow.

use arrow::datatypes::{DataType as ArrowType, Field as ArrowField, IntervalUnit, TimeUnit};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A Flink logical type without its nullability, which stands in [`Field`] or [`Typed`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SqlType {
    /// The type of a bare `NULL`.
    Null,
    /// `BOOLEAN`
    Boolean,
    /// `TINYINT`, 8 bits
    TinyInt,
    /// `SMALLINT`, 16 bits
    SmallInt,
    /// `INT`, 32 bits
    Int,
    /// `BIGINT`, 64 bits
    BigInt,
    /// `FLOAT`, 32 bits
    Float,
    /// `DOUBLE`, 64 bits
    Double,
    /// `DECIMAL(precision, scale)`, precision 1 to 38
    Decimal(u8, i8),
    /// `CHAR(n)`
    Char(u32),
    /// `VARCHAR(n)`; `STRING` is `VARCHAR(2147483647)`
    Varchar(u32),
    /// `BINARY(n)`
    Binary(u32),
    /// `VARBINARY(n)`; `BYTES` is `VARBINARY(2147483647)`
    Varbinary(u32),
    /// `DATE`, days since 1970
    Date,
    /// `TIME(p)`, milliseconds of the day
    Time(u8),
    /// `TIMESTAMP(p)`: a calendar time without zone
    Timestamp(u8),
    /// `TIMESTAMP_LTZ(p)`: a point in time, shown in the session's zone
    TimestampLtz(u8),
    /// `INTERVAL YEAR TO MONTH`, months
    IntervalMonths,
    /// `INTERVAL DAY TO SECOND`, milliseconds
    IntervalMillis,
    /// `ARRAY<T>`
    Array(Box<Typed>),
    /// `MAP<K, V>`
    Map(Box<Typed>, Box<Typed>),
    /// `ROW<name T, …>`
    Row(Vec<Field>),
}

/// A type with its nullability.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Typed {
    /// The type.
    pub ty: SqlType,
    /// Whether NULL is a value of it.
    pub nullable: bool,
}

/// A named column or row field.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Field {
    /// Case matters, as in Flink.
    pub name: String,
    /// Its type.
    pub typed: Typed,
}

impl Field {
    /// A field that may be NULL.
    pub fn nullable(name: &str, ty: SqlType) -> Self {
        Self { name: name.to_owned(), typed: Typed { ty, nullable: true } }
    }

    /// The Arrow field that holds it.
    pub fn to_arrow(&self) -> ArrowField {
        ArrowField::new(&self.name, self.typed.ty.to_arrow(), self.typed.nullable)
    }
}

impl SqlType {
    /// `STRING`
    pub const STRING: Self = Self::Varchar(i32::MAX as u32);
    /// `BYTES`
    pub const BYTES: Self = Self::Varbinary(i32::MAX as u32);

    /// The Arrow type that holds it. Times of precision p use the coarsest of ms, µs, ns that keeps p digits.
    pub fn to_arrow(&self) -> ArrowType {
        match self {
            Self::Null => ArrowType::Null,
            Self::Boolean => ArrowType::Boolean,
            Self::TinyInt => ArrowType::Int8,
            Self::SmallInt => ArrowType::Int16,
            Self::Int => ArrowType::Int32,
            Self::BigInt => ArrowType::Int64,
            Self::Float => ArrowType::Float32,
            Self::Double => ArrowType::Float64,
            Self::Decimal(precision, scale) => ArrowType::Decimal128(*precision, *scale),
            Self::Char(_) | Self::Varchar(_) => ArrowType::Utf8,
            Self::Binary(_) | Self::Varbinary(_) => ArrowType::Binary,
            Self::Date => ArrowType::Date32,
            Self::Time(_) => ArrowType::Time32(TimeUnit::Millisecond),
            Self::Timestamp(p) => ArrowType::Timestamp(unit(*p), None),
            Self::TimestampLtz(p) => ArrowType::Timestamp(unit(*p), Some("UTC".into())),
            Self::IntervalMonths => ArrowType::Interval(IntervalUnit::YearMonth),
            Self::IntervalMillis => ArrowType::Duration(TimeUnit::Millisecond),
            Self::Array(item) => ArrowType::List(Arc::new(item.item("item"))),
            Self::Map(key, value) => {
                let entry = ArrowType::Struct(vec![key.item("keys").with_nullable(false), value.item("values")].into());
                ArrowType::Map(Arc::new(ArrowField::new("entries", entry, false)), false)
            }
            Self::Row(fields) => ArrowType::Struct(fields.iter().map(Field::to_arrow).collect()),
        }
    }
}

impl Typed {
    fn item(&self, name: &str) -> ArrowField {
        ArrowField::new(name, self.ty.to_arrow(), self.nullable)
    }
}

fn unit(precision: u8) -> TimeUnit {
    match precision {
        0..=3 => TimeUnit::Millisecond,
        4..=6 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Boolean => f.write_str("BOOLEAN"),
            Self::TinyInt => f.write_str("TINYINT"),
            Self::SmallInt => f.write_str("SMALLINT"),
            Self::Int => f.write_str("INT"),
            Self::BigInt => f.write_str("BIGINT"),
            Self::Float => f.write_str("FLOAT"),
            Self::Double => f.write_str("DOUBLE"),
            Self::Decimal(precision, scale) => write!(f, "DECIMAL({precision}, {scale})"),
            Self::Char(n) => write!(f, "CHAR({n})"),
            &Self::STRING => f.write_str("STRING"),
            Self::Varchar(n) => write!(f, "VARCHAR({n})"),
            Self::Binary(n) => write!(f, "BINARY({n})"),
            &Self::BYTES => f.write_str("BYTES"),
            Self::Varbinary(n) => write!(f, "VARBINARY({n})"),
            Self::Date => f.write_str("DATE"),
            Self::Time(p) => write!(f, "TIME({p})"),
            Self::Timestamp(p) => write!(f, "TIMESTAMP({p})"),
            Self::TimestampLtz(p) => write!(f, "TIMESTAMP_LTZ({p})"),
            Self::IntervalMonths => f.write_str("INTERVAL YEAR TO MONTH"),
            Self::IntervalMillis => f.write_str("INTERVAL DAY TO SECOND(3)"),
            Self::Array(item) => write!(f, "ARRAY<{item}>"),
            Self::Map(key, value) => write!(f, "MAP<{key}, {value}>"),
            Self::Row(fields) => {
                f.write_str("ROW<")?;
                for (i, field) in fields.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}`{}` {}", field.name, field.typed)?;
                }
                f.write_str(">")
            }
        }
    }
}

impl fmt::Display for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let null = if self.nullable { "" } else { " NOT NULL" };
        write!(f, "{}{null}", self.ty)
    }
}
