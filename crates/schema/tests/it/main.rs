//! Formats at the door that stages use: `format::decoder` and `format::encoder`.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod avro;
mod compat;
mod csv;
mod fuzz;
mod glue;
mod instances;
mod json;
mod openx;
mod protobuf;
mod registry;
mod speed;
mod tables;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, TimeUnit, TimestampMillisecondType};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use millrace_schema::{Decoder, Field, SqlType, format};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Fields from `name TYPE` pairs in Hive's words (and `timestamp_ltz`).
pub fn fields(spec: &[(&str, &str)]) -> Vec<Field> {
    spec.iter()
        .map(|(name, ty)| match *ty {
            "timestamp_ltz" => Field::nullable(name, SqlType::TimestampLtz(3)),
            "time" => Field::nullable(name, SqlType::Time(3)),
            ty => Field::nullable(name, millrace_schema::hive::parse_type(ty).unwrap()),
        })
        .collect()
}

/// `WITH` options.
pub fn with(options: &[(&str, &str)]) -> BTreeMap<String, String> {
    options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// The rows that wait in a decoder, each cell as text, NULL as `∅`.
pub fn rows(decoder: &mut dyn Decoder) -> Vec<String> {
    let batch = decoder.finish();
    let options = FormatOptions::new().with_null("∅");
    let unzoned: Vec<ArrayRef> = batch.columns().iter().map(without_zone).collect();
    let columns: Vec<_> = unzoned.iter().map(|c| ArrayFormatter::try_new(c, &options).unwrap()).collect();
    (0..batch.num_rows())
        .map(|row| columns.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>().join("|"))
        .collect()
}

/// Arrow prints zones only with a time-zone database.
fn without_zone(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Millisecond, Some(_)) => {
            Arc::new(array.as_primitive::<TimestampMillisecondType>().clone().with_timezone_opt(None::<&str>))
        }
        _ => array.clone(),
    }
}

/// One payload through a decoder: its row, `-` for none, or the error.
pub fn decode_one(name: &str, options: &[(&str, &str)], spec: &[(&str, &str)], payload: &str) -> String {
    let mut decoder = format::decoder(name, &with(options), &fields(spec)).unwrap();
    match decoder.push(payload.as_bytes()) {
        Err(error) => {
            assert_eq!(decoder.len(), 0);
            format!("! {error}")
        }
        Ok(()) => rows(decoder.as_mut()).pop().unwrap_or_else(|| "-".to_owned()),
    }
}
