//! UpdateSchema: another mode, checkpoint or description. Versions that are there are not compared again.

use super::names::{invalid, number, schema, told};
use super::{Glue, shapes};
use crate::http::Caller;
use crate::models::glue::{UpdateSchemaInput, UpdateSchemaResponse};
use crate::wire::Fault;
use millrace_schema::registry::store::SchemaChange;

pub fn call(glue: &Glue, caller: &Caller, input: UpdateSchemaInput) -> Result<UpdateSchemaResponse, Fault> {
    let UpdateSchemaInput { schema_id, schema_version_number, compatibility, description } = input;
    let key = schema(caller, &schema_id)?;
    if schema_version_number.is_none() && compatibility.is_none() && description.is_none() {
        return Err(invalid("One of SchemaVersionNumber, Compatibility or Description has to be provided."));
    }
    let change = SchemaChange {
        compatibility: compatibility.map(|mode| mode.parse()).transpose().map_err(invalid)?,
        checkpoint: schema_version_number.as_ref().map(number).transpose()?,
        description: shapes::text(description),
    };
    glue.registry.update_schema(&key, &change)?;
    Ok(UpdateSchemaResponse {
        schema_arn: Some(key.arn().to_string().into()),
        schema_name: told(&key.name),
        registry_name: told(&key.registry),
    })
}
