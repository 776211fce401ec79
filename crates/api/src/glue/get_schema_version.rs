//! GetSchemaVersion: by id, by number, or the latest.

use super::Glue;
use super::names::{moment, told, version};
use crate::http::Caller;
use crate::models::glue::{GetSchemaVersionInput, GetSchemaVersionResponse};
use crate::wire::Fault;

pub fn call(glue: &Glue, caller: &Caller, input: GetSchemaVersionInput) -> Result<GetSchemaVersionResponse, Fault> {
    let GetSchemaVersionInput { schema_id, schema_version_id, schema_version_number } = input;
    let found = version(glue, caller, schema_version_id.as_ref(), schema_id.as_ref(), schema_version_number.as_ref())?;
    Ok(GetSchemaVersionResponse {
        schema_version_id: Some(found.id.to_string().into()),
        data_format: told(found.format.name()),
        schema_arn: Some(found.schema.arn().to_string().into()),
        version_number: Some(found.number.into()),
        status: told(found.status.name()),
        created_time: moment(found.created),
        schema_definition: Some(found.definition.into()),
    })
}
