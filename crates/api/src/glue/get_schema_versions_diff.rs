//! GetSchemaVersionsDiff: from one version to another, as a JSON Patch.

use super::Glue;
use super::names::{number, schema};
use crate::http::Caller;
use crate::models::glue::{GetSchemaVersionsDiffInput, GetSchemaVersionsDiffResponse};
use crate::wire::Fault;
use millrace_schema::registry::diff::diff;

pub fn call(
    glue: &Glue,
    caller: &Caller,
    input: GetSchemaVersionsDiffInput,
) -> Result<GetSchemaVersionsDiffResponse, Fault> {
    let key = schema(caller, &input.schema_id)?;
    let first = glue.registry.version(&key, number(&input.first_schema_version_number)?)?;
    let second = glue.registry.version(&key, number(&input.second_schema_version_number)?)?;
    let diff = diff(first.format, &first.definition, &second.definition);
    Ok(GetSchemaVersionsDiffResponse { diff: Some(diff.into()) })
}
