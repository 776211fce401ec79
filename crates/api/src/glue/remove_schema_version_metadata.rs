//! RemoveSchemaVersionMetadata: a value under a key goes.

use super::Glue;
use super::names::{invalid, told, version};
use crate::http::Caller;
use crate::models::glue::{
    MetadataKeyValuePair, RemoveSchemaVersionMetadataInput, RemoveSchemaVersionMetadataResponse,
};
use crate::wire::{Fault, Text};
use millrace_schema::registry::SchemaVersion;

pub fn call(
    glue: &Glue,
    caller: &Caller,
    input: RemoveSchemaVersionMetadataInput,
) -> Result<RemoveSchemaVersionMetadataResponse, Fault> {
    let RemoveSchemaVersionMetadataInput { schema_id, schema_version_number, schema_version_id, metadata_key_value } =
        input;
    let found = version(glue, caller, schema_version_id.as_ref(), schema_id.as_ref(), schema_version_number.as_ref())?;
    let (key, value) = pair(metadata_key_value)?;
    let kept = glue.registry.remove_metadata(found.id, &key, &value)?;
    Ok(RemoveSchemaVersionMetadataResponse {
        schema_arn: Some(kept.schema.arn().to_string().into()),
        schema_name: told(&kept.schema.name),
        registry_name: told(&kept.schema.registry),
        latest_version: Some(is_latest(glue, &kept)?),
        version_number: Some(kept.number.into()),
        schema_version_id: Some(kept.id.to_string().into()),
        metadata_key: Some(key),
        metadata_value: Some(value),
    })
}

/// Both halves of a pair: the model makes neither required, the operations need both.
pub(super) fn pair(given: MetadataKeyValuePair) -> Result<(Text, Text), Fault> {
    let MetadataKeyValuePair { metadata_key, metadata_value } = given;
    metadata_key.zip(metadata_value).ok_or_else(|| invalid("MetadataKey and MetadataValue must both be given."))
}

/// Whether a version is the last one that can be used.
pub(super) fn is_latest(glue: &Glue, version: &SchemaVersion) -> Result<bool, Fault> {
    Ok(glue.registry.schema(&version.schema)?.latest == Some(version.number))
}
