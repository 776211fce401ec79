//! CheckSchemaVersionValidity: whether a text is a schema, and if not, why.

use super::Glue;
use super::names::invalid;
use crate::http::Caller;
use crate::models::glue::{CheckSchemaVersionValidityInput, CheckSchemaVersionValidityResponse};
use crate::wire::Fault;
use millrace_schema::registry::validate;

/// The model's longest error.
const ERROR_CHARS_MAX: usize = 5_000;

pub fn call(
    _glue: &Glue,
    _caller: &Caller,
    input: CheckSchemaVersionValidityInput,
) -> Result<CheckSchemaVersionValidityResponse, Fault> {
    let format = input.data_format.parse().map_err(invalid)?;
    let error = validate(format, &input.schema_definition).err();
    let error = error.map(|error| error.to_string().chars().take(ERROR_CHARS_MAX).collect::<String>());
    Ok(CheckSchemaVersionValidityResponse { valid: Some(error.is_none()), error: error.map(Into::into) })
}
