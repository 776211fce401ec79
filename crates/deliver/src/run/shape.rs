//! A definition made ready for work: prefixes parsed, query compiled, sizes in bytes.

use super::progress::{Applied, Lane};
use crate::DeliverError;
use crate::definition::{
    AmazonopensearchserviceDestinationConfiguration, BufferingHints, CompressionFormat, Destination,
    IndexRotationPeriod, MB, ParquetSerDe, S3BackupMode, S3DestinationConfiguration, SearchBackupMode,
};
use crate::extract::Extractor;
use crate::prefix::{PartitionKey, Prefix};
use crate::stage::{Failed, What};
use chrono_tz::Tz;
use millrace_base::{Arn, Millis};
use millrace_schema::Field;
use millrace_schema::glue::{FramedText, Schemas};
use millrace_schema::json::JsonOptions;
use parking_lot::Mutex;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A delivery stream ready for work.
pub(crate) struct Shape {
    pub(crate) name: String,
    pub(crate) version: u64,
    pub(crate) created: Millis,
    pub(crate) size_bytes: usize,
    pub(crate) interval_ms: Millis,
    pub(crate) target: Target,
    /// Where source records, or all or failed documents, go as they are.
    pub(crate) backup: Option<Place>,
    /// Whether a function has transformed the records.
    pub(crate) staged: bool,
    /// What records that the registry's serializers wrote are read by.
    pub(crate) schemas: Schemas,
    text: Mutex<FramedText>,
}

/// Where records go.
pub(crate) enum Target {
    Objects(Box<Objects>),
    Documents(Documents),
}

/// Into objects.
pub(crate) struct Objects {
    pub(crate) place: Place,
    pub(crate) extractor: Option<Extractor>,
    pub(crate) conversion: Option<Conversion>,
}

/// Into an index.
pub(crate) struct Documents {
    pub(crate) domain_arn: String,
    pub(crate) index: String,
    pub(crate) rotation: IndexRotationPeriod,
    pub(crate) retry_ms: Millis,
    pub(crate) with_ids: bool,
    pub(crate) all_to_backup: bool,
}

/// A bucket, and how keys and contents are made there.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) bucket: String,
    pub(crate) prefix: Prefix,
    pub(crate) error_prefix: Prefix,
    pub(crate) zone: Tz,
    pub(crate) gzip: bool,
    pub(crate) delimiter: Vec<u8>,
    pub(crate) extension: String,
}

/// From JSON to Parquet.
pub(crate) struct Conversion {
    pub(crate) fields: Vec<Field>,
    pub(crate) json: JsonOptions,
    pub(crate) parquet: ParquetSerDe,
    /// As error records name the table.
    pub(crate) table: serde_json::Value,
}

impl Shape {
    pub(crate) fn of(applied: &Applied, staged: bool, schemas: Schemas) -> Result<Self, DeliverError> {
        let stream = &applied.stream;
        let (target, hints, backup) = match stream.definition.destination()? {
            Destination::S3(s3) => {
                let backup = s3.s3_backup_configuration.as_ref().filter(|_| s3.s3_backup_mode == S3BackupMode::Enabled);
                let backup = backup.map(plain_place).transpose()?;
                (Target::Objects(Box::new(objects(s3, applied)?)), s3.buffering_hints, backup)
            }
            Destination::Search(search) => {
                let backup = plain_place(&search.s3_configuration)?;
                (Target::Documents(documents(search)), search.buffering_hints, Some(backup))
            }
        };
        let converted = matches!(&target, Target::Objects(o) if o.extractor.is_some() || o.conversion.is_some());
        let hints = hints.unwrap_or(BufferingHints::DEFAULT);
        // With conversion or partitioning AWS's default is 128 MB.
        let size_mbs = hints.size_in_mbs.unwrap_or(5).max(if converted { 64 } else { 1 });
        Ok(Self {
            name: stream.definition.delivery_stream_name.clone(),
            version: stream.version_id,
            created: stream.create_timestamp,
            size_bytes: size_mbs as usize * MB,
            interval_ms: Millis::from(hints.interval_in_seconds.unwrap_or(300)) * 1000,
            target,
            backup,
            staged,
            text: Mutex::new(FramedText::new(schemas.clone())),
            schemas,
        })
    }

    /// The lane of a record, and why its keys cannot be found if so; `from_lambda` are the keys that its function gave it.
    pub(crate) fn lane(&self, data: &[u8], mut from_lambda: BTreeMap<String, String>) -> (Lane, Option<Box<Failed>>) {
        let Target::Objects(objects) = &self.target else {
            return match self.text(data) {
                Ok(_) => (Lane::Records(Vec::new()), None),
                Err(reason) => (Lane::Failures, Some(undecoded(reason))),
            };
        };
        let wanted = objects.place.prefix.partition_keys();
        let extract = |extractor: &Extractor| self.text(data).and_then(|text| extractor.extract(&text));
        let mut from_query = match objects.extractor.as_ref().map(extract) {
            None => BTreeMap::new(),
            Some(Ok(keys)) => keys,
            Some(Err(reason)) => return (Lane::Failures, Some(no_keys(reason))),
        };
        let mut values = Vec::with_capacity(wanted.len());
        for key in wanted {
            let (found, reason) = match key {
                PartitionKey::Query(name) => (from_query.remove(name), "the query gives no partition key"),
                PartitionKey::Lambda(name) => {
                    (from_lambda.remove(name).filter(|key| !key.is_empty()), "the function gives no partition key")
                }
            };
            match found {
                Some(value) => values.push(value),
                None => return (Lane::Failures, Some(no_keys(format!("{reason} '{}'", key.name())))),
            }
        }
        (Lane::Records(values), None)
    }

    /// A record as text: by its writer's schema when it names one, else as it is. The reason when it cannot be read.
    pub(crate) fn text<'a>(&self, data: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        if !FramedText::is_framed(data) {
            return Ok(Cow::Borrowed(data));
        }
        let mut json = Vec::with_capacity(data.len() * 2);
        match self.text.lock().print(data, &mut json) {
            Some(Err(error)) => Err(error.to_string()),
            _ => Ok(Cow::Owned(json)),
        }
    }

    /// The lane of a staged record, and why it cannot be delivered if so.
    pub(crate) fn staged_lane(&self, what: What, data: &[u8]) -> (Lane, Option<Box<Failed>>) {
        match what {
            What::Source => (Lane::Source, None),
            What::Failed(failed) => (Lane::Failures, Some(Box::new(failed))),
            What::Transformed { keys } => self.lane(data, keys),
        }
    }
}

fn undecoded(reason: String) -> Box<Failed> {
    Box::new(Failed {
        attempts_made: 1,
        error_code: "DataFormatConversion.ParseError".to_owned(),
        error_message: reason,
        attempt_ending_timestamp: None,
        lambda_arn: None,
    })
}

fn no_keys(reason: String) -> Box<Failed> {
    Box::new(Failed {
        attempts_made: 1,
        error_code: "DynamicPartitioning.MetadataExtractionFailed".to_owned(),
        error_message: reason,
        attempt_ending_timestamp: None,
        lambda_arn: None,
    })
}

fn bucket_name(arn: &str) -> Result<String, DeliverError> {
    let arn: Arn = arn.parse().map_err(|error| DeliverError::InvalidArgument(format!("BucketARN: {error}")))?;
    Ok(arn.resource.to_string())
}

fn objects(
    s3: &crate::definition::ExtendedS3DestinationConfiguration,
    applied: &Applied,
) -> Result<Objects, DeliverError> {
    let processing = s3.processing_configuration.as_ref();
    let gzip = s3.compression_format == CompressionFormat::Gzip;
    let conversion = s3.conversion().zip(applied.columns.as_ref());
    let default_extension = if conversion.is_some() {
        ".parquet"
    } else if gzip {
        ".gz"
    } else {
        ""
    };
    let extension = s3.file_extension.as_deref().filter(|text| !text.is_empty()).unwrap_or(default_extension);
    let zone = s3.custom_time_zone.as_deref().and_then(|zone| zone.parse().ok()).unwrap_or(Tz::UTC);
    let place = Place {
        bucket: bucket_name(&s3.bucket_arn)?,
        prefix: Prefix::parse(s3.prefix.as_deref().unwrap_or(""))?,
        error_prefix: error_prefix(s3.error_output_prefix.as_deref(), s3.prefix.as_deref())?,
        zone,
        gzip,
        delimiter: processing.and_then(|processing| processing.delimiter()).unwrap_or_default(),
        extension: extension.to_owned(),
    };
    let extraction = processing.and_then(|processing| processing.extraction()).filter(|_| s3.is_partitioned());
    let extractor = extraction.map(|extraction| Extractor::new(&extraction.query)).transpose()?;
    let conversion = conversion.map(|(conversion, fields)| Conversion {
        fields: fields.clone(),
        json: json_options(conversion),
        parquet: conversion.output_format_configuration.serializer.parquet_ser_de.clone().unwrap_or_default(),
        table: serde_json::json!({
            "databaseName": conversion.schema_configuration.database_name,
            "tableName": conversion.schema_configuration.table_name,
            "region": conversion.schema_configuration.region,
            "catalogId": conversion.schema_configuration.catalog_id,
            "versionId": conversion.schema_configuration.version_id.as_deref().unwrap_or("LATEST"),
        }),
    });
    Ok(Objects { place, extractor, conversion })
}

fn json_options(conversion: &crate::definition::DataFormatConversionConfiguration) -> JsonOptions {
    let mut options = JsonOptions::openx();
    if let Some(openx) = &conversion.input_format_configuration.deserializer.open_x_json_ser_de {
        options.keys.case_insensitive = openx.case_insensitive.unwrap_or(true);
        options.keys.dots_to_underscores = openx.convert_dots_in_json_keys_to_underscores.unwrap_or(false);
        options.keys.mappings = openx.column_to_json_key_mappings.clone();
    }
    options
}

/// Where failures go; without a prefix of their own beside the data.
fn error_prefix(own: Option<&str>, data: Option<&str>) -> Result<Prefix, DeliverError> {
    Prefix::parse(own.filter(|own| !own.is_empty()).or(data).unwrap_or(""))
}

fn plain_place(s3: &S3DestinationConfiguration) -> Result<Place, DeliverError> {
    let gzip = s3.compression_format == CompressionFormat::Gzip;
    Ok(Place {
        bucket: bucket_name(&s3.bucket_arn)?,
        prefix: Prefix::parse(s3.prefix.as_deref().unwrap_or(""))?,
        error_prefix: error_prefix(s3.error_output_prefix.as_deref(), s3.prefix.as_deref())?,
        zone: Tz::UTC,
        gzip,
        delimiter: Vec::new(),
        extension: if gzip { ".gz" } else { "" }.to_owned(),
    })
}

fn documents(search: &AmazonopensearchserviceDestinationConfiguration) -> Documents {
    Documents {
        domain_arn: search.domain_arn.clone(),
        index: search.index_name.clone(),
        rotation: search.index_rotation_period,
        retry_ms: Millis::from(search.retry_secs()) * 1000,
        with_ids: search.has_ids(),
        all_to_backup: search.s3_backup_mode == SearchBackupMode::AllDocuments,
    }
}
