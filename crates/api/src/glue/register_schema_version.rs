//! RegisterSchemaVersion: a definition that is a version already is that version; one that the schema's mode does not allow is
//! refused with the rules that it breaks.

use super::Glue;
use super::names::{schema, told};
use crate::http::Caller;
use crate::models::glue::{RegisterSchemaVersionInput, RegisterSchemaVersionResponse};
use crate::wire::Fault;

pub fn call(
    glue: &Glue,
    caller: &Caller,
    input: RegisterSchemaVersionInput,
) -> Result<RegisterSchemaVersionResponse, Fault> {
    let key = schema(caller, &input.schema_id)?;
    let registered = glue.registry.register(&key, &input.schema_definition)?;
    Ok(RegisterSchemaVersionResponse {
        schema_version_id: Some(registered.id.to_string().into()),
        version_number: Some(registered.number.into()),
        status: told(registered.status.name()),
    })
}
