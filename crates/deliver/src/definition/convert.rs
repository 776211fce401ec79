//! From JSON to Parquet by a Glue table.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The Glue table that gives the columns.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct SchemaConfiguration {
    /// The role that AWS would read it with.
    #[serde(rename = "RoleARN", default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// The account; the delivery stream's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog_id: Option<String>,
    /// The region; the delivery stream's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_name: Option<String>,
    /// The table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_name: Option<String>,
    /// `LATEST`, which is all that is supported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
}

/// OpenX's JSON reader.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct OpenXJsonSerDe {
    /// Keys are lower-cased first; true by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_insensitive: Option<bool>,
    /// `a.b` is the column `a_b`; false by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub convert_dots_in_json_keys_to_underscores: Option<bool>,
    /// Column → key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub column_to_json_key_mappings: BTreeMap<String, String>,
}

/// Hive's JSON reader.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct HiveJsonSerDe {
    /// Not supported yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timestamp_formats: Vec<String>,
}

/// One of the two readers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Deserializer {
    /// OpenX's.
    #[serde(rename = "OpenXJsonSerDe", default, skip_serializing_if = "Option::is_none")]
    pub open_x_json_ser_de: Option<OpenXJsonSerDe>,
    /// Hive's.
    #[serde(rename = "HiveJsonSerDe", default, skip_serializing_if = "Option::is_none")]
    pub hive_json_ser_de: Option<HiveJsonSerDe>,
}

/// How records are read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct InputFormatConfiguration {
    /// The reader.
    #[serde(default)]
    pub deserializer: Deserializer,
}

/// How Parquet's pages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ParquetCompression {
    /// Not at all.
    Uncompressed,
    /// With gzip.
    Gzip,
    /// With Snappy.
    #[default]
    Snappy,
}

/// The version of Parquet's pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum WriterVersion {
    /// Read by everything.
    #[default]
    V1,
    /// Smaller.
    V2,
}

/// How Parquet is written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ParquetSerDe {
    /// A row group's size, 64 MiB or more; 256 MiB by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_size_bytes: Option<u64>,
    /// A page's size, 64 KiB or more; 1 MiB by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_size_bytes: Option<u64>,
    /// How pages are compressed.
    #[serde(default)]
    pub compression: ParquetCompression,
    /// Dictionaries; true by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_dictionary_compression: Option<bool>,
    /// Only 0 is supported: padding is for HDFS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_padding_bytes: Option<u64>,
    /// The version of the pages.
    #[serde(default)]
    pub writer_version: WriterVersion,
}

/// The writer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Serializer {
    /// Parquet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parquet_ser_de: Option<ParquetSerDe>,
}

/// How objects are written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct OutputFormatConfiguration {
    /// The writer.
    #[serde(default)]
    pub serializer: Serializer,
}

/// The conversion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DataFormatConversionConfiguration {
    /// On or off; on by default.
    #[serde(default = "on")]
    pub enabled: bool,
    /// The table that gives the columns.
    #[serde(default)]
    pub schema_configuration: SchemaConfiguration,
    /// How records are read.
    #[serde(default)]
    pub input_format_configuration: InputFormatConfiguration,
    /// How objects are written.
    #[serde(default)]
    pub output_format_configuration: OutputFormatConfiguration,
}

fn on() -> bool {
    true
}
