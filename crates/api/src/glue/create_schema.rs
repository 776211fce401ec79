//! CreateSchema: with its first version when the definition is given.

use super::names::{AVAILABLE, invalid, kept_tags, registry, registry_arn, shown_tags, told};
use super::{Glue, shapes};
use crate::http::Caller;
use crate::models::glue::{CreateSchemaInput, CreateSchemaResponse};
use crate::wire::{Fault, Text};
use millrace_schema::registry::store::{DEFAULT_REGISTRY, NewSchema, Registered};
use millrace_schema::registry::{Compatibility, Schema, SchemaKey};

pub fn call(glue: &Glue, caller: &Caller, input: CreateSchemaInput) -> Result<CreateSchemaResponse, Fault> {
    let CreateSchemaInput {
        registry_id,
        schema_name,
        data_format,
        compatibility,
        description,
        tags,
        schema_definition,
    } = input;
    let named = registry_id.map(|id| registry(caller, &id)).transpose()?.flatten();
    let key = SchemaKey::new(&caller.scope, named.as_deref().unwrap_or(DEFAULT_REGISTRY), &schema_name);
    // What the official serializers use when they create a schema; AWS's model names no default.
    let mode = compatibility.map_or(Ok(Compatibility::Backward), |mode| mode.parse()).map_err(invalid)?;
    let new = NewSchema {
        format: data_format.parse().map_err(invalid)?,
        compatibility: mode,
        description: shapes::text(description),
        tags: kept_tags(tags),
        definition: shapes::text(schema_definition),
    };
    let (schema, first) = glue.registry.create_schema(&key, new)?;
    Ok(answer(caller, schema, first))
}

fn answer(caller: &Caller, schema: Schema, first: Option<Registered>) -> CreateSchemaResponse {
    CreateSchemaResponse {
        registry_name: told(&schema.key.registry),
        registry_arn: registry_arn(caller, &schema.key.registry),
        schema_name: told(&schema.key.name),
        schema_arn: Some(schema.key.arn().to_string().into()),
        description: schema.description.map(Text::from),
        data_format: told(schema.format.name()),
        compatibility: told(schema.compatibility.name()),
        schema_checkpoint: schema.checkpoint.map(i64::from),
        latest_schema_version: schema.latest.map(i64::from),
        next_schema_version: Some(schema.next.into()),
        schema_status: Some(AVAILABLE),
        tags: shown_tags(schema.tags),
        schema_version_id: first.map(|first| first.id.to_string().into()),
        schema_version_status: first.and_then(|first| told(first.status.name())),
    }
}
