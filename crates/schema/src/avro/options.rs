//! How Avro is to be read and written.

use crate::FormatError;
use crate::options::Options;
use std::collections::BTreeMap;

/// Settings of the `avro` format; the defaults are Flink's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AvroOptions {
    /// TIMESTAMP is `timestamp-millis` (true) or `local-timestamp-millis`; decides only what is written.
    pub legacy_timestamps: bool,
}

impl Default for AvroOptions {
    fn default() -> Self {
        Self { legacy_timestamps: true }
    }
}

impl AvroOptions {
    /// The settings from a table's `WITH` options that begin with `avro.`.
    pub fn from_with(with: &BTreeMap<String, String>) -> Result<Self, FormatError> {
        let mut options = Options::new("avro", with);
        if !options.text("encoding", "binary").eq_ignore_ascii_case("binary") {
            return Err(options.refuse("encoding", "binary is supported; Avro's JSON encoding is not supported yet"));
        }
        let legacy_timestamps = options.flag("timestamp_mapping.legacy", true)?;
        options.end()?;
        Ok(Self { legacy_timestamps })
    }
}
