//! GetSchemaByDefinition: the version that a definition is, whatever its spacing.

use super::Glue;
use super::names::{moment, schema, told};
use crate::http::Caller;
use crate::models::glue::{GetSchemaByDefinitionInput, GetSchemaByDefinitionResponse};
use crate::wire::Fault;

pub fn call(
    glue: &Glue,
    caller: &Caller,
    input: GetSchemaByDefinitionInput,
) -> Result<GetSchemaByDefinitionResponse, Fault> {
    let key = schema(caller, &input.schema_id)?;
    let found = glue.registry.version_by_definition(&key, &input.schema_definition)?;
    Ok(GetSchemaByDefinitionResponse {
        schema_version_id: Some(found.id.to_string().into()),
        schema_arn: Some(found.schema.arn().to_string().into()),
        data_format: told(found.format.name()),
        status: told(found.status.name()),
        created_time: moment(found.created),
    })
}
