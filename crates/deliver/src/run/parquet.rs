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

/// Records are looked at so many at a time, so that who converts them can do something else between.
const STEP_RECORDS: usize = 1024;

/// A Parquet file and the records that did not fit into it, with the reasons.
pub(crate) struct Converted {
    /// None when no record fitted.
    pub(crate) file: Option<Vec<u8>>,
    /// The records' places in what was converted.
    pub(crate) failed: Vec<(usize, String)>,
}

/// Converts records in order. A JSON record may hold several objects; it goes in whole or not at all. A record that the schema
/// registry's serializers wrote is read by the version that it names, whatever that is.
pub(crate) struct Converter {
    decoder: Mixed,
    writer: ArrowWriter<Vec<u8>>,
    /// Records that were looked at.
    taken: usize,
    rows: usize,
    failed: Vec<(usize, String)>,
}

impl Converter {
    pub(crate) fn new(records: &[Held], conversion: &Conversion, schemas: &Schemas) -> Result<Self, DeliverError> {
        let decoder = Mixed::new(schemas.clone(), &conversion.fields, conversion.json.clone()).map_err(refused)?;
        let properties = properties(&conversion.parquet);
        // Columns that are compressed seldom take more.
        let room = Vec::with_capacity(records.iter().map(|held| held.data.len()).sum::<usize>() / 2);
        let writer = ArrowWriter::try_new(room, schema_of(&conversion.fields), Some(properties)).map_err(refused)?;
        Ok(Self { decoder, writer, taken: 0, rows: 0, failed: Vec::new() })
    }

    /// Converts the next of the records, always the same; false when there are no more.
    pub(crate) fn step(&mut self, records: &[Held]) -> Result<bool, DeliverError> {
        for (at, held) in records.iter().enumerate().skip(self.taken).take(STEP_RECORDS) {
            self.taken = at + 1;
            if let Err(error) = self.decoder.push(&held.data) {
                self.failed.push((at, error.to_string()));
            }
            if self.decoder.len() >= BATCH_ROWS {
                self.write()?;
            }
        }
        Ok(self.taken < records.len())
    }

    fn write(&mut self) -> Result<(), DeliverError> {
        self.rows += self.decoder.len();
        self.writer.write(&self.decoder.finish()).map_err(refused)
    }

    pub(crate) fn finish(mut self) -> Result<Converted, DeliverError> {
        let failed = std::mem::take(&mut self.failed);
        if self.rows + self.decoder.len() == 0 {
            return Ok(Converted { file: None, failed });
        }
        self.write()?;
        let file = self.writer.into_inner().map_err(refused)?;
        Ok(Converted { file: Some(file), failed })
    }
}

fn refused(reason: impl std::fmt::Display) -> DeliverError {
    DeliverError::InvalidArgument(format!("the table cannot be written as Parquet: {reason}"))
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
