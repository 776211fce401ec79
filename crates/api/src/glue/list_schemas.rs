//! ListSchemas: those of a registry or of all, a page at a time.

use super::names::{AVAILABLE, moment, registry, told};
use super::{Glue, SCHEMAS_PAGE, page};
use crate::http::Caller;
use crate::models::glue::{ListSchemasInput, ListSchemasResponse, SchemaListItem};
use crate::wire::{Fault, Text};
use millrace_schema::registry::Schema;

pub fn call(glue: &Glue, caller: &Caller, input: ListSchemasInput) -> Result<ListSchemasResponse, Fault> {
    let named = input.registry_id.map(|id| registry(caller, &id)).transpose()?.flatten();
    let all = glue.registry.schemas(&caller.scope, named.as_deref())?;
    let all: Vec<(String, Schema)> = all.into_iter().map(|schema| (schema.key.to_string(), schema)).collect();
    let max = input.max_results.or(SCHEMAS_PAGE);
    let (found, next_token) = page(all, |(place, _)| place, input.next_token.as_ref(), max);
    let item = |(_, schema): (String, Schema)| SchemaListItem {
        registry_name: told(&schema.key.registry),
        schema_name: told(&schema.key.name),
        schema_arn: Some(schema.key.arn().to_string().into()),
        description: schema.description.map(Text::from),
        schema_status: Some(AVAILABLE),
        created_time: moment(schema.created),
        updated_time: moment(schema.updated),
    };
    Ok(ListSchemasResponse { schemas: Some(found.into_iter().map(item).collect()), next_token })
}
