//! GetSchema.

use super::Glue;
use super::names::{AVAILABLE, moment, registry_arn, schema, told};
use crate::http::Caller;
use crate::models::glue::{GetSchemaInput, GetSchemaResponse};
use crate::wire::{Fault, Text};

pub fn call(glue: &Glue, caller: &Caller, input: GetSchemaInput) -> Result<GetSchemaResponse, Fault> {
    let schema = glue.registry.schema(&schema(caller, &input.schema_id)?)?;
    Ok(GetSchemaResponse {
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
        created_time: moment(schema.created),
        updated_time: moment(schema.updated),
    })
}
