//! DeleteSchema: the schema goes with its versions.

use super::Glue;
use super::names::{DELETING, schema, told};
use crate::http::Caller;
use crate::models::glue::{DeleteSchemaInput, DeleteSchemaResponse};
use crate::wire::Fault;

pub fn call(glue: &Glue, caller: &Caller, input: DeleteSchemaInput) -> Result<DeleteSchemaResponse, Fault> {
    let key = schema(caller, &input.schema_id)?;
    glue.registry.delete_schema(&key)?;
    Ok(DeleteSchemaResponse {
        schema_arn: Some(key.arn().to_string().into()),
        schema_name: told(&key.name),
        status: Some(DELETING),
    })
}
