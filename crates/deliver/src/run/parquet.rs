//! From JSON records, and records that name their schema, to one Parquet file.

use super::lane::Held;
use super::shape::Conversion;
use crate::DeliverError;
use crate::definition::{ParquetCompression, ParquetSerDe, WriterVersion};
use millrace_schema::format::schema_of;
use millrace_schema::glue::{Mixed, Schemas};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{WriterProperties, WriterVersion as ParquetVersion};

/// Rows are handed to the writer in batches of about this many.
const BATCH_ROWS: usize = 8192;
/// A row group's rows; Firehose's objects seldom hold more than one group.
const GROUP_ROWS: usize = 1 << 20;
/// Firehose's default page, 1 MiB.
const PAGE_BYTES: u64 = 1 << 20;

/// A Parquet file and the records that did not fit into it, with the reasons.
pub(crate) struct Converted<'a> {
    /// None when no record fitted.
    pub(crate) file: Option<Vec<u8>>,
    pub(crate) failed: Vec<(&'a Held, String)>,
}

/// Converts records in order. A JSON record may hold several objects; it goes in whole or not at all. A record that the schema
/// registry's serializers wrote is read by the version that it names, whatever that is.
pub(crate) fn convert<'a>(
    records: &'a [Held],
    conversion: &Conversion,
    schemas: &Schemas,
) -> Result<Converted<'a>, DeliverError> {
    let refuse =
        |reason: String| DeliverError::InvalidArgument(format!("the table cannot be written as Parquet: {reason}"));
    let mut decoder = Mixed::new(schemas.clone(), &conversion.fields, conversion.json.clone())
        .map_err(|error| refuse(error.to_string()))?;
    let properties = properties(&conversion.parquet);
    let schema = schema_of(&conversion.fields);
    // Columns that are compressed seldom take more.
    let room = Vec::with_capacity(records.iter().map(|held| held.data.len()).sum::<usize>() / 2);
    let mut writer = ArrowWriter::try_new(room, schema, Some(properties)).map_err(|error| refuse(error.to_string()))?;
    let mut failed = Vec::new();
    let mut rows = 0;
    for held in records {
        if let Err(error) = decoder.push(&held.data) {
            failed.push((held, error.to_string()));
        }
        if decoder.len() >= BATCH_ROWS {
            rows += decoder.len();
            writer.write(&decoder.finish()).map_err(|error| refuse(error.to_string()))?;
        }
    }
    rows += decoder.len();
    if rows == 0 {
        return Ok(Converted { file: None, failed });
    }
    writer.write(&decoder.finish()).map_err(|error| refuse(error.to_string()))?;
    let file = writer.into_inner().map_err(|error| refuse(error.to_string()))?;
    Ok(Converted { file: Some(file), failed })
}

fn properties(settings: &ParquetSerDe) -> WriterProperties {
    let compression = match settings.compression {
        ParquetCompression::Uncompressed => Compression::UNCOMPRESSED,
        ParquetCompression::Gzip => Compression::GZIP(Default::default()),
        ParquetCompression::Snappy => Compression::SNAPPY,
    };
    let version = match settings.writer_version {
        WriterVersion::V1 => ParquetVersion::PARQUET_1_0,
        WriterVersion::V2 => ParquetVersion::PARQUET_2_0,
    };
    let mut builder = WriterProperties::builder()
        .set_compression(compression)
        .set_writer_version(version)
        .set_dictionary_enabled(settings.enable_dictionary_compression.unwrap_or(true))
        .set_data_page_size_limit(settings.page_size_bytes.unwrap_or(PAGE_BYTES) as usize)
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_created_by(concat!("millrace ", env!("CARGO_PKG_VERSION")).to_owned());
    if let Some(bytes) = settings.block_size_bytes {
        builder = builder.set_max_row_group_bytes(Some(bytes as usize));
    }
    builder.build()
}
