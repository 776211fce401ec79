//! ListSchemaVersions: by number, a page at a time; refused ones as well.

use super::names::{moment, schema, told};
use super::{Glue, SCHEMAS_PAGE, page};
use crate::http::Caller;
use crate::models::glue::{ListSchemaVersionsInput, ListSchemaVersionsResponse, SchemaVersionListItem};
use crate::wire::Fault;
use millrace_schema::registry::SchemaVersion;

pub fn call(glue: &Glue, caller: &Caller, input: ListSchemaVersionsInput) -> Result<ListSchemaVersionsResponse, Fault> {
    let key = schema(caller, &input.schema_id)?;
    glue.registry.schema(&key)?;
    // Tokens are compared as texts, so numbers have as many digits as the model's largest.
    let place = |version: SchemaVersion| (format!("{:06}", version.number), version);
    let all: Vec<(String, SchemaVersion)> = glue.registry.versions(&key)?.into_iter().map(place).collect();
    let max = input.max_results.or(SCHEMAS_PAGE);
    let (found, next_token) = page(all, |(place, _)| place, input.next_token.as_ref(), max);
    let item = |(_, version): (String, SchemaVersion)| SchemaVersionListItem {
        schema_arn: Some(version.schema.arn().to_string().into()),
        schema_version_id: Some(version.id.to_string().into()),
        version_number: Some(version.number.into()),
        status: told(version.status.name()),
        created_time: moment(version.created),
    };
    Ok(ListSchemaVersionsResponse { schemas: Some(found.into_iter().map(item).collect()), next_token })
}
