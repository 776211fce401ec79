//! PutSchemaVersionMetadata and RemoveSchemaVersionMetadata: a value under a key comes or goes.

use super::Glue;
use super::names::{invalid, told, version};
use crate::http::Caller;
use crate::models::glue::{
    PutSchemaVersionMetadataInput, PutSchemaVersionMetadataResponse, RemoveSchemaVersionMetadataInput,
    RemoveSchemaVersionMetadataResponse,
};
use crate::wire::Fault;

/// Both are asked and answered the same, in shapes of their own.
macro_rules! operation {
    ($name:ident, $change:ident, $input:ident, $answer:ident) => {
        pub fn $name(glue: &Glue, caller: &Caller, input: $input) -> Result<$answer, Fault> {
            let (id, schema, number) = (input.schema_version_id, input.schema_id, input.schema_version_number);
            let found = version(glue, caller, id.as_ref(), schema.as_ref(), number.as_ref())?;
            // The model makes neither half of a pair required, the operations need both.
            let pair = input.metadata_key_value;
            let missing = || invalid("MetadataKey and MetadataValue must both be given.");
            let (key, value) = pair.metadata_key.zip(pair.metadata_value).ok_or_else(missing)?;
            let kept = glue.registry.$change(found.id, &key, &value)?;
            Ok($answer {
                schema_arn: Some(kept.schema.arn().to_string().into()),
                schema_name: told(&kept.schema.name),
                registry_name: told(&kept.schema.registry),
                // The last one that can be used.
                latest_version: Some(glue.registry.schema(&kept.schema)?.latest == Some(kept.number)),
                version_number: Some(kept.number.into()),
                schema_version_id: Some(kept.id.to_string().into()),
                metadata_key: Some(key),
                metadata_value: Some(value),
            })
        }
    };
}

operation!(put, put_metadata, PutSchemaVersionMetadataInput, PutSchemaVersionMetadataResponse);
operation!(remove, remove_metadata, RemoveSchemaVersionMetadataInput, RemoveSchemaVersionMetadataResponse);
