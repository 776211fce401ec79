//! PutSchemaVersionMetadata: one more value under a key.

use super::Glue;
use super::names::{told, version};
use super::remove_schema_version_metadata::{is_latest, pair};
use crate::http::Caller;
use crate::models::glue::{PutSchemaVersionMetadataInput, PutSchemaVersionMetadataResponse};
use crate::wire::Fault;

pub fn call(
    glue: &Glue,
    caller: &Caller,
    input: PutSchemaVersionMetadataInput,
) -> Result<PutSchemaVersionMetadataResponse, Fault> {
    let PutSchemaVersionMetadataInput { schema_id, schema_version_number, schema_version_id, metadata_key_value } =
        input;
    let found = version(glue, caller, schema_version_id.as_ref(), schema_id.as_ref(), schema_version_number.as_ref())?;
    let (key, value) = pair(metadata_key_value)?;
    let kept = glue.registry.put_metadata(found.id, &key, &value)?;
    Ok(PutSchemaVersionMetadataResponse {
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
