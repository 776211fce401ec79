//! Reading back what delivery streams wrote: the records of an object, and which objects a stream's deliveries wrote.
//!
//! Objects are known by how they begin: Parquet, gzip, else JSON values one after the other, with or without anything between
//! them. A row of a Parquet object becomes the JSON object that its record was, as far as the table had columns for it.
//!
//! # Limits
//! An unpacked object is at most [`UNPACKED_BYTES_MAX`]. What could not be delivered lies below the error prefix and is not
//! among a stream's objects.

use crate::definition::{DeliveryStreamDefinition, Destination};
use crate::deliveries::{Deliveries, source_key};
use crate::{DeliverError, DeliveryStreamType};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, TimeUnit};
use arrow::record_batch::RecordBatch;
use base64_simd::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, SecondsFormat, TimeZone};
use chrono_tz::Tz;
use flate2::read::MultiGzDecoder;
use millrace_base::{Arn, Millis, Scope};
use millrace_log::StreamKey;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::io::Read;

/// A buffer of a delivery stream is at most 128 MB; JSON packs to a tenth and less.
pub const UNPACKED_BYTES_MAX: u64 = 2 << 30;

/// What all keys begin with of objects that are not in their places yet, and of what is known of them.
pub const STAGING_PREFIX: &str = "_backfill/";

/// How a Parquet file begins.
const PARQUET: &[u8] = b"PAR1";
/// What `!{firehose:error-output-type}` stands for.
const ERROR_TYPES: [&str; 3] = ["processing-failed/", "format-conversion-failed/", "AmazonOpenSearchService-failed/"];

/// Where a delivery stream puts the records of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveredTo {
    /// The delivery stream.
    pub delivery: String,
    /// The bucket.
    pub bucket: String,
    /// What all keys of its objects begin with.
    pub prefix: String,
    /// What all keys of failures begin with.
    pub error_prefix: String,
    zone: Tz,
}

/// What the key of an object tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveredObject {
    /// The version of the delivery stream that wrote it.
    pub version: u64,
    /// When its oldest record arrived, to the second.
    pub oldest: Millis,
    /// It holds what could not be delivered.
    pub failed: bool,
}

impl DeliveredTo {
    /// What the key of an object tells; none when this delivery stream did not write it.
    pub fn object(&self, key: &str) -> Option<DeliveredObject> {
        let failed = self.is_failure(key);
        let prefix = if failed { &self.error_prefix } else { &self.prefix };
        let name = key.rsplit('/').next().filter(|_| key.starts_with(prefix) && !key.starts_with(STAGING_PREFIX))?;
        let (version, oldest) = version_and_oldest(name.strip_prefix(&self.delivery)?, self.zone)?;
        Some(DeliveredObject { version, oldest, failed })
    }

    /// When the oldest record of an object arrived, to the second, by its key; none for an object that is not this delivery
    /// stream's data.
    pub fn oldest(&self, key: &str) -> Option<Millis> {
        self.object(key).filter(|object| !object.failed).map(|object| object.oldest)
    }

    /// Where data and failures begin alike, the type of the failure tells, which is in every key of one.
    fn is_failure(&self, key: &str) -> bool {
        match self.prefix.starts_with(&self.error_prefix) {
            true => ERROR_TYPES.iter().any(|kind| key.contains(kind)),
            false => key.starts_with(&self.error_prefix),
        }
    }
}

/// `-VERSION-2026-11-21-20-15-00-UUID.EXTENSION`, the time of the oldest record in a zone.
fn version_and_oldest(name: &str, zone: Tz) -> Option<(u64, Millis)> {
    // An extension may hold anything, dashes too.
    let parts: Vec<&str> = name.split('.').next().unwrap_or_default().split('-').collect();
    // A UUID has five parts, a moment six.
    let at = parts.len().checked_sub(11)?;
    let numbers: Vec<u32> = parts[at..at + 6].iter().map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let &[year, month, day, hour, minute, second] = numbers.as_slice() else { return None };
    let local = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?.and_hms_opt(hour, minute, second)?;
    let oldest = zone.from_local_datetime(&local).earliest()?.timestamp_millis();
    let version = parts[..at].iter().rev().find(|part| !part.is_empty())?.parse().ok()?;
    Some((version, oldest))
}

/// The static beginning of a prefix.
fn beginning(prefix: Option<&str>) -> &str {
    let prefix = prefix.unwrap_or_default();
    prefix.split_once("!{").map_or(prefix, |(beginning, _)| beginning)
}

impl Deliveries {
    /// Where a delivery stream puts its objects; none when that is no bucket.
    pub fn lake_of(&self, scope: &Scope, name: &str) -> Result<Option<DeliveredTo>, DeliverError> {
        lake(&self.get(scope, name)?.definition)
    }

    /// Where the records of a stream are put as objects, by every delivery stream of the scope that reads it.
    pub fn lakes_of(&self, scope: &Scope, stream: &StreamKey) -> Result<Vec<DeliveredTo>, DeliverError> {
        let kind = Some(DeliveryStreamType::KinesisStreamAsSource);
        let names = self.list(scope, None, kind, Some(usize::MAX))?.names;
        let mut lakes = Vec::new();
        for name in names {
            let definition = self.get(scope, &name)?.definition;
            if source_key(scope, &definition)? == *stream {
                lakes.extend(lake(&definition)?);
            }
        }
        Ok(lakes)
    }
}

fn lake(definition: &DeliveryStreamDefinition) -> Result<Option<DeliveredTo>, DeliverError> {
    let Destination::S3(s3) = definition.destination()? else { return Ok(None) };
    let bucket: Arn =
        s3.bucket_arn.parse().map_err(|error| DeliverError::InvalidArgument(format!("BucketARN: {error}")))?;
    let prefix = beginning(s3.prefix.as_deref()).to_owned();
    let error_prefix = s3.error_output_prefix.as_deref().filter(|own| !own.is_empty()).or(s3.prefix.as_deref());
    Ok(Some(DeliveredTo {
        delivery: definition.delivery_stream_name.clone(),
        bucket: bucket.resource.to_string(),
        prefix,
        error_prefix: beginning(error_prefix).to_owned(),
        zone: s3.custom_time_zone.as_deref().and_then(|zone| zone.parse().ok()).unwrap_or(Tz::UTC),
    }))
}

/// How many records an object holds: rows of Parquet, else JSON values.
///
/// # Errors
/// What is wrong with the object, for people.
pub fn count_records(content: &Bytes) -> Result<u64, String> {
    if !content.starts_with(PARQUET) {
        return records_of(content).map(|records| records.len() as u64);
    }
    let reader = ParquetRecordBatchReaderBuilder::try_new(content.clone());
    let reader = reader.map_err(|error| format!("it is no readable Parquet: {error}"))?;
    Ok(reader.metadata().file_metadata().num_rows().try_into().unwrap_or_default())
}

/// The records of an object below the error prefix, in order: when each arrived, and its bytes as they came.
///
/// # Errors
/// What is wrong with the object, for people.
pub fn failures_of(content: &Bytes) -> Result<Vec<(Millis, Bytes)>, String> {
    let failure = |line: Bytes| {
        let line: Value = serde_json::from_slice(&line).map_err(|error| error.to_string())?;
        let raw = line["rawData"].as_str().and_then(|raw| STANDARD.decode_to_vec(raw).ok());
        let found = line["arrivalTimestamp"].as_i64().zip(raw);
        let (arrival, raw) = found.ok_or("a line has no arrivalTimestamp or no rawData")?;
        Ok((arrival, raw.into()))
    };
    json_records(content)?.into_iter().map(failure).collect()
}

/// The records of an object, in order, each as JSON.
///
/// # Errors
/// What is wrong with the object, for people.
pub fn records_of(content: &Bytes) -> Result<Vec<Bytes>, String> {
    if content.starts_with(PARQUET) {
        return parquet_records(content);
    }
    if !content.starts_with(&[0x1f, 0x8b]) {
        return json_records(content);
    }
    let mut plain = Vec::new();
    let mut unpacked = MultiGzDecoder::new(content.as_ref()).take(UNPACKED_BYTES_MAX + 1);
    unpacked.read_to_end(&mut plain).map_err(|error| format!("it is no gzip: {error}"))?;
    if plain.len() as u64 > UNPACKED_BYTES_MAX {
        return Err(format!("it unpacks to more than {UNPACKED_BYTES_MAX} bytes"));
    }
    json_records(&plain.into())
}

fn json_records(content: &Bytes) -> Result<Vec<Bytes>, String> {
    let values = serde_json::Deserializer::from_slice(content).into_iter::<&RawValue>();
    let record = |value: Result<&RawValue, serde_json::Error>| {
        let text = value.map_err(|error| format!("it holds no JSON records: {error}"))?;
        Ok(content.slice_ref(text.get().as_bytes()))
    };
    values.map(record).collect()
}

fn parquet_records(content: &Bytes) -> Result<Vec<Bytes>, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("it is no readable Parquet: {error}");
    let reader = ParquetRecordBatchReaderBuilder::try_new(content.clone()).map_err(|error| wrong(&error))?;
    let mut records = Vec::new();
    for batch in reader.build().map_err(|error| wrong(&error))? {
        let batch = batch.map_err(|error| wrong(&error))?;
        for row in 0..batch.num_rows() {
            records.push(Bytes::from(object(&batch, row)?.to_string()));
        }
    }
    Ok(records)
}

fn object(batch: &RecordBatch, row: usize) -> Result<Value, String> {
    let mut members = Map::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        if !column.is_null(row) {
            members.insert(field.name().clone(), value(column, row)?);
        }
    }
    Ok(Value::Object(members))
}

fn value(column: &ArrayRef, row: usize) -> Result<Value, String> {
    use arrow::datatypes as types;
    if column.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match column.data_type() {
        DataType::Utf8 => json!(column.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => json!(column.as_string::<i64>().value(row)),
        DataType::Boolean => json!(column.as_boolean().value(row)),
        DataType::Int8 => json!(column.as_primitive::<types::Int8Type>().value(row)),
        DataType::Int16 => json!(column.as_primitive::<types::Int16Type>().value(row)),
        DataType::Int32 => json!(column.as_primitive::<types::Int32Type>().value(row)),
        DataType::Int64 => json!(column.as_primitive::<types::Int64Type>().value(row)),
        DataType::Float32 => json!(column.as_primitive::<types::Float32Type>().value(row)),
        DataType::Float64 => json!(column.as_primitive::<types::Float64Type>().value(row)),
        DataType::Decimal128(..) => {
            let text = column.as_primitive::<types::Decimal128Type>().value_as_string(row);
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        }
        DataType::Date32 => {
            let days = column.as_primitive::<types::Date32Type>().value(row);
            json!(moment(i64::from(days) * 86_400_000_000).map(|moment| moment.format("%Y-%m-%d").to_string()))
        }
        DataType::Timestamp(unit, _) => json!(timestamp(column, *unit, row)),
        DataType::Binary => json!(STANDARD.encode_to_string(column.as_binary::<i32>().value(row))),
        DataType::List(_) => list(&column.as_list::<i32>().value(row))?,
        DataType::Struct(fields) => {
            let parts = fields.iter().zip(column.as_struct().columns()).filter(|(_, part)| !part.is_null(row));
            let member = |(field, part): (&arrow::datatypes::FieldRef, &ArrayRef)| {
                Ok::<_, String>((field.name().clone(), value(part, row)?))
            };
            Value::Object(parts.map(member).collect::<Result<_, _>>()?)
        }
        DataType::Map(..) => {
            let entries = column.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let mut members = Map::new();
            for at in 0..entries.len() {
                let key = value(keys, at)?;
                members.insert(key.as_str().map_or_else(|| key.to_string(), str::to_owned), value(values, at)?);
            }
            Value::Object(members)
        }
        other => return Err(format!("columns of type {other} are not supported yet")),
    })
}

fn list(items: &ArrayRef) -> Result<Value, String> {
    Ok(Value::Array((0..items.len()).map(|at| value(items, at)).collect::<Result<_, _>>()?))
}

fn timestamp(column: &ArrayRef, unit: TimeUnit, row: usize) -> Option<String> {
    use arrow::datatypes as types;
    let micros = match unit {
        TimeUnit::Second => column.as_primitive::<types::TimestampSecondType>().value(row).checked_mul(1_000_000)?,
        TimeUnit::Millisecond => {
            column.as_primitive::<types::TimestampMillisecondType>().value(row).checked_mul(1000)?
        }
        TimeUnit::Microsecond => column.as_primitive::<types::TimestampMicrosecondType>().value(row),
        TimeUnit::Nanosecond => column.as_primitive::<types::TimestampNanosecondType>().value(row) / 1000,
    };
    let precision = if micros % 1000 == 0 { SecondsFormat::Millis } else { SecondsFormat::Micros };
    moment(micros).map(|moment| moment.to_rfc3339_opts(precision, true))
}

fn moment(micros: i64) -> Option<DateTime<chrono::Utc>> {
    DateTime::from_timestamp_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Float64Array, StringArray, StructArray, TimestampMillisecondArray};
    use arrow::datatypes::{Field, Schema};
    use parquet::arrow::ArrowWriter;
    use std::sync::Arc;

    #[test]
    fn the_name_of_an_object_tells_its_oldest_record() {
        let lake = DeliveredTo {
            delivery: "to-lake".to_owned(),
            bucket: "b".to_owned(),
            prefix: "data/".to_owned(),
            error_prefix: "data/errors/".to_owned(),
            zone: Tz::UTC,
        };
        let name = "to-lake-3-2026-11-21-20-15-07-01234567-89ab-cdef-0123-456789abcdef.parquet";
        assert_eq!(lake.oldest(&format!("data/dt=2026-11-21/{name}")), Some(1_795_292_107_000));
        assert_eq!(lake.oldest(&format!("data/errors/{name}")), None);
        assert_eq!(lake.oldest(&format!("other/{name}")), None);
        assert_eq!(lake.oldest("data/somebody-elses.parquet"), None);
        let found = |lake: &DeliveredTo, key: String| lake.object(&key).map(|object| (object.version, object.failed));
        assert_eq!(found(&lake, format!("data/{name}")), Some((3, false)));
        assert_eq!(found(&lake, format!("data/errors/x/{name}")), Some((3, true)));
        assert_eq!(found(&lake, format!("data/{name}-x.y-z")), Some((3, false)));
        assert_eq!(found(&lake, format!("data/other-{name}")), None);
        // Both begin with nothing: the type of the failure tells.
        let bare = DeliveredTo { prefix: String::new(), error_prefix: String::new(), ..lake };
        assert_eq!(found(&bare, format!("2026/11/21/20/{name}")), Some((3, false)));
        assert_eq!(found(&bare, format!("format-conversion-failed/2026/11/21/20/{name}")), Some((3, true)));
        assert_eq!(found(&bare, format!("{STAGING_PREFIX}0123456789/00000001/2026/11/21/20/{name}")), None);
    }

    #[test]
    fn json_records_need_nothing_between_them() {
        let texts = |content: &'static [u8]| records_of(&Bytes::from_static(content));
        let expected: Vec<Bytes> = vec![Bytes::from_static(br#"{"a": 1}"#), Bytes::from_static(br#"{"a":"}{"}"#)];
        assert_eq!(texts(b"{\"a\": 1}{\"a\":\"}{\"}"), Ok(expected.clone()));
        assert_eq!(texts(b"{\"a\": 1}\n{\"a\":\"}{\"}\n"), Ok(expected));
        assert!(texts(b"{\"a\": 1}{\"a\"").is_err());
        assert_eq!(texts(b""), Ok(Vec::new()));
    }

    #[test]
    fn a_row_is_the_object_that_it_was() {
        let inner: Vec<(Arc<Field>, ArrayRef)> = vec![(
            Arc::new(Field::new("id", DataType::Utf8, true)),
            Arc::new(StringArray::from(vec![Some("m-1"), None])) as ArrayRef,
        )];
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("id", Arc::new(StringArray::from(vec!["a", "b"]))),
            ("amount", Arc::new(Float64Array::from(vec![Some(12.5), None]))),
            ("at", Arc::new(TimestampMillisecondArray::from(vec![1_795_292_107_123, 0]))),
            ("merchant", Arc::new(StructArray::from(inner))),
        ];
        let fields: Vec<Field> =
            columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
        let columns = columns.into_iter().map(|(_, column)| column).collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        let records = records_of(&writer.into_inner().unwrap().into()).unwrap();
        let read: Vec<Value> = records.iter().map(|record| serde_json::from_slice(record).unwrap()).collect();
        let first = json!({"id": "a", "amount": 12.5, "at": "2026-11-21T20:15:07.123Z", "merchant": {"id": "m-1"}});
        assert_eq!(read, [first, json!({"id": "b", "at": "1970-01-01T00:00:00.000Z", "merchant": {}})]);
    }
}
