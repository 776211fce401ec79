//! AWS's rules for delivery streams, and what is not supported yet.

use super::s3::{BufferingHints, CloudWatchLoggingOptions, CompressionFormat, EncryptionConfiguration};
use super::{
    AmazonopensearchserviceDestinationConfiguration, DataFormatConversionConfiguration, DeliveryStreamDefinition,
    DeliveryStreamType, Destination, ExtendedS3DestinationConfiguration, S3BackupMode, S3DestinationConfiguration,
};
use crate::DeliverError;
use crate::extract::Extractor;
use crate::prefix::{PartitionKey, Prefix};
use millrace_base::Arn;

/// With conversion or partitioning AWS wants buffers of at least this many MB.
const SIZE_MBS_MIN_CONVERTED: u32 = 64;

fn refuse<T>(text: impl Into<String>) -> Result<T, DeliverError> {
    Err(DeliverError::InvalidArgument(text.into()))
}

impl DeliveryStreamDefinition {
    /// Checks everything that can be checked without looking elsewhere.
    pub(super) fn validate(&self) -> Result<(), DeliverError> {
        let name = &self.delivery_stream_name;
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if name.is_empty() || name.len() > 64 || !name.chars().all(legal) {
            return refuse(format!("DeliveryStreamName '{name}' has to be 1 to 64 of [a-zA-Z0-9_.-]"));
        }
        match (self.delivery_stream_type, &self.kinesis_stream_source_configuration) {
            (DeliveryStreamType::KinesisStreamAsSource, None) => {
                return refuse(
                    "KinesisStreamSourceConfig cannot be null for KinesisStreamAsSource delivery stream type",
                );
            }
            (DeliveryStreamType::DirectPut, Some(_)) => {
                return refuse("KinesisStreamSourceConfig should be null for DirectPut delivery stream type");
            }
            (_, Some(source)) => {
                let arn: Arn = source.kinesis_stream_arn.parse().map_err(|e| arn_error("KinesisStreamARN", e))?;
                if &*arn.service != "kinesis" || !arn.resource.starts_with("stream/") {
                    return refuse(format!("KinesisStreamARN '{arn}' is not the ARN of a Kinesis stream"));
                }
            }
            _ => {}
        }
        match self.destination()? {
            Destination::S3(s3) => extended(s3),
            Destination::Search(search) => opensearch(search),
        }
    }
}

fn arn_error(property: &str, error: millrace_base::ArnError) -> DeliverError {
    DeliverError::InvalidArgument(format!("{property}: {error}"))
}

fn bucket(arn: &str) -> Result<(), DeliverError> {
    let arn: Arn = arn.parse().map_err(|e| arn_error("BucketARN", e))?;
    let legal = arn.resource.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    if &*arn.service != "s3" || !legal || arn.resource.starts_with('.') {
        return refuse(format!("BucketARN '{arn}' is not of the form arn:aws:s3:::bucket"));
    }
    Ok(())
}

fn hints(hints: Option<BufferingHints>, size_max: u32) -> Result<(), DeliverError> {
    let Some(hints) = hints else { return Ok(()) };
    let (Some(size), Some(interval)) = (hints.size_in_mbs, hints.interval_in_seconds) else {
        return refuse("BufferingHints needs both SizeInMBs and IntervalInSeconds when it has one of them");
    };
    if !(1..=size_max).contains(&size) {
        return refuse(format!("BufferingHints.SizeInMBs is {size}; it has to be 1 to {size_max}"));
    }
    if interval > 900 {
        return refuse(format!("BufferingHints.IntervalInSeconds is {interval}; it has to be 0 to 900"));
    }
    Ok(())
}

fn compression(format: CompressionFormat) -> Result<(), DeliverError> {
    match format {
        CompressionFormat::Uncompressed | CompressionFormat::Gzip => Ok(()),
        other => Err(DeliverError::unsupported(&format!("CompressionFormat {other:?}"), "use GZIP or UNCOMPRESSED")),
    }
}

fn encryption(encryption: Option<&EncryptionConfiguration>) -> Result<(), DeliverError> {
    match encryption {
        Some(other) if other.no_encryption_config != "NoEncryption" => {
            refuse("EncryptionConfiguration.NoEncryptionConfig has to be NoEncryption")
        }
        _ => Ok(()),
    }
}

fn logging(options: Option<&CloudWatchLoggingOptions>) -> Result<(), DeliverError> {
    match options {
        Some(options) if options.enabled => Err(DeliverError::unsupported(
            "CloudWatchLoggingOptions.Enabled = true",
            "set it to false; failures are in the error prefix and in the server's log",
        )),
        _ => Ok(()),
    }
}

fn plain(s3: &S3DestinationConfiguration) -> Result<(), DeliverError> {
    bucket(&s3.bucket_arn)?;
    hints(s3.buffering_hints, 128)?;
    compression(s3.compression_format)?;
    encryption(s3.encryption_configuration.as_ref())?;
    logging(s3.cloud_watch_logging_options.as_ref())?;
    prefixes(s3.prefix.as_deref(), s3.error_output_prefix.as_deref(), false).map(drop)
}

fn prefixes(prefix: Option<&str>, error_prefix: Option<&str>, partitioned: bool) -> Result<Prefix, DeliverError> {
    let data = Prefix::parse(prefix.unwrap_or(""))?;
    let errors = Prefix::parse(error_prefix.unwrap_or(""))?;
    if data.has_expressions() && error_prefix.is_none_or(str::is_empty) {
        return refuse("ErrorOutputPrefix cannot be null or empty when Prefix contains expressions");
    }
    if data.uses_error_type() {
        return refuse("Prefix cannot contain !{firehose:error-output-type}: it belongs in ErrorOutputPrefix");
    }
    if errors.has_expressions() && !errors.uses_error_type() {
        return refuse("ErrorOutputPrefix must contain !{firehose:error-output-type} when it contains expressions");
    }
    if !errors.partition_keys().is_empty() {
        return refuse("ErrorOutputPrefix cannot contain !{partitionKeyFromQuery:…} or !{partitionKeyFromLambda:…}");
    }
    if !data.partition_keys().is_empty() && !partitioned {
        return refuse(
            "Dynamic Partitioning Namespaces can only be part of a prefix expression when Dynamic Partitioning is enabled.",
        );
    }
    Ok(data)
}

fn extended(s3: &ExtendedS3DestinationConfiguration) -> Result<(), DeliverError> {
    bucket(&s3.bucket_arn)?;
    hints(s3.buffering_hints, 128)?;
    compression(s3.compression_format)?;
    encryption(s3.encryption_configuration.as_ref())?;
    logging(s3.cloud_watch_logging_options.as_ref())?;
    let prefix = prefixes(s3.prefix.as_deref(), s3.error_output_prefix.as_deref(), s3.is_partitioned())?;
    let processing = s3.processing_configuration.as_ref();
    processing.map_or(Ok(()), |processing| processing.validate())?;
    if let Some(zone) = s3.custom_time_zone.as_deref().filter(|zone| !zone.is_empty()) {
        let _: chrono_tz::Tz = zone
            .parse()
            .map_err(|_| DeliverError::InvalidArgument(format!("CustomTimeZone '{zone}' is no time zone")))?;
    }
    if let Some(extension) = s3.file_extension.as_deref().filter(|extension| !extension.is_empty()) {
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "!-_.*'()".contains(c);
        if !extension.starts_with('.') || extension.len() < 2 || !extension[1..].chars().all(legal) {
            return refuse(format!("FileExtension '{extension}' has to match \\.[0-9a-z!\\-_.*'()]+"));
        }
    }
    partitioning(s3, &prefix)?;
    match (s3.s3_backup_mode, &s3.s3_backup_configuration) {
        (S3BackupMode::Enabled, None) => {
            return refuse("S3BackupConfiguration cannot be null when S3BackupMode is Enabled");
        }
        (_, Some(backup)) => plain(backup)?,
        _ => {}
    }
    s3.conversion().map_or(Ok(()), |conversion| convert(s3, conversion))
}

fn partitioning(s3: &ExtendedS3DestinationConfiguration, prefix: &Prefix) -> Result<(), DeliverError> {
    let extraction = s3.processing_configuration.as_ref().and_then(|processing| processing.extraction());
    if !s3.is_partitioned() {
        return match extraction {
            Some(_) => refuse("MetadataExtraction processor is only supported when Dynamic Partitioning is enabled"),
            None => Ok(()),
        };
    }
    let transforms = s3.processing_configuration.as_ref().is_some_and(|processing| processing.lambda().is_some());
    if extraction.is_none() && !transforms {
        return refuse("Dynamic Partitioning needs a MetadataExtraction or a Lambda processor");
    }
    let extractor = extraction.as_ref().map(|extraction| Extractor::new(&extraction.query)).transpose()?;
    let keys = prefix.partition_keys();
    if keys.is_empty() {
        return refuse(
            "Prefix has to contain !{partitionKeyFromQuery:…} or !{partitionKeyFromLambda:…} when Dynamic Partitioning \
             is enabled",
        );
    }
    let lacking = keys.iter().find(|key| match key {
        PartitionKey::Query(_) => extractor.is_none(),
        PartitionKey::Lambda(_) => !transforms,
    });
    match lacking {
        Some(PartitionKey::Query(key)) => {
            return refuse(format!("!{{partitionKeyFromQuery:{key}}} in Prefix needs a MetadataExtraction processor"));
        }
        Some(PartitionKey::Lambda(key)) => {
            return refuse(format!("!{{partitionKeyFromLambda:{key}}} in Prefix needs a Lambda processor"));
        }
        None => {}
    }
    size_at_least(s3, "Dynamic Partitioning")
}

fn size_at_least(s3: &ExtendedS3DestinationConfiguration, what: &str) -> Result<(), DeliverError> {
    match s3.buffering_hints.and_then(|hints| hints.size_in_mbs) {
        Some(size) if size < SIZE_MBS_MIN_CONVERTED => refuse(format!(
            "BufferingHints.SizeInMBs must be at least {SIZE_MBS_MIN_CONVERTED} when {what} is enabled; it is {size}"
        )),
        _ => Ok(()),
    }
}

fn convert(
    s3: &ExtendedS3DestinationConfiguration,
    conversion: &DataFormatConversionConfiguration,
) -> Result<(), DeliverError> {
    if s3.compression_format != CompressionFormat::Uncompressed {
        return refuse(
            "CompressionFormat must be UNCOMPRESSED when DataFormatConversion is enabled: Parquet compresses itself",
        );
    }
    size_at_least(s3, "DataFormatConversion")?;
    let schema = &conversion.schema_configuration;
    if schema.database_name.is_none() || schema.table_name.is_none() {
        return refuse("SchemaConfiguration needs DatabaseName and TableName");
    }
    if schema.version_id.as_deref().is_some_and(|version| version != "LATEST") {
        return Err(DeliverError::unsupported("SchemaConfiguration.VersionId", "use LATEST"));
    }
    let input = &conversion.input_format_configuration.deserializer;
    match (&input.open_x_json_ser_de, &input.hive_json_ser_de) {
        (Some(_), Some(_)) | (None, None) => {
            return refuse("InputFormatConfiguration.Deserializer needs one of OpenXJsonSerDe and HiveJsonSerDe");
        }
        (None, Some(hive)) if !hive.timestamp_formats.is_empty() => {
            return Err(DeliverError::unsupported("HiveJsonSerDe.TimestampFormats", "use OpenXJsonSerDe"));
        }
        _ => {}
    }
    let Some(parquet) = &conversion.output_format_configuration.serializer.parquet_ser_de else {
        return refuse("OutputFormatConfiguration.Serializer needs ParquetSerDe (OrcSerDe is not supported yet)");
    };
    if parquet.max_padding_bytes.is_some_and(|bytes| bytes > 0) {
        return Err(DeliverError::unsupported("ParquetSerDe.MaxPaddingBytes", "remove it: padding is for HDFS"));
    }
    if parquet.block_size_bytes.is_some_and(|bytes| bytes < 64 << 20) {
        return refuse("ParquetSerDe.BlockSizeBytes has to be at least 67108864");
    }
    if parquet.page_size_bytes.is_some_and(|bytes| bytes < 64 << 10) {
        return refuse("ParquetSerDe.PageSizeBytes has to be at least 65536");
    }
    Ok(())
}

fn opensearch(search: &AmazonopensearchserviceDestinationConfiguration) -> Result<(), DeliverError> {
    let arn: Arn = search.domain_arn.parse().map_err(|e| arn_error("DomainARN", e))?;
    if &*arn.service != "es" || !arn.resource.starts_with("domain/") {
        return refuse(format!("DomainARN '{arn}' is not the ARN of an OpenSearch domain"));
    }
    let index = &search.index_name;
    let begins_badly = index.starts_with(['_', '-', '+']);
    if index.is_empty()
        || index.len() > 80
        || begins_badly
        || index.chars().any(|c| c.is_uppercase() || " \"*\\<|,>/?#:".contains(c))
    {
        return refuse(format!(
            "IndexName '{index}' has to be 1 to 80 characters in lower case, without white space and \"*\\<|,>/?#:"
        ));
    }
    hints(search.buffering_hints, 100)?;
    if search.retry_secs() > 7200 {
        return refuse("RetryOptions.DurationInSeconds has to be 0 to 7200");
    }
    if let Some(ids) = &search.document_id_options
        && !matches!(ids.default_document_id_format.as_str(), "FIREHOSE_DEFAULT" | "NO_DOCUMENT_ID")
    {
        return refuse("DocumentIdOptions.DefaultDocumentIdFormat has to be FIREHOSE_DEFAULT or NO_DOCUMENT_ID");
    }
    if let Some(processing) = &search.processing_configuration {
        processing.validate()?;
        if let Some(other) = processing.processors.iter().find(|processor| processor.kind != "Lambda") {
            let property = format!("ProcessingConfiguration with {} of an OpenSearch destination", other.kind);
            return Err(DeliverError::unsupported(&property, "a Lambda processor is"));
        }
    }
    logging(search.cloud_watch_logging_options.as_ref())?;
    plain(&search.s3_configuration)
}
