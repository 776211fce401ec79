//! Avro's binary encoding: records into columns and back, by the writer's schema for the reader's columns.
//!
//! What is read is resolved once for each pair of writer's schema and reader's columns (`Plan`); a record then goes straight
//! into the columns, and fields that nobody asked for are skipped unread.
//!
//! The type mapping is Flink's: `TINYINT`, `SMALLINT` and `INT` are `int`, `BIGINT` is `long`, texts are `string`, `BYTES` is `bytes`,
//! `DATE` is `int` (date), `TIME` is `int` (time-millis), timestamps are `long` (timestamp-millis, or -micros beyond three digits), `DECIMAL`
//! is `bytes` (decimal), and what may be NULL is a union with `null`. On the way in Avro's promotions hold: `int` → `long` → `float` →
//! `double`, `bytes` ↔ `string`, and a time in another unit is converted.

mod decode;
mod default;
mod derive;
mod encode;
mod input;
mod json;
mod options;
mod plan;
mod put;
mod schema;

pub use decode::AvroDecoder;
pub use derive::derive;
pub use encode::AvroEncoder;
pub use options::AvroOptions;
pub use schema::AvroSchema;

pub(crate) use json::print_record;
pub(crate) use plan::Plan;
pub(crate) use put::{put_stamp, put_whole};
