//! The options of `avro-glue`, `json-glue` and `protobuf-glue`, as Flink's connectors for AWS name them.

use super::versions::Schemas;
use crate::FormatError;
use crate::framed::Compression;
use crate::options::Options;
use crate::registry::{Compatibility, SchemaKey};
use std::collections::BTreeMap;

/// Which schema of which registry, and how it is used.
pub struct GlueOptions {
    pub(super) schemas: Schemas,
    pub(super) key: SchemaKey,
    pub(super) auto_registration: bool,
    pub(super) compatibility: Compatibility,
    pub(super) compression: Compression,
    /// `namespace.record` of the derived Avro schema.
    pub(super) record: Option<String>,
    pub(super) fetch: bool,
}

impl GlueOptions {
    /// The settings from a table's `WITH` options that begin with the format's name.
    pub fn from_with(
        format: &'static str,
        with: &BTreeMap<String, String>,
        schemas: Option<&Schemas>,
    ) -> Result<Self, FormatError> {
        let mut options = Options::new(format, with);
        let region = required(&mut options, "aws.region", "us-east-1")?;
        let registry = required(&mut options, "registry.name", "default-registry")?;
        let schema = required(&mut options, "schema.name", "orders")?;
        let auto_registration = options.flag("schema.autoRegistration", false)?;
        let compatibility = options.text("schema.compatibility", "BACKWARD");
        let compatibility = Compatibility::ALL.into_iter().find(|mode| mode.name() == compatibility);
        let compatibility = compatibility.ok_or_else(|| {
            let known: Vec<_> = Compatibility::ALL.iter().map(|mode| mode.name()).collect();
            options.refuse("schema.compatibility", &format!("one of {} is expected", known.join(", ")))
        })?;
        let compression = match options.text("schema.compression", "NONE").as_str() {
            "NONE" => Compression::None,
            "ZLIB" => Compression::Zlib,
            _ => return Err(options.refuse("schema.compression", "NONE or ZLIB is expected")),
        };
        let (mut record, mut fetch) = (None, false);
        if format == "avro-glue" {
            let kind = options.text("schema.type", "GENERIC_RECORD");
            if kind != "GENERIC_RECORD" {
                return Err(options.refuse("schema.type", "GENERIC_RECORD is expected: there are no Java classes here"));
            }
            record = record_name(options.get("avro.namespace"), options.get("avro.record-name"));
            fetch = options.flag("schema.fetchFromRegistry", false)?;
        }
        // How a remote registry is asked; this one is in the same process.
        for tuning in ["aws.endpoint", "cache.size", "cache.ttlMs"] {
            options.get(tuning);
        }
        options.end()?;
        let schemas = schemas.ok_or_else(|| {
            FormatError::Registry(format!(
                "the format '{format}' needs the schema registry, which lives in a server: start one with `millrace up`, or name \
                 it with --endpoint"
            ))
        })?;
        let schemas = schemas.in_region(region);
        let key = schemas.key(registry, schema);
        Ok(Self { schemas, key, auto_registration, compatibility, compression, record, fetch })
    }
}

fn required<'a>(options: &mut Options<'a>, name: &str, example: &str) -> Result<&'a str, FormatError> {
    let found = options.get(name).filter(|text| !text.is_empty());
    found.ok_or_else(|| options.refuse(name, &format!("it must be set, for example to '{example}'")))
}

fn record_name(namespace: Option<&str>, record: Option<&str>) -> Option<String> {
    match (namespace, record) {
        (None, None) => None,
        (namespace, record) => {
            let namespace = namespace.unwrap_or("org.apache.flink.avro.generated");
            let record = record.unwrap_or("record");
            Some(if namespace.is_empty() { record.to_owned() } else { format!("{namespace}.{record}") })
        }
    }
}
