//! DeleteSchemaVersions: one number or a range; what must stay is told number by number.

use super::Glue;
use super::names::{invalid, schema, told};
use crate::http::Caller;
use crate::models::glue::{
    DeleteSchemaVersionsInput, DeleteSchemaVersionsResponse, ErrorDetails, SchemaVersionErrorItem,
};
use crate::wire::Fault;

pub fn call(
    glue: &Glue,
    caller: &Caller,
    input: DeleteSchemaVersionsInput,
) -> Result<DeleteSchemaVersionsResponse, Fault> {
    let key = schema(caller, &input.schema_id)?;
    let (first, last) = range(&input.versions)?;
    let deleted = glue.registry.delete_versions(&key, first, last)?;
    let item = |(number, code, message): (u32, &str, String)| SchemaVersionErrorItem {
        version_number: Some(number.into()),
        error_details: Some(ErrorDetails { error_code: told(code), error_message: Some(message.into()) }),
    };
    Ok(DeleteSchemaVersionsResponse { schema_version_errors: Some(deleted.errors.into_iter().map(item).collect()) })
}

/// `5` or `5-8`.
fn range(text: &str) -> Result<(u32, u32), Fault> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if first <= last => Ok((first, last)),
        _ => Err(invalid(format!("Versions '{text}' is no range: write a number (5) or two in order (5-8)."))),
    }
}
